/* A recorded schedule in the file: what it becomes, and what is refused. */
#include "rig.h"

#define HEAD "command: x\nmetric: {name: loss}\nparameters: {lr: {min: 0.0, max: 1.0}, n: 3}\n"
#define STEPS "schedule: {type: replay, max: 9, steps: ["

static const struct refused refused[] = {
    REFUSED(HEAD "schedule: {type: replay}", ERR_INVALID, 4, 11,
            "the key `schedule.from` is missing: the file that `muster sweep export N --schedule "
            "--file FILE` wrote"),
    REFUSED(HEAD "schedule: {type: replay, from: ''}", ERR_INVALID, 4, 32,
            "`schedule.from` must not be empty"),
    REFUSED(HEAD "schedule: {type: pbt, max: 4, from: a.csv}\npbt: {population: 2, interval: 1}",
            ERR_INVALID, 4, 31,
            "`schedule.from` has no meaning with `type: pbt`; it belongs to replay"),
    REFUSED(HEAD "schedule: {type: replay, from: a.csv}\nbaselines: [{lr: 0.5}]", ERR_INVALID, 5, 1,
            "`baselines` have no meaning with `type: replay`, which has its parameters from the "
            "recorded schedule"),
    REFUSED(HEAD "schedule: {type: replay, from: a.csv}\nstop: {trials: 2}", ERR_INVALID, 5, 16,
            "`type: replay` is one trial; leave `stop.trials` out"),
    REFUSED(HEAD STEPS "]}", ERR_INVALID, 4, 41, "`schedule.steps` is empty"),
    REFUSED(HEAD STEPS "{step: 1, params: {lr: 0.5}}]}", ERR_INVALID, 4, 42,
            "`schedule.steps` begins with step 1; the parameters from step 0 on are missing"),
    REFUSED(HEAD STEPS "{step: 0, params: {lr: 0.5}}, {step: 0, params: {lr: 0.4}}]}", ERR_INVALID,
            4, 72, "`schedule.steps`: step 0 follows step 0; steps grow"),
    REFUSED(HEAD STEPS "{step: 0, params: {lr: 0.5}}, {step: 9, params: {lr: 0.4}}]}", ERR_INVALID,
            4, 72,
            "`schedule.steps`: step 9 is not below `schedule.max`, 9: the trial would end before "
            "it"),
    REFUSED(HEAD STEPS "{step: 0, params: {lrr: 0.5}}]}", ERR_INVALID, 4, 61,
            "`schedule.steps`: there is no parameter 'lrr'; did you mean 'lr'?"),
    REFUSED(HEAD STEPS "{step: 0, params: {n: 3}}]}", ERR_INVALID, 4, 60,
            "`schedule.steps`: the parameters from step 0 on lack 'lr'"),
    REFUSED(HEAD STEPS "{step: 0}]}", ERR_INVALID, 4, 42,
            "the key `schedule.steps.params` is missing"),
};

static void test_recorded_schedule_that_makes_no_sense_is_refused_at_its_place(void **state)
{
    (void)state;
    refused_check(refused, sizeof refused / sizeof refused[0]);
}

static void test_steps_become_one_trial_with_a_configuration_a_step(void **state)
{
    (void)state;
    struct arena arena;
    struct sweep_spec spec;
    parsed(HEAD STEPS "{step: 0, params: {lr: 0.5, n: 3}}, {step: 4, params: {lr: 0.25}}]}", &arena,
           &spec);
    assert_int_equal(spec.stop.trials, 1);
    assert_int_equal(spec.schedule.n_steps, 2);
    assert_int_equal(spec.schedule.steps[1], 4);
    assert_int_equal(spec.n_baselines, 2);
    assert_true(spec.baselines[1].items[0].value.real == 0.25);
    arena_fini(&arena);
    parsed(HEAD "schedule: {type: replay, from: best.csv}", &arena, &spec);
    assert_string_equal(spec.schedule.from, "best.csv");
    assert_int_equal(spec.schedule.n_steps, 0);
    assert_true(spec.schedule.max == INT64_MAX);
    arena_fini(&arena);
}

/* An error of the recording names its file, not the setting that it travels as. */
static void test_error_of_the_recording_names_its_file(void **state)
{
    (void)state;
    static const char file[] = HEAD "schedule: {type: replay, from: best.csv}\n";
    static const char *const texts[] = {"schedule.steps=[{step: 0, params: {lrr: 0.5}}]"};
    struct spec_set set = {texts, 1, false, "runs/best.csv"};
    struct arena arena;
    struct sweep_spec spec;
    struct report report = {0};
    arena_init(&arena, RIG_ARENA_MAX);
    assert_int_equal(
        spec_sweep_parse_set(file, strlen(file), "dir/sweep.yaml", &set, &arena, &spec, &report),
        ERR_INVALID);
    assert_string_equal(report.text, "`schedule.steps`: there is no parameter 'lrr'; did you mean "
                                     "'lr'? in runs/best.csv");
    assert_string_equal(report.file, "");
    assert_int_equal(report.line, 0);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded_schedule_that_makes_no_sense_is_refused_at_its_place),
        cmocka_unit_test(test_steps_become_one_trial_with_a_configuration_a_step),
        cmocka_unit_test(test_error_of_the_recording_names_its_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
