#include "rig.h"

static const struct request one_cpu = {.cpus = AMOUNT_ONE};

static void test_node_closed_gets_nothing_until_opened(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    uint32_t node = rig_node(&r, 2 * ONE, 0, 0);
    struct job *a = rig_submit(&r, 'a', one_cpu, 50, 1);
    assert_string_equal(rig_start_all(&r), "a");
    scheduler_node_open(r.s, node, false);
    rig_submit(&r, 'b', one_cpu, 50, 2);
    assert_string_equal(rig_start_all(&r), "");
    rig_give(&r, a);
    assert_string_equal(rig_start_all(&r), "");
    scheduler_node_open(r.s, node, true);
    scheduler_node_open(r.s, node, true);
    assert_string_equal(rig_start_all(&r), "b");
    rig_end(&r);
}

static void test_node_added_unblocks_what_waits(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    rig_submit(&r, 'a', one_cpu, 50, 1);
    rig_submit(&r, 'b', (struct request){.gpus = ONE}, 50, 2);
    assert_string_equal(rig_start_all(&r), "");
    rig_node(&r, 1 * ONE, 0, 0);
    assert_string_equal(rig_start_all(&r), "a");
    rig_node(&r, 1 * ONE, 1, 0);
    assert_string_equal(rig_start_all(&r), "b");
    rig_end(&r);
}

static void test_node_removed_forgets_its_allocations(void **state)
{
    struct rig r;
    struct scheduler_usage usage;
    (void)state;
    rig_init(&r);
    uint32_t old = rig_node(&r, 2 * ONE, 1, GIB);
    struct job *a =
        rig_submit(&r, 'a', (struct request){.cpus = ONE, .gpus = ONE, .memory_bytes = GIB}, 50, 1);
    assert_string_equal(rig_start_all(&r), "a");
    scheduler_node_remove(r.s, old);
    scheduler_check(r.s);
    scheduler_usage_get(r.s, 0, &usage);
    assert_int_equal(usage.nodes, 0);
    assert_int_equal(usage.cpus_used, 0);

    uint32_t again = rig_node(&r, 2 * ONE, 1, GIB);
    assert_int_not_equal(again, old);
    rig_give(&r, a);
    scheduler_usage_get(r.s, 0, &usage);
    assert_int_equal(usage.cpus_total, 2 * ONE);
    assert_int_equal(usage.cpus_used, 0);
    assert_int_equal(usage.gpus_used, 0);
    rig_end(&r);
}

static void test_node_gpu_listed_twice_counts_once(void **state)
{
    struct rig r;
    struct scheduler_usage usage;
    const char *gpus[] = {"A", "B", "A", "A", "B"};
    (void)state;
    rig_init(&r);
    uint32_t node =
        rig_node_add(&r, &(struct node_resources){.cpus = ONE, .gpus = gpus, .n_gpus = 5});
    scheduler_usage_get(r.s, node, &usage);
    assert_int_equal(usage.gpus_total, 2 * ONE);
    assert_string_equal(scheduler_gpu_uuid(r.s, node, 1), "B");
    assert_false(scheduler_is_satisfiable(r.s, &(struct request){.gpus = 3 * ONE}));
    assert_true(scheduler_is_satisfiable(r.s, &(struct request){.gpus = 2 * ONE}));
    rig_end(&r);
}

static void test_node_wrong_resources_are_refused(void **state)
{
    struct rig r;
    char uuids[NODE_GPUS_MAX + 1][8], overlong[GPU_UUID_MAX + 2];
    const char *many[NODE_GPUS_MAX + 1], *empty[] = {""}, *too_long[] = {overlong};
    struct custom_amount custom[NODE_CUSTOM_MAX + 1] = {{"x", -1}};
    uint32_t node = 77;
    (void)state;
    rig_init(&r);
    memset(overlong, 'u', sizeof overlong - 1);
    overlong[sizeof overlong - 1] = '\0';
    for (size_t i = 0; i < NODE_GPUS_MAX + 1; i++) {
        snprintf(uuids[i], sizeof uuids[i], "g%zu", i);
        many[i] = uuids[i];
    }
    const struct {
        struct node_resources resources;
        error_code error;
    } wrong[] = {
        {{.cpus = -1}, ERR_INVALID},
        {{.gpus = empty, .n_gpus = 1}, ERR_INVALID},
        {{.gpus = too_long, .n_gpus = 1}, ERR_INVALID},
        {{.gpus = many, .n_gpus = NODE_GPUS_MAX + 1}, ERR_LIMIT},
        {{.custom = custom, .n_custom = 1}, ERR_INVALID},
        {{.custom = custom, .n_custom = NODE_CUSTOM_MAX + 1}, ERR_LIMIT},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(scheduler_node_add(r.s, &wrong[i].resources, &node), wrong[i].error);
    }
    assert_int_equal(node, 77);
    rig_node_add(&r, &(struct node_resources){.gpus = many, .n_gpus = NODE_GPUS_MAX});
    rig_end(&r);
}

/* An agent whose limits say "no limit" must not overflow any sum. */
static void test_node_endless_amounts_are_cut_to_the_maximum(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    for (int i = 0; i < 8; i++) {
        rig_node_add(&r, &(struct node_resources){.cpus = INT64_MAX, .memory_bytes = UINT64_MAX});
    }
    rig_submit(&r, 'a', (struct request){.cpus = ONE, .memory_bytes = 512 * GIB}, 50, 1);
    rig_submit(&r, 'b', (struct request){.cpus = INT64_MAX}, 50, 1);
    rig_submit(&r, 'c', (struct request){.memory_bytes = UINT64_MAX}, 50, 1);
    assert_string_equal(rig_start_all(&r), "a");
    rig_end(&r);
}

static void test_usage_follows_what_is_taken(void **state)
{
    struct rig r;
    struct scheduler_usage usage;
    (void)state;
    rig_init(&r);
    uint32_t node = rig_node(&r, 4 * ONE, 2, 8 * GIB);
    scheduler_node_open(r.s, rig_node(&r, 4 * ONE, 0, 0), false);
    rig_submit(&r, 'a', (struct request){.cpus = ONE, .gpus = ONE / 2, .memory_bytes = GIB}, 50, 1);
    rig_submit(&r, 'b', (struct request){.cpus = 9 * ONE}, 50, 1);
    assert_string_equal(rig_start_all(&r), "a");
    for (uint32_t which = 0; which < 2; which++) {
        scheduler_usage_get(r.s, which == 0 ? 0 : node, &usage);
        assert_int_equal(usage.nodes, which == 0 ? 2 : 1);
        assert_int_equal(usage.nodes_open, 1);
        assert_int_equal(usage.cpus_total, which == 0 ? 8 * ONE : 4 * ONE);
        assert_int_equal(usage.cpus_used, ONE);
        assert_int_equal(usage.gpus_total, 2 * ONE);
        assert_int_equal(usage.gpus_used, ONE / 2);
        assert_int_equal(usage.memory_total, 8 * GIB);
        assert_int_equal(usage.memory_used, GIB);
        assert_int_equal(usage.items_waiting, which == 0 ? 1 : 0);
    }
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_node_closed_gets_nothing_until_opened),
        cmocka_unit_test(test_node_added_unblocks_what_waits),
        cmocka_unit_test(test_node_removed_forgets_its_allocations),
        cmocka_unit_test(test_node_gpu_listed_twice_counts_once),
        cmocka_unit_test(test_node_wrong_resources_are_refused),
        cmocka_unit_test(test_node_endless_amounts_are_cut_to_the_maximum),
        cmocka_unit_test(test_usage_follows_what_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
