/* worker/shell/trial_socket.h -- the Unix sockets on which trainers talk, one listener for an
 * attempt, several connections on each. The loop's thread; owned by the worker. Lines in become
 * requests, lines out are written with bounded debts: who does not read its answers is not read
 * either. Nothing here blocks.
 *
 * The callbacks come out of libuv's poll, of the loop's source and of trial_socket_drain(); they
 * may not call back into this module (the core's effects are carried out later, in the turn). */
#ifndef MUSTER_WORKER_SHELL_TRIAL_SOCKET_H
#define MUSTER_WORKER_SHELL_TRIAL_SOCKET_H

#include "base/list.h"
#include "sys/loop.h"
#include "worker/core/agent.h"

struct trial_sockets;
struct trial_socket;

enum {
    TRIAL_SOCKET_PATH_MAX = 100,        /* bytes; trainers' libraries count on it */
    TRIAL_SOCKET_CONNECTIONS_MAX = 256, /* of one attempt; more are closed at once */
    TRIAL_SOCKET_LINES_PER_TURN = 64,   /* of one connection */
    TRIAL_SOCKET_OWED_MAX_BYTES = 256 << 10,
};

struct trial_callbacks {
    void (*on_open)(void *context, uint64_t connection, struct attempt_ref ref);
    void (*on_request)(void *context, uint64_t connection, const struct trainer_request *request);
    void (*on_close)(void *context, uint64_t connection); /* by the trainer, never by us */
    void *context;
};

struct trial_counters {
    uint64_t opened;
    uint64_t refused; /* another user, or too many */
    uint64_t lines;
    uint64_t bad_lines;
};

MUST_CHECK error_code trial_sockets_new(struct loop *loop, const struct trial_callbacks *callbacks,
                                        struct trial_sockets **ret_sockets);
/* Closes what is open; the listeners must have been closed. NULL is fine. */
void trial_sockets_free(struct trial_sockets *sockets);

/* Where the socket of the attempt in `folder` lies: folder/s, or, where that is too long, a name
 * made of the folder's under $XDG_RUNTIME_DIR/muster or /tmp/muster-<uid>, made 0700.
 * ERR_NOT_ALLOWED: that one is somebody else's. */
MUST_CHECK error_code trial_socket_path(const char *folder,
                                        char ret_path[TRIAL_SOCKET_PATH_MAX + 1],
                                        struct report *report);
/* Listens at `path` (0600; an old socket there is replaced). Any thread. */
MUST_CHECK error_code trial_socket_listen(const char *path, int *ret_fd, struct report *report);
/* `listen_fd` listens at `path` already and is taken, also on failure; -1: begins to listen. */
MUST_CHECK error_code trial_socket_open(struct trial_sockets *sockets, const char *path,
                                        int listen_fd, struct attempt_ref ref,
                                        struct trial_socket **ret_socket, struct report *report);
/* Reads everything that its connections hold, also those not accepted yet and those that were not
 * to be read; for an attempt whose processes are gone. */
void trial_socket_drain(struct trial_socket *socket);
/* Closes and removes the listener, and its connections without a word to on_close(). NULL is fine.
 */
void trial_socket_close(struct trial_socket *socket);
/* The same, but the listener and its name stay: the descriptor is now the caller's. */
int trial_socket_detach(struct trial_socket *socket);

/* By number; of one that is closed already: nothing happens. Answers leave with
 * trial_sockets_flush(): a write for each connection, not for each answer. */
void trial_connection_answer(struct trial_sockets *sockets, uint64_t connection, const char *text);
void trial_connection_close(struct trial_sockets *sockets, uint64_t connection);
void trial_connection_read(struct trial_sockets *sockets, uint64_t connection, bool must_read);
/* Once a turn, after its answers. */
void trial_sockets_flush(struct trial_sockets *sockets);
const struct trial_counters *trial_sockets_counters(const struct trial_sockets *sockets);

#endif
