/* Nodes that fail whatever they are given, sweeps that fail everywhere, and what failures say. */
#include "rig.h"

/* An agent of several; its leases are what the core holds of it. */
struct player {
    const char *name;
    uint64_t peer, incarnation, event;
};

static struct player bad = {"bad", RIG_PEER + 1, 501, 0};
static struct player good = {"good", RIG_PEER + 2, 502, 0};

static const char file_begin[] = "name: test\n"
                                 "command: [train, \"${args}\"]\n"
                                 "metric: {name: loss, goal: minimize}\n"
                                 "parameters:\n"
                                 "  lr: {min: 1e-4, max: 1e-1, log: true}\n"
                                 "search: {method: random, seed: 3}\n";

static void player_enrol(struct rig *r, struct player *p)
{
    struct msg_enrol msg = {RIG_AGENT, .node = p->name, .incarnation = p->incarnation,
                            .cpus = 2 * AMOUNT_ONE, .first_event = p->event + 1};
    on_enrol(r->core, r->now, p->peer, &msg);
    rig_turn(r);
}

static struct rig *players_new(void)
{
    struct rig *r = rig_new();
    struct player *both[] = {&bad, &good};
    for (int i = 0; i < 2; i++) {
        both[i]->event = 0;
        both[i]->incarnation = 501 + (uint64_t)i;
        player_enrol(r, both[i]);
    }
    return r;
}

static void player_event(struct rig *r, struct player *p, struct node_event event)
{
    event.number = ++p->event;
    event.time = r->now;
    struct msg_events msg = {p->incarnation, &event, 1};
    on_events(r->core, r->now, p->peer, &msg);
    rig_turn(r);
}

/* A trial of this sweep that lies on the node, the lowest; 0: none. */
static uint32_t player_trial(struct rig *r, const struct player *p, uint32_t sweep)
{
    const struct work *work = core_work_find(r->core, sweep);
    for (uint32_t i = 0; i < work->n_tasks; i++) {
        const struct task *task = work->tasks[i];
        if (task->node != NULL && strcmp(task->node->r.name, p->name) == 0) {
            return task->r.id.index;
        }
    }
    return 0;
}

static void player_end(struct rig *r, struct player *p, uint32_t sweep, uint32_t trial,
                       uint32_t exit_code, int64_t lived_ms)
{
    static const char words[] = "Traceback:\n  File \"/tmp/x7/a.py\"\nOSError: disk 12 is gone\n";
    task_id id = {sweep, trial};
    uint32_t attempt = core_task_find(r->core, id)->r.attempt;
    if (exit_code == 0) {
        static const char *const names[] = {"loss"};
        double value = 0.5;
        struct metric_row row = {
            .seq = 1, .step = 1, .time = r->now, .values = &value, .n_values = 1};
        player_event(
            r, p,
            (struct node_event){
                .kind = EVENT_ROWS, .task = id, .attempt = attempt, .rows = {names, 1, &row, 1}});
    }
    struct attempt_result result = {
        .has_started = true,
        .cause = CAUSE_EXIT,
        .exit_code = exit_code,
        .started_at = r->now - lived_ms,
        .ended_at = r->now,
        .reason = "exit code 3",
    };
    if (exit_code != 0) {
        result.err_tail = (struct bytes){(const uint8_t *)words, sizeof words - 1};
    }
    player_event(r, p,
                 (struct node_event){
                     .kind = EVENT_RESULT, .task = id, .attempt = attempt, .result = result});
}

static void player_fails(struct rig *r, struct player *p, uint32_t sweep)
{
    uint32_t trial = player_trial(r, p, sweep);
    assert_int_not_equal(trial, 0);
    player_end(r, p, sweep, trial, 3, 100);
}

static uint32_t sweep_of(struct rig *r, const char *more)
{
    char file[1024];
    snprintf(file, sizeof file, "%s%s", file_begin, more);
    return rig_submit(r, file, NULL);
}

static struct sweep *sweep_find(struct rig *r, uint32_t number)
{
    return core_work_find(r->core, number)->sweep;
}

static const char forever[] = "stop: {trials: 100}\nretries: {max: 9, backoff: 1h}\n"
                              "resources: {place: spread}\n";

