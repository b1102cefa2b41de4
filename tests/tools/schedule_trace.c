/* tests/tools/schedule_trace.c -- median stopping and population-based training as a filter, for
 * tests/tools/schedule_peer.py. The first line is `median goal min interval startup` or
 * `pbt goal interval quantile` (goal 0: minimize), every other one `trial step value`. Each is
 * answered with `go UNTIL`, the word of the stop, or `exploit UNTIL DONOR FROM TO`: the parameter
 * that was copied, and what became of it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tune/tune.h"

enum { TRIALS_MAX = 1000 };

static const struct param_spec lr = {.name = "lr", .kind = PARAM_REAL, .min = 1e-300, .max = 1e300};
static const double factors[] = {0.8, 1.2};
static int64_t last_step[TRIALS_MAX + 1];
static double params[TRIALS_MAX + 1];

/* Whoever has reported has a snapshot. */
static bool donor_find(void *context, uint32_t trial, uint32_t *ret_ordinal, int64_t *ret_step)
{
    (void)context;
    *ret_ordinal = 1;
    *ret_step = last_step[trial];
    return last_step[trial] > 0;
}

static bool ask(struct tuner *tuner, uint32_t trial)
{
    struct value value = value_real(params[trial] = 1.0 + trial);
    struct tune_event asked = {
        .kind = TUNE_EVENT_ASKED, .trial = trial, .params = &value, .n_params = 1};
    return tune_apply(tuner, &asked) == OK;
}

static void answer(const struct tune_event *event)
{
    const struct tune_decision *decision = &event->decision;
    if (decision->act == TUNE_EXPLOIT) {
        printf("exploit %" PRId64 " %u %.17g %.17g\n", decision->until, decision->donor,
               params[decision->donor], event->params[0].real);
    } else if (decision->act == TUNE_GO) {
        printf("go %" PRId64 "\n", decision->until);
    } else {
        puts(tune_why_word(decision->why));
    }
    fflush(stdout);
}

static int trace(struct tuner *tuner)
{
    struct tune_event event = {.kind = TUNE_EVENT_MILESTONE, .has_value = true};
    while (scanf("%" SCNu32 " %" SCNd64 " %lf", &event.trial, &event.step, &event.value) == 3 &&
           event.trial <= TRIALS_MAX) {
        while (tune_next_trial(tuner) <= event.trial) {
            if (!ask(tuner, tune_next_trial(tuner))) {
                return 1;
            }
        }
        struct value changed;
        struct tune_milestone milestone = {.trial = event.trial,
                                           .step = event.step,
                                           .value = event.value,
                                           .can = TUNE_CAN_EXPLOIT,
                                           .donor = donor_find};
        tune_decide(tuner, &milestone, &event.decision, &changed);
        bool has_donor = event.decision.donor != 0;
        event.params = has_donor ? &changed : NULL;
        event.n_params = has_donor;
        if (tune_apply(tuner, &event) != OK) {
            return 1;
        }
        answer(&event);
        last_step[event.trial] = has_donor ? event.decision.donor_step : event.step;
        params[event.trial] = has_donor ? changed.real : params[event.trial];
    }
    return 0;
}

int main(void)
{
    int goal;
    char kind[16];
    struct sweep_spec spec = {.parameters = &lr, .n_parameters = 1};
    spec.schedule = (struct schedule_spec){.max = INT64_C(1) << 53};
    spec.pbt = (struct pbt_spec){.population = TRIALS_MAX, .factors = factors, .n_factors = 2};
    if (scanf("%15s %d", kind, &goal) != 2) {
        return 2;
    }
    spec.metric.goal = goal == 0 ? GOAL_MINIMIZE : GOAL_MAXIMIZE;
    bool is_pbt = strcmp(kind, "pbt") == 0;
    spec.schedule.type = is_pbt ? SCHEDULE_PBT : SCHEDULE_MEDIAN;
    int n = is_pbt ? scanf("%" SCNd64 " %lf", &spec.pbt.interval, &spec.pbt.quantile)
                   : scanf("%" SCNd64 " %" SCNd64 " %" SCNu32, &spec.schedule.min,
                           &spec.schedule.interval, &spec.schedule.startup) -
                         1;
    struct tuner *tuner;
    if (n != 2 || tune_new(&spec, 1, &tuner) != OK) {
        return 2;
    }
    int status = trace(tuner);
    tune_free(tuner);
    return status;
}
