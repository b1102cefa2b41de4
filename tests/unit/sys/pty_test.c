#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "sys/pty.h"

static void test_pty_bytes_come_through_as_they_are_and_end_with_the_writer(void **state)
{
    static const char text[] = "a\nb\r\n\t\x04\x03\xFF";
    char got[64] = "";
    struct winsize size;
    int read_fd, write_fd;
    (void)state;
    assert_int_equal(pty_open(512, &read_fd, &write_fd, NULL), OK);
    assert_true(isatty(write_fd));
    assert_int_equal(ioctl(write_fd, TIOCGWINSZ, &size), 0);
    assert_int_equal(size.ws_col, 512);
    assert_int_equal(read(read_fd, got, sizeof got), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(write(write_fd, text, sizeof text - 1), sizeof text - 1);
    close(write_fd);
    assert_int_equal(read(read_fd, got, sizeof got), sizeof text - 1);
    assert_memory_equal(got, text, sizeof text - 1);
    assert_int_equal(read(read_fd, got, sizeof got), -1);
    assert_int_equal(errno, EIO);
    close(read_fd);
}

static void test_pty_without_descriptors_left_says_why(void **state)
{
    struct report report = {0};
    struct rlimit before, none;
    int read_fd, write_fd;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    error_code error = pty_open(80, &read_fd, &write_fd, &report);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_not_equal(error, OK);
    assert_string_equal(report.text, "cannot make a terminal for its output: Too many open files");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pty_bytes_come_through_as_they_are_and_end_with_the_writer),
        cmocka_unit_test(test_pty_without_descriptors_left_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
