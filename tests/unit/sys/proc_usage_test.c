/* What process trees use: real processes, made as attempts are. */
#include "process_rig.h"
#include "sys/proc_usage.h"

static void test_usage_counts_descendants_and_orphans_of_each_tree(void **state)
{
    struct rig rig;
    rig_begin(&rig);
    struct proctree_mark marks[2];
    assert_int_equal(proctree_mark_make("x/node", "1.1.0", 1, &marks[0]), OK);
    assert_int_equal(proctree_mark_make("x/node", "1.2.0", 2, &marks[1]), OK);
    /* A child with a child, and one whose parent and session are gone. */
    struct spawn_result tree = rig_start_shell(
        &rig, "sh -c 'sleep 1000 & echo r >a; wait' & setsid sh -c 'sleep 1000 & echo $! >b'; wait",
        *state, marks[0].number);
    struct spawn_result alone = rig_start_shell(&rig, "exec sleep 1000", *state, marks[1].number);
    rig_wait_file(folder_path(state, "a"));
    rig_wait_file(folder_path(state, "b"));
    struct proc_usage usages[2] = {0};
    time_ms deadline = clock_now() + RIG_DEADLINE_MS;
    do { /* the shell between is on its way out, others are in the middle of an exec */
        proc_usages_fini(usages, 2);
        usages[0] = (struct proc_usage){.main = tree.pid, .number = marks[0].number};
        usages[1] = (struct proc_usage){.main = alone.pid, .number = marks[1].number};
        assert_int_equal(proc_usages_read(usages, 2), OK);
        assert_true(clock_now() < deadline);
    } while (usages[0].n_pids != 4 || strcmp(usages[1].largest_name, "sleep") != 0 ||
             usages[0].rss_bytes <= usages[1].rss_bytes);
    assert_int_equal(usages[1].n_pids, 1);
    assert_int_equal(usages[1].largest, alone.pid);
    assert_string_equal(usages[1].largest_name, "sleep");
    assert_true(usages[1].rss_bytes > 4096 && usages[0].rss_bytes > usages[1].rss_bytes);
    uint64_t pss = 0;
    assert_true(proc_usage_pss(&usages[0], &pss));
    assert_true(pss > 0 && pss < usages[0].rss_bytes); /* four share a C library */
    proc_usages_fini(usages, 2);
    for (int i = 0; i < 2; i++) {
        uint32_t killed;
        struct proctree_target target = {.mark = marks[i], .main = i == 0 ? tree.pid : alone.pid};
        assert_int_equal(proctree_kill(&target, &killed), OK);
        waitpid(target.main, NULL, 0);
    }
    rig_end(&rig);
}

static void test_usage_of_what_is_gone_is_nothing(void **state)
{
    (void)state;
    struct proc_usage usage = {.main = 0x3fffffff};
    uint64_t pss = 77;
    assert_int_equal(proc_usages_read(&usage, 1), OK);
    assert_int_equal(usage.rss_bytes, 0);
    assert_int_equal(usage.cpu_ms, 0);
    assert_false(proc_usage_pss(&usage, &pss));
    assert_int_equal(pss, 77);
    proc_usages_fini(&usage, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_usage_counts_descendants_and_orphans_of_each_tree,
                                        folder_setup, folder_teardown),
        cmocka_unit_test(test_usage_of_what_is_gone_is_nothing),
    };
    return proctree_adopt(NULL) != OK ||
           cmocka_run_group_tests_name("sys/proc_usage", tests, NULL, NULL) != 0;
}
