#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/clock.h"
#include "sys/failpoints.h"
#include "sys/log.h"
#include "sys/logfile.h"
#include "worker/shell/arrays.h"

enum { READ_BYTES = 64 << 10, PATH_BYTES = LOG_PATH_BYTES, ACTIVITY_MS = 1000 };

struct lane_stream {
    struct lane_logs *logs;
    uv_poll_t poll;
    int read_fd, write_fd;
    int file_fd;            /* -1: not opened */
    uint64_t size_bytes;    /* of the file */
    struct array_span span; /* of the task that runs */
    struct logfile *own;    /* it outgrew its span, or its array has files for all */
};

struct lane_logs {
    struct lane_here *lane;  /* NULL: closed */
    struct attempt_run *run; /* NULL: nothing runs */
    uint32_t n_handles;      /* that libuv has not closed yet */
    bool has_generation;
    uint32_t generation;
    struct lane_stream streams[ARRAY_LOG_STREAMS];
};

static const char *const endings[ARRAY_LOG_STREAMS] = {"out", "err"};
static uint8_t read_block[READ_BYTES];                           /* of the loop's thread */
static uint8_t tails[ARRAY_LOG_STREAMS][LOGFILE_TAIL_MAX_BYTES]; /* the same */

/* ---- the files ---- */

static void stream_path(const struct lane_logs *logs, uint32_t generation, int stream,
                        char ret_path[PATH_BYTES])
{
    const struct lane_here *lane = logs->lane;
    ignore_error(snprintf(ret_path, PATH_BYTES, "%s/arrays/%" PRIu32 "/%" PRIu32 ".%" PRIu32 ".%s",
                          lane->worker->node_dir, lane->array->job, lane->number, generation,
                          endings[stream]) < 0,
                 "it fits");
}

/* Goes on where a lane of this number ended, also one of an agent before this one. */
static void generation_find(struct lane_logs *logs)
{
    char out[PATH_BYTES], err[PATH_BYTES];
    uint32_t next = 0;
    for (;; next++) {
        stream_path(logs, next, 0, out);
        stream_path(logs, next, 1, err);
        if (access(out, F_OK) != 0 && access(err, F_OK) != 0) {
            break;
        }
    }
    logs->generation = next > 0 ? next - 1 : 0;
    logs->has_generation = true;
}

static bool folder_make(struct lane_here *lane)
{
    char folder[PATH_BYTES];
    struct array_here *array = lane->array;
    if (array->index != NULL) {
        return true;
    }
    ignore_error(snprintf(folder, sizeof folder, "%s/arrays/%" PRIu32, lane->worker->node_dir,
                          array->job) < 0,
                 "it fits");
    error_code error = dir_make(folder, NULL);
    error = error == OK ? array_log_index_open(folder, &array->index) : error;
    if (error != OK) {
        log_once("array-logs", LOG_LEVEL_WARNING,
                 "the output of an array's tasks is lost: %s cannot be made (%s)", folder,
                 error_word(error));
    }
    return error == OK;
}

/* Made by the first byte: most arrays print nothing, and a file is dear. */
static bool stream_file(struct lane_stream *stream)
{
    struct lane_logs *logs = stream->logs;
    char path[PATH_BYTES];
    struct stat about;
    if (stream->file_fd >= 0) {
        return true;
    }
    if (!folder_make(logs->lane)) {
        return false;
    }
    if (!logs->has_generation) {
        generation_find(logs);
    }
    stream_path(logs, logs->generation, (int)(stream - logs->streams), path);
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || fstat(fd, &about) != 0) {
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    stream->file_fd = fd;
    stream->size_bytes = (uint64_t)about.st_size;
    stream->span = (struct array_span){stream->size_bytes, 0};
    return true;
}

static void file_close(struct lane_stream *stream)
{
    if (stream->file_fd >= 0) {
        close(stream->file_fd);
        stream->file_fd = -1;
    }
}

/* Between two tasks. */
static void files_turn(struct lane_logs *logs)
{
    if (logs->streams[0].size_bytes < ARRAY_FILE_MAX_BYTES &&
        logs->streams[1].size_bytes < ARRAY_FILE_MAX_BYTES) {
        return;
    }
    logs->generation++;
    for (int i = 0; i < ARRAY_LOG_STREAMS; i++) {
        file_close(&logs->streams[i]);
        logs->streams[i].size_bytes = 0;
    }
}

/* ---- a task that writes much ---- */

