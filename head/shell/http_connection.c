/* The life of one TCP connection and its deadlines. libmicrohttpd's own timeout is no help (a
 * client that sends a header line a second lives on), so every connection has one deadline here,
 * and what is past it is shut down at the socket: libmicrohttpd then sees an end of file and closes
 * it in its own way. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "head/shell/http_internal.h"

/* How often the sockets of suspended requests are looked at. */
static uint64_t gone_check_ms(const struct http *http)
{
    return http->comment_ms / 3;
}

struct http_connection *http_connection_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

static void peer_print(struct MHD_Connection *mhd, char ret_peer[HTTP_PEER_MAX])
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info != NULL ? info->client_addr : NULL;
    ret_peer[0] = '\0';
    if (address != NULL && address->sa_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, ret_peer,
                  HTTP_PEER_MAX);
    } else if (address != NULL && address->sa_family == AF_INET6) {
        const struct in6_addr *in6 =
            &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        bool is_v4 = IN6_IS_ADDR_V4MAPPED(in6);
        inet_ntop(is_v4 ? AF_INET : AF_INET6, is_v4 ? &in6->s6_addr[12] : in6->s6_addr, ret_peer,
                  HTTP_PEER_MAX);
    }
}

/* One address may not take every place. */
static bool peer_is_crowd(const struct http *http, const struct http_connection *mine)
{
    uint32_t n = 0;
    list_each (&http->connections, struct http_connection, link, connection) {
        n += strcmp(connection->peer, mine->peer) == 0;
    }
    return n > http->address_connections;
}

static void connection_open(struct http *http, struct MHD_Connection *mhd, void **socket_context)
{
    *socket_context = NULL; /* without one the first request is refused */
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct http_connection *connection = mem_zalloc(sizeof *connection);
    if (info == NULL || connection == NULL) {
        mem_free(connection);
        return;
    }
    connection->http = http;
    connection->fd = info->connect_fd;
    list_init(&connection->link);
    list_push_back(&http->connections, &connection->link);
    http->counters.connections++;
    http_connection_deadline_set(connection, http->request_ms);
    *socket_context = connection;
    peer_print(mhd, connection->peer);
    if (peer_is_crowd(http, connection)) {
        http_refuse(http, HTTP_REFUSED_CROWD);
        http_connection_doom(connection);
    }
}

static void connection_close(struct http_connection *connection)
{
    list_remove(&connection->link);
    connection->http->counters.connections--;
    mem_free(connection);
}

void on_http_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                        enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        connection_open(context, connection, socket_context);
    } else if (*socket_context != NULL) {
        connection_close(*socket_context);
        *socket_context = NULL;
    }
}

/* The first sign of a request on a kept-alive connection. A new one counts from accept(). */
void *on_http_request_line(void *context, const char *uri, struct MHD_Connection *mhd)
{
    (void)uri;
    struct http *http = context;
    struct http_connection *connection = http_connection_of(mhd);
    if (connection != NULL && connection->is_idle) {
        connection->is_idle = false;
        http_connection_deadline_set(connection, http->request_ms);
    }
    return NULL;
}

void http_connection_deadline_set(struct http_connection *connection, uint64_t delay_ms)
{
    if (delay_ms == UINT64_MAX) {
        connection->deadline_ms = UINT64_MAX;
        http_timer_sooner(connection->http,
                          http_now_ms(connection->http) + gone_check_ms(connection->http));
        return;
    }
    connection->deadline_ms = http_now_ms(connection->http) + delay_ms;
    http_timer_sooner(connection->http, connection->deadline_ms);
}

void http_connection_doom(struct http_connection *connection)
{
    if (connection->is_doomed) {
        return;
    }
    connection->is_doomed = true;
    shutdown(connection->fd, SHUT_RDWR);
    if (connection->request != NULL) {
        request_resume(connection->request);
    }
    http_must_run(connection->http);
}

/* While a request is suspended libmicrohttpd does not look at its socket. Over TLS the farewell
 * stands unread before the end of the stream: there the end itself is asked for. */
static bool client_has_left(const struct http_connection *connection)
{
    char byte;
    if (connection->http->tls != NULL) {
        struct pollfd fd = {.fd = connection->fd, .events = POLLRDHUP};
        return poll(&fd, 1, 0) > 0;
    }
    ssize_t n = recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/* Returns when to look again. */
static uint64_t connection_tick(struct http_connection *connection, uint64_t now_ms)
{
    if (connection->is_doomed) {
        return UINT64_MAX;
    }
    if (connection->deadline_ms <= now_ms) {
        if (!connection->is_idle) {
            http_refuse(connection->http, HTTP_REFUSED_SLOW);
        }
        http_connection_doom(connection);
        return UINT64_MAX;
    }
    uint64_t next_ms = connection->deadline_ms;
    struct request *request = connection->request;
    if (request != NULL && request->is_suspended && client_has_left(connection)) {
        http_connection_doom(connection);
        return UINT64_MAX;
    }
    if (request != NULL && request->is_suspended &&
        next_ms > now_ms + gone_check_ms(connection->http)) {
        next_ms = now_ms + gone_check_ms(connection->http);
    }
    if (request != NULL && request->is_stream) {
        uint64_t stream_ms = stream_tick(request, now_ms);
        next_ms = stream_ms < next_ms ? stream_ms : next_ms;
    }
    return next_ms;
}

void on_http_timer(uv_timer_t *timer)
{
    struct http *http = ((struct http_timer *)timer->data)->http;
    uint64_t now_ms = http_now_ms(http);
    uint64_t next_ms = UINT64_MAX;
    list_each (&http->connections, struct http_connection, link, connection) {
        uint64_t at_ms = connection_tick(connection, now_ms);
        next_ms = at_ms < next_ms ? at_ms : next_ms;
    }
    http_timer_sooner(http, next_ms);
}
