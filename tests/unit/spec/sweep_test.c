#include "rig.h"

#include "files.h"

static void test_sweep_full_file_fills_every_field(void **state)
{
    (void)state;
    struct arena arena;
    struct sweep_spec spec;
    parsed(file_full, &arena, &spec);
    assert_string_equal(spec.name, "digits-mlp");
    assert_string_equal(spec.project, "vision");
    assert_int_equal(spec.n_labels, 3);
    assert_string_equal(spec.labels[1], "two words");
    assert_false(spec.command.is_shell);
    assert_int_equal(spec.command.n_words, 5);
    assert_string_equal(spec.command.words[2], "${args}");
    assert_string_equal(spec.workdir, "../a b");
    assert_int_equal(spec.n_env, 3);
    assert_string_equal(spec.env[1].name, "DIR");
    assert_string_equal(spec.env[1].value, "${trial.dir}/x");
    assert_string_equal(spec.metric.name, "val_loss");
    assert_int_equal(spec.metric.goal, GOAL_MAXIMIZE);
    assert_true(spec.metric.has_target && spec.metric.target == 0.05);
    assert_int_equal(spec.n_parameters, 6);
    assert_string_equal(spec.parameters[5].name, "aug.mix");
    assert_int_equal(spec.parameters[5].line, 14);
    assert_int_equal(spec.search, SEARCH_RANDOM);
    assert_true(spec.has_seed && spec.seed == 17);
    assert_int_equal(spec.schedule.type, SCHEDULE_ASHA);
    assert_int_equal(spec.schedule.min, 2);
    assert_int_equal(spec.schedule.max, 54);
    assert_int_equal(spec.schedule.eta, 4);
    assert_int_equal(spec.stop.trials, 200);
    assert_int_equal(spec.stop.failures, 20);
    assert_int_equal(spec.stop.wall_ms, 43200000);
    assert_int_equal(spec.concurrency, 32);
    assert_int_equal(spec.priority, 70);
    arena_fini(&arena);
}

static void test_sweep_full_file_fills_what_a_trial_needs(void **state)
{
    (void)state;
    struct arena arena;
    struct sweep_spec spec;
    parsed(file_full, &arena, &spec);
    assert_int_equal(spec.resources.cpus, 25000);
    assert_int_equal(spec.resources.gpus, 2500);
    assert_int_equal(spec.resources.memory_bytes, 1536 << 20);
    assert_int_equal(spec.resources.n_custom, 2);
    assert_string_equal(spec.resources.custom[1].name, "disk");
    assert_int_equal(spec.resources.custom[1].amount, 5000);
    assert_int_equal(spec.resources.n_require, 2);
    assert_string_equal(spec.resources.require[0].values[1], "NVIDIA H200");
    assert_int_equal(spec.resources.require[1].op, REQUIRE_EXISTS);
    assert_int_equal(spec.retries.max, 2);
    assert_int_equal(spec.retries.crash_limit, 9);
    assert_int_equal(spec.retries.backoff_min_ms, 10000);
    assert_int_equal(spec.retries.backoff_max_ms, 300000);
    assert_int_equal(spec.checkpoints.on, CHECKPOINT_ON_RUNG | CHECKPOINT_ON_END);
    assert_int_equal(spec.checkpoints.keep_last, 3);
    assert_int_equal(spec.checkpoints.keep_best, 0);
    assert_int_equal(spec.checkpoints.keep_sweep_best, 2);
    assert_int_equal(spec.timeouts.trial_ms, 21600000);
    assert_int_equal(spec.timeouts.silent_ms, 1800000);
    assert_int_equal(spec.timeouts.grace_ms, 90000);
    assert_int_equal(spec.timeouts.start_ms, 300000);
    assert_int_equal(spec.timeouts.decision_ms, 250);
    assert_int_equal(spec.logs_tail_bytes, 16384);
    arena_fini(&arena);
}

