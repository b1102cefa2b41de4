/* What trials keep beside their last and their best snapshot (`checkpoints.keep`): records, what
 * nodes are told to drop, what a trial goes on from when its last one is lost, and which trials of
 * a sweep keep any once they have ended. */
#include <math.h>

#include "base/random.h"
#include "rig.h"

enum { ORDINALS_MAX = 256, TRIALS_MAX = 8 };

/* ---- what is named, what was dropped ---- */

struct drops {
    uint32_t n[TRIALS_MAX + 1][ORDINALS_MAX]; /* how often each was told */
};

/* Of all frames since the last rig_sent_clear(). */
static void drops_count(const struct rig *r, struct drops *drops)
{
    memset(drops, 0, sizeof *drops);
    for (unsigned i = 0; i < r->n_sent; i++) {
        if (r->sent[i].kind != HEAD_SEND || r->sent[i].type != MSG_DROP) {
            continue;
        }
        struct arena arena;
        message_type type;
        void *message;
        arena_init(&arena, MSG_ARENA_MAX_BYTES);
        assert_int_equal(message_decode((struct bytes){(uint8_t *)r->sent[i].body, r->sent[i].len},
                                        &arena, &type, &message, NULL),
                         OK);
        const struct msg_drop *drop = message;
        for (uint32_t k = 0; k < drop->n_snapshots; k++) {
            assert_true(drop->snapshots[k].ordinal < ORDINALS_MAX);
            drops->n[drop->snapshots[k].task.index][drop->snapshots[k].ordinal]++;
        }
        arena_fini(&arena);
    }
}

static bool is_own(const struct task *task, uint32_t ordinal)
{
    return (task->r.snapshot.owner == 0 && task->r.snapshot.ordinal == ordinal) ||
           task->r.best_snapshot.ordinal == ordinal || core_kept_find(task, ordinal) != NULL;
}

/* The trial's own ones, "2 5 6". */
static const char *kept_text(const struct rig *r, uint32_t trial)
{
    static char text[1024];
    size_t n = 0;
    const struct task *task = rig_task(r, rig_id(1, trial));
    text[0] = '\0';
    for (uint32_t ordinal = 1; ordinal <= task->r.last_ordinal; ordinal++) {
        if (is_own(task, ordinal)) {
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%u", n > 0 ? " " : "", ordinal);
        }
    }
    return text;
}

/* ---- trainers ---- */

static void saved(struct rig *r, uint32_t trial, uint32_t ordinal, int64_t step)
{
    const struct task *task = rig_task(r, rig_id(1, trial));
    rig_event(r, (struct node_event){.kind = EVENT_SNAPSHOT,
                                     .task = task->r.id,
                                     .attempt = task->r.attempt,
                                     .snapshot = {.ordinal = ordinal,
                                                  .step = step,
                                                  .attempt = task->r.attempt,
                                                  .bytes = 100,
                                                  .lineage = task->r.lineage}});
}

static void reported(struct rig *r, uint32_t trial, int64_t step, double value)
{
    const struct task *task = rig_task(r, rig_id(1, trial));
    const char *const names[] = {"loss"};
    struct metric_row row = {
        .seq = task->r.last_seq + 1, .step = step, .time = r->now, .values = &value, .n_values = 1};
    rig_event(r, (struct node_event){.kind = EVENT_ROWS,
                                     .task = task->r.id,
                                     .attempt = task->r.attempt,
                                     .rows = {names, 1, &row, 1}});
}

static void saved_with(struct rig *r, uint32_t trial, uint32_t ordinal, double value)
{
    saved(r, trial, ordinal, ordinal);
    reported(r, trial, ordinal, value);
}

static void ended(struct rig *r, uint32_t trial)
{
    rig_result(r, rig_id(1, trial), rig_task(r, rig_id(1, trial))->r.attempt, CAUSE_EXIT, 0, 0);
}

