/* worker/core/parts.h -- what the files of this folder offer one another. Pure; one thread.
 * All of them take `now` and the outbox like the on_*() calls do, and like them never fail: want of
 * memory stays in out->failed. */
#ifndef MUSTER_WORKER_CORE_PARTS_H
#define MUSTER_WORKER_CORE_PARTS_H

#include "base/json_out.h"
#include "worker/core/effects.h"
#include "worker/core/state.h"

static inline void agent_wake_at(struct agent *agent, time_ms at)
{
    if (at < agent->wake) {
        agent->wake = at;
    }
}

/* ---- link.c ---- */
void agent_link_tick(struct agent *agent, time_ms now, struct agent_outbox *out);
time_ms agent_link_deadline(const struct agent *agent);
/* ---- attempts.c ---- */
struct attempt *agent_attempt_find(const struct agent *agent, struct attempt_ref ref);
void agent_attempt_lease(struct agent *agent, time_ms now, const struct msg_lease *lease,
                         struct agent_outbox *out);
void agent_attempt_gone(struct agent *agent, struct attempt *attempt, struct agent_outbox *out);
void agent_attempt_acked(struct agent *agent, struct attempt *attempt, struct agent_outbox *out);
/* The core wants it to end: SIGTERM at term_at, SIGKILL at kill_at. The first cause given stays. */
void agent_attempt_end(struct agent *agent, struct attempt *attempt, end_cause cause,
                       const char *reason, time_ms term_at, time_ms kill_at);
/* Its start becomes an event. */
void agent_attempt_started_tell(struct agent *agent, time_ms now, struct attempt *attempt,
                                struct agent_outbox *out);
void agent_attempt_term(struct attempt *attempt, struct agent_outbox *out);
void agent_attempt_settle(struct agent *agent, time_ms now, struct attempt *attempt,
                          struct agent_outbox *out);
void agent_attempt_free(struct agent *agent, struct attempt *attempt);
/* The next task of an idle lane. */
void agent_attempt_of_lane(struct agent *agent, time_ms now, struct lane *lane, uint32_t position,
                           struct agent_outbox *out);
/* It waits for a folder and is not wanted any more: the shell knows nothing of it. */
void agent_attempt_cancel(struct agent *agent, struct attempt *attempt);
static inline bool agent_attempt_is_alive(const struct attempt *attempt)
{
    return attempt->state == ATTEMPT_RUNNING || attempt->state == ATTEMPT_ENDING;
}
/* ---- order.c ---- */
void agent_order_apply(struct agent *agent, time_ms now, struct attempt *attempt,
                       const struct order *order, struct agent_outbox *out);
/* The attempt has just started: what holds already is told. */
void agent_order_started(struct agent *agent, time_ms now, struct attempt *attempt,
                         struct agent_outbox *out);
bool agent_order_is_leave(const struct order *order);
bool agent_order_is_reached(const struct attempt *attempt, int64_t step);
/* The act bits of the answer that leaves now; notes what was handed. */
uint32_t agent_order_hand(struct attempt *attempt, bool is_report);
/* To leave, by the order or the drain, as it is told for the first time at the report of `step`. */
uint32_t agent_order_leave_bits(const struct attempt *attempt, int64_t step);
/* ---- report.c ---- */
void agent_report(struct agent *agent, time_ms now, struct connection *connection,
                  const struct trainer_request *request, struct agent_outbox *out);
void agent_report_bad_step(struct agent *agent, time_ms now, struct connection *connection,
                           int64_t step, int64_t last_step, struct agent_outbox *out);
/* The rows that wait become an event; `is_last`: a row that was left out goes with them. */
void agent_report_flush(struct agent *agent, time_ms now, struct attempt *attempt, bool is_last,
                        struct agent_outbox *out);
/* ---- answers.c ---- */
void agent_answer_text(struct agent *agent, time_ms now, struct connection *connection,
                       const char *text, struct agent_outbox *out);
void agent_answer_error(struct agent *agent, time_ms now, struct connection *connection,
                        const char *error, const char *text, struct agent_outbox *out);
void agent_answer_add(struct agent *agent, time_ms now, struct connection *connection,
                      answer_kind kind, uint64_t n, struct agent_outbox *out);
/* To a report of `step`. */
void agent_answer_report(struct agent *agent, time_ms now, struct connection *connection,
                         answer_kind kind, uint64_t n, int64_t step, struct agent_outbox *out);
/* The oldest waiting answer of this kind (SAVE, COMMIT) gets its text. */
void agent_answer_fill(struct agent *agent, time_ms now, struct connection *connection,
                       answer_kind kind, const char *text, struct agent_outbox *out);
