#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/json_out.h"
#include "base/mem.h"
#include "worker/core/ranks.h"

/* ---- snapshots on this node's disk ---- */

static bool snapshot_is(const struct known_snapshot *known, struct snapshot_name name)
{
    return task_id_equal(known->name.task, name.task) && known->name.ordinal == name.ordinal;
}

static struct known_snapshot *snapshot_find(const struct agent *agent, struct snapshot_name name)
{
    for (uint32_t i = 0; i < agent->n_snapshots; i++) {
        if (snapshot_is(&agent->snapshots[i], name)) {
            return &agent->snapshots[i];
        }
    }
    return NULL;
}

static error_code snapshot_add(struct agent *agent, struct snapshot_name name, bool is_committed)
{
    struct known_snapshot *known = snapshot_find(agent, name);
    if (known != NULL) {
        known->is_committed = known->is_committed || is_committed;
        return OK;
    }
    if (agent->n_snapshots == AGENT_SNAPSHOTS_MAX) {
        return ERR_LIMIT;
    }
    if (agent->n_snapshots == agent->cap_snapshots) {
        uint32_t cap = agent->cap_snapshots == 0 ? 16 : agent->cap_snapshots * 2;
        struct known_snapshot *more = mem_realloc(agent->snapshots, cap * sizeof *more);
        if (more == NULL) {
            return ERR_NO_MEMORY;
        }
        agent->snapshots = more;
        agent->cap_snapshots = cap;
    }
    agent->snapshots[agent->n_snapshots++] =
        (struct known_snapshot){.name = name, .is_committed = is_committed};
    return OK;
}

static void snapshot_remove(struct agent *agent, struct snapshot_name name)
{
    struct known_snapshot *known = snapshot_find(agent, name);
    if (known != NULL) {
        *known = agent->snapshots[--agent->n_snapshots];
    }
}

uint32_t agent_snapshot_highest(const struct agent *agent, task_id task, uint32_t at_least)
{
    uint32_t highest = at_least;
    for (uint32_t i = 0; i < agent->n_snapshots; i++) {
        const struct snapshot_name *name = &agent->snapshots[i].name;
        if (task_id_equal(name->task, task) && name->ordinal > highest) {
            highest = name->ordinal;
        }
    }
    return highest;
}

error_code agent_snapshot_found(struct agent *agent, struct snapshot_name name)
{
    return snapshot_add(agent, name, true);
}

bool agent_snapshot_is_here(const struct agent *agent, struct snapshot_name name)
{
    const struct known_snapshot *known = snapshot_find(agent, name);
    return known != NULL && known->is_committed;
}

void agent_snapshot_kept(struct agent *agent, struct snapshot_name name, uint64_t number)
{
    struct known_snapshot *known = snapshot_find(agent, name);
    if (known != NULL) {
        known->kept = number;
        known->kept_epoch = agent->link.epoch;
    }
}

void agent_snapshot_told(struct agent *agent, struct snapshot_name name, uint64_t number)
{
    struct known_snapshot *known = snapshot_find(agent, name);
    if (known != NULL) {
        known->copied = number;
    }
}

void agent_snapshots_tell_again(struct agent *agent, time_ms now, struct agent_outbox *out)
{
    for (uint32_t i = 0; i < agent->n_snapshots; i++) {
        struct known_snapshot *known = &agent->snapshots[i];
        if (known->is_unlisted && known->copied <= agent->stream.acked) {
            struct node_event event = {.kind = EVENT_COPIED,
                                       .task = known->name.task,
                                       .attempt = 1,
                                       .snapshot = {.ordinal = known->name.ordinal}};
            known->is_unlisted = false;
            known->copied = agent_event(agent, now, NULL, &event, out);
        }
    }
}

void agent_snapshots_drop(struct agent *agent, const struct msg_drop *drop,
                          struct agent_outbox *out)
{
    for (uint32_t i = 0; i < drop->n_snapshots; i++) {
        const struct known_snapshot *known = snapshot_find(agent, drop->snapshots[i]);
        if (known != NULL && !known->is_committed) {
            continue; /* an ordinal that is being written now is not the one the head means */
        }
        if (known != NULL && known->kept_epoch == agent->link.epoch && drop->number < known->kept) {
            continue; /* the head has wanted it here since */
        }
        snapshot_remove(agent, drop->snapshots[i]);
        agent_outbox_drop(out, drop->snapshots[i]);
    }
}

/* ---- save and commit ---- */

