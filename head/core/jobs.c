/* Jobs: one task from a command, or an array of them; as sweeps come in (submit.c). */
#include <string.h>

#include "head/core/arrays.h"
#include "head/core/submit.h"

/* What was asked for: not who asked, as of sweeps, nor what became of it. False: no memory. */
static bool job_encode(const struct record_job *record, struct buf *ret_buf)
{
    struct record_job bare = *record;
    bare.number = 0;
    bare.owner = bare.file_hash = NULL;
    bare.created = bare.ended = bare.told_at = 0;
    bare.why = WHY_NONE;
    bare.error = NULL;
    bare.nodes = NULL;
    bare.n_nodes = 0;
    bare.has_dry = false;
    buf_init(ret_buf, SPEC_FILE_MAX_BYTES * 4);
    return record_encode(&record_job_schema, &bare, ret_buf) == OK;
}

static bool core_job_is_same(const struct job *old, const struct record_job *record)
{
    if (old == NULL) {
        return false;
    }
    if (old->r.file_hash != NULL && record->file_hash != NULL) {
        return strcmp(old->r.file_hash, record->file_hash) == 0 &&
               core_texts_equal(old->r.work, record->work);
    }
    struct buf a, b;
    bool is_known = job_encode(&old->r, &a);
    is_known = job_encode(record, &b) && is_known;
    bool is_same = is_known && a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
    buf_fini(&a);
    buf_fini(&b);
    return is_same;
}

static error_code job_request_build(struct job *job, const struct record_job *record,
                                    struct report *report)
{
    struct arena *arena = &job->arena;
    struct custom_amount *custom = arena_calloc(arena, record->n_custom, sizeof *custom);
    struct require *require = arena_calloc(arena, record->n_require, sizeof *require);
    if (custom == NULL || require == NULL) {
        return ERR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < record->n_custom; i++) {
        custom[i] = (struct custom_amount){record->custom[i].name, record->custom[i].amount};
    }
    for (uint32_t i = 0; i < record->n_require; i++) {
        error_code error = spec_require_parse(record->require[i], arena, &require[i], report);
        if (error != OK) {
            return error;
        }
    }
    job->request = (struct request){
        .cpus = record->cpus,
        .gpus = record->gpus,
        .memory_bytes = record->memory_bytes,
        .custom = custom,
        .n_custom = record->n_custom,
        .require = require,
        .n_require = record->n_require,
    };
    return OK;
}

void core_job_free(struct core *core, struct job *job)
{
    if (job == NULL) {
        return;
    }
    if (job->used_key.key != NULL) {
        HASH_DELETE(hh, core->keys, &job->used_key);
    }
    list_remove(&job->dirty_link);
    if (job->nodes_cap > 0) {
        mem_free((void *)(uintptr_t)job->r.nodes);
    }
    arena_fini(&job->arena);
    mem_free(job);
}

void core_job_dirty(struct core *core, struct job *job)
{
    if (list_is_empty(&job->dirty_link)) {
        list_push_back(&core->dirty_jobs, &job->dirty_link);
    }
}

void core_job_dry(struct core *core, struct job *job)
{
    if (!job->r.has_dry) {
        job->r.has_dry = true;
        core_job_dirty(core, job);
    }
}

void core_job_end(struct core *core, time_ms now, struct job *job)
{
    job->r.ended = now;
    core_work_class_release(core, job->work);
    core_job_dirty(core, job);
    core_notice_array(core, now, job->work);
}

/* A copy in its own arena, by the record's own encoding. */
static error_code job_own(struct job *job, const struct record_job *record)
{
    struct buf buf;
    buf_init(&buf, SPEC_FILE_MAX_BYTES * 2);
    error_code error = record_encode(&record_job_schema, record, &buf);
    if (error == OK) {
        error = record_decode(&record_job_schema, buf_bytes(&buf), &job->arena, &job->r, NULL);
    }
    buf_fini(&buf);
    return error;
}

static struct job *job_new(void)
{
    struct job *job = mem_zalloc(sizeof *job);
    if (job != NULL) {
        list_init(&job->dirty_link);
        arena_init(&job->arena, SWEEP_ARENA_MAX);
    }
    return job;
}

/* Its record is there, in its own arena. The job is freed if this fails. */
static error_code job_install(struct core *core, struct job *job, struct report *report)
{
    error_code error = job_request_build(job, &job->r, report);
    struct work *work = error == OK ? core_work_add(core, job->r.number) : NULL;
    if (work == NULL) {
        core_job_free(core, job);
        return error != OK ? error : ERR_NO_MEMORY;
    }
    work->job = job;
    job->work = work;
    error = job->r.ended == 0 ? core_work_class_hold(core, work) : OK;
    if (error == OK && job->r.array.step > 0) {
        error = core_array_make(core, work);
    }
    if (error != OK) {
        core_work_free(core, work);
        return error;
    }
    if (!job->r.is_removing && job->r.key != NULL && job->r.key[0] != '\0') {
        core_key_add(core, &job->used_key, job->r.key, work);
    }
    if (!job->r.is_removing) {
        core_blob_ref(core, &work->blob, job->r.work);
        core_blob_ref(core, &work->items, job->r.items);
    }
    return OK;
}

