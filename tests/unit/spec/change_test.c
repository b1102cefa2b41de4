/* Which keys may change while a sweep runs. */
#include "rig.h"
#include "spec/change.h"

static void test_keys_that_may_change_are_taken_and_the_others_stay(void **state)
{
    (void)state;
    static const char before[] =
        LEAST "limits: {concurrency: 4, per_node: 2}\nqueue: {priority: 10}\nretries: {max: 1}\n";
    static const char after[] =
        "command: y\nmetric: {name: loss}\nstop: {trials: 9, wall: 1h}\n"
        "limits: {concurrency: 8, per_node: 3}\nqueue: {priority: 90}\n"
        "retries: {max: 7, crash_limit: 9, backoff: 2s..9s}\ntimeouts: {silent: 7s}\n";
    static const char *const texts[] = {"stop.trials=9",          "limits.concurrency=8",
                                        "queue.priority=90",      "retries.crash_limit=9",
                                        "retries.backoff=2s..9s", "timeouts.silent=7s"};
    struct arena old_arena, new_arena;
    struct sweep_spec old, new;
    parsed(before, &old_arena, &old);
    parsed(after, &new_arena, &new);
    const uint32_t n = sizeof texts / sizeof texts[0];
    assert_int_equal(spec_change_check(texts, n, NULL), OK);
    assert_int_equal(spec_change_bits(texts, n), CHANGE_TRIALS | CHANGE_CONCURRENCY);
    spec_change_take(&new, texts, n, &old);
    arena_fini(&new_arena);
    assert_int_equal(old.stop.trials, 9);
    assert_int_equal(old.stop.wall_ms, 0);
    assert_int_equal(old.concurrency, 8);
    assert_int_equal(old.per_node, 2);
    assert_int_equal(old.priority, 90);
    assert_int_equal(old.retries.max, 1);
    assert_int_equal(old.retries.crash_limit, 9);
    assert_int_equal(old.retries.backoff_min_ms, 2000);
    assert_int_equal(old.retries.backoff_max_ms, 9000);
    assert_int_equal(old.timeouts.silent_ms, 7000);
    assert_string_equal(old.command.words[0], "x");
    arena_fini(&old_arena);
}

static void test_other_keys_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"parameters.lr.max=0.5",
         "`parameters.lr.max` cannot change while a sweep runs: its trials so far were drawn from "
         "it; 'muster sweep clone N --set' makes another one"},
        {"metric={name: x}",
         "`metric` cannot change while a sweep runs: its trials so far were judged by it; 'muster "
         "sweep clone N --set' makes another one"},
        {"resources.cpus=2", "`resources.cpus` cannot change while a sweep runs: every attempt of "
                             "a trial starts alike; "
                             "'muster sweep clone N --set' makes another one"},
        {"stop.trials", "'stop.trials' is no setting; write KEY=VALUE, e.g. stop.trials=200"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct report report = {0};
        assert_int_equal(spec_change_check(&cases[i].text, 1, &report), ERR_INVALID);
        assert_string_equal(report.text, cases[i].message);
    }
    const char *const wrong[] = {"stop.trial=3"};
    struct report report = {0};
    assert_int_equal(spec_change_check(wrong, 1, &report), ERR_INVALID);
    assert_non_null(strstr(report.text, "`stop.trial` is no key that may change: those are "
                                        "stop.trials, stop.failures"));
    assert_non_null(strstr(report.text, "did you mean 'stop.trials'?"));
    assert_int_equal(spec_change_check(NULL, 0, &report), ERR_INVALID);
    assert_true(spec_change_is_same("stop.trials=3", "stop.trials=44"));
    assert_false(spec_change_is_same("stop.trials=3", "stop.trial=3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_that_may_change_are_taken_and_the_others_stay),
        cmocka_unit_test(test_other_keys_are_refused_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
