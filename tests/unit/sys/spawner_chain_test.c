/* Chains of real processes: one after the other without the loop, what halts them, what goes back.
 */
#include <errno.h>

#include "process_rig.h"
#include "sys/spawner_chain.h"

enum { EVENTS_MAX = 64 };

struct chain_rig {
    struct rig rig;
    struct spawn_chain *chain;
    volatile bool may_go_on;
    struct spawn_chain_event events[EVENTS_MAX];
    pid_t pids[EVENTS_MAX]; /* by tag */
    int codes[EVENTS_MAX];
    int64_t exec_us[EVENTS_MAX], ended_us[EVENTS_MAX];
    struct spawn_result failed; /* the last one that could not start */
    char failed_program[64];
    uint32_t n_events, n_news;
};

static bool chain_rig_may_go_on(void *context)
{
    return ((struct chain_rig *)context)->may_go_on;
}

static void chain_rig_look(struct chain_rig *r)
{
    struct spawn_chain_event event;
    while (spawn_chain_take(r->chain, &event)) {
        assert_true(r->n_events < EVENTS_MAX && event.tag < EVENTS_MAX);
        if (event.kind == SPAWN_CHAIN_STARTED) {
            r->pids[event.tag] = event.result->pid;
            r->exec_us[event.tag] = event.result->exec_us;
        } else if (event.kind == SPAWN_CHAIN_NOT_STARTED) {
            r->failed = *event.result; /* it is there until the next take */
            snprintf(r->failed_program, sizeof r->failed_program, "%s", event.program);
        } else if (event.kind == SPAWN_CHAIN_ENDED) {
            int status;
            /* It is ours to reap. */
            assert_int_equal(waitpid(r->pids[event.tag], &status, WNOHANG), r->pids[event.tag]);
            r->codes[event.tag] = WEXITSTATUS(status);
            r->ended_us[event.tag] = event.ended_us;
        }
        r->events[r->n_events++] = event;
        r->rig.n_results = r->n_events;
    }
}

static void on_chain_rig_news(void *context)
{
    struct chain_rig *r = context;
    r->n_news++;
    chain_rig_look(r);
}

static void on_chain_rig_turn(void *context, const struct loop_turn *turn)
{
    struct chain_rig *r = context;
    chain_rig_look(r);
    on_rig_turn(&r->rig, turn);
}

static void chain_rig_begin(struct chain_rig *r)
{
    *r = (struct chain_rig){.may_go_on = true};
    rig_begin(&r->rig);
    loop_turn_set(r->rig.loop, on_chain_rig_turn, r);
    const struct spawn_chain_ops ops = {chain_rig_may_go_on, on_chain_rig_news, r};
    assert_int_equal(spawn_chain_new(r->rig.spawner, &ops, &r->chain), OK);
}

static void chain_rig_end(struct chain_rig *r)
{
    r->rig.n_results = 0; /* none has a descriptor for the rig to close */
    rig_end(&r->rig);
    spawn_chain_free(r->chain);
}

static void chain_push(struct chain_rig *r, uint64_t tag, const char *program, const char *script)
{
    const char *const argv[] = {program, "-c", script, NULL};
    const struct spawn_request request = {
        .argv = argv, .envp = rig_env, .out_fd = -1, .err_fd = -1};
    assert_int_equal(spawn_chain_push(r->chain, tag, &request), OK);
}

static void chain_until(struct chain_rig *r, uint32_t n_events)
{
    rig_until(&r->rig, n_events);
    assert_int_equal(r->n_events, n_events);
}

static void chain_saw(const struct chain_rig *r, uint32_t i, spawn_chain_event_kind kind,
                      uint64_t tag)
{
    assert_int_equal(r->events[i].kind, kind);
    assert_int_equal(r->events[i].tag, tag);
}

