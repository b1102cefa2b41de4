/* What people do to nodes: cordon, drain, resume, labels. All of it is the node's record, by name:
 * it outlives the head and each start of the agent. */
#include <stdio.h>
#include <string.h>

#include "head/core/arrays.h"
#include "head/core/gang.h"

enum {
    DRAIN_GRACE_MS = 120000, /* from the deadline until the last attempt is killed */
    LABEL_TEXT_MAX = 256,
};

/* ---- labels ---- */

static int label_index(const struct label_pair *labels, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++) {
        if (labels[i].name != NULL && strcmp(labels[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static bool label_is_removed(const struct node *node, const char *name)
{
    for (uint32_t i = 0; i < node->r.n_label_removes; i++) {
        const char *removed = node->r.label_removes[i];
        if (removed != NULL && strcmp(removed, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Without memory for its copy it has no text; the core has failed then. */
static bool label_is_whole(const struct label_pair *label)
{
    return label->name != NULL && label->value != NULL;
}

uint32_t core_node_labels(const struct node *node, struct label_pair ret_labels[CORE_LABELS_MAX])
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < node->r.n_label_sets && n < CORE_LABELS_MAX; i++) {
        if (label_is_whole(&node->r.label_sets[i])) {
            ret_labels[n++] = node->r.label_sets[i];
        }
    }
    for (uint32_t i = 0; i < node->r.n_labels && n < CORE_LABELS_MAX; i++) {
        const struct label_pair *own = &node->r.labels[i];
        if (label_is_whole(own) && !label_is_removed(node, own->name) &&
            label_index(node->r.label_sets, node->r.n_label_sets, own->name) < 0) {
            ret_labels[n++] = *own;
        }
    }
    return n;
}

static void label_sets_free(struct node *node)
{
    for (uint32_t i = 0; i < node->r.n_label_sets; i++) {
        mem_free((void *)(uintptr_t)node->r.label_sets[i].name);
        mem_free((void *)(uintptr_t)node->r.label_sets[i].value);
    }
    mem_free((void *)(uintptr_t)node->r.label_sets);
    node->r.label_sets = NULL;
    node->r.n_label_sets = 0;
}

/* `sets` may be the node's own. */
static void label_sets_set(struct core *core, struct node *node, const struct label_pair *sets,
                           uint32_t n)
{
    struct label_pair *copy = mem_calloc(n, sizeof *copy);
    if (copy == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        core_str_set(core, &copy[i].name, sets[i].name);
        core_str_set(core, &copy[i].value, sets[i].value);
    }
    label_sets_free(node);
    node->r.label_sets = copy;
    node->r.n_label_sets = n;
}

void core_node_people_own(struct core *core, struct node *node, const struct record_node *record)
{
    label_sets_set(core, node, record->label_sets, record->n_label_sets);
    core_strs_set(core, &node->r.label_removes, &node->r.n_label_removes, record->label_removes,
                  record->n_label_removes);
    core_str_set(core, &node->r.drain_reason, record->drain_reason);
    node->r.is_drain_asked = record->is_drain_asked;
    node->r.drain_deadline = record->drain_deadline;
}

void core_node_people_free(struct node *node)
{
    label_sets_free(node);
    core_strs_clear(&node->r.label_removes, &node->r.n_label_removes);
    core_str_clear(&node->r.drain_reason);
}

static bool text_is_printable(const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7F) {
            return false;
        }
    }
    return n <= LABEL_TEXT_MAX;
}

/* As they may stand in a demand of a sweep file. */
static bool label_name_is_good(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "_.:/@+-";
    size_t n = strlen(text);
    return n > 0 && n <= LABEL_TEXT_MAX && strspn(text, allowed) == n;
}

static error_code labels_check(const struct node_verb *verb, struct report *report)
{
    for (uint32_t i = 0; i < verb->n_set; i++) {
        if (!label_name_is_good(verb->set[i].name) || !text_is_printable(verb->set[i].value)) {
            return report_fail(report, ERR_INVALID,
                               "'%.80s' is no label: a name is 1 to 256 of A-Z a-z 0-9 _ . : / @ + "
                               "-, a value has no control characters",
                               verb->set[i].name);
        }
        if (label_index(verb->set, i, verb->set[i].name) >= 0) {
            return report_fail(report, ERR_INVALID, "the label '%.80s' is set twice",
                               verb->set[i].name);
        }
    }
    for (uint32_t i = 0; i < verb->n_remove; i++) {
        if (!label_name_is_good(verb->remove[i])) {
            return report_fail(report, ERR_INVALID, "'%.80s' is no name of a label",
                               verb->remove[i]);
        }
        if (label_index(verb->set, verb->n_set, verb->remove[i]) >= 0) {
            return report_fail(report, ERR_INVALID, "the label '%.80s' is set and removed at once",
                               verb->remove[i]);
        }
    }
    return OK;
}

static bool name_is_among(const char *const *names, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* Does this change say anything of that label? */
static bool label_is_changed(const struct node_verb *verb, const char *name)
{
    return label_index(verb->set, verb->n_set, name) >= 0 ||
           name_is_among(verb->remove, verb->n_remove, name);
}

/* `ret_sets` and `ret_removes` have room for all that was and all that comes. */
static void labels_merge(const struct node *node, const struct node_verb *verb,
                         struct label_pair *ret_sets, uint32_t *ret_n_sets,
                         const char **ret_removes, uint32_t *ret_n_removes)
{
    uint32_t n_sets = 0, n_removes = 0;
    for (uint32_t i = 0; i < node->r.n_label_sets; i++) {
        if (!label_is_changed(verb, node->r.label_sets[i].name)) {
            ret_sets[n_sets++] = node->r.label_sets[i];
        }
    }
    for (uint32_t i = 0; i < node->r.n_label_removes; i++) {
        if (!label_is_changed(verb, node->r.label_removes[i])) {
            ret_removes[n_removes++] = node->r.label_removes[i];
        }
    }
    for (uint32_t i = 0; i < verb->n_set; i++) {
        ret_sets[n_sets++] = verb->set[i];
    }
    for (uint32_t i = 0; i < verb->n_remove; i++) {
        ret_removes[n_removes++] = verb->remove[i];
    }
    *ret_n_sets = n_sets;
    *ret_n_removes = n_removes;
}

static error_code node_label(struct core *core, time_ms now, struct node *node,
                             const struct node_verb *verb, struct report *report)
{
    struct label_pair sets[CORE_LABELS_MAX];
    const char *removes[CORE_LABELS_MAX];
    uint32_t n_sets, n_removes;
    (void)now;
    error_code error = labels_check(verb, report);
    if (error != OK) {
        return error;
    }
    uint32_t n_most = verb->n_set + verb->n_remove + node->r.n_label_sets +
                      node->r.n_label_removes + node->r.n_labels;
    if (n_most > CORE_LABELS_MAX) {
        return report_fail(report, ERR_LIMIT, "a node has at most %d labels, set and removed ones",
                           CORE_LABELS_MAX);
    }
    labels_merge(node, verb, sets, &n_sets, removes, &n_removes);
    const char *const *old_removes = node->r.label_removes;
    uint32_t n_old = node->r.n_label_removes;
    label_sets_set(core, node, sets, n_sets);
    node->r.label_removes = NULL;
    node->r.n_label_removes = 0;
    core_strs_set(core, &node->r.label_removes, &node->r.n_label_removes, removes, n_removes);
    core_strs_clear(&old_removes, &n_old); /* the new list borrowed from it until now */
    return OK;
}

static error_code node_labels_apply(struct core *core, struct node *node)
{
    struct label_pair labels[CORE_LABELS_MAX];
    struct env_pair pairs[CORE_LABELS_MAX];
    uint32_t n = core_node_labels(node, labels);
    for (uint32_t i = 0; i < n; i++) {
        pairs[i] = (struct env_pair){labels[i].name, labels[i].value};
    }
    return node->handle != 0 ? scheduler_node_labels_set(core->scheduler, node->handle, pairs, n)
                             : OK;
}

/* ---- cordon, drain, resume ---- */

static error_code node_cordon(struct core *core, time_ms now, struct node *node,
                              const struct node_verb *verb, struct report *report)
{
    (void)now;
    (void)report;
    node->r.is_cordoned = true;
    core_str_set(core, &node->r.cordon_reason, verb->reason);
    return OK;
}

static error_code node_drain(struct core *core, time_ms now, struct node *node,
                             const struct node_verb *verb, struct report *report)
{
    (void)report;
    node->r.is_drain_asked = true;
    node->r.drain_deadline = now + verb->deadline_ms;
    core_str_set(core, &node->r.drain_reason, verb->reason);
    node->is_drain_told = false;
    core->owed_at = now;
    if (node->r.state == NODE_ALIVE || node->r.state == NODE_SUSPECT) {
        core_node_move(core, now, node, NODE_DRAINING);
    }
    core->tick_next = now; /* the deadline may be now */
    return OK;
}

static error_code node_resume(struct core *core, time_ms now, struct node *node,
                              const struct node_verb *verb, struct report *report)
{
    (void)verb;
    if (node->r.state == NODE_DRAINING && (node->is_agent_leaving || !node->r.is_drain_asked)) {
        return report_fail(report, ERR_CONFLICT,
                           "the agent of %s was told to leave (SIGTERM): start it again",
                           node->r.name);
    }
    node->r.is_cordoned = node->r.is_drain_asked = false;
    node->r.drain_deadline = 0;
    core_str_clear(&node->r.cordon_reason);
    core_str_clear(&node->r.drain_reason);
    core_node_forgive(core, now, node);
    if (node->r.state == NODE_DRAINING) {
        core_node_move(core, now, node, NODE_ALIVE);
    }
    return OK;
}

static error_code (*const node_verbs[])(struct core *core, time_ms now, struct node *node,
                                        const struct node_verb *verb, struct report *report) = {
    [NODE_VERB_CORDON] = node_cordon,
    [NODE_VERB_DRAIN] = node_drain,
    [NODE_VERB_RESUME] = node_resume,
    [NODE_VERB_LABEL] = node_label,
};

void on_node_verb(struct core *core, time_ms now, uint64_t request, const char *name,
                  const struct node_verb *verb)
{
    struct node *node = core_node_find(core, name);
    struct report report = {0};
    error_code error = OK;
    if (node == NULL) {
        error = report_fail(&report, ERR_NOT_FOUND, "there is no node %s", name);
    } else if (verb->reason != NULL && !text_is_printable(verb->reason)) {
        error = report_fail(&report, ERR_INVALID,
                            "a reason is at most %d bytes on one line, without control characters",
                            LABEL_TEXT_MAX);
    } else {
        error = node_verbs[verb->kind](core, now, node, verb, &report);
    }
    if (error != OK) {
        core_answer_error(core, request, http_status_of(error), &report);
        return;
    }
    if (verb->kind == NODE_VERB_LABEL && node_labels_apply(core, node) != OK) {
        core_fail(core, ERR_NO_MEMORY);
    }
    if (verb->kind == NODE_VERB_CORDON || verb->kind == NODE_VERB_DRAIN) {
        core_arrays_take_back(core, node);
    }
    core_node_refresh_open(core, node);
    core_node_dirty(core, node);
    core_notice_node(core, now, node);
    core_answer_ok(core, request);
}

/* The deadline has passed: whatever runs there is handed back, uncharged, and goes elsewhere. One
 * whose agent is away is told when it comes. */
void core_drains_check(struct core *core, time_ms now)
{
    struct node *node, *next;
    HASH_ITER (hh, core->nodes, node, next) {
        bool is_due = node->r.state == NODE_DRAINING && node->r.is_drain_asked &&
                      node->r.drain_deadline <= now &&
                      node->n_tasks + node->n_parts + node->n_held > 0;
        if (is_due && !node->is_drain_told && node->peer != 0) {
            struct msg_drain msg = {core->config.epoch, DRAIN_GRACE_MS};
            node->is_drain_told = true;
            outbox_send(&core->out, node->peer, MSG_DRAIN, &msg);
            core_gangs_hand_back(core, node);
        }
    }
}
