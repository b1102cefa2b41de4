/* Turns: when they come, in which order, and what they say of time. */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "../folder.h"
#include "sys/clock.h"
#include "sys/loop.h"

enum { RIG_DEADLINE_MS = 20000 };

struct rig {
    struct loop *loop;
    time_ms begin;
    uint32_t turns;
    uint32_t stop_at_turn; /* 0: no */
    time_ms wake_in;       /* each turn asks for one so long after it; 0: never */
    uint32_t left;         /* items that the source still has */
    uint32_t per_turn;
    uint32_t behind_turns;
    uint32_t source_calls;
    int64_t gap_ms;
    char order[16];
    bool must_stop_at_gap;
    int ready_fd; /* > 0: told once, when it turns */
    bool is_late;
};

static void rig_note(struct rig *rig, char what)
{
    size_t n = strlen(rig->order);
    if (n + 1 < sizeof rig->order) {
        rig->order[n] = what;
        rig->order[n + 1] = '\0';
    }
}

static void on_rig_turn(void *context, const struct loop_turn *turn)
{
    struct rig *rig = context;
    rig->turns++;
    rig_note(rig, 't');
    rig->behind_turns += turn->is_behind ? 1 : 0;
    rig->gap_ms = turn->gap_ms > rig->gap_ms ? turn->gap_ms : rig->gap_ms;
    if (rig->ready_fd > 0) {
        assert_int_equal(write(rig->ready_fd, "r", 1), 1);
        rig->ready_fd = 0;
    }
    rig->is_late = turn->now - rig->begin > RIG_DEADLINE_MS;
    assert_int_equal(turn->now, loop_now(rig->loop));
    if (rig->wake_in > 0) {
        loop_deadline_set(rig->loop, turn->now + rig->wake_in);
    }
    if (rig->turns == rig->stop_at_turn || rig->is_late ||
        (rig->must_stop_at_gap && rig->gap_ms > 0)) {
        loop_stop(rig->loop);
    }
}

static bool rig_source(void *context, time_ms now)
{
    (void)now;
    struct rig *rig = context;
    rig->source_calls++;
    rig_note(rig, 's');
    rig->left -= rig->left < rig->per_turn ? rig->left : rig->per_turn;
    return rig->left > 0;
}

static void rig_begin(struct rig *rig)
{
    rig->begin = clock_now();
    assert_int_equal(loop_new(&rig->loop, NULL), OK);
    loop_turn_set(rig->loop, on_rig_turn, rig);
}

static void rig_end(struct rig *rig)
{
    loop_free(rig->loop);
    assert_false(rig->is_late);
}

static void test_loop_source_that_stays_behind_is_called_again_without_waiting(void **state)
{
    (void)state;
    struct rig rig = {.left = 35, .per_turn = 10, .stop_at_turn = 4};
    rig_begin(&rig);
    assert_int_equal(loop_source_add(rig.loop, rig_source, &rig), OK);
    assert_int_equal(loop_run(rig.loop), OK);

    assert_int_equal(rig.left, 0);
    assert_int_equal(rig.behind_turns, 3);
    assert_string_equal(rig.order, "stststst");
    loop_source_remove(rig.loop, rig_source, &rig);
    rig_end(&rig);
}

static void test_loop_source_that_was_removed_is_not_called(void **state)
{
    (void)state;
    struct rig rig = {.stop_at_turn = 1};
    rig_begin(&rig);
    assert_int_equal(loop_source_add(rig.loop, rig_source, &rig), OK);
    loop_source_remove(rig.loop, rig_source, &rig);
    loop_again(rig.loop);
    assert_int_equal(loop_run(rig.loop), OK);
    assert_int_equal(rig.source_calls, 0);
    rig_end(&rig);
}

static void test_loop_sources_beyond_the_table_are_refused(void **state)
{
    (void)state;
    struct rig rig = {0};
    rig_begin(&rig);
    for (int i = 0; i < LOOP_SOURCES_MAX; i++) {
        assert_int_equal(loop_source_add(rig.loop, rig_source, &rig), OK);
    }
    assert_int_equal(loop_source_add(rig.loop, rig_source, &rig), ERR_LIMIT);
    rig_end(&rig);
}

static void test_loop_deadline_brings_a_turn_not_before_it(void **state)
{
    (void)state;
    struct rig rig = {.stop_at_turn = 1};
    rig_begin(&rig);
    time_ms deadline = clock_now() + 30;
    loop_deadline_set(rig.loop, deadline);
    assert_int_equal(loop_run(rig.loop), OK);
    assert_true(clock_now() >= deadline);
    assert_int_equal(rig.gap_ms, 0);
    rig_end(&rig);
}

