/* Answers that read: rendered now, sent once what they show is on disk. */
#include <stdio.h>
#include <string.h>

#include "head/core/job_views.h"

uint32_t http_status_of(error_code code)
{
    static const struct {
        error_code code;
        uint32_t status;
    } rows[] = {
        {ERR_NOT_FOUND, 404}, {ERR_CONFLICT, 409}, {ERR_EXISTS, 409},        {ERR_NOT_ALLOWED, 403},
        {ERR_NO_MEMORY, 503}, {ERR_BUSY, 503},     {ERR_UNSATISFIABLE, 422}, {ERR_LIMIT, 413},
        {ERR_INVALID, 400},   {ERR_FORMAT, 400},   {ERR_UNSUPPORTED, 400},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].code == code) {
            return rows[i].status;
        }
    }
    return 500;
}

void core_answer_error(struct core *core, uint64_t request, uint32_t status,
                       const struct report *report)
{
    struct buf buf;
    buf_init(&buf, 64 << 10);
    struct json_out json = json_out_to(&buf);
    struct api_error error = {
        .code = error_word(report->code),
        .text = report->text,
        .file = report->line > 0 ? report->file : NULL,
        .line = report->line,
        .column = report->column,
    };
    json_object_begin(&json, NULL);
    schema_print_json(&api_error_schema, &error, &json, "error");
    json_object_end(&json);
    if (buf.failed != OK) {
        core_fail(core, buf.failed);
    }
    outbox_answer(&core->out, request, status, buf_bytes(&buf));
    buf_fini(&buf);
}

void view_not_found(struct core *core, uint64_t request, const char *what)
{
    struct report report = {0};
    ignore_error(report_fail(&report, ERR_NOT_FOUND, "there is no %s", what), "answered");
    core_answer_error(core, request, 404, &report);
}

void view_begin(struct view *view, struct core *core, uint64_t request)
{
    *view = (struct view){.core = core, .request = request};
    buf_init(&view->buf, CORE_ANSWER_MAX_BYTES);
    arena_init(&view->arena, VIEW_ARENA_MAX);
    view->json = json_out_to(&view->buf);
}

void view_end(struct view *view)
{
    if (view->buf.failed == OK && view->has_holes) {
        outbox_answer_holes(&view->core->out, view->request, buf_bytes(&view->buf));
    } else if (view->buf.failed == OK) {
        outbox_answer(&view->core->out, view->request, 200, buf_bytes(&view->buf));
    } else {
        struct report report = {0};
        bool is_large = view->buf.failed == ERR_LIMIT;
        ignore_error(report_fail(&report, view->buf.failed, "%s",
                                 is_large ? "the answer is too large; use limit and offset"
                                          : "there is no memory for the answer"),
                     "answered");
        core_answer_error(view->core, view->request, http_status_of(view->buf.failed), &report);
    }
    buf_fini(&view->buf);
    arena_fini(&view->arena);
}

void view_object(struct view *view, const struct schema *schema, const void *object)
{
    schema_print_json(schema, object, &view->json, NULL);
    arena_reset(&view->arena);
}

/* ---- sweeps ---- */

static struct sweep *view_sweep_find(struct core *core, uint64_t request, uint32_t number)
{
    struct work *work = core_work_find(core, number);
    if (work == NULL || work->sweep == NULL) {
        char what[32];
        snprintf(what, sizeof what, "sweep %u", number);
        view_not_found(core, request, what);
        return NULL;
    }
    return work->sweep;
}

void view_sweep(struct core *core, time_ms now, uint64_t request, uint32_t number)
{
    struct sweep *sweep = view_sweep_find(core, request, number);
    if (sweep == NULL) {
        return;
    }
    struct view view;
    struct api_sweep object;
    view_begin(&view, core, request);
    api_sweep_fill(core, sweep, now, &view.arena, &object);
    view_object(&view, &api_sweep_schema, &object);
    view_end(&view);
}

void view_sweep_config(struct core *core, time_ms now, uint64_t request, uint32_t number)
{
    (void)now;
    struct sweep *sweep = view_sweep_find(core, request, number);
    if (sweep == NULL) {
        return;
    }
    struct view view;
    view_begin(&view, core, request);
    json_object_begin(&view.json, NULL);
    json_str(&view.json, "api", "v1");
    json_u64(&view.json, "id", number);
    json_str(&view.json, "file_name", sweep->r.file_name);
    json_str(&view.json, "file", sweep->r.file);
    json_str(&view.json, "workdir", sweep->r.workdir);
    json_str(&view.json, "work", sweep->r.work);
    json_str(&view.json, "git", sweep->r.git);
    json_array_begin(&view.json, "argv");
    for (uint32_t i = 0; i < sweep->r.n_argv; i++) {
        json_str(&view.json, NULL, sweep->r.argv[i]);
    }
    json_array_end(&view.json);
    struct buf rungs;
    buf_init(&rungs, CORE_ANSWER_MAX_BYTES);
    error_code error = tune_rungs_print(sweep->tuner, &rungs);
    if (error == OK) {
        json_raw(&view.json, "rungs", (const char *)rungs.data, rungs.len);
    }
    buf_fini(&rungs);
    json_object_end(&view.json);
    view_end(&view);
}

/* ---- tasks and trials ---- */

void view_task_object(struct view *view, const struct task *task)
{
    if (task->r.is_trial) {
        struct api_trial trial;
        api_trial_fill(view->core, task, &view->arena, &trial);
        view_object(view, &api_trial_schema, &trial);
    } else {
        struct api_task object;
        api_task_fill(view->core, task, &view->arena, &object);
        view_object(view, &api_task_schema, &object);
    }
}

void view_task(struct core *core, time_ms now, uint64_t request, task_id id)
{
    (void)now;
    const struct task *task = core_task_find(core, id);
    if (task == NULL && core_array_view_task(core, request, id)) {
        return;
    }
    if (task == NULL) {
        char what[48], text[TASK_ID_TEXT_MAX];
        snprintf(what, sizeof what, "task or trial %s", task_id_print(id, text));
        view_not_found(core, request, what);
        return;
    }
    struct view view;
    view_begin(&view, core, request);
    if (task->r.is_trial) {
        struct api_trial trial;
        api_trial_fill(core, task, &view.arena, &trial);
        api_checkpoints_fill(core, task, &view.arena, &trial);
        view_object(&view, &api_trial_schema, &trial);
    } else {
        view_task_object(&view, task);
    }
    view_end(&view);
}

/* ---- nodes ---- */

void view_node(struct core *core, time_ms now, uint64_t request, const char *name)
{
    const struct node *node = core_node_find(core, name);
    if (node == NULL) {
        char what[NODE_NAME_MAX + 8];
        snprintf(what, sizeof what, "node %s", name);
        view_not_found(core, request, what);
        return;
    }
    struct view view;
    struct api_node object;
    view_begin(&view, core, request);
    api_node_fill(core, node, now, &view.arena, &object);
    view_object(&view, &api_node_schema, &object);
    view_end(&view);
}
