#include <signal.h>
#include <stdio.h>

#include "worker/core/gang.h"
#include "worker/core/ranks.h"

static int64_t drain_shorter(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* A trainer that can save is told so by its next answers and has half of the time left for it;
 * every other one gets SIGTERM now. SIGKILL leaves the last quarter for the results to reach the
 * head. */
void agent_drain_attempt(struct agent *agent, time_ms now, struct attempt *attempt)
{
    int64_t grace_ms = attempt->lease->timeout_grace_ms;
    if (agent->is_leaving) {
        agent_attempt_end(agent, attempt, CAUSE_AGENT_LEFT, "the cluster was shut down", now,
                          now + drain_shorter(grace_ms, AGENT_LEAVE_GRACE_MS));
        return;
    }
    time_ms deadline = agent->is_draining ? agent->drain_deadline : attempt->drain_deadline;
    int64_t total_ms = deadline > now ? deadline - now : 0;
    bool can_be_told = attempt->lease->is_trial && attempt->has_spoken &&
                       (attempt->can & (CAN_PAUSE | CAN_CHECKPOINT)) != 0;
    attempt->is_told_by_drain = can_be_told;
    if (can_be_told && attempt->ranks != NULL) {
        agent_ranks_drained(attempt);
    }
    /* The head asks the first node's ranks to leave, and these follow them. */
    bool has_time = can_be_told || agent_lease_is_other_part(attempt->lease);
    time_ms term_at = has_time ? now + drain_shorter(grace_ms, total_ms / 2) : now;
    agent_attempt_end(agent, attempt, CAUSE_AGENT_LEFT, "its node was told to leave", term_at,
                      term_at + drain_shorter(grace_ms, total_ms / 4));
}

static void drain_begin(struct agent *agent, time_ms now, struct agent_outbox *out)
{
    if (!agent->is_drain_told) {
        agent->is_drain_told = true;
        struct node_event event = {.kind = EVENT_DRAINING,
                                   .leaves_in_ms = agent_drain_left(agent, now)};
        agent_event(agent, now, NULL, &event, out);
    }
    agent_arrays_hand_back(agent, now, out);
    list_each (&agent->attempts, struct attempt, link, attempt) {
        if (agent_attempt_is_alive(attempt)) {
            agent_drain_attempt(agent, now, attempt);
        }
    }
    agent->wake = now;
}

void on_drain(struct agent *agent, time_ms now, time_ms deadline, struct agent_outbox *out)
{
    if (agent->is_draining || agent->is_leaving) {
        agent->drain_deadline = drain_shorter(agent->drain_deadline, deadline);
        agent->wake = now;
        return;
    }
    agent->is_draining = true;
    agent->drain_deadline = deadline;
    drain_begin(agent, now, out);
}

/* The head's drain: what is here is handed back, and the agent stays. One that is just being made
 * is told once it runs. */
void agent_hand_back(struct agent *agent, time_ms now, int64_t grace_ms, struct agent_outbox *out)
{
    if (agent->is_draining || agent->is_leaving) {
        return; /* told already */
    }
    agent_arrays_hand_back(agent, now, out);
    list_each (&agent->attempts, struct attempt, link, attempt) {
        if (attempt->drain_deadline != 0 || agent_lease_is_other_part(attempt->lease)) {
            continue; /* told; or it follows the first node's ranks, whose agent is told */
        }
        attempt->drain_deadline = now + (grace_ms > 0 ? grace_ms : 0);
        if (agent_attempt_is_alive(attempt)) {
            agent_drain_attempt(agent, now, attempt);
        }
    }
    agent->wake = now;
}

void agent_leave(struct agent *agent, time_ms now, struct agent_outbox *out)
{
    if (agent->is_leaving) {
        return;
    }
    time_ms deadline = now + 3 * AGENT_LEAVE_GRACE_MS;
    agent->drain_deadline =
        agent->is_draining ? drain_shorter(agent->drain_deadline, deadline) : deadline;
    agent->is_leaving = true;
    drain_begin(agent, now, out);
}

/* Something of it may still run, or its files are still being written. */
static bool drain_is_present(const struct attempt *attempt)
{
    return attempt->state != ATTEMPT_ENDED;
}

static bool drain_has_present(const struct agent *agent)
{
    list_each (&agent->attempts, struct attempt, link, attempt) {
        if (drain_is_present(attempt)) {
            return true;
        }
    }
    return false;
}

/* ---- what lies here alone ---- */

static bool drain_has_snapshots(const struct agent *agent)
{
    for (uint32_t i = 0; i < agent->n_snapshots; i++) {
        if (agent->snapshots[i].is_committed) {
            return true;
        }
    }
    return false;
}

void agent_drain_owed(struct agent *agent, time_ms now, const struct msg_owed *owed,
                      struct agent_outbox *out)
{
    if (!agent->is_draining || agent->is_leaving || agent->has_left) {
        return;
    }
    char line[REPORT_TEXT_MAX + 64];
    agent->owed.is_told = true;
    agent->owed.n_snapshots = owed->n_snapshots;
    ignore_error(snprintf(agent->owed.text, sizeof agent->owed.text, "%s", owed->text) < 0,
                 "the number says it too");
    if (owed->n_snapshots > 0) {
        ignore_error(snprintf(line, sizeof line, "draining: waiting until other nodes have %s",
                              owed->text) < 0,
                     "stays empty");
        agent_outbox_say(out, line);
    } else if (owed->n_stranded > 0) {
        ignore_error(
            snprintf(line, sizeof line, "draining: no other node can take %s", owed->text) < 0,
            "stays empty");
        agent_outbox_say(out, line);
    }
    agent->wake = now;
}

/* Others may need what lies on this disk, and copy it from here; the head says when they have it.
 * One that is away may come back in a moment. */
static bool drain_owes(const struct agent *agent, time_ms now)
{
    if (agent->is_leaving || agent->welcomes == 0 || !drain_has_snapshots(agent)) {
        return false;
    }
    bool is_away =
        agent->link.state == LINK_DOWN && now - agent->link.last_heard >= AGENT_OWED_PATIENCE_MS;
    return !is_away && !(agent->owed.is_told && agent->owed.n_snapshots == 0);
}

static void drain_say_left(const struct agent *agent, struct agent_outbox *out)
{
    char line[REPORT_TEXT_MAX + 64];
    if (agent->owed.is_told && agent->owed.n_snapshots > 0) {
        ignore_error(snprintf(line, sizeof line, "left at the deadline, and no other node has %s",
                              agent->owed.text) < 0,
                     "stays empty");
        agent_outbox_say(out, line);
    }
}

void agent_drain_tick(struct agent *agent, time_ms now, struct agent_outbox *out)
{
    if ((!agent->is_draining && !agent->is_leaving) || agent->has_left) {
        return;
    }
    /* A head that shuts the cluster down waits for the results, but not for ever: gone is gone. One
     * that never let this agent in waits for nothing. */
    bool is_told_all = list_is_empty(&agent->stream.kept) || agent->welcomes == 0 ||
                       (agent->is_leaving && agent->link.state == LINK_DOWN);
    bool owes = drain_owes(agent, now);
    bool is_done = !drain_has_present(agent) && is_told_all && !owes;
    agent->owed.look_at = owes && agent->link.state == LINK_DOWN
                              ? agent->link.last_heard + AGENT_OWED_PATIENCE_MS
                              : AGENT_NEVER;
    if (!is_done && now < agent->drain_deadline) {
        return;
    }
    list_each (&agent->attempts, struct attempt, link, attempt) {
        if (drain_is_present(attempt)) {
            agent_outbox_signal(out, attempt->ref, SIGKILL);
        }
    }
    if (!is_done && !agent->is_leaving) {
        drain_say_left(agent, out);
    }
    agent->has_left = true;
    if (!agent->is_leaving && agent->link.state == LINK_WELCOMED) {
        const struct msg_heartbeat last = {.incarnation = agent->enrol->incarnation,
                                           .has_left = true};
        agent_outbox_send(out, MSG_HEARTBEAT, &last);
    }
    agent_outbox_exit(out, is_done || agent->is_leaving ? 0 : 1);
}

int64_t agent_drain_left(const struct agent *agent, time_ms now)
{
    bool is_on = agent->is_draining || agent->is_leaving;
    return is_on && agent->drain_deadline > now ? agent->drain_deadline - now : 0;
}

time_ms agent_drain_deadline(const struct agent *agent)
{
    bool is_on = (agent->is_draining || agent->is_leaving) && !agent->has_left;
    return is_on ? drain_shorter(agent->drain_deadline, agent->owed.look_at) : AGENT_NEVER;
}
