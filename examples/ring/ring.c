/* Sums in a ring (Patarasuk, Yuan 2009, section 3): the values are cut into as many pieces as there
 * are ranks. In world - 1 rounds each rank passes a piece to the right and adds the one that comes
 * from the left, after which it has the whole sum of one piece; in as many rounds again these go
 * round. Each rank sends 2 (world - 1) / world of its values, however many ranks there are. */
#include "ring.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MEET_SECONDS = 60, RETRY_MS = 20, ADDRESS_MAX = 280 };

/* ---- meeting ---- */

/* The n-th entry of a list with commas, cut into host and port. */
static bool peer_find(const char *peers, int n, char host[ADDRESS_MAX], char port[16])
{
    for (; n > 0 && peers != NULL; n--) {
        peers = strchr(peers, ',');
        peers = peers != NULL ? peers + 1 : NULL;
    }
    size_t len = peers != NULL ? strcspn(peers, ",") : 0;
    const char *colon = peers != NULL ? memchr(peers, ':', len) : NULL;
    if (colon == NULL || len >= ADDRESS_MAX || (size_t)(peers + len - colon) > 15) {
        return false;
    }
    snprintf(host, ADDRESS_MAX, "%.*s", (int)(colon - peers), peers);
    snprintf(port, 16, "%.*s", (int)(peers + len - colon - 1), colon + 1);
    return true;
}

/* SO_REUSEADDR: whoever gave us the port may still hold it. */
static int socket_listen(const char *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(port)),
                             .sin_addr.s_addr = htonl(INADDR_ANY)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
                    bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 8) != 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int socket_connect(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found = NULL;
    if (getaddrinfo(host, port, &hints, &found) != 0) {
        return -1;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

/* The right neighbour may not listen yet. It is told who comes. */
static int right_meet(const struct ring *ring, const char *peers)
{
    char host[ADDRESS_MAX], port[16];
    int fd = -1;
    if (!peer_find(peers, (ring->rank + 1) % ring->world, host, port)) {
        return -1;
    }
    for (int i = 0; fd < 0 && i < MEET_SECONDS * 1000 / RETRY_MS; i++) {
        fd = socket_connect(host, port);
        if (fd < 0) {
            nanosleep(&(struct timespec){.tv_nsec = RETRY_MS * 1000000L}, NULL);
        }
    }
    int32_t rank = ring->rank;
    if (fd >= 0 && send(fd, &rank, sizeof rank, MSG_NOSIGNAL) != (ssize_t)sizeof rank) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Strangers that try the port are sent away. */
static int left_meet(const struct ring *ring, int listener)
{
    int32_t wanted = (ring->rank + ring->world - 1) % ring->world;
    struct pollfd poll_fd = {.fd = listener, .events = POLLIN};
    while (poll(&poll_fd, 1, MEET_SECONDS * 1000) == 1) {
        int32_t rank = -1;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        struct pollfd first = {.fd = fd, .events = POLLIN};
        if (fd >= 0 && poll(&first, 1, 1000) == 1 &&
            recv(fd, &rank, sizeof rank, MSG_WAITALL) == (ssize_t)sizeof rank && rank == wanted) {
            return fd;
        }
        if (fd >= 0) {
            close(fd);
        }
    }
    return -1;
}

static void socket_hurry(int fd)
{
    int on = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
        return; /* slower, and as right */
    }
}

int ring_open(struct ring *ring, int rank, int world, const char *peers)
{
    char host[ADDRESS_MAX], port[16];
    *ring = (struct ring){.rank = rank, .world = world, .left = -1, .right = -1};
    if (world == 1) {
        return 0;
    }
    int listener = peer_find(peers, rank, host, port) ? socket_listen(port) : -1;
    if (listener >= 0) {
        ring->right = right_meet(ring, peers);
        ring->left = ring->right >= 0 ? left_meet(ring, listener) : -1;
        close(listener);
    }
    if (ring->left < 0) {
        fprintf(stderr, "rank %d of %d does not meet its neighbours (%s)\n", rank, world,
                peers != NULL ? peers : "MUSTER_PEERS is not set");
        ring_close(ring);
        return -1;
    }
    socket_hurry(ring->left);
    socket_hurry(ring->right);
    return 0;
}

void ring_close(struct ring *ring)
{
    if (ring->left >= 0) {
        close(ring->left);
    }
    if (ring->right >= 0) {
        close(ring->right);
    }
    free(ring->piece);
    *ring = (struct ring){.left = -1, .right = -1};
}

/* ---- sums ---- */

static bool moved(ssize_t n, size_t *done)
{
    if (n > 0) {
        *done += (size_t)n;
        return true;
    }
    return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* To the right and from the left at once: if all sent first, all would wait for room. */
static int exchange(const struct ring *ring, const char *out, size_t n_out, char *in, size_t n_in)
{
    size_t sent = 0, received = 0;
    while (sent < n_out || received < n_in) {
        struct pollfd fds[2] = {{.fd = received < n_in ? ring->left : -1, .events = POLLIN},
                                {.fd = sent < n_out ? ring->right : -1, .events = POLLOUT}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            return -1;
        }
        if (fds[0].revents != 0 &&
            !moved(recv(ring->left, in + received, n_in - received, MSG_DONTWAIT), &received)) {
            return -1;
        }
        if (fds[1].revents != 0 &&
            !moved(send(ring->right, out + sent, n_out - sent, MSG_DONTWAIT | MSG_NOSIGNAL),
                   &sent)) {
            return -1;
        }
    }
    return 0;
}

/* Piece i is values[begin(i), begin(i + 1)). */
static size_t piece_begin(const struct ring *ring, size_t n, int i)
{
    return n * (size_t)i / (size_t)ring->world;
}

/* One round: piece `out` goes to the right, piece `in` comes. */
static int piece_pass(struct ring *ring, real *values, size_t n, int out, int in, bool is_added)
{
    size_t out_at = piece_begin(ring, n, out), in_at = piece_begin(ring, n, in);
    size_t n_out = piece_begin(ring, n, out + 1) - out_at;
    size_t n_in = piece_begin(ring, n, in + 1) - in_at;
    real *to = is_added ? ring->piece : values + in_at;
    if (exchange(ring, (const char *)(values + out_at), n_out * sizeof(real), (char *)to,
                 n_in * sizeof(real)) != 0) {
        return -1;
    }
    for (size_t i = 0; is_added && i < n_in; i++) {
        values[in_at + i] += ring->piece[i];
    }
    return 0;
}

static bool piece_reserve(struct ring *ring, size_t n)
{
    if (n > ring->piece_max) {
        real *more = realloc(ring->piece, n * sizeof *more);
        ring->piece = more != NULL ? more : ring->piece;
        ring->piece_max = more != NULL ? n : ring->piece_max;
    }
    return n <= ring->piece_max;
}

int ring_sum(struct ring *ring, real *values, size_t n)
{
    int world = ring->world, error = 0;
    if (world == 1) {
        return 0;
    }
    if (!piece_reserve(ring, n / (size_t)world + 1)) {
        return -1;
    }
    for (int round = 0; error == 0 && round < 2 * (world - 1); round++) {
        bool is_added = round < world - 1;
        int out = (ring->rank - round + 2 * world) % world;
        error = piece_pass(ring, values, n, out, (out + world - 1) % world, is_added);
    }
    if (error != 0) {
        fprintf(stderr, "rank %d has lost a neighbour\n", ring->rank);
    }
    return error;
}
