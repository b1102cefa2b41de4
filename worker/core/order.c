#include "spec/types.h"
#include "worker/core/ranks.h"

bool agent_order_is_leave(const struct order *order)
{
    return order->act == ACT_STOP || order->act == ACT_PAUSE;
}

bool agent_order_is_reached(const struct attempt *attempt, int64_t step)
{
    /* Once per order: after a late answer the trainer trains on, and its next reports are rows. */
    bool goes_on = attempt->order.act == ACT_GO ||
                   (attempt->order.act == ACT_EXPLOIT && !agent_exploit_is_due(attempt));
    return attempt->lease->is_trial && goes_on && step >= attempt->order.until &&
           attempt->reached < attempt->order.n;
}

/* A trainer that never spoke cannot hear of the order on its socket, and a task's orders are
 * signals. */
static bool order_is_signal(const struct attempt *attempt)
{
    return !attempt->lease->is_trial || !attempt->has_spoken;
}

static time_ms order_earlier(time_ms a, time_ms b)
{
    return a < b ? a : b;
}

static void order_leave_begin(struct agent *agent, time_ms now, struct attempt *attempt,
                              struct agent_outbox *out)
{
    bool is_signal = order_is_signal(attempt);
    int64_t grace_ms = attempt->order.grace_ms > 0 ? attempt->order.grace_ms : 0;
    time_ms term_at = is_signal ? now : now + grace_ms;
    time_ms kill_at = term_at + grace_ms;
    /* What ends it already (a drain, a timeout) keeps its earlier hour. */
    if (attempt->has_cause || attempt->is_signalled) {
        kill_at = order_earlier(kill_at, attempt->kill_at);
        term_at = order_earlier(term_at, attempt->term_at);
    }
    attempt->kill_at = kill_at;
    attempt->term_at = attempt->is_signalled ? AGENT_NEVER : term_at;
    if (is_signal) {
        agent_attempt_term(attempt, out);
    }
    agent_wake_at(agent, attempt->term_at);
    agent_wake_at(agent, attempt->kill_at);
}

void agent_order_started(struct agent *agent, time_ms now, struct attempt *attempt,
                         struct agent_outbox *out)
{
    if (agent_order_is_leave(&attempt->order)) {
        order_leave_begin(agent, now, attempt, out);
    }
}

void agent_order_apply(struct agent *agent, time_ms now, struct attempt *attempt,
                       const struct order *order, struct agent_outbox *out)
{
    if (order->n <= attempt->order.n) {
        return;
    }
    bool was_leave = agent_order_is_leave(&attempt->order);
    attempt->order = *order;
    if (attempt->is_waiting_for_work || attempt->is_held) {
        agent_wake_at(agent, now);
    }
    if (attempt->ranks != NULL) {
        agent_ranks_order(attempt);
        agent_ranks_exploit_settle(agent, now, attempt, out);
    }
    if (agent_attempt_is_alive(attempt)) {
        if (agent_order_is_leave(order)) {
            order_leave_begin(agent, now, attempt, out);
        } else if (was_leave && !attempt->is_signalled && !attempt->has_cause) {
            /* Told to stay after all, and the trainer has not been signalled. */
            attempt->term_at = attempt->kill_at = AGENT_NEVER;
        }
    }
    agent_answers_pump(agent, now, attempt, out);
}

/* What it saved before the milestone is of this very step. */
static bool order_wants_checkpoint(const struct attempt *attempt, int64_t step)
{
    bool is_wanted =
        attempt->saved_step != step && (attempt->order.act == ACT_PAUSE ||
                                        (attempt->lease->checkpoints_on & CHECKPOINT_ON_END) != 0);
    return is_wanted && (attempt->can & CAN_CHECKPOINT) != 0;
}

static uint32_t order_act_bit(const struct attempt *attempt)
{
    return attempt->order.act == ACT_PAUSE ? TRAINER_ACT_PAUSE : TRAINER_ACT_STOP;
}

static uint32_t order_leave_bits(struct attempt *attempt, bool is_report)
{
    uint32_t act = order_act_bit(attempt);
    if (!is_report || attempt->leave_told == attempt->order.n) {
        return act;
    }
    attempt->leave_told = attempt->order.n;
    return act | (order_wants_checkpoint(attempt, attempt->last_step) ? TRAINER_ACT_CHECKPOINT : 0);
}

uint32_t agent_order_leave_bits(const struct attempt *attempt, int64_t step)
{
    if (agent_order_is_leave(&attempt->order)) {
        uint32_t checkpoint = order_wants_checkpoint(attempt, step) ? TRAINER_ACT_CHECKPOINT : 0;
        return order_act_bit(attempt) | checkpoint;
    }
    return ((attempt->can & CAN_PAUSE) != 0 ? TRAINER_ACT_PAUSE : 0) |
           ((attempt->can & CAN_CHECKPOINT) != 0 ? TRAINER_ACT_CHECKPOINT : 0);
}

static uint32_t order_drain_bits(struct attempt *attempt, bool is_report)
{
    uint32_t act = (attempt->can & CAN_PAUSE) != 0 ? TRAINER_ACT_PAUSE : 0;
    if (is_report && !attempt->is_drain_checkpoint_told && (attempt->can & CAN_CHECKPOINT) != 0) {
        attempt->is_drain_checkpoint_told = true;
        act |= TRAINER_ACT_CHECKPOINT;
    }
    return act;
}

uint32_t agent_order_hand(struct attempt *attempt, bool is_report)
{
    uint32_t act = 0;
    if (agent_order_is_leave(&attempt->order)) {
        act |= order_leave_bits(attempt, is_report);
    } else if (attempt->is_told_by_drain) {
        act |= order_drain_bits(attempt, is_report);
    } else if (agent_exploit_is_due(attempt)) {
        act |= TRAINER_ACT_EXPLOIT;
    } else if (is_report && attempt->is_save_due) {
        attempt->is_save_due = false;
        act |= TRAINER_ACT_CHECKPOINT;
    }
    attempt->handed = attempt->order.n;
    return act;
}
