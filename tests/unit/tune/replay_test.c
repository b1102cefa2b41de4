/* One trial on a recorded schedule. */
#include "text_rig.h"

static const char schedule[] =
    "parameters: {lr: {min: 0.0, max: 1.0}, o: {values: [sgd, adam]}, n: 3}\n"
    "schedule: {type: replay, max: 20, steps: [{step: 0, params: {lr: 0.5, o: sgd}},\n"
    "  {step: 4, params: {lr: 0.25, o: adam}}, {step: 6, params: {lr: 0.125, o: adam}}]}\n";

/* TEXT_LEAST has more trials than one. */
static void replay_open(struct text_space *space, const char *text)
{
    struct report report = {0};
    char file[TEXT_MAX];
    snprintf(file, sizeof file, "command: x\nmetric: {name: loss}\n%s", text);
    *space = (struct text_space){0};
    arena_init(&space->arena, TEXT_ARENA_MAX);
    if (spec_sweep_parse(file, strlen(file), NULL, &space->arena, &space->spec, &report) != OK ||
        tune_check(&space->spec, &report) != OK) {
        fail_msg("%s at %u:%u in\n%s", report.text, report.line, report.column, file);
    }
    assert_int_equal(tune_new(&space->spec, 17, &space->tuner), OK);
}

static int64_t saved_step; /* the trial's snapshot; -1: none */

static bool own_snapshot(void *context, uint32_t trial, uint32_t *ret_ordinal, int64_t *ret_step)
{
    (void)context;
    *ret_ordinal = 7;
    *ret_step = saved_step;
    return trial == 1 && saved_step >= 0;
}

/* What it is told at `step`; the new parameters are space->config. */
static struct tune_decision report(struct text_space *space, int64_t step, uint32_t can)
{
    struct tune_milestone milestone = {
        .trial = 1, .step = step, .value = 0.5, .can = can, .donor = own_snapshot};
    struct tune_event event = {
        .kind = TUNE_EVENT_MILESTONE, .trial = 1, .step = step, .has_value = true, .value = 0.5};
    tune_decide(space->tuner, &milestone, &event.decision, space->config);
    if (event.decision.donor != 0) {
        event.params = space->config;
        event.n_params = space->spec.n_parameters;
    }
    assert_int_equal(tune_apply(space->tuner, &event), OK);
    return event.decision;
}

static void ask(struct text_space *space)
{
    struct tune_event event = {.kind = TUNE_EVENT_ASKED,
                               .trial = 1,
                               .params = space->config,
                               .n_params = space->spec.n_parameters};
    assert_int_equal(tune_tickets(space->tuner), 1);
    tune_suggest(space->tuner, 1, space->config);
    assert_int_equal(tune_apply(space->tuner, &event), OK);
    assert_int_equal(tune_tickets(space->tuner), 0);
}

static const uint32_t CAN_ALL = TUNE_CAN_PAUSE | TUNE_CAN_EXPLOIT;

static void test_trial_takes_each_recorded_configuration_at_its_step(void **state)
{
    (void)state;
    struct text_space space;
    replay_open(&space, schedule);
    ask(&space);
    assert_string_equal(text_of(&space), "lr=0.5 o=sgd n=3");
    assert_int_equal(tune_first_milestone(space.tuner, 1), 4);
    saved_step = 4;
    struct tune_decision decision = report(&space, 4, CAN_ALL);
    rig_assert_decision(decision, TUNE_EXPLOIT, TUNE_WHY_NONE, 6);
    assert_int_equal(decision.donor, 1);
    assert_int_equal(decision.donor_ordinal, 7);
    assert_int_equal(decision.donor_step, 4);
    assert_string_equal(text_of(&space), "lr=0.25 o=adam n=3");
    assert_int_equal(tune_first_milestone(space.tuner, 1), 6);
    saved_step = 6;
    rig_assert_decision(report(&space, 6, CAN_ALL), TUNE_EXPLOIT, TUNE_WHY_NONE, 20);
    assert_string_equal(text_of(&space), "lr=0.125 o=adam n=3");
    rig_assert_decision(report(&space, 20, CAN_ALL), TUNE_STOP, TUNE_WHY_MAX, INT64_MAX);
    text_end(&space);
}

