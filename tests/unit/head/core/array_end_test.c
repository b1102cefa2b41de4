/* How arrays and their tasks end: cancelled, failed too often, tried again, removed. */
#include "array_rig.h"

static uint64_t requests = 90000;

static const struct rig_sent *cancel(struct rig *r, uint32_t job, const struct id_range *ranges,
                                     uint32_t n)
{
    on_job_cancel(r->core, r->now, ++requests, job, ranges, n, -1);
    rig_turn(r);
    return rig_answer(r, requests);
}

static const struct rig_sent *retry(struct rig *r, uint32_t job, const struct id_range *ranges,
                                    uint32_t n, bool is_failed)
{
    on_job_retry(r->core, r->now, ++requests, job, ranges, n, is_failed);
    rig_turn(r);
    return rig_answer(r, requests);
}

static bool has_ended(const struct rig *r, uint32_t job)
{
    return core_job_record(r->core, job)->ended != 0;
}

static void test_wrong_arrays_are_refused_with_a_sentence(void **state)
{
    (void)state;
    static const struct {
        struct array_ids ids;
        const char *text;
    } cases[] = {
        {{5, 1, 1}, "the last one not below the first"},
        {{0, 5, 1}, "from 1 on"},
        {{1, 20000000, 1}, "at most 10000000 tasks; this one has 20000000"},
    };
    struct rig *r = rig_new();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct record_job job = array_job(cases[i].ids.first, cases[i].ids.last, cases[i].ids.step);
        on_job_submit(r->core, r->now, ++requests, &job);
        rig_turn(r);
        assert_int_equal(rig_answer(r, requests)->status, 400);
        assert_non_null(strstr(rig_answer(r, requests)->body, cases[i].text));
    }
    assert_int_equal(r->core->task_total, 0);
    assert_int_equal(rig_store_count(r, "jobs"), 0);
    rig_free(r);
}

static void test_array_with_the_key_of_another_is_that_one(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    struct record_job job = array_job(1, 50, 1);
    job.key = "k";
    uint32_t number = array_submit_job(r, &job);
    agent_enrol(r, a, 1);
    agent_run(r, a, number, 1, 10); /* its record names a node now */
    on_job_submit(r->core, r->now, ++requests, &job);
    rig_turn(r);
    assert_int_equal(rig_answer(r, requests)->status, 200);
    job.array.last = 51;
    on_job_submit(r->core, r->now, ++requests, &job);
    rig_turn(r);
    assert_int_equal(rig_answer(r, requests)->status, 409);
    free(a);
    rig_free(r);
}

static void test_cancelled_array_ends_when_nothing_of_it_runs(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 1);
    uint32_t job = array_submit(r, 1000000);
    agent_read(r, a);
    agent_run(r, a, job, 1, 10);
    uint32_t n_held = a->n_held;
    assert_int_equal(cancel(r, job, NULL, 0)->status, 200);
    agent_read(r, a);
    assert_int_equal(a->n_taken, 1);
    assert_int_equal(a->last_take_back.why, WHY_CANCEL);
    assert_true(a->last_take_back.grace_ms > 0);
    assert_false(has_ended(r, job));
    assert_int_equal(array_counts_of(r, job).cancelled, 1000000 - 1 - n_held);
    assert_int_equal(rig_store_count(r, "tasks"), 0); /* no write a task */
    rig_restart(r);
    core_check(r->core);
    array_clear(r, a);
    agent_enrol_as(r, a, 1, job, true); /* told again */
    assert_int_equal(a->n_taken, 2);
    uint32_t running = agent_lowest(a);
    a->held[running] = 0;
    agent_return(r, a, job);
    assert_false(has_ended(r, job));
    a->held[running] = 1;
    a->n_held = 1;
    agent_result(r, a, rig_id(job, running + 1), 0, CAUSE_TOLD, 143);
    assert_true(has_ended(r, job));
    assert_int_equal(rig_task(r, rig_id(job, running + 1))->r.outcome, OUTCOME_CANCELLED);
    struct array_counts counts = array_counts_of(r, job);
    assert_int_equal(counts.cancelled, 999999);
    assert_int_equal(counts.done, 1);
    assert_int_equal(r->core->status.tasks[TASK_ENDED], 1000000);
    assert_true(core_is_idle(r->core));
    assert_int_equal(cancel(r, job, NULL, 0)->status, 200); /* again: nothing */
    free(a);
    rig_free(r);
}

