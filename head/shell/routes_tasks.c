/* The routes of trials and tasks. */
#include "head/shell/routes.h"

static const char *const trial_filters[] = {"sweep", "state",  "outcome", "owner", "label",
                                            "name",  "node",   "since",   "sort",  "cursor",
                                            "limit", "offset", NULL};
static const char *const task_filters[] = {"job",   "state",  "outcome", "owner", "label",
                                           "name",  "node",   "since",   "sort",  "cursor",
                                           "limit", "offset", NULL};

static void tasks_list(struct route_call *call, bool is_trials)
{
    struct view_filter filter;
    if (route_query_filter(call, is_trials ? trial_filters : task_filters, &filter)) {
        filter.is_trials = is_trials;
        view_tasks(call->head->core, call->now, call->request->id, &filter);
    }
}

void get_trials(struct route_call *call)
{
    tasks_list(call, true);
}

void get_tasks(struct route_call *call)
{
    tasks_list(call, false);
}

void get_explain_id(struct route_call *call)
{
    view_explain(call->head->core, call->now, call->request->id, call->id);
}

void get_task(struct route_call *call)
{
    view_task(call->head->core, call->now, call->request->id, call->id);
}

void get_logs(struct route_call *call)
{
    logs_open(call->head, call->request, call->id);
}

void get_task_metrics(struct route_call *call)
{
    rows_answer(call->head, call->request->id, call->id);
}

void get_attempts(struct route_call *call)
{
    attempts_answer(call->head, call->request->id, call->id);
}

void post_task_cancel(struct route_call *call)
{
    on_task_verb(call->head->core, call->now, call->request->id, call->id, VERB_CANCEL,
                 route_body_grace(call));
}

void post_task_stop(struct route_call *call)
{
    on_task_verb(call->head->core, call->now, call->request->id, call->id, VERB_STOP, -1);
}

void post_trial_pause(struct route_call *call)
{
    on_trial_pause(call->head->core, call->now, call->request->id, call->id);
}

void post_trial_resume(struct route_call *call)
{
    on_trial_resume(call->head->core, call->now, call->request->id, call->id);
}

/* `attempts`: how many of them the caller saw; with more, it was tried again already. */
void post_task_retry(struct route_call *call)
{
    int64_t seen;
    if (!route_body_number(call, "attempts", -1, UINT32_MAX, &seen)) {
        route_wrong_answer(call, "`attempts` is how many attempts it had: a whole number");
        return;
    }
    on_task_retry(call->head->core, call->now, call->request->id, call->id, seen);
}
