/* tests/unit/tune/rig.h -- a small sweep to tune, its tuner as text, and a made-up day of it:
 * trials asked for, reporting and ending in a random order, every entry kept as the sweep's log
 * would keep it. */
#ifndef MUSTER_TESTS_TUNE_RIG_H
#define MUSTER_TESTS_TUNE_RIG_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/random.h"
#include "tune/tune.h"

#define UNUSED __attribute__((unused))

enum { RIG_DUMP_MAX_BYTES = 1 << 26, RIG_PARAMS = 3, RIG_TRIALS_MAX = 256 };

static const struct value rig_choices[] = {
    {.kind = VALUE_STR, .str = "sgd"},
    {.kind = VALUE_STR, .str = "adamw"},
};

static const struct param_spec rig_params[RIG_PARAMS] = {
    {.name = "lr", .kind = PARAM_REAL, .min = 1e-5, .max = 1e-1, .is_log = true},
    {.name = "layers", .kind = PARAM_INT, .int_min = 1, .int_max = 4},
    {.name = "optimizer", .kind = PARAM_CHOICE, .values = rig_choices, .n_values = 2},
};

/* Minimize, ASHA 1..27 by 3, no stop rule, no limit of concurrency. */
static inline struct sweep_spec rig_spec(void)
{
    return (struct sweep_spec){
        .name = "rig",
        .metric = {.name = "loss", .goal = GOAL_MINIMIZE},
        .parameters = rig_params,
        .n_parameters = RIG_PARAMS,
        .search = SEARCH_RANDOM,
        .schedule = {.type = SCHEDULE_ASHA, .min = 1, .max = 27, .eta = 3},
    };
}

static UNUSED struct tuner *rig_tuner(const struct sweep_spec *spec)
{
    struct tuner *tuner;
    assert_int_equal(tune_new(spec, 17, &tuner), OK);
    return tuner;
}

/* The whole tuner as text; mem_free() it. */
static UNUSED char *rig_dump(const struct tuner *tuner)
{
    struct buf buf;
    buf_init(&buf, RIG_DUMP_MAX_BYTES);
    assert_int_equal(tune_dump(tuner, &buf), OK);
    char *text = mem_strdup(buf_text(&buf));
    assert_non_null(text);
    buf_fini(&buf);
    return text;
}

static UNUSED void rig_assert_equal(const struct tuner *a, const struct tuner *b)
{
    char *text_a = rig_dump(a), *text_b = rig_dump(b);
    assert_string_equal(text_a, text_b);
    mem_free(text_a);
    mem_free(text_b);
}

/* The entry is refused and nothing has changed. */
static UNUSED void rig_refused(struct tuner *tuner, struct tune_event event)
{
    char *before = rig_dump(tuner);
    assert_int_equal(tune_apply(tuner, &event), ERR_INVALID);
    char *after = rig_dump(tuner);
    assert_string_equal(before, after);
    mem_free(before);
    mem_free(after);
}

/* ---- one entry each ---- */

static UNUSED uint32_t rig_ask(struct tuner *tuner)
{
    struct value params[RIG_PARAMS];
    uint32_t trial = tune_next_trial(tuner);
    tune_suggest(tuner, trial, params);
    struct tune_event event = {
        .kind = TUNE_EVENT_ASKED, .trial = trial, .params = params, .n_params = RIG_PARAMS};
    assert_int_equal(tune_apply(tuner, &event), OK);
    return trial;
}

static UNUSED struct tune_event rig_milestone(const struct tuner *tuner, uint32_t trial,
                                              int64_t step, double value)
{
    struct tune_event event = {.kind = TUNE_EVENT_MILESTONE,
                               .trial = trial,
                               .step = step,
                               .has_value = true,
                               .value = value};
    struct value params[SPEC_PARAMETERS_MAX];
    struct tune_milestone milestone = {.trial = trial, .step = step, .value = value};
    tune_decide(tuner, &milestone, &event.decision, params);
    return event;
}

/* A report at a milestone: decided, then applied. */
static UNUSED struct tune_decision rig_report(struct tuner *tuner, uint32_t trial, int64_t step,
                                              double value)
{
    struct tune_event event = rig_milestone(tuner, trial, step, value);
    assert_int_equal(tune_apply(tuner, &event), OK);
    return event.decision;
}

static UNUSED void rig_end(struct tuner *tuner, uint32_t trial, tune_outcome outcome)
{
    struct tune_event event = {.kind = TUNE_EVENT_ENDED, .trial = trial, .outcome = outcome};
    assert_int_equal(tune_apply(tuner, &event), OK);
}

