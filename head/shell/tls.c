#include "head/shell/tls.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "head/shell/tls_make.h"
#include "head/shell/tls_names.h"

enum {
    TLS_PATH_BYTES = 4200,
    DAY_MS = 24 * 60 * 60 * 1000,
};

/* What handshakes are given: their bytes must stay until the handshake is over. */
struct tls_shown {
    gnutls_pcert_st chain[TLS_CHAIN_MAX];
    unsigned n_chain;
    gnutls_privkey_t key;
};

struct tls {
    char ca_path[TLS_PATH_BYTES], ca_key_path[TLS_PATH_BYTES];
    char crt_path[TLS_PATH_BYTES], key_path[TLS_PATH_BYTES];
    bool is_given;
    struct tls_names asked; /* by options */
    char address[TLS_NAME_BYTES];
    char given_name[TLS_NAME_BYTES];
    char until[32];
    struct timespec changed[2]; /* of the given files */
    /* The one in use, and the one before it, which a handshake may still hold. */
    struct tls_shown *shown, *shown_before;
};

static struct tls *tls_of_server;

/* ---- what is shown ---- */

static void shown_free(struct tls_shown *shown)
{
    if (shown == NULL) {
        return;
    }
    for (unsigned i = 0; i < shown->n_chain; i++) {
        gnutls_pcert_deinit(&shown->chain[i]);
    }
    if (shown->key != NULL) {
        gnutls_privkey_deinit(shown->key);
    }
    mem_free(shown);
}

/* Takes over the key of `pair`. */
static error_code shown_new(struct tls_pair *pair, struct tls_shown **ret_shown,
                            struct report *report)
{
    struct tls_shown *shown = mem_zalloc(sizeof *shown);
    if (shown == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < pair->n_crt; i++) {
        rc = gnutls_pcert_import_x509(&shown->chain[i], pair->crt[i], 0);
        shown->n_chain += rc == 0;
    }
    rc = rc == 0 ? gnutls_privkey_init(&shown->key) : rc;
    if (rc == 0) {
        rc = gnutls_privkey_import_x509(shown->key, pair->key, GNUTLS_PRIVKEY_IMPORT_AUTO_RELEASE);
    }
    if (rc != 0) {
        shown_free(shown);
        return report_fail(report, ERR_FORMAT, "the certificate for HTTP cannot be used: %s",
                           gnutls_strerror(rc));
    }
    pair->key = NULL;
    *ret_shown = shown;
    return OK;
}

static int on_certificate(gnutls_session_t session, const gnutls_datum_t *request, int request_n,
                          const gnutls_pk_algorithm_t *algorithms, int algorithms_n,
                          gnutls_pcert_st **ret_chain, unsigned *ret_chain_n,
                          gnutls_privkey_t *ret_key)
{
    (void)session, (void)request, (void)request_n, (void)algorithms, (void)algorithms_n;
    if (tls_of_server == NULL) {
        return -1;
    }
    *ret_chain = tls_of_server->shown->chain;
    *ret_chain_n = tls_of_server->shown->n_chain;
    *ret_key = tls_of_server->shown->key;
    return 0;
}

gnutls_certificate_retrieve_function2 *tls_show(struct tls *tls)
{
    tls_of_server = tls;
    return on_certificate;
}

static error_code pair_show(struct tls *tls, struct tls_pair *pair, struct report *report)
{
    struct tls_shown *shown;
    time_print(tls_crt_until(pair->crt[0]), tls->until);
    error_code error = shown_new(pair, &shown, report);
    if (error == OK) {
        shown_free(tls->shown_before);
        tls->shown_before = tls->shown;
        tls->shown = shown;
    }
    return error;
}

/* First what was asked for: where there are too many, interfaces give way. */
static void names_list(const struct tls *tls, struct tls_names *ret_names)
{
    *ret_names = tls->asked;
    tls_name_add(ret_names, tls->address);
    tls_machine_names_add(ret_names);
}

/* ---- the own CA ---- */

