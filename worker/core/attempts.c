#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "spec/types.h"
#include "worker/core/gang.h"
#include "worker/core/lanes.h"
#include "worker/core/ranks.h"

enum { ATTEMPT_ARENA_MAX_BYTES = MSG_ARENA_MAX_BYTES + (1 << 20) };

struct attempt *agent_attempt_find(const struct agent *agent, struct attempt_ref ref)
{
    struct attempt *attempt;
    HASH_FIND(hh, agent->by_ref, &ref, sizeof ref, attempt);
    return attempt;
}

static void agent_attempt_move(struct attempt *attempt, attempt_event event)
{
    const struct attempt_edge *edge = attempt_edge_find(attempt->state, event);
    assert(edge != NULL);
    attempt->state = edge->to;
}

void agent_attempt_free(struct agent *agent, struct attempt *attempt)
{
    list_each (&attempt->connections, struct connection, link, connection) {
        agent_connection_free(agent, connection);
    }
    agent_lane_free(agent, attempt);
    HASH_DELETE(hh, agent->by_ref, attempt);
    list_remove(&attempt->link);
    agent->n_attempts--;
    agent_wake_at(agent, 0); /* a drain may be over */
    agent_rows_fini(&attempt->block);
    agent_rows_fini(&attempt->thinned);
    mem_free(attempt->note);
    agent_ranks_free(attempt);
    exploit_fini(&attempt->told);
    exploit_fini(&attempt->taken);
    arena_fini(&attempt->arena);
    mem_free(attempt);
}

/* ---- a lease ---- */

static void attempt_refuse(struct agent *agent, time_ms now, const struct msg_lease *lease,
                           const char *reason, struct agent_outbox *out)
{
    struct node_event event = {
        .kind = EVENT_RESULT,
        .task = lease->task,
        .attempt = lease->attempt,
        .result = {.cause = CAUSE_REFUSED, .reason = reason, .ended_at = now},
    };
    agent_event(agent, now, NULL, &event, out);
}

/* The head does not say where on a node a snapshot lies: the place follows from task and ordinal.
 */
static error_code attempt_restore_find(const struct agent *agent, struct attempt *attempt)
{
    const struct snapshot_ref *restore = &attempt->lease->restore;
    /* Also those that no record names: told to go, they would take along what is called the same.
     */
    attempt->last_ordinal =
        agent_snapshot_highest(agent, attempt->ref.task, attempt->lease->last_ordinal);
    if (restore->ordinal == 0) {
        return OK;
    }
    if (restore->owner == 0 && restore->ordinal > attempt->last_ordinal) {
        attempt->last_ordinal = restore->ordinal;
    }
    attempt->last_step = restore->step;
    attempt->last_time = (double)restore->step;
    attempt->restore_dir = restore->dir;
    if (restore->dir == NULL && agent->snapshots_dir != NULL) {
        char task[TASK_ID_TEXT_MAX];
        attempt->restore_dir = arena_printf(
            &attempt->arena, "%s/%s/%u", agent->snapshots_dir,
            task_id_print(snapshot_maker(attempt->ref.task, restore), task), restore->ordinal);
        return attempt->restore_dir == NULL ? ERR_NO_MEMORY : OK;
    }
    return OK;
}

static void attempt_init(struct attempt *attempt, struct attempt_ref ref, const struct order *order)
{
    arena_init(&attempt->arena, ATTEMPT_ARENA_MAX_BYTES);
    attempt->ref = ref;
    attempt->order = *order;
    attempt->last_step = attempt->saved_step = -1;
    attempt->last_time = -1;
    attempt->term_at = attempt->kill_at = attempt->tell_at = AGENT_NEVER;
    list_init(&attempt->link);
    list_init(&attempt->connections);
}

static struct attempt *attempt_new(const struct agent *agent, const struct msg_lease *lease)
{
    struct attempt *attempt = mem_zalloc(sizeof *attempt);
    if (attempt == NULL) {
        return NULL;
    }
    attempt_init(attempt, (struct attempt_ref){lease->task, lease->attempt}, &lease->order);
    attempt->lineage = lease->lineage;
    attempt->lease = agent_message_copy(MSG_LEASE, lease, &attempt->arena);
    bool has_ranks = lease->is_trial && lease->ranks > 1 && lease->ranks <= SPEC_RANKS_MAX;
    if (attempt->lease == NULL || attempt_restore_find(agent, attempt) != OK ||
        (has_ranks && agent_ranks_new(attempt, lease->ranks) != OK)) {
        arena_fini(&attempt->arena);
        mem_free(attempt);
        return NULL;
    }
    return attempt;
}