static void test_chain_runs_one_after_the_other_in_order(void **state)
{
    (void)state;
    struct chain_rig r;
    chain_rig_begin(&r);
    static const char *const scripts[] = {"exit 3", "sleep 0.05; exit 4", "exit 5", "exit 6"};
    for (uint64_t i = 0; i < 4; i++) {
        chain_push(&r, i, "/bin/sh", scripts[i]);
    }
    chain_until(&r, 12);
    for (uint32_t i = 0; i < 4; i++) {
        chain_saw(&r, 3 * i, SPAWN_CHAIN_BEGUN, i);
        chain_saw(&r, 3 * i + 1, SPAWN_CHAIN_STARTED, i);
        chain_saw(&r, 3 * i + 2, SPAWN_CHAIN_ENDED, i);
        assert_false(r.events[3 * i + 2].is_halted);
        assert_int_equal(r.codes[i], 3 + i);
        assert_true(r.ended_us[i] >= r.exec_us[i]);
        assert_true(i == 0 || r.exec_us[i] >= r.ended_us[i - 1]);
    }
    /* However late this machine is: it slept for so long between exec and its end. */
    assert_true(r.ended_us[1] - r.exec_us[1] >= 50000);
    /* Idle, and not halted: the next one begins at once. */
    chain_push(&r, 9, "/bin/sh", "exit 7");
    chain_until(&r, 15);
    assert_int_equal(r.codes[9], 7);
    chain_rig_end(&r);
}

static void test_chain_goes_on_while_the_loop_is_away(void **state)
{
    (void)state;
    struct chain_rig r;
    chain_rig_begin(&r);
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    const char *const argv[] = {"/bin/sh", "-c", "echo x", NULL};
    const struct spawn_request request = {
        .argv = argv, .envp = rig_env, .out_fd = fds[1], .err_fd = -1};
    for (uint64_t i = 0; i < 5; i++) {
        assert_int_equal(spawn_chain_push(r.chain, i, &request), OK);
    }
    /* No turn of the loop: the bytes alone tell that all five ran. */
    char bytes[16];
    size_t n = 0;
    while (n < 10) {
        struct pollfd wait = {.fd = fds[0], .events = POLLIN};
        assert_int_equal(poll(&wait, 1, RIG_DEADLINE_MS), 1);
        ssize_t got = read(fds[0], bytes + n, sizeof bytes - n);
        assert_true(got > 0);
        n += (size_t)got;
    }
    assert_int_equal(r.n_news, 0);
    chain_until(&r, 15);
    assert_true(r.n_news > 0); /* few were left: the loop was told */
    close(fds[0]);
    close(fds[1]);
    chain_rig_end(&r);
}

static void test_chain_halts_where_something_was_left_behind_until_it_is_told_to_go(void **state)
{
    (void)state;
    struct chain_rig r;
    chain_rig_begin(&r);
    r.may_go_on = false;
    chain_push(&r, 0, "/bin/sh", "exit 0");
    chain_push(&r, 1, "/bin/sh", "exit 0");
    chain_until(&r, 3);
    assert_true(r.events[2].is_halted);
    chain_push(&r, 2, "/bin/sh", "exit 0"); /* nor does a new one make it go */
    assert_int_equal(spawn_chain_queued(r.chain), 2);
    chain_rig_look(&r);
    assert_int_equal(r.n_events, 3);
    r.may_go_on = true;
    spawn_chain_go(r.chain);
    chain_until(&r, 9);
    assert_false(r.events[5].is_halted);
    chain_rig_end(&r);
}

static void test_chain_that_is_held_begins_nothing_new(void **state)
{
    (void)state;
    struct chain_rig r;
    chain_rig_begin(&r);
    chain_push(&r, 0, "/bin/sh", "sleep 0.05");
    chain_push(&r, 1, "/bin/sh", "exit 0");
    spawn_chain_hold(r.chain);
    chain_until(&r, 3);
    chain_saw(&r, 2, SPAWN_CHAIN_ENDED, 0);
    assert_true(r.events[2].is_halted);
    spawn_chain_let(r.chain);
    assert_int_equal(spawn_chain_queued(r.chain), 1); /* that alone starts nothing */
    spawn_chain_go(r.chain);
    chain_until(&r, 6);
    assert_false(r.events[5].is_halted);
    /* Idle and held: what comes waits as well, and letting it go is enough. */
    spawn_chain_hold(r.chain);
    chain_push(&r, 2, "/bin/sh", "exit 0");
    spawn_chain_go(r.chain);
    assert_int_equal(spawn_chain_queued(r.chain), 1);
    spawn_chain_let(r.chain);
    chain_until(&r, 9);
    chain_rig_end(&r);
}

