/* Nodes: the table, the one state setter, resources, silence. */
#include <assert.h>
#include <string.h>

#include "head/core/arrays.h"
#include "head/core/gang.h"

struct node *core_node_find(struct core *core, const char *name)
{
    struct node *node;
    HASH_FIND(hh, core->nodes, name, strlen(name), node);
    return node;
}

struct node *core_node_of_peer(struct core *core, uint64_t peer)
{
    struct node *node;
    HASH_FIND(hh_peer, core->nodes_by_peer, &peer, sizeof peer, node);
    return node;
}

struct node *core_node_of_handle(struct core *core, uint32_t handle)
{
    struct node *node;
    HASH_FIND(hh_handle, core->nodes_by_handle, &handle, sizeof handle, node);
    return node;
}

/* The scheduler forgets it, with all that it holds. */
static void core_node_handle_drop(struct core *core, struct node *node)
{
    if (node->handle != 0) {
        HASH_DELETE(hh_handle, core->nodes_by_handle, node);
        scheduler_node_remove(core->scheduler, node->handle);
        node->handle = 0;
    }
}

static error_code core_node_handle_make(struct core *core, struct node *node,
                                        const struct node_resources *resources)
{
    core_node_handle_drop(core, node);
    error_code error = scheduler_node_add(core->scheduler, resources, &node->handle);
    if (error != OK) {
        return error;
    }
    HASH_ADD(hh_handle, core->nodes_by_handle, handle, sizeof node->handle, node);
    if (node->hh_handle.tbl == NULL) {
        scheduler_node_remove(core->scheduler, node->handle);
        node->handle = 0;
        return ERR_NO_MEMORY;
    }
    return OK;
}

uint64_t core_node_peer(const struct core *core, const char *name)
{
    const struct node *node = core_node_find((struct core *)(uintptr_t)core, name);
    return node != NULL ? node->peer : 0;
}

bool core_node_is_silent(const struct core *core, const char *name, time_ms now)
{
    const struct node *node = core_node_find((struct core *)(uintptr_t)core, name);
    return node == NULL || now - node->heard >= CORE_SUSPECT_MS;
}

struct node *core_node_add(struct core *core, const char *name)
{
    struct node *node = mem_zalloc(sizeof *node);
    if (node == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return NULL;
    }
    list_init(&node->tasks);
    list_init(&node->parts);
    list_init(&node->holders);
    list_init(&node->dirty_link);
    list_init(&node->ack_link);
    list_init(&node->gone_link);
    node->r.state = NODE_JOINING;
    core_str_set(core, &node->r.name, name);
    if (node->r.name != NULL) {
        HASH_ADD_KEYPTR(hh, core->nodes, node->r.name, strlen(node->r.name), node);
    }
    if (node->hh.tbl == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        core_str_clear(&node->r.name);
        mem_free(node);
        return NULL;
    }
    core->status.nodes[NODE_JOINING]++;
    return node;
}

uint32_t core_nodes_there(const struct core *core)
{
    return HASH_COUNT(core->nodes) - core->status.nodes[NODE_GONE];
}

static void core_node_lists_clear(struct node *node)
{
    for (uint32_t i = 0; i < node->r.n_gpus; i++) {
        mem_free((void *)(uintptr_t)node->r.gpus[i]);
    }
    for (uint32_t i = 0; i < node->r.n_custom; i++) {
        mem_free((void *)(uintptr_t)node->r.custom[i].name);
    }
    for (uint32_t i = 0; i < node->r.n_labels; i++) {
        mem_free((void *)(uintptr_t)node->r.labels[i].name);
        mem_free((void *)(uintptr_t)node->r.labels[i].value);
    }
    mem_free((void *)(uintptr_t)node->r.gpus);
    mem_free((void *)(uintptr_t)node->r.custom);
    mem_free((void *)(uintptr_t)node->r.labels);
    node->r.gpus = NULL;
    node->r.custom = NULL;
    node->r.labels = NULL;
    node->r.n_gpus = node->r.n_custom = node->r.n_labels = 0;
}

void core_node_free(struct core *core, struct node *node)
{
    core_node_peer_set(core, node, 0);
    core_node_handle_drop(core, node);
    HASH_DELETE(hh, core->nodes, node);
    core->status.nodes[node->r.state]--;
    list_remove(&node->dirty_link);
    list_remove(&node->ack_link);
    list_remove(&node->gone_link);
    core_node_lists_clear(node);
    core_str_clear(&node->r.name);
    core_str_clear(&node->r.host);
    core_str_clear(&node->r.state_dir);
    core_str_clear(&node->r.lock);
    core_str_clear(&node->lender);
    core_str_clear(&node->lender_key);
    core_str_clear(&node->r.version);
    core_str_clear(&node->r.cordon_reason);
    core_node_people_free(node);
    mem_free(node->owed);
    mem_free(node);
}

void core_node_dirty(struct core *core, struct node *node)
{
    if (list_is_empty(&node->dirty_link)) {
        list_push_back(&core->dirty_nodes, &node->dirty_link);
    }
}

