/* Trials that people pause and let go on: whose places they have meanwhile. */
#include "rig.h"

/* One at a time. The place of a paused trial is for the next one, until it is let go on. */
static void
test_trial_that_is_let_go_on_has_its_place_again_before_another_is_asked_for(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    char file[1024];
    snprintf(file, sizeof file, "%slimits: {concurrency: 1}\n", rig_sweep);
    rig_enrol(r, 2);
    rig_submit(r, file, NULL);
    rig_started(r, rig_id(1, 1), 0);
    on_node_verb(r->core, r->now, 70, "local", &(struct node_verb){.kind = NODE_VERB_CORDON});
    rig_turn(r);
    rig_result(r, rig_id(1, 1), 0, CAUSE_AGENT_LEFT, 0, 0);
    on_trial_pause(r->core, r->now, 71, rig_id(1, 1));
    rig_turn(r);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.state, TASK_HELD);
    on_trial_resume(r->core, r->now, 72, rig_id(1, 1));
    rig_turn(r);
    on_node_verb(r->core, r->now, 73, "local", &(struct node_verb){.kind = NODE_VERB_RESUME});
    rig_turn(r);
    assert_int_equal(core_failed(r->core), OK);
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.state, TASK_LEASED);
    assert_int_equal(core_work_find(r->core, 1)->n_tasks, 1);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_trial_that_is_let_go_on_has_its_place_again_before_another_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
