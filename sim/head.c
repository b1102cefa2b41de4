/* the head's shell: turns, batches, effects; killed at any time and
 * loaded again from the store. What leaves must be on disk. */
#include "sim/head.h"
#include "sim/calendar.h"
#include "sim/check.h"
#include "sim/link.h"
#include "sim/people.h"
#include "sim/records.h"
#include "sim/store.h"
#include "sim/work_folders.h"

/* ---- from the store ---- */

void sim_core_load(struct sim *sim, uint64_t epoch, struct core **ret_core)
{
    static const char *const tables[] = {"sweeps", "jobs", "tasks", "nodes"};
    struct core_config config = {.version = "test",
                                 .cluster = "c",
                                 .state_dir = "/state",
                                 .epoch = epoch,
                                 .pid = 1,
                                 .node_timeout_ms = sim->node_timeout_ms,
                                 .orphan_timeout_ms = sim->orphan_timeout_ms,
                                 .seed = sim->seed};
    struct report report = {0};
    struct core *core;
    char n[32];
    sim_require(sim, core_new(&config, &core) == OK, "core_new");
    snprintf(n, sizeof n, "%llu", (unsigned long long)sim->store.n);
    sim_require(sim, core_load_meta(core, "n", n) == OK, "meta n");
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
        size_t len = strlen(tables[t]);
        struct sim_cell *cell, *next;
        HASH_ITER (hh, sim->store.cells, cell, next) {
            if (strncmp(cell->name, tables[t], len) != 0 || cell->name[len] != '\n') {
                continue;
            }
            const char *field = cell->name + len + 1;
            struct bytes name = {(const uint8_t *)field, strlen(field)};
            struct bytes value = {cell->value, cell->len};
            error_code error = core_load_record(core, tables[t], name, value, &report);
            sim_require(sim, error == OK, "%s", report.text);
        }
    }
    for (uint32_t i = 0; i < sim->store.n_entries; i++) {
        const struct sim_entry *entry = &sim->store.entries[i];
        struct bytes value = {entry->value, entry->len};
        error_code error = core_load_log(core, entry->sweep, value, &report);
        sim_require(sim, error == OK, "%s", report.text);
    }
    const struct sim_cell *next_job = sim_cell_find(&sim->store, "meta", "next_job");
    if (next_job != NULL) {
        sim_require(sim, core_load_meta(core, "next_job", (const char *)next_job->value) == OK,
                    "meta next_job");
    }
    error_code error = core_load_done(core, sim->now, &report);
    sim_require(sim, error == OK, "load: %s %s", error_word(error), report.text);
    *ret_core = core;
}

/* ---- what leaves ---- */

static void sim_lease_is_durable(struct sim *sim, struct sim_node *node, const void *message)
{
    const struct msg_lease *lease = message;
    const struct sim_task *task = sim_task_find(sim, lease->task);
    char id[TASK_ID_TEXT_MAX];
    (void)node;
    sim_require(sim, task != NULL && task->r.n_attempts > lease->attempt,
                "lease of %s:%u left before it was on disk", task_id_print(lease->task, id),
                lease->attempt);
    sim_require(sim, task->r.order.n >= lease->order.n, "lease of %s: order left early", id);
}

static void sim_order_is_durable(struct sim *sim, struct sim_node *node, const void *message)
{
    const struct msg_order *order = message;
    const struct sim_task *task = sim_task_find(sim, order->task);
    char id[TASK_ID_TEXT_MAX];
    (void)node;
    sim_require(sim, task != NULL && task->r.order.n >= order->order.n,
                "order %llu of %s left before it was on disk", (unsigned long long)order->order.n,
                task_id_print(order->task, id));
}

