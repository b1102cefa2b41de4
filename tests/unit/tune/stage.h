/* tests/unit/tune/stage.h -- a sweep whose trials pause, wake and copy each other, driven as a head
 * drives it: after each entry whoever is to be woken is woken. Every entry is kept, so that the log
 * can be told to another tuner. */
#ifndef MUSTER_TESTS_TUNE_STAGE_H
#define MUSTER_TESTS_TUNE_STAGE_H

#include "rig.h"

enum { STAGE_TRIALS_MAX = 1024, STAGE_ENTRIES_MAX = 65536 };

typedef enum { STAGE_NONE, STAGE_RUNS, STAGE_LEAVES, STAGE_HELD, STAGE_ENDED } stage_state;

struct stage_trial {
    stage_state state;
    tune_outcome outcome;
    bool is_peoples; /* held by people */
    int64_t step;    /* of its last report or its donor */
    int64_t until;
    uint32_t n_decisions;
    struct value params[RIG_PARAMS]; /* in force */
    /* Its snapshot: of the last milestone that it went on from or left at. */
    uint32_t ordinal;
    int64_t snapshot_step;
};

struct stage {
    struct sweep_spec spec;
    struct tuner *tuner;
    struct random random;
    uint32_t n, n_entries;
    uint32_t can;
    bool is_crowded;
    bool has_no_snapshots;
    struct stage_trial trials[STAGE_TRIALS_MAX + 1];
    struct rig_entry entries[STAGE_ENTRIES_MAX];
};

static UNUSED void stage_init(struct stage *stage, const struct sweep_spec *spec, uint64_t number)
{
    memset(stage, 0, offsetof(struct stage, entries));
    stage->spec = *spec;
    stage->can = TUNE_CAN_PAUSE | TUNE_CAN_EXPLOIT;
    random_init(&stage->random, 23, number);
    assert_int_equal(tune_new(&stage->spec, 17, &stage->tuner), OK);
}

static UNUSED void stage_apply(struct stage *stage, const struct tune_event *event)
{
    struct rig_entry *entry = &stage->entries[stage->n_entries++];
    assert_true(stage->n_entries < STAGE_ENTRIES_MAX);
    *entry = (struct rig_entry){.event = *event};
    if (event->params != NULL) {
        memcpy(entry->params, event->params, sizeof entry->params);
        entry->event.params = entry->params;
    }
    assert_int_equal(tune_apply(stage->tuner, &entry->event), OK);
}

/* The log, told to a new tuner, makes the same one. Ends the stage. */
static UNUSED void stage_fini(struct stage *stage)
{
    struct tuner *told = rig_tuner(&stage->spec);
    for (uint32_t i = 0; i < stage->n_entries; i++) {
        assert_int_equal(tune_apply(told, &stage->entries[i].event), OK);
    }
    rig_assert_equal(stage->tuner, told);
    tune_free(told);
    tune_free(stage->tuner);
}

static UNUSED void stage_end(struct stage *stage, uint32_t trial, tune_outcome outcome)
{
    struct tune_event event = {.kind = TUNE_EVENT_ENDED, .trial = trial, .outcome = outcome};
    stage->trials[trial].state = STAGE_ENDED;
    stage->trials[trial].outcome = outcome;
    stage_apply(stage, &event);
}

static UNUSED void stage_hold(struct stage *stage, uint32_t trial, bool is_peoples)
{
    struct tune_event event = {.kind = TUNE_EVENT_HELD, .trial = trial};
    stage->trials[trial].state = STAGE_HELD;
    stage->trials[trial].is_peoples = is_peoples;
    stage_apply(stage, &event);
}

static UNUSED void stage_wake(struct stage *stage, uint32_t trial, struct tune_decision decision)
{
    struct tune_event event = {.kind = TUNE_EVENT_WOKEN, .trial = trial, .decision = decision};
    assert_int_equal(stage->trials[trial].state, STAGE_HELD);
    stage->trials[trial].state = STAGE_RUNS;
    stage->trials[trial].until = decision.until;
    stage->trials[trial].is_peoples = false;
    stage_apply(stage, &event);
    if (decision.act == TUNE_STOP) {
        stage_end(stage, trial, TUNE_OUTCOME_STOPPED);
    }
}

