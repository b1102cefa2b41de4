/* Real process trees that do not want to end. */
#include <inttypes.h>

#include "process_rig.h"

static int group_setup(void **state)
{
    (void)state;
    return proctree_adopt(NULL) == OK ? 0 : -1;
}

/* A name that no other run of this test, and no other test, has. */
static struct proctree_mark mark_make(const char *name, uint32_t serial)
{
    char prefix[64];
    struct proctree_mark mark;
    snprintf(prefix, sizeof prefix, "unit-%d/node", (int)getpid());
    assert_int_equal(proctree_mark_make(prefix, name, serial, &mark), OK);
    return mark;
}

static struct spawn_result start_marked(struct rig *rig, const char *script, const char *folder,
                                        const struct proctree_mark *mark)
{
    char env[PROCTREE_TEXT_MAX + 32];
    snprintf(env, sizeof env, PROCTREE_ENV "=%s", mark->text);
    const char *const envp[] = {env, "PATH=/usr/local/bin:/usr/bin:/bin", NULL};
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    const struct spawn_request request = {.argv = argv,
                                          .envp = envp,
                                          .folder = folder,
                                          .out_fd = -1,
                                          .err_fd = -1,
                                          .mark = mark->number};
    struct spawn_result result = rig_start(rig, &request);
    assert_int_equal(result.place, SPAWN_NONE);
    return result;
}

static pid_t pid_read(void **state, const char *name)
{
    rig_wait_file(folder_path(state, name));
    struct buf text;
    buf_init(&text, 64);
    assert_int_equal(file_read_bounded(folder_path(state, name), &text, NULL), OK);
    pid_t pid = (pid_t)strtol(buf_text(&text), NULL, 10);
    buf_fini(&text);
    assert_true(pid > 1);
    return pid;
}

static bool pid_is_alive(pid_t pid)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    bool is_alive = file != NULL && fgets(text, sizeof text, file) != NULL &&
                    strstr(text, ") Z ") == NULL && strstr(text, ") X ") == NULL;
    if (file != NULL) {
        fclose(file);
    }
    return is_alive;
}

static uint32_t members(const struct proctree_target *target)
{
    struct proctree_usage usage;
    assert_int_equal(proctree_measure(target, &usage), OK);
    return usage.n_processes;
}

/* The end as the worker does it: the main process has ended and is not reaped yet. */
static uint32_t tree_end(const struct proctree_target *target, const struct spawn_result *main)
{
    uint32_t killed = 0;
    assert_int_equal(proctree_kill(target, &killed), OK);
    assert_int_equal(members(target), 0);
    waitpid(main->pid, NULL, 0);
    return killed;
}

static void test_proctree_main_alone_leaves_no_orphan(void **state)
{
    struct rig rig;
    rig_begin(&rig);
    struct proctree_mark mark = mark_make("1.1.0", 1);
    struct spawn_result result = start_marked(&rig, "exit 0", *state, &mark);
    assert_true(rig_has_ended(result.pidfd, RIG_DEADLINE_MS));
    bool is_known;
    assert_false(proctree_has_orphans(0, &is_known));
    assert_true(is_known);
    assert_int_equal(rig_wait(&result), 0); /* the check did not reap it */
    rig_end(&rig);
}

static void test_proctree_running_attempts_of_the_spawner_are_no_orphans(void **state)
{
    struct rig rig;
    rig_begin(&rig);
    struct proctree_mark mark = mark_make("1.1.0", 1);
    struct spawn_result result = start_marked(&rig, "exec sleep 1000", *state, &mark);
    bool is_known;
    assert_false(proctree_has_orphans(0, &is_known));
    kill(result.pid, SIGKILL);
    rig_wait(&result);
    rig_end(&rig);
}

