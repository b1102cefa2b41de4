/* Certificates: made once, kept, renewed in time; given ones; keys that others may read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "head/shell/tls.h"
#include "head/shell/tls_make.h"
#include "net/keys.h"
#include "sys/files.h"

enum { PATH_BYTES = 512 };
static const time_ms now = 1800000000000;
static const time_ms day = 24 * 60 * 60 * 1000;

struct tls_rig {
    char dir[64];
    struct tls_options options;
    struct tls *tls;
    struct report report;
};

static void rig_begin(struct tls_rig *rig)
{
    *rig = (struct tls_rig){0};
    strcpy(rig->dir, "/tmp/muster-tls-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    assert_int_equal(keys_init(), OK);
    rig->options.keys_dir = rig->dir;
}

static void rig_end(struct tls_rig *rig)
{
    tls_free(rig->tls);
    assert_int_equal(dir_remove_tree(rig->dir, NULL), OK);
    assert_int_equal(mem_live_count(), 0);
}

static const char *path_of(struct tls_rig *rig, const char *name)
{
    static char paths[4][PATH_BYTES];
    static int at;
    at = (at + 1) % 4;
    snprintf(paths[at], PATH_BYTES, "%s/%s", rig->dir, name);
    return paths[at];
}

static void open_at(struct tls_rig *rig, time_ms time)
{
    tls_free(rig->tls);
    rig->tls = NULL;
    if (tls_open(&rig->options, time, &rig->tls, &rig->report) != OK) {
        fail_msg("%s", rig->report.text);
    }
}

/* The file's bytes as a number that tells it from another one. */
static uint64_t file_mark(struct tls_rig *rig, const char *name)
{
    struct buf buf;
    uint64_t mark = 1469598103934665603u;
    buf_init(&buf, 1 << 20);
    assert_int_equal(file_read_bounded(path_of(rig, name), &buf, NULL), OK);
    for (size_t i = 0; i < buf.len; i++) {
        mark = (mark ^ buf.data[i]) * 1099511628211u;
    }
    buf_fini(&buf);
    return mark;
}

static bool names(struct tls_rig *rig, const char *name)
{
    gnutls_x509_crt_t crt;
    assert_int_equal(tls_crt_read(path_of(rig, "http.crt"), &crt, NULL), OK);
    bool is_named = tls_crt_names(crt, name);
    gnutls_x509_crt_deinit(crt);
    return is_named;
}

static void test_tls_first_start_makes_ca_and_certificate_that_fit(void **state)
{
    (void)state;
    struct tls_rig rig;
    struct tls_pair authority, pair;
    struct stat about;
    unsigned result = 0;
    rig_begin(&rig);
    open_at(&rig, now);
    assert_int_equal(
        tls_pair_read(path_of(&rig, "ca.crt"), path_of(&rig, "ca.key"), &authority, NULL), OK);
    assert_int_equal(
        tls_pair_read(path_of(&rig, "http.crt"), path_of(&rig, "http.key"), &pair, NULL), OK);
    assert_int_equal(gnutls_x509_crt_verify(pair.crt[0], authority.crt, 1,
                                            GNUTLS_VERIFY_DISABLE_TIME_CHECKS, &result),
                     0);
    assert_int_equal(result, 0);
    assert_true(names(&rig, "127.0.0.1") && names(&rig, "localhost") && names(&rig, "::1"));
    assert_false(names(&rig, "evil.example"));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(stat(path_of(&rig, i == 0 ? "ca.key" : "http.key"), &about), 0);
        assert_int_equal(about.st_mode & 0777, 0600);
    }
    assert_string_equal(tls_ca_path(rig.tls), path_of(&rig, "ca.crt"));
    tls_pair_fini(&authority);
    tls_pair_fini(&pair);
    rig_end(&rig);
}

