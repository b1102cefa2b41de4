#include <assert.h>

#include "base/json_out.h"
#include "base/mem.h"
#include "spec/types.h"
#include "worker/core/ranks.h"

/* Lines of a connection leave in the order of its requests. An answer is printed when it leaves,
 * not when it is asked for, so that its act bits are those of the newest order. */

/* ---- lines ---- */

static struct json_out line_begin(struct agent *agent, bool is_ok)
{
    buf_reset(&agent->line);
    struct json_out json = json_out_to(&agent->line);
    json_object_begin(&json, NULL);
    json_i64(&json, "ok", is_ok ? 1 : 0);
    return json;
}

static void line_milestone(struct json_out *json, const struct attempt *attempt)
{
    bool has_milestone = attempt->lease->is_trial && !agent_order_is_leave(&attempt->order) &&
                         !agent_exploit_is_due(attempt) && attempt->order.until != INT64_MAX;
    if (has_milestone) {
        json_i64(json, "milestone", attempt->order.until);
    } else {
        json_out_null(json, "milestone");
    }
}

/* A trainer that can is asked for a snapshot before it reports its next milestone, so that the
 * decision always finds one of exactly that step. A milestone may be a trial's end, so `end` asks
 * for it too. */
static void line_save(struct json_out *json, const struct attempt *attempt, bool is_hello)
{
    bool is_wanted =
        attempt->lease->is_trial && !agent_order_is_leave(&attempt->order) &&
        !agent_exploit_is_due(attempt) && attempt->order.until != INT64_MAX &&
        (attempt->lease->checkpoints_on & (CHECKPOINT_ON_RUNG | CHECKPOINT_ON_END)) != 0 &&
        (attempt->can & CAN_CHECKPOINT) != 0;
    int64_t floor = attempt->ranks != NULL ? attempt->ranks->save_floor : 0;
    if (is_wanted) {
        json_i64(json, "save", floor > attempt->order.until ? floor : attempt->order.until);
    } else if (is_hello) {
        json_out_null(json, "save");
    }
}

void agent_answer_params(struct json_out *json, const struct attempt *attempt)
{
    const struct msg_order *taken = attempt->taken.message;
    const struct named_value *params = taken != NULL ? taken->params : attempt->lease->params;
    uint32_t n = taken != NULL ? taken->n_params : attempt->lease->n_params;
    json_object_begin(json, "params");
    for (uint32_t i = 0; i < n; i++) {
        json_value(json, params[i].name, params[i].value);
    }
    json_object_end(json);
}

void agent_answer_weights(struct json_out *json, const struct attempt *attempt)
{
    const struct msg_order *taken = attempt->taken.message;
    int64_t step = taken != NULL ? taken->restore.step : attempt->lease->restore.step;
    json_str(json, "restore", attempt->restore_dir);
    json_i64(json, "step", attempt->restore_dir != NULL ? step : 0);
}

void agent_answer_ahead(struct json_out *json, const struct attempt *attempt)
{
    line_milestone(json, attempt);
    line_save(json, attempt, true);
}

static void line_hello(struct agent *agent, struct attempt *attempt)
{
    struct json_out json = line_begin(agent, true);
    json_i64(&json, "act", attempt->ranks != NULL ? 0 : agent_order_hand(attempt, false));
    agent_answer_params(&json, attempt);
    agent_answer_weights(&json, attempt);
    json_task_id(&json, "trial", attempt->ref.task);
    json_u64(&json, "attempt", attempt->ref.attempt);
    json_u64(&json, "seed", attempt->lease->seed);
    agent_answer_ahead(&json, attempt);
    json_object_end(&json);
}

static uint32_t report_act(struct connection *connection, const struct answer *answer)
{
    struct attempt *attempt = connection->attempt;
    return attempt->ranks != NULL ? agent_ranks_hand(attempt, connection, answer->step)
                                  : agent_order_hand(attempt, true);
}

static void line_report(struct agent *agent, struct connection *connection,
                        const struct answer *answer)
{
    struct attempt *attempt = connection->attempt;
    struct json_out json = line_begin(agent, true);
    bool is_late = answer->is_late ||
                   (answer->kind == ANSWER_RANK && agent_rank_is_late(connection, answer->step));
    if (is_late) {
        /* What ranks are told at this step does not wait for the order that is late. */
        json_i64(&json, "act", attempt->ranks != NULL ? report_act(connection, answer) : 0);
        json_i64(&json, "late", 1);
    } else {
        json_i64(&json, "act", report_act(connection, answer));
        line_milestone(&json, attempt);
        line_save(&json, attempt, false);
    }
    json_object_end(&json);
    if (answer->kind == ANSWER_MILESTONE && attempt->ranks != NULL) {
        agent_ranks_released(attempt, is_late);
    } else if (answer->kind == ANSWER_RANK) {
        agent_rank_released(connection);
    }
}