static void test_loop_deadline_holds_for_one_turn_only(void **state)
{
    (void)state;
    /* The first deadline is past and is not set again: what follows are ticks, not a busy loop. */
    struct rig rig = {.stop_at_turn = 3};
    rig_begin(&rig);
    loop_deadline_set(rig.loop, clock_now() - 1000);
    time_ms begin = clock_now();
    assert_int_equal(loop_run(rig.loop), OK);
    assert_true(clock_now() - begin >= 500);
    rig_end(&rig);
}

static void test_loop_idle_for_long_reports_no_gap(void **state)
{
    (void)state;
    struct rig rig = {.stop_at_turn = 4};
    rig_begin(&rig);
    assert_int_equal(loop_run(rig.loop), OK);
    assert_int_equal(rig.gap_ms, 0);
    rig_end(&rig);
}

static void test_loop_that_did_not_run_was_not_away(void **state)
{
    (void)state;
    struct rig rig = {.stop_at_turn = 1};
    rig_begin(&rig);
    poll(NULL, 0, LOOP_GAP_MS + 200); /* time itself is what is tested */
    loop_again(rig.loop);
    assert_int_equal(loop_run(rig.loop), OK);
    assert_int_equal(rig.gap_ms, 0);
    rig_end(&rig);
}

static void on_rig_stall(uv_timer_t *timer)
{
    (void)timer;
    poll(NULL, 0, LOOP_GAP_MS + 500);
}

static void test_loop_stalled_by_a_slow_callback_reports_a_gap(void **state)
{
    (void)state;
    struct rig rig = {.must_stop_at_gap = true, .wake_in = 20};
    rig_begin(&rig);
    uv_timer_t timer;
    uv_timer_init(loop_uv(rig.loop), &timer);
    uv_timer_start(&timer, on_rig_stall, 50, 0);
    assert_int_equal(loop_run(rig.loop), OK);
    assert_true(rig.gap_ms >= LOOP_GAP_MS);
    uv_close((uv_handle_t *)&timer, NULL);
    rig_end(&rig);
}

/* The child's loop wakes every 20 ms; it is stopped for a while, and has to see that. */
static void test_loop_stopped_and_continued_reports_the_gap(void **state)
{
    (void)state;
    enum { AWAY_MS = 1600 };
    int lines[2];
    assert_int_equal(pipe2(lines, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct rig rig = {.must_stop_at_gap = true, .wake_in = 20, .ready_fd = lines[1]};
        rig_begin(&rig);
        bool has_run = loop_run(rig.loop) == OK;
        loop_free(rig.loop);
        _exit(has_run && rig.gap_ms >= LOOP_GAP_MS && rig.gap_ms < 20 * AWAY_MS ? 0 : 1);
    }
    assert_true(pid > 0);
    close(lines[1]); /* so that the end of one that failed ends the wait for it */
    char ready;
    assert_int_equal(read(lines[0], &ready, 1), 1);
    kill(pid, SIGSTOP);
    int status;
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    poll(NULL, 0, AWAY_MS);
    kill(pid, SIGCONT);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(lines[0]);
}

static void test_loop_out_of_memory_is_said(void **state)
{
    (void)state;
    struct loop *loop = NULL;
    struct report report = {0};
    mem_fail_at(1);
    assert_int_equal(loop_new(&loop, &report), ERR_NO_MEMORY);
    mem_fail_at(0);
    assert_null(loop);
    loop_free(loop);
    assert_int_equal(mem_live_count(), 0);
}

static void test_clock_never_goes_back(void **state)
{
    (void)state;
    time_ms last = clock_now();
    for (int i = 0; i < 100000; i++) {
        time_ms now = clock_now();
        assert_true(now >= last);
        last = now;
    }
    assert_true(last > 1700000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loop_source_that_stays_behind_is_called_again_without_waiting),
        cmocka_unit_test(test_loop_source_that_was_removed_is_not_called),
        cmocka_unit_test(test_loop_sources_beyond_the_table_are_refused),
        cmocka_unit_test(test_loop_deadline_brings_a_turn_not_before_it),
        cmocka_unit_test(test_loop_deadline_holds_for_one_turn_only),
        cmocka_unit_test(test_loop_idle_for_long_reports_no_gap),
        cmocka_unit_test(test_loop_that_did_not_run_was_not_away),
        cmocka_unit_test(test_loop_stalled_by_a_slow_callback_reports_a_gap),
        cmocka_unit_test(test_loop_stopped_and_continued_reports_the_gap),
        cmocka_unit_test(test_loop_out_of_memory_is_said),
        cmocka_unit_test(test_clock_never_goes_back),
    };
    return cmocka_run_group_tests_name("sys/loop", tests, NULL, NULL);
}
