/* A connection asks libuv only for what can be used: it is not read while the core said stop, while
 * it owes its trainer too much, and while its buffer still holds whole lines. So a flood stops in
 * the trainer's own send buffer. */
#include "worker/shell/trial_connection.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

static size_t connection_owed(const struct trial_connection *connection)
{
    return connection->out.len - connection->out_at;
}

static bool connection_may_tell(const struct trial_connection *connection)
{
    return !connection->is_stopped && connection_owed(connection) < TRIAL_SOCKET_OWED_MAX_BYTES;
}

/* ---- the end ---- */

static void on_connection_freed(uv_handle_t *handle)
{
    struct trial_connection *connection = handle->data;
    buf_fini(&connection->in);
    buf_fini(&connection->out);
    mem_free(connection);
}

static void connection_flush(struct trial_connection *connection);

void trial_connection_end(struct trial_connection *connection)
{
    struct trial_socket *socket = connection->socket;
    connection_flush(connection);
    HASH_DELETE(hh, socket->sockets->by_id, connection);
    list_remove(&connection->link);
    list_remove(&connection->ready_link);
    list_remove(&connection->told_link);
    socket->n_connections--;
    uv_close((uv_handle_t *)&connection->poll, on_connection_freed);
    close(connection->fd);
    connection->fd = -1;
}

static void connection_lost(struct trial_connection *connection)
{
    struct trial_sockets *sockets = connection->socket->sockets;
    uint64_t id = connection->id;
    trial_connection_end(connection);
    sockets->callbacks.on_close(sockets->callbacks.context, id);
}

/* ---- what is polled for ---- */

static void on_connection_poll(uv_poll_t *poll, int status, int events);

static void connection_poll(struct trial_connection *connection)
{
    bool is_ready = !list_is_empty(&connection->ready_link);
    int events = connection_owed(connection) > 0 ? UV_WRITABLE : 0;
    if (connection_may_tell(connection) && !is_ready && !connection->is_ended) {
        events |= UV_READABLE;
    }
    if (events == connection->events) {
        return;
    }
    connection->events = events;
    if (events == 0) {
        uv_poll_stop(&connection->poll);
    } else {
        uv_poll_start(&connection->poll, events, on_connection_poll);
    }
}

/* ---- lines ---- */

static void connection_tell(struct trial_connection *connection)
{
    struct trial_sockets *sockets = connection->socket->sockets;
    sockets->counters.lines++;
    connection->n_waiting++;
    sockets->counters.bad_lines += sockets->line.request.kind == TRAINER_BAD ? 1 : 0;
    sockets->callbacks.on_request(sockets->callbacks.context, connection->id,
                                  &sockets->line.request);
    trial_line_fini(&sockets->line);
}

/* One line out of the buffer at *at; false: there is no whole one. *ret_is_last: nothing more in
 * this turn, since the answer to a hello may be long. */
static bool connection_line(struct trial_connection *connection, size_t *at, bool *ret_is_last)
{
    struct trial_line *line = &connection->socket->sockets->line;
    const uint8_t *begin = connection->in.data + *at;
    size_t left = connection->in.len - *at;
    const uint8_t *end = left > 0 ? memchr(begin, '\n', left) : NULL;
    if (end == NULL) {
        if (left <= TRIAL_LINE_MAX_BYTES) {
            return false;
        }
        if (!connection->is_skipping) {
            trial_line_too_long(line);
            connection_tell(connection);
        }
        connection->is_skipping = true;
        *at = connection->in.len;
        return true;
    }
    size_t n = (size_t)(end - begin);
    *at += n + 1;
    n -= n > 0 && begin[n - 1] == '\r' ? 1 : 0;
    if (connection->is_skipping) {
        connection->is_skipping = false;
    } else if (n > 0) {
        trial_line_decode((struct bytes){begin, n}, line);
        *ret_is_last = line->request.kind == TRAINER_HELLO;
        connection_tell(connection);
    }
    return true;
}

/* A trainer that has only shut its side down (`echo ... | nc -U`) still gets its answers. */
static bool connection_is_over(const struct trial_connection *connection)
{
    bool is_owed = connection->n_waiting > 0 || connection_owed(connection) > 0;
    return connection->is_ended && (connection->is_dead || !is_owed);
}

static void connection_pump_later(struct trial_connection *connection)
{
    struct trial_sockets *sockets = connection->socket->sockets;
    list_remove(&connection->ready_link);
    list_push_back(&sockets->ready, &connection->ready_link);
    loop_again(sockets->loop); /* unless it is before the sources of a turn, there is one more */
}

bool trial_connection_pump(struct trial_connection *connection, uint32_t lines_max)
{
    size_t at = 0;
    bool is_last = false, has_more = true;
    while (has_more && !is_last && lines_max > 0 && connection_may_tell(connection)) {
        has_more = connection_line(connection, &at, &is_last);
        lines_max--;
    }
    buf_consume(&connection->in, at);
    bool has_line =
        connection->in.len > TRIAL_LINE_MAX_BYTES ||
        (connection->in.len > 0 && memchr(connection->in.data, '\n', connection->in.len) != NULL);
    list_remove(&connection->ready_link);
    if (has_line && connection_may_tell(connection)) {
        connection_pump_later(connection);
    } else if (has_line) {
        list_push_back(&connection->socket->sockets->ready, &connection->ready_link);
    } else if (connection_is_over(connection)) {
        connection_lost(connection); /* an unfinished line says nothing */
        return false;
    }
    connection_poll(connection);
    return true;
}

/* ---- bytes ---- */

static bool peer_has_closed(int fd)
{
    struct pollfd poll_fd = {.fd = fd};
    return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & (POLLHUP | POLLERR)) != 0;
}

