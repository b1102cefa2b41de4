/* A head's shell: what comes is decoded, a turn is made, what is on disk leaves. There may be two
 * of them for a while: one that holds the store, and one that was fenced off and does not know. */
#include "sim/head.h"

#include <string.h>

#include "sim/array_records.h"
#include "sim/check.h"
#include "sim/drains.h"
#include "sim/durable.h"
#include "sim/frame_text.h"
#include "sim/link.h"
#include "sim/people.h"
#include "sim/records.h"
#include "sim/store_link.h"
#include "sim/tuner_check.h"
#include "sim/work_folders.h"

enum { GAP_MS = 1000 }; /* as lib/sys/loop.c: a shorter absence is a busy machine */

static bool is_stale(const struct sim *sim, const struct sim_head *head)
{
    return head == &sim->stale;
}

/* ---- keys: each incarnation comes with one ---- */

const struct sim_key *sim_key_by_peer(const struct sim_head *head, const struct sim_node *node,
                                      uint64_t peer)
{
    for (uint32_t i = 0; i < head->n_keys[node->index]; i++) {
        if (head->keys[node->index][i].peer == peer) {
            return &head->keys[node->index][i];
        }
    }
    return NULL;
}

static struct sim_key *key_of(struct sim_head *head, const struct sim_node *node,
                              uint64_t incarnation)
{
    struct sim_key *keys = head->keys[node->index];
    uint32_t *n = &head->n_keys[node->index];
    for (uint32_t i = 0; i < *n; i++) {
        if (keys[i].incarnation == incarnation) {
            return &keys[i];
        }
    }
    if (*n == SIM_KEYS_MAX) {
        memmove(keys, keys + 1, --*n * sizeof keys[0]);
    }
    keys[*n] = (struct sim_key){incarnation, ++head->peers, false};
    return &keys[(*n)++];
}

/* ---- what leaves ---- */

