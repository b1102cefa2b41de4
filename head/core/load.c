/* Recovery: records, then logs, then what follows from both. Nothing is suggested or decided again.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "head/core/arrays.h"
#include "head/core/gang.h"

enum { LOAD_ARENA_MAX = 16 << 20, LOAD_FIELD_MAX = 128 };

static error_code load_sweep(struct core *core, const char *field, struct bytes value,
                             struct arena *arena, struct report *report)
{
    struct record_sweep record;
    error_code error = record_decode(&record_sweep_schema, value, arena, &record, report);
    error = error == OK ? core_work_number_check(core, record.number, field, report) : error;
    if (error != OK) {
        return error;
    }
    struct sweep *sweep = core_sweep_own(core, &record);
    return sweep == NULL ? ERR_NO_MEMORY : core_sweep_install(core, sweep, record.number, report);
}

static error_code load_job(struct core *core, const char *field, struct bytes value,
                           struct arena *arena, struct report *report)
{
    (void)arena;
    return core_job_load(core, field, value, report);
}

/* A record that contradicts itself was not written by muster. */
static error_code task_record_check(const struct work *work, const struct record_task *record,
                                    const char *field, struct report *report)
{
    char id[TASK_ID_TEXT_MAX];
    if (strcmp(task_id_print(record->id, id), field) != 0) {
        return report_fail(report, ERR_FORMAT, "it is the record of task %s", id);
    }
    if (record->id.index == 0 || (work->array == NULL && record->id.index > CORE_TASKS_MAX)) {
        return report_fail(report, ERR_FORMAT, "task %s: no task has such a number", field);
    }
    if (record->is_trial != (work->sweep != NULL)) {
        return report_fail(report, ERR_FORMAT, "task %s is %s, but %u is a %s", field,
                           record->is_trial ? "a trial" : "no trial", work->number,
                           work->sweep != NULL ? "sweep" : "job");
    }
    if ((record->state == TASK_ENDED) != (record->outcome != OUTCOME_NONE)) {
        return report_fail(report, ERR_FORMAT, "task %s is %s, and its outcome is '%s'", field,
                           task_state_names[record->state], task_outcome_names[record->outcome]);
    }
    return OK;
}

static error_code load_task(struct core *core, const char *field, struct bytes value,
                            struct arena *arena, struct report *report)
{
    struct record_task record;
    error_code error = record_decode(&record_task_schema, value, arena, &record, report);
    if (error != OK) {
        return error;
    }
    struct work *work = core_work_find(core, record.id.job);
    if (work == NULL) {
        return report_fail(report, ERR_FORMAT, "task %s belongs to no sweep or job", field);
    }
    error = task_record_check(work, &record, field, report);
    if (error != OK) {
        return error;
    }
    if (core_task_find(core, record.id) != NULL) {
        return report_fail(report, ERR_FORMAT, "task %s has two records", field);
    }
    struct task *task = core_task_add(core, work, record.id.index);
    return task == NULL ? ERR_NO_MEMORY : core_task_record_own(core, task, &record);
}

static error_code load_chunk(struct core *core, const char *field, struct bytes value,
                             struct arena *arena, struct report *report)
{
    struct record_chunk record;
    char name[32];
    error_code error = record_decode(&record_chunk_schema, value, arena, &record, report);
    if (error != OK) {
        return error;
    }
    snprintf(name, sizeof name, "%u.%u", record.job, record.chunk);
    return strcmp(name, field) == 0
               ? core_array_chunk_load(core, &record, report)
               : report_fail(report, ERR_FORMAT, "it is the record of chunk %s", name);
}

static error_code load_node(struct core *core, const char *field, struct bytes value,
                            struct arena *arena, struct report *report)
{
    struct record_node record;
    error_code error = record_decode(&record_node_schema, value, arena, &record, report);
    if (error != OK) {
        return error;
    }
    if (core_node_find(core, field) != NULL) {
        return report_fail(report, ERR_FORMAT, "node %s has two records", field);
    }
    struct node *node = core_node_add(core, field);
    if (node == NULL) {
        return ERR_NO_MEMORY;
    }
    core_node_people_own(core, node, &record);
    return core_node_record_own(core, node, &record);
}

static error_code load_user(struct core *core, const char *field, struct bytes value,
                            struct arena *arena, struct report *report)
{
    (void)field;
    return core_user_load(core, value, arena, report);
}

static const struct {
    const char *table;
    error_code (*load)(struct core *core, const char *field, struct bytes value,
                       struct arena *arena, struct report *report);
} load_tables[] = {
    {"sweeps", load_sweep}, {"jobs", load_job},   {"tasks", load_task},
    {"chunks", load_chunk}, {"nodes", load_node}, {"users", load_user},
};

