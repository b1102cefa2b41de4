#include "worker/core/agent.h"

#include "base/mem.h"
#include "worker/core/parts.h"

enum { AGENT_ARENA_MAX_BYTES = 4 << 20, AGENT_RANDOM_STREAM = 1, AGENT_PASSES_STREAM = 2 };

error_code agent_new(const struct agent_config *config, struct agent **ret_agent)
{
    struct agent *agent = mem_zalloc(sizeof *agent);
    if (agent == NULL) {
        return ERR_NO_MEMORY;
    }
    arena_init(&agent->arena, AGENT_ARENA_MAX_BYTES);
    buf_init(&agent->line, MSG_MAX_BYTES);
    list_init(&agent->attempts);
    list_init(&agent->held);
    list_init(&agent->copies);
    list_init(&agent->arrays_due);
    list_init(&agent->arrays_waiting);
    random_init(&agent->random, config->random_seed, AGENT_RANDOM_STREAM);
    random_init(&agent->passes, config->random_seed, AGENT_PASSES_STREAM);
    agent_stream_init(&agent->stream, config->enrol.incarnation);
    agent->link = (struct agent_link){.enrol_at = AGENT_NEVER,
                                      .heartbeat_ms = AGENT_HEARTBEAT_MS,
                                      .orphan_timeout_ms = config->orphan_timeout_ms,
                                      .backoff_ms = AGENT_BACKOFF_MIN_MS};
    agent->wake = agent->owed.look_at = AGENT_NEVER;
    agent->enrol = agent_message_copy(MSG_ENROL, &config->enrol, &agent->arena);
    if (config->snapshots_dir != NULL) {
        agent->snapshots_dir = arena_strdup(&agent->arena, config->snapshots_dir);
    }
    if (agent->enrol == NULL || (config->snapshots_dir != NULL && agent->snapshots_dir == NULL)) {
        agent_free(agent);
        return ERR_NO_MEMORY;
    }
    *ret_agent = agent;
    return OK;
}

error_code agent_lender_set(struct agent *agent, const char *endpoint, const char *key)
{
    const char *lender = arena_strdup(&agent->arena, endpoint);
    const char *lender_key = arena_strdup(&agent->arena, key);
    if (lender == NULL || lender_key == NULL) {
        return ERR_NO_MEMORY;
    }
    agent->enrol->lender = lender;
    agent->enrol->lender_key = lender_key;
    return OK;
}

void agent_free(struct agent *agent)
{
    if (agent == NULL) {
        return;
    }
    list_each (&agent->attempts, struct attempt, link, attempt) {
        agent_attempt_free(agent, attempt);
    }
    agent_arrays_free(agent);
    agent_trees_free(agent);
    agent_copies_free(agent);
    agent_stream_fini(&agent->stream);
    mem_free(agent->snapshots);
    buf_fini(&agent->line);
    arena_fini(&agent->arena);
    mem_free(agent);
}

void on_load(struct agent *agent, int64_t cpu_permille, uint64_t memory_used_bytes)
{
    agent->link.cpu_permille = cpu_permille;
    agent->link.memory_used_bytes = memory_used_bytes;
}

void on_cache(struct agent *agent, uint64_t bytes, uint64_t max_bytes)
{
    agent->link.cache_bytes = bytes;
    agent->link.cache_max_bytes = max_bytes;
}

uint64_t agent_event(struct agent *agent, time_ms now, const struct attempt *attempt,
                     struct node_event *event, struct agent_outbox *out)
{
    event->time = now;
    if (attempt != NULL) {
        event->task = attempt->ref.task;
        event->attempt = attempt->ref.attempt;
    }
    error_code error = agent_stream_add(&agent->stream, event);
    if (error != OK) {
        agent_outbox_fail(out, error);
        return 0;
    }
    if (agent->link.state == LINK_WELCOMED && !agent->is_gathering) {
        agent_stream_send(&agent->stream, out);
    }
    return event->number;
}
