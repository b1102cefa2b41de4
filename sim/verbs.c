/* People who pause, resume, retry, remove, and drain, cordon and
 * label nodes; what that excuses, and what it does not. */
#include "sim/verbs.h"
#include "sim/records.h"

bool sim_was_asked(const struct sim *sim, sim_client_kind kind, uint32_t number)
{
    for (uint32_t i = 0; i < sim->n_clients; i++) {
        const struct sim_client *client = &sim->clients[i];
        if (client->kind == kind && client->number == number &&
            (client->request != 0 || client->is_answered || client->was_asked)) {
            return true;
        }
    }
    return false;
}

void sim_ask_pause(struct sim *sim, struct sim_client *client)
{
    on_sweep_verb(sim->head.core, sim->now, client->request, client->number, VERB_PAUSE, -1);
}

void sim_ask_resume(struct sim *sim, struct sim_client *client)
{
    struct sweep_resume resume = {client->index % 3, -1, client->key};
    on_sweep_resume(sim->head.core, sim->now, client->request, client->number, &resume);
}

void sim_ask_pause_trial(struct sim *sim, struct sim_client *client)
{
    task_id id = {client->number, client->index};
    const struct sim_task *task = sim_task_find(sim, id);
    if (!client->was_asked) {
        client->seen = task != NULL ? task->n_paused : 0;
    }
    on_trial_pause(sim->head.core, sim->now, client->request, id);
}

void sim_ask_resume_trial(struct sim *sim, struct sim_client *client)
{
    on_trial_resume(sim->head.core, sim->now, client->request,
                    (task_id){client->number, client->index});
}

void sim_trial_pause_is_told(struct sim *sim, const struct sim_client *client)
{
    const struct sim_task *task = sim_task_find(sim, (task_id){client->number, client->index});
    bool was_undone = sim_was_asked(sim, CLIENT_RESUME_TRIAL, client->number) ||
                      sim_was_asked(sim, CLIENT_RESUME_SWEEP, client->number) ||
                      sim_was_asked(sim, CLIENT_REMOVE, client->number) ||
                      sim_was_retried(sim, client->number);
    /* It may go on by the time: whoever looks after a paused sweep had the same batch wake it. */
    bool is_told = task != NULL && (sim_is_paused(&task->r) || task->n_paused > client->seen);
    sim_require(sim, is_told || was_undone, "task %u.%u: its pause was told before it was on disk",
                client->number, client->index);
    sim->counts.trials_paused++;
}

void sim_paused_go_on(struct sim *sim, const struct sweep *sweep)
{
    for (uint32_t i = 0; i < sweep->work->n_tasks; i++) {
        const struct task *task = sweep->work->tasks[i];
        const struct sim_task *stored = sim_task_find(sim, task->r.id);
        bool is_paused = task->r.state == TASK_HELD && task->r.why == WHY_PAUSE && stored != NULL &&
                         stored->r.state == TASK_HELD;
        if (is_paused && sim_chance(sim, 20)) {
            sim_trace(sim, "people  resume trial %u.%u", task->r.id.job, task->r.id.index);
            on_trial_resume(sim->head.core, sim->now, ++sim->requests, task->r.id);
            sim->counts.trials_resumed++;
        }
    }
}

void sim_ask_retry(struct sim *sim, struct sim_client *client)
{
    task_id id = {client->number, client->index};
    const struct task *task = core_task_find(sim->head.core, id);
    if (!client->was_asked) { /* a task of an array that has no record was tried once or not */
        client->seen = task != NULL ? task->r.n_attempts : 0;
    }
    on_task_retry(sim->head.core, sim->now, client->request, id, client->seen);
}

void sim_ask_remove(struct sim *sim, struct sim_client *client)
{
    const struct work *work = core_work_find(sim->head.core, client->number);
    on_work_remove(sim->head.core, sim->now, client->request, client->number,
                   work == NULL || work->sweep != NULL);
}

void sim_ask_node(struct sim *sim, struct sim_client *client)
{
    static const struct label_pair set[] = {{"zone", "b"}, {"ssd", ""}};
    static const char *const remove[] = {"rack"};
    const struct sim_node *node = &sim->nodes[client->index % sim->n_nodes];
    struct node_verb verb = {.kind = (node_verb_kind)(client->index % 4),
                             .reason = "maintenance",
                             .deadline_ms = (int64_t)client->index * 500,
                             .set = set,
                             .n_set = 2,
                             .remove = remove,
                             .n_remove = 1};
    const struct node *known = core_node_find(sim->head.core, node->name);
    if (known != NULL && known->r.state == NODE_GONE && client->index % 3 == 0) {
        on_node_remove(sim->head.core, sim->now, client->request, node->name);
    } else {
        on_node_verb(sim->head.core, sim->now, client->request, node->name, &verb);
    }
}

void sim_retry_is_told(struct sim *sim, const struct sim_client *client)
{
    const struct sim_task *task = sim_task_find(sim, (task_id){client->number, client->index});
    sim_require(sim,
                sim_was_asked(sim, CLIENT_REMOVE, client->number) ||
                    (task != NULL &&
                     (task->r.state != TASK_ENDED || task->r.n_attempts > client->seen ||
                      task->r.outcome == OUTCOME_CANCELLED || task->r.outcome == OUTCOME_STOPPED)),
                "task %u.%u: its retry was told before it was on disk", client->number,
                client->index);
    sim->counts.reopened++;
}

void sim_removal_is_told(struct sim *sim, const struct sim_client *client)
{
    char field[16];
    struct arena arena;
    struct record_sweep sweep;
    struct record_job job;
    arena_init(&arena, 4 << 20);
    snprintf(field, sizeof field, "%u", client->number);
    bool is_sweep = sim_store_get(sim, "sweeps", field, &record_sweep_schema, &arena, &sweep);
    bool is_job = sim_store_get(sim, "jobs", field, &record_job_schema, &arena, &job);
    sim_require(sim, (!is_sweep || sweep.is_removing) && (!is_job || job.is_removing),
                "%s: its removal was told before it was on disk", field);
    arena_fini(&arena);
    sim->counts.removed++;
}
