/* Ten thousand nodes and as many items as they can run, in several shapes of the day. What is
 * asserted is that nothing is lost or placed wrongly at size; the time of a decision is printed,
 * never asserted. */
#include <time.h>

#include "base/random.h"
#include "rig.h"

enum { NODES = 10000, CPUS = 16, ITEMS = NODES * CPUS };

struct load {
    struct scheduler *s;
    struct scheduler_item *items;
    struct allocation *allocations;
};

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void print_cost(const char *what, uint64_t decisions, double since_us)
{
    print_message("size: %-58s %9.3f us each\n", what, (now_us() - since_us) / (double)decisions);
}

/* Only every 1000th node has the label `rare`. */
static void load_init(struct load *load)
{
    struct env_pair labels[] = {{"host", ""}, {"zone", "a"}, {"rare", "yes"}};
    char host[24];
    assert_int_equal(scheduler_new(&load->s), OK);
    double start = now_us();
    for (uint32_t i = 0; i < NODES; i++) {
        uint32_t node;
        snprintf(host, sizeof host, "node-%05u", i);
        labels[0].value = host;
        struct node_resources resources = {.cpus = CPUS * ONE,
                                           .memory_bytes = 64 * GIB,
                                           .labels = labels,
                                           .n_labels = i % 1000 == 999 ? 3 : 2};
        assert_int_equal(scheduler_node_add(load->s, &resources, &node), OK);
    }
    print_cost("add a node", NODES, start);
    load->items = calloc(ITEMS, sizeof *load->items);
    load->allocations = calloc(ITEMS, sizeof *load->allocations);
    for (uint32_t i = 0; i < ITEMS; i++) {
        scheduler_item_init(&load->items[i]);
    }
}

static void load_fini(struct load *load)
{
    scheduler_check(load->s);
    scheduler_free(load->s);
    free(load->items);
    free(load->allocations);
}

static void load_enqueue(struct load *load, struct scheduler_class *cls, uint32_t first,
                         uint32_t count)
{
    double start = now_us();
    for (uint32_t i = first; i < first + count; i++) {
        assert_int_equal(scheduler_enqueue(load->s, &load->items[i], cls, 50, i), OK);
    }
    print_cost("enqueue", count, start);
}

static struct scheduler_class *load_class(struct load *load, struct request request)
{
    struct scheduler_class *cls;
    assert_int_equal(scheduler_class_ref(load->s, &request, &cls), OK);
    return cls;
}

/* Starts all that can start; each lands in its item's place. */
static uint32_t load_start(struct load *load)
{
    struct allocation allocation;
    uint32_t count = 0;
    for (struct scheduler_item *item; (item = scheduler_next(load->s, &allocation)) != NULL;) {
        load->allocations[item - load->items] = allocation;
        count++;
    }
    return count;
}

static void test_size_idle_cluster_fills_up(void **state)
{
    struct load load;
    (void)state;
    load_init(&load);
    struct scheduler_class *cls = load_class(&load, (struct request){.cpus = ONE});
    load_enqueue(&load, cls, 0, ITEMS);
    double start = now_us();
    assert_int_equal(load_start(&load), ITEMS);
    print_cost("place one CPU, from idle to full", ITEMS, start);

    /* Full: one ends, the next of equal shape takes its place. */
    struct random random;
    random_init(&random, 1, 1);
    double turns = now_us();
    for (uint32_t i = 0; i < 100000; i++) {
        uint32_t k = (uint32_t)random_below(&random, ITEMS);
        scheduler_give(load.s, &load.allocations[k]);
        assert_int_equal(scheduler_enqueue(load.s, &load.items[k], cls, 50, i), OK);
        assert_int_equal(load_start(&load), 1);
    }
    print_cost("give back, enqueue and place, cluster full", 100000, turns);
    load_fini(&load);
}

