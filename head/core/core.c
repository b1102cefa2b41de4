/* The core as a whole: made, freed, and the end of a turn. */
#include "head/core/core.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "head/core/arrays.h"
#include "head/core/gang.h"

enum { BATCH_MEAN_OF = 16 }; /* batches that their mean time remembers */

error_code core_new(const struct core_config *config, struct core **ret_core)
{
    struct core *core = mem_zalloc(sizeof *core);
    if (core == NULL) {
        return ERR_NO_MEMORY;
    }
    struct list *lists[] = {
        &core->dirty_tasks, &core->dirty_sweeps, &core->dirty_jobs,
        &core->dirty_nodes, &core->gone_nodes,   &core->backoff,
        &core->due,         &core->suggests,     &core->active_sweeps,
        &core->removing,    &core->keeps_due,    &core->dirty_chunks,
        &core->due_arrays,  &core->held_arrays,  &core->touched_holders,
        &core->acks_due,    &core->keeps_going,
    };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        list_init(lists[i]);
    }
    outbox_init(&core->out, 0);
    core->config = *config;
    core->place_words = config->epoch << 32; /* no other head's */
    core->config.version = core->config.cluster = core->config.state_dir = NULL;
    core_str_set(core, &core->config.version, config->version);
    core_str_set(core, &core->config.cluster, config->cluster);
    core_str_set(core, &core->config.state_dir, config->state_dir);
    core->store_state = mem_strdup("ok");
    if (core->config.node_timeout_ms == 0) {
        core->config.node_timeout_ms = CORE_NODE_TIMEOUT_MS;
    }
    core->next_number = 1;
    if (core->out.failed != OK || core->store_state == NULL ||
        scheduler_new(&core->scheduler) != OK) {
        core_free(core);
        return ERR_NO_MEMORY;
    }
    *ret_core = core;
    return OK;
}

void core_free(struct core *core)
{
    if (core == NULL) {
        return;
    }
    struct work *work, *next_work;
    HASH_ITER (hh, core->works, work, next_work) {
        core_work_free(core, work);
    }
    list_each (&core->removing, struct work, removing_link, removed) {
        core_work_free(core, removed);
    }
    struct node *node, *next_node;
    HASH_ITER (hh, core->nodes, node, next_node) {
        core_node_free(core, node);
    }
    outbox_fini(&core->out);
    scheduler_free(core->scheduler);
    core_users_free(core);
    core_str_clear(&core->http_url);
    core_str_clear(&core->config.version);
    core_str_clear(&core->config.cluster);
    core_str_clear(&core->config.state_dir);
    mem_free(core->store_state);
    mem_free(core);
}

/* ---- what a turn changed becomes writes ---- */

void core_record_write(struct core *core, const char *key, const char *field,
                       const struct schema *schema, const void *record)
{
    struct buf buf;
    buf_init(&buf, SPEC_FILE_MAX_BYTES * 4);
    error_code error = record_encode(schema, record, &buf);
    if (error != OK) {
        core_fail(core, error);
    }
    outbox_hset(&core->out, key, field, buf_bytes(&buf));
    buf_fini(&buf);
}

static void core_dirty_write(struct core *core)
{
    char field[TASK_ID_TEXT_MAX];
    list_each (&core->dirty_tasks, struct task, dirty_link, task) {
        list_remove(&task->dirty_link);
        core_record_write(core, "tasks", task_id_print(task->r.id, field), &record_task_schema,
                          &task->r);
    }
    list_each (&core->dirty_sweeps, struct sweep, dirty_link, sweep) {
        list_remove(&sweep->dirty_link);
        snprintf(field, sizeof field, "%u", sweep->r.number);
        core_record_write(core, "sweeps", field, &record_sweep_schema, &sweep->r);
    }
    list_each (&core->dirty_jobs, struct job, dirty_link, job) {
        list_remove(&job->dirty_link);
        snprintf(field, sizeof field, "%u", job->r.number);
        core_record_write(core, "jobs", field, &record_job_schema, &job->r);
    }
    list_each (&core->dirty_nodes, struct node, dirty_link, node) {
        list_remove(&node->dirty_link);
        core_record_write(core, "nodes", node->r.name, &record_node_schema, &node->r);
    }
    core_array_chunks_write(core);
    if (core->is_number_dirty) {
        core->is_number_dirty = false;
        snprintf(field, sizeof field, "%u", core->next_number);
        outbox_hset(&core->out, "meta", "next_job",
                    (struct bytes){(const uint8_t *)field, strlen(field)});
    }
}

