/* sys/spawner_chain.h -- processes that run one after the other, each started by the spawner's own
 * thread as soon as the one before it has ended, without a turn of the loop in between. What
 * happened is read by the loop when it comes to it. Called from the loop's thread.
 *
 * A chain goes on by itself only if its owner's `may_go_on` finds that the process left nothing
 * behind. Else, or if one cannot be started, it *halts* until the owner says spawn_chain_go(). */
#ifndef MUSTER_SYS_SPAWNER_CHAIN_H
#define MUSTER_SYS_SPAWNER_CHAIN_H

#include "sys/spawner.h"

struct spawn_chain;

enum { SPAWN_CHAIN_LOW = 4 }; /* so few wait: the loop is woken, to give it more */

struct spawn_chain_ops {
    /* On the spawner's thread, under its lock: short, and no call to the spawner. The main process
     * has ended and is not reaped. */
    bool (*may_go_on)(void *context);
    /* On the loop's thread: there are events, and few are queued or it has halted. */
    void (*on_news)(void *context);
    void *context;
};

typedef enum {
    SPAWN_CHAIN_BEGUN,       /* this one is next: what the pipes get from now on is of it */
    SPAWN_CHAIN_STARTED,     /* `result` */
    SPAWN_CHAIN_NOT_STARTED, /* `result` says why; halted */
    SPAWN_CHAIN_ENDED,       /* the main process; it is to be reaped by the caller */
} spawn_chain_event_kind;

struct spawn_chain_event {
    spawn_chain_event_kind kind;
    uint64_t tag;
    const struct spawn_result *result; /* until the next take; the pidfd stays the chain's */
    const char *program;               /* as it was asked for; the same */
    time_ms ended_at;
    int64_t ended_us; /* on the monotonic clock */
    bool is_halted;
};

MUST_CHECK error_code spawn_chain_new(struct spawner *spawner, const struct spawn_chain_ops *ops,
                                      struct spawn_chain **ret_chain);
/* Nothing of it may run, unless the spawner has ended. NULL is fine. */
void spawn_chain_free(struct spawn_chain *chain);
/* Behind what is queued; `tag` comes back with its events. The request is copied; its descriptors
 * must stay open as long as the chain. ERR_LIMIT or ERR_NO_MEMORY: nothing was taken. */
MUST_CHECK error_code spawn_chain_push(struct spawn_chain *chain, uint64_t tag,
                                       const struct spawn_request *request);
/* The next thing that happened; for each process BEGUN, STARTED and ENDED, or BEGUN and
 * NOT_STARTED. False: nothing new. */
bool spawn_chain_take(struct spawn_chain *chain, struct spawn_chain_event *ret_event);
/* Takes the last one that is queued back. False: none is. */
bool spawn_chain_recall(struct spawn_chain *chain, uint64_t *ret_tag);
uint32_t spawn_chain_queued(const struct spawn_chain *chain);
/* Until as many are let go as hold it nothing new begins, and who ends meanwhile halts. So after a
 * hold and after taking all events, what runs is known, and so is whose the bytes in the pipes are.
 */
void spawn_chain_hold(struct spawn_chain *chain);
void spawn_chain_let(struct spawn_chain *chain);
/* Goes on after a halt. */
void spawn_chain_go(struct spawn_chain *chain);

#endif
