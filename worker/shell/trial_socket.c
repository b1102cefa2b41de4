#include "worker/shell/trial_socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/mem.h"
#include "worker/shell/trial_connection.h"

enum { ACCEPTS_PER_TURN = 32, SOCKET_BACKLOG = 128 };

/* ---- where ---- */

static error_code short_folder_make(char *ret_path, size_t size_bytes, struct report *report)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    bool has_runtime = runtime != NULL && runtime[0] == '/' && strlen(runtime) < 64;
    int n = has_runtime ? snprintf(ret_path, size_bytes, "%s/muster", runtime)
                        : snprintf(ret_path, size_bytes, "/tmp/muster-%u", (unsigned)geteuid());
    struct stat about;
    if (n < 0 || (size_t)n >= size_bytes) {
        return report_fail(report, ERR_LIMIT, "the name of the folder for sockets is too long");
    }
    if ((mkdir(ret_path, 0700) != 0 && errno != EEXIST) || lstat(ret_path, &about) != 0) {
        return report_fail(report, error_from_errno(errno), "cannot make %s: %s", ret_path,
                           strerror(errno));
    }
    if (!S_ISDIR(about.st_mode) || about.st_uid != geteuid() || (about.st_mode & 077) != 0) {
        return report_fail(report, ERR_NOT_ALLOWED, "%s is not a private folder of this user",
                           ret_path);
    }
    return OK;
}

error_code trial_socket_path(const char *folder, char ret_path[TRIAL_SOCKET_PATH_MAX + 1],
                             struct report *report)
{
    char place[TRIAL_SOCKET_PATH_MAX - 20];
    size_t len = strlen(folder);
    if (len + 2 <= TRIAL_SOCKET_PATH_MAX) {
        memcpy(ret_path, folder, len);
        memcpy(ret_path + len, "/s", 3);
        return OK;
    }
    error_code error = short_folder_make(place, sizeof place, report);
    if (error == OK) {
        ignore_error(snprintf(ret_path, TRIAL_SOCKET_PATH_MAX + 1, "%s/%016llx.s", place,
                              (unsigned long long)XXH3_64bits(folder, len)) < 0,
                     "it fits");
    }
    return error;
}

/* ---- one listener ---- */

static void on_socket_poll(uv_poll_t *poll, int status, int events);

static bool peer_is_ours(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == geteuid();
}

/* False: nothing more to be accepted now. */
static bool socket_accept(struct trial_socket *socket)
{
    int fd = accept4(socket->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        bool is_short = errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS;
        if (is_short && !socket->is_stalled) {
            socket->is_stalled = true;
            uv_poll_stop(&socket->poll); /* it would stay readable and spin the loop */
        }
        return errno == EINTR || errno == ECONNABORTED;
    }
    if (socket->n_connections >= TRIAL_SOCKET_CONNECTIONS_MAX || !peer_is_ours(fd)) {
        socket->sockets->counters.refused++;
        close(fd);
        return true;
    }
    trial_connection_open(socket, fd);
    return true;
}

static void on_socket_poll(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct trial_socket *socket = poll->data;
    for (int i = 0; status >= 0 && i < ACCEPTS_PER_TURN && socket_accept(socket); i++) {
    }
}

error_code trial_socket_listen(const char *path, int *ret_fd, struct report *report)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    memcpy(address.sun_path, path, strlen(path) + 1);
    unlink(path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        chmod(path, 0600) != 0 || listen(fd, SOCKET_BACKLOG) != 0) {
        int number = errno;
        if (fd >= 0) {
            close(fd);
        }
        return report_fail(report, error_from_errno(number), "cannot listen at %s: %s", path,
                           strerror(number));
    }
    *ret_fd = fd;
    return OK;
}

