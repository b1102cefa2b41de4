/* The head's memory against the store, and a head loaded anew
 * against the one that lives. */
#include "sim/check.h"
#include "head/core/gang.h"
#include "sim/agent_effects.h"
#include "sim/array_check.h"
#include "sim/head.h"
#include "sim/kept_check.h"
#include "sim/lineage.h"
#include "sim/records.h"
#include "sim/recovery.h"
#include "sim/rung_check.h"
#include "sim/verbs.h"

/* What is in memory is what is on disk: nothing was changed and not written. */
static void sim_record_is_stored(struct sim *sim, const char *key, const char *field,
                                 const struct schema *schema, const void *record)
{
    const struct sim_cell *cell = sim_cell_find(&sim->store, key, field);
    struct buf buf;
    buf_init(&buf, 4 << 20);
    sim_require(sim, record_encode(schema, record, &buf) == OK, "%s %s does not encode", key,
                field);
    sim_require(sim,
                cell != NULL && cell->len == buf.len && memcmp(cell->value, buf.data, buf.len) == 0,
                "%s %s in memory is not what is in the store", key, field);
    buf_fini(&buf);
}

static void sim_work_compare(struct sim *sim, const struct work *work, struct core *shadow)
{
    char field[TASK_ID_TEXT_MAX];
    for (uint32_t i = 0; i < work->n_tasks; i++) {
        const struct task *task = work->tasks[i];
        sim_record_is_stored(sim, "tasks", task_id_print(task->r.id, field), &record_task_schema,
                             &task->r);
        const struct task *again = core_task_find(shadow, task->r.id);
        sim_require(sim, again != NULL && again->r.state == task->r.state, "%s: loaded otherwise",
                    field);
    }
    snprintf(field, sizeof field, "%u", work->number);
    if (work->job != NULL) {
        sim_record_is_stored(sim, "jobs", field, &record_job_schema, &work->job->r);
        if (work->array != NULL) {
            sim_array_compare(sim, work->array, shadow);
        }
        return;
    }
    sim_record_is_stored(sim, "sweeps", field, &record_sweep_schema, &work->sweep->r);
    sim_rungs_check(sim, work->sweep);
    struct buf live, loaded;
    buf_init(&live, 1 << 20);
    buf_init(&loaded, 1 << 20);
    sim_require(sim, core_tuner_dump(sim->head.core, work->number, &live) == OK, "dump");
    sim_require(sim, core_tuner_dump(shadow, work->number, &loaded) == OK, "dump");
    sim_require(sim, strcmp(buf_text(&live), buf_text(&loaded)) == 0,
                "sweep %s: its tuner\n%s\nis loaded as\n%s", field, buf_text(&live),
                buf_text(&loaded));
    buf_fini(&live);
    buf_fini(&loaded);
}

void sim_compare(struct sim *sim)
{
    struct core *shadow;
    sim->counts.compares++;
    sim_core_load(sim, sim->head.epoch + 1000, &shadow);
    core_check(shadow);
    sim_require(sim, HASH_COUNT(sim->head.core->works) == HASH_COUNT(shadow->works), "works");
    sim_require(sim, sim->head.core->next_number == shadow->next_number, "the next number");
    sim_require(sim, list_is_empty(&sim->head.core->removing) == list_is_empty(&shadow->removing),
                "what is being removed");
    for (struct work *work = sim->head.core->works; work != NULL; work = work->hh.next) {
        sim_work_compare(sim, work, shadow);
    }
    sim_require(sim, HASH_COUNT(sim->head.core->nodes) == HASH_COUNT(shadow->nodes), "nodes");
    for (struct node *node = sim->head.core->nodes; node != NULL; node = node->hh.next) {
        sim_record_is_stored(sim, "nodes", node->r.name, &record_node_schema, &node->r);
    }
    core_free(shadow);
    sim_arrays_are_somewhere(sim);
    /* No task is where nobody is. */
    struct sim_task *task, *next;
    HASH_ITER (hh, sim->store.tasks, task, next) {
        struct arena arena;
        struct record_node r;
        arena_init(&arena, 1 << 20);
        bool has_lost_first = task->r.n_parts > 1 && task->parts[0] == PART_LOST;
        sim_require(sim,
                    !sim_is_on_node(task->r.state) || has_lost_first ||
                        (sim_store_get(sim, "nodes", task->node, &record_node_schema, &arena, &r) &&
                         r.state != NODE_GONE && r.incarnation == task->r.incarnation),
                    "task %u.%u is on %s, which is gone", task->id.job, task->id.index, task->node);
        arena_fini(&arena);
    }
}

