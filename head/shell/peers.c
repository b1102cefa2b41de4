/* Agents' frames become core events, the core's frames leave. An unknown key may enrol and nothing
 * else. */
#include "head/shell/shell.h"
#include "net/keys.h"
#include "sys/log.h"

/* The join key's secret admits; from then on the key that enrolled owns its node's incarnation. */
static bool peer_enrol(struct head *head, time_ms now, const struct router_peer *peer,
                       const struct msg_enrol *msg)
{
    if (!secret_equal(head->join.secret, msg->secret)) {
        struct msg_refused refused = {head->epoch, error_word(ERR_NOT_ALLOWED),
                                      "the join key is not this cluster's"};
        struct buf frame;
        buf_init(&frame, MSG_MAX_BYTES);
        if (message_encode(MSG_REFUSED, &refused, &frame) == OK) {
            peers_send(head, peer->number, buf_bytes(&frame));
        }
        buf_fini(&frame);
        log_once("join-key", LOG_LEVEL_WARNING,
                 "a worker that calls itself '%s' came with a wrong join key", peer->node);
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
    if (before != 0 && before != peer->number &&
        core_node_peer(head->core, msg->node) == peer->number) {
        router_peer_forget(head->router, before);
    }
    return true;
}

/* Answered at once, not with a batch: an agent that hears nothing for ten seconds connects anew.
 * The acknowledgement of events comes with their batch; this one tells of none. */
static void peer_heartbeat(struct head *head, time_ms now, const struct router_peer *peer,
                           const struct msg_heartbeat *msg)
{
    struct msg_ack ack = {.incarnation = msg->incarnation, .applied = 0};
    struct buf frame;
    buf_init(&frame, MSG_MAX_BYTES);
    if (message_encode(MSG_ACK, &ack, &frame) == OK) {
        peers_send(head, peer->number, buf_bytes(&frame));
    }
    buf_fini(&frame);
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
    bool is_taken = message_decode(frame, &arena, &type, &message, &report) == OK;
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
        on_events(head->core, now, peer->number, message);
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
