/* What an attempt prints goes through two pipes, or two terminals where its lines are read, into
 * bounded files. The loop reads in shares, so that a trainer that prints without end costs itself
 * time and nobody else. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/clock.h"
#include "sys/logfile.h"
#include "sys/pty.h"
#include "worker/shell/arrays.h"

enum { STREAMS = 2, READ_BYTES = 64 << 10, ACTIVITY_MS = 1000, TERMINAL_COLUMNS = 512 };

struct log_stream {
    struct attempt_logs *logs;
    uv_poll_t poll;
    int read_fd;
    int write_fd;         /* the process's end, until it has started */
    struct logfile *file; /* NULL: not a byte came yet */
    const char *ending;
};

struct attempt_logs {
    struct attempt_run *run; /* NULL: it has gone on */
    uint32_t n_handles;      /* that libuv has not closed yet */
    struct log_stream streams[STREAMS];
};

/* ---- reading ---- */

static uint8_t read_block[READ_BYTES]; /* of the loop's thread */

static void activity_tell(struct attempt_run *run)
{
    time_ms now = clock_now();
    if (now - run->activity_told_at >= ACTIVITY_MS) {
        run->activity_told_at = now;
        on_attempt_activity(run->worker->agent, now, run->ref);
    }
}

/* The first byte makes the file: most attempts of a large sweep print nothing, and a file is dear.
 */
static struct logfile *stream_file(struct log_stream *stream)
{
    const struct attempt_run *run = stream->logs->run;
    char path[FILES_PATH_MAX_BYTES + 64], id[TASK_ID_TEXT_MAX];
    if (stream->file != NULL) {
        return stream->file;
    }
    int n = snprintf(path, sizeof path, "%s/logs/%s", run->worker->node_dir,
                     task_id_print(run->ref.task, id));
    /* On a full disk the trial goes on without a log. */
    ignore_error(dir_make(path, NULL), "the log is tried again with each write");
    ignore_error(snprintf(path + n, sizeof path - (size_t)n, "/%" PRIu32 ".%s", run->ref.attempt,
                          stream->ending) < 0,
                 "it fits");
    uint32_t tail_bytes = run->lease->tail_bytes;
    ignore_error(
        logfile_open(path,
                     tail_bytes > LOGFILE_TAIL_MAX_BYTES ? LOGFILE_TAIL_MAX_BYTES : tail_bytes,
                     &stream->file),
        "what comes is lost until there is memory");
    return stream->file;
}

/* True: a whole block came, so there may be more. */
static bool stream_read(struct log_stream *stream)
{
    ssize_t n = read(stream->read_fd, read_block, sizeof read_block);
    if (n > 0) {
        struct logfile *file = stream_file(stream);
        if (file != NULL) {
            logfile_write(file, (struct bytes){read_block, (size_t)n});
        }
        attempt_lines_feed(stream->logs->run, (uint32_t)(stream - stream->logs->streams),
                           (struct bytes){read_block, (size_t)n});
        activity_tell(stream->logs->run);
        return true;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        uv_poll_stop(&stream->poll); /* every writer has closed it */
    }
    return n < 0 && errno == EINTR;
}

static void on_stream_poll(uv_poll_t *poll, int status, int events)
{
    (void)status; /* an error shows in the read */
    (void)events;
    struct log_stream *stream = poll->data;
    for (int i = 0; i < ATTEMPT_LOG_READS_PER_TURN && stream_read(stream); i++) {
    }
}

void attempt_logs_drain(struct attempt_run *run)
{
    if (run->lane != NULL) {
        lane_logs_drain(run->lane->logs);
        return;
    }
    for (int i = 0; run->logs != NULL && i < STREAMS; i++) {
        while (stream_read(&run->logs->streams[i])) {
        }
    }
}

void attempt_logs_tails(struct attempt_run *run, struct bytes *ret_out, struct bytes *ret_err)
{
    struct bytes *tails[STREAMS] = {ret_out, ret_err};
    if (run->lane != NULL) {
        lane_logs_tails(run->lane->logs, run->lease->tail_bytes, ret_out, ret_err);
        return;
    }
    for (int i = 0; i < STREAMS; i++) {
        struct logfile *file = run->logs->streams[i].file;
        *tails[i] = file != NULL ? logfile_tail(file) : (struct bytes){0};
    }
}

