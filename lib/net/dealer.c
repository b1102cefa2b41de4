#include "net/dealer.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "base/mem.h"
#include "net/address.h"
#include "net/link.h"
#include "net/received_inside.h"
#include "net/zmq_socket.h"
#include "schema/messages.h"

enum { DEALER_CONTEXT_SOCKETS_MAX = 64, DEALER_STEADY_MS = 1000 };

typedef enum { DEALER_WAITING, DEALER_CONNECTING, DEALER_UP } dealer_state;

struct dealer_timer {
    uv_timer_t timer;
    struct dealer *dealer;
};

struct dealer {
    struct loop *loop;
    struct dealer_callbacks callbacks;
    char endpoint[NET_ENDPOINT_MAX];
    char head_public[KEY_TEXT_BYTES];
    struct key_pair keys;
    struct routing_id id;
    uint32_t retry_max_ms;
    net_host_kind host_kind;
    bool is_v6; /* the family that is tried next, if the host is a name */

    void *zmq_context;
    struct link link;           /* open unless WAITING */
    struct dealer_timer *timer; /* WAITING: the next attempt; CONNECTING: its end */
    dealer_state state;
    uint64_t outage_since_ms; /* of uv_now() */
    uint64_t up_since_ms;
    bool must_reconnect;
    int64_t reconnect_delay_ms;
    bool is_sourced;
    zmq_msg_t *message; /* whose callback runs; NULL: none */
    bool is_calling;    /* guards against dealer_close() in a callback */
    struct dealer_counters counters;
};

static void on_dealer_timer(uv_timer_t *timer);

static uint64_t dealer_now_ms(const struct dealer *dealer)
{
    return uv_now(loop_uv(dealer->loop));
}

static void dealer_timer_start(struct dealer *dealer, uint64_t delay_ms)
{
    int rc = uv_timer_start(&dealer->timer->timer, on_dealer_timer, delay_ms, 0);
    assert(rc == 0);
    (void)rc;
}

static error_code dealer_connect(struct dealer *dealer, struct report *report)
{
    dealer->id.connection++;
    randombytes_buf(&dealer->id.nonce, sizeof dealer->id.nonce);
    const struct link_options options = {
        .zmq_context = dealer->zmq_context,
        .uv = loop_uv(dealer->loop),
        .endpoint = dealer->endpoint,
        .is_v6 = dealer->is_v6,
        .head_public = dealer->head_public,
        .keys = &dealer->keys,
        .id = dealer->id,
    };
    error_code code = dealer_link_open(&dealer->link, &options, report);
    if (code == OK) {
        dealer->counters.connects++;
        dealer->state = DEALER_CONNECTING;
        dealer_timer_start(dealer, DEALER_HANDSHAKE_MS);
        loop_again(
            dealer
                ->loop); /* what came between the connect and the watches has no edge of its own */
    }
    return code;
}

/* A wait is about a quarter of the outage so far: a head that restarts is found within
 * milliseconds, one that is away for an hour is not hammered, and the spread of half to one and a
 * half keeps many agents apart. For some minutes it stays short, so that agents which were started
 * before their head are all there a moment after it. A connection that did not live for
 * DEALER_STEADY_MS has not ended the outage. */
static void dealer_wait(struct dealer *dealer, int64_t at_least_ms)
{
    uint64_t outage_ms = dealer_now_ms(dealer) - dealer->outage_since_ms;
    uint64_t wait_ms = outage_ms / 4, max_ms = dealer->retry_max_ms;
    if (outage_ms < DEALER_FRESH_MS && max_ms > DEALER_RETRY_FRESH_MS) {
        max_ms = DEALER_RETRY_FRESH_MS;
    }
    if (wait_ms > max_ms) {
        wait_ms = max_ms;
    }
    if (wait_ms < DEALER_RETRY_MIN_MS) {
        wait_ms = DEALER_RETRY_MIN_MS;
    }
    wait_ms = wait_ms / 2 + randombytes_uniform((uint32_t)wait_ms);
    if (at_least_ms > 0 && wait_ms < (uint64_t)at_least_ms) {
        wait_ms = (uint64_t)at_least_ms;
    }
    dealer->state = DEALER_WAITING;
    dealer_timer_start(dealer, wait_ms);
}

/* Up or not, this link is over. */
static void dealer_link_end(struct dealer *dealer, time_ms now, int64_t delay_ms)
{
    bool was_up = dealer->state == DEALER_UP;
    uint64_t now_ms = dealer_now_ms(dealer);
    if (was_up && now_ms - dealer->up_since_ms >= DEALER_STEADY_MS) {
        dealer->outage_since_ms = now_ms;
    }
    /* A name may have addresses of both families, and the head listens on one of them only. */
    dealer->is_v6 = !was_up && dealer->host_kind == NET_HOST_NAME ? !dealer->is_v6 : dealer->is_v6;
    if (dealer->link.is_refused) {
        dealer->counters.handshakes_failed++;
    }
    dealer_link_close(&dealer->link);
    dealer_wait(dealer, delay_ms);
    if (was_up) {
        dealer->counters.downs++;
        dealer->callbacks.on_down(dealer->callbacks.context, now);
    }
}