void core_node_refresh_open(struct core *core, struct node *node)
{
    if (node->handle != 0) {
        scheduler_node_open(core->scheduler, node->handle,
                            node->r.state == NODE_ALIVE && !node->r.is_cordoned && node->peer != 0);
    }
}

void core_node_move(struct core *core, time_ms now, struct node *node, node_state to)
{
    if (node->r.state == to) {
        return;
    }
    assert(node_edge_is_legal(node->r.state, to));
    core->status.nodes[node->r.state]--;
    core->status.nodes[to]++;
    if (node->r.state == NODE_DRAINING) {
        core_drain_left(core, now, node, to);
    }
    node->r.state = to;
    list_remove(&node->gone_link);
    core->owed_at = to == NODE_DRAINING ? now : core->owed_at;
    if (to == NODE_GONE) {
        node->r.left = now;
        list_push_back(&core->gone_nodes, &node->gone_link);
        core->is_place_lost = true;
        core_node_handle_drop(core, node);
    }
    core_node_refresh_open(core, node);
    core_node_dirty(core, node);
    core_notice_node(core, now, node);
}

void core_node_peer_set(struct core *core, struct node *node, uint64_t peer)
{
    if (node->peer == peer) {
        return;
    }
    if (node->peer != 0) {
        HASH_DELETE(hh_peer, core->nodes_by_peer, node);
    }
    node->peer = peer;
    if (peer != 0) {
        HASH_ADD(hh_peer, core->nodes_by_peer, peer, sizeof node->peer, node);
        if (node->hh_peer.tbl == NULL) {
            node->peer = 0;
            core_fail(core, ERR_NO_MEMORY);
        }
    }
}

/* What a lost attempt becomes. An order to leave decides by itself: nobody is left to be told. */
static void core_task_take_off(struct core *core, time_ms now, struct task *task,
                               const char *reason)
{
    core_str_set(core, &task->r.reason, reason);
    core_snapshot_numbers_skip(core, task);
    if (task->r.state == TASK_STOPPING && core_order_is_to_wait(&task->r.order)) {
        core_task_hold(core, now, task);
        return;
    }
    if (task->r.state == TASK_STOPPING) {
        task_outcome outcome = task->r.order.why == WHY_CANCEL ? OUTCOME_CANCELLED
                               : task->r.order.why == WHY_MAX  ? OUTCOME_DONE
                               : task->r.order.why == WHY_NAN  ? OUTCOME_FAILED
                                                               : OUTCOME_STOPPED;
        task->r.why = task->r.order.why;
        core_task_end(core, now, task, TASK_EVENT_TOLD_ENDED, outcome);
        return;
    }
    uint32_t limit = task->work->sweep != NULL ? task->work->sweep->spec.retries.crash_limit : 5;
    if (task->r.state == TASK_RUNNING && task->r.lost >= limit) {
        core_reason(core, task, "%s; lost %u times (retries.crash_limit)", reason,
                    task->r.lost + 1);
        core_task_end(core, now, task, TASK_EVENT_LOST_OUT, OUTCOME_FAILED);
        return;
    }
    core_task_move(core, now, task, TASK_EVENT_NODE_LOST);
}

const struct record_node *core_task_host(struct core *core, const struct task *task)
{
    static const struct record_node nowhere;
    const struct node *node = task->node == NULL && task->r.node != NULL
                                  ? core_node_find(core, task->r.node)
                                  : task->node;
    return node != NULL ? &node->r : &nowhere;
}

static void core_lost_evidence(struct core *core, time_ms ended, const struct task *task,
                               const char *reason)
{
    struct record_attempt record = {
        .task = task->r.id,
        .attempt = task->r.attempt,
        .node = task->r.node,
        .incarnation = task->r.incarnation,
        .result = {.has_started = task->r.state != TASK_LEASED,
                   .cause = CAUSE_LOST,
                   .reason = reason,
                   .started_at = task->r.started,
                   .ended_at = ended},
        .host = core_task_host(core, task)->host,
        .version = core_task_host(core, task)->version,
        .image = "",
        .leased = task->r.leased,
    };
    core_evidence_part(task, &record);
    char field[TASK_ID_TEXT_MAX * 2];
    char id[TASK_ID_TEXT_MAX];
    struct buf buf;
    buf_init(&buf, MSG_MAX_BYTES);
    error_code error = record_encode(&record_attempt_schema, &record, &buf);
    if (error != OK) {
        core_fail(core, error);
    }
    __builtin_snprintf(field, sizeof field, "%s:%u", task_id_print(task->r.id, id),
                       task->r.attempt);
    outbox_hset(&core->out, "attempts", field, buf_bytes(&buf));
    buf_fini(&buf);
}

void core_task_lost(struct core *core, time_ms now, struct task *task, const char *reason,
                    time_ms ended)
{
    core_lost_evidence(core, ended, task, reason);
    core_task_take_off(core, now, task, reason);
}