/* ---- the end ---- */

static void on_stream_closed(uv_handle_t *handle)
{
    struct log_stream *stream = handle->data;
    struct attempt_logs *logs = stream->logs;
    if (--logs->n_handles == 0) {
        mem_free(logs);
    }
}

static void fd_close(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static void logs_free(struct attempt_logs *logs)
{
    bool has_handles = logs->n_handles > 0;
    uint32_t n_handles = logs->n_handles;
    for (uint32_t i = 0; i < STREAMS; i++) {
        if (i < n_handles) {
            uv_close((uv_handle_t *)&logs->streams[i].poll, on_stream_closed);
        }
        fd_close(&logs->streams[i].read_fd);
        fd_close(&logs->streams[i].write_fd);
        logfile_close(logs->streams[i].file);
        logs->streams[i].file = NULL;
    }
    if (!has_handles) {
        mem_free(logs);
    }
}

void attempt_logs_release(struct attempt_run *run)
{
    if (run->lane != NULL) {
        lane_logs_end(run->lane->logs);
        return;
    }
    logs_free(run->logs);
    run->logs = NULL;
}

void attempt_logs_fds(const struct attempt_run *run, int *ret_out_fd, int *ret_err_fd)
{
    if (run->lane != NULL) {
        lane_logs_fds(run->lane->logs, ret_out_fd, ret_err_fd);
        return;
    }
    *ret_out_fd = run->logs->streams[0].write_fd;
    *ret_err_fd = run->logs->streams[1].write_fd;
}

void attempt_logs_started(struct attempt_run *run)
{
    for (int i = 0; run->logs != NULL && i < STREAMS; i++) {
        fd_close(&run->logs->streams[i].write_fd);
        /* Reports may not come before the news of the start, which this turn brings. */
        uv_poll_start(&run->logs->streams[i].poll, UV_READABLE, on_stream_poll);
    }
}

/* ---- the beginning ---- */

static error_code stream_pipe(struct log_stream *stream, struct report *report)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return report_fail(report, error_from_errno(errno), "cannot make a pipe: %s",
                           strerror(errno));
    }
    stream->read_fd = fds[0];
    stream->write_fd = fds[1];
    /* Only our end: the trainer's would fail writes that it has no room for. */
    if (fcntl(fds[0], F_SETFL, O_NONBLOCK) != 0) {
        return report_fail(report, ERR_SYSTEM, "cannot wait for its output");
    }
    return OK;
}

static error_code stream_open(struct attempt_run *run, struct log_stream *stream,
                              struct report *report)
{
    error_code error = attempt_lines_are_read(run)
                           ? pty_open(TERMINAL_COLUMNS, &stream->read_fd, &stream->write_fd, report)
                           : stream_pipe(stream, report);
    if (error != OK) {
        return error;
    }
    if (uv_poll_init(loop_uv(run->worker->loop), &stream->poll, stream->read_fd) != 0) {
        return report_fail(report, ERR_SYSTEM, "cannot wait for its output");
    }
    run->logs->n_handles++;
    stream->poll.data = stream;
    return OK;
}

error_code attempt_logs_prepare(struct attempt_run *run, struct report *report)
{
    static const char *const endings[STREAMS] = {"out", "err"};
    if (run->lane != NULL) {
        lane_logs_begin(run->lane->logs, run);
        return OK;
    }
    run->logs = mem_zalloc(sizeof *run->logs);
    if (run->logs == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "no memory for its logs");
    }
    run->logs->run = run;
    for (int i = 0; i < STREAMS; i++) {
        run->logs->streams[i] =
            (struct log_stream){run->logs, .read_fd = -1, .write_fd = -1, .ending = endings[i]};
    }
    error_code error = OK;
    for (int i = 0; error == OK && i < STREAMS; i++) {
        error = stream_open(run, &run->logs->streams[i], report);
    }
    if (error != OK) {
        attempt_logs_release(run);
    }
    return error;
}
