/* Failpoints: what their rules mean, and that a build without them has none. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "../folder.h"
#include "sys/failpoints.h"

static void test_table_has_each_name_once(void **state)
{
    (void)state;
    assert_true(FAILPOINTS_COUNT >= 20);
    for (int i = 0; i < FAILPOINTS_COUNT; i++) {
        assert_non_null(strchr(failpoint_table[i].name, '.'));
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(failpoint_table[i].name, failpoint_table[j].name);
        }
    }
}

#ifdef MUSTER_FAILPOINTS

static error_code open_with(const char *rules, struct report *report)
{
    setenv("MUSTER_FAILPOINTS", rules, 1);
    return failpoints_open("head", report);
}

/* At which of the first `n` passages the point fails, as bits from the lowest. */
static unsigned fails_of(unsigned n)
{
    unsigned bits = 0;
    for (unsigned i = 0; i < n; i++) {
        errno = 0;
        bits |= FAILPOINT_FAILS(FILE_RENAME) ? 1U << i : 0;
        assert_int_equal(errno, bits >> i & 1 ? ENOSPC : 0);
    }
    return bits;
}

static void test_error_at_the_third_passage_fails_there_only(void **state)
{
    (void)state;
    assert_int_equal(open_with("file.rename=error:ENOSPC@3", NULL), OK);
    assert_int_equal(fails_of(6), 1U << 2);
    assert_int_equal(open_with("file.sync=kill@1,file.rename=error:ENOSPC", NULL), OK);
    assert_int_equal(fails_of(3), 7);
    assert_int_equal(open_with("", NULL), OK);
    assert_int_equal(fails_of(3), 0);
}

static void test_chance_follows_the_seed(void **state)
{
    (void)state;
    unsigned drawn[3];
    for (unsigned i = 0; i < 3; i++) {
        setenv("MUSTER_FAILPOINTS_SEED", i < 2 ? "7" : "8", 1);
        assert_int_equal(open_with("file.rename=error:ENOSPC%50", NULL), OK);
        drawn[i] = fails_of(32);
    }
    assert_int_equal(drawn[0], drawn[1]);
    assert_int_not_equal(drawn[0], drawn[2]);
    assert_in_range(__builtin_popcount(drawn[0]), 6, 26);
    unsetenv("MUSTER_FAILPOINTS_SEED");
}

static void test_rule_of_another_role_is_not_ours(void **state)
{
    (void)state;
    assert_int_equal(open_with("worker/file.rename=error:ENOSPC", NULL), OK);
    assert_int_equal(fails_of(2), 0);
    assert_int_equal(open_with("head/file.rename=error:ENOSPC", NULL), OK);
    assert_int_equal(fails_of(2), 3);
}

static void test_mark_lets_a_rule_act_once(void **state)
{
    setenv("MUSTER_FAILPOINTS_MARKS", folder_path(state, ""), 1);
    for (unsigned start = 0; start < 2; start++) { /* a process that was started again */
        assert_int_equal(open_with("file.rename=error:ENOSPC", NULL), OK);
        assert_int_equal(fails_of(4), start == 0 ? 1 : 0);
    }
    assert_int_equal(access(folder_path(state, "file.rename"), F_OK), 0);
    unsetenv("MUSTER_FAILPOINTS_MARKS");
}

static int end_of_child(const char *rules, int n)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        error_code error = open_with(rules, NULL);
        for (int i = 0; error == OK && i < n; i++) {
            FAILPOINT(STORE_SEND);
        }
        _exit(error == OK ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    if (WIFSTOPPED(status)) {
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
    }
    return status;
}

static void test_kill_and_stop_hit_the_process_itself(void **state)
{
    (void)state;
    int status = end_of_child("store.send=kill@2", 2);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    status = end_of_child("store.send=kill@2", 1);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    status = end_of_child("store.send=stop", 1);
    assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    status = end_of_child("store.send=delay:1", 2);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_wrong_rules_are_refused_with_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *rules, *word;
    } cases[] = {
        {"nothing", "POINT=ACTION"},        {"no.such=kill", "no.such"},
        {"file.sync=explode", "explode"},   {"file.sync=kill:3", "no argument"},
        {"file.sync=delay", "needs"},       {"file.sync=delay:-1", "delay"},
        {"file.sync=error:EXXX", "EXXX"},   {"store.take=error:EIO", "cannot fail"},
        {"file.sync=kill@0", "passage"},    {"file.sync=kill%101", "chance"},
        {"file.sync=kill@2x", "passage"},   {"file.sync=kill,x=kill", "no failpoint x"},
        {"worker/no.such=kill", "no.such"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct report report = {0};
        assert_int_not_equal(open_with(cases[i].rules, &report), OK);
        if (strstr(report.text, cases[i].word) == NULL) {
            fail_msg("%s: %s", cases[i].rules, report.text);
        }
    }
}

#else

static void test_build_without_them_refuses_rules(void **state)
{
    (void)state;
    struct report report = {0};
    assert_false(failpoints_are_built());
    unsetenv("MUSTER_FAILPOINTS");
    assert_int_equal(failpoints_open("head", &report), OK);
    setenv("MUSTER_FAILPOINTS", "file.rename=kill", 1);
    assert_int_equal(failpoints_open("head", &report), ERR_UNSUPPORTED);
    assert_non_null(strstr(report.text, "MUSTER_FAILPOINTS=ON"));
    assert_false(FAILPOINT_FAILS(FILE_RENAME)); /* and nothing kills us here */
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_has_each_name_once),
#ifdef MUSTER_FAILPOINTS
        cmocka_unit_test(test_error_at_the_third_passage_fails_there_only),
        cmocka_unit_test(test_chance_follows_the_seed),
        cmocka_unit_test(test_rule_of_another_role_is_not_ours),
        cmocka_unit_test_setup_teardown(test_mark_lets_a_rule_act_once, folder_setup,
                                        folder_teardown),
        cmocka_unit_test(test_kill_and_stop_hit_the_process_itself),
        cmocka_unit_test(test_wrong_rules_are_refused_with_what_is_wrong),
#else
        cmocka_unit_test(test_build_without_them_refuses_rules),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
