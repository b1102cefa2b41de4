/* Limits as the files of cgroup v1 and v2 tell them, from made-up trees; and this machine as it is.
 */
#include "../folder.h"
#include "sys/machine.h"

enum { GIB = 1 << 30 };

static void tree_write(void **state, const char *name, const char *text)
{
    char folder[512];
    snprintf(folder, sizeof folder, "%s", folder_path(state, name));
    *strrchr(folder, '/') = '\0';
    assert_int_equal(dir_make(folder, NULL), OK);
    folder_write(state, name, text);
}

static void tree_begin(void **state, const char *cgroup)
{
    tree_write(state, "proc/meminfo",
               "MemTotal:       1073741824 kB\nMemFree: 1 kB\nMemAvailable:   1072693248 kB\n");
    tree_write(state, "proc/self/cgroup", cgroup);
}

static struct machine tree_read(void **state)
{
    struct machine machine;
    struct report report = {0};
    if (machine_read(*state, &machine, &report) != OK) {
        fail_msg("%s", report.text);
    }
    return machine;
}

static void test_machine_without_limits_is_the_whole_machine(void **state)
{
    tree_begin(state, "0::/\n");
    tree_write(state, "sys/fs/cgroup/cgroup.procs", "1\n");
    struct machine machine = tree_read(state);
    assert_false(machine.has_cpu_limit || machine.has_memory_limit);
    assert_int_equal(machine.memory_bytes, (uint64_t)1024 * GIB);
    assert_int_equal(machine.cpus % MACHINE_CPU_ONE, 0);
    assert_true(machine.cpus >= MACHINE_CPU_ONE && machine.host[0] != '\0');
}

static void test_machine_v2_takes_the_lowest_limit_of_all_groups_above(void **state)
{
    tree_begin(state, "0::/pod/box\n");
    tree_write(state, "sys/fs/cgroup/pod/box/cgroup.procs", "1\n");
    tree_write(state, "sys/fs/cgroup/pod/box/cpu.max", "max 100000\n");
    tree_write(state, "sys/fs/cgroup/pod/cpu.max", "50000 100000\n");
    tree_write(state, "sys/fs/cgroup/pod/box/memory.max", "2147483648\n");
    tree_write(state, "sys/fs/cgroup/pod/memory.max", "max\n");
    struct machine machine = tree_read(state);
    assert_int_equal(machine.cpus, MACHINE_CPU_ONE / 2);
    assert_int_equal(machine.memory_bytes, (uint64_t)2 * GIB);
    assert_true(machine.has_cpu_limit && machine.has_memory_limit);
}

