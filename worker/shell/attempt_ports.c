/* The ports of an attempt, held as long as it is here: where its ranks meet, and one for each of
 * them. A program that starts its own ranks has the first one too. */
#include <stdio.h>

#include "base/mem.h"
#include "sys/log.h"
#include "worker/shell/attempt.h"

uint32_t attempt_n_ranks(const struct attempt_run *run)
{
    return run->lease->is_trial && run->lease->ranks > 1 ? run->lease->ranks : 1;
}

uint32_t attempt_rank(const struct attempt_run *run, uint32_t local_rank)
{
    uint32_t node = run->lease->nodes > 1 ? run->lease->node_rank : 0;
    return node * attempt_n_ranks(run) + local_rank;
}

void attempt_ports_release(struct attempt_run *run)
{
    for (uint32_t i = 0; i < run->n_ports; i++) {
        held_port_release(&run->ports[i]);
    }
    mem_free(run->ports);
    run->ports = NULL;
    run->n_ports = 0;
}

error_code attempt_ports_prepare(struct attempt_run *run, struct report *report)
{
    uint32_t ranks = run->lease->ranks;
    if (!run->lease->is_trial) {
        return OK;
    }
    if (ranks > SPEC_RANKS_MAX) {
        return report_fail(report, ERR_LIMIT, "it has %u ranks, and a trial has at most %d",
                           (unsigned)ranks, SPEC_RANKS_MAX);
    }
    run->ports = mem_calloc(1 + (size_t)ranks, sizeof *run->ports);
    if (run->ports == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "no memory for its ports");
    }
    error_code error = OK;
    while (error == OK && run->n_ports < 1 + ranks) {
        error = held_port_take(&run->ports[run->n_ports], report);
        run->n_ports += error == OK ? 1 : 0;
    }
    if (error != OK && ranks == 0) {
        /* Few programs look for it, and the others shall not miss a machine without a network. */
        log_once("ports", LOG_LEVEL_WARNING, "trials get no MASTER_PORT: %s", report->text);
        *report = (struct report){0};
        error = OK;
    }
    if (error != OK) {
        agent_nodes_fault(run->worker->agent, run->ref);
        attempt_ports_release(run);
    }
    return error;
}

/* "127.0.0.1:40001,127.0.0.1:40002": of each rank, in their order. */
const char *attempt_peers(const struct attempt_run *run, const char *host, struct arena *arena)
{
    enum { HOST_MAX = 256, PEER_TEXT_MAX = HOST_MAX + sizeof ":65535," };
    char text[SPEC_RANKS_MAX * PEER_TEXT_MAX + 1] = "";
    size_t at = 0;
    for (uint32_t i = 1; i < run->n_ports; i++) {
        int n = snprintf(text + at, sizeof text - at, "%s%.*s:%u", i > 1 ? "," : "", HOST_MAX, host,
                         (unsigned)run->ports[i].number);
        at += n > 0 ? (size_t)n : 0;
    }
    return arena_strdup(arena, text);
}
