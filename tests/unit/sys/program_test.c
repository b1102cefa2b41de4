/* Which program starts this muster again: itself, or the launcher beside its own loader. */
#include "../folder.h"
#include "sys/program.h"

static void test_program_that_runs_by_itself_is_itself(void **state)
{
    (void)state;
    char path[PATH_MAX];
    assert_int_equal(program_path_of("/usr/bin/muster", path), OK);
    assert_string_equal(path, "/usr/bin/muster");
    assert_int_equal(program_path_of("/opt/ld-tools/bin/muster", path), OK);
    assert_string_equal(path, "/opt/ld-tools/bin/muster");
    assert_int_equal(program_path_of("/opt/bin/ld-muster", path), OK);
    assert_string_equal(path, "/opt/bin/ld-muster");
}

static void test_program_under_a_loader_is_the_launcher(void **state)
{
    (void)state;
    char path[PATH_MAX];
    assert_int_equal(program_path_of("/opt/muster/lib/ld-linux-x86-64.so.2", path), OK);
    assert_string_equal(path, "/opt/muster/bin/muster");
    assert_int_equal(program_path_of("/lib/ld-linux-aarch64.so.1", path), OK);
    assert_string_equal(path, "/bin/muster");
}

static void test_program_path_past_its_limit_is_refused(void **state)
{
    (void)state;
    char path[PATH_MAX] = "as it was", exe[PATH_MAX + 64];
    assert_int_equal(program_path_of("no-folder", path), ERR_INVALID);
    memset(exe, 'a', sizeof exe);
    exe[0] = '/';
    exe[sizeof exe - 1] = '\0';
    assert_int_equal(program_path_of(exe, path), ERR_INVALID);
    assert_string_equal(path, "as it was");
}

static void test_program_beside_is_found_only_if_it_can_be_run(void **state)
{
    (void)state;
    char path[PATH_MAX], self[PATH_MAX];
    assert_int_equal(program_path(self, NULL), OK);
    assert_true(program_beside(strrchr(self, '/') + 1, path));
    assert_string_equal(path, self);
    assert_false(program_beside("no-such-program", path));
    assert_false(program_beside(".", path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_program_that_runs_by_itself_is_itself),
        cmocka_unit_test(test_program_under_a_loader_is_the_launcher),
        cmocka_unit_test(test_program_path_past_its_limit_is_refused),
        cmocka_unit_test(test_program_beside_is_found_only_if_it_can_be_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
