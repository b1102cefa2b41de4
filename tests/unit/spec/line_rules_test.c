#include "rig.h"

static void report_of(const char *text, struct arena *arena, struct sweep_spec *ret_spec)
{
    char file[1024];
    snprintf(file, sizeof file, "%s%s", LEAST, text);
    parsed(file, arena, ret_spec);
}

static void test_report_absent_listens_to_the_socket_alone(void **state)
{
    struct arena arena;
    struct sweep_spec spec;
    (void)state;
    report_of("", &arena, &spec);
    assert_int_equal(spec.report.from, REPORT_FROM_API);
    assert_int_equal(spec.report.n_out_rules, 0);
    assert_string_equal(spec.metric.time, "");
    arena_fini(&arena);
}

static void test_report_stream_without_rules_gets_the_presets(void **state)
{
    struct arena arena;
    struct sweep_spec spec;
    (void)state;
    report_of("report: {from: stderr}\n", &arena, &spec);
    assert_int_equal(spec.report.from, REPORT_FROM_API | REPORT_FROM_STDERR);
    assert_int_equal(spec.report.n_out_rules, 0);
    assert_int_equal(spec.report.n_err_rules, 2);
    assert_string_equal(spec.report.err_rules[0], "muster");
    assert_string_equal(spec.report.err_rules[1], "json");
    arena_fini(&arena);
}

static void test_report_rules_name_their_stream(void **state)
{
    struct arena arena;
    struct sweep_spec spec;
    (void)state;
    report_of("report: {stdout: [keras, 'x (?P<loss>[^ ]+)'], stderr: hf}\n", &arena, &spec);
    assert_int_equal(spec.report.from, REPORT_FROM_API | REPORT_FROM_STDOUT | REPORT_FROM_STDERR);
    assert_int_equal(spec.report.n_out_rules, 2);
    assert_string_equal(spec.report.out_rules[1], "x (?P<loss>[^ ]+)");
    assert_int_equal(spec.report.n_err_rules, 1);
    assert_string_equal(spec.report.err_rules[0], "hf");
    arena_fini(&arena);
}

static void test_metric_time_names_what_counts_steps(void **state)
{
    struct arena arena;
    struct sweep_spec spec;
    (void)state;
    parsed("command: x\nmetric: {name: loss, time: epoch}\nstop: {trials: 1}\n", &arena, &spec);
    assert_string_equal(spec.metric.time, "epoch");
    arena_fini(&arena);
}

static const struct refused refused[] = {
    REFUSED(LEAST "report: {stdout: keas}", ERR_INVALID, 4, 18,
            "`report.stdout` cannot be 'keas'; write muster, json, dict, hf, keras, lightning, "
            "nanogpt, or a pattern with named groups; did you mean 'keras'?"),
    REFUSED(LEAST "report:\n  stdout: [muster, '(?P<loss>[0-9']\n", ERR_INVALID, 5, 20,
            "`report.stdout`: missing terminating ] for character class at its character 14"),
    REFUSED(LEAST "report: {stderr: ['loss (\\d+)']}", ERR_INVALID, 4, 19,
            "`report.stderr`: it has no named group: write (?P<name>...) and (?P<value>...), or "
            "one group for each metric like (?P<val_loss>...)"),
    REFUSED(LEAST "report: {stdout: ['(?P<los>\\d+)']}", ERR_INVALID, 4, 19,
            "`report.stdout`: no group of it is the metric 'loss', and it has no groups `name` "
            "and `value`"),
    REFUSED(LEAST "report: {stdout: []}", ERR_INVALID, 4, 18,
            "`report.stdout` is empty: nothing would be read of it; leave it out"),
    REFUSED(LEAST "report: {from: [stderr], stdout: [json]}", ERR_INVALID, 4, 26,
            "`report.stdout` has no meaning: `report.from` does not name stdout"),
    REFUSED(LEAST "report: {stdout: {a: b}}", ERR_INVALID, 4, 18,
            "`report.stdout` needs a list of presets and patterns, not a block"),
    REFUSED(LEAST "report: {from: [stdout, stdout]}", ERR_INVALID, 4, 25,
            "`report.from` names 'stdout' twice"),
    REFUSED(LEAST "report: {patterns: []}", ERR_INVALID, 4, 10,
            "unknown key 'patterns' in `report`"),
    REFUSED("command: x\nmetric: {name: l, time: ''}", ERR_INVALID, 2, 25,
            "`metric.time` must not be empty"),
};

static void test_report_that_cannot_hold_is_refused_with_its_place(void **state)
{
    (void)state;
    refused_check(refused, sizeof refused / sizeof refused[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report_absent_listens_to_the_socket_alone),
        cmocka_unit_test(test_report_stream_without_rules_gets_the_presets),
        cmocka_unit_test(test_report_rules_name_their_stream),
        cmocka_unit_test(test_metric_time_names_what_counts_steps),
        cmocka_unit_test(test_report_that_cannot_hold_is_refused_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