static void sim_applied_is_durable(struct sim *sim, struct sim_node *node, uint64_t incarnation,
                                   uint64_t applied)
{
    struct arena arena;
    struct record_node r;
    arena_init(&arena, 1 << 20);
    bool is_there = sim_store_get(sim, "nodes", node->name, &record_node_schema, &arena, &r);
    sim_require(sim, is_there && (r.incarnation != incarnation || r.applied >= applied),
                "%s: event %llu acknowledged before it was on disk", node->name,
                (unsigned long long)applied);
    arena_fini(&arena);
}

static void sim_ack_is_durable(struct sim *sim, struct sim_node *node, const void *message)
{
    const struct msg_ack *ack = message;
    sim_applied_is_durable(sim, node, ack->incarnation, ack->applied);
}

static void sim_welcome_is_durable(struct sim *sim, struct sim_node *node, const void *message)
{
    const struct msg_welcome *welcome = message;
    sim_applied_is_durable(sim, node, node->incarnation, welcome->applied);
    for (uint32_t i = 0; i < welcome->n_holds; i++) {
        const struct sim_task *task = sim_task_find(sim, welcome->holds[i].task);
        sim_require(sim, task != NULL && task->r.n_attempts > welcome->holds[i].attempt,
                    "%s: welcome holds what is not on disk", node->name);
    }
    sim->counts.enrolments++;
}

static const struct {
    message_type type;
    void (*check)(struct sim *sim, struct sim_node *node, const void *message);
} sim_durable[] = {
    {MSG_LEASE, sim_lease_is_durable},
    {MSG_ORDER, sim_order_is_durable},
    {MSG_ACK, sim_ack_is_durable},
    {MSG_WELCOME, sim_welcome_is_durable},
};

struct sim_key *sim_key_by_peer(struct sim_node *node, uint64_t peer)
{
    for (uint32_t i = 0; i < node->n_keys; i++) {
        if (node->keys[i].peer == peer) {
            return &node->keys[i];
        }
    }
    return NULL;
}

static struct sim_key *sim_key_of(struct sim *sim, struct sim_node *node, uint64_t incarnation)
{
    for (uint32_t i = 0; i < node->n_keys; i++) {
        if (node->keys[i].incarnation == incarnation) {
            return &node->keys[i];
        }
    }
    if (node->n_keys == SIM_KEYS_MAX) {
        memmove(node->keys, node->keys + 1, --node->n_keys * sizeof node->keys[0]);
    }
    node->keys[node->n_keys] = (struct sim_key){incarnation, ++sim->head.peers, false};
    return &node->keys[node->n_keys++];
}

/* By the shell itself, not with a batch; to a connection that is over nothing is sent. */
static void sim_reply_at_once(struct sim *sim, struct sim_node *node, const struct sim_key *key,
                              message_type type, const void *message)
{
    struct buf frame;
    buf_init(&frame, MSG_MAX_BYTES);
    sim_require(sim, message_encode(type, message, &frame) == OK, "a reply does not encode");
    if (key->incarnation == node->incarnation) {
        sim_frame_put(sim, node, false, type, buf_bytes(&frame));
    }
    buf_fini(&frame);
}

static void sim_send_take(struct sim *sim, const struct head_effect *effect)
{
    struct sim_node *node = NULL;
    for (uint32_t i = 0; i < sim->n_nodes; i++) {
        const struct sim_key *key = sim_key_by_peer(&sim->nodes[i], effect->peer);
        node = key != NULL && key->incarnation == sim->nodes[i].incarnation ? &sim->nodes[i] : node;
    }
    if (node == NULL) {
        return; /* a key that is not connected any more */
    }
    struct arena arena;
    message_type type;
    void *message;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    sim_require(sim, message_decode(effect->bytes, &arena, &type, &message, NULL) == OK,
                "what the head sends does not decode");
    for (size_t i = 0; i < sizeof sim_durable / sizeof sim_durable[0]; i++) {
        if (sim_durable[i].type == type) {
            sim_durable[i].check(sim, node, message);
        }
    }
    sim->counts.drained_by_head += type == MSG_DRAIN;
    sim_trace(sim, "head    sends %s %s", node->name, message_name(type));
    sim_frame_put(sim, node, false, type, effect->bytes);
    arena_fini(&arena);
}