/* Whatever waits and is ready leaves, in order. */
void agent_answers_pump(struct agent *agent, time_ms now, struct attempt *attempt,
                        struct agent_outbox *out);
void agent_answers_gone(struct agent *agent, struct attempt *attempt, struct agent_outbox *out);
void agent_answers_drop(struct agent *agent, struct connection *connection);
void agent_answers_tick(struct agent *agent, time_ms now, struct agent_outbox *out);
time_ms agent_answers_deadline(const struct agent *agent);
/* What holds, as keys of an answer: params; restore and step; milestone and save. */
void agent_answer_params(struct json_out *json, const struct attempt *attempt);
void agent_answer_weights(struct json_out *json, const struct attempt *attempt);
void agent_answer_ahead(struct json_out *json, const struct attempt *attempt);
/* "error" line into agent->line; returns its text. */
const char *agent_answer_error_print(struct agent *agent, const char *error, const char *text);
/* ---- trainer.c ---- */
void agent_connection_free(struct agent *agent, struct connection *connection);
/* NULL: closed meanwhile, or another attempt's. */
struct connection *agent_connection_of(const struct agent *agent, uint64_t id,
                                       struct attempt_ref ref);
void agent_connections_close(struct agent *agent, struct attempt *attempt,
                             struct agent_outbox *out);
/* ---- save.c ---- */
void agent_save(struct agent *agent, time_ms now, struct connection *connection, int64_t step,
                struct agent_outbox *out);
void agent_commit(struct agent *agent, time_ms now, struct connection *connection, int64_t step,
                  struct agent_outbox *out);
/* The shell is asked for a folder, and its answer becomes the connection's. */
void agent_save_begin(struct agent *agent, time_ms now, struct connection *connection, int64_t step,
                      struct agent_outbox *out);
/* The answer that names the folder; valid until the next answer is printed. */
const char *agent_save_print(struct agent *agent, const char *dir);
/* Every rank has committed. NULL: begun; else why not. */
const char *agent_commit_all(struct agent *agent, struct attempt *attempt,
                             struct agent_outbox *out);
void agent_snapshots_drop(struct agent *agent, const struct msg_drop *drop,
                          struct agent_outbox *out);
/* Whole, on this disk. */
bool agent_snapshot_is_here(const struct agent *agent, struct snapshot_name name);
/* The highest number that a snapshot of the task has here, or the one given. */
uint32_t agent_snapshot_highest(const struct agent *agent, task_id task, uint32_t at_least);
/* The head, which counts its words, wants it to stay. */
void agent_snapshot_kept(struct agent *agent, struct snapshot_name name, uint64_t number);
/* That it came here is told by this event. */
void agent_snapshot_told(struct agent *agent, struct snapshot_name name, uint64_t number);
/* Welcomed: what the enrolment left to an event that had come before it. If the head wanted it
 * dropped, its word was passed over. */
void agent_snapshots_tell_again(struct agent *agent, time_ms now, struct agent_outbox *out);
/* ---- exploit.c ---- */
void exploit_fini(struct exploit *exploit);
/* An order to exploit has come that the trainer has not acted on. */
bool agent_exploit_is_due(const struct attempt *attempt);
/* Before agent_order_apply() of the message's order. */
void agent_exploit_told(struct agent *agent, time_ms now, struct attempt *attempt,
                        const struct msg_order *message, struct agent_outbox *out);
/* The answer to an exploit that was made. */
const char *agent_exploit_print(struct agent *agent, const struct attempt *attempt);
void agent_exploit(struct agent *agent, time_ms now, struct connection *connection,
                   struct agent_outbox *out);
/* Its snapshot is on this disk by now: it is proven. */
void agent_exploit_prove(struct attempt *attempt, struct agent_outbox *out);
/* It will not come to this disk: GONE, it is lost; else another node may do better. */
void agent_exploit_uncopied(struct agent *agent, time_ms now, struct attempt *attempt, copy_end end,
                            const char *reason, struct agent_outbox *out);
/* ---- copies.c ---- */
/* The snapshot comes to this disk, if it is not on its way yet; `attempt` needs it. */
void agent_copy_want(struct agent *agent, time_ms now, const struct attempt *attempt,
                     const struct snapshot_ref *snapshot, struct agent_outbox *out);
/* The head wants them here, as a second place. */
void agent_copies_keep(struct agent *agent, time_ms now, const struct msg_keep *keep,
                       struct agent_outbox *out);
