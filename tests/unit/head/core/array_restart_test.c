/* An array over the deaths of its head and its nodes: nothing is lost, nothing ends twice. */
#include "array_rig.h"

static uint32_t cpus_used(const struct rig *r)
{
    struct scheduler_usage usage;
    scheduler_usage_get(r->core->scheduler, 0, &usage);
    return (uint32_t)(usage.cpus_used / AMOUNT_ONE);
}

static void test_head_that_dies_before_the_reply_finds_what_was_applied(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 2);
    uint32_t job = array_submit(r, 5000);
    agent_read(r, a);
    agent_run(r, a, job, 2, 10);
    uint32_t n_held = a->n_held;
    r->is_store_stalled = true;
    agent_run(r, a, job, n_held / 2 + 1, 10); /* on disk, and nobody was told */
    uint64_t event = a->event;
    r->is_store_stalled = false;
    rig_restart(r);
    core_check(r->core);
    a->n_read = 0;
    assert_int_equal(array_counts_of(r, job).done, 2 + n_held / 2 + 1);
    assert_int_equal(core_node_find(r->core, "a")->r.applied, event);
    /* What was leased in that batch never arrived: it is queued again, and comes anew. */
    uint32_t n_left = a->n_held;
    agent_enrol_as(r, a, 2, job, true);
    assert_int_equal(cpus_used(r), 2);
    assert_int_equal(core_node_find(r->core, "a")->n_held, a->n_held);
    assert_true(a->n_held >= n_left);
    assert_int_equal(a->n_lanes, 2);
    agent_run_all(r, a, job);
    assert_int_equal(array_stored_rows(r, job, NULL), 5000);
    assert_int_equal(r->core->array_rows_dropped_total, 0);
    free(a);
    rig_free(r);
}

/* Its lanes are closed and nothing else of the array is on the node: the rows find their tasks. */
static void test_tasks_told_to_leave_end_by_rows_after_a_restart(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 2);
    uint32_t job = array_submit(r, 2);
    agent_read(r, a);
    assert_int_equal(a->n_held, 2);
    const struct id_range ids = {1, 2};
    on_job_cancel(r->core, r->now, 90, job, &ids, 1, -1);
    rig_turn(r);
    assert_int_equal(core_work_find(r->core, job)->n_active, 2);
    rig_restart(r);
    a->n_read = 0;
    a->n_lanes = 0;
    agent_enrol_as(r, a, 2, job, true);
    agent_run(r, a, job, 2, 10);
    assert_int_equal(core_work_find(r->core, job)->n_active, 0);
    assert_true(core_job_record(r->core, job)->ended != 0);
    assert_int_equal(cpus_used(r), 0);
    free(a);
    rig_free(r);
}

static void test_connection_that_breaks_keeps_lanes_and_what_is_named(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 2);
    uint32_t job = array_submit(r, 5000);
    agent_read(r, a);
    agent_run(r, a, job, 2, 10);
    uint32_t n_held = a->n_held;
    agent_enrol_as(r, a, 2, job, true);
    assert_int_equal(a->n_held, n_held);
    assert_int_equal(a->n_lanes, 2);
    assert_int_equal(a->n_arrays, 2); /* told again */
    assert_int_equal(core_node_find(r->core, "a")->n_held, n_held);
    assert_int_equal(cpus_used(r), 2);
    free(a);
    rig_free(r);
}

static void test_what_an_agent_does_not_name_is_queued_and_comes_again(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 2);
    uint32_t job = array_submit(r, 5000);
    agent_read(r, a);
    agent_run(r, a, job, 2, 10);
    /* The last message was lost with the connection: lanes and all. */
    memset(a->held, 0, sizeof a->held);
    a->n_held = a->n_lanes = 0;
    array_clear(r, a);
    agent_enrol(r, a, 2);
    assert_int_equal(a->n_lanes, 2);
    assert_int_equal(core_node_find(r->core, "a")->n_lanes, 2);
    assert_int_equal(core_node_find(r->core, "a")->n_held, a->n_held);
    assert_int_equal(cpus_used(r), 2);
    assert_int_equal(rig_store_count(r, "tasks"), 0); /* none of them is an exception */
    agent_run_all(r, a, job);
    free(a);
    rig_free(r);
}

/* It was handed back, and leased to the same agent again by a message that it will not take, since
 * it had enrolled anew by then: it speaks of the lease before, whose end is on record here. */
