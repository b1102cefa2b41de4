/* tune/foresee.c -- what a schedule will come to, for people, before anything runs. */
#include "tune/foresee.h"

#include "tune/ladder.h"

/* Errors are the buffer's, sticky. */
#define put(buf, ...) ignore_error(buf_printf((buf), __VA_ARGS__), "sticky")

static void steps_print(const struct ladder *ladder, struct buf *buf)
{
    for (uint32_t i = 0; i < ladder->n && ladder->steps[i] != INT64_MAX; i++) {
        if (i == STEPS_SHOWN_MAX) {
            put(buf, ", ...");
            return;
        }
        put(buf, "%s%lld", i > 0 ? ", " : "", (long long)ladder->steps[i]);
    }
}

static void foresee_rungs(const struct sweep_spec *spec, struct buf *buf)
{
    struct ladder ladder;
    if (ladder_init(&ladder, &spec->schedule) != OK) {
        return;
    }
    put(buf, "rungs at ");
    steps_print(&ladder, buf);
    put(buf, " steps, one of %lld goes on", (long long)spec->schedule.eta);
}

static void foresee_hyperband(const struct sweep_spec *spec, struct buf *buf)
{
    struct ladder ladder;
    if (spec->schedule.mode == SCHEDULE_STOP) {
        foresee_rungs(spec, buf);
        return;
    }
    if (ladder_init(&ladder, &spec->schedule) != OK) {
        return;
    }
    put(buf, "brackets of");
    for (uint32_t b = 0; b < ladder.n; b++) {
        put(buf, "%s %u trials from step %lld", b > 0 ? "," : "",
            hyperband_bracket_size(&spec->schedule, ladder.n, ladder.n - 1 - b),
            (long long)ladder.steps[b]);
    }
    put(buf, ", and so on");
}

static void foresee_median(const struct sweep_spec *spec, struct buf *buf)
{
    put(buf, "a look every %lld steps from step %lld on, once %u others are there",
        (long long)spec->schedule.interval, (long long)spec->schedule.min, spec->schedule.startup);
}

static void foresee_pbt(const struct sweep_spec *spec, struct buf *buf)
{
    int64_t interval = spec->pbt.interval;
    put(buf, "a population of %u, %lld milestones each", spec->pbt.population,
        (long long)(spec->schedule.max / interval + (spec->schedule.max % interval != 0)));
}

static void foresee_replay(const struct sweep_spec *spec, struct buf *buf)
{
    put(buf, "parameters from step");
    for (uint32_t i = 0; i < spec->schedule.n_steps; i++) {
        if (i == STEPS_SHOWN_MAX) {
            put(buf, ", ...");
            return;
        }
        put(buf, "%s %lld", i > 0 ? "," : "", (long long)spec->schedule.steps[i]);
    }
    put(buf, " on");
}

error_code tune_foresee(const struct sweep_spec *spec, struct buf *buf)
{
    static void (*const writers[])(const struct sweep_spec *, struct buf *) = {
        [SCHEDULE_ASHA] = foresee_rungs,
        [SCHEDULE_SHA] = foresee_rungs,
        [SCHEDULE_HYPERBAND] = foresee_hyperband,
        [SCHEDULE_MEDIAN] = foresee_median,
        [SCHEDULE_PBT] = foresee_pbt,
        [SCHEDULE_REPLAY] = foresee_replay,
    };
    if (writers[spec->schedule.type] != NULL) {
        writers[spec->schedule.type](spec, buf);
    }
    return buf->failed;
}