static void on_dealer_timer(uv_timer_t *timer)
{
    struct dealer *dealer = ((struct dealer_timer *)timer->data)->dealer;
    if (dealer->state == DEALER_CONNECTING) {
        dealer_link_end(dealer, 0, 0);
    } else if (dealer->state == DEALER_WAITING && dealer_connect(dealer, NULL) != OK) {
        dealer_wait(dealer, 0); /* no descriptors or no memory now */
    }
}

/* False: nothing there. */
static bool dealer_frame_take(struct dealer *dealer, time_ms now)
{
    zmq_msg_t message;
    zmq_msg_init(&message);
    if (zmq_msg_recv(&message, dealer->link.socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&message);
        return false;
    }
    if (zmq_msg_more(&message)) {
        dealer->counters.malformed++;
        while (zmq_msg_more(&message) &&
               zmq_msg_recv(&message, dealer->link.socket, ZMQ_DONTWAIT) >= 0) {
        }
    } else {
        struct bytes frame = {zmq_msg_data(&message), zmq_msg_size(&message)};
        dealer->counters.frames_in++;
        dealer->counters.bytes_in += frame.len;
        dealer->message = &message;
        dealer->callbacks.on_frame(dealer->callbacks.context, now, frame);
        dealer->message = NULL;
    }
    zmq_msg_close(&message);
    return true;
}

static void dealer_events_take(struct dealer *dealer, time_ms now)
{
    while (dealer->state != DEALER_WAITING) {
        switch (dealer_link_event_next(&dealer->link)) {
        case LINK_NONE:
            return;
        case LINK_UP:
            dealer->state = DEALER_UP;
            dealer->up_since_ms = dealer_now_ms(dealer);
            dealer->counters.ups++;
            uv_timer_stop(&dealer->timer->timer);
            dealer->callbacks.on_up(dealer->callbacks.context, now);
            break;
        case LINK_LOST:
            /* The last words of the head (leave, refused) lie in the pipe: at most its high-water
             * mark. */
            while (dealer->state == DEALER_UP && dealer_frame_take(dealer, now)) {
            }
            dealer_link_end(dealer, now, 0);
            break;
        }
    }
}

static bool dealer_source(void *context, time_ms now)
{
    struct dealer *dealer = context;
    dealer->is_calling = true;
    if (dealer->must_reconnect && dealer->state != DEALER_WAITING) {
        dealer_link_end(dealer, now, dealer->reconnect_delay_ms);
    } else if (dealer->must_reconnect) {
        dealer_wait(dealer, dealer->reconnect_delay_ms);
    }
    dealer->must_reconnect = false;
    dealer_events_take(dealer, now);
    for (uint32_t i = 0; i < DEALER_FRAMES_PER_TURN && dealer->state == DEALER_UP; i++) {
        if (!dealer_frame_take(dealer, now)) {
            break;
        }
    }
    dealer->is_calling = false;
    return dealer->must_reconnect || dealer_link_can_read(&dealer->link);
}

static void on_dealer_timer_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

static error_code dealer_timer_open(struct dealer *dealer)
{
    struct dealer_timer *timer = mem_zalloc(sizeof *timer);
    if (timer == NULL) {
        return ERR_NO_MEMORY;
    }
    timer->timer.data = timer;
    timer->dealer = dealer;
    int rc = uv_timer_init(loop_uv(dealer->loop), &timer->timer);
    if (rc != 0) {
        mem_free(timer);
        return error_from_errno(-rc);
    }
    dealer->timer = timer;
    return OK;
}