static void test_what_was_handed_back_and_leased_again_meanwhile_comes_again(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    struct array_range range = {0, 1};
    agent_enrol(r, a, 1);
    uint32_t job = array_submit(r, 1);
    agent_read(r, a);
    struct msg_enrol enrol = {.protocol = PROTOCOL_VERSION,
                              .node = "a",
                              .incarnation = a->incarnation,
                              .host = "h",
                              .cpus = AMOUNT_ONE,
                              .lanes = &(struct held_lane){.job = job, .lane = a->lanes[0]},
                              .n_lanes = 1,
                              .ranges = &(struct held_range){job, range, false, a->event + 1},
                              .n_ranges = 1,
                              .first_event = 1};
    a->held[0] = 0;
    agent_event(
        r, a,
        (struct node_event){.kind = EVENT_RETURNED, .job = job, .ranges = &range, .n_ranges = 1});
    assert_int_equal(a->held[0], 1); /* again */
    for (int i = 0; i < 2; i++) {
        rig_sent_clear(r);
        on_enrol(r->core, r->now, a->peer, &enrol);
        rig_turn(r);
        assert_int_equal(rig_sent_count(r, MSG_TAKE_BACK), 0);
        assert_int_equal(rig_sent_count(r, MSG_RANGES), 1);
    }
    /* One that is on its way still is left alone. */
    enrol.ranges = &(struct held_range){job, range, false, a->event + 1};
    rig_sent_clear(r);
    on_enrol(r->core, r->now, a->peer, &enrol);
    rig_turn(r);
    assert_int_equal(rig_sent_count(r, MSG_RANGES), 0);
    free(a);
    rig_free(r);
}

static void test_what_an_agent_names_and_has_no_right_to_is_taken_back(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 1);
    uint32_t job = array_submit(r, 100);
    agent_read(r, a);
    assert_int_equal(a->n_held, 1);
    a->held[50] = a->held[51] = a->held[52] = 1;
    agent_enrol_as(r, a, 1, job, true);
    assert_int_equal(a->last_take_back.why, WHY_CANCEL);
    assert_int_equal(a->last_take_back.grace_ms, 0); /* its room is not its any more */
    assert_int_equal(a->last_take_range.first, 50);
    assert_int_equal(a->last_take_range.count, 3);
    assert_int_equal(core_node_find(r->core, "a")->n_held, 1);
    array_clear(r, a);
    memset(a->held, 0, sizeof a->held);
    a->held[60] = 1;
    /* Of a job that there is not. */
    a->last_take_range = (struct array_range){0, 0};
    agent_enrol_as(r, a, 1, job + 7, true);
    assert_int_equal(a->last_take_back.job, job + 7);
    free(a);
    rig_free(r);
}

static unsigned first_sent(const struct rig *r, message_type type)
{
    unsigned i = 0;
    while (i < r->n_sent && (r->sent[i].kind != HEAD_SEND || r->sent[i].type != type)) {
        i++;
    }
    assert_true(i < r->n_sent);
    return i;
}

/* It has a place less until it has read what it is to give up. */
static void test_what_a_node_is_to_give_up_is_told_before_what_is_its_own(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7), *b = agent_new("b", 8);
    agent_enrol(r, a, 2);
    uint32_t job = array_submit(r, 2);
    r->now += CORE_SUSPECT_MS + 1;
    on_tick(r->core, r->now);
    r->now += CORE_NODE_TIMEOUT_MS;
    on_tick(r->core, r->now);
    rig_turn(r);
    agent_enrol(r, b, 2);
    assert_int_equal(rig_sent_count(r, MSG_LEASE), 2); /* alone, each */
    array_clear(r, b);
    b->held[5] = 1;
    agent_enrol_as(r, b, 2, job + 7, true);
    assert_int_equal(rig_sent_count(r, MSG_LEASE), 2);
    assert_true(first_sent(r, MSG_WELCOME) < first_sent(r, MSG_TAKE_BACK));
    assert_true(first_sent(r, MSG_TAKE_BACK) < first_sent(r, MSG_LEASE));
    free(a);
    free(b);
    rig_free(r);
}

