#include "tune/sync_rung.h"

#include <stdlib.h>

#include "base/mem.h"

enum { CAP_FIRST = 16 };

void sync_rung_init(struct sync_rung *rung, int64_t step, const struct sweep_spec *spec)
{
    *rung = (struct sync_rung){.step = step, .eta = spec->schedule.eta};
    rung_init(&rung->seen, step, spec->schedule.eta, spec->metric.goal, 1);
}

void sync_rung_fini(struct sync_rung *rung)
{
    mem_free(rung->results);
    rung->results = NULL;
    rung->cap = 0;
    rung_fini(&rung->seen);
}

error_code sync_rung_add(struct sync_rung *rung, uint32_t trial, double value)
{
    if (rung->n_results >= rung->cap) {
        uint32_t cap = rung->cap == 0 ? CAP_FIRST : rung->cap * 2;
        struct sync_result *results = mem_realloc(rung->results, cap * sizeof *results);
        if (results == NULL) {
            return ERR_NO_MEMORY;
        }
        rung->results = results;
        rung->cap = cap;
    }
    struct result result = rung_result(&rung->seen, value);
    error_code error = rung_add(&rung->seen, value);
    if (error == OK) {
        rung->results[rung->n_results++] = (struct sync_result){result, trial};
    }
    return error;
}

uint32_t sync_rung_places(const struct sync_rung *rung)
{
    int64_t places = rung->n_entered / rung->eta;
    places = places < 1 ? 1 : places;
    return places > rung->n_early ? (uint32_t)places - rung->n_early : 0;
}

bool sync_rung_is_complete(const struct sync_rung *rung, uint32_t n_more)
{
    return rung->n_results + rung->n_lost + n_more >= rung->n_entered;
}

static int result_order(const void *a, const void *b)
{
    const struct sync_result *x = a, *y = b;
    return result_is_better(x->result, y->result) ? -1 : 1;
}

void sync_rung_sort(struct sync_rung *rung)
{
    if (rung->n_results > 1) {
        qsort(rung->results, rung->n_results, sizeof *rung->results, result_order);
    }
}

void sync_rung_print(const struct sync_rung *rung, uint32_t bracket, bool is_whole,
                     struct json_out *out)
{
    json_object_begin(out, NULL);
    json_u64(out, "bracket", bracket);
    json_i64(out, "step", rung->step);
    json_u64(out, "results", rung->n_results);
    json_u64(out, "kept", rung->n_went_on);
    if (is_whole) {
        json_u64(out, "entered", rung->n_entered);
        json_u64(out, "lost", rung->n_lost);
        json_u64(out, "early", rung->n_early);
        json_bool(out, "is_decided", rung->is_decided);
        json_array_begin(out, "waiting");
        for (uint32_t k = 0; rung->results != NULL && k < rung->n_results; k++) {
            json_u64(out, NULL, rung->results[k].trial);
            json_out_real(out, NULL, rung->results[k].result.score);
        }
        json_array_end(out);
    }
    json_object_end(out);
}