/* False, and it is freed: no memory. */
static bool attempt_enter(struct agent *agent, struct attempt *attempt)
{
    HASH_ADD(hh, agent->by_ref, ref, sizeof attempt->ref, attempt);
    if (attempt->hh.tbl == NULL) {
        agent_ranks_free(attempt);
        arena_fini(&attempt->arena);
        mem_free(attempt);
        return false;
    }
    list_push_back(&agent->attempts, &attempt->link);
    agent->n_attempts++;
    attempt->welcome_mark = agent->welcomes;
    agent_attempt_move(attempt, ATTEMPT_EVENT_LEASE);
    return true;
}

/* A node that runs nothing: it has started, and it has ended well. */
static void attempt_dry(struct agent *agent, time_ms now, struct attempt *attempt,
                        struct agent_outbox *out)
{
    static const char reason[] = "its worker was started with --dry and ran nothing";
    struct attempt_ref ref = attempt->ref;
    const struct attempt_result facts = {
        .cause = CAUSE_EXIT, .reason = reason, .started_at = now, .ended_at = now, .is_dry = true};
    on_attempt_started(agent, now, ref, 0, out);
    on_attempt_exited(agent, now, ref, &facts, out);
}

static void attempt_start(struct agent *agent, time_ms now, const struct msg_lease *lease,
                          struct agent_outbox *out)
{
    struct attempt *attempt = attempt_new(agent, lease);
    if (attempt == NULL || !attempt_enter(agent, attempt)) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
    } else if (agent->enrol->is_dry) {
        attempt_dry(agent, now, attempt, out);
    } else {
        agent_work_want(agent, now, attempt, out);
    }
}

void agent_attempt_of_lane(struct agent *agent, time_ms now, struct lane *lane, uint32_t position,
                           struct agent_outbox *out)
{
    const struct msg_array *about = lane->array->about;
    const struct attempt_ref ref = {{about->job, array_id_at(about->ids, position)}, 0};
    struct attempt *attempt = mem_zalloc(sizeof *attempt);
    if (attempt == NULL) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    attempt_init(attempt, ref, &about->lease.order);
    attempt->lease = &about->lease;
    attempt->position = position;
    if (!attempt_enter(agent, attempt)) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    attempt->lane = lane;
    lane->attempts[lane->n_attempts++] = attempt;
    agent_work_want(agent, now, attempt, out);
}

/* Of what is over the head leases the next attempt: this message came twice, or late. */
static bool attempt_is_over(const struct agent *agent, struct attempt_ref ref)
{
    bool is_over = false;
    for (uint32_t i = 0; i < AGENT_OVER_MAX; i++) {
        is_over |=
            task_id_equal(agent->over[i].task, ref.task) && agent->over[i].attempt >= ref.attempt;
    }
    return is_over;
}

void agent_attempt_lease(struct agent *agent, time_ms now, const struct msg_lease *lease,
                         struct agent_outbox *out)
{
    struct attempt_ref ref = {lease->task, lease->attempt};
    struct attempt *same = agent_attempt_find(agent, ref);
    if (same != NULL) {
        agent_order_apply(agent, now, same, &lease->order, out);
        return;
    }
    if (attempt_is_over(agent, ref)) {
        return;
    }
    list_each (&agent->attempts, struct attempt, link, other) {
        if (!task_id_equal(other->ref.task, lease->task)) {
            continue;
        }
        if (other->ref.attempt > lease->attempt) {
            return; /* an old message: the head has gone on */
        }
        agent_attempt_gone(agent, other, out);
    }
    if (agent->is_draining || agent->is_leaving) {
        attempt_refuse(agent, now, lease, "its node is draining", out);
    } else if (agent->n_attempts >= AGENT_ATTEMPTS_MAX) {
        attempt_refuse(agent, now, lease, "its node holds as many attempts as it can", out);
    } else {
        attempt_start(agent, now, lease, out);
    }
}

/* ---- the way out ---- */

