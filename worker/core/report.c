#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "spec/types.h"
#include "worker/core/ranks.h"

/* One event of the block's rows, and its number; the block is empty after it. */
static uint64_t report_rows_tell(struct agent *agent, time_ms now, struct attempt *attempt,
                                 struct row_block *block, struct node_event *event,
                                 struct agent_outbox *out)
{
    const char *names[METRICS_MAX];
    agent_rows_view(block, names, &event->rows);
    uint64_t number = agent_event(agent, now, attempt, event, out);
    agent_rows_clear(block);
    return number;
}

void agent_report_flush(struct agent *agent, time_ms now, struct attempt *attempt, bool is_last,
                        struct agent_outbox *out)
{
    if (attempt->block.n_rows > 0) {
        struct node_event event = {.kind = EVENT_ROWS, .can = attempt->can};
        report_rows_tell(agent, now, attempt, &attempt->block, &event, out);
    }
    if (is_last && attempt->thinned.n_rows > 0) {
        struct node_event event = {.kind = EVENT_ROWS, .can = attempt->can};
        report_rows_tell(agent, now, attempt, &attempt->thinned, &event, out);
    }
}

static bool report_is_kept(const struct agent *agent, uint64_t seq)
{
    uint64_t pressure = agent_stream_rows_stride(&agent->stream);
    return pressure != 0 && seq % agent_rows_stride(seq) == 0 &&
           seq / agent_rows_stride(seq) % pressure == 0;
}

static void report_row_add(struct agent *agent, time_ms now, struct attempt *attempt,
                           struct row_block *block, const struct trainer_request *request,
                           struct agent_outbox *out)
{
    error_code error = agent_rows_add(block, now, attempt->seq, request->step, request->names,
                                      request->values, request->n_metrics);
    if (error != OK) {
        agent_outbox_fail(out, error);
    }
    agent_wake_at(agent, now + ROWS_BLOCK_MS);
}

/* Below the milestone: a row for the block, or left out; either way it is received. */
static void report_received(struct agent *agent, time_ms now, struct attempt *attempt,
                            const struct trainer_request *request, struct agent_outbox *out)
{
    agent_rows_clear(&attempt->thinned);
    if (!report_is_kept(agent, attempt->seq)) {
        report_row_add(agent, now, attempt, &attempt->thinned, request, out);
        return;
    }
    if (!agent_rows_takes(&attempt->block, request->names, request->n_metrics)) {
        agent_report_flush(agent, now, attempt, false, out);
    }
    report_row_add(agent, now, attempt, &attempt->block, request, out);
    if (agent_rows_is_full(&attempt->block)) {
        agent_report_flush(agent, now, attempt, false, out);
    }
}

/* At the milestone: an event at once, with the rows before it; its own row is the last. */
static void report_milestone(struct agent *agent, time_ms now, struct attempt *attempt,
                             const struct trainer_request *request, struct agent_outbox *out)
{
    attempt->reached = attempt->order.n;
    agent_rows_clear(&attempt->thinned);
    if (!agent_rows_takes(&attempt->block, request->names, request->n_metrics)) {
        agent_report_flush(agent, now, attempt, false, out);
    }
    report_row_add(agent, now, attempt, &attempt->block, request, out);
    if (attempt->block.n_rows == 0) {
        return; /* no memory: noted */
    }
    struct node_event event = {
        .kind = EVENT_MILESTONE, .reached = attempt->reached, .can = attempt->can};
    attempt->reached_number = report_rows_tell(agent, now, attempt, &attempt->block, &event, out);
}

/* By time (checkpoints.every), from its start or its last save. Asked once: it counts from there
 * for as long again. */
static void report_save_check(struct attempt *attempt, time_ms now)
{
    int64_t every_ms = attempt->lease->checkpoints_every_ms;
    time_ms since = attempt->saved_at > 0 ? attempt->saved_at : attempt->clock_start;
    bool is_busy = attempt->is_save_asked || attempt->is_saving || attempt->is_committing;
    if (every_ms > 0 && now - since >= every_ms && (attempt->can & CAN_CHECKPOINT) != 0 &&
        !is_busy) {
        attempt->saved_at = now;
        attempt->is_save_due = true;
    }
}

/* True: it is at the milestone. */
static bool report_take(struct agent *agent, time_ms now, struct attempt *attempt, double time,
                        const struct trainer_request *request, struct agent_outbox *out)
{
    attempt->seq++;
    attempt->last_step = request->step;
    attempt->last_time = time;
    report_save_check(attempt, now);
    if (agent_order_is_reached(attempt, request->step)) {
        report_milestone(agent, now, attempt, request, out);
        return true;
    }
    report_received(agent, now, attempt, request, out);
    return false;
}

static bool report_has_metric(const struct attempt *attempt, const struct trainer_request *request)
{
    const char *metric = attempt->lease->metric;
    for (uint32_t i = 0; metric != NULL && i < request->n_metrics; i++) {
        if (strcmp(request->names[i], metric) == 0) {
            return true;
        }
    }
    return false;
}

void on_line_report(struct agent *agent, time_ms now, struct attempt_ref ref, uint32_t source,
                    double step, double value, struct agent_outbox *out)
{
    struct attempt *attempt = agent_attempt_find(agent, ref);
    assert(step >= 0 && step <= (double)(1LL << 53));
    if (attempt == NULL || !agent_attempt_is_alive(attempt)) {
        return;
    }
    bool is_trusted = attempt->source == 0 || source <= attempt->source;
    if (!is_trusted || step <= attempt->last_time || attempt->lease->metric == NULL) {
        return;
    }
    const struct trainer_request request = {.kind = TRAINER_REPORT,
                                            .step = (int64_t)step,
                                            .names = &attempt->lease->metric,
                                            .values = &value,
                                            .n_metrics = 1};
    attempt->source = source;
    attempt->last_activity = now;
    report_take(agent, now, attempt, step, &request, out);
}

void agent_report_bad_step(struct agent *agent, time_ms now, struct connection *connection,
                           int64_t step, int64_t last_step, struct agent_outbox *out)
{
    char text[96];
    ignore_error(
        snprintf(text, sizeof text, "step %" PRId64 " is not above %" PRId64, step, last_step) < 0,
        "the word says it too");
    agent_answer_error(agent, now, connection, "bad_step", text, out);
}

void agent_report(struct agent *agent, time_ms now, struct connection *connection,
                  const struct trainer_request *request, struct agent_outbox *out)
{
    struct attempt *attempt = connection->attempt;
    assert(request->n_metrics <= METRICS_MAX);
    if (connection->rank > 0) {
        agent_rank_report(agent, now, connection, request, out);
        return;
    }
    if (request->step <= attempt->last_step) {
        agent_report_bad_step(agent, now, connection, request->step, attempt->last_step, out);
        return;
    }
    if (report_has_metric(attempt, request)) {
        attempt->source = REPORT_FROM_API;
    }
    bool is_held = report_take(agent, now, attempt, (double)request->step, request, out);
    if (is_held && attempt->ranks != NULL) {
        agent_ranks_held(agent, now, attempt, request->step);
    }
    agent_answer_report(agent, now, connection, is_held ? ANSWER_MILESTONE : ANSWER_RECEIVED,
                        is_held ? attempt->reached : 0, request->step, out);
}
