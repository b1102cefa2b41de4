#include "worker/core/ranks.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "spec/types.h"
#include "worker/core/gang.h"

enum { RANKS_GRACE_MS = 3000 }; /* one is lost: SIGTERM for the others, and SIGKILL so much later */

/* ---- its life ---- */

error_code agent_ranks_new(struct attempt *attempt, uint32_t n)
{
    assert(attempt->ranks == NULL && n > 1 && n <= SPEC_RANKS_MAX);
    struct ranks *ranks = mem_zalloc(sizeof *ranks + n * sizeof ranks->ranks[0]);
    if (ranks == NULL) {
        return ERR_NO_MEMORY;
    }
    ranks->n = n;
    ranks->held_step = -1;
    for (uint32_t i = 0; i < MEETINGS; i++) {
        ranks->meetings[i].since = AGENT_NEVER;
    }
    attempt->ranks = ranks;
    return OK;
}

void agent_ranks_free(struct attempt *attempt)
{
    if (attempt->ranks != NULL) {
        mem_free(attempt->ranks->save_dir);
        mem_free(attempt->ranks);
        attempt->ranks = NULL;
    }
}

/* ---- what is true of a rank ---- */

static struct rank *rank_of(const struct connection *connection)
{
    return &connection->attempt->ranks->ranks[connection->rank];
}

int64_t agent_rank_step(const struct attempt *attempt, uint32_t rank)
{
    return rank == 0 ? attempt->last_step : attempt->ranks->ranks[rank].last_step;
}

uint64_t agent_rank_weights(const struct attempt *attempt, uint32_t rank)
{
    return rank == 0 ? attempt->taken.n : attempt->ranks->ranks[rank].weights;
}

/* An exploit was ordered, or made by rank 0, and this rank has not made it. */
static bool rank_exploit_is_due(const struct attempt *attempt, uint32_t rank)
{
    uint64_t newest = agent_exploit_is_due(attempt) ? attempt->order.n : attempt->taken.n;
    return agent_rank_weights(attempt, rank) < newest;
}

/* The first step at which every rank can still be told something, of the weights that rank 0 has:
 * no report of it, or of a later one, was answered. */
static int64_t ranks_next_step(const struct attempt *attempt)
{
    const struct ranks *ranks = attempt->ranks;
    int64_t next = ranks->held_step >= 0 ? ranks->held_step : attempt->last_step + 1;
    for (uint32_t i = 1; i < ranks->n; i++) {
        const struct rank *rank = &ranks->ranks[i];
        int64_t at = rank->is_waiting ? rank->last_step : rank->last_step + 1;
        if (rank->weights == attempt->taken.n && at > next) {
            next = at;
        }
    }
    return next;
}

/* ---- opening and closing ---- */

/* NULL: it may open the trial; else why not. */
static const char *rank_refusal(const struct attempt *attempt,
                                const struct trainer_request *request, char *text,
                                size_t size_bytes)
{
    const struct msg_lease *lease = attempt->lease;
    uint32_t here = attempt->ranks != NULL ? attempt->ranks->n : 1;
    uint32_t world = agent_lease_is_gang(lease) ? lease->nodes * here : here;
    bool is_single = request->world <= 1 && request->rank == 0;
    if (agent_lease_is_gang(lease) && request->world == world && request->rank >= here &&
        request->rank < world) {
        return AGENT_OTHER_NODE_TEXT;
    }
    if (request->rank >= here || (!is_single && request->world != world)) {
        ignore_error(snprintf(text, size_bytes,
                              "rank %" PRIu32 " of %" PRIu32 ", and the trial has %" PRIu32
                              " (at most %d)",
                              request->rank, request->world, world,
                              agent_lease_is_gang(lease) ? SPEC_WORLD_MAX : SPEC_RANKS_MAX) < 0,
                     "it fits");
        return text;
    }
    return NULL;
}

