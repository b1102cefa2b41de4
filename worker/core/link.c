#include <assert.h>

#include "base/mem.h"
#include "base/planted.h"
#include "worker/core/gang.h"

/* ---- out: enrol, heartbeat, reconnect ---- */

static void enrol_running(const struct agent *agent, struct msg_enrol *enrol,
                          struct running_ref *running)
{
    list_each (&agent->attempts, struct attempt, link, attempt) {
        if (attempt->state != ATTEMPT_DISOWNED && attempt->lane == NULL) {
            running[enrol->n_running++] =
                (struct running_ref){attempt->ref.task, attempt->ref.attempt, attempt->order.n};
        }
    }
    enrol->running = running;
}

static void enrol_snapshots(struct agent *agent, struct msg_enrol *enrol,
                            struct snapshot_name *names)
{
    for (uint32_t i = 0; i < agent->n_snapshots; i++) {
        struct known_snapshot *known = &agent->snapshots[i];
        /* What an event is about to tell is judged by the head when that comes. */
        known->is_unlisted = known->copied > agent->stream.acked;
        if (known->is_committed && !known->is_unlisted) {
            names[enrol->n_snapshots++] = known->name;
        }
    }
    enrol->snapshots = names;
}

static void link_enrol(struct agent *agent, time_ms now, struct agent_outbox *out)
{
    struct agent_link *link = &agent->link;
    link->state = LINK_ENROLLING;
    link->last_enrol = now;
    link->enrol_at = now + AGENT_ENROL_AGAIN_MS;
    agent_wake_at(agent, link->enrol_at);
    agent_stream_rewind(&agent->stream);

    CLEANUP(mem_freep) struct running_ref *running = mem_calloc(agent->n_attempts, sizeof *running);
    CLEANUP(mem_freep) struct snapshot_name *names = mem_calloc(agent->n_snapshots, sizeof *names);
    if (running == NULL || names == NULL) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    struct msg_enrol enrol = *agent->enrol;
    CLEANUP(arena_fini) struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    error_code error = agent_arrays_enrol(agent, now, &arena, &enrol, out);
    if (error != OK) {
        agent_outbox_fail(out, error);
        return;
    }
    enrol_running(agent, &enrol, running);
    enrol_snapshots(agent, &enrol, names);
    enrol.first_event = agent->stream.acked + 1;
    enrol.last_event = agent->stream.next - 1;
    enrol.epoch = link->epoch;
    enrol.enrolment = ++link->enrolments;
    enrol.is_draining = agent->is_draining || agent->is_leaving;
    enrol.leaves_in_ms = agent_drain_left(agent, now);
    agent->owed.is_told = false;
    agent_outbox_send(out, MSG_ENROL, &enrol);
}

static void link_reconnect(struct agent *agent, time_ms now, struct agent_outbox *out)
{
    struct agent_link *link = &agent->link;
    int64_t half_ms = link->backoff_ms / 2;
    int64_t wait_ms = half_ms + (int64_t)random_below(&agent->random, (uint64_t)half_ms + 1);
    link->state = LINK_DOWN;
    link->backoff_ms *= 2;
    if (link->backoff_ms > AGENT_BACKOFF_MAX_MS) {
        link->backoff_ms = AGENT_BACKOFF_MAX_MS;
    }
    agent_stream_rewind(&agent->stream);
    agent_outbox_reconnect(out, now + wait_ms);
}

void on_link_up(struct agent *agent, time_ms now, struct agent_outbox *out)
{
    if (agent->link.last_word == 0) {
        agent->link.last_word = now; /* the orphan's clock starts with the first connection */
    }
    agent->link.last_heard = now;
    agent->wake = now;
    link_enrol(agent, now, out);
}

void on_link_down(struct agent *agent, time_ms now, struct agent_outbox *out)
{
    (void)out;
    agent->link.state = LINK_DOWN;
    agent->wake = now;
    agent_stream_rewind(&agent->stream);
}

/* ---- in ---- */

/* A head that was fenced off may still talk: it is not listened to. */
static bool link_epoch_take(struct agent *agent, time_ms now, uint64_t epoch,
                            struct agent_outbox *out)
{
    if (epoch < agent->link.epoch && !PLANTED(skip_epoch)) {
        link_reconnect(agent, now, out);
        return false;
    }
    agent->link.epoch = epoch;
    return true;
}

