/* Items that want several nodes at once: all of them or none. */
#include "rig.h"

static const struct request pair = {.cpus = 2 * AMOUNT_ONE, .nodes = 2};
static const struct request one_cpu = {.cpus = AMOUNT_ONE};

static void test_gang_gets_different_nodes_all_at_once_or_none(void **state)
{
    struct rig r;
    struct scheduler_usage usage;
    (void)state;
    rig_init(&r);
    uint32_t first = rig_node(&r, 4 * ONE, 0, 0);
    struct job *job = rig_submit(&r, 'a', pair, 50, 1);
    assert_null(rig_next(&r)); /* the node has room for both, and is one */
    scheduler_usage_get(r.s, 0, &usage);
    assert_int_equal(usage.cpus_used, 0);
    uint32_t second = rig_node(&r, 2 * ONE, 0, 0);
    assert_ptr_equal(rig_next(&r), job);
    assert_int_equal(job->n_others, 1);
    assert_int_equal(job->allocation.node, second); /* the fuller one first */
    assert_int_equal(job->others[0].node, first);
    scheduler_usage_get(r.s, 0, &usage);
    assert_int_equal(usage.cpus_used, 4 * ONE);
    rig_end(&r);
}

static void
test_gang_that_does_not_fit_lets_others_go_and_starts_when_the_last_node_is_free(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    rig_node(&r, 2 * ONE, 0, 0);
    rig_node(&r, 2 * ONE, 0, 0);
    struct job *small = rig_submit(&r, 's', one_cpu, 50, 1);
    assert_string_equal(rig_start_all(&r), "s");
    rig_submit(&r, 'g', pair, 90, 2);
    struct job *other = rig_submit(&r, 'o', one_cpu, 50, 3);
    assert_string_equal(rig_start_all(&r), "o"); /* beside the first: binpack */
    rig_give(&r, other);
    assert_string_equal(rig_start_all(&r), ""); /* something is free, and not enough */
    rig_give(&r, small);
    assert_string_equal(rig_start_all(&r), "g");
    rig_end(&r);
}

static void test_two_gangs_that_need_the_same_nodes_go_one_after_the_other(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    rig_node(&r, 2 * ONE, 0, 0);
    rig_node(&r, 2 * ONE, 0, 0);
    struct job *a = rig_submit(&r, 'a', pair, 50, 1);
    struct job *b = rig_submit(&r, 'b', pair, 50, 2);
    assert_string_equal(rig_start_all(&r), "a");
    scheduler_give(r.s, &a->allocation); /* one of its nodes alone */
    scheduler_check(r.s);
    assert_string_equal(rig_start_all(&r), "");
    rig_give(&r, a);
    assert_string_equal(rig_start_all(&r), "b");
    rig_give(&r, b);
    rig_end(&r);
}

static void test_gang_goes_first_to_the_node_that_it_favours(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    rig_node(&r, 2 * ONE, 0, 0);
    uint32_t second = rig_node(&r, 3 * ONE, 0, 0), third = rig_node(&r, 4 * ONE, 0, 0);
    struct job *in = rig_submit(&r, 'a', pair, 50, 1);
    in->item.favour = second;
    assert_ptr_equal(rig_next(&r), in);
    assert_int_equal(in->allocation.node, second);
    assert_int_not_equal(in->others[0].node, third);
    rig_give(&r, in);
    struct job *out = rig_submit(&r, 'b', pair, 50, 2);
    out->item.favour = third; /* none of the two that fit best */
    assert_ptr_equal(rig_next(&r), out);
    assert_int_equal(out->allocation.node, third);
    rig_give(&r, out);
    struct job *away = rig_submit(&r, 'c', pair, 50, 3);
    away->item.avoid = second;
    assert_ptr_equal(rig_next(&r), away);
    assert_int_not_equal(away->allocation.node, second);
    assert_int_not_equal(away->others[0].node, second);
    rig_end(&r);
}

