/* `early_terminate` of a W&B sweep file: hyperband that stops, in our keys.
 *
 * W&B's bands are min_iter * eta^k without end, or max_iter / eta^k for k = 1..s, rounded down;
 * they are our rungs. Three things differ, and the printed file says so: W&B lets floor(n / eta) +
 * 1 of n runs pass a band, compares (unless `strict`) the best value so far with it, and looks
 * again at every report; we let floor(n / eta) pass, by the value at the rung, once. With max_iter
 * a trial ends there. */
#include <stdio.h>

#include "spec/schedule.h"
#include "spec/sweep_keys.h"

#define STEP_MAX 9007199254740992 /* 2^53 */

enum { ETA_MAX = 1000000, S_MAX = 64 };

struct early_terminate {
    int type;
    int64_t min_iter, max_iter, s, eta;
    bool strict;
};

#define AT(field) offsetof(struct early_terminate, field)

static const struct spec_word type_words[] = {{"hyperband", SCHEDULE_HYPERBAND}, {NULL, 0}};

static const struct spec_key early_terminate_keys[] = {
    {"type", key_read_word, AT(type), 0, 0, KEY_REQUIRED, type_words},
    {"min_iter", key_read_i64, AT(min_iter), 1, STEP_MAX, 0, NULL},
    {"max_iter", key_read_i64, AT(max_iter), 1, STEP_MAX, 0, NULL},
    {"s", key_read_i64, AT(s), 1, S_MAX, 0, NULL},
    {"eta", key_read_i64, AT(eta), 2, ETA_MAX, 0, NULL},
    {"strict", key_read_bool, AT(strict), 0, 0, 0, NULL},
    {.name = NULL},
};

/* The lowest band of the max_iter form that is not below 1; max_iter itself if none is. */
static int64_t lowest_band(const struct early_terminate *early)
{
    int64_t power = 1;
    for (int64_t i = 0; i < early->s && power <= early->max_iter / early->eta; i++) {
        power *= early->eta;
    }
    return early->max_iter / power;
}

error_code key_read_early_terminate(struct reader *r, const struct spec_node *node,
                                    const struct spec_key *key, void *base)
{
    struct schedule_spec *schedule = &((struct sweep_spec *)base)->schedule;
    struct early_terminate early = {.eta = 3};
    (void)key;
    error_code error = reader_block_read(r, node, early_terminate_keys, &early);
    if (error != OK) {
        return error;
    }
    bool has_max = early.max_iter > 0;
    if (!has_max && early.min_iter == 0) {
        return reader_fail(r, node, ERR_INVALID,
                           "`early_terminate` needs `min_iter`, or `max_iter` and `s`");
    }
    if (has_max && early.s == 0) {
        return reader_fail(r, node, ERR_INVALID,
                           "`early_terminate.max_iter` needs `s`: how many bands there are");
    }
    if (has_max && lowest_band(&early) == early.max_iter) {
        return reader_fail(r, node, ERR_INVALID,
                           "`early_terminate` has no band below max_iter, %lld: eta is %lld",
                           (long long)early.max_iter, (long long)early.eta);
    }
    schedule->type = SCHEDULE_HYPERBAND;
    schedule->mode = SCHEDULE_STOP;
    schedule->min = has_max ? lowest_band(&early) : early.min_iter;
    schedule->max = has_max ? early.max_iter : 0;
    schedule->eta = early.eta;
    schedule->origin = early.strict ? "early_terminate, strict" : "early_terminate";
    return OK;
}
