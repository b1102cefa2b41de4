/* What attempts wrote, for a reader at the head: it asks for a piece at a time, and an ask that
 * finds nothing new waits here until there is something, the attempt is over, or its time is up. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "worker/shell/arrays.h"

enum { LOG_ASKS_MAX = 256, LOG_LOOK_MS = 20, LOG_WAIT_MAX_MS = 10000 };

struct log_ask {
    struct msg_log_get get; /* request 0: free */
    time_ms until;
};

struct log_asks {
    struct log_ask rows[LOG_ASKS_MAX];
    uint32_t n;
    time_ms look_at;
};

static uint8_t piece[LOG_PIECE_MAX_BYTES]; /* of the loop's thread */

error_code log_asks_new(struct log_asks **ret_asks)
{
    *ret_asks = mem_zalloc(sizeof **ret_asks);
    return *ret_asks != NULL ? OK : ERR_NO_MEMORY;
}

void log_asks_free(struct log_asks *asks)
{
    mem_free(asks);
}

static int part_open(const struct worker *worker, const struct msg_log_get *get, const char *ending,
                     struct stat *ret_about)
{
    return log_part_open(worker, (struct attempt_ref){get->task, get->attempt},
                         get->stream == 0 ? 0 : 1, ending, ret_about);
}

/* Nothing of the log was renamed yet. */
static bool log_is_uncut(const struct worker *worker, const struct msg_log_get *get)
{
    struct stat about;
    int fd = part_open(worker, get, ".1", &about);
    if (fd >= 0) {
        close(fd);
    }
    return fd < 0;
}

/* What a task of an array wrote: its lane's file, and where in it; -1: there is none. */
static int span_open(const struct worker *worker, const struct msg_log_get *get,
                     struct array_span *ret_span)
{
    char folder[FILES_PATH_MAX_BYTES + 64];
    struct array_log_row row;
    const struct attempt_ref ref = {get->task, get->attempt};
    struct attempt_run *run = attempt_run_find(worker, ref);
    ignore_error(
        snprintf(folder, sizeof folder, "%s/arrays/%" PRIu32, worker->node_dir, get->task.job) < 0,
        "it fits");
    bool is_live = run != NULL && run->lane != NULL && lane_logs_live(run->lane->logs, run, &row);
    if (!is_live && !array_log_index_find(folder, get->task.index, get->attempt, &row)) {
        return -1;
    }
    *ret_span = row.spans[get->stream == 0 ? 0 : 1];
    return ret_span->bytes > 0 ? array_log_file_open(folder, &row, get->stream) : -1;
}

static uint64_t span_offset(const struct msg_log_get *get, uint64_t size)
{
    uint64_t offset = get->offset < size ? get->offset : size;
    return get->is_tail ? size - offset : offset;
}

/* The file that goes on where the reader is: a log that passed its size was renamed, and its rest
 * is read before the new one. -1: there is no log. */
static int log_open_at(const struct worker *worker, const struct msg_log_get *get,
                       uint64_t *ret_offset, uint64_t *ret_generation)
{
    struct stat about, old_about;
    int fd = part_open(worker, get, "", &about);
    if (fd < 0) {
        return -1;
    }
    uint64_t size = (uint64_t)about.st_size;
    *ret_generation = about.st_ino;
    *ret_offset = get->offset < size ? get->offset : size;
    if (get->is_tail) {
        *ret_offset = get->offset < size ? size - get->offset : 0;
    } else if (get->generation != 0 && get->generation != about.st_ino) {
        /* A task of an array that outgrew its span: the file begins with what that held. */
        bool was_span = get->generation == ARRAY_LOG_GENERATION;
        *ret_offset = was_span && log_is_uncut(worker, get) ? *ret_offset : 0;
        int old = part_open(worker, get, ".1", &old_about);
        if (old >= 0 && old_about.st_ino == get->generation &&
            get->offset < (uint64_t)old_about.st_size) {
            close(fd);
            *ret_generation = get->generation;
            *ret_offset = get->offset;
            return old;
        }
        if (old >= 0) {
            close(old);
        }
    }
    return fd;
}