static void test_gang_counts_in_its_group_on_each_node(void **state)
{
    struct rig r;
    struct scheduler_group *group;
    const struct scheduler_limits limits = {.per_node = 1, .gpus = 3 * AMOUNT_ONE};
    const struct request request = {.gpus = AMOUNT_ONE, .nodes = 2};
    struct scheduler_class *cls;
    struct scheduler_item items[2];
    struct allocation taken[2], more[2];
    (void)state;
    rig_init(&r);
    for (int i = 0; i < 4; i++) {
        rig_node(&r, ONE, 2, 0);
    }
    assert_int_equal(scheduler_group_new(r.s, &limits, &group), OK);
    assert_int_equal(scheduler_group_class_ref(r.s, group, &request, &cls), OK);
    for (uint64_t i = 0; i < 2; i++) {
        scheduler_item_init(&items[i]);
        assert_int_equal(scheduler_enqueue(r.s, &items[i], cls, 50, i), OK);
    }
    assert_ptr_equal(scheduler_next(r.s, taken), &items[0]);
    assert_null(scheduler_next(r.s, more)); /* two of three GPUs are in use, and it wants two */
    scheduler_check(r.s);
    assert_int_equal(
        scheduler_group_limits_set(r.s, group, &(struct scheduler_limits){.per_node = 1}), OK);
    assert_ptr_equal(scheduler_next(r.s, more), &items[1]);
    for (int i = 0; i < 2; i++) { /* one of them on each node */
        assert_int_not_equal(more[i].node, taken[0].node);
        assert_int_not_equal(more[i].node, taken[1].node);
    }
    for (int i = 0; i < 2; i++) {
        scheduler_give(r.s, &taken[i]);
        scheduler_give(r.s, &more[i]);
        scheduler_check(r.s);
    }
    scheduler_class_unref(r.s, cls);
    scheduler_group_unref(r.s, group);
    rig_end(&r);
}

static void test_gang_can_run_where_there_are_as_many_nodes(void **state)
{
    struct rig r;
    const struct request three = {.cpus = 2 * AMOUNT_ONE, .nodes = 3};
    const struct request too_many = {.nodes = SCHEDULER_GANG_MAX + 1};
    struct scheduler_class *cls;
    (void)state;
    rig_init(&r);
    uint32_t first = rig_node(&r, 2 * ONE, 0, 0);
    rig_node(&r, ONE, 0, 0);
    assert_false(scheduler_is_satisfiable(r.s, &pair));
    assert_true(scheduler_node_is_capable(r.s, first, NULL, &pair));
    rig_node(&r, 2 * ONE, 0, 0);
    assert_true(scheduler_is_satisfiable(r.s, &pair));
    assert_false(scheduler_is_satisfiable(r.s, &three));
    assert_int_equal(scheduler_class_ref(r.s, &too_many, &cls), ERR_LIMIT);
    rig_end(&r);
}

static void test_gang_on_one_node_is_the_class_of_those_that_say_nothing(void **state)
{
    struct rig r;
    const struct request one = {.cpus = AMOUNT_ONE, .nodes = 1};
    (void)state;
    rig_init(&r);
    struct job *a = rig_submit(&r, 'a', one_cpu, 50, 1);
    struct job *b = rig_submit(&r, 'b', one, 50, 2);
    assert_ptr_equal(a->cls, b->cls);
    rig_end(&r);
}

static void test_explain_gang_says_how_many_nodes_are_missing(void **state)
{
    struct rig r;
    const struct request request = {.cpus = AMOUNT_ONE, .gpus = 4 * AMOUNT_ONE, .nodes = 2};
    (void)state;
    rig_init(&r);
    rig_node(&r, 8 * ONE, 2, 0);
    assert_string_equal(rig_explain(&r, request, NULL),
                        "needs 4 GPUs; no node has so many (largest: 2)");
    uint32_t large = rig_node(&r, 8 * ONE, 4, 0);
    assert_string_equal(rig_explain(&r, request, NULL),
                        "needs 2 nodes with 1 CPU, 4 GPUs each; 1 node has so much; "
                        "1 of 2 nodes can run it");
    rig_node(&r, 8 * ONE, 4, 0);
    struct job *taker = rig_submit(&r, 't', (struct request){.gpus = ONE}, 50, 1);
    taker->item.favour = large;
    assert_ptr_equal(rig_next(&r), taker);
    assert_string_equal(rig_explain(&r, request, NULL),
                        "needs 2 nodes with 1 CPU, 4 GPUs each; 1 has them free; "
                        "2 of 3 nodes can run it; waits for GPUs: 1 of 4 in use on 1 node");
    rig_give(&r, taker);
    assert_string_equal(rig_explain(&r, request, NULL),
                        "2 of 3 nodes can run it; 2 nodes have room for it now");
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gang_gets_different_nodes_all_at_once_or_none),
        cmocka_unit_test(
            test_gang_that_does_not_fit_lets_others_go_and_starts_when_the_last_node_is_free),
        cmocka_unit_test(test_two_gangs_that_need_the_same_nodes_go_one_after_the_other),
        cmocka_unit_test(test_gang_goes_first_to_the_node_that_it_favours),
        cmocka_unit_test(test_gang_counts_in_its_group_on_each_node),
        cmocka_unit_test(test_gang_can_run_where_there_are_as_many_nodes),
        cmocka_unit_test(test_gang_on_one_node_is_the_class_of_those_that_say_nothing),
        cmocka_unit_test(test_explain_gang_says_how_many_nodes_are_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
