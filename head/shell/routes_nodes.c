/* The routes of nodes. */
#include "base/mem.h"
#include "head/shell/routes.h"

enum { DRAIN_MAX_S = 30 * 86400, LABELS_MAX = 64 };

void get_nodes(struct route_call *call)
{
    static const char *const names[] = {"state",  "label", "name",   "since", "sort",
                                        "cursor", "limit", "offset", NULL};
    struct view_filter filter;
    if (route_query_filter(call, names, &filter)) {
        view_nodes(call->head->core, call->now, call->request->id, &filter);
    }
}

void get_node(struct route_call *call)
{
    view_node(call->head->core, call->now, call->request->id, call->name);
}

static void node_verb(struct route_call *call, const struct node_verb *verb)
{
    on_node_verb(call->head->core, call->now, call->request->id, call->name, verb);
}

void post_node_cordon(struct route_call *call)
{
    node_verb(call, &(struct node_verb){.kind = NODE_VERB_CORDON,
                                        .reason = route_body_str(call, "reason")});
}

void post_node_drain(struct route_call *call)
{
    int64_t deadline_s;
    if (!route_body_number(call, "deadline_s", 0, DRAIN_MAX_S, &deadline_s)) {
        route_wrong_answer(call, "`deadline_s` is a whole number of seconds, at most 30 days");
        return;
    }
    node_verb(call, &(struct node_verb){.kind = NODE_VERB_DRAIN,
                                        .reason = route_body_str(call, "reason"),
                                        .deadline_ms = deadline_s * 1000});
}

void post_node_resume(struct route_call *call)
{
    node_verb(call, &(struct node_verb){.kind = NODE_VERB_RESUME});
}

void post_node_rm(struct route_call *call)
{
    on_node_remove(call->head->core, call->now, call->request->id, call->name);
}

void post_node_label(struct route_call *call)
{
    struct label_pair set[LABELS_MAX];
    const char *name;
    json_t *value, *pairs = json_object_get(call->body, "set");
    struct node_verb verb = {.kind = NODE_VERB_LABEL, .set = set};
    bool is_good =
        (pairs == NULL || json_is_object(pairs)) && json_object_size(pairs) <= LABELS_MAX;
    json_object_foreach(pairs, name, value)
    {
        is_good = is_good && json_is_string(value);
        if (is_good) {
            set[verb.n_set++] = (struct label_pair){name, json_string_value(value)};
        }
    }
    const char **remove = route_body_strs(json_object_get(call->body, "remove"), &verb.n_remove);
    verb.remove = remove;
    if (!is_good || remove == NULL || verb.n_remove > LABELS_MAX) {
        route_wrong_answer(call, "`set` is {NAME: VALUE} of strings, `remove` a list of names; at "
                                 "most 64 of each");
    } else {
        node_verb(call, &verb);
    }
    mem_free(remove);
}
