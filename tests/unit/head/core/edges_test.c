/* What a hostile or broken agent or client may send, and what must not follow: an end of the head,
 * a decision undone, an answer that never comes. */
#include "rig.h"

static const char one_trial[] = "name: one\n"
                                "command: [train]\n"
                                "metric: {name: loss, goal: minimize}\n"
                                "parameters: {lr: {min: 0, max: 1}}\n"
                                "stop: {trials: 1}\n"
                                "retries: {max: 0}\n";

static void rig_result_of(struct rig *r, task_id id, struct attempt_result result)
{
    result.reason = "";
    rig_event(
        r, (struct node_event){.kind = EVENT_RESULT, .task = id, .attempt = 0, .result = result});
}

static const struct rig_sent *rig_job(struct rig *r, const struct record_job *job)
{
    static uint64_t request = 5000;
    on_job_submit(r->core, r->now, ++request, job);
    rig_turn(r);
    return rig_answer(r, request);
}

static struct record_job job_of(const char *const *words, uint32_t n_words)
{
    return (struct record_job){
        .name = "j", .words = words, .n_words = n_words, .workdir = "/w", .cpus = AMOUNT_ONE};
}

/* Every cause, with and without a start, of an attempt in every state: none is impossible for a
 * broken agent. */
static void test_result_of_any_cause_in_any_state_ends_the_attempt(void **state)
{
    (void)state;
    for (end_cause cause = CAUSE_EXIT; cause <= CAUSE_LOST; cause++) {
        for (int variant = 0; variant < 12; variant++) {
            struct rig *r = rig_new();
            task_id id = rig_id(1, 1);
            rig_enrol(r, 1);
            rig_submit(r, one_trial, NULL);
            if (variant & 1) {
                rig_started(r, id, 0);
            }
            bool is_told = variant >= 8;
            if (is_told) {
                on_task_verb(r->core, r->now, 1, id, VERB_STOP, -1);
                rig_turn(r);
            }
            struct attempt_result result = {.has_started = (variant & 2) != 0,
                                            .cause = cause,
                                            .bye = variant & 4 ? BYE_INVALID : BYE_NONE};
            rig_result_of(r, id, result);
            const struct task *task = rig_task(r, id);
            assert_true(task->r.state == TASK_ENDED || task->r.attempt == 1 ||
                        !core_task_is_on_node(task));
            rig_free(r);
        }
    }
}

static void test_enrol_with_impossible_resources_is_refused(void **state)
{
    (void)state;
    static const char long_uuid[] =
        "GPU-0123456789012345678901234567890123456789012345678901234567890123456789";
    const char *const long_uuids[] = {long_uuid}, *const empty_uuids[] = {""};
    const struct custom_pair custom[] = {{"licence", -1}};
    struct msg_enrol msgs[4];
    for (int i = 0; i < 4; i++) {
        msgs[i] = (struct msg_enrol){.protocol = PROTOCOL_VERSION,
                                     .node = "n",
                                     .incarnation = 5,
                                     .host = "h",
                                     .version = "v",
                                     .secret = "s",
                                     .cpus = AMOUNT_ONE,
                                     .first_event = 1};
    }
    msgs[0].cpus = -1;
    msgs[1].gpus = long_uuids;
    msgs[2].gpus = empty_uuids;
    msgs[1].n_gpus = msgs[2].n_gpus = 1;
    msgs[3].custom = custom;
    msgs[3].n_custom = 1;
    for (int i = 0; i < 4; i++) {
        struct rig *r = rig_new();
        on_enrol(r->core, r->now, RIG_PEER, &msgs[i]);
        rig_turn(r);
        assert_int_equal(rig_sent_count(r, MSG_REFUSED), 1);
        assert_int_equal(rig_sent_count(r, MSG_WELCOME), 0);
        assert_null(core_node_find(r->core, "n"));
        rig_free(r);
    }
}

