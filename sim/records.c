/* Every value must decode, and no record may say what cannot
 * follow what was there before. */
#include "sim/records.h"
#include "sim/array_records.h"
#include "sim/calendar.h"
#include "sim/drains.h"
#include "sim/kept_check.h"
#include "sim/runs.h"
#include "sim/verbs.h"

/* ---- cells ---- */

struct sim_cell *sim_cell_find(const struct sim_store *store, const char *key, const char *field)
{
    char name[512];
    struct sim_cell *cell;
    size_t n_key = strlen(key), n_field = strlen(field), n = n_key + 1 + n_field;
    if (n > sizeof name) {
        return NULL;
    }
    memcpy(name, key, n_key);
    name[n_key] = '\n';
    memcpy(name + n_key + 1, field, n_field);
    HASH_FIND(hh, store->cells, name, n, cell);
    return cell;
}

struct sim_node *sim_node_find(struct sim *sim, const char *name)
{
    struct sim_node *node = NULL;
    for (uint32_t i = 0; i < sim->n_nodes; i++) {
        node = strcmp(sim->nodes[i].name, name) == 0 ? &sim->nodes[i] : node;
    }
    return node;
}

struct sim_task *sim_task_find(const struct sim *sim, task_id id)
{
    struct sim_task *task;
    HASH_FIND(hh, sim->store.tasks, &id, sizeof id, task);
    return task;
}

bool sim_store_get(struct sim *sim, const char *key, const char *field, const struct schema *schema,
                   struct arena *arena, void *ret_record)
{
    const struct sim_cell *cell = sim_cell_find(&sim->store, key, field);
    if (cell == NULL) {
        return false;
    }
    struct bytes bytes = {cell->value, cell->len};
    sim_require(sim, record_decode(schema, bytes, arena, ret_record, NULL) == OK,
                "%s %s does not decode", key, field);
    return true;
}

/* ---- what a record may say ---- */

bool sim_is_on_node(task_state state)
{
    return state == TASK_LEASED || state == TASK_RUNNING || state == TASK_STOPPING;
}

bool sim_is_paused(const struct record_task *r)
{
    return r->state == TASK_HELD || r->state == TASK_ENDED || core_order_is_leave(&r->order);
}

bool sim_was_retried(const struct sim *sim, uint32_t number)
{
    return sim_was_asked(sim, CLIENT_RETRY_TASK, number) ||
           sim_was_asked(sim, CLIENT_RETRY_JOB, number);
}

/* Its attempt's end says that the snapshot could not be used. */
static bool sim_restore_was_lost(struct sim *sim, const struct record_task *r)
{
    struct arena arena;
    struct record_attempt end;
    char field[TASK_ID_TEXT_MAX + 16], id[TASK_ID_TEXT_MAX];
    arena_init(&arena, 1 << 20);
    snprintf(field, sizeof field, "%s:%u", task_id_print(r->id, id), r->attempt);
    bool is_lost = sim_store_get(sim, "attempts", field, &record_attempt_schema, &arena, &end) &&
                   end.result.is_restore_lost;
    arena_fini(&arena);
    return is_lost;
}