bool agent_rank_open(struct agent *agent, time_ms now, struct connection *connection,
                     const struct trainer_request *request, struct agent_outbox *out)
{
    struct attempt *attempt = connection->attempt;
    bool is_new = attempt->ranks == NULL && attempt->lease->is_trial && request->world > 1 &&
                  request->world <= SPEC_RANKS_MAX && !agent_lease_is_gang(attempt->lease);
    if (is_new && agent_ranks_new(attempt, request->world) != OK) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return true;
    }
    char text[128];
    const char *refusal = rank_refusal(attempt, request, text, sizeof text);
    if (refusal != NULL) {
        agent_answer_error(agent, now, connection, "bad_rank", refusal, out);
        return false;
    }
    connection->rank = request->world > 0 ? request->rank : connection->rank;
    if (attempt->ranks == NULL) {
        return true;
    }
    struct rank *rank = rank_of(connection);
    rank->has_ended = false;
    if (!rank->has_opened && connection->rank > 0) {
        /* Where the hello's answer says that it starts. */
        const struct msg_order *taken = attempt->taken.message;
        const struct snapshot_ref *restore =
            taken != NULL ? &taken->restore : &attempt->lease->restore;
        rank->last_step = attempt->restore_dir != NULL ? restore->step : -1;
        rank->weights = attempt->taken.n;
        attempt->ranks->has_opened = true;
    }
    rank->has_opened = true;
    return true;
}

static void rank_left(struct agent *agent, time_ms now, struct attempt *attempt, uint32_t rank,
                      struct agent_outbox *out)
{
    attempt->ranks->ranks[rank].has_ended = true;
    agent_ranks_save_settle(agent, now, attempt, out);
    agent_ranks_exploit_settle(agent, now, attempt, out);
    agent_answers_pump(agent, now, attempt, out); /* nobody waits for it */
}

bool agent_rank_bye(struct agent *agent, time_ms now, struct connection *connection,
                    const struct trainer_request *request, struct agent_outbox *out)
{
    bool is_over = request->bye == BYE_INVALID || request->bye == BYE_ERROR;
    /* Of one that failed the part is missing: what the others save now would be half. */
    if (!is_over) {
        rank_left(agent, now, connection->attempt, connection->rank, out);
    }
    return connection->rank == 0 || is_over;
}

void on_rank_ended(struct agent *agent, time_ms now, struct attempt_ref ref, uint32_t rank,
                   bool has_failed, struct agent_outbox *out)
{
    struct attempt *attempt = agent_attempt_find(agent, ref);
    if (attempt == NULL || !agent_attempt_is_alive(attempt) || attempt->ranks == NULL ||
        rank >= attempt->ranks->n) {
        return;
    }
    if (!has_failed) {
        rank_left(agent, now, attempt, rank, out);
        return;
    }
    int64_t grace_ms = attempt->lease->timeout_grace_ms;
    time_ms kill_at = now + (grace_ms < RANKS_GRACE_MS ? grace_ms : RANKS_GRACE_MS);
    if (!attempt->is_signalled && now < attempt->term_at) {
        attempt->term_at = now;
    }
    attempt->kill_at = kill_at < attempt->kill_at ? kill_at : attempt->kill_at;
    agent_wake_at(agent, now);
}

/* ---- reports ---- */

bool agent_rank_must_wait(const struct connection *connection, int64_t step)
{
    const struct attempt *attempt = connection->attempt;
    const struct ranks *ranks = attempt->ranks;
    bool goes_on = attempt->order.act == ACT_GO || attempt->order.act == ACT_EXPLOIT;
    return attempt->lease->is_trial && goes_on && !agent_exploit_is_due(attempt) &&
           rank_of(connection)->weights == attempt->taken.n && step >= attempt->order.until &&
           ranks->late < attempt->order.n && !ranks->ranks[0].has_ended;
}

bool agent_rank_is_late(const struct connection *connection, int64_t step)
{
    const struct attempt *attempt = connection->attempt;
    return attempt->ranks->late == attempt->order.n && step >= attempt->order.until &&
           rank_of(connection)->weights == attempt->taken.n;
}

void agent_rank_report(struct agent *agent, time_ms now, struct connection *connection,
                       const struct trainer_request *request, struct agent_outbox *out)
{
    struct attempt *attempt = connection->attempt;
    struct rank *rank = rank_of(connection);
    if (request->step <= rank->last_step) {
        agent_report_bad_step(agent, now, connection, request->step, rank->last_step, out);
        return;
    }
    rank->last_step = request->step;
    attempt->ranks->has_reported = true;
    if (agent_rank_must_wait(connection, request->step)) {
        agent_meeting_begin(agent, now, attempt, MEETING_MILESTONE, request->step);
    }
    rank->is_waiting = true;
    agent_answer_report(agent, now, connection, ANSWER_RANK, 0, request->step, out);
}