/* Parts of attempts whose first node is another one: how many there are. */
static uint32_t parts_agree(struct sim *sim, const struct node *known, const struct sim_node *node)
{
    struct running_ref holds[SIM_PROCESSES_MAX];
    sim_require(sim, known->n_parts <= SIM_PROCESSES_MAX, "%s has too many parts", node->name);
    uint32_t n = core_gang_holds(known, holds);
    for (uint32_t i = 0; i < n; i++) {
        struct attempt_ref ref = {holds[i].task, holds[i].attempt};
        const struct attempt *attempt = agent_attempt_find(node->agent, ref);
        sim_require(sim, attempt != NULL && attempt->state != ATTEMPT_DISOWNED,
                    "the head thinks that a part of %u.%u:%u is on %s", ref.task.job,
                    ref.task.index, ref.attempt, node->name);
    }
    return n;
}

void sim_agreement(struct sim *sim, struct sim_node *node)
{
    const struct outbox *out = &sim->head.core->out;
    const struct node *known = core_node_find(sim->head.core, node->name);
    const struct sim_key *key =
        known != NULL ? sim_key_by_peer(&sim->head, node, known->peer) : NULL;
    bool is_quiet = !sim->is_harsh && sim->head.batch == NULL && out->open == NULL &&
                    list_is_empty(&out->groups) && list_is_empty(&out->effects) &&
                    node->link.is_up && !node->link.is_to_stale && !node->link.is_muted_up &&
                    !node->link.is_muted_down && list_is_empty(&node->link.up) &&
                    list_is_empty(&node->link.down) && list_is_empty(&node->agent->stream.kept) &&
                    node->agent->link.state == LINK_WELCOMED && key != NULL &&
                    agent_next_deadline(node->agent) > sim->now && known->r.state != NODE_GONE &&
                    key->incarnation == node->incarnation;
    if (!is_quiet) {
        return;
    }
    sim->counts.agreements++;
    uint32_t n = 0;
    list_each (&known->tasks, struct task, node_link, task) {
        struct attempt_ref ref = {task->r.id, task->r.attempt};
        const struct attempt *attempt = agent_attempt_find(node->agent, ref);
        if (!core_gang_is_first_here(task)) {
            continue; /* it waits for its other nodes */
        }
        sim_require(sim, attempt != NULL && attempt->state != ATTEMPT_DISOWNED,
                    "the head thinks that %u.%u:%u is on %s", ref.task.job, ref.task.index,
                    ref.attempt, node->name);
        if (core_task_is_in_lane(task)) {
            continue; /* sim_arrays_agree(); its lane counts orders by itself */
        }
        sim_require(sim, attempt->order.n == task->r.order.n,
                    "%u.%u:%u: the head gave order %llu, %s has %llu", ref.task.job, ref.task.index,
                    ref.attempt, (unsigned long long)task->r.order.n, node->name,
                    (unsigned long long)attempt->order.n);
        n++;
    }
    n += parts_agree(sim, known, node);
    list_each (&node->agent->attempts, struct attempt, link, held) {
        n -= held->state != ATTEMPT_DISOWNED && held->lane == NULL;
    }
    sim_require(sim, n == 0, "%s runs what the head knows nothing of", node->name);
    sim_kept_disk(sim, node);
    sim_arrays_agree(sim, known, node);
}

const char *sim_unfinished(struct sim *sim, char *ret_text, size_t size_bytes)
{
    ret_text[0] = '\0';
    if (sim->head.core == NULL || sim->head.batch != NULL || sim->head.core->is_leaving) {
        return "the head";
    }
    for (uint32_t i = 0; i < sim->n_clients; i++) {
        if (!sim->clients[i].is_answered) {
            snprintf(ret_text, size_bytes, "client %s", sim->clients[i].key);
            return ret_text;
        }
    }
    if (!list_is_empty(&sim->head.core->removing)) {
        return "a removal";
    }
    for (const struct work *work = sim->head.core->works; work != NULL; work = work->hh.next) {
        for (uint32_t i = 0; i < work->n_tasks; i++) {
            if (work->tasks[i]->r.state != TASK_ENDED) {
                snprintf(ret_text, size_bytes, "task %u.%u is %s on %s", work->number,
                         work->tasks[i]->r.id.index, task_state_names[work->tasks[i]->r.state],
                         work->tasks[i]->r.node != NULL ? work->tasks[i]->r.node : "-");
                return ret_text;
            }
        }
        if (work->array != NULL && work->job->r.ended == 0) {
            snprintf(ret_text, size_bytes, "array %u: %u queued, %u leased, %u with records",
                     work->number, work->array->n[SLOT_QUEUED], work->array->n[SLOT_LEASED],
                     work->array->n[SLOT_EXCEPTION]);
            return ret_text;
        }
        if (work->sweep != NULL && work->sweep->r.state < SWEEP_DONE) {
            snprintf(ret_text, size_bytes, "sweep %u is %s", work->number,
                     sweep_state_names[work->sweep->r.state]);
            return ret_text;
        }
    }
    for (uint32_t i = 0; i < sim->n_nodes; i++) {
        const struct agent *agent = sim->nodes[i].agent;
        if (agent == NULL || agent->n_attempts > 0 || sim_arrays_are_busy(agent) ||
            !list_is_empty(&agent->stream.kept) || agent->link.state != LINK_WELCOMED ||
            agent->is_draining) {
            snprintf(ret_text, size_bytes, "node %s", sim->nodes[i].name);
            return ret_text;
        }
    }
    return NULL;
}