void agent_attempt_cancel(struct agent *agent, struct attempt *attempt)
{
    agent_attempt_move(attempt, ATTEMPT_EVENT_NOT_STARTED);
    agent_attempt_free(agent, attempt);
}

void agent_attempt_gone(struct agent *agent, struct attempt *attempt, struct agent_outbox *out)
{
    if (attempt->state == ATTEMPT_DISOWNED) {
        return;
    }
    if (attempt->lane != NULL) {
        held_set_remove(&attempt->lane->array->held, attempt->position);
    }
    if (attempt->is_waiting_for_work) {
        agent_attempt_cancel(agent, attempt);
        return;
    }
    agent_attempt_move(attempt, ATTEMPT_EVENT_GONE);
    agent_answers_gone(agent, attempt, out);
    if (attempt->state == ATTEMPT_DISOWNED) {
        attempt->term_at = attempt->kill_at = AGENT_NEVER;
        agent_rows_clear(&attempt->block);
        agent_rows_clear(&attempt->thinned);
        agent_outbox_signal(out, attempt->ref, SIGKILL);
        if (attempt->is_held) {
            agent_gang_let_go(attempt, "it is not wanted any more", out);
        }
        return;
    }
    agent_outbox_clean(out, attempt->ref);
    agent_attempt_free(agent, attempt);
}

void agent_attempt_acked(struct agent *agent, struct attempt *attempt, struct agent_outbox *out)
{
    agent_attempt_move(attempt, ATTEMPT_EVENT_ACKED);
    agent->over[agent->n_over++ % AGENT_OVER_MAX] = attempt->ref;
    agent_outbox_clean(out, attempt->ref);
    agent_attempt_free(agent, attempt);
}

/* A disowned one has ended: nobody waits for its result. */
static void attempt_forget(struct agent *agent, struct attempt *attempt, attempt_event event,
                           struct agent_outbox *out)
{
    agent_attempt_move(attempt, event);
    agent_connections_close(agent, attempt, out);
    agent_outbox_clean(out, attempt->ref);
    agent_attempt_free(agent, attempt);
}

void agent_attempt_term(struct attempt *attempt, struct agent_outbox *out)
{
    agent_attempt_move(attempt, ATTEMPT_EVENT_SIGNAL);
    attempt->is_signalled = true;
    attempt->term_at = AGENT_NEVER;
    if (agent_order_is_leave(&attempt->order)) {
        attempt->handed = attempt->order.n;
    }
    agent_outbox_signal(out, attempt->ref, SIGTERM);
}

void agent_attempt_end(struct agent *agent, struct attempt *attempt, end_cause cause,
                       const char *reason, time_ms term_at, time_ms kill_at)
{
    if (!attempt->has_cause) {
        attempt->has_cause = true;
        attempt->cause = cause;
        ignore_error(snprintf(attempt->reason, sizeof attempt->reason, "%s", reason) < 0,
                     "a reason that cannot be printed stays empty");
    }
    if (!attempt->is_signalled && term_at < attempt->term_at) {
        attempt->term_at = term_at;
    }
    if (kill_at < attempt->kill_at) {
        attempt->kill_at = kill_at;
    }
    agent_wake_at(agent, attempt->term_at);
    agent_wake_at(agent, attempt->kill_at);
}

/* ---- what the shell and the kernel say ---- */

void agent_attempt_started_tell(struct agent *agent, time_ms now, struct attempt *attempt,
                                struct agent_outbox *out)
{
    struct node_event event = {.kind = EVENT_STARTED, .pid = attempt->pid};
    attempt->tell_at = AGENT_NEVER;
    agent_event(agent, now, attempt, &event, out);
}

