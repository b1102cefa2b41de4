/* Why something waits, for people: the one answer that every queue owes. */
#include <stdio.h>

#include "head/core/array_view.h"
#include "head/core/view.h"

static void explain_asides(struct buf *text, const struct sweep *sweep)
{
    enum { NAMED_MAX = 8 };
    for (uint32_t i = 0; sweep != NULL && i < sweep->r.n_set_aside && i < NAMED_MAX; i++) {
        ignore_error(buf_printf(text, "; node %s is set aside: %s", sweep->r.set_aside[i].node,
                                sweep->r.set_aside[i].reason),
                     "sticky");
    }
}

/* What it goes on from is being carried off a node that leaves. */
static void explain_keeps(struct core *core, const struct task *task, struct buf *text)
{
    struct keep_want wants[KEEP_WANTS_MAX];
    bool waits = task->r.state == TASK_QUEUED || task->r.state == TASK_HELD;
    uint32_t n = waits ? core_keep_wants(core, task, wants) : 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct node *node = core_node_find(core, wants[i].where);
        bool is_awaited = wants[i].kind != KEEP_BESIDE;
        if (node != NULL && node->r.state == NODE_DRAINING && is_awaited) {
            ignore_error(buf_printf(text,
                                    "; its snapshot of step %lld lies on node %s alone, which is "
                                    "being emptied, and goes to another node first",
                                    (long long)wants[i].snapshot.step, wants[i].where),
                         "sticky");
        }
    }
}

static void explain_task(struct view *view, time_ms now, const struct task *task)
{
    struct buf text;
    char id[TASK_ID_TEXT_MAX], when[32];
    buf_init(&text, 64 << 10);
    task_id_print(task->r.id, id);
    ignore_error(buf_printf(&text, "%s is %s", id, task_state_names[task->r.state]), "sticky");
    if (task->r.state == TASK_ENDED) {
        ignore_error(buf_printf(&text, " (%s%s)", task_outcome_names[task->r.outcome],
                                task->r.is_dry ? ", dry" : ""),
                     "sticky");
    } else if (core_task_is_on_node(task)) {
        ignore_error(buf_printf(&text, " on %s", task->r.node), "sticky");
    } else if (task->r.not_before > now) {
        ignore_error(buf_printf(&text,
                                "; it failed %u times and is tried again at %s (retries.backoff)",
                                task->r.failures, time_print(task->r.not_before, when)),
                     "sticky");
    } else if (task->r.state == TASK_QUEUED && task->work->sweep != NULL &&
               task->work->sweep->r.state == SWEEP_PAUSED) {
        ignore_error(buf_printf(&text, "; sweep %u is paused", task->r.id.job), "sticky");
    } else if (task->r.state == TASK_QUEUED && task->hold_until > now) {
        ignore_error(buf_printf(&text,
                                "; it failed on node %s, the only one with room, and waits until "
                                "%s for another",
                                task->r.node, time_print(task->avoid_until, when)),
                     "sticky");
    } else if (task->r.state == TASK_QUEUED) {
        ignore_error(buf_append_text(&text, "; "), "sticky");
        scheduler_group_explain(view->core->scheduler, core_work_group(task->work),
                                core_work_request(task->work), &task->waiting.item, &text);
        explain_asides(&text, task->work->sweep);
    }
    explain_keeps(view->core, task, &text);
    if (task->r.reason != NULL && task->r.reason[0] != '\0') {
        ignore_error(buf_printf(&text, "; %s", task->r.reason), "sticky");
    }
    json_str(&view->json, "text", buf_text(&text));
    json_bool(&view->json, "can_run",
              task->r.state != TASK_QUEUED ||
                  scheduler_is_satisfiable(view->core->scheduler, core_work_request(task->work)));
    buf_fini(&text);
}

