/* tune/promote.c -- asynchronous successive halving as it is printed: trials wait at a rung.
 *
 * Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht, Talwalkar, "A System for Massively
 * Parallel Hyperparameter Tuning", MLSys 2020, Algorithm 2, get_job: at each free place the highest
 * rung with a trial that is among the best floor(|rung| / eta) of its results and was not promoted
 * yet promotes the best of these; where there is none, a new trial is asked for. A trial whose own
 * report makes it one of the best goes on without leaving: the place that would be free is its own.
 *
 * Of fewer than eta results none is promoted: that is the paper's. What waits at the end, with
 * nothing to ask for and nothing that runs, can be promoted by nobody and ends there.
 *
 * A trial that cannot save cannot wait. It is judged when its result comes, by the rule of mode
 * stop (asha.c), its result counts like any other.
 *
 * Each rung has a heap of the trials that are held there, the best on top. Whether the best one may
 * go on is one comparison with the worst of the rung's best: a look O(1) a rung, an entry
 * O(log n). */
#include <assert.h>

#include "base/mem.h"
#include "tune/ladder.h"
#include "tune/rung.h"
#include "tune/trial_scheduler.h"

enum { CAP_FIRST = 16 };

/* A trial's last result, and where it stands in its rung's heap. */
struct standing {
    struct result result;
    uint32_t place; /* from 1; 0: it does not wait */
};

struct waiting_heap {
    uint32_t *items; /* owned: trials */
    uint32_t n;
    uint32_t cap;
};

struct trial_scheduler {
    struct ladder ladder;
    struct rung rungs[LADDER_RUNGS_MAX];
    struct waiting_heap waiting[LADDER_RUNGS_MAX];
    struct standing *standings; /* owned; by trial */
    uint32_t cap;
};

/* ---- waiting trials ---- */

static struct standing *standing_of(const struct trial_scheduler *asha, uint32_t trial)
{
    assert(trial >= 1 && trial <= asha->cap);
    return &asha->standings[trial - 1];
}

static void heap_set(struct trial_scheduler *asha, struct waiting_heap *heap, uint32_t at,
                     uint32_t trial)
{
    heap->items[at] = trial;
    standing_of(asha, trial)->place = at + 1;
}

static bool trial_is_better(const struct trial_scheduler *asha, uint32_t a, uint32_t b)
{
    return result_is_better(standing_of(asha, a)->result, standing_of(asha, b)->result);
}

