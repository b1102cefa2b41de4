#include "tune/population.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

enum { CAP_FIRST = 16 };

/* Draws of PBT are none of the searcher's, whose key is the bare seed. */
static const uint64_t KEY = UINT64_C(0x7062740000000000);
error_code population_reserve(struct trial_scheduler *pbt, uint32_t trial)
{
    if (trial <= pbt->cap) {
        return OK;
    }
    uint32_t cap = pbt->cap == 0 ? CAP_FIRST : pbt->cap * 2;
    size_t n_values = (size_t)cap * (pbt->spec->n_parameters > 0 ? pbt->spec->n_parameters : 1);
    struct member *members = mem_realloc(pbt->members, cap * sizeof *members);
    pbt->members = members != NULL ? members : pbt->members;
    struct value *params = mem_realloc(pbt->params, n_values * sizeof *params);
    pbt->params = params != NULL ? params : pbt->params;
    uint32_t *ranked = mem_realloc(pbt->ranked, cap * sizeof *ranked);
    pbt->ranked = ranked != NULL ? ranked : pbt->ranked;
    if (members == NULL || params == NULL || ranked == NULL) {
        return ERR_NO_MEMORY;
    }
    pbt->cap = cap;
    return OK;
}

/* The stream of a member's next decision. */
static void stream_init(uint64_t seed, uint32_t trial, uint32_t n_decided,
                        struct random *ret_random)
{
    random_init(ret_random, seed ^ KEY, (uint64_t)trial << 32 | n_decided);
}

/* A milestone with `value`: the member as it would be ranked. ret_random goes on behind it. */
struct member population_value(const struct trial_scheduler *pbt, uint64_t seed, uint32_t trial,
                               double value, struct random *ret_random)
{
    struct member member = *member_of(pbt, trial);
    stream_init(seed, trial, member.n_decided, ret_random);
    member.score = pbt->spec->metric.goal == GOAL_MAXIMIZE ? -value : value;
    member.tie = random_u64(ret_random);
    return member;
}

static bool member_is_better(const struct member *a, uint32_t trial_a, const struct member *b,
                             uint32_t trial_b)
{
    if (a->score != b->score && !(isnan(a->score) && isnan(b->score))) {
        return a->score < b->score || isnan(b->score);
    }
    return a->tie != b->tie ? a->tie < b->tie : trial_a < trial_b;
}

/* How many ranked ones are better. */
uint32_t population_rank(const struct trial_scheduler *pbt, const struct member *member,
                         uint32_t trial)
{
    uint32_t low = 0, high = pbt->n_ranked;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2, other = pbt->ranked[middle];
        if (member_is_better(member_of(pbt, other), other, member, trial)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void population_rank_add(struct trial_scheduler *pbt, uint32_t trial)
{
    struct member *member = member_of(pbt, trial);
    uint32_t at = population_rank(pbt, member, trial);
    memmove(&pbt->ranked[at + 1], &pbt->ranked[at], (pbt->n_ranked - at) * sizeof *pbt->ranked);
    pbt->ranked[at] = trial;
    pbt->n_ranked++;
    member->is_ranked = true;
}

void population_rank_remove(struct trial_scheduler *pbt, uint32_t trial)
{
    struct member *member = member_of(pbt, trial);
    if (member->is_ranked) {
        uint32_t at = population_rank(pbt, member, trial);
        assert(pbt->ranked[at] == trial);
        pbt->n_ranked--;
        memmove(&pbt->ranked[at], &pbt->ranked[at + 1], (pbt->n_ranked - at) * sizeof *pbt->ranked);
        member->is_ranked = false;
    }
}

/* An entry's texts are there for the call only: the spec has equal ones. */
static struct value value_kept(const struct param_spec *param, struct value value)
{
    if (value.kind != VALUE_STR) {
        return value;
    }
    for (uint32_t i = 0; i < param->n_values; i++) {
        if (value_equal(param->values[i], value)) {
            return param->values[i];
        }
    }
    for (uint32_t i = 0; i < param->n_also; i++) {
        if (value_equal(param->also[i], value)) {
            return param->also[i];
        }
    }
    return param->constant; /* tune_apply() lets no other through */
}

void population_params_take(struct trial_scheduler *pbt, const struct tune_event *event)
{
    struct value *params = params_of(pbt, event->trial);
    for (uint32_t i = 0; i < pbt->spec->n_parameters; i++) {
        params[i] = value_kept(&pbt->spec->parameters[i], event->params[i]);
    }
}