static void sim_effects_take(struct sim *sim)
{
    const struct head_effect *effect;
    while ((effect = core_effect_next(sim->head.core)) != NULL) {
        if (effect->kind == HEAD_SEND) {
            sim_send_take(sim, effect);
        } else if (effect->kind == HEAD_NOTICE) {
            sim->counts.set_aside +=
                memmem(effect->bytes.data, effect->bytes.len, " set aside for sweep ", 21) != NULL;
        } else if (effect->kind == HEAD_ANSWER) {
            sim_answer_take(sim, effect);
        } else if (effect->kind == HEAD_EXIT) {
            sim_trace(sim, "head    may leave");
            sim->head.has_exited = true;
        }
    }
}

/* ---- turns ---- */

void sim_head_wake(struct sim *sim)
{
    struct sim_head *head = &sim->head;
    if (sim->now - head->last_turn > 1000 && head->stalled_until != 0) {
        core_gap(head->core, sim->now - head->last_turn);
    }
    head->stalled_until = 0;
}

static void sim_store_send(struct sim *sim)
{
    sim_push(sim, (struct sim_event){.at = sim->now + sim_delay(sim, sim->disk_ms),
                                     .kind = SIM_STORE_APPLY,
                                     .life = sim->head.life});
}

void sim_head_turn(struct sim *sim)
{
    struct sim_head *head = &sim->head;
    head->last_turn = sim->now;
    if (sim_chance(sim, 800)) {
        on_tick(head->core, sim->now); /* nothing was left undecoded */
    }
    core_turn_end(head->core, sim->now);
    sim_require(sim, core_failed(head->core) == OK, "the core failed: %s",
                error_word(core_failed(head->core)));
    core_check(head->core);
    const struct batch *batch = core_batch(head->core);
    if (batch != NULL) {
        sim_require(sim, head->batch == NULL, "two batches in flight");
        head->batch = batch;
        head->is_applied = false;
        sim_store_send(sim);
    }
    sim_effects_take(sim);
    bool is_idle = head->batch == NULL && head->core->out.open == NULL &&
                   list_is_empty(&head->core->out.groups);
    if (is_idle && sim_chance(sim, 10)) {
        sim_compare(sim);
    }
}

void sim_on_store_apply(struct sim *sim, const struct sim_event *event)
{
    struct sim_head *head = &sim->head;
    if (head->core == NULL || head->life != event->life || head->batch == NULL) {
        return;
    }
    if (!head->is_applied) {
        sim_trace(sim, "store   applies batch %llu, %u operations",
                  (unsigned long long)head->batch->n, head->batch->n_ops);
        sim_store_apply(sim, head->batch);
        head->is_applied = true;
    } else {
        sim_trace(sim, "store   has batch %llu", (unsigned long long)head->batch->n);
    }
    bool is_lost = !sim->is_calm && sim_chance(sim, 20);
    sim->counts.replies_lost += is_lost;
    sim_push(sim,
             (struct sim_event){.at = sim->now + (is_lost ? 1000 : sim_delay(sim, sim->disk_ms)),
                                .kind = is_lost ? SIM_STORE_APPLY : SIM_STORE_REPLY,
                                .life = head->life});
}

void sim_on_store_reply(struct sim *sim, const struct sim_event *event)
{
    struct sim_head *head = &sim->head;
    if (head->core == NULL || head->life != event->life || head->batch == NULL) {
        return;
    }
    if (head->stalled_until > sim->now) {
        struct sim_event later = *event;
        later.at = head->stalled_until;
        sim_push(sim, later);
        return;
    }
    sim_head_wake(sim);
    uint64_t n = head->batch->n;
    head->batch = NULL;
    on_batch_applied(head->core, sim->now, n);
    sim_head_turn(sim);
}