void agent_ranks_held(struct agent *agent, time_ms now, struct attempt *attempt, int64_t step)
{
    attempt->ranks->held_step = step;
    agent_meeting_begin(agent, now, attempt, MEETING_MILESTONE, step);
}

void agent_ranks_released(struct attempt *attempt, bool is_late)
{
    attempt->ranks->held_step = -1;
    if (is_late) {
        attempt->ranks->late = attempt->reached;
    }
}

void agent_rank_released(const struct connection *connection)
{
    if (connection->attempt->ranks != NULL) {
        rank_of(connection)->is_waiting = false;
    }
}

/* ---- what they are told ---- */

static void ranks_act_begin(struct attempt *attempt, int64_t step, uint64_t weights)
{
    struct ranks *ranks = attempt->ranks;
    if (!ranks->is_act_fixed) {
        ranks->act_step = step;
        ranks->act_weights = weights;
    }
}

void agent_ranks_order(struct attempt *attempt)
{
    struct ranks *ranks = attempt->ranks;
    int64_t step = ranks_next_step(attempt);
    if (agent_order_is_leave(&attempt->order)) {
        ranks_act_begin(attempt, step, attempt->taken.n);
        return;
    }
    /* Where nobody waits for the order, the answers to the next step bring the news to all: the
     * step after it is the first at which all save. */
    ranks->save_floor = ranks->held_step == step || agent_exploit_is_due(attempt) ? 0 : step + 1;
    for (uint32_t i = 0; agent_exploit_is_due(attempt) && i < ranks->n; i++) {
        if (agent_rank_weights(attempt, i) == attempt->taken.n) {
            /* Who leaves its node does not begin with other weights: the next attempt does. */
            ranks->ranks[i].exploit_step = attempt->is_told_by_drain ? INT64_MAX : step;
        }
    }
}

void agent_ranks_drained(struct attempt *attempt)
{
    const struct msg_order *told = attempt->told.message;
    if (agent_order_is_leave(&attempt->order)) {
        return; /* begun */
    }
    if (agent_exploit_is_due(attempt) && told != NULL) {
        /* Ranks may have been told of it, so it comes first; of its weights nobody has reported. */
        ranks_act_begin(attempt, told->restore.step + 1, attempt->order.n);
        return;
    }
    ranks_act_begin(attempt, ranks_next_step(attempt), attempt->taken.n);
}

/* Fixed when the first rank is told: whatever order comes then, the others are told the same. */
static uint32_t ranks_act_bits(struct attempt *attempt, uint32_t rank_number, int64_t step)
{
    struct ranks *ranks = attempt->ranks;
    struct rank *rank = &ranks->ranks[rank_number];
    bool is_pending =
        ranks->is_act_fixed || agent_order_is_leave(&attempt->order) || attempt->is_told_by_drain;
    if (!is_pending || step < ranks->act_step ||
        agent_rank_weights(attempt, rank_number) != ranks->act_weights) {
        return 0;
    }
    if (!ranks->is_act_fixed) {
        ranks->is_act_fixed = true;
        ranks->act_bits = agent_order_leave_bits(attempt, step);
    }
    uint32_t again = rank->is_told ? (uint32_t)~TRAINER_ACT_CHECKPOINT : UINT32_MAX;
    rank->is_told = true;
    return ranks->act_bits & again;
}

uint32_t agent_ranks_hand(struct attempt *attempt, const struct connection *connection,
                          int64_t step)
{
    const struct rank *rank = rank_of(connection);
    uint32_t act = 0;
    if (rank_exploit_is_due(attempt, connection->rank) && step >= rank->exploit_step) {
        act = TRAINER_ACT_EXPLOIT;
    } else {
        act = ranks_act_bits(attempt, connection->rank, step);
    }
    if (act != 0 || attempt->order.act == ACT_GO) {
        attempt->handed = attempt->order.n;
    }
    return act;
}
