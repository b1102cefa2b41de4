/* A store whose records contradict themselves, or one another, is refused with what is wrong:
 * muster never writes such, and what is built on it would fall later. */
#include "array_rig.h"

static const char *last_table, *last_field;

static struct rig_field *stored(struct rig *r, const char *table, const char *field)
{
    last_table = table;
    last_field = field;
    for (unsigned i = 0; i < r->n_store; i++) {
        struct rig_field *f = &r->store[i];
        if (f->field != NULL && strcmp(f->key, table) == 0 && strcmp(f->field, field) == 0) {
            return f;
        }
    }
    fail_msg("there is no %s of %s", field, table);
    return NULL;
}

static struct arena arena; /* of the record that is being edited */

static void *record_open(struct rig *r, const struct schema *schema, const char *table,
                         const char *field, void *record)
{
    const struct rig_field *f = stored(r, table, field);
    arena_init(&arena, 16 << 20);
    assert_int_equal(record_decode(schema, (struct bytes){f->value, f->len}, &arena, record, NULL),
                     OK);
    return record;
}

/* Under the name that it was opened by. */
static void record_close(struct rig *r, const struct schema *schema, const void *record)
{
    struct rig_field *f = stored(r, last_table, last_field);
    struct buf buf;
    buf_init(&buf, 1 << 20);
    assert_int_equal(record_encode(schema, record, &buf), OK);
    free(f->value);
    f->len = buf.len;
    f->value = malloc(buf.len + 1);
    memcpy(f->value, buf_bytes(&buf).data, buf.len);
    buf_fini(&buf);
    arena_fini(&arena);
}

/* The same record once more, under another name. */
static void record_twice(struct rig *r, const char *table, const char *field, const char *as)
{
    const struct rig_field *f = stored(r, table, field);
    struct rig_field *copy = &r->store[r->n_store++];
    *copy = (struct rig_field){strdup(table), strdup(as), malloc(f->len + 1), f->len};
    memcpy(copy->value, f->value, f->len);
}

static void trial_edit(struct rig *r, void (*edit)(struct record_task *record))
{
    struct record_task record;
    record_open(r, &record_task_schema, "tasks", "1.1", &record);
    edit(&record);
    record_close(r, &record_task_schema, &record);
}

static void outcome_of_one_that_runs(struct record_task *record)
{
    record->outcome = OUTCOME_DONE;
}

static void end_without_outcome(struct record_task *record)
{
    record->state = TASK_ENDED;
}

static void no_trial(struct record_task *record)
{
    record->is_trial = false;
}

static void on_no_node(struct record_task *record)
{
    record->node = "elsewhere";
}

static void trial_outcome(struct rig *r)
{
    trial_edit(r, outcome_of_one_that_runs);
}

static void trial_end(struct rig *r)
{
    trial_edit(r, end_without_outcome);
}

static void trial_kind(struct rig *r)
{
    trial_edit(r, no_trial);
}

static void trial_node(struct rig *r)
{
    trial_edit(r, on_no_node);
}

static void invalid_end(struct record_task *record)
{
    record->state = TASK_ENDED;
    record->outcome = OUTCOME_INVALID;
}

static void trial_end_unlogged(struct rig *r)
{
    trial_edit(r, invalid_end);
}

static void sweep_end(struct rig *r)
{
    struct record_sweep record;
    record_open(r, &record_sweep_schema, "sweeps", "1", &record);
    record.state = SWEEP_DONE;
    record_close(r, &record_sweep_schema, &record);
}

static void sweep_removal(struct rig *r)
{
    struct record_sweep record;
    record_open(r, &record_sweep_schema, "sweeps", "1", &record);
    record.is_removing = true;
    record_close(r, &record_sweep_schema, &record);
}

static void node_gone(struct rig *r)
{
    struct record_node record;
    record_open(r, &record_node_schema, "nodes", "local", &record);
    record.state = NODE_GONE;
    record_close(r, &record_node_schema, &record);
}

static void array_end(struct rig *r)
{
    struct record_job record;
    record_open(r, &record_job_schema, "jobs", "2", &record);
    record.ended = 5;
    record_close(r, &record_job_schema, &record);
}

static void number_twice(struct rig *r)
{
    record_twice(r, "jobs", "2", "3");
}

/* Of a sweep as a job, too. */
static void number_of_both(struct rig *r)
{
    struct record_job record;
    record_open(r, &record_job_schema, "jobs", "2", &record);
    record.number = 1;
    record_close(r, &record_job_schema, &record);
    stored(r, "jobs", "2")->field[0] = '1';
}

