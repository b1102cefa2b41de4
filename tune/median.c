/* tune/median.c -- median stopping: Golovin, Solnik, Moitra, Kochanski, Karro, Sculley, "Google
 * Vizier: A Service for Black-Box Optimization", KDD 2017, section 3.2.1.
 *
 * A trial is stopped at step s if its best value up to s is worse than the median of the running
 * averages, up to s, of the other trials. Averages are over the milestones, which are every
 * `interval` steps, those below schedule.min included: from min on trials are judged. Other trials
 * are those that have come to s, ended or not, at least `startup` of them; Vizier takes completed
 * ones alone, which lets the first generation of a wide sweep run on unjudged. NaN is worst, as a
 * value and as an average.
 *
 * The averages at one step are in two heaps (rung.h with eta 2), the median between their tops: a
 * look O(1), a result O(log n), and 16 bytes for each trial and milestone. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "tune/rung.h"
#include "tune/trial_scheduler.h"

enum { CAP_FIRST = 16 };

/* A trial's values so far, as scores: lower is better. */
struct history {
    double best; /* NaN: none yet, or none that is a number */
    double sum;
    uint32_t n;
};

struct trial_scheduler {
    const struct sweep_spec *spec; /* borrowed */
    struct rung *levels;           /* owned; the averages at each step that was reported, rising */
    uint32_t n_levels, cap_levels;
    struct history *histories; /* owned; by trial */
    uint32_t n, cap;
};

static error_code median_new(const struct sweep_spec *spec, struct trial_scheduler **ret_scheduler)
{
    const struct schedule_spec *schedule = &spec->schedule;
    if (schedule->min < 1 || schedule->max < schedule->min || schedule->interval < 1) {
        return ERR_INVALID;
    }
    struct trial_scheduler *median = mem_zalloc(sizeof *median);
    if (median == NULL) {
        return ERR_NO_MEMORY;
    }
    median->spec = spec;
    *ret_scheduler = median;
    return OK;
}

static void median_free(struct trial_scheduler *median)
{
    if (median == NULL) {
        return;
    }
    for (uint32_t i = 0; i < median->n_levels; i++) {
        rung_fini(&median->levels[i]);
    }
    mem_free(median->levels);
    mem_free(median->histories);
    mem_free(median);
}

/* ---- questions ---- */

static struct history *history_of(const struct trial_scheduler *median, uint32_t trial)
{
    assert(trial >= 1 && trial <= median->n);
    return &median->histories[trial - 1];
}

/* The milestone that a report at `step` counts for; 0: below the first one. */
static int64_t level_step(const struct trial_scheduler *median, int64_t step)
{
    return step < 0 ? 0 : step - step % median->spec->schedule.interval;
}

static int64_t median_first_milestone(const struct trial_scheduler *median, uint32_t trial,
                                      int64_t judged)
{
    (void)trial;
    int64_t max = median->spec->schedule.max, interval = median->spec->schedule.interval;
    int64_t at = level_step(median, judged);
    if (judged >= max) {
        return INT64_MAX;
    }
    return interval >= max || at > max - interval ? max : at + interval;
}

