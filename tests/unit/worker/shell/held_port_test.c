/* A port that is held here can be listened at by whoever it is held for, and is nobody else's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/shell/held_port.h"

enum { MANY = 300 };

static int bind_at(const char *address, uint16_t port, bool reuses)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    assert_true(fd >= 0);
    assert_int_equal(inet_pton(AF_INET, address, &at.sin_addr), 1);
    if (reuses) {
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    }
    if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0) {
        int number = errno;
        close(fd);
        errno = number;
        return -1;
    }
    return fd;
}

static struct held_port take(void)
{
    struct held_port port;
    struct report report = {0};
    assert_int_equal(held_port_take(&port, &report), OK);
    assert_true(port.number > 0);
    return port;
}

static bool can_connect(uint16_t port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_there = connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
    close(fd);
    return is_there;
}

static void test_held_port_can_be_listened_at_and_again_after_a_listener_has_gone(void **state)
{
    (void)state;
    static const char *const addresses[] = {"127.0.0.1", "0.0.0.0", "127.0.0.1"};
    struct held_port port = take();
    assert_false(can_connect(port.number));
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        int fd = bind_at(addresses[i], port.number, true);
        assert_true(fd >= 0);
        assert_int_equal(listen(fd, 8), 0);
        assert_true(can_connect(port.number));
        close(fd);
    }
    held_port_release(&port);
    held_port_release(&port);
}

static void test_held_port_is_refused_to_a_socket_that_does_not_know(void **state)
{
    (void)state;
    struct held_port port = take();
    assert_int_equal(bind_at("127.0.0.1", port.number, false), -1);
    assert_int_equal(errno, EADDRINUSE);
    assert_int_equal(bind_at("0.0.0.0", port.number, false), -1);
    uint16_t number = port.number;
    held_port_release(&port);
    int fd = bind_at("127.0.0.1", number, false);
    assert_true(fd >= 0);
    close(fd);
}

static void test_held_port_is_never_the_kernels_choice_for_another(void **state)
{
    (void)state;
    static bool is_held[UINT16_MAX + 1];
    static struct held_port ports[MANY];
    static int fds[MANY];
    for (int i = 0; i < MANY; i++) {
        ports[i] = take();
        assert_false(is_held[ports[i].number]);
        is_held[ports[i].number] = true;
    }
    for (int i = 0; i < MANY; i++) {
        struct sockaddr_in at = {0};
        socklen_t len = sizeof at;
        fds[i] = bind_at("127.0.0.1", 0, true);
        assert_true(fds[i] >= 0);
        assert_int_equal(getsockname(fds[i], (struct sockaddr *)&at, &len), 0);
        assert_false(is_held[ntohs(at.sin_port)]);
    }
    for (int i = 0; i < MANY; i++) {
        close(fds[i]);
        held_port_release(&ports[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_held_port_can_be_listened_at_and_again_after_a_listener_has_gone),
        cmocka_unit_test(test_held_port_is_refused_to_a_socket_that_does_not_know),
        cmocka_unit_test(test_held_port_is_never_the_kernels_choice_for_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
