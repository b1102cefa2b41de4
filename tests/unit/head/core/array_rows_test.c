/* Which results of array tasks count, and what is kept of them. */
#include "array_rig.h"

static struct result_row row_of(uint32_t id)
{
    return (struct result_row){.id = id, .started_at = 77, .duration_us = 5};
}

static void test_row_is_stored_once_with_the_number_of_its_node(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7), *b = agent_new("b", 8);
    agent_enrol(r, a, 1);
    agent_enrol(r, b, 1);
    struct record_job record = array_job(10, 100, 10);
    uint32_t job = array_submit_job(r, &record);
    agent_read(r, a);
    agent_read(r, b);
    assert_int_equal(a->n_held + b->n_held, 2);
    struct result_row row = row_of(array_id_at(record.array, agent_lowest(b)));
    row.node = 99; /* an agent does not know it */
    agent_rows(r, b, job, &row, 1);
    assert_int_equal(array_stored_rows(r, job, &row), 1);
    const struct record_job *job_record = core_job_record(r->core, job);
    assert_true(row.node < job_record->n_nodes);
    assert_string_equal(job_record->nodes[row.node], "b");
    assert_int_equal(row.started_at, 77);
    assert_int_equal(row.duration_us, 5);
    assert_int_equal(row.id % 10, 0);
    /* The same again, in an event of its own: it is nobody's any more. */
    agent_rows(r, b, job, &row, 1);
    assert_int_equal(array_stored_rows(r, job, NULL), 1);
    assert_int_equal(r->core->array_rows_dropped_total, 1);
    assert_int_equal(array_counts_of(r, job).done, 1);
    free(a);
    free(b);
    rig_free(r);
}

static void test_rows_that_are_not_the_nodes_to_tell_are_dropped(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7), *b = agent_new("b", 8);
    agent_enrol(r, a, 1);
    uint32_t job = array_submit(r, 10);
    agent_read(r, a);
    agent_enrol(r, b, 0);
    struct result_row rows[] = {
        row_of(1),  /* a's */
        row_of(2),  /* queued */
        row_of(0),  /* no id of it */
        row_of(11), /* the same */
    };
    agent_rows(r, b, job, rows, 4);
    assert_int_equal(r->core->array_rows_dropped_total, 4);
    rows[0].attempt = 1;
    agent_rows(r, a, job, rows, 1); /* not the attempt that it has */
    rows[0].attempt = 0;
    rows[0].exit_code = 1;
    agent_rows(r, a, job, rows, 1); /* not what rows are for */
    agent_rows(r, a, job + 5, rows, 1);
    assert_int_equal(r->core->array_rows_dropped_total, 7);
    assert_int_equal(array_stored_rows(r, job, NULL), 0);
    assert_int_equal(array_counts_of(r, job).done, 0);
    rows[0].exit_code = 0;
    agent_rows(r, a, job, rows, 1);
    assert_int_equal(array_counts_of(r, job).done, 1);
    free(a);
    free(b);
    rig_free(r);
}

/* A broken agent's clock, or one that lies: no time is past what a record may hold, and the core
 * goes on. One of the rows is of a task that was told to leave, whose end becomes a record. */
static void test_rows_of_impossible_times_are_bounded(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 3);
    uint32_t job = array_submit(r, 3);
    agent_read(r, a);
    assert_int_equal(a->n_held, 3);
    on_task_verb(r->core, r->now, 90001, rig_id(job, 2), VERB_CANCEL, -1);
    rig_turn(r);
    struct result_row rows[] = {row_of(1), row_of(2), row_of(3)};
    rows[0].started_at = INT64_MAX;
    rows[1].started_at = INT64_MAX;
    rows[2].started_at = INT64_MIN;
    for (int i = 0; i < 3; i++) {
        rows[i].duration_us = UINT64_MAX;
    }
    agent_rows(r, a, job, rows, 3);
    rig_turn(r);
    assert_int_equal(core_failed(r->core), OK);
    assert_int_equal(rig_task(r, rig_id(job, 2))->r.state, TASK_ENDED);
    assert_true(rig_task(r, rig_id(job, 2))->r.ended <= SCHEMA_TIME_MAX);
    assert_int_equal(array_stored_rows(r, job, &rows[0]), 2);
    assert_int_equal(array_counts_of(r, job).done, 3);
    free(a);
    rig_free(r);
}