static void link_event_acked(struct agent *agent, time_ms now, const struct kept_event *event,
                             struct agent_outbox *out)
{
    agent_array_acked(agent, event, out);
    struct attempt *attempt = agent_attempt_find(agent, event->ref);
    if (attempt == NULL) {
        return;
    }
    if (event->kind == EVENT_BYE || event->kind == EVENT_MILESTONE) {
        agent_answers_pump(agent, now, attempt, out);
    } else if (event->kind == EVENT_RESULT && attempt->state == ATTEMPT_ENDED) {
        agent_attempt_acked(agent, attempt, out);
    }
}

/* False: the head claims events that were never made. */
static bool link_acked(struct agent *agent, time_ms now, uint64_t applied, struct agent_outbox *out)
{
    if (applied >= agent->stream.next) {
        return false;
    }
    struct kept_event *event;
    while ((event = agent_stream_acked_next(&agent->stream, applied)) != NULL) {
        link_event_acked(agent, now, event, out);
        mem_free(event);
    }
    if (agent->is_draining || agent->is_leaving) {
        agent_wake_at(agent, now); /* perhaps that was all */
    }
    return true;
}

static void link_holds(struct agent *agent, const struct msg_welcome *welcome,
                       struct agent_outbox *out)
{
    uint64_t mark = ++agent->welcomes;
    for (uint32_t i = 0; i < welcome->n_holds; i++) {
        struct attempt_ref ref = {welcome->holds[i].task, welcome->holds[i].attempt};
        struct attempt *attempt = agent_attempt_find(agent, ref);
        if (attempt != NULL) {
            attempt->welcome_mark = mark;
        }
    }
    list_each (&agent->attempts, struct attempt, link, attempt) {
        if (attempt->lane == NULL && attempt->welcome_mark != mark) {
            agent_attempt_gone(agent, attempt, out);
        }
    }
}

static void head_welcome(struct agent *agent, time_ms now, const void *message,
                         struct agent_outbox *out)
{
    const struct msg_welcome *welcome = message;
    struct agent_link *link = &agent->link;
    if (!link_epoch_take(agent, now, welcome->epoch, out)) {
        return;
    }
    if (welcome->enrolment != 0 &&
        (welcome->enrolment != link->enrolments || welcome->enrolment == link->welcomed)) {
        return; /* of an earlier one, or here twice: attempts have been leased since that it does
                   not name */
    }
    if (!link_acked(agent, now, welcome->applied, out)) {
        link_reconnect(agent, now, out);
        return;
    }
    link->state = LINK_WELCOMED;
    link->welcomed = welcome->enrolment;
    link->enrol_at = AGENT_NEVER;
    link->backoff_ms = AGENT_BACKOFF_MIN_MS;
    link->orphan_timeout_ms = welcome->orphan_timeout_ms;
    link->heartbeat_ms = welcome->heartbeat_ms > 0 ? welcome->heartbeat_ms : AGENT_HEARTBEAT_MS;
    link->heartbeat_at = now + link->heartbeat_ms;
    agent->wake = now;
    /* A welcome answers an enrolment: whatever was sent before it may be lost. What the head has it
     * leaves out. */
    agent_stream_rewind(&agent->stream);
    link_holds(agent, welcome, out);
    agent_work_welcomed(agent, now, out);
    agent_copies_welcomed(agent, now, out);
    agent_snapshots_tell_again(agent, now, out);
    agent_stream_send(&agent->stream, out);
}

static void head_refused(struct agent *agent, time_ms now, const void *message,
                         struct agent_outbox *out)
{
    const struct msg_refused *refused = message;
    if (link_epoch_take(agent, now, refused->epoch, out)) {
        link_reconnect(agent, now, out);
    }
}

static void head_who(struct agent *agent, time_ms now, const void *message,
                     struct agent_outbox *out)
{
    const struct msg_who *who = message;
    struct agent_link *link = &agent->link;
    if (!link_epoch_take(agent, now, who->epoch, out)) {
        return;
    }
    if (now - link->last_enrol >= AGENT_ENROL_PAUSE_MS) {
        link_enrol(agent, now, out);
        return;
    }
    link->state = LINK_ENROLLING;
    link->enrol_at = link->last_enrol + AGENT_ENROL_PAUSE_MS;
    agent_wake_at(agent, link->enrol_at);
}

static void head_leave(struct agent *agent, time_ms now, const void *message,
                       struct agent_outbox *out)
{
    const struct msg_leave *leave = message;
    if (link_epoch_take(agent, now, leave->epoch, out)) {
        agent_leave(agent, now, out);
    }
}