static void data_send(struct worker *worker, const struct msg_log_data *data)
{
    struct buf frame;
    buf_init(&frame, MSG_MAX_BYTES);
    if (message_encode(MSG_LOG_DATA, data, &frame) == OK) {
        ignore_error(dealer_send(worker->dealer, buf_bytes(&frame)), "the head asks again");
    }
    buf_fini(&frame);
}

/* False: nothing new, and nothing was answered. */
static bool ask_answer(struct worker *worker, const struct msg_log_get *get, bool must_answer)
{
    struct msg_log_data data = {.request = get->request,
                                .serial = get->serial,
                                .generation = get->generation,
                                .offset = get->offset};
    uint32_t limit =
        get->limit_bytes < LOG_PIECE_MAX_BYTES ? get->limit_bytes : LOG_PIECE_MAX_BYTES;
    struct array_span span = {0};
    int fd = log_open_at(worker, get, &data.offset, &data.generation);
    if (fd < 0 && (fd = span_open(worker, get, &span)) >= 0) {
        data.generation = ARRAY_LOG_GENERATION;
        data.offset = span_offset(get, span.bytes);
        limit = span.bytes - data.offset < limit ? (uint32_t)(span.bytes - data.offset) : limit;
    }
    data.is_missing = fd < 0;
    if (fd >= 0) {
        ssize_t n = pread(fd, piece, limit, (off_t)(span.first + data.offset));
        close(fd);
        data.data = (struct bytes){piece, n > 0 ? (size_t)n : 0};
        data.offset += data.data.len;
    }
    if (data.data.len == 0 && !must_answer) {
        return false;
    }
    data_send(worker, &data);
    return true;
}

static struct log_ask *ask_find(struct log_asks *asks, uint64_t request)
{
    for (uint32_t i = 0; asks->n > 0 && i < LOG_ASKS_MAX; i++) {
        if (asks->rows[i].get.request == request) {
            return &asks->rows[i];
        }
    }
    return NULL;
}

void log_asks_take(struct worker *worker, time_ms now, const struct msg_log_get *get)
{
    struct log_asks *asks = worker->log_asks;
    if (get->request == 0) {
        return;
    }
    struct log_ask *row = ask_find(asks, get->request);
    if (row != NULL) {
        row->get.request = 0;
        asks->n--;
    }
    struct attempt_ref ref = {get->task, get->attempt};
    bool may_wait =
        get->wait_ms > 0 && asks->n < LOG_ASKS_MAX && attempt_run_find(worker, ref) != NULL;
    if (ask_answer(worker, get, !may_wait)) {
        return;
    }
    for (uint32_t i = 0; i < LOG_ASKS_MAX; i++) {
        if (asks->rows[i].get.request == 0) {
            int64_t wait_ms = get->wait_ms < LOG_WAIT_MAX_MS ? get->wait_ms : LOG_WAIT_MAX_MS;
            asks->rows[i] = (struct log_ask){*get, now + wait_ms};
            asks->n++;
            return;
        }
    }
}

time_ms log_asks_turn(struct worker *worker, time_ms now)
{
    struct log_asks *asks = worker->log_asks;
    if (asks->n == 0) {
        return INT64_MAX;
    }
    if (now < asks->look_at) {
        return asks->look_at;
    }
    asks->look_at = now + LOG_LOOK_MS;
    for (uint32_t i = 0; i < LOG_ASKS_MAX; i++) {
        struct log_ask *row = &asks->rows[i];
        if (row->get.request == 0) {
            continue;
        }
        struct attempt_ref ref = {row->get.task, row->get.attempt};
        bool is_over = now >= row->until || attempt_run_find(worker, ref) == NULL;
        if (ask_answer(worker, &row->get, is_over)) {
            row->get.request = 0;
            asks->n--;
        }
    }
    return asks->n > 0 ? asks->look_at : INT64_MAX;
}

void log_asks_drop(struct log_asks *asks)
{
    *asks = (struct log_asks){0};
}
