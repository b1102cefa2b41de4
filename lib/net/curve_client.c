#include "net/curve_client.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "base/mem.h"
#include "net/address.h"
#include "net/keys.h"
#include "net/zmq_socket.h"
#include "schema/messages.h"

struct curve_clients {
    void *zmq_context;
    atomic_uint last_number; /* names the monitors */
};

struct curve_client {
    void *socket;  /* DEALER */
    void *monitor; /* tells when the connection is lost */
    zmq_msg_t frame;
    bool is_lost;
};

enum {
    CLIENT_EVENTS_LOST = ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_CONNECT_RETRIED |
                         ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                         ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH,
};

error_code curve_clients_new(int io_threads, struct curve_clients **ret_clients,
                             struct report *report)
{
    struct curve_clients *clients = mem_zalloc(sizeof *clients);
    if (clients == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    clients->zmq_context = zmq_ctx_new();
    if (clients->zmq_context == NULL) {
        mem_free(clients);
        return net_fail(report, "start ZeroMQ");
    }
    zmq_ctx_set(clients->zmq_context, ZMQ_IO_THREADS, io_threads);
    *ret_clients = clients;
    return OK;
}

void curve_clients_end(struct curve_clients *clients)
{
    zmq_ctx_shutdown(clients->zmq_context);
}

void curve_clients_free(struct curve_clients *clients)
{
    if (clients != NULL) {
        while (zmq_ctx_term(clients->zmq_context) != 0 && zmq_errno() == EINTR) {
        }
        mem_free(clients);
    }
}

/* ---- one client ---- */

/* Its key names nobody: what is asked for is admitted by what the frames say. libzmq's own retry is
 * put off until long after, for whoever has lost its connection is told. */
static error_code client_options_set(struct curve_client *client, const char *server_key,
                                     const struct net_address *address, int answers_max,
                                     struct report *report)
{
    const struct socket_option rows[] = {
        {ZMQ_LINGER, 0},
        {ZMQ_RECONNECT_IVL, 3600 * 1000},
        {ZMQ_SNDHWM, 256},
        {ZMQ_RCVHWM, answers_max},
        {ZMQ_HANDSHAKE_IVL, 10000},
        {ZMQ_CONNECT_TIMEOUT, 5000},
        {ZMQ_TCP_KEEPALIVE, 1},
        {ZMQ_TCP_KEEPALIVE_IDLE, 10},
        {ZMQ_TCP_KEEPALIVE_INTVL, 5},
        {ZMQ_TCP_KEEPALIVE_CNT, 3},
        {ZMQ_IPV6, address->kind == NET_HOST_V6},
    };
    struct key_pair keys;
    error_code code = key_pair_new(&keys);
    if (code != OK) {
        return report_fail(report, code, "cannot make a key pair: %s", error_word(code));
    }
    code = socket_options_set(client->socket, rows, sizeof rows / sizeof rows[0], report);
    if (code == OK) {
        code = socket_option_set_i64(client->socket, ZMQ_MAXMSGSIZE,
                                     MSG_MAX_BYTES + NET_WIRE_EXTRA_BYTES, report);
    }
    const struct {
        int option;
        const char *text;
    } texts[] = {
        {ZMQ_CURVE_SERVERKEY, server_key},
        {ZMQ_CURVE_PUBLICKEY, keys.public_key},
        {ZMQ_CURVE_SECRETKEY, keys.secret_key},
    };
    for (size_t i = 0; code == OK && i < sizeof texts / sizeof texts[0]; i++) {
        code = socket_option_set_text(client->socket, texts[i].option, texts[i].text, report);
    }
    key_pair_fini(&keys);
    return code;
}

/* Before the connect, so that no event is missed. */
static error_code client_monitor_open(struct curve_clients *clients, struct curve_client *client,
                                      struct report *report)
{
    static const struct socket_option rows[] = {{ZMQ_LINGER, 0}};
    char name[64];
    snprintf(name, sizeof name, "inproc://client-%u", atomic_fetch_add(&clients->last_number, 1));
    if (zmq_socket_monitor(client->socket, name, CLIENT_EVENTS_LOST) != 0) {
        return net_fail(report, "watch a connection");
    }
    client->monitor = zmq_socket(clients->zmq_context, ZMQ_PAIR);
    if (client->monitor == NULL) {
        return net_fail(report, "make a monitor socket");
    }
    error_code code = socket_options_set(client->monitor, rows, 1, report);
    return code == OK && zmq_connect(client->monitor, name) != 0
               ? net_fail(report, "watch a connection")
               : code;
}

static error_code client_start(struct curve_clients *clients, struct curve_client *client,
                               const char *endpoint, const char *server_key, int answers_max,
                               struct report *report)
{
    struct net_address address;
    uint8_t key[KEY_BYTES];
    error_code code = net_address_parse(endpoint, "tcp", 0, &address, report);
    if (code != OK) {
        return code;
    }
    if (key_decode(server_key, key) != OK) {
        return report_fail(report, ERR_INVALID, "'%.60s' is no CURVE key", server_key);
    }
    client->socket = zmq_socket(clients->zmq_context, ZMQ_DEALER);
    if (client->socket == NULL) {
        return net_fail(report, "make a DEALER socket");
    }
    code = client_options_set(client, server_key, &address, answers_max, report);
    if (code == OK) {
        code = client_monitor_open(clients, client, report);
    }
    if (code == OK && zmq_connect(client->socket, endpoint) != 0) {
        code = net_fail(report, "connect");
        report_add(report, " to %s", endpoint);
    }
    return code;
}

error_code curve_client_open(struct curve_clients *clients, const char *endpoint,
                             const char *server_key, int answers_max,
                             struct curve_client **ret_client, struct report *report)
{
    struct curve_client *client = mem_zalloc(sizeof *client);
    if (client == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    zmq_msg_init(&client->frame);
    error_code code = client_start(clients, client, endpoint, server_key, answers_max, report);
    if (code != OK) {
        curve_client_close(client);
        return code;
    }
    *ret_client = client;
    return OK;
}

void curve_client_close(struct curve_client *client)
{
    if (client == NULL) {
        return;
    }
    zmq_msg_close(&client->frame);
    /* The events end before their reader goes: libzmq leaks an event that it cannot deliver. */
    if (client->socket != NULL) {
        zmq_socket_monitor(client->socket, NULL, 0);
    }
    if (client->monitor != NULL) {
        zmq_close(client->monitor);
    }
    if (client->socket != NULL) {
        zmq_close(client->socket);
    }
    mem_free(client);
}

bool curve_client_send(struct curve_client *client, struct bytes frame)
{
    return socket_send(client->socket, frame.data, frame.len, 0);
}

error_code curve_client_receive(struct curve_client *client, struct bytes *ret_frame)
{
    bool is_more = false;
    do {
        if (zmq_msg_recv(&client->frame, client->socket, ZMQ_DONTWAIT) < 0) {
            return ERR_AGAIN;
        }
        is_more = zmq_msg_more(&client->frame) || is_more;
    } while (zmq_msg_more(&client->frame));
    /* Of several parts none is ours: no message of ours begins with nothing. */
    *ret_frame =
        (struct bytes){zmq_msg_data(&client->frame), is_more ? 0 : zmq_msg_size(&client->frame)};
    return OK;
}

/* An event is two parts. */
static void client_events_read(struct curve_client *client)
{
    uint8_t part[256];
    while (zmq_recv(client->monitor, part, sizeof part, ZMQ_DONTWAIT) >= 0) {
        client->is_lost = true; /* no other events were asked for */
    }
}

/* ERR_TIMEOUT: nothing yet. */
static error_code clients_look(struct curve_client *const *clients, uint32_t n_clients)
{
    bool is_lost = false;
    for (uint32_t i = 0; i < n_clients; i++) {
        client_events_read(clients[i]);
        if (socket_can_read(clients[i]->socket)) {
            return OK;
        }
        is_lost = is_lost || clients[i]->is_lost;
    }
    return is_lost ? ERR_UNREACHABLE : ERR_TIMEOUT;
}

error_code curve_clients_wait(struct curve_client *const *clients, uint32_t n_clients,
                              int64_t timeout_ms)
{
    zmq_pollitem_t items[2 * CURVE_CLIENTS_WAIT_MAX];
    assert(n_clients <= CURVE_CLIENTS_WAIT_MAX);
    error_code code = clients_look(clients, n_clients);
    if (code != ERR_TIMEOUT) {
        return code;
    }
    for (uint32_t i = 0; i < n_clients; i++) {
        items[2 * i] = (zmq_pollitem_t){.socket = clients[i]->socket, .events = ZMQ_POLLIN};
        items[2 * i + 1] = (zmq_pollitem_t){.socket = clients[i]->monitor, .events = ZMQ_POLLIN};
    }
    if (zmq_poll(items, (int)(2 * n_clients), (long)timeout_ms) < 0 && zmq_errno() != EINTR) {
        return ERR_CLOSED;
    }
    return clients_look(clients, n_clients);
}
