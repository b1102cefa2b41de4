#include "tune/trials.h"

#include <assert.h>
#include <math.h>

#include "base/mem.h"

enum { TRIALS_CAP_FIRST = 16 };

void trials_fini(struct trials *trials)
{
    mem_free(trials->items);
    mem_free(trials->links);
    *trials = (struct trials){0};
}

error_code trials_reserve(struct trials *trials)
{
    if (trials->n == SPEC_TRIALS_MAX) {
        return ERR_LIMIT;
    }
    if (trials->n == trials->cap) {
        uint32_t cap = trials->cap == 0 ? TRIALS_CAP_FIRST : trials->cap * 2;
        cap = cap > SPEC_TRIALS_MAX ? SPEC_TRIALS_MAX : cap;
        struct trial *items = mem_realloc(trials->items, cap * sizeof *items);
        if (items == NULL) {
            return ERR_NO_MEMORY;
        }
        trials->items = items;
        struct line_link *links = mem_realloc(trials->links, cap * sizeof *links);
        if (links == NULL) {
            return ERR_NO_MEMORY;
        }
        trials->links = links;
        trials->cap = cap;
    }
    return OK;
}

void trials_add(struct trials *trials)
{
    assert(trials->n < trials->cap);
    trials->items[trials->n++] =
        (struct trial){.value = NAN, .state = TRIAL_OPEN, .told = TUNE_WHY_NONE};
}

struct trial *trials_find(const struct trials *trials, uint32_t number)
{
    return number >= 1 && number <= trials->n ? &trials->items[number - 1] : NULL;
}

/* The line that a held trial stands in; NULL: people paused it. */
static struct line *trials_line(struct trials *trials, const struct trial *trial)
{
    return trial->leaving == TUNE_EXPLOIT ? &trials->exploiting
           : trial->leaving == TUNE_PAUSE ? &trials->pausing
                                          : NULL;
}

static uint32_t trials_number(const struct trials *trials, const struct trial *trial)
{
    return (uint32_t)(trial - trials->items) + 1;
}

void trials_hold(struct trials *trials, struct trial *trial)
{
    struct line *line = trials_line(trials, trial);
    assert(trial->state == TRIAL_OPEN);
    trial->state = TRIAL_HELD;
    trials->n_held++;
    if (line != NULL) {
        line_push(line, trials->links, trials_number(trials, trial));
    }
}

/* It is held no more. */
static void trials_unhold(struct trials *trials, struct trial *trial)
{
    struct line *line = trials_line(trials, trial);
    if (line != NULL) {
        line_remove(line, trials->links, trials_number(trials, trial));
    }
    trials->n_held--;
}

void trials_wake(struct trials *trials, struct trial *trial)
{
    assert(trial->state == TRIAL_HELD);
    trials_unhold(trials, trial);
    trial->state = TRIAL_OPEN;
    trial->leaving = TUNE_GO;
}

void trials_end(struct trials *trials, struct trial *trial, tune_outcome outcome)
{
    assert(trial->state != TRIAL_ENDED);
    if (trial->state == TRIAL_HELD) {
        trials_unhold(trials, trial);
    }
    trial->state = TRIAL_ENDED;
    trial->outcome = (uint8_t)outcome;
    trials->n_outcome[outcome]++;
    trials->n_ended++;
}

void trials_reopen(struct trials *trials, struct trial *trial)
{
    assert(trial->state == TRIAL_ENDED);
    trials->n_outcome[trial->outcome]--;
    trials->n_ended--;
    trial->state = TRIAL_OPEN;
    trial->outcome = 0;
    trial->told = TUNE_WHY_NONE;
    trial->leaving = TUNE_GO;
}

uint32_t trials_open_count(const struct trials *trials)
{
    return trials->n - trials->n_ended - trials->n_held;
}

uint32_t trials_aside_count(const struct trials *trials)
{
    return trials->n_held - trials->exploiting.n - trials->pausing.n;
}
