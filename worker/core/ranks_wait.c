/* Where ranks wait for one another, and how long. The first one that comes begins a meeting; it is
 * over when nobody is missing. */
#include <inttypes.h>
#include <stdio.h>

#include "worker/core/ranks.h"

/* A program may have rank 0 alone speak to us, or its other ranks may not have come so far: for so
 * long the first save waits to see it. */
enum { RANKS_OPEN_MS = 10000 };

/* ---- who is missing ---- */

/* Programs of which rank 0 alone speaks to us are as good: ranks that never do are not waited for.
 */
static bool milestone_is_missing(const struct attempt *attempt, uint32_t rank)
{
    const struct meeting *meeting = &attempt->ranks->meetings[MEETING_MILESTONE];
    uint64_t weights = agent_rank_weights(attempt, rank);
    bool is_expected = rank == 0 || attempt->ranks->has_reported;
    return is_expected &&
           (weights < meeting->weights ||
            (weights == meeting->weights && agent_rank_step(attempt, rank) < meeting->step));
}

static bool save_is_missing(const struct attempt *attempt, uint32_t rank)
{
    const struct ranks *ranks = attempt->ranks;
    bool is_expected = rank == 0 || ranks->has_opened || !ranks->is_alone;
    return is_expected && !ranks->ranks[rank].has_committed;
}

/* The others take the weights that rank 0 has taken. */
static bool exploit_is_missing(const struct attempt *attempt, uint32_t rank)
{
    return rank == 0 && agent_exploit_is_due(attempt);
}

static const struct {
    bool (*is_missing)(const struct attempt *attempt, uint32_t rank);
    const char *format; /* takes the rank, the step and the seconds */
} meetings[MEETINGS] = {
    [MEETING_MILESTONE] = {milestone_is_missing, "rank %" PRIu32 " did not report step %" PRId64
                                                 " within %g s of the first (timeouts.rank)"},
    [MEETING_SAVE] = {save_is_missing, "rank %" PRIu32 " did not commit its part of step %" PRId64
                                       " within %g s of the first (timeouts.rank); every rank "
                                       "that has opened the trial takes part in a save"},
    [MEETING_EXPLOIT] = {exploit_is_missing,
                         "rank %" PRIu32 " did not ask for the weights to exploit after step "
                         "%" PRId64 " within %g s of the first (timeouts.rank)"},
};

int64_t agent_meeting_missing(const struct attempt *attempt, meeting_kind kind)
{
    for (uint32_t i = 0; i < attempt->ranks->n; i++) {
        if (!attempt->ranks->ranks[i].has_ended && meetings[kind].is_missing(attempt, i)) {
            return i;
        }
    }
    return -1;
}

/* ---- time ---- */

static time_ms alone_at(const struct attempt *attempt)
{
    const struct ranks *ranks = attempt->ranks;
    bool is_open =
        ranks->has_opened || ranks->is_alone || ranks->meetings[MEETING_SAVE].since == AGENT_NEVER;
    return is_open ? AGENT_NEVER : ranks->meetings[MEETING_SAVE].since + RANKS_OPEN_MS;
}

void agent_meeting_begin(struct agent *agent, time_ms now, struct attempt *attempt,
                         meeting_kind kind, int64_t step)
{
    struct meeting *meeting = &attempt->ranks->meetings[kind];
    if (meeting->since != AGENT_NEVER && agent_meeting_missing(attempt, kind) >= 0) {
        return; /* the one before is not over: who is missing there is missing here */
    }
    *meeting = (struct meeting){.since = now, .step = step, .weights = attempt->taken.n};
    if (attempt->lease->timeout_rank_ms > 0) {
        agent_wake_at(agent, now + attempt->lease->timeout_rank_ms);
    }
    agent_wake_at(agent, alone_at(attempt));
}

/* What leaves already is judged by its grace alone. */
static bool meeting_is_judged(const struct attempt *attempt, const struct meeting *meeting)
{
    return meeting->since != AGENT_NEVER && attempt->lease->timeout_rank_ms > 0 &&
           attempt->state == ATTEMPT_RUNNING && attempt->term_at == AGENT_NEVER;
}

static void ranks_judge(struct agent *agent, time_ms now, struct attempt *attempt)
{
    int64_t limit_ms = attempt->lease->timeout_rank_ms;
    for (meeting_kind kind = 0; kind < MEETINGS; kind++) {
        struct meeting *meeting = &attempt->ranks->meetings[kind];
        if (!meeting_is_judged(attempt, meeting) || now < meeting->since + limit_ms) {
            continue;
        }
        int64_t missing = agent_meeting_missing(attempt, kind);
        int64_t step = meeting->step;
        meeting->since = AGENT_NEVER;
        if (missing < 0) {
            continue;
        }
        char reason[AGENT_REASON_MAX];
        /* The formats of the table take just these. */
        ignore_error(snprintf(reason, sizeof reason, meetings[kind].format, (uint32_t)missing, step,
                              (double)limit_ms / 1000.0) < 0,
                     "the cause says it too");
        agent_attempt_end(agent, attempt, CAUSE_TIMEOUT_RANK, reason, now,
                          now + attempt->lease->timeout_grace_ms);
        return;
    }
}

void agent_ranks_tick(struct agent *agent, time_ms now, struct attempt *attempt,
                      struct agent_outbox *out)
{
    if (attempt->ranks == NULL) {
        return;
    }
    if (now >= alone_at(attempt)) {
        attempt->ranks->is_alone = true;
        agent_ranks_save_settle(agent, now, attempt, out);
    }
    ranks_judge(agent, now, attempt);
}

time_ms agent_ranks_deadline(const struct attempt *attempt)
{
    if (attempt->ranks == NULL) {
        return AGENT_NEVER;
    }
    time_ms next = alone_at(attempt);
    for (meeting_kind kind = 0; kind < MEETINGS; kind++) {
        const struct meeting *meeting = &attempt->ranks->meetings[kind];
        if (meeting_is_judged(attempt, meeting)) {
            time_ms at = meeting->since + attempt->lease->timeout_rank_ms;
            next = at < next ? at : next;
        }
    }
    return next;
}
