/* A sweep that goes on, and a trial that is opened again: live and by the log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tune/tune.h"

enum { ENTRIES_MAX = 64 };

static const struct param_spec parameters[] = {
    {.name = "lr", .kind = PARAM_REAL, .min = 0, .max = 1},
};

static struct sweep_spec spec_of(uint32_t trials, uint32_t failures)
{
    return (struct sweep_spec){
        .metric = {.name = "loss", .goal = GOAL_MINIMIZE, .has_target = true, .target = 0.01},
        .parameters = parameters,
        .n_parameters = 1,
        .schedule = {.type = SCHEDULE_ASHA, .min = 1, .max = 9, .eta = 3},
        .stop = {.trials = trials, .failures = failures},
    };
}

struct history {
    struct sweep_spec spec;
    struct tuner *tuner;
    struct tune_event entries[ENTRIES_MAX];
    struct value params[ENTRIES_MAX];
    uint32_t n;
};

static error_code tell(struct history *h, struct tune_event event)
{
    assert_true(h->n < ENTRIES_MAX);
    if (event.kind == TUNE_EVENT_ASKED) {
        tune_suggest(h->tuner, event.trial, &h->params[h->n]);
        event.params = &h->params[h->n];
        event.n_params = 1;
    }
    if (event.kind == TUNE_EVENT_MILESTONE) {
        event.has_value = true;
        struct tune_milestone milestone = {
            .trial = event.trial, .step = event.step, .value = event.value};
        tune_decide(h->tuner, &milestone, &event.decision, NULL);
    }
    error_code error = tune_apply(h->tuner, &event);
    if (error == OK) {
        h->entries[h->n++] = event;
    }
    return error;
}

static void begin(struct history *h, uint32_t trials, uint32_t failures)
{
    *h = (struct history){.spec = spec_of(trials, failures)};
    assert_int_equal(tune_new(&h->spec, 7, &h->tuner), OK);
}

static void ask_and_end(struct history *h, uint32_t trial, tune_outcome outcome)
{
    assert_int_equal(tell(h, (struct tune_event){.kind = TUNE_EVENT_ASKED, .trial = trial}), OK);
    assert_int_equal(tell(h, (struct tune_event){.kind = TUNE_EVENT_ENDED,
                                                 .trial = trial,
                                                 .step = 1,
                                                 .has_value = true,
                                                 .value = 0.5,
                                                 .outcome = outcome}),
                     OK);
}

/* The same entries make the same tuner. */
static void end(struct history *h)
{
    struct buf live, again;
    struct tuner *tuner;
    buf_init(&live, 1 << 20);
    buf_init(&again, 1 << 20);
    assert_int_equal(tune_new(&h->spec, 7, &tuner), OK);
    for (uint32_t i = 0; i < h->n; i++) {
        assert_int_equal(tune_apply(tuner, &h->entries[i]), OK);
    }
    assert_int_equal(tune_dump(h->tuner, &live), OK);
    assert_int_equal(tune_dump(tuner, &again), OK);
    assert_string_equal(buf_text(&live), buf_text(&again));
    buf_fini(&live);
    buf_fini(&again);
    tune_free(tuner);
    tune_free(h->tuner);
    assert_int_equal(mem_live_count(), 0);
}

static void test_resume_opens_places_up_to_its_new_number(void **state)
{
    (void)state;
    struct history h;
    begin(&h, 2, 0);
    ask_and_end(&h, 1, TUNE_OUTCOME_DONE);
    ask_and_end(&h, 2, TUNE_OUTCOME_DONE);
    assert_int_equal(tune_finishing(h.tuner), TUNE_WHY_TRIALS);
    assert_int_equal(tune_tickets(h.tuner), 0);
    assert_int_equal(tell(&h, (struct tune_event){.kind = TUNE_EVENT_RESUMED, .step = 1}),
                     ERR_INVALID); /* fewer than there are */
    assert_int_equal(tell(&h, (struct tune_event){.kind = TUNE_EVENT_RESUMED, .step = 5}), OK);
    assert_int_equal(tune_trials_max(h.tuner), 5);
    assert_int_equal(tune_tickets(h.tuner), 3);
    assert_int_equal(tune_finishing(h.tuner), TUNE_WHY_NONE);
    ask_and_end(&h, 3, TUNE_OUTCOME_DONE);
    assert_int_equal(tell(&h, (struct tune_event){.kind = TUNE_EVENT_RESUMED, .step = 0}), OK);
    assert_int_equal(tune_tickets(h.tuner), UINT32_MAX);
    end(&h);
}

