#include "net/link.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "net/zmq_socket.h"
#include "schema/messages.h"

/* Neither ZMQ_IMMEDIATE nor ZMQ_RECONNECT_IVL -1: with either libzmq throws away what came in
 * before a hang-up, so the head's last words (refused, leave) would be lost. What they are for, the
 * dealer has by sending only when it is up and by a new socket for each connection; libzmq's own
 * retry is put off until long after. There are no ZMTP heartbeats: who hears nothing of the head
 * connects anew by the agent's own clock, also when only libzmq's thread still answers. */
static const struct socket_option link_options_rows[] = {
    {ZMQ_LINGER, 0},
    {ZMQ_RECONNECT_IVL, 3600 * 1000},
    {ZMQ_SNDTIMEO, 0},
    {ZMQ_RCVTIMEO, 0},
    {ZMQ_SNDHWM, 4096},
    {ZMQ_RCVHWM, 1024},
    {ZMQ_HANDSHAKE_IVL, 10000},
    {ZMQ_CONNECT_TIMEOUT, 5000},
    {ZMQ_TCP_KEEPALIVE, 1},
    {ZMQ_TCP_KEEPALIVE_IDLE, 10},
    {ZMQ_TCP_KEEPALIVE_INTVL, 5},
    {ZMQ_TCP_KEEPALIVE_CNT, 3},
};

enum {
    LINK_LAST_WORD_MS = 100,
    LINK_EVENTS_REFUSED = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                          ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH,
    LINK_EVENTS_LOST =
        ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_CONNECT_RETRIED | LINK_EVENTS_REFUSED,
    LINK_EVENTS = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | LINK_EVENTS_LOST,
};

static error_code link_socket_open(struct link *link, const struct link_options *options,
                                   struct report *report)
{
    char routing_id[ROUTING_ID_TEXT_MAX];
    routing_id_print(&options->id, routing_id);
    link->socket = zmq_socket(options->zmq_context, ZMQ_DEALER);
    if (link->socket == NULL) {
        return net_fail(report, "make a DEALER socket");
    }
    error_code code =
        socket_options_set(link->socket, link_options_rows,
                           sizeof link_options_rows / sizeof link_options_rows[0], report);
    const struct socket_option family = {ZMQ_IPV6, options->is_v6};
    if (code == OK) {
        code = socket_options_set(link->socket, &family, 1, report);
    }
    if (code == OK) {
        code = socket_option_set_i64(link->socket, ZMQ_MAXMSGSIZE,
                                     MSG_MAX_BYTES + NET_WIRE_EXTRA_BYTES, report);
    }
    const struct {
        int option;
        const char *text;
    } texts[] = {
        {ZMQ_ROUTING_ID, routing_id},
        {ZMQ_CURVE_SERVERKEY, options->head_public},
        {ZMQ_CURVE_PUBLICKEY, options->keys->public_key},
        {ZMQ_CURVE_SECRETKEY, options->keys->secret_key},
    };
    for (size_t i = 0; code == OK && i < sizeof texts / sizeof texts[0]; i++) {
        code = socket_option_set_text(link->socket, texts[i].option, texts[i].text, report);
    }
    return code;
}

/* Before the connect, so that no event is missed. */
static error_code link_monitor_open(struct link *link, const struct link_options *options,
                                    struct report *report)
{
    static const struct socket_option rows[] = {{ZMQ_LINGER, 0}};
    char address[64];
    snprintf(address, sizeof address, "inproc://link-%" PRIu32, options->id.connection);
    if (zmq_socket_monitor(link->socket, address, LINK_EVENTS) != 0) {
        return net_fail(report, "watch a connection");
    }
    link->monitor = zmq_socket(options->zmq_context, ZMQ_PAIR);
    if (link->monitor == NULL) {
        return net_fail(report, "make a monitor socket");
    }
    error_code code = socket_options_set(link->monitor, rows, 1, report);
    if (code == OK && zmq_connect(link->monitor, address) != 0) {
        code = net_fail(report, "watch a connection");
    }
    return code;
}

error_code dealer_link_open(struct link *link, const struct link_options *options,
                            struct report *report)
{
    *link = (struct link){0};
    error_code code = link_socket_open(link, options, report);
    if (code == OK) {
        code = link_monitor_open(link, options, report);
    }
    if (code == OK && zmq_connect(link->socket, options->endpoint) != 0) {
        code = net_fail(report, "connect");
        report_add(report, " to %s", options->endpoint);
    }
    if (code == OK) {
        code = watch_open(options->uv, link->socket, &link->socket_watch);
    }
    if (code == OK) {
        code = watch_open(options->uv, link->monitor, &link->monitor_watch);
    }
    if (code != OK) {
        dealer_link_close(link);
    }
    return code;
}

void dealer_link_linger(struct link *link)
{
    const int linger_ms = LINK_LAST_WORD_MS;
    if (link->socket != NULL) {
        (void)zmq_setsockopt(link->socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    }
}

void dealer_link_close(struct link *link)
{
    watch_close(link->socket_watch);
    watch_close(link->monitor_watch);
    /* The events end before their reader goes: libzmq leaks an event that it cannot deliver. */
    if (link->socket != NULL) {
        zmq_socket_monitor(link->socket, NULL, 0);
    }
    if (link->monitor != NULL) {
        zmq_close(link->monitor);
    }
    if (link->socket != NULL) {
        zmq_close(link->socket);
    }
    *link = (struct link){0};
}

/* 0: nothing there. An event is two parts: number and value, then the address. */
static uint32_t monitor_receive(void *monitor)
{
    uint8_t head[6];
    int n = zmq_recv(monitor, head, sizeof head, ZMQ_DONTWAIT);
    if (n < 0) {
        return 0;
    }
    char address[256];
    if (zmq_recv(monitor, address, sizeof address, ZMQ_DONTWAIT) < 0 || n != (int)sizeof head) {
        return 0;
    }
    uint16_t event;
    memcpy(&event, head, sizeof event);
    return event;
}

link_event dealer_link_event_next(struct link *link)
{
    for (;;) {
        uint32_t event = monitor_receive(link->monitor);
        if (event == 0) {
            return LINK_NONE;
        }
        if ((event & LINK_EVENTS_REFUSED) != 0) {
            link->is_refused = true;
        }
        if ((event & LINK_EVENTS_LOST) != 0) {
            return LINK_LOST;
        }
        if ((event & ZMQ_EVENT_HANDSHAKE_SUCCEEDED) != 0) {
            return LINK_UP;
        }
    }
}

bool dealer_link_can_read(struct link *link)
{
    return link->socket != NULL &&
           (socket_can_read(link->socket) || socket_can_read(link->monitor));
}