static void test_tls_second_start_keeps_what_is_there(void **state)
{
    (void)state;
    struct tls_rig rig;
    rig_begin(&rig);
    open_at(&rig, now);
    uint64_t ca = file_mark(&rig, "ca.crt"), http = file_mark(&rig, "http.crt");
    open_at(&rig, now + day);
    assert_true(ca == file_mark(&rig, "ca.crt") && http == file_mark(&rig, "http.crt"));
    rig_end(&rig);
}

static void test_tls_certificate_near_its_end_is_renewed_in_use(void **state)
{
    (void)state;
    struct tls_rig rig;
    bool is_new = true;
    rig_begin(&rig);
    open_at(&rig, now);
    uint64_t ca = file_mark(&rig, "ca.crt"), http = file_mark(&rig, "http.crt");
    assert_int_equal(tls_refresh(rig.tls, now + (TLS_CERT_DAYS - TLS_RENEW_DAYS - 1) * day, &is_new,
                                 &rig.report),
                     OK);
    assert_false(is_new);
    assert_int_equal(tls_refresh(rig.tls, now + (TLS_CERT_DAYS - TLS_RENEW_DAYS + 1) * day, &is_new,
                                 &rig.report),
                     OK);
    assert_true(is_new);
    assert_true(ca == file_mark(&rig, "ca.crt") && http != file_mark(&rig, "http.crt"));
    rig_end(&rig);
}

static void test_tls_new_name_makes_a_new_certificate_of_the_same_ca(void **state)
{
    (void)state;
    static const char *const more[] = {"head.lab", "10.99.0.7"};
    struct tls_rig rig;
    rig_begin(&rig);
    open_at(&rig, now);
    uint64_t ca = file_mark(&rig, "ca.crt");
    assert_false(names(&rig, "head.lab"));
    rig.options.names = more;
    rig.options.n_names = 2;
    open_at(&rig, now);
    assert_true(names(&rig, "head.lab") && names(&rig, "10.99.0.7"));
    assert_true(ca == file_mark(&rig, "ca.crt"));
    rig_end(&rig);
}

static void test_tls_torn_pair_is_made_again(void **state)
{
    (void)state;
    struct tls_rig rig;
    rig_begin(&rig);
    open_at(&rig, now);
    assert_int_equal(rename(path_of(&rig, "ca.key"), path_of(&rig, "http.key")), 0);
    assert_int_equal(unlink(path_of(&rig, "ca.crt")), 0); /* a new CA too: its key is gone */
    open_at(&rig, now);
    rig_end(&rig);
}

static void assert_fails(struct tls_rig *rig, error_code code, const char *text)
{
    struct tls *tls = NULL;
    assert_int_equal(tls_open(&rig->options, now, &tls, &rig->report), code);
    if (strstr(rig->report.text, text) == NULL) {
        fail_msg("no '%s' in '%s'", text, rig->report.text);
    }
    assert_null(tls);
}

static void test_tls_key_that_others_may_read_is_refused_with_the_chmod_line(void **state)
{
    (void)state;
    struct tls_rig rig;
    rig_begin(&rig);
    open_at(&rig, now);
    assert_int_equal(chmod(path_of(&rig, "http.key"), 0644), 0);
    assert_fails(&rig, ERR_NOT_ALLOWED, "chmod 600 ");
    assert_int_equal(chmod(path_of(&rig, "http.key"), 0600), 0);
    assert_int_equal(chmod(path_of(&rig, "ca.key"), 0640), 0);
    assert_int_equal(unlink(path_of(&rig, "http.crt")), 0); /* the CA's key is needed now */
    assert_fails(&rig, ERR_NOT_ALLOWED, "ca.key");
    rig_end(&rig);
}

static void test_tls_lost_ca_key_says_what_to_do(void **state)
{
    (void)state;
    struct tls_rig rig;
    rig_begin(&rig);
    open_at(&rig, now);
    assert_int_equal(unlink(path_of(&rig, "ca.key")), 0);
    open_at(&rig, now); /* not needed as long as the certificate is good */
    assert_int_equal(unlink(path_of(&rig, "http.crt")), 0);
    assert_fails(&rig, ERR_NOT_FOUND, "put it back");
    rig_end(&rig);
}

