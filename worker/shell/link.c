/* The agent's end of the link: frames of the head become events of the core. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sys/log.h"
#include "worker/shell/shell.h"

static void on_up(void *context, time_ms now)
{
    struct worker *worker = context;
    log_write(LOG_LEVEL_INFO, "connected to the head");
    on_link_up(worker->agent, now, &worker->out);
}

static void on_down(void *context, time_ms now)
{
    struct worker *worker = context;
    log_write(LOG_LEVEL_WARNING, "the connection to the head is lost; trying again");
    on_link_down(worker->agent, now, &worker->out);
}

static void worker_fail(struct worker *worker, const char *text)
{
    log_write(LOG_LEVEL_ERROR, "%s", text);
    if (worker->options->log_path != NULL) {
        fprintf(stderr, "muster worker: %s\n", text);
    }
    worker_leave(worker, 1);
}

static void ready_tell(struct worker *worker)
{
    log_write(LOG_LEVEL_INFO, "welcomed by the head as node '%s'", worker->options->node);
    if (!worker->was_welcomed && worker->options->ready_fd > 0) {
        ignore_error(write(worker->options->ready_fd, "r", 1) == 1 ? OK : ERR_IO,
                     "nobody waits any more");
        close(worker->options->ready_fd);
    }
    worker->was_welcomed = true;
}

static void refusal_read(struct worker *worker, const struct msg_refused *refused)
{
    char text[512];
    const char *code = refused->code == NULL ? "" : refused->code;
    ignore_error(snprintf(text, sizeof text, "refused by the head: %.400s",
                          refused->text == NULL ? code : refused->text) < 0,
                 "cut");
    /* With this key it will never be let in; what else there is may pass. */
    if (strcmp(code, error_word(ERR_NOT_ALLOWED)) == 0) {
        worker_fail(worker, text);
    } else {
        log_once("refused", LOG_LEVEL_WARNING, "%s", text);
    }
}

static void on_frame(void *context, time_ms now, struct bytes frame)
{
    struct worker *worker = context;
    struct arena arena;
    message_type type;
    void *message;
    struct report report = {0};
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    if (message_decode(frame, &arena, &type, &message, &report) != OK) {
        log_once("frame", LOG_LEVEL_WARNING, "a frame of the head cannot be read: %s", report.text);
        arena_fini(&arena);
        return;
    }
    if (type == MSG_LEASE) {
        /* Where a snapshot lies follows from this node's own folder, which may have been moved. */
        ((struct msg_lease *)message)->restore.dir = NULL;
    }
    on_head_message(worker->agent, now, type, message, &worker->out);
    if (type == MSG_WELCOME) {
        ready_tell(worker);
    } else if (type == MSG_REFUSED) {
        refusal_read(worker, message);
    }
    arena_fini(&arena);
}

error_code link_open(struct worker *worker, const char *head_public, uint64_t incarnation,
                     struct report *report)
{
    const struct dealer_options options = {
        .endpoint = worker->options->join,
        .head_public = head_public,
        .node = worker->options->node,
        .incarnation = incarnation,
    };
    const struct dealer_callbacks callbacks = {on_up, on_down, on_frame, worker};
    return dealer_open(worker->loop, &options, &callbacks, &worker->dealer, report);
}