/* All trials run, on one node. */
static struct rig *kept_rig(const char *keep, uint32_t trials)
{
    struct rig *r = rig_new();
    char file[1024];
    snprintf(file, sizeof file,
             "name: kept\ncommand: [train]\nmetric: {name: loss}\n"
             "parameters: {lr: {min: 0.1, max: 0.9}}\nstop: {trials: %u}\n"
             "retries: {backoff: 1s}\ncheckpoints: {keep: {%s}}\n",
             trials, keep);
    rig_enrol(r, trials);
    assert_int_equal(rig_submit(r, file, NULL), 1);
    for (uint32_t trial = 1; trial <= trials; trial++) {
        rig_started(r, rig_id(1, trial), 0);
    }
    rig_sent_clear(r);
    return r;
}

static void wait(struct rig *r, int64_t seconds)
{
    for (; seconds > 0; seconds--) {
        r->now += 1000;
        on_heartbeat(r->core, r->now, RIG_PEER,
                     &(struct msg_heartbeat){.incarnation = RIG_INCARNATION});
        core_time(r->core, r->now, 0, false);
        rig_turn(r);
    }
}

/* ---- the last and the best of a trial ---- */

static void test_trial_keeps_its_last_three_and_its_two_best(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *kept;
    } steps[] = {
        {0.50, "1"},      {0.20, "1 2"},       {0.40, "1 2 3"},     {0.60, "2 3 4"},
        {NAN, "2 3 4 5"}, {0.70, "2 3 4 5 6"}, {0.30, "2 5 6 7"},   {0.10, "2 6 7 8"},
        {0.15, "7 8 9"},  {0.90, "8 9 10"},    {0.90, "8 9 10 11"},
    };
    struct rig *r = kept_rig("trial_last: 3, trial_best: 2", 1);
    struct drops drops;
    for (uint32_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        saved_with(r, 1, i + 1, steps[i].value);
        assert_string_equal(kept_text(r, 1), steps[i].kept);
    }
    const struct task *task = rig_task(r, rig_id(1, 1));
    assert_int_equal(task->r.snapshot.ordinal, 11);
    assert_int_equal(task->r.best_snapshot.ordinal, 8);
    assert_true(task->r.best_snapshot_value == 0.10);
    drops_count(r, &drops);
    for (uint32_t ordinal = 1; ordinal <= 11; ordinal++) {
        assert_int_equal(drops.n[1][ordinal], is_own(task, ordinal) ? 0 : 1);
    }
    rig_free(r);
}

static void test_trial_that_keeps_is_the_same_after_a_restart(void **state)
{
    (void)state;
    struct rig *r = kept_rig("trial_last: 2, trial_best: 2", 1);
    const double values[] = {0.1, 0.2, 0.5, 0.4, 0.6};
    for (uint32_t i = 0; i < 5; i++) {
        saved_with(r, 1, i + 1, values[i]);
    }
    assert_string_equal(kept_text(r, 1), "1 2 4 5");
    rig_restart(r);
    assert_string_equal(kept_text(r, 1), "1 2 4 5");
    const struct kept_snapshot *kept = core_kept_find(rig_task(r, rig_id(1, 1)), 2);
    assert_true(kept != NULL && kept->has_value && kept->value == 0.2);
    assert_string_equal(kept->node, "local");
    /* The node says what it has: nobody named 3, which was dropped while the head was away. */
    const struct snapshot_name names[] = {{rig_id(1, 1), 1},
                                          {rig_id(1, 1), 2},
                                          {rig_id(1, 1), 3},
                                          {rig_id(1, 1), 4},
                                          {rig_id(1, 1), 5}};
    struct drops drops;
    struct running_ref running = {rig_id(1, 1), 0, 1};
    struct msg_enrol msg = {RIG_AGENT,          .node = "local",     .incarnation = RIG_INCARNATION,
                            .cpus = AMOUNT_ONE, .running = &running, .n_running = 1,
                            .snapshots = names, .n_snapshots = 5,    .first_event = r->event + 1};
    on_enrol(r->core, r->now, RIG_PEER, &msg);
    rig_turn(r);
    drops_count(r, &drops);
    for (uint32_t ordinal = 1; ordinal <= 5; ordinal++) {
        assert_int_equal(drops.n[1][ordinal], ordinal == 3);
    }
    reported(r, 1, 6, 0.05);
    saved(r, 1, 6, 6); /* its value came before it */
    assert_string_equal(kept_text(r, 1), "1 5 6");
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.best_snapshot.ordinal, 6);
    rig_free(r);
}

