/* What attempts wrote, as a stream to a reader: asked for piece by piece from the agent of the node
 * where the attempt ran, as far as the reader takes it. What a node that is gone cannot tell is
 * made up for by the last bytes that the evidence of the attempt's end has (log_tails.c). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "head/core/array_page.h"
#include "head/shell/array_rows.h"
#include "head/shell/logs.h"
#include "net/router.h"

enum {
    PIECE_SPARE_BYTES = 4 << 10,
    WAIT_MS = 2000,   /* how long an agent waits for something new */
    ANSWER_MS = 5000, /* beyond that: asked again */
    AWAY_MS = 3000,   /* a node that is away may be back */
    PACE_MS = 20,     /* between asks that brought nothing: doubled each time, up to */
    PACE_MAX_MS = 500,
    BLOCKED_MS = 50, /* a reader that has no room is looked at again */
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

static struct follow *follow_find(struct follows *follows, uint64_t request)
{
    for (int i = 0; i < FOLLOWS_MAX; i++) {
        if (follows->rows[i].request == request && request != 0) {
            return &follows->rows[i];
        }
    }
    return NULL;
}

/* ---- the end of a follow, or of an attempt in it ---- */

static void follow_end(struct head *head, struct follow *follow)
{
    uint64_t request = follow->request;
    *follow = (struct follow){0};
    head->follows->n--;
    http_stream_end(head->http, request);
}

bool follow_write(struct head *head, struct follow *follow, struct bytes bytes)
{
    follow->has_written |= bytes.len > 0;
    return bytes.len == 0 || http_stream_write(head->http, follow->request, bytes) == OK;
}

/* Not into what somebody reads as a program's standard output alone. */
static void follow_note(struct head *head, struct follow *follow, const char *text)
{
    if (!follow->streams[1].is_wanted) {
        return;
    }
    char line[512];
    int n = snprintf(line, sizeof line, "[muster: %s]\n", text);
    ignore_error(http_stream_write(head->http, follow->request,
                                   (struct bytes){(const uint8_t *)line, (size_t)n}),
                 "a reader that is gone needs none");
}

/* Its next attempt, or another one that is known better now, from the beginning. */
static void follow_attempt_set(struct follow *follow, uint32_t attempt)
{
    follow->attempt = attempt;
    follow->place = LOG_PLACE_UNKNOWN;
    follow->away_since = 0;
    follow->has_written = false;
    for (int i = 0; i < 2; i++) {
        bool is_wanted = follow->streams[i].is_wanted;
        follow->streams[i] = (struct follow_stream){.is_wanted = is_wanted};
    }
}

/* ---- asking ---- */

static void stream_ask(struct head *head, time_ms now, struct follow *follow, int number)
{
    struct follow_stream *stream = &follow->streams[number];
    struct msg_log_get get = {
        .request = follow->request * 2 + (uint64_t)number,
        .serial = ++stream->serial,
        .task = follow->id,
        .attempt = follow->attempt,
        .stream = (uint32_t)number,
        .generation = stream->generation,
        .offset = stream->has_tail ? stream->tail : stream->offset,
        .is_tail = stream->has_tail,
        .limit_bytes = LOG_PIECE_MAX_BYTES,
        .wait_ms = follow->is_over ? 0 : WAIT_MS,
    };
    struct buf frame;
    buf_init(&frame, MSG_MAX_BYTES);
    if (message_encode(MSG_LOG_GET, &get, &frame) == OK) {
        peers_send(head, follow->peer, buf_bytes(&frame));
    }
    buf_fini(&frame);
    stream->is_asked = true;
    stream->asked_at = now;
    stream->ask_was_over = follow->is_over;
    stream->again_at = now + get.wait_ms + ANSWER_MS;
}