/* Many classes wait that nothing fits; those that fit must not pay for them at every decision. */
static void test_size_blocked_classes_do_not_slow_the_others(void **state)
{
    struct load load;
    (void)state;
    load_init(&load);
    enum { BLOCKED = 1000 };
    for (uint32_t i = 0; i < BLOCKED; i++) {
        struct scheduler_class *cls =
            load_class(&load, (struct request){.cpus = ONE, .gpus = ONE, .memory_bytes = i + 1});
        assert_int_equal(scheduler_enqueue(load.s, &load.items[i], cls, 60, i), OK);
    }
    struct scheduler_class *cls = load_class(&load, (struct request){.cpus = ONE});
    load_enqueue(&load, cls, BLOCKED, ITEMS - BLOCKED);
    double start = now_us();
    assert_int_equal(load_start(&load), ITEMS - BLOCKED);
    print_cost("place one CPU behind 1,000 blocked classes", ITEMS - BLOCKED, start);
    start = now_us();
    for (uint32_t i = ITEMS - 1000; i < ITEMS; i++) {
        scheduler_give(load.s, &load.allocations[i]);
        assert_int_equal(load_start(&load), 0);
    }
    print_cost("give back, 1,000 blocked classes look again", 1000, start);
    load_fini(&load);
}

/* The worst for the search: labels that one node in a thousand has. */
static void test_size_rare_label_is_found(void **state)
{
    struct load load;
    (void)state;
    load_init(&load);
    static const struct require rare = {REQUIRE_EXISTS, "rare", NULL, 0, "rare"};
    struct scheduler_class *cls =
        load_class(&load, (struct request){.cpus = ONE, .require = &rare, .n_require = 1});
    load_enqueue(&load, cls, 0, 1000);
    double start = now_us();
    assert_int_equal(load_start(&load), NODES / 1000 * CPUS);
    print_cost("place by a rare label", NODES / 1000 * CPUS, start);
    start = now_us();
    for (uint32_t i = 0; i < 100; i++) {
        scheduler_give(load.s, &load.allocations[i]);
        assert_int_equal(load_start(&load), 1);
    }
    print_cost("give back and place by a rare label", 100, start);
    load_fini(&load);
}

/* Once the few preferred nodes are full, every node with room has to be looked at. */
static void test_size_preferred_nodes_fill_first_and_the_rest_follows(void **state)
{
    enum { PLACED = NODES / 1000 * CPUS + 1000 };
    struct load load;
    (void)state;
    load_init(&load);
    static const struct require rare = {REQUIRE_EXISTS, "rare", NULL, 0, "rare"};
    struct scheduler_class *cls = load_class(
        &load,
        (struct request){.cpus = ONE, .place = PLACE_SPREAD, .prefer = &rare, .n_prefer = 1});
    load_enqueue(&load, cls, 0, PLACED);
    double start = now_us();
    assert_int_equal(load_start(&load), PLACED);
    print_cost("place by a preference that few nodes meet", PLACED, start);
    load_fini(&load);
}

/* A group's bound rules out the nodes that hold its items already. */
static void test_size_group_bounds_each_node(void **state)
{
    struct load load;
    struct scheduler_group *group;
    (void)state;
    load_init(&load);
    struct scheduler_limits limits = {.per_node = 1};
    assert_int_equal(scheduler_group_new(load.s, &limits, &group), OK);
    struct request request = {.cpus = ONE, .place = PLACE_SPREAD};
    struct scheduler_class *cls;
    assert_int_equal(scheduler_group_class_ref(load.s, group, &request, &cls), OK);
    load_enqueue(&load, cls, 0, NODES + 1);
    double start = now_us();
    assert_int_equal(load_start(&load), NODES);
    print_cost("spread one a node over all nodes", NODES, start);
    scheduler_group_unref(load.s, group);
    load_fini(&load);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size_idle_cluster_fills_up),
        cmocka_unit_test(test_size_blocked_classes_do_not_slow_the_others),
        cmocka_unit_test(test_size_rare_label_is_found),
        cmocka_unit_test(test_size_preferred_nodes_fill_first_and_the_rest_follows),
        cmocka_unit_test(test_size_group_bounds_each_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