static void test_single_ids_are_cancelled_wherever_they_are(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 1);
    uint32_t job = array_submit(r, 20);
    agent_read(r, a);
    agent_run(r, a, job, 1, 10); /* 1 done, 2 to 20 leased, 2 runs */
    assert_int_equal(a->n_held, 19);
    struct id_range ranges[] = {{1, 3}};
    assert_int_equal(cancel(r, job, ranges, 1)->status, 200);
    agent_read(r, a);
    assert_int_equal(array_slot_of(r, job, 0), SLOT_DONE);
    assert_int_equal(rig_task(r, rig_id(job, 2))->r.state, TASK_STOPPING);
    assert_int_equal(a->last_take_range.first, 2);
    assert_int_equal(a->last_take_range.count, 1);
    assert_int_equal(a->last_take_back.why, WHY_CANCEL);
    /* What was acknowledged survives the head. */
    rig_restart(r);
    core_check(r->core);
    array_clear(r, a);
    agent_enrol_as(r, a, 1, job, true);
    assert_int_equal(rig_sent_count(r, MSG_LEASE), 0);
    assert_int_equal(a->last_take_range.first, 1); /* told again, both */
    assert_int_equal(a->last_take_range.count, 2);
    /* One had not started, one ran and ended well before it was told. */
    a->held[2] = 0;
    a->n_held--;
    struct array_range range = {2, 1};
    agent_event(
        r, a,
        (struct node_event){.kind = EVENT_RETURNED, .job = job, .ranges = &range, .n_ranges = 1});
    assert_int_equal(rig_task(r, rig_id(job, 3))->r.outcome, OUTCOME_CANCELLED);
    agent_run(r, a, job, 1, 10);
    assert_int_equal(rig_task(r, rig_id(job, 2))->r.outcome, OUTCOME_DONE);
    assert_int_equal(array_counts_of(r, job).done, 2);
    assert_int_equal(cancel(r, job, (struct id_range[]){{30, 40}}, 1)->status, 404);
    agent_run_all(r, a, job);
    assert_int_equal(array_counts_of(r, job).done, 19);
    assert_int_equal(array_counts_of(r, job).cancelled, 1);
    free(a);
    rig_free(r);
}

static void test_queued_id_is_cancelled_at_once(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct record_job record = array_job(10, 50, 10);
    uint32_t job = array_submit_job(r, &record);
    on_task_verb(r->core, r->now, ++requests, rig_id(job, 20), VERB_CANCEL, -1);
    rig_turn(r);
    assert_int_equal(rig_answer(r, requests)->status, 200);
    assert_int_equal(rig_task(r, rig_id(job, 20))->r.outcome, OUTCOME_CANCELLED);
    on_task_verb(r->core, r->now, ++requests, rig_id(job, 25), VERB_CANCEL, -1);
    rig_turn(r);
    assert_int_equal(rig_answer(r, requests)->status, 404); /* no id of it */
    assert_int_equal(array_counts_of(r, job).queued, 4);
    rig_restart(r);
    core_check(r->core);
    assert_int_equal(array_counts_of(r, job).cancelled, 1);
    rig_free(r);
}

static void test_failed_task_is_tried_again_by_the_jobs_retries(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 1);
    struct record_job record = array_job(1, 2, 1);
    record.retries_max = 1;
    uint32_t job = array_submit_job(r, &record);
    agent_read(r, a);
    agent_result(r, a, rig_id(job, 1), 0, CAUSE_EXIT, 3);
    const struct task *task = rig_task(r, rig_id(job, 1));
    assert_int_equal(task->r.state, TASK_QUEUED);
    assert_int_equal(task->r.failures, 1);
    assert_int_equal(rig_store_count(r, "attempts"), 1);
    agent_run(r, a, job, 1, 10); /* the other one */
    assert_false(has_ended(r, job));
    r->now += 1500;
    on_tick(r->core, r->now);
    rig_turn(r);
    assert_int_equal(task->r.state, TASK_LEASED);
    assert_int_equal(task->r.attempt, 1);
    agent_result(r, a, rig_id(job, 1), 1, CAUSE_EXIT, 0);
    assert_int_equal(task->r.outcome, OUTCOME_DONE);
    assert_true(has_ended(r, job));
    assert_int_equal(array_counts_of(r, job).done, 2);
    assert_int_equal(retry(r, job, (struct id_range[]){{2, 2}}, 1, false)->status, 409);
    free(a);
    rig_free(r);
}