static void test_silent_node_makes_exceptions_that_run_elsewhere_uncharged(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7), *b = agent_new("b", 8);
    agent_enrol(r, a, 2);
    uint32_t job = array_submit(r, 20);
    agent_read(r, a);
    agent_event(r, a, (struct node_event){.kind = EVENT_STARTED, .task = {job, 2}, .pid = 5});
    r->now += CORE_SUSPECT_MS + 1;
    on_tick(r->core, r->now);
    r->now += CORE_NODE_TIMEOUT_MS;
    on_tick(r->core, r->now);
    rig_turn(r);
    assert_int_equal(core_node_find(r->core, "a")->r.state, NODE_GONE);
    assert_int_equal(array_counts_of(r, job).exceptions, 2);
    assert_int_equal(array_slot_of(r, job, 0), SLOT_EXCEPTION);
    const struct task *unknown = rig_task(r, rig_id(job, 1)),
                      *started = rig_task(r, rig_id(job, 2));
    assert_int_equal(unknown->r.state, TASK_QUEUED);
    assert_int_equal(unknown->r.lost, 0);
    assert_int_equal(started->r.lost, 1);
    assert_int_equal(unknown->r.n_attempts, 1);
    assert_int_equal(rig_store_count(r, "attempts"), 2);
    rig_restart(r);
    core_check(r->core);
    array_clear(r, a);
    agent_enrol(r, b, 2);
    /* Attempt 1, by a lease of its own, and what the tasks are before it. */
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    assert_int_equal(rig_sent_count(r, MSG_LEASE), 2);
    assert_int_equal(b->n_arrays, 1);
    const struct msg_lease *lease = rig_sent_last(r, MSG_LEASE, &arena);
    assert_int_equal(lease->attempt, 1);
    assert_string_equal(lease->words[1], "${index}");
    agent_result(r, b, rig_id(job, 1), 1, CAUSE_EXIT, 0);
    agent_result(r, b, rig_id(job, 2), 1, CAUSE_EXIT, 0);
    /* The node that was given up comes back: what it ran counts no more. */
    array_clear(r, b);
    a->incarnation = 1007;
    agent_enrol_as(r, a, 2, job, true);
    assert_int_equal(a->last_take_back.why, WHY_CANCEL);
    assert_int_equal(a->last_take_range.count, 2);
    struct result_row late = {.id = 1};
    a->event = core_node_find(r->core, "a")->r.applied;
    agent_rows(r, a, job, &late, 1);
    assert_int_equal(array_stored_rows(r, job, NULL), 0);
    assert_int_equal(array_counts_of(r, job).done, 2);
    arena_fini(&arena);
    free(a);
    free(b);
    rig_free(r);
}

static void test_new_start_of_an_agent_ends_what_the_last_one_had(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 1);
    uint32_t job = array_submit(r, 200);
    agent_read(r, a);
    agent_run(r, a, job, 1, 10);
    uint32_t n_held = a->n_held;
    a->incarnation++;
    a->event = 0;
    memset(a->held, 0, sizeof a->held);
    a->n_held = a->n_lanes = 0;
    array_clear(r, a);
    agent_enrol(r, a, 1);
    assert_int_equal(array_counts_of(r, job).exceptions, n_held);
    assert_int_equal(cpus_used(r), 1);
    rig_restart(r);
    core_check(r->core);
    assert_int_equal(array_counts_of(r, job).exceptions, n_held);
    free(a);
    rig_free(r);
}

static void test_lane_that_ended_under_the_head_before_does_not_close_a_new_one(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 1);
    uint32_t job = array_submit(r, 100);
    agent_read(r, a);
    uint32_t old = a->lanes[0];
    struct array_lane closed = {.lane = old};
    /* The lane is closed, and the event that says so was not sent before the head died. */
    a->n_lanes = 0;
    rig_restart(r);
    r->core->config.epoch++; /* as every head has another one */
    struct work *work = core_work_find(r->core, job);
    work->array->holders[0]->last_lane += 1 << 16;
    array_clear(r, a);
    agent_enrol_as(r, a, 1, job, true);
    assert_int_equal(a->n_lanes, 1);
    assert_int_not_equal(a->lanes[0], old);
    agent_event(
        r, a, (struct node_event){.kind = EVENT_TASKS, .job = job, .lanes = &closed, .n_lanes = 1});
    assert_int_equal(core_node_find(r->core, "a")->n_lanes, 1);
    assert_int_equal(cpus_used(r), 1);
    free(a);
    rig_free(r);
}