/* A frame may pack reals as four bytes that the store's block keeps as eight. */
static void test_largest_block_of_rows_is_stored(void **state)
{
    (void)state;
    enum { NAMES = METRICS_MAX };
    static struct metric_row rows[ROWS_BLOCK_MAX];
    static double values[NAMES];
    static char texts[NAMES][METRIC_NAME_MAX + 1];
    const char *names[NAMES];
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    rig_submit(r, one_trial, NULL);
    rig_started(r, rig_id(1, 1), 0);
    for (int i = 0; i < NAMES; i++) {
        memset(texts[i], 'a', METRIC_NAME_MAX);
        texts[i][0] = (char)('0' + i);
        names[i] = texts[i];
    }
    for (int i = 0; i < ROWS_BLOCK_MAX; i++) {
        rows[i] = (struct metric_row){.seq = (uint64_t)i + 1,
                                      .step = i + 1,
                                      .time = r->now,
                                      .values = values,
                                      .n_values = NAMES};
    }
    rig_event(r, (struct node_event){.kind = EVENT_ROWS,
                                     .task = rig_id(1, 1),
                                     .rows = {names, NAMES, rows, ROWS_BLOCK_MAX}});
    assert_int_equal(rig_store_count(r, "rows:1.1"), 1);
    rig_free(r);
}

static void test_job_whose_lease_is_no_frame_is_refused(void **state)
{
    (void)state;
    enum { WORDS = 24 };
    char *word = calloc(1, (60 << 10) + 1);
    const char *words[WORDS];
    memset(word, 'x', 60 << 10);
    for (int i = 0; i < WORDS; i++) {
        words[i] = word;
    }
    struct rig *r = rig_new();
    struct record_job job = job_of(words, WORDS);
    assert_int_equal(rig_job(r, &job)->status, 413); /* also while no node could take it */
    rig_enrol(r, 1);
    assert_int_equal(rig_job(r, &job)->status, 413);
    job.n_words = 8;
    assert_int_equal(rig_job(r, &job)->status, 201);
    assert_int_equal(rig_sent_count(r, MSG_LEASE), 1);
    rig_free(r);
    free(word);
}

static void test_sweep_whose_lease_is_no_frame_is_refused(void **state)
{
    (void)state;
    enum { LINES = 17, LINE = 61000 };
    char *file = calloc(1, 1 << 21), *value = calloc(1, LINE + 1);
    memset(value, 'x', LINE);
    size_t n = (size_t)sprintf(file, "%senv:\n", one_trial);
    for (int i = 0; i < LINES; i++) {
        n += (size_t)sprintf(file + n, "  V%d: %s\n", i, value);
    }
    assert_true(n < SPEC_FILE_MAX_BYTES);
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    assert_int_equal(rig_submit(r, file, NULL), 0);
    assert_int_equal(r->sent[r->n_sent - 1].status, 413);
    rig_free(r);
    free(value);
    free(file);
}

static void test_milestone_against_a_stop_order_undoes_nothing(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    task_id id = rig_id(1, 1);
    rig_enrol(r, 1);
    rig_submit(r, rig_sweep, NULL);
    rig_started(r, id, 0);
    on_sweep_verb(r->core, r->now, 9, 1, VERB_CANCEL, -1);
    rig_turn(r);
    uint64_t n = rig_task(r, id)->r.order.n;
    rig_milestone(r, id, 0, INT64_MAX, 0.5, n);
    assert_int_equal(rig_task(r, id)->r.order.act, ACT_STOP);
    assert_int_equal(rig_task(r, id)->r.order.n, n);
    rig_result(r, id, 0, CAUSE_EXIT, 1, n);
    assert_int_equal(rig_task(r, id)->r.outcome, OUTCOME_CANCELLED);
    rig_free(r);
}

static void test_key_without_a_hash_finds_what_it_made(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct submit_sweep submit = {
        .file = one_trial, .file_name = "t.yaml", .workdir = "/w", .key = "k"};
    on_sweep_submit(r->core, r->now, 1, &submit);
    on_sweep_submit(r->core, r->now, 2, &submit);
    submit.file = rig_sweep;
    on_sweep_submit(r->core, r->now, 3, &submit);
    rig_turn(r);
    assert_int_equal(rig_answer(r, 1)->status, 201);
    assert_int_equal(rig_answer(r, 2)->status, 200);
    assert_string_equal(rig_answer(r, 1)->body, rig_answer(r, 2)->body);
    assert_int_equal(rig_answer(r, 3)->status, 409);

    const char *const words[] = {"true"}, *const others[] = {"false"};
    struct record_job job = job_of(words, 1);
    job.key = "j";
    assert_int_equal(rig_job(r, &job)->status, 201);
    assert_int_equal(rig_job(r, &job)->status, 200);
    job.words = others;
    assert_int_equal(rig_job(r, &job)->status, 409);
    rig_free(r);
}

