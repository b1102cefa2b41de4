#include "rig.h"

static const char *const a_value[] = {"a"}, *const models[] = {"H100", "H200"};

static const struct require zone_is_a = {REQUIRE_EQUAL, "zone", a_value, 1, "zone == a"};
static const struct require zone_is_not_a = {REQUIRE_NOT_EQUAL, "zone", a_value, 1, "zone != a"};
static const struct require model_in = {REQUIRE_IN, "gpu.model", models, 2,
                                        "gpu.model in (H100, H200)"};
static const struct require model_not_in = {REQUIRE_NOT_IN, "gpu.model", models, 2,
                                            "gpu.model not in (H100, H200)"};
static const struct require has_zone = {REQUIRE_EXISTS, "zone", NULL, 0, "zone"};

static void test_fit_require_judges_each_label_as_written(void **state)
{
    static const struct {
        const struct require *require;
        const char *name, *value;
        bool is_met;
    } table[] = {
        {&zone_is_a, "zone", "a", true},
        {&zone_is_a, "zone", "b", false},
        {&zone_is_a, "rack", "a", false},
        {&zone_is_not_a, "zone", "a", false},
        {&zone_is_not_a, "zone", "b", true},
        {&zone_is_not_a, "rack", "a", true},
        {&model_in, "gpu.model", "H200", true},
        {&model_in, "gpu.model", "A100", false},
        {&model_in, "zone", "H100", false},
        {&model_not_in, "gpu.model", "H100", false},
        {&model_not_in, "gpu.model", "A100", true},
        {&model_not_in, "zone", "H100", true},
        {&has_zone, "zone", "", true},
        {&has_zone, "zone", "a", true},
        {&has_zone, "zon", "a", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct rig r;
        rig_init(&r);
        rig_node_labelled(&r, ONE, table[i].name, table[i].value);
        struct request request = {.cpus = ONE, .require = table[i].require, .n_require = 1};
        rig_submit(&r, 'x', request, 50, 1);
        bool can_ever = scheduler_is_satisfiable(r.s, &request);
        bool starts = rig_next(&r) != NULL;
        if (can_ever != table[i].is_met || starts != table[i].is_met) {
            fail_msg("%s on %s=%s", table[i].require->text, table[i].name, table[i].value);
        }
        rig_end(&r);
    }
}

static void test_fit_all_requires_must_hold_on_one_node(void **state)
{
    struct rig r;
    struct require both[] = {zone_is_a, model_in};
    struct request request = {.cpus = ONE, .require = both, .n_require = 2};
    struct env_pair labels[] = {{"gpu.model", "H100"}, {"zone", "a"}, {"zone", "b"}};
    (void)state;
    rig_init(&r);
    rig_node_labelled(&r, ONE, "zone", "a");
    rig_node_labelled(&r, ONE, "gpu.model", "H100");
    rig_submit(&r, 'x', request, 50, 1);
    assert_string_equal(rig_start_all(&r), "");
    assert_false(scheduler_is_satisfiable(r.s, &request));
    rig_node_add(&r, &(struct node_resources){.cpus = ONE, .labels = labels, .n_labels = 3});
    assert_string_equal(rig_start_all(&r), "x");
    rig_end(&r);
}

static void test_fit_satisfiable_counts_closed_and_full_nodes(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    assert_false(scheduler_is_satisfiable(r.s, &(struct request){.cpus = 0}));
    uint32_t node = rig_node(&r, 2 * ONE, 2, 4 * GIB);
    rig_submit(&r, 'a', (struct request){.cpus = 2 * ONE, .gpus = 2 * ONE}, 50, 1);
    assert_string_equal(rig_start_all(&r), "a");
    scheduler_node_open(r.s, node, false);
    assert_true(scheduler_is_satisfiable(r.s, &(struct request){.cpus = 2 * ONE}));
    assert_true(scheduler_is_satisfiable(r.s, &(struct request){.gpus = ONE / 2}));
    assert_true(scheduler_is_satisfiable(r.s, &(struct request){.gpus = 2 * ONE}));
    assert_false(scheduler_is_satisfiable(r.s, &(struct request){.gpus = 3 * ONE}));
    assert_false(scheduler_is_satisfiable(r.s, &(struct request){.cpus = 2 * ONE + 1}));
    assert_false(scheduler_is_satisfiable(r.s, &(struct request){.memory_bytes = 5 * GIB}));
    assert_false(scheduler_is_satisfiable(r.s, &(struct request){.memory_bytes = UINT64_MAX}));
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fit_require_judges_each_label_as_written),
        cmocka_unit_test(test_fit_all_requires_must_hold_on_one_node),
        cmocka_unit_test(test_fit_satisfiable_counts_closed_and_full_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
