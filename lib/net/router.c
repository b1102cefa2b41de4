#include "net/router.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "base/mem.h"
#include "net/router_inside.h"
#include "net/zap.h"
#include "net/zmq_socket.h"
#include "schema/messages.h"

/* ZMQ_ZAP_ENFORCE_DOMAIN, which some releases' headers hide among the drafts. */
enum { ROUTER_OPTION_ZAP_ENFORCE_DOMAIN = 93 };
enum { ROUTER_ZAP_PER_TURN = 256, ROUTER_CONTEXT_SOCKETS_MAX = 16 };

/* RCVHWM is small: one hostile peer may make libzmq keep that many frames of MSG_MAX_BYTES. SNDHWM
 * counts the frames of one peer; what is in flight to an agent stays far below half of it.
 * HANDSHAKE_IVL ends who connects and is silent; 5,000 agents that come back together need 5.5 s
 * for their handshakes. There are no ZMTP heartbeats: each would cost two wakeups. A dead peer
 * is found by the kernel: by keepalive where nothing is under way to it, else by MAXRT. */
static const struct socket_option router_options_rows[] = {
    {ZMQ_LINGER, ROUTER_LINGER_MS},
    {ZMQ_ROUTER_MANDATORY, 1},
    {ZMQ_SNDTIMEO, 0},
    {ZMQ_RCVTIMEO, 0},
    {ZMQ_SNDHWM, 4096},
    {ZMQ_RCVHWM, 128},
    {ZMQ_BACKLOG, 4096},
    {ZMQ_HANDSHAKE_IVL, 10000},
    {ZMQ_TCP_KEEPALIVE, 1},
    {ZMQ_TCP_KEEPALIVE_IDLE, 10},
    {ZMQ_TCP_KEEPALIVE_INTVL, 5},
    {ZMQ_TCP_KEEPALIVE_CNT, 3},
    {ZMQ_TCP_MAXRT, 30000},
    {ZMQ_CURVE_SERVER, 1},
};

const char *router_refusal_text(router_refusal refusal)
{
    static const char *const texts[] = {
#define X(name, text) [name] = text,
        ROUTER_REFUSALS(X)
#undef X
    };
    return refusal < ROUTER_REFUSALS_COUNT ? texts[refusal] : "?";
}

static void router_refuse(struct router *router, router_refusal refusal, struct bytes who)
{
    if (router->counters.refused[refusal]++ > 0 || router->on_notice == NULL) {
        return;
    }
    char text[ROUTING_ID_TEXT_MAX];
    size_t n = 0;
    for (size_t i = 0; i < who.len && n + 1 < sizeof text; i++) {
        text[n++] = who.data[i] >= ' ' && who.data[i] <= '~' ? (char)who.data[i] : '?';
    }
    text[n] = '\0';
    router->on_notice(router->context, refusal, text);
}

/* One message: routing id and frame, both inited. */
struct incoming {
    zmq_msg_t route;
    zmq_msg_t frame;
    bool is_sound; /* exactly these two parts */
};

static struct bytes message_bytes(zmq_msg_t *message)
{
    return (struct bytes){zmq_msg_data(message), zmq_msg_size(message)};
}

/* False: nothing there. What is more than two parts is read to its end and thrown away. */
static bool router_receive(void *socket, struct incoming *incoming)
{
    zmq_msg_init(&incoming->route);
    zmq_msg_init(&incoming->frame);
    incoming->is_sound = false;
    if (zmq_msg_recv(&incoming->route, socket, ZMQ_DONTWAIT) < 0) {
        return false;
    }
    if (!zmq_msg_more(&incoming->route)) {
        return true;
    }
    if (zmq_msg_recv(&incoming->frame, socket, ZMQ_DONTWAIT) < 0) {
        return true;
    }
    incoming->is_sound = !zmq_msg_more(&incoming->frame);
    int more = !incoming->is_sound;
    while (more) {
        zmq_msg_t rest;
        zmq_msg_init(&rest);
        more = zmq_msg_recv(&rest, socket, ZMQ_DONTWAIT) >= 0 && zmq_msg_more(&rest);
        zmq_msg_close(&rest);
    }
    return true;
}

static void incoming_fini(struct incoming *incoming)
{
    zmq_msg_close(&incoming->route);
    zmq_msg_close(&incoming->frame);
}

static void router_frame_take(struct router *router, time_ms now, struct incoming *incoming)
{
    struct bytes route = message_bytes(&incoming->route);
    struct bytes frame = message_bytes(&incoming->frame);
    router->counters.frames_in++;
    router->counters.bytes_in += frame.len;
    const char *public_key = incoming->is_sound ? zmq_msg_gets(&incoming->frame, "User-Id") : NULL;
    if (public_key == NULL || frame.len == 0 || frame.len > MSG_MAX_BYTES) {
        router_refuse(router, REFUSED_MALFORMED, route);
        return;
    }
    struct router_peer peer;
    router_refusal refusal;
    if (!peers_hear(router->peers, public_key, route, &peer, &refusal)) {
        router_refuse(router, refusal, route);
        return;
    }
    char node[NODE_NAME_MAX + 1]; /* the callback may forget the peer */
    memcpy(node, peer.node, strlen(peer.node) + 1);
    if (!router->on_frame(router->context, now, &peer, frame)) {
        router_refuse(router, REFUSED_FRAME, (struct bytes){(const uint8_t *)node, strlen(node)});
    }
}

