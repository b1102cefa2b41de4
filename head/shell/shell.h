/* head/shell/shell.h -- what the parts of the head's shell share. Inside head/shell. */
#ifndef MUSTER_HEAD_SHELL_SHELL_H
#define MUSTER_HEAD_SHELL_SHELL_H

#include "head/core/core.h"
#include "head/shell/head.h"
#include "head/shell/http.h"
#include "net/router.h"
#include "sys/loop.h"

struct store;
struct depot;
struct notices;
struct follows;
struct tls;
struct audit;

struct head {
    const struct head_options *options;
    struct loop *loop;
    struct core *core;
    struct store *store;
    struct router *router;
    struct http *http;
    struct depot *depot;     /* blobs.c */
    struct notices *notices; /* events.c */
    struct follows *follows; /* logs.c */
    struct join_key join;
    char cluster[40];
    struct tls *tls; /* front.c; NULL: HTTP is plain */
    struct audit *audit;
    time_ms tls_looked_ms;
    bool is_exposed; /* HTTP off loopback without TLS */
    char token_path[4096];
    char own_url[HTTP_URL_MAX + 256]; /* where this machine's own commands find the head */
    char listening[HEAD_LISTEN_MAX][ROUTER_ENDPOINT_MAX]; /* agents join there */
    uint64_t epoch;
    uint64_t peer_now; /* whose frame is being decoded */
    time_ms busy_at;   /* last work or reader, for linger */
    bool is_ready;
    bool is_leaving;
    bool has_failed;
    int exit_code;
};

/* ---- peers.c: frames of agents <-> core ---- */
bool peers_on_frame(void *context, time_ms now, const struct router_peer *peer, struct bytes frame);
void peers_on_notice(void *context, router_refusal refusal, const char *who);
void peers_send(struct head *head, uint64_t peer, struct bytes frame);

/* ---- routes.c ---- */
void routes_on_request(void *context, const struct http_request *request);
/* Seconds to wait while the batch in flight is past its limit; 0: go ahead. */
uint32_t routes_retry_after(void *context);

/* ---- events.c: the event stream of people and pages, from a ring ---- */
MUST_CHECK error_code notices_new(uint64_t epoch, struct notices **ret_notices);
void notices_free(struct notices *notices);
void notices_add(struct head *head, struct bytes json);
void notices_open(struct head *head, const struct http_request *request);
void notices_gone(struct head *head, uint64_t id);
uint32_t notices_readers(const struct notices *notices);

/* ---- logs.c: what attempts wrote, from their agents ---- */
MUST_CHECK error_code follows_new(struct follows **ret_follows);
void follows_free(struct follows *follows);
void logs_open(struct head *head, const struct http_request *request, task_id id);
void follows_gone(struct head *head, uint64_t id);
/* A piece that an agent sent. */
void follows_on_data(struct head *head, time_ms now, uint64_t peer,
                     const struct msg_log_data *data);
/* Once a turn: what grew is sent on; what ended is ended. */
void follows_turn(struct head *head, time_ms now);
time_ms follows_deadline(const struct follows *follows, time_ms now);
uint32_t follows_readers(const struct follows *follows);

/* ---- rows.c: what only the store holds: metric rows, evidence ---- */
void rows_answer(struct head *head, uint64_t request, task_id id);
/* ---- lineage.c ---- */
void lineage_answer(struct head *head, uint64_t request, uint32_t sweep);
void attempts_answer(struct head *head, uint64_t request, task_id id);

#endif
