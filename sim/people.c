/* People who submit, cancel, stop and look; what they are told is
 * on disk. */
#include "sim/people.h"
#include "sim/array_people.h"
#include "sim/array_records.h"
#include "sim/calendar.h"
#include "sim/head.h"
#include "sim/records.h"
#include "sim/verbs.h"
#include "sim/work_folders.h"

void sim_client_later(struct sim *sim, struct sim_client *client, int64_t wait_ms)
{
    sim_push(sim, (struct sim_event){.at = sim->now + wait_ms,
                                     .kind = SIM_CLIENT,
                                     .ordinal = (uint32_t)(client - sim->clients)});
}

static void sim_ask_sweep(struct sim *sim, struct sim_client *client)
{
    struct submit_sweep submit = {.file = client->file,
                                  .file_name = "t.yaml",
                                  .workdir = "/w",
                                  .owner = "me",
                                  .key = client->key,
                                  .file_hash = "hash",
                                  .work = sim_client_work(sim, client)};
    on_sweep_submit(sim->head.core, sim->now, client->request, &submit);
}

static void sim_ask_job(struct sim *sim, struct sim_client *client)
{
    static const char *const words[] = {"echo", "hi"};
    struct record_job job = {.name = "echo",
                             .words = words,
                             .n_words = 2,
                             .workdir = "/",
                             .cpus = AMOUNT_ONE,
                             .priority = 50,
                             .retries_max = client->index % 2,
                             .key = client->key,
                             .file_hash = "hash",
                             .work = sim_client_work(sim, client)};
    on_job_submit(sim->head.core, sim->now, client->request, &job);
}

static void sim_ask_clone(struct sim *sim, struct sim_client *client)
{
    struct sweep_clone clone = {.name = client->key, .owner = "me", .key = client->key};
    on_sweep_clone(sim->head.core, sim->now, client->request, client->target, &clone);
}

static void sim_ask_sweep_verb(struct sim *sim, struct sim_client *client)
{
    core_verb verb = client->kind == CLIENT_CANCEL_SWEEP ? VERB_CANCEL : VERB_STOP;
    on_sweep_verb(sim->head.core, sim->now, client->request, client->number, verb, -1);
}

static void sim_ask_task_verb(struct sim *sim, struct sim_client *client)
{
    core_verb verb = client->kind == CLIENT_CANCEL_TASK ? VERB_CANCEL : VERB_STOP;
    on_task_verb(sim->head.core, sim->now, client->request,
                 (task_id){client->number, client->index}, verb, sim_chance(sim, 500) ? 500 : -1);
}

static void sim_ask_view(struct sim *sim, struct sim_client *client)
{
    struct core *core = sim->head.core;
    struct view_filter filter = {.job = client->index % 2 ? client->number : 0,
                                 .is_trials = client->index % 3 != 0};
    task_id id = {client->number, client->index % 5};
    switch (client->index) {
    case 1:
        view_sweeps(core, sim->now, client->request, &filter);
        break;
    case 2:
        view_sweep(core, sim->now, client->request, client->number);
        break;
    case 3:
        view_nodes(core, sim->now, client->request, &filter);
        break;
    case 4:
    case 5:
        view_tasks(core, sim->now, client->request, &filter);
        break;
    case 6:
        view_sweep_config(core, sim->now, client->request, client->number);
        break;
    case 7:
        view_task(core, sim->now, client->request, id);
        break;
    case 8:
        view_failures(core, sim->now, client->request, client->number);
        break;
    case 9:
        view_job(core, sim->now, client->request, client->number);
        break;
    case 10:
        view_jobs(core, sim->now, client->request, &filter);
        break;
    default:
        view_explain(core, sim->now, client->request, id);
        break;
    }
}

static void (*const sim_asks[])(struct sim *sim, struct sim_client *client) = {
    [CLIENT_SWEEP] = sim_ask_sweep,
    [CLIENT_JOB] = sim_ask_job,
    [CLIENT_ARRAY] = sim_ask_array,
    [CLIENT_CLONE] = sim_ask_clone,
    [CLIENT_CANCEL_SWEEP] = sim_ask_sweep_verb,
    [CLIENT_STOP_SWEEP] = sim_ask_sweep_verb,
    [CLIENT_CANCEL_TASK] = sim_ask_task_verb,
    [CLIENT_STOP_TASK] = sim_ask_task_verb,
    [CLIENT_CANCEL_JOB] = sim_ask_cancel_job,
    [CLIENT_RETRY_TASK] = sim_ask_retry,
    [CLIENT_RETRY_JOB] = sim_ask_retry_job,
    [CLIENT_PAUSE_SWEEP] = sim_ask_pause,
    [CLIENT_RESUME_SWEEP] = sim_ask_resume,
    [CLIENT_PAUSE_TRIAL] = sim_ask_pause_trial,
    [CLIENT_RESUME_TRIAL] = sim_ask_resume_trial,
    [CLIENT_REMOVE] = sim_ask_remove,
    [CLIENT_NODE] = sim_ask_node,
    [CLIENT_VIEW] = sim_ask_view,
};

