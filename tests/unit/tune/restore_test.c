/* Killed and restored equals unbroken: a tuner that was told the log is the tuner that wrote it,
 * after every entry. */
#include <math.h>

#include "rig.h"

enum { ENTRIES_MAX = 400 };

static struct tuner *replay(const struct sweep_spec *spec, struct rig_entry *entries, uint32_t n)
{
    struct tuner *tuner = rig_tuner(spec);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(tune_apply(tuner, rig_entry_event(&entries[i])), OK);
    }
    return tuner;
}

/* Every kind of sweep that the random days are tried on. */
static struct sweep_spec day_spec(uint64_t day)
{
    struct sweep_spec spec = rig_spec();
    spec.concurrency = (uint32_t)(day % 5) * 3;
    spec.stop.trials = 20 + (uint32_t)(day % 30);
    spec.stop.failures = day % 3 == 0 ? 6 : 0;
    spec.stop.wall_ms = day % 4 == 0 ? 1000 : 0;
    spec.metric.goal = day % 2 == 0 ? GOAL_MINIMIZE : GOAL_MAXIMIZE;
    spec.metric.has_target = day % 5 == 0;
    spec.metric.target = spec.metric.goal == GOAL_MINIMIZE ? -1 : 18;
    if (day % 7 == 0) {
        spec.schedule = (struct schedule_spec){.type = SCHEDULE_NONE};
    }
    return spec;
}

/* The next configuration and every open trial's next milestone: what the two would do next. */
static void assert_same_future(const struct tuner *a, const struct tuner *b)
{
    assert_int_equal(tune_tickets(a), tune_tickets(b));
    assert_int_equal(tune_is_over(a), tune_is_over(b));
    uint32_t next = tune_next_trial(a);
    struct value params_a[RIG_PARAMS], params_b[RIG_PARAMS];
    tune_suggest(a, next, params_a);
    tune_suggest(b, tune_next_trial(b), params_b);
    for (uint32_t i = 0; i < RIG_PARAMS; i++) {
        assert_true(value_equal(params_a[i], params_b[i]));
    }
    for (uint32_t trial = 1; trial < next; trial++) {
        struct tune_decision a_decides, b_decides;
        struct tune_milestone milestone = {.trial = trial, .step = 3, .value = 5};
        tune_decide(a, &milestone, &a_decides, NULL);
        tune_decide(b, &milestone, &b_decides, NULL);
        rig_assert_decision(a_decides, b_decides.act, b_decides.why, b_decides.until);
        assert_int_equal(tune_first_milestone(a, trial), tune_first_milestone(b, trial));
    }
}

/* A day of `spec`; now and then (0: never) the tuner is dropped and made again from the log. */
static uint32_t day_run(const struct sweep_spec *spec, uint64_t number, uint32_t kill_one_in,
                        struct rig_entry *entries, struct tuner **ret_tuner)
{
    struct rig_day day = {0};
    struct random kills;
    random_init(&day.random, 7, number);
    random_init(&kills, 8, number);
    struct tuner *tuner = rig_tuner(spec);
    uint32_t n = 0;
    while (n < ENTRIES_MAX && rig_day_next(&day, tuner, spec, &entries[n])) {
        assert_int_equal(tune_apply(tuner, rig_entry_event(&entries[n])), OK);
        n++;
        if (kill_one_in > 0 && random_below(&kills, kill_one_in) == 0) {
            struct tuner *restored = replay(spec, entries, n);
            rig_assert_equal(tuner, restored);
            assert_same_future(tuner, restored);
            tune_free(tuner);
            tuner = restored;
        }
    }
    *ret_tuner = tuner;
    return n;
}

static struct rig_entry log_unbroken[ENTRIES_MAX], log_killed[ENTRIES_MAX];

static void test_restore_after_every_entry_equals_the_live_tuner(void **state)
{
    (void)state;
    bool seen_why[TUNE_WHY_WALL + 1] = {false};
    for (uint64_t number = 0; number < 60; number++) {
        struct sweep_spec spec = day_spec(number);
        struct rig_day day = {0};
        random_init(&day.random, 7, number);
        struct tuner *live = rig_tuner(&spec), *told = rig_tuner(&spec);
        uint32_t n = 0;
        while (n < ENTRIES_MAX && rig_day_next(&day, live, &spec, &log_unbroken[n])) {
            assert_int_equal(tune_apply(live, rig_entry_event(&log_unbroken[n])), OK);
            assert_int_equal(tune_apply(told, rig_entry_event(&log_unbroken[n])), OK);
            n++;
            rig_assert_equal(live, told);
        }
        struct tuner *whole = replay(&spec, log_unbroken, n);
        rig_assert_equal(live, whole);
        assert_same_future(live, whole);
        seen_why[tune_finishing(live)] = true;
        tune_free(live);
        tune_free(told);
        tune_free(whole);
    }
    /* The days are worth something only if they end in every way. */
    assert_true(seen_why[TUNE_WHY_TARGET] && seen_why[TUNE_WHY_TRIALS] &&
                seen_why[TUNE_WHY_FAILURES] && seen_why[TUNE_WHY_WALL]);
    assert_int_equal(mem_live_count(), 0);
}

