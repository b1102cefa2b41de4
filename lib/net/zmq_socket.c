#include "net/zmq_socket.h"

#include <errno.h>
#include <string.h>
#include <zmq.h>

#include "base/mem.h"

struct watch {
    uv_poll_t poll;
};

error_code net_error(int zmq_errno)
{
    static const struct {
        int number;
        error_code code;
    } rows[] = {
        {ETERM, ERR_CLOSED},
        {ENOTSOCK, ERR_CLOSED},
        {EADDRINUSE, ERR_BUSY},
        {EMTHREAD, ERR_LIMIT},
        {EMFILE, ERR_LIMIT},
        {ENODEV, ERR_NOT_FOUND},
        {EADDRNOTAVAIL, ERR_INVALID},
        {EPROTONOSUPPORT, ERR_UNSUPPORTED},
        {ENOCOMPATPROTO, ERR_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].number == zmq_errno) {
            return rows[i].code;
        }
    }
    return error_from_errno(zmq_errno);
}

error_code net_fail(struct report *report, const char *doing)
{
    int number = zmq_errno();
    return report_fail(report, net_error(number), "cannot %s: %s", doing, zmq_strerror(number));
}

error_code socket_options_set(void *socket, const struct socket_option *rows, size_t n_rows,
                              struct report *report)
{
    for (size_t i = 0; i < n_rows; i++) {
        if (zmq_setsockopt(socket, rows[i].option, &rows[i].value, sizeof rows[i].value) != 0) {
            error_code code = net_fail(report, "set a socket option");
            report_add(report, " (option %d, value %d)", rows[i].option, rows[i].value);
            return code;
        }
    }
    return OK;
}

error_code socket_option_set_i64(void *socket, int option, int64_t value, struct report *report)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0
               ? OK
               : net_fail(report, "set a socket option");
}

error_code socket_option_set_text(void *socket, int option, const char *text, struct report *report)
{
    return zmq_setsockopt(socket, option, text, strlen(text)) == 0
               ? OK
               : net_fail(report, "set a socket option");
}

bool socket_send(void *socket, const void *data, size_t size, int more)
{
    int rc;
    do {
        rc = zmq_send(socket, data, size, ZMQ_DONTWAIT | more);
    } while (rc < 0 && zmq_errno() == EINTR);
    return rc >= 0;
}

bool socket_can_read(void *socket)
{
    int events = 0;
    size_t size = sizeof events;
    return zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) == 0 && (events & ZMQ_POLLIN) != 0;
}

static void on_watch_readable(uv_poll_t *poll, int status, int events)
{
    (void)poll;
    (void)status;
    (void)events;
}

static void on_watch_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

error_code watch_open(uv_loop_t *uv, void *socket, struct watch **ret_watch)
{
    int fd = -1;
    size_t size = sizeof fd;
    if (zmq_getsockopt(socket, ZMQ_FD, &fd, &size) != 0) {
        return net_error(zmq_errno());
    }
    struct watch *watch = mem_zalloc(sizeof *watch);
    if (watch == NULL) {
        return ERR_NO_MEMORY;
    }
    watch->poll.data = watch;
    int rc = uv_poll_init(uv, &watch->poll, fd);
    if (rc != 0) {
        mem_free(watch);
        return error_from_errno(-rc);
    }
    rc = uv_poll_start(&watch->poll, UV_READABLE, on_watch_readable);
    if (rc != 0) {
        watch_close(watch);
        return error_from_errno(-rc);
    }
    *ret_watch = watch;
    return OK;
}

void watch_close(struct watch *watch)
{
    if (watch != NULL) {
        uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
    }
}
