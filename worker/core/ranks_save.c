/* What ranks do together: a snapshot into one folder, and going on from another trial's. */
#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "worker/core/ranks.h"

/* ---- saves ---- */

static struct rank *rank_of(const struct connection *connection)
{
    return &connection->attempt->ranks->ranks[connection->rank];
}

/* Every waiting answer of this kind, whoever waits. */
static void ranks_answer(struct agent *agent, time_ms now, struct attempt *attempt,
                         answer_kind kind, const char *text, struct agent_outbox *out)
{
    CLEANUP(mem_freep) char *copy = mem_strdup(text);
    if (copy == NULL) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    list_each (&attempt->connections, struct connection, link, connection) {
        agent_answer_fill(agent, now, connection, kind, copy, out);
    }
}

void agent_ranks_save_over(struct attempt *attempt)
{
    struct ranks *ranks = attempt->ranks;
    for (uint32_t i = 0; i < ranks->n; i++) {
        ranks->ranks[i].is_saving = ranks->ranks[i].has_committed = false;
    }
    ranks->meetings[MEETING_SAVE].since = AGENT_NEVER;
    mem_free(ranks->save_dir);
    ranks->save_dir = NULL;
}

void agent_ranks_save_begun(struct attempt *attempt, const char *dir, struct agent_outbox *out)
{
    struct ranks *ranks = attempt->ranks;
    if (dir == NULL) {
        agent_ranks_save_over(attempt);
        return;
    }
    mem_free(ranks->save_dir);
    ranks->save_dir = mem_strdup(dir);
    if (ranks->save_dir == NULL) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
    }
}

/* True: the rank joins the save that is under way. */
static bool save_join(struct agent *agent, time_ms now, struct connection *connection, int64_t step,
                      struct agent_outbox *out)
{
    struct attempt *attempt = connection->attempt;
    bool is_same = (attempt->is_save_asked || attempt->is_saving) && attempt->save_step == step;
    if (!is_same) {
        return false;
    }
    rank_of(connection)->is_saving = true;
    rank_of(connection)->has_committed = false;
    if (attempt->is_saving && attempt->ranks->save_dir != NULL) {
        agent_answer_text(agent, now, connection, agent_save_print(agent, attempt->ranks->save_dir),
                          out);
    } else {
        agent_answer_add(agent, now, connection, ANSWER_SAVE, 0, out);
    }
    return true;
}

void agent_ranks_save(struct agent *agent, time_ms now, struct connection *connection, int64_t step,
                      struct agent_outbox *out)
{
    struct attempt *attempt = connection->attempt;
    if (save_join(agent, now, connection, step, out)) {
        return;
    }
    /* An earlier one that was left half done is given up, and whoever waits in it is told. */
    bool is_late = attempt->is_saving && step < attempt->save_step;
    if (attempt->is_save_asked || attempt->is_committing || is_late) {
        agent_answer_error(agent, now, connection, "not_now", "another save is under way", out);
        return;
    }
    if (step < 0) {
        agent_answer_error(agent, now, connection, "bad_step", "a step is 0 or more", out);
        return;
    }
    ranks_answer(
        agent, now, attempt, ANSWER_COMMIT,
        agent_answer_error_print(agent, "not_now", "another rank has gone on to a later save"),
        out);
    agent_ranks_save_over(attempt);
    rank_of(connection)->is_saving = true;
    agent_save_begin(agent, now, connection, step, out);
}

static const char *rank_commit_refusal(const struct attempt *attempt, const struct rank *rank,
                                       int64_t step)
{
    bool is_its = attempt->is_saving && attempt->save_step == step && rank->is_saving;
    return attempt->is_committing ? "another commit is under way"
           : !is_its              ? "no save of this step has begun"
                                  : NULL;
}

void agent_ranks_commit(struct agent *agent, time_ms now, struct connection *connection,
                        int64_t step, struct agent_outbox *out)
{
    struct attempt *attempt = connection->attempt;
    struct rank *rank = rank_of(connection);
    const char *refusal = rank_commit_refusal(attempt, rank, step);
    if (refusal != NULL) {
        agent_answer_error(agent, now, connection, "not_now", refusal, out);
        return;
    }
    if (!rank->has_committed) {
        rank->has_committed = true;
        if (attempt->ranks->meetings[MEETING_SAVE].since == AGENT_NEVER) {
            agent_meeting_begin(agent, now, attempt, MEETING_SAVE, step);
        }
    }
    agent_answer_add(agent, now, connection, ANSWER_COMMIT, 0, out);
    agent_ranks_save_settle(agent, now, attempt, out);
}

