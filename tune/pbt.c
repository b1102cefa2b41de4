/* tune/pbt.c -- population-based training, asynchronous.
 *
 * Jaderberg, Dalibard, Osindero, Czarnecki, Donahue, Razavi, Vinyals, Green, Dunning, Simonyan,
 * Fernando, Kavukcuoglu, "Population Based Training of Neural Networks", 2017, Algorithm 1, with
 * truncation selection (section 4.1.1): a member is ready every `interval` steps. Ranked by the
 * value of its milestone among the last ones of all members, it exploits if it is in the lower
 * quantile: it takes the weights and hyperparameters of a member that is drawn from the upper one,
 * and explores: the hyperparameters are changed a little (perturb.c). No member waits for another.
 *
 * - Members are ranked that have a value and have neither failed nor said that their parameters
 * make no sense. Of n of them the lower quantile is the last ceil(quantile * n), at most floor(n /
 * 2); the upper one is as large.
 * - Ties are broken by a number that each milestone draws from the sweep's seeded stream, never by
 *   the order of arrival. NaN is worst, and nobody's donor.
 * - A donor is one whose snapshot can be had (milestone->donor), with steps left to train; one that
 *   trains no more only for those who have done fewer steps. If there is none, training goes on.
 * - `step` follows the weights: a member that exploits has done the donor's steps, its next
 *   milestone is donor_step + interval, and it ends at schedule.max of them.
 * - What is copied are the parameters that the donor has now. milestone->donor promises that its
 *   snapshot was made with these.
 *
 * Where there are more members than places, they take turns: at its milestone a member that can
 * save leaves and stands behind the others, with a donor if it exploits.
 *
 * Ranking is an array in order: a look is O(log n), an entry moves 4 bytes a member (100,000
 * members: some microseconds). */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "tune/perturb.h"
#include "tune/population.h"

enum { DONOR_DRAWS = 16 };

/* quantile * n, where that is a whole number up to rounding. */
static const double QUANTILE_SLACK = 1e-9;

/* ---- lifecycle ---- */

static error_code pbt_new(const struct sweep_spec *spec, struct trial_scheduler **ret_scheduler)
{
    const struct pbt_spec *p = &spec->pbt;
    bool is_sound = spec->schedule.max >= 1 && p->interval >= 1 && p->population >= 1 &&
                    p->quantile >= 0 && p->quantile <= 0.5 && p->resample >= 0 && p->resample <= 1;
    for (uint32_t i = 0; i < p->n_factors; i++) {
        is_sound = is_sound && isfinite(p->factors[i]) && p->factors[i] > 0;
    }
    if (!is_sound) {
        return ERR_INVALID;
    }
    struct trial_scheduler *pbt = mem_zalloc(sizeof *pbt);
    if (pbt == NULL) {
        return ERR_NO_MEMORY;
    }
    pbt->spec = spec;
    *ret_scheduler = pbt;
    return OK;
}

static void pbt_free(struct trial_scheduler *pbt)
{
    if (pbt == NULL) {
        return;
    }
    mem_free(pbt->members);
    mem_free(pbt->params);
    mem_free(pbt->ranked);
    mem_free(pbt);
}

/* ---- questions ---- */

/* The milestone behind `step`. */
static int64_t milestone_behind(const struct trial_scheduler *pbt, int64_t step)
{
    int64_t max = pbt->spec->schedule.max, interval = pbt->spec->pbt.interval;
    return interval >= max || step > max - interval ? max : step + interval;
}

static int64_t pbt_first_milestone(const struct trial_scheduler *pbt, uint32_t trial,
                                   int64_t judged)
{
    (void)judged;
    bool is_member = trial >= 1 && trial <= pbt->cap;
    return is_member ? member_of(pbt, trial)->until : milestone_behind(pbt, 0);
}

