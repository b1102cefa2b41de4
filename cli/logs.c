/* Each stream of each attempt is read by a request of its own, so that it can be taken up again
 * after the last byte when the head restarts; both streams at once, by two threads. */
#include "cli/logs.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

enum { LOST_MS = 15000, RETRY_MS = 100, LOOK_MIN_MS = 5, LOOK_MAX_MS = 200 };

struct log_stream {
    struct cli *cli;
    const struct logs_wanted *wanted;
    const char *name; /* out or err */
    FILE *to;
    const char *tail; /* of the first request */
    uint32_t attempt;
    uint64_t seen; /* bytes written so far */
    uint64_t skip; /* bytes of the request under way that were written before */
    int code;
    struct report report;
};

static void pause_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static bool on_log_data(void *context, const char *data, size_t size)
{
    struct log_stream *stream = context;
    size_t skipped = size < stream->skip ? size : (size_t)stream->skip;
    stream->skip -= skipped;
    if (size > skipped) {
        fwrite(data + skipped, 1, size - skipped, stream->to);
        fflush(stream->to);
        stream->seen += size - skipped;
    }
    return !cli_is_interrupted;
}

/* One request; true: the stream has come to its end, or cannot be had. */
static bool log_stream_once(struct log_stream *stream)
{
    char path[256];
    long status = 0;
    struct client *client = NULL;
    const char *tail = stream->seen == 0 ? stream->tail : NULL;
    const char *node = stream->wanted->node;
    snprintf(path, sizeof path, "/api/v1/%s/%u.%u/logs?stream=%s&attempt=%u%s%s%s%s%s",
             stream->wanted->is_trial ? "trials" : "tasks", stream->wanted->id.job,
             stream->wanted->id.index, stream->name, stream->attempt,
             stream->wanted->is_following ? "&follow=1" : "", tail != NULL ? "&tail=" : "",
             tail != NULL ? tail : "", node != NULL ? "&node=" : "", node != NULL ? node : "");
    stream->skip = stream->seen;
    error_code error = client_open(stream->cli, &client, &stream->report);
    if (error == OK) {
        error = client_stream(client, path, NULL, on_log_data, stream, &status, &stream->report);
    }
    client_close(client);
    if (error != OK || status == 503) {
        stream->code = EXIT_UNREACHABLE;
        return false;
    }
    stream->code = status == 200 ? EXIT_OK : status == 404 ? EXIT_NOT_FOUND : EXIT_REQUEST;
    return true;
}

static void *log_stream_read(void *context)
{
    struct log_stream *stream = context;
    uint64_t seen = stream->seen;
    for (long lost_ms = 0; !log_stream_once(stream) && !cli_is_interrupted; lost_ms += RETRY_MS) {
        lost_ms = stream->seen > seen ? 0 : lost_ms;
        seen = stream->seen;
        /* A tail that was begun cannot be found again. */
        if (lost_ms >= LOST_MS || (stream->tail != NULL && stream->seen > 0)) {
            break;
        }
        pause_ms(RETRY_MS);
    }
    return NULL;
}

/* Both streams of one attempt. */
static int attempt_read(struct cli *cli, const struct logs_wanted *wanted, uint32_t attempt)
{
    struct log_stream streams[2] = {{.name = "out", .to = wanted->out},
                                    {.name = "err", .to = wanted->err}};
    pthread_t thread;
    for (int i = 0; i < 2; i++) {
        streams[i].cli = cli;
        streams[i].wanted = wanted;
        streams[i].tail = wanted->tail;
        streams[i].attempt = attempt;
    }
    bool is_apart = wanted->is_following && wanted->out != NULL && wanted->err != NULL &&
                    pthread_create(&thread, NULL, log_stream_read, &streams[1]) == 0;
    if (wanted->out != NULL) {
        log_stream_read(&streams[0]);
    }
    if (is_apart) {
        pthread_join(thread, NULL);
    } else if (wanted->err != NULL) {
        log_stream_read(&streams[1]);
    }
    for (int i = 0; i < 2; i++) {
        if (streams[i].code != EXIT_OK && !cli_is_interrupted) {
            return cli_fail_report(streams[i].code, &streams[i].report);
        }
    }
    return cli_is_interrupted ? EXIT_INTERRUPTED : EXIT_OK;
}

/* How many attempts it had, and whether it is over. */
static int task_look(struct cli *cli, struct client **client, const struct logs_wanted *wanted,
                     uint32_t *ret_attempts, bool *ret_is_over)
{
    char path[128];
    json_t *task = NULL;
    snprintf(path, sizeof path, "/api/v1/%s/%u.%u", wanted->is_trial ? "trials" : "tasks",
             wanted->id.job, wanted->id.index);
    int code = client_get_json(cli, client, path, &task);
    if (code == EXIT_OK) {
        *ret_attempts = (uint32_t)cli_json_int(task, "attempts");
        *ret_is_over = strcmp(cli_json_str(task, "state"), "ended") == 0;
        json_decref(task);
    }
    return code;
}

int cli_logs(struct cli *cli, struct client **client, const struct logs_wanted *wanted)
{
    uint32_t attempts = 0, attempt = wanted->attempt;
    bool is_over = false, is_first = true;
    for (long wait_ms = LOOK_MIN_MS;; wait_ms = wait_ms * 3 / 2) {
        int code = task_look(cli, client, wanted, &attempts, &is_over);
        if (code != EXIT_OK || wanted->has_attempt) {
            return code != EXIT_OK ? code : attempt_read(cli, wanted, attempt);
        }
        if (is_first && !wanted->is_following) {
            attempt = attempts > 0 ? attempts - 1 : 0;
        }
        is_first = false;
        while (attempt < attempts) {
            code = attempt_read(cli, wanted, attempt++);
            if (code != EXIT_OK || !wanted->is_following) {
                return code;
            }
            wait_ms = LOOK_MIN_MS;
        }
        if (cli_is_interrupted || is_over || !wanted->is_following) {
            return cli_is_interrupted ? EXIT_INTERRUPTED : EXIT_OK;
        }
        pause_ms(wait_ms < LOOK_MAX_MS ? wait_ms : LOOK_MAX_MS);
    }
}
