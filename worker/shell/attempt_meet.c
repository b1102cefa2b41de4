/* An attempt on several nodes: where its ranks on this one will be is told once all else is there,
 * and its processes wait until it is known where the others are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sys/clock.h"
#include "worker/shell/attempt.h"
#include "worker/shell/lender.h"

enum { MEET_HOST_MAX = 256 };

static bool run_is_gang(const struct attempt_run *run)
{
    return run->lease->is_trial && run->lease->nodes > 1;
}

/* Where other nodes get snapshots from this one they also reach its ranks: "tcp://HOST:PORT". An
 * IPv6 address keeps its brackets. */
static error_code host_find(const struct attempt_run *run, char ret_host[MEET_HOST_MAX],
                            struct report *report)
{
    static const char scheme[] = "tcp://";
    const struct lender *lender = run->worker->lender;
    const char *host = lender != NULL ? lender_endpoint(lender) : "";
    const char *colon = strrchr(host, ':');
    if (strncmp(host, scheme, sizeof scheme - 1) != 0 || colon == NULL) {
        agent_nodes_fault(run->worker->agent, run->ref);
        return report_fail(report, ERR_NOT_FOUND,
                           "it is not known at which address other nodes reach this one; start its "
                           "agent with --address");
    }
    host += sizeof scheme - 1;
    int n = snprintf(ret_host, MEET_HOST_MAX, "%.*s", (int)(colon - host), host);
    return n > 0 && n < MEET_HOST_MAX ? OK : report_fail(report, ERR_LIMIT, "its address is long");
}

/* As MASTER_ADDR has it, without brackets; in `text`, which is changed. */
static char *host_bare(char *text)
{
    size_t n = strlen(text);
    if (text[0] == '[' && n > 2 && text[n - 1] == ']') {
        text[n - 1] = '\0';
        return text + 1;
    }
    return text;
}

error_code attempt_meet_prepare(struct attempt_run *run, struct report *report)
{
    char host[MEET_HOST_MAX];
    if (!run_is_gang(run)) {
        return OK;
    }
    error_code error = host_find(run, host, report);
    if (error != OK) {
        return error;
    }
    const char *peers = attempt_peers(run, host, &run->arena);
    if (peers == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "no memory on its node");
    }
    run->is_held = true;
    on_attempt_prepared(run->worker->agent, clock_now(), run->ref, host_bare(host),
                        run->ports[0].number, peers, &run->worker->out);
    loop_again(run->worker->loop);
    return ERR_AGAIN;
}

void attempt_meet(struct worker *worker, struct attempt_ref ref, const struct msg_gang *message)
{
    struct attempt_run *run = attempt_run_find(worker, ref);
    struct report report = {0};
    if (run == NULL || !run->is_held) {
        return;
    }
    run->is_held = false;
    run->meet_address = arena_strdup(&run->arena, message->address);
    run->meet_peers = arena_strdup(&run->arena, message->peers);
    run->meet_port = (uint16_t)message->master_port;
    error_code error = OK;
    if (run->meet_address == NULL || run->meet_peers == NULL) {
        error = report_fail(&report, ERR_NO_MEMORY, "no memory on its node");
    }
    attempt_step_done(run, error, &report);
}