static void test_task_to_be_tried_again_does_not_wait_for_the_end_of_its_array(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 1);
    struct record_job record = array_job(1, 100000, 1);
    record.retries_max = 1;
    uint32_t job = array_submit_job(r, &record);
    agent_read(r, a);
    agent_run(r, a, job, 1, 10);
    agent_result(r, a, rig_id(job, 2), 0, CAUSE_EXIT, 3);
    const struct task *task = rig_task(r, rig_id(job, 2));
    for (int turns = 0; task->r.state == TASK_QUEUED; turns++) {
        assert_true(turns < 100);
        r->now += 100;
        on_tick(r->core, r->now);
        array_clear(r, a);
        agent_run(r, a, job, a->n_held, 10);
    }
    assert_int_equal(task->r.state, TASK_LEASED);
    assert_true(r->now - task->r.queued < 5000);
    assert_int_equal(a->n_lanes, 0); /* it has the only room */
    agent_result(r, a, rig_id(job, 2), 1, CAUSE_EXIT, 0);
    assert_int_equal(a->n_lanes, 1);
    free(a);
    rig_free(r);
}

static void test_more_failures_than_allowed_end_the_array(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 1);
    struct record_job record = array_job(1, 100, 1);
    record.max_fails = 2;
    uint32_t job = array_submit_job(r, &record);
    agent_read(r, a);
    agent_run(r, a, job, 1, 10);
    for (uint32_t id = 2; id <= 4; id++) {
        assert_int_equal(core_job_record(r->core, job)->told_at, 0);
        agent_result(r, a, rig_id(job, id), 0, CAUSE_EXIT, 1);
    }
    assert_int_equal(core_job_record(r->core, job)->why, WHY_FAILURES);
    assert_non_null(strstr(core_job_record(r->core, job)->error, "more than 2 tasks failed"));
    assert_non_null(strstr(core_job_record(r->core, job)->error, "it failed"));
    assert_int_equal(a->n_taken, 1);
    agent_return(r, a, job);
    assert_true(has_ended(r, job));
    struct array_counts counts = array_counts_of(r, job);
    assert_int_equal(counts.failed, 3);
    assert_int_equal(counts.cancelled, 96);
    /* The failed ones again, then all of it. */
    char *body = retry(r, job, NULL, 0, true)->body;
    assert_non_null(strstr(body, "\"retried\":3"));
    assert_false(has_ended(r, job));
    assert_int_equal(array_counts_of(r, job).failed, 0);
    array_clear(r, a);
    agent_run(r, a, job, 0, 0);
    for (uint32_t id = 2; id <= 4; id++) {
        agent_result(r, a, rig_id(job, id), 1, CAUSE_EXIT, 0);
    }
    assert_true(has_ended(r, job));
    assert_non_null(strstr(retry(r, job, NULL, 0, false)->body, "\"retried\":96"));
    assert_int_equal(core_job_record(r->core, job)->error, NULL);
    agent_read(r, a);
    agent_run_all(r, a, job);
    assert_int_equal(array_counts_of(r, job).done, 100);
    rig_restart(r);
    core_check(r->core);
    assert_int_equal(array_counts_of(r, job).done, 100);
    free(a);
    rig_free(r);
}

static void test_cancelled_ids_are_tried_again_by_range(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    uint32_t job = array_submit(r, 100);
    cancel(r, job, NULL, 0);
    assert_true(has_ended(r, job));
    struct id_range range = {5, 7};
    assert_non_null(strstr(retry(r, job, &range, 1, false)->body, "\"retried\":3"));
    assert_false(has_ended(r, job));
    agent_enrol(r, a, 8);
    assert_int_equal(rig_sent_count(r, MSG_LEASE), 3);
    assert_int_equal(a->n_lanes, 0);
    for (uint32_t id = 5; id <= 7; id++) {
        agent_result(r, a, rig_id(job, id), 0, CAUSE_EXIT, 0);
    }
    assert_true(has_ended(r, job));
    assert_int_equal(array_counts_of(r, job).done, 3);
    assert_int_equal(array_counts_of(r, job).cancelled, 97);
    free(a);
    rig_free(r);
}

/* Whatever it is given, in lanes or one by one, cannot start. */
static void fail_all(struct rig *r, struct agent *a, uint32_t job)
{
    struct attempt_result result = {
        .cause = CAUSE_CANNOT_START, .is_nodes_fault = true, .reason = "the disk is full"};
    struct node_event event = {.kind = EVENT_RESULT, .result = result};
    const struct work *work = core_work_find(r->core, job);
    for (uint32_t i = 0; i < work->n_tasks; i++) {
        if (work->tasks[i]->r.state == TASK_LEASED) {
            event.task = work->tasks[i]->r.id;
            event.attempt = work->tasks[i]->r.attempt;
            agent_event(r, a, event);
        }
    }
    while (a->n_held > 0) {
        uint32_t position = agent_lowest(a);
        a->held[position] = 0;
        a->n_held--;
        event.task = (task_id){job, position + 1};
        event.attempt = 0;
        agent_event(r, a, event);
    }
    agent_run(r, a, job, 0, 0); /* the lanes close */
}

