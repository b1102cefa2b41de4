/* How many processes a trial is. */
#include "rig.h"

static void launch_of(const char *more, launch_mode launch, uint32_t ranks)
{
    struct arena arena;
    struct sweep_spec spec;
    char text[512];
    snprintf(text, sizeof text, LEAST "%s\n", more);
    parsed(text, &arena, &spec);
    assert_int_equal(spec.launch, launch);
    assert_int_equal(spec.ranks, ranks);
    arena_fini(&arena);
}

static void test_launch_defaults_to_one_process_that_has_no_rank(void **state)
{
    (void)state;
    launch_of("", LAUNCH_ONE, 0);
    launch_of("launch: one", LAUNCH_ONE, 0);
}

static void test_launch_ranks_are_one_for_each_gpu_or_as_many_as_asked_for(void **state)
{
    (void)state;
    launch_of("launch: ranks", LAUNCH_RANKS, 1);
    launch_of("launch: ranks\nresources: {gpus: 4}", LAUNCH_RANKS, 4);
    launch_of("launch: ranks\nresources: {gpus: 0.5}", LAUNCH_RANKS, 1);
    launch_of("launch: ranks\nresources: {gpus: 2, ranks: 8}", LAUNCH_RANKS, 8);
    launch_of("resources: {ranks: 128}\nlaunch: ranks", LAUNCH_RANKS, 128);
}

static void nodes_of(const char *more, uint32_t nodes, uint32_t ranks)
{
    struct arena arena;
    struct sweep_spec spec;
    char text[512];
    snprintf(text, sizeof text, LEAST "%s\n", more);
    parsed(text, &arena, &spec);
    assert_int_equal(spec.resources.nodes, nodes);
    assert_int_equal(spec.ranks, ranks);
    arena_fini(&arena);
}

static void test_resources_nodes_is_one_or_what_is_said_and_ranks_are_of_each(void **state)
{
    (void)state;
    nodes_of("", 1, 0);
    nodes_of("resources: {nodes: 1}", 1, 0);
    nodes_of("launch: ranks\nresources: {nodes: 2}", 2, 1);
    nodes_of("launch: ranks\nresources: {nodes: 4, gpus: 8}", 4, 8);
    nodes_of("launch: ranks\nresources: {nodes: 64, ranks: 16}", 64, 16);
}

static void test_timeouts_rank_is_ten_minutes_or_what_is_said(void **state)
{
    (void)state;
    struct arena arena;
    struct sweep_spec spec;
    parsed(LEAST, &arena, &spec);
    assert_int_equal(spec.timeouts.rank_ms, 600000);
    arena_fini(&arena);
    parsed(LEAST "timeouts: {rank: 90s}\n", &arena, &spec);
    assert_int_equal(spec.timeouts.rank_ms, 90000);
    arena_fini(&arena);
}

static const struct refused wrong[] = {
    REFUSED(LEAST "launch: two", ERR_INVALID, 4, 9, "`launch` cannot be 'two'; write one or ranks"),
    REFUSED(LEAST "resources: {ranks: 2}", ERR_INVALID, 4, 20,
            "`resources.ranks` needs `launch: ranks`: with `launch: one` the command starts its "
            "own processes"),
    REFUSED(LEAST "launch: ranks\nresources: {ranks: 0}", ERR_INVALID, 5, 20,
            "`resources.ranks` must be 1 to 128, not 0"),
    REFUSED(LEAST "launch: ranks\nresources: {ranks: 129}", ERR_INVALID, 5, 20,
            "`resources.ranks` must be 1 to 128, not 129"),
    REFUSED(LEAST "launch: ranks\nresources: {gpus: 200}", ERR_INVALID, 5, 12,
            "a trial has at most 128 ranks"),
    REFUSED(LEAST "resources: {nodes: 2}", ERR_INVALID, 4, 20,
            "`resources.nodes` above 1 needs `launch: ranks`: the command is started as so many "
            "ranks on each node"),
    REFUSED(LEAST "launch: ranks\nresources: {nodes: 0}", ERR_INVALID, 5, 20,
            "`resources.nodes` must be 1 to 64, not 0"),
    REFUSED(LEAST "launch: ranks\nresources: {nodes: 65}", ERR_INVALID, 5, 20,
            "`resources.nodes` must be 1 to 64, not 65"),
    REFUSED(LEAST "launch: ranks\nresources: {nodes: 9, ranks: 128}", ERR_INVALID, 5, 20,
            "9 nodes with 128 ranks each are 1152 ranks, and a trial has at most 1024"),
    REFUSED(LEAST "timeouts: {rank: 0}", ERR_INVALID, 4, 18,
            "`timeouts.rank` must be 1ms to 1d, not 0"),
};

static void test_launch_that_cannot_be_says_why(void **state)
{
    (void)state;
    refused_check(wrong, sizeof wrong / sizeof wrong[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_launch_defaults_to_one_process_that_has_no_rank),
        cmocka_unit_test(test_launch_ranks_are_one_for_each_gpu_or_as_many_as_asked_for),
        cmocka_unit_test(test_resources_nodes_is_one_or_what_is_said_and_ranks_are_of_each),
        cmocka_unit_test(test_timeouts_rank_is_ten_minutes_or_what_is_said),
        cmocka_unit_test(test_launch_that_cannot_be_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
