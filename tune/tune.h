/* tune/tune.h -- one sweep's tuning: search space, searcher, trial scheduler, stop rule, best
 * trial. Pure; owned by whoever made it; one thread.
 *
 * A tuner changes only by tune_apply(), and every change is one entry of the sweep's ordered log.
 * Live, the caller first asks (tune_suggest, tune_decide: const), writes the entry, and applies it.
 * After a restart the caller applies the same entries in the same order (tell only: nothing is
 * suggested or decided again) and gets the same tuner, field by field (tune_dump). Random streams
 * are functions of (seed, trial), so what comes next is equal too. */
#ifndef MUSTER_TUNE_TUNE_H
#define MUSTER_TUNE_TUNE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/value.h"
#include "spec/types.h"

struct tuner;

/* Can `spec` be tuned? What parsing alone does not tell: a baseline outside of the space, a grid
 * without end, constraints that leave nothing. ERR_INVALID with line, column and what to do in
 * `report` (may be NULL). Samples the space: some milliseconds. */
MUST_CHECK error_code tune_check(const struct sweep_spec *spec, struct report *report);

typedef enum {
    TUNE_GO = 0, /* go on; the next milestone is `until` */
    TUNE_STOP,   /* leave now: `why` says the reason */
    TUNE_PAUSE, /* save, leave, be held until tune_wake_next() names it. With a donor: leave, and go
                   on from the donor's snapshot with `params` then */
    TUNE_EXPLOIT, /* go on from the donor's snapshot with `params`; the next milestone is `until` */
} tune_act;

typedef enum {
    TUNE_WHY_NONE = 0,
    TUNE_WHY_RUNG,     /* not among the best of its rung */
    TUNE_WHY_MAX,      /* reached the top: its outcome is done, not stopped */
    TUNE_WHY_TARGET,   /* some trial's metric reached metric.target */
    TUNE_WHY_TRIALS,   /* stop.trials trials ended */
    TUNE_WHY_FAILURES, /* stop.failures trials failed */
    TUNE_WHY_WALL,     /* stop.wall passed (told by TUNE_EVENT_WALL) */
    TUNE_WHY_MEDIAN,   /* worse than the median of the others' running averages */
    TUNE_WHY_SNAPSHOT, /* a recorded schedule changes its parameters, and it has not saved */
    TUNE_WHY_LAST = TUNE_WHY_SNAPSHOT,
} tune_why;

const char *tune_why_word(tune_why why); /* "rung", "max", ...; "" for NONE */

/* A trial's next order, as far as tuning cares. */
struct tune_decision {
    tune_act act;
    tune_why why;
    int64_t until; /* next milestone step, behind donor_step if there is a donor; INT64_MAX: none */
    /* EXPLOIT, and PAUSE with a donor: whose snapshot, which of its, and the steps that its weights
     * have done. */
    uint32_t donor; /* a trial, where the schedule says so itself; 0: none */
    uint32_t donor_ordinal;
    int64_t donor_step;
};

enum { TUNE_CAN_PAUSE = 1, TUNE_CAN_EXPLOIT = 2 };

/* What the caller knows of a trial's snapshots: true if `trial` has one that the asking trial could
 * go on from, made with the parameters that the log gives `trial` now. */
typedef bool tune_donor_fn(void *context, uint32_t trial, uint32_t *ret_ordinal, int64_t *ret_step);

/* A report at or behind a milestone, and what its decision may look at. */
struct tune_milestone {
    uint32_t trial;
    int64_t step;
    double value;
    uint32_t can;         /* TUNE_CAN_*: save and leave to go on later; load another's snapshot */
    bool is_crowded;      /* some other trial of the sweep waits for a place */
    tune_donor_fn *donor; /* NULL: nobody has a snapshot */
    void *context;        /* of `donor` */
};

typedef enum {
    TUNE_EVENT_ASKED,     /* trial, params */
    TUNE_EVENT_MILESTONE, /* trial, step, value, decision: as tune_decide() gave it, and `params` if
                             it has a donor */
    TUNE_EVENT_ENDED,     /* trial, outcome, and the last value if has_value */
    TUNE_EVENT_TARGET,    /* trial, step, value: a report below the milestone reached the target */
    TUNE_EVENT_WALL,      /* stop.wall passed */
    TUNE_EVENT_RESUMED,   /* the sweep goes on; step: the trials it may ask for from now on, in all;
                             0: no limit. Failures count anew. */
    TUNE_EVENT_REOPENED, /* an ended trial runs again; step 1: its sweep had ended, and no new trial
                            is asked for */
    TUNE_EVENT_HELD,  /* trial: it has left as told (PAUSE, or EXPLOIT by a new start), or somebody
                         paused it; its place is free */
    TUNE_EVENT_WOKEN, /* trial, decision: GO with `until`, it has a place again; or STOP with `why`,
                         its end follows */
    TUNE_EVENT_SET,   /* people changed limits, while the sweep goes on */
    TUNE_EVENT_DONOR, /* the snapshot that a trial was to go on from by its last exploit is lost: it
                         goes on from another one of the same donor (decision.donor_*), or, donor 0,
                         from its own of `step` after all; `params` it goes on with */
} tune_event_kind;

/* Which limits a SET changes. */
enum {
    TUNE_SET_TRIALS = 1,
    TUNE_SET_FAILURES = 2,
    TUNE_SET_WALL = 4,
    TUNE_SET_CONCURRENCY = 8,
    TUNE_SET_ALL = 15,
};
struct tune_limits {
    uint32_t set;                           /* TUNE_SET_* */
    uint32_t trials, failures, concurrency; /* 0: none */
    int64_t wall_ms;
};