void on_attempt_started(struct agent *agent, time_ms now, struct attempt_ref ref, uint32_t pid,
                        struct agent_outbox *out)
{
    struct attempt *attempt = agent_attempt_find(agent, ref);
    if (attempt == NULL ||
        (attempt->state != ATTEMPT_STARTING && attempt->state != ATTEMPT_DISOWNED)) {
        return;
    }
    agent_attempt_move(attempt, ATTEMPT_EVENT_STARTED);
    attempt->is_held = false;
    if (attempt->state == ATTEMPT_DISOWNED) {
        agent_outbox_signal(out, ref, SIGKILL);
        return;
    }
    attempt->pid = pid;
    attempt->has_started = true;
    attempt->started_at = attempt->clock_start = attempt->last_activity = now;
    if (attempt->lane != NULL) {
        attempt->tell_at = now + LANES_TELL_STARTED_MS;
    } else {
        agent_attempt_started_tell(agent, now, attempt, out);
    }
    agent_order_started(agent, now, attempt, out);
    if (agent->is_draining || agent->is_leaving || attempt->drain_deadline != 0) {
        agent_drain_attempt(agent, now, attempt);
    }
    agent_answers_pump(agent, now, attempt, out); /* its connections are read from now on */
    agent->wake = now;                            /* its timeouts begin */
}

static void attempt_result_tell(struct agent *agent, time_ms now, struct attempt *attempt,
                                const struct attempt_result *result, struct agent_outbox *out)
{
    struct node_event event = {.kind = EVENT_RESULT, .result = *result};
    attempt->result_number = agent_event(agent, now, attempt, &event, out);
}

void agent_nodes_fault(struct agent *agent, struct attempt_ref ref)
{
    struct attempt *attempt = agent_attempt_find(agent, ref);
    if (attempt != NULL) {
        attempt->is_nodes_fault = true;
    }
}

void agent_restore_lost(struct agent *agent, struct attempt_ref ref)
{
    struct attempt *attempt = agent_attempt_find(agent, ref);
    if (attempt != NULL) {
        attempt->is_restore_lost = true;
    }
}

void on_attempt_not_started(struct agent *agent, time_ms now, struct attempt_ref ref,
                            end_cause cause, const char *reason, struct agent_outbox *out)
{
    struct attempt *attempt = agent_attempt_find(agent, ref);
    if (attempt == NULL) {
        return;
    }
    if (attempt->state == ATTEMPT_DISOWNED) {
        attempt_forget(agent, attempt, ATTEMPT_EVENT_NOT_STARTED, out);
        return;
    }
    if (attempt->state != ATTEMPT_STARTING) {
        return;
    }
    agent_attempt_move(attempt, ATTEMPT_EVENT_NOT_STARTED);
    attempt->is_held = false;
    agent_rows_clear(&attempt->block); /* of whoever knew its token: no trainer of ours was there */
    agent_rows_clear(&attempt->thinned);
    agent_connections_close(agent, attempt, out);
    char text[AGENT_REASON_MAX];
    ignore_error(snprintf(text, sizeof text, "%s", reason == NULL ? "" : reason) < 0,
                 "stays empty");
    struct attempt_result result = {.cause = cause,
                                    .reason = text,
                                    .ended_at = now,
                                    .is_nodes_fault = attempt->is_nodes_fault,
                                    .is_restore_lost = attempt->is_restore_lost};
    if (attempt->lane != NULL) {
        agent_lane_ended(agent, now, attempt, &result, out);
        return;
    }
    attempt_result_tell(agent, now, attempt, &result, out);
}

/* Drained and yet finished: the work is done, and nobody has to do it again. */
static bool attempt_has_finished(const struct attempt *attempt, const struct attempt_result *facts)
{
    return facts->cause == CAUSE_EXIT && facts->exit_code == 0 &&
           (attempt->bye == BYE_DONE || (attempt->bye == BYE_NONE && !attempt->is_signalled));
}

static end_cause attempt_cause(const struct attempt *attempt, const struct attempt_result *facts)
{
    if (agent_order_is_leave(&attempt->order) && attempt->handed >= attempt->order.n) {
        return CAUSE_TOLD;
    }
    if (!attempt->has_cause ||
        (attempt->cause == CAUSE_AGENT_LEFT && attempt_has_finished(attempt, facts))) {
        return facts->cause;
    }
    return attempt->cause;
}