static void test_node_that_fails_three_trials_is_set_aside_for_the_sweep(void **state)
{
    (void)state;
    struct rig *r = players_new();
    uint32_t number = sweep_of(r, forever);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sweep_find(r, number)->r.n_set_aside, 0);
        player_fails(r, &bad, number);
    }
    const struct set_aside *aside = sweep_find(r, number)->r.set_aside;
    assert_int_equal(sweep_find(r, number)->r.n_set_aside, 1);
    assert_string_equal(aside->node, "bad");
    assert_string_equal(aside->reason, "3 different trials failed in a row on node bad, each "
                                       "within 60 s of its start; the last one: OSError: disk 12 "
                                       "is gone");
    player_fails(r, &bad, number); /* it was there already */
    assert_int_equal(player_trial(r, &bad, number), 0);
    assert_int_not_equal(player_trial(r, &good, number), 0);
    /* Others still use the node. */
    uint32_t other = sweep_of(r, forever);
    assert_int_not_equal(player_trial(r, &bad, other), 0);
    rig_free(r);
}

static void test_node_that_works_between_is_not_set_aside(void **state)
{
    (void)state;
    struct rig *r = players_new();
    uint32_t number = sweep_of(r, forever);
    for (int i = 0; i < 4; i++) {
        player_fails(r, &bad, number);
        player_fails(r, &bad, number);
        player_end(r, &bad, number, player_trial(r, &bad, number), 0, 100);
        player_fails(r, &bad, number);
        player_fails(r, &bad, number);
        /* One that lived for a minute has not failed for its node. */
        player_end(r, &bad, number, player_trial(r, &bad, number), 3, 61000);
    }
    assert_int_equal(sweep_find(r, number)->r.n_set_aside, 0);
    rig_free(r);
}

static void test_same_trial_failing_again_says_nothing_of_its_node(void **state)
{
    (void)state;
    struct rig *r = players_new();
    uint32_t number = sweep_of(r, "stop: {trials: 1}\nretries: {max: 9, backoff: 0s}\n"
                                  "resources: {require: ['nowhere']}\n");
    assert_int_equal(number, 0); /* refused: nothing has the label */
    number = sweep_of(r, "stop: {trials: 1}\nretries: {max: 9, backoff: 0s}\n");
    for (int i = 0; i < 6; i++) {
        struct player *p = player_trial(r, &bad, number) != 0 ? &bad : &good;
        player_fails(r, p, number);
        r->now += AVOID_MS + 1;
        on_tick(r->core, r->now);
        rig_turn(r);
    }
    assert_int_equal(sweep_find(r, number)->r.n_set_aside, 0);
    rig_free(r);
}

static void test_set_aside_outlives_the_head_and_a_new_start_of_the_agent(void **state)
{
    (void)state;
    struct rig *r = players_new();
    uint32_t number = sweep_of(r, forever);
    for (int i = 0; i < 4; i++) {
        player_fails(r, &bad, number);
    }
    rig_restart(r);
    assert_int_equal(sweep_find(r, number)->r.n_set_aside, 1);
    bad.incarnation = 601;
    bad.event = 0;
    player_enrol(r, &bad);
    player_enrol(r, &good);
    assert_int_equal(player_trial(r, &bad, number), 0);
    assert_int_not_equal(player_trial(r, &good, number), 0);
    rig_free(r);
}

static void test_two_sweeps_that_work_elsewhere_cordon_the_node(void **state)
{
    (void)state;
    struct rig *r = players_new();
    uint32_t numbers[2];
    for (int k = 0; k < 2; k++) {
        numbers[k] = sweep_of(r, forever);
        for (int i = 0; i < 3; i++) {
            player_fails(r, &bad, numbers[k]);
        }
        assert_false(core_node_find(r->core, "bad")->r.is_cordoned);
        player_end(r, &good, numbers[k], player_trial(r, &good, numbers[k]), 0, 100);
        if (k == 0) { /* makes room for the second one */
            player_fails(r, &bad, numbers[k]);
            on_sweep_verb(r->core, r->now, 1, numbers[k], VERB_STOP, -1);
            rig_turn(r);
            while (player_trial(r, &good, numbers[k]) != 0) {
                player_end(r, &good, numbers[k], player_trial(r, &good, numbers[k]), 0, 100);
            }
        }
    }
    const struct node *node = core_node_find(r->core, "bad");
    assert_true(node->r.is_cordoned);
    char text[128];
    snprintf(text, sizeof text, "sweeps %u and %u set it aside (retries.node_failures)", numbers[0],
             numbers[1]);
    assert_string_equal(node->r.cordon_reason, text);
    assert_false(core_node_find(r->core, "good")->r.is_cordoned);
    rig_free(r);
}

