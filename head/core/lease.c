/* Placement: open places and queued tasks go to nodes; a lease is durable before it leaves. */
#include <assert.h>
#include <string.h>

#include "head/core/arrays.h"
#include "head/core/gang.h"

static uint32_t params_name(const struct sweep_spec *spec, const struct value *params,
                            uint32_t n_params, struct named_value *ret_params)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < spec->n_parameters && i < n_params; i++) {
        if (params[i].kind != VALUE_NONE) {
            ret_params[n++] = (struct named_value){spec->parameters[i].name, params[i]};
        }
    }
    return n;
}

uint32_t core_params_named(struct core *core, uint32_t sweep, const struct value *params,
                           uint32_t n_params, struct named_value *ret_params)
{
    struct work *work = core_work_find(core, sweep);
    return work == NULL || work->sweep == NULL
               ? UINT32_MAX
               : params_name(&work->sweep->spec, params, n_params, ret_params);
}

uint32_t core_task_params(const struct task *task, struct named_value *ret_params)
{
    return params_name(&task->work->sweep->spec, task->r.params, task->r.n_params, ret_params);
}

static void lease_from_sweep(const struct task *task, struct msg_lease *lease,
                             struct named_value *params, struct label_pair *env)
{
    const struct sweep *sweep = task->work->sweep;
    const struct sweep_spec *spec = &sweep->spec;
    for (uint32_t i = 0; i < spec->n_env; i++) {
        env[i] = (struct label_pair){spec->env[i].name, spec->env[i].value};
    }
    lease->is_trial = true;
    lease->sweep_name = sweep->r.name;
    lease->words = spec->command.words;
    lease->n_words = spec->command.n_words;
    lease->is_shell = spec->command.is_shell;
    lease->workdir = sweep->r.workdir;
    lease->work = sweep->r.work;
    lease->work_bytes = sweep->r.work_bytes;
    lease->setup = spec->setup;
    lease->env = env;
    lease->n_env = spec->n_env;
    lease->params = params;
    lease->n_params = core_task_params(task, params);
    lease->lineage = task->r.lineage;
    /* A trial's own seed: the same for every attempt; below 2^53 so that JSON keeps it. */
    lease->seed = (sweep->r.seed * 0x9E3779B97F4A7C15U + task->r.id.index) >> 11;
    lease->metric = spec->metric.name;
    lease->is_maximize = spec->metric.goal == GOAL_MAXIMIZE;
    lease->cpus = spec->resources.cpus;
    lease->memory_bytes = spec->resources.memory_bytes;
    lease->timeout_trial_ms = spec->timeouts.trial_ms;
    lease->timeout_silent_ms = spec->timeouts.silent_ms;
    lease->timeout_grace_ms = spec->timeouts.grace_ms;
    lease->timeout_start_ms = spec->timeouts.start_ms;
    lease->timeout_decision_ms = spec->timeouts.decision_ms;
    lease->checkpoints_on = spec->checkpoints.on;
    lease->checkpoints_every_ms = spec->checkpoints.every_ms;
    /* core_lease_check() asks before there is a tuner. */
    if (sweep->tuner != NULL && tune_wants_snapshots(sweep->tuner)) {
        lease->checkpoints_on |= CHECKPOINT_ON_RUNG;
    }
    lease->tail_bytes = spec->logs_tail_bytes;
    lease->report_from = spec->report.from;
    lease->report_out_rules = spec->report.out_rules;
    lease->n_report_out_rules = spec->report.n_out_rules;
    lease->report_err_rules = spec->report.err_rules;
    lease->n_report_err_rules = spec->report.n_err_rules;
    lease->metric_time = spec->metric.time;
    lease->adopt = spec->checkpoints.adopt;
    lease->ranks = spec->ranks;
    lease->nodes = spec->resources.nodes > 1 ? spec->resources.nodes : 0;
    lease->timeout_rank_ms = spec->timeouts.rank_ms;
}

void lease_from_job(const struct work *work, struct msg_lease *lease)
{
    const struct record_job *job = &work->job->r;
    lease->sweep_name = job->name;
    lease->words = job->words;
    lease->n_words = job->n_words;
    lease->is_shell = job->is_shell;
    lease->workdir = job->workdir;
    lease->work = job->work;
    lease->work_bytes = job->work_bytes;
    lease->env = job->env;
    lease->n_env = job->n_env;
    lease->cpus = job->cpus;
    lease->memory_bytes = job->memory_bytes;
    lease->timeout_grace_ms = core_work_grace_ms(work);
    lease->tail_bytes = TAIL_MAX_BYTES;
    lease->log_files = job->log_files;
}

/* params and env: room for what the work has of them. */
static void lease_fill(const struct task *task, struct msg_lease *lease, struct named_value *params,
                       struct label_pair *env)
{
    *lease = (struct msg_lease){
        .task = task->r.id,
        .attempt = task->r.attempt,
        .order = task->r.order,
        .gpus = task->r.gpus,
        .n_gpus = task->r.n_gpus,
        .age = task->r.age,
        .last_ordinal = task->r.last_ordinal,
    };
    if (task->work->sweep != NULL) {
        lease_from_sweep(task, lease, params, env);
    } else {
        lease_from_job(task->work, lease);
    }
}