bool agent_restore_is_here(const struct agent *agent, const struct attempt *attempt);
/* The lease wants it here: a word to drop it that was told before is not heeded any more. */
void agent_restore_kept(struct agent *agent, const struct attempt *attempt);
void agent_source_told(struct agent *agent, time_ms now, const struct msg_source *source,
                       struct agent_outbox *out);
void agent_copies_welcomed(struct agent *agent, time_ms now, struct agent_outbox *out);
void agent_copies_tick(struct agent *agent, time_ms now, struct agent_outbox *out);
time_ms agent_copies_deadline(const struct agent *agent);
void agent_copies_check(const struct agent *agent);
void agent_copies_free(struct agent *agent);
/* ---- drain.c ---- */
void agent_leave(struct agent *agent, time_ms now, struct agent_outbox *out);
void agent_hand_back(struct agent *agent, time_ms now, int64_t grace_ms, struct agent_outbox *out);
void agent_drain_attempt(struct agent *agent, time_ms now, struct attempt *attempt);
/* The head says what the node is still needed for. */
void agent_drain_owed(struct agent *agent, time_ms now, const struct msg_owed *owed,
                      struct agent_outbox *out);
void agent_drain_tick(struct agent *agent, time_ms now, struct agent_outbox *out);
int64_t agent_drain_left(const struct agent *agent, time_ms now); /* 0: it does not leave */
time_ms agent_drain_deadline(const struct agent *agent);
/* ---- work.c ---- */
/* Starts the attempt, now or when the folder that it starts from is there. */
void agent_work_want(struct agent *agent, time_ms now, struct attempt *attempt,
                     struct agent_outbox *out);
void agent_work_piece(struct agent *agent, time_ms now, const struct msg_blob *piece,
                      struct agent_outbox *out);
void agent_work_welcomed(struct agent *agent, time_ms now, struct agent_outbox *out);
void agent_work_tick(struct agent *agent, time_ms now, struct agent_outbox *out);
time_ms agent_work_deadline(const struct agent *agent);
void agent_work_check(const struct agent *agent);
void agent_trees_free(struct agent *agent);
/* ---- lanes.c ---- */
struct lane;
void agent_array_take(struct agent *agent, time_ms now, const struct msg_array *message,
                      struct agent_outbox *out);
void agent_ranges_take(struct agent *agent, time_ms now, const struct msg_ranges *message,
                       struct agent_outbox *out);
void agent_take_back(struct agent *agent, time_ms now, const struct msg_take_back *message,
                     struct agent_outbox *out);
/* Whatever is not started goes back to the head. */
void agent_arrays_hand_back(struct agent *agent, time_ms now, struct agent_outbox *out);
/* Is anything of an array here? */
bool agent_arrays_hold(const struct agent *agent);
/* Lanes go on, and what ended in this turn is told. */
void agent_arrays_tick(struct agent *agent, time_ms now, struct agent_outbox *out);
time_ms agent_arrays_deadline(const struct agent *agent);
/* Of the jobs [first, first + count): arrays with nothing here go; the head tells again what one
 * is.
 */
void agent_arrays_prune(struct agent *agent, uint32_t first, uint32_t count,
                        struct agent_outbox *out);
void agent_arrays_free(struct agent *agent);
void agent_arrays_check(const struct agent *agent);
/* The attempt has ended: told, and freed. */
void agent_lane_ended(struct agent *agent, time_ms now, struct attempt *attempt,
                      struct attempt_result *result, struct agent_outbox *out);
/* The attempt is being freed: its lane is idle. */
void agent_lane_free(struct agent *agent, struct attempt *attempt);
/* The hash of the packed folder with the lines of the attempt's array; "": there is none. */
const char *agent_items_of(const struct agent *agent, const struct attempt *attempt);
/* ---- old_logs.c ---- */
void agent_logs_drop(struct agent *agent, const struct msg_logs_drop *drop,
                     struct agent_outbox *out);
/* ---- array_events.c ---- */
void agent_array_acked(struct agent *agent, const struct kept_event *event,
                       struct agent_outbox *out);
/* Lanes and ranges that are here, into the enrolment; they lie in `arena`. */
MUST_CHECK error_code agent_arrays_enrol(struct agent *agent, time_ms now, struct arena *arena,
                                         struct msg_enrol *enrol, struct agent_outbox *out);
/* ---- agent.c ---- */
/* Numbers the event, keeps it, and sends what may be sent. Time, task and attempt are filled in
 * here. */
uint64_t agent_event(struct agent *agent, time_ms now, const struct attempt *attempt,
                     struct node_event *event, struct agent_outbox *out);

#endif