static void test_million_tasks_are_loaded_from_their_chunks(void **state)
{
    (void)state;
    enum { TASKS = 1000000, CHUNKS = (TASKS + ARRAY_CHUNK - 1) / ARRAY_CHUNK };
    struct rig *r = rig_new();
    struct report report = {0};
    struct record_job job = array_job(1, TASKS, 1);
    job.number = 3;
    job.created = 5;
    struct buf buf;
    buf_init(&buf, 1 << 20);
    assert_int_equal(record_encode(&record_job_schema, &job, &buf), OK);
    assert_int_equal(core_load_record(r->core, "jobs", (struct bytes){(const uint8_t *)"3", 1},
                                      buf_bytes(&buf), &report),
                     OK);
    uint8_t slots[ARRAY_CHUNK / 4];
    memset(slots, 0xAA, sizeof slots); /* all done */
    for (uint32_t i = 0; i < CHUNKS; i++) {
        bool is_last = i == CHUNKS - 1;
        struct record_chunk chunk = {
            .job = 3, .chunk = i, .slots = {slots, is_last ? 576 / 4 : sizeof slots}};
        char name[16];
        struct bytes field = {(uint8_t *)name, (size_t)snprintf(name, sizeof name, "3.%u", i)};
        buf_reset(&buf);
        assert_int_equal(record_encode(&record_chunk_schema, &chunk, &buf), OK);
        assert_int_equal(core_load_record(r->core, "chunks", field, buf_bytes(&buf), &report), OK);
    }
    assert_int_equal(core_load_done(r->core, r->now, &report), OK);
    core_check(r->core);
    struct array_counts counts = array_counts_of(r, 3);
    assert_int_equal(counts.total, TASKS);
    assert_int_equal(counts.done, TASKS);
    assert_int_equal(counts.queued, 0);
    assert_int_equal(core_job_record(r->core, 3)->ended, r->now); /* nothing is left of it */
    buf_fini(&buf);
    rig_free(r);
}

static void test_chunk_that_cannot_be_is_refused_with_its_name(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 1);
    uint32_t job = array_submit(r, 100);
    uint8_t slots[ARRAY_CHUNK / 4] = {1}; /* leased, and to nobody */
    struct report report = {0};
    struct record_chunk chunk = {.job = job, .slots = {slots, sizeof slots}};
    struct rig *other = rig_new();
    struct record_job record = array_job(1, 100, 1);
    record.number = job;
    struct buf buf;
    buf_init(&buf, 1 << 20);
    assert_int_equal(record_encode(&record_job_schema, &record, &buf), OK);
    assert_int_equal(core_load_record(other->core, "jobs", (struct bytes){(const uint8_t *)"1", 1},
                                      buf_bytes(&buf), &report),
                     OK);
    buf_reset(&buf);
    assert_int_equal(record_encode(&record_chunk_schema, &chunk, &buf), OK);
    assert_int_equal(core_load_record(other->core, "chunks",
                                      (struct bytes){(const uint8_t *)"1.0", 3}, buf_bytes(&buf),
                                      &report),
                     ERR_FORMAT);
    assert_non_null(strstr(report.text, "has leased tasks that no node holds"));
    assert_non_null(strstr(report.text, "chunk 1.0"));
    buf_fini(&buf);
    free(a);
    core_free(other->core);
    free(other);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head_that_dies_before_the_reply_finds_what_was_applied),
        cmocka_unit_test(test_tasks_told_to_leave_end_by_rows_after_a_restart),
        cmocka_unit_test(test_connection_that_breaks_keeps_lanes_and_what_is_named),
        cmocka_unit_test(test_what_an_agent_does_not_name_is_queued_and_comes_again),
        cmocka_unit_test(test_what_was_handed_back_and_leased_again_meanwhile_comes_again),
        cmocka_unit_test(test_what_an_agent_names_and_has_no_right_to_is_taken_back),
        cmocka_unit_test(test_what_a_node_is_to_give_up_is_told_before_what_is_its_own),
        cmocka_unit_test(test_silent_node_makes_exceptions_that_run_elsewhere_uncharged),
        cmocka_unit_test(test_new_start_of_an_agent_ends_what_the_last_one_had),
        cmocka_unit_test(test_lane_that_ended_under_the_head_before_does_not_close_a_new_one),
        cmocka_unit_test(test_million_tasks_are_loaded_from_their_chunks),
        cmocka_unit_test(test_chunk_that_cannot_be_is_refused_with_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
