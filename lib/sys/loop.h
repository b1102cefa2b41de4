/* sys/loop.h -- one loop a daemon: libuv below, and above it the turn that both daemons share. One
 * thread.
 *
 * A turn: now -> poll -> sources decode until nothing is left or their limit is reached ->
 * on_turn(now, gap, is_behind). `gap`: milliseconds by which the loop was away more than it should
 * (> 1 s since its last turn: stopped, swapped, store stall), else 0: whoever judges by silence
 * moves its deadlines by the gap first. `is_behind`: a source left something undecoded, so nobody
 * may be declared silent in this turn. */
#ifndef MUSTER_SYS_LOOP_H
#define MUSTER_SYS_LOOP_H

#include <uv.h>

#include "base/error.h"
#include "base/id.h"
#include "sys/turn_clock.h"

struct loop;

struct loop_turn {
    time_ms now;
    int64_t gap_ms;
    bool is_behind;
};

typedef void loop_turn_fn(void *context, const struct loop_turn *turn);
/* A source of input that libuv's own watchers do not describe (a ZeroMQ socket): decodes up to its
 * limit; true if something was left. Called every turn before on_turn. */
typedef bool loop_source_fn(void *context, time_ms now);

enum { LOOP_SOURCES_MAX = 16, LOOP_GAP_MS = 1000 };

MUST_CHECK error_code loop_new(struct loop **ret_loop, struct report *report);
void loop_free(
    struct loop *loop); /* every handle made on loop_uv() must be closed by its owner first */
uv_loop_t *loop_uv(struct loop *loop);
/* The turn's time; clock_now() read once a turn. */
time_ms loop_now(const struct loop *loop);
/* The loop itself tells sleep from waking; who is called tells what it does. */
struct turn_clock *loop_clock(struct loop *loop);
/* The same for who has a watcher's loop only. NULL: that one is none of ours. */
struct turn_clock *loop_clock_of(uv_loop_t *uv);
void loop_turn_set(struct loop *loop, loop_turn_fn *on_turn, void *context);
MUST_CHECK error_code loop_source_add(struct loop *loop, loop_source_fn *source, void *context);
void loop_source_remove(struct loop *loop, loop_source_fn *source, void *context);
/* The next turn comes at `deadline` at the latest (INT64_MAX: when something happens). Set anew
 * each turn. */
void loop_deadline_set(struct loop *loop, time_ms deadline);
/* One more turn without waiting (a source knows that there is more; an effect made new work). */
void loop_again(struct loop *loop);
MUST_CHECK error_code loop_run(struct loop *loop); /* until loop_stop() */
void loop_stop(struct loop *loop);

#endif