static void core_acks_send(struct core *core)
{
    list_each (&core->acks_due, struct node, ack_link, node) {
        list_remove(&node->ack_link);
        struct msg_ack ack = {.incarnation = node->r.incarnation, .applied = node->r.applied};
        outbox_send(&core->out, node->peer, MSG_ACK, &ack);
    }
}

void core_group_close(struct core *core)
{
    core_acks_send(core);
    core_dirty_write(core);
    outbox_group_close(&core->out);
}

void core_turn_schedule(struct core *core, time_ms now)
{
    core->now = now;
    core_remove_step(core);
    core_schedule(core, now);
    core_arrays_flush(core);
}

void core_turn_close(struct core *core, time_ms now)
{
    core->now = now;
    core_group_close(core);
}

void core_turn_end(struct core *core, time_ms now)
{
    core_turn_schedule(core, now);
    core_turn_close(core, now);
}

const struct batch *core_batch(struct core *core)
{
    const struct batch *batch = outbox_batch(&core->out, core->now);
    if (batch != NULL) {
        core_status_fill(core, &core->status_in_flight);
    } else if (!outbox_in_flight(&core->out) && core->now >= core->status_at) {
        /* A turn may be for one heartbeat. */
        core->status_at = core->now + CORE_STATUS_MS;
        core_status_fill(core, &core->status_durable);
    }
    return batch;
}

void on_batch_applied(struct core *core, time_ms now, uint64_t n)
{
    double took_ms = (double)(now - core->out.batch_made);
    core->now = now;
    core->batches_total++;
    core->batch_ms += (took_ms - core->batch_ms) / BATCH_MEAN_OF;
    outbox_applied(&core->out, n);
    core->status_durable = core->status_in_flight;
}

const struct head_effect *core_effect_next(struct core *core)
{
    return outbox_next(&core->out);
}

int64_t core_batch_age(const struct core *core, time_ms now)
{
    return outbox_in_flight(&core->out) ? now - core->out.batch_made : 0;
}

void core_store_state_set(struct core *core, const char *state)
{
    if (strcmp(core->store_state, state) == 0) {
        return;
    }
    char *copy = mem_strdup(state);
    if (copy != NULL) {
        mem_free(core->store_state);
        core->store_state = copy;
    }
}

void core_http_set(struct core *core, const char *url, bool is_insecure)
{
    core_str_set(core, &core->http_url, url);
    core->is_http_insecure = is_insecure;
}

size_t core_waiting_bytes(const struct core *core)
{
    return core->out.effects_bytes;
}

error_code core_failed(const struct core *core)
{
    return core->out.failed;
}

/* A paused sweep waits on disk: somebody resumes it, now or at the next start. */
static bool core_sweep_is_resting(const struct sweep *sweep)
{
    const struct work *work = sweep->work;
    bool is_resting = sweep->r.state == SWEEP_PAUSED;
    for (uint32_t i = 0; is_resting && work->n_active > 0 && i < work->n_tasks; i++) {
        is_resting = !core_task_is_on_node(work->tasks[i]);
    }
    return is_resting;
}

bool core_is_idle(const struct core *core)
{
    uint64_t n_active = 0;
    for (int state = 0; state < TASK_ENDED; state++) {
        n_active += core->status.tasks[state];
    }
    list_each (&core->active_sweeps, struct sweep, active_link, sweep) {
        if (!core_sweep_is_resting(sweep)) {
            return false;
        }
        n_active -= sweep->work->n_active;
    }
    return n_active == 0;
}

