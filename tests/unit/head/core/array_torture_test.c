/* Allocation k fails, for every k of a day in an array's life: it is said, nothing crashes or
 * leaks, and a head started anew on the store finds an array that is whole and can be ended. */
#include "array_rig.h"

static uint64_t request;

/* False: memory ran out, and the shell leaves. */
static bool turn(struct rig *r)
{
    const struct batch *batch;
    core_turn_end(r->core, r->now);
    while (core_failed(r->core) == OK && (batch = core_batch(r->core)) != NULL) {
        rig_store_apply(r, batch);
        r->last_n = batch->n;
        on_batch_applied(r->core, r->now, batch->n);
    }
    while (core_failed(r->core) == OK && core_effect_next(r->core) != NULL) {
    }
    return core_failed(r->core) == OK;
}

static bool event(struct rig *r, struct node_event event)
{
    event.number = ++r->event;
    event.time = r->now;
    event.job = 1;
    struct msg_events msg = {RIG_INCARNATION, &event, 1};
    on_events(r->core, r->now, RIG_PEER, &msg);
    return turn(r);
}

static bool enrol(struct rig *r, const struct held_lane *lanes, uint32_t n_lanes,
                  const struct held_range *ranges, uint32_t n_ranges)
{
    struct msg_enrol msg = {.protocol = PROTOCOL_VERSION,
                            .secret = "s",
                            .node = "local",
                            .incarnation = RIG_INCARNATION,
                            .host = "h",
                            .cpus = 2 * AMOUNT_ONE,
                            .lanes = lanes,
                            .n_lanes = n_lanes,
                            .ranges = ranges,
                            .n_ranges = n_ranges,
                            .first_event = r->event + 1};
    on_enrol(r->core, r->now, RIG_PEER, &msg);
    return turn(r);
}

static bool day(struct rig *r)
{
    struct record_job job = array_job(1, 1100, 1);
    uint8_t row[RESULT_ROW_BYTES];
    struct held_range held[] = {{1, {2, 50}, false}, {1, {52, 1}, true}, {1, {1099, 1}, false}};
    struct held_lane lanes[] = {{1, 77, NULL, 0}};
    struct attempt_result result = {
        .has_started = true, .cause = CAUSE_EXIT, .exit_code = 1, .reason = "it failed"};
    struct id_range ids[] = {{4, 6}, {1000, 1001}};
    struct array_range returned = {6, 3};
    if (!enrol(r, NULL, 0, NULL, 0)) {
        return false;
    }
    on_job_submit(r->core, r->now, ++request, &job);
    if (!turn(r)) {
        return false;
    }
    if (core_work_find(r->core, 1) == NULL) {
        return false; /* refused for want of memory */
    }
    result_row_write(&(struct result_row){.id = 1, .duration_us = 5}, row);
    bool is_well =
        event(r, (struct node_event){.kind = EVENT_TASKS, .array_rows = {row, sizeof row}}) &&
        event(r, (struct node_event){.kind = EVENT_RESULT, .task = {1, 2}, .result = result}) &&
        event(r, (struct node_event){.kind = EVENT_STARTED, .task = {1, 3}, .pid = 9});
    if (!is_well) {
        return false;
    }
    on_job_cancel(r->core, r->now, ++request, 1, ids, 2, -1);
    if (!turn(r) || !event(r, (struct node_event){
                                  .kind = EVENT_RETURNED, .ranges = &returned, .n_ranges = 1})) {
        return false;
    }
    if (!enrol(r, lanes, 1, held, 3)) {
        return false;
    }
    on_job_cancel(r->core, r->now, ++request, 1, NULL, 0, -1);
    core_node_tasks_lost(r->core, r->now, core_node_find(r->core, "local"), "gone");
    return turn(r);
}

static void test_allocation_that_fails_is_said_and_the_store_stays_whole(void **state)
{
    (void)state;
    uint64_t k = 1;
    bool is_done = false;
    for (; !is_done; k += torture_step()) {
        struct rig *r = rig_new();
        mem_fail_at(k);
        bool is_well = day(r);
        bool has_failed = mem_has_failed();
        mem_fail_at(0);
        is_done = !has_failed;
        assert_true(is_well || has_failed);
        rig_restart(r);
        core_check(r->core);
        if (core_work_find(r->core, 1) != NULL) {
            on_job_cancel(r->core, r->now, ++request, 1, NULL, 0, -1);
            r->now += CORE_SUSPECT_MS + 1;
            on_tick(r->core, r->now);
            r->now += CORE_NODE_TIMEOUT_MS + 1;
            on_tick(r->core, r->now);
            rig_turn(r);
            assert_true(core_job_record(r->core, 1)->ended != 0);
        }
        rig_free(r);
    }
    assert_true(k > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocation_that_fails_is_said_and_the_store_stays_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
