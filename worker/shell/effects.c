/* What the core wants done: a function for each kind of effect. */
#include "sys/failpoints.h"
#include "sys/log.h"
#include "worker/shell/arrays.h"
#include "worker/shell/work.h"

typedef void effect_fn(struct worker *worker, const struct agent_effect *effect);

static void effect_send(struct worker *worker, const struct agent_effect *effect)
{
    if (effect->type == MSG_EVENTS) {
        FAILPOINT(EVENTS_SEND);
    }
    error_code error = dealer_send(worker->dealer, effect->frame);
    if (error == OK || error == ERR_UNREACHABLE) {
        return; /* on_down() comes, and everything that counts is sent again after the next welcome
                 */
    }
    log_once("send", LOG_LEVEL_WARNING, "%s (%zu bytes) cannot be sent to the head: %s",
             message_name(effect->type), effect->frame.len, error_word(error));
    /* The core believes that it was sent; a new connection begins with what was not acknowledged.
     */
    dealer_reconnect(worker->dealer, 0);
}

static void effect_reconnect(struct worker *worker, const struct agent_effect *effect)
{
    int64_t delay_ms = effect->at - loop_now(worker->loop);
    dealer_reconnect(worker->dealer, delay_ms > 0 ? delay_ms : 0);
}

static void effect_start(struct worker *worker, const struct agent_effect *effect)
{
    FAILPOINT(ATTEMPT_START);
    attempt_start(worker, effect->ref, effect->lease, NULL);
}

static void effect_signal(struct worker *worker, const struct agent_effect *effect)
{
    attempt_signal(worker, effect->ref, effect->signal);
}

static void effect_answer(struct worker *worker, const struct agent_effect *effect)
{
    FAILPOINT(TRIAL_ANSWER);
    trial_connection_answer(worker->sockets, effect->connection, effect->text);
}

static void effect_close(struct worker *worker, const struct agent_effect *effect)
{
    trial_connection_close(worker->sockets, effect->connection);
}

static void effect_read_stop(struct worker *worker, const struct agent_effect *effect)
{
    trial_connection_read(worker->sockets, effect->connection, false);
}

static void effect_read_start(struct worker *worker, const struct agent_effect *effect)
{
    trial_connection_read(worker->sockets, effect->connection, true);
}

static void effect_save_begin(struct worker *worker, const struct agent_effect *effect)
{
    attempt_save_begin(worker, effect->ref, effect->connection);
}

static void effect_save_commit(struct worker *worker, const struct agent_effect *effect)
{
    attempt_save_commit(worker, effect->ref, effect->connection, &effect->snapshot);
}

static void effect_prove(struct worker *worker, const struct agent_effect *effect)
{
    attempt_prove(worker, effect->ref, effect->connection, &effect->snapshot);
}

static void effect_drop(struct worker *worker, const struct agent_effect *effect)
{
    snapshots_drop(worker->snapshots,
                   (struct snapshot_name){effect->ref.task, effect->snapshot.ordinal});
}

static void effect_clean(struct worker *worker, const struct agent_effect *effect)
{
    attempt_clean(worker, effect->ref);
}

static void effect_exit(struct worker *worker, const struct agent_effect *effect)
{
    worker_leave(worker, effect->code);
}

static void effect_blob_write(struct worker *worker, const struct agent_effect *effect)
{
    works_write(worker->works, effect->text, effect->offset, effect->sum, effect->frame);
}

static void effect_blob_drop(struct worker *worker, const struct agent_effect *effect)
{
    works_drop(worker->works, effect->text);
}

static void effect_unpack(struct worker *worker, const struct agent_effect *effect)
{
    works_unpack(worker->works, effect->text);
}

static void effect_setup(struct worker *worker, const struct agent_effect *effect)
{
    works_setup(worker->works, effect->text, effect->lease);
}

static void effect_setup_stop(struct worker *worker, const struct agent_effect *effect)
{
    works_setup_stop(worker->works, effect->text);
}

static void effect_array(struct worker *worker, const struct agent_effect *effect)
{
    arrays_take(worker->arrays, effect->array);
}

static void effect_array_drop(struct worker *worker, const struct agent_effect *effect)
{
    arrays_drop(worker->arrays, effect->job);
}

static void effect_lane_open(struct worker *worker, const struct agent_effect *effect)
{
    arrays_lane_open(worker->arrays, effect->job, &effect->lane);
}