void agent_save(struct agent *agent, time_ms now, struct connection *connection, int64_t step,
                struct agent_outbox *out)
{
    struct attempt *attempt = connection->attempt;
    if (attempt->is_save_asked || attempt->is_committing) {
        agent_answer_error(agent, now, connection, "not_now", "another save is under way", out);
        return;
    }
    if (step < 0) {
        agent_answer_error(agent, now, connection, "bad_step", "a step is 0 or more", out);
        return;
    }
    agent_save_begin(agent, now, connection, step, out);
}

void agent_save_begin(struct agent *agent, time_ms now, struct connection *connection, int64_t step,
                      struct agent_outbox *out)
{
    struct attempt *attempt = connection->attempt;
    attempt->is_save_asked = true;
    attempt->is_saving = false;
    attempt->save_step = step;
    agent_outbox_save(out, attempt->ref, connection->id, step);
    agent_answer_add(agent, now, connection, ANSWER_SAVE, 0, out);
}

const char *agent_save_print(struct agent *agent, const char *dir)
{
    buf_reset(&agent->line);
    struct json_out json = json_out_to(&agent->line);
    json_object_begin(&json, NULL);
    json_i64(&json, "ok", 1);
    json_str(&json, "dir", dir);
    json_object_end(&json);
    return buf_text(&agent->line);
}

/* One connection's answer, or of an attempt with ranks everybody's who waits for it. */
static void save_answer(struct agent *agent, time_ms now, struct attempt *attempt, uint64_t id,
                        answer_kind kind, const char *line, struct agent_outbox *out)
{
    struct connection *one = agent_connection_of(agent, id, attempt->ref);
    if (attempt->ranks == NULL) {
        if (one != NULL) {
            agent_answer_fill(agent, now, one, kind, line, out);
        }
        return;
    }
    list_each (&attempt->connections, struct connection, link, connection) {
        agent_answer_fill(agent, now, connection, kind, line, out);
    }
}

void on_save_begun(struct agent *agent, time_ms now, struct attempt_ref ref, uint64_t id,
                   const char *dir, const char *error, const char *error_text,
                   struct agent_outbox *out)
{
    struct attempt *attempt = agent_attempt_find(agent, ref);
    if (attempt == NULL || !attempt->is_save_asked) {
        return;
    }
    attempt->is_save_asked = false;
    attempt->is_saving = error == NULL;
    if (attempt->ranks != NULL) {
        agent_ranks_save_begun(attempt, error == NULL ? dir : NULL, out);
    }
    const char *text = error != NULL ? agent_answer_error_print(agent, error, error_text)
                                     : agent_save_print(agent, dir);
    CLEANUP(mem_freep) char *copy = mem_strdup(text);
    if (copy == NULL || agent->line.failed != OK) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    save_answer(agent, now, attempt, id, ANSWER_SAVE, copy, out);
}

/* Why a commit cannot be taken now; NULL: it can. */
static const char *commit_refusal(const struct agent *agent, const struct attempt *attempt,
                                  int64_t step)
{
    if (attempt->is_committing) {
        return "another commit is under way";
    }
    if (!attempt->is_saving || attempt->save_step != step) {
        return "no save of this step has begun";
    }
    if (agent->stream.kept_bytes > STREAM_NO_ROWS_BYTES) {
        return "too much waits for the head";
    }
    return NULL;
}

/* connection: who asked; 0: nobody did. ERR_LIMIT: nothing was begun. */
static error_code commit_begin(struct agent *agent, struct attempt *attempt, uint64_t connection,
                               int64_t step, struct agent_outbox *out)
{
    struct snapshot_name name = {
        attempt->ref.task,
        agent_snapshot_highest(agent, attempt->ref.task, attempt->last_ordinal) + 1};
    /* Taken now: a later attempt of this task must not use it while the shell is writing. */
    error_code error = snapshot_add(agent, name, false);
    if (error == ERR_NO_MEMORY) {
        agent_outbox_fail(out, error);
    }
    if (error != OK) {
        return error;
    }
    attempt->last_ordinal = name.ordinal;
    attempt->is_saving = false;
    attempt->is_committing = true;
    attempt->commit_ordinal = name.ordinal;
    attempt->commit_step = step;
    agent_outbox_commit(out, attempt->ref, connection, name.ordinal, step);
    return OK;
}

void agent_commit(struct agent *agent, time_ms now, struct connection *connection, int64_t step,
                  struct agent_outbox *out)
{
    struct attempt *attempt = connection->attempt;
    const char *refusal = commit_refusal(agent, attempt, step);
    if (refusal != NULL) {
        agent_answer_error(agent, now, connection, "not_now", refusal, out);
        return;
    }
    error_code error = commit_begin(agent, attempt, connection->id, step, out);
    if (error == ERR_LIMIT) {
        agent_answer_error(agent, now, connection, "no_space", "too many snapshots here", out);
    } else if (error == OK) {
        agent_answer_add(agent, now, connection, ANSWER_COMMIT, 0, out);
    }
}

