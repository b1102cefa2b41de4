/* Groups, preferences and spread, a case each; the model test runs them against one another. */
#include "rig.h"

struct grouped {
    struct rig rig;
    struct scheduler_group *group;
    uint32_t nodes[3];
};

static void grouped_init(struct grouped *g, const struct scheduler_limits *limits)
{
    rig_init(&g->rig);
    assert_int_equal(scheduler_group_new(g->rig.s, limits, &g->group), OK);
    for (int i = 0; i < 3; i++) {
        g->nodes[i] = rig_node(&g->rig, 4 * ONE, 2, 8 * GIB);
    }
}

static struct job *grouped_submit(struct grouped *g, char name, struct request request)
{
    struct rig *rig = &g->rig;
    struct job *job = &rig->jobs[rig->n_jobs++];
    job->name = name;
    scheduler_item_init(&job->item);
    assert_int_equal(scheduler_group_class_ref(rig->s, g->group, &request, &job->cls), OK);
    assert_int_equal(scheduler_enqueue(rig->s, &job->item, job->cls, 50, rig->n_jobs), OK);
    scheduler_check(rig->s);
    return job;
}

static const char *grouped_explain(struct grouped *g, struct request request)
{
    static char text[1024];
    struct buf buf;
    buf_init(&buf, sizeof text - 1);
    scheduler_group_explain(g->rig.s, g->group, &request, NULL, &buf);
    snprintf(text, sizeof text, "%s", buf_text(&buf));
    buf_fini(&buf);
    return text;
}

static void grouped_end(struct grouped *g)
{
    struct rig *rig = &g->rig;
    for (uint32_t i = 0; i < rig->n_jobs; i++) {
        rig_give(rig, &rig->jobs[i]);
        scheduler_dequeue(rig->s, &rig->jobs[i].item);
        scheduler_class_unref(rig->s, rig->jobs[i].cls);
    }
    rig->n_jobs = 0;
    scheduler_group_unref(rig->s, g->group);
    rig_end(rig);
}

static void test_per_node_bounds_each_node_and_says_so(void **state)
{
    (void)state;
    struct grouped g;
    grouped_init(&g, &(struct scheduler_limits){.per_node = 1});
    struct request one = {.cpus = ONE};
    struct job *a = grouped_submit(&g, 'a', one);
    grouped_submit(&g, 'b', one);
    grouped_submit(&g, 'c', one);
    struct job *d = grouped_submit(&g, 'd', one);
    assert_string_equal(rig_start_all(&g.rig), "abc");
    assert_string_equal(grouped_explain(&g, one),
                        "limits.per_node is 1, and as many run on 3 nodes with room for more");
    rig_submit(&g.rig, 'o', one, 50, 99); /* another's work is not bound by it */
    assert_string_equal(rig_start_all(&g.rig), "o");
    uint32_t node = a->allocation.node;
    rig_give(&g.rig, a);
    assert_string_equal(rig_start_all(&g.rig), "d");
    assert_int_equal(d->allocation.node, node);
    grouped_end(&g);
}

static void test_what_is_held_counts_for_the_group_that_it_comes_into(void **state)
{
    (void)state;
    struct grouped g;
    grouped_init(&g, &(struct scheduler_limits){.per_node = 1, .gpus = 2 * ONE});
    struct request two = {.cpus = ONE, .gpus = 2 * ONE};
    struct job *before = rig_submit(&g.rig, 'o', two, 50, 1);
    assert_string_equal(rig_start_all(&g.rig), "o");
    struct job *a = grouped_submit(&g, 'a', two);
    assert_int_equal(scheduler_reclass(g.rig.s, &before->allocation, a->cls), OK);
    scheduler_check(g.rig.s);
    assert_string_equal(rig_start_all(&g.rig), ""); /* limits.gpus */
    rig_give(&g.rig, before);
    assert_string_equal(rig_start_all(&g.rig), "a");
    assert_int_equal(scheduler_reclass(g.rig.s, &before->allocation, a->cls), OK); /* nothing */
    grouped_end(&g);
}