/* Places of the population that nobody has. */
static uint32_t pbt_room(const struct trial_scheduler *pbt, const struct sweep_view *view)
{
    uint32_t alive = view->trials->n - view->trials->n_ended, max = pbt->spec->pbt.population;
    uint32_t room = alive < max ? max - alive : 0;
    uint32_t left = view->is_asking ? view->trials_max - view->trials->n : 0;
    return room < left ? room : left;
}

/* How many of n members are in each quantile. */
static uint32_t quantile_size(const struct trial_scheduler *pbt, uint32_t n)
{
    double part = ceil(pbt->spec->pbt.quantile * n * (1 - QUANTILE_SLACK));
    uint32_t half = n / 2;
    return part > half ? half : (uint32_t)part;
}

struct donor {
    uint32_t trial, ordinal;
    int64_t step;
};

/* Who trains no more has its snapshot for ever: those who fell behind it would come back to it
 * again and again, and never get further. */
static bool donor_moves_on(const struct sweep_view *view, uint32_t trial)
{
    const struct trial *donor = trials_find(view->trials, trial);
    return donor->state == TRIAL_OPEN ||
           (donor->state == TRIAL_HELD && donor->leaving != TUNE_GO); /* else people paused it */
}

static bool donor_is_good(const struct trial_scheduler *pbt, const struct sweep_view *view,
                          const struct tune_milestone *milestone, uint32_t trial,
                          struct donor *ret_donor)
{
    struct donor donor = {.trial = trial};
    if (isnan(member_of(pbt, trial)->score) ||
        !milestone->donor(milestone->context, trial, &donor.ordinal, &donor.step) ||
        donor.step >= pbt->spec->schedule.max ||
        (donor.step < milestone->step && !donor_moves_on(view, trial))) {
        return false;
    }
    *ret_donor = donor;
    return true;
}

/* One of the best k but `own`, each of those that are good as likely as any. A few draws find one
 * where most are good; else all are looked at. */
static bool donor_draw(const struct trial_scheduler *pbt, const struct sweep_view *view,
                       const struct tune_milestone *milestone, uint32_t own, uint32_t k,
                       struct random *random, struct donor *ret_donor)
{
    for (uint32_t i = 0; i < DONOR_DRAWS; i++) {
        uint32_t at = (uint32_t)random_below(random, k);
        if (donor_is_good(pbt, view, milestone, pbt->ranked[at + (at >= own)], ret_donor)) {
            return true;
        }
    }
    uint32_t n_good = 0;
    struct donor donor;
    for (uint32_t at = 0; at < k; at++) {
        if (donor_is_good(pbt, view, milestone, pbt->ranked[at + (at >= own)], &donor) &&
            random_below(random, ++n_good) == 0) {
            *ret_donor = donor;
        }
    }
    return n_good > 0;
}

/* True if the member copies another one. */
static bool pbt_exploits(const struct trial_scheduler *pbt, const struct sweep_view *view,
                         const struct tune_milestone *milestone, struct random *random,
                         struct donor *ret_donor)
{
    const struct member *before = member_of(pbt, milestone->trial);
    struct member member =
        population_value(pbt, view->seed, milestone->trial, milestone->value, random);
    uint32_t own = before->is_ranked ? population_rank(pbt, before, milestone->trial) : UINT32_MAX;
    uint32_t n = pbt->n_ranked + !before->is_ranked, k = quantile_size(pbt, n);
    uint32_t better = population_rank(pbt, &member, milestone->trial);
    better -= before->is_ranked && own < better;
    return milestone->donor != NULL && (milestone->can & TUNE_CAN_EXPLOIT) != 0 && k > 0 &&
           better >= n - k && donor_draw(pbt, view, milestone, own, k, random, ret_donor);
}

/* Others wait for a place, or will once there is one. */
static bool pbt_is_crowded(const struct trial_scheduler *pbt, const struct sweep_view *view,
                           const struct tune_milestone *milestone)
{
    bool others_wait = view->trials->pausing.n > 0 || (view->is_asking && pbt_room(pbt, view) > 0);
    return milestone->is_crowded || (view->spec->concurrency != 0 && others_wait);
}