error_code trial_socket_open(struct trial_sockets *sockets, const char *path, int listen_fd,
                             struct attempt_ref ref, struct trial_socket **ret_socket,
                             struct report *report)
{
    struct trial_socket *socket = mem_zalloc(sizeof *socket);
    size_t len = strlen(path);
    error_code error = OK;
    if (socket == NULL) {
        error = report_fail(report, ERR_NO_MEMORY, "no memory for its socket");
    } else if (len > TRIAL_SOCKET_PATH_MAX) {
        error = report_fail(report, ERR_LIMIT, "the path %s is too long", path);
    } else if (listen_fd < 0) {
        error = trial_socket_listen(path, &listen_fd, report);
    }
    if (error == OK && uv_poll_init(loop_uv(sockets->loop), &socket->poll, listen_fd) != 0) {
        error = report_fail(report, ERR_SYSTEM, "cannot wait for its socket");
    }
    if (error != OK) {
        if (listen_fd >= 0) {
            close(listen_fd);
            unlink(path);
        }
        mem_free(socket);
        return error;
    }
    socket->sockets = sockets;
    socket->ref = ref;
    socket->fd = listen_fd;
    list_init(&socket->link);
    list_init(&socket->connections);
    memcpy(socket->path, path, len + 1);
    socket->poll.data = socket;
    uv_poll_start(&socket->poll, UV_READABLE, on_socket_poll);
    list_push_back(&sockets->sockets, &socket->link);
    *ret_socket = socket;
    return OK;
}

void trial_socket_drain(struct trial_socket *socket)
{
    while (socket_accept(socket)) {
    }
    list_each (&socket->connections, struct trial_connection, link, connection) {
        trial_connection_drain(connection);
    }
}

static void on_socket_freed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

/* Descriptors have become free: who waited for one is asked again. */
static void sockets_unstall(struct trial_sockets *sockets)
{
    list_each (&sockets->sockets, struct trial_socket, link, socket) {
        if (socket->is_stalled) {
            socket->is_stalled = false;
            uv_poll_start(&socket->poll, UV_READABLE, on_socket_poll);
        }
    }
}

int trial_socket_detach(struct trial_socket *socket)
{
    int fd = socket->fd;
    list_each (&socket->connections, struct trial_connection, link, connection) {
        trial_connection_end(connection);
    }
    list_remove(&socket->link);
    uv_close((uv_handle_t *)&socket->poll, on_socket_freed);
    sockets_unstall(socket->sockets);
    return fd;
}

void trial_socket_close(struct trial_socket *socket)
{
    if (socket != NULL) {
        close(trial_socket_detach(socket));
        unlink(socket->path); /* it is freed in the loop's next pass */
    }
}

/* ---- all of them ---- */

/* Lines that were more than a turn's share. */
static bool on_sockets_turn(void *context, time_ms now)
{
    (void)now;
    struct trial_sockets *sockets = context;
    struct list turn;
    list_init(&turn);
    while (!list_is_empty(&sockets->ready)) {
        struct list *node = sockets->ready.next;
        list_remove(node);
        list_push_back(&turn, node);
    }
    while (!list_is_empty(&turn)) {
        struct trial_connection *connection =
            list_entry(turn.next, struct trial_connection, ready_link);
        trial_connection_pump(connection, TRIAL_SOCKET_LINES_PER_TURN);
    }
    /* One chatty trainer may not keep the node from judging the silence of others. */
    return false;
}

error_code trial_sockets_new(struct loop *loop, const struct trial_callbacks *callbacks,
                             struct trial_sockets **ret_sockets)
{
    struct trial_sockets *sockets = mem_zalloc(sizeof *sockets);
    if (sockets == NULL) {
        return ERR_NO_MEMORY;
    }
    sockets->loop = loop;
    sockets->callbacks = *callbacks;
    list_init(&sockets->sockets);
    list_init(&sockets->ready);
    list_init(&sockets->told);
    error_code error = loop_source_add(loop, on_sockets_turn, sockets);
    if (error != OK) {
        mem_free(sockets);
        return error;
    }
    *ret_sockets = sockets;
    return OK;
}

void trial_sockets_free(struct trial_sockets *sockets)
{
    if (sockets == NULL) {
        return;
    }
    list_each (&sockets->sockets, struct trial_socket, link, socket) {
        trial_socket_close(socket);
    }
    loop_source_remove(sockets->loop, on_sockets_turn, sockets);
    mem_free(sockets);
}

const struct trial_counters *trial_sockets_counters(const struct trial_sockets *sockets)
{
    return &sockets->counters;
}
