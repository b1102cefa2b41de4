#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "head/shell/http_guard.h"

#define TOKEN "0123456789abcdef"
#define GOOD "Bearer " TOKEN
#define ALICE "Bearer alice-0123456789"
#define EXPIRED "Bearer bobby-0123456789"

enum { PASSES = HTTP_REFUSALS_COUNT };

static const struct {
    http_method method;
    http_access access;
    struct guard_headers headers; /* host, origin, authorization */
    int outcome;
} rules[] = {
    /* probes: anybody, by any name */
    {HTTP_GET, HTTP_OPEN, {"10.0.0.7:8265", NULL, NULL}, PASSES},
    {HTTP_GET, HTTP_OPEN, {NULL, NULL, NULL}, PASSES},
    /* a valid bearer needs no Host check */
    {HTTP_GET, HTTP_TOKEN, {"127.0.0.1:8265", NULL, GOOD}, PASSES},
    {HTTP_GET, HTTP_TOKEN, {"evil.example", NULL, GOOD}, PASSES},
    {HTTP_GET, HTTP_TOKEN, {NULL, NULL, GOOD}, PASSES},
    {HTTP_GET, HTTP_TOKEN, {"localhost", NULL, "bearer " TOKEN}, PASSES},
    /* all else does */
    {HTTP_GET, HTTP_TOKEN, {"evil.example", NULL, NULL}, HTTP_REFUSED_HOST},
    {HTTP_GET, HTTP_TOKEN, {"evil.example", NULL, "Bearer wrong"}, HTTP_REFUSED_HOST},
    {HTTP_GET, HTTP_PAGE, {"evil.example", NULL, NULL}, HTTP_REFUSED_HOST},
    {HTTP_GET, HTTP_PAGE, {NULL, NULL, NULL}, HTTP_REFUSED_HOST},
    {HTTP_GET, HTTP_PAGE, {"LocalHost:8265", NULL, NULL}, PASSES},
    {HTTP_GET, HTTP_PAGE, {"[::1]:8265", NULL, NULL}, PASSES},
    {HTTP_GET, HTTP_PAGE, {"[::1", NULL, NULL}, HTTP_REFUSED_HOST},
    {HTTP_GET, HTTP_PAGE, {"head.lab:80", NULL, NULL}, PASSES},
    {HTTP_GET, HTTP_PAGE, {"[fd00::7]:80", NULL, NULL}, PASSES},
    {HTTP_GET, HTTP_PAGE, {"fd00::7", NULL, NULL}, HTTP_REFUSED_HOST},
    {HTTP_GET, HTTP_PAGE, {"head.lab.evil.example", NULL, NULL}, HTTP_REFUSED_HOST},
    {HTTP_GET, HTTP_PAGE, {"head.lab:80@evil.example", NULL, NULL}, HTTP_REFUSED_HOST},
    {HTTP_GET, HTTP_PAGE, {"", NULL, NULL}, HTTP_REFUSED_HOST},
    /* tokens */
    {HTTP_GET, HTTP_TOKEN, {"localhost", NULL, NULL}, HTTP_REFUSED_TOKEN},
    {HTTP_GET, HTTP_TOKEN, {"localhost", NULL, "Bearer "}, HTTP_REFUSED_TOKEN},
    {HTTP_GET, HTTP_TOKEN, {"localhost", NULL, "Bearer " TOKEN "x"}, HTTP_REFUSED_TOKEN},
    {HTTP_GET, HTTP_TOKEN, {"localhost", NULL, "Basic " TOKEN}, HTTP_REFUSED_TOKEN},
    {HTTP_GET, HTTP_TOKEN, {"localhost", NULL, TOKEN}, HTTP_REFUSED_TOKEN},
    {HTTP_GET, HTTP_TOKEN, {"evil.example", NULL, ALICE}, PASSES},
    {HTTP_POST, HTTP_TOKEN, {"localhost", NULL, ALICE}, PASSES}, /* roles are the shell's affair */
    {HTTP_GET, HTTP_TOKEN, {"localhost", NULL, EXPIRED}, HTTP_REFUSED_TOKEN},
    {HTTP_GET, HTTP_TOKEN, {"evil.example", NULL, EXPIRED}, HTTP_REFUSED_HOST},
    /* Origin, where something changes */
    {HTTP_POST, HTTP_TOKEN, {"localhost", "http://localhost:8265", GOOD}, PASSES},
    {HTTP_POST, HTTP_TOKEN, {"localhost", "https://head.lab", GOOD}, PASSES},
    {HTTP_POST, HTTP_TOKEN, {"localhost", NULL, GOOD}, PASSES},
    {HTTP_POST, HTTP_TOKEN, {"localhost", "http://evil.example", GOOD}, HTTP_REFUSED_ORIGIN},
    {HTTP_PUT, HTTP_TOKEN, {"localhost", "null", GOOD}, HTTP_REFUSED_ORIGIN},
    {HTTP_DELETE, HTTP_TOKEN, {"localhost", "localhost", GOOD}, HTTP_REFUSED_ORIGIN},
    {HTTP_POST, HTTP_TOKEN, {"localhost", "http://evil.example", NULL}, HTTP_REFUSED_ORIGIN},
    {HTTP_GET, HTTP_TOKEN, {"localhost", "http://evil.example", GOOD}, PASSES},
    {HTTP_HEAD, HTTP_TOKEN, {"localhost", "http://evil.example", GOOD}, PASSES},
};