static void sim_task_follows(struct sim *sim, const struct sim_task *old,
                             const struct record_task *r)
{
    const struct record_task *o = &old->r;
    char id[TASK_ID_TEXT_MAX];
    /* An ended one is given no order but by a retry. */
    bool is_retry = o->state == TASK_ENDED && r->order.n > o->order.n;
    task_id_print(r->id, id);
    sim_require(sim, !is_retry || sim_was_retried(sim, r->id.job), "%s: who asked for a retry?",
                id);
    sim_require(sim, r->n_attempts >= o->n_attempts, "%s lost an attempt", id);
    sim_require(sim, o->n_attempts == 0 || r->attempt >= o->attempt, "%s: attempt went back", id);
    sim_require(sim, r->order.n >= o->order.n, "%s: its order went back", id);
    sim_require(sim, r->order.n > o->order.n || r->order.act == o->order.act,
                "%s: an order was changed", id);
    sim_require(sim,
                is_retry || o->order.act != ACT_STOP || o->order.why != WHY_CANCEL ||
                    r->order.why == WHY_CANCEL,
                "%s: its cancel was taken back", id);
    sim_require(sim,
                is_retry || (r->failures >= o->failures && r->lost >= o->lost &&
                             r->preempted >= o->preempted),
                "%s: a charge was taken back", id);
    sim_require(sim,
                r->snapshot.ordinal >= o->snapshot.ordinal || r->attempt > o->attempt ||
                    r->snapshot.owner != 0 || o->snapshot.owner != 0 ||
                    (r->state == TASK_ENDED && r->snapshot.ordinal == 0) || /* sweep_best */
                    sim_restore_was_lost(sim, r),
                "%s: its snapshot went back", id);
    sim_require(sim, r->last_seq >= o->last_seq || r->attempt > o->attempt,
                "%s: its reports went back", id);
    sim_require(sim, r->n_params == o->n_params, "%s: its parameters changed", id);
    if (o->state == TASK_ENDED && !is_retry) {
        sim_require(sim, r->state == TASK_ENDED && r->outcome == o->outcome,
                    "%s ended %s and now says %s", id, task_outcome_names[o->outcome],
                    task_outcome_names[r->outcome]);
    }
    sim_require(sim,
                is_retry || !old->is_cancel_acked || r->n_attempts == old->n_attempts_at_cancel,
                "%s was cancelled and is leased again", id);
}

/* An attempt ended with a result: whatever it committed on its node's disk is on record. */
static void sim_commits_follow(struct sim *sim, const struct sim_task *old,
                               const struct record_task *r)
{
    struct arena arena;
    struct record_attempt end;
    char field[TASK_ID_TEXT_MAX + 16], id[TASK_ID_TEXT_MAX];
    arena_init(&arena, 1 << 20);
    snprintf(field, sizeof field, "%s:%u", task_id_print(r->id, id), r->attempt);
    bool has_result = sim_is_on_node(old->r.state) && old->r.attempt == r->attempt &&
                      r->lineage == 0 && /* what is of weights that were given up goes */
                      !(r->n_parts > 0 && r->parts[0].state == PART_LOST) &&
                      !sim_is_on_node(r->state) &&
                      sim_store_get(sim, "attempts", field, &record_attempt_schema, &arena, &end) &&
                      end.result.cause != CAUSE_LOST;
    for (uint32_t i = 0; has_result && i < sim->n_nodes; i++) {
        const struct sim_node *node = &sim->nodes[i];
        for (uint32_t k = 0; strcmp(node->name, old->node) == 0 && k < node->n_disk; k++) {
            bool is_its =
                task_id_equal(node->disk_task[k], r->id) && node->disk[k].attempt == r->attempt;
            sim_require(sim, !is_its || node->disk[k].ordinal <= r->last_ordinal,
                        "%s ended, and its snapshot %u is not on record", field,
                        node->disk[k].ordinal);
        }
    }
    arena_fini(&arena);
}

/* Of an attempt on several nodes: a part that is over stays so, and so does what ended the first.
 */
static void sim_parts_follow(struct sim *sim, struct sim_task *task, const struct record_task *r)
{
    bool is_same = task->r.n_attempts == r->n_attempts && task->r.n_parts == r->n_parts;
    bool is_on_node = sim_is_on_node(r->state);
    char id[TASK_ID_TEXT_MAX];
    task_id_print(r->id, id);
    for (uint32_t i = 0; i < r->n_parts; i++) {
        gang_part_state from = task->parts[i], to = r->parts[i].state;
        bool is_back = is_same && (from > PART_STARTED ? to < from : to < from && to != PART_GONE);
        sim_require(sim, !is_back, "%s: part %u was %s and is %s", id, i,
                    gang_part_state_names[from], gang_part_state_names[to]);
        sim_require(sim, is_on_node || to == PART_GONE || to == PART_LOST,
                    "%s is %s, and part %u of its attempt is %s", id, task_state_names[r->state], i,
                    gang_part_state_names[to]);
        sim->counts.gangs_lost += to == PART_LOST && from != PART_LOST;
        task->parts[i] = to;
    }
    sim_require(sim,
                !is_same || !is_on_node || !sim_is_on_node(task->r.state) || !task->has_verdict ||
                    r->verdict.len > 0,
                "%s: what ended its attempt was forgotten", id);
    sim_require(sim, is_on_node || r->verdict.len == 0, "%s: its end came to nothing", id);
    sim->counts.gangs_ended += r->verdict.len > 0 && !task->has_verdict;
    task->has_verdict = r->verdict.len > 0;
}