const char *agent_answer_error_print(struct agent *agent, const char *error, const char *text)
{
    struct json_out json = line_begin(agent, false);
    json_str(&json, "error", error);
    json_str(&json, "text", text == NULL ? "" : text);
    json_object_end(&json);
    return buf_text(&agent->line);
}

static void answer_emit(struct agent *agent, time_ms now, struct connection *connection,
                        struct answer *answer, struct agent_outbox *out)
{
    const char *text = answer->text;
    if (text == NULL) {
        if (answer->kind == ANSWER_HELLO) {
            line_hello(agent, connection->attempt);
        } else if (answer->kind == ANSWER_BYE) {
            struct json_out json = line_begin(agent, true);
            json_object_end(&json);
        } else {
            line_report(agent, connection, answer);
        }
        text = buf_text(&agent->line);
    }
    if (agent->line.failed != OK) {
        agent_outbox_fail(out, agent->line.failed);
    }
    agent_outbox_answer(out, connection->id, text);
    connection->last_line = now;
    /* While it waited its silence was ours. */
    connection->attempt->last_activity = now;
    if (connection->attempt->lease->timeout_silent_ms > 0) {
        agent_wake_at(agent, now + connection->attempt->lease->timeout_silent_ms);
    }
}

/* ---- the queue ---- */

static bool answer_is_ready(const struct agent *agent, const struct connection *connection,
                            const struct answer *answer)
{
    switch (answer->kind) {
    case ANSWER_TEXT:
    case ANSWER_HELLO:
    case ANSWER_RECEIVED:
        return true;
    case ANSWER_MILESTONE:
        /* An order that was written for another reason may overtake the report: the answer says
         * that both are on disk. */
        return answer->is_late || (connection->attempt->order.n > answer->n &&
                                   agent->stream.acked >= connection->attempt->reached_number);
    case ANSWER_BYE:
        return agent->stream.acked >= answer->n;
    case ANSWER_SAVE:
    case ANSWER_COMMIT:
    case ANSWER_EXPLOIT:
        return answer->text != NULL;
    case ANSWER_RANK:
        return !agent_rank_must_wait(connection, answer->step);
    }
    return false;
}

static void answer_free(struct agent *agent, struct connection *connection, struct answer *answer)
{
    list_remove(&answer->link);
    connection->n_answers--;
    agent->n_answers--;
    if (connection->n_answers == 0) {
        list_remove(&connection->held_link);
    }
    mem_free(answer->text);
    mem_free(answer);
}

static void connection_pump(struct agent *agent, time_ms now, struct connection *connection,
                            struct agent_outbox *out)
{
    list_each (&connection->answers, struct answer, link, answer) {
        if (!answer_is_ready(agent, connection, answer)) {
            break;
        }
        answer_emit(agent, now, connection, answer, out);
        answer_free(agent, connection, answer);
    }
    uint32_t owed_bytes = connection->n_answers * AGENT_ANSWER_OWED_BYTES;
    if (connection->is_read_stopped && owed_bytes <= AGENT_OWED_BYTES_MAX / 2) {
        connection->is_read_stopped = false;
        agent_outbox_connection(out, AGENT_READ_START, connection->id);
    }
}

/* Whole lines that were read already still come after READ_STOP: they have as much room again. */
static bool answers_have_room(const struct agent *agent, const struct connection *connection)
{
    return agent->n_answers < AGENT_ANSWERS_MAX &&
           connection->n_answers < 2 * AGENT_OWED_BYTES_MAX / AGENT_ANSWER_OWED_BYTES;
}

