#include "base/mem.h"
#include "tune/halving_state.h"

/* ---- lifecycle ---- */

error_code halving_new(const struct sweep_spec *spec, bracket_shape_fn *shape,
                       struct trial_scheduler **ret_scheduler)
{
    struct ladder ladder;
    error_code error = ladder_init(&ladder, &spec->schedule);
    if (error != OK) {
        return error;
    }
    struct trial_scheduler *halving = mem_zalloc(sizeof *halving);
    if (halving == NULL) {
        return ERR_NO_MEMORY;
    }
    halving->spec = spec;
    halving->shape = shape;
    *ret_scheduler = halving;
    return OK;
}

void halving_free(struct trial_scheduler *halving)
{
    if (halving == NULL) {
        return;
    }
    for (uint32_t b = 0; b < halving->n_brackets; b++) {
        for (uint32_t i = 0; i < halving->brackets[b].n_rungs; i++) {
            sync_rung_fini(&halving->brackets[b].rungs[i]);
        }
        mem_free(halving->brackets[b].rungs);
    }
    mem_free(halving->brackets);
    mem_free(halving->marks);
    mem_free(halving->links);
    mem_free(halving);
}

/* ---- questions ---- */

static int64_t bracket_end(const struct bracket *bracket)
{
    return bracket->rungs[bracket->n_rungs - 1].step;
}

/* The first rung behind `step`, which is not the bracket's end. */
static int64_t bracket_next(const struct bracket *bracket, int64_t step)
{
    uint32_t i = 0;
    while (i < bracket->n_rungs - 1 && bracket->rungs[i].step <= step) {
        i++;
    }
    return bracket->rungs[i].step;
}

bool bracket_rung_is_full(const struct trial_scheduler *halving, const struct sweep_view *view,
                          const struct bracket *bracket, uint32_t i)
{
    if (i > 0) {
        return bracket->rungs[i - 1].is_decided;
    }
    bool is_last = bracket == &halving->brackets[halving->n_brackets - 1];
    return !is_last || bracket->rungs[0].n_entered == bracket->n || !view->is_asking;
}

int64_t halving_first_milestone(const struct trial_scheduler *halving, uint32_t trial,
                                int64_t judged)
{
    (void)judged;
    const struct mark *mark = mark_of(halving, trial);
    const struct bracket *bracket = bracket_of(halving, mark);
    switch ((mark_state)mark->state) {
    case MARK_DUE:
    case MARK_RESULT:
        return bracket->rungs[mark->rung].step;
    case MARK_GOES_ON:
        return bracket->rungs[mark->rung + 1].step;
    case MARK_ENDS:
        return INT64_MAX;
    case MARK_OUT:
        return bracket_end(bracket);
    }
    return INT64_MAX;
}

/* Of those that wait at the rung, so many are better than a result that comes last. */
static uint32_t better_count(const struct trial_scheduler *halving, const struct sync_rung *rung,
                             double value)
{
    struct result own = rung_result(&rung->seen, value);
    uint32_t n = 0;
    for (uint32_t k = 0; k < rung->n_results; k++) {
        n += mark_is_candidate(mark_of(halving, rung->results[k].trial)) &&
             result_is_better(rung->results[k].result, own);
    }
    return n;
}

/* A result at a rung with one above it. */
static tune_act result_decide(const struct trial_scheduler *halving, const struct sweep_view *view,
                              const struct mark *mark, const struct tune_milestone *milestone)
{
    const struct bracket *bracket = bracket_of(halving, mark);
    const struct sync_rung *rung = &bracket->rungs[mark->rung];
    bool is_last =
        bracket_rung_is_full(halving, view, bracket, mark->rung) && sync_rung_is_complete(rung, 1);
    if (!is_last && (milestone->can & TUNE_CAN_PAUSE) != 0) {
        return TUNE_PAUSE;
    }
    bool is_good = is_last ? better_count(halving, rung, milestone->value) < sync_rung_places(rung)
                           : rung_would_keep(&rung->seen, milestone->value);
    return is_good ? TUNE_GO : TUNE_STOP;
}

/* A report that is no result: below the milestone, or of a trial whose rung has it already. */
static tune_act again_decide(const struct mark *mark, const struct tune_milestone *milestone)
{
    bool waits = mark->state == MARK_RESULT && (milestone->can & TUNE_CAN_PAUSE) != 0;
    return waits ? TUNE_PAUSE : mark->state == MARK_ENDS ? TUNE_STOP : TUNE_GO;
}

void halving_decide(const struct trial_scheduler *halving, const struct sweep_view *view,
                    int64_t judged, const struct tune_milestone *milestone,
                    struct tune_decision *ret_decision, struct value *ret_params)
{
    (void)ret_params;
    const struct mark *mark = mark_of(halving, milestone->trial);
    const struct bracket *bracket = bracket_of(halving, mark);
    int64_t until = halving_first_milestone(halving, milestone->trial, judged);
    struct tune_decision decision = {.act = TUNE_STOP, .why = TUNE_WHY_MAX, .until = INT64_MAX};
    if (milestone->step < bracket_end(bracket)) {
        bool is_result = mark->state == MARK_DUE && milestone->step >= until;
        decision.act = is_result ? result_decide(halving, view, mark, milestone)
                                 : again_decide(mark, milestone);
        decision.why = decision.act == TUNE_STOP ? TUNE_WHY_RUNG : TUNE_WHY_NONE;
    }
    if (decision.act == TUNE_GO) {
        decision.until = until > milestone->step ? until : bracket_next(bracket, milestone->step);
    }
    *ret_decision = decision;
}

bool halving_wake(const struct trial_scheduler *halving, const struct sweep_view *view,
                  uint32_t *ret_trial, struct tune_decision *ret_decision)
{
    if (halving->ending.n > 0) {
        *ret_trial = halving->ending.first;
        *ret_decision =
            (struct tune_decision){.act = TUNE_STOP, .why = TUNE_WHY_RUNG, .until = INT64_MAX};
        return true;
    }
    if (halving->going.n > 0 && view->has_place) {
        *ret_trial = halving->going.first;
        *ret_decision =
            (struct tune_decision){.until = halving_first_milestone(halving, *ret_trial, 0)};
        return true;
    }
    return false;
}

/* Whole: the marks, too, as [bracket, rung, state, gone, in line]. */
void halving_print(const struct trial_scheduler *halving, bool is_whole, struct json_out *out,
                   const char *key)
{
    json_array_begin(out, key);
    for (uint32_t b = 0; b < halving->n_brackets; b++) {
        for (uint32_t i = 0; i < halving->brackets[b].n_rungs; i++) {
            sync_rung_print(&halving->brackets[b].rungs[i], b + 1, is_whole, out);
        }
    }
    for (uint32_t trial = 1; is_whole && trial <= halving->n; trial++) {
        const struct mark *mark = mark_of(halving, trial);
        json_array_begin(out, NULL);
        json_u64(out, NULL, mark->bracket);
        json_u64(out, NULL, mark->rung);
        json_u64(out, NULL, mark->state);
        json_bool(out, NULL, mark->is_gone);
        json_bool(out, NULL, mark->is_in_line);
        json_array_end(out);
    }
    json_array_end(out);
}