void sim_on_task(struct sim *sim, const char *field, struct bytes value)
{
    struct arena arena;
    struct record_task r;
    arena_init(&arena, 1 << 20);
    sim_require(sim, record_decode(&record_task_schema, value, &arena, &r, NULL) == OK,
                "task %s does not decode", field);
    sim_require(sim, (r.state == TASK_ENDED) == (r.outcome != OUTCOME_NONE),
                "task %s: state and outcome do not fit", field);
    sim_require(sim, r.n_attempts == 0 ? r.attempt == 0 : r.attempt + 1 == r.n_attempts,
                "task %s: attempt %u of %u", field, r.attempt, r.n_attempts);
    struct sim_task *task = sim_task_find(sim, r.id);
    if (task == NULL) {
        task = calloc(1, sizeof *task);
        task->id = r.id;
        HASH_ADD(hh, sim->store.tasks, id, sizeof task->id, task);
        sim_array_record_new(sim, &r);
        /* One of an array that failed may be leased again in the turn that made its record. */
        sim_require(sim, r.n_attempts <= (sim_array_find(sim, r.id.job) != NULL ? 2 : 1),
                    "task %s is new and had %u attempts", field, r.n_attempts);
    } else {
        sim_task_follows(sim, task, &r);
        sim_drain_follows(sim, task, &r);
        task->is_cancel_acked =
            task->is_cancel_acked && !(task->r.state == TASK_ENDED && r.order.n > task->r.order.n);
        sim_commits_follow(sim, task, &r);
        sim->counts.retries += r.failures > task->r.failures && r.state != TASK_ENDED;
        sim->counts.attempts_lost += r.lost > task->r.lost;
        sim->counts.snapshots += r.snapshot.ordinal > task->r.snapshot.ordinal;
        sim->counts.kept += r.safe_snapshot.ordinal > task->r.safe_snapshot.ordinal;
    }
    sim_kept_follow(sim, task, &r);
    if (r.n_attempts > task->r.n_attempts) {
        sim->counts.attempts += r.n_attempts - task->r.n_attempts;
    }
    sim_parts_follow(sim, task, &r);
    task->r = r;
    task->n_paused += sim_is_paused(&r);
    snprintf(task->node, sizeof task->node, "%s", r.node != NULL ? r.node : "");
    snprintf(task->snapshot_node, sizeof task->snapshot_node, "%s",
             r.snapshot_node != NULL ? r.snapshot_node : "");
    snprintf(task->best_node, sizeof task->best_node, "%s", r.best_node != NULL ? r.best_node : "");
    snprintf(task->safe_node, sizeof task->safe_node, "%s", r.safe_node != NULL ? r.safe_node : "");
    snprintf(task->own_node, sizeof task->own_node, "%s", r.own_node != NULL ? r.own_node : "");
    sim_trace(sim, "store   %-6s %s%s%s attempt %u order %llu%s last %lld", field,
              task_state_names[r.state], r.outcome != OUTCOME_NONE ? " " : "",
              task_outcome_names[r.outcome], r.attempt, (unsigned long long)r.order.n,
              r.order.act == ACT_STOP ? " stop" : "", (long long)r.last_step);
    arena_fini(&arena);
}

struct sim_rows *sim_rows_of(struct sim *sim, task_id id, uint32_t attempt)
{
    char name[TASK_ID_TEXT_MAX + 16], text[TASK_ID_TEXT_MAX];
    struct sim_rows *rows;
    snprintf(name, sizeof name, "%s:%u", task_id_print(id, text), attempt);
    HASH_FIND_STR(sim->store.rows, name, rows);
    if (rows == NULL) {
        rows = calloc(1, sizeof *rows);
        snprintf(rows->name, sizeof rows->name, "%s", name);
        HASH_ADD_STR(sim->store.rows, name, rows);
    }
    return rows;
}

