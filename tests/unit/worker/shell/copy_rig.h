/* Snapshots on disk for tests of copies between agents, and a wire that counts and can be cut. */
#ifndef MUSTER_TESTS_UNIT_WORKER_SHELL_COPY_RIG_H
#define MUSTER_TESTS_UNIT_WORKER_SHELL_COPY_RIG_H

#include "../../folder.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/random.h"
#include "schema/messages.h"
#include "worker/shell/manifest.h"
#include "worker/shell/snapshots.h"

static const struct snapshot_name rig_name = {{12, 41}, 5};
static const uint8_t rig_pass[PASS_BYTES] = "abcdefghijklmnop";

/* ---- files ---- */

/* Bytes that repeat nowhere soon; the same for the same seed. */
static inline void rig_file(const char *folder, const char *name, size_t size, uint64_t seed)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wbe");
    assert_non_null(file);
    struct random random;
    random_init(&random, seed, 0);
    uint64_t block[8192];
    while (size > 0) {
        for (size_t i = 0; i < 8192; i += 64) {
            block[i] = random_u64(&random);
            for (size_t k = 1; k < 64; k++) {
                block[i + k] = block[i] * (2 * k + 1);
            }
        }
        size_t len = size < sizeof block ? size : sizeof block;
        assert_int_equal(fwrite(block, 1, len, file), len);
        size -= len;
    }
    assert_int_equal(fclose(file), 0);
}

/* What lies in `folder` becomes snapshot rig_name of the store. */
static inline void rig_commit(const char *folder, const char *store, char ret_target[512])
{
    struct manifest manifest = {
        .task = rig_name.task, .ordinal = rig_name.ordinal, .step = 27, .attempt = 3};
    snprintf(ret_target, 512, "%s/%u.%u/%u", store, rig_name.task.job, rig_name.task.index,
             rig_name.ordinal);
    struct report report = {0};
    assert_int_equal(dir_make(store, &report), OK);
    assert_int_equal(manifest_write(folder, NULL, &manifest, &report), OK);
    assert_int_equal(snapshot_put_in_place(folder, ret_target, &report), OK);
}

/* One byte of a committed file changes. */
static inline void rig_damage(const char *target, const char *name, off_t offset)
{
    char path[1024];
    uint8_t byte;
    snprintf(path, sizeof path, "%s/%s", target, name);
    assert_int_equal(chmod(path, 0600), 0);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
    assert_int_equal(close(fd), 0);
    assert_int_equal(chmod(path, 0444), 0);
}

static inline bool rig_files_equal(const char *a_folder, const char *b_folder, const char *name)
{
    char command[2300];
    snprintf(command, sizeof command, "cmp -s '%s/%s' '%s/%s'", a_folder, name, b_folder, name);
    return system(command) == 0; // NOLINT(cert-env33-c)
}

/* ---- a wire ---- */

enum { WIRE_PAIRS_MAX = 8 };

struct wire {
    int listener, port, to_port;
    atomic_ullong bytes;     /* that came from the donor */
    atomic_ullong cut_at;    /* after so many of them; 0: never */
    atomic_ullong silent_at; /* after so many, nothing goes on, and nobody is told */
    atomic_bool must_end;
    int pairs[WIRE_PAIRS_MAX][2]; /* taker, donor */
    uint32_t n_pairs;
    uint32_t most_pairs;
    pthread_t thread;
};

static inline int wire_socket(int port, bool must_listen, int *ret_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (must_listen) {
        assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
        assert_int_equal(listen(fd, 16), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
        *ret_port = ntohs(at.sin_port);
    } else if (connect(fd, (struct sockaddr *)&at, len) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static inline void wire_pair_close(struct wire *wire, uint32_t at)
{
    close(wire->pairs[at][0]);
    close(wire->pairs[at][1]);
    wire->n_pairs--;
    wire->pairs[at][0] = wire->pairs[wire->n_pairs][0];
    wire->pairs[at][1] = wire->pairs[wire->n_pairs][1];
}

static inline bool wire_move(struct wire *wire, int from, int to, bool is_donor)
{
    static _Thread_local uint8_t block[64 << 10];
    ssize_t n = recv(from, block, sizeof block, 0);
    if (n <= 0) {
        return false;
    }
    if (is_donor) {
        atomic_fetch_add(&wire->bytes, (unsigned long long)n);
    }
    for (ssize_t at = 0; at < n;) {
        ssize_t sent = send(to, block + at, (size_t)(n - at), MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        at += sent;
    }
    return true;
}

static inline bool wire_is_past(struct wire *wire, atomic_ullong *limit)
{
    return atomic_load(limit) > 0 && atomic_load(&wire->bytes) >= atomic_load(limit);
}

static inline void wire_accept(struct wire *wire)
{
    int taker = accept4(wire->listener, NULL, NULL, SOCK_CLOEXEC);
    int donor = taker >= 0 && wire->n_pairs < WIRE_PAIRS_MAX && !wire_is_past(wire, &wire->cut_at)
                    ? wire_socket(wire->to_port, false, NULL)
                    : -1;
    if (donor < 0) {
        close(taker);
        return;
    }
    wire->pairs[wire->n_pairs][0] = taker;
    wire->pairs[wire->n_pairs++][1] = donor;
    wire->most_pairs = wire->n_pairs > wire->most_pairs ? wire->n_pairs : wire->most_pairs;
}

static inline void *wire_main(void *context)
{
    struct wire *wire = context;
    while (!atomic_load(&wire->must_end)) {
        struct pollfd polls[2 * WIRE_PAIRS_MAX + 1] = {{wire->listener, POLLIN, 0}};
        uint32_t n = wire->n_pairs;
        for (uint32_t i = 0; i < 2 * n; i++) {
            polls[i + 1] = (struct pollfd){wire->pairs[i / 2][i % 2], POLLIN, 0};
        }
        if (wire_is_past(wire, &wire->silent_at)) {
            poll(NULL, 0, 20);
            continue;
        }
        poll(polls, 2 * n + 1, 20);
        for (uint32_t i = 2 * n; i > 0; i--) {
            uint32_t pair = (i - 1) / 2, side = (i - 1) % 2;
            if (pair < wire->n_pairs && polls[i].fd == wire->pairs[pair][side] &&
                polls[i].revents != 0 &&
                !wire_move(wire, polls[i].fd, wire->pairs[pair][1 - side], side == 1)) {
                wire_pair_close(wire, pair);
            }
        }
        while (wire->n_pairs > 0 && wire_is_past(wire, &wire->cut_at)) {
            wire_pair_close(wire, 0);
        }
        if (polls[0].revents != 0) {
            wire_accept(wire);
        }
    }
    while (wire->n_pairs > 0) {
        wire_pair_close(wire, 0);
    }
    close(wire->listener);
    return NULL;
}

/* To the port of `endpoint`. */
static inline void wire_begin(struct wire *wire, const char *endpoint, char ret_endpoint[64])
{
    *wire = (struct wire){.to_port = atoi(strrchr(endpoint, ':') + 1)};
    wire->listener = wire_socket(0, true, &wire->port);
    snprintf(ret_endpoint, 64, "tcp://127.0.0.1:%d", wire->port);
    assert_int_equal(pthread_create(&wire->thread, NULL, wire_main, wire), 0);
}

static inline void wire_end(struct wire *wire)
{
    atomic_store(&wire->must_end, true);
    pthread_join(wire->thread, NULL);
}

#endif