static UNUSED void rig_end_at(struct tuner *tuner, uint32_t trial, tune_outcome outcome,
                              int64_t step, double value)
{
    struct tune_event event = {.kind = TUNE_EVENT_ENDED,
                               .trial = trial,
                               .step = step,
                               .has_value = true,
                               .value = value,
                               .outcome = outcome};
    assert_int_equal(tune_apply(tuner, &event), OK);
}

static UNUSED void rig_assert_decision(struct tune_decision decision, tune_act act, tune_why why,
                                       int64_t until)
{
    assert_int_equal(decision.act, act);
    assert_string_equal(tune_why_word(decision.why), tune_why_word(why));
    assert_int_equal(decision.until, until);
}

/* ---- a day ---- */

/* One entry as the log keeps it. */
struct rig_entry {
    struct tune_event event;
    struct value params[RIG_PARAMS];
};

struct rig_day {
    struct random random;
    int64_t step[RIG_TRIALS_MAX + 1]; /* last one reported, by trial */
    bool is_open[RIG_TRIALS_MAX + 1];
};

static UNUSED const struct tune_event *rig_entry_event(struct rig_entry *entry)
{
    if (entry->event.kind == TUNE_EVENT_ASKED) {
        entry->event.params = entry->params;
    }
    return &entry->event;
}

/* Few different values, so that ties, NaN and infinities are common. */
static double rig_day_value(struct rig_day *day)
{
    uint64_t dice = random_below(&day->random, 40);
    return dice == 0 ? NAN : dice == 1 ? INFINITY : dice == 2 ? -INFINITY : (double)(dice / 2);
}

static bool rig_day_ask(struct rig_day *day, const struct tuner *tuner, struct rig_entry *ret)
{
    uint32_t trial = tune_next_trial(tuner);
    if (tune_tickets(tuner) == 0 || trial > RIG_TRIALS_MAX) {
        return false;
    }
    *ret = (struct rig_entry){
        .event = {.kind = TUNE_EVENT_ASKED, .trial = trial, .n_params = RIG_PARAMS}};
    tune_suggest(tuner, trial, ret->params);
    day->is_open[trial] = true;
    day->step[trial] = 0;
    return true;
}

static void rig_day_trial(struct rig_day *day, const struct tuner *tuner, uint32_t trial,
                          struct rig_entry *ret)
{
    int64_t milestone = tune_first_milestone(tuner, trial);
    double value = rig_day_value(day);
    bool is_milestone = milestone != INT64_MAX && random_below(&day->random, 5) > 0;
    if (is_milestone) {
        /* Mostly at the rung; sometimes late, past other rungs, or (a retry from nothing) below it.
         */
        static const int64_t late[] = {0, 0, 0, 0, 1, 9, 30, -2};
        int64_t step = milestone + late[random_below(&day->random, 8)];
        day->step[trial] = step;
        *ret = (struct rig_entry){.event = rig_milestone(tuner, trial, step, value)};
        return;
    }
    if (tune_reaches_target(tuner, value)) {
        *ret = (struct rig_entry){.event = {.kind = TUNE_EVENT_TARGET,
                                            .trial = trial,
                                            .step = day->step[trial] + 1,
                                            .has_value = true,
                                            .value = value}};
        return;
    }
    day->is_open[trial] = false;
    *ret = (struct rig_entry){
        .event = {.kind = TUNE_EVENT_ENDED,
                  .trial = trial,
                  .step = day->step[trial],
                  .has_value = random_below(&day->random, 3) > 0,
                  .value = value,
                  .outcome = (tune_outcome)random_below(&day->random, TUNE_OUTCOME_INVALID + 1)}};
}

/* What happens next to the sweep of `tuner`; not applied yet. false: nothing can. */
static UNUSED bool rig_day_next(struct rig_day *day, const struct tuner *tuner,
                                const struct sweep_spec *spec, struct rig_entry *ret)
{
    if (spec->stop.wall_ms > 0 && tune_finishing(tuner) == TUNE_WHY_NONE &&
        random_below(&day->random, 200) == 0) {
        *ret = (struct rig_entry){.event = {.kind = TUNE_EVENT_WALL}};
        return true;
    }
    if (random_below(&day->random, 3) == 0 && rig_day_ask(day, tuner, ret)) {
        return true;
    }
    uint32_t n = tune_next_trial(tuner) - 1;
    uint32_t first = n > 0 ? (uint32_t)random_below(&day->random, n) : 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t trial = (first + i) % n + 1;
        if (day->is_open[trial]) {
            rig_day_trial(day, tuner, trial, ret);
            return true;
        }
    }
    return rig_day_ask(day, tuner, ret);
}

#endif