/* setsid, a cleared environment, closed streams, and a parent that is gone. */
static void test_proctree_daemon_that_left_everything_is_found_and_killed(void **state)
{
    struct rig rig;
    rig_begin(&rig);
    struct proctree_mark mark = mark_make("1.1.0", 1);
    struct spawn_result result = start_marked(
        &rig,
        "setsid env -i /bin/sh -c 'trap \"\" TERM HUP; echo $$ >daemon; exec sleep 1000' "
        "</dev/null >/dev/null 2>&1 & "
        "while ! test -s daemon; do sleep 0.01; done",
        *state, &mark);
    pid_t daemon = pid_read(state, "daemon");
    assert_true(rig_has_ended(result.pidfd, RIG_DEADLINE_MS));
    bool is_known;
    struct proctree_mark other = mark_make("1.2.0", 2);
    assert_true(proctree_has_orphans(0, &is_known));
    assert_true(proctree_has_orphans(mark.number, &is_known));
    assert_false(proctree_has_orphans(other.number, &is_known)); /* it is another attempt's */
    assert_true(pid_is_alive(daemon));

    const struct proctree_target target = {.mark = mark, .main = result.pid};
    assert_int_equal(tree_end(&target, &result), 1);
    assert_false(pid_is_alive(daemon));
    assert_false(proctree_has_orphans(0, &is_known));
    rig_end(&rig);
}

/* As sudo does it: limits reset, environment cleared, session left. Nothing marks it any more. */
static void test_proctree_stranger_ends_with_the_last_attempt_only(void **state)
{
    struct rig rig;
    rig_begin(&rig);
    struct proctree_mark mark = mark_make("1.1.0", 1);
    struct spawn_result result = start_marked(
        &rig,
        "setsid prlimit --locks=unlimited env -i /bin/sh -c 'echo $$ >daemon; exec sleep 1000' & "
        "while ! test -s daemon; do sleep 0.01; done",
        *state, &mark);
    pid_t daemon = pid_read(state, "daemon");
    assert_true(rig_has_ended(result.pidfd, RIG_DEADLINE_MS));
    bool is_known;
    assert_true(proctree_has_orphans(0, &is_known));

    struct proctree_target target = {.mark = mark, .main = result.pid};
    uint32_t killed = 9;
    assert_int_equal(proctree_kill(&target, &killed), OK);
    assert_int_equal(killed, 0);
    assert_true(pid_is_alive(daemon)); /* it may be another attempt's */
    target.has_strangers = true;
    assert_int_equal(tree_end(&target, &result), 1);
    assert_false(pid_is_alive(daemon));
    rig_end(&rig);
}

static void test_proctree_kill_spares_other_attempts_and_their_daemons(void **state)
{
    struct rig rig;
    rig_begin(&rig);
    struct proctree_mark mine = mark_make("1.1.0", 1), other = mark_make("1.1.01", 2);
    const char *script =
        "setsid env -i /bin/sh -c 'echo $$ >%s; exec sleep 1000' & exec sleep 1000";
    char first[256], second[256];
    snprintf(first, sizeof first, script, "mine");
    snprintf(second, sizeof second, script, "other");
    struct spawn_result a = start_marked(&rig, first, *state, &mine);
    struct spawn_result b = start_marked(&rig, second, *state, &other);
    pid_t my_daemon = pid_read(state, "mine"), other_daemon = pid_read(state, "other");

    struct proctree_target target = {.mark = mine, .main = a.pid, .has_strangers = true};
    assert_int_equal(members(&target), 2);
    assert_int_equal(tree_end(&target, &a), 2);
    assert_false(pid_is_alive(my_daemon));
    assert_true(pid_is_alive(b.pid));
    assert_true(pid_is_alive(other_daemon));
    target = (struct proctree_target){.mark = other, .main = b.pid};
    assert_int_equal(tree_end(&target, &b), 2);
    rig_end(&rig);
}

