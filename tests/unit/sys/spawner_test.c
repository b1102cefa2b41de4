/* Real processes: how they start, what they inherit, and where a start fails. */
#include <errno.h>
#include <sys/resource.h>

#include "process_rig.h"

static struct spawn_result start_words(struct rig *rig, const char *const *argv, const char *folder)
{
    const struct spawn_request request = {
        .argv = argv, .envp = rig_env, .folder = folder, .out_fd = -1, .err_fd = -1};
    return rig_start(rig, &request);
}

static void test_spawner_program_in_path_runs_and_its_status_can_be_waited_for(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig);
    int64_t before_us = clock_monotonic_us();
    const char *const words[] = {"sh", "-c", "exit 7", NULL};
    struct spawn_result result = start_words(&rig, words, NULL);
    assert_int_equal(result.place, SPAWN_NONE);
    assert_true(result.exec_us >= before_us && result.exec_us <= clock_monotonic_us());
    assert_int_equal(WEXITSTATUS(rig_wait(&result)), 7);
    rig_end(&rig);
}

static void test_spawner_failures_name_errno_and_place(void **state)
{
    struct rig rig;
    rig_begin(&rig);
    folder_write(state, "plain", "no program\n");
    folder_write(state, "broken", "#!/no/such/interpreter\n");
    assert_int_equal(chmod(folder_path(state, "broken"), 0755), 0);
    char plain[512], broken[512];
    snprintf(plain, sizeof plain, "%s/plain", (const char *)*state);
    snprintf(broken, sizeof broken, "%s/broken", (const char *)*state);
    const struct {
        const char *program, *folder;
        spawn_place place;
        int error;
    } rows[] = {
        {"no-such-program-anywhere", NULL, SPAWN_FIND, ENOENT},
        {"/no/such/file", NULL, SPAWN_FIND, ENOENT},
        {"", NULL, SPAWN_FIND, ENOENT},
        {plain, NULL, SPAWN_FIND, EACCES},
        {"/tmp", NULL, SPAWN_FIND, EACCES},
        {"./plain", *state, SPAWN_FIND, EACCES},
        {broken, NULL, SPAWN_EXEC, ENOENT},
        {"/bin/true", "/no/such/folder", SPAWN_FOLDER, ENOENT},
        {"/bin/true", plain, SPAWN_FOLDER, ENOTDIR},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const words[] = {rows[i].program, NULL};
        struct spawn_result result = start_words(&rig, words, rows[i].folder);
        assert_int_equal(result.pid, 0);
        assert_int_equal(result.pidfd, -1);
        assert_int_equal(result.place, rows[i].place);
        assert_int_equal(result.error, rows[i].error);
        assert_true(spawn_place_words(result.place)[0] != '\0');
    }
    /* No zombie is left of those that got as far as a process. */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    rig_end(&rig);
}

static void test_spawner_too_long_arguments_fail_at_exec(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig);
    char *word = malloc(200 << 10);
    memset(word, 'x', (200 << 10) - 1);
    word[(200 << 10) - 1] = '\0';
    const char *const words[] = {"/bin/true", word, NULL};
    struct spawn_result result = start_words(&rig, words, NULL);
    free(word);
    assert_int_equal(result.place, SPAWN_EXEC);
    assert_int_equal(result.error, E2BIG);
    rig_end(&rig);
}

static void test_spawner_relative_program_counts_from_its_folder(void **state)
{
    struct rig rig;
    rig_begin(&rig);
    folder_write(state, "run.sh", "#!/bin/sh\npwd >where\n");
    folder_write(state, "bare.sh", "pwd >where; echo \"$1\" >word\n");
    assert_int_equal(chmod(folder_path(state, "run.sh"), 0755), 0);
    assert_int_equal(chmod(folder_path(state, "bare.sh"), 0755), 0);
    char where[512];
    snprintf(where, sizeof where, "%s\n", (const char *)*state);

    const char *const relative[] = {"./run.sh", NULL};
    struct spawn_result result = start_words(&rig, relative, *state);
    assert_int_equal(WEXITSTATUS(rig_wait(&result)), 0);
    folder_assert_text(state, "where", where);

    /* A text file without #! goes to the shell, as in every shell. */
    const char *const bare[] = {"./bare.sh", "one word", NULL};
    result = start_words(&rig, bare, *state);
    assert_int_equal(WEXITSTATUS(rig_wait(&result)), 0);
    folder_assert_text(state, "word", "one word\n");

    const char *const with_path[] = {"PATH=relative:.:/bin", NULL};
    const char *const found[] = {"run.sh", NULL};
    const struct spawn_request request = {
        .argv = found, .envp = with_path, .folder = *state, .out_fd = -1, .err_fd = -1};
    result = rig_start(&rig, &request);
    assert_int_equal(WEXITSTATUS(rig_wait(&result)), 0);
    rig_end(&rig);
}

