/* head/shell/http.h -- the head's HTTP/1.1 server, plain or over TLS: complete, checked requests
 * in; answers and streams out, by number. The loop's thread only; owned by the head's shell.
 * libmicrohttpd below, driven by our loop.
 *
 * Requests come to on_request() in the loop's turn, once each, with header and body complete and
 * the access rules kept (http_guard.h). The answer is given there or any time later, by the
 * request's id, never by pointer: a client that left meanwhile has an unknown id, which every call
 * ignores (ERR_NOT_FOUND where it says so). */
#ifndef MUSTER_HEAD_SHELL_HTTP_H
#define MUSTER_HEAD_SHELL_HTTP_H

#include "base/buf.h"
#include "base/error.h"
#include "schema/records.h"
#include "sys/loop.h"

struct http;
struct tls;

enum {
    HTTP_BODY_MAX_BYTES = 2 << 20,
    HTTP_ANSWER_MAX_BYTES = 256 << 20,
    HTTP_STREAM_QUEUE_MAX_BYTES = 1 << 20, /* a reader that stays behind further is closed */
    HTTP_STREAMS_MAX = 256,
    HTTP_CONNECTIONS_MAX = 512,
    HTTP_ADDRESS_CONNECTIONS_MAX = 128, /* of one address, off loopback */
    HTTP_HOSTS_MAX = 32,
    HTTP_REQUEST_MS = 10000, /* accept (or first byte) to complete body; TLS's handshake included */
    HTTP_IDLE_MS = 30000,    /* between requests of a connection */
    HTTP_SEND_MS = 60000,    /* without progress of the reader, and 1 ms more a KiB of an answer */
    HTTP_COMMENT_MS = 15000, /* a silent event stream gets a comment: so that proxies keep it; a
                                third of this: a client that left is noticed */
    HTTP_URL_MAX = 128,
    HTTP_PEER_MAX = 64,
    HTTP_TOKEN_MAX_BYTES = 256,
};

typedef enum { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_DELETE } http_method;

typedef enum {
    HTTP_OPEN,  /* no token, any Host: /healthz and /readyz, which carry no names */
    HTTP_PAGE,  /* no token, but a Host of ours: the page's files */
    HTTP_TOKEN, /* a valid bearer token */
} http_access;

/* name, word and sentence for client and log, status */
#define HTTP_REFUSALS(X)                                                                           \
    X(HTTP_REFUSED_TOKEN, "not_allowed", "a valid bearer token is needed", 401)                    \
    X(HTTP_REFUSED_HOST, "not_allowed", "this Host is not one of this head's names", 403)          \
    X(HTTP_REFUSED_ORIGIN, "not_allowed", "this Origin may not change anything here", 403)         \
    X(HTTP_REFUSED_METHOD, "unsupported", "only GET, HEAD, POST, PUT and DELETE", 405)             \
    X(HTTP_REFUSED_SIZE, "limit", "the body is larger than 2 MiB", 413)                            \
    X(HTTP_REFUSED_MEMORY, "no_memory", "the head has no memory for this request", 503)            \
    X(HTTP_REFUSED_BUSY, "busy", "the store does not answer in time: try again", 503)              \
    X(HTTP_REFUSED_CROWD, "limit", "too many connections of one address", 0)                       \
    X(HTTP_REFUSED_SLOW, "timeout",                                                                \
      "a connection that did not come to the end of a request or answer in time", 0)               \
    X(HTTP_REFUSED_STALLED, "limit", "a stream whose reader stayed too far behind", 0)

typedef enum {
#define X(name, word, text, status) name,
    HTTP_REFUSALS(X)
#undef X
        HTTP_REFUSALS_COUNT
} http_refusal;

/* Who asks. */
struct http_identity {
    char name[USER_NAME_MAX + 1]; /* "" where no token is needed */
    user_role role;
    bool is_builtin; /* the token of the options */
};

/* All borrowed for the call. */
struct http_request {
    uint64_t id; /* counts from 1; never used twice */
    http_method method;
    http_access access;
    const struct http_identity *identity;
    const char *peer;            /* the client's address; "" unknown */
    const char *path;            /* unescaped, without the query */
    const char *idempotency_key; /* header, or NULL */
    const char *last_event_id;   /* header, or NULL */
    const char *content_type;    /* header, or NULL */
    struct bytes body;
    void *connection; /* for http_query() */
};

/* What was answered, or refused. All borrowed for the call. */
struct http_told {
    const struct http_identity *identity; /* NULL: of nobody that is known */
    const char *peer;
    const char *method; /* as it was sent */
    const char *path;
    const char *idempotency_key; /* or NULL */
    uint32_t status;             /* 0: the client left before the answer */
    struct bytes body;           /* of the answer */
    http_refusal refusal;        /* HTTP_REFUSALS_COUNT: none */
    const char *refusal_text;
};

typedef enum {
    HTTP_UPLOAD_NONE,     /* its body is kept in memory as any other */
    HTTP_UPLOAD_TAKEN,    /* its pieces go to on_body() */
    HTTP_UPLOAD_ANSWERED, /* the body is not read: the connection closes after the answer */
} http_upload;

