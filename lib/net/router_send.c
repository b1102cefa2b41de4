/* What leaves a router: copied frames, and shared ones of which libzmq tells when it has room. */
#include <zmq.h>

#include "base/mem.h"
#include "net/router_inside.h"
#include "net/zmq_socket.h"
#include "schema/messages.h"

/* ---- room ---- */

static void on_router_room(uv_async_t *async)
{
    struct router *router = async->data;
    if (router != NULL && router->on_room != NULL) {
        router->on_room(router->context);
    }
}

static void on_room_closed(uv_handle_t *handle)
{
    mem_free(handle);
}

error_code router_room_open(struct router *router)
{
    uv_async_t *room = mem_alloc(sizeof *room);
    if (room == NULL) {
        return ERR_NO_MEMORY;
    }
    int rc = uv_async_init(loop_uv(router->loop), room, on_router_room);
    if (rc != 0) {
        mem_free(room);
        return error_from_errno(-rc);
    }
    room->data = router;
    router->outflows.wake = room;
    return OK;
}

void router_room_close(struct router *router)
{
    uv_async_t *room = router->outflows.wake;
    if (room != NULL) {
        room->data = NULL;
        uv_close((uv_handle_t *)room, on_room_closed);
    }
}

/* ---- sending ---- */

/* MANDATORY makes the routing id's part fail where libzmq would drop without a word; after it the
 * frame's part is taken. Nothing here waits: MANDATORY with a timeout can hang for ever. */
static error_code route_begin(struct router *router, struct peer_route *route, size_t frame_bytes)
{
    if (frame_bytes == 0 || frame_bytes > MSG_MAX_BYTES) {
        return ERR_LIMIT;
    }
    if (route == NULL) {
        return ERR_UNREACHABLE;
    }
    return socket_send(router->socket, route->text, route->len, ZMQ_SNDMORE)
               ? OK
               : net_error(zmq_errno());
}

static error_code route_end(struct router *router, struct peer_route *route, size_t frame_bytes,
                            error_code code)
{
    if (route != NULL && socket_can_read(router->socket)) {
        loop_again(router->loop);
    }
    if (code == OK) {
        route->sent_at = loop_now(router->loop);
        router->counters.frames_out++;
        router->counters.bytes_out += frame_bytes;
    } else if (code == ERR_AGAIN) {
        router->counters.full++;
    } else if (code != ERR_LIMIT) {
        router->counters.unreachable++;
    }
    return code;
}

error_code router_send(struct router *router, uint64_t peer, struct bytes frame)
{
    struct peer_route *route = peers_route(router->peers, peer);
    error_code code = route_begin(router, route, frame.len);
    if (code == OK && !socket_send(router->socket, frame.data, frame.len, 0)) {
        code = net_error(zmq_errno());
    }
    return route_end(router, route, frame.len, code);
}

/* Its memory is there before the first part leaves: a message of one part would make the next frame
 * its second. */
error_code router_send_shared(struct router *router, uint64_t peer, struct shared_frame *frame)
{
    struct peer_route *route = peers_route(router->peers, peer);
    size_t len = shared_frame_bytes(frame).len;
    zmq_msg_t message;
    if (route != NULL && route->outflow == NULL) {
        route->outflow = outflow_new(&router->outflows);
    }
    if (route != NULL &&
        (route->outflow == NULL || !outflow_message(route->outflow, frame, &message))) {
        return ERR_NO_MEMORY;
    }
    error_code code = route_begin(router, route, len);
    if (code == OK && zmq_msg_send(&message, router->socket, ZMQ_DONTWAIT) < 0) {
        code = net_error(zmq_errno());
    }
    if (code != OK && route != NULL) {
        zmq_msg_close(&message);
    }
    return route_end(router, route, len, code);
}

size_t router_queued(const struct router *router)
{
    return atomic_load_explicit(&router->outflows.bytes, memory_order_relaxed);
}

size_t router_peer_queued(const struct router *router, uint64_t peer)
{
    const struct peer_route *route = peers_route(router->peers, peer);
    return route != NULL ? outflow_bytes(route->outflow) : 0;
}

time_ms router_peer_told_at(const struct router *router, uint64_t peer)
{
    const struct peer_route *route = peers_route(router->peers, peer);
    return route != NULL ? route->sent_at : 0;
}