static void test_value_of_an_older_snapshots_step_counts_when_it_comes_late(void **state)
{
    (void)state;
    struct rig *r = kept_rig("trial_last: 3, trial_best: 1", 1);
    saved(r, 1, 1, 1);
    saved(r, 1, 2, 2);
    reported(r, 1, 1, 0.1);
    reported(r, 1, 2, 0.2);
    saved_with(r, 1, 3, 0.3);
    saved_with(r, 1, 4, 0.4);
    assert_string_equal(kept_text(r, 1), "1 2 3 4");
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.best_snapshot.ordinal, 1);
    rig_free(r);
}

static void test_value_of_a_later_attempt_is_not_an_older_snapshots(void **state)
{
    (void)state;
    struct rig *r = kept_rig("trial_last: 3, trial_best: 1", 1);
    saved(r, 1, 1, 1);
    saved(r, 1, 2, 2);
    rig_result(r, rig_id(1, 1), 0, CAUSE_EXIT, 75, 0);
    wait(r, 3);
    rig_started(r, rig_id(1, 1), 1);
    reported(r, 1, 1, 0.1); /* of other weights than those that 1 has */
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.best_snapshot.ordinal, 0);
    reported(r, 1, 2, 0.2); /* of those that it has gone on from */
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.best_snapshot.ordinal, 2);
    rig_free(r);
}

/* It had gone further than its last save when it ended, does that step once more, and saves there:
 * these weights have no value before the attempt reports one. */
static void test_value_of_an_earlier_attempt_is_not_a_later_snapshots(void **state)
{
    (void)state;
    struct rig *r = kept_rig("trial_last: 1, trial_best: 1", 1);
    saved_with(r, 1, 1, 0.3);
    reported(r, 1, 2, 0.1);
    rig_result(r, rig_id(1, 1), 0, CAUSE_EXIT, 75, 0);
    wait(r, 3);
    rig_started(r, rig_id(1, 1), 1);
    saved(r, 1, 2, 2);
    assert_string_equal(kept_text(r, 1), "1 2");
    reported(r, 1, 2, NAN);
    assert_string_equal(kept_text(r, 1), "1 2");
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.best_snapshot.ordinal, 1);
    rig_free(r);
}

/* Random saves and values under random policies, with a new head now and then: what is named is
 * what counting gives, and each other one was dropped once. */
static void test_random_lives_keep_what_counting_gives_and_drop_the_rest_once(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct random random;
        char keep[64];
        double values[ORDINALS_MAX];
        struct drops drops, seen = {0};
        random_init(&random, seed, 3);
        uint32_t last = 1 + (uint32_t)random_below(&random, 5),
                 best = (uint32_t)random_below(&random, 5), n = 0;
        snprintf(keep, sizeof keep, "trial_last: %u, trial_best: %u", last, best);
        struct rig *r = kept_rig(keep, 1);
        while (n < 40) {
            n++;
            values[n] = random_below(&random, 6) == 0 ? NAN : (double)random_below(&random, 9);
            saved_with(r, 1, n, values[n]);
            drops_count(r, &drops);
            const struct task *task = rig_task(r, rig_id(1, 1));
            for (uint32_t i = 1; i <= n; i++) {
                uint32_t n_better = 0;
                for (uint32_t k = 1; k <= n; k++) {
                    n_better += values[k] < values[i] || (values[k] == values[i] && k < i);
                }
                bool is_wanted = n - i < last || (!isnan(values[i]) && n_better < best);
                assert_int_equal(is_own(task, i), is_wanted);
                assert_int_equal(seen.n[1][i] + drops.n[1][i], is_wanted ? 0 : 1);
            }
            if (random_below(&random, 8) == 0) {
                for (uint32_t i = 1; i <= n; i++) {
                    seen.n[1][i] += drops.n[1][i];
                }
                rig_restart(r);
                struct running_ref running = {rig_id(1, 1), 0, 1};
                rig_enrol_as(r, RIG_INCARNATION, 1, &running, 1);
                rig_sent_clear(r);
            }
        }
        rig_free(r);
    }
}

