/* Entries that cannot follow the tuner's state, each refused without a change; specs that no tuner
 * serves. */
#include "rig.h"

static void test_apply_asked_refuses_what_was_not_next_or_not_in_the_space(void **state)
{
    (void)state;
    struct sweep_spec spec = rig_spec();
    spec.concurrency = 2;
    struct tuner *tuner = rig_tuner(&spec);
    rig_ask(tuner);
    struct value params[RIG_PARAMS], wrong[RIG_PARAMS];
    tune_suggest(tuner, 2, params);
    struct tune_event good = {
        .kind = TUNE_EVENT_ASKED, .trial = 2, .params = params, .n_params = RIG_PARAMS};
    struct tune_event event = good;
    event.trial = 1;
    rig_refused(tuner, event);
    event.trial = 3;
    rig_refused(tuner, event);
    event.trial = 0;
    rig_refused(tuner, event);
    event = good;
    event.n_params = RIG_PARAMS - 1;
    rig_refused(tuner, event);
    event = good;
    event.params = NULL;
    rig_refused(tuner, event);
    for (uint32_t i = 0; i < RIG_PARAMS; i++) {
        memcpy(wrong, params, sizeof wrong);
        wrong[i] = value_int(99);
        event = good;
        event.params = wrong;
        rig_refused(tuner, event);
    }
    assert_int_equal(tune_apply(tuner, &good), OK);
    good.trial = 3; /* no place */
    rig_refused(tuner, good);
    tune_free(tuner);
}

static void test_apply_milestone_refuses_unknown_trials_and_odd_orders(void **state)
{
    (void)state;
    static const struct tune_decision odd[] = {
        {.act = TUNE_GO, .why = TUNE_WHY_NONE, .until = 1}, /* not behind the report */
        {.act = TUNE_GO, .why = TUNE_WHY_RUNG, .until = 3}, /* a reason to go on */
        {.act = TUNE_STOP, .why = TUNE_WHY_NONE, .until = INT64_MAX},
        {.act = TUNE_STOP, .why = TUNE_WHY_TRIALS, .until = INT64_MAX}, /* lets them finish */
        {.act = TUNE_STOP, .why = (tune_why)99, .until = INT64_MAX},
        {.act = TUNE_STOP, .why = TUNE_WHY_RUNG, .until = 3},
        {.act = TUNE_PAUSE, .why = TUNE_WHY_RUNG, .until = INT64_MAX}, /* a reason to wait */
        {.act = (tune_act)99, .why = TUNE_WHY_NONE, .until = INT64_MAX},
    };
    struct sweep_spec spec = rig_spec();
    struct tuner *tuner = rig_tuner(&spec);
    rig_ask(tuner);
    rig_end(tuner, rig_ask(tuner), TUNE_OUTCOME_DONE);
    for (uint32_t trial = 0; trial < 4; trial++) {
        if (trial != 1) {
            rig_refused(tuner, rig_milestone(tuner, trial, 1, 0.5)); /* unknown, ended */
        }
    }
    struct tune_event event = rig_milestone(tuner, 1, 1, 0.5);
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct tune_event other = event;
        other.decision = odd[i];
        rig_refused(tuner, other);
    }
    struct tune_event empty = event;
    empty.has_value = false;
    rig_refused(tuner, empty);
    event.decision =
        (struct tune_decision){.act = TUNE_STOP, .why = TUNE_WHY_RUNG, .until = INT64_MAX};
    assert_int_equal(tune_apply(tuner, &event), OK);
    /* It was told to leave. */
    event.step = 3;
    event.decision = (struct tune_decision){.act = TUNE_GO, .why = TUNE_WHY_NONE, .until = 9};
    rig_refused(tuner, event);
    tune_free(tuner);
}

static void test_apply_refuses_ends_targets_and_walls_that_cannot_be(void **state)
{
    (void)state;
    struct sweep_spec spec = rig_spec();
    struct tuner *tuner = rig_tuner(&spec);
    struct tune_event ended = {.kind = TUNE_EVENT_ENDED, .trial = 1};
    rig_refused(tuner, ended); /* never asked */
    rig_ask(tuner);
    struct tune_event target = {
        .kind = TUNE_EVENT_TARGET, .trial = 1, .has_value = true, .value = 0};
    rig_refused(tuner, target); /* there is no target */
    rig_refused(tuner, (struct tune_event){.kind = TUNE_EVENT_WALL});
    rig_refused(tuner, (struct tune_event){.kind = (tune_event_kind)99});
    ended.outcome = (tune_outcome)99;
    rig_refused(tuner, ended);
    ended.outcome = TUNE_OUTCOME_DONE;
    assert_int_equal(tune_apply(tuner, &ended), OK);
    rig_refused(tuner, ended); /* twice */
    tune_free(tuner);

    spec.metric.has_target = true;
    spec.metric.target = 0.05;
    spec.stop.wall_ms = 1;
    tuner = rig_tuner(&spec);
    rig_ask(tuner);
    target.value = 0.06;
    rig_refused(tuner, target);
    target.value = 0.05;
    target.has_value = false;
    rig_refused(tuner, target);
    target.has_value = true;
    target.trial = 2;
    rig_refused(tuner, target);
    assert_int_equal(tune_apply(tuner, &(struct tune_event){.kind = TUNE_EVENT_WALL}), OK);
    rig_refused(tuner, (struct tune_event){.kind = TUNE_EVENT_WALL});
    tune_free(tuner);
}

static void test_new_refuses_a_spec_that_no_tuner_can_serve(void **state)
{
    (void)state;
    static const struct param_spec empty = {.name = "x", .kind = PARAM_CHOICE};
    struct sweep_spec specs[] = {rig_spec(), rig_spec(), rig_spec(), rig_spec()};
    specs[0].parameters = &empty;
    specs[0].n_parameters = 1;
    specs[1].search = (search_method)99;
    specs[2].n_parameters = SPEC_PARAMETERS_MAX + 1;
    specs[3].stop.trials = SPEC_TRIALS_MAX + 1;
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        struct tuner *tuner;
        assert_int_equal(tune_new(&specs[i], 1, &tuner), ERR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_apply_asked_refuses_what_was_not_next_or_not_in_the_space),
        cmocka_unit_test(test_apply_milestone_refuses_unknown_trials_and_odd_orders),
        cmocka_unit_test(test_apply_refuses_ends_targets_and_walls_that_cannot_be),
        cmocka_unit_test(test_new_refuses_a_spec_that_no_tuner_can_serve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