static void effect_lane_close(struct worker *worker, const struct agent_effect *effect)
{
    arrays_lane_close(worker->arrays, effect->job, effect->lane.lane);
}

static void effect_lane_recall(struct worker *worker, const struct agent_effect *effect)
{
    arrays_lane_recall(worker->arrays, effect->job, effect->lane.lane);
}

static void effect_logs_drop(struct worker *worker, const struct agent_effect *effect)
{
    old_logs_drop(worker->old_logs, effect->jobs);
}

static void effect_lane_start(struct worker *worker, const struct agent_effect *effect)
{
    FAILPOINT(LANE_START);
    arrays_lane_start(worker->arrays, effect->ref, effect->lane.lane, effect->position);
}

static void effect_copy(struct worker *worker, const struct agent_effect *effect)
{
    copies_fetch(worker, effect->source, effect->frame.data);
}

static void effect_lend(struct worker *worker, const struct agent_effect *effect)
{
    copies_lend(worker, effect->lend);
}

static void effect_meet(struct worker *worker, const struct agent_effect *effect)
{
    if (effect->gang != NULL) {
        attempt_meet(worker, effect->ref, effect->gang);
    } else {
        attempt_let_go(worker, effect->ref, effect->text);
    }
}

static void effect_say(struct worker *worker, const struct agent_effect *effect)
{
    (void)worker;
    log_write(LOG_LEVEL_INFO, "%s", effect->text);
}

static effect_fn *const effect_table[] = {
    [AGENT_SEND] = effect_send,
    [AGENT_RECONNECT] = effect_reconnect,
    [AGENT_START] = effect_start,
    [AGENT_SIGNAL] = effect_signal,
    [AGENT_ANSWER] = effect_answer,
    [AGENT_CLOSE] = effect_close,
    [AGENT_READ_STOP] = effect_read_stop,
    [AGENT_READ_START] = effect_read_start,
    [AGENT_SAVE_BEGIN] = effect_save_begin,
    [AGENT_SAVE_COMMIT] = effect_save_commit,
    [AGENT_SNAPSHOT_PROVE] = effect_prove,
    [AGENT_DROP] = effect_drop,
    [AGENT_CLEAN] = effect_clean,
    [AGENT_EXIT] = effect_exit,
    [AGENT_BLOB_WRITE] = effect_blob_write,
    [AGENT_BLOB_DROP] = effect_blob_drop,
    [AGENT_TREE_UNPACK] = effect_unpack,
    [AGENT_TREE_SETUP] = effect_setup,
    [AGENT_TREE_SETUP_STOP] = effect_setup_stop,
    [AGENT_ARRAY] = effect_array,
    [AGENT_ARRAY_DROP] = effect_array_drop,
    [AGENT_LANE_OPEN] = effect_lane_open,
    [AGENT_LANE_CLOSE] = effect_lane_close,
    [AGENT_LANE_RECALL] = effect_lane_recall,
    [AGENT_LOGS_DROP] = effect_logs_drop,
    [AGENT_LANE_START] = effect_lane_start,
    [AGENT_COPY] = effect_copy,
    [AGENT_LEND] = effect_lend,
    [AGENT_MEET] = effect_meet,
    [AGENT_SAY] = effect_say,
};

void worker_leave(struct worker *worker, int exit_code)
{
    if (!worker->is_leaving) {
        worker->is_leaving = true;
        worker->exit_code = exit_code;
        loop_again(worker->loop);
    }
}

/* An effect may bring further ones (an attempt that cannot start), which are appended: the list may
 * move meanwhile. */
void effects_apply(struct worker *worker)
{
    struct agent_outbox *out = &worker->out;
    for (uint32_t i = 0; i < out->n_effects && !worker->is_leaving; i++) {
        struct agent_effect effect = out->effects[i];
        effect_table[effect.kind](worker, &effect);
    }
    if (worker->sockets != NULL) {
        trial_sockets_flush(worker->sockets);
    }
    if (out->failed != OK && !worker->is_leaving) {
        log_write(LOG_LEVEL_ERROR,
                  "no memory to go on with: the head will run everything again elsewhere");
        worker_leave(worker, 1);
    }
    agent_outbox_reset(out);
    link_pieces_drop(worker);
}
