#include "head/shell/http_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "head/shell/tls.h"

enum { HTTP_POOL_BYTES = 32 << 10, HTTP_BACKLOG = 511 };

static char tls_priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-CIPHER-ALL:"
                               "+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:-RSA";

static const struct {
    const char *word;
    const char *text;
    uint32_t status; /* 0: nobody is left to be answered */
} refusal_rows[] = {
#define X(name, word, text, status) [name] = {word, text, status},
    HTTP_REFUSALS(X)
#undef X
};

const char *http_refusal_text(http_refusal refusal)
{
    return refusal < HTTP_REFUSALS_COUNT ? refusal_rows[refusal].text : "?";
}

const char *http_refusal_word(http_refusal refusal)
{
    return refusal_rows[refusal].word;
}

uint32_t http_refusal_status(http_refusal refusal)
{
    return refusal_rows[refusal].status;
}

void http_refuse(struct http *http, http_refusal refusal)
{
    if (http->counters.refused[refusal]++ == 0 && http->callbacks.on_notice != NULL &&
        !http->is_stopping) {
        http->callbacks.on_notice(http->callbacks.context, refusal, refusal_rows[refusal].text);
    }
}

uint64_t http_now_ms(const struct http *http)
{
    return uv_now(loop_uv(http->loop));
}

void http_must_run(struct http *http)
{
    http->must_run = true;
    if (!http->is_stopping) {
        loop_again(http->loop);
    }
}

void http_timer_sooner(struct http *http, uint64_t at_ms)
{
    if (http->is_stopping || at_ms == UINT64_MAX) {
        return;
    }
    uint64_t now_ms = http_now_ms(http);
    uint64_t delay_ms = at_ms > now_ms ? at_ms - now_ms : 1;
    uv_timer_t *timer = &http->timer->timer;
    if (!uv_is_active((uv_handle_t *)timer) || uv_timer_get_due_in(timer) > delay_ms) {
        uv_timer_start(timer, on_http_timer, delay_ms, 0);
    }
}

static void on_http_poll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    ((struct http_poll *)poll->data)->http->must_run = true;
}

/* Never says that something is left: a chatty client may not keep silent nodes from being found
 * silent. */
static bool http_source(void *context, time_ms now)
{
    (void)now;
    struct http *http = context;
    if (http->must_run) {
        http->must_run = false;
        turn_stage before = turn_enter(loop_clock(http->loop), TURN_HTTP);
        MHD_run(http->daemon);
        turn_back(loop_clock(http->loop), before);
        MHD_UNSIGNED_LONG_LONG timeout_ms;
        if (MHD_get_timeout(http->daemon, &timeout_ms) == MHD_YES && timeout_ms == 0) {
            http_must_run(http);
        }
    }
    return false;
}

/* ---- start ---- */

union http_address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

static error_code address_parse(struct http *http, const struct http_options *options,
                                union http_address *ret_address, struct report *report)
{
    bool is_loopback;
    if (uv_ip4_addr(options->host, options->port, &ret_address->in) == 0) {
        is_loopback = ntohl(ret_address->in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    } else if (uv_ip6_addr(options->host, options->port, &ret_address->in6) == 0) {
        is_loopback = IN6_IS_ADDR_LOOPBACK(&ret_address->in6.sin6_addr);
    } else {
        return report_fail(report, ERR_INVALID, "'%.80s' is no numeric address to listen on",
                           options->host);
    }
    if (!is_loopback && options->tls == NULL && !options->is_insecure) {
        return report_fail(report, ERR_NOT_ALLOWED,
                           "HTTP on %s needs TLS: without it tokens cross the network for all to "
                           "read (--insecure-http allows that)",
                           options->host);
    }
    http->address_connections = options->address_connections > 0 ? options->address_connections
                                : is_loopback                    ? HTTP_CONNECTIONS_MAX
                                                                 : HTTP_ADDRESS_CONNECTIONS_MAX;
    return OK;
}

static error_code listen_fail(const struct http_options *options, int fd, struct report *report)
{
    int number = errno;
    if (fd >= 0) {
        close(fd);
    }
    return report_fail(report, number == EADDRINUSE ? ERR_BUSY : error_from_errno(number),
                       "cannot listen on %s port %u: %s", options->host, options->port,
                       strerror(number));
}

/* The listening socket; the url of what it got is written. */
static error_code http_listen(struct http *http, const struct http_options *options, int *ret_fd,
                              struct report *report)
{
    union http_address address = {0};
    error_code code = address_parse(http, options, &address, report);
    if (code != OK) {
        return code;
    }
    const int one = 1;
    bool is_v6 = address.any.sa_family == AF_INET6;
    socklen_t size = is_v6 ? sizeof address.in6 : sizeof address.in;
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, &address.any, size) != 0 || listen(fd, HTTP_BACKLOG) != 0 ||
        getsockname(fd, &address.any, &size) != 0) {
        return listen_fail(options, fd, report);
    }
    snprintf(http->url, sizeof http->url, is_v6 ? "%s://[%.64s]:%u" : "%s://%.64s:%u",
             http->tls != NULL ? "https" : "http", options->host,
             ntohs(is_v6 ? address.in6.sin6_port : address.in.sin_port));
    *ret_fd = fd;
    return OK;
}

/* libmicrohttpd owns the listening socket once it runs. It gets no timeout of its own: that does
 * not stop a client which sends a header line a second. */