static void test_gpus_bound_wakes_who_waits_for_another_node(void **state)
{
    (void)state;
    struct grouped g;
    grouped_init(&g, &(struct scheduler_limits){.gpus = 2 * ONE});
    struct request gpu = {.gpus = ONE};
    struct job *a = grouped_submit(&g, 'a', gpu);
    grouped_submit(&g, 'b', gpu);
    grouped_submit(&g, 'c', gpu);
    grouped_submit(&g, 'd', (struct request){.cpus = ONE}); /* needs none */
    assert_string_equal(rig_start_all(&g.rig), "abd");
    assert_string_equal(grouped_explain(&g, gpu), "limits.gpus is 2, and 2 are in use");
    /* What is given back lies on a node that is closed: the bound gives way all the same. */
    scheduler_node_open(g.rig.s, a->allocation.node, false);
    rig_give(&g.rig, a);
    assert_string_equal(rig_start_all(&g.rig), "c");
    grouped_end(&g);
}

static void test_gpus_bound_forgets_what_a_removed_node_held(void **state)
{
    (void)state;
    struct grouped g;
    grouped_init(&g, &(struct scheduler_limits){.gpus = ONE});
    struct job *a = grouped_submit(&g, 'a', (struct request){.gpus = ONE});
    struct job *b = grouped_submit(&g, 'b', (struct request){.gpus = ONE});
    assert_string_equal(rig_start_all(&g.rig), "a");
    scheduler_node_remove(g.rig.s, a->allocation.node);
    scheduler_check(g.rig.s);
    assert_string_equal(rig_start_all(&g.rig), "b");
    rig_give(&g.rig, a);
    rig_give(&g.rig, b);
    grouped_end(&g);
}

static void test_excluded_node_gets_nothing_until_it_is_taken_back(void **state)
{
    (void)state;
    struct grouped g;
    struct request four = {.cpus = 4 * ONE};
    grouped_init(&g, &(struct scheduler_limits){0});
    for (int i = 0; i < 2; i++) {
        assert_int_equal(scheduler_group_exclude(g.rig.s, g.group, g.nodes[i], true), OK);
    }
    assert_false(scheduler_node_is_capable(g.rig.s, g.nodes[0], g.group, &four));
    assert_true(scheduler_node_is_capable(g.rig.s, g.nodes[0], NULL, &four));
    assert_true(scheduler_node_is_capable(g.rig.s, g.nodes[2], g.group, &four));
    struct job *a = grouped_submit(&g, 'a', four);
    struct job *b = grouped_submit(&g, 'b', four);
    assert_string_equal(rig_start_all(&g.rig), "a");
    assert_int_equal(a->allocation.node, g.nodes[2]);
    assert_string_equal(grouped_explain(&g, four),
                        "waits for CPUs: 4 of 4 in use on 1 node; 2 nodes that could run it are "
                        "set aside (retries.node_failures)");
    assert_int_equal(scheduler_group_exclude(g.rig.s, g.group, g.nodes[1], false), OK);
    assert_string_equal(rig_start_all(&g.rig), "b");
    assert_int_equal(b->allocation.node, g.nodes[1]);
    assert_int_equal(scheduler_group_exclude(g.rig.s, g.group, 999, true), ERR_NOT_FOUND);
    grouped_end(&g);
}

static void test_groups_of_equal_requests_are_two_classes(void **state)
{
    (void)state;
    struct grouped g;
    struct scheduler_class *mine, *same, *other;
    struct request one = {.cpus = ONE};
    grouped_init(&g, &(struct scheduler_limits){0});
    assert_int_equal(scheduler_group_class_ref(g.rig.s, g.group, &one, &mine), OK);
    assert_int_equal(scheduler_group_class_ref(g.rig.s, g.group, &one, &same), OK);
    assert_int_equal(scheduler_class_ref(g.rig.s, &one, &other), OK);
    assert_ptr_equal(mine, same);
    assert_ptr_not_equal(mine, other);
    scheduler_class_unref(g.rig.s, mine);
    scheduler_class_unref(g.rig.s, same);
    scheduler_class_unref(g.rig.s, other);
    grouped_end(&g);
}

static void test_spread_takes_the_least_used_of_unequal_nodes(void **state)
{
    (void)state;
    struct rig rig;
    struct request one = {.cpus = ONE, .place = PLACE_SPREAD};
    rig_init(&rig);
    uint32_t large = rig_node(&rig, 8 * ONE, 0, 0);
    uint32_t small = rig_node(&rig, 2 * ONE, 0, 0);
    uint32_t n_large = 0, n_small = 0;
    for (int i = 0; i < 5; i++) {
        struct job *job = rig_submit(&rig, (char)('a' + i), one, 50, (uint64_t)i);
        rig_start_all(&rig);
        n_large += job->allocation.node == large;
        n_small += job->allocation.node == small;
    }
    assert_int_equal(n_large, 4);
    assert_int_equal(n_small, 1);
    rig_end(&rig);
}