/* Asks for what there is room for. True: every stream has come to its end. */
static bool streams_ask(struct head *head, time_ms now, struct follow *follow)
{
    bool is_done = true;
    for (int i = 0; i < 2; i++) {
        struct follow_stream *stream = &follow->streams[i];
        if (!stream->is_wanted || stream->is_done) {
            continue;
        }
        is_done = false;
        /* One that waits is asked anew when the attempt has ended meanwhile. */
        if (now < stream->again_at &&
            !(stream->is_asked && follow->is_over && !stream->ask_was_over)) {
            continue;
        }
        if (http_stream_room(head->http, follow->request) <
            2 * LOG_PIECE_MAX_BYTES + PIECE_SPARE_BYTES) {
            stream->again_at = now + BLOCKED_MS;
            continue;
        }
        stream_ask(head, now, follow, i);
    }
    return is_done;
}

void follows_on_data(struct head *head, time_ms now, uint64_t peer, const struct msg_log_data *data)
{
    struct follow *follow = follow_find(head->follows, data->request / 2);
    if (follow == NULL || follow->peer != peer || follow->place != LOG_PLACE_NODE) {
        return;
    }
    struct follow_stream *stream = &follow->streams[data->request % 2];
    if (!stream->is_asked || data->serial != stream->serial) {
        return;
    }
    stream->is_asked = false;
    stream->has_tail = stream->has_tail && data->is_missing;
    if (!data->is_missing) {
        stream->generation = data->generation;
        stream->offset = data->offset;
    }
    /* Nothing, and at once: the task waits to be tried again, perhaps for long. */
    bool was_waited = now - stream->asked_at >= WAIT_MS / 2;
    stream->pace_ms = data->data.len > 0 || was_waited    ? 0
                      : stream->pace_ms == 0              ? PACE_MS
                      : stream->pace_ms * 2 < PACE_MAX_MS ? stream->pace_ms * 2
                                                          : PACE_MAX_MS;
    stream->again_at = now + stream->pace_ms;
    stream->is_done = data->data.len == 0 && stream->ask_was_over;
    if (!follow_write(head, follow, data->data)) {
        return; /* on_gone takes it off. */
    }
    loop_again(head->loop);
}

/* ---- one look at one reader ---- */

/* Of a task of an array that ended well only its row says where it ran. */
struct place_reading {
    struct head *head;
    uint64_t request; /* the follow's, which may end meanwhile */
};

static void on_place(void *context, const struct result_row *row)
{
    struct place_reading *reading = context;
    struct head *head = reading->head;
    struct follow *follow = follow_find(head->follows, reading->request);
    if (follow != NULL && head->http != NULL && follow->place == LOG_PLACE_READING) {
        const char *node =
            row != NULL ? core_array_row_node(head->core, follow->id.job, row->node) : "";
        snprintf(follow->node, sizeof follow->node, "%s", node);
        follow->place = node[0] != '\0' ? LOG_PLACE_NODE : LOG_PLACE_TAILS;
        loop_again(head->loop);
    }
    mem_free(reading);
}

static void place_read(struct head *head, struct follow *follow)
{
    struct place_reading *reading = mem_zalloc(sizeof *reading);
    follow->place = LOG_PLACE_READING;
    if (reading != NULL) {
        *reading = (struct place_reading){head, follow->request};
        const struct array_row_reader reader = {reading, on_place};
        if (array_row_read(head, follow->id, &reader)) {
            return;
        }
        mem_free(reading);
    }
    follow->place = LOG_PLACE_TAILS;
}