/* Where `step` stands or would stand. */
static uint32_t level_find(const struct trial_scheduler *median, int64_t step)
{
    uint32_t low = 0, high = median->n_levels;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (median->levels[middle].step < step) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Of n averages, the best n / 2 of which are apart. NaN for none. */
static double level_median(const struct rung *level)
{
    uint32_t n = rung_count(level);
    if (n == 0) {
        return NAN;
    }
    double behind = level->others.items[0].score;
    return n % 2 == 1 ? behind : level->best.items[0].score / 2 + behind / 2;
}

static struct history history_with(const struct trial_scheduler *median, uint32_t trial,
                                   double value)
{
    struct history history = *history_of(median, trial);
    double score = median->spec->metric.goal == GOAL_MAXIMIZE ? -value : value;
    history.best = history.n == 0 ? score : fmin(history.best, score); /* NaN only if all are */
    history.sum += score;
    history.n++;
    return history;
}

static bool is_worse(double score, double than)
{
    return score > than || (isnan(score) && !isnan(than));
}

static void median_decide(const struct trial_scheduler *median, const struct sweep_view *view,
                          int64_t judged, const struct tune_milestone *milestone,
                          struct tune_decision *ret_decision, struct value *ret_params)
{
    const struct schedule_spec *schedule = &median->spec->schedule;
    int64_t step = level_step(median, milestone->step);
    struct tune_decision decision = {.act = TUNE_STOP, .why = TUNE_WHY_MAX, .until = INT64_MAX};
    (void)view;
    (void)ret_params;
    if (milestone->step < schedule->max) {
        uint32_t at = level_find(median, step);
        bool has_level = at < median->n_levels && median->levels[at].step == step;
        struct history own = history_with(median, milestone->trial, milestone->value);
        bool is_judged = step > judged && milestone->step >= schedule->min && has_level &&
                         rung_count(&median->levels[at]) >= schedule->startup;
        bool is_bad = is_judged && is_worse(own.best, level_median(&median->levels[at]));
        int64_t from = judged > step ? judged : step;
        decision.act = is_bad ? TUNE_STOP : TUNE_GO;
        decision.why = is_bad ? TUNE_WHY_MEDIAN : TUNE_WHY_NONE;
        decision.until =
            is_bad ? INT64_MAX : median_first_milestone(median, milestone->trial, from);
    }
    *ret_decision = decision;
}

/* ---- entries ---- */

static error_code levels_reserve(struct trial_scheduler *median)
{
    if (median->n_levels < median->cap_levels) {
        return OK;
    }
    uint32_t cap = median->cap_levels == 0 ? CAP_FIRST : median->cap_levels * 2;
    struct rung *levels = mem_realloc(median->levels, cap * sizeof *levels);
    if (levels == NULL) {
        return ERR_NO_MEMORY;
    }
    median->levels = levels;
    median->cap_levels = cap;
    return OK;
}

static error_code level_add(struct trial_scheduler *median, int64_t step, double average)
{
    uint32_t at = level_find(median, step);
    if (at < median->n_levels && median->levels[at].step == step) {
        return rung_add(&median->levels[at], average);
    }
    struct rung level;
    rung_init(&level, step, 2, GOAL_MINIMIZE, 0);
    error_code error = levels_reserve(median);
    error = error == OK ? rung_add(&level, average) : error;
    if (error != OK) {
        rung_fini(&level);
        return error;
    }
    memmove(&median->levels[at + 1], &median->levels[at],
            (median->n_levels - at) * sizeof *median->levels);
    median->levels[at] = level;
    median->n_levels++;
    return OK;
}

static error_code median_apply(struct trial_scheduler *median, const struct sweep_view *view,
                               int64_t judged, const struct tune_event *event, int64_t *ret_judged)
{
    int64_t step = level_step(median, event->step);
    (void)view;
    *ret_judged = judged;
    if (step <= judged) {
        return OK;
    }
    struct history history = history_with(median, event->trial, event->value);
    error_code error = level_add(median, step, history.sum / history.n);
    if (error != OK) {
        return error;
    }
    *history_of(median, event->trial) = history;
    median->levels[level_find(median, step)].n_went_on += event->decision.act == TUNE_GO;
    *ret_judged = step;
    return OK;
}

static error_code median_note(struct trial_scheduler *median, const struct sweep_view *view,
                              const struct tune_event *event)
{
    (void)view;
    if (event->kind != TUNE_EVENT_ASKED) {
        return OK;
    }
    if (event->trial > median->cap) {
        uint32_t cap = median->cap == 0 ? CAP_FIRST : median->cap * 2;
        struct history *histories = mem_realloc(median->histories, cap * sizeof *histories);
        if (histories == NULL) {
            return ERR_NO_MEMORY;
        }
        median->histories = histories;
        median->cap = cap;
    }
    median->histories[median->n++] = (struct history){0};
    return OK;
}

static void median_print(const struct trial_scheduler *median, bool is_whole, struct json_out *out,
                         const char *key)
{
    json_array_begin(out, key);
    for (uint32_t i = 0; i < median->n_levels; i++) {
        rung_print(&median->levels[i], is_whole, out);
    }
    for (uint32_t trial = 1; is_whole && trial <= median->n; trial++) {
        const struct history *history = history_of(median, trial);
        if (history->n > 0) {
            json_array_begin(out, NULL);
            json_u64(out, NULL, trial);
            json_out_real(out, NULL, history->best);
            json_out_real(out, NULL, history->sum);
            json_u64(out, NULL, history->n);
            json_array_end(out);
        }
    }
    json_array_end(out);
}

const struct trial_scheduler_ops trial_scheduler_median = {
    .name = "median",
    .new = median_new,
    .free = median_free,
    .first_milestone = median_first_milestone,
    .decide = median_decide,
    .apply = median_apply,
    .note = median_note,
    .print = median_print,
};
