/* worker/shell/trial_connection.h -- one connection of a trainer: bytes in, lines, bytes out.
 * Inside worker/shell: the sockets' own part. The loop's thread; owned by its listener. */
#ifndef MUSTER_WORKER_SHELL_TRIAL_CONNECTION_H
#define MUSTER_WORKER_SHELL_TRIAL_CONNECTION_H

#include "base/buf.h"
#include "base/hash.h"
#include "worker/shell/trial_line.h"
#include "worker/shell/trial_socket.h"

enum {
    TRIAL_READ_BYTES = 64 << 10,
    TRIAL_IN_MAX_BYTES = TRIAL_LINE_MAX_BYTES + 1 + TRIAL_READ_BYTES,
    TRIAL_OUT_MAX_BYTES = 16 << 20, /* one answer has at most 8 MiB: all parameters */
};

struct trial_connection {
    uint64_t id;
    struct trial_socket *socket;
    struct list link;       /* of its socket */
    struct list ready_link; /* has whole lines that wait for the next turn */
    struct list told_link;  /* has answers of this turn, not yet written */
    uv_poll_t poll;
    int fd;
    int events; /* that are polled for */
    struct buf in;
    struct buf out;
    size_t out_at;      /* sent up to here */
    bool is_stopped;    /* the core wants nothing of it now */
    bool is_skipping;   /* in a line that was too long */
    bool is_ended;      /* the trainer will send nothing more */
    bool is_dead;       /* and reads nothing more */
    uint32_t n_waiting; /* requests that were not answered yet */
    UT_hash_handle hh;
};

struct trial_sockets {
    struct loop *loop;
    struct trial_callbacks callbacks;
    struct trial_counters counters;
    struct trial_connection *by_id;
    struct list sockets;
    struct list ready;
    struct list told;
    uint64_t last_id;
    struct trial_line line; /* of the request that is being told */
    uint8_t bytes[TRIAL_READ_BYTES];
};

struct trial_socket {
    struct trial_sockets *sockets;
    struct attempt_ref ref;
    struct list link;
    struct list connections;
    uint32_t n_connections;
    uv_poll_t poll;
    int fd;
    bool is_stalled; /* there was no descriptor for the next one */
    char path[TRIAL_SOCKET_PATH_MAX + 1];
};

/* Takes `fd`, also when it fails. */
void trial_connection_open(struct trial_socket *socket, int fd);
/* Without a word to the owner. What is owed is tried once more. */
void trial_connection_end(struct trial_connection *connection);
/* The next lines of it, as far as its owner may be told now. False: it is gone. */
bool trial_connection_pump(struct trial_connection *connection, uint32_t lines_max);
/* Everything that it holds, whoever said stop. Gone afterwards if the trainer has closed it. */
void trial_connection_drain(struct trial_connection *connection);

#endif