static void test_sweep_that_fails_everywhere_blames_no_node(void **state)
{
    (void)state;
    struct rig *r = players_new();
    for (int k = 0; k < 3; k++) {
        uint32_t number = sweep_of(r, forever);
        struct player *both[] = {&bad, &good};
        for (int i = 0; i < 40 && sweep_find(r, number)->r.state == SWEEP_RUNNING; i++) {
            struct player *p = both[i % 2];
            if (player_trial(r, p, number) != 0) {
                player_fails(r, p, number);
            }
        }
        const struct sweep *sweep = sweep_find(r, number);
        assert_int_equal(sweep->r.state, SWEEP_PAUSED);
        assert_int_equal(sweep->r.n_set_aside, 1); /* the other one was the last */
        assert_non_null(strstr(sweep->r.error, "3 different trials failed in a row on node"));
        assert_int_equal(sweep->r.why, WHY_FAILURES);
        on_sweep_verb(r->core, r->now, 1, number, VERB_CANCEL, 0);
        rig_turn(r);
        for (int i = 0; i < 2; i++) {
            while (player_trial(r, both[i], number) != 0) {
                player_fails(r, both[i], number);
            }
        }
    }
    assert_false(core_node_find(r->core, "bad")->r.is_cordoned);
    assert_false(core_node_find(r->core, "good")->r.is_cordoned);
    rig_free(r);
}

/* ---- pauses ---- */

static void rig_pause(struct rig *r, uint32_t number)
{
    struct sweep *sweep = sweep_find(r, number);
    core_sweep_pause(r->core, r->now, sweep, "no reason");
    rig_turn(r);
}

static void rig_resume(struct rig *r, uint32_t number)
{
    core_sweep_move(r->core, r->now, sweep_find(r, number), SWEEP_RUNNING);
    rig_turn(r);
}

static void test_paused_sweep_starts_nothing_and_resumed_it_goes_on(void **state)
{
    (void)state;
    struct rig *r = players_new();
    uint32_t number = sweep_of(r, "stop: {trials: 100}\nretries: {max: 9, backoff: 0s}\n");
    rig_pause(r, number);
    uint32_t asked = core_work_find(r->core, number)->n_tasks;
    player_fails(r, &good, number);
    player_end(r, &good, number, player_trial(r, &good, number), 0, 100);
    assert_int_equal(core_work_find(r->core, number)->n_tasks, asked);
    assert_int_equal(player_trial(r, &good, number), 0);
    rig_restart(r); /* a new head does not start it either */
    player_enrol(r, &bad);
    player_enrol(r, &good);
    r->now += 1000;
    on_tick(r->core, r->now);
    rig_turn(r);
    assert_int_equal(player_trial(r, &good, number), 0);
    assert_string_equal(sweep_find(r, number)->r.error, "no reason");
    rig_resume(r, number);
    assert_int_not_equal(player_trial(r, &good, number), 0);
    assert_null(sweep_find(r, number)->r.error);
    rig_free(r);
}

