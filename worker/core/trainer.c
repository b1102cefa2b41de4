#include "base/mem.h"
#include "worker/core/gang.h"
#include "worker/core/ranks.h"

static struct connection *connection_find(const struct agent *agent, uint64_t id)
{
    struct connection *connection;
    HASH_FIND(hh, agent->by_id, &id, sizeof id, connection);
    return connection;
}

void agent_connection_free(struct agent *agent, struct connection *connection)
{
    agent_answers_drop(agent, connection);
    agent_rank_released(connection);
    HASH_DELETE(hh, agent->by_id, connection);
    list_remove(&connection->link);
    agent->n_connections--;
    mem_free(connection);
}

void agent_connections_close(struct agent *agent, struct attempt *attempt, struct agent_outbox *out)
{
    list_each (&attempt->connections, struct connection, link, connection) {
        agent_outbox_connection(out, AGENT_CLOSE, connection->id);
        agent_connection_free(agent, connection);
    }
}

struct connection *agent_connection_of(const struct agent *agent, uint64_t id,
                                       struct attempt_ref ref)
{
    struct connection *connection = connection_find(agent, id);
    bool is_its = connection != NULL && task_id_equal(connection->attempt->ref.task, ref.task) &&
                  connection->attempt->ref.attempt == ref.attempt;
    return is_its ? connection : NULL;
}

void on_trainer_open(struct agent *agent, time_ms now, uint64_t id, struct attempt_ref ref,
                     struct agent_outbox *out)
{
    struct attempt *attempt = agent_attempt_find(agent, ref);
    if (connection_find(agent, id) != NULL) {
        return;
    }
    bool can_talk =
        attempt != NULL && (attempt->state == ATTEMPT_STARTING || agent_attempt_is_alive(attempt));
    if (!can_talk || agent->n_connections >= AGENT_CONNECTIONS_MAX) {
        agent_outbox_connection(out, AGENT_CLOSE, id);
        return;
    }
    struct connection *connection = mem_zalloc(sizeof *connection);
    if (connection == NULL) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    connection->id = id;
    connection->attempt = attempt;
    connection->last_line = now;
    list_init(&connection->link);
    list_init(&connection->held_link);
    list_init(&connection->answers);
    HASH_ADD(hh, agent->by_id, id, sizeof connection->id, connection);
    if (connection->hh.tbl == NULL) {
        mem_free(connection);
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    list_push_back(&attempt->connections, &connection->link);
    agent->n_connections++;
    if (attempt->state == ATTEMPT_STARTING) {
        /* The process was faster than the news of its start, and STARTED is its first event. */
        connection->is_read_stopped = true;
        agent_outbox_connection(out, AGENT_READ_STOP, id);
    }
}

void on_trainer_close(struct agent *agent, time_ms now, uint64_t id, struct agent_outbox *out)
{
    (void)now;
    (void)out;
    struct connection *connection = connection_find(agent, id);
    if (connection != NULL) {
        agent_connection_free(agent, connection);
    }
}

/* ---- requests: one function a kind ---- */

typedef void request_fn(struct agent *agent, time_ms now, struct connection *connection,
                        const struct trainer_request *request, struct agent_outbox *out);

static void request_hello(struct agent *agent, time_ms now, struct connection *connection,
                          const struct trainer_request *request, struct agent_outbox *out)
{
    if (!agent_rank_open(agent, now, connection, request, out)) {
        return;
    }
    connection->attempt->can |= request->can;
    connection->attempt->has_spoken = true;
    agent_answer_add(agent, now, connection, ANSWER_HELLO, 0, out);
}

static void request_report(struct agent *agent, time_ms now, struct connection *connection,
                           const struct trainer_request *request, struct agent_outbox *out)
{
    connection->attempt->has_spoken = true;
    agent_report(agent, now, connection, request, out);
}

static void request_save(struct agent *agent, time_ms now, struct connection *connection,
                         const struct trainer_request *request, struct agent_outbox *out)
{
    if (connection->attempt->ranks != NULL) {
        agent_ranks_save(agent, now, connection, request->step, out);
    } else {
        agent_save(agent, now, connection, request->step, out);
    }
}

static void request_commit(struct agent *agent, time_ms now, struct connection *connection,
                           const struct trainer_request *request, struct agent_outbox *out)
{
    if (connection->attempt->ranks != NULL) {
        agent_ranks_commit(agent, now, connection, request->step, out);
    } else {
        agent_commit(agent, now, connection, request->step, out);
    }
}

static void request_exploit(struct agent *agent, time_ms now, struct connection *connection,
                            const struct trainer_request *request, struct agent_outbox *out)
{
    (void)request;
    if (connection->rank > 0) {
        agent_rank_exploit(agent, now, connection, out);
    } else {
        agent_exploit(agent, now, connection, out);
    }
}

/* Told once; a second good-bye is answered when the first is durable. */
static void request_bye(struct agent *agent, time_ms now, struct connection *connection,
                        const struct trainer_request *request, struct agent_outbox *out)
{
    struct attempt *attempt = connection->attempt;
    if (attempt->ranks != NULL && !agent_rank_bye(agent, now, connection, request, out)) {
        agent_answer_add(agent, now, connection, ANSWER_BYE, 0, out);
        return;
    }
    if (attempt->bye_number == 0) {
        attempt->bye = request->bye;
        if (request->note != NULL && request->note[0] != '\0') {
            attempt->note = mem_strndup(request->note, NOTE_MAX_BYTES);
            if (attempt->note == NULL) {
                agent_outbox_fail(out, ERR_NO_MEMORY);
            }
        }
        agent_report_flush(agent, now, attempt, true, out);
        struct node_event event = {.kind = EVENT_BYE, .bye = attempt->bye, .note = attempt->note};
        attempt->bye_number = agent_event(agent, now, attempt, &event, out);
    }
    agent_answer_add(agent, now, connection, ANSWER_BYE, attempt->bye_number, out);
}

static void request_bad(struct agent *agent, time_ms now, struct connection *connection,
                        const struct trainer_request *request, struct agent_outbox *out)
{
    agent_answer_error(agent, now, connection, request->error, request->error_text, out);
}

static request_fn *const request_table[] = {
    [TRAINER_HELLO] = request_hello,     [TRAINER_REPORT] = request_report,
    [TRAINER_SAVE] = request_save,       [TRAINER_COMMIT] = request_commit,
    [TRAINER_EXPLOIT] = request_exploit, [TRAINER_BYE] = request_bye,
    [TRAINER_BAD] = request_bad,
};

void on_trainer_request(struct agent *agent, time_ms now, uint64_t id,
                        const struct trainer_request *request, struct agent_outbox *out)
{
    struct connection *connection = connection_find(agent, id);
    if (connection == NULL) {
        return; /* closed by us, and this was on its way */
    }
    struct attempt *attempt = connection->attempt;
    attempt->last_activity = now;
    if (attempt->state == ATTEMPT_DISOWNED) {
        agent_answer_error(agent, now, connection, "gone", "this attempt is no longer wanted", out);
        return;
    }
    if (attempt->state == ATTEMPT_SETTLING) {
        /* A child of the process that has ended: its result is made, but for a commit under way. */
        agent_answer_error(agent, now, connection, "gone", "this attempt has ended", out);
        return;
    }
    if (agent_lease_is_other_part(attempt->lease)) {
        agent_answer_error(agent, now, connection, "bad_rank", AGENT_OTHER_NODE_TEXT, out);
        return;
    }
    request_table[request->kind](agent, now, connection, request, out);
}