/* ---- what it goes on from ---- */

static void restore_lost(struct rig *r, uint32_t trial)
{
    rig_event(r, (struct node_event){.kind = EVENT_RESULT,
                                     .task = rig_id(1, trial),
                                     .attempt = rig_task(r, rig_id(1, trial))->r.attempt,
                                     .result = {.cause = CAUSE_CANNOT_START,
                                                .reason = "damaged",
                                                .is_restore_lost = true}});
    wait(r, 3);
}

static uint32_t leased_with(const struct rig *r)
{
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    const struct msg_lease *lease = rig_sent_last(r, MSG_LEASE, &arena);
    uint32_t ordinal = lease != NULL ? lease->restore.ordinal : UINT32_MAX;
    arena_fini(&arena);
    return ordinal;
}

static void test_damaged_one_after_the_other_the_trial_goes_on_from_the_next_older(void **state)
{
    (void)state;
    struct rig *r = kept_rig("trial_last: 3, trial_best: 1", 1);
    const double values[] = {0.1, 0.5, 0.4, 0.3};
    struct drops drops;
    for (uint32_t i = 0; i < 4; i++) {
        saved_with(r, 1, i + 1, values[i]);
    }
    assert_string_equal(kept_text(r, 1), "1 2 3 4");
    rig_result(r, rig_id(1, 1), 0, CAUSE_EXIT, 75, 0);
    wait(r, 3);
    const uint32_t order[] = {4, 3, 2, 1, 0};
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(leased_with(r), order[i]);
        rig_sent_clear(r);
        restore_lost(r, 1);
        drops_count(r, &drops);
        assert_int_equal(drops.n[1][order[i]], 1);
        assert_false(is_own(rig_task(r, rig_id(1, 1)), order[i]));
    }
    assert_int_equal(leased_with(r), 0); /* from nothing, when nothing is left */
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.failures, 0);
    rig_free(r);
}

static void test_damaged_best_is_followed_by_the_next_best(void **state)
{
    (void)state;
    struct rig *r = kept_rig("trial_last: 1, trial_best: 2", 1);
    const double values[] = {0.3, 0.2, 0.9, 0.1};
    for (uint32_t i = 0; i < 4; i++) {
        saved_with(r, 1, i + 1, values[i]);
    }
    assert_string_equal(kept_text(r, 1), "2 4");
    rig_result(r, rig_id(1, 1), 0, CAUSE_EXIT, 75, 0);
    wait(r, 3);
    restore_lost(r, 1);
    const struct task *task = rig_task(r, rig_id(1, 1));
    assert_int_equal(task->r.best_snapshot.ordinal, 2);
    assert_true(task->r.best_snapshot_value == 0.2);
    assert_int_equal(leased_with(r), 2);
    /* What it makes from there on is new. */
    rig_started(r, rig_id(1, 1), 2);
    saved_with(r, 1, 5, 0.25);
    assert_string_equal(kept_text(r, 1), "2 5");
    rig_free(r);
}

/* ---- another one's ---- */