/* Where the attempt's log is. False: it is not known yet, or the follow has ended. */
static bool follow_place(struct head *head, time_ms now, struct follow *follow,
                         const char *task_node, bool is_last)
{
    if (follow->place == LOG_PLACE_UNKNOWN && follow->is_node_fixed) {
        follow->place = LOG_PLACE_NODE;
    } else if (follow->place == LOG_PLACE_UNKNOWN && is_last &&
               core_array_has_row(head->core, follow->id)) {
        place_read(head, follow);
    } else if (follow->place == LOG_PLACE_UNKNOWN && is_last) {
        snprintf(follow->node, sizeof follow->node, "%s", task_node);
        follow->place = LOG_PLACE_NODE;
    } else if (follow->place == LOG_PLACE_UNKNOWN) {
        follow->place = LOG_PLACE_READING;
        tails_read(head, follow); /* An earlier attempt: its evidence says where it ran. */
    }
    if (follow->place != LOG_PLACE_NODE) {
        return false;
    }
    uint64_t peer = core_node_peer(head->core, follow->node);
    if (peer != follow->peer) {
        /* Another connection or none: what was asked is lost. */
        follow->peer = peer;
        follow->streams[0].again_at = follow->streams[1].again_at = 0;
        follow->streams[0].is_asked = follow->streams[1].is_asked = false;
    }
    if (peer != 0 && !core_node_is_silent(head->core, follow->node, now)) {
        follow->away_since = 0;
        return true;
    }
    if (follow->away_since == 0) {
        follow->away_since = now;
    }
    if (follow->is_over && now - follow->away_since >= AWAY_MS) {
        if (follow->is_node_fixed) {
            follow->place = LOG_PLACE_TAILS;
            loop_again(head->loop);
        } else {
            follow->place = LOG_PLACE_READING;
            tails_read(head, follow);
        }
    }
    return false;
}

/* The log of this attempt was told to its end. */
static void follow_attempt_end(struct head *head, struct follow *follow, uint32_t attempts)
{
    if (!follow->is_fixed && follow->is_following && follow->attempt + 1 < attempts) {
        follow_attempt_set(follow, follow->attempt + 1);
        loop_again(head->loop);
    } else {
        follow_end(head, follow);
    }
}

static void follow_turn(struct head *head, time_ms now, struct follow *follow)
{
    char node[NODE_NAME_MAX + 1];
    bool is_trial, is_ended = true;
    uint32_t attempts = 0;
    if (!core_task_exists(head->core, follow->id, &is_trial, &is_ended, &attempts, node)) {
        follow_end(head, follow);
        return;
    }
    bool is_last = follow->attempt + 1 >= attempts;
    follow->is_over = is_ended || !is_last || !follow->is_following;
    if (attempts == 0) {
        if (follow->is_over) {
            follow_end(head, follow); /* It never ran. */
        }
        return;
    }
    if (follow->place == LOG_PLACE_TAILS) {
        char text[256];
        snprintf(text, sizeof text, "node '%s' cannot be asked now; %s", follow->node,
                 follow->is_node_fixed
                     ? "what its ranks wrote lies on its disk"
                     : "what its attempts wrote last is what the head kept of it");
        follow_note(head, follow, text);
        follow_attempt_end(head, follow, attempts);
        return;
    }
    if (follow_place(head, now, follow, node, is_last) && streams_ask(head, now, follow)) {
        follow_attempt_end(head, follow, attempts);
    }
}

void follows_turn(struct head *head, time_ms now)
{
    for (int i = 0; head->follows->n > 0 && i < FOLLOWS_MAX; i++) {
        if (head->follows->rows[i].request != 0) {
            follow_turn(head, now, &head->follows->rows[i]);
        }
    }
}