static error_code http_daemon_start(struct http *http, int listen_fd, struct report *report)
{
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, NULL},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, tls_priorities},
        {MHD_OPTION_END, 0, NULL},
    };
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;
    if (http->tls != NULL) {
        gnutls_certificate_retrieve_function2 *on_certificate = tls_show(http->tls);
        memcpy(&tls[0].ptr_value, &on_certificate, sizeof on_certificate);
        flags |= MHD_USE_TLS;
    } else {
        tls[0].option = MHD_OPTION_END;
    }
    http->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_http_access, http, MHD_OPTION_ARRAY, tls, MHD_OPTION_LISTEN_SOCKET,
        listen_fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_POOL_BYTES, MHD_OPTION_NOTIFY_COMPLETED,
        on_http_completed, http, MHD_OPTION_NOTIFY_CONNECTION, on_http_connection, http,
        MHD_OPTION_URI_LOG_CALLBACK, on_http_request_line, http, MHD_OPTION_END);
    if (http->daemon == NULL) {
        close(listen_fd);
        return report_fail(report, ERR_SYSTEM, "cannot start the HTTP server");
    }
    return OK;
}

static error_code http_handles_open(struct http *http)
{
    http->timer = mem_zalloc(sizeof *http->timer);
    if (http->timer == NULL) {
        return ERR_NO_MEMORY;
    }
    http->timer->http = http;
    http->timer->timer.data = http->timer;
    uv_timer_init(loop_uv(http->loop), &http->timer->timer); /* cannot fail */

    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    struct http_poll *poll = mem_zalloc(sizeof *poll);
    if (info == NULL || poll == NULL) {
        mem_free(poll);
        return ERR_NO_MEMORY;
    }
    poll->http = http;
    poll->poll.data = poll;
    int rc = uv_poll_init(loop_uv(http->loop), &poll->poll, info->epoll_fd);
    if (rc != 0) {
        mem_free(poll);
        return error_from_errno(-rc);
    }
    http->poll = poll;
    return error_from_errno(-uv_poll_start(&poll->poll, UV_READABLE, on_http_poll));
}

static uint64_t time_or(uint32_t given_ms, uint32_t default_ms)
{
    return given_ms > 0 ? given_ms : default_ms;
}

error_code http_start(struct loop *loop, const struct http_options *options,
                      const struct http_callbacks *callbacks, struct http **ret_http,
                      struct report *report)
{
    struct http *http = mem_zalloc(sizeof *http);
    if (http == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    http->loop = loop;
    http->callbacks = *callbacks;
    http->tls = options->tls;
    http->request_ms = time_or(options->request_ms, HTTP_REQUEST_MS);
    http->idle_ms = time_or(options->idle_ms, HTTP_IDLE_MS);
    http->send_ms = time_or(options->send_ms, HTTP_SEND_MS);
    http->comment_ms = time_or(options->comment_ms, HTTP_COMMENT_MS);
    list_init(&http->connections);

    int listen_fd = -1;
    error_code code = guard_init(&http->guard, options, report);
    if (code == OK) {
        code = http_listen(http, options, &listen_fd, report);
    }
    if (code == OK) {
        code = http_daemon_start(http, listen_fd, report);
    }
    if (code == OK) {
        code = http_handles_open(http);
    }
    if (code == OK) {
        code = loop_source_add(loop, http_source, http);
        http->is_sourced = code == OK;
    }
    if (code != OK) {
        http_stop(http, 0);
        return code;
    }
    *ret_http = http;
    return OK;
}

/* ---- stop ---- */

static bool http_has_answers_to_send(const struct http *http)
{
    for (const struct request *request = http->requests; request != NULL;
         request = request->hh.next) {
        bool is_open_stream = request->is_stream && !request->is_ended;
        if (!request->is_suspended && !is_open_stream && request->state != REQUEST_READING) {
            return true;
        }
    }
    return false;
}

static void http_drain(struct http *http, uint32_t drain_ms)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    uint64_t end_ns = uv_hrtime() + (uint64_t)drain_ms * 1000000;
    MHD_run(http->daemon);
    while (http_has_answers_to_send(http) && uv_hrtime() < end_ns) {
        struct pollfd fd = {.fd = info->epoll_fd, .events = POLLIN};
        poll(&fd, 1, 10);
        MHD_run(http->daemon);
    }
}

static void on_http_handle_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

/* A suspended connection at MHD_stop_daemon() would end the process: all are resumed, and run once
 * more, first. */
static void http_daemon_stop(struct http *http, uint32_t drain_ms)
{
    http_drain(http, drain_ms);
    list_each (&http->connections, struct http_connection, link, connection) {
        http_connection_doom(connection);
    }
    MHD_run(http->daemon);
    MHD_stop_daemon(http->daemon);
}

void http_stop(struct http *http, uint32_t drain_ms)
{
    if (http == NULL) {
        return;
    }
    http->is_stopping = true;
    if (http->is_sourced) {
        loop_source_remove(http->loop, http_source, http);
    }
    if (http->poll != NULL) {
        uv_close((uv_handle_t *)&http->poll->poll, on_http_handle_closed);
    }
    if (http->timer != NULL) {
        uv_close((uv_handle_t *)&http->timer->timer, on_http_handle_closed);
    }
    if (http->daemon != NULL) {
        http_daemon_stop(http, drain_ms);
    }
    guard_fini(&http->guard);
    mem_free(http);
}

void http_identity_drop(struct http *http, const char *name)
{
    for (struct request *request = http->requests; request != NULL; request = request->hh.next) {
        if (request->is_stream && !request->identity.is_builtin &&
            strcmp(request->identity.name, name) == 0) {
            http_connection_doom(request->owner);
        }
    }
}

const char *http_url(const struct http *http)
{
    return http->url;
}

const struct http_counters *http_counters(struct http *http)
{
    uint32_t waiting = 0;
    for (const struct request *request = http->requests; request != NULL;
         request = request->hh.next) {
        waiting += request->state == REQUEST_WAITING ? 1 : 0;
    }
    http->counters.waiting = waiting;
    return &http->counters;
}