static void test_trial_that_took_over_weights_keeps_its_own_last_ones_beside_them(void **state)
{
    (void)state;
    static const char file[] = "name: pair\ncommand: [train]\nmetric: {name: loss}\n"
                               "parameters: {lr: {min: 0.1, max: 0.9}}\n"
                               "schedule: {type: pbt, max: 40}\n"
                               "pbt: {population: 2, interval: 4, quantile: 0.5}\n"
                               "checkpoints: {keep: {trial_last: 3, trial_best: 0}}\n";
    struct rig *r = rig_new();
    rig_enrol(r, 2);
    assert_int_equal(rig_submit(r, file, NULL), 1);
    for (uint32_t trial = 1; trial <= 2; trial++) {
        rig_started(r, rig_id(1, trial), 0);
        for (uint32_t ordinal = 1; ordinal <= 4; ordinal++) {
            saved(r, trial, ordinal, ordinal);
        }
    }
    for (uint32_t trial = 1; trial <= 2; trial++) {
        const struct task *task = rig_task(r, rig_id(1, trial));
        const char *const names[] = {"loss"};
        double value = trial == 1 ? 0.1 : 0.9;
        const struct metric_row row = {
            .seq = 1, .step = 4, .time = r->now, .values = &value, .n_values = 1};
        rig_event(r, (struct node_event){.kind = EVENT_MILESTONE,
                                         .task = task->r.id,
                                         .rows = {names, 1, &row, 1},
                                         .reached = task->r.order.n,
                                         .can = CAN_CHECKPOINT | CAN_EXPLOIT});
    }
    const struct task *taker = rig_task(r, rig_id(1, 2));
    assert_int_equal(taker->r.snapshot.owner, 1);
    assert_string_equal(kept_text(r, 2), "3 4"); /* and the donor's */
    rig_restart(r);
    rig_enrol(r, 2);
    assert_string_equal(kept_text(r, 2), "3 4");
    restore_lost(r, 2); /* none of its own has the weights that its parameters are for */
    taker = rig_task(r, rig_id(1, 2));
    assert_int_equal(taker->r.snapshot.owner, 1);
    assert_int_equal(taker->r.snapshot.ordinal, 3);
    assert_string_equal(kept_text(r, 2), "3 4");
    restore_lost(r, 2); /* once: it goes on as before it took over any */
    assert_int_equal(taker->r.snapshot.owner, 0);
    assert_int_equal(taker->r.snapshot.ordinal, 4);
    assert_string_equal(kept_text(r, 2), "3 4");
    rig_free(r);
}

/* ---- the best trials of a sweep ---- */

static bool has_any(const struct rig *r, uint32_t trial)
{
    const struct record_task *t = &rig_task(r, rig_id(1, trial))->r;
    return t->snapshot.ordinal != 0 || t->best_snapshot.ordinal != 0 ||
           t->safe_snapshot.ordinal != 0 || t->n_kept > 0;
}

static void test_sweep_keeps_the_snapshots_of_its_best_ended_trials_alone(void **state)
{
    (void)state;
    struct rig *r = kept_rig("trial_last: 2, sweep_best: 2", 6);
    const double values[] = {0.5, 0.3, 0.9, 0.2, 0.1, 0.3};
    struct drops drops;
    for (uint32_t trial = 1; trial <= 6; trial++) {
        saved(r, trial, 1, 1);
        saved(r, trial, 2, 2);
        reported(r, trial, 2, values[trial - 1]);
    }
    rig_sent_clear(r);
    ended(r, 1);
    ended(r, 2);
    assert_true(has_any(r, 1) && has_any(r, 2));
    ended(r, 3); /* worse than both */
    assert_false(has_any(r, 3));
    ended(r, 6); /* as good as 2, and later */
    assert_true(has_any(r, 2) && has_any(r, 6) && !has_any(r, 1));
    rig_result(r, rig_id(1, 5), 0, CAUSE_EXIT, 1, 0); /* tried again: it has not ended */
    assert_true(has_any(r, 5));
    ended(r, 4);
    assert_true(has_any(r, 4) && has_any(r, 2) && !has_any(r, 6));
    drops_count(r, &drops);
    for (uint32_t trial = 1; trial <= 6; trial++) {
        for (uint32_t ordinal = 1; ordinal <= 2; ordinal++) {
            assert_int_equal(drops.n[trial][ordinal], has_any(r, trial) ? 0 : 1);
        }
    }
    rig_restart(r);
    assert_true(has_any(r, 4) && has_any(r, 2) && has_any(r, 5));
    assert_true(core_sweep_best_has(rig_task(r, rig_id(1, 2))));
    assert_true(core_sweep_best_lacks(rig_task(r, rig_id(1, 6))));
    rig_free(r);
}