static void trial_of_no_number(struct rig *r)
{
    struct record_task record;
    record_open(r, &record_task_schema, "tasks", "1.1", &record);
    record.id.index = 0;
    record_close(r, &record_task_schema, &record);
}

static uint8_t slots[ARRAY_CHUNK / 4];

static void chunk_edit(struct rig *r, uint32_t place, array_slot slot)
{
    struct record_chunk record;
    record_open(r, &record_chunk_schema, "chunks", "2.0", &record);
    memset(slots, 0, sizeof slots);
    memcpy(slots, record.slots.data, record.slots.len);
    slots[place / 4] = (uint8_t)(slots[place / 4] | slot << place % 4 * 2);
    record.slots = (struct bytes){slots, sizeof slots};
    record_close(r, &record_chunk_schema, &record);
}

static void chunk_behind_the_end(struct rig *r)
{
    chunk_edit(r, 100, SLOT_DONE);
}

static void chunk_of_one_more(struct rig *r)
{
    chunk_edit(r, 50, SLOT_EXCEPTION);
}

static void chunk_twice(struct rig *r)
{
    record_twice(r, "chunks", "2.0", "2.0");
}

static void chunk_of_another_name(struct rig *r)
{
    record_twice(r, "chunks", "2.0", "2.1");
}

static void exception_elsewhere(struct rig *r)
{
    struct record_task record;
    record_open(r, &record_task_schema, "tasks", "2.100", &record);
    record.id.index = 7;
    record_close(r, &record_task_schema, &record);
    struct rig_field *f = stored(r, "tasks", "2.100");
    free(f->field);
    f->field = strdup("2.7");
}

/* A sweep with trials on node local; an array of 100 on node a, of which one has been told to
 * leave.
 */
static struct rig *cluster(void)
{
    struct rig *r = rig_new();
    rig_enrol(r, 2);
    assert_int_equal(rig_submit(r, rig_sweep, "k"), 1);
    struct agent *a = agent_new("a", 8);
    agent_enrol(r, a, 1);
    assert_int_equal(array_submit(r, 100), 2);
    const struct id_range ids = {100, 100};
    on_job_cancel(r->core, r->now, 9000, 2, &ids, 1, -1);
    rig_turn(r);
    free(a);
    return r;
}

static const struct {
    void (*edit)(struct rig *r);
    const char *text;
} rows[] = {
    {trial_outcome, "task 1.1 is leased, and its outcome is 'done'"},
    {trial_end, "task 1.1 is ended, and its outcome is ''"},
    {trial_end_unlogged,
     "sweep 1 has records of 3 trials, 1 of them ended; its log tells of 3, 0 of"},
    {trial_kind, "task 1.1 is no trial, but 1 is a sweep"},
    {trial_node, "task 1.1 runs on no known node"},
    {node_gone, "task 1.1 runs on no known node"},
    {sweep_end, "1 has ended, and 3 of its tasks have not"},
    {sweep_removal, "1 is being removed, and has not ended"},
    {number_twice, "it is the record of 2"},
    {number_of_both, "a sweep and a job have this number"},
    {trial_of_no_number, "it is the record of task 1.0"},
    {array_end, "array 2 has ended, and some of its tasks have not"},
    {chunk_behind_the_end, "chunk 2.0 has more tasks than its array"},
    {chunk_of_one_more, "array 2 has 2 tasks with records of their own, and 1 records"},
    {chunk_twice, "chunk 2.0 has two records"},
    {chunk_of_another_name, "it is the record of chunk 2.0"},
    {exception_elsewhere, "array 2 knows of no record of task 7"},
};

static void test_records_that_contradict_are_refused_with_what_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig *r = cluster();
        struct report report = {0};
        rows[i].edit(r);
        core_free(r->core);
        rig_core_new(r);
        error_code error = rig_load(r, &report);
        if (error != ERR_FORMAT || strstr(report.text, rows[i].text) == NULL) {
            fail_msg("%d, '%s' instead of '%s'", error, report.text, rows[i].text);
        }
        rig_free(r);
    }
}

static void test_same_records_unchanged_are_loaded(void **state)
{
    (void)state;
    struct rig *r = cluster();
    rig_restart(r);
    core_check(r->core);
    assert_int_equal(core_work_find(r->core, 1)->n_active, 3);
    assert_int_equal(array_counts_of(r, 2).total, 100);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_that_contradict_are_refused_with_what_is_wrong),
        cmocka_unit_test(test_same_records_unchanged_are_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
