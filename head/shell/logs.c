/* What attempts wrote: the worker's log files of this machine, streamed, and followed while the
 * task goes on. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "head/shell/shell.h"

enum {
    FOLLOWS_MAX = 128,
    CHUNK_BYTES = 64 << 10,
    AHEAD_BYTES = 512 << 10, /* sent to a reader in one turn at most */
    LOOK_MS = 50,
    QUEUE_SPARE_BYTES = 4 << 10,
};

struct follow {
    uint64_t request; /* 0: free */
    task_id id;
    bool is_following;
    bool is_fixed; /* one attempt was asked for */
    uint32_t attempt;
    bool streams[2]; /* out, err */
    off_t at[2];
    ino_t inode[2];
    bool has_seen_end; /* it had ended before the last look */
};

struct follows {
    struct follow rows[FOLLOWS_MAX];
    uint32_t n;
};

error_code follows_new(struct follows **ret_follows)
{
    *ret_follows = mem_zalloc(sizeof **ret_follows);
    return *ret_follows != NULL ? OK : ERR_NO_MEMORY;
}

void follows_free(struct follows *follows)
{
    mem_free(follows);
}

static int log_file_open(const struct head *head, const char *node, const struct follow *follow,
                         int stream)
{
    char path[4400], id[TASK_ID_TEXT_MAX];
    snprintf(path, sizeof path, "%s/nodes/%s/logs/%s/%u.%s", head->options->state_dir, node,
             task_id_print(follow->id, id), follow->attempt, stream == 0 ? "out" : "err");
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* Sends what one file has beyond `at`; false if the reader is gone. */
static bool follow_read(struct head *head, const char *node, struct follow *follow, int stream,
                        bool *ret_more)
{
    char data[CHUNK_BYTES];
    struct stat about;
    int fd = log_file_open(head, node, follow, stream);
    if (fd < 0) {
        return true;
    }
    /* A rotated file starts anew. */
    if (fstat(fd, &about) == 0 &&
        (about.st_size < follow->at[stream] ||
         (follow->inode[stream] != 0 && follow->inode[stream] != about.st_ino))) {
        follow->at[stream] = 0;
    }
    follow->inode[stream] = about.st_ino;
    bool is_there = true;
    for (size_t sent = 0; is_there; sent += CHUNK_BYTES) {
        /* A slow reader is waited for: the file keeps what it has not taken. */
        if (sent >= AHEAD_BYTES ||
            http_stream_room(head->http, follow->request) < sizeof data + QUEUE_SPARE_BYTES) {
            *ret_more = true;
            break;
        }
        ssize_t n = pread(fd, data, sizeof data, follow->at[stream]);
        if (n <= 0) {
            break;
        }
        follow->at[stream] += n;
        is_there = http_stream_write(head->http, follow->request,
                                     (struct bytes){(const uint8_t *)data, (size_t)n}) == OK;
    }
    close(fd);
    return is_there;
}

static void follow_end(struct head *head, struct follow *follow)
{
    uint64_t request = follow->request;
    *follow = (struct follow){0};
    head->follows->n--;
    http_stream_end(head->http, request);
}

/* One look at one reader. It ends when nothing grew though the task had ended before the look. */
static void follow_turn(struct head *head, struct follow *follow)
{
    char node[NODE_NAME_MAX + 1];
    bool is_trial, is_ended = true, has_more = false;
    uint32_t attempts = 0;
    if (!core_task_exists(head->core, follow->id, &is_trial, &is_ended, &attempts, node)) {
        follow_end(head, follow);
        return;
    }
    bool was_ended = follow->has_seen_end;
    for (int stream = 0; stream < 2; stream++) {
        if (follow->streams[stream] && attempts > 0 &&
            !follow_read(head, node, follow, stream, &has_more)) {
            return; /* on_gone takes it off. */
        }
    }
    if (!has_more && !follow->is_fixed && follow->attempt + 1 < attempts) {
        follow->attempt++; /* It was tried again: its next attempt has files of its own. */
        follow->at[0] = follow->at[1] = 0;
        follow->inode[0] = follow->inode[1] = 0;
        return;
    }
    follow->has_seen_end =
        is_ended || !follow->is_following || (follow->is_fixed && follow->attempt + 1 < attempts);
    if (!has_more && was_ended) {
        follow_end(head, follow);
    }
}

void follows_turn(struct head *head, time_ms now)
{
    (void)now;
    for (int i = 0; head->follows->n > 0 && i < FOLLOWS_MAX; i++) {
        if (head->follows->rows[i].request != 0) {
            follow_turn(head, &head->follows->rows[i]);
        }
    }
}

time_ms follows_deadline(const struct follows *follows, time_ms now)
{
    return follows->n > 0 ? now + LOOK_MS : INT64_MAX;
}

uint32_t follows_readers(const struct follows *follows)
{
    return follows->n;
}

void follows_gone(struct head *head, uint64_t id)
{
    for (int i = 0; i < FOLLOWS_MAX; i++) {
        if (head->follows->rows[i].request == id && id != 0) {
            head->follows->rows[i] = (struct follow){0};
            head->follows->n--;
        }
    }
}

static off_t log_file_size(const struct head *head, const char *node, const struct follow *follow,
                           int stream)
{
    struct stat about = {0};
    int fd = log_file_open(head, node, follow, stream);
    if (fd >= 0) {
        if (fstat(fd, &about) != 0) {
            about.st_size = 0;
        }
        close(fd);
    }
    return about.st_size;
}

void logs_open(struct head *head, const struct http_request *request, task_id id)
{
    char node[NODE_NAME_MAX + 1];
    bool is_trial, is_ended;
    uint32_t attempts;
    struct follow *row = NULL;
    for (int i = 0; row == NULL && i < FOLLOWS_MAX; i++) {
        row = head->follows->rows[i].request == 0 ? &head->follows->rows[i] : NULL;
    }
    if (!core_task_exists(head->core, id, &is_trial, &is_ended, &attempts, node)) {
        http_answer_error(head->http, request->id, 404, "not_found",
                          "there is no such task or trial");
        return;
    }
    const char *attempt = http_query(request, "attempt"), *stream = http_query(request, "stream");
    const char *tail = http_query(request, "tail"), *follow = http_query(request, "follow");
    struct follow made = {
        .request = request->id,
        .id = id,
        .is_following = follow != NULL && strcmp(follow, "0") != 0,
        .is_fixed = attempt != NULL,
        .attempt = attempt != NULL ? (uint32_t)strtoul(attempt, NULL, 10)
                   : attempts > 0  ? attempts - 1
                                   : 0,
        .streams = {stream == NULL || strcmp(stream, "err") != 0,
                    stream == NULL || strcmp(stream, "out") != 0},
    };
    if (attempt != NULL && made.attempt >= attempts) {
        http_answer_error(head->http, request->id, 404, "not_found",
                          "there is no such attempt yet");
        return;
    }
    for (int i = 0; tail != NULL && i < 2; i++) {
        off_t size = log_file_size(head, node, &made, i), wanted = (off_t)strtoull(tail, NULL, 10);
        made.at[i] = size > wanted ? size - wanted : 0;
    }
    if (row == NULL ||
        http_stream_open(head->http, request->id, "text/plain; charset=utf-8") != OK) {
        http_answer_error(head->http, request->id, 503, "busy",
                          "too many logs are being read; try again later");
        return;
    }
    *row = made;
    head->follows->n++;
    loop_again(head->loop);
}