static void test_rows_of_a_stale_incarnation_are_not_heard(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 1);
    uint32_t job = array_submit(r, 10);
    array_clear(r, a);
    a->incarnation++;
    agent_run(r, a, job, 1, 5);
    assert_int_equal(rig_sent_count(r, MSG_WHO), 1);
    assert_int_equal(array_counts_of(r, job).done, 0);
    free(a);
    rig_free(r);
}

static void test_event_that_comes_twice_counts_once(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 1);
    uint32_t job = array_submit(r, 10);
    agent_read(r, a);
    agent_run(r, a, job, 1, 5);
    a->event--; /* its acknowledgement was lost */
    struct result_row row = row_of(1);
    agent_rows(r, a, job, &row, 1);
    assert_int_equal(array_stored_rows(r, job, NULL), 1);
    assert_int_equal(r->core->array_rows_dropped_total, 0);
    free(a);
    rig_free(r);
}

static void test_nothing_is_told_before_the_lease_is_on_disk(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 2);
    r->is_store_stalled = true;
    struct record_job record = array_job(1, 100, 1);
    on_job_submit(r->core, r->now, 1, &record);
    rig_turn(r);
    assert_int_equal(rig_sent_count(r, MSG_RANGES), 0);
    assert_null(rig_answer(r, 1));
    r->is_store_stalled = false;
    rig_batch_reply(r);
    assert_int_equal(rig_sent_count(r, MSG_RANGES), 1);
    assert_int_equal(rig_sent_count(r, MSG_ARRAY), 1);
    assert_int_equal(rig_store_count(r, "chunks"), 1);
    free(a);
    rig_free(r);
}

/* Records of chunks that were written since it was asked last; each of them said something new. */
static unsigned chunks_written(struct rig *r)
{
    unsigned n = r->n_chunks;
    r->n_chunks = 0;
    assert_int_equal(r->n_chunks_same, 0);
    return n;
}

static void test_only_chunks_that_changed_are_written(void **state)
{
    (void)state;
    enum { CHUNKS = 10 };
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 2);
    uint32_t job = array_submit(r, CHUNKS * ARRAY_CHUNK);
    agent_read(r, a);
    assert_int_equal(chunks_written(r), 1);
    assert_int_equal(rig_store_count(r, "chunks"), 1);
    agent_run(r, a, job, 2, 1);
    assert_int_equal(a->n_held, 1026);
    assert_int_equal(chunks_written(r), 2);
    agent_run(r, a, job, 3, 1); /* of the first one, and so few that nothing follows them */
    assert_int_equal(a->n_held, 1023);
    assert_int_equal(chunks_written(r), 1);
    /* Turns that bring nothing of it: another job, which waits, and time. */
    struct record_job other = array_job(0, 0, 0);
    assert_int_not_equal(array_submit_job(r, &other), 0);
    r->now += 500;
    on_tick(r->core, r->now);
    rig_turn(r);
    assert_int_equal(chunks_written(r), 0);
    /* What comes of a chunk is written once, however many rows it has. */
    agent_run(r, a, job, 900, 1);
    assert_true(a->n_held > 1000);
    assert_int_equal(chunks_written(r), 2);
    agent_run_all(r, a, job);
    assert_true(chunks_written(r) < 4 * CHUNKS);
    assert_int_equal(rig_store_count(r, "chunks"), CHUNKS);
    assert_int_equal(rig_store_count(r, "tasks"), 1); /* the other one's */
    free(a);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_row_is_stored_once_with_the_number_of_its_node),
        cmocka_unit_test(test_rows_that_are_not_the_nodes_to_tell_are_dropped),
        cmocka_unit_test(test_rows_of_impossible_times_are_bounded),
        cmocka_unit_test(test_rows_of_a_stale_incarnation_are_not_heard),
        cmocka_unit_test(test_event_that_comes_twice_counts_once),
        cmocka_unit_test(test_nothing_is_told_before_the_lease_is_on_disk),
        cmocka_unit_test(test_only_chunks_that_changed_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