static void test_proctree_twenty_children_that_ignore_everything_end(void **state)
{
    struct rig rig;
    rig_begin(&rig);
    struct proctree_mark mark = mark_make("1.1.0", 1);
    struct spawn_result result = start_marked(
        &rig,
        "trap '' TERM INT HUP; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do "
        "(setsid sleep 1000) & done; echo ready >ready; wait",
        *state, &mark);
    const struct proctree_target target = {.mark = mark, .main = result.pid};
    rig_wait_file(folder_path(state, "ready"));
    time_ms deadline = clock_now() + RIG_DEADLINE_MS;
    while (members(&target) < 21) {
        assert_true(clock_now() < deadline);
    }
    kill(result.pid, SIGTERM);
    assert_false(rig_has_ended(result.pidfd, 50));
    uint32_t killed = tree_end(&target, &result);
    assert_true(killed >= 21);
    rig_end(&rig);
}

/* Every process of it makes the next ones for as long as it is not stopped, and this test lives; 40
 * at a time at most. */
static void test_proctree_fork_bomb_ends(void **state)
{
    struct rig rig;
    char bomb[512];
    rig_begin(&rig);
    struct proctree_mark mark = mark_make("1.1.0", 1);
    snprintf(bomb, sizeof bomb,
             "bomb() { while [ -d /proc/%d ]; do for i in 1 2 3 4 5 6 7 8; do (setsid sh -c 'sleep "
             "0.05; exit 0' & sleep 0.02) & done; wait; done; }; echo ready >ready; bomb & bomb & "
             "bomb & wait",
             (int)getpid());
    struct spawn_result result = start_marked(&rig, bomb, *state, &mark);
    rig_wait_file(folder_path(state, "ready"));
    const struct proctree_target target = {.mark = mark, .main = result.pid};
    kill(result.pid, SIGKILL);
    assert_true(rig_has_ended(result.pidfd, RIG_DEADLINE_MS));
    tree_end(&target, &result);
    bool is_known;
    assert_false(proctree_has_orphans(0, &is_known));
    rig_end(&rig);
}

static void test_proctree_stopped_processes_are_killed(void **state)
{
    struct rig rig;
    rig_begin(&rig);
    struct proctree_mark mark = mark_make("1.1.0", 1);
    struct spawn_result result = start_marked(&rig, "kill -STOP $$; exit 0", *state, &mark);
    const struct proctree_target target = {.mark = mark, .main = result.pid};
    assert_int_equal(tree_end(&target, &result), 1);
    rig_end(&rig);
}

static void test_proctree_empty_tree_kills_nobody(void **state)
{
    (void)state;
    const struct proctree_target target = {.mark = mark_make("9.9.9", 99)};
    uint32_t killed = 9;
    assert_int_equal(proctree_kill(&target, &killed), OK);
    assert_int_equal(killed, 0);
}

/* What a killed agent left: found by what is common to all its attempts; another agent's are
 * spared. */
static void test_proctree_leftovers_of_an_agent_are_found_by_prefix(void **state)
{
    struct rig rig;
    rig_begin(&rig);
    struct proctree_mark first = mark_make("1.1.0", 1), second = mark_make("1.2.0", 2), other, all;
    char prefix[64];
    snprintf(prefix, sizeof prefix, "unit-%d/node2", (int)getpid());
    assert_int_equal(proctree_mark_make(prefix, "1.1.0", 1, &other), OK);
    struct spawn_result a = start_marked(&rig, "exec sleep 1000", *state, &first);
    /* One kept only the number, one only the text. */
    struct spawn_result b = start_marked(&rig, "exec env -i sleep 1000", *state, &second);
    struct proctree_mark text_only = first;
    text_only.number = 0;
    struct spawn_result c = start_marked(&rig, "exec sleep 1000", *state, &text_only);
    struct spawn_result d = start_marked(&rig, "exec sleep 1000", *state, &other);

    all = mark_make("", 0);
    const struct proctree_target target = {.mark = all, .is_prefix = true};
    uint32_t killed = 0;
    assert_int_equal(proctree_kill(&target, &killed), OK);
    assert_int_equal(killed, 3);
    assert_true(pid_is_alive(d.pid));
    assert_false(pid_is_alive(a.pid) || pid_is_alive(b.pid) || pid_is_alive(c.pid));
    kill(d.pid, SIGKILL);
    rig_wait(&d);
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
    rig_end(&rig);
}

