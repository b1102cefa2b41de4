/* The routes of sweeps. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "head/shell/access.h"
#include "head/shell/routes.h"
#include "spec/types.h"

void get_sweeps(struct route_call *call)
{
    static const char *const names[] = {"sweep", "state",  "owner", "label",  "name", "since",
                                        "sort",  "cursor", "limit", "offset", NULL};
    struct view_filter filter;
    if (route_query_filter(call, names, &filter)) {
        view_sweeps(call->head->core, call->now, call->request->id, &filter);
    }
}

void get_sweep(struct route_call *call)
{
    view_sweep(call->head->core, call->now, call->request->id, call->number);
}

void get_sweep_lineage(struct route_call *call)
{
    lineage_answer(call->head, call->request->id, call->number);
}

void get_sweep_failures(struct route_call *call)
{
    view_failures(call->head->core, call->now, call->request->id, call->number);
}

void get_sweep_config(struct route_call *call)
{
    view_sweep_config(call->head->core, call->now, call->request->id, call->number);
}

void get_sweep_trials(struct route_call *call)
{
    static const char *const names[] = {"state",  "outcome", "node",   "since", "sort",
                                        "cursor", "limit",   "offset", NULL};
    struct view_filter filter;
    if (call->number == 0) {
        http_answer_error(call->head->http, call->request->id, 404, "not_found",
                          "there is no sweep 0");
    } else if (route_query_filter(call, names, &filter)) {
        filter.job = call->number;
        filter.is_trials = true;
        view_tasks(call->head->core, call->now, call->request->id, &filter);
    }
}

void get_explain_number(struct route_call *call)
{
    view_explain(call->head->core, call->now, call->request->id, (task_id){call->number, 0});
}

/* Lists of strings of a submission, and the priority, which is a setting like any other. */
struct sweep_lists {
    const char **argv, **set, **labels;
    char priority[32];
};

static void sweep_lists_free(struct sweep_lists *lists)
{
    mem_free(lists->argv);
    mem_free(lists->set);
    mem_free(lists->labels);
}

/* Printable and on one line: it stands in tables and environments. */
static bool name_is_good(const char *name)
{
    enum { NAME_BYTES_MAX = 128 };
    size_t n = name != NULL ? strlen(name) : 0;
    bool is_good = name == NULL || (n > 0 && n <= NAME_BYTES_MAX);
    for (size_t i = 0; is_good && i < n; i++) {
        is_good = (unsigned char)name[i] >= ' ' && name[i] != 0x7F;
    }
    return is_good;
}

static const char *sweep_lists_read(struct route_call *call, struct submit_sweep *submit,
                                    struct sweep_lists *lists)
{
    int64_t priority;
    lists->argv = route_body_strs(json_object_get(call->body, "argv"), &submit->n_argv);
    lists->set = route_body_strs(json_object_get(call->body, "set"), &submit->n_set);
    lists->labels = route_body_strs(json_object_get(call->body, "labels"), &submit->n_labels);
    if (lists->argv == NULL || lists->set == NULL || lists->labels == NULL) {
        return "`argv`, `set` and `labels` are lists of strings";
    }
    if (!route_body_number(call, "priority", -1, PRIORITY_MAX, &priority)) {
        return "`priority` is a whole number from 0 to 100";
    }
    if (priority >= 0) {
        const char **set = mem_realloc(lists->set, (submit->n_set + 1) * sizeof *set);
        if (set == NULL) {
            return "there is no memory";
        }
        snprintf(lists->priority, sizeof lists->priority, "queue.priority=%d", (int)priority);
        set[submit->n_set++] = lists->priority;
        lists->set = set;
    }
    submit->argv = lists->argv;
    submit->set = lists->set;
    submit->labels = lists->labels;
    return NULL;
}

void post_sweeps(struct route_call *call)
{
    struct submit_sweep submit = {
        .file = route_body_str(call, "file"),
        .file_name = route_body_str(call, "file_name"),
        .workdir = route_body_str(call, "workdir"),
        .owner = access_owner(call->request, route_body_str(call, "owner")),
        .git = route_body_str(call, "git"),
        .key = call->request->idempotency_key,
        .file_hash = route_body_str(call, "file_hash"),
    };
    submit.name = route_body_str(call, "name");
    submit.is_test = json_is_true(json_object_get(call->body, "test"));
    if (submit.file == NULL || submit.workdir == NULL || submit.workdir[0] != '/') {
        route_wrong_answer(call,
                           "a sweep wants `file` (its text) and `workdir` (an absolute path)");
        return;
    }
    if (!name_is_good(submit.name)) {
        route_wrong_answer(call, "`name` is 1 to 128 bytes on one line");
        return;
    }
    if (!blobs_work_check(call, &submit.work, &submit.work_bytes)) {
        return;
    }
    struct sweep_lists lists = {0};
    const char *wrong = sweep_lists_read(call, &submit, &lists);
    if (wrong != NULL) {
        route_wrong_answer(call, wrong);
    } else {
        submit.file_name = submit.file_name != NULL ? submit.file_name : "sweep.yaml";
        on_sweep_submit(call->head->core, call->now, call->request->id, &submit);
    }
    sweep_lists_free(&lists);
}

void post_sweep_cancel(struct route_call *call)
{
    on_sweep_verb(call->head->core, call->now, call->request->id, call->number, VERB_CANCEL,
                  route_body_grace(call));
}

void post_sweep_stop(struct route_call *call)
{
    on_sweep_verb(call->head->core, call->now, call->request->id, call->number, VERB_STOP, -1);
}

void post_sweep_pause(struct route_call *call)
{
    on_sweep_verb(call->head->core, call->now, call->request->id, call->number, VERB_PAUSE, -1);
}

/* `trials`: so many more; `seen`: the sweep's `trials` that the caller saw. */
void post_sweep_resume(struct route_call *call)
{
    int64_t trials, seen;
    if (!route_body_number(call, "trials", 0, SPEC_TRIALS_MAX, &trials) ||
        !route_body_number(call, "seen", -1, SPEC_TRIALS_MAX, &seen)) {
        route_wrong_answer(call, "`trials` (so many more) and `seen` are whole numbers");
        return;
    }
    struct sweep_resume resume = {(uint32_t)trials, seen, call->request->idempotency_key};
    on_sweep_resume(call->head->core, call->now, call->request->id, call->number, &resume);
}

/* `set`: settings of keys that may change. */
void post_sweep_set(struct route_call *call)
{
    uint32_t n;
    const char **set = route_body_strs(json_object_get(call->body, "set"), &n);
    if (set == NULL || n > SPEC_SETS_MAX) {
        route_wrong_answer(call, "`set` is a list of at most 256 strings");
    } else {
        on_sweep_set(call->head->core, call->now, call->request->id, call->number, set, n);
    }
    mem_free(set);
}

void post_sweep_clone(struct route_call *call)
{
    struct sweep_clone clone = {
        .name = route_body_str(call, "name"),
        .owner = access_owner(call->request, route_body_str(call, "owner")),
        .key = call->request->idempotency_key,
    };
    const char **set = route_body_strs(json_object_get(call->body, "set"), &clone.n_set);
    clone.set = set;
    if (set == NULL || !name_is_good(clone.name)) {
        route_wrong_answer(call,
                           "`set` is a list of strings, `name` is 1 to 128 bytes on one line");
    } else {
        on_sweep_clone(call->head->core, call->now, call->request->id, call->number, &clone);
    }
    mem_free(set);
}

void post_sweep_rm(struct route_call *call)
{
    on_work_remove(call->head->core, call->now, call->request->id, call->number, true);
}
