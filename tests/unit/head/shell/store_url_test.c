/* head/shell/store_url.h: --store, and what is wrong with it. */
#include "head/shell/store_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_url_good_ones_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text, *unix_path, *host, *user, *password;
        uint16_t port;
        uint32_t database;
    } rows[] = {
        {"redis://h", "", "h", "", "", 6379, 0},
        {"redis://h:1/", "", "h", "", "", 1, 0},
        {"redis://:pw@10.0.0.1:7000/3", "", "10.0.0.1", "", "pw", 7000, 3},
        {"redis://u:p%40%2f%25@[::1]:1/12", "", "::1", "u", "p@/%", 1, 12},
        {"redis://u:a@b:c@h", "", "h", "u", "a@b:c", 6379, 0},
        {"unix:///run/r.sock", "/run/r.sock", "", "", "", 0, 0},
        {"unix:///run/r.sock?db=4", "/run/r.sock", "", "", "", 0, 4},
        {"unix://u:p@/r?2", "/r", "", "u", "p", 0, 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct store_url url;
        struct report report = {0};
        assert_int_equal(store_url_parse(rows[i].text, &url, &report), OK);
        assert_string_equal(url.unix_path, rows[i].unix_path);
        assert_string_equal(url.host, rows[i].host);
        assert_string_equal(url.user, rows[i].user);
        assert_string_equal(url.password, rows[i].password);
        assert_int_equal(url.port, rows[i].port);
        assert_int_equal(url.database, rows[i].database);
    }
}

static void test_url_bad_ones_are_refused_without_the_password(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "h:1",
        "http://h",
        "redis://",
        "redis://:",
        "redis://secret@h",
        "redis://u:secret@",
        "redis://u:secret%4@h",
        "redis://u:secret%zz@h",
        "redis://u:secret%00@h",
        "redis://u:secret@h:0",
        "redis://u:secret@h:65536",
        "redis://u:secret@h/x",
        "redis://u:secret@h/1/2",
        "redis://u:secret@h/99999999",
        "redis://u:secret@*:1",
        "unix://",
        "unix://relative",
        "unix://u:secret@r",
        "unix:///r?db=x",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct store_url url = {.port = 4711};
        struct report report = {0};
        assert_int_equal(store_url_parse(rows[i], &url, &report), ERR_INVALID);
        assert_true(report.text[0] != '\0');
        assert_null(strstr(report.text, "secret"));
        assert_int_equal(url.port, 4711);
    }
}

static void test_url_rediss_is_unsupported_with_a_way_out(void **state)
{
    (void)state;
    struct store_url url;
    struct report report = {0};
    assert_int_equal(store_url_parse("rediss://h", &url, &report), ERR_UNSUPPORTED);
    assert_non_null(strstr(report.text, "tunnel"));
}

static void test_url_longest_password_fits_and_one_more_does_not(void **state)
{
    (void)state;
    char text[STORE_URL_TEXT_MAX + 32];
    for (int extra = 0; extra < 2; extra++) {
        struct store_url url;
        size_t n = (size_t)STORE_URL_TEXT_MAX + (size_t)extra;
        strcpy(text, "redis://:");
        memset(text + 9, 'x', n);
        strcpy(text + 9 + n, "@h");
        assert_int_equal(store_url_parse(text, &url, NULL), extra == 0 ? OK : ERR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_url_good_ones_are_read),
        cmocka_unit_test(test_url_bad_ones_are_refused_without_the_password),
        cmocka_unit_test(test_url_rediss_is_unsupported_with_a_way_out),
        cmocka_unit_test(test_url_longest_password_fits_and_one_more_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