static void sim_head_read(struct sim *sim, struct sim_node *node, struct sim_frame *frame)
{
    struct core *core = sim->head.core;
    struct arena arena;
    message_type type;
    void *message;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    sim_require(sim,
                message_decode((struct bytes){frame->bytes, frame->len}, &arena, &type, &message,
                               NULL) == OK,
                "a frame of an agent does not decode");
    sim_trace(sim, "head    reads %s %s", node->name, message_name(type));
    struct sim_key *key = sim_key_of(sim, node, frame->incarnation);
    if (type == MSG_ENROL) {
        key->is_admitted = true;
        sim_node_heard(sim, node);
        on_enrol(core, sim->now, key->peer, message);
    } else if (!key->is_admitted) {
        sim_reply_at_once(sim, node, key, MSG_WHO, &(struct msg_who){sim->head.epoch});
    } else if (type == MSG_EVENTS) {
        sim_node_heard(sim, node);
        on_events(core, sim->now, key->peer, message);
    } else if (type == MSG_BLOB_GET) {
        struct msg_blob piece;
        sim_blob_piece(message, &piece);
        sim_reply_at_once(sim, node, key, MSG_BLOB, &piece);
    } else if (type == MSG_HEARTBEAT) {
        const struct msg_heartbeat *heartbeat = message;
        struct msg_ack ack = {.incarnation = heartbeat->incarnation};
        sim_node_heard(sim, node);
        sim_reply_at_once(sim, node, key, MSG_ACK, &ack);
        on_heartbeat(core, sim->now, key->peer, message);
    }
    arena_fini(&arena);
    free(frame);
}

void sim_on_frame_up(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    struct sim_frame *frame;
    uint64_t left = 1 + sim_below(sim, 6);
    if (sim->head.core == NULL) {
        return;
    }
    sim_head_wake(sim);
    while (left > 0 && (frame = sim_frame_take(sim, &node->link.up)) != NULL) {
        sim_head_read(sim, node, frame);
        left--;
    }
    frame = list_first(&node->link.up, struct sim_frame, link);
    if (frame != NULL && frame->at <= sim->now) {
        sim_push(sim,
                 (struct sim_event){.at = sim->now, .kind = SIM_FRAME_UP, .node = node->index});
    }
    if (left < 7) {
        sim_head_turn(sim);
    }
}

/* ---- life and death ---- */

void sim_head_kill(struct sim *sim, int64_t away_ms)
{
    struct sim_head *head = &sim->head;
    if (head->core == NULL) {
        return;
    }
    if (head->batch != NULL && !head->is_applied) {
        bool is_late = sim_chance(sim, 500); /* the script runs though nobody hears of it */
        if (is_late) {
            sim_store_apply(sim, head->batch);
            sim->counts.kills_after_apply++;
        } else {
            sim->counts.kills_before_apply++;
        }
    }
    sim_trace(sim, "head    is killed");
    core_free(head->core);
    head->core = NULL;
    head->batch = NULL;
    head->life++;
    for (uint32_t i = 0; i < sim->n_nodes; i++) {
        sim->nodes[i].n_keys = 0;
        if (sim->nodes[i].link.is_up) {
            sim_link_break(sim, &sim->nodes[i], false);
            sim_link_later(sim, &sim->nodes[i], 10 + sim_delay(sim, 200));
        }
    }
    for (uint32_t i = 0; i < sim->n_clients; i++) {
        sim->clients[i].request = 0;
    }
    sim_push(sim, (struct sim_event){.at = sim->now + away_ms, .kind = SIM_HEAD_START});
}

void sim_on_head_start(struct sim *sim, const struct sim_event *event)
{
    struct sim_head *head = &sim->head;
    (void)event;
    if (head->core != NULL) {
        return;
    }
    sim_core_load(sim, ++head->epoch, &head->core);
    head->stalled_until = 0;
    head->has_exited = false;
    head->started = sim->now;
    sim_trace(sim, "head    starts, epoch %llu", (unsigned long long)head->epoch);
    sim_head_turn(sim);
}