static void test_spawner_streams_go_where_they_should(void **state)
{
    struct rig rig;
    rig_begin(&rig);
    int out = open(folder_path(state, "out"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    int err = open(folder_path(state, "err"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    const char *const argv[] = {"sh", "-c", "cat; echo out; echo err >&2", NULL};
    const struct spawn_request request = {
        .argv = argv, .envp = rig_env, .out_fd = out, .err_fd = err};
    struct spawn_result result = rig_start(&rig, &request);
    assert_int_equal(WEXITSTATUS(rig_wait(&result)), 0); /* cat saw /dev/null */
    close(out);
    close(err);
    folder_assert_text(state, "out", "out\n");
    folder_assert_text(state, "err", "err\n");
    rig_end(&rig);
}

/* A descriptor without O_CLOEXEC, a blocked and an ignored signal, our session: none of it may
 * reach an attempt. */
static void test_spawner_child_inherits_nothing_of_ours(void **state)
{
    struct rig rig;
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigaddset(&blocked, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    void (*pipe_before)(int) = signal(SIGPIPE, SIG_IGN);
    int leak = open("/dev/null", O_RDONLY);
    assert_true(leak > 2);
    rig_begin(&rig);
    char script[2048];
    snprintf(
        script, sizeof script,
        "cd '%s'; ls /proc/$$/fd >fds; "
        "grep -E 'SigBlk|SigIgn|SigCgt' /proc/$$/status | cut -f2 | tr '\\n' ' ' >signals; "
        "cut -d' ' -f5,6 /proc/$$/stat >ids; echo $$ $$ >wanted; ulimit -c >core; env | sort >env",
        (const char *)*state);
    struct spawn_result result = rig_start_shell(&rig, script, NULL, 0);
    assert_int_equal(WEXITSTATUS(rig_wait(&result)), 0);
    close(leak);
    signal(SIGPIPE, pipe_before);
    pthread_sigmask(SIG_SETMASK, &before, NULL);

    struct buf wanted;
    buf_init(&wanted, 256);
    assert_int_equal(file_read_bounded(folder_path(state, "wanted"), &wanted, NULL), OK);
    folder_assert_text(state, "ids", buf_text(&wanted));
    buf_fini(&wanted);
    folder_assert_text(state, "core", "0\n");
    struct buf text;
    buf_init(&text, 4096);
    assert_int_equal(file_read_bounded(folder_path(state, "fds"), &text, NULL), OK);
    /* One a line, by text: 10 and up are the shell's own. */
    assert_null(strstr(buf_text(&text), "\n3\n"));
    buf_reset(&text);
    assert_int_equal(file_read_bounded(folder_path(state, "signals"), &text, NULL), OK);
    assert_int_equal(strncmp(buf_text(&text), "0000000000000000 0000000000000000 ", 34), 0);
    buf_reset(&text);
    assert_int_equal(file_read_bounded(folder_path(state, "env"), &text, NULL), OK);
    assert_null(strstr(buf_text(&text), "HOME=")); /* ours; the shell adds PWD and the like */
    buf_fini(&text);
    rig_end(&rig);
}

static void test_spawner_limits_are_set(void **state)
{
    struct rig rig;
    rig_begin(&rig);
    char script[1024];
    snprintf(script, sizeof script,
             "ulimit -n >'%s/nofile'; grep locks /proc/$$/limits >'%s/locks'", (const char *)*state,
             (const char *)*state);
    const char *const argv[] = {"sh", "-c", script, NULL};
    const struct spawn_request request = {.argv = argv,
                                          .envp = rig_env,
                                          .out_fd = -1,
                                          .err_fd = -1,
                                          .nofile = 128,
                                          .mark = 4611686018427387911u};
    struct spawn_result result = rig_start(&rig, &request);
    assert_int_equal(WEXITSTATUS(rig_wait(&result)), 0);
    folder_assert_text(state, "nofile", "128\n");
    struct buf text;
    buf_init(&text, 512);
    assert_int_equal(file_read_bounded(folder_path(state, "locks"), &text, NULL), OK);
    assert_non_null(strstr(buf_text(&text), "4611686018427387911"));
    buf_fini(&text);
    rig_end(&rig);
}

static void test_spawner_answers_come_in_order(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig);
    enum { N = 60 };
    const char *const good[] = {"/bin/true", NULL};
    const char *const bad[] = {"/no/such/file", NULL};
    for (int i = 0; i < N; i++) {
        const struct spawn_request request = {
            .argv = i % 3 == 0 ? bad : good, .envp = rig_env, .out_fd = -1, .err_fd = -1};
        assert_int_equal(spawner_start(rig.spawner, &request, on_rig_started, &rig), OK);
    }
    rig_until(&rig, N);
    for (int i = 0; i < N; i++) {
        assert_int_equal(rig.results[i].place, i % 3 == 0 ? SPAWN_FIND : SPAWN_NONE);
        if (i % 3 != 0) {
            assert_int_equal(rig_wait(&rig.results[i]), 0);
        }
    }
    rig_end(&rig);
}

static void test_spawner_request_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig);
    enum { WORD = 100 << 10, N = 70 };
    char *word = malloc(WORD);
    memset(word, 'x', WORD - 1);
    word[WORD - 1] = '\0';
    const char *argv[N + 1];
    for (int i = 0; i < N; i++) {
        argv[i] = word;
    }
    argv[N] = NULL;
    const struct spawn_request request = {
        .argv = argv, .envp = rig_env, .out_fd = -1, .err_fd = -1};
    assert_int_equal(spawner_start(rig.spawner, &request, on_rig_started, &rig), ERR_LIMIT);
    free(word);
    rig_end(&rig);
}

static void test_spawner_free_ends_what_it_made(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig);
    struct spawn_result result =
        rig_start_shell(&rig, "trap '' TERM HUP; exec sleep 1000", NULL, 0);
    assert_false(rig_has_ended(result.pidfd, 0));
    spawner_free(rig.spawner);
    rig.spawner = NULL;
    int status = rig_wait(&result);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    rig_end(&rig);
}

/* What was asked for and not answered must not leak either. */
static void test_spawner_free_with_starts_waiting_leaks_nothing(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig);
    const char *const words[] = {"/bin/sleep", "1000", NULL};
    const struct spawn_request request = {
        .argv = words, .envp = rig_env, .out_fd = -1, .err_fd = -1};
    for (int i = 0; i < 20; i++) {
        assert_int_equal(spawner_start(rig.spawner, &request, on_rig_started, &rig), OK);
    }
    rig_end(&rig);
    while (waitpid(-1, NULL, 0) > 0) {
    }
    assert_int_equal(rig.n_results, 0);
}

