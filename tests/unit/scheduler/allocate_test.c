/* scheduler_take(): what running tasks hold when the head comes back. */
#include "rig.h"

static struct job *rig_take(struct rig *r, char name, struct request request, uint32_t node,
                            const char *const *gpus, uint32_t n_gpus)
{
    struct job *job = rig_submit(r, name, request, 50, 0);
    scheduler_dequeue(r->s, &job->item);
    assert_int_equal(scheduler_take(r->s, node, job->cls, gpus, n_gpus, &job->allocation), OK);
    scheduler_check(r->s);
    return job;
}

static void test_take_holds_the_named_gpus(void **state)
{
    struct rig r;
    const char *gpus[] = {"n0g2", "n0g0"}, *third[] = {"n0g1"};
    (void)state;
    rig_init(&r);
    uint32_t node = rig_node(&r, 4 * ONE, 3, 0);
    struct job *a = rig_take(&r, 'a', (struct request){.gpus = 2 * ONE}, node, gpus, 2);
    assert_string_equal(rig_gpus(&r, a), "n0g0,n0g2");
    struct job *b = rig_take(&r, 'b', (struct request){.gpus = ONE / 4}, node, third, 1);
    assert_int_equal(b->allocation.gpus[0].amount, ONE / 4);
    rig_submit(&r, 'c', (struct request){.gpus = ONE}, 50, 1);
    struct job *d = rig_submit(&r, 'd', (struct request){.gpus = 3 * ONE / 4}, 50, 2);
    assert_string_equal(rig_start_all(&r), "d");
    assert_string_equal(rig_gpus(&r, d), "n0g1");
    rig_give(&r, a);
    assert_string_equal(rig_start_all(&r), "c");
    rig_end(&r);
}

static void test_take_on_closed_and_full_node_overdraws_it(void **state)
{
    struct rig r;
    struct scheduler_usage usage;
    const char *gpu[] = {"n0g0"};
    struct request request = {.cpus = 2 * ONE, .gpus = ONE, .memory_bytes = GIB};
    (void)state;
    rig_init(&r);
    uint32_t node = rig_node(&r, 2 * ONE, 1, GIB);
    scheduler_node_open(r.s, node, false);
    struct job *a = rig_take(&r, 'a', request, node, gpu, 1);
    struct job *b = rig_take(&r, 'b', request, node, gpu, 1);
    scheduler_usage_get(r.s, node, &usage);
    assert_int_equal(usage.cpus_used, 4 * ONE);
    assert_int_equal(usage.gpus_used, 2 * ONE);
    scheduler_node_open(r.s, node, true);
    rig_submit(&r, 'c', request, 50, 1);
    rig_submit(&r, 'd', (struct request){.cpus = 0}, 50, 2);
    assert_string_equal(rig_start_all(&r), "d");
    rig_give(&r, a);
    assert_string_equal(rig_start_all(&r), "");
    rig_give(&r, b);
    assert_string_equal(rig_start_all(&r), "c");
    rig_end(&r);
}

static void test_take_gpu_or_custom_that_is_gone_is_left_out(void **state)
{
    struct rig r;
    const char *gpus[] = {"n0g0", "gone", "n0g0"};
    struct custom_amount licence = {"licence", ONE};
    (void)state;
    rig_init(&r);
    uint32_t node = rig_node(&r, 2 * ONE, 1, 0);
    struct job *a =
        rig_take(&r, 'a', (struct request){.gpus = 2 * ONE, .custom = &licence, .n_custom = 1},
                 node, gpus, 3);
    assert_string_equal(rig_gpus(&r, a), "n0g0");
    rig_end(&r);
}

static void test_take_on_unknown_node_is_refused(void **state)
{
    struct rig r;
    struct allocation allocation = {.node = 0};
    (void)state;
    rig_init(&r);
    uint32_t node = rig_node(&r, ONE, 0, 0);
    struct job *a = rig_submit(&r, 'a', (struct request){.cpus = ONE}, 50, 1);
    struct job *b = rig_submit(&r, 'b', (struct request){.cpus = INT64_MAX}, 50, 1);
    assert_int_equal(scheduler_take(r.s, node + 1, a->cls, NULL, 0, &allocation), ERR_NOT_FOUND);
    assert_int_equal(scheduler_take(r.s, node, b->cls, NULL, 0, &allocation), ERR_INVALID);
    assert_int_equal(allocation.node, 0);
    scheduler_give(r.s, &allocation);
    rig_end(&r);
}

/* The allocation alone keeps its class alive. */
static void test_give_after_owner_dropped_the_class_frees_it(void **state)
{
    struct rig r;
    struct scheduler_class *cls;
    struct custom_amount licence = {"licence", ONE};
    struct request request = {.custom = &licence, .n_custom = 1};
    struct allocation allocation;
    (void)state;
    rig_init(&r);
    uint32_t node = rig_node_add(&r, &(struct node_resources){.custom = &licence, .n_custom = 1});
    assert_int_equal(scheduler_class_ref(r.s, &request, &cls), OK);
    assert_int_equal(scheduler_take(r.s, node, cls, NULL, 0, &allocation), OK);
    scheduler_class_unref(r.s, cls);
    scheduler_check(r.s);
    scheduler_give(r.s, &allocation);
    scheduler_check(r.s);
    rig_submit(&r, 'a', request, 50, 1);
    assert_string_equal(rig_start_all(&r), "a");
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take_holds_the_named_gpus),
        cmocka_unit_test(test_take_on_closed_and_full_node_overdraws_it),
        cmocka_unit_test(test_take_gpu_or_custom_that_is_gone_is_left_out),
        cmocka_unit_test(test_take_on_unknown_node_is_refused),
        cmocka_unit_test(test_give_after_owner_dropped_the_class_frees_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