static void test_chain_halts_at_one_that_cannot_start(void **state)
{
    (void)state;
    struct chain_rig r;
    chain_rig_begin(&r);
    chain_push(&r, 0, "/no/such/program", "");
    chain_push(&r, 1, "/bin/sh", "exit 2");
    chain_until(&r, 2);
    chain_saw(&r, 1, SPAWN_CHAIN_NOT_STARTED, 0);
    assert_true(r.events[1].is_halted);
    assert_int_equal(r.failed.place, SPAWN_FIND);
    assert_int_equal(r.failed.error, ENOENT);
    assert_string_equal(r.failed_program, "/no/such/program");
    spawn_chain_go(r.chain);
    chain_until(&r, 5);
    assert_int_equal(r.codes[1], 2);
    chain_rig_end(&r);
}

static void test_chain_gives_back_what_has_not_begun_the_last_one_first(void **state)
{
    (void)state;
    struct chain_rig r;
    uint64_t tag;
    chain_rig_begin(&r);
    for (uint64_t i = 0; i < 4; i++) {
        chain_push(&r, i, "/bin/sh", "sleep 0.1");
    }
    assert_true(spawn_chain_recall(r.chain, &tag));
    assert_int_equal(tag, 3);
    assert_true(spawn_chain_recall(r.chain, &tag));
    assert_int_equal(tag, 2);
    assert_true(spawn_chain_recall(r.chain, &tag));
    assert_int_equal(tag, 1);
    assert_false(spawn_chain_recall(r.chain, &tag)); /* the first one had begun */
    chain_until(&r, 3);
    chain_saw(&r, 2, SPAWN_CHAIN_ENDED, 0);
    chain_rig_end(&r);
}

static void test_chain_of_a_spawner_that_ends_is_emptied(void **state)
{
    (void)state;
    struct chain_rig r;
    struct spawn_chain_event event;
    chain_rig_begin(&r);
    chain_push(&r, 0, "/bin/sh", "exec sleep 100");
    chain_push(&r, 1, "/bin/sh", "exit 0");
    chain_until(&r, 2);
    pid_t pid = r.pids[0];
    rig_end(&(struct rig){.loop = r.rig.loop, .spawner = r.rig.spawner});
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid); /* it died with the thread */
    assert_true(WIFSIGNALED(status));
    assert_false(spawn_chain_take(r.chain, &event));
    assert_false(spawn_chain_recall(r.chain, &event.tag));
    spawn_chain_go(r.chain);
    spawn_chain_free(r.chain);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void test_process_with_a_daemon_left_behind_is_not_childless(void **state)
{
    (void)state;
    struct chain_rig r;
    int fd = proctree_children_open();
    if (fd < 0) {
        print_message("SKIP: this kernel does not list children\n");
        skip();
    }
    struct proctree_mark mark;
    assert_int_equal(proctree_adopt(NULL), OK);
    assert_int_equal(proctree_mark_make("spawner-chain-test", "daemon", 1, &mark), OK);
    chain_rig_begin(&r);
    chain_push(&r, 0, "/bin/sh", "exit 0");
    chain_until(&r, 3);
    assert_true(proctree_is_childless(fd)); /* what the spawner makes is its thread's */
    const char *const argv[] = {"/bin/sh", "-c", "setsid sleep 100 & exit 0", NULL};
    const struct spawn_request request = {
        .argv = argv, .envp = rig_env, .out_fd = -1, .err_fd = -1, .mark = mark.number};
    assert_int_equal(spawn_chain_push(r.chain, 1, &request), OK);
    chain_until(&r, 6);
    assert_false(proctree_is_childless(fd));
    const struct proctree_target target = {.mark = mark};
    uint32_t killed = 0;
    assert_int_equal(proctree_kill(&target, &killed), OK);
    assert_true(killed >= 1);               /* one that takes its time to die is told twice */
    assert_true(proctree_is_childless(fd)); /* the same descriptor, read again */
    close(fd);
    chain_rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain_runs_one_after_the_other_in_order),
        cmocka_unit_test(test_chain_goes_on_while_the_loop_is_away),
        cmocka_unit_test(test_chain_halts_where_something_was_left_behind_until_it_is_told_to_go),
        cmocka_unit_test(test_chain_that_is_held_begins_nothing_new),
        cmocka_unit_test(test_chain_halts_at_one_that_cannot_start),
        cmocka_unit_test(test_chain_gives_back_what_has_not_begun_the_last_one_first),
        cmocka_unit_test(test_chain_of_a_spawner_that_ends_is_emptied),
        cmocka_unit_test(test_process_with_a_daemon_left_behind_is_not_childless),
    };
    return cmocka_run_group_tests_name("sys/spawner_chain", tests, NULL, NULL);
}
