/* What people ask of running work: cancel, stop, shut down. Each is idempotent. */
#include "head/core/state.h"

static void core_answer_ok(struct core *core, uint64_t request)
{
    static const char body[] = "{\"api\":\"v1\",\"ok\":true}";
    outbox_answer(&core->out, request, 200, (struct bytes){(const uint8_t *)body, sizeof body - 1});
}

void on_sweep_verb(struct core *core, time_ms now, uint64_t request, uint32_t number,
                   core_verb verb, int64_t grace_ms)
{
    struct work *work = core_work_find(core, number);
    if (work == NULL || work->sweep == NULL) {
        struct report report = {0};
        ignore_error(report_fail(&report, ERR_NOT_FOUND, "there is no sweep %u", number),
                     "answered");
        core_answer_error(core, request, 404, &report);
        return;
    }
    struct sweep *sweep = work->sweep;
    if (sweep->r.state < SWEEP_DONE) {
        /* stop: no new trials, running ones finish. cancel: running ones are told to leave. */
        core_sweep_finish(core, now, sweep, verb == VERB_CANCEL ? WHY_CANCEL : WHY_NONE, grace_ms);
        core_sweep_advance(core, now, sweep);
    }
    core_answer_ok(core, request);
}

void on_task_verb(struct core *core, time_ms now, uint64_t request, task_id id, core_verb verb,
                  int64_t grace_ms)
{
    struct task *task = core_task_find(core, id);
    if (task == NULL) {
        char text[TASK_ID_TEXT_MAX];
        struct report report = {0};
        ignore_error(report_fail(&report, ERR_NOT_FOUND, "there is no task or trial %s",
                                 task_id_print(id, text)),
                     "answered");
        core_answer_error(core, request, 404, &report);
        return;
    }
    core_task_tell(core, now, task, verb == VERB_CANCEL ? WHY_CANCEL : WHY_STOP, grace_ms);
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
