/* head/shell/store_inside.h -- the store's own state and the steps of its life, which call one
 * another across the files store*.c. Nobody else includes this. */
#ifndef MUSTER_HEAD_SHELL_STORE_INSIDE_H
#define MUSTER_HEAD_SHELL_STORE_INSIDE_H

#include "base/list.h"
#include "head/shell/redis_link.h"
#include "head/shell/store.h"

enum {
    STORE_HOLDER_TEXT_BYTES = 33, /* 128 random bits in hex */
    STORE_SHA_TEXT_BYTES = 41,
    STORE_RETRY_MS = 50,     /* a server that is loading, busy or out of memory is asked again */
    STORE_SPACE_MS = 250,    /* free space is looked at again */
    STORE_WATCH_MS = 1000,   /* another head's beat is looked at again */
    STORE_RELEASE_MS = 2000, /* a release is given up */
    STORE_KEY_MAX = 256,     /* of a key with its prefix */
};

/* In the order in which they are passed. */
enum store_phase {
    PHASE_DOWN,
    PHASE_CHECK,
    PHASE_VERIFY, /* after a reconnect, instead of the next three */
    PHASE_TAKE,
    PHASE_TEST,
    PHASE_LOAD,
    PHASE_READY,
    PHASE_FAILED,
    PHASE_CLOSED,
};

typedef void store_step_fn(struct store *store);

/* A batch as words of one EVALSHA; the values are the batch's own bytes. */
struct store_words {
    const char **words;
    size_t *lengths;
    uint32_t n, cap;
    char *text; /* keys and counts, NUL-terminated */
    size_t text_len, text_cap;
    uint32_t ops_cap; /* of the three below */
    uint32_t *next;   /* of each operation: the next one on its key, + 1 */
    struct key_chain *chains;
    uint32_t *slots; /* hash table of chains, + 1; twice ops_cap */
    uint64_t *known; /* hashes of keys whose type was looked at on this connection */
};

struct store_loading {
    uint32_t table;
    char cursor[24];
    uint64_t expected, seen; /* fields of the table */
    uint32_t *sweeps;
    uint32_t n_sweeps, sweeps_cap, sweep;
    uint64_t index; /* in the log */
};

struct store_watching {
    uint64_t since_ms; /* 0: nothing was seen yet */
    char holder[STORE_HOLDER_TEXT_BYTES];
    char active[128], beat[24], n[24];
};

struct store {
    uv_loop_t *loop;
    struct store_handlers handlers;
    /* the configuration, copied */
    char *unix_path, *host, *user, *password, *name, *owner, *data_dir;
    uint16_t port;
    uint32_t database;
    char prefix[STORE_PREFIX_MAX + 1];
    char meta[STORE_PREFIX_MAX + 8]; /* the key of meta */
    bool is_embedded;
    uint64_t reserve_bytes;
    int64_t batch_timeout_ms, takeover_silence_ms;
    /* the connection */
    enum store_phase phase;
    struct redis_link *link;         /* NULL: none now */
    uint32_t attempts, open_handles; /* attempts to connect since the last success */
    uv_timer_t retry, beat;
    uv_getaddrinfo_t lookup;
    bool is_looking_up;
    char address[64]; /* what `host` is now, numeric */
    store_step_fn *retry_step;
    /* what is known */
    char holder[STORE_HOLDER_TEXT_BYTES];
    char batch_sha[STORE_SHA_TEXT_BYTES]; /* "": the server has not told it yet */
    char version[32], policy[96], fsync[16];
    bool is_aof, is_durable, is_loaded;
    uint64_t memory_bytes, memory_max_bytes; /* of the server; 0 max: no limit, or not known */
    uint32_t n_beats;
    uint64_t epoch, n;
    char state[16];
    struct store_watching watching;
    struct store_loading loading;
    uint32_t test_step;
    struct batch test_batch;
    /* the batch in flight */
    const struct batch *batch; /* NULL: none */
    store_step_fn *on_applied;
    struct store_words words;
    uint64_t heard_ms; /* loop time of the last batch or beat that was answered */
    struct list reads;
    uint32_t n_reads;
    /* leaving */
    void (*on_released)(void *context);
    void *release_context;
    void (*on_closed)(void *context);
    void *close_context;
};

/* ---- store.c ---- */
void store_state_set(struct store *store, const char *state, const char *format, ...)
    PRINTF_LIKE(3, 4);
void store_fail(struct store *store, error_code code, const char *format, ...) PRINTF_LIKE(3, 4);
/* Calls `step` after `delay_ms`; replaces what was to come. */
void store_later(struct store *store, store_step_fn *step, int64_t delay_ms);
/* Sends words (NULL ends them); a link that is being lost is no error, the loss itself goes on. */
void store_ask(struct store *store, redis_reply_fn *on_reply, const char *const *words);

/* From the take-over on, or a long recovery would look like the end of a head. */
void store_beat_start(struct store *store);
/* The loop holds one thing less of a store that is being closed; frees it with the last. */
void store_handle_closed(struct store *store);

/* ---- store_connect.c ---- */
void store_connect(struct store *store);
/* Gives the connection up and connects again after a pause. */
void store_reconnect(struct store *store, const char *why);
/* A lookup under way is given up; store_handle_closed() comes when it has ended. */
void store_lookup_end(struct store *store);

/* ---- store_check.c ---- */
void store_memory_ask(struct store *store);

/* ---- store_reply.c ---- */
/* True: the reply is of `type`. Otherwise what follows has been seen to: nothing for NULL (the loss
 * goes on by itself), `again` later for a server that cannot now, a failure for good. */
bool store_reply_ok(struct store *store, const redisReply *reply, int type, store_step_fn *again);
struct bytes reply_bytes(const redisReply *reply); /* of a string or status; else empty */
/* Copies text, cut at the size; "" for anything that is no text. */
void reply_copy(const redisReply *reply, char *ret_text, size_t size_bytes);
/* A key below our prefix that is somebody else's; `type` as Redis calls it. */
void store_fail_foreign(struct store *store, const char *key, const char *type);

/* ---- the steps, in their order ---- */
void store_check(struct store *store);  /* store_check.c */
void store_take(struct store *store);   /* store_takeover.c */
void store_verify(struct store *store); /* store_takeover.c, instead of take to load when loaded */
void store_test(struct store *store);   /* store_selftest.c */
void store_load(struct store *store);   /* store_load.c, and fini */
void store_load_fini(struct store *store);
void store_ready(struct store *store); /* store.c */

/* ---- store_batch.c, store_words.c, store_space.c, store_read.c ---- */
void store_batch_start(struct store *store, const struct batch *batch, store_step_fn *on_applied);
/* On a new connection: its words are made anew. */
void store_batch_send(struct store *store);
/* A key that is not known yet is to be looked at, and is known from then on. */
MUST_CHECK error_code store_words_set(struct store_words *words, const char *prefix,
                                      const char *meta, const char *holder,
                                      const struct batch *batch);
void store_words_forget(struct store_words *words); /* which keys are known */
void store_words_fini(struct store_words *words);
/* True: there is room for `size_bytes` above the reserve. Otherwise a sentence that says so. */
bool store_space_ok(const struct store *store, size_t size_bytes, char *ret_why, size_t why_size);
void store_reads_end(struct store *store, error_code code);

/* ---- store_script.c: what runs inside Redis ---- */
extern const char *const store_script_batch, *const store_script_take;
extern const char *const store_script_tested,
    *const store_script_beat, *const store_script_release, *const store_script_types;

#endif