void core_node_tasks_lost(struct core *core, time_ms now, struct node *node, const char *reason)
{
    core_gangs_lost(core, now, node, reason);
    list_each (&node->tasks, struct task, node_link, task) {
        core_lost_evidence(core, now, task, reason);
    }
    /* Ending one may tell others of its sweep to leave, which moves them but never off this list.
     */
    while (!list_is_empty(&node->tasks)) {
        core_task_take_off(core, now, list_first(&node->tasks, struct task, node_link), reason);
    }
    core_arrays_node_lost(core, now, node, reason);
}

void core_node_lost(struct core *core, time_ms now, struct node *node, const char *reason)
{
    core_node_tasks_lost(core, now, node, reason);
    if (node->r.state == NODE_ALIVE) {
        core_node_move(core, now, node, NODE_SUSPECT);
    }
    core_node_move(core, now, node, NODE_GONE);
}

error_code core_node_resources_set(struct core *core, struct node *node)
{
    struct label_pair held[CORE_LABELS_MAX];
    struct env_pair labels[CORE_LABELS_MAX];
    struct custom_amount custom[NODE_CUSTOM_MAX];
    uint32_t n_labels = core_node_labels(node, held);
    uint32_t n_custom = node->r.n_custom < NODE_CUSTOM_MAX ? node->r.n_custom : NODE_CUSTOM_MAX;
    for (uint32_t i = 0; i < n_labels; i++) {
        labels[i] = (struct env_pair){held[i].name, held[i].value};
    }
    for (uint32_t i = 0; i < n_custom; i++) {
        custom[i] = (struct custom_amount){node->r.custom[i].name, node->r.custom[i].amount};
    }
    struct node_resources resources = {
        .cpus = node->r.cpus,
        .memory_bytes = node->r.memory_bytes,
        .gpus = node->r.gpus,
        .n_gpus = node->r.n_gpus,
        .custom = custom,
        .n_custom = n_custom,
        .labels = labels,
        .n_labels = n_labels,
    };
    error_code error = core_node_handle_make(core, node, &resources);
    if (error == OK) {
        core_asides_apply(core, node);
        core_node_refresh_open(core, node);
    }
    return error;
}

error_code core_node_record_own(struct core *core, struct node *node,
                                const struct record_node *record)
{
    const char *name = node->r.name, *host = node->r.host, *version = node->r.version,
               *state_dir = node->r.state_dir, *lock = node->r.lock,
               *cordon_reason = node->r.cordon_reason;
    struct record_node people = node->r; /* What people set is not the agent's to say. */
    core_node_lists_clear(node);
    core->status.nodes[node->r.state]--;
    core->status.nodes[record->state]++;
    node->r = *record;
    node->r.label_sets = people.label_sets;
    node->r.n_label_sets = people.n_label_sets;
    node->r.label_removes = people.label_removes;
    node->r.n_label_removes = people.n_label_removes;
    node->r.is_drain_asked = people.is_drain_asked;
    node->r.drain_deadline = people.drain_deadline;
    node->r.drain_reason = people.drain_reason;
    node->r.name = name;
    node->r.host = host;
    node->r.version = version;
    node->r.cordon_reason = cordon_reason;
    node->r.state_dir = state_dir;
    node->r.lock = lock;
    node->r.gpus = NULL;
    node->r.custom = NULL;
    node->r.labels = NULL;
    node->r.n_gpus = node->r.n_custom = node->r.n_labels = 0;
    core_str_set(core, &node->r.host, record->host);
    core_str_set(core, &node->r.state_dir, record->state_dir);
    core_str_set(core, &node->r.lock, record->lock);
    core_str_set(core, &node->r.version, record->version);
    core_str_set(core, &node->r.cordon_reason, record->cordon_reason);
    const char **gpus = mem_calloc(record->n_gpus, sizeof *gpus);
    struct custom_pair *custom = mem_calloc(record->n_custom, sizeof *custom);
    struct label_pair *labels = mem_calloc(record->n_labels, sizeof *labels);
    node->r.gpus = gpus;
    node->r.custom = custom;
    node->r.labels = labels;
    if (gpus == NULL || custom == NULL || labels == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return ERR_NO_MEMORY;
    }
    node->r.n_gpus = record->n_gpus;
    node->r.n_custom = record->n_custom;
    node->r.n_labels = record->n_labels;
    for (uint32_t i = 0; i < record->n_gpus; i++) {
        core_str_set(core, &gpus[i], record->gpus[i]);
    }
    for (uint32_t i = 0; i < record->n_custom; i++) {
        custom[i].amount = record->custom[i].amount;
        core_str_set(core, &custom[i].name, record->custom[i].name);
    }
    for (uint32_t i = 0; i < record->n_labels; i++) {
        core_str_set(core, &labels[i].name, record->labels[i].name);
        core_str_set(core, &labels[i].value, record->labels[i].value);
    }
    return core->out.failed;
}