/* A report below the next milestone: it was restored from an earlier step, or is to leave. */
static void decide_again(const struct trial_scheduler *pbt, const struct sweep_view *view,
                         const struct tune_milestone *milestone, struct tune_decision *ret_decision)
{
    const struct trial *trial = trials_find(view->trials, milestone->trial);
    bool is_to_pause = trial->leaving == TUNE_PAUSE && (milestone->can & TUNE_CAN_PAUSE) != 0;
    *ret_decision = (struct tune_decision){
        .act = is_to_pause ? TUNE_PAUSE : TUNE_GO,
        .until = is_to_pause ? INT64_MAX : member_of(pbt, milestone->trial)->until,
    };
}

static void pbt_decide(const struct trial_scheduler *pbt, const struct sweep_view *view,
                       int64_t judged, const struct tune_milestone *milestone,
                       struct tune_decision *ret_decision, struct value *ret_params)
{
    (void)judged;
    struct donor donor;
    struct random random;
    struct tune_decision decision = {.act = TUNE_STOP, .why = TUNE_WHY_MAX, .until = INT64_MAX};
    if (milestone->step >= pbt->spec->schedule.max) {
        *ret_decision = decision;
        return;
    }
    if (milestone->trial > view->trials->n) {
        *ret_decision = (struct tune_decision){.until = milestone_behind(pbt, milestone->step)};
        return;
    }
    if (milestone->step < member_of(pbt, milestone->trial)->until) {
        decide_again(pbt, view, milestone, ret_decision);
        return;
    }
    bool pauses = (milestone->can & TUNE_CAN_PAUSE) != 0 && pbt_is_crowded(pbt, view, milestone);
    decision = (struct tune_decision){.until = milestone_behind(pbt, milestone->step)};
    if (pbt_exploits(pbt, view, milestone, &random, &donor)) {
        decision = (struct tune_decision){
            .act = TUNE_EXPLOIT,
            .until = milestone_behind(pbt, donor.step),
            .donor = donor.trial,
            .donor_ordinal = donor.ordinal,
            .donor_step = donor.step,
        };
        memcpy(ret_params, params_of(pbt, donor.trial),
               pbt->spec->n_parameters * sizeof *ret_params);
        perturb_params(pbt->spec, &random, ret_params);
    }
    if (pauses) {
        decision.act = TUNE_PAUSE;
        decision.until = INT64_MAX;
    }
    *ret_decision = decision;
}

/* The one that has waited longest; with a limit on places once all were asked for. */
static bool pbt_wake(const struct trial_scheduler *pbt, const struct sweep_view *view,
                     uint32_t *ret_trial, struct tune_decision *ret_decision)
{
    uint32_t first = view->trials->pausing.first;
    bool are_all_asked = !view->is_asking || pbt_room(pbt, view) == 0;
    if (first == 0 || !view->has_place || (view->spec->concurrency != 0 && !are_all_asked)) {
        return false;
    }
    *ret_trial = first;
    *ret_decision = (struct tune_decision){.until = member_of(pbt, first)->until};
    return true;
}

/* ---- entries ---- */

static error_code pbt_apply(struct trial_scheduler *pbt, const struct sweep_view *view,
                            int64_t judged, const struct tune_event *event, int64_t *ret_judged)
{
    struct member *member = member_of(pbt, event->trial);
    struct random random;
    bool is_due = event->step >= member->until || event->step >= pbt->spec->schedule.max;
    if (!is_due && event->decision.donor == 0 && event->decision.act != TUNE_STOP) {
        *ret_judged = judged;
        return OK;
    }
    population_rank_remove(pbt, event->trial);
    *member = population_value(pbt, view->seed, event->trial, event->value, &random);
    member->step = event->step;
    member->until = event->decision.until;
    member->n_decided++;
    population_rank_add(pbt, event->trial);
    if (event->decision.donor != 0) {
        population_params_take(pbt, event);
        member->until = milestone_behind(pbt, event->decision.donor_step);
    } else if (event->decision.act == TUNE_PAUSE) {
        member->until = milestone_behind(pbt, event->step);
    }
    *ret_judged = event->step;
    return OK;
}