typedef enum {
    TUNE_OUTCOME_DONE,
    TUNE_OUTCOME_STOPPED,
    TUNE_OUTCOME_FAILED,
    TUNE_OUTCOME_CANCELLED,
    TUNE_OUTCOME_INVALID, /* the trainer said: these parameters make no sense */
} tune_outcome;

/* One entry of the sweep's log. Everything is borrowed for the call. */
struct tune_event {
    tune_event_kind kind;
    uint32_t trial; /* 1, 2, ... in order of asking */
    int64_t step;
    bool has_value;
    double value; /* the metric's; NaN and infinities are legal, NaN is worst */
    /* What the trial is ranked by from now on, as metric.summary says, and its step; NaN: by
     * nothing. Without it (an old log) it is the best value of its entries. */
    bool has_result;
    double result;
    int64_t result_step;
    struct tune_decision decision;
    tune_outcome outcome;
    const struct value *params; /* n_parameters of the spec, in the file's order */
    uint32_t n_params;
    struct tune_limits limits; /* SET */
};

/* `spec` is copied; what it points to must outlive the tuner. `seed` is the sweep's (the file's,
 * else drawn by the caller). ERR_INVALID for a space or schedule that makes no sense,
 * ERR_NO_MEMORY. */
MUST_CHECK error_code tune_new(const struct sweep_spec *spec, uint64_t seed,
                               struct tuner **ret_tuner);
void tune_free(struct tuner *tuner);

/* How many trials may be asked for in all; 0: no limit. stop.trials, until a resume says else;
 * never more than there are configurations. */
uint32_t tune_trials_max(const struct tuner *tuner);
/* The limits that hold now, all of them. */
struct tune_limits tune_limits_get(const struct tuner *tuner);
/* All configurations that there are, baselines included; 0: no end of them. */
uint32_t tune_space_size(const struct tuner *tuner);
/* Who suggests: "random", "sobol", ...; a method that stands for another is called by that. */
const char *tune_searcher_name(const struct tuner *tuner);
/* Open places now: min(concurrency less trials neither ended nor held, trials not yet asked for); 0
 * once tune_finishing() gives a reason. UINT32_MAX where neither limits. */
uint32_t tune_tickets(const struct tuner *tuner);
/* The number that the next asked trial will have. */
uint32_t tune_next_trial(const struct tuner *tuner);
/* A configuration for `trial`: a function of the tuner's state, seed and trial number; changes
 * nothing. Baselines come first. VALUE_NONE where a parameter is not active. ret_params: room for
 * n_parameters; strings are borrowed from the spec. */
void tune_suggest(const struct tuner *tuner, uint32_t trial, struct value *ret_params);
/* The first milestone of a trial that starts from nothing (restored_step 0) or from a snapshot
 * after its last milestone: the first rung above the last one it was judged at; INT64_MAX if none.
 */
int64_t tune_first_milestone(const struct tuner *tuner, uint32_t trial);
/* What a trial should do that has reached its milestone. Changes nothing. A rung counts once a
 * trial: a report at or below the last rung judged is TUNE_GO to the next one. ret_params: room for
 * n_parameters, filled in if the decision has a donor; strings are borrowed from the spec. */
void tune_decide(const struct tuner *tuner, const struct tune_milestone *milestone,
                 struct tune_decision *ret_decision, struct value *ret_params);
/* A held trial that should go on (GO) or end (STOP) now; false: none. Only those that were told to
 * leave by a decision: what people paused, people resume. Asked again after each entry. */
bool tune_wake_next(const struct tuner *tuner, uint32_t *ret_trial,
                    struct tune_decision *ret_decision);
/* True if a trial is to save at each milestone, whatever checkpoints.on says. */
bool tune_wants_snapshots(const struct tuner *tuner);
/* True if a trial that pauses goes behind the sweep's others that wait for a place. */
bool tune_takes_turns(const struct tuner *tuner);
/* True if a report of `value` reaches metric.target. */
bool tune_reaches_target(const struct tuner *tuner, double value);
/* The only writer. ERR_INVALID for an entry that cannot follow this state, e.g. a trial asked
 * twice; ERR_NO_MEMORY. The tuner is unchanged after an error. */
MUST_CHECK error_code tune_apply(struct tuner *tuner, const struct tune_event *event);
/* Why no new trials will be asked: NONE while the sweep goes on. TARGET, FAILURES and WALL mean
 * that running trials should be stopped too; TRIALS lets them finish. */
tune_why tune_finishing(const struct tuner *tuner);
/* True when tune_finishing() gives a reason and every asked trial has ended. */
bool tune_is_over(const struct tuner *tuner);
/* The best trial so far, by what its last entry with a value (milestone, target, end; but not the
 * end of an invalid one) says that it is ranked by. Goal-wise; ties to the lower trial number; NaN
 * never. false if there is none. */
bool tune_best(const struct tuner *tuner, uint32_t *ret_trial, double *ret_value,
               int64_t *ret_step);

struct tune_counts {
    uint32_t asked, running, held, ended, done, stopped, failed, cancelled, invalid;
};
void tune_counts_get(const struct tuner *tuner, struct tune_counts *ret_counts);
/* Every field as JSON, in a fixed order: equal tuners print equal text. */
error_code tune_dump(const struct tuner *tuner, struct buf *buf);
/* Rungs for people: JSON [{step, results, kept}]; kept: how many trials went on from there. */
error_code tune_rungs_print(const struct tuner *tuner, struct buf *buf);

#endif
