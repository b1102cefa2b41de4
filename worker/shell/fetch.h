/* worker/shell/fetch.h -- one copy of a snapshot from another node, on a thread of its own from its
 * first byte to its place. Inside worker/shell. */
#ifndef MUSTER_WORKER_SHELL_FETCH_H
#define MUSTER_WORKER_SHELL_FETCH_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "net/curve_client.h"
#include "worker/core/agent.h"
#include "worker/shell/fetch_staging.h"

enum {
    FETCH_CLIENTS_MAX = 4,
    FETCH_LARGE_BYTES = 64 << 20, /* from here on as many connections */
    FETCH_ADDRESS_MAX = 256,
};

struct fetcher;

struct fetch {
    struct list link; /* of those that ended */
    struct fetcher *fetcher;
    /* what is to be done; nobody writes it once the thread runs */
    struct snapshot_name name;
    uint8_t pass[PASS_BYTES];
    char node[NODE_NAME_MAX + 1];
    char lender[FETCH_ADDRESS_MAX + 1];
    char lender_key[41];
    const char *snapshots_dir;
    struct curve_clients *clients;
    const atomic_bool *must_stop;
    time_ms silence_max; /* without an answer: the donor is given up */
    struct fetch_staging *staging;
    struct fetch_staging *old; /* one that is to go; NULL: none */
    pthread_t thread;
    /* the thread's, until it is told */
    struct curve_client *connections[FETCH_CLIENTS_MAX];
    uint32_t n_connections;
    uint64_t last_request;
    uint32_t next_connection; /* whose answer is looked for first */
    time_ms heard_at;         /* the last answer that helped */
    copy_end end;
    struct report report; /* what became of it, in words */
};

/* From its first byte to its place, or not; fetch->end says how it ended. Blocks. */
void fetch_run(struct fetch *fetch);

/* ---- fetch_pieces.c: they give fetch->end, which is COPY_DONE as long as all is well ---- */

/* Writes why the copy came to nothing, and gives the end. */
#define fetch_fail(fetch, how, ...)                                                                \
    ({                                                                                             \
        report_set(&(fetch)->report, ERR_SYSTEM, 0, 0, __VA_ARGS__);                               \
        (fetch)->end = (how);                                                                      \
    })
/* One connection at first; as many as `n` of them. */
copy_end fetch_connect(struct fetch *fetch, uint32_t n);
void fetch_disconnect(struct fetch *fetch);
/* The donor's manifest. */
copy_end fetch_manifest(struct fetch *fetch, struct buf *text);
/* Whatever is missing of the staging's files. */
copy_end fetch_files(struct fetch *fetch);
/* Tells the donor that the pass is over. */
void fetch_thank(struct fetch *fetch);

#endif
