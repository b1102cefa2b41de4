/* New work: a sweep from its file. Durable before it is answered; the same key never makes two. */
#include "head/core/submit.h"

#include <string.h>

void core_answer_number(struct core *core, uint64_t request, uint32_t status,
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
const struct work *core_key_work(struct core *core, const char *key)
{
    struct used_key *used = key != NULL && key[0] != '\0' ? core_key_find(core, key) : NULL;
    return used != NULL ? used->work : NULL;
}

static bool core_strs_equal(const char *const *a, uint32_t n_a, const char *const *b, uint32_t n_b)
{
    bool is_equal = n_a == n_b;
    for (uint32_t i = 0; is_equal && i < n_a; i++) {
        is_equal = strcmp(a[i], b[i]) == 0;
    }
    return is_equal;
}

bool core_texts_equal(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

/* Of the same hash, which is of file and folder, or made of the same: the file, and where its
 * folder is if it was not sent. */
static bool core_sweep_is_same(const struct sweep *old, const struct submit_sweep *submit)
{
    if (old == NULL || old->r.is_test != submit->is_test ||
        !core_texts_equal(old->r.work, submit->work) ||
        !core_strs_equal(old->r.set, old->r.n_set, submit->set, submit->n_set) ||
        !core_strs_equal(old->r.labels, old->r.n_labels, submit->labels, submit->n_labels) ||
        (submit->name != NULL && strcmp(old->r.name, submit->name) != 0)) {
        return false;
    }
    if (old->r.file_hash != NULL && submit->file_hash != NULL &&
        strcmp(old->r.file_hash, submit->file_hash) == 0) {
        return true;
    }
    bool is_packed = submit->work != NULL && submit->work[0] != '\0';
    return strcmp(old->r.file, submit->file) == 0 &&
           (is_packed || strcmp(old->r.workdir, submit->workdir) == 0);
}

void core_key_answer(struct core *core, uint64_t request, const char *key, const struct work *made,
                     bool is_same)
{
    if (is_same) {
        core_answer_number(core, request, 200, made);
        return;
    }
    struct report report = {0};
    ignore_error(
        report_fail(&report, ERR_CONFLICT,
                    "the key '%s' belongs to %u, which was made from another file or with other "
                    "settings; use a new key",
                    key, made->number),
        "answered");
    core_answer_error(core, request, 409, &report);
}

/* Refuses what no node that is known could ever run; with no node known yet, it waits for one. */
error_code core_request_check(struct core *core, const struct request *request,
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
void core_submit_refuse(struct core *core, uint64_t request, error_code error,
                        struct report *report)
{
    if (report->text[0] == '\0') {
        ignore_error(report_fail(report, error, "it was refused: %s", error_word(error)),
                     "answered");
    }
    core_answer_error(core, request, http_status_of(error), report);
}

/* Is there room for one more number? */
error_code core_works_check(const struct core *core, struct report *report)
{
    if (core->is_leaving) {
        return report_fail(report, ERR_BUSY, "the cluster is shutting down");
    }
    return HASH_COUNT(core->works) < CORE_SWEEPS_MAX
               ? OK
               : report_fail(report, ERR_LIMIT,
                             "there are %d sweeps and jobs; remove ended ones (muster sweep rm)",
                             CORE_SWEEPS_MAX);
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
    sweep->r.resume_key = NULL;
    sweep->r.set = sweep->r.changed = sweep->r.labels = NULL;
    sweep->r.n_set = sweep->r.n_changed = sweep->r.n_labels = 0;
    core_str_set(core, &sweep->r.resume_key, record->resume_key);
    core_strs_set(core, &sweep->r.set, &sweep->r.n_set, record->set, record->n_set);
    core_strs_set(core, &sweep->r.changed, &sweep->r.n_changed, record->changed, record->n_changed);
    core_strs_set(core, &sweep->r.labels, &sweep->r.n_labels, record->labels, record->n_labels);
    core_asides_own(core, sweep, record);
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
    sweep->r.work = NULL;
    core_str_set(core, &sweep->r.work, record->work);
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
        bool is_kept = !sweep->r.is_removing;
        if (is_kept && sweep->r.key != NULL && sweep->r.key[0] != '\0') {
            core_key_add(core, &sweep->used_key, sweep->r.key, work);
        }
        if (is_kept) {
            core_blob_ref(core, &work->blob, sweep->r.work);
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
    struct spec_set set = {submit->set, submit->n_set, submit->is_test, NULL};
    error_code error = core_works_check(core, &report);
    if (error == OK) {
        error = spec_sweep_parse_set(submit->file, strlen(submit->file), submit->file_name, &set,
                                     &arena, &spec, &report);
    }
    if (error == OK) {
        error = tune_check(&spec, &report);
        if (error != OK) {
            spec_set_report(&set, &report);
        }
    }
    if (error == OK && submit->name != NULL && submit->name[0] != '\0') {
        spec.name = submit->name;
    }
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
        .work = submit->work,
        .work_bytes = submit->work_bytes,
        .set = submit->set,
        .n_set = submit->n_set,
        .labels = submit->labels,
        .n_labels = submit->n_labels,
        .is_test = submit->is_test,
        .cloned_from = submit->cloned_from,
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