static void head_lease(struct agent *agent, time_ms now, const void *message,
                       struct agent_outbox *out)
{
    agent_attempt_lease(agent, now, message, out);
}

static void head_order(struct agent *agent, time_ms now, const void *message,
                       struct agent_outbox *out)
{
    const struct msg_order *order = message;
    struct attempt *attempt =
        agent_attempt_find(agent, (struct attempt_ref){order->task, order->attempt});
    if (attempt != NULL && attempt->state != ATTEMPT_DISOWNED) {
        if (order->order.act == ACT_EXPLOIT) {
            agent_exploit_told(agent, now, attempt, order, out);
        }
        agent_order_apply(agent, now, attempt, &order->order, out);
    }
}

static void head_ack(struct agent *agent, time_ms now, const void *message,
                     struct agent_outbox *out)
{
    const struct msg_ack *ack = message;
    if (ack->incarnation != agent->enrol->incarnation) {
        return;
    }
    if (!link_acked(agent, now, ack->applied, out)) {
        link_reconnect(agent, now, out);
        return;
    }
    if (ack->heartbeat_ms > 0) {
        agent->link.heartbeat_ms = ack->heartbeat_ms;
        agent->link.heartbeat_at = now + ack->heartbeat_in_ms;
    }
    agent_stream_send(&agent->stream, out);
}

static void head_gone(struct agent *agent, time_ms now, const void *message,
                      struct agent_outbox *out)
{
    const struct msg_gone *gone = message;
    (void)now;
    struct attempt *attempt =
        agent_attempt_find(agent, (struct attempt_ref){gone->task, gone->attempt});
    if (attempt != NULL) {
        agent_attempt_gone(agent, attempt, out);
    }
}

static void head_drain(struct agent *agent, time_ms now, const void *message,
                       struct agent_outbox *out)
{
    const struct msg_drain *drain = message;
    if (link_epoch_take(agent, now, drain->epoch, out)) {
        agent_hand_back(agent, now, drain->grace_ms, out);
    }
}

static void head_owed(struct agent *agent, time_ms now, const void *message,
                      struct agent_outbox *out)
{
    const struct msg_owed *owed = message;
    if (link_epoch_take(agent, now, owed->epoch, out)) {
        agent_drain_owed(agent, now, owed, out);
    }
}

static void head_drop(struct agent *agent, time_ms now, const void *message,
                      struct agent_outbox *out)
{
    (void)now;
    agent_snapshots_drop(agent, message, out);
}

static void head_logs_drop(struct agent *agent, time_ms now, const void *message,
                           struct agent_outbox *out)
{
    (void)now;
    agent_logs_drop(agent, message, out);
}

static void head_lend(struct agent *agent, time_ms now, const void *message,
                      struct agent_outbox *out)
{
    (void)agent;
    (void)now;
    agent_outbox_lend(out, message);
}

static void head_keep(struct agent *agent, time_ms now, const void *message,
                      struct agent_outbox *out)
{
    agent_copies_keep(agent, now, message, out);
}

static void head_source(struct agent *agent, time_ms now, const void *message,
                        struct agent_outbox *out)
{
    agent_source_told(agent, now, message, out);
}

static void head_gang(struct agent *agent, time_ms now, const void *message,
                      struct agent_outbox *out)
{
    agent_gang_told(agent, now, message, out);
}

static void head_blob(struct agent *agent, time_ms now, const void *message,
                      struct agent_outbox *out)
{
    agent_work_piece(agent, now, message, out);
}

static void head_array(struct agent *agent, time_ms now, const void *message,
                       struct agent_outbox *out)
{
    agent_array_take(agent, now, message, out);
}

static void head_ranges(struct agent *agent, time_ms now, const void *message,
                        struct agent_outbox *out)
{
    const struct msg_ranges *ranges = message;
    if (ranges->incarnation == agent->enrol->incarnation &&
        !link_acked(agent, now, ranges->applied, out)) {
        link_reconnect(agent, now, out);
        return;
    }
    agent_ranges_take(agent, now, ranges, out);
}

static void head_take_back(struct agent *agent, time_ms now, const void *message,
                           struct agent_outbox *out)
{
    agent_take_back(agent, now, message, out);
}

