/* The agent's end of the link: frames of the head become events of the core. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sys/failpoints.h"
#include "sys/log.h"
#include "worker/shell/shell.h"

enum { REFUSED_AGAIN_MS = 30000 };

static void on_up(void *context, time_ms now)
{
    struct worker *worker = context;
    if (!worker->is_refused) {
        log_write(LOG_LEVEL_INFO, "connected to the head");
    }
    copies_reached(worker);
    on_link_up(worker->agent, now, &worker->out);
}

static void on_down(void *context, time_ms now)
{
    struct worker *worker = context;
    if (!worker->is_refused) {
        log_write(LOG_LEVEL_WARNING, "the connection to the head is lost; trying again");
    }
    log_asks_drop(worker->log_asks);
    on_link_down(worker->agent, now, &worker->out);
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
    worker->is_refused = false;
    worker->refused_at = 0;
}

/* Whatever it is may pass: another head, a key that is put right there, a name that becomes free.
 */
static void refusal_read(struct worker *worker, time_ms now, const struct msg_refused *refused)
{
    const char *text = refused->text != NULL ? refused->text : "";
    worker->is_refused = true;
    if (worker->refused_at == 0 || now - worker->refused_at >= REFUSED_AGAIN_MS) {
        worker->refused_at = now;
        log_write(LOG_LEVEL_ERROR, "refused by the head at %s: %.400s; trying again",
                  worker->options->join, text);
    }
}

/* ---- pieces of work folders: large, so they stay where they were received ---- */

/* False: no room; it is asked for again. */
static bool piece_keep(struct worker *worker, struct bytes *frame)
{
    struct received_frame *kept =
        worker->n_pieces < WORKER_PIECES_MAX ? dealer_frame_keep(worker->dealer) : NULL;
    if (kept != NULL) {
        worker->pieces[worker->n_pieces++] = kept;
        *frame = received_frame_bytes(kept);
    }
    return kept != NULL;
}

struct received_frame *link_piece_take(struct worker *worker, struct bytes bytes)
{
    for (uint32_t i = 0; i < worker->n_pieces; i++) {
        struct received_frame *kept = worker->pieces[i];
        struct bytes all = received_frame_bytes(kept);
        if (bytes.data >= all.data && bytes.data < all.data + all.len) {
            worker->pieces[i] = worker->pieces[--worker->n_pieces];
            return kept;
        }
    }
    return NULL;
}

void link_pieces_drop(struct worker *worker)
{
    while (worker->n_pieces > 0) {
        received_frame_free(worker->pieces[--worker->n_pieces]);
    }
}

/* ---- frames ---- */

static void on_frame(void *context, time_ms now, struct bytes frame)
{
    struct worker *worker = context;
    if (message_type_of(frame) == MSG_BLOB && !piece_keep(worker, &frame)) {
        return;
    }
    struct arena arena;
    message_type type;
    void *message;
    struct report report = {0};
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    if (message_decode_borrowing(frame, &arena, &type, &message, &report) != OK) {
        log_once("frame", LOG_LEVEL_WARNING, "a frame of the head cannot be read: %s", report.text);
        arena_fini(&arena);
        return;
    }
    if (type == MSG_LEASE) {
        /* Where a snapshot lies follows from this node's own folder, which may have been moved. */
        ((struct msg_lease *)message)->restore.dir = NULL;
    }
    if (type == MSG_LOG_GET) {
        log_asks_take(worker, now, message);
    }
    if (type == MSG_LEASE) {
        FAILPOINT(LEASE_RECEIVE);
    } else if (type == MSG_ORDER) {
        FAILPOINT(ORDER_APPLY);
    } else if (type == MSG_RANGES) {
        FAILPOINT(RANGES_RECEIVE);
    }
    on_head_message(worker->agent, now, type, message, &worker->out);
    if (type == MSG_WELCOME) {
        ready_tell(worker);
        old_logs_welcomed(worker->old_logs, now);
    } else if (type == MSG_LOGS_DROP) {
        old_logs_told(worker->old_logs, now);
    } else if (type == MSG_REFUSED) {
        refusal_read(worker, now, message);
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
