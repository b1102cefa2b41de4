#include "tune/trials.h"

#include <assert.h>

#include "base/mem.h"

enum { TRIALS_CAP_FIRST = 16 };

void trials_fini(struct trials *trials)
{
    mem_free(trials->items);
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
        trials->cap = cap;
    }
    return OK;
}

void trials_add(struct trials *trials)
{
    assert(trials->n < trials->cap);
    trials->items[trials->n++] = (struct trial){.state = TRIAL_OPEN, .told = TUNE_WHY_NONE};
}

struct trial *trials_find(const struct trials *trials, uint32_t number)
{
    return number >= 1 && number <= trials->n ? &trials->items[number - 1] : NULL;
}

void trials_hold(struct trials *trials, struct trial *trial)
{
    assert(trial->state == TRIAL_OPEN);
    trial->state = TRIAL_HELD;
    trials->n_held++;
}

void trials_wake(struct trials *trials, struct trial *trial)
{
    assert(trial->state == TRIAL_HELD);
    trial->state = TRIAL_OPEN;
    trial->leaving = TUNE_GO;
    trials->n_held--;
}

void trials_end(struct trials *trials, struct trial *trial, tune_outcome outcome)
{
    assert(trial->state != TRIAL_ENDED);
    trials->n_held -= trial->state == TRIAL_HELD;
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