static void explain_sweep(struct view *view, const struct sweep *sweep, uint32_t trial)
{
    struct buf text;
    buf_init(&text, 64 << 10);
    bool can_run = true;
    uint32_t tickets = tune_tickets(sweep->tuner), next = tune_next_trial(sweep->tuner);
    const struct sweep_spec *spec = &sweep->spec;
    if (sweep->r.state != SWEEP_RUNNING) {
        ignore_error(buf_printf(&text, "sweep %u is %s: no new trials", sweep->r.number,
                                sweep_state_names[sweep->r.state]),
                     "sticky");
        if (sweep->r.state == SWEEP_PAUSED && sweep->r.error != NULL) {
            ignore_error(buf_printf(&text, "; %s", sweep->r.error), "sticky");
        }
        if (sweep->r.state == SWEEP_PAUSED) {
            ignore_error(buf_printf(&text,
                                    "; 'muster sweep resume %u' goes on, 'muster sweep cancel %u' "
                                    "ends it",
                                    sweep->r.number, sweep->r.number),
                         "sticky");
        }
    } else if (tickets == 0) {
        ignore_error(
            buf_printf(&text,
                       "trial %u.%u is not asked for yet: limits.concurrency is %u and as many run",
                       sweep->r.number, trial, spec->concurrency),
            "sticky");
    } else {
        can_run = scheduler_is_satisfiable(view->core->scheduler, &spec->resources);
        ignore_error(buf_printf(&text, "trial %u.%u waits for a node; ", sweep->r.number,
                                trial > next ? trial : next),
                     "sticky");
        scheduler_group_explain(view->core->scheduler, sweep->group, &spec->resources,
                                &sweep->ticket.item, &text);
        explain_asides(&text, sweep);
    }
    json_str(&view->json, "text", buf_text(&text));
    json_bool(&view->json, "can_run", can_run);
    buf_fini(&text);
}

/* An array as a whole, or one of its tasks that has nothing else to say. False: there is none. */
static bool explain_array(struct core *core, uint64_t request, const struct work *work, task_id id)
{
    struct array_task task;
    struct view view;
    struct buf text;
    char name[TASK_ID_TEXT_MAX];
    if (id.index != 0 && !core_array_task(core, id, &task)) {
        return false;
    }
    buf_init(&text, 64 << 10);
    bool is_waiting = id.index == 0 || task.state == TASK_QUEUED;
    if (id.index != 0) {
        ignore_error(
            buf_printf(&text, "%s is %s", task_id_print(id, name), task_state_names[task.state]),
            "sticky");
        if (task.outcome != OUTCOME_NONE) {
            ignore_error(buf_printf(&text, " (%s)", task_outcome_names[task.outcome]), "sticky");
        } else if (task.node != NULL) {
            ignore_error(buf_printf(&text, " on %s", task.node), "sticky");
        }
        ignore_error(is_waiting ? buf_append_text(&text, "; ") : OK, "sticky");
        if (task.outcome == OUTCOME_DONE) { /* which of them, its row in the store would say */
            core_array_explain_dry(&work->job->r, &text);
        }
    }
    bool has_text = !is_waiting || core_array_explain(core, id.job, &text);
    bool can_run = !is_waiting || work->job->r.ended != 0 ||
                   scheduler_is_satisfiable(core->scheduler, core_work_request(work));
    if (has_text) {
        view_begin(&view, core, request);
        json_object_begin(&view.json, NULL);
        json_str(&view.json, "api", "v1");
        if (id.index != 0) {
            json_task_id(&view.json, "id", id);
        } else {
            json_u64(&view.json, "id", work->number);
        }
        json_str(&view.json, "text", buf_text(&text));
        json_bool(&view.json, "can_run", can_run);
        json_object_end(&view.json);
        view_end(&view);
    }
    buf_fini(&text);
    return has_text;
}

void view_explain(struct core *core, time_ms now, uint64_t request, task_id id)
{
    struct work *work = core_work_find(core, id.job);
    const struct task *task = core_task_find(core, id);
    bool is_array = work != NULL && work->job != NULL && work->job->r.array.step != 0;
    if (is_array && task == NULL && explain_array(core, request, work, id)) {
        return;
    }
    if (task == NULL && work != NULL && work->job != NULL && id.index == 0 && !is_array) {
        task = work->tasks[0];
    }
    struct sweep *sweep = work != NULL ? work->sweep : NULL;
    bool is_ticket =
        sweep != NULL && (id.index == 0 || id.index > work->n_tasks) &&
        (tune_trials_max(sweep->tuner) == 0 || id.index <= tune_trials_max(sweep->tuner));
    if (task == NULL && !is_ticket) {
        char what[48], text[TASK_ID_TEXT_MAX];
        snprintf(what, sizeof what, "sweep, task or trial %s", task_id_print(id, text));
        view_not_found(core, request, what);
        return;
    }
    struct view view;
    view_begin(&view, core, request);
    json_object_begin(&view.json, NULL);
    json_str(&view.json, "api", "v1");
    if (task != NULL) {
        json_task_id(&view.json, "id", task->r.id);
        explain_task(&view, now, task);
    } else {
        json_u64(&view.json, "id", work->number);
        explain_sweep(&view, sweep, id.index != 0 ? id.index : tune_next_trial(sweep->tuner));
    }
    json_object_end(&view.json);
    view_end(&view);
}