/* The end of a sweep fits what became of its trials. */
static void sim_sweep_verdict(struct sim *sim, const struct sweep *sweep)
{
    struct tune_counts counts;
    tune_counts_get(sweep->tuner, &counts);
    sim_require(sim, counts.asked == counts.ended && counts.asked == sweep->work->n_tasks,
                "sweep %u: %u trials, %u asked, %u ended", sweep->r.number, sweep->work->n_tasks,
                counts.asked, counts.ended);
    bool was_cut = sweep->r.why != WHY_NONE || sweep->r.state != SWEEP_DONE;
    bool was_stopped = false;
    for (uint32_t i = 0; i < sim->n_clients; i++) {
        was_stopped |=
            sim->clients[i].kind == CLIENT_STOP_SWEEP && sim->clients[i].number == sweep->r.number;
    }
    uint32_t max = tune_trials_max(sweep->tuner);
    sim_require(
        sim, was_cut || was_stopped || counts.asked == max || sim_was_retried(sim, sweep->r.number),
        "sweep %u is done with %u of %u trials", sweep->r.number, counts.asked, max);
    for (uint32_t i = 0; i < sweep->work->n_tasks; i++) {
        const struct task *task = sweep->work->tasks[i];
        uint32_t used = task->r.failures + task->r.lost;
        sim_require(sim,
                    task->r.failures <= sweep->spec.retries.max + 1 &&
                        task->r.lost <= sweep->spec.retries.crash_limit + 1,
                    "trial %u.%u: %u failures and losses", sweep->r.number, i + 1, used);
    }
}

void sim_verdict(struct sim *sim)
{
    struct scheduler_usage usage;
    sim_compare(sim);
    scheduler_usage_get(sim->head.core->scheduler, 0, &usage);
    sim_require(sim, usage.cpus_used == 0 && usage.gpus_used == 0,
                "nothing runs, and %lld cpus and %lld gpus are taken", (long long)usage.cpus_used,
                (long long)usage.gpus_used);
    for (const struct work *work = sim->head.core->works; work != NULL; work = work->hh.next) {
        if (work->sweep != NULL) {
            sim_sweep_verdict(sim, work->sweep);
        }
        if (work->array != NULL) {
            sim_array_verdict(sim, work->array);
        }
    }
    for (uint32_t i = 0; i < sim->n_clients; i++) {
        const struct sim_client *client = &sim->clients[i];
        sim_require(sim,
                    client->kind > CLIENT_CLONE || client->number == 0 ||
                        sim_was_asked(sim, CLIENT_REMOVE, client->number) ||
                        core_work_find(sim->head.core, client->number) != NULL,
                    "%s was acknowledged and is not there", client->key);
    }
    sim_kept_verdict(sim);
    /* The store holds no snapshot that its node has not. */
    struct sim_task *task, *next;
    HASH_ITER (hh, sim->store.tasks, task, next) {
        for (uint32_t i = 0; i < sim->n_nodes; i++) {
            const struct sim_node *node = &sim->nodes[i];
            if (node->wipes > 0) {
                continue;
            }
            bool is_here = strcmp(node->name, task->snapshot_node) == 0;
            bool is_best_here = strcmp(node->name, task->best_node) == 0;
            bool is_safe_here = strcmp(node->name, task->safe_node) == 0;
            sim_require(sim,
                        !is_here || task->r.snapshot.ordinal == 0 ||
                            sim_lineage_is_lost(sim, snapshot_maker(task->id, &task->r.snapshot),
                                                &task->r.snapshot) ||
                            sim_disk_find(node, snapshot_maker(task->id, &task->r.snapshot),
                                          task->r.snapshot.ordinal) < node->n_disk,
                        "task %u.%u: its snapshot %u is gone", task->id.job, task->id.index,
                        task->r.snapshot.ordinal);
            sim_require(sim,
                        !is_best_here || task->r.best_snapshot.ordinal == 0 ||
                            sim_lineage_is_lost(sim, task->id, &task->r.best_snapshot) ||
                            sim_disk_find(node, task->id, task->r.best_snapshot.ordinal) <
                                node->n_disk,
                        "task %u.%u: its best snapshot %u is gone", task->id.job, task->id.index,
                        task->r.best_snapshot.ordinal);
            sim_require(sim,
                        !is_safe_here || task->r.safe_snapshot.ordinal == 0 ||
                            sim_lineage_is_lost(sim, task->id, &task->r.safe_snapshot) ||
                            sim_disk_find(node, task->id, task->r.safe_snapshot.ordinal) <
                                node->n_disk,
                        "task %u.%u: the second place of its snapshot %u, on %s, is gone",
                        task->id.job, task->id.index, task->r.safe_snapshot.ordinal, node->name);
            sim_kept_are_there(sim, task, node);
        }
    }
}