void agent_ranks_save_settle(struct agent *agent, time_ms now, struct attempt *attempt,
                             struct agent_outbox *out)
{
    bool is_waiting = attempt->is_saving && !attempt->is_committing &&
                      attempt->ranks->meetings[MEETING_SAVE].since != AGENT_NEVER;
    if (!is_waiting || agent_meeting_missing(attempt, MEETING_SAVE) >= 0) {
        return;
    }
    attempt->ranks->meetings[MEETING_SAVE].since = AGENT_NEVER;
    const char *refusal = agent_commit_all(agent, attempt, out);
    if (refusal != NULL) {
        ranks_answer(agent, now, attempt, ANSWER_COMMIT,
                     agent_answer_error_print(agent, "no_space", refusal), out);
        agent_ranks_save_over(attempt);
    }
}

/* ---- exploits ---- */

static void rank_take(struct attempt *attempt, struct rank *rank)
{
    rank->weights = attempt->taken.n;
    rank->last_step = attempt->taken.message->restore.step;
}

void agent_rank_exploit(struct agent *agent, time_ms now, struct connection *connection,
                        struct agent_outbox *out)
{
    struct attempt *attempt = connection->attempt;
    struct rank *rank = rank_of(connection);
    const struct msg_order *taken = attempt->taken.message;
    /* Its answer may have been lost: until it has told something of the new weights it is given
     * again. */
    bool is_repeated = taken != NULL && rank->weights == attempt->taken.n &&
                       rank->last_step == taken->restore.step && !agent_exploit_is_due(attempt);
    if (rank->weights < attempt->taken.n || is_repeated) {
        rank_take(attempt, rank);
        agent_answer_text(agent, now, connection, agent_exploit_print(agent, attempt), out);
    } else if (agent_exploit_is_due(attempt)) {
        agent_meeting_begin(agent, now, attempt, MEETING_EXPLOIT, rank->last_step);
        agent_answer_add(agent, now, connection, ANSWER_EXPLOIT, 0, out);
    } else {
        agent_answer_error(agent, now, connection, "not_now", "no exploit was ordered", out);
    }
}

void agent_ranks_exploit_settle(struct agent *agent, time_ms now, struct attempt *attempt,
                                struct agent_outbox *out)
{
    bool is_coming = attempt->is_proving ||
                     (agent_exploit_is_due(attempt) && !attempt->ranks->ranks[0].has_ended);
    if (!is_coming && attempt->ranks->meetings[MEETING_EXPLOIT].since != AGENT_NEVER) {
        attempt->ranks->meetings[MEETING_EXPLOIT].since = AGENT_NEVER;
        ranks_answer(agent, now, attempt, ANSWER_EXPLOIT,
                     agent_answer_error_print(agent, "not_now", "another order holds now"), out);
    }
}

void agent_ranks_exploited(struct agent *agent, time_ms now, struct attempt *attempt,
                           const char *text, bool is_taken, struct agent_outbox *out)
{
    CLEANUP(mem_freep) char *copy = mem_strdup(text);
    if (copy == NULL) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    attempt->ranks->meetings[MEETING_EXPLOIT].since = AGENT_NEVER;
    if (is_taken) {
        agent_ranks_save_over(attempt);
        ranks_answer(agent, now, attempt, ANSWER_COMMIT,
                     agent_answer_error_print(agent, "not_now", "these weights are given up"), out);
    }
    list_each (&attempt->connections, struct connection, link, connection) {
        bool is_waiting = false;
        list_each (&connection->answers, struct answer, link, answer) {
            is_waiting |= answer->kind == ANSWER_EXPLOIT && answer->text == NULL;
        }
        if (is_waiting && is_taken && connection->rank > 0) {
            rank_take(attempt, rank_of(connection));
        }
        agent_answer_fill(agent, now, connection, ANSWER_EXPLOIT, copy, out);
    }
}
