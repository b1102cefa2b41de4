/* A trial goes on from another one's snapshot: weights, parameters and steps as one, and the
 * snapshot stays for as long as it is needed. Two members; the second is the worse one. */
#include "rig.h"

static const char file[] = "name: pair\n"
                           "command: [train]\n"
                           "metric: {name: loss}\n"
                           "parameters: {lr: {min: 0.1, max: 0.9}}\n"
                           "search: {method: random, seed: 3}\n"
                           "schedule: {type: pbt, max: 40}\n"
                           "pbt: {population: 2, interval: 4, quantile: 0.5}\n"
                           "checkpoints: {keep: {trial_best: 0}}\n";

static struct rig *pair_new(void)
{
    struct rig *r = rig_new();
    rig_enrol(r, 2);
    assert_int_equal(rig_submit(r, file, NULL), 1);
    for (uint32_t trial = 1; trial <= 2; trial++) {
        rig_started(r, rig_id(1, trial), 0);
        rig_saved(r, trial, 1, 4, 0);
    }
    return r;
}

static bool is_dropped(const struct rig *r)
{
    return rig_sent_count(r, MSG_DROP) > 0;
}

static void test_exploit_moves_snapshot_parameters_and_lineage_in_one_group(void **state)
{
    (void)state;
    struct rig *r = pair_new();
    const uint32_t can = CAN_CHECKPOINT | CAN_EXPLOIT;
    rig_reached(r, 1, 4, 0.1, can);
    const double before = rig_task(r, rig_id(1, 2))->r.params[0].real;
    rig_sent_clear(r);
    rig_reached(r, 2, 4, 0.9, can);
    const struct task *task = rig_task(r, rig_id(1, 2));
    assert_int_equal(task->r.state, TASK_RUNNING);
    assert_int_equal(task->r.order.act, ACT_EXPLOIT);
    assert_int_equal(task->r.order.until, 8);
    assert_int_equal(task->r.lineage, task->r.order.n);
    assert_int_equal(task->r.snapshot.owner, 1);
    assert_int_equal(task->r.snapshot.ordinal, 1);
    assert_true(task->r.params[0].real != before);
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    const struct msg_order *order = rig_sent_last(r, MSG_ORDER, &arena);
    assert_int_equal(order->restore.owner, 1);
    assert_int_equal(order->restore.step, 4);
    assert_int_equal(order->n_params, 1);
    assert_true(order->params[0].value.real == task->r.params[0].real);
    arena_fini(&arena);
    assert_false(is_dropped(r)); /* what it saved itself it goes back to if the donor's is lost */
    rig_free(r);
}

static void test_donors_snapshot_stays_until_the_other_has_saved_its_own(void **state)
{
    (void)state;
    struct rig *r = pair_new();
    const uint32_t can = CAN_CHECKPOINT | CAN_EXPLOIT;
    rig_reached(r, 1, 4, 0.1, can);
    rig_reached(r, 2, 4, 0.9, can);
    uint64_t lineage = rig_task(r, rig_id(1, 2))->r.lineage;
    rig_sent_clear(r);
    rig_saved(r, 1, 2, 8, 0); /* the donor goes on; its first one is the other's */
    rig_reached(r, 1, 8, 0.05, can);
    assert_false(is_dropped(r));
    rig_restart(r);
    rig_enrol(r, 2);
    rig_sent_clear(r);
    assert_int_equal(rig_task(r, rig_id(1, 2))->r.snapshot.owner, 1);
    rig_saved(r, 2, 2, 8, 0); /* begun before it took over: it replaces the one before */
    assert_true(is_dropped(r));
    assert_int_equal(rig_task(r, rig_id(1, 2))->r.snapshot.owner, 1);
    rig_sent_clear(r);
    rig_saved(r, 2, 3, 8, lineage);
    assert_int_equal(rig_task(r, rig_id(1, 2))->r.snapshot.owner, 0);
    assert_true(is_dropped(r));
    rig_free(r);
}

static void test_exploit_of_a_trainer_that_cannot_starts_it_again_uncharged(void **state)
{
    (void)state;
    struct rig *r = pair_new();
    rig_reached(r, 1, 4, 0.1, CAN_CHECKPOINT);
    rig_reached(r, 2, 4, 0.9, CAN_CHECKPOINT);
    const struct task *task = rig_task(r, rig_id(1, 2));
    assert_int_equal(task->r.state, TASK_STOPPING);
    assert_int_equal(task->r.order.why, WHY_EXPLOIT);
    rig_event(r,
              (struct node_event){
                  .kind = EVENT_RESULT,
                  .task = task->r.id,
                  .result = {.cause = CAUSE_TOLD, .handed = task->r.order.n, .has_started = true},
              });
    assert_int_equal(task->r.state, TASK_LEASED);
    assert_int_equal(task->r.attempt, 1);
    assert_int_equal(task->r.failures + task->r.lost + task->r.preempted, 0);
    assert_int_equal(task->r.order.act, ACT_GO);
    assert_int_equal(task->r.order.until, 8);
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    const struct msg_lease *lease = rig_sent_last(r, MSG_LEASE, &arena);
    assert_int_equal(lease->restore.owner, 1);
    assert_int_equal(lease->lineage, task->r.lineage);
    arena_fini(&arena);
    rig_free(r);
}

