#include "tune/rung.h"

#include <math.h>

#include "base/mem.h"

enum { RUNG_CAP_FIRST = 8 };

typedef bool (*score_order)(double a, double b);

static bool score_is_better(double a, double b)
{
    return a < b || (isnan(b) && !isnan(a));
}

static bool score_is_worse(double a, double b)
{
    return score_is_better(b, a);
}

/* ---- a heap: no item is `above` its parent ---- */

static error_code heap_reserve(struct score_heap *heap)
{
    if (heap->n < heap->cap) {
        return OK;
    }
    if (heap->cap == SPEC_TRIALS_MAX) {
        return ERR_LIMIT;
    }
    uint32_t cap = heap->cap == 0 ? RUNG_CAP_FIRST : heap->cap * 2;
    cap = cap > SPEC_TRIALS_MAX ? SPEC_TRIALS_MAX : cap;
    double *items = mem_realloc(heap->items, cap * sizeof *items);
    if (items == NULL) {
        return ERR_NO_MEMORY;
    }
    heap->items = items;
    heap->cap = cap;
    return OK;
}

static void heap_push(struct score_heap *heap, double score, score_order is_above)
{
    uint32_t at = heap->n++;
    while (at > 0 && is_above(score, heap->items[(at - 1) / 2])) {
        heap->items[at] = heap->items[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap->items[at] = score;
}

/* The top leaves, `score` comes in. */
static double heap_swap_top(struct score_heap *heap, double score, score_order is_above)
{
    double top = heap->items[0];
    uint32_t at = 0;
    for (uint32_t child = 1; child < heap->n; child = 2 * at + 1) {
        if (child + 1 < heap->n && is_above(heap->items[child + 1], heap->items[child])) {
            child++;
        }
        if (!is_above(heap->items[child], score)) {
            break;
        }
        heap->items[at] = heap->items[child];
        at = child;
    }
    heap->items[at] = score;
    return top;
}

/* ---- the rung ---- */

static uint32_t rung_places(const struct rung *rung, uint32_t n)
{
    int64_t places = n / rung->eta;
    return places < 1 ? 1 : (uint32_t)places;
}

static double rung_score(const struct rung *rung, double value)
{
    return rung->goal == GOAL_MAXIMIZE ? -value : value;
}

void rung_init(struct rung *rung, int64_t step, int64_t eta, metric_goal goal)
{
    *rung = (struct rung){.step = step, .eta = eta, .goal = goal};
}

void rung_fini(struct rung *rung)
{
    mem_free(rung->best.items);
    mem_free(rung->others.items);
    *rung = (struct rung){0};
}

uint32_t rung_count(const struct rung *rung)
{
    return rung->best.n + rung->others.n;
}

/* The result that a new one has to beat for a place among the best; NULL: there is a free place. */
static const double *rung_bar(const struct rung *rung)
{
    if (rung_places(rung, rung_count(rung) + 1) == rung->best.n) {
        return &rung->best.items[0];
    }
    return rung->others.n > 0 ? &rung->others.items[0] : NULL;
}

bool rung_would_keep(const struct rung *rung, double value)
{
    const double *bar = rung_bar(rung);
    return bar == NULL || score_is_better(rung_score(rung, value), *bar);
}

error_code rung_add(struct rung *rung, double value)
{
    if (rung_count(rung) == SPEC_TRIALS_MAX) {
        return ERR_LIMIT;
    }
    error_code error = heap_reserve(&rung->best);
    if (error == OK) {
        error = heap_reserve(&rung->others);
    }
    if (error != OK) {
        return error;
    }

    double score = rung_score(rung, value);
    bool is_kept = rung_would_keep(rung, value);
    bool has_new_place = rung_places(rung, rung_count(rung) + 1) > rung->best.n;
    if (is_kept && has_new_place) {
        heap_push(&rung->best, score, score_is_worse);
    } else if (is_kept) {
        double leaves = heap_swap_top(&rung->best, score, score_is_worse);
        heap_push(&rung->others, leaves, score_is_better);
    } else if (has_new_place) {
        double enters = heap_swap_top(&rung->others, score, score_is_better);
        heap_push(&rung->best, enters, score_is_worse);
    } else {
        heap_push(&rung->others, score, score_is_better);
    }
    return OK;
}

static void heap_print(const struct score_heap *heap, struct json_out *out, const char *key)
{
    json_array_begin(out, key);
    for (uint32_t i = 0; i < heap->n; i++) {
        json_out_real(out, NULL, heap->items[i]);
    }
    json_array_end(out);
}

void rung_print(const struct rung *rung, bool is_whole, struct json_out *out)
{
    json_object_begin(out, NULL);
    json_i64(out, "step", rung->step);
    json_u64(out, "results", rung_count(rung));
    json_u64(out, "kept", rung->n_went_on);
    if (is_whole) {
        heap_print(&rung->best, out, "best_scores");
        heap_print(&rung->others, out, "other_scores");
    }
    json_object_end(out);
}
