#include "net/curve_server.h"

#include <string.h>
#include <zmq.h>

#include "base/mem.h"
#include "net/keys.h"
#include "net/zmq_socket.h"

struct curve_server {
    void *zmq_context;
    void *socket; /* ROUTER */
    char endpoint[NET_ENDPOINT_MAX];
    char key[KEY_TEXT_BYTES];
    zmq_msg_t route; /* of what was received last */
    zmq_msg_t frame;
};

/* Who connects and is silent is ended by HANDSHAKE_IVL; who does not know the server's public key
 * gets no further. RCVHWM is small, since its frames are read at once. */
static error_code server_options_set(struct curve_server *server,
                                     const struct curve_server_options *options,
                                     const struct key_pair *keys, struct report *report)
{
    const struct socket_option rows[] = {
        {ZMQ_LINGER, 0},
        {ZMQ_SNDHWM, options->answers_max},
        {ZMQ_RCVHWM, 64},
        {ZMQ_BACKLOG, 256},
        {ZMQ_HANDSHAKE_IVL, 10000},
        {ZMQ_TCP_KEEPALIVE, 1},
        {ZMQ_TCP_KEEPALIVE_IDLE, 10},
        {ZMQ_TCP_KEEPALIVE_INTVL, 5},
        {ZMQ_TCP_KEEPALIVE_CNT, 3},
        {ZMQ_TCP_MAXRT, 30000},
        {ZMQ_CURVE_SERVER, 1},
        {ZMQ_IPV6, options->address.kind == NET_HOST_V6 || options->address.kind == NET_HOST_ANY},
    };
    error_code code =
        socket_options_set(server->socket, rows, sizeof rows / sizeof rows[0], report);
    if (code == OK) {
        code = socket_option_set_i64(server->socket, ZMQ_MAXMSGSIZE,
                                     options->request_max_bytes + NET_WIRE_EXTRA_BYTES, report);
    }
    return code == OK ? socket_option_set_text(server->socket, ZMQ_CURVE_SECRETKEY,
                                               keys->secret_key, report)
                      : code;
}

static error_code server_listen(struct curve_server *server, const struct net_address *address,
                                struct report *report)
{
    char endpoint[NET_ENDPOINT_MAX];
    size_t size = sizeof server->endpoint;
    net_address_endpoint(address, endpoint);
    if (zmq_bind(server->socket, endpoint) != 0) {
        error_code code = net_fail(report, "listen");
        report_add(report, " on %s", endpoint);
        return code;
    }
    return zmq_getsockopt(server->socket, ZMQ_LAST_ENDPOINT, server->endpoint, &size) == 0
               ? OK
               : net_fail(report, "read the listener's address");
}

static error_code server_start(struct curve_server *server,
                               const struct curve_server_options *options, struct report *report)
{
    struct key_pair keys;
    server->zmq_context = zmq_ctx_new();
    if (server->zmq_context == NULL) {
        return net_fail(report, "start ZeroMQ");
    }
    zmq_ctx_set(server->zmq_context, ZMQ_IO_THREADS, options->io_threads);
    zmq_ctx_set(server->zmq_context, ZMQ_MAX_SOCKETS, 4);
    server->socket = zmq_socket(server->zmq_context, ZMQ_ROUTER);
    if (server->socket == NULL) {
        return net_fail(report, "make a ROUTER socket");
    }
    error_code code = key_pair_new(&keys);
    if (code != OK) {
        return report_fail(report, code, "cannot make a key pair: %s", error_word(code));
    }
    memcpy(server->key, keys.public_key, sizeof server->key);
    code = server_options_set(server, options, &keys, report);
    key_pair_fini(&keys);
    return code == OK ? server_listen(server, &options->address, report) : code;
}

error_code curve_server_open(const struct curve_server_options *options,
                             struct curve_server **ret_server, struct report *report)
{
    struct curve_server *server = mem_zalloc(sizeof *server);
    if (server == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    zmq_msg_init(&server->route);
    zmq_msg_init(&server->frame);
    error_code code = server_start(server, options, report);
    if (code != OK) {
        curve_server_close(server);
        return code;
    }
    *ret_server = server;
    return OK;
}

void curve_server_close(struct curve_server *server)
{
    if (server == NULL) {
        return;
    }
    zmq_msg_close(&server->route);
    zmq_msg_close(&server->frame);
    if (server->socket != NULL) {
        zmq_close(server->socket);
    }
    if (server->zmq_context != NULL) {
        while (zmq_ctx_term(server->zmq_context) != 0 && zmq_errno() == EINTR) {
        }
    }
    mem_free(server);
}

const char *curve_server_endpoint(const struct curve_server *server)
{
    return server->endpoint;
}

const char *curve_server_key(const struct curve_server *server)
{
    return server->key;
}

/* Further parts of a message are read and thrown away. True: there were none. */
static bool rest_is_empty(struct curve_server *server)
{
    bool is_empty = true;
    while (zmq_msg_more(&server->frame)) {
        is_empty = false;
        if (zmq_msg_recv(&server->frame, server->socket, ZMQ_DONTWAIT) < 0) {
            break; /* the parts of a message come together */
        }
    }
    return is_empty;
}

error_code curve_server_receive(struct curve_server *server, struct bytes *ret_frame)
{
    for (;;) {
        if (zmq_msg_recv(&server->route, server->socket, 0) < 0) {
            if (zmq_errno() == EINTR) {
                continue;
            }
            return ERR_CLOSED;
        }
        if (zmq_msg_more(&server->route) &&
            zmq_msg_recv(&server->frame, server->socket, ZMQ_DONTWAIT) >= 0 &&
            rest_is_empty(server)) {
            *ret_frame = (struct bytes){zmq_msg_data(&server->frame), zmq_msg_size(&server->frame)};
            return OK;
        }
    }
}

static void on_answer_sent(void *data, void *hint)
{
    (void)hint;
    mem_free(data);
}

void curve_server_answer(struct curve_server *server, struct buf *frame)
{
    zmq_msg_t message;
    size_t size = frame->len;
    uint8_t *data = TAKE(frame->data);
    frame->len = frame->cap = 0;
    if (zmq_msg_init_data(&message, data, size, on_answer_sent, NULL) != 0) {
        mem_free(data);
        return;
    }
    /* A route that leads nowhere any more swallows both parts. */
    if (zmq_msg_send(&server->route, server->socket, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ||
        zmq_msg_send(&message, server->socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&message);
    }
}

void curve_server_end(struct curve_server *server)
{
    zmq_ctx_shutdown(server->zmq_context);
}
