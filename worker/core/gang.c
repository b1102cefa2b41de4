#include "worker/core/gang.h"

/* ---- held ---- */

void agent_gang_let_go(struct attempt *attempt, const char *reason, struct agent_outbox *out)
{
    attempt->is_held = false;
    agent_outbox_meet(out, attempt->ref, NULL, reason);
}

static const char *held_reason(const struct agent *agent, const struct attempt *attempt)
{
    return attempt->state == ATTEMPT_DISOWNED      ? "it is not wanted any more"
           : attempt->has_cause                    ? attempt->reason
           : agent_order_is_leave(&attempt->order) ? "told to leave before all its nodes were ready"
           : agent->is_draining || agent->is_leaving || attempt->drain_deadline != 0
               ? "one of its nodes is draining"
               : NULL;
}

static void held_judge(struct agent *agent, struct attempt *attempt, struct agent_outbox *out)
{
    const char *reason = attempt->is_held ? held_reason(agent, attempt) : NULL;
    if (reason != NULL) {
        agent_gang_let_go(attempt, reason, out);
    }
}

void agent_gangs_tick(struct agent *agent, struct agent_outbox *out)
{
    list_each (&agent->attempts, struct attempt, link, attempt) {
        held_judge(agent, attempt, out);
    }
}

void on_attempt_prepared(struct agent *agent, time_ms now, struct attempt_ref ref,
                         const char *address, uint32_t master_port, const char *peers,
                         struct agent_outbox *out)
{
    struct attempt *attempt = agent_attempt_find(agent, ref);
    if (attempt == NULL || attempt->is_held ||
        (attempt->state != ATTEMPT_STARTING && attempt->state != ATTEMPT_DISOWNED)) {
        return;
    }
    attempt->is_held = true;
    if (attempt->state == ATTEMPT_STARTING) {
        struct node_event event = {
            .kind = EVENT_PREPARED, .address = address, .master_port = master_port, .peers = peers};
        agent_event(agent, now, attempt, &event, out);
    }
    held_judge(agent, attempt, out);
}

/* ---- told ---- */

static void told_meet(struct agent *agent, time_ms now, struct attempt *attempt,
                      const struct msg_gang *message, struct agent_outbox *out)
{
    (void)agent;
    (void)now;
    if (attempt->is_held) { /* else it has started, or was told to end first */
        attempt->is_held = false;
        agent_outbox_meet(out, attempt->ref, message, NULL);
    }
}

static void told_end(struct agent *agent, time_ms now, struct attempt *attempt,
                     const struct msg_gang *message, struct agent_outbox *out)
{
    time_ms term_at = now + (message->wait_ms > 0 ? message->wait_ms : 0);
    time_ms kill_at = term_at + (message->grace_ms > 0 ? message->grace_ms : 0);
    const char *reason =
        message->reason != NULL ? message->reason : "another part of its attempt has ended";
    agent_attempt_end(agent, attempt, CAUSE_TOLD, reason, term_at, kill_at);
    held_judge(agent, attempt, out);
    agent_wake_at(agent, now); /* it may wait for its folder */
}

static void told_hand_back(struct agent *agent, time_ms now, struct attempt *attempt,
                           const struct msg_gang *message, struct agent_outbox *out)
{
    if (agent->is_draining || agent->is_leaving || attempt->drain_deadline != 0) {
        return; /* told already */
    }
    attempt->drain_deadline = now + (message->grace_ms > 0 ? message->grace_ms : 0);
    if (agent_attempt_is_alive(attempt)) {
        agent_drain_attempt(agent, now, attempt);
        agent_answers_pump(agent, now, attempt, out);
    }
    held_judge(agent, attempt, out);
    agent_wake_at(agent, now);
}

static void (*const told_table[])(struct agent *agent, time_ms now, struct attempt *attempt,
                                  const struct msg_gang *message, struct agent_outbox *out) = {
    [GANG_MEET] = told_meet,
    [GANG_END] = told_end,
    [GANG_HAND_BACK] = told_hand_back,
};

void agent_gang_told(struct agent *agent, time_ms now, const struct msg_gang *message,
                     struct agent_outbox *out)
{
    struct attempt *attempt =
        agent_attempt_find(agent, (struct attempt_ref){message->task, message->attempt});
    bool is_here = attempt != NULL && attempt->lane == NULL &&
                   agent_lease_is_gang(attempt->lease) &&
                   (attempt->state == ATTEMPT_STARTING || agent_attempt_is_alive(attempt));
    if (is_here) {
        told_table[message->act](agent, now, attempt, message, out);
    }
}
