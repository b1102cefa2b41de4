/* --set PATH=VALUE: on the tree, before anything is checked. */
#include <math.h>

#include "rig.h"

static const char set_file[] = "command: [train, \"--fast\"]\n"
                               "metric: {name: loss, goal: minimize}\n"
                               "parameters:\n"
                               "  lr: {min: 0.1, max: 1.0}\n"
                               "  opt.lr: {min: 1, max: 4}\n"
                               "  fixed: 3\n"
                               "stop: {trials: 10}\n";

static error_code set_parse(const char *const *texts, uint32_t n, bool is_test, struct arena *arena,
                            struct sweep_spec *ret_spec, struct report *report)
{
    struct spec_set set = {texts, n, is_test, NULL};
    *report = (struct report){0};
    return spec_sweep_parse_set(set_file, strlen(set_file), "dir/sweep.yaml", &set, arena, ret_spec,
                                report);
}

static void test_set_changes_adds_and_replaces(void **state)
{
    (void)state;
    static const char *const texts[] = {"parameters.lr.max=0.5",
                                        "stop.trials=3",
                                        "limits={concurrency: 2}",
                                        "parameters.opt.lr.max=9",
                                        "command.1=--slow",
                                        "resources.require=[zone == a, ssd]",
                                        "parameters.fixed={values: [1, 2]}",
                                        "name='a: b'",
                                        "stop.trials=4",
                                        "timeouts.grace=5s"};
    struct arena arena;
    struct sweep_spec spec;
    struct report report;
    arena_init(&arena, 64 << 20);
    error_code error =
        set_parse(texts, sizeof texts / sizeof texts[0], false, &arena, &spec, &report);
    if (error != OK) {
        fail_msg("%s", report.text);
    }
    assert_true(fabs(spec.parameters[0].max - 0.5) < 1e-12);
    assert_int_equal(spec.parameters[1].int_max, 9);
    assert_int_equal(spec.parameters[2].kind, PARAM_CHOICE);
    assert_int_equal(spec.stop.trials, 4); /* the later one */
    assert_int_equal(spec.concurrency, 2);
    assert_int_equal(spec.resources.n_require, 2);
    assert_int_equal(spec.timeouts.grace_ms, 5000);
    assert_string_equal(spec.command.words[1], "--slow");
    assert_string_equal(spec.name, "a: b");
    arena_fini(&arena);
}

static void test_set_that_is_wrong_is_named_and_no_line_of_the_file(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wanted;
        error_code error;
    } rows[] = {
        {"stop.trails=3", "stop", ERR_INVALID},
        {"stop.trials=many", "needs", ERR_INVALID},
        {"stop.trials", "PATH=VALUE", ERR_INVALID},
        {"=3", "PATH=VALUE", ERR_INVALID},
        {"", "PATH=VALUE", ERR_INVALID},
        {"stop.trials=", "''", ERR_INVALID},
        {"stop..trials=3", "empty step", ERR_INVALID},
        {"stop.=3", "dot", ERR_INVALID},
        {"command.9=x", "list", ERR_INVALID},
        {"command.x=x", "list", ERR_INVALID},
        {"stop.trials.x=3", "no block", ERR_INVALID},
        {"stop={trials: 3", "YAML", ERR_INVALID},
        {"stop=&a 3", "anchors", ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena arena;
        struct sweep_spec spec;
        struct report report;
        char prefix[64];
        arena_init(&arena, 64 << 20);
        const char *const texts[] = {"stop.wall=1h", rows[i].text};
        error_code error = set_parse(texts, 2, false, &arena, &spec, &report);
        snprintf(prefix, sizeof prefix, "--set %s: ", rows[i].text);
        if (error != rows[i].error || strncmp(report.text, prefix, strlen(prefix)) != 0 ||
            strstr(report.text + strlen(prefix), rows[i].wanted) == NULL || report.line != 0) {
            fail_msg("'%s' gave %s, line %u: %s", rows[i].text, error_word(error), report.line,
                     report.text);
        }
        arena_fini(&arena);
    }
}

/* An error of the file itself keeps its place there. */
static void test_set_leaves_errors_of_the_file_their_line(void **state)
{
    (void)state;
    static const char file[] = "command: [train]\nmetrik: {name: loss}\n";
    static const char *const texts[] = {"stop.trials=3"};
    struct spec_set set = {texts, 1, false, NULL};
    struct arena arena;
    struct sweep_spec spec;
    struct report report = {0};
    arena_init(&arena, 64 << 20);
    assert_int_equal(
        spec_sweep_parse_set(file, strlen(file), "f.yaml", &set, &arena, &spec, &report),
        ERR_INVALID);
    assert_int_equal(report.line, 2);
    assert_string_equal(report.file, "f.yaml");
    /* What a setting made wrong at another place: the place, and that there were settings. */
    static const char *const small[] = {"parameters.lr.max=0.01"};
    assert_int_equal(set_parse(small, 1, false, &arena, &spec, &report), ERR_INVALID);
    assert_int_equal(report.line, 4);
    assert_non_null(strstr(report.text, "as --set changed it"));
    arena_fini(&arena);
}

static void test_set_beyond_its_limits_is_refused(void **state)
{
    (void)state;
    static const char *texts[SPEC_SETS_MAX + 1];
    struct arena arena;
    struct sweep_spec spec;
    struct report report;
    arena_init(&arena, 64 << 20);
    for (int i = 0; i <= SPEC_SETS_MAX; i++) {
        texts[i] = "stop.trials=3";
    }
    assert_int_equal(set_parse(texts, SPEC_SETS_MAX, false, &arena, &spec, &report), OK);
    assert_int_equal(set_parse(texts, SPEC_SETS_MAX + 1, false, &arena, &spec, &report), ERR_LIMIT);
    texts[0] = "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a=1";
    assert_int_equal(set_parse(texts, 1, false, &arena, &spec, &report), ERR_LIMIT);
    arena_fini(&arena);
}

static void test_test_is_one_trial_to_its_first_rung(void **state)
{
    (void)state;
    static const char *const rungs[] = {"schedule={type: asha, min: 2, max: 54, eta: 3}"};
    struct arena arena;
    struct sweep_spec spec;
    struct report report;
    arena_init(&arena, 64 << 20);
    assert_int_equal(set_parse(NULL, 0, true, &arena, &spec, &report), OK);
    assert_int_equal(spec.stop.trials, 1);
    assert_int_equal(spec.schedule.max, 1);
    assert_int_equal(spec.retries.max, 0);
    assert_int_equal(set_parse(rungs, 1, true, &arena, &spec, &report), OK);
    assert_int_equal(spec.schedule.max, 2);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_changes_adds_and_replaces),
        cmocka_unit_test(test_set_that_is_wrong_is_named_and_no_line_of_the_file),
        cmocka_unit_test(test_set_leaves_errors_of_the_file_their_line),
        cmocka_unit_test(test_set_beyond_its_limits_is_refused),
        cmocka_unit_test(test_test_is_one_trial_to_its_first_rung),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
