#include "base/json_out.h"
#include "worker/core/lanes.h"
#include "worker/core/ranks.h"

static const char *const link_state_names[] = {"down", "enrolling", "welcomed"};
static const char *const answer_kind_names[] = {"text", "hello",  "received", "milestone", "bye",
                                                "save", "commit", "exploit",  "rank"};

static void dump_link(struct json_out *json, const struct agent_link *link)
{
    json_object_begin(json, "link");
    json_str(json, "state", link_state_names[link->state]);
    json_u64(json, "epoch", link->epoch);
    json_time(json, "last_heard", link->last_heard);
    json_i64(json, "backoff_ms", link->backoff_ms);
    json_i64(json, "orphan_timeout_ms", link->orphan_timeout_ms);
    json_object_end(json);
}

static void dump_stream(struct json_out *json, const struct stream *stream)
{
    json_object_begin(json, "stream");
    json_u64(json, "acked", stream->acked);
    json_u64(json, "sent", stream->sent);
    json_u64(json, "next", stream->next);
    json_u64(json, "kept_bytes", stream->kept_bytes);
    json_u64(json, "in_flight_bytes", stream->in_flight_bytes);
    json_object_end(json);
}

static void dump_connection(struct json_out *json, const struct connection *connection)
{
    json_object_begin(json, NULL);
    json_u64(json, "id", connection->id);
    json_bool(json, "is_read_stopped", connection->is_read_stopped);
    json_array_begin(json, "answers");
    list_each (&connection->answers, struct answer, link, answer) {
        json_str(json, NULL, answer_kind_names[answer->kind]);
    }
    json_array_end(json);
    json_object_end(json);
}

static void dump_order(struct json_out *json, const struct attempt *attempt)
{
    json_object_begin(json, "order");
    json_u64(json, "n", attempt->order.n);
    json_i64(json, "until", attempt->order.until);
    json_str(json, "act", order_act_names[attempt->order.act]);
    json_str(json, "why", order_why_names[attempt->order.why]);
    json_object_end(json);
    json_u64(json, "reached", attempt->reached);
    json_u64(json, "handed", attempt->handed);
}

static void dump_attempt(struct json_out *json, const struct attempt *attempt)
{
    json_object_begin(json, NULL);
    json_task_id(json, "task", attempt->ref.task);
    json_u64(json, "attempt", attempt->ref.attempt);
    json_str(json, "state", attempt_state_names[attempt->state]);
    json_u64(json, "pid", attempt->pid);
    dump_order(json, attempt);
    json_u64(json, "seq", attempt->seq);
    json_i64(json, "last_step", attempt->last_step);
    json_u64(json, "rows_waiting", attempt->block.n_rows);
    json_bool(json, "has_spoken", attempt->has_spoken);
    json_bool(json, "is_committing", attempt->is_committing);
    json_u64(json, "lineage", attempt->lineage);
    json_u64(json, "exploit_told", attempt->told.n);
    json_u64(json, "ranks", attempt->ranks != NULL ? attempt->ranks->n : 1);
    json_str(json, "bye", bye_word_names[attempt->bye]);
    json_str(json, "reason", attempt->has_cause ? attempt->reason : NULL);
    json_time(json, "term_at", attempt->term_at == AGENT_NEVER ? 0 : attempt->term_at);
    json_time(json, "kill_at", attempt->kill_at == AGENT_NEVER ? 0 : attempt->kill_at);
    json_array_begin(json, "connections");
    list_each (&attempt->connections, struct connection, link, connection) {
        dump_connection(json, connection);
    }
    json_array_end(json);
    json_object_end(json);
}

static void dump_array(struct json_out *json, const struct agent_array *array)
{
    uint32_t n_queued = 0;
    for (uint32_t i = array->queued.first; i < array->queued.n; i++) {
        n_queued += array->queued.items[i].count;
    }
    json_object_begin(json, NULL);
    json_u64(json, "job", array->job);
    json_u64(json, "held", array->held.n);
    json_u64(json, "queued", n_queued);
    json_array_begin(json, "lanes");
    list_each (&array->lanes, struct lane, link, lane) {
        json_object_begin(json, NULL);
        json_u64(json, "lane", lane->number);
        json_bool(json, "is_idle", lane->n_attempts == 0);
        json_object_end(json);
    }
    json_array_end(json);
    json_object_end(json);
}

error_code agent_dump(const struct agent *agent, struct buf *buf)
{
    struct json_out json = json_out_to(buf);
    json_object_begin(&json, NULL);
    dump_link(&json, &agent->link);
    dump_stream(&json, &agent->stream);
    json_bool(&json, "is_draining", agent->is_draining);
    json_bool(&json, "is_leaving", agent->is_leaving);
    json_u64(&json, "snapshots", agent->n_snapshots);
    json_array_begin(&json, "attempts");
    list_each (&agent->attempts, struct attempt, link, attempt) {
        dump_attempt(&json, attempt);
    }
    json_array_end(&json);
    json_array_begin(&json, "arrays");
    for (const struct agent_array *array = agent->arrays; array != NULL; array = array->hh.next) {
        dump_array(&json, array);
    }
    json_array_end(&json);
    json_object_end(&json);
    return buf->failed;
}