static void test_sweep_best_by_what_trials_are_ranked_by_and_never_one_without_a_value(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 3);
    assert_int_equal(
        rig_submit(r,
                   "name: kept\ncommand: [train]\nmetric: {name: acc, goal: maximize, summary: "
                   "last}\nparameters: {lr: {min: 0.1, max: 0.9}}\nstop: {trials: 3}\n"
                   "checkpoints: {keep: {sweep_best: 1}}\n",
                   NULL),
        1);
    const char *const names[] = {"acc"};
    const double values[3][2] = {{0.9, 0.1}, {0.2, 0.3}, {0.8, NAN}};
    for (uint32_t trial = 1; trial <= 3; trial++) {
        rig_started(r, rig_id(1, trial), 0);
        saved(r, trial, 1, 1);
        for (uint32_t i = 0; i < 2; i++) {
            const struct metric_row row = {.seq = i + 1,
                                           .step = i + 1,
                                           .time = r->now,
                                           .values = &values[trial - 1][i],
                                           .n_values = 1};
            rig_event(r, (struct node_event){.kind = EVENT_ROWS,
                                             .task = rig_id(1, trial),
                                             .rows = {names, 1, &row, 1}});
        }
        ended(r, trial);
    }
    assert_true(!has_any(r, 1) && has_any(r, 2) && !has_any(r, 3));
    rig_free(r);
}

static void test_best_trial_that_is_tried_again_makes_room_and_comes_back(void **state)
{
    (void)state;
    struct rig *r = kept_rig("sweep_best: 1", 3);
    for (uint32_t trial = 1; trial <= 3; trial++) {
        saved_with(r, trial, 1, 0.1 * trial);
    }
    ended(r, 1);
    ended(r, 2);
    assert_true(has_any(r, 1) && !has_any(r, 2));
    on_task_retry(r->core, r->now, 900, rig_id(1, 1), -1);
    rig_turn(r);
    assert_true(core_sweep_best_has(rig_task(r, rig_id(1, 2)))); /* it has nothing left to keep */
    assert_int_equal(leased_with(r), 1);
    ended(r, 3);
    assert_false(has_any(r, 3));
    rig_started(r, rig_id(1, 1), 1);
    saved_with(r, 1, 2, 0.05);
    ended(r, 1);
    assert_true(has_any(r, 1) && core_sweep_best_lacks(rig_task(r, rig_id(1, 2))));
    assert_string_equal(kept_text(r, 1), "2");
    rig_free(r);
}

