/* New work: a sweep from its file, or one task. Durable before it is answered; the same key never
 * makes two. */
#include <string.h>

#include "head/core/state.h"

static void core_answer_number(struct core *core, uint64_t request, uint32_t status,
                               const struct work *work)
{
    struct buf buf;
    buf_init(&buf, 1024);
    struct json_out json = json_out_to(&buf);
    json_object_begin(&json, NULL);
    json_str(&json, "api", "v1");
    json_u64(&json, "id", work->number);
    json_str(&json, "kind", work->sweep != NULL ? "sweep" : "job");
    json_object_end(&json);
    if (buf.failed != OK) {
        core_fail(core, buf.failed);
    }
    outbox_answer(&core->out, request, status, buf_bytes(&buf));
    buf_fini(&buf);
}

/* What a key made before; NULL: nothing. */
static const struct work *core_key_work(struct core *core, const char *key)
{
    struct used_key *used = key != NULL && key[0] != '\0' ? core_key_find(core, key) : NULL;
    return used != NULL ? used->work : NULL;
}

/* Hashes decide where both have one, else the thing itself. */
static bool core_sweep_is_same(const struct sweep *old, const struct submit_sweep *submit)
{
    if (old == NULL) {
        return false;
    }
    if (old->r.file_hash != NULL && submit->file_hash != NULL) {
        return strcmp(old->r.file_hash, submit->file_hash) == 0;
    }
    return strcmp(old->r.file, submit->file) == 0 && strcmp(old->r.workdir, submit->workdir) == 0;
}

static void job_encode(const struct record_job *record, struct buf *ret_buf)
{
    struct record_job bare = *record;
    bare.number = 0;
    bare.created = bare.ended = 0;
    buf_init(ret_buf, SPEC_FILE_MAX_BYTES * 4);
    ignore_error(record_encode(&record_job_schema, &bare, ret_buf), "then it is not the same");
}

static bool core_job_is_same(const struct job *old, const struct record_job *record)
{
    if (old == NULL) {
        return false;
    }
    if (old->r.file_hash != NULL && record->file_hash != NULL) {
        return strcmp(old->r.file_hash, record->file_hash) == 0;
    }
    struct buf a, b;
    job_encode(&old->r, &a);
    job_encode(record, &b);
    bool is_same = a.len > 0 && a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
    buf_fini(&a);
    buf_fini(&b);
    return is_same;
}

static void core_key_answer(struct core *core, uint64_t request, const char *key,
                            const struct work *made, bool is_same)
{
    if (is_same) {
        core_answer_number(core, request, 200, made);
        return;
    }
    struct report report = {0};
    ignore_error(
        report_fail(&report, ERR_CONFLICT,
                    "the key '%s' belongs to %u, which was made from another file; use a new key",
                    key, made->number),
        "answered");
    core_answer_error(core, request, 409, &report);
}

/* Refuses what no node that is known could ever run; with no node known yet, it waits for one. */
static error_code core_request_check(struct core *core, const struct request *request,
                                     struct report *report)
{
    struct scheduler_usage usage;
    scheduler_usage_get(core->scheduler, 0, &usage);
    if (usage.nodes == 0 || scheduler_is_satisfiable(core->scheduler, request)) {
        return OK;
    }
    struct buf text;
    buf_init(&text, REPORT_TEXT_MAX - 64);
    scheduler_explain(core->scheduler, request, NULL, &text);
    error_code error =
        report_fail(report, ERR_UNSATISFIABLE, "nothing here can ever run it: %s", buf_text(&text));
    buf_fini(&text);
    return error;
}

/* Whoever failed may have had no memory for a text. */
static void core_submit_refuse(struct core *core, uint64_t request, error_code error,
                               struct report *report)
{
    if (report->text[0] == '\0') {
        ignore_error(report_fail(report, error, "it was refused: %s", error_word(error)),
                     "answered");
    }
    core_answer_error(core, request, http_status_of(error), report);
}

