/* tests/fuzz/head_ends.h -- a head without sockets: the shipped core, frames' decoder and routes of
 * head/shell, and in place of router, HTTP server, depot and store these ends, which check what
 * leaves. What is written is kept, and loads into a second core. One thread; one at a time. */
#ifndef MUSTER_TESTS_FUZZ_HEAD_ENDS_H
#define MUSTER_TESTS_FUZZ_HEAD_ENDS_H

#include "head/shell/shell.h"
#include "input.h"

enum { ENDS_PEERS = 4, ENDS_PAIRS = 6, ENDS_REQUESTS_MAX = 256 };

struct ends_pair { /* of a query */
    const char *name, *value;
};

/* A fresh head with two nodes, a sweep whose trials are leased and a task; or with nothing. */
void ends_open(bool is_busy);
/* Everything is freed. Before it: each request was answered, and what is stored loads again (which
 * takes as long as all the rest). */
void ends_close(bool is_loaded_again);
/* The failure of an allocation was noticed by the core: nothing more may be asked of it. */
bool ends_has_failed(void);
struct head *ends_head(void);
/* Moves on by ms, as a loop that was away for so long if is_gap. */
void ends_wait(int64_t ms, bool is_gap);
/* The end of a turn; a stalled store takes the batch and does not answer. */
void ends_turn(bool is_stalled);
/* A frame of peer 0 to ENDS_PEERS - 1, through peers_on_frame(). */
void ends_frame(uint32_t peer, struct bytes frame);
/* A request through access_on_request(). `pairs`: ENDS_PAIRS at most, name NULL ends them. */
void ends_request(http_method method, const char *path, const struct ends_pair *pairs,
                  struct bytes body, const struct http_identity *identity, const char *key);
/* A peer tells of up to `n` tasks of the job's array that ended well, the lowest that it was leased
 * and has not told of. Returns how many that were. */
uint32_t ends_array_done(uint32_t job, uint32_t n);
/* The body of the last answer that was JSON and none of an error; borrowed until the next one. */
struct bytes ends_last_answer(void);
/* What the store gives to reads: a block of bytes in place of what was stored, or (none) that.
 * Borrowed until the next call. */
void ends_store_gives(struct bytes value);
/* The i-th of what was stored: a field of a hash, or an item of a list (field empty). False: there
 * are fewer. */
bool ends_stored(uint32_t i, const char **ret_key, struct bytes *ret_field,
                 struct bytes *ret_value);
/* The routing name and incarnation of a peer. */
const char *ends_peer_node(uint32_t peer);
uint64_t ends_peer_incarnation(uint32_t peer);
/* The number that the next event of this peer's agent must have. */
uint64_t ends_peer_event(uint32_t peer);

#endif
