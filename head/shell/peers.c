/* Agents' frames become core events, the core's frames leave. An unknown key may enrol and nothing
 * else. */
#include <string.h>

#include "head/shell/blobs.h"
#include "head/shell/shell.h"
#include "net/keys.h"
#include "sys/failpoints.h"
#include "sys/log.h"

enum { HEARTBEAT_ANSWER_MS = 3500 };

static void peer_refuse(struct head *head, uint64_t peer, const char *text)
{
    struct msg_refused refused = {head->epoch, error_word(ERR_NOT_ALLOWED), text};
    struct buf frame;
    buf_init(&frame, MSG_MAX_BYTES);
    if (message_encode(MSG_REFUSED, &refused, &frame) == OK) {
        peers_send(head, peer, buf_bytes(&frame));
    }
    buf_fini(&frame);
}

/* What a key owns is what its connection is called: one that enrolled as another could take that
 * one's place. */
static bool peer_is_itself(const struct router_peer *peer, const struct msg_enrol *msg)
{
    return strcmp(msg->node, peer->node) == 0 && msg->incarnation == peer->incarnation;
}

/* The join key's secret admits; from then on the key that enrolled owns its node's incarnation. */
static bool peer_enrol(struct head *head, time_ms now, const struct router_peer *peer,
                       const struct msg_enrol *msg)
{
    if (!secret_equal(head->join.secret, msg->secret)) {
        peer_refuse(head, peer->number,
                    "the join key is not this cluster's; give the worker a copy of the head's "
                    "keys/join");
        log_once("join-key", LOG_LEVEL_WARNING,
                 "a worker that calls itself '%s' came with a wrong join key", peer->node);
        return false;
    }
    if (!peer_is_itself(peer, msg)) {
        peer_refuse(head, peer->number,
                    "an enrolment is for the node and the incarnation that its connection names");
        return false;
    }
    error_code error = router_peer_admit(head->router, peer->number);
    if (error != OK && error != ERR_EXISTS) {
        log_once("admit", LOG_LEVEL_WARNING, "node '%s' was not admitted: %s", peer->node,
                 error_word(error));
        return false;
    }
    uint64_t before = core_node_peer(head->core, msg->node);
    on_enrol(head->core, now, peer->number, msg);
    /* Each start of an agent has a key of its own: the last one's would fill the table in the end.
     */
    bool is_welcome = core_node_peer(head->core, msg->node) == peer->number;
    if (before != 0 && before != peer->number && is_welcome) {
        router_peer_forget(head->router, before);
    }
    if (!is_welcome) {
        router_peer_dismiss(head->router, peer->number);
    }
    return true;
}

/* Answered at once, not with a batch: an agent that hears nothing for ten seconds connects anew.
 * One that has just been told something needs no answer, and a thousand idle ones cost a third. The
 * acknowledgement of events comes with their batch; this one tells of none. */
static void peer_heartbeat(struct head *head, time_ms now, const struct router_peer *peer,
                           const struct msg_heartbeat *msg)
{
    if (now - router_peer_told_at(head->router, peer->number) >= HEARTBEAT_ANSWER_MS) {
        struct core_heartbeat next = core_heartbeat(now, router_counters(head->router)->peers);
        struct msg_ack ack = {.incarnation = msg->incarnation,
                              .applied = 0,
                              .heartbeat_ms = next.interval_ms,
                              .heartbeat_in_ms = next.in_ms};
        struct buf frame;
        buf_init(&frame, MSG_MAX_BYTES);
        if (message_encode(MSG_ACK, &ack, &frame) == OK) {
            peers_send(head, peer->number, buf_bytes(&frame));
        }
        buf_fini(&frame);
    }
    on_heartbeat(head->core, now, peer->number, msg);
}

bool peers_on_frame(void *context, time_ms now, const struct router_peer *peer, struct bytes frame)
{
    struct head *head = context;
    struct arena arena;
    struct report report = {0};
    message_type type;
    void *message;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    bool is_taken = message_decode_borrowing(frame, &arena, &type, &message, &report) == OK;
    if (!is_taken) {
        log_once("frame", LOG_LEVEL_WARNING, "a frame of '%s' was refused: %s", peer->node,
                 report.text);
    } else if (!head->is_ready) {
        /* Recovery goes on; the agent comes again. */
    } else if (type == MSG_ENROL) {
        is_taken = peer_enrol(head, now, peer, message);
    } else if (!peer->is_admitted) {
        struct msg_who who = {head->epoch};
        struct buf answer;
        buf_init(&answer, MSG_MAX_BYTES);
        if (message_encode(MSG_WHO, &who, &answer) == OK) {
            peers_send(head, peer->number, buf_bytes(&answer));
        }
        buf_fini(&answer);
        is_taken = false;
    } else if (type == MSG_EVENTS) {
        FAILPOINT(EVENTS_RECEIVE);
        turn_stage before = turn_enter(loop_clock(head->loop), TURN_REACTOR);
        on_events(head->core, now, peer->number, message);
        turn_back(loop_clock(head->loop), before);
    } else if (type == MSG_BLOB_GET) {
        blobs_on_get(head, peer->number, message);
    } else if (type == MSG_LOG_DATA) {
        follows_on_data(head, now, peer->number, message);
    } else if (type == MSG_LOGS_HELD) {
        on_logs_held(head->core, peer->number, message);
    } else if (type == MSG_SNAPSHOT_GET) {
        on_snapshot_get(head->core, peer->number, message);
    } else if (type == MSG_HEARTBEAT) {
        peer_heartbeat(head, now, peer, message);
    } else {
        is_taken = false;
    }
    arena_fini(&arena);
    return is_taken;
}

void peers_on_notice(void *context, router_refusal refusal, const char *who)
{
    (void)context;
    log_write(LOG_LEVEL_WARNING, "refused on the agents' socket: %s (%s); logged once",
              router_refusal_text(refusal), who);
}

void peers_send(struct head *head, uint64_t peer, struct bytes frame)
{
    /* Not connected, or not reading: at its next enrolment it is told everything that holds. */
    ignore_error(router_send(head->router, peer, frame), "told again at its next enrolment");
}
