/* tests/tools/asha_trace.c -- stopping ASHA as a filter, for tests/tools/asha_peer.py: the first
 * line is `goal min max eta` (goal 0: minimize), every other one `trial step value`; each is
 * answered with `go` or the word of the stop. */
#include <inttypes.h>
#include <stdio.h>

#include "tune/tune.h"

static int trace(struct tuner *tuner)
{
    struct tune_event event = {.kind = TUNE_EVENT_MILESTONE, .has_value = true};
    while (scanf("%" SCNu32 " %" SCNd64 " %lf", &event.trial, &event.step, &event.value) == 3) {
        while (tune_next_trial(tuner) <= event.trial) {
            struct tune_event asked = {.kind = TUNE_EVENT_ASKED, .trial = tune_next_trial(tuner)};
            if (tune_apply(tuner, &asked) != OK) {
                return 1;
            }
        }
        struct tune_milestone milestone = {
            .trial = event.trial, .step = event.step, .value = event.value};
        tune_decide(tuner, &milestone, &event.decision, NULL);
        if (tune_apply(tuner, &event) != OK) {
            return 1;
        }
        puts(event.decision.act == TUNE_GO ? "go" : tune_why_word(event.decision.why));
        fflush(stdout);
    }
    return 0;
}

int main(void)
{
    int goal;
    struct sweep_spec spec = {.schedule = {.type = SCHEDULE_ASHA}};
    struct schedule_spec *schedule = &spec.schedule;
    if (scanf("%d %" SCNd64 " %" SCNd64 " %" SCNd64, &goal, &schedule->min, &schedule->max,
              &schedule->eta) != 4) {
        return 2;
    }
    spec.metric.goal = goal == 0 ? GOAL_MINIMIZE : GOAL_MAXIMIZE;
    struct tuner *tuner;
    if (tune_new(&spec, 1, &tuner) != OK) {
        return 2;
    }
    int status = trace(tuner);
    tune_free(tuner);
    return status;
}