static void answer_enqueue(struct agent *agent, time_ms now, struct connection *connection,
                           const struct answer *template, struct agent_outbox *out)
{
    if (!answers_have_room(agent, connection)) {
        agent_outbox_connection(out, AGENT_CLOSE, connection->id);
        agent_connection_free(agent, connection);
        return;
    }
    struct answer *answer = mem_alloc(sizeof *answer);
    char *text = template->text == NULL ? NULL : mem_strdup(template->text);
    if (answer == NULL || (template->text != NULL && text == NULL)) {
        mem_free(answer);
        mem_free(text);
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    *answer = *template;
    answer->text = text;
    answer->since = now;
    list_push_back(&connection->answers, &answer->link);
    agent->n_answers++;
    if (connection->n_answers++ == 0) {
        connection->last_line = now;
        list_push_back(&agent->held, &connection->held_link);
    }
    agent_wake_at(agent, connection->last_line + AGENT_ALIVE_LINE_MS);
    if (answer->kind == ANSWER_MILESTONE) {
        agent_wake_at(agent, now + connection->attempt->lease->timeout_decision_ms);
    }
    if (!connection->is_read_stopped &&
        connection->n_answers * AGENT_ANSWER_OWED_BYTES >= AGENT_OWED_BYTES_MAX) {
        connection->is_read_stopped = true;
        agent_outbox_connection(out, AGENT_READ_STOP, connection->id);
    }
}

/* Nothing waits before it and it is ready: it leaves without being kept. */
static void answer_give(struct agent *agent, time_ms now, struct connection *connection,
                        struct answer *answer, struct agent_outbox *out)
{
    if (connection->n_answers == 0 && answer_is_ready(agent, connection, answer)) {
        answer_emit(agent, now, connection, answer, out);
    } else {
        answer_enqueue(agent, now, connection, answer, out);
    }
}

void agent_answer_text(struct agent *agent, time_ms now, struct connection *connection,
                       const char *text, struct agent_outbox *out)
{
    struct answer answer = {.kind = ANSWER_TEXT, .text = (char *)(uintptr_t)text};
    answer_give(agent, now, connection, &answer, out);
}

void agent_answer_error(struct agent *agent, time_ms now, struct connection *connection,
                        const char *error, const char *text, struct agent_outbox *out)
{
    agent_answer_text(agent, now, connection, agent_answer_error_print(agent, error, text), out);
}

void agent_answer_add(struct agent *agent, time_ms now, struct connection *connection,
                      answer_kind kind, uint64_t n, struct agent_outbox *out)
{
    struct answer answer = {.kind = kind, .n = n};
    answer_give(agent, now, connection, &answer, out);
}

void agent_answer_report(struct agent *agent, time_ms now, struct connection *connection,
                         answer_kind kind, uint64_t n, int64_t step, struct agent_outbox *out)
{
    struct answer answer = {.kind = kind, .n = n, .step = step};
    answer_give(agent, now, connection, &answer, out);
}

void agent_answer_fill(struct agent *agent, time_ms now, struct connection *connection,
                       answer_kind kind, const char *text, struct agent_outbox *out)
{
    list_each (&connection->answers, struct answer, link, answer) {
        if (answer->kind == kind && answer->text == NULL) {
            answer->text = mem_strdup(text);
            if (answer->text == NULL) {
                agent_outbox_fail(out, ERR_NO_MEMORY);
            }
            break;
        }
    }
    connection_pump(agent, now, connection, out);
}

void agent_answers_pump(struct agent *agent, time_ms now, struct attempt *attempt,
                        struct agent_outbox *out)
{
    list_each (&attempt->connections, struct connection, link, connection) {
        connection_pump(agent, now, connection, out);
    }
}

void agent_answers_gone(struct agent *agent, struct attempt *attempt, struct agent_outbox *out)
{
    const char *text = agent_answer_error_print(agent, "gone", "this attempt is no longer wanted");
    list_each (&attempt->connections, struct connection, link, connection) {
        while (connection->n_answers > 0) {
            struct answer *answer = list_first(&connection->answers, struct answer, link);
            agent_outbox_answer(out, connection->id, answer->text != NULL ? answer->text : text);
            answer_free(agent, connection, answer);
        }
    }
}

void agent_answers_drop(struct agent *agent, struct connection *connection)
{
    list_each (&connection->answers, struct answer, link, answer) {
        answer_free(agent, connection, answer);
    }
    assert(connection->n_answers == 0);
}

/* ---- time ---- */

static void answer_late_mark(time_ms now, struct connection *connection)
{
    int64_t decision_ms = connection->attempt->lease->timeout_decision_ms;
    list_each (&connection->answers, struct answer, link, answer) {
        if (answer->kind == ANSWER_MILESTONE && decision_ms > 0 &&
            now - answer->since >= decision_ms) {
            answer->is_late = true;
        }
    }
}

void agent_answers_tick(struct agent *agent, time_ms now, struct agent_outbox *out)
{
    list_each (&agent->held, struct connection, held_link, connection) {
        answer_late_mark(now, connection);
        connection_pump(agent, now, connection, out);
    }
    /* A late answer of rank 0 lets others go. */
    list_each (&agent->held, struct connection, held_link, connection) {
        if (connection->rank > 0) {
            connection_pump(agent, now, connection, out);
        }
    }
    list_each (&agent->held, struct connection, held_link, connection) {
        if (connection->n_answers > 0 && now - connection->last_line >= AGENT_ALIVE_LINE_MS) {
            agent_outbox_answer(out, connection->id, "");
            connection->last_line = now;
        }
    }
}

time_ms agent_answers_deadline(const struct agent *agent)
{
    time_ms next = AGENT_NEVER;
    list_each (&agent->held, struct connection, held_link, connection) {
        time_ms alive_at = connection->last_line + AGENT_ALIVE_LINE_MS;
        next = alive_at < next ? alive_at : next;
        int64_t decision_ms = connection->attempt->lease->timeout_decision_ms;
        list_each (&connection->answers, struct answer, link, answer) {
            if (answer->kind == ANSWER_MILESTONE && decision_ms > 0 && !answer->is_late) {
                time_ms late_at = answer->since + decision_ms;
                next = late_at < next ? late_at : next;
                break; /* later ones are due later */
            }
        }
    }
    return next;
}
