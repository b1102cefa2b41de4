/* tune/trial_scheduler.h -- the table of trial schedulers: who decides at a milestone whether a
 * trial goes on. Pure; one thread. A new trial scheduler is one file with one `const struct
 * trial_scheduler_ops` and one line in trial_scheduler.c. */
#ifndef MUSTER_TUNE_TRIAL_SCHEDULER_H
#define MUSTER_TUNE_TRIAL_SCHEDULER_H

#include "base/json_out.h"
#include "tune/trials.h"

/* Each file's own; it begins as it likes. */
struct trial_scheduler;

/* What a trial scheduler sees of its sweep: how many trials have which state, what was asked. */
struct sweep_view {
    const struct sweep_spec *spec;
    uint64_t seed;
    const struct trials *trials;
    uint32_t trials_max; /* SPEC_TRIALS_MAX: no limit */
    bool is_asking;      /* there are trials to be asked for yet, now or once a place is free */
    bool has_place;      /* one more trial may run */
};

/* `judged` is the step of the highest rung that has the trial's result, 0 if none has; the tuner
 * keeps it. A trial scheduler without an optional function (NULL) pauses nobody. */
struct trial_scheduler_ops {
    const char *name;
    bool wants_snapshots; /* at each milestone */
    bool lends_to_itself; /* a trial's donor may be the trial */
    bool borrows;         /* a trial's donor may be another trial: DONOR is noted */
    bool takes_turns;     /* whoever pauses goes behind all others that wait for a place */
    /* ERR_INVALID for a schedule that makes no sense, ERR_NO_MEMORY. `spec` outlives it. */
    error_code (*new)(const struct sweep_spec *spec, struct trial_scheduler **ret_scheduler);
    void (*free)(struct trial_scheduler *scheduler); /* NULL is fine */
    /* The first milestone of a trial that goes on behind `judged`; INT64_MAX: none. */
    int64_t (*first_milestone)(const struct trial_scheduler *scheduler, uint32_t trial,
                               int64_t judged);
    /* What a trial should do; looks at results of trials only, the sweep's stop rules are the
     * tuner's. ret_params as of tune_decide(). */
    void (*decide)(const struct trial_scheduler *scheduler, const struct sweep_view *view,
                   int64_t judged, const struct tune_milestone *milestone,
                   struct tune_decision *ret_decision, struct value *ret_params);
    /* A milestone of the log; the decision in it is told, not made again. ret_judged: the trial's
     * new `judged`. ERR_NO_MEMORY, ERR_LIMIT: nothing changed, nothing written. */
    error_code (*apply)(struct trial_scheduler *scheduler, const struct sweep_view *view,
                        int64_t judged, const struct tune_event *event, int64_t *ret_judged);
    /* Optional: an ASKED, HELD, WOKEN, ENDED, REOPENED or DONOR of the log, which the tuner has
     * found sound and will take after this; or a RESUMED, with the view as it will be. On an error
     * nothing is changed. */
    error_code (*note)(struct trial_scheduler *scheduler, const struct sweep_view *view,
                       const struct tune_event *event);
    /* Optional: how many more trials may be asked for now, whatever limits there are beside it. */
    uint32_t (*room)(const struct trial_scheduler *scheduler, const struct sweep_view *view);
    /* Optional: tune_wake_next(), for trials that were told to pause: GO only if there is a place.
     */
    bool (*wake)(const struct trial_scheduler *scheduler, const struct sweep_view *view,
                 uint32_t *ret_trial, struct tune_decision *ret_decision);
    /* An array of the rungs for people, or (is_whole) with every field. */
    void (*print)(const struct trial_scheduler *scheduler, bool is_whole, struct json_out *out,
                  const char *key);
};

extern const struct trial_scheduler_ops trial_scheduler_none, trial_scheduler_asha,
    trial_scheduler_promote, trial_scheduler_sha, trial_scheduler_hyperband, trial_scheduler_median,
    trial_scheduler_pbt, trial_scheduler_replay;

/* NULL for a type or mode that this build does not know. */
const struct trial_scheduler_ops *trial_scheduler_find(const struct schedule_spec *schedule);

#endif
