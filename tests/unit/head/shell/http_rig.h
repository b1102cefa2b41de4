/* A server and plain clients in one loop. Included by the tests of the HTTP server only. */
#ifndef MUSTER_TESTS_UNIT_HEAD_SHELL_HTTP_RIG_H
#define MUSTER_TESTS_UNIT_HEAD_SHELL_HTTP_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "head/shell/http.h"
#include "head/shell/sse.h"
#include "net/keys.h"
#include "sys/clock.h"

#define RIG_TOKEN "0123456789abcdefTOKEN"
#define RIG_AUTH "Authorization: Bearer " RIG_TOKEN "\r\n"

enum {
    RIG_DEADLINE_MS = 20000,
    RIG_TICK_MS = 5,
    RIG_TEXT_MAX = 256,
    RIG_RECEIVED_MAX = 16 << 20,
    RIG_IDS_MAX = 1024
};

struct client {
    int fd;
    struct buf in;
    bool is_closed;  /* by the server */
    bool must_stall; /* reads nothing */
};

struct rig;
typedef bool rig_condition_fn(struct rig *rig);
typedef void rig_handler_fn(struct rig *rig, const struct http_request *request);

struct rig {
    struct loop *loop;
    struct http *http;
    uint16_t port;
    rig_handler_fn *handler;
    rig_condition_fn *condition;
    void (*each_turn)(struct rig *rig);
    bool is_met;
    time_ms deadline;
    struct client **clients; /* read each turn */
    uint32_t n_clients;
    /* the last request */
    uint64_t id, ids[RIG_IDS_MAX];
    uint32_t n_ids;
    uint64_t requests;
    http_method method;
    http_access access;
    char path[RIG_TEXT_MAX], key[RIG_TEXT_MAX], last_event_id[RIG_TEXT_MAX], query[RIG_TEXT_MAX];
    size_t body_len;
    char body[RIG_TEXT_MAX];
    uint64_t gones, gone_id;
    uint32_t retry_after_s;
    uint64_t notices[HTTP_REFUSALS_COUNT];
    uint64_t tolds;          /* and the last one: */
    char told[RIG_TEXT_MAX]; /* user method path status key refusal */
    int64_t want;
};