static void test_first_five_trials_failing_pause_the_sweep_once(void **state)
{
    (void)state;
    struct rig *r = players_new();
    uint32_t number = sweep_of(r, "stop: {trials: 20}\nretries: {max: 0, node_failures: none}\n");
    for (int i = 0; i < 5; i++) {
        assert_int_equal(sweep_find(r, number)->r.state, SWEEP_RUNNING);
        player_fails(r, &good, number);
    }
    assert_int_equal(sweep_find(r, number)->r.state, SWEEP_PAUSED);
    char text[256];
    snprintf(text, sizeof text,
             "the first 5 trials all failed; 5 of them like trial %u.%u: OSError: disk # is gone",
             number, sweep_find(r, number)->work->tasks[0]->r.outcome == OUTCOME_FAILED ? 1 : 3);
    assert_string_equal(sweep_find(r, number)->r.error, text);
    rig_restart(r);
    player_enrol(r, &bad);
    player_enrol(r, &good);
    rig_resume(r, number);
    for (int i = 0; i < 6; i++) {
        player_fails(r, &good, number);
    }
    assert_int_equal(sweep_find(r, number)->r.state, SWEEP_RUNNING);
    rig_free(r);
}

static void test_one_trial_that_works_prevents_the_pause(void **state)
{
    (void)state;
    struct rig *r = players_new();
    uint32_t number = sweep_of(r, "stop: {trials: 20}\nretries: {max: 0, node_failures: none}\n");
    player_end(r, &good, number, player_trial(r, &good, number), 0, 100);
    for (int i = 0; i < 9; i++) {
        player_fails(r, &good, number);
    }
    assert_int_equal(sweep_find(r, number)->r.state, SWEEP_RUNNING);
    rig_free(r);
}

/* ---- want of memory ---- */

static bool quiet_turn(struct rig *r)
{
    const struct batch *batch;
    core_turn_end(r->core, r->now);
    while (core_failed(r->core) == OK && (batch = core_batch(r->core)) != NULL) {
        r->last_n = batch->n;
        on_batch_applied(r->core, r->now, batch->n);
        while (core_effect_next(r->core) != NULL) {
        }
    }
    return core_failed(r->core) == OK;
}

/* One trial after the other fails on the node, as far as memory goes. */
static bool quiet_failures(struct rig *r, uint32_t sweep, uint32_t n)
{
    bool is_good = true;
    for (uint32_t i = 0; i < n && is_good; i++) {
        uint32_t trial = player_trial(r, &bad, sweep);
        task_id id = {sweep, trial};
        struct node_event event = {
            .number = ++bad.event,
            .kind = EVENT_RESULT,
            .task = id,
            .attempt = core_task_find(r->core, id)->r.attempt,
            .result = {.has_started = true, .cause = CAUSE_EXIT, .exit_code = 3, .reason = "no"},
        };
        struct msg_events msg = {bad.incarnation, &event, 1};
        on_events(r->core, r->now, bad.peer, &msg);
        is_good = quiet_turn(r);
    }
    return is_good;
}

static void test_set_aside_without_memory_is_said_or_done(void **state)
{
    (void)state;
    bool has_failed = true;
    uint64_t k = 0;
    while (has_failed) {
        struct rig *r = players_new();
        uint32_t number = sweep_of(r, forever);
        mem_fail_at(++k);
        bool is_good = quiet_failures(r, number, 3);
        if (is_good) {
            view_failures(r->core, r->now, 9, number);
            view_explain(r->core, r->now, 9, (task_id){number, 0});
        }
        has_failed = mem_has_failed();
        mem_fail_at(0);
        assert_true(is_good || has_failed);
        if (!has_failed) {
            assert_int_equal(sweep_find(r, number)->r.n_set_aside, 1);
        }
        rig_free(r);
    }
    assert_true(k > 50);
}

/* ---- rules ---- */

