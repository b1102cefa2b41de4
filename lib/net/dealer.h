/* net/dealer.h -- an agent's ZeroMQ endpoint: one CURVE connection to the head, kept alive by
 * itself. The loop's thread only; owned by the agent's shell. One dealer for an incarnation of the
 * agent.
 *
 * Every connection is a new socket with a routing id of its own: nothing queued for a lost
 * connection is ever sent on the next one, so after on_up() the agent enrols and sends again what
 * is not acknowledged. The callbacks come only out of the loop's turn (never out of dealer_send()
 * or dealer_reconnect()), always in the order up, frames, down. They may call everything here but
 * dealer_close(). */
#ifndef MUSTER_NET_DEALER_H
#define MUSTER_NET_DEALER_H

#include "base/buf.h"
#include "base/error.h"
#include "base/id.h"
#include "net/keys.h"
#include "net/received_frame.h"
#include "sys/loop.h"

struct dealer;

enum {
    DEALER_FRAMES_PER_TURN = 512,
    DEALER_RETRY_MIN_MS = 10,
    DEALER_RETRY_MAX_MS = 5000,  /* the default of retry_max_ms */
    DEALER_RETRY_FRESH_MS = 400, /* at most, in the first minutes of an outage */
    DEALER_FRESH_MS = 300000,
    DEALER_HANDSHAKE_MS = 10000, /* a connection that is not up by then is given up */
};

struct dealer_callbacks {
    void (*on_up)(void *context,
                  time_ms now); /* handshake done: the head has the key it must have */
    void (*on_down)(void *context, time_ms now); /* was up and is not any more; retried already */
    void (*on_frame)(void *context, time_ms now, struct bytes frame); /* borrowed for the call */
    void *context;
};

/* Everything is copied. */
struct dealer_options {
    const char *endpoint;        /* ipc://PATH or tcp://HOST:PORT */
    const char *head_public;     /* Z85; a head with another key never gets up */
    const struct key_pair *keys; /* of this incarnation; NULL: a new pair */
    const char *node;            /* NODE_NAME_MAX characters of [A-Za-z0-9._-] */
    uint64_t incarnation;
    uint32_t retry_max_ms; /* 0: DEALER_RETRY_MAX_MS */
};

struct dealer_counters {
    uint64_t frames_in, bytes_in;
    uint64_t frames_out, bytes_out;
    uint64_t connects; /* sockets opened */
    uint64_t ups, downs;
    uint64_t handshakes_failed; /* refused or spoilt: wrong key, not a head */
    uint64_t malformed;
};

/* Starts to connect; whether anybody is there shows later. ERR_INVALID: endpoint, key or node name.
 */
MUST_CHECK error_code dealer_open(struct loop *loop, const struct dealer_options *options,
                                  const struct dealer_callbacks *callbacks,
                                  struct dealer **ret_dealer, struct report *report);
/* What is still queued is lost. NULL is fine. */
void dealer_close(struct dealer *dealer);
bool dealer_is_up(const struct dealer *dealer);
/* Copies the frame. Never blocks. ERR_UNREACHABLE: not up (on_up will come); ERR_AGAIN: the queue
 * is full; ERR_LIMIT: larger than MSG_MAX_BYTES. */
MUST_CHECK error_code dealer_send(struct dealer *dealer, struct bytes frame);
/* In on_frame() only: its frame is the caller's from now on, at another place, and what the
 * callback was given is void. NULL: no memory, and nothing has changed. */
struct received_frame *dealer_frame_keep(struct dealer *dealer);
/* Gives the connection up (a head that says nothing) and makes a new one `delay_ms` later;
 * on_down() comes in the next turn if it was up. */
void dealer_reconnect(struct dealer *dealer, int64_t delay_ms);
const struct dealer_counters *dealer_counters(const struct dealer *dealer);

#endif
