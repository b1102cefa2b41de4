/* tune/wake.c -- held trials: which of them has a place again, and which is at its end.
 *
 * First those that were told to exploit and could not do it in place: they left for a new start
 * alone, and what they left is theirs, whatever waits for a place. Then those that paused, as
 * the trial scheduler says. What people paused is in neither line. */
#include "tune/sweep.h"

bool tune_wants_snapshots(const struct tuner *tuner)
{
    return tuner->scheduling->wants_snapshots;
}

bool tune_takes_turns(const struct tuner *tuner)
{
    return tuner->scheduling->takes_turns;
}

bool tune_wake_next(const struct tuner *tuner, uint32_t *ret_trial,
                    struct tune_decision *ret_decision)
{
    const struct trials *trials = &tuner->trials;
    uint32_t first = trials->exploiting.n > 0 ? trials->exploiting.first : trials->pausing.first;
    if (first == 0) {
        return false;
    }
    if (tuner_stops_all(tuner)) {
        *ret_trial = first;
        *ret_decision =
            (struct tune_decision){.act = TUNE_STOP, .why = tuner->finishing, .until = INT64_MAX};
        return true;
    }
    if (trials->exploiting.n > 0) {
        *ret_trial = first;
        *ret_decision = (struct tune_decision){.until = tune_first_milestone(tuner, first)};
        return true;
    }
    struct sweep_view view = tuner_view(tuner);
    return tuner->scheduling->wake != NULL &&
           tuner->scheduling->wake(tuner->scheduler, &view, ret_trial, ret_decision);
}