static void test_trial_that_cannot_save_neither_copies_nor_is_copied(void **state)
{
    (void)state;
    struct rig *r = pair_new();
    rig_reached(r, 1, 4, 0.1, 0);
    rig_reached(r, 2, 4, 0.9, 0);
    assert_int_equal(rig_task(r, rig_id(1, 2))->r.order.act, ACT_GO);
    assert_int_equal(rig_task(r, rig_id(1, 2))->r.snapshot.owner, 0);
    rig_free(r);
}

static const char replay[] =
    "name: again\n"
    "command: [train]\n"
    "metric: {name: loss}\n"
    "parameters: {lr: {min: 0.1, max: 0.9}}\n"
    "schedule: {type: replay, max: 40, steps: [{step: 0, params: {lr: 0.5}}, {step: 4, params: "
    "{lr: 0.25}}]}\n";

/* A recorded schedule: new parameters on its own weights. */
static void test_replay_keeps_the_snapshot_and_makes_it_of_the_new_parameters(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 2);
    assert_int_equal(rig_submit(r, replay, NULL), 1);
    rig_started(r, rig_id(1, 1), 0);
    rig_saved(r, 1, 1, 4, 0);
    rig_sent_clear(r);
    rig_reached(r, 1, 4, 0.9, CAN_CHECKPOINT | CAN_EXPLOIT);
    const struct task *task = rig_task(r, rig_id(1, 1));
    assert_int_equal(task->r.order.act, ACT_EXPLOIT);
    assert_int_equal(task->r.order.until, 40);
    assert_true(task->r.params[0].real == 0.25);
    assert_int_equal(task->r.lineage, task->r.order.n);
    assert_false(is_dropped(r));
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    const struct msg_order *order = rig_sent_last(r, MSG_ORDER, &arena);
    assert_int_equal(order->restore.ordinal, 1);
    assert_int_equal(order->restore.step, 4);
    arena_fini(&arena);
    rig_restart(r);
    rig_enrol(r, 2);
    task = rig_task(r, rig_id(1, 1));
    assert_int_equal(task->r.snapshot.owner, 0);
    assert_int_equal(task->r.snapshot.lineage, task->r.lineage);
    rig_free(r);
}

/* Its snapshot is gone: what it would train from nothing with later parameters is another schedule.
 */
static void test_replay_without_a_snapshot_begins_with_the_first_parameters_again(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 2);
    assert_int_equal(rig_submit(r, replay, NULL), 1);
    rig_started(r, rig_id(1, 1), 0);
    rig_saved(r, 1, 1, 4, 0);
    rig_reached(r, 1, 4, 0.9, CAN_CHECKPOINT | CAN_EXPLOIT);
    const struct task *task = rig_task(r, rig_id(1, 1));
    assert_true(task->r.params[0].real == 0.25);
    rig_event(
        r,
        (struct node_event){
            .kind = EVENT_RESULT,
            .task = task->r.id,
            .result = {.cause = CAUSE_CANNOT_START, .is_restore_lost = true, .has_started = true},
        });
    assert_int_equal(task->r.attempt, 1);
    assert_int_equal(task->r.state, TASK_LEASED);
    assert_true(task->r.params[0].real == 0.5);
    assert_int_equal(task->r.order.until, 4);
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    const struct msg_lease *lease = rig_sent_last(r, MSG_LEASE, &arena);
    assert_int_equal(lease->restore.ordinal, 0);
    assert_int_equal(lease->lineage, task->r.lineage);
    assert_true(lease->params[0].value.real == 0.5);
    arena_fini(&arena);
    rig_started(r, rig_id(1, 1), 1);
    rig_saved(r, 1, 2, 4, task->r.lineage);
    rig_reached(r, 1, 4, 0.8, CAN_CHECKPOINT | CAN_EXPLOIT);
    assert_int_equal(task->r.order.act, ACT_EXPLOIT);
    assert_true(task->r.params[0].real == 0.25);
    rig_restart(r);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exploit_moves_snapshot_parameters_and_lineage_in_one_group),
        cmocka_unit_test(test_donors_snapshot_stays_until_the_other_has_saved_its_own),
        cmocka_unit_test(test_exploit_of_a_trainer_that_cannot_starts_it_again_uncharged),
        cmocka_unit_test(test_trial_that_cannot_save_neither_copies_nor_is_copied),
        cmocka_unit_test(test_replay_keeps_the_snapshot_and_makes_it_of_the_new_parameters),
        cmocka_unit_test(test_replay_without_a_snapshot_begins_with_the_first_parameters_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
