/* sys/turn_clock.h -- where a loop's microseconds go: each moment of its thread belongs to one
 * stage. Always on: a boundary is one read of the clock and an addition. One thread.
 *
 * Whoever begins a stage gives back the one before when it ends, so stages nest: what a store's
 * reply makes the core do is the core's time, not the store's. */
#ifndef MUSTER_SYS_TURN_CLOCK_H
#define MUSTER_SYS_TURN_CLOCK_H

#include <stdint.h>

/* The stage and its word. */
#define TURN_STAGES(X)                                                                             \
    X(TURN_SLEEP, "sleep")       /* nothing to do */                                               \
    X(TURN_LOOP, "loop")         /* between the others: libuv, timers, what has no stage */        \
    X(TURN_DECODE, "decode")     /* frames: received, decrypted, decoded */                        \
    X(TURN_HTTP, "http")         /* requests read, answers written */                              \
    X(TURN_REACTOR, "reactor")   /* events and requests change the core's state */                 \
    X(TURN_SCHEDULE, "schedule") /* what waits is placed; suggestions and leases */                \
    X(TURN_ENCODE, "encode")     /* dirty records become writes */                                 \
    X(TURN_STORE, "store")       /* batches to the store, its replies */                           \
    X(TURN_SEND, "send")         /* what is on disk leaves: frames, answers, notices */

typedef enum {
#define TURN_STAGE_ENUM(stage, word) stage,
    TURN_STAGES(TURN_STAGE_ENUM)
#undef TURN_STAGE_ENUM
        TURN_STAGES_COUNT
} turn_stage;

extern const char *const turn_stage_words[TURN_STAGES_COUNT];

/* A turn's length falls into one of four buckets an octave: a quantile is right to a fifth. */
enum { TURN_BUCKETS = 4 * 40 };

struct turn_sum {
    uint64_t ns;
    uint64_t count; /* how often it began */
};

struct turn_totals {
    struct turn_sum stages[TURN_STAGES_COUNT];
    uint64_t turns; /* from waking to sleeping again */
    uint64_t ns;    /* of all stages: the time since the clock was made */
};

struct turn_clock {
    turn_stage stage;
    uint64_t since_ns; /* it began */
    struct turn_totals totals;
    struct turn_totals window_begin; /* the totals when the present second began */
    struct turn_totals window;       /* what the last whole second (or a little more) added */
    uint64_t awake_ns;               /* of the turn that goes on */
    uint64_t longest_ns;
    uint64_t buckets[TURN_BUCKETS];
};

void turn_clock_init(struct turn_clock *clock);
/* From now on it is this stage's time; returns the one before, to be given back. A NULL clock: does
 * nothing. */
turn_stage turn_enter(struct turn_clock *clock, turn_stage stage);
/* It is the time of the stage before again. */
void turn_back(struct turn_clock *clock, turn_stage before);
/* The loop is about to wait: the turn is over. */
void turn_sleep(struct turn_clock *clock);
/* The turns' length below which so many of 1,000 were, in microseconds; 0: there was none. */
double turn_quantile_us(const struct turn_clock *clock, uint32_t permille);

#endif