static void test_proctree_measure_counts_memory_and_time(void **state)
{
    struct rig rig;
    rig_begin(&rig);
    struct proctree_mark mark = mark_make("1.1.0", 1);
    struct spawn_result result = start_marked(
        &rig, "i=0; while test $i -lt 60000; do i=$((i+1)); done; echo r >ready; kill -STOP $$",
        *state, &mark);
    rig_wait_file(folder_path(state, "ready"));
    const struct proctree_target target = {.mark = mark, .main = result.pid};
    struct proctree_usage usage;
    assert_int_equal(proctree_measure(&target, &usage), OK);
    assert_int_equal(usage.n_processes, 1);
    assert_true(usage.rss_bytes > 4096 && usage.rss_bytes < (64 << 20));
    assert_true(usage.cpu_ms > 0 && usage.cpu_ms < RIG_DEADLINE_MS);
    tree_end(&target, &result);
    rig_end(&rig);
}

static void test_proctree_marks_of_different_agents_differ(void **state)
{
    (void)state;
    struct proctree_mark a, b, c;
    assert_int_equal(proctree_mark_make("x/node", "1.1.0", 7, &a), OK);
    assert_int_equal(proctree_mark_make("y/node", "1.1.0", 7, &b), OK);
    assert_int_equal(proctree_mark_make("x/node", "1.1.0", 8, &c), OK);
    assert_string_equal(a.text, "x/node/1.1.0");
    assert_true(a.number != b.number && a.number != c.number);
    assert_true(a.number >> 32 == c.number >> 32);
    assert_true(a.number >> 62 == 1);
    char prefix[PROCTREE_TEXT_MAX];
    memset(prefix, 'x', sizeof prefix - 1);
    prefix[sizeof prefix - 1] = '\0';
    assert_int_equal(proctree_mark_make(prefix, "1", 1, &a), ERR_LIMIT);
}

static void test_proctree_kill_out_of_memory_says_so(void **state)
{
    struct rig rig;
    rig_begin(&rig);
    struct proctree_mark mark = mark_make("1.1.0", 1);
    struct spawn_result result = start_marked(&rig, "exec sleep 1000", *state, &mark);
    const struct proctree_target target = {.mark = mark, .main = result.pid};
    uint32_t killed;
    mem_fail_at(1);
    assert_int_equal(proctree_kill(&target, &killed), ERR_NO_MEMORY);
    mem_fail_at(0);
    tree_end(&target, &result);
    rig_end(&rig);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_proctree_main_alone_leaves_no_orphan),
        IN_FOLDER(test_proctree_running_attempts_of_the_spawner_are_no_orphans),
        IN_FOLDER(test_proctree_daemon_that_left_everything_is_found_and_killed),
        IN_FOLDER(test_proctree_stranger_ends_with_the_last_attempt_only),
        IN_FOLDER(test_proctree_kill_spares_other_attempts_and_their_daemons),
        IN_FOLDER(test_proctree_twenty_children_that_ignore_everything_end),
        IN_FOLDER(test_proctree_fork_bomb_ends),
        IN_FOLDER(test_proctree_stopped_processes_are_killed),
        IN_FOLDER(test_proctree_empty_tree_kills_nobody),
        IN_FOLDER(test_proctree_leftovers_of_an_agent_are_found_by_prefix),
        IN_FOLDER(test_proctree_measure_counts_memory_and_time),
        IN_FOLDER(test_proctree_marks_of_different_agents_differ),
        IN_FOLDER(test_proctree_kill_out_of_memory_says_so),
    };
    return cmocka_run_group_tests_name("sys/proctree", tests, group_setup, NULL);
}
