/* The two ends of this node's part in snapshots that move: what it hands out, what it fetches. */
#include <stdio.h>
#include <string.h>

#include "sys/clock.h"
#include "sys/failpoints.h"
#include "sys/log.h"
#include "worker/shell/fetcher.h"
#include "worker/shell/lender.h"
#include "worker/shell/shell.h"

enum { COPIES_HOST_MAX = 256 };

/* ---- what is handed out ---- */

/* An address that always is: of the machine's way out, whoever lies there (RFC 5737). */
#define SOMEWHERE "tcp://192.0.2.1:9"

static error_code host_find(const struct worker *worker, char ret_host[COPIES_HOST_MAX],
                            struct report *report)
{
    const char *address = worker->options->address;
    if (address == NULL) {
        return lender_host_find(worker->options->join, ret_host, COPIES_HOST_MAX, report);
    }
    if (strcmp(address, "*") != 0) {
        int n = snprintf(ret_host, COPIES_HOST_MAX, "%s", address);
        return n > 0 && n < COPIES_HOST_MAX
                   ? OK
                   : report_fail(report, ERR_LIMIT, "--address is too long");
    }
    if (lender_host_find(SOMEWHERE, ret_host, COPIES_HOST_MAX, NULL) != OK) {
        ignore_error(snprintf(ret_host, COPIES_HOST_MAX, "127.0.0.1") < 0, "it fits");
    }
    return OK;
}

static error_code lender_make(struct worker *worker, struct report *report)
{
    char host[COPIES_HOST_MAX], folder[FILES_PATH_MAX_BYTES + 16];
    ignore_error(snprintf(folder, sizeof folder, "%s/snapshots", worker->node_dir) < 0, "it fits");
    error_code error = host_find(worker, host, report);
    if (error == OK) {
        error = lender_open(host, folder, &worker->lender, report);
    }
    if (error == OK) {
        error = agent_lender_set(worker->agent, lender_endpoint(worker->lender),
                                 lender_key(worker->lender));
    }
    return error;
}

void copies_reached(struct worker *worker)
{
    struct report report = {0};
    if (worker->lender == NULL && lender_make(worker, &report) != OK) {
        log_once("lender", LOG_LEVEL_WARNING,
                 "other nodes cannot get snapshots from this one: %s; --address says where they "
                 "reach it",
                 report.text);
    }
}

void copies_lend(struct worker *worker, const struct msg_lend *lend)
{
    if (worker->lender != NULL) {
        lender_pass(worker->lender, lend);
    }
}

/* ---- what is fetched ---- */

static void on_copied(void *context, struct snapshot_name name, copy_end end, const char *text)
{
    struct worker *worker = context;
    char id[TASK_ID_TEXT_MAX];
    if (end != COPY_DONE) {
        log_once("copy", LOG_LEVEL_WARNING,
                 "snapshot %u of %s was not copied from another node: %s", name.ordinal,
                 task_id_print(name.task, id), text);
    }
    on_snapshot_copied(worker->agent, clock_now(), name, end, text, &worker->out);
}

void copies_fetch(struct worker *worker, const struct msg_source *source,
                  const uint8_t pass[PASS_BYTES])
{
    error_code error = fetcher_start(worker->fetcher, source, pass);
    if (error != OK) {
        on_copied(worker, source->name, COPY_AGAIN, error_word(error));
    }
}

/* ---- life ---- */

error_code copies_open(struct worker *worker, struct report *report)
{
    char snapshots[FILES_PATH_MAX_BYTES + 16], staging[FILES_PATH_MAX_BYTES + 16];
    ignore_error(snprintf(snapshots, sizeof snapshots, "%s/snapshots", worker->node_dir) < 0,
                 "it fits");
    ignore_error(snprintf(staging, sizeof staging, "%s/copies", worker->node_dir) < 0, "it fits");
    error_code error =
        fetcher_new(worker->loop, snapshots, staging, on_copied, worker, &worker->fetcher, report);
    /* Without an address that was given, the head has to be reached first: it is not known from
     * where until then. */
    bool is_known =
        worker->options->address != NULL || strncmp(worker->options->join, "ipc://", 6) == 0;
    return error == OK && is_known ? lender_make(worker, report) : error;
}

void copies_stop(struct worker *worker)
{
    if (worker->fetcher != NULL) {
        fetcher_stop(worker->fetcher);
    }
    lender_close(worker->lender);
    worker->lender = NULL;
}

bool copies_busy(const struct worker *worker)
{
    return worker->fetcher != NULL && fetcher_busy(worker->fetcher);
}

void copies_free(struct worker *worker)
{
    fetcher_free(worker->fetcher);
    worker->fetcher = NULL;
}
