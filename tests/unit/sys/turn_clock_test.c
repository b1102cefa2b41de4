/* Where a loop's time goes: every nanosecond belongs to one stage, and stages nest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "sys/loop.h"

static void pass_us(long us)
{
    struct timespec pause = {0, us * 1000};
    nanosleep(&pause, NULL);
}

static uint64_t stages_ns(const struct turn_totals *totals)
{
    uint64_t ns = 0;
    for (int i = 0; i < TURN_STAGES_COUNT; i++) {
        ns += totals->stages[i].ns;
    }
    return ns;
}

static void test_stages_nest_the_inner_one_has_its_own_time(void **state)
{
    (void)state;
    struct turn_clock clock;
    turn_clock_init(&clock);
    turn_stage outer = turn_enter(&clock, TURN_DECODE);
    assert_int_equal(outer, TURN_LOOP);
    turn_stage inner = turn_enter(&clock, TURN_REACTOR);
    assert_int_equal(inner, TURN_DECODE);
    pass_us(2000);
    turn_back(&clock, inner);
    turn_back(&clock, outer);
    turn_sleep(&clock);
    assert_true(clock.totals.stages[TURN_REACTOR].ns >= 2000000);
    assert_true(clock.totals.stages[TURN_DECODE].ns < clock.totals.stages[TURN_REACTOR].ns);
    assert_int_equal(clock.totals.stages[TURN_DECODE].count, 1);
    assert_int_equal(clock.totals.stages[TURN_REACTOR].count, 1);
    assert_int_equal(stages_ns(&clock.totals), clock.totals.ns);
    assert_int_equal(turn_enter(NULL, TURN_SEND), TURN_SEND);
    turn_back(NULL, TURN_SEND);
}

static void test_turn_sleeps_its_length_is_that_of_its_waking(void **state)
{
    (void)state;
    struct turn_clock clock;
    turn_clock_init(&clock);
    for (int i = 0; i < 100; i++) {
        turn_sleep(&clock);
        pass_us(100);
        (void)turn_enter(&clock, TURN_LOOP);
    }
    pass_us(3000);
    turn_sleep(&clock);
    assert_int_equal(clock.totals.turns, 101);
    assert_true(clock.longest_ns >= 3000000);
    assert_true(clock.totals.stages[TURN_SLEEP].ns >= 100 * 100000);
    double middle = turn_quantile_us(&clock, 500), last = turn_quantile_us(&clock, 1000);
    assert_true(middle > 0 && middle < last);
    assert_true(last > 3000 * 0.8); /* a bucket is a fifth wide */
    assert_true(last < (double)clock.longest_ns / 1000 * 1.25);
}

static void test_second_passes_its_window_is_what_it_added(void **state)
{
    (void)state;
    struct turn_clock clock;
    turn_clock_init(&clock);
    turn_sleep(&clock);
    assert_int_equal(clock.window.ns, 0); /* no second is over yet */
    clock.since_ns -= 1500000000;         /* as if it had slept so long */
    (void)turn_enter(&clock, TURN_SEND);
    turn_sleep(&clock);
    assert_true(clock.window.ns >= 1500000000);
    assert_int_equal(clock.window.turns, 2);
    assert_int_equal(clock.window.stages[TURN_SEND].count, 1);
    assert_int_equal(stages_ns(&clock.window), clock.window.ns);
    (void)turn_enter(&clock, TURN_SEND);
    turn_sleep(&clock);
    assert_int_equal(clock.window.turns, 2); /* of the last whole second still */
}

static void on_turn(void *context, const struct loop_turn *turn)
{
    struct loop *loop = context;
    loop_deadline_set(loop, turn->now + 20);
    if (loop_clock(loop)->totals.turns >= 5) {
        loop_stop(loop);
    }
}

static void test_loop_waits_it_is_asleep_meanwhile(void **state)
{
    (void)state;
    struct loop *loop;
    assert_int_equal(loop_new(&loop, NULL), OK);
    assert_ptr_equal(loop_clock_of(loop_uv(loop)), loop_clock(loop));
    loop_turn_set(loop, on_turn, loop);
    assert_int_equal(loop_run(loop), OK);
    const struct turn_totals *totals = &loop_clock(loop)->totals;
    assert_true(totals->turns >= 5);
    assert_true(totals->stages[TURN_SLEEP].ns > totals->ns / 2);
    assert_true(totals->stages[TURN_LOOP].count >= 5);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stages_nest_the_inner_one_has_its_own_time),
        cmocka_unit_test(test_turn_sleeps_its_length_is_that_of_its_waking),
        cmocka_unit_test(test_second_passes_its_window_is_what_it_added),
        cmocka_unit_test(test_loop_waits_it_is_asleep_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