static void test_second_shutdown_with_an_earlier_deadline_is_sooner(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    rig_submit(r, one_trial, NULL);
    rig_started(r, rig_id(1, 1), 0);
    on_shutdown(r->core, r->now, 0, r->now + 60000);
    on_tick(r->core, r->now);
    rig_turn(r);
    assert_int_not_equal(r->sent[r->n_sent - 1].kind, HEAD_EXIT);
    on_shutdown(r->core, r->now, 0, r->now);
    on_tick(r->core, r->now);
    rig_turn(r);
    assert_int_equal(r->sent[r->n_sent - 1].kind, HEAD_EXIT);
    rig_free(r);
}

/* Shut down right after a start: the node is still on its way back, with what became of its
 * attempts. */
static void test_shutdown_after_a_restart_waits_for_a_node_that_comes_back(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    task_id id = rig_id(1, 1);
    rig_enrol(r, 1);
    rig_submit(r, one_trial, NULL);
    rig_started(r, id, 0);
    rig_restart(r);
    on_shutdown(r->core, r->now, 0, r->now + 60000);
    on_tick(r->core, r->now);
    rig_turn(r);
    assert_true(r->n_sent == 0 || r->sent[r->n_sent - 1].kind != HEAD_EXIT);
    struct running_ref running = {id, 0, 1};
    rig_enrol_as(r, RIG_INCARNATION, 1, &running, 1);
    assert_int_equal(rig_sent_count(r, MSG_LEAVE), 1);
    rig_event(r, (struct node_event){.kind = EVENT_DRAINING});
    rig_result(r, id, 0, CAUSE_AGENT_LEFT, 0, 0);
    assert_int_equal(rig_task(r, id)->r.state, TASK_QUEUED);
    assert_int_equal(rig_task(r, id)->r.lost, 0);
    on_tick(r->core, r->now);
    rig_turn(r);
    assert_int_equal(r->sent[r->n_sent - 1].kind, HEAD_EXIT);
    rig_free(r);
}

static void test_shutdown_does_not_wait_for_a_node_that_stays_away(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    rig_submit(r, one_trial, NULL);
    rig_restart(r);
    on_shutdown(r->core, r->now, 0, r->now + 60000);
    r->now += CORE_SUSPECT_MS;
    on_tick(r->core, r->now);
    rig_turn(r);
    assert_int_equal(r->sent[r->n_sent - 1].kind, HEAD_EXIT);
    rig_free(r);
}

/* Past the limit of tasks nothing more is taken, and what there is goes on. */
static void test_task_limit_refuses_and_does_not_fail(void **state)
{
    (void)state;
    const char *const words[] = {"true"};
    struct rig *r = rig_new();
    rig_enrol(r, 2);
    rig_submit(r, rig_sweep, NULL);
    uint32_t total = r->core->task_total;
    r->core->task_total = CORE_TASKS_MAX;
    struct record_job job = job_of(words, 1);
    assert_int_equal(rig_job(r, &job)->status, 413);
    rig_started(r, rig_id(1, 1), 0);
    rig_report_event(r, EVENT_ROWS, rig_id(1, 1), 0, 1, 0.5, 0);
    rig_result(r, rig_id(1, 1), 0, CAUSE_EXIT, 0, 0); /* its place is not taken by a new trial */
    assert_int_equal(rig_task(r, rig_id(1, 1))->r.outcome, OUTCOME_DONE);
    r->core->task_total = total;
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_result_of_any_cause_in_any_state_ends_the_attempt),
        cmocka_unit_test(test_enrol_with_impossible_resources_is_refused),
        cmocka_unit_test(test_largest_block_of_rows_is_stored),
        cmocka_unit_test(test_job_whose_lease_is_no_frame_is_refused),
        cmocka_unit_test(test_sweep_whose_lease_is_no_frame_is_refused),
        cmocka_unit_test(test_milestone_against_a_stop_order_undoes_nothing),
        cmocka_unit_test(test_key_without_a_hash_finds_what_it_made),
        cmocka_unit_test(test_second_shutdown_with_an_earlier_deadline_is_sooner),
        cmocka_unit_test(test_shutdown_after_a_restart_waits_for_a_node_that_comes_back),
        cmocka_unit_test(test_shutdown_does_not_wait_for_a_node_that_stays_away),
        cmocka_unit_test(test_task_limit_refuses_and_does_not_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