/* Something that was acknowledged; false: nothing was yet. */
static bool sim_client_aim(struct sim *sim, struct sim_client *client)
{
    uint32_t *aim = client->kind == CLIENT_CLONE ? &client->target : &client->number;
    if (*aim != 0 || client->kind <= CLIENT_ARRAY || client->kind == CLIENT_NODE) {
        return true;
    }
    const struct sim_client *target = &sim->clients[sim_below(sim, sim->n_clients)];
    bool is_of_job = client->kind == CLIENT_CANCEL_JOB || client->kind == CLIENT_RETRY_JOB;
    bool is_job = target->kind == CLIENT_JOB || target->kind == CLIENT_ARRAY;
    bool is_good = (target->kind == CLIENT_SWEEP && !is_of_job) ||
                   (is_job && client->kind >= CLIENT_CANCEL_TASK &&
                    client->kind != CLIENT_PAUSE_SWEEP && client->kind != CLIENT_RESUME_SWEEP);
    if (!is_good || !target->is_answered || target->number == 0) {
        return false;
    }
    *aim = target->number;
    if (client->kind != CLIENT_CLONE && client->kind != CLIENT_VIEW) {
        sim_array_aim(sim, client, target);
    }
    return true;
}

void sim_on_client(struct sim *sim, const struct sim_event *event)
{
    struct sim_client *client = &sim->clients[event->ordinal];
    if (client->is_answered) {
        return;
    }
    sim_client_later(sim, client, 300 + (int64_t)sim_below(sim, 1000));
    bool is_asked = client->request != 0 && !sim_chance(sim, 100);
    if (sim->head.core == NULL || is_asked) {
        return;
    }
    if (!sim_client_aim(sim, client)) {
        client->is_answered = sim->is_calm; /* there was nothing to aim at */
        return;
    }
    sim_head_wake(sim, &sim->head);
    client->request = ++sim->requests;
    sim_trace(sim, "client  %s asks, kind %d, %u.%u", client->key, client->kind, client->number,
              client->index);
    sim_asks[client->kind](sim, client);
    client->was_asked = true;
    sim_head_turn(sim, &sim->head);
}

void sim_look_after(struct sim *sim)
{
    struct core *core = sim->head.core;
    list_each (&core->active_sweeps, struct sweep, active_link, sweep) {
        sim_paused_go_on(sim, sweep);
        if (sweep->r.state == SWEEP_PAUSED && sim_chance(sim, 100)) {
            sim_trace(sim, "people  resume sweep %u: %s", sweep->r.number,
                      sweep->r.error != NULL ? sweep->r.error : "");
            struct sweep_resume resume = {.seen = -1};
            on_sweep_resume(core, sim->now, ++sim->requests, sweep->r.number, &resume);
            sim->counts.paused++;
        }
    }
    for (struct node *node = core->nodes; node != NULL; node = node->hh.next) {
        if (node->r.is_drain_asked && sim_chance(sim, 10)) {
            struct node_verb resume = {.kind = NODE_VERB_RESUME};
            sim_trace(sim, "people  resume node %s", node->r.name);
            on_node_verb(core, sim->now, ++sim->requests, node->r.name, &resume);
        }
        if (node->r.is_cordoned && sim_chance(sim, 10)) {
            sim_trace(sim, "people  resume node %s: %s", node->r.name, node->r.cordon_reason);
            node->r.is_cordoned = false;
            core_node_forgive(core, sim->now, node);
            core_node_refresh_open(core, node);
            sim->counts.cordoned++;
        }
    }
}

/* Somebody else may have had it go on, or removed, in the very batch. */
static bool sim_was_undone(const struct sim *sim, uint32_t number)
{
    return sim_was_retried(sim, number) || sim_was_asked(sim, CLIENT_RESUME_SWEEP, number) ||
           sim_was_asked(sim, CLIENT_REMOVE, number);
}