static bool router_source(void *context, time_ms now)
{
    struct router *router = context;
    turn_stage before = turn_enter(loop_clock(router->loop), TURN_DECODE);
    uint64_t denied = 0;
    bool has_more = zap_serve(router->zap, ROUTER_ZAP_PER_TURN, &denied);
    for (uint64_t i = 0; i < denied; i++) {
        router_refuse(router, REFUSED_HANDSHAKE, (struct bytes){NULL, 0});
    }

    router->is_reading = true;
    size_t bytes = 0;
    bool is_empty = false;
    for (uint32_t i = 0; i < router->frames_per_turn && bytes < ROUTER_BYTES_PER_TURN && !is_empty;
         i++) {
        struct incoming incoming;
        is_empty = !router_receive(router->socket, &incoming);
        if (!is_empty) {
            bytes += zmq_msg_size(&incoming.frame);
            router_frame_take(router, now, &incoming);
        }
        incoming_fini(&incoming);
    }
    router->is_reading = false;
    has_more = socket_can_read(router->socket) || zap_can_read(router->zap) || has_more;
    turn_back(loop_clock(router->loop), before);
    return has_more;
}

static error_code router_socket_open(struct router *router, const struct key_pair *keys,
                                     struct report *report)
{
    router->zmq_context = zmq_ctx_new();
    if (router->zmq_context == NULL) {
        return net_fail(report, "start ZeroMQ");
    }
    zmq_ctx_set(router->zmq_context, ZMQ_MAX_SOCKETS, ROUTER_CONTEXT_SOCKETS_MAX);
    error_code code = zap_open(loop_uv(router->loop), router->zmq_context, &router->zap, report);
    if (code != OK) {
        return code;
    }
    router->socket = zmq_socket(router->zmq_context, ZMQ_ROUTER);
    if (router->socket == NULL) {
        return net_fail(report, "make a ROUTER socket");
    }
    code = socket_option_set_text(router->socket, ZMQ_ZAP_DOMAIN, ZAP_DOMAIN, report);
    if (code == OK) {
        code =
            socket_options_set(router->socket, router_options_rows,
                               sizeof router_options_rows / sizeof router_options_rows[0], report);
    }
    if (code == OK) {
        code = socket_option_set_i64(router->socket, ZMQ_MAXMSGSIZE,
                                     MSG_MAX_BYTES + NET_WIRE_EXTRA_BYTES, report);
    }
    if (code == OK) {
        code =
            socket_option_set_text(router->socket, ZMQ_CURVE_SECRETKEY, keys->secret_key, report);
    }
    return code;
}

/* ---- life ---- */

error_code router_new(struct loop *loop, const struct router_options *options,
                      struct router **ret_router, struct report *report)
{
    struct router *router = mem_zalloc(sizeof *router);
    if (router == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    router->loop = loop;
    router->on_frame = options->on_frame;
    router->on_notice = options->on_notice;
    router->on_room = options->on_room;
    router->context = options->context;
    router->frames_per_turn =
        options->frames_per_turn > 0 ? options->frames_per_turn : ROUTER_FRAMES_PER_TURN;
    error_code code = peers_new(
        options->peers_max > 0 ? options->peers_max : ROUTER_PEERS_MAX,
        options->strangers_max > 0 ? options->strangers_max : ROUTER_STRANGERS_MAX, &router->peers);
    if (code == OK) {
        code = router_socket_open(router, options->keys, report);
    }
    if (code == OK) {
        code = router_room_open(router);
    }
    if (code == OK) {
        code = watch_open(loop_uv(loop), router->socket, &router->watch);
    }
    if (code == OK) {
        code = loop_source_add(loop, router_source, router);
        router->is_sourced = code == OK;
    }
    if (code != OK) {
        router_free(router);
        return code;
    }
    *ret_router = router;
    return OK;
}

void router_free(struct router *router)
{
    if (router == NULL) {
        return;
    }
    assert(!router->is_reading);
    if (router->is_sourced) {
        loop_source_remove(router->loop, router_source, router);
    }
    watch_close(router->watch);
    if (router->socket != NULL) {
        zmq_close(router->socket);
    }
    zap_close(router->zap);
    if (router->zmq_context != NULL) {
        while (zmq_ctx_term(router->zmq_context) != 0 && zmq_errno() == EINTR) {
        }
    }
    peers_free(router->peers);
    router_room_close(router); /* only now: frames that libzmq still held have told it */
    mem_free(router);
}

error_code router_bind(struct router *router, const char *endpoint,
                       char ret_endpoint[ROUTER_ENDPOINT_MAX], struct report *report)
{
    /* An IPv4 address of an IPv6 socket would be told as ::ffff:A.B.C.D. */
    const struct socket_option family = {ZMQ_IPV6, strchr(endpoint, '[') != NULL ||
                                                       strstr(endpoint, "//*") != NULL};
    error_code set = socket_options_set(router->socket, &family, 1, report);
    if (set != OK) {
        return set;
    }
    if (zmq_bind(router->socket, endpoint) != 0) {
        error_code code = net_fail(report, "listen");
        report_add(report, " on %s", endpoint);
        return code;
    }
    loop_again(router->loop);
    if (ret_endpoint != NULL) {
        size_t size = ROUTER_ENDPOINT_MAX;
        if (zmq_getsockopt(router->socket, ZMQ_LAST_ENDPOINT, ret_endpoint, &size) != 0) {
            return net_fail(report, "read the listener's address");
        }
    }
    return OK;
}

error_code router_peer_admit(struct router *router, uint64_t peer)
{
    return peers_admit(router->peers, peer);
}

void router_peer_dismiss(struct router *router, uint64_t peer)
{
    peers_dismiss(router->peers, peer);
}

void router_peer_forget(struct router *router, uint64_t peer)
{
    peers_forget(router->peers, peer);
}

const struct router_counters *router_counters(struct router *router)
{
    router->counters.peers = peers_count(router->peers, true);
    router->counters.strangers = peers_count(router->peers, false);
    return &router->counters;
}