/* Of a gang's part above the first, whose ranks do not speak for the trial: nothing of it is judged
 * by what they say, and it has no snapshots. */
static void lease_to_part(const struct gang_part *part, uint32_t number, struct msg_lease *lease)
{
    lease->node_rank = number;
    lease->gpus = part->gpus;
    lease->n_gpus = part->n_gpus;
    lease->order = (struct order){.n = lease->order.n, .until = INT64_MAX, .act = ACT_GO};
    lease->timeout_trial_ms = lease->timeout_silent_ms = lease->timeout_start_ms = 0;
    lease->report_from = 0;
    lease->adopt = NULL;
    lease->checkpoints_every_ms = 0;
    lease->last_ordinal = 0;
}

static void lease_send(struct core *core, const struct task *task, const struct node *node,
                       uint32_t part)
{
    struct named_value params[SPEC_PARAMETERS_MAX];
    struct msg_lease lease;
    const struct sweep *sweep = task->work->sweep;
    struct label_pair *env = mem_calloc(sweep != NULL ? sweep->spec.n_env : 0, sizeof *env);
    if (env == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return;
    }
    lease_fill(task, &lease, params, env);
    if (part == 0) {
        lease.restore = core_snapshot_to_restore(core, task);
        lease.place_word = ++core->place_words;
    } else {
        lease_to_part(&task->r.parts[part], part, &lease);
    }
    outbox_send(&core->out, node->peer, MSG_LEASE, &lease);
    mem_free(env);
}

void core_lease_send(struct core *core, const struct task *task)
{
    if (task->work->array != NULL) {
        struct array_holder *holder =
            core_array_holder(core, core->now, task->work->array, task->node);
        if (holder != NULL) {
            core_array_tell(core, holder); /* its lines are named there */
        }
    }
    lease_send(core, task, task->node, 0);
}

void core_lease_send_part(struct core *core, const struct task *task, uint32_t part)
{
    const struct node *node = task->gang->places[part].node;
    if (node != NULL) {
        lease_send(core, task, node, part);
    }
}

static size_t value_text_size(const struct value *value)
{
    return value->kind == VALUE_STR ? strlen(value->str) : 0;
}

/* The value of a parameter that takes the most room. */
static struct value param_largest(const struct param_spec *param)
{
    struct value largest = param->n_values > 0 ? param->values[0] : param->constant;
    for (uint32_t i = 0; i < param->n_values + param->n_also; i++) {
        const struct value *value =
            i < param->n_values ? &param->values[i] : &param->also[i - param->n_values];
        if (value_text_size(value) > value_text_size(&largest)) {
            largest = *value;
        }
    }
    return largest;
}

error_code core_lease_check(const struct work *work, struct report *report)
{
    enum { LATER_BYTES = 32 << 10 }; /* GPUs, numbers and the snapshot, which are not known yet */
    struct value largest[SPEC_PARAMETERS_MAX];
    struct named_value params[SPEC_PARAMETERS_MAX];
    struct msg_lease lease;
    const struct sweep *sweep = work->sweep;
    struct task task = {.work = (struct work *)(uintptr_t)work, .r.params = largest};
    struct label_pair *env = mem_calloc(sweep != NULL ? sweep->spec.n_env : 0, sizeof *env);
    if (env == NULL) {
        return ERR_NO_MEMORY;
    }
    for (uint32_t i = 0; sweep != NULL && i < sweep->spec.n_parameters; i++) {
        largest[task.r.n_params++] = param_largest(&sweep->spec.parameters[i]);
    }
    lease_fill(&task, &lease, params, env);
    struct buf buf;
    buf_init(&buf, MSG_MAX_BYTES - LATER_BYTES);
    error_code error = message_encode(MSG_LEASE, &lease, &buf);
    buf_fini(&buf);
    mem_free(env);
    return error == ERR_LIMIT
               ? report_fail(report, ERR_LIMIT,
                             "command, env and parameters together are larger than %d bytes; put "
                             "the large part into a file",
                             MSG_MAX_BYTES - LATER_BYTES)
               : error;
}

/* The next attempt of a queued task; attempts count from 0 and are used up even if they never
 * start. */
static void core_task_lease(struct core *core, time_ms now, struct task *task,
                            const struct allocation *allocations)
{
    struct node *node = core_node_of_handle(core, allocations[0].node);
    uint32_t n_nodes = request_nodes(core_work_request(task->work));
    assert(node != NULL);
    core_snapshots_move(core, now, task);
    core_task_place(core, task, node, &allocations[0]);
    if (n_nodes > 1) {
        core_gang_place(core, task, allocations, n_nodes);
    }
    if (core->out.failed != OK) {
        return;
    }
    core_replay_anew(core, now, task);
    task->r.attempt = task->r.n_attempts++;
    task->r.leased = now;
    task->r.started = 0;
    task->r.pid = 0;
    task->r.exit_code = task->r.signal = 0;
    task->r.is_dry = false;
    task->r.last_seq = 0;
    if (task->r.order.act == ACT_EXPLOIT) {
        /* The lease itself says what to start from and with. */
        task->r.order.n++;
        task->r.order.act = ACT_GO;
    }
    core_task_move(core, now, task, TASK_EVENT_LEASE);
    if (core_order_is_leave(&task->r.order)) {
        /* It failed before it could be told; the order stays in force. */
        core_task_move(core, now, task, TASK_EVENT_TOLD);
    }
    task->restoring = core_snapshot_to_restore(core, task);
    core_lease_send(core, task);
    core_gang_leases_send(core, task);
}

