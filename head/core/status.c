/* The cluster in figures, as of the last batch on disk: never waits for the one in flight. */
#include <stdio.h>

#include "head/core/state.h"

void core_status_fill(const struct core *core, struct api_status *ret)
{
    struct scheduler_usage usage;
    scheduler_usage_get(core->scheduler, 0, &usage);
    const uint32_t *nodes = core->status.nodes;
    *ret = (struct api_status){
        .version = core->config.version,
        .cluster = core->config.cluster,
        .epoch = core->config.epoch,
        .pid = core->config.pid,
        .started = core->config.started,
        .state_dir = core->config.state_dir,
        .nodes = core_nodes_there(core),
        .nodes_alive = nodes[NODE_ALIVE],
        .cpus = (double)usage.cpus_total / AMOUNT_ONE,
        .cpus_used = (double)usage.cpus_used / AMOUNT_ONE,
        .gpus = (double)usage.gpus_total / AMOUNT_ONE,
        .gpus_used = (double)usage.gpus_used / AMOUNT_ONE,
        .sweeps_active = core->status.sweeps_active,
        .tasks_queued = core->status.tasks[TASK_QUEUED],
        .tasks_leased = core->status.tasks[TASK_LEASED] - core->array_running,
        .tasks_running = core->status.tasks[TASK_RUNNING] + core->array_running,
        .tasks_stopping = core->status.tasks[TASK_STOPPING],
        .tasks_ended = core->status.tasks[TASK_ENDED],
    };
}

void core_store_facts_set(struct core *core, const struct core_store_facts *facts)
{
    snprintf(core->store_kind, sizeof core->store_kind, "%s", facts->kind);
    snprintf(core->store_policy, sizeof core->store_policy, "%s", facts->policy);
    snprintf(core->store_loss, sizeof core->store_loss, "%s", facts->loss);
    core->store_memory_bytes = facts->memory_bytes;
    core->store_memory_max_bytes = facts->memory_max_bytes;
}

void core_depot_set(struct core *core, uint64_t bytes, uint64_t max_bytes)
{
    core->depot_bytes = bytes;
    core->depot_max_bytes = max_bytes;
}

error_code core_status_print(const struct core *core, time_ms now, struct buf *text)
{
    struct api_status status = core->status_durable;
    status.store = core->store_state;
    status.store_age = core_batch_age(core, now);
    status.store_kind = core->store_kind;
    status.store_policy = core->store_policy;
    status.store_loss = core->store_loss;
    status.store_memory = core->store_memory_bytes;
    status.store_memory_max = core->store_memory_max_bytes;
    status.http = core->http_url;
    status.http_insecure = core->is_http_insecure;
    status.depot = core->depot_bytes;
    status.depot_max = core->depot_max_bytes;
    struct json_out json = json_out_to(text);
    schema_print_json(&api_status_schema, &status, &json, NULL);
    return text->failed;
}

static void metric(struct buf *text, const char *name, const char *type, const char *help,
                   double value)
{
    char number[REAL_TEXT_MAX];
    ignore_error(buf_printf(text, "# HELP %s %s\n# TYPE %s %s\n%s %s\n", name, help, name, type,
                            name, real_print(value, number)),
                 "sticky");
}

static void disk_metrics(const struct core *core, struct buf *text)
{
    uint64_t cache_bytes = 0, cache_max_bytes = 0;
    for (const struct node *node = core->nodes; node != NULL; node = node->hh.next) {
        bool is_gone = node->r.state == NODE_GONE;
        cache_bytes += is_gone ? 0 : node->cache_bytes;
        cache_max_bytes += is_gone ? 0 : node->cache_max_bytes;
    }
    metric(text, "muster_store_memory_bytes", "gauge", "Memory that Redis uses.",
           (double)core->store_memory_bytes);
    metric(text, "muster_store_memory_max_bytes", "gauge", "Its maxmemory; 0: no limit.",
           (double)core->store_memory_max_bytes);
    metric(text, "muster_depot_bytes", "gauge", "Packed work folders on the head's disk.",
           (double)core->depot_bytes);
    metric(text, "muster_depot_max_bytes", "gauge", "What they may take there.",
           (double)core->depot_max_bytes);
    metric(text, "muster_cache_bytes", "gauge", "Work folders on the disks of all nodes.",
           (double)cache_bytes);
    metric(text, "muster_cache_max_bytes", "gauge", "What they may take there.",
           (double)cache_max_bytes);
}

error_code core_metrics_print(const struct core *core, time_ms now, struct buf *text)
{
    const struct api_status *s = &core->status_durable;
    ignore_error(
        buf_append_text(
            text, "# HELP muster_tasks Tasks and trials by state.\n# TYPE muster_tasks gauge\n"),
        "sticky");
    const struct {
        const char *state;
        uint32_t n;
    } states[] = {{"queued", s->tasks_queued},
                  {"leased", s->tasks_leased},
                  {"running", s->tasks_running},
                  {"stopping", s->tasks_stopping},
                  {"ended", s->tasks_ended}};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        ignore_error(
            buf_printf(text, "muster_tasks{state=\"%s\"} %u\n", states[i].state, states[i].n),
            "sticky");
    }
    metric(text, "muster_sweeps_active", "gauge", "Sweeps that have not ended.", s->sweeps_active);
    metric(text, "muster_nodes", "gauge", "Nodes that are not gone.", s->nodes);
    metric(text, "muster_nodes_alive", "gauge", "Nodes heard of lately.", s->nodes_alive);
    metric(text, "muster_cpus", "gauge", "CPUs of all nodes.", s->cpus);
    metric(text, "muster_cpus_used", "gauge", "CPUs taken by tasks.", s->cpus_used);
    metric(text, "muster_gpus", "gauge", "GPUs of all nodes.", s->gpus);
    metric(text, "muster_gpus_used", "gauge", "GPUs taken by tasks.", s->gpus_used);
    metric(text, "muster_reports_total", "counter", "Metric rows received from trainers.",
           (double)core->reports_total);
    metric(text, "muster_decisions_total", "counter", "Milestones decided.",
           (double)core->decisions_total);
    metric(text, "muster_batches_total", "counter", "Batches on disk.",
           (double)core->batches_total);
    metric(text, "muster_events_total", "counter", "Events of nodes applied.",
           (double)core->events_total);
    metric(text, "muster_refused_total", "counter", "Enrolments and messages refused.",
           (double)core->refused_total);
    metric(text, "muster_array_rows_total", "counter", "Results of array tasks accepted.",
           (double)core->array_rows_total);
    metric(text, "muster_array_rows_dropped_total", "counter",
           "Results of array tasks that were nobody's to tell.",
           (double)core->array_rows_dropped_total);
    metric(text, "muster_store_wait_seconds", "gauge", "Age of the batch that waits for the store.",
           (double)core_batch_age(core, now) / 1000.0);
    disk_metrics(core, text);
    return text->failed;
}
