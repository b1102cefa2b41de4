/* net/router.h -- the head's ZeroMQ endpoint: a CURVE server that knows every frame's sender by its
 * public key. The loop's thread only; owned by the head's shell.
 *
 * Any CURVE key that knows the head's public key may connect; what an unknown key (a stranger) may
 * say is decided by on_frame(), which returns false for what it refuses. After a good enrolment the
 * shell calls router_peer_admit(): from then on that key owns its node's incarnation. A peer's
 * number stays the same over all its connections, until it is forgotten; numbers are never used
 * twice. */
#ifndef MUSTER_NET_ROUTER_H
#define MUSTER_NET_ROUTER_H

#include "base/buf.h"
#include "base/error.h"
#include "base/id.h"
#include "net/keys.h"
#include "net/shared_frame.h"
#include "sys/loop.h"

struct router;

enum {
    ROUTER_PEERS_MAX = 20000,     /* admitted */
    ROUTER_STRANGERS_MAX = 1024,  /* the one silent longest goes first */
    ROUTER_FRAMES_PER_TURN = 512, /* then the loop's other work gets its turn */
    ROUTER_BYTES_PER_TURN = 8 << 20,
    ROUTER_ENDPOINT_MAX = 256,
    ROUTER_LINGER_MS = 100,
};

/* name, sentence for the log */
#define ROUTER_REFUSALS(X)                                                                         \
    X(REFUSED_HANDSHAKE, "a connection that is not CURVE in our domain")                           \
    X(REFUSED_MALFORMED, "a message that is not one frame of allowed size")                        \
    X(REFUSED_BAD_ID, "a routing id that is not <node>/<incarnation>/<connection>/<nonce>")        \
    X(REFUSED_FOREIGN_ID, "a routing id that belongs to another key")                              \
    X(REFUSED_SECOND_ID, "a second node or incarnation under one key")                             \
    X(REFUSED_STALE, "a frame of a connection that its sender has replaced")                       \
    X(REFUSED_CROWD, "a new key while there is no room for it")                                    \
    X(REFUSED_FRAME, "a frame that its sender may not send or that does not decode")

typedef enum {
#define X(name, text) name,
    ROUTER_REFUSALS(X)
#undef X
        ROUTER_REFUSALS_COUNT
} router_refusal;

/* The sentence of a refusal, for logs. */
const char *router_refusal_text(router_refusal refusal);

struct router_peer {
    uint64_t number;
    const char *node; /* as the peer calls itself; proven only once admitted */
    uint64_t incarnation;
    const char *public_key; /* Z85 */
    uint32_t
        connection; /* counts its connections; the first frame of a new one must be MSG_ENROL */
    bool is_admitted;
};

struct router_counters {
    uint64_t frames_in, bytes_in;
    uint64_t frames_out, bytes_out;
    uint64_t refused[ROUTER_REFUSALS_COUNT];
    uint64_t unreachable; /* frames for peers without a connection */
    uint64_t full;        /* frames for peers whose queue was full */
    uint32_t peers, strangers;
};

/* Everything is borrowed for the call. False: refused (not decodable, or not allowed to this peer).
 * The callback may send, admit and forget, but not free the router. */
typedef bool router_frame_fn(void *context, time_ms now, const struct router_peer *peer,
                             struct bytes frame);
/* Something of this kind was refused for the first time in this router's life. `who`: node or
 * routing id as far as it can be printed, or "". */
typedef void router_notice_fn(void *context, router_refusal refusal, const char *who);

/* Some router_peer_queued() is less than it was. */
typedef void router_room_fn(void *context);

struct router_options {
    const struct key_pair *keys; /* copied */
    router_frame_fn *on_frame;
    router_notice_fn *on_notice; /* NULL: nobody cares */
    router_room_fn *on_room;     /* NULL: nobody cares */
    void *context;
    uint32_t peers_max;       /* 0: ROUTER_PEERS_MAX */
    uint32_t strangers_max;   /* 0: ROUTER_STRANGERS_MAX */
    uint32_t frames_per_turn; /* 0: ROUTER_FRAMES_PER_TURN */
};

MUST_CHECK error_code router_new(struct loop *loop, const struct router_options *options,
                                 struct router **ret_router, struct report *report);
/* May block up to ROUTER_LINGER_MS while frames for slow peers leave. NULL is fine. */
void router_free(struct router *router);
/* ipc://PATH (107 bytes at most; a leftover file is replaced) or tcp://HOST:PORT (PORT may be *).
 * ret_endpoint (may be NULL) is what a dealer connects to. ERR_BUSY: in use; ERR_LIMIT: path too
 * long. */
MUST_CHECK error_code router_bind(struct router *router, const char *endpoint,
                                  char ret_endpoint[ROUTER_ENDPOINT_MAX], struct report *report);

/* Copies the frame. Never blocks. ERR_UNREACHABLE: the peer has no connection now (it enrols when
 * it is back, and is told everything then); ERR_AGAIN: its queue is full; ERR_LIMIT: larger than
 * MSG_MAX_BYTES. */
MUST_CHECK error_code router_send(struct router *router, uint64_t peer, struct bytes frame);
/* The same without a copy: the frame's memory lives until libzmq has encrypted it. */
MUST_CHECK error_code router_send_shared(struct router *router, uint64_t peer,
                                         struct shared_frame *frame);
/* Bytes of shared frames that wait inside libzmq for this peer's connection. An agent that does not
 * read makes its frames wait there: who sends many bounds them by this. */
size_t router_peer_queued(const struct router *router, uint64_t peer);
size_t router_queued(const struct router *router); /* the same of all peers together */
/* When the last frame was sent over its connection of now; 0: none. */
time_ms router_peer_told_at(const struct router *router, uint64_t peer);
/* ERR_NOT_FOUND, ERR_LIMIT; ERR_CONFLICT: another key owns that incarnation. */
MUST_CHECK error_code router_peer_admit(struct router *router, uint64_t peer);
/* A stranger again, that can still be answered: an enrolment that was refused after the admission
 * keeps no place among the admitted. */
void router_peer_dismiss(struct router *router, uint64_t peer);
/* Its key is a stranger again, with a new number, if it ever speaks again. */
void router_peer_forget(struct router *router, uint64_t peer);
const struct router_counters *router_counters(struct router *router);

#endif