static error_code authority_ensure(const struct tls *tls, time_ms now, bool *ret_is_new,
                                   struct report *report)
{
    gnutls_x509_crt_t crt = NULL;
    error_code error = tls_crt_read(tls->ca_path, &crt, report);
    *ret_is_new = error == ERR_NOT_FOUND;
    if (error == OK) {
        *ret_is_new = tls_crt_until(crt) - now < (time_ms)TLS_RENEW_DAYS * DAY_MS;
        gnutls_x509_crt_deinit(crt);
    } else if (error != ERR_NOT_FOUND) {
        return error;
    }
    return *ret_is_new ? tls_authority_make(tls->ca_path, tls->ca_key_path, now, report) : OK;
}

/* Is what lies there still good for this machine, and signed by this CA? */
static bool server_is_good(const struct tls *tls, const struct tls_pair *pair, time_ms now)
{
    static struct tls_names names; /* large; one thread */
    gnutls_x509_crt_t authority = NULL;
    unsigned result = 0;
    if (tls_crt_read(tls->ca_path, &authority, NULL) != OK) {
        return false;
    }
    bool is_ours = gnutls_x509_crt_verify(pair->crt[0], &authority, 1,
                                          GNUTLS_VERIFY_DISABLE_TIME_CHECKS, &result) == 0 &&
                   result == 0;
    gnutls_x509_crt_deinit(authority);
    if (!is_ours || tls_crt_until(pair->crt[0]) - now < (time_ms)TLS_RENEW_DAYS * DAY_MS) {
        return false;
    }
    names_list(tls, &names);
    for (uint32_t i = 0; i < names.n; i++) {
        if (!tls_crt_names(pair->crt[0], names.text[i])) {
            return false;
        }
    }
    return true;
}

static error_code server_make(const struct tls *tls, time_ms now, struct report *report)
{
    static struct tls_names names; /* large; one thread */
    const char *list[TLS_NAMES_MAX];
    struct tls_pair authority = {0};
    error_code error = tls_pair_read(tls->ca_path, tls->ca_key_path, &authority, report);
    if (error == ERR_NOT_FOUND) {
        return report_fail(report, ERR_NOT_FOUND,
                           "%s is missing, and the certificate for HTTP must be made anew: put it "
                           "back, or remove %s too for a new CA, which every client must then be "
                           "given",
                           tls->ca_key_path, tls->ca_path);
    }
    if (error == OK) {
        names_list(tls, &names);
        for (uint32_t i = 0; i < names.n; i++) {
            list[i] = names.text[i];
        }
        error =
            tls_server_make(&authority, list, names.n, tls->crt_path, tls->key_path, now, report);
    }
    tls_pair_fini(&authority);
    return error;
}

static error_code own_load(struct tls *tls, time_ms now, bool *ret_is_new, struct report *report)
{
    struct tls_pair pair = {0};
    bool is_new_authority = false;
    error_code error = authority_ensure(tls, now, &is_new_authority, report);
    if (error != OK) {
        return error;
    }
    error = tls_pair_read(tls->crt_path, tls->key_path, &pair, report);
    if (error == ERR_NOT_ALLOWED) {
        return error;
    }
    bool is_good = error == OK && server_is_good(tls, &pair, now);
    if (!is_good) {
        tls_pair_fini(&pair);
        error = server_make(tls, now, report);
        if (error == OK) {
            error = tls_pair_read(tls->crt_path, tls->key_path, &pair, report);
        }
    }
    *ret_is_new = !is_good || tls->shown == NULL;
    if (error == OK && *ret_is_new) {
        error = pair_show(tls, &pair, report);
    }
    tls_pair_fini(&pair);
    return error;
}

/* ---- a given certificate ---- */

static bool given_has_changed(struct tls *tls)
{
    const char *const paths[2] = {tls->crt_path, tls->key_path};
    bool has_changed = tls->shown == NULL;
    for (int i = 0; i < 2; i++) {
        struct stat about = {0};
        if (stat(paths[i], &about) == 0 && (about.st_mtim.tv_sec != tls->changed[i].tv_sec ||
                                            about.st_mtim.tv_nsec != tls->changed[i].tv_nsec)) {
            has_changed = true;
            tls->changed[i] = about.st_mtim;
        }
    }
    return has_changed;
}

