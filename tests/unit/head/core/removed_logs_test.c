/* What was removed is told to the nodes that are there, and to those that ask. */
#include "rig.h"

enum { OTHER_PEER = RIG_PEER + 1, TICK_WAIT_MS = 1000 };

static uint64_t requests = 9000;

/* A job of one task, which has ended; its number. */
static uint32_t job_ended(struct rig *r)
{
    static const char *const words[] = {"true"};
    struct record_job job = {
        .name = "j", .words = words, .n_words = 1, .workdir = "/w", .cpus = AMOUNT_ONE};
    uint32_t number = r->core->next_number;
    on_job_submit(r->core, r->now, ++requests, &job);
    rig_turn(r);
    rig_started(r, rig_id(number, 1), 0);
    rig_result(r, rig_id(number, 1), 0, CAUSE_EXIT, 0, 0);
    return number;
}

static void job_remove(struct rig *r, uint32_t number)
{
    on_work_remove(r->core, r->now, ++requests, number, false);
    rig_turn(r);
    assert_int_equal(rig_answer(r, requests)->status, 200);
}

static void tick(struct rig *r)
{
    for (int i = 0; i < 10; i++) {
        rig_turn(r);
    }
    assert_true(list_is_empty(&r->core->removing));
    r->now += TICK_WAIT_MS;
    on_tick(r->core, r->now);
    rig_turn(r);
}

static void ask(struct rig *r, uint64_t peer, const struct array_range *ranges, uint32_t n)
{
    rig_sent_clear(r);
    on_logs_held(r->core, peer, &(struct msg_logs_held){ranges, n});
    rig_turn(r);
}

static void assert_told(struct rig *r, const struct array_range *ranges, uint32_t n)
{
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    const struct msg_logs_drop *drop = rig_sent_last(r, MSG_LOGS_DROP, &arena);
    assert_non_null(drop);
    assert_int_equal(drop->n_jobs, n);
    assert_memory_equal(drop->jobs, ranges, n * sizeof *ranges);
    arena_fini(&arena);
}

static void test_removal_is_told_once_to_nodes_that_are_there(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 2);
    uint32_t first = job_ended(r), second = job_ended(r), third = job_ended(r);
    uint32_t fourth = job_ended(r);
    rig_sent_clear(r);
    job_remove(r, first);
    job_remove(r, second);
    job_remove(r, fourth);
    tick(r);
    assert_int_equal(rig_sent_count(r, MSG_LOGS_DROP), 1);
    assert_told(r, (struct array_range[]){{first, 2}, {fourth, 1}}, 2);
    assert_non_null(core_work_find(r->core, third));
    rig_sent_clear(r);
    tick(r);
    assert_int_equal(rig_sent_count(r, MSG_LOGS_DROP), 0);
    rig_free(r);
}

static void test_removal_is_told_when_nothing_of_it_is_left_in_the_store(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 2);
    uint32_t number = job_ended(r);
    rig_sent_clear(r);
    on_work_remove(r->core, r->now, ++requests, number, false);
    r->is_store_stalled = true;
    rig_turn(r); /* the mark is under way */
    r->now += TICK_WAIT_MS;
    on_tick(r->core, r->now);
    core_turn_end(r->core, r->now);
    assert_int_equal(rig_sent_count(r, MSG_LOGS_DROP), 0);
    r->is_store_stalled = false;
    rig_batch_reply(r);
    tick(r);
    tick(r);
    assert_int_equal(rig_sent_count(r, MSG_LOGS_DROP), 1);
    assert_int_equal(rig_store_count(r, "jobs"), 0);
    rig_free(r);
}

static void test_removals_of_many_apart_are_told_in_bounded_messages(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 2);
    for (uint32_t i = 0; i <= CORE_LOGS_REMOVED_MAX; i++) {
        core_logs_removed(r->core, 1 + 2 * i);
    }
    r->now += TICK_WAIT_MS;
    on_tick(r->core, r->now);
    rig_turn(r);
    assert_int_equal(rig_sent_count(r, MSG_LOGS_DROP), 2);
    assert_told(r, (struct array_range[]){{1 + 2 * CORE_LOGS_REMOVED_MAX, 1}}, 1);
    rig_free(r);
}

static void test_node_that_asks_hears_what_was_removed_and_only_that(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 2);
    uint32_t kept = job_ended(r), gone = job_ended(r), other = job_ended(r);
    job_remove(r, gone);
    tick(r);
    const struct array_range all = {0, 1000}, own = {kept, 1}, later = {other + 1, 5};
    ask(r, RIG_PEER, &all, 1);
    assert_told(r, (struct array_range[]){{gone, 1}}, 1);
    ask(r, RIG_PEER, &own, 1);
    assert_int_equal(rig_sent_count(r, MSG_LOGS_DROP), 0);
    ask(r, RIG_PEER, &later, 1); /* numbers that were not given yet */
    assert_int_equal(rig_sent_count(r, MSG_LOGS_DROP), 0);
    ask(r, OTHER_PEER, &all, 1); /* nobody that is enrolled */
    assert_int_equal(rig_sent_count(r, MSG_LOGS_DROP), 0);
    rig_restart(r);
    rig_enrol(r, 2);
    ask(r, RIG_PEER, &all, 1); /* a head that came later knows it too */
    assert_told(r, (struct array_range[]){{gone, 1}}, 1);
    rig_free(r);
}

static void test_ask_about_more_jobs_than_the_limit_is_answered_in_part(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    const struct array_range all[] = {{1, UINT32_MAX}, {1, UINT32_MAX}};
    rig_enrol(r, 2);
    r->core->next_number = UINT32_MAX; /* all of them are no more */
    ask(r, RIG_PEER, all, 2);
    assert_told(r, (struct array_range[]){{1, LOGS_JOBS_MAX}}, 1);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_removal_is_told_once_to_nodes_that_are_there),
        cmocka_unit_test(test_removal_is_told_when_nothing_of_it_is_left_in_the_store),
        cmocka_unit_test(test_removals_of_many_apart_are_told_in_bounded_messages),
        cmocka_unit_test(test_node_that_asks_hears_what_was_removed_and_only_that),
        cmocka_unit_test(test_ask_about_more_jobs_than_the_limit_is_answered_in_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