void sim_on_rows(struct sim *sim, const char *key, const char *field, struct bytes value)
{
    struct arena arena;
    struct metric_rows block;
    task_id id;
    uint32_t attempt = 0;
    unsigned long long first = 0;
    arena_init(&arena, 1 << 20);
    sim_require(sim, task_id_parse(key + strlen("rows:"), &id) == OK, "a key %s", key);
    sim_require(sim, sscanf(field, "%u:%llu", &attempt, &first) == 2, "a field %s of %s", field,
                key);
    sim_require(sim, record_decode(&metric_rows_schema, value, &arena, &block, NULL) == OK,
                "%s %s does not decode", key, field);
    sim_require(sim, block.n_rows > 0 && block.rows[0].seq == first, "%s %s: first seq", key,
                field);
    struct sim_rows *rows = sim_rows_of(sim, id, attempt);
    for (uint32_t i = 0; i < block.n_rows; i++) {
        sim_require(sim, block.rows[i].seq == rows->last_seq + 1,
                    "%s attempt %u: row %llu follows row %llu", key, attempt,
                    (unsigned long long)block.rows[i].seq, (unsigned long long)rows->last_seq);
        rows->last_seq = block.rows[i].seq;
        sim_kept_point(sim, id, attempt, &block, &block.rows[i]);
    }
    sim->counts.rows += block.n_rows;
    arena_fini(&arena);
}

static int64_t sim_node_timeout_ms(const struct sim *sim)
{
    return sim->node_timeout_ms != 0 ? sim->node_timeout_ms : (int64_t)CORE_NODE_TIMEOUT_MS;
}

static time_ms sim_heard_since(const struct sim *sim, const struct sim_node *node)
{
    return node->heard > sim->head.started ? node->heard : sim->head.started;
}

void sim_node_silent(struct sim *sim, struct sim_node *node)
{
    struct sim_silence silence = {sim_heard_since(sim, node), sim->now};
    if (silence.to - silence.from > sim_node_timeout_ms(sim)) {
        memmove(node->silences + 1, node->silences,
                (SIM_SILENCES_MAX - 1) * sizeof node->silences[0]);
        node->silences[0] = silence;
    }
}

void sim_node_heard(struct sim *sim, struct sim_node *node)
{
    node->heard = sim->now;
}

/* An attempt is lost only with its agent, which may say so, or after as long a silence as was
 * agreed. */
static void sim_loss_is_due(struct sim *sim, const char *field, const struct record_attempt *r)
{
    const struct sim_node *node = sim_node_find(sim, r->part != NULL ? r->part : r->node);
    uint64_t incarnation = r->part != NULL ? r->part_incarnation : r->incarnation;
    sim_require(sim, node != NULL, "attempt %s was lost on %s", field, r->node);
    time_ms ended = r->result.ended_at, since = sim_heard_since(sim, node);
    bool is_due = node->incarnation != incarnation || node->left == incarnation;
    for (int i = 0; i < SIM_SILENCES_MAX; i++) {
        const struct sim_silence *silence = &node->silences[i];
        is_due = is_due || ended == silence->to;
    }
    sim_require(sim, is_due, "attempt %s was lost (%s) and %s was silent for %lld ms", field,
                r->result.reason, node->name, (long long)(ended - since));
}