static void test_resume_lets_failures_count_anew(void **state)
{
    (void)state;
    struct history h;
    begin(&h, 9, 2);
    ask_and_end(&h, 1, TUNE_OUTCOME_FAILED);
    ask_and_end(&h, 2, TUNE_OUTCOME_FAILED);
    assert_int_equal(tune_finishing(h.tuner), TUNE_WHY_FAILURES);
    assert_int_equal(tell(&h, (struct tune_event){.kind = TUNE_EVENT_RESUMED, .step = 9}), OK);
    ask_and_end(&h, 3, TUNE_OUTCOME_FAILED);
    assert_int_equal(tune_finishing(h.tuner), TUNE_WHY_NONE);
    ask_and_end(&h, 4, TUNE_OUTCOME_FAILED);
    assert_int_equal(tune_finishing(h.tuner), TUNE_WHY_FAILURES);
    end(&h);
}

static void test_reopened_trial_counts_by_its_next_end_and_its_rungs_stay(void **state)
{
    (void)state;
    struct history h;
    struct tune_counts counts;
    begin(&h, 3, 0);
    assert_int_equal(tell(&h, (struct tune_event){.kind = TUNE_EVENT_ASKED, .trial = 1}), OK);
    assert_int_equal(tell(&h,
                          (struct tune_event){
                              .kind = TUNE_EVENT_MILESTONE, .trial = 1, .step = 1, .value = 0.4}),
                     OK);
    assert_int_equal(tell(&h, (struct tune_event){.kind = TUNE_EVENT_ENDED,
                                                  .trial = 1,
                                                  .outcome = TUNE_OUTCOME_FAILED}),
                     OK);
    struct tune_event reopened = {.kind = TUNE_EVENT_REOPENED, .trial = 1};
    assert_int_equal(tell(&h, reopened), OK);
    assert_int_equal(tell(&h, reopened), ERR_INVALID); /* it is open */
    assert_int_equal(tune_first_milestone(h.tuner, 1), 3);
    tune_counts_get(h.tuner, &counts);
    assert_int_equal(counts.failed + counts.ended, 0);
    assert_int_equal(counts.running, 1);
    assert_int_equal(tell(&h, (struct tune_event){.kind = TUNE_EVENT_ENDED,
                                                  .trial = 1,
                                                  .outcome = TUNE_OUTCOME_DONE}),
                     OK);
    tune_counts_get(h.tuner, &counts);
    assert_int_equal(counts.done, 1);
    reopened.trial = 2;
    assert_int_equal(tell(&h, reopened), ERR_INVALID); /* never asked */
    end(&h);
}

/* The sweep had ended: by its target, or by people, with trials that were never asked for. */
static void test_reopened_trial_of_an_ended_sweep_asks_for_no_other(void **state)
{
    (void)state;
    struct history h;
    begin(&h, 3, 0);
    ask_and_end(&h, 1, TUNE_OUTCOME_CANCELLED);
    assert_int_equal(tune_tickets(h.tuner), 2);
    assert_int_equal(
        tell(&h, (struct tune_event){.kind = TUNE_EVENT_REOPENED, .trial = 1, .step = 1}), OK);
    assert_int_equal(tune_tickets(h.tuner), 0);
    assert_false(tune_is_over(h.tuner));
    assert_int_equal(tell(&h, (struct tune_event){.kind = TUNE_EVENT_ENDED,
                                                  .trial = 1,
                                                  .outcome = TUNE_OUTCOME_DONE}),
                     OK);
    assert_true(tune_is_over(h.tuner));
    end(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resume_opens_places_up_to_its_new_number),
        cmocka_unit_test(test_resume_lets_failures_count_anew),
        cmocka_unit_test(test_reopened_trial_counts_by_its_next_end_and_its_rungs_stay),
        cmocka_unit_test(test_reopened_trial_of_an_ended_sweep_asks_for_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