static inline struct bytes rig_bytes(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static inline void rig_text(char *to, const char *from)
{
    snprintf(to, RIG_TEXT_MAX, "%s", from == NULL ? "(none)" : from);
}

static inline void on_rig_request(void *context, const struct http_request *request)
{
    struct rig *rig = context;
    rig->requests++;
    rig->id = request->id;
    if (rig->n_ids < RIG_IDS_MAX) {
        rig->ids[rig->n_ids++] = request->id;
    }
    rig->method = request->method;
    rig->access = request->access;
    rig_text(rig->path, request->path);
    rig_text(rig->key, request->idempotency_key);
    rig_text(rig->last_event_id, request->last_event_id);
    rig_text(rig->query, http_query(request, "q"));
    rig->body_len = request->body.len;
    size_t n = request->body.len < RIG_TEXT_MAX - 1 ? request->body.len : RIG_TEXT_MAX - 1;
    if (n > 0) {
        memcpy(rig->body, request->body.data, n);
    }
    rig->body[n] = '\0';
    if (rig->handler != NULL) {
        rig->handler(rig, request);
    }
}

static inline void on_rig_gone(void *context, uint64_t id)
{
    struct rig *rig = context;
    rig->gones++;
    rig->gone_id = id;
}

static inline uint32_t on_rig_gate(void *context)
{
    return ((struct rig *)context)->retry_after_s;
}

static inline void on_rig_notice(void *context, http_refusal refusal, const char *text)
{
    (void)text;
    ((struct rig *)context)->notices[refusal]++;
}

static inline void on_rig_told(void *context, const struct http_told *told)
{
    struct rig *rig = context;
    rig->tolds++;
    snprintf(rig->told, sizeof rig->told, "%s %s %s %u %s %d",
             told->identity != NULL ? told->identity->name : "-", told->method, told->path,
             told->status, told->idempotency_key != NULL ? told->idempotency_key : "-",
             told->refusal == HTTP_REFUSALS_COUNT ? -1 : (int)told->refusal);
}

/* The token of a user beside the options' own. */
#define RIG_USER_TOKEN "0123456789abcdefALICE"

static inline bool on_rig_identify(void *context, const char *token,
                                   struct http_identity *ret_identity, struct report *report)
{
    (void)context;
    if (strcmp(token, RIG_USER_TOKEN) != 0) {
        ignore_error(report_fail(report, ERR_NOT_ALLOWED, "the rig knows no such token"),
                     "false says so");
        return false;
    }
    snprintf(ret_identity->name, sizeof ret_identity->name, "alice");
    ret_identity->role = ROLE_USER;
    return true;
}

static inline void handler_answer(struct rig *rig, const struct http_request *request)
{
    http_answer(rig->http, request->id, 200, "application/json", rig_bytes("{\"ok\":1}"));
}

static inline void client_read(struct client *client)
{
    while (!client->is_closed && !client->must_stall) {
        uint8_t *room = buf_reserve(&client->in, 64 << 10);
        assert_non_null(room);
        ssize_t n = recv(client->fd, room, 64 << 10, MSG_DONTWAIT);
        if (n > 0) {
            client->in.len += (size_t)n;
        } else if (n == 0 || errno != EAGAIN) {
            client->is_closed = true;
        } else {
            return;
        }
    }
}

static inline void on_rig_turn(void *context, const struct loop_turn *turn)
{
    struct rig *rig = context;
    for (uint32_t i = 0; i < rig->n_clients; i++) {
        client_read(rig->clients[i]);
    }
    if (rig->each_turn != NULL) {
        rig->each_turn(rig);
    }
    rig->is_met = rig->condition(rig);
    if (rig->is_met || turn->now > rig->deadline) {
        loop_stop(rig->loop);
    }
    loop_deadline_set(rig->loop, turn->now + RIG_TICK_MS);
}

static inline bool rig_until(struct rig *rig, rig_condition_fn *condition)
{
    rig->condition = condition;
    rig->is_met = false;
    rig->deadline = clock_now() + RIG_DEADLINE_MS;
    loop_again(rig->loop);
    assert_int_equal(loop_run(rig->loop), OK);
    return rig->is_met;
}

static inline struct http_callbacks rig_callbacks(struct rig *rig)
{
    return (struct http_callbacks){
        .on_request = on_rig_request,
        .on_gone = on_rig_gone,
        .retry_after_s = on_rig_gate,
        .on_notice = on_rig_notice,
        .identify = on_rig_identify,
        .on_told = on_rig_told,
        .context = rig,
    };
}

/* Times of 0 are the defaults. */
static inline void rig_begin(struct rig *rig, struct http_options options)
{
    *rig = (struct rig){0};
    struct report report = {0};
    struct rlimit files;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max < 8192 ? files.rlim_max : 8192;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    assert_int_equal(keys_init(), OK);
    assert_int_equal(loop_new(&rig->loop, &report), OK);
    loop_turn_set(rig->loop, on_rig_turn, rig);
    const struct http_callbacks callbacks = rig_callbacks(rig);
    options.host = "127.0.0.1";
    options.token = RIG_TOKEN;
    if (http_start(rig->loop, &options, &callbacks, &rig->http, &report) != OK) {
        fail_msg("%s", report.text);
    }
    assert_memory_equal(http_url(rig->http), "http://127.0.0.1:", 17);
    rig->port = (uint16_t)atoi(http_url(rig->http) + 17);
    assert_true(rig->port > 0);
    rig->handler = handler_answer;
}

static inline void rig_end(struct rig *rig)
{
    http_stop(rig->http, 0);
    loop_free(rig->loop);
    mem_free(rig->clients);
    assert_int_equal(mem_live_count(), 0);
}

static inline struct client *client_open(struct rig *rig)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(rig->port),
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    struct client *client = mem_zalloc(sizeof *client);
    assert_non_null(client);
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(client->fd >= 0);
    buf_init(&client->in, RIG_RECEIVED_MAX);
    assert_int_equal(connect(client->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(fcntl(client->fd, F_SETFL, O_NONBLOCK), 0);
    rig->clients = mem_realloc(rig->clients, (rig->n_clients + 1) * sizeof(struct client *));
    assert_non_null(rig->clients);
    rig->clients[rig->n_clients++] = client;
    return client;
}

static inline void client_close(struct rig *rig, struct client *client)
{
    for (uint32_t i = 0; i < rig->n_clients; i++) {
        if (rig->clients[i] == client) {
            rig->clients[i] = rig->clients[--rig->n_clients];
        }
    }
    close(client->fd);
    buf_fini(&client->in);
    mem_free(client);
}

static inline bool client_has(struct client *client, const char *text)
{
    return client->in.len > 0 &&
           memmem(client->in.data, client->in.len, text, strlen(text)) != NULL;
}

static inline uint32_t client_count(struct client *client, const char *text)
{
    uint32_t n = 0;
    size_t at = 0;
    while (at < client->in.len) {
        uint8_t *hit = memmem(client->in.data + at, client->in.len - at, text, strlen(text));
        if (hit == NULL) {
            break;
        }
        n++;
        at = (size_t)(hit - client->in.data) + strlen(text);
    }
    return n;
}

/* All of it, while the loop turns. */
struct sending {
    struct client *client;
    const uint8_t *data;
    size_t left;
};

static struct sending rig_sending;

static inline bool sending_is_over(struct rig *rig)
{
    (void)rig;
    struct sending *s = &rig_sending;
    while (s->left > 0) {
        ssize_t n = send(s->client->fd, s->data, s->left, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) {
            return errno != EAGAIN;
        }
        s->data += n;
        s->left -= (size_t)n;
    }
    return true;
}

static inline void client_send_bytes(struct rig *rig, struct client *client, const void *data,
                                     size_t length)
{
    rig_sending = (struct sending){client, data, length};
    if (!sending_is_over(rig)) {
        assert_true(rig_until(rig, sending_is_over));
    }
}

static inline void client_send(struct rig *rig, struct client *client, const char *text)
{
    client_send_bytes(rig, client, text, strlen(text));
}

static struct client *rig_client; /* of the conditions below */
static const char *rig_expected;

static inline bool rig_client_has_it(struct rig *rig)
{
    (void)rig;
    return client_has(rig_client, rig_expected);
}

static inline bool rig_client_is_closed(struct rig *rig)
{
    (void)rig;
    return rig_client->is_closed;
}

static inline void assert_receives(struct rig *rig, struct client *client, const char *text)
{
    rig_client = client;
    rig_expected = text;
    if (!rig_until(rig, rig_client_has_it)) {
        fail_msg("no '%s' in '%s'", text, buf_text(&client->in));
    }
}

static inline void assert_is_closed(struct rig *rig, struct client *client)
{
    rig_client = client;
    assert_true(rig_until(rig, rig_client_is_closed));
}

/* Asks on a fresh connection and expects that in the answer. */
static inline void assert_exchange(struct rig *rig, const char *request, const char *expected)
{
    struct client *client = client_open(rig);
    client_send(rig, client, request);
    assert_receives(rig, client, expected);
    client_close(rig, client);
}

static inline bool rig_has_requests(struct rig *rig)
{
    return (int64_t)rig->requests >= rig->want;
}

static inline bool rig_has_gones(struct rig *rig)
{
    return (int64_t)rig->gones >= rig->want;
}

static inline void handler_stream(struct rig *rig, const struct http_request *request)
{
    error_code code = http_stream_open(rig->http, request->id, SSE_CONTENT_TYPE);
    if (code != OK) {
        http_answer_error(rig->http, request->id, 503, error_word(code), "too many streams");
    }
}

static inline struct client *stream_client_open(struct rig *rig)
{
    struct client *client = client_open(rig);
    rig->handler = handler_stream;
    client_send(rig, client,
                "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 7-11\r\n" RIG_AUTH
                "\r\n");
    assert_receives(rig, client, "\r\n\r\n"); /* the header comes before the first event */
    return client;
}

#endif