/* All that are to be woken now. */
static UNUSED void stage_wake_all(struct stage *stage)
{
    uint32_t trial;
    struct tune_decision decision;
    while (tune_wake_next(stage->tuner, &trial, &decision)) {
        assert_false(stage->trials[trial].is_peoples);
        stage_wake(stage, trial, decision);
    }
}

static UNUSED uint32_t stage_ask(struct stage *stage)
{
    uint32_t trial = rig_ask(stage->tuner);
    struct rig_entry *entry = &stage->entries[stage->n_entries++];
    assert_true(trial <= STAGE_TRIALS_MAX && stage->n_entries < STAGE_ENTRIES_MAX);
    *entry = (struct rig_entry){
        .event = {.kind = TUNE_EVENT_ASKED, .trial = trial, .n_params = RIG_PARAMS}};
    tune_suggest(stage->tuner, trial, entry->params);
    entry->event.params = entry->params;
    stage->n = trial;
    stage->trials[trial] = (struct stage_trial){.state = STAGE_RUNS,
                                                .until = tune_first_milestone(stage->tuner, trial)};
    memcpy(stage->trials[trial].params, entry->params, sizeof entry->params);
    return trial;
}

static bool stage_donor(void *context, uint32_t trial, uint32_t *ret_ordinal, int64_t *ret_step)
{
    const struct stage *stage = context;
    const struct stage_trial *donor = &stage->trials[trial];
    *ret_ordinal = donor->ordinal;
    *ret_step = donor->snapshot_step;
    return donor->ordinal != 0 && !stage->has_no_snapshots;
}

/* A milestone at `step`; the trial leaves or ends as it is told, but is not held yet. */
static UNUSED struct tune_decision stage_report(struct stage *stage, uint32_t trial, int64_t step,
                                                double value)
{
    struct stage_trial *own = &stage->trials[trial];
    struct value params[RIG_PARAMS];
    struct tune_milestone milestone = {
        .trial = trial,
        .step = step,
        .value = value,
        .can = stage->can,
        .is_crowded = stage->is_crowded,
        .donor = stage_donor,
        .context = stage,
    };
    struct tune_event event = {
        .kind = TUNE_EVENT_MILESTONE,
        .trial = trial,
        .step = step,
        .has_value = true,
        .value = value,
    };
    tune_decide(stage->tuner, &milestone, &event.decision, params);
    own->step = step;
    own->n_decisions++;
    own->until = event.decision.until;
    if (event.decision.donor != 0) {
        event.params = params;
        event.n_params = RIG_PARAMS;
        memcpy(own->params, params, sizeof params);
        own->step = event.decision.donor_step;
        own->ordinal = 0; /* what it saved was made with other parameters */
    } else if ((stage->can & TUNE_CAN_PAUSE) != 0) {
        own->ordinal = own->n_decisions;
        own->snapshot_step = step;
    }
    stage_apply(stage, &event);
    if (event.decision.act == TUNE_STOP) {
        stage_end(stage, trial,
                  event.decision.why == TUNE_WHY_MAX ? TUNE_OUTCOME_DONE : TUNE_OUTCOME_STOPPED);
    } else if (event.decision.act == TUNE_PAUSE) {
        own->state = STAGE_LEAVES;
    }
    return event.decision;
}

/* One of those in `state`, drawn; 0: there is none. */
static UNUSED uint32_t stage_draw(struct stage *stage, stage_state state)
{
    uint32_t n = 0, drawn = 0;
    for (uint32_t trial = 1; trial <= stage->n; trial++) {
        if (stage->trials[trial].state == state && random_below(&stage->random, ++n) == 0) {
            drawn = trial;
        }
    }
    return drawn;
}

static UNUSED void stage_ask_all(struct stage *stage)
{
    while (tune_tickets(stage->tuner) > 0 && stage->n < STAGE_TRIALS_MAX) {
        stage_ask(stage);
    }
}

#endif