static void test_rule_decides_what_a_failure_means(void **state)
{
    (void)state;
    static const struct {
        const char *rules;
        task_state state;
        uint32_t failures, preempted;
    } rows[] = {
        {"[{match: 'disk 12 is', do: fail}]", TASK_ENDED, 1, 0},
        {"[{match: 'disk 13', do: fail}, {match: 'exit code 3', do: free}]", TASK_QUEUED, 0, 1},
        {"[{match: 'Traceback', do: retry}, {match: 'disk', do: fail}]", TASK_QUEUED, 1, 0},
        {"[{match: 'nothing like it', do: fail}]", TASK_QUEUED, 1, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig *r = players_new();
        char more[256];
        snprintf(more, sizeof more,
                 "stop: {trials: 1}\nretries: {max: 1, backoff: 1h, rules: %s}\n", rows[i].rules);
        uint32_t number = sweep_of(r, more);
        struct player *p = player_trial(r, &bad, number) != 0 ? &bad : &good;
        player_fails(r, p, number);
        const struct task *task = core_task_find(r->core, (task_id){number, 1});
        assert_int_equal(task->r.state, rows[i].state);
        assert_int_equal(task->r.failures, rows[i].failures);
        assert_int_equal(task->r.preempted, rows[i].preempted);
        assert_int_equal(strstr(task->r.reason, "(retries.rules)") != NULL,
                         rows[i].state == TASK_ENDED);
        rig_free(r);
    }
}

/* ---- messages ---- */

static void test_normalised_messages_of_equal_failures_are_equal(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"OSError: [Errno 28] No space: '/tmp/a/12.4/x.bin'",
         "OSError: [Errno #] No space: 'x.bin'"},
        {"pid 4711 died at 0x7ffe12ab, 3.5 s late", "pid # died at #, # s late"},
        {"CUDA out of memory. Tried to allocate 20.00 MiB",
         "CUDA out of memory. Tried to allocate # MiB"},
        {"a/b and n1/2", "a/b and n#/#"},
        {"/", ""},
        {"", ""},
        {"naïve 1", "naïve #"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char text[240];
        core_failure_normalise(pairs[i][0], text, sizeof text);
        assert_string_equal(text, pairs[i][1]);
    }
    char small[4];
    core_failure_normalise("abcdef", small, sizeof small);
    assert_string_equal(small, "abc");
    core_failure_normalise("abéf", small, sizeof small);
    assert_string_equal(small, "ab");
}

static void test_failure_is_the_last_line_of_stderr_or_the_reason(void **state)
{
    (void)state;
    static const struct {
        end_cause cause;
        const char *err, *reason, *failure;
    } rows[] = {
        {CAUSE_EXIT, "a\nb: c\n\n  \n", "exit code 1", "b: c"},
        {CAUSE_EXIT, "10%\r20%\rgone", "exit code 1", "gone"},
        {CAUSE_EXIT, " \n", "exit code 1", "exit code 1"},
        {CAUSE_EXIT, "one\ttwo\x01", "exit code 1", "one two"},
        {CAUSE_SIGNAL, "a\nb", "killed by signal 11", "killed by signal 11"},
        {CAUSE_OOM, "a\nb", "out of memory", "out of memory"},
        {CAUSE_CANNOT_START, "", "cannot execute 'x'", "cannot execute 'x'"},
    };
    struct rig *r = players_new();
    uint32_t number = sweep_of(r, forever);
    struct task *task = core_task_find(r->core, (task_id){number, 1});
    assert_non_null(task);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct attempt_result result = {
            .cause = rows[i].cause,
            .reason = rows[i].reason,
            .err_tail = {(const uint8_t *)rows[i].err, strlen(rows[i].err)},
        };
        core_failure_note(r->core, task, &result);
        assert_string_equal(task->r.failure, rows[i].failure);
    }
    rig_turn(r);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_node_that_fails_three_trials_is_set_aside_for_the_sweep),
        cmocka_unit_test(test_node_that_works_between_is_not_set_aside),
        cmocka_unit_test(test_same_trial_failing_again_says_nothing_of_its_node),
        cmocka_unit_test(test_set_aside_outlives_the_head_and_a_new_start_of_the_agent),
        cmocka_unit_test(test_two_sweeps_that_work_elsewhere_cordon_the_node),
        cmocka_unit_test(test_sweep_that_fails_everywhere_blames_no_node),
        cmocka_unit_test(test_paused_sweep_starts_nothing_and_resumed_it_goes_on),
        cmocka_unit_test(test_first_five_trials_failing_pause_the_sweep_once),
        cmocka_unit_test(test_one_trial_that_works_prevents_the_pause),
        cmocka_unit_test(test_set_aside_without_memory_is_said_or_done),
        cmocka_unit_test(test_rule_decides_what_a_failure_means),
        cmocka_unit_test(test_normalised_messages_of_equal_failures_are_equal),
        cmocka_unit_test(test_failure_is_the_last_line_of_stderr_or_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