error_code core_load_record(struct core *core, const char *table, struct bytes field,
                            struct bytes value, struct report *report)
{
    char name[LOAD_FIELD_MAX + 1];
    if (field.len > LOAD_FIELD_MAX) {
        return report_fail(report, ERR_FORMAT, "a field of %s is %zu bytes long", table, field.len);
    }
    memcpy(name, field.data, field.len);
    name[field.len] = '\0';
    for (size_t i = 0; i < sizeof load_tables / sizeof load_tables[0]; i++) {
        if (strcmp(load_tables[i].table, table) == 0) {
            struct arena arena;
            arena_init(&arena, LOAD_ARENA_MAX);
            error_code error = load_tables[i].load(core, name, value, &arena, report);
            arena_fini(&arena);
            if (error != OK && report != NULL) {
                report_add(report, " (nothing was changed)");
            }
            return error;
        }
    }
    return OK; /* Tables that are only read on demand. */
}

error_code core_load_log(struct core *core, uint32_t number, struct bytes value,
                         struct report *report)
{
    struct work *work = core_work_find(core, number);
    if (work == NULL || work->sweep == NULL) {
        return report_fail(report, ERR_FORMAT, "the log of sweep %u has no sweep", number);
    }
    struct arena arena;
    struct record_log record;
    arena_init(&arena, LOAD_ARENA_MAX);
    error_code error = record_decode(&record_log_schema, value, &arena, &record, report);
    if (error == OK) {
        struct tune_event event;
        core_log_from_record(&record, &event);
        error = tune_apply(work->sweep->tuner, &event);
        work->sweep->has_target_logged =
            record.kind == LOG_TARGET ||
            (record.kind != LOG_RESUMED && work->sweep->has_target_logged);
        if (error != OK) {
            error = report_fail(report, error, "the log of sweep %u does not fit its file", number);
        }
    }
    arena_fini(&arena);
    return error;
}

error_code core_load_meta(struct core *core, const char *field, const char *value)
{
    if (strcmp(field, "next_job") == 0) {
        core->next_number = (uint32_t)strtoul(value, NULL, 10);
        return core->next_number == 0 ? ERR_FORMAT : OK;
    }
    if (strcmp(field, "n") == 0) {
        core->batch_n = strtoull(value, NULL, 10);
        core->out.n = core->batch_n;
    }
    return OK;
}

/* The node that a running task is on; NULL, and the report says so: none. */
static struct node *load_node_of(struct core *core, const struct task *task, struct report *report)
{
    struct node *node = task->r.node != NULL ? core_node_find(core, task->r.node) : NULL;
    if (node == NULL || node->handle == 0) {
        char id[TASK_ID_TEXT_MAX];
        ignore_error(report_fail(report, ERR_FORMAT, "task %s runs on no known node",
                                 task_id_print(task->r.id, id)),
                     "the caller returns it");
        return NULL;
    }
    return node;
}

/* A running task holds again what it held, on its node as the record tells it. */
static error_code load_place(struct core *core, struct task *task, struct report *report)
{
    if (core_gang_has_lost_first(task)) {
        return core_gang_load(core, task, report);
    }
    struct node *node = load_node_of(core, task, report);
    if (node == NULL) {
        return ERR_FORMAT;
    }
    struct allocation allocation;
    error_code error = scheduler_take(core->scheduler, node->handle, task->work->cls, task->r.gpus,
                                      task->r.n_gpus, &allocation);
    if (error != OK) {
        return error;
    }
    uint64_t incarnation = task->r.incarnation;
    core_task_place(core, task, node, &allocation);
    task->r.incarnation = incarnation;
    return core->out.failed != OK ? core->out.failed : core_gang_load(core, task, report);
}

/* What it runs on is its lane's, which the agent names. */
static error_code load_in_lane(struct core *core, struct task *task, struct report *report)
{
    struct node *node = load_node_of(core, task, report);
    if (node == NULL) {
        return ERR_FORMAT;
    }
    task->node = node;
    list_push_back(&node->tasks, &task->node_link);
    node->n_tasks++;
    return core->out.failed;
}

static bool load_is_removed(const struct work *work)
{
    return work->sweep != NULL ? work->sweep->r.is_removing : work->job->r.is_removing;
}

/* The trials that the log asked for are those that have records. */
static error_code sweep_log_check(const struct sweep *sweep, struct report *report)
{
    struct tune_counts counts;
    uint32_t n_ended = sweep->work->states[TASK_ENDED];
    tune_counts_get(sweep->tuner, &counts);
    if (counts.asked == sweep->work->n_tasks && counts.ended == n_ended) {
        return OK;
    }
    return report_fail(report, ERR_FORMAT,
                       "sweep %u has records of %u trials, %u of them ended; its log tells of %u, "
                       "%u of them ended",
                       sweep->r.number, sweep->work->n_tasks, n_ended, counts.asked, counts.ended);
}