struct http_callbacks {
    void (*on_request)(void *context, const struct http_request *request);
    /* The header of a PUT that is let in; on_request() comes after the last piece, with an empty
     * body, or on_gone(). announced_bytes 0: none, or not said. NULL: no body is taken so. */
    http_upload (*on_upload)(void *context, const struct http_request *request,
                             uint64_t announced_bytes);
    /* How many of them were taken. If not all, the client waits until http_body_resume(). */
    size_t (*on_body)(void *context, uint64_t id, struct bytes bytes);
    /* The client of a request that was not answered, or of a stream that was not ended, is gone.
     * Not after http_stop(). */
    void (*on_gone)(void *context, uint64_t id);
    /* Which rule a path falls under; NULL: HTTP_OPEN for /healthz and /readyz, HTTP_TOKEN else. */
    http_access (*access_of)(void *context, http_method method, const char *path);
    /* POST, PUT and DELETE are answered 503 with Retry-After of that many seconds while this is >
     * 0; NULL: never. */
    uint32_t (*retry_after_s)(void *context);
    /* Something of this kind was refused for the first time in this server's life; for the log. */
    void (*on_notice)(void *context, http_refusal refusal, const char *text);
    /* Whose is a token that is not the options'? False: nobody's; the report may say why. NULL:
     * there are no others. */
    bool (*identify)(void *context, const char *token, struct http_identity *ret_identity,
                     struct report *report);
    /* Before the answer to a request that may change something leaves, and before one that is
     * refused for its token, Host or Origin. NULL: nobody listens. */
    void (*on_told)(void *context, const struct http_told *told);
    void *context;
};

/* Copied. A time of 0 is the one above. */
struct http_options {
    const char *host;  /* numeric */
    uint16_t port;     /* 0: any */
    const char *token; /* at least 16 characters; the built-in admin's */
    struct tls *tls;   /* borrowed; NULL: plain, which off loopback wants is_insecure */
    bool is_insecure;
    const char *const
        *hosts; /* allowed in Host and Origin beside 127.0.0.1, [::1] and localhost; without port */
    uint32_t n_hosts;
    uint32_t request_ms, idle_ms, send_ms, comment_ms;
    uint32_t address_connections; /* 0: HTTP_ADDRESS_CONNECTIONS_MAX, and no limit on loopback */
};

struct http_counters {
    uint64_t requests, answers, bytes_answered;
    uint64_t refused[HTTP_REFUSALS_COUNT];
    uint64_t gone;
    uint32_t connections, streams, waiting; /* now */
};

/* ERR_INVALID: host or token; ERR_NOT_ALLOWED: neither loopback nor TLS nor is_insecure; ERR_BUSY:
 * the port is in use. */
MUST_CHECK error_code http_start(struct loop *loop, const struct http_options *options,
                                 const struct http_callbacks *callbacks, struct http **ret_http,
                                 struct report *report);
/* Answers that were given get up to drain_ms to leave (it blocks that long at most); all else is
 * closed. NULL is fine. */
void http_stop(struct http *http, uint32_t drain_ms);
const char *http_url(const struct http *http); /* "http://127.0.0.1:8265", as it listens */
const struct http_counters *http_counters(struct http *http);
/* Closes the streams of a user whose token is no longer good. */
void http_identity_drop(struct http *http, const char *name);
/* The sentence of a refusal, for logs. */
const char *http_refusal_text(http_refusal refusal);

/* The value of a query parameter, unescaped: NULL not there, "" there without a value. Valid during
 * on_request(). */
const char *http_query(const struct http_request *request, const char *name);
/* Each parameter, in order, until `visit` gives false; a value that is not there is "". */
void http_query_each(const struct http_request *request,
                     bool (*visit)(void *context, const char *name, const char *value),
                     void *context);

/* There is room for more of its body. */
void http_body_resume(struct http *http, uint64_t id);

/* Copies the body. A second answer is ignored. A body over HTTP_ANSWER_MAX_BYTES or without memory
 * becomes a 500. */
void http_answer(struct http *http, uint64_t id, uint32_t status, const char *content_type,
                 struct bytes body);
/* {"error":{"code","text"}} */
void http_answer_error(struct http *http, uint64_t id, uint32_t status, const char *code,
                       const char *text);

/* Turns the request into a stream (status 200). ERR_NOT_FOUND; ERR_LIMIT: HTTP_STREAMS_MAX are open
 * (answer 503). With the content type text/event-stream silent times are filled with comments. */
MUST_CHECK error_code http_stream_open(struct http *http, uint64_t id, const char *content_type);
/* Queued, in order. ERR_NOT_FOUND: gone; ERR_LIMIT: its reader is too far behind and has just been
 * closed. */
MUST_CHECK error_code http_stream_write(struct http *http, uint64_t id, struct bytes bytes);
/* Bytes that may be queued now; 0 if it is gone. Who sends much waits for room instead of being
 * closed as too far behind. */
size_t http_stream_room(struct http *http, uint64_t id);
void http_stream_end(struct http *http, uint64_t id); /* what is queued still leaves */

#endif