static const struct head_handler {
    message_type type;
    bool needs_welcome; /* else it may come while we enrol */
    void (*handle)(struct agent *agent, time_ms now, const void *message, struct agent_outbox *out);
} head_handlers[] = {
    {MSG_WELCOME, false, head_welcome},
    {MSG_REFUSED, false, head_refused},
    {MSG_WHO, false, head_who},
    {MSG_LEAVE, false, head_leave},
    {MSG_LEASE, true, head_lease},
    {MSG_ORDER, true, head_order},
    {MSG_ACK, true, head_ack},
    {MSG_GONE, true, head_gone},
    {MSG_DROP, true, head_drop},
    {MSG_DRAIN, true, head_drain},
    {MSG_BLOB, true, head_blob},
    {MSG_ARRAY, true, head_array},
    {MSG_RANGES, true, head_ranges},
    {MSG_TAKE_BACK, true, head_take_back},
    {MSG_LOGS_DROP, true, head_logs_drop},
    {MSG_LEND, true, head_lend},
    {MSG_SOURCE, true, head_source},
    {MSG_KEEP, true, head_keep},
    {MSG_GANG, true, head_gang},
    {MSG_OWED, true, head_owed},
};

void on_head_message(struct agent *agent, time_ms now, message_type type, const void *message,
                     struct agent_outbox *out)
{
    if (agent->link.state == LINK_DOWN) {
        return; /* of a connection that is over */
    }
    for (size_t i = 0; i < sizeof head_handlers / sizeof head_handlers[0]; i++) {
        const struct head_handler *handler = &head_handlers[i];
        if (handler->type != type) {
            continue;
        }
        agent->link.last_heard = now;
        if (type != MSG_REFUSED) {
            /* A head that lets this agent not in looks after nothing of what runs here. */
            agent->link.last_word = now;
        }
        if (!handler->needs_welcome || agent->link.state == LINK_WELCOMED) {
            handler->handle(agent, now, message, out);
        }
        return;
    }
}

/* ---- time ---- */

static void link_orphan_end(struct agent *agent, time_ms now, struct agent_outbox *out)
{
    agent_arrays_hand_back(agent, now, out);
    list_each (&agent->attempts, struct attempt, link, attempt) {
        if (agent_attempt_is_alive(attempt)) {
            agent_attempt_end(agent, attempt, CAUSE_AGENT_LEFT,
                              "its node heard nothing of a head (orphan_timeout)", now,
                              now + attempt->lease->timeout_grace_ms);
        }
    }
}

static time_ms link_orphan_at(const struct agent *agent)
{
    const struct agent_link *link = &agent->link;
    bool is_possible = link->orphan_timeout_ms > 0 &&
                       (!list_is_empty(&agent->attempts) || agent_arrays_hold(agent));
    return is_possible ? link->last_word + link->orphan_timeout_ms : AGENT_NEVER;
}

void agent_link_tick(struct agent *agent, time_ms now, struct agent_outbox *out)
{
    struct agent_link *link = &agent->link;
    if (now >= link_orphan_at(agent)) {
        link_orphan_end(agent, now, out);
        link->last_word = now; /* and what starts after it has its own time */
    }
    if (link->state == LINK_DOWN) {
        return;
    }
    if (now - link->last_heard >= AGENT_SILENCE_MS) {
        link_reconnect(agent, now, out);
    } else if (link->state == LINK_ENROLLING && now >= link->enrol_at) {
        link_enrol(agent, now, out);
    } else if (link->state == LINK_WELCOMED && now >= link->heartbeat_at) {
        struct msg_heartbeat heartbeat = {.incarnation = agent->enrol->incarnation,
                                          .cpu_permille = link->cpu_permille,
                                          .memory_used_bytes = link->memory_used_bytes,
                                          .cache_bytes = link->cache_bytes,
                                          .cache_max_bytes = link->cache_max_bytes};
        agent_outbox_send(out, MSG_HEARTBEAT, &heartbeat);
        link->heartbeat_at += link->heartbeat_ms; /* in step, if this one was in time */
        link->heartbeat_at =
            link->heartbeat_at > now ? link->heartbeat_at : now + link->heartbeat_ms;
    }
}

time_ms agent_link_deadline(const struct agent *agent)
{
    const struct agent_link *link = &agent->link;
    time_ms next = link_orphan_at(agent);
    if (link->state == LINK_DOWN) {
        return next;
    }
    time_ms silent_at = link->last_heard + AGENT_SILENCE_MS;
    time_ms talk_at = link->state == LINK_ENROLLING ? link->enrol_at : link->heartbeat_at;
    next = silent_at < next ? silent_at : next;
    return talk_at < next ? talk_at : next;
}