/* Every task has its record, and of what has ended none goes on. */
static error_code work_record_check(const struct work *work, struct report *report)
{
    bool has_ended =
        work->sweep != NULL ? work->sweep->r.state >= SWEEP_DONE : work->job->r.ended != 0;
    for (uint32_t i = 0; i < work->n_tasks; i++) {
        if (work->tasks[i] == NULL) {
            return report_fail(report, ERR_FORMAT, "task %u.%u is missing", work->number, i + 1);
        }
    }
    if (has_ended && work->n_active > 0) {
        return report_fail(report, ERR_FORMAT, "%u has ended, and %u of its tasks have not",
                           work->number, work->n_active);
    }
    if (!has_ended && load_is_removed(work)) {
        return report_fail(report, ERR_FORMAT, "%u is being removed, and has not ended",
                           work->number);
    }
    return OK;
}

static error_code load_work(struct core *core, time_ms now, struct work *work,
                            struct report *report)
{
    error_code error = work_record_check(work, report);
    if (error != OK) {
        return error;
    }
    if (work->number >= core->next_number) {
        core->next_number = work->number + 1;
    }
    if (load_is_removed(work)) {
        core_remove_begin(core, work);
        return OK;
    }
    if (work->sweep != NULL) {
        error = sweep_log_check(work->sweep, report);
        if (error != OK) {
            return error;
        }
        core_snapshots_relink(core, work);
    }
    if (work->sweep != NULL && work->sweep->r.state == SWEEP_RUNNING) {
        work->sweep->r.resumed_at = now; /* It did not run while the cluster was down. */
        core_sweep_dirty(core, work->sweep);
    }
    if (work->sweep != NULL) {
        core_sweep_best_load(core, work->sweep);
    }
    for (uint32_t i = 0; i < work->n_tasks; i++) {
        struct task *task = work->tasks[i];
        core_keep_due(core, task);
        if (task->r.state == TASK_QUEUED) {
            core_task_enqueue(core, now, task);
        } else if (core_task_is_on_node(task)) {
            error = core_task_is_in_lane(task) ? load_in_lane(core, task, report)
                                               : load_place(core, task, report);
        }
        if (error != OK) {
            return error;
        }
    }
    if (work->array != NULL) {
        error = core_array_load_done(core, now, work->array, report);
        if (error != OK) {
            return error;
        }
    }
    if (work->sweep != NULL && work->sweep->r.state < SWEEP_DONE) {
        core_sweep_advance(core, now, work->sweep);
    }
    return OK;
}

struct numbered {
    uint32_t number;
    struct work *work;
};

static int numbered_order(const void *a, const void *b)
{
    const struct numbered *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

/* By number, not as the store's hash gave them: what is queued then comes in its own order, and
 * each finds its place in the scheduler beside the last one. */
static error_code load_works(struct core *core, time_ms now, struct report *report)
{
    uint32_t n = 0;
    struct numbered *list = mem_calloc(HASH_COUNT(core->works) + 1, sizeof *list);
    if (list == NULL) {
        return ERR_NO_MEMORY;
    }
    for (struct work *work = core->works; work != NULL; work = work->hh.next) {
        list[n++] = (struct numbered){work->number, work};
    }
    qsort(list, n, sizeof *list, numbered_order);
    error_code error = OK;
    for (uint32_t i = 0; i < n && error == OK; i++) {
        error = load_work(core, now, list[i].work, report);
    }
    mem_free(list);
    return error;
}

static int node_left_order(const struct node *a, const struct node *b)
{
    return a->r.left < b->r.left ? -1 : a->r.left > b->r.left;
}

error_code core_load_done(struct core *core, time_ms now, struct report *report)
{
    struct node *node, *next_node;
    HASH_SORT(core->nodes, node_left_order);
    HASH_ITER (hh, core->nodes, node, next_node) {
        node->heard = now;
        if (node->r.state == NODE_GONE) {
            list_push_back(&core->gone_nodes, &node->gone_link);
        }
        if (node->r.state == NODE_GONE || node->r.state == NODE_JOINING) {
            continue;
        }
        if (node->r.state == NODE_ALIVE) {
            core_node_move(core, now, node, NODE_SUSPECT);
        }
        error_code error = core_node_resources_set(core, node);
        if (error != OK) {
            return error;
        }
    }
    error_code error = load_works(core, now, report);
    return error != OK ? error : core->out.failed;
}
