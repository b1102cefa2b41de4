#include "sys/turn_clock.h"

#include <string.h>
#include <time.h>

#define NS_PER_S 1000000000ULL

const char *const turn_stage_words[TURN_STAGES_COUNT] = {
#define TURN_STAGE_WORD(stage, word) [stage] = (word),
    TURN_STAGES(TURN_STAGE_WORD)
#undef TURN_STAGE_WORD
};

static uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time); /* cannot fail for this clock */
    return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

void turn_clock_init(struct turn_clock *clock)
{
    *clock = (struct turn_clock){.stage = TURN_LOOP, .since_ns = now_ns()};
}

void turn_back(struct turn_clock *clock, turn_stage stage)
{
    if (clock == NULL) {
        return;
    }
    uint64_t now = now_ns(), spent = now - clock->since_ns;
    turn_stage before = clock->stage;
    clock->totals.stages[before].ns += spent;
    clock->totals.ns += spent;
    clock->awake_ns += before == TURN_SLEEP ? 0 : spent;
    clock->stage = stage;
    clock->since_ns = now;
}

turn_stage turn_enter(struct turn_clock *clock, turn_stage stage)
{
    turn_stage before = clock != NULL ? clock->stage : stage;
    turn_back(clock, stage);
    if (clock != NULL) {
        clock->totals.stages[stage].count++;
    }
    return before;
}

/* 0: below a nanosecond; then four to each power of two. */
static uint32_t bucket_of(uint64_t ns)
{
    uint32_t octave = ns == 0 ? 0 : 63 - (uint32_t)__builtin_clzll(ns);
    uint32_t quarter = octave < 2 ? 0 : (uint32_t)(ns >> (octave - 2)) & 3;
    uint32_t bucket = octave * 4 + quarter;
    return bucket < TURN_BUCKETS ? bucket : TURN_BUCKETS - 1;
}

static double bucket_middle_ns(uint32_t bucket)
{
    double octave = (double)(1ULL << (bucket / 4));
    return octave * (1 + (bucket % 4 + 0.5) / 4);
}

static void window_roll(struct turn_clock *clock)
{
    struct turn_totals *now = &clock->totals, *begin = &clock->window_begin;
    if (now->ns - begin->ns < NS_PER_S) {
        return;
    }
    for (int i = 0; i < TURN_STAGES_COUNT; i++) {
        clock->window.stages[i] = (struct turn_sum){now->stages[i].ns - begin->stages[i].ns,
                                                    now->stages[i].count - begin->stages[i].count};
    }
    clock->window.turns = now->turns - begin->turns;
    clock->window.ns = now->ns - begin->ns;
    *begin = *now;
}

void turn_sleep(struct turn_clock *clock)
{
    (void)turn_enter(clock, TURN_SLEEP);
    clock->totals.turns++;
    clock->buckets[bucket_of(clock->awake_ns)]++;
    clock->longest_ns = clock->awake_ns > clock->longest_ns ? clock->awake_ns : clock->longest_ns;
    clock->awake_ns = 0;
    window_roll(clock);
}

double turn_quantile_us(const struct turn_clock *clock, uint32_t permille)
{
    uint64_t wanted = clock->totals.turns * permille / 1000, seen = 0;
    for (uint32_t i = 0; i < TURN_BUCKETS; i++) {
        seen += clock->buckets[i];
        if (seen > wanted || (seen == clock->totals.turns && seen > 0)) {
            return bucket_middle_ns(i) / 1000;
        }
    }
    return 0;
}