static void given_make(struct tls_rig *rig, const char *name, time_ms at)
{
    struct tls_pair authority;
    const char *const list[] = {name};
    assert_int_equal(
        tls_authority_make(path_of(rig, "their.crt"), path_of(rig, "their.key"), at, NULL), OK);
    assert_int_equal(
        tls_pair_read(path_of(rig, "their.crt"), path_of(rig, "their.key"), &authority, NULL), OK);
    assert_int_equal(tls_server_make(&authority, list, 1, path_of(rig, "given.crt"),
                                     path_of(rig, "given.key"), at, NULL),
                     OK);
    tls_pair_fini(&authority);
}

static void test_tls_given_certificate_is_read_again_when_it_changes(void **state)
{
    (void)state;
    struct tls_rig rig;
    char crt[PATH_BYTES], key[PATH_BYTES];
    bool is_new = true;
    rig_begin(&rig);
    given_make(&rig, "head.example", now);
    strcpy(crt, path_of(&rig, "given.crt"));
    strcpy(key, path_of(&rig, "given.key"));
    rig.options.cert_path = crt;
    rig.options.key_path = key;
    open_at(&rig, now);
    assert_string_equal(tls_name(rig.tls), "head.example");
    assert_string_equal(tls_ca_path(rig.tls), crt);
    assert_int_equal(access(path_of(&rig, "ca.crt"), F_OK), -1);
    assert_int_equal(tls_refresh(rig.tls, now, &is_new, NULL), OK);
    assert_false(is_new);
    given_make(&rig, "head.example", now + day);
    assert_int_equal(tls_refresh(rig.tls, now, &is_new, NULL), OK);
    assert_true(is_new);
    assert_int_equal(truncate(crt, 10), 0);
    assert_int_not_equal(tls_refresh(rig.tls, now, &is_new, NULL), OK); /* the old one stays */
    assert_string_equal(tls_name(rig.tls), "head.example");
    rig_end(&rig);
}

static void test_tls_given_certificate_that_is_wrong_is_refused(void **state)
{
    (void)state;
    struct tls_rig rig;
    char crt[PATH_BYTES], key[PATH_BYTES], other[PATH_BYTES];
    rig_begin(&rig);
    given_make(&rig, "head.example", now - 2 * TLS_CERT_DAYS * day);
    strcpy(crt, path_of(&rig, "given.crt"));
    strcpy(key, path_of(&rig, "given.key"));
    strcpy(other, path_of(&rig, "their.key"));
    rig.options.cert_path = crt;
    assert_fails(&rig, ERR_INVALID, "belong together");
    rig.options.key_path = key;
    assert_fails(&rig, ERR_INVALID, "was good until");
    rig.options.key_path = other;
    assert_fails(&rig, ERR_FORMAT, "is not that of the certificate");
    rig.options.cert_path = other;
    assert_fails(&rig, ERR_FORMAT, "no certificate");
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tls_first_start_makes_ca_and_certificate_that_fit),
        cmocka_unit_test(test_tls_second_start_keeps_what_is_there),
        cmocka_unit_test(test_tls_certificate_near_its_end_is_renewed_in_use),
        cmocka_unit_test(test_tls_new_name_makes_a_new_certificate_of_the_same_ca),
        cmocka_unit_test(test_tls_torn_pair_is_made_again),
        cmocka_unit_test(test_tls_key_that_others_may_read_is_refused_with_the_chmod_line),
        cmocka_unit_test(test_tls_lost_ca_key_says_what_to_do),
        cmocka_unit_test(test_tls_given_certificate_is_read_again_when_it_changes),
        cmocka_unit_test(test_tls_given_certificate_that_is_wrong_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