bool core_task_exists(const struct core *core, task_id id, bool *ret_is_trial, bool *ret_is_ended,
                      uint32_t *ret_attempts, char *ret_node)
{
    const struct task *task = core_task_find((struct core *)(uintptr_t)core, id);
    struct array_task plain;
    if (task == NULL && core_array_task(core, id, &plain)) {
        *ret_is_trial = false;
        *ret_is_ended = plain.state == TASK_ENDED;
        *ret_attempts = plain.slot == SLOT_QUEUED ? 0 : 1;
        snprintf(ret_node, NODE_NAME_MAX + 1, "%s", plain.node != NULL ? plain.node : "");
        return true;
    }
    if (task == NULL) {
        return false;
    }
    *ret_is_trial = task->r.is_trial;
    *ret_is_ended = task->r.state == TASK_ENDED;
    *ret_attempts = task->r.n_attempts;
    snprintf(ret_node, NODE_NAME_MAX + 1, "%s", task->r.node != NULL ? task->r.node : "");
    return true;
}

/* The i-th of the nodes of its current or last attempt; NULL: there are no more. */
static const char *core_task_node_at(const struct task *task, uint32_t i)
{
    if (task->r.n_parts > 0) {
        return i < task->r.n_parts ? task->r.parts[i].node : NULL;
    }
    return i == 0 ? task->r.node : NULL;
}

bool core_task_is_on(const struct core *core, task_id id, const char *node)
{
    const struct task *task = core_task_find((struct core *)(uintptr_t)core, id);
    const char *name;
    for (uint32_t i = 0; task != NULL && (name = core_task_node_at(task, i)) != NULL; i++) {
        if (strcmp(name, node) == 0) {
            return true;
        }
    }
    return false;
}

void core_task_nodes_print(const struct core *core, task_id id, char *ret_text, size_t size_bytes)
{
    const struct task *task = core_task_find((struct core *)(uintptr_t)core, id);
    size_t used = 0;
    const char *name;
    ret_text[0] = '\0';
    for (uint32_t i = 0; task != NULL && (name = core_task_node_at(task, i)) != NULL; i++) {
        if (used < size_bytes) {
            used += (size_t)snprintf(ret_text + used, size_bytes - used, "%s%s", i > 0 ? ", " : "",
                                     name);
        }
    }
}

error_code core_tuner_dump(const struct core *core, uint32_t number, struct buf *text)
{
    const struct work *work = core_work_find((struct core *)(uintptr_t)core, number);
    if (work == NULL || work->sweep == NULL) {
        return ERR_NOT_FOUND;
    }
    return tune_dump(work->sweep->tuner, text);
}

void core_check(const struct core *core)
{
    uint32_t tasks[TASK_ENDED + 1] = {0}, nodes[NODE_GONE + 1] = {0};
    const struct work *work;
    for (work = core->works; work != NULL; work = work->hh.next) {
        uint32_t active = 0, states[TASK_ENDED + 1] = {0};
        for (uint32_t i = 0; i < work->n_tasks; i++) {
            const struct task *task = work->tasks[i];
            assert(task != NULL);
            tasks[task->r.state]++;
            states[task->r.state]++;
            active += task->r.state != TASK_ENDED;
            assert((task->r.state == TASK_ENDED) == (task->r.outcome != OUTCOME_NONE));
            assert((core_task_is_on_node(task) && !core_task_is_in_lane(task) &&
                    !core_gang_has_lost_first(task)) == (task->allocation != NULL));
            assert(core_task_is_on_node(task) ==
                   (task->node != NULL || core_gang_has_lost_first(task)));
            core_gang_check(task);
            assert(task->node == NULL || task->node->r.state != NODE_GONE);
            assert(core_aside_is_kept(task));
            core_kept_check(task);
        }
        assert(active == work->n_active);
        assert(memcmp(states, work->states, sizeof states) == 0);
        if (work->array != NULL) {
            core_array_check(work->array, tasks);
        }
        if (work->sweep != NULL) {
            core_sweep_best_check(work->sweep);
        }
    }
    for (int state = 0; state <= TASK_ENDED; state++) {
        assert(tasks[state] == core->status.tasks[state]);
    }
    for (const struct node *node = core->nodes; node != NULL; node = node->hh.next) {
        nodes[node->r.state]++;
    }
    assert(memcmp(nodes, core->status.nodes, sizeof nodes) == 0);
    scheduler_check(core->scheduler);
}