static struct sweep *core_sweep_new(void)
{
    struct sweep *sweep = mem_zalloc(sizeof *sweep);
    if (sweep != NULL) {
        list_init(&sweep->dirty_link);
        list_init(&sweep->due_link);
        list_init(&sweep->active_link);
        scheduler_item_init(&sweep->ticket.item);
        sweep->ticket.sweep = sweep;
        arena_init(&sweep->arena, SWEEP_ARENA_MAX);
    }
    return sweep;
}

struct sweep *core_sweep_own(struct core *core, const struct record_sweep *record)
{
    struct sweep *sweep = core_sweep_new();
    const char **argv = mem_calloc(record->n_argv, sizeof *argv);
    if (sweep == NULL || argv == NULL) {
        mem_free(argv);
        core_sweep_free(core, sweep);
        core_fail(core, ERR_NO_MEMORY);
        return NULL;
    }
    sweep->r = *record;
    sweep->r.name = sweep->r.file = sweep->r.file_name = sweep->r.workdir = NULL;
    sweep->r.owner = sweep->r.git = sweep->r.key = sweep->r.file_hash = sweep->r.error = NULL;
    sweep->r.argv = argv;
    for (uint32_t i = 0; i < record->n_argv; i++) {
        core_str_set(core, &argv[i], record->argv[i]);
    }
    core_str_set(core, &sweep->r.name, record->name);
    core_str_set(core, &sweep->r.file, record->file);
    core_str_set(core, &sweep->r.file_name, record->file_name);
    core_str_set(core, &sweep->r.workdir, record->workdir);
    core_str_set(core, &sweep->r.owner, record->owner);
    core_str_set(core, &sweep->r.git, record->git);
    core_str_set(core, &sweep->r.key, record->key);
    core_str_set(core, &sweep->r.file_hash, record->file_hash);
    core_str_set(core, &sweep->r.error, record->error);
    if (core->out.failed != OK) {
        core_sweep_free(core, sweep);
        return NULL;
    }
    return sweep;
}

/* Puts it under its number; on failure the sweep is freed. */
error_code core_sweep_install(struct core *core, struct sweep *sweep, uint32_t number,
                              struct report *report)
{
    struct work *work = core_work_add(core, number);
    if (work == NULL) {
        core_sweep_free(core, sweep);
        return ERR_NO_MEMORY;
    }
    work->sweep = sweep;
    sweep->work = work;
    sweep->r.number = number;
    error_code error = core_sweep_build(core, sweep, report);
    if (error == OK && core->out.failed == OK) {
        if (sweep->r.key != NULL && sweep->r.key[0] != '\0') {
            core_key_add(core, &sweep->used_key, sweep->r.key, work);
        }
        if (sweep->r.state < SWEEP_DONE) {
            list_push_back(&core->active_sweeps, &sweep->active_link);
            core->status.sweeps_active++;
        }
        return core->out.failed;
    }
    core_work_free(core, work);
    return error != OK ? error : core->out.failed;
}

