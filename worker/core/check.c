#include <assert.h>

#include "worker/core/parts.h"

static void check_stream(const struct stream *stream)
{
    uint64_t number = stream->acked;
    size_t kept_bytes = 0, in_flight_bytes = 0;
    const struct kept_event *unsent = NULL;
    assert(stream->sent >= stream->acked && stream->sent < stream->next);
    list_each (&stream->kept, struct kept_event, link, event) {
        assert(event->number == ++number);
        kept_bytes += event->cost_bytes;
        if (event->number <= stream->sent) {
            in_flight_bytes += event->frame_bytes;
        } else if (unsent == NULL) {
            unsent = event;
        }
    }
    assert(number + 1 == stream->next);
    assert(kept_bytes == stream->kept_bytes);
    assert(in_flight_bytes == stream->in_flight_bytes);
    assert(unsent == stream->unsent);
    assert(in_flight_bytes <= EVENTS_IN_FLIGHT_BYTES + MSG_MAX_BYTES);
}

static void check_connection(const struct agent *agent, const struct attempt *attempt,
                             const struct connection *connection)
{
    uint32_t n = 0;
    assert(connection->attempt == attempt);
    list_each (&connection->answers, struct answer, link, answer) {
        assert(answer->kind != ANSWER_MILESTONE || answer->n <= attempt->reached);
        assert(answer->kind != ANSWER_BYE || answer->n < agent->stream.next);
        n++;
    }
    assert(n == connection->n_answers);
    assert((n > 0) == !list_is_empty(&connection->held_link));
}

static void check_attempt(const struct agent *agent, const struct attempt *attempt)
{
    assert(agent_attempt_find(agent, attempt->ref) == attempt);
    assert(attempt->state != ATTEMPT_NONE);
    assert(attempt->reached <= attempt->order.n && attempt->handed <= attempt->order.n);
    assert(attempt->block.n_rows == 0 || agent_attempt_is_alive(attempt) ||
           attempt->state == ATTEMPT_STARTING);
    assert(attempt->block.size_bytes <= ROWS_BLOCK_BYTES + METRICS_MAX * (METRIC_NAME_MAX + 16));
    assert(!attempt->is_held || attempt->state == ATTEMPT_STARTING ||
           attempt->state == ATTEMPT_DISOWNED);
    assert(attempt->state != ATTEMPT_SETTLING || attempt->is_committing);
    assert(attempt->state != ATTEMPT_ENDED || list_is_empty(&attempt->connections));
    /* The result of an ended one is in the stream until its acknowledgement frees it. */
    assert(attempt->state != ATTEMPT_ENDED || attempt->result_number > agent->stream.acked);
}

void agent_check(const struct agent *agent)
{
    uint32_t n_attempts = 0, n_connections = 0, n_answers = 0;
    check_stream(&agent->stream);
    agent_work_check(agent);
    agent_arrays_check(agent);
    list_each (&agent->attempts, struct attempt, link, attempt) {
        check_attempt(agent, attempt);
        n_attempts++;
        list_each (&attempt->connections, struct connection, link, connection) {
            check_connection(agent, attempt, connection);
            n_connections++;
            n_answers += connection->n_answers;
        }
    }
    assert(n_attempts == agent->n_attempts && n_attempts <= AGENT_ATTEMPTS_MAX);
    assert(n_connections == agent->n_connections && n_connections <= AGENT_CONNECTIONS_MAX);
    assert(n_answers == agent->n_answers && n_answers <= AGENT_ANSWERS_MAX);
    assert(HASH_COUNT(agent->by_ref) == n_attempts && HASH_COUNT(agent->by_id) == n_connections);
}
