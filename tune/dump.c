/* tune/dump.c -- a tuner as text: whole, to compare two of them, and its rungs for people. */
#include "tune/sweep.h"

static const char *const state_words[] = {
    [TRIAL_OPEN] = "open", [TRIAL_HELD] = "held", [TRIAL_ENDED] = "ended"};
static const char *const leaving_words[] = {
    [TUNE_GO] = "", [TUNE_STOP] = "stop", [TUNE_PAUSE] = "pause", [TUNE_EXPLOIT] = "exploit"};
static const char *const outcome_words[] = {
    [TUNE_OUTCOME_DONE] = "done",       [TUNE_OUTCOME_STOPPED] = "stopped",
    [TUNE_OUTCOME_FAILED] = "failed",   [TUNE_OUTCOME_CANCELLED] = "cancelled",
    [TUNE_OUTCOME_INVALID] = "invalid",
};

/* [state, outcome, told, leaving, judged, value, its step] */
static void trial_dump(const struct trial *trial, struct json_out *out)
{
    json_array_begin(out, NULL);
    json_str(out, NULL, state_words[trial->state]);
    json_str(out, NULL, trial->state == TRIAL_ENDED ? outcome_words[trial->outcome] : NULL);
    json_str(out, NULL, tune_why_word((tune_why)trial->told));
    json_str(out, NULL, leaving_words[trial->leaving]);
    json_i64(out, NULL, trial->judged);
    json_out_real(out, NULL, trial->value);
    json_i64(out, NULL, trial->value_step);
    json_array_end(out);
}

static void line_dump(const struct trials *trials, const struct line *line, struct json_out *out,
                      const char *key)
{
    json_array_begin(out, key);
    for (uint32_t trial = line->first; trial != 0; trial = trials->links[trial - 1].behind) {
        json_u64(out, NULL, trial);
    }
    json_array_end(out);
}

static void trials_dump(const struct trials *trials, struct json_out *out)
{
    line_dump(trials, &trials->exploiting, out, "exploiting");
    line_dump(trials, &trials->pausing, out, "pausing");
    json_u64(out, "n_ended", trials->n_ended);
    json_object_begin(out, "outcomes");
    for (uint32_t i = 0; i <= TUNE_OUTCOME_INVALID; i++) {
        json_u64(out, outcome_words[i], trials->n_outcome[i]);
    }
    json_object_end(out);
    json_array_begin(out, "trials");
    for (uint32_t i = 0; i < trials->n && out->buf->failed == OK; i++) {
        trial_dump(&trials->items[i], out);
    }
    json_array_end(out);
}

error_code tune_dump(const struct tuner *tuner, struct buf *buf)
{
    struct json_out out = json_out_to(buf);
    json_object_begin(&out, NULL);
    json_u64(&out, "seed", tuner->seed);
    json_str(&out, "searcher", tuner->searcher->name);
    json_str(&out, "scheduler", tuner->scheduling->name);
    json_u64(&out, "trials_max", tuner->trials_max);
    json_u64(&out, "failures_max", tuner->spec->stop.failures);
    json_u64(&out, "concurrency", tuner->spec->concurrency);
    json_i64(&out, "wall_ms", tuner->spec->stop.wall_ms);
    json_u64(&out, "failures_old", tuner->failures_old);
    json_str(&out, "finishing", tune_why_word(tuner->finishing));
    json_u64(&out, "best_trial", tuner->best_trial);
    json_out_real(&out, "best_value", tuner->best_value);
    json_i64(&out, "best_step", tuner->best_step);
    tuner->scheduling->print(tuner->scheduler, true, &out, "rungs");
    trials_dump(&tuner->trials, &out);
    json_object_end(&out);
    return buf->failed;
}

error_code tune_rungs_print(const struct tuner *tuner, struct buf *buf)
{
    struct json_out out = json_out_to(buf);
    tuner->scheduling->print(tuner->scheduler, false, &out, NULL);
    return buf->failed;
}