static void sim_sweep_is_told(struct sim *sim, const struct sim_client *client)
{
    struct arena arena;
    struct record_sweep r;
    char field[16];
    arena_init(&arena, 4 << 20);
    snprintf(field, sizeof field, "%u", client->number);
    if (sim_was_undone(sim, client->number)) {
        arena_fini(&arena);
        return;
    }
    sim_require(sim, sim_store_get(sim, "sweeps", field, &record_sweep_schema, &arena, &r),
                "sweep %s is not in the store", field);
    bool is_told =
        r.state >= SWEEP_FINISHING &&
        (r.state >= SWEEP_DONE || client->kind == CLIENT_STOP_SWEEP || r.why == WHY_CANCEL);
    sim_require(sim, is_told, "sweep %s: told before it was on disk", field);
    arena_fini(&arena);
}

static void sim_task_is_told(struct sim *sim, const struct sim_client *client)
{
    struct sim_task *task = sim_task_find(sim, (task_id){client->number, client->index});
    if (client->array.step != 0) {
        sim_array_task_is_told(sim, client);
        return;
    }
    if (sim_was_undone(sim, client->number)) {
        return;
    }
    sim_require(sim, task != NULL && (task->r.state == TASK_ENDED || task->r.order.act == ACT_STOP),
                "task %u.%u: told before it was on disk", client->number, client->index);
    if (client->kind == CLIENT_CANCEL_TASK && !task->is_cancel_acked) {
        task->is_cancel_acked = true;
        task->n_attempts_at_cancel = task->r.n_attempts;
    }
}

static void sim_answer_submit(struct sim *sim, struct sim_client *client, const char *body)
{
    const char *id = strstr(body, "\"id\":");
    char field[16];
    bool is_job = client->kind == CLIENT_JOB || client->kind == CLIENT_ARRAY;
    sim_require(sim, client->status != 409, "%s: %s", client->key, body);
    if (client->status >= 300) {
        sim_require(sim, client->status == 422, "%s: %u %s", client->key, client->status, body);
        return;
    }
    sim_require(sim, id != NULL, "%s", body);
    client->number = (uint32_t)strtoul(id + 5, NULL, 10);
    snprintf(field, sizeof field, "%u", client->number);
    sim_require(sim, sim_cell_find(&sim->store, is_job ? "jobs" : "sweeps", field) != NULL,
                "%s was acknowledged before it was on disk", client->key);
    sim->counts.resubmits += client->status == 200;
    sim->counts.clones += client->kind == CLIENT_CLONE;
}

void sim_answer_take(struct sim *sim, const struct head_effect *effect)
{
    for (uint32_t i = 0; i < sim->n_clients; i++) {
        struct sim_client *client = &sim->clients[i];
        if (client->request != effect->request || effect->request == 0) {
            continue;
        }
        char body[512];
        snprintf(body, sizeof body, "%.*s", (int)effect->bytes.len,
                 (const char *)effect->bytes.data);
        sim_trace(sim, "client  %s is answered %u", client->key, effect->status);
        sim_require(sim, body[0] == '{' || effect->has_holes, "an answer is no object: %s", body);
        if (effect->status == 503) {
            client->request = 0; /* the cluster is shut down: another time */
            return;
        }
        client->is_answered = true;
        client->status = effect->status;
        if (client->kind <= CLIENT_CLONE && effect->status != 404) {
            sim_answer_submit(sim, client, body);
        } else if (effect->status == 200 && client->kind <= CLIENT_STOP_SWEEP) {
            sim_sweep_is_told(sim, client);
        } else if (effect->status == 200 && client->kind <= CLIENT_STOP_TASK) {
            sim_task_is_told(sim, client);
        } else if (effect->status == 200 && client->kind == CLIENT_CANCEL_JOB) {
            sim_cancel_job_is_told(sim, client);
        } else if (effect->status == 200 && client->kind == CLIENT_RETRY_JOB) {
            sim_retry_job_is_told(sim, client);
        } else if (effect->status == 200 && client->kind == CLIENT_RETRY_TASK) {
            sim_retry_is_told(sim, client);
        } else if (effect->status == 200 && client->kind == CLIENT_PAUSE_TRIAL) {
            sim_trial_pause_is_told(sim, client);
        } else if (effect->status == 200 && client->kind == CLIENT_REMOVE) {
            sim_removal_is_told(sim, client);
        } else if (effect->status == 409) {
            sim_require(sim, client->kind >= CLIENT_RETRY_TASK && client->kind < CLIENT_VIEW, "%s",
                        body);
        } else {
            sim_require(sim, effect->status == 200 || effect->status == 404, "%s", body);
        }
        return;
    }
}