/* `trial` is put where it belongs, beginning at the hole `at`. */
static void heap_sift(struct trial_scheduler *asha, struct waiting_heap *heap, uint32_t at,
                      uint32_t trial)
{
    while (at > 0 && trial_is_better(asha, trial, heap->items[(at - 1) / 2])) {
        heap_set(asha, heap, at, heap->items[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (uint32_t child = 2 * at + 1; child < heap->n; child = 2 * at + 1) {
        if (child + 1 < heap->n &&
            trial_is_better(asha, heap->items[child + 1], heap->items[child])) {
            child++;
        }
        if (!trial_is_better(asha, heap->items[child], trial)) {
            break;
        }
        heap_set(asha, heap, at, heap->items[child]);
        at = child;
    }
    heap_set(asha, heap, at, trial);
}

static error_code heap_push(struct trial_scheduler *asha, struct waiting_heap *heap, uint32_t trial)
{
    if (heap->n == heap->cap) {
        uint32_t cap = heap->cap == 0 ? CAP_FIRST : heap->cap * 2;
        uint32_t *items = mem_realloc(heap->items, cap * sizeof *items);
        if (items == NULL) {
            return ERR_NO_MEMORY;
        }
        heap->items = items;
        heap->cap = cap;
    }
    heap_sift(asha, heap, heap->n++, trial);
    return OK;
}

static void heap_remove(struct trial_scheduler *asha, struct waiting_heap *heap, uint32_t trial)
{
    struct standing *standing = standing_of(asha, trial);
    uint32_t at = standing->place - 1, last = heap->items[--heap->n];
    assert(heap->items[at] == trial || at == heap->n);
    standing->place = 0;
    if (last != trial) {
        heap_sift(asha, heap, at, last);
    }
}

/* ---- lifecycle ---- */

static error_code promote_new(const struct sweep_spec *spec, struct trial_scheduler **ret_scheduler)
{
    struct ladder ladder;
    error_code error = ladder_init(&ladder, &spec->schedule);
    if (error != OK) {
        return error;
    }
    struct trial_scheduler *asha = mem_zalloc(sizeof *asha);
    if (asha == NULL) {
        return ERR_NO_MEMORY;
    }
    asha->ladder = ladder;
    for (uint32_t i = 0; i < ladder.n; i++) {
        rung_init(&asha->rungs[i], ladder.steps[i], spec->schedule.eta, spec->metric.goal, 0);
    }
    *ret_scheduler = asha;
    return OK;
}

static void promote_free(struct trial_scheduler *asha)
{
    if (asha == NULL) {
        return;
    }
    for (uint32_t i = 0; i < asha->ladder.n; i++) {
        rung_fini(&asha->rungs[i]);
        mem_free(asha->waiting[i].items);
    }
    mem_free(asha->standings);
    mem_free(asha);
}

/* ---- questions ---- */

static int64_t promote_first_milestone(const struct trial_scheduler *asha, uint32_t trial,
                                       int64_t judged)
{
    (void)trial;
    return ladder_next(&asha->ladder, judged);
}

static struct tune_decision go_until(int64_t until)
{
    return (struct tune_decision){.act = TUNE_GO, .until = until};
}

static struct tune_decision leave(tune_act act, tune_why why)
{
    return (struct tune_decision){.act = act, .why = why, .until = INT64_MAX};
}

/* A report at or below what it was judged at: it was promoted, or is to wait as it was told. */
static struct tune_decision decide_again(const struct trial_scheduler *asha,
                                         const struct sweep_view *view, int64_t judged,
                                         const struct tune_milestone *milestone)
{
    const struct trial *trial = trials_find(view->trials, milestone->trial);
    bool is_to_wait = trial != NULL && trial->leaving == TUNE_PAUSE;
    return is_to_wait && (milestone->can & TUNE_CAN_PAUSE) != 0
               ? leave(TUNE_PAUSE, TUNE_WHY_NONE)
               : go_until(ladder_next(&asha->ladder, judged));
}

static void promote_decide(const struct trial_scheduler *asha, const struct sweep_view *view,
                           int64_t judged, const struct tune_milestone *milestone,
                           struct tune_decision *ret_decision, struct value *ret_params)
{
    uint32_t index;
    bool can_wait = (milestone->can & TUNE_CAN_PAUSE) != 0;
    (void)ret_params;
    if (!ladder_find(&asha->ladder, judged, milestone->step, &index)) {
        *ret_decision = decide_again(asha, view, judged, milestone);
    } else if (index == asha->ladder.n - 1) {
        *ret_decision = leave(TUNE_STOP, TUNE_WHY_MAX);
    } else if (can_wait ? rung_would_keep(&asha->rungs[index], milestone->value)
                        : rung_would_keep_one(&asha->rungs[index], milestone->value)) {
        *ret_decision = go_until(asha->ladder.steps[index + 1]);
    } else {
        *ret_decision =
            can_wait ? leave(TUNE_PAUSE, TUNE_WHY_NONE) : leave(TUNE_STOP, TUNE_WHY_RUNG);
    }
}

static bool promote_wake(const struct trial_scheduler *asha, const struct sweep_view *view,
                         uint32_t *ret_trial, struct tune_decision *ret_decision)
{
    const struct trials *trials = view->trials;
    for (uint32_t i = asha->ladder.n - 1; view->has_place && i-- > 0;) {
        const struct waiting_heap *heap = &asha->waiting[i];
        uint32_t best = heap->n > 0 ? heap->items[0] : 0;
        if (best != 0 && rung_keeps(&asha->rungs[i], standing_of(asha, best)->result)) {
            *ret_trial = best;
            *ret_decision = go_until(asha->ladder.steps[i + 1]);
            return true;
        }
    }
    bool is_over = !view->is_asking && trials_open_count(trials) == 0 &&
                   trials_aside_count(trials) == 0 && trials->pausing.n > 0;
    if (is_over) {
        *ret_trial = trials->pausing.first;
        *ret_decision = leave(TUNE_STOP, TUNE_WHY_RUNG);
    }
    return is_over;
}

/* ---- entries ---- */

static error_code promote_apply(struct trial_scheduler *asha, const struct sweep_view *view,
                                int64_t judged, const struct tune_event *event, int64_t *ret_judged)
{
    uint32_t index;
    (void)view;
    if (!ladder_find(&asha->ladder, judged, event->step, &index)) {
        *ret_judged = judged;
        return OK;
    }
    struct rung *rung = &asha->rungs[index];
    struct result result = rung_result(rung, event->value);
    error_code error = rung_add(rung, event->value);
    if (error != OK) {
        return error;
    }
    standing_of(asha, event->trial)->result = result;
    rung->n_went_on += event->decision.act == TUNE_GO;
    *ret_judged = rung->step;
    return OK;
}

static error_code note_asked(struct trial_scheduler *asha, const struct trial *trial,
                             const struct tune_event *event)
{
    (void)trial;
    if (event->trial > asha->cap) {
        uint32_t cap = asha->cap == 0 ? CAP_FIRST : asha->cap * 2;
        struct standing *standings = mem_realloc(asha->standings, cap * sizeof *standings);
        if (standings == NULL) {
            return ERR_NO_MEMORY;
        }
        asha->standings = standings;
        asha->cap = cap;
    }
    *standing_of(asha, event->trial) = (struct standing){0};
    return OK;
}

static error_code note_held(struct trial_scheduler *asha, const struct trial *trial,
                            const struct tune_event *event)
{
    uint32_t index;
    bool is_judged = ladder_find(&asha->ladder, 0, trial->judged, &index);
    return trial->leaving == TUNE_PAUSE && is_judged
               ? heap_push(asha, &asha->waiting[index], event->trial)
               : OK;
}

/* Woken or ended: it waits no more. */
static error_code note_left(struct trial_scheduler *asha, const struct trial *trial,
                            const struct tune_event *event)
{
    uint32_t index;
    if (standing_of(asha, event->trial)->place != 0 &&
        ladder_find(&asha->ladder, 0, trial->judged, &index)) {
        bool goes_on = event->kind == TUNE_EVENT_WOKEN && event->decision.act == TUNE_GO;
        heap_remove(asha, &asha->waiting[index], event->trial);
        asha->rungs[index].n_went_on += goes_on;
    }
    return OK;
}

static error_code promote_note(struct trial_scheduler *asha, const struct sweep_view *view,
                               const struct tune_event *event)
{
    static error_code (*const notes[TUNE_EVENT_WOKEN + 1])(
        struct trial_scheduler *, const struct trial *, const struct tune_event *) = {
        [TUNE_EVENT_ASKED] = note_asked,
        [TUNE_EVENT_HELD] = note_held,
        [TUNE_EVENT_WOKEN] = note_left,
        [TUNE_EVENT_ENDED] = note_left,
    };
    return notes[event->kind] != NULL
               ? notes[event->kind](asha, trials_find(view->trials, event->trial), event)
               : OK;
}

static void waiting_print(const struct waiting_heap *heap, struct json_out *out)
{
    json_array_begin(out, NULL);
    for (uint32_t i = 0; i < heap->n; i++) {
        json_u64(out, NULL, heap->items[i]);
    }
    json_array_end(out);
}

/* Whole: each rung is followed by who waits there, the heap as it is stored. */
static void promote_print(const struct trial_scheduler *asha, bool is_whole, struct json_out *out,
                          const char *key)
{
    json_array_begin(out, key);
    for (uint32_t i = 0; i < asha->ladder.n; i++) {
        rung_print(&asha->rungs[i], is_whole, out);
        if (is_whole) {
            waiting_print(&asha->waiting[i], out);
        }
    }
    json_array_end(out);
}

const struct trial_scheduler_ops trial_scheduler_promote = {
    .name = "asha promote",
    .new = promote_new,
    .free = promote_free,
    .first_milestone = promote_first_milestone,
    .decide = promote_decide,
    .apply = promote_apply,
    .note = promote_note,
    .wake = promote_wake,
    .print = promote_print,
};