const char *agent_commit_all(struct agent *agent, struct attempt *attempt, struct agent_outbox *out)
{
    if (agent->stream.kept_bytes > STREAM_NO_ROWS_BYTES) {
        return "too much waits for the head";
    }
    error_code error = commit_begin(agent, attempt, 0, attempt->save_step, out);
    return error == ERR_LIMIT ? "too many snapshots here" : NULL;
}

bool on_checkpoint_copied(struct agent *agent, time_ms now, struct attempt_ref ref,
                          struct agent_outbox *out)
{
    struct attempt *attempt = agent_attempt_find(agent, ref);
    (void)now;
    if (attempt == NULL || !agent_attempt_is_alive(attempt) || attempt->is_save_asked ||
        attempt->is_saving || attempt->is_committing ||
        agent->stream.kept_bytes > STREAM_NO_ROWS_BYTES) {
        return false;
    }
    int64_t step = attempt->last_step > 0 ? attempt->last_step : 0;
    return commit_begin(agent, attempt, 0, step, out) == OK;
}

static void commit_tell(struct agent *agent, time_ms now, struct attempt *attempt,
                        const struct snapshot_ref *snapshot, struct agent_outbox *out)
{
    agent_report_flush(agent, now, attempt, false, out);
    struct node_event event = {.kind = EVENT_SNAPSHOT, .snapshot = *snapshot};
    event.snapshot.ordinal = attempt->commit_ordinal;
    event.snapshot.step = attempt->commit_step;
    event.snapshot.attempt = attempt->ref.attempt;
    event.snapshot.lineage = attempt->lineage;
    attempt->saved_step = attempt->commit_step;
    attempt->saved_at = now;
    attempt->is_save_due = false;
    agent_event(agent, now, attempt, &event, out);
    /* Drained, saved, and it cannot pause by itself: nothing is gained by waiting. */
    if (attempt->is_told_by_drain && (attempt->can & CAN_PAUSE) == 0 && !attempt->is_signalled) {
        attempt->term_at = now;
        agent_wake_at(agent, now);
    }
}

static void commit_answer(struct agent *agent, time_ms now, struct attempt *attempt, uint64_t id,
                          const char *error, const char *error_text, struct agent_outbox *out)
{
    CLEANUP(mem_freep) char *line = NULL;
    if (error != NULL) {
        line = mem_strdup(agent_answer_error_print(agent, error, error_text));
    } else {
        char trial[TASK_ID_TEXT_MAX], text[128];
        ignore_error(snprintf(text, sizeof text, "{\"ok\":1,\"id\":\"%s@%" PRId64 ".%" PRIu32 "\"}",
                              task_id_print(attempt->ref.task, trial), attempt->commit_step,
                              attempt->commit_ordinal) < 0,
                     "numbers always print");
        line = mem_strdup(text);
    }
    if (line == NULL) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    if (attempt->ranks != NULL) {
        agent_ranks_save_over(attempt);
    }
    save_answer(agent, now, attempt, id, ANSWER_COMMIT, line, out);
}

void on_save_committed(struct agent *agent, time_ms now, struct attempt_ref ref, uint64_t id,
                       const struct snapshot_ref *snapshot, const char *error,
                       const char *error_text, struct agent_outbox *out)
{
    struct attempt *attempt = agent_attempt_find(agent, ref);
    bool is_wanted =
        attempt != NULL && attempt->is_committing && attempt->state != ATTEMPT_DISOWNED;
    struct snapshot_name name = {ref.task, 0};
    if (attempt != NULL && attempt->is_committing) {
        name.ordinal = attempt->commit_ordinal;
        attempt->is_committing = false;
    } else if (snapshot != NULL) {
        name.ordinal = snapshot->ordinal;
    }
    if (error != NULL || !is_wanted) {
        snapshot_remove(agent, name);
        if (error == NULL && name.ordinal > 0) {
            agent_outbox_drop(out, name); /* nobody will ever name it */
        }
    } else if (snapshot_add(agent, name, true) == OK) {
        commit_tell(agent, now, attempt, snapshot, out);
    } else {
        agent_outbox_fail(out, ERR_NO_MEMORY);
    }
    if (is_wanted) {
        commit_answer(agent, now, attempt, id, error, error_text, out);
        if (attempt->state == ATTEMPT_SETTLING) {
            agent_attempt_settle(agent, now, attempt, out);
        }
    }
}