static void span_copy(struct lane_stream *stream, struct logfile *own)
{
    uint64_t at = 0;
    while (at < stream->span.bytes) {
        uint64_t left = stream->span.bytes - at;
        size_t want = left < sizeof tails[0] ? (size_t)left : sizeof tails[0];
        ssize_t n = pread(stream->file_fd, tails[0], want, (off_t)(stream->span.first + at));
        if (n <= 0) {
            return;
        }
        logfile_write(own, (struct bytes){tails[0], (size_t)n});
        at += (uint64_t)n;
    }
}

static void own_open(struct lane_stream *stream)
{
    const struct attempt_run *run = stream->logs->run;
    char path[LOG_PATH_BYTES];
    log_path_make(run->worker, run->ref, run->lease->log_files,
                  (uint32_t)(stream - stream->logs->streams), path);
    if (logfile_open(path, LOGFILE_TAIL_MAX_BYTES, &stream->own) != OK) {
        stream->own = NULL; /* no memory */
    }
}

static void stream_outgrow(struct lane_stream *stream)
{
    own_open(stream);
    if (stream->own == NULL) {
        return; /* the span grows on */
    }
    span_copy(stream, stream->own);
    if (ftruncate(stream->file_fd, (off_t)stream->span.first) == 0) {
        stream->size_bytes = stream->span.first;
    }
    stream->span.bytes = 0;
}

/* ---- reading ---- */

static void stream_write(struct lane_stream *stream, size_t len)
{
    bool wants_file = stream->logs->run->lease->log_files;
    if (stream->own == NULL && wants_file) {
        own_open(stream);
    } else if (stream->own == NULL && stream->span.bytes + len > ARRAY_SPAN_MAX_BYTES &&
               stream->file_fd >= 0) {
        stream_outgrow(stream);
    }
    if (stream->own != NULL) {
        logfile_write(stream->own, (struct bytes){read_block, len});
        return;
    }
    if (wants_file || !stream_file(stream)) {
        return;
    }
    ssize_t n = FAILPOINT_FAILS(LANE_WRITE) ? -1 : write(stream->file_fd, read_block, len);
    if (n > 0) {
        stream->size_bytes += (uint64_t)n;
        stream->span.bytes += (uint64_t)n;
    }
}

static void activity_tell(struct attempt_run *run)
{
    time_ms now = clock_now();
    if (now - run->activity_told_at >= ACTIVITY_MS) {
        run->activity_told_at = now;
        on_attempt_activity(run->worker->agent, now, run->ref);
    }
}

/* True: there may be more. */
static bool stream_read(struct lane_stream *stream)
{
    ssize_t n = read(stream->read_fd, read_block, sizeof read_block);
    if (n <= 0) {
        return n < 0 && errno == EINTR;
    }
    if (stream->logs->run != NULL) { /* else nobody's: of a process that was just killed */
        stream_write(stream, (size_t)n);
        activity_tell(stream->logs->run);
    }
    return n == (ssize_t)sizeof read_block;
}

static void on_stream_poll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct lane_stream *stream = poll->data;
    struct lane_here *lane = stream->logs->lane;
    if (lane->chain != NULL) { /* so that the bytes are of the task which is known to run */
        spawn_chain_hold(lane->chain);
        lane_task_look(lane);
    }
    for (int i = 0; i < ATTEMPT_LOG_READS_PER_TURN && stream_read(stream); i++) {
    }
    if (lane->chain != NULL) {
        spawn_chain_let(lane->chain);
    }
}

/* ---- a task ---- */

void lane_logs_fds(const struct lane_logs *logs, int *ret_out_fd, int *ret_err_fd)
{
    *ret_out_fd = logs->streams[0].write_fd;
    *ret_err_fd = logs->streams[1].write_fd;
}

void lane_logs_begin(struct lane_logs *logs, struct attempt_run *run)
{
    files_turn(logs);
    logs->run = run;
    for (int i = 0; i < ARRAY_LOG_STREAMS; i++) {
        logs->streams[i].span = (struct array_span){logs->streams[i].size_bytes, 0};
    }
}

void lane_logs_drain(struct lane_logs *logs)
{
    for (int i = 0; i < ARRAY_LOG_STREAMS; i++) {
        while (stream_read(&logs->streams[i])) {
        }
    }
}

bool lane_logs_are_read(const struct lane_logs *logs)
{
    int n_out = 1, n_err = 1;
    return ioctl(logs->streams[0].read_fd, FIONREAD, &n_out) == 0 && n_out == 0 &&
           ioctl(logs->streams[1].read_fd, FIONREAD, &n_err) == 0 && n_err == 0;
}

