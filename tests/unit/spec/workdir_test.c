/* The work folder's keys, and the script that prepares it. */
#include "rig.h"

static void test_workdir_as_a_path_alone_has_every_default(void **state)
{
    struct arena arena;
    struct sweep_spec spec;
    (void)state;
    parsed(LEAST "workdir: ../here", &arena, &spec);
    assert_string_equal(spec.workdir, "../here");
    assert_int_equal(spec.work.n_ignore, 0);
    assert_int_equal(spec.work.max_bytes, 200 << 20);
    assert_string_equal(spec.setup, "");
    arena_fini(&arena);
}

static void test_workdir_block_is_read_whole(void **state)
{
    struct arena arena;
    struct sweep_spec spec;
    (void)state;
    parsed(LEAST "workdir: {path: x, mode: snapshot, ignore: [data/, '!a b', '*.o'], max: 1G}",
           &arena, &spec);
    assert_int_equal(spec.work.mode, WORKDIR_SNAPSHOT);
    assert_int_equal(spec.work.n_ignore, 3);
    assert_string_equal(spec.work.ignore[1], "!a b");
    assert_int_equal(spec.work.max_bytes, 1 << 30);
    arena_fini(&arena);
}

static void test_setup_list_becomes_the_lines_of_one_script(void **state)
{
    struct arena arena;
    struct sweep_spec spec;
    (void)state;
    parsed(LEAST "setup: [make, 'echo $X > y']", &arena, &spec);
    assert_string_equal(spec.setup, "make\necho $X > y");
    arena_fini(&arena);
    parsed(LEAST "setup: ./prepare.sh", &arena, &spec);
    assert_string_equal(spec.setup, "./prepare.sh");
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workdir_as_a_path_alone_has_every_default),
        cmocka_unit_test(test_workdir_block_is_read_whole),
        cmocka_unit_test(test_setup_list_becomes_the_lines_of_one_script),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
