/* head/shell/store.h -- the socket to Redis: take-over, recovery, and batches that are applied
 * once. Head's one thread; all handlers are called on it. The head owns the store object.
 *
 * Life: connect -> check the server -> take over -> self-test -> load -> ready. A lost connection
 * is the store's own affair: it connects again and sends the batch in flight again, until it is
 * answered. on_batch is called only when Redis has said that the batch is on disk. */
#ifndef MUSTER_HEAD_SHELL_STORE_H
#define MUSTER_HEAD_SHELL_STORE_H

#include <uv.h>

#include "base/id.h"
#include "head/core/batch.h"

struct store;

enum {
    STORE_BATCH_TIMEOUT_MS = 5000,
    STORE_TAKEOVER_SILENCE_MS = 10000,
    STORE_BEAT_MS = 2000,
    STORE_SLICE = 1000,        /* records of one HSCAN or LRANGE */
    STORE_READS_MAX = 256,     /* reads for views at a time */
    STORE_PREFIX_MAX = 32,     /* letters, digits, `_` and `-` */
    STORE_WORDS_MAX = 1000000, /* of one batch; Redis itself ends at 1,048,576 */
};
#define STORE_RESERVE_MAX_BYTES (UINT64_C(64) << 20)
#define STORE_RESERVE_MIN_BYTES (UINT64_C(8) << 20)

/* Everything is copied. 0 in a number: its default. */
struct store_config {
    const char *unix_path; /* or NULL: host and port */
    const char *host;      /* a name is looked up at each connect, without blocking */
    uint16_t port;
    uint32_t database;
    const char *user;     /* NULL: the server's default user */
    const char *password; /* NULL: none */
    const char *prefix;   /* NULL: "m" */
    const char *owner; /* a lock that this process holds, in words that no other machine or folder
                          has: a holder with the same one has ended. NULL: none */
    const char *name;  /* who this head is, told to a head that finds it active: "host pid 12" */
    bool is_embedded;  /* the state folder's lock proves that we are alone: take over at once, no
                          beat */
    const char *data_dir;   /* where the embedded Redis writes; NULL: free space is not watched */
    uint64_t reserve_bytes; /* default: 1 % of the file system, at least 8 MiB, at most 64 MiB */
    int64_t batch_timeout_ms;
    int64_t takeover_silence_ms;
};

/* What the store is and what was taken over. */
struct store_info {
    uint64_t epoch; /* of this head: above every earlier one */
    uint64_t n;     /* number of the last batch applied; the next one must be n + 1 */
    const char *server_version;
    bool is_durable;    /* appendonly yes and appendfsync always */
    const char *policy; /* "appendonly yes, appendfsync always", for people */
};

/* What people should know of it; the texts stay until the store is closed. */
struct store_facts {
    bool is_embedded;
    const char *policy;                      /* as in store_info; "" before it is known */
    const char *loss;                        /* what a crash of its machine may lose, a phrase */
    uint64_t memory_bytes, memory_max_bytes; /* 0 max: none is set */
};

/* `state` is one of: connecting (at first), loading, waiting, full, ok, fenced, failed; `why` is a
 * sentence. store_close() is allowed in on_batch, on_failed and a reader's on_end only. on_record
 * and on_log may refuse: the store then fails with that code and the report's text. */
struct store_handlers {
    void *context;
    void (*on_state)(void *context, const char *state, const char *why);
    /* Taken over; loading starts. Comes again if the connection was lost meanwhile: what has been
     * loaded must then be forgotten. */
    void (*on_load)(void *context, const struct store_info *info);
    /* Each field of the tables meta, sweeps, jobs, tasks, nodes, once, in this order of tables. */
    error_code (*on_record)(void *context, const char *table, struct bytes field,
                            struct bytes value, struct report *report);
    /* Then each entry of each sweep's log, in order; `index` counts from 0. */
    error_code (*on_log)(void *context, uint32_t sweep, uint64_t index, struct bytes value,
                         struct report *report);
    void (*on_facts)(void *context);             /* store_facts_get() says something else now */
    void (*on_loaded)(void *context);            /* store_send() is allowed from here on */
    void (*on_batch)(void *context, uint64_t n); /* on disk; the next store_send() is allowed */
    /* For good: ERR_FENCED another head took over; ERR_BUSY another head is active; ERR_STALE the
     * store lost what it had acknowledged; ERR_NOT_ALLOWED, ERR_INVALID, ERR_UNSUPPORTED the
     * server's set-up; ERR_PROTOCOL, ERR_NO_MEMORY, or what on_record said. Only store_close() is
     * left. */
    void (*on_failed)(void *context, error_code code, const char *why);
};

/* Starts to connect and returns; ERR_INVALID for a prefix or target that cannot be, ERR_NO_MEMORY.
 */
MUST_CHECK error_code store_open(uv_loop_t *loop, const struct store_config *config,
                                 const struct store_handlers *handlers, struct store **ret_store,
                                 struct report *report);

/* Sends `batch`, which stays as it is until on_batch(batch->n). One at a time (asserted), after
 * on_loaded, numbered without gaps. Never fails: it waits for a store that is away, full or
 * loading. */
void store_send(struct store *store, const struct batch *batch);
void store_facts_get(const struct store *store, struct store_facts *ret_facts);
bool store_is_sending(const struct store *store);

/* A read for a view; on_end comes exactly once and last, on_row before it. ERR_UNREACHABLE: the
 * connection was lost on the way; ERR_CLOSED: the store was closed. A hash that is written
 * meanwhile may give a field twice. Borrowed for the calls. */
struct store_reader {
    void *context;
    void (*on_row)(void *context, struct bytes field, struct bytes value);
    void (*on_end)(void *context, error_code code);
};
/* All fields of a hash ("rows:12.41"), in slices. ERR_UNREACHABLE: not connected now; ERR_BUSY: too
 * many reads; then on_end does not come. */
MUST_CHECK error_code store_read_rows(struct store *store, const char *key,
                                      const struct store_reader *reader);
/* One field of a hash ("attempts", "12.41:0"); on_row is not called when it is not there. */
MUST_CHECK error_code store_read_field(struct store *store, const char *key, const char *field,
                                       const struct store_reader *reader);
/* All entries of a list ("res:7.0"), in order and in slices; the field is empty. A list that is not
 * there has none. */
MUST_CHECK error_code store_read_list(struct store *store, const char *key,
                                      const struct store_reader *reader);

/* A clean exit: gives the holder up, so that the next head need not wait. `on_released` comes once,
 * soon, whatever Redis does. Not while a batch is in flight (asserted). */
void store_release(struct store *store, void (*on_released)(void *context), void *context);

/* Ends at once; a batch in flight is abandoned with its outcome unknown. No handler is called but
 * on_end of reads, and `on_closed` (may be NULL) when the loop holds nothing of the store any more;
 * the store is freed after it. */
void store_close(struct store *store, void (*on_closed)(void *context), void *context);

#endif