error_code core_job_load(struct core *core, const char *field, struct bytes value,
                         struct report *report)
{
    struct job *job = job_new();
    if (job == NULL) {
        return ERR_NO_MEMORY;
    }
    error_code error = record_decode(&record_job_schema, value, &job->arena, &job->r, report);
    error = error == OK ? core_work_number_check(core, job->r.number, field, report) : error;
    if (error != OK) {
        core_job_free(core, job);
        return error;
    }
    return job_install(core, job, report);
}

static struct job *job_make(struct core *core, const struct record_job *record, uint32_t number,
                            struct report *report, error_code *ret_error)
{
    struct job *job = job_new();
    *ret_error = job != NULL ? job_own(job, record) : ERR_NO_MEMORY;
    if (*ret_error != OK) {
        core_job_free(core, job);
        return NULL;
    }
    job->r.number = number;
    *ret_error = job_install(core, job, report);
    return *ret_error == OK ? job : NULL;
}

static error_code array_check(const struct core *core, struct array_ids ids, struct report *report)
{
    if (ids.first < 1 || ids.last < ids.first) {
        return report_fail(
            report, ERR_INVALID,
            "the ids of an array are FIRST-LAST, from 1 on and the last one not below "
            "the first; they were %u-%u",
            ids.first, ids.last);
    }
    uint32_t n = array_ids_count(ids);
    if (n > ARRAY_TASKS_MAX) {
        return report_fail(report, ERR_INVALID, "an array has at most %d tasks; this one has %u",
                           ARRAY_TASKS_MAX, n);
    }
    if (n > CORE_TASKS_MAX - core->task_total) {
        return report_fail(report, ERR_LIMIT,
                           "there are %u tasks already, %u more would be over the limit of %d; "
                           "remove ended ones (muster sweep rm)",
                           core->task_total, n, CORE_TASKS_MAX);
    }
    return OK;
}

static error_code job_check(const struct core *core, const struct record_job *record,
                            struct report *report)
{
    if (record->n_words == 0) {
        return report_fail(report, ERR_INVALID, "a task needs a command");
    }
    if (record->array.step > 0) {
        return array_check(core, record->array, report);
    }
    return core->task_total < CORE_TASKS_MAX
               ? OK
               : report_fail(report, ERR_LIMIT, "there are %d tasks already", CORE_TASKS_MAX);
}

/* Its one task waits from now on. */
static void job_task_add(struct core *core, time_ms now, struct job *job)
{
    struct task *task = core_task_add(core, job->work, 1);
    if (task == NULL) {
        return;
    }
    task->r.priority = job->r.priority;
    task->r.created = task->r.queued = now;
    task->r.order = (struct order){.n = 1, .until = INT64_MAX, .act = ACT_GO};
    core_task_dirty(core, task);
    core_task_enqueue(core, now, task);
    core_notice_task(core, now, task);
}

void on_job_submit(struct core *core, time_ms now, uint64_t request,
                   const struct record_job *record)
{
    const struct work *known = core_key_work(core, record->key);
    if (known != NULL) {
        core_key_answer(core, request, record->key, known, core_job_is_same(known->job, record));
        return;
    }
    struct report report = {0};
    error_code error = core_works_check(core, &report);
    if (error == OK) {
        error = job_check(core, record, &report);
    }
    if (error == OK) {
        struct job draft = {.r = *record};
        struct work work = {.job = &draft};
        error = core_lease_check(&work, &report);
    }
    uint32_t number = error == OK ? core_number_next(core) : 0;
    struct record_job made = *record;
    made.created = now;
    made.ended = made.told_at = 0;
    made.why = WHY_NONE;
    made.error = NULL;
    made.nodes = NULL;
    made.n_nodes = 0;
    made.has_dry = false;
    struct job *job = error == OK ? job_make(core, &made, number, &report, &error) : NULL;
    if (error == OK) {
        error = core_request_check(core, &job->request, &report);
        if (error != OK) {
            core_work_free(core, job->work);
        }
    }
    if (error != OK) {
        core_submit_refuse(core, request, error, &report);
        return;
    }
    core_job_dirty(core, job);
    if (job->work->array != NULL) {
        core_array_due(core, job->work->array);
        core_notice_array(core, now, job->work);
    } else {
        job_task_add(core, now, job);
    }
    core_answer_number(core, request, 201, job->work);
}
