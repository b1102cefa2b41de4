/* net/address.h: what people write, and whether it can be listened on. */
#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void test_address_good_texts_are_read_and_printed(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *endpoint;
        net_host_kind kind;
        uint16_t port;
        bool is_loopback;
    } rows[] = {
        {"tcp://127.0.0.1:7700", "127.0.0.1", "tcp://127.0.0.1:7700", NET_HOST_V4, 7700, true},
        {"127.1.2.3:1", "127.1.2.3", "tcp://127.1.2.3:1", NET_HOST_V4, 1, true},
        {"0.0.0.0", "0.0.0.0", "tcp://0.0.0.0:9", NET_HOST_V4, 9, false},
        {"tcp://[::1]:80", "::1", "tcp://[::1]:80", NET_HOST_V6, 80, true},
        {"[fe80::1%eth0]", "fe80::1%eth0", "tcp://[fe80::1%eth0]:9", NET_HOST_V6, 9, false},
        {"*:0", "*", "tcp://*:*", NET_HOST_ANY, 0, false},
        {"*:*", "*", "tcp://*:*", NET_HOST_ANY, 0, false},
        {"localhost", "localhost", "tcp://localhost:9", NET_HOST_NAME, 9, true},
        {"head-1.a_b.example:65535", "head-1.a_b.example", "tcp://head-1.a_b.example:65535",
         NET_HOST_NAME, 65535, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct net_address address;
        struct report report = {0};
        char endpoint[NET_ENDPOINT_MAX];
        assert_int_equal(net_address_parse(rows[i].text, "tcp", 9, &address, &report), OK);
        net_address_endpoint(&address, endpoint);
        assert_string_equal(address.host, rows[i].host);
        assert_string_equal(endpoint, rows[i].endpoint);
        assert_int_equal(address.kind, rows[i].kind);
        assert_int_equal(address.port, rows[i].port);
        assert_int_equal(net_address_is_loopback(&address), rows[i].is_loopback);
    }
}

static void test_address_bad_texts_are_invalid_with_a_reason(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",      ":80",   "tcp://",      "udp://a:1",     "a:",         "a:65536",
        "a:-1",  "a:1x",  "::1",         "[::1",          "[::1]x",     "[a]:1",
        "a b:1", "a/b:1", "tcp://a:1:2", "[127.0.0.1]:1", "http://a:1",
    };
    char longest[NET_HOST_MAX + 3];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    for (size_t i = 0; i <= sizeof rows / sizeof rows[0]; i++) {
        struct net_address address = {.port = 4711};
        struct report report = {0};
        const char *text = i < sizeof rows / sizeof rows[0] ? rows[i] : longest;
        assert_int_equal(net_address_parse(text, "tcp", 9, &address, &report), ERR_INVALID);
        assert_true(report.text[0] != '\0');
        assert_int_equal(address.port, 4711);
    }
}

static void test_address_scheme_is_refused_where_none_is_allowed(void **state)
{
    (void)state;
    struct net_address address;
    assert_int_equal(net_address_parse("tcp://a:1", NULL, 9, &address, NULL), ERR_INVALID);
}

static void test_address_in_use_is_busy_and_a_foreign_one_invalid(void **state)
{
    (void)state;
    struct sockaddr_in taken = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof taken;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&taken, sizeof taken), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&taken, &size), 0);
    struct net_address address = {
        .host = "127.0.0.1", .port = ntohs(taken.sin_port), .kind = NET_HOST_V4};
    struct report report = {0};
    assert_int_equal(net_address_try(&address, &report), ERR_BUSY);
    assert_non_null(strstr(report.text, "in use"));
    close(fd);
    assert_int_equal(net_address_try(&address, NULL), OK);
    struct net_address foreign = {.host = "192.0.2.1", .port = 0, .kind = NET_HOST_V4};
    assert_int_equal(net_address_try(&foreign, NULL), ERR_INVALID);
}

static void test_address_numeric_needs_no_name_service(void **state)
{
    (void)state;
    struct net_address address = {.host = "192.0.2.1", .port = 1, .kind = NET_HOST_V4};
    assert_int_equal(net_address_resolve(&address, NULL), OK);
    assert_string_equal(address.host, "192.0.2.1");
    struct net_address name = {.host = "localhost", .port = 1, .kind = NET_HOST_NAME};
    assert_int_equal(net_address_resolve(&name, NULL), OK);
    assert_int_equal(name.kind == NET_HOST_V4 || name.kind == NET_HOST_V6, 1);
    assert_true(net_address_is_loopback(&name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address_good_texts_are_read_and_printed),
        cmocka_unit_test(test_address_bad_texts_are_invalid_with_a_reason),
        cmocka_unit_test(test_address_scheme_is_refused_where_none_is_allowed),
        cmocka_unit_test(test_address_in_use_is_busy_and_a_foreign_one_invalid),
        cmocka_unit_test(test_address_numeric_needs_no_name_service),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
