#include "tune/rung.h"

#include <math.h>

#include "base/mem.h"

enum { RUNG_CAP_FIRST = 8 };

typedef bool (*result_order)(struct result a, struct result b);

bool result_is_better(struct result a, struct result b)
{
    bool is_tie = a.score == b.score || (isnan(a.score) && isnan(b.score));
    return is_tie ? a.order < b.order : a.score < b.score || isnan(b.score);
}

static bool result_is_worse(struct result a, struct result b)
{
    return result_is_better(b, a);
}

/* ---- a heap: no item is `above` its parent ---- */

static error_code heap_reserve(struct result_heap *heap)
{
    if (heap->n < heap->cap) {
        return OK;
    }
    if (heap->cap == SPEC_TRIALS_MAX) {
        return ERR_LIMIT;
    }
    uint32_t cap = heap->cap == 0 ? RUNG_CAP_FIRST : heap->cap * 2;
    cap = cap > SPEC_TRIALS_MAX ? SPEC_TRIALS_MAX : cap;
    struct result *items = mem_realloc(heap->items, cap * sizeof *items);
    if (items == NULL) {
        return ERR_NO_MEMORY;
    }
    heap->items = items;
    heap->cap = cap;
    return OK;
}

static void heap_push(struct result_heap *heap, struct result result, result_order is_above)
{
    uint32_t at = heap->n++;
    while (at > 0 && is_above(result, heap->items[(at - 1) / 2])) {
        heap->items[at] = heap->items[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap->items[at] = result;
}

/* The top leaves, `result` comes in. */
static struct result heap_swap_top(struct result_heap *heap, struct result result,
                                   result_order is_above)
{
    struct result top = heap->items[0];
    uint32_t at = 0;
    for (uint32_t child = 1; child < heap->n; child = 2 * at + 1) {
        if (child + 1 < heap->n && is_above(heap->items[child + 1], heap->items[child])) {
            child++;
        }
        if (!is_above(heap->items[child], result)) {
            break;
        }
        heap->items[at] = heap->items[child];
        at = child;
    }
    heap->items[at] = result;
    return top;
}

/* ---- the rung ---- */

static uint32_t rung_places(const struct rung *rung, uint32_t n)
{
    int64_t places = n / rung->eta;
    return places < rung->k_min ? rung->k_min : (uint32_t)places;
}

static double rung_score(const struct rung *rung, double value)
{
    return rung->goal == GOAL_MAXIMIZE ? -value : value;
}

void rung_init(struct rung *rung, int64_t step, int64_t eta, metric_goal goal, uint32_t k_min)
{
    *rung = (struct rung){.step = step, .eta = eta, .goal = goal, .k_min = k_min};
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

struct result rung_result(const struct rung *rung, double value)
{
    return (struct result){rung_score(rung, value), rung_count(rung)};
}

bool rung_would_keep(const struct rung *rung, double value)
{
    struct result result = rung_result(rung, value);
    uint32_t places = rung_places(rung, rung_count(rung) + 1);
    if (places == 0) {
        return false;
    }
    /* Without a new place it has to beat the worst of the best, else the best of the others. */
    const struct result_heap *heap = places == rung->best.n ? &rung->best : &rung->others;
    return heap->n == 0 || result_is_better(result, heap->items[0]);
}

bool rung_would_keep_one(const struct rung *rung, double value)
{
    bool is_without_best =
        rung->best.n == 0 &&
        (rung->others.n == 0 || result_is_better(rung_result(rung, value), rung->others.items[0]));
    return is_without_best || rung_would_keep(rung, value);
}

bool rung_keeps(const struct rung *rung, struct result result)
{
    return rung->best.n > 0 && !result_is_better(rung->best.items[0], result);
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

    struct result result = rung_result(rung, value);
    bool is_kept = rung_would_keep(rung, value);
    bool has_new_place = rung_places(rung, rung_count(rung) + 1) > rung->best.n;
    if (is_kept && has_new_place) {
        heap_push(&rung->best, result, result_is_worse);
    } else if (is_kept) {
        struct result leaves = heap_swap_top(&rung->best, result, result_is_worse);
        heap_push(&rung->others, leaves, result_is_better);
    } else if (has_new_place) {
        struct result enters = heap_swap_top(&rung->others, result, result_is_better);
        heap_push(&rung->best, enters, result_is_worse);
    } else {
        heap_push(&rung->others, result, result_is_better);
    }
    return OK;
}

static void heap_print(const struct result_heap *heap, struct json_out *out, const char *key)
{
    json_array_begin(out, key);
    for (uint32_t i = 0; i < heap->n; i++) {
        json_out_real(out, NULL, heap->items[i].score);
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