void lane_logs_tails(struct lane_logs *logs, uint32_t tail_bytes, struct bytes *ret_out,
                     struct bytes *ret_err)
{
    struct bytes *ret[ARRAY_LOG_STREAMS] = {ret_out, ret_err};
    uint64_t most = tail_bytes < LOGFILE_TAIL_MAX_BYTES ? tail_bytes : LOGFILE_TAIL_MAX_BYTES;
    for (int i = 0; i < ARRAY_LOG_STREAMS; i++) {
        struct lane_stream *stream = &logs->streams[i];
        *ret[i] = (struct bytes){0};
        if (stream->own != NULL) {
            *ret[i] = logfile_tail(stream->own);
            ret[i]->data += ret[i]->len > most ? ret[i]->len - most : 0;
            ret[i]->len = ret[i]->len > most ? most : ret[i]->len;
        } else if (stream->span.bytes > 0) {
            uint64_t want = stream->span.bytes < most ? stream->span.bytes : most;
            ssize_t n = pread(stream->file_fd, tails[i], (size_t)want,
                              (off_t)(stream->span.first + stream->span.bytes - want));
            *ret[i] = (struct bytes){tails[i], n > 0 ? (size_t)n : 0};
        }
    }
}

static void row_of(const struct lane_logs *logs, struct array_log_row *ret_row)
{
    *ret_row = (struct array_log_row){
        .id = logs->run->ref.task.index,
        .attempt = logs->run->ref.attempt,
        .lane = logs->lane->number,
        .generation = logs->generation,
        .spans = {logs->streams[0].span, logs->streams[1].span},
    };
}

void lane_logs_end(struct lane_logs *logs)
{
    struct array_log_row row;
    row_of(logs, &row);
    if ((row.spans[0].bytes > 0 || row.spans[1].bytes > 0) && logs->lane->array->index != NULL) {
        array_log_index_add(logs->lane->array->index, &row);
    }
    for (int i = 0; i < ARRAY_LOG_STREAMS; i++) {
        logfile_close(logs->streams[i].own);
        logs->streams[i].own = NULL;
    }
    logs->run = NULL;
}

bool lane_logs_live(const struct lane_logs *logs, struct attempt_run *run,
                    struct array_log_row *ret_row)
{
    if (logs->run != run || run == NULL) {
        return false;
    }
    row_of(logs, ret_row);
    return true;
}

/* ---- in and out ---- */

static void on_stream_closed(uv_handle_t *handle)
{
    struct lane_stream *stream = handle->data;
    struct lane_logs *logs = stream->logs;
    if (--logs->n_handles == 0) {
        mem_free(logs);
    }
}

void lane_logs_close(struct lane_logs *logs)
{
    if (logs == NULL) {
        return;
    }
    uint32_t n_handles = logs->n_handles;
    for (uint32_t i = 0; i < ARRAY_LOG_STREAMS; i++) {
        struct lane_stream *stream = &logs->streams[i];
        if (i < n_handles) {
            uv_close((uv_handle_t *)&stream->poll, on_stream_closed);
        }
        if (stream->read_fd >= 0) {
            close(stream->read_fd);
            close(stream->write_fd);
        }
        file_close(stream);
        logfile_close(stream->own);
        stream->own = NULL;
    }
    logs->lane = NULL;
    logs->run = NULL;
    if (n_handles == 0) {
        mem_free(logs);
    }
}

static error_code stream_open(struct lane_logs *logs, struct lane_stream *stream)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return error_from_errno(errno);
    }
    stream->read_fd = fds[0];
    stream->write_fd = fds[1];
    if (fcntl(fds[0], F_SETFL, O_NONBLOCK) != 0 ||
        uv_poll_init(loop_uv(logs->lane->worker->loop), &stream->poll, fds[0]) != 0) {
        return ERR_SYSTEM;
    }
    logs->n_handles++;
    stream->poll.data = stream;
    uv_poll_start(&stream->poll, UV_READABLE, on_stream_poll);
    return OK;
}

error_code lane_logs_open(struct lane_here *lane, struct lane_logs **ret_logs)
{
    struct lane_logs *logs = mem_zalloc(sizeof *logs);
    if (logs == NULL) {
        return ERR_NO_MEMORY;
    }
    logs->lane = lane;
    for (int i = 0; i < ARRAY_LOG_STREAMS; i++) {
        logs->streams[i] =
            (struct lane_stream){.logs = logs, .read_fd = -1, .write_fd = -1, .file_fd = -1};
    }
    error_code error = OK;
    for (int i = 0; error == OK && i < ARRAY_LOG_STREAMS; i++) {
        error = stream_open(logs, &logs->streams[i]);
    }
    if (error != OK) {
        lane_logs_close(logs);
        return error;
    }
    *ret_logs = logs;
    return OK;
}