static void test_machine_v1_limits_are_seen(void **state)
{
    tree_begin(state, "9:name=systemd:/x\n5:memory:/box\n3:cpu,cpuacct:/box\n2:cpuset:/\n0::/\n");
    tree_write(state, "sys/fs/cgroup/cpu/box/tasks", "1\n");
    tree_write(state, "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "25000\n");
    tree_write(state, "sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "100000\n");
    tree_write(state, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    tree_write(state, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    tree_write(state, "sys/fs/cgroup/memory/box/tasks", "1\n");
    tree_write(state, "sys/fs/cgroup/memory/box/memory.limit_in_bytes", "536870912\n");
    tree_write(state, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    tree_write(state, "sys/fs/cgroup/memory/box/memory.oom_control",
               "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
    struct machine machine = tree_read(state);
    assert_int_equal(machine.cpus, MACHINE_CPU_ONE / 4);
    assert_int_equal(machine.memory_bytes, (uint64_t)GIB / 2);
    uint64_t kills = 0;
    assert_true(machine_oom_kills(*state, &kills));
    assert_int_equal(kills, 3);
}

/* Docker without a cgroup namespace: the path is the host's, the files lie at the top. */
static void test_machine_path_of_the_host_falls_back_to_the_top(void **state)
{
    tree_begin(state, "0::/docker/0123\n");
    tree_write(state, "sys/fs/cgroup/cgroup.procs", "1\n");
    tree_write(state, "sys/fs/cgroup/memory.max", "1073741824\n");
    tree_write(state, "sys/fs/cgroup/memory.events", "low 0\noom 1\noom_kill 2\n");
    assert_int_equal(tree_read(state).memory_bytes, (uint64_t)GIB);
    uint64_t kills = 0;
    assert_true(machine_oom_kills(*state, &kills));
    assert_int_equal(kills, 2);
}

static void test_machine_garbage_in_the_files_is_no_limit(void **state)
{
    tree_begin(state, "garbage\n:\n7\n0::/a\n");
    tree_write(state, "sys/fs/cgroup/a/cgroup.procs", "");
    tree_write(state, "sys/fs/cgroup/a/cpu.max", "100000 0\n");
    tree_write(state, "sys/fs/cgroup/a/memory.max", "lots\n");
    struct machine machine = tree_read(state);
    assert_false(machine.has_cpu_limit || machine.has_memory_limit);
    uint64_t kills = 77;
    assert_false(machine_oom_kills(*state, &kills));
    assert_int_equal(kills, 77);
}

static void test_machine_without_proc_is_an_error(void **state)
{
    struct machine machine;
    struct report report = {0};
    assert_int_equal(machine_read(*state, &machine, &report), ERR_SYSTEM);
    assert_non_null(strstr(report.text, "meminfo"));
}

static void test_machine_load_counts_from_call_to_call(void **state)
{
    tree_begin(state, "0::/a\n");
    tree_write(state, "sys/fs/cgroup/a/cgroup.procs", "");
    tree_write(state, "sys/fs/cgroup/a/cpu.max", "100000 100000\n");
    tree_write(state, "sys/fs/cgroup/a/cpu.stat", "usage_usec 1000000\nuser_usec 1\n");
    struct machine machine = tree_read(state);
    struct machine_meter meter = {0};
    struct machine_load load;
    machine_load_read(*state, &machine, &meter, &load);
    assert_int_equal(load.cpu_permille, 0);
    assert_int_equal(load.memory_used_bytes, GIB);
    tree_write(state, "sys/fs/cgroup/a/cpu.stat",
               "usage_usec 99000000\n"); /* far more than could be */
    machine_load_read(*state, &machine, &meter, &load);
    assert_int_equal(load.cpu_permille, 1000);
    machine_load_read(*state, &machine, &meter, &load);
    assert_int_equal(load.cpu_permille, 0);
}

static void test_machine_available_is_the_least_of_machine_and_groups(void **state)
{
    uint64_t available = 0;
    tree_begin(state, "0::/pod/box\n");
    tree_write(state, "sys/fs/cgroup/pod/box/cgroup.procs", "1\n");
    assert_true(machine_memory_available(*state, &available));
    assert_int_equal(available, 1072693248ULL * 1024);
    tree_write(state, "sys/fs/cgroup/pod/memory.max", "2147483648\n");
    tree_write(state, "sys/fs/cgroup/pod/memory.current", "2147479552\n");
    tree_write(state, "sys/fs/cgroup/pod/memory.stat",
               "anon 5\nfile 7\ninactive_anon 1\ninactive_file 8192\nactive_file 4096\n");
    assert_true(machine_memory_available(*state, &available));
    assert_int_equal(available, 4096 + 8192 + 4096);
    tree_write(state, "sys/fs/cgroup/pod/box/memory.max", "1000000\n");
    tree_write(state, "sys/fs/cgroup/pod/box/memory.current", "2000000\n"); /* lowered lately */
    assert_true(machine_memory_available(*state, &available));
    assert_int_equal(available, 0);
}

static void test_machine_this_one_can_be_read(void **state)
{
    (void)state;
    struct machine machine;
    assert_int_equal(machine_read("", &machine, NULL), OK);
    assert_true(machine.cpus > 0 && machine.memory_bytes > (16 << 20));
    struct machine_meter meter = {0};
    struct machine_load load;
    machine_load_read("", &machine, &meter, &load);
    assert_true(load.memory_used_bytes > 0);
    assert_true(meter.at_us > 0 && meter.busy_us > 0);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_machine_without_limits_is_the_whole_machine),
        IN_FOLDER(test_machine_v2_takes_the_lowest_limit_of_all_groups_above),
        IN_FOLDER(test_machine_v1_limits_are_seen),
        IN_FOLDER(test_machine_path_of_the_host_falls_back_to_the_top),
        IN_FOLDER(test_machine_garbage_in_the_files_is_no_limit),
        IN_FOLDER(test_machine_without_proc_is_an_error),
        IN_FOLDER(test_machine_load_counts_from_call_to_call),
        IN_FOLDER(test_machine_available_is_the_least_of_machine_and_groups),
        IN_FOLDER(test_machine_this_one_can_be_read),
    };
    return cmocka_run_group_tests_name("sys/machine", tests, NULL, NULL);
}