/* kill -9 of the process that owns a spawner: its children die with it. */
static void test_spawner_child_dies_with_its_killed_parent(void **state)
{
    int lines[2];
    assert_int_equal(pipe2(lines, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct rig rig;
        rig_begin(&rig);
        struct spawn_result result = rig_start_shell(&rig, "exec sleep 1000", NULL, 0);
        bool is_told = write(lines[1], &result.pid, sizeof result.pid) == sizeof result.pid;
        pause();
        _exit(is_told ? 0 : 1);
    }
    close(lines[1]); /* so that the end of one that failed ends the wait for it */
    pid_t child;
    assert_int_equal(read(lines[0], &child, sizeof child), sizeof child);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    time_ms deadline = clock_now() + RIG_DEADLINE_MS;
    while (kill(child, 0) == 0) {
        char path[64], text[256] = "";
        snprintf(path, sizeof path, "/proc/%d/stat", (int)child);
        FILE *file = fopen(path, "re");
        bool is_zombie = file == NULL ||
                         (fgets(text, sizeof text, file) != NULL && strstr(text, ") Z ") != NULL);
        if (file != NULL) {
            fclose(file);
        }
        if (is_zombie) {
            break; /* for whoever adopted it to reap */
        }
        assert_true(clock_now() < deadline);
        poll(NULL, 0, 2);
    }
    close(lines[0]);
    (void)state;
}

static void test_spawner_out_of_memory_takes_nothing(void **state)
{
    (void)state;
    for (uint64_t k = 1; k < 100; k++) {
        struct rig rig;
        rig_begin(&rig);
        const char *const words[] = {"/bin/true", "with", "words", NULL};
        const struct spawn_request request = {
            .argv = words, .envp = rig_env, .folder = "/", .out_fd = -1, .err_fd = -1};
        mem_fail_at(k);
        error_code error = spawner_start(rig.spawner, &request, on_rig_started, &rig);
        bool has_failed = mem_has_failed();
        mem_fail_at(0);
        if (error == OK) {
            rig_until(&rig, 1);
            assert_int_equal(rig_wait(&rig.results[0]), 0);
        }
        rig_end(&rig);
        assert_int_equal(error, has_failed ? ERR_NO_MEMORY : OK);
        if (!has_failed) {
            assert_true(k > 2);
            return;
        }
    }
    fail_msg("the allocations never ended");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_spawner_program_in_path_runs_and_its_status_can_be_waited_for),
        IN_FOLDER(test_spawner_failures_name_errno_and_place),
        IN_FOLDER(test_spawner_too_long_arguments_fail_at_exec),
        IN_FOLDER(test_spawner_relative_program_counts_from_its_folder),
        IN_FOLDER(test_spawner_streams_go_where_they_should),
        IN_FOLDER(test_spawner_child_inherits_nothing_of_ours),
        IN_FOLDER(test_spawner_limits_are_set),
        IN_FOLDER(test_spawner_answers_come_in_order),
        IN_FOLDER(test_spawner_request_beyond_the_limit_is_refused),
        IN_FOLDER(test_spawner_free_ends_what_it_made),
        IN_FOLDER(test_spawner_free_with_starts_waiting_leaks_nothing),
        IN_FOLDER(test_spawner_child_dies_with_its_killed_parent),
        IN_FOLDER(test_spawner_out_of_memory_takes_nothing),
    };
    return cmocka_run_group_tests_name("sys/spawner", tests, NULL, NULL);
}
