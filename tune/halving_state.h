/* tune/halving_state.h -- what halving.c (questions) and halving_entries.c (entries of the log)
 * share. Pure; one thread. */
#ifndef MUSTER_TUNE_HALVING_STATE_H
#define MUSTER_TUNE_HALVING_STATE_H

#include <assert.h>

#include "tune/halving.h"
#include "tune/sync_rung.h"

struct bracket {
    uint32_t n;              /* trials that it has room for */
    uint32_t n_rungs;        /* the last one is the step at which it ends */
    struct sync_rung *rungs; /* owned */
};

/* Where a trial stands with its rung. */
typedef enum {
    MARK_DUE,     /* it climbs to it */
    MARK_RESULT,  /* it has its result, and the rung is not complete */
    MARK_GOES_ON, /* it may go on, and waits for a place */
    MARK_ENDS,    /* it is to end, or has got to the top */
    MARK_OUT,     /* it runs again after its bracket went on without it: to the last step */
} mark_state;

struct mark {
    uint32_t bracket;
    uint8_t rung;
    uint8_t state; /* mark_state */
    bool is_gone;  /* ended */
    bool is_in_line;
};

struct trial_scheduler {
    const struct sweep_spec *spec; /* borrowed */
    bracket_shape_fn *shape;
    struct bracket *brackets; /* owned; trials are asked for into the last one */
    uint32_t n_brackets, cap_brackets;
    struct mark *marks;      /* owned; by trial */
    struct line_link *links; /* owned; of the two lines */
    uint32_t n, cap;
    struct line going, ending; /* held trials */
};

static inline struct mark *mark_of(const struct trial_scheduler *halving, uint32_t trial)
{
    assert(trial >= 1 && trial <= halving->n);
    return &halving->marks[trial - 1];
}

static inline struct bracket *bracket_of(const struct trial_scheduler *halving,
                                         const struct mark *mark)
{
    return &halving->brackets[mark->bracket];
}

/* No more trials enter rung i. */
bool bracket_rung_is_full(const struct trial_scheduler *halving, const struct sweep_view *view,
                          const struct bracket *bracket, uint32_t i);
/* This trial may take a place of its rung once that is complete. */
static inline bool mark_is_candidate(const struct mark *mark)
{
    return mark->state == MARK_RESULT && !mark->is_gone;
}

#endif
