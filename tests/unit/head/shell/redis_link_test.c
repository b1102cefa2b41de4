/* One connection: every way to lose it is noticed once, and every owed reply comes. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "head/shell/redis_link.h"
#include "tests/tools/redis_proxy.h"
#include "tests/tools/redis_rig.h"

enum { DEADLINE_MS = 20000, LONG_MS = 3600 * 1000 };

struct rig {
    struct redis_rig redis;
    uv_loop_t loop;
    uv_timer_t deadline;
    bool is_late;
    struct redis_link *link;
    uint32_t downs, replies, nulls, errors;
    char why[256];
    bool must_close_in_reply;
};

static void on_down(void *context, const char *why)
{
    struct rig *rig = context;
    rig->downs++;
    rig->link = NULL;
    (void)snprintf(rig->why, sizeof rig->why, "%s", why);
}

static void on_reply(void *context, const redisReply *reply)
{
    struct rig *rig = context;
    rig->replies++;
    rig->nulls += reply == NULL ? 1 : 0;
    rig->errors += reply != NULL && reply->type == REDIS_REPLY_ERROR ? 1 : 0;
    if (rig->must_close_in_reply) {
        redis_link_close(rig->link);
    }
}

static void on_deadline(uv_timer_t *timer)
{
    ((struct rig *)timer->data)->is_late = true;
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    redis_rig_open(&rig->redis, NULL);
    redis_rig_start(&rig->redis);
    uv_loop_init(&rig->loop);
    uv_timer_init(&rig->loop, &rig->deadline);
    rig->deadline.data = rig;
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    redis_link_close(rig->link);
    uv_close((uv_handle_t *)&rig->deadline, NULL);
    uv_run(&rig->loop, UV_RUN_DEFAULT);
    bool is_clean = uv_loop_close(&rig->loop) == 0 && mem_live_count() == 0;
    redis_rig_close(&rig->redis);
    free(rig);
    return is_clean ? 0 : -1;
}

static void rig_run(struct rig *rig, const uint32_t *counter, uint32_t target, uint64_t limit_ms)
{
    rig->is_late = false;
    uv_update_time(&rig->loop);
    uv_timer_start(&rig->deadline, on_deadline, limit_ms, 0);
    while (*counter < target && !rig->is_late) {
        uv_run(&rig->loop, UV_RUN_ONCE);
    }
    uv_timer_stop(&rig->deadline);
}

static error_code rig_link(struct rig *rig, const char *path, int64_t silence_ms)
{
    const struct redis_target target = {.unix_path = path, .silence_ms = silence_ms};
    const struct redis_link_handlers handlers = {.context = rig, .on_down = on_down};
    struct report report = {.code = OK};
    return redis_link_open(&rig->loop, &target, &handlers, &rig->link, &report);
}

static void rig_send(struct rig *rig, const char *one, const char *two)
{
    const char *words[] = {one, two};
    size_t lengths[] = {strlen(one), two != NULL ? strlen(two) : 0};
    assert_int_equal(redis_link_send(rig->link, words, lengths, two != NULL ? 2 : 1, on_reply, rig),
                     OK);
}

static void test_link_stop_send_kill_brings_replies_and_down(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_link(rig, rig->redis.server.socket_path, LONG_MS), OK);
    rig_send(rig, "PING", NULL);
    rig_run(rig, &rig->replies, 1, DEADLINE_MS);
    assert_int_equal(rig->errors, 1); /* NOAUTH: an answer all the same */
    (void)kill(rig->redis.pid, SIGSTOP);
    for (int i = 0; i < 100; i++) {
        rig_send(rig, "PING", "a few bytes that nobody reads");
    }
    rig_run(rig, &rig->downs, 1, 100);
    assert_int_equal(rig->downs, 0);
    redis_rig_kill(&rig->redis, SIGKILL);
    rig_run(rig, &rig->downs, 1, DEADLINE_MS);
    assert_int_equal(rig->downs, 1);
    assert_int_equal(rig->nulls, 100);
}

