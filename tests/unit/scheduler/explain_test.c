#include "rig.h"

static const char *const a_value[] = {"a"};
static const struct require zone_is_a = {REQUIRE_EQUAL, "zone", a_value, 1, "zone == a"};
static const struct require has_ssd = {REQUIRE_EXISTS, "ssd", NULL, 0, "ssd"};
static const struct request one_cpu = {.cpus = AMOUNT_ONE};

static void test_explain_without_nodes_says_so(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    assert_string_equal(rig_explain(&r, one_cpu, NULL), "no node is there yet");
    rig_end(&r);
}

static void test_explain_too_large_names_amount_and_largest(void **state)
{
    struct rig r;
    struct custom_amount has = {"licence", ONE}, asks = {"licence", 2 * ONE}, other = {"tape", ONE};
    (void)state;
    rig_init(&r);
    rig_node(&r, 4 * ONE, 2, 3 * GIB / 2);
    rig_node_add(&r, &(struct node_resources){.cpus = ONE, .custom = &has, .n_custom = 1});
    const struct {
        struct request request;
        const char *text;
    } table[] = {
        {{.gpus = 3 * ONE}, "needs 3 GPUs; no node has so many (largest: 2)"},
        {{.cpus = 5 * ONE}, "needs 5 CPUs; no node has so many (largest: 4)"},
        {{.memory_bytes = 2 * GIB},
         "needs 2 GiB of memory; no node has so much (largest: 1.5 GiB)"},
        {{.custom = &asks, .n_custom = 1}, "needs 2 licence; no node has so many (largest: 1)"},
        {{.custom = &other, .n_custom = 1}, "needs 1 tape; no node has any"},
        {{.cpus = 9 * ONE, .gpus = 8 * ONE},
         "needs 9 CPUs; no node has so many (largest: 4); "
         "needs 8 GPUs; no node has so many (largest: 2)"},
        {{.cpus = ONE, .gpus = ONE / 2, .custom = &has, .n_custom = 1},
         "needs 1 CPU, 0.5 GPU, 1 licence; no node has all of it together"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        assert_string_equal(rig_explain(&r, table[i].request, NULL), table[i].text);
        assert_false(scheduler_is_satisfiable(r.s, &table[i].request));
    }
    rig_end(&r);
}

static void test_explain_labels_names_what_no_node_has(void **state)
{
    struct rig r;
    struct require both[] = {zone_is_a, has_ssd};
    struct request request = {.cpus = ONE, .require = both, .n_require = 2};
    (void)state;
    rig_init(&r);
    rig_node_labelled(&r, 2 * ONE, "zone", "b");
    assert_string_equal(rig_explain(&r, request, NULL),
                        "no node has label zone == a; no node has label ssd");
    rig_node_labelled(&r, 2 * ONE, "ssd", "");
    assert_string_equal(rig_explain(&r, request, NULL), "no node has label zone == a");
    rig_node_labelled(&r, 2 * ONE, "zone", "a");
    assert_string_equal(rig_explain(&r, request, NULL),
                        "no node has all of these labels: zone == a, ssd");
    request.n_require = 1;
    request.cpus = 3 * ONE;
    assert_string_equal(rig_explain(&r, request, NULL),
                        "needs 3 CPUs; no node with these labels has so many (largest: 2)");
    rig_end(&r);
}

static void test_explain_full_node_names_what_is_in_use(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    rig_node(&r, 2 * ONE, 0, 0);
    rig_submit(&r, 'a', one_cpu, 50, 1);
    rig_submit(&r, 'b', one_cpu, 50, 2);
    struct job *c = rig_submit(&r, 'c', one_cpu, 50, 3);
    struct job *d = rig_submit(&r, 'd', (struct request){.cpus = 2 * ONE}, 50, 4);
    assert_string_equal(rig_start_all(&r), "ab");
    assert_string_equal(rig_explain(&r, one_cpu, c), "waits for CPUs: 2 of 2 in use on 1 node");
    assert_string_equal(
        rig_explain(&r, (struct request){.cpus = 2 * ONE}, d),
        "waits for CPUs: 2 of 2 in use on 1 node; 1 item is before it in the queue");
    rig_end(&r);
}

static void test_explain_gpus_and_memory_in_use_are_summed_over_nodes(void **state)
{
    struct rig r;
    struct request request = {.gpus = 2 * ONE, .memory_bytes = 4 * GIB};
    (void)state;
    rig_init(&r);
    rig_node(&r, 9 * ONE, 0, 0);
    rig_node(&r, 9 * ONE, 2, 4 * GIB);
    rig_node(&r, 9 * ONE, 3, 8 * GIB);
    rig_submit(&r, 'a', (struct request){.gpus = ONE / 2, .memory_bytes = GIB}, 50, 1);
    rig_submit(&r, 'b', (struct request){.gpus = 2 * ONE}, 50, 2);
    rig_submit(&r, 'c', request, 50, 3);
    assert_string_equal(rig_start_all(&r), "ab");
    assert_string_equal(rig_explain(&r, request, NULL),
                        "2 of 3 nodes can run it; waits for GPUs: 2.5 of 5 in use on 2 nodes; "
                        "waits for memory: 1 GiB of 4 GiB in use on 1 node");
    rig_end(&r);
}

static void test_explain_closed_nodes_are_named(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    uint32_t first = rig_node(&r, 2 * ONE, 0, 0), second = rig_node(&r, 2 * ONE, 0, 0);
    scheduler_node_open(r.s, first, false);
    scheduler_node_open(r.s, second, false);
    assert_string_equal(rig_explain(&r, one_cpu, NULL),
                        "2 nodes that could run it are closed (suspect, draining or cordoned)");
    scheduler_node_open(r.s, second, true);
    assert_string_equal(rig_explain(&r, one_cpu, NULL),
                        "1 node that could run it is closed (suspect, draining or cordoned); "
                        "1 node has room for it now");
    rig_end(&r);
}

static void test_explain_counts_items_before_it_across_classes(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    for (uint64_t i = 0; i < 20; i++) {
        rig_submit(&r, 'x', one_cpu, i < 5 ? 60 : 50, i);
        rig_submit(&r, 'y', (struct request){.cpus = 2 * ONE}, 40, i);
    }
    struct job *last = rig_submit(&r, 'z', (struct request){.cpus = 3 * ONE}, 50, 10);
    struct job *y = &r.jobs[1];
    assert_string_equal(rig_explain(&r, (struct request){.cpus = 3 * ONE}, last),
                        "no node is there yet; 11 items are before it in the queue");
    assert_string_equal(rig_explain(&r, (struct request){.cpus = 2 * ONE}, y),
                        "no node is there yet; 21 items are before it in the queue");
    scheduler_dequeue(r.s, &last->item);
    assert_string_equal(rig_explain(&r, one_cpu, last), "no node is there yet");
    rig_end(&r);
}

static void test_explain_small_buffer_fails_without_harm(void **state)
{
    struct rig r;
    struct buf text;
    (void)state;
    rig_init(&r);
    for (size_t max = 0; max < 40; max++) {
        buf_init(&text, max);
        scheduler_explain(r.s, &(struct request){.gpus = 3 * ONE / 2}, NULL, &text);
        assert_int_equal(text.failed, ERR_LIMIT);
        buf_fini(&text);
    }
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_explain_without_nodes_says_so),
        cmocka_unit_test(test_explain_too_large_names_amount_and_largest),
        cmocka_unit_test(test_explain_labels_names_what_no_node_has),
        cmocka_unit_test(test_explain_full_node_names_what_is_in_use),
        cmocka_unit_test(test_explain_gpus_and_memory_in_use_are_summed_over_nodes),
        cmocka_unit_test(test_explain_closed_nodes_are_named),
        cmocka_unit_test(test_explain_counts_items_before_it_across_classes),
        cmocka_unit_test(test_explain_small_buffer_fails_without_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
