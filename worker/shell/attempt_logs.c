/* What an attempt prints goes through two pipes, or two terminals where its lines are read, into
 * bounded files. The loop reads in shares, so that a trainer that prints without end costs itself
 * time and nobody else.
 *
 * Several ranks have pipes of their own and the files in common: their lines go in whole, each with
 * its rank in front. Reports are read from the first rank alone. */
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

enum {
    STREAMS = 2, /* of a process */
    READ_BYTES = 64 << 10,
    ACTIVITY_MS = 1000,
    TERMINAL_COLUMNS = 512,
    RANK_LINE_MAX_BYTES = 8 << 10, /* what is longer is cut into several */
    RANK_LABEL_MAX = 24,
};

struct log_stream {
    struct attempt_logs *logs;
    uv_poll_t poll;
    uint32_t kind; /* 0: stdout, 1: stderr */
    uint32_t rank;
    int read_fd;
    int write_fd;    /* the process's end, until it has started */
    struct buf line; /* of several ranks: what has no end yet */
};

struct attempt_logs {
    struct attempt_run *run;        /* NULL: it has gone on */
    uint32_t n_handles;             /* that libuv has not closed yet */
    struct logfile *files[STREAMS]; /* NULL: not a byte came yet */
    uint32_t n_streams;
    struct log_stream streams[]; /* a rank's side by side */
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
    struct logfile **file = &stream->logs->files[stream->kind];
    char path[LOG_PATH_BYTES];
    if (*file != NULL) {
        return *file;
    }
    log_path_make(run->worker, run->ref, run->lease->log_files, stream->kind, path);
    uint32_t tail_bytes = run->lease->tail_bytes;
    ignore_error(
        logfile_open(
            path, tail_bytes > LOGFILE_TAIL_MAX_BYTES ? LOGFILE_TAIL_MAX_BYTES : tail_bytes, file),
        "what comes is lost until there is memory");
    return *file;
}

/* The line that was gathered, with its rank in front and an end. */
static void rank_line_write(struct log_stream *stream)
{
    struct logfile *file = stream_file(stream);
    struct buf text;
    buf_init(&text, RANK_LABEL_MAX + RANK_LINE_MAX_BYTES + 1);
    ignore_error(
        buf_printf(&text, "[rank %u] ", (unsigned)attempt_rank(stream->logs->run, stream->rank)),
        "sticky");
    ignore_error(buf_append(&text, stream->line.data, stream->line.len), "sticky");
    ignore_error(buf_append_byte(&text, '\n'), "sticky");
    if (file != NULL && text.failed == OK) {
        logfile_write(file, buf_bytes(&text));
    }
    buf_fini(&text);
    buf_reset(&stream->line);
}

static void rank_lines_write(struct log_stream *stream, struct bytes bytes)
{
    while (bytes.len > 0) {
        const uint8_t *end = memchr(bytes.data, '\n', bytes.len);
        size_t n = end != NULL ? (size_t)(end - bytes.data) : bytes.len;
        size_t room = RANK_LINE_MAX_BYTES - stream->line.len;
        bool is_whole = end != NULL && n <= room;
        n = n < room ? n : room;
        ignore_error(buf_append(&stream->line, bytes.data, n), "without memory it is lost");
        n += is_whole ? 1 : 0;
        bytes.data += n;
        bytes.len -= n;
        if (is_whole || stream->line.len == RANK_LINE_MAX_BYTES) {
            rank_line_write(stream);
        }
    }
}

static void stream_take(struct log_stream *stream, struct bytes bytes)
{
    struct attempt_run *run = stream->logs->run;
    if (stream->logs->n_streams > STREAMS) {
        rank_lines_write(stream, bytes);
    } else {
        struct logfile *file = stream_file(stream);
        if (file != NULL) {
            logfile_write(file, bytes);
        }
    }
    if (stream->rank == 0) {
        attempt_lines_feed(run, stream->kind, bytes);
    }
    activity_tell(run);
}

/* True: a whole block came, so there may be more. */
static bool stream_read(struct log_stream *stream)
{
    ssize_t n = read(stream->read_fd, read_block, sizeof read_block);
    if (n > 0) {
        stream_take(stream, (struct bytes){read_block, (size_t)n});
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
    for (uint32_t i = 0; run->logs != NULL && i < run->logs->n_streams; i++) {
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
    for (uint32_t i = 0; i < run->logs->n_streams; i++) {
        if (run->logs->streams[i].line.len > 0) {
            rank_line_write(&run->logs->streams[i]); /* its end will not come */
        }
    }
    for (int i = 0; i < STREAMS; i++) {
        struct logfile *file = run->logs->files[i];
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
    for (uint32_t i = 0; i < logs->n_streams; i++) {
        if (i < n_handles) {
            uv_close((uv_handle_t *)&logs->streams[i].poll, on_stream_closed);
        }
        fd_close(&logs->streams[i].read_fd);
        fd_close(&logs->streams[i].write_fd);
        buf_fini(&logs->streams[i].line);
    }
    for (int i = 0; i < STREAMS; i++) {
        logfile_close(logs->files[i]);
        logs->files[i] = NULL;
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

void attempt_logs_fds(const struct attempt_run *run, uint32_t rank, int *ret_out_fd,
                      int *ret_err_fd)
{
    if (run->lane != NULL) {
        lane_logs_fds(run->lane->logs, ret_out_fd, ret_err_fd);
        return;
    }
    const struct log_stream *streams = &run->logs->streams[(size_t)rank * STREAMS];
    *ret_out_fd = streams[0].write_fd;
    *ret_err_fd = streams[1].write_fd;
}

void attempt_logs_started(struct attempt_run *run)
{
    for (uint32_t i = 0; run->logs != NULL && i < run->logs->n_streams; i++) {
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
    if (run->lane != NULL) {
        lane_logs_begin(run->lane->logs, run);
        return OK;
    }
    uint32_t n = STREAMS * attempt_n_ranks(run);
    run->logs = mem_zalloc(sizeof *run->logs + n * sizeof run->logs->streams[0]);
    if (run->logs == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "no memory for its logs");
    }
    run->logs->run = run;
    run->logs->n_streams = n;
    for (uint32_t i = 0; i < n; i++) {
        run->logs->streams[i] = (struct log_stream){.logs = run->logs,
                                                    .kind = i % STREAMS,
                                                    .rank = i / STREAMS,
                                                    .read_fd = -1,
                                                    .write_fd = -1};
        buf_init(&run->logs->streams[i].line, RANK_LINE_MAX_BYTES);
    }
    error_code error = OK;
    for (uint32_t i = 0; error == OK && i < n; i++) {
        error = stream_open(run, &run->logs->streams[i], report);
    }
    if (error != OK) {
        attempt_logs_release(run);
    }
    return error;
}