/* False: nothing more can be read now. */
static bool connection_read(struct trial_connection *connection)
{
    uint8_t *bytes = connection->socket->sockets->bytes;
    ssize_t n = recv(connection->fd, bytes, TRIAL_READ_BYTES, 0);
    if (n > 0 && buf_append(&connection->in, bytes, (size_t)n) == OK) {
        return true;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    /* Out of memory is as if it had left. */
    connection->is_ended = true;
    connection->is_dead = n != 0 || peer_has_closed(connection->fd);
    return false;
}

static void connection_flush(struct trial_connection *connection)
{
    while (connection_owed(connection) > 0) {
        ssize_t n = send(connection->fd, connection->out.data + connection->out_at,
                         connection_owed(connection), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            break;
        }
        /* Who reads no more is owed nothing; what it sent before still counts. */
        connection->is_dead = connection->is_dead || n < 0;
        connection->out_at = n < 0 ? connection->out.len : connection->out_at + (size_t)n;
    }
    buf_consume(&connection->out, connection->out_at);
    connection->out_at = 0;
    if (connection->out.len == 0 && connection->out.cap > TRIAL_READ_BYTES) {
        buf_fini(&connection->out);
        buf_init(&connection->out, TRIAL_OUT_MAX_BYTES);
    }
}

static void on_connection_poll(uv_poll_t *poll, int status, int events)
{
    struct trial_connection *connection = poll->data;
    if (status < 0) {
        connection->is_ended = connection->is_dead = true;
    }
    if ((events & UV_WRITABLE) != 0) {
        connection_flush(connection);
    }
    if (status >= 0 && (events & UV_READABLE) != 0) {
        ignore_error(connection_read(connection) ? OK : ERR_AGAIN, "seen in is_ended");
    }
    connection_pump_later(connection); /* by the source, in this very turn */
}

void trial_connection_drain(struct trial_connection *connection)
{
    connection->is_stopped = false;
    bool has_more = true;
    while (has_more) {
        connection->out_at = connection->out.len; /* nobody reads an answer any more */
        buf_consume(&connection->out, connection->out_at);
        connection->out_at = 0;
        has_more = connection_read(connection);
        if (!trial_connection_pump(connection, UINT32_MAX)) {
            return;
        }
        while (!list_is_empty(&connection->ready_link)) {
            if (!trial_connection_pump(connection, UINT32_MAX)) {
                return;
            }
        }
    }
}

/* ---- the beginning ---- */

void trial_connection_open(struct trial_socket *socket, int fd)
{
    struct trial_sockets *sockets = socket->sockets;
    struct trial_connection *connection = mem_zalloc(sizeof *connection);
    if (connection == NULL || uv_poll_init(loop_uv(sockets->loop), &connection->poll, fd) != 0) {
        mem_free(connection);
        close(fd);
        return;
    }
    connection->poll.data = connection;
    connection->fd = fd;
    connection->socket = socket;
    connection->id = ++sockets->last_id;
    list_init(&connection->link);
    list_init(&connection->ready_link);
    list_init(&connection->told_link);
    buf_init(&connection->in, TRIAL_IN_MAX_BYTES);
    buf_init(&connection->out, TRIAL_OUT_MAX_BYTES);
    HASH_ADD(hh, sockets->by_id, id, sizeof connection->id, connection);
    if (connection->hh.tbl == NULL) {
        uv_close((uv_handle_t *)&connection->poll, on_connection_freed);
        close(fd);
        return;
    }
    list_push_back(&socket->connections, &connection->link);
    socket->n_connections++;
    sockets->counters.opened++;
    sockets->callbacks.on_open(sockets->callbacks.context, connection->id, socket->ref);
    connection_poll(connection);
}

static struct trial_connection *connection_find(struct trial_sockets *sockets, uint64_t id)
{
    struct trial_connection *connection;
    HASH_FIND(hh, sockets->by_id, &id, sizeof id, connection);
    return connection;
}

void trial_connection_answer(struct trial_sockets *sockets, uint64_t id, const char *text)
{
    struct trial_connection *connection = connection_find(sockets, id);
    if (connection == NULL) {
        return;
    }
    size_t len = strlen(text);
    if (connection->is_dead) {
        len = 0;
    } else if (buf_append(&connection->out, text, len) != OK) {
        connection->is_ended = connection->is_dead = true;
    }
    if (len != 1 && connection->n_waiting > 0) { /* an empty line only says that we are alive */
        connection->n_waiting--;
    }
    if (list_is_empty(&connection->told_link)) {
        list_push_back(&sockets->told, &connection->told_link);
    }
}

void trial_sockets_flush(struct trial_sockets *sockets)
{
    while (!list_is_empty(&sockets->told)) {
        struct trial_connection *connection =
            list_entry(sockets->told.next, struct trial_connection, told_link);
        list_remove(&connection->told_link);
        connection_flush(connection);
        if (connection->is_ended) {
            connection_pump_later(connection);
        }
        connection_poll(connection);
    }
}

void trial_connection_close(struct trial_sockets *sockets, uint64_t id)
{
    struct trial_connection *connection = connection_find(sockets, id);
    if (connection != NULL) {
        trial_connection_end(connection);
    }
}

void trial_connection_read(struct trial_sockets *sockets, uint64_t id, bool must_read)
{
    struct trial_connection *connection = connection_find(sockets, id);
    if (connection == NULL) {
        return;
    }
    connection->is_stopped = !must_read;
    if (must_read && !list_is_empty(&connection->ready_link)) {
        loop_again(sockets->loop);
    }
    connection_poll(connection);
}