static void test_day_with_kills_writes_the_log_of_the_unbroken_day(void **state)
{
    (void)state;
    for (uint64_t number = 0; number < 200; number++) {
        struct sweep_spec spec = day_spec(number);
        struct tuner *unbroken, *killed;
        uint32_t n = day_run(&spec, number, 0, log_unbroken, &unbroken);
        assert_int_equal(day_run(&spec, number, 9, log_killed, &killed), n);
        for (uint32_t i = 0; i < n; i++) {
            const struct tune_event *a = &log_unbroken[i].event, *b = &log_killed[i].event;
            assert_int_equal(a->kind, b->kind);
            assert_int_equal(a->trial, b->trial);
            assert_int_equal(a->step, b->step);
            assert_true(a->value == b->value || (isnan(a->value) && isnan(b->value)));
            rig_assert_decision(a->decision, b->decision.act, b->decision.why, b->decision.until);
            for (uint32_t j = 0; a->kind == TUNE_EVENT_ASKED && j < RIG_PARAMS; j++) {
                assert_true(value_equal(log_unbroken[i].params[j], log_killed[i].params[j]));
            }
        }
        rig_assert_equal(unbroken, killed);
        tune_free(unbroken);
        tune_free(killed);
    }
    assert_int_equal(mem_live_count(), 0);
}

static void test_restore_tells_only_and_never_decides_again(void **state)
{
    (void)state;
    /* A log whose decision is not what this release would say: a trial behind the best that was let
     * go on. */
    struct sweep_spec spec = rig_spec();
    struct tuner *tuner = rig_tuner(&spec);
    rig_report(tuner, rig_ask(tuner), 1, 0.1);
    uint32_t trial = rig_ask(tuner);
    struct tune_event event = rig_milestone(tuner, trial, 1, 0.9);
    assert_int_equal(event.decision.act, TUNE_STOP);
    event.decision = (struct tune_decision){.act = TUNE_GO, .why = TUNE_WHY_NONE, .until = 3};
    assert_int_equal(tune_apply(tuner, &event), OK);
    rig_assert_decision(rig_report(tuner, trial, 3, 0.8), TUNE_GO, TUNE_WHY_NONE, 9);
    tune_free(tuner);
}

static void test_apply_without_memory_leaves_the_tuner_as_it_was(void **state)
{
    (void)state;
    uint32_t n_failed = 0;
    for (uint64_t number = 0; number < 20; number++) {
        struct sweep_spec spec = day_spec(number);
        struct rig_day day = {0};
        random_init(&day.random, 7, number);
        struct tuner *tuner = rig_tuner(&spec), *unharmed = rig_tuner(&spec);
        for (uint32_t n = 0; n < ENTRIES_MAX; n++) {
            if (!rig_day_next(&day, unharmed, &spec, &log_unbroken[0])) {
                break;
            }
            const struct tune_event *event = rig_entry_event(&log_unbroken[0]);
            for (uint64_t k = 1;; k++) {
                mem_fail_at(k);
                error_code error = tune_apply(tuner, event);
                bool has_failed = mem_has_failed();
                mem_fail_at(0);
                assert_int_equal(error, has_failed ? ERR_NO_MEMORY : OK);
                if (!has_failed) {
                    break;
                }
                n_failed++;
                rig_assert_equal(tuner, unharmed);
            }
            assert_int_equal(tune_apply(unharmed, event), OK);
        }
        rig_assert_equal(tuner, unharmed);
        tune_free(tuner);
        tune_free(unharmed);
    }
    assert_true(n_failed > 100);
    assert_int_equal(mem_live_count(), 0);
}

static void test_new_and_dump_without_memory_fail_and_leak_nothing(void **state)
{
    (void)state;
    struct sweep_spec spec = rig_spec();
    struct tuner *tuner = NULL;
    uint64_t k = 1;
    for (; tuner == NULL; k++) {
        mem_fail_at(k);
        error_code error = tune_new(&spec, 17, &tuner);
        assert_int_equal(error, mem_has_failed() ? ERR_NO_MEMORY : OK);
        mem_fail_at(0);
        assert_int_equal(mem_live_count(), tuner == NULL ? 0 : 2);
    }
    assert_int_equal(k, 4);
    rig_ask(tuner);
    for (k = 1;; k++) {
        struct buf buf;
        buf_init(&buf, RIG_DUMP_MAX_BYTES);
        mem_fail_at(k);
        error_code error = tune_dump(tuner, &buf);
        bool has_failed = mem_has_failed();
        mem_fail_at(0);
        buf_fini(&buf);
        assert_int_equal(error, has_failed ? ERR_NO_MEMORY : OK);
        if (!has_failed) {
            break;
        }
    }
    tune_free(tuner);
    tune_free(NULL);
    assert_int_equal(mem_live_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_restore_after_every_entry_equals_the_live_tuner),
        cmocka_unit_test(test_day_with_kills_writes_the_log_of_the_unbroken_day),
        cmocka_unit_test(test_restore_tells_only_and_never_decides_again),
        cmocka_unit_test(test_apply_without_memory_leaves_the_tuner_as_it_was),
        cmocka_unit_test(test_new_and_dump_without_memory_fail_and_leak_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