static void test_node_that_cannot_start_any_task_ends_the_array_with_its_reason(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 2);
    uint32_t job = array_submit(r, 1000);
    agent_read(r, a);
    for (int turns = 0; core_job_record(r->core, job)->told_at == 0; turns++) {
        assert_true(turns < 1000);
        array_clear(r, a);
        fail_all(r, a, job);
        r->now += 1000;
        on_tick(r->core, r->now);
        rig_turn(r);
    }
    assert_non_null(strstr(core_job_record(r->core, job)->error, "the disk is full"));
    assert_true(array_counts_of(r, job).exceptions < 40);
    free(a);
    rig_free(r);
}

static void test_removed_array_leaves_nothing(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 1);
    uint32_t job = array_submit(r, 3000);
    agent_read(r, a);
    on_work_remove(r->core, r->now, ++requests, job, false);
    rig_turn(r);
    assert_int_equal(rig_answer(r, requests)->status, 409);
    agent_result(r, a, rig_id(job, 1), 0, CAUSE_EXIT, 1);
    agent_run_all(r, a, job);
    on_work_remove(r->core, r->now, ++requests, job, false);
    rig_turn(r);
    assert_int_equal(rig_answer(r, requests)->status, 200);
    rig_turn(r);
    rig_restart(r); /* in the middle of it, or after it */
    for (int turns = 0; !list_is_empty(&r->core->removing); turns++) {
        assert_true(turns < 50);
        rig_turn(r);
    }
    assert_int_equal(array_stored_rows(r, job, NULL), 0);
    assert_int_equal(rig_store_count(r, "chunks"), 0);
    assert_int_equal(rig_store_count(r, "tasks"), 0);
    assert_int_equal(rig_store_count(r, "attempts"), 0);
    assert_int_equal(rig_store_count(r, "jobs"), 0);
    assert_int_equal(r->core->task_total, 0);
    assert_int_equal(r->core->status.tasks[TASK_ENDED], 0);
    free(a);
    rig_free(r);
}

static void test_walk_finds_states_over_long_stretches(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 1);
    uint32_t job = array_submit(r, 100000), position = 0;
    agent_read(r, a);
    agent_run(r, a, job, 1, 10);
    agent_result(r, a, rig_id(job, 2), 0, CAUSE_EXIT, 1);
    on_task_verb(r->core, r->now, ++requests, rig_id(job, 99999), VERB_CANCEL, -1);
    rig_turn(r);
    struct array_filter done = {.outcomes = 1 << OUTCOME_DONE},
                        queued = {.states = 1 << TASK_QUEUED},
                        cancelled = {.outcomes = 1 << OUTCOME_CANCELLED},
                        exceptions = {.is_exceptions = true};
    assert_true(core_array_next(r->core, job, &done, 0, &position));
    assert_int_equal(position, 0);
    assert_false(core_array_next(r->core, job, &done, 1, &position));
    assert_true(core_array_next(r->core, job, &exceptions, 0, &position));
    assert_int_equal(position, 1);
    assert_true(core_array_next(r->core, job, &cancelled, 0, &position));
    assert_int_equal(position, 99998);
    assert_true(core_array_next(r->core, job, &queued, 0, &position));
    assert_true(position > 1 && position < 3000);
    struct buf text;
    buf_init(&text, 4096);
    assert_true(core_array_explain(r->core, job, &text));
    assert_non_null(strstr(buf_text(&text), "1 of 100000 tasks done"));
    buf_fini(&text);
    free(a);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_arrays_are_refused_with_a_sentence),
        cmocka_unit_test(test_array_with_the_key_of_another_is_that_one),
        cmocka_unit_test(test_cancelled_array_ends_when_nothing_of_it_runs),
        cmocka_unit_test(test_single_ids_are_cancelled_wherever_they_are),
        cmocka_unit_test(test_queued_id_is_cancelled_at_once),
        cmocka_unit_test(test_failed_task_is_tried_again_by_the_jobs_retries),
        cmocka_unit_test(test_task_to_be_tried_again_does_not_wait_for_the_end_of_its_array),
        cmocka_unit_test(test_more_failures_than_allowed_end_the_array),
        cmocka_unit_test(test_cancelled_ids_are_tried_again_by_range),
        cmocka_unit_test(test_node_that_cannot_start_any_task_ends_the_array_with_its_reason),
        cmocka_unit_test(test_removed_array_leaves_nothing),
        cmocka_unit_test(test_walk_finds_states_over_long_stretches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