void on_sweep_submit(struct core *core, time_ms now, uint64_t request,
                     const struct submit_sweep *submit)
{
    const struct work *made = core_key_work(core, submit->key);
    if (made != NULL) {
        core_key_answer(core, request, submit->key, made, core_sweep_is_same(made->sweep, submit));
        return;
    }
    struct report report = {0};
    struct arena arena;
    struct sweep_spec spec;
    arena_init(&arena, SWEEP_ARENA_MAX);
    error_code error = core->is_leaving
                           ? report_fail(&report, ERR_BUSY, "the cluster is shutting down")
                           : spec_sweep_parse(submit->file, strlen(submit->file), submit->file_name,
                                              &arena, &spec, &report);
    if (error == OK) {
        error = core_request_check(core, &spec.resources, &report);
    }
    if (error != OK) {
        core_submit_refuse(core, request, error, &report);
        arena_fini(&arena);
        return;
    }
    struct record_sweep record = {
        .name = spec.name,
        .file = submit->file,
        .file_name = submit->file_name,
        .workdir = submit->workdir,
        .owner = submit->owner,
        .argv = submit->argv,
        .n_argv = submit->n_argv,
        .git = submit->git,
        .key = submit->key,
        .file_hash = submit->file_hash,
        .seed = spec.has_seed ? spec.seed
                              : (core->config.seed ^ core->next_number * 0x9E3779B97F4A7C15U) >> 11,
        .state = SWEEP_RUNNING,
        .created = now,
        .resumed_at = now,
    };
    error = schema_validate(&record_sweep_schema, &record, &report);
    if (error == OK) {
        struct sweep draft = {.r = record, .spec = spec};
        struct work work = {.sweep = &draft};
        error = core_lease_check(&work, &report);
    }
    struct sweep *sweep = error == OK ? core_sweep_own(core, &record) : NULL;
    arena_fini(&arena);
    if (sweep == NULL) {
        core_submit_refuse(core, request, error != OK ? error : ERR_NO_MEMORY, &report);
        return;
    }
    uint32_t number = core_number_next(core);
    error = core_sweep_install(core, sweep, number, &report);
    if (error != OK) {
        core_submit_refuse(core, request, error, &report);
        return;
    }
    core_sweep_dirty(core, sweep);
    core_sweep_due(core, sweep);
    core_notice_sweep(core, now, sweep);
    core_answer_number(core, request, 201, sweep->work);
}

/* ---- one task ---- */

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
    arena_fini(&job->arena);
    mem_free(job);
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

struct job *core_job_install(struct core *core, const struct record_job *record, uint32_t number,
                             struct report *report, error_code *ret_error)
{
    struct job *job = mem_zalloc(sizeof *job);
    if (job == NULL) {
        *ret_error = ERR_NO_MEMORY;
        return NULL;
    }
    list_init(&job->dirty_link);
    arena_init(&job->arena, SWEEP_ARENA_MAX);
    error_code error = job_own(job, record);
    job->r.number = number;
    if (error == OK) {
        error = job_request_build(job, &job->r, report);
    }
    struct work *work = error == OK ? core_work_add(core, number) : NULL;
    if (work == NULL) {
        core_job_free(core, job);
        *ret_error = error != OK ? error : ERR_NO_MEMORY;
        return NULL;
    }
    work->job = job;
    job->work = work;
    error = scheduler_class_ref(core->scheduler, &job->request, &work->cls);
    if (error != OK) {
        core_work_free(core, work);
        *ret_error = error;
        return NULL;
    }
    if (job->r.key != NULL && job->r.key[0] != '\0') {
        core_key_add(core, &job->used_key, job->r.key, work);
    }
    *ret_error = OK;
    return job;
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
    error_code error = OK;
    if (core->is_leaving) {
        error = report_fail(&report, ERR_BUSY, "the cluster is shutting down");
    } else if (record->n_words == 0) {
        error = report_fail(&report, ERR_INVALID, "a task needs a command");
    } else if (core->task_total >= CORE_TASKS_MAX) {
        error = report_fail(&report, ERR_LIMIT, "there are %d tasks already", CORE_TASKS_MAX);
    } else {
        struct job draft = {.r = *record};
        struct work work = {.job = &draft};
        error = core_lease_check(&work, &report);
    }
    uint32_t number = error == OK ? core_number_next(core) : 0;
    struct record_job made = *record;
    made.created = now;
    made.ended = 0;
    struct job *job = error == OK ? core_job_install(core, &made, number, &report, &error) : NULL;
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
    struct task *task = core_task_add(core, job->work, 1);
    if (task == NULL) {
        return;
    }
    task->r.priority = job->r.priority;
    task->r.created = task->r.queued = now;
    task->r.order = (struct order){.n = 1, .until = INT64_MAX, .act = ACT_GO};
    core_task_dirty(core, task);
    list_push_back(&core->dirty_jobs, &job->dirty_link);
    core_task_enqueue(core, now, task);
    core_notice_task(core, now, task);
    core_answer_number(core, request, 201, job->work);
}