static error_code note_asked(struct trial_scheduler *pbt, const struct tune_event *event)
{
    error_code error = population_reserve(pbt, event->trial);
    if (error == OK) {
        *member_of(pbt, event->trial) = (struct member){.until = milestone_behind(pbt, 0)};
        population_params_take(pbt, event);
    }
    return error;
}

static error_code note_ended(struct trial_scheduler *pbt, const struct tune_event *event)
{
    if (event->outcome == TUNE_OUTCOME_FAILED || event->outcome == TUNE_OUTCOME_INVALID) {
        population_rank_remove(pbt, event->trial);
    }
    return OK;
}

static error_code note_reopened(struct trial_scheduler *pbt, const struct tune_event *event)
{
    struct member *member = member_of(pbt, event->trial);
    if (member->n_decided > 0 && !member->is_ranked) {
        population_rank_add(pbt, event->trial);
    }
    if (member->until == INT64_MAX && member->step < pbt->spec->schedule.max) {
        member->until = milestone_behind(pbt, member->step);
    }
    return OK;
}

static error_code note_donor(struct trial_scheduler *pbt, const struct tune_event *event)
{
    bool is_own = event->decision.donor == 0;
    population_params_take(pbt, event);
    member_of(pbt, event->trial)->until =
        milestone_behind(pbt, is_own ? event->step : event->decision.donor_step);
    return OK;
}

static error_code pbt_note(struct trial_scheduler *pbt, const struct sweep_view *view,
                           const struct tune_event *event)
{
    static error_code (*const notes[TUNE_EVENT_DONOR + 1])(struct trial_scheduler *,
                                                           const struct tune_event *) = {
        [TUNE_EVENT_ASKED] = note_asked,
        [TUNE_EVENT_ENDED] = note_ended,
        [TUNE_EVENT_REOPENED] = note_reopened,
        [TUNE_EVENT_DONOR] = note_donor,
    };
    (void)view;
    return notes[event->kind] != NULL ? notes[event->kind](pbt, event) : OK;
}

/* [trial, step, until, score, count, parameters...], the best first. */
static void member_print(const struct trial_scheduler *pbt, uint32_t trial, struct json_out *out)
{
    const struct member *member = member_of(pbt, trial);
    json_array_begin(out, NULL);
    json_u64(out, NULL, trial);
    json_i64(out, NULL, member->step);
    json_i64(out, NULL, member->until);
    json_out_real(out, NULL, member->score);
    json_u64(out, NULL, member->n_decided);
    for (uint32_t i = 0; i < pbt->spec->n_parameters; i++) {
        json_value(out, NULL, params_of(pbt, trial)[i]);
    }
    json_array_end(out);
}

static void pbt_print(const struct trial_scheduler *pbt, bool is_whole, struct json_out *out,
                      const char *key)
{
    json_array_begin(out, key);
    for (uint32_t i = 0; is_whole && i < pbt->n_ranked; i++) {
        member_print(pbt, pbt->ranked[i], out);
    }
    json_array_end(out);
}

const struct trial_scheduler_ops trial_scheduler_pbt = {
    .name = "pbt",
    .wants_snapshots = true,
    .borrows = true,
    .takes_turns = true,
    .new = pbt_new,
    .free = pbt_free,
    .first_milestone = pbt_first_milestone,
    .decide = pbt_decide,
    .apply = pbt_apply,
    .note = pbt_note,
    .room = pbt_room,
    .wake = pbt_wake,
    .print = pbt_print,
};