static bool on_identify(void *context, const char *token, struct http_identity *ret_identity,
                        struct report *report)
{
    (void)context;
    if (strcmp(token, &EXPIRED[7]) == 0) {
        ignore_error(report_fail(report, ERR_NOT_ALLOWED, "until yesterday"), "false says so");
    }
    strcpy(ret_identity->name, "alice");
    ret_identity->role = ROLE_READER;
    return strcmp(token, &ALICE[7]) == 0;
}

static const struct http_callbacks callbacks = {.identify = on_identify};

static void test_guard_follows_its_rules(void **state)
{
    (void)state;
    static const char *const hosts[] = {"head.lab", "fd00::7"};
    const struct http_options options = {.token = TOKEN, .hosts = hosts, .n_hosts = 2};
    struct http_guard guard;
    assert_int_equal(guard_init(&guard, &options, NULL), OK);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        http_refusal refusal = HTTP_REFUSALS_COUNT;
        struct http_identity identity;
        bool has_token;
        guard_identify(&guard, &callbacks, &rules[i].headers, &identity, &has_token, NULL);
        bool is_allowed = guard_allows(&guard, rules[i].method, rules[i].access, &rules[i].headers,
                                       has_token, &refusal);
        if (is_allowed != (rules[i].outcome == PASSES) || (int)refusal != rules[i].outcome) {
            fail_msg("rule %zu: allowed %d, refusal %d", i, is_allowed, (int)refusal);
        }
    }
    guard_fini(&guard);
    assert_int_equal(mem_live_count(), 0);
}

static void test_guard_identifies_users_and_says_why_not(void **state)
{
    (void)state;
    const struct http_options options = {.token = TOKEN};
    struct http_guard guard;
    struct http_identity identity;
    struct report report = {0};
    bool has_token;
    assert_int_equal(guard_init(&guard, &options, NULL), OK);
    guard_identify(&guard, &callbacks, &(struct guard_headers){.authorization = GOOD}, &identity,
                   &has_token, &report);
    assert_true(has_token && identity.is_builtin && identity.role == ROLE_ADMIN);
    guard_identify(&guard, &callbacks, &(struct guard_headers){.authorization = ALICE}, &identity,
                   &has_token, &report);
    assert_true(has_token && !identity.is_builtin && identity.role == ROLE_READER);
    assert_string_equal(identity.name, "alice");
    guard_identify(&guard, &callbacks, &(struct guard_headers){.authorization = EXPIRED}, &identity,
                   &has_token, &report);
    assert_false(has_token);
    assert_string_equal(report.text, "until yesterday");
    guard_fini(&guard);
}

static void test_guard_without_a_real_token_is_invalid(void **state)
{
    (void)state;
    struct http_guard guard;
    struct report report = {0};
    assert_int_equal(guard_init(&guard, &(struct http_options){.token = NULL}, &report),
                     ERR_INVALID);
    assert_int_equal(guard_init(&guard, &(struct http_options){.token = "short"}, &report),
                     ERR_INVALID);
    assert_true(report.text[0] != '\0');
    char long_token[400];
    memset(long_token, 'x', sizeof long_token);
    long_token[sizeof long_token - 1] = '\0';
    assert_int_equal(guard_init(&guard, &(struct http_options){.token = long_token}, &report),
                     ERR_INVALID);
}

static void test_guard_with_too_many_hosts_is_a_limit(void **state)
{
    (void)state;
    const char *hosts[HTTP_HOSTS_MAX];
    for (size_t i = 0; i < HTTP_HOSTS_MAX; i++) {
        hosts[i] = "h";
    }
    struct http_guard guard;
    const struct http_options options = {.token = TOKEN, .hosts = hosts, .n_hosts = HTTP_HOSTS_MAX};
    assert_int_equal(guard_init(&guard, &options, NULL), ERR_LIMIT);
    assert_int_equal(mem_live_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guard_follows_its_rules),
        cmocka_unit_test(test_guard_identifies_users_and_says_why_not),
        cmocka_unit_test(test_guard_without_a_real_token_is_invalid),
        cmocka_unit_test(test_guard_with_too_many_hosts_is_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