static void test_fallen_trials_snapshot_stays_for_the_one_that_goes_on_from_it(void **state)
{
    (void)state;
    static const char file[] = "name: pair\ncommand: [train]\nmetric: {name: loss, summary: last}\n"
                               "parameters: {lr: {min: 0.1, max: 0.9}}\n"
                               "schedule: {type: pbt, max: 40}\n"
                               "pbt: {population: 3, interval: 4, quantile: 0.34}\n"
                               "checkpoints: {keep: {trial_best: 0, sweep_best: 1}}\n";
    struct rig *r = rig_new();
    rig_enrol(r, 3);
    assert_int_equal(rig_submit(r, file, NULL), 1);
    const double values[] = {0.1, 0.05, 0.9};
    for (uint32_t trial = 1; trial <= 3; trial++) {
        rig_started(r, rig_id(1, trial), 0);
        saved(r, trial, 1, 4);
        const struct task *task = rig_task(r, rig_id(1, trial));
        const char *const names[] = {"loss"};
        const struct metric_row row = {
            .seq = 1, .step = 4, .time = r->now, .values = &values[trial - 1], .n_values = 1};
        rig_event(r, (struct node_event){.kind = EVENT_MILESTONE,
                                         .task = task->r.id,
                                         .rows = {names, 1, &row, 1},
                                         .reached = task->r.order.n,
                                         .can = CAN_CHECKPOINT | CAN_EXPLOIT});
    }
    assert_int_equal(rig_task(r, rig_id(1, 3))->r.snapshot.owner, 2);
    reported(r, 2, 5, 0.6); /* it gets worse, and ends as the second best */
    rig_sent_clear(r);
    ended(r, 1);
    ended(r, 2);
    assert_true(has_any(r, 1) && !has_any(r, 2));
    struct drops drops;
    drops_count(r, &drops);
    assert_int_equal(drops.n[2][1], 0); /* 3 goes on from it */
    saved(r, 3, 2, 8);
    drops_count(r, &drops);
    assert_int_equal(drops.n[2][1], 1);
    rig_free(r);
}

/* ---- people see it ---- */

static void test_trial_alone_is_shown_with_what_it_keeps_and_why(void **state)
{
    (void)state;
    struct rig *r = kept_rig("trial_last: 2, trial_best: 1", 1);
    saved_with(r, 1, 1, 0.1);
    saved_with(r, 1, 2, 0.5);
    saved_with(r, 1, 3, 0.25);
    view_task(r->core, r->now, 700, rig_id(1, 1));
    rig_turn(r);
    const struct rig_sent *answer = rig_answer(r, 700);
    assert_non_null(answer);
    assert_non_null(strstr(
        answer->body,
        "\"checkpoints\":[{\"ordinal\":1,\"trial\":\"1.1\",\"step\":1,\"value\":0.1,\"bytes\":100,"
        "\"node\":\"local\",\"safe_node\":null,\"path\":\"/state/nodes/local/snapshots/1.1/1\","
        "\"why\":[\"best\"]},"));
    assert_non_null(strstr(answer->body, "\"ordinal\":2"));
    assert_non_null(strstr(answer->body, "\"why\":[\"last\"]}"));
    assert_non_null(strstr(answer->body, "\"why\":[\"resume\",\"last\"]}]"));
    ended(r, 1);
    view_task(r->core, r->now, 701, rig_id(1, 1));
    rig_turn(r);
    assert_null(strstr(rig_answer(r, 701)->body, "resume"));
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trial_keeps_its_last_three_and_its_two_best),
        cmocka_unit_test(test_trial_that_keeps_is_the_same_after_a_restart),
        cmocka_unit_test(test_value_of_an_older_snapshots_step_counts_when_it_comes_late),
        cmocka_unit_test(test_value_of_a_later_attempt_is_not_an_older_snapshots),
        cmocka_unit_test(test_value_of_an_earlier_attempt_is_not_a_later_snapshots),
        cmocka_unit_test(test_random_lives_keep_what_counting_gives_and_drop_the_rest_once),
        cmocka_unit_test(test_damaged_one_after_the_other_the_trial_goes_on_from_the_next_older),
        cmocka_unit_test(test_damaged_best_is_followed_by_the_next_best),
        cmocka_unit_test(test_trial_that_took_over_weights_keeps_its_own_last_ones_beside_them),
        cmocka_unit_test(test_sweep_keeps_the_snapshots_of_its_best_ended_trials_alone),
        cmocka_unit_test(
            test_sweep_best_by_what_trials_are_ranked_by_and_never_one_without_a_value),
        cmocka_unit_test(test_best_trial_that_is_tried_again_makes_room_and_comes_back),
        cmocka_unit_test(test_fallen_trials_snapshot_stays_for_the_one_that_goes_on_from_it),
        cmocka_unit_test(test_trial_alone_is_shown_with_what_it_keeps_and_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