void agent_attempt_settle(struct agent *agent, time_ms now, struct attempt *attempt,
                          struct agent_outbox *out)
{
    agent_attempt_move(attempt, ATTEMPT_EVENT_SETTLED);
    struct attempt_result result = attempt->facts;
    result.cause = attempt_cause(attempt, &attempt->facts);
    if (attempt->has_cause && result.cause == attempt->cause) {
        result.reason = attempt->reason;
    }
    result.has_started = attempt->has_started;
    result.is_restore_lost = attempt->is_restore_lost;
    result.handed = attempt->handed;
    result.bye = attempt->bye;
    result.note = attempt->note;
    result.last_seq = attempt->seq;
    result.started_at = result.started_at != 0 ? result.started_at : attempt->started_at;
    result.ended_at = result.ended_at != 0 ? result.ended_at : now;
    if (attempt->lane != NULL) {
        agent_connections_close(agent, attempt, out);
        agent_lane_ended(agent, now, attempt, &result, out);
        return;
    }
    attempt_result_tell(agent, now, attempt, &result, out);
    agent_connections_close(agent, attempt, out);
}

static error_code attempt_tail_copy(struct attempt *attempt, struct bytes *tail)
{
    if (tail->len > TAIL_MAX_BYTES) {
        tail->data += tail->len - TAIL_MAX_BYTES;
        tail->len = TAIL_MAX_BYTES;
    }
    if (tail->len == 0) {
        *tail = (struct bytes){0};
        return OK;
    }
    uint8_t *copy = arena_alloc(&attempt->arena, tail->len);
    if (copy == NULL) {
        return ERR_NO_MEMORY;
    }
    memcpy(copy, tail->data, tail->len);
    tail->data = copy;
    return OK;
}

/* What its lines named, if none of it was the metric. */
static error_code attempt_names_copy(struct attempt *attempt, const struct attempt_result *facts)
{
    attempt->facts.line_names = NULL;
    attempt->facts.n_line_names = 0;
    if (attempt->source != 0 || facts->n_line_names == 0) {
        return OK;
    }
    const char **names = arena_calloc(&attempt->arena, facts->n_line_names, sizeof *names);
    for (uint32_t i = 0; names != NULL && i < facts->n_line_names; i++) {
        names[i] = arena_strdup(&attempt->arena, facts->line_names[i]);
        names = names[i] != NULL ? names : NULL;
    }
    attempt->facts.line_names = names;
    attempt->facts.n_line_names = names != NULL ? facts->n_line_names : 0;
    return names != NULL ? OK : ERR_NO_MEMORY;
}

void on_attempt_exited(struct agent *agent, time_ms now, struct attempt_ref ref,
                       const struct attempt_result *facts, struct agent_outbox *out)
{
    struct attempt *attempt = agent_attempt_find(agent, ref);
    if (attempt == NULL) {
        return;
    }
    if (attempt->state == ATTEMPT_DISOWNED) {
        attempt_forget(agent, attempt, ATTEMPT_EVENT_EXITED, out);
        return;
    }
    if (!agent_attempt_is_alive(attempt)) {
        return;
    }
    agent_attempt_move(attempt, ATTEMPT_EVENT_EXITED);
    attempt->term_at = attempt->kill_at = AGENT_NEVER;
    agent_report_flush(agent, now, attempt, true, out);
    attempt->facts = *facts;
    attempt->facts.note = NULL;
    if (facts->reason != NULL) {
        attempt->facts.reason =
            arena_strndup(&attempt->arena, facts->reason, strnlen(facts->reason, AGENT_REASON_MAX));
    }
    if (attempt_tail_copy(attempt, &attempt->facts.out_tail) != OK ||
        attempt_tail_copy(attempt, &attempt->facts.err_tail) != OK ||
        attempt_names_copy(attempt, facts) != OK ||
        (facts->reason != NULL && attempt->facts.reason == NULL)) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        attempt->facts.out_tail = attempt->facts.err_tail = (struct bytes){0};
    }
    /* What was asked to be committed counts, so the result waits until it is on disk or has failed.
     */
    if (!attempt->is_committing) {
        agent_attempt_settle(agent, now, attempt, out);
    }
}

void on_attempt_activity(struct agent *agent, time_ms now, struct attempt_ref ref)
{
    struct attempt *attempt = agent_attempt_find(agent, ref);
    if (attempt != NULL) {
        attempt->last_activity = now;
    }
}

void on_attempt_over_memory(struct agent *agent, time_ms now, struct attempt_ref ref,
                            const char *reason)
{
    struct attempt *attempt = agent_attempt_find(agent, ref);
    if (attempt != NULL && agent_attempt_is_alive(attempt)) {
        agent_attempt_end(agent, attempt, CAUSE_OOM, reason, AGENT_NEVER, now);
    }
}
