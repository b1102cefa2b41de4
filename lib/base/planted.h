/* base/planted.h -- bugs put in on purpose, so that the simulator can show that it finds such ones.
 * Seven of them are what other implementations of population-based training had.
 * They exist in the build muster-sim-planted alone, where each can be turned on; in every other
 * build PLANTED() is the constant false and nothing of it is left. Pure. */
#ifndef MUSTER_BASE_PLANTED_H
#define MUSTER_BASE_PLANTED_H

#include <stdbool.h>
#include <stdint.h>

/* name; what it breaks */
#define PLANTED_BUGS(X)                                                                            \
    X(acknowledge_early, "an effect leaves before its batch is on disk")                           \
    X(skip_epoch, "a worker obeys a head that was fenced off")                                     \
    X(forget_attempt, "an event of an earlier attempt is taken for the current one's")             \
    X(timers_first, "silence is judged before what has arrived is read")                           \
    X(give_twice, "an ended attempt gives its resources back twice")                               \
    X(exploit_nothing, "a trial exploits one that has no snapshot")                                \
    X(exploit_half, "a trial gets the donor's hyperparameters and keeps its own weights")          \
    X(leave_early, "a node may leave though it alone has what a trial goes on from")               \
    X(call_off_half, "a trial whose exploit is called off has its weights again, and not its "     \
                     "hyperparameters")                                                            \
    X(drop_lent, "a snapshot is deleted though another trial goes on from it")                     \
    X(reset_step, "weights that are taken over count their steps anew")                            \
    X(explore_out, "explored values leave their range")                                            \
    X(explore_to_zero, "explored whole numbers are cut off, down to 0")                            \
    X(keep_slot, "a trial that was told to leave keeps its resources")                             \
    X(drop_kept, "a snapshot is deleted though its trial keeps it beside its last and its best")   \
    X(start_alone, "a part of a gang starts before the others are ready")                          \
    X(leave_parts, "a trial on several nodes goes on while a part of its attempt is there")

#ifdef MUSTER_PLANTED
enum planted_bug {
#define X(name, what) PLANTED_##name,
    PLANTED_BUGS(X)
#undef X
};
extern uint32_t planted_bugs; /* a bit each; sim/planted.c */
#define PLANTED(name) ((planted_bugs & 1U << PLANTED_##name) != 0)
#else
#define PLANTED(name) false
#endif

/* A statement that is one of them. */
#define PLANT(name, statement)                                                                     \
    do {                                                                                           \
        if (PLANTED(name)) {                                                                       \
            statement;                                                                             \
        }                                                                                          \
    } while (0)

#endif