static void test_sweep_least_file_gets_the_defaults(void **state)
{
    (void)state;
    struct arena arena;
    struct sweep_spec spec;
    parsed(LEAST, &arena, &spec);
    assert_string_equal(spec.name, "sweep"); /* of dir/sweep.yaml */
    assert_string_equal(spec.project, "");
    assert_true(spec.command.is_shell);
    assert_string_equal(spec.command.words[0], "x");
    assert_string_equal(spec.workdir, ".");
    assert_int_equal(spec.n_labels + spec.n_env + spec.n_parameters, 0);
    assert_int_equal(spec.metric.goal, GOAL_MINIMIZE);
    assert_false(spec.metric.has_target || spec.has_seed);
    assert_int_equal(spec.schedule.type, SCHEDULE_NONE);
    assert_int_equal(spec.stop.trials, 1);
    assert_int_equal(spec.stop.failures, 0);
    assert_int_equal(spec.stop.wall_ms, 0);
    assert_int_equal(spec.concurrency, 0);
    assert_int_equal(spec.resources.cpus, AMOUNT_ONE);
    assert_int_equal(spec.resources.gpus, 0);
    assert_int_equal(spec.resources.memory_bytes, 0);
    assert_int_equal(spec.priority, PRIORITY_DEFAULT);
    assert_int_equal(spec.retries.max, 3);
    assert_int_equal(spec.retries.crash_limit, 5);
    assert_int_equal(spec.retries.backoff_min_ms, 1000);
    assert_int_equal(spec.retries.backoff_max_ms, 300000);
    assert_int_equal(spec.timeouts.trial_ms + spec.timeouts.silent_ms + spec.timeouts.start_ms, 0);
    assert_int_equal(spec.timeouts.grace_ms, 60000);
    assert_int_equal(spec.timeouts.decision_ms, 60000);
    assert_int_equal(spec.checkpoints.on, CHECKPOINT_ON_RUNG);
    assert_int_equal(spec.checkpoints.keep_last, 1);
    assert_int_equal(spec.checkpoints.keep_best, 1);
    assert_int_equal(spec.checkpoints.keep_sweep_best, 0);
    assert_int_equal(spec.logs_tail_bytes, 65536);
    arena_fini(&arena);
}

static void test_sweep_asha_defaults_and_one_backoff(void **state)
{
    (void)state;
    struct arena arena;
    struct sweep_spec spec;
    parsed(LEAST "schedule: {type: asha, max: 1}\nretries: {backoff: 2s}\n", &arena, &spec);
    assert_int_equal(spec.schedule.min, 1);
    assert_int_equal(spec.schedule.eta, 3);
    assert_int_equal(spec.retries.backoff_min_ms, 2000);
    assert_int_equal(spec.retries.backoff_max_ms, 2000);
    arena_fini(&arena);
}

/* One of the three ends a sweep; `none` gives a limit up again. */
static void test_sweep_end_by_trials_wall_or_target(void **state)
{
    (void)state;
    static const char *const files[] = {
        "command: x\nmetric: {name: l}\nstop: {wall: 5m, trials: none}\n",
        "command: x\nmetric: {name: l, target: -3}\n",
        "command: x\nmetric: {name: l, target: none}\nstop: {trials: 1, wall: none}\n",
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct arena arena;
        struct sweep_spec spec;
        parsed(files[i], &arena, &spec);
        arena_fini(&arena);
    }
}

static void test_sweep_name_comes_from_the_file(void **state)
{
    (void)state;
    static const struct {
        const char *file, *name;
    } rows[] = {
        {"a/b/digits.v2.yaml", "digits.v2"},
        {"digits", "digits"},
        {".yaml", ".yaml"},
        {"-", "sweep"},
        {"a/", "sweep"},
        {NULL, "sweep"},
        {"a\nb.yaml", "sweep"},
        {"\xFF.yaml", "sweep"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena arena;
        struct sweep_spec spec;
        arena_init(&arena, RIG_ARENA_MAX);
        assert_int_equal(spec_sweep_parse(LEAST, strlen(LEAST), rows[i].file, &arena, &spec, NULL),
                         OK);
        assert_string_equal(spec.name, rows[i].name);
        arena_fini(&arena);
    }
}

/* Nothing of the spec may point into the text that it was parsed from. */
static void test_sweep_spec_outlives_its_text(void **state)
{
    (void)state;
    struct arena arena;
    struct sweep_spec spec;
    char text[sizeof file_full];
    struct buf before, after;
    memcpy(text, file_full, sizeof text);
    parsed(text, &arena, &spec);
    buf_init(&before, 1 << 20);
    buf_init(&after, 1 << 20);
    assert_int_equal(spec_sweep_print(&spec, &before), OK);
    memset(text, '#', sizeof text);
    assert_int_equal(spec_sweep_print(&spec, &after), OK);
    assert_string_equal(buf_text(&before), buf_text(&after));
    buf_fini(&before);
    buf_fini(&after);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sweep_full_file_fills_every_field),
        cmocka_unit_test(test_sweep_full_file_fills_what_a_trial_needs),
        cmocka_unit_test(test_sweep_least_file_gets_the_defaults),
        cmocka_unit_test(test_sweep_asha_defaults_and_one_backoff),
        cmocka_unit_test(test_sweep_end_by_trials_wall_or_target),
        cmocka_unit_test(test_sweep_name_comes_from_the_file),
        cmocka_unit_test(test_sweep_spec_outlives_its_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