/* A name by which this machine's own commands may call the head. */
static void given_name_find(struct tls *tls, gnutls_x509_crt_t crt)
{
    tls->given_name[0] = '\0';
    for (uint32_t i = 0; i < tls->asked.n && tls->given_name[0] == '\0'; i++) {
        if (tls_crt_names(crt, tls->asked.text[i])) {
            snprintf(tls->given_name, TLS_NAME_BYTES, "%s", tls->asked.text[i]);
        }
    }
    if (tls->given_name[0] != '\0' || tls_crt_names(crt, "127.0.0.1")) {
        return;
    }
    char name[TLS_NAME_BYTES];
    size_t size = sizeof name;
    int type = gnutls_x509_crt_get_subject_alt_name(crt, 0, name, &size, NULL);
    if (type == GNUTLS_SAN_DNSNAME && size < sizeof name && memchr(name, '*', size) == NULL) {
        snprintf(tls->given_name, TLS_NAME_BYTES, "%.*s", (int)size, name);
    }
}

static error_code given_load(struct tls *tls, time_ms now, bool *ret_is_new, struct report *report)
{
    struct tls_pair pair = {0};
    *ret_is_new = given_has_changed(tls);
    if (!*ret_is_new) {
        return OK;
    }
    error_code error = tls_pair_read(tls->crt_path, tls->key_path, &pair, report);
    if (error == OK && tls_crt_until(pair.crt[0]) <= now) {
        time_print(tls_crt_until(pair.crt[0]), tls->until);
        error = report_fail(report, ERR_INVALID, "the certificate %s was good until %s only",
                            tls->crt_path, tls->until);
    }
    if (error == OK) {
        given_name_find(tls, pair.crt[0]);
        error = pair_show(tls, &pair, report);
    }
    tls_pair_fini(&pair);
    return error;
}

/* ---- open ---- */

error_code tls_open(const struct tls_options *options, time_ms now, struct tls **ret_tls,
                    struct report *report)
{
    if ((options->cert_path == NULL) != (options->key_path == NULL)) {
        return report_fail(report, ERR_INVALID,
                           "--tls-cert and --tls-key belong together: give both or neither");
    }
    struct tls *tls = mem_zalloc(sizeof *tls);
    if (tls == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    tls->is_given = options->cert_path != NULL;
    if (tls->is_given) {
        snprintf(tls->crt_path, TLS_PATH_BYTES, "%s", options->cert_path);
        snprintf(tls->key_path, TLS_PATH_BYTES, "%s", options->key_path);
    } else {
        snprintf(tls->crt_path, TLS_PATH_BYTES, "%s/http.crt", options->keys_dir);
        snprintf(tls->key_path, TLS_PATH_BYTES, "%s/http.key", options->keys_dir);
    }
    snprintf(tls->ca_path, TLS_PATH_BYTES, "%s/ca.crt", options->keys_dir);
    snprintf(tls->ca_key_path, TLS_PATH_BYTES, "%s/ca.key", options->keys_dir);
    for (uint32_t i = 0; i < options->n_names; i++) {
        tls_name_add(&tls->asked, options->names[i]);
    }
    snprintf(tls->address, sizeof tls->address, "%s",
             options->address != NULL ? options->address : "");
    bool is_new;
    error_code error = tls_refresh(tls, now, &is_new, report);
    if (error != OK) {
        tls_free(tls);
        return error;
    }
    *ret_tls = tls;
    return OK;
}

void tls_free(struct tls *tls)
{
    if (tls == NULL) {
        return;
    }
    if (tls_of_server == tls) {
        tls_of_server = NULL;
    }
    shown_free(tls->shown);
    shown_free(tls->shown_before);
    mem_free(tls);
}

error_code tls_refresh(struct tls *tls, time_ms now, bool *ret_is_new, struct report *report)
{
    *ret_is_new = false;
    return tls->is_given ? given_load(tls, now, ret_is_new, report)
                         : own_load(tls, now, ret_is_new, report);
}

const char *tls_ca_path(const struct tls *tls)
{
    return tls->is_given ? tls->crt_path : tls->ca_path;
}

const char *tls_name(const struct tls *tls)
{
    return tls->given_name[0] != '\0' ? tls->given_name : NULL;
}

const char *tls_until(const struct tls *tls)
{
    return tls->until;
}
