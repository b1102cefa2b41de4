/* rm: all of it goes, bit by bit, and a head that dies on the way finishes it. */
#include "rig.h"

enum { TRIALS = 400, NODE_PEER = RIG_PEER };

static uint64_t requests = 8000;

static const char many_file[] = "name: many\n"
                                "command: [train]\n"
                                "metric: {name: loss, goal: minimize}\n"
                                "parameters: {lr: {min: 0, max: 1}}\n"
                                "retries: {max: 0}\n"
                                "stop: {trials: 400}\n";

static uint32_t remove_answer(struct rig *r, uint32_t number, bool is_sweep)
{
    on_work_remove(r->core, r->now, ++requests, number, is_sweep);
    rig_turn(r);
    const struct rig_sent *sent = rig_answer(r, requests);
    assert_non_null(sent);
    return sent->status;
}

static uint32_t many_ended(struct rig *r)
{
    rig_enrol(r, 400);
    uint32_t number = rig_submit(r, many_file, "key");
    for (uint32_t i = 1; i <= TRIALS; i++) {
        rig_started(r, rig_id(number, i), 0);
        rig_report_event(r, EVENT_ROWS, rig_id(number, i), 0, 1, 0.5, 0);
        rig_result(r, rig_id(number, i), 0, CAUSE_EXIT, 0, 1);
        rig_sent_clear(r);
    }
    return number;
}

/* Of the sweep, in all tables. */
static unsigned fields_of(const struct rig *r, uint32_t number)
{
    char prefix[16], whole[16];
    unsigned n = 0;
    int len = snprintf(prefix, sizeof prefix, "%u.", number);
    snprintf(whole, sizeof whole, "%u", number);
    for (unsigned i = 0; i < r->n_store; i++) {
        const struct rig_field *f = &r->store[i];
        const char *colon = strchr(f->key, ':');
        bool is_key = colon != NULL && (strcmp(colon + 1, whole) == 0 ||
                                        strncmp(colon + 1, prefix, (size_t)len) == 0);
        bool is_field =
            f->field != NULL && strcmp(f->key, "meta") != 0 && strcmp(f->key, "nodes") != 0 &&
            (strcmp(f->field, whole) == 0 || strncmp(f->field, prefix, (size_t)len) == 0);
        n += is_key || is_field;
    }
    return n;
}

static void until_removed(struct rig *r)
{
    for (int turns = 0; !list_is_empty(&r->core->removing); turns++) {
        assert_true(turns < 100);
        assert_true(core_next_deadline(r->core) <= r->now); /* it does not wait for anything */
        rig_turn(r);
    }
}

static void test_ended_sweep_is_removed_in_bounded_groups(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    uint32_t number = many_ended(r), total = r->core->task_total;
    assert_true(fields_of(r, number) > 4 * TRIALS);
    assert_int_equal(remove_answer(r, number, true), 200);
    assert_null(core_work_find(r->core, number));
    assert_int_equal(remove_answer(r, number, true), 200); /* asked again */
    assert_true(fields_of(r, number) > TRIALS);            /* not all at once */
    until_removed(r);
    assert_int_equal(fields_of(r, number), 0);
    assert_int_equal(r->core->task_total, total - TRIALS);
    assert_int_equal(remove_answer(r, number, true), 404);
    assert_true(rig_submit(r, many_file, "key") > number); /* its key is free again */
    rig_free(r);
}

static void test_removal_goes_on_after_the_head_died_in_the_middle(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    uint32_t number = many_ended(r);
    assert_int_equal(remove_answer(r, number, true), 200);
    rig_turn(r);
    unsigned left = fields_of(r, number);
    assert_true(left > 0);
    rig_restart(r);
    core_check(r->core);
    assert_null(core_work_find(r->core, number));
    assert_false(list_is_empty(&r->core->removing));
    until_removed(r);
    assert_int_equal(fields_of(r, number), 0);
    rig_restart(r);
    assert_true(list_is_empty(&r->core->removing));
    assert_true(r->core->next_number > number); /* numbers are not used twice */
    rig_free(r);
}

static void test_what_has_not_ended_is_not_removed(void **state)
{
    (void)state;
    static const char *const words[] = {"true"};
    struct record_job job = {
        .name = "j", .words = words, .n_words = 1, .workdir = "/w", .cpus = AMOUNT_ONE};
    struct rig *r = rig_new();
    rig_enrol(r, 2);
    uint32_t number = rig_submit(r, rig_sweep, NULL);
    assert_int_equal(remove_answer(r, number, true), 409);
    assert_int_equal(remove_answer(r, number, false), 404); /* it is no job */
    on_job_submit(r->core, r->now, ++requests, &job);
    rig_turn(r);
    assert_int_equal(remove_answer(r, number + 1, false), 409);
    assert_int_equal(remove_answer(r, number + 1, true), 404);
    rig_free(r);
}

static void test_ended_job_is_removed(void **state)
{
    (void)state;
    static const char *const words[] = {"true"};
    struct record_job job = {
        .name = "j", .words = words, .n_words = 1, .workdir = "/w", .cpus = AMOUNT_ONE, .key = "k"};
    struct rig *r = rig_new();
    rig_enrol(r, 2);
    on_job_submit(r->core, r->now, ++requests, &job);
    rig_turn(r);
    rig_started(r, rig_id(1, 1), 0);
    rig_result(r, rig_id(1, 1), 0, CAUSE_EXIT, 0, 0);
    assert_int_equal(remove_answer(r, 1, false), 200);
    until_removed(r);
    assert_int_equal(fields_of(r, 1), 0);
    rig_free(r);
}

static void test_snapshots_of_a_removed_sweep_are_dropped_on_their_nodes(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    char file[1024];
    snprintf(file, sizeof file, "%s", many_file);
    strcpy(strstr(file, "400"), "1}\n");
    rig_enrol(r, 1);
    rig_submit(r, file, NULL);
    rig_started(r, rig_id(1, 1), 0);
    rig_event(r, (struct node_event){.kind = EVENT_SNAPSHOT,
                                     .task = rig_id(1, 1),
                                     .snapshot = {.ordinal = 3, .step = 1}});
    rig_report_event(r, EVENT_ROWS, rig_id(1, 1), 0, 1, 0.5, 0);
    rig_result(r, rig_id(1, 1), 0, CAUSE_EXIT, 0, 1);
    rig_sent_clear(r);
    assert_int_equal(remove_answer(r, 1, true), 200);
    until_removed(r);
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    const struct msg_drop *drop = rig_sent_last(r, MSG_DROP, &arena);
    assert_non_null(drop);
    assert_int_equal(drop->n_snapshots, 1);
    assert_int_equal(drop->snapshots[0].ordinal, 3);
    assert_int_equal(rig_sent_count(r, MSG_DROP), 1); /* last and best are one */
    arena_fini(&arena);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ended_sweep_is_removed_in_bounded_groups),
        cmocka_unit_test(test_removal_goes_on_after_the_head_died_in_the_middle),
        cmocka_unit_test(test_what_has_not_ended_is_not_removed),
        cmocka_unit_test(test_ended_job_is_removed),
        cmocka_unit_test(test_snapshots_of_a_removed_sweep_are_dropped_on_their_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