static void test_prefer_first_outweighs_all_later_ones(void **state)
{
    (void)state;
    static const char *const a[] = {"a"}, *const b[] = {"b"}, *const yes[] = {"yes"};
    const struct require prefer[] = {{REQUIRE_EQUAL, "zone", a, 1, NULL},
                                     {REQUIRE_EQUAL, "ssd", yes, 1, NULL},
                                     {REQUIRE_EQUAL, "zone", b, 1, NULL}};
    struct request request = {.cpus = ONE, .prefer = prefer, .n_prefer = 3};
    struct rig rig;
    rig_init(&rig);
    struct env_pair ssd_b[] = {{"zone", "b"}, {"ssd", "yes"}};
    uint32_t second =
        rig_node_add(&rig, &(struct node_resources){.cpus = ONE, .labels = ssd_b, .n_labels = 2});
    uint32_t first = rig_node_labelled(&rig, ONE, "zone", "a");
    uint32_t last = rig_node_labelled(&rig, ONE, "zone", "c");
    const uint32_t expected[] = {first, second, last};
    for (int i = 0; i < 3; i++) {
        struct job *job = rig_submit(&rig, (char)('a' + i), request, 50, (uint64_t)i);
        rig_start_all(&rig);
        assert_int_equal(job->allocation.node, expected[i]);
    }
    rig_end(&rig);
}

static void test_avoid_is_taken_only_where_nothing_else_fits(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    uint32_t nodes[] = {rig_node(&rig, ONE, 0, 0), rig_node(&rig, ONE, 0, 0)};
    for (int i = 0; i < 2; i++) {
        struct job *job = rig_submit(&rig, (char)('a' + i), (struct request){.cpus = ONE}, 50, 1);
        job->item.avoid = nodes[0];
        rig_start_all(&rig);
        assert_int_equal(job->allocation.node, nodes[1 - i]);
    }
    rig_end(&rig);
}

static void test_favour_goes_before_the_order_of_nodes(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    uint32_t small = rig_node(&rig, ONE, 0, 0), large = rig_node(&rig, 3 * ONE, 0, 0);
    struct job *a = rig_submit(&rig, 'a', (struct request){.cpus = ONE}, 50, 1);
    a->item.favour = large;
    rig_start_all(&rig);
    assert_int_equal(a->allocation.node, large);
    struct job *b = rig_submit(&rig, 'b', (struct request){.cpus = ONE}, 50, 1);
    scheduler_node_open(rig.s, large, false);
    b->item.favour = large;
    rig_start_all(&rig);
    assert_int_equal(b->allocation.node, small);
    rig_end(&rig);
}

static void test_group_and_request_beyond_bounds_are_refused(void **state)
{
    (void)state;
    struct grouped g;
    struct scheduler_group *group;
    struct scheduler_class *cls;
    struct require many[SPEC_PREFER_MAX + 1];
    grouped_init(&g, &(struct scheduler_limits){0});
    for (int i = 0; i <= SPEC_PREFER_MAX; i++) {
        many[i] = (struct require){.op = REQUIRE_EXISTS, .label = "ssd"};
    }
    assert_int_equal(scheduler_group_new(g.rig.s, &(struct scheduler_limits){.gpus = -1}, &group),
                     ERR_INVALID);
    struct request request = {.prefer = many, .n_prefer = SPEC_PREFER_MAX + 1};
    assert_int_equal(scheduler_class_ref(g.rig.s, &request, &cls), ERR_LIMIT);
    request = (struct request){.place = (place_rule)7};
    assert_int_equal(scheduler_class_ref(g.rig.s, &request, &cls), ERR_INVALID);
    grouped_end(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_per_node_bounds_each_node_and_says_so),
        cmocka_unit_test(test_what_is_held_counts_for_the_group_that_it_comes_into),
        cmocka_unit_test(test_gpus_bound_wakes_who_waits_for_another_node),
        cmocka_unit_test(test_gpus_bound_forgets_what_a_removed_node_held),
        cmocka_unit_test(test_excluded_node_gets_nothing_until_it_is_taken_back),
        cmocka_unit_test(test_groups_of_equal_requests_are_two_classes),
        cmocka_unit_test(test_spread_takes_the_least_used_of_unequal_nodes),
        cmocka_unit_test(test_prefer_first_outweighs_all_later_ones),
        cmocka_unit_test(test_avoid_is_taken_only_where_nothing_else_fits),
        cmocka_unit_test(test_favour_goes_before_the_order_of_nodes),
        cmocka_unit_test(test_group_and_request_beyond_bounds_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
