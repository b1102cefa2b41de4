#include "net/zap.h"

#include <string.h>
#include <zmq.h>

#include "base/mem.h"
#include "net/keys.h"
#include "net/zmq_socket.h"

enum { ZAP_PARTS_MAX = 7, ZAP_PART_BYTES = 256 };
enum {
    ZAP_VERSION,
    ZAP_REQUEST_ID,
    ZAP_DOMAIN_PART,
    ZAP_ADDRESS,
    ZAP_IDENTITY,
    ZAP_MECHANISM,
    ZAP_CREDENTIALS
};

struct zap {
    void *socket; /* REP at the address that libzmq asks */
    struct watch *watch;
};

struct zap_request {
    uint32_t n_parts; /* as sent; only the first ZAP_PARTS_MAX are kept */
    size_t sizes[ZAP_PARTS_MAX];
    uint8_t parts[ZAP_PARTS_MAX][ZAP_PART_BYTES];
};

error_code zap_open(uv_loop_t *uv, void *zmq_context, struct zap **ret_zap, struct report *report)
{
    static const struct socket_option options[] = {{ZMQ_LINGER, 0}};
    struct zap *zap = mem_zalloc(sizeof *zap);
    if (zap == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    zap->socket = zmq_socket(zmq_context, ZMQ_REP);
    error_code code = zap->socket == NULL ? net_fail(report, "make the ZAP socket") : OK;
    if (code == OK) {
        code = socket_options_set(zap->socket, options, 1, report);
    }
    if (code == OK && zmq_bind(zap->socket, "inproc://zeromq.zap.01") != 0) {
        code = net_fail(report, "bind the ZAP socket");
    }
    if (code == OK) {
        code = watch_open(uv, zap->socket, &zap->watch);
    }
    if (code != OK) {
        zap_close(zap);
        return code;
    }
    *ret_zap = zap;
    return OK;
}

void zap_close(struct zap *zap)
{
    if (zap == NULL) {
        return;
    }
    watch_close(zap->watch);
    if (zap->socket != NULL) {
        zmq_close(zap->socket);
    }
    mem_free(zap);
}

static bool part_is(const struct zap_request *request, int part, const char *text)
{
    return request->sizes[part] == strlen(text) &&
           memcmp(request->parts[part], text, strlen(text)) == 0;
}

/* The credentials (a CURVE key) come from a peer that proved to own their secret half: libzmq
 * checked its vouch. */
static bool request_is_sound(const struct zap_request *request)
{
    return request->n_parts == ZAP_PARTS_MAX && part_is(request, ZAP_VERSION, "1.0") &&
           part_is(request, ZAP_DOMAIN_PART, ZAP_DOMAIN) &&
           part_is(request, ZAP_MECHANISM, "CURVE") && request->sizes[ZAP_CREDENTIALS] == KEY_BYTES;
}

/* False: nothing there. Parts that are too long are kept as empty ones, which are never sound. */
static bool request_receive(void *socket, struct zap_request *request)
{
    *request = (struct zap_request){0};
    int more = 1;
    while (more) {
        zmq_msg_t message;
        zmq_msg_init(&message);
        if (zmq_msg_recv(&message, socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&message);
            return false; /* the parts of a message come together: only the first can be missing */
        }
        size_t size = zmq_msg_size(&message);
        if (request->n_parts < ZAP_PARTS_MAX && size <= ZAP_PART_BYTES) {
            memcpy(request->parts[request->n_parts], zmq_msg_data(&message), size);
            request->sizes[request->n_parts] = size;
        }
        request->n_parts++;
        more = zmq_msg_more(&message);
        zmq_msg_close(&message);
    }
    return true;
}

static void reply_send(void *socket, const struct zap_request *request, const char *status,
                       const char *text, const char *user_id)
{
    const struct {
        const void *data;
        size_t size;
    } parts[] = {
        {"1.0", 3},
        {request->parts[ZAP_REQUEST_ID], request->sizes[ZAP_REQUEST_ID]},
        {status, strlen(status)},
        {text, strlen(text)},
        {user_id, strlen(user_id)},
        {"", 0},
    };
    const size_t n = sizeof parts / sizeof parts[0];
    for (size_t i = 0; i < n; i++) {
        /* A refusal here means that the session which asked is gone already. */
        if (!socket_send(socket, parts[i].data, parts[i].size, i + 1 < n ? ZMQ_SNDMORE : 0)) {
            return;
        }
    }
}

bool zap_serve(struct zap *zap, uint32_t limit, uint64_t *denied)
{
    for (uint32_t i = 0; i < limit; i++) {
        struct zap_request request;
        if (!request_receive(zap->socket, &request)) {
            return false;
        }
        if (request_is_sound(&request)) {
            char user_id[KEY_TEXT_BYTES];
            key_encode(request.parts[ZAP_CREDENTIALS], user_id);
            reply_send(zap->socket, &request, "200", "OK", user_id);
        } else {
            (*denied)++;
            reply_send(zap->socket, &request, "400", "not CURVE in this domain", "");
        }
    }
    return zap_can_read(zap);
}

bool zap_can_read(struct zap *zap)
{
    return socket_can_read(zap->socket);
}