/* By the shell itself, not with a batch; to a connection that is over nothing is sent. */
static void reply_at_once(struct sim *sim, struct sim_node *node, const struct sim_key *key,
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

static void send_take(struct sim *sim, struct sim_head *head, const struct head_effect *effect)
{
    struct sim_node *node = NULL;
    for (uint32_t i = 0; i < sim->n_nodes; i++) {
        const struct sim_key *key = sim_key_by_peer(head, &sim->nodes[i], effect->peer);
        node = key != NULL && key->incarnation == sim->nodes[i].incarnation ? &sim->nodes[i] : node;
    }
    if (node == NULL || sim_link_head(sim, node) != head) {
        return; /* a key that is not connected any more */
    }
    struct arena arena;
    message_type type;
    void *message;
    char text[FRAME_TEXT_MAX];
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    sim_require(sim, message_decode(effect->bytes, &arena, &type, &message, NULL) == OK,
                "what the head sends does not decode");
    sim_is_durable(sim, node, type, message);
    sim->counts.drained_by_head += type == MSG_DRAIN;
    if (type == MSG_OWED && !is_stale(sim, head)) {
        sim_drain_told(sim, node, message);
    }
    sim->counts.stale_words += is_stale(sim, head);
    sim_trace(sim, "head    sends %s %s", node->name, sim_frame_text(sim, type, message, text));
    sim_frame_put(sim, node, false, type, effect->bytes);
    arena_fini(&arena);
}

static void effects_take(struct sim *sim, struct sim_head *head)
{
    static const char aside[] = " set aside for sweep ";
    const struct head_effect *effect;
    while ((effect = core_effect_next(head->core)) != NULL) {
        if (effect->kind == HEAD_SEND) {
            send_take(sim, head, effect);
        } else if (effect->kind == HEAD_NOTICE) {
            sim->counts.set_aside +=
                memmem(effect->bytes.data, effect->bytes.len, aside, strlen(aside)) != NULL;
        } else if (effect->kind == HEAD_ANSWER && !is_stale(sim, head)) {
            sim_answer_take(sim, effect);
        } else if (effect->kind == HEAD_EXIT) {
            sim_trace(sim, "head    may leave");
            head->has_exited = true;
        }
    }
}

/* ---- turns ---- */

/* Something has come that the head has not read. */
static bool is_behind(const struct sim *sim, const struct sim_head *head)
{
    for (uint32_t i = 0; i < sim->n_nodes; i++) {
        const struct sim_link *link = &sim->nodes[i].link;
        if (link->is_to_stale == is_stale(sim, head) && sim_frame_is_here(sim, &link->up)) {
            return true;
        }
    }
    return false;
}

void sim_head_wake(struct sim *sim, struct sim_head *head)
{
    int64_t gap_ms = head->stalled_until != 0 ? sim->now - head->stalled_since : 0;
    head->stalled_until = 0;
    if (gap_ms <= GAP_MS) {
        return;
    }
    head->gap_ms += gap_ms;
    for (uint32_t i = 0; i < sim->n_nodes && !is_stale(sim, head); i++) {
        sim->nodes[i].heard += gap_ms;
    }
    head->started += gap_ms;
}

void sim_head_poll(struct sim *sim, const struct sim_head *head)
{
    for (uint32_t i = 0; i < sim->n_nodes; i++) {
        const struct sim_link *link = &sim->nodes[i].link;
        if (link->is_to_stale == is_stale(sim, head) && sim_frame_is_here(sim, &link->up)) {
            sim_push(sim, (struct sim_event){.at = sim->now, .kind = SIM_FRAME_UP, .node = i});
        }
    }
}

/* Silence is judged after what has come is read: who is gone now has nothing lying here. */
static void judged_rightly(struct sim *sim, const struct sim_head *head)
{
    for (uint32_t i = 0; i < sim->n_nodes && !is_stale(sim, head); i++) {
        struct sim_node *node = &sim->nodes[i];
        const struct node *known = core_node_find(head->core, node->name);
        const struct sim_frame *frame = list_first(&node->link.up, struct sim_frame, link);
        bool is_gone = known != NULL && known->r.state == NODE_GONE;
        bool is_new = is_gone && !node->is_known_gone;
        bool is_here = !node->link.is_to_stale && sim_frame_is_here(sim, &node->link.up) &&
                       known != NULL && frame->incarnation == known->r.incarnation &&
                       known->peer != 0 && node->left != known->r.incarnation;
        node->is_known_gone = is_gone;
        sim_require(sim, !is_new || !is_here, "%s is declared lost, and its word lies unread",
                    node->name);
        if (is_new) {
            sim_node_silent(sim, node);
        }
    }
}

void sim_head_turn(struct sim *sim, struct sim_head *head)
{
    sim_head_wake(sim, head);
    core_time(head->core, sim->now, head->gap_ms, is_behind(sim, head));
    head->gap_ms = 0;
    judged_rightly(sim, head);
    core_turn_end(head->core, sim->now);
    sim_require(sim, core_failed(head->core) == OK, "the core failed: %s",
                error_word(core_failed(head->core)));
    core_check(head->core);
    const struct batch *batch = core_batch(head->core);
    if (batch != NULL) {
        sim_require(sim, head->batch == NULL, "two batches in flight");
        head->batch = batch;
        head->is_written = head->is_on_disk = false;
        sim_store_send(sim, head);
    }
    effects_take(sim, head);
    bool is_idle = head->batch == NULL && head->core->out.open == NULL &&
                   list_is_empty(&head->core->out.groups) && !is_stale(sim, head);
    if (is_idle) {
        sim_tuners_compare(sim);
    }
    if (is_idle && sim_chance(sim, 10)) {
        sim_compare(sim);
    }
}

/* ---- what comes ---- */

/* A word of the start that the head knows: what an earlier one wrote may be read after its end. */
static void heard(struct sim *sim, const struct sim_head *head, struct sim_node *node,
                  const struct sim_frame *frame)
{
    const struct node *known = core_node_find(head->core, node->name);
    if (!is_stale(sim, head) && known != NULL && known->r.incarnation == frame->incarnation) {
        sim_node_heard(sim, node);
    }
}

static void head_read(struct sim *sim, struct sim_head *head, struct sim_node *node,
                      struct sim_frame *frame)
{
    struct core *core = head->core;
    struct arena arena;
    message_type type;
    void *message;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    sim_require(sim,
                message_decode((struct bytes){frame->bytes, frame->len}, &arena, &type, &message,
                               NULL) == OK,
                "a frame of an agent does not decode");
    char text[FRAME_TEXT_MAX];
    sim_trace(sim, "head    reads %s %s", node->name, sim_frame_text(sim, type, message, text));
    struct sim_key *key = key_of(head, node, frame->incarnation);
    sim_arrays_heard(sim, type, message);
    if (type == MSG_ENROL) {
        key->is_admitted = true;
        on_enrol(core, sim->now, key->peer, message);
        heard(sim, head, node, frame);
    } else if (!key->is_admitted) {
        reply_at_once(sim, node, key, MSG_WHO, &(struct msg_who){head->epoch});
    } else if (type == MSG_EVENTS) {
        heard(sim, head, node, frame);
        on_events(core, sim->now, key->peer, message);
    } else if (type == MSG_BLOB_GET) {
        struct msg_blob piece;
        sim_blob_piece(message, &piece);
        reply_at_once(sim, node, key, MSG_BLOB, &piece);
    } else if (type == MSG_LOGS_HELD) {
        on_logs_held(core, key->peer, message);
    } else if (type == MSG_SNAPSHOT_GET) {
        on_snapshot_get(core, key->peer, message);
    } else if (type == MSG_HEARTBEAT) {
        const struct msg_heartbeat *heartbeat = message;
        struct core_heartbeat next = core_heartbeat(sim->now, sim->n_nodes);
        struct msg_ack ack = {.incarnation = heartbeat->incarnation,
                              .heartbeat_ms = next.interval_ms,
                              .heartbeat_in_ms = next.in_ms};
        heard(sim, head, node, frame);
        reply_at_once(sim, node, key, MSG_ACK, &ack);
        on_heartbeat(core, sim->now, key->peer, message);
    }
    arena_fini(&arena);
    free(frame);
}

void sim_on_frame_up(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    struct sim_head *head = sim_link_head(sim, node);
    struct sim_frame *frame;
    uint64_t left = 1 + sim_below(sim, 6);
    if (head->core == NULL) {
        return;
    }
    sim_head_wake(sim, head);
    while (left > 0 && (frame = sim_frame_take(sim, &node->link.up)) != NULL) {
        head_read(sim, head, node, frame);
        left--;
    }
    if (sim_frame_is_here(sim, &node->link.up)) {
        sim_push(sim,
                 (struct sim_event){.at = sim->now, .kind = SIM_FRAME_UP, .node = node->index});
    }
    sim_head_turn(sim, head);
}