static void test_link_to_a_silent_server_is_given_up(void **state)
{
    struct rig *rig = *state;
    (void)kill(rig->redis.pid, SIGSTOP);
    assert_int_equal(rig_link(rig, rig->redis.server.socket_path, 100), OK);
    rig_send(rig, "PING", NULL);
    rig_run(rig, &rig->downs, 1, DEADLINE_MS);
    assert_int_equal(rig->downs, 1);
    assert_int_equal(rig->nulls, 1);
    assert_string_equal(rig->why, "Redis said nothing for 100 ms");
}

static void test_link_to_a_server_that_falls_silent_is_given_up(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_link(rig, rig->redis.server.socket_path, 1000), OK);
    rig_send(rig, "PING", NULL);
    rig_run(rig, &rig->replies, 1, DEADLINE_MS);
    (void)kill(rig->redis.pid, SIGSTOP);
    rig_send(rig, "PING", NULL);
    rig_run(rig, &rig->downs, 1, DEADLINE_MS);
    assert_int_equal(rig->downs, 1);
    assert_int_equal(rig->nulls, 1);
}

static void test_link_that_owes_nothing_may_be_silent(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_link(rig, rig->redis.server.socket_path, 300), OK);
    rig_send(rig, "PING", NULL);
    rig_run(rig, &rig->replies, 1, DEADLINE_MS);
    rig_run(rig, &rig->downs, 1, 900);
    assert_int_equal(rig->downs, 0);
}

static void test_link_to_nobody_is_unreachable(void **state)
{
    struct rig *rig = *state;
    char path[160];
    (void)snprintf(path, sizeof path, "%s/run/nobody.sock", rig->redis.state_dir);
    assert_int_equal(rig_link(rig, path, LONG_MS), ERR_UNREACHABLE);
    redis_rig_kill(&rig->redis, SIGKILL); /* its socket file stays */
    assert_int_equal(rig_link(rig, rig->redis.server.socket_path, LONG_MS), ERR_UNREACHABLE);
    assert_null(rig->link);
}

static void test_link_tcp_refused_goes_down_once(void **state)
{
    struct rig *rig = *state;
    const struct redis_target target = {.host = "127.0.0.1", .port = 1, .silence_ms = LONG_MS};
    const struct redis_link_handlers handlers = {.context = rig, .on_down = on_down};
    struct report report = {.code = OK};
    assert_int_equal(redis_link_open(&rig->loop, &target, &handlers, &rig->link, &report), OK);
    rig_send(rig, "PING", NULL);
    rig_run(rig, &rig->downs, 1, DEADLINE_MS);
    assert_int_equal(rig->downs, 1);
    rig_run(rig, &rig->nulls, 1, DEADLINE_MS);
    assert_int_equal(rig->nulls, 1);
}

static void test_link_closed_in_a_reply_or_before_connecting_is_quiet(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_link(rig, rig->redis.server.socket_path, LONG_MS), OK);
    rig_send(rig, "PING", NULL);
    redis_link_close(rig->link);
    assert_int_equal(rig->nulls, 1);
    assert_int_equal(rig_link(rig, rig->redis.server.socket_path, LONG_MS), OK);
    rig->must_close_in_reply = true;
    rig_send(rig, "PING", NULL);
    rig_send(rig, "PING", NULL);
    rig_run(rig, &rig->replies, 3, DEADLINE_MS);
    assert_int_equal(rig->replies, 3);
    assert_int_equal(rig->nulls, 2);
    assert_int_equal(rig->downs, 0);
    rig->link = NULL;
}

static void test_link_socket_is_not_left_to_children(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_link(rig, rig->redis.server.socket_path, LONG_MS), OK);
    uint32_t sockets = 0;
    for (int fd = 3; fd < 64; fd++) {
        char path[32], target[64] = "";
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (readlink(path, target, sizeof target - 1) > 0 && strncmp(target, "socket:", 7) == 0) {
            sockets++;
            assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        }
    }
    assert_true(sockets > 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_link_stop_send_kill_brings_replies_and_down),
        TEST(test_link_to_a_silent_server_is_given_up),
        TEST(test_link_to_a_server_that_falls_silent_is_given_up),
        TEST(test_link_that_owes_nothing_may_be_silent),
        TEST(test_link_to_nobody_is_unreachable),
        TEST(test_link_tcp_refused_goes_down_once),
        TEST(test_link_closed_in_a_reply_or_before_connecting_is_quiet),
        TEST(test_link_socket_is_not_left_to_children),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