time_ms follows_deadline(const struct follows *follows, time_ms now)
{
    time_ms next = follows->n > 0 ? now + BLOCKED_MS : INT64_MAX;
    for (int i = 0; follows->n > 0 && i < FOLLOWS_MAX; i++) {
        const struct follow *follow = &follows->rows[i];
        for (int k = 0; follow->request != 0 && k < 2; k++) {
            const struct follow_stream *stream = &follow->streams[k];
            bool is_due = stream->is_wanted && !stream->is_done && stream->again_at > now;
            next = is_due && stream->again_at < next ? stream->again_at : next;
        }
    }
    return next;
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

/* ---- a new reader ---- */

static bool number_read(const struct http_request *request, const char *name, uint64_t max,
                        uint64_t *ret_number)
{
    const char *text = http_query(request, name);
    char *end;
    *ret_number = text != NULL ? strtoull(text, &end, 10) : 0;
    return text == NULL || (text[0] >= '0' && text[0] <= '9' && *end == '\0' && *ret_number <= max);
}

static struct follow *follow_free_row(struct follows *follows)
{
    for (int i = 0; i < FOLLOWS_MAX; i++) {
        if (follows->rows[i].request == 0) {
            return &follows->rows[i];
        }
    }
    return NULL;
}

/* `node` of the query is one of those that the attempt is on, or was; an earlier one's are not
 * known any more. False: it was answered. */
static bool node_read(struct head *head, const struct http_request *request, task_id id,
                      bool is_trial, bool is_earlier, const char **ret_node)
{
    const char *node = *ret_node = http_query(request, "node");
    char nodes[512], text[768];
    if (node != NULL && !is_trial) {
        http_answer_error(head->http, request->id, 400, "invalid",
                          "node is one of a trial that is on several");
        return false;
    }
    core_task_nodes_print(head->core, id, nodes, sizeof nodes);
    if (node == NULL ||
        (strlen(node) <= NODE_NAME_MAX && (is_earlier || core_task_is_on(head->core, id, node)))) {
        return true;
    }
    snprintf(text, sizeof text, "it has not been on node '%.63s'; %s%s", node,
             nodes[0] != '\0' ? "it is or was on " : "it has not been anywhere yet", nodes);
    http_answer_error(head->http, request->id, 404, "not_found", text);
    return false;
}

void logs_open(struct head *head, const struct http_request *request, task_id id)
{
    char node[NODE_NAME_MAX + 1];
    bool is_trial, is_ended;
    uint32_t attempts;
    uint64_t attempt, tail;
    struct follow *row = follow_free_row(head->follows);
    if (!core_task_exists(head->core, id, &is_trial, &is_ended, &attempts, node)) {
        http_answer_error(head->http, request->id, 404, "not_found",
                          "there is no such task or trial");
        return;
    }
    const char *stream = http_query(request, "stream"), *follow = http_query(request, "follow");
    bool is_out = stream == NULL || strcmp(stream, "out") == 0;
    bool is_err = stream == NULL || strcmp(stream, "err") == 0;
    if (!number_read(request, "attempt", UINT32_MAX, &attempt) ||
        !number_read(request, "tail", INT64_MAX, &tail) || (!is_out && !is_err)) {
        http_answer_error(head->http, request->id, 400, "invalid",
                          "attempt and tail are numbers, stream is out or err");
        return;
    }
    bool is_fixed = http_query(request, "attempt") != NULL,
         has_tail = http_query(request, "tail") != NULL;
    if (is_fixed && attempt >= attempts) {
        http_answer_error(head->http, request->id, 404, "not_found",
                          "there is no such attempt yet");
        return;
    }
    const char *wanted;
    if (!node_read(head, request, id, is_trial, is_fixed && attempt + 1 < attempts, &wanted)) {
        return;
    }
    if (row == NULL ||
        http_stream_open(head->http, request->id, "text/plain; charset=utf-8") != OK) {
        http_answer_error(head->http, request->id, 503, "busy",
                          "too many logs are being read; try again later");
        return;
    }
    *row = (struct follow){
        .request = request->id,
        .id = id,
        .is_following = follow != NULL && strcmp(follow, "0") != 0,
        .is_fixed = is_fixed,
        .is_node_fixed = wanted != NULL,
        .attempt = is_fixed       ? (uint32_t)attempt
                   : attempts > 0 ? attempts - 1
                                  : 0,
        .streams = {{.is_wanted = is_out, .has_tail = has_tail, .tail = tail},
                    {.is_wanted = is_err, .has_tail = has_tail, .tail = tail}},
    };
    snprintf(row->node, sizeof row->node, "%s", wanted != NULL ? wanted : "");
    head->follows->n++;
    loop_again(head->loop);
}
