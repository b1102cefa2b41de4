/* tune/trials.h -- the trials of one sweep, by number, and how many of them are in which state.
 * Pure; owned by its tuner; one thread. */
#ifndef MUSTER_TUNE_TRIALS_H
#define MUSTER_TUNE_TRIALS_H

#include "tune/line.h"
#include "tune/tune.h"

/* A trial has a place from its asking to its end, but for the time in which it is held. */
typedef enum { TRIAL_OPEN, TRIAL_HELD, TRIAL_ENDED } trial_state;

struct trial {
    double value; /* that it is ranked by; NaN: none */
    int64_t value_step;
    int64_t judged;  /* step of the highest rung that has its result; 0: none yet */
    uint8_t state;   /* trial_state */
    uint8_t outcome; /* tune_outcome, once it has ended */
    uint8_t told;    /* tune_why it was told to stop for; NONE while it may go on */
    uint8_t
        leaving; /* tune_act that told it to leave, PAUSE or EXPLOIT; GO: none, or it was woken */
};

struct trials {
    struct trial *items;     /* owned; trial t stands at t - 1 */
    struct line_link *links; /* owned; of the lines below */
    uint32_t n;
    uint32_t cap;
    uint32_t n_outcome[TUNE_OUTCOME_INVALID + 1]; /* ended ones, by outcome */
    uint32_t n_ended;
    uint32_t n_held;
    /* Held ones that a decision told to leave, as they came: those that have to start anew with
     * another's snapshot, and those that wait to be woken. People's are in neither. */
    struct line exploiting, pausing;
};

void trials_fini(struct trials *trials); /* takes zeroed and fini'd ones */
/* Room for one more. ERR_LIMIT at SPEC_TRIALS_MAX, ERR_NO_MEMORY; unchanged then. */
MUST_CHECK error_code trials_reserve(struct trials *trials);
void trials_add(struct trials *trials); /* trial n + 1, after trials_reserve() */
/* NULL if `number` was never asked. Borrowed, until the next trials_add(). */
struct trial *trials_find(const struct trials *trials, uint32_t number);
void trials_hold(struct trials *trials, struct trial *trial); /* an open one */
void trials_wake(struct trials *trials, struct trial *trial); /* a held one */
/* Once a trial, open or held. */
void trials_end(struct trials *trials, struct trial *trial, tune_outcome outcome);
/* An ended one has its place again. */
void trials_reopen(struct trials *trials, struct trial *trial);
/* Trials that have a place: neither ended nor held. */
uint32_t trials_open_count(const struct trials *trials);
/* Held ones that people paused. */
uint32_t trials_aside_count(const struct trials *trials);

#endif