/* A node has room for the sweep's next trial: the suggestion becomes a trial, asked for in this
 * very batch. */
static struct task *core_ticket_take(struct core *core, time_ms now, struct sweep *sweep)
{
    assert(sweep->ready != NULL && sweep->ready_trial == tune_next_trial(sweep->tuner));
    struct task *task = core_task_add(core, sweep->work, sweep->ready_trial);
    if (task == NULL) {
        return NULL;
    }
    task->r.params = TAKE(sweep->ready);
    task->r.n_params = sweep->spec.n_parameters;
    task->r.priority = sweep->spec.priority;
    task->r.created = task->r.queued = now;
    struct tune_event event = {
        .kind = TUNE_EVENT_ASKED,
        .trial = task->r.id.index,
        .params = task->r.params,
        .n_params = task->r.n_params,
    };
    core_sweep_log(core, now, sweep, &event, 0);
    task->r.order = (struct order){
        .n = 1, .until = tune_first_milestone(sweep->tuner, task->r.id.index), .act = ACT_GO};
    core_sweep_advance(core, now, sweep);
    return task;
}

static void core_tickets_refresh(struct core *core)
{
    list_each (&core->due, struct sweep, due_link, sweep) {
        list_remove(&sweep->due_link);
        bool is_open = sweep->r.state == SWEEP_RUNNING && !core->is_leaving &&
                       core->task_total < CORE_TASKS_MAX && tune_tickets(sweep->tuner) > 0;
        if (!is_open) {
            scheduler_dequeue(core->scheduler, &sweep->ticket.item);
        } else if (sweep->ready == NULL) {
            core_suggest_ask(core, sweep);
        } else if (list_is_empty(&sweep->ticket.item.link)) {
            uint64_t age = (uint64_t)sweep->r.number << 32 | sweep->ready_trial;
            error_code error = scheduler_enqueue(core->scheduler, &sweep->ticket.item,
                                                 sweep->work->cls, sweep->spec.priority, age);
            if (error != OK) {
                core_fail(core, error);
            }
        }
    }
}

/* Only the node on which it failed has room, and there are others: it waits a moment for one of
 * them, and what is behind it goes on. */
static bool core_task_avoids(struct core *core, time_ms now, struct task *task,
                             struct allocation *allocation)
{
    bool is_gang = request_nodes(core_work_request(task->work)) > 1; /* it takes what it gets */
    if (is_gang || task->waiting.item.avoid != allocation->node || now >= task->avoid_until ||
        !core_work_has_other_node(core, task->work, core_node_of_handle(core, allocation->node))) {
        return false;
    }
    scheduler_give(core->scheduler, allocation);
    task->hold_until = now + AVOID_LOOK_MS;
    core_task_enqueue(core, now, task);
    return true;
}

static void core_allocations_give(struct core *core, const struct work *work,
                                  struct allocation *allocations)
{
    uint32_t n = request_nodes(core_work_request(work));
    for (uint32_t i = 0; i < n; i++) {
        scheduler_give(core->scheduler, &allocations[i]);
    }
}

void core_schedule(struct core *core, time_ms now)
{
    while (core->out.failed == OK) {
        core_arrays_refresh(core);
        while (!list_is_empty(&core->due) || !list_is_empty(&core->suggests)) {
            core_tickets_refresh(core);
            core_suggest_run(core, now);
            if (core->out.failed != OK) {
                return;
            }
        }
        if (core->is_leaving) {
            return;
        }
        struct allocation allocations[SCHEDULER_GANG_MAX];
        struct scheduler_item *item = scheduler_next(core->scheduler, allocations);
        if (item == NULL) {
            return;
        }
        struct waiting *waiting = list_entry(item, struct waiting, item);
        struct task *task = waiting->task;
        if (waiting->array != NULL) {
            core_array_lane_open(core, now, waiting->array, &allocations[0]);
            continue;
        }
        if (task == NULL && core->task_total >= CORE_TASKS_MAX) {
            core_allocations_give(core, waiting->sweep->work, allocations);
            core_sweep_due(core, waiting->sweep); /* Its ticket is not put up again. */
            continue;
        }
        if (task != NULL && core_task_avoids(core, now, task, &allocations[0])) {
            continue;
        }
        if (task == NULL) {
            task = core_ticket_take(core, now, waiting->sweep);
        }
        if (task != NULL) {
            core_task_lease(core, now, task, allocations);
        }
        if (outbox_open_ops(&core->out) >= BATCH_GROUP_OPS_MAX) {
            core_group_close(core);
        }
    }
}
