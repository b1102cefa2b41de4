#include <signal.h>
#include <stdio.h>

#include "worker/core/gang.h"
#include "worker/core/ranks.h"

/* ---- timeouts of an attempt ---- */

struct attempt_timeout {
    end_cause cause;
    int64_t limit_ms; /* 0: none */
    time_ms since;
    bool applies;
    const char *format; /* of the reason; takes the seconds */
};

enum { TIMEOUTS = 3 };

static bool attempt_waits_for_us(const struct attempt *attempt)
{
    list_each (&attempt->connections, struct connection, link, connection) {
        if (connection->n_answers > 0) {
            return true;
        }
    }
    return false;
}

static void attempt_timeouts(const struct attempt *attempt, struct attempt_timeout *ret_timeouts)
{
    const struct msg_lease *lease = attempt->lease;
    /* What leaves already is judged by its grace alone. */
    bool is_judged = attempt->state == ATTEMPT_RUNNING && attempt->term_at == AGENT_NEVER;
    ret_timeouts[0] =
        (struct attempt_timeout){CAUSE_TIMEOUT_TRIAL, lease->timeout_trial_ms, attempt->clock_start,
                                 is_judged, "ran for %g s (timeouts.trial)"};
    ret_timeouts[1] = (struct attempt_timeout){CAUSE_TIMEOUT_SILENT, lease->timeout_silent_ms,
                                               attempt->last_activity,
                                               is_judged && !attempt_waits_for_us(attempt),
                                               "no output or report for %g s (timeouts.silent)"};
    ret_timeouts[2] = (struct attempt_timeout){
        CAUSE_TIMEOUT_START, lease->timeout_start_ms, attempt->clock_start,
        is_judged && lease->is_trial && !attempt->has_spoken && attempt->source == 0,
        "no word on its socket for %g s after its start (timeouts.start)"};
}

static time_ms timeout_at(const struct attempt_timeout *timeout)
{
    bool is_on = timeout->applies && timeout->limit_ms > 0;
    return is_on ? timeout->since + timeout->limit_ms : AGENT_NEVER;
}

static void attempt_timeouts_judge(struct agent *agent, time_ms now, struct attempt *attempt)
{
    struct attempt_timeout timeouts[TIMEOUTS];
    attempt_timeouts(attempt, timeouts);
    for (int i = 0; i < TIMEOUTS; i++) {
        if (now < timeout_at(&timeouts[i])) {
            continue;
        }
        char reason[AGENT_REASON_MAX];
        /* One argument, and the three formats above are the only ones. */
        ignore_error(snprintf(reason, sizeof reason, timeouts[i].format,
                              (double)timeouts[i].limit_ms / 1000.0) < 0,
                     "the cause says it too");
        agent_attempt_end(agent, attempt, timeouts[i].cause, reason, now,
                          now + attempt->lease->timeout_grace_ms);
        return;
    }
}

/* ---- an attempt ---- */

static void attempt_tick(struct agent *agent, time_ms now, struct attempt *attempt,
                         struct agent_outbox *out)
{
    if (attempt->block.n_rows > 0 && now - attempt->block.since >= ROWS_BLOCK_MS) {
        agent_report_flush(agent, now, attempt, false, out);
    }
    if (!agent_attempt_is_alive(attempt)) {
        return;
    }
    attempt_timeouts_judge(agent, now, attempt);
    agent_ranks_tick(agent, now, attempt, out);
    if (now >= attempt->tell_at) {
        agent_attempt_started_tell(agent, now, attempt, out);
    }
    if (now >= attempt->term_at) {
        agent_attempt_term(attempt, out);
    }
    if (now >= attempt->kill_at) {
        attempt->kill_at = AGENT_NEVER;
        agent_outbox_signal(out, attempt->ref, SIGKILL);
    }
}

static time_ms attempt_deadline(const struct attempt *attempt)
{
    time_ms next = AGENT_NEVER;
    if (attempt->block.n_rows > 0) {
        next = attempt->block.since + ROWS_BLOCK_MS;
    }
    if (!agent_attempt_is_alive(attempt)) {
        return next;
    }
    struct attempt_timeout timeouts[TIMEOUTS];
    attempt_timeouts(attempt, timeouts);
    for (int i = 0; i < TIMEOUTS; i++) {
        time_ms at = timeout_at(&timeouts[i]);
        next = at < next ? at : next;
    }
    time_ms ranks_at = agent_ranks_deadline(attempt);
    next = ranks_at < next ? ranks_at : next;
    next = attempt->term_at < next ? attempt->term_at : next;
    next = attempt->tell_at < next ? attempt->tell_at : next;
    return attempt->kill_at < next ? attempt->kill_at : next;
}

/* ---- the agent ---- */

static time_ms agent_deadline(const struct agent *agent)
{
    time_ms next = agent_link_deadline(agent);
    time_ms parts[] = {agent_answers_deadline(agent), agent_drain_deadline(agent),
                       agent_work_deadline(agent), agent_arrays_deadline(agent),
                       agent_copies_deadline(agent)};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        next = parts[i] < next ? parts[i] : next;
    }
    list_each (&agent->attempts, struct attempt, link, attempt) {
        time_ms at = attempt_deadline(attempt);
        next = at < next ? at : next;
    }
    return next;
}

void on_agent_tick(struct agent *agent, time_ms now, struct agent_outbox *out)
{
    if (now < agent->wake || agent->has_left) {
        return;
    }
    /* The events of a tick go into as few frames as they fit. */
    agent->is_gathering = true;
    agent_link_tick(agent, now, out);
    list_each (&agent->attempts, struct attempt, link, attempt) {
        attempt_tick(agent, now, attempt, out);
    }
    agent_work_tick(agent, now, out);
    agent_gangs_tick(agent, out);
    agent_copies_tick(agent, now, out);
    agent_answers_tick(agent, now, out);
    agent_arrays_tick(agent, now, out);
    agent->is_gathering = false;
    if (agent->link.state == LINK_WELCOMED) {
        agent_stream_send(&agent->stream, out);
    }
    agent_drain_tick(agent, now, out);
    agent->wake = agent_deadline(agent);
}

time_ms agent_next_deadline(const struct agent *agent)
{
    return agent->has_left ? AGENT_NEVER : agent->wake;
}

static void gap_move(time_ms *at, int64_t gap_ms)
{
    if (*at != AGENT_NEVER && *at != 0) {
        *at += gap_ms;
    }
}

/* Only what judges somebody by time moves; what we owe (heartbeat, alive lines, rows) is sent at
 * once. The deadline of a drain was given by the world outside, which did not stop with us. */
void agent_gap(struct agent *agent, int64_t gap_ms)
{
    gap_move(&agent->link.last_heard, gap_ms);
    gap_move(&agent->link.last_word, gap_ms);
    list_each (&agent->attempts, struct attempt, link, attempt) {
        gap_move(&attempt->last_activity, gap_ms);
        gap_move(&attempt->clock_start, gap_ms);
        gap_move(&attempt->term_at, gap_ms);
        gap_move(&attempt->kill_at, gap_ms);
        for (int i = 0; attempt->ranks != NULL && i < MEETINGS; i++) {
            gap_move(&attempt->ranks->meetings[i].since, gap_ms);
        }
    }
    list_each (&agent->held, struct connection, held_link, connection) {
        list_each (&connection->answers, struct answer, link, answer) {
            gap_move(&answer->since, gap_ms);
        }
    }
}