static error_code dealer_options_take(struct dealer *dealer, const struct dealer_options *options,
                                      struct report *report)
{
    uint8_t key[KEY_BYTES];
    size_t length = strlen(options->endpoint);
    if (length >= sizeof dealer->endpoint || (strncmp(options->endpoint, "ipc://", 6) != 0 &&
                                              strncmp(options->endpoint, "tcp://", 6) != 0)) {
        return report_fail(report, ERR_INVALID,
                           "'%.200s' is no address of a head (ipc://PATH or tcp://HOST:PORT)",
                           options->endpoint);
    }
    if (!node_name_is_valid(options->node)) {
        return report_fail(report, ERR_INVALID,
                           "'%.80s' is no node name: 1 to %d characters of [A-Za-z0-9._-]",
                           options->node, NODE_NAME_MAX);
    }
    if (key_decode(options->head_public, key) != OK) {
        return report_fail(report, ERR_INVALID, "the head's public key is no CURVE key");
    }
    memcpy(dealer->endpoint, options->endpoint, length + 1);
    if (strncmp(options->endpoint, "tcp://", 6) == 0) {
        struct net_address address;
        error_code code =
            net_address_parse(options->endpoint, "tcp", NET_PORT_AGENTS, &address, report);
        if (code != OK) {
            return code;
        }
        if (address.port == 0 || address.kind == NET_HOST_ANY) {
            return report_fail(report, ERR_INVALID,
                               "'%.200s' is no address of a head: it wants a host and a port",
                               options->endpoint);
        }
        net_address_endpoint(&address, dealer->endpoint);
        dealer->host_kind = address.kind;
        dealer->is_v6 = address.kind == NET_HOST_V6;
    }
    memcpy(dealer->head_public, options->head_public, KEY_TEXT_BYTES);
    snprintf(dealer->id.node, sizeof dealer->id.node, "%s", options->node);
    dealer->id.incarnation = options->incarnation;
    dealer->retry_max_ms = options->retry_max_ms > 0 ? options->retry_max_ms : DEALER_RETRY_MAX_MS;
    if (options->keys != NULL) {
        dealer->keys = *options->keys;
        return OK;
    }
    error_code code = key_pair_new(&dealer->keys);
    return code == OK ? OK : report_fail(report, code, "cannot make a CURVE key pair");
}

error_code dealer_open(struct loop *loop, const struct dealer_options *options,
                       const struct dealer_callbacks *callbacks, struct dealer **ret_dealer,
                       struct report *report)
{
    struct dealer *dealer = mem_zalloc(sizeof *dealer);
    if (dealer == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    dealer->loop = loop;
    dealer->callbacks = *callbacks;
    error_code code = dealer_options_take(dealer, options, report);
    if (code == OK) {
        code = dealer_timer_open(dealer);
    }
    if (code == OK) {
        code = loop_source_add(loop, dealer_source, dealer);
        dealer->is_sourced = code == OK;
    }
    if (code == OK) {
        dealer->zmq_context = zmq_ctx_new();
        code = dealer->zmq_context == NULL ? net_fail(report, "start ZeroMQ") : OK;
    }
    if (code == OK) {
        zmq_ctx_set(dealer->zmq_context, ZMQ_MAX_SOCKETS, DEALER_CONTEXT_SOCKETS_MAX);
        dealer->outage_since_ms = dealer_now_ms(dealer);
        code = dealer_connect(dealer, report);
    }
    if (code != OK) {
        dealer_close(dealer);
        return code;
    }
    *ret_dealer = dealer;
    return OK;
}

void dealer_close(struct dealer *dealer)
{
    if (dealer == NULL) {
        return;
    }
    assert(!dealer->is_calling);
    if (dealer->is_sourced) {
        loop_source_remove(dealer->loop, dealer_source, dealer);
    }
    if (dealer->state == DEALER_UP) {
        dealer_link_linger(&dealer->link);
    }
    dealer_link_close(&dealer->link);
    if (dealer->timer != NULL) {
        uv_close((uv_handle_t *)&dealer->timer->timer, on_dealer_timer_closed);
    }
    if (dealer->zmq_context != NULL) {
        while (zmq_ctx_term(dealer->zmq_context) != 0 && zmq_errno() == EINTR) {
        }
    }
    key_pair_fini(&dealer->keys);
    mem_free(dealer);
}

bool dealer_is_up(const struct dealer *dealer)
{
    return dealer->state == DEALER_UP;
}

error_code dealer_send(struct dealer *dealer, struct bytes frame)
{
    if (frame.len == 0 || frame.len > MSG_MAX_BYTES) {
        return ERR_LIMIT;
    }
    if (dealer->state != DEALER_UP) {
        return ERR_UNREACHABLE;
    }
    error_code code =
        socket_send(dealer->link.socket, frame.data, frame.len, 0) ? OK : net_error(zmq_errno());
    if (code == OK) {
        dealer->counters.frames_out++;
        dealer->counters.bytes_out += frame.len;
    }
    if (dealer_link_can_read(&dealer->link)) {
        loop_again(dealer->loop);
    }
    return code;
}

struct received_frame *dealer_frame_keep(struct dealer *dealer)
{
    assert(dealer->message != NULL);
    return received_frame_take(dealer->message);
}

void dealer_reconnect(struct dealer *dealer, int64_t delay_ms)
{
    dealer->must_reconnect = true;
    dealer->reconnect_delay_ms = delay_ms;
    loop_again(dealer->loop);
}

const struct dealer_counters *dealer_counters(const struct dealer *dealer)
{
    return &dealer->counters;
}
