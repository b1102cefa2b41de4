#include "rig.h"

static const struct request one_cpu = {.cpus = AMOUNT_ONE};
static const struct request two_cpus = {.cpus = 2 * AMOUNT_ONE};
static const struct request no_cpu = {.memory_bytes = 1};

static void test_queue_higher_priority_starts_first(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    rig_node(&r, 9 * ONE, 0, 0);
    rig_submit(&r, 'a', one_cpu, 50, 1);
    rig_submit(&r, 'b', one_cpu, 80, 2);
    rig_submit(&r, 'c', one_cpu, 0, 0);
    rig_submit(&r, 'd', two_cpus, 60, 3);
    assert_string_equal(rig_start_all(&r), "bdac");
    rig_end(&r);
}

static void test_queue_equal_priority_starts_by_age_across_classes(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    rig_node(&r, 20 * ONE, 0, 8 * GIB);
    rig_submit(&r, 'd', one_cpu, 50, 40);
    rig_submit(&r, 'b', one_cpu, 50, 20);
    rig_submit(&r, 'c', two_cpus, 50, 30);
    rig_submit(&r, 'a', no_cpu, 50, 10);
    rig_submit(&r, 'e', two_cpus, 50, 50);
    assert_string_equal(rig_start_all(&r), "abcde");
    rig_end(&r);
}

static void test_queue_equal_age_starts_by_arrival(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    rig_node(&r, 9 * ONE, 0, 0);
    rig_submit(&r, 'a', two_cpus, 50, 7);
    rig_submit(&r, 'b', one_cpu, 50, 7);
    rig_submit(&r, 'c', two_cpus, 50, 7);
    assert_string_equal(rig_start_all(&r), "abc");
    rig_end(&r);
}

static void test_queue_class_that_does_not_fit_is_passed_over(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    rig_node(&r, 3 * ONE, 0, 0);
    struct job *a = rig_submit(&r, 'a', two_cpus, 50, 1);
    rig_submit(&r, 'b', two_cpus, 50, 2);
    rig_submit(&r, 'c', one_cpu, 50, 3);
    rig_submit(&r, 'd', one_cpu, 50, 4);
    assert_string_equal(rig_start_all(&r), "ac");
    rig_give(&r, a);
    assert_string_equal(rig_start_all(&r), "b");
    rig_end(&r);
}

/* A blocked class gets a new first item: it stays blocked, and starts by the new order later. */
static void test_queue_item_for_blocked_class_waits_until_something_is_given(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    rig_node(&r, 1 * ONE, 0, 0);
    struct job *a = rig_submit(&r, 'a', one_cpu, 50, 1);
    rig_submit(&r, 'b', one_cpu, 50, 2);
    assert_string_equal(rig_start_all(&r), "a");
    struct job *c = rig_submit(&r, 'c', one_cpu, 90, 3);
    assert_string_equal(rig_start_all(&r), "");
    rig_give(&r, a);
    assert_string_equal(rig_start_all(&r), "c");
    rig_give(&r, c);
    assert_string_equal(rig_start_all(&r), "b");
    rig_end(&r);
}

static void test_queue_dequeued_item_does_not_start(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    struct job *a = rig_submit(&r, 'a', one_cpu, 50, 1);
    struct job *b = rig_submit(&r, 'b', one_cpu, 50, 2);
    rig_submit(&r, 'c', one_cpu, 50, 3);
    scheduler_dequeue(r.s, &a->item);
    scheduler_dequeue(r.s, &a->item);
    scheduler_dequeue(r.s, &b->item);
    scheduler_check(r.s);
    rig_node(&r, 9 * ONE, 0, 0);
    assert_string_equal(rig_start_all(&r), "c");
    assert_int_equal(scheduler_enqueue(r.s, &b->item, b->cls, 50, 2), OK);
    assert_string_equal(rig_start_all(&r), "b");
    rig_end(&r);
}

static void test_queue_waiting_item_enqueued_again_is_moved(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    rig_submit(&r, 'a', one_cpu, 50, 1);
    struct job *b = rig_submit(&r, 'b', one_cpu, 50, 2);
    assert_int_equal(scheduler_enqueue(r.s, &b->item, b->cls, 51, 2), OK);
    scheduler_check(r.s);
    rig_node(&r, 9 * ONE, 0, 0);
    assert_string_equal(rig_start_all(&r), "ba");
    rig_end(&r);
}

static void test_queue_scheduler_freed_while_items_wait_unlinks_them(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    for (char name = 'a'; name < 'k'; name++) {
        rig_submit(&r, name, one_cpu, 50, (uint64_t)name);
    }
    scheduler_free(r.s);
    for (uint32_t i = 0; i < r.n_jobs; i++) {
        assert_true(list_is_empty(&r.jobs[i].item.link));
    }
    assert_int_equal(mem_live_count(), r.live_before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queue_higher_priority_starts_first),
        cmocka_unit_test(test_queue_equal_priority_starts_by_age_across_classes),
        cmocka_unit_test(test_queue_equal_age_starts_by_arrival),
        cmocka_unit_test(test_queue_class_that_does_not_fit_is_passed_over),
        cmocka_unit_test(test_queue_item_for_blocked_class_waits_until_something_is_given),
        cmocka_unit_test(test_queue_dequeued_item_does_not_start),
        cmocka_unit_test(test_queue_waiting_item_enqueued_again_is_moved),
        cmocka_unit_test(test_queue_scheduler_freed_while_items_wait_unlinks_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