/* A report that skips a recorded step takes the last change that it passed. */
static void test_report_behind_two_changes_takes_the_later_one(void **state)
{
    (void)state;
    struct text_space space;
    replay_open(&space, schedule);
    ask(&space);
    saved_step = 10;
    rig_assert_decision(report(&space, 10, CAN_ALL), TUNE_EXPLOIT, TUNE_WHY_NONE, 20);
    assert_string_equal(text_of(&space), "lr=0.125 o=adam n=3");
    text_end(&space);
}

static void test_trial_without_a_snapshot_of_the_step_is_stopped(void **state)
{
    (void)state;
    static const struct {
        int64_t saved;
        uint32_t can;
    } cases[] = {{-1, CAN_ALL}, {3, CAN_ALL}, {4, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text_space space;
        replay_open(&space, schedule);
        ask(&space);
        saved_step = cases[i].saved;
        rig_assert_decision(report(&space, 4, cases[i].can), TUNE_STOP, TUNE_WHY_SNAPSHOT,
                            INT64_MAX);
        text_end(&space);
    }
}

/* Sent again after a restart from the snapshot of the change. */
static void test_report_at_a_change_that_was_made_goes_on(void **state)
{
    (void)state;
    struct text_space space;
    replay_open(&space, schedule);
    ask(&space);
    saved_step = 4;
    rig_assert_decision(report(&space, 4, CAN_ALL), TUNE_EXPLOIT, TUNE_WHY_NONE, 6);
    rig_assert_decision(report(&space, 5, CAN_ALL), TUNE_GO, TUNE_WHY_NONE, 6);
    text_end(&space);
}

static void test_value_outside_of_the_space_is_refused(void **state)
{
    (void)state;
    static const char file[] =
        "command: x\nmetric: {name: loss}\nparameters: {lr: {min: 0.0, max: 1.0}}\n"
        "schedule: {type: replay, steps: [{step: 0, params: {lr: 2.0}}]}\n";
    struct text_space space = {0};
    struct report report = {0};
    arena_init(&space.arena, TEXT_ARENA_MAX);
    assert_int_equal(spec_sweep_parse(file, strlen(file), NULL, &space.arena, &space.spec, &report),
                     OK);
    assert_int_equal(tune_check(&space.spec, &report), ERR_INVALID);
    assert_string_equal(report.text, "the recorded schedule's 2.0 lies outside of parameter `lr`");
    arena_fini(&space.arena);
}

static void test_schedule_that_nobody_read_is_refused(void **state)
{
    (void)state;
    struct text_space space = {0};
    struct report report = {0};
    static const char file[] =
        "command: x\nmetric: {name: loss}\nschedule: {type: replay, from: a}\n";
    arena_init(&space.arena, TEXT_ARENA_MAX);
    assert_int_equal(spec_sweep_parse(file, strlen(file), NULL, &space.arena, &space.spec, &report),
                     OK);
    assert_int_equal(tune_check(&space.spec, &report), ERR_INVALID);
    assert_int_equal(tune_new(&space.spec, 17, &space.tuner), ERR_INVALID);
    arena_fini(&space.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trial_takes_each_recorded_configuration_at_its_step),
        cmocka_unit_test(test_report_behind_two_changes_takes_the_later_one),
        cmocka_unit_test(test_trial_without_a_snapshot_of_the_step_is_stopped),
        cmocka_unit_test(test_report_at_a_change_that_was_made_goes_on),
        cmocka_unit_test(test_value_outside_of_the_space_is_refused),
        cmocka_unit_test(test_schedule_that_nobody_read_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
