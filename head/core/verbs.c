/* What people ask of running work: pause, cancel, stop, shut down. Each is idempotent. */
#include <stdio.h>

#include "head/core/arrays.h"

void core_answer_ok(struct core *core, uint64_t request)
{
    static const char body[] = "{\"api\":\"v1\",\"ok\":true}";
    outbox_answer(&core->out, request, 200, (struct bytes){(const uint8_t *)body, sizeof body - 1});
}

static void core_answer_missing(struct core *core, uint64_t request, const char *what,
                                const char *id)
{
    struct report report = {0};
    ignore_error(report_fail(&report, ERR_NOT_FOUND, "there is no %s %s", what, id), "answered");
    core_answer_error(core, request, 404, &report);
}

void core_answer_no_sweep(struct core *core, uint64_t request, uint32_t number)
{
    char text[16];
    snprintf(text, sizeof text, "%u", number);
    core_answer_missing(core, request, "sweep", text);
}

void core_answer_no_job(struct core *core, uint64_t request, uint32_t number)
{
    char text[16];
    snprintf(text, sizeof text, "%u", number);
    core_answer_missing(core, request, "job", text);
}

void core_answer_no_task(struct core *core, uint64_t request, task_id id)
{
    char text[TASK_ID_TEXT_MAX];
    core_answer_missing(core, request, "task or trial", task_id_print(id, text));
}

/* No new trials; running ones save and leave, or finish if they cannot save. */
static error_code core_sweep_pause_asked(struct core *core, time_ms now, struct sweep *sweep,
                                         struct report *report)
{
    if (sweep->r.state == SWEEP_PAUSED) {
        return OK;
    }
    if (sweep->r.state != SWEEP_RUNNING) {
        return report_fail(report, ERR_CONFLICT, "sweep %u is %s: there is nothing to pause",
                           sweep->r.number, sweep_state_names[sweep->r.state]);
    }
    sweep->r.why = WHY_PAUSE;
    core_sweep_move(core, now, sweep, SWEEP_PAUSED);
    core_sweep_save(core, now, sweep);
    return OK;
}

void on_sweep_verb(struct core *core, time_ms now, uint64_t request, uint32_t number,
                   core_verb verb, int64_t grace_ms)
{
    struct work *work = core_work_find(core, number);
    if (work == NULL || work->sweep == NULL) {
        core_answer_no_sweep(core, request, number);
        return;
    }
    struct sweep *sweep = work->sweep;
    struct report report = {0};
    error_code error = OK;
    if (verb == VERB_PAUSE) {
        error = core_sweep_pause_asked(core, now, sweep, &report);
    } else if (sweep->r.state < SWEEP_DONE) {
        /* stop: no new trials, running ones finish. cancel: running ones are told to leave. */
        core_sweep_finish(core, now, sweep, verb == VERB_CANCEL ? WHY_CANCEL : WHY_NONE, grace_ms);
        core_sweep_advance(core, now, sweep);
    }
    if (error != OK) {
        core_answer_error(core, request, http_status_of(error), &report);
        return;
    }
    core_answer_ok(core, request);
}

void on_task_verb(struct core *core, time_ms now, uint64_t request, task_id id, core_verb verb,
                  int64_t grace_ms)
{
    struct task *task = core_task_find(core, id);
    struct work *work = core_work_find(core, id.job);
    order_why why = verb == VERB_CANCEL ? WHY_CANCEL : WHY_STOP;
    uint32_t position;
    if (task != NULL) {
        core_task_tell(core, now, task, why, grace_ms);
    } else if (work != NULL && work->array != NULL &&
               array_position_of(work->array->ids, id.index, &position)) {
        core_array_position_tell(core, now, work->array, position, why, grace_ms);
    } else {
        core_answer_no_task(core, request, id);
        return;
    }
    core_answer_ok(core, request);
}

void on_shutdown(struct core *core, time_ms now, uint64_t request, time_ms deadline)
{
    if (!core->is_leaving) {
        core->is_leaving = true;
        core->leave_deadline = deadline;
        core->tick_next = now;
        struct node *node, *next;
        HASH_ITER (hh, core->nodes, node, next) {
            struct msg_leave leave = {core->config.epoch};
            outbox_send(&core->out, node->peer, MSG_LEAVE, &leave);
        }
    } else if (deadline < core->leave_deadline) {
        core->leave_deadline = deadline; /* Asked again, with less patience. */
    }
    core_answer_ok(core, request);
}
