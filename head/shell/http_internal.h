/* head/shell/http_internal.h -- the parts that the http_*.c files share. Inside the HTTP server
 * only; the loop's thread. */
#ifndef MUSTER_HEAD_SHELL_HTTP_INTERNAL_H
#define MUSTER_HEAD_SHELL_HTTP_INTERNAL_H

#include <microhttpd.h>

#include "base/hash.h"
#include "base/list.h"
#include "head/shell/http.h"
#include "head/shell/http_guard.h"

enum { HTTP_REFUSAL_TEXT_MAX = 256 };

typedef enum {
    REQUEST_READING,  /* header checked, body comes */
    REQUEST_WAITING,  /* handed out, not answered; suspended */
    REQUEST_ANSWERED, /* `response` is there, libmicrohttpd does not have it yet */
    REQUEST_SENDING,  /* handed to libmicrohttpd */
} request_state;

/* One request; freed when libmicrohttpd says that it is over, found by id until then. */
struct request {
    uint64_t id;
    struct http *http;
    struct MHD_Connection *connection;
    struct http_connection *owner;
    request_state state;
    http_method method;
    http_access access;
    bool is_suspended;
    bool is_refused; /* the body is read to its end and forgotten, then `refusal` is the answer */
    http_refusal refusal;
    char refusal_text[HTTP_REFUSAL_TEXT_MAX]; /* "": the refusal's own */
    struct http_identity identity;
    bool has_identity;
    char *told_method, *told_path, *told_key; /* for on_told(); NULL: not to be told, or told */
    bool is_upload;                           /* its body goes to on_body() */
    struct buf body;

    struct MHD_Response *response; /* ANSWERED */
    uint32_t status;

    bool is_stream;
    bool is_sse;
    bool is_ended;
    struct buf queue; /* of the stream; what lies before queue_read has left */
    size_t queue_read;
    uint64_t written_ms; /* last write into the queue */
    uint64_t read_ms;    /* the reader's last progress, or when the queue began to fill */

    UT_hash_handle hh;
};

/* One TCP connection, from accept to close. */
struct http_connection {
    struct list link;
    struct http *http;
    int fd;
    char peer[HTTP_PEER_MAX]; /* its address */
    uint64_t deadline_ms;     /* of uv_now(); UINT64_MAX: none */
    struct request *request;  /* the one in work, or NULL */
    bool is_idle;             /* between two requests */
    bool is_doomed;           /* shut down by us; libmicrohttpd will close it */
};

struct http_timer {
    uv_timer_t timer;
    struct http *http;
};

struct http_poll {
    uv_poll_t poll;
    struct http *http;
};

struct http {
    struct loop *loop;
    struct http_callbacks callbacks;
    struct http_guard guard;
    uint64_t request_ms, idle_ms, send_ms, comment_ms;
    struct tls *tls;
    uint32_t address_connections; /* of one address */
    char url[HTTP_URL_MAX];
    struct MHD_Daemon *daemon;
    struct http_timer *timer;
    struct http_poll *poll;
    bool is_sourced;
    bool must_run;
    bool is_stopping;
    uint64_t last_id;
    struct request *requests; /* by id */
    struct list connections;
    struct http_counters counters;
};

/* http.c */
uint64_t http_now_ms(const struct http *http);
void http_must_run(struct http *http);
void http_refuse(struct http *http, http_refusal refusal);
uint32_t http_refusal_status(http_refusal refusal);
const char *http_refusal_word(http_refusal refusal);
/* Looks after the connections at `at_ms` at the latest. */
void http_timer_sooner(struct http *http, uint64_t at_ms);

/* http_connection.c */
void on_http_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                        enum MHD_ConnectionNotificationCode code);
void *on_http_request_line(void *context, const char *uri, struct MHD_Connection *connection);
struct http_connection *http_connection_of(struct MHD_Connection *connection);
void http_connection_deadline_set(struct http_connection *connection,
                                  uint64_t delay_ms); /* UINT64_MAX: none */
/* Shuts the socket down and wakes libmicrohttpd for it. */
void http_connection_doom(struct http_connection *connection);
void on_http_timer(uv_timer_t *timer);

/* http_request.c */
enum MHD_Result on_http_access(void *context, struct MHD_Connection *connection, const char *url,
                               const char *method, const char *version, const char *upload,
                               size_t *upload_size, void **request);
void on_http_completed(void *context, struct MHD_Connection *connection, void **request,
                       enum MHD_RequestTerminationCode code);
struct request *request_find(struct http *http, uint64_t id);

/* http_answer.c */
/* `response` becomes the request's, which is woken. */
void request_answer(struct request *request, uint32_t status, struct MHD_Response *response);
void request_resume(struct request *request);
/* text: "" for the refusal's own; retry_after_s: for those that may come again. NULL: no memory. */
struct MHD_Response *response_refusal(http_refusal refusal, const char *text,
                                      uint32_t retry_after_s);

/* http_told.c */
/* Keeps what is to be told of a request. False: no memory. */
bool request_told_begin(struct request *request, const char *method, const char *path);
/* Tells it, once: the answer leaves after. */
void request_told(struct request *request, uint32_t status, struct bytes body);
void request_told_fini(struct request *request);

/* http_stream.c */
void stream_init(struct request *request);
void stream_fini(struct request *request);
/* Comments that are due, readers that stand still; returns when to look again. */
uint64_t stream_tick(struct request *request, uint64_t now_ms);

#endif