void sim_on_attempt(struct sim *sim, const char *field, struct bytes value)
{
    struct arena arena;
    struct record_attempt r;
    arena_init(&arena, 1 << 20);
    sim_require(sim, record_decode(&record_attempt_schema, value, &arena, &r, NULL) == OK,
                "attempt %s does not decode", field);
    sim_require(sim, sim_cell_find(&sim->store, "attempts", field) == NULL,
                "attempt %s has two accepted ends", field);
    const struct sim_rows *rows = sim_rows_of(sim, r.task, r.attempt);
    sim_require(sim, r.result.cause == CAUSE_LOST || r.result.last_seq == rows->last_seq,
                "attempt %s made %llu reports, %llu are stored", field,
                (unsigned long long)r.result.last_seq, (unsigned long long)rows->last_seq);
    if (r.result.cause == CAUSE_LOST) {
        sim_loss_is_due(sim, field, &r);
    }
    sim_run_follows(sim, &r);
    sim_array_lane_end(sim, &r);
    sim->counts.refused += r.result.cause == CAUSE_REFUSED;
    sim->counts.restores_lost += r.result.is_restore_lost;
    if (r.result.is_restore_lost) {
        sim_kept_disturb(sim, r.task);
    }
    sim->counts.drained += r.result.cause == CAUSE_AGENT_LEFT;
    sim_trace(sim, "store   %-6s ends: %s, exit %u, signal %u, handed %llu, bye %s", field,
              end_cause_names[r.result.cause], r.result.exit_code, r.result.signal,
              (unsigned long long)r.result.handed, bye_word_names[r.result.bye]);
    arena_fini(&arena);
}

void sim_on_sweep(struct sim *sim, const char *field, struct bytes value)
{
    struct arena arena, old_arena;
    struct record_sweep r, old;
    arena_init(&arena, 4 << 20);
    arena_init(&old_arena, 4 << 20);
    sim_require(sim, record_decode(&record_sweep_schema, value, &arena, &r, NULL) == OK,
                "sweep %s does not decode", field);
    if (sim_store_get(sim, "sweeps", field, &record_sweep_schema, &old_arena, &old)) {
        sim_require(sim,
                    old.state < SWEEP_DONE || r.state == old.state ||
                        sim_was_retried(sim, r.number) ||
                        sim_was_asked(sim, CLIENT_RESUME_SWEEP, r.number),
                    "sweep %s was %s and is %s", field, sweep_state_names[old.state],
                    sweep_state_names[r.state]);
        sim_require(sim, old.seed == r.seed && strcmp(old.file, r.file) == 0,
                    "sweep %s became another", field);
    }
    sim->counts.sweeps_done += r.state == SWEEP_DONE;
    sim->counts.sweeps_failed += r.state == SWEEP_FAILED;
    sim->counts.sweeps_cancelled += r.state == SWEEP_CANCELLED;
    sim_trace(sim, "store   sweep %s is %s %s", field, sweep_state_names[r.state],
              order_why_names[r.why]);
    arena_fini(&arena);
    arena_fini(&old_arena);
}

void sim_on_node(struct sim *sim, const char *field, struct bytes value)
{
    struct arena arena;
    struct record_node r, old;
    arena_init(&arena, 1 << 20);
    sim_require(sim, record_decode(&record_node_schema, value, &arena, &r, NULL) == OK,
                "node %s does not decode", field);
    if (sim_store_get(sim, "nodes", field, &record_node_schema, &arena, &old)) {
        sim_require(sim, old.incarnation != r.incarnation || r.applied >= old.applied,
                    "node %s: its events went back", field);
        if (old.state != r.state) {
            sim_trace(sim, "store   node %s is %s", field, node_state_names[r.state]);
        }
    }
    arena_fini(&arena);
}

void sim_on_job(struct sim *sim, const char *field, struct bytes value)
{
    struct arena arena;
    struct record_job r;
    arena_init(&arena, 1 << 20);
    sim_require(sim, record_decode(&record_job_schema, value, &arena, &r, NULL) == OK,
                "job %s does not decode", field);
    sim_on_array_job(sim, &r);
    arena_fini(&arena);
}

void sim_on_meta(struct sim *sim, const char *field, struct bytes value)
{
    const struct sim_cell *old = sim_cell_find(&sim->store, "meta", field);
    char text[32] = "";
    sim_require(sim, value.len < sizeof text, "meta %s is long", field);
    memcpy(text, value.data, value.len);
    sim_require(sim,
                old == NULL || strtoull(text, NULL, 10) >= strtoull((char *)old->value, NULL, 10),
                "meta %s went back to %s", field, text);
}
