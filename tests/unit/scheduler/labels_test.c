/* Labels of a node that lives change at once, and what runs there stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "scheduler/scheduler.h"

static void test_labels_set_anew_let_a_waiting_item_start_and_keep_what_runs(void **state)
{
    (void)state;
    struct scheduler *s;
    struct scheduler_class *cls;
    struct scheduler_item items[2];
    struct allocation allocations[2];
    uint32_t node;
    static const char *const values[] = {"nvme"};
    static const struct require require = {REQUIRE_EQUAL, "disk", values, 1, "disk == nvme"};
    static const struct env_pair with[] = {{"zone", "a"}, {"disk", "nvme"}},
                                 without[] = {{"zone", "a"}};
    struct node_resources resources = {.cpus = 2 * AMOUNT_ONE, .labels = without, .n_labels = 1};
    struct request request = {.cpus = AMOUNT_ONE, .require = &require, .n_require = 1};
    assert_int_equal(scheduler_new(&s), OK);
    assert_int_equal(scheduler_node_add(s, &resources, &node), OK);
    assert_int_equal(scheduler_class_ref(s, &request, &cls), OK);
    for (int i = 0; i < 2; i++) {
        scheduler_item_init(&items[i]);
        assert_int_equal(scheduler_enqueue(s, &items[i], cls, 50, (uint64_t)i), OK);
    }
    assert_null(scheduler_next(s, &allocations[0]));
    assert_false(scheduler_is_satisfiable(s, &request));
    assert_int_equal(scheduler_node_labels_set(s, node, with, 2), OK);
    assert_true(scheduler_is_satisfiable(s, &request));
    assert_ptr_equal(scheduler_next(s, &allocations[0]), &items[0]);
    assert_int_equal(scheduler_node_labels_set(s, node, without, 1), OK);
    assert_null(scheduler_next(s, &allocations[1]));
    struct scheduler_usage usage;
    scheduler_usage_get(s, node, &usage);
    assert_int_equal(usage.cpus_used, AMOUNT_ONE); /* it runs on */
    scheduler_check(s);
    assert_int_equal(scheduler_node_labels_set(s, node, NULL, 0), OK);
    assert_int_equal(scheduler_node_labels_set(s, node + 9, NULL, 0), ERR_NOT_FOUND);
    assert_int_equal(scheduler_node_labels_set(s, node, with, NODE_LABELS_MAX + 1), ERR_LIMIT);
    scheduler_give(s, &allocations[0]);
    scheduler_check(s);
    scheduler_dequeue(s, &items[1]);
    scheduler_class_unref(s, cls);
    scheduler_free(s);
    assert_int_equal(mem_live_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labels_set_anew_let_a_waiting_item_start_and_keep_what_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
