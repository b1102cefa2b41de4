/* The agent's daemon with real processes: what is told of them, and what is left of them. */
#include "head_rig.h"

static void test_attempt_exits_with_code_its_result_has_code_and_tails(void **state)
{
    (void)state;
    struct rig rig;
    char path[256];
    rig_begin(&rig);
    const char *text = "echo hello; echo oops >&2; exit 3";
    struct msg_lease lease = rig_shell(1, 0, &text);
    struct rig_event *result = rig_run(&rig, &lease);
    struct rig_event *started = rig_find(&rig, EVENT_STARTED, 1, 0);
    assert_non_null(started);
    assert_true(started->pid > 1);
    assert_int_equal(result->result.cause, CAUSE_EXIT);
    assert_int_equal(result->result.exit_code, 3);
    assert_string_equal(result->reason, "exit code 3");
    assert_string_equal(result->out, "hello\n");
    assert_string_equal(result->err, "oops\n");
    assert_true(result->result.has_started);
    assert_true(result->result.rss_peak_bytes > 0);
    assert_true(result->result.ended_at >= result->result.started_at);
    snprintf(path, sizeof path, "%s/nodes/n1/logs/1.1/0.out", rig.state);
    assert_string_equal(file_text(path), "hello\n");
    snprintf(path, sizeof path, "%s/nodes/n1/logs/1.1/0.err", rig.state);
    assert_string_equal(file_text(path), "oops\n");
    rig_end(&rig);
}

static void test_attempt_starts_gets_the_environment_of_its_lease_only(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig);
    const char *text = "echo lr=$MUSTER_P_lr; pwd; env | sort; cat $MUSTER_PARAMS_FILE";
    struct msg_lease lease = rig_shell(7, 2, &text);
    const struct label_pair env[] = {{"GREETING", "at ${lr}"}, {"MUSTER_TRIAL", "forged"}};
    const struct named_value params[] = {{"lr", value_real(0.5)}, {"opt-name", value_str("adam")}};
    const char *gpus[] = {"GPU-fake-n1-0", "GPU-fake-n1-1"};
    lease.workdir = "/tmp";
    lease.env = env;
    lease.n_env = 2;
    lease.params = params;
    lease.n_params = 2;
    lease.gpus = gpus;
    lease.n_gpus = 2;
    lease.seed = 42;
    lease.cpus = 25000;
    lease.checkpoints_on = CHECKPOINT_ON_RUNG | CHECKPOINT_ON_END;
    struct rig_event *result = rig_run(&rig, &lease);
    const char *lines[] = {"lr=0.5\n",
                           "/tmp\n",
                           "\nGREETING=at 0.5\n",
                           "\nMUSTER_TRIAL=1.7\n",
                           "\nMUSTER_ATTEMPT_NUMBER=2\n",
                           "\nMUSTER_SEED=42\n",
                           "\nMUSTER_P_opt_name=adam\n",
                           "\nOMP_NUM_THREADS=3\n",
                           "\nMUSTER_CHECKPOINTS=rung,end\n",
                           "\nCUDA_VISIBLE_DEVICES=GPU-fake-n1-0,GPU-fake-n1-1\n",
                           "\nMUSTER_PARAMS={\"lr\":0.5,\"opt-name\":\"adam\"}\n",
                           "\n{\"lr\":0.5,\"opt-name\":\"adam\"}\n",
                           "\nMUSTER_SOCKET=/"};
    assert_int_equal(result->result.exit_code, 0);
    assert_int_equal(rig.n_gpus, 2);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (strstr(result->out, lines[i]) == NULL) {
            fail_msg("no '%s' in:\n%s", lines[i], result->out);
        }
    }
    assert_null(strstr(result->out, "THE_SUBMITTERS_OWN"));
    assert_null(strstr(result->out, "forged"));
    rig_end(&rig);
}

static void test_attempt_cannot_start_the_reason_names_the_place(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig);
    const char *missing = "no-such-program-here", *denied = "/etc/passwd", *fine = "true";
    struct msg_lease lease = rig_shell(1, 0, &missing);
    lease.is_shell = false;
    struct rig_event *result = rig_run(&rig, &lease);
    assert_int_equal(result->result.cause, CAUSE_CANNOT_START);
    assert_false(result->result.has_started);
    assert_non_null(strstr(result->reason, "no-such-program-here"));
    assert_non_null(strstr(result->reason, strerror(ENOENT)));

    lease = rig_shell(2, 0, &denied);
    lease.is_shell = false;
    result = rig_run(&rig, &lease);
    assert_int_equal(result->result.cause, CAUSE_CANNOT_START);
    assert_non_null(strstr(result->reason, strerror(EACCES)));

    lease = rig_shell(3, 0, &fine);
    lease.workdir = "/no/such/folder";
    result = rig_run(&rig, &lease);
    assert_int_equal(result->result.cause, CAUSE_CANNOT_START);
    assert_non_null(strstr(result->reason, "/no/such/folder"));

    const char *undefined = "echo ${nothing}";
    lease = rig_shell(4, 0, &undefined);
    result = rig_run(&rig, &lease);
    assert_int_equal(result->result.cause, CAUSE_CANNOT_START);
    assert_non_null(strstr(result->reason, "nothing"));

    /* And the node still works. */
    lease = rig_shell(5, 0, &fine);
    result = rig_run(&rig, &lease);
    assert_int_equal(result->result.cause, CAUSE_EXIT);
    assert_int_equal(result->result.exit_code, 0);
    rig_end(&rig);
}

static void pids_read(const char *text, pid_t *ret_pids, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        char *end;
        ret_pids[i] = (pid_t)strtol(text, &end, 10);
        assert_true(ret_pids[i] > 1);
        text = end;
    }
}

static void test_attempt_leaves_children_behind_they_are_gone_with_its_result(void **state)
{
    (void)state;
    struct rig rig;
    pid_t pids[3];
    rig_begin(&rig);
    /* One in its group, one in a session of its own, one with another environment whose parent has
     * left. */
    const char *text = "sleep 1000 & echo $!\n"
                       "setsid sleep 1000 & echo $!\n"
                       "env -i /bin/sh -c '/usr/bin/setsid /bin/sleep 1000 & echo $!'\n"
                       "exit 0";
    struct msg_lease lease = rig_shell(1, 0, &text);
    struct rig_event *result = rig_run(&rig, &lease);
    assert_int_equal(result->result.cause, CAUSE_EXIT);
    assert_int_equal(result->result.exit_code, 0);
    pids_read(result->out, pids, 3);
    for (int i = 0; i < 3; i++) {
        assert_false(pid_is_alive(pids[i]));
    }
    assert_non_null(strstr(result->reason, "left behind"));
    rig_end(&rig);
}

static void test_attempt_ignores_sigterm_it_is_killed_after_its_grace(void **state)
{
    (void)state;
    struct rig rig;
    char path[256], text[1280];
    rig_begin(&rig);
    snprintf(path, sizeof path, "%s/ready", rig.folder);
    snprintf(text, sizeof text, "trap '' TERM; touch %s; while :; do sleep 0.05; done", path);
    const char *words = text;
    struct msg_lease lease = rig_shell(1, 0, &words);
    rig_lease(&rig, &lease);
    struct rig_event *started = rig_wait(&rig, EVENT_STARTED, 1, 0);
    pid_t pid = (pid_t)started->pid;
    file_wait(path);
    assert_true(pid_is_alive(pid));
    struct msg_order order = {
        .task = lease.task,
        .order = {.n = 2, .until = INT64_MAX, .act = ACT_STOP, .why = WHY_CANCEL, .grace_ms = 200}};
    rig_send(&rig, MSG_ORDER, &order);
    struct rig_event *result = rig_wait(&rig, EVENT_RESULT, 1, 0);
    assert_int_equal(result->result.cause, CAUSE_TOLD);
    assert_int_equal(result->result.handed, 2);
    assert_int_equal(result->result.signal, SIGKILL);
    assert_false(pid_is_alive(pid));
    rig_end(&rig);
}

static void test_attempt_dies_of_a_signal_the_result_says_which(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig);
    const char *text = "kill -SEGV $$";
    struct msg_lease lease = rig_shell(1, 0, &text);
    struct rig_event *result = rig_run(&rig, &lease);
    assert_int_equal(result->result.cause, CAUSE_SIGNAL);
    assert_int_equal(result->result.signal, SIGSEGV);
    assert_non_null(strstr(result->reason, "signal 11"));
    rig_end(&rig);
}

static void test_attempt_floods_its_log_files_stay_bounded(void **state)
{
    (void)state;
    struct rig rig;
    struct stat about;
    char path[256];
    off_t total = 0;
    rig_begin(&rig);
    const char *text = "head -c 40000000 /dev/zero | tr '\\0' x; echo; echo the end";
    struct msg_lease lease = rig_shell(1, 0, &text);
    struct rig_event *result = rig_run(&rig, &lease);
    assert_int_equal(result->result.exit_code, 0);
    assert_non_null(strstr(result->out, "the end\n"));
    const char *endings[] = {"", ".1", ".first"};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/nodes/n1/logs/1.1/0.out%s", rig.state, endings[i]);
        total += stat(path, &about) == 0 ? about.st_size : 0;
    }
    assert_true(total > (1 << 20));
    assert_true(total <= (18 << 20));
    rig_end(&rig);
}

static void test_attempt_is_acknowledged_its_folder_is_removed(void **state)
{
    (void)state;
    struct rig rig;
    char path[256], dir[8192];
    rig_begin(&rig);
    const char *text = "echo $MUSTER_TRIAL_DIR; test -S $MUSTER_SOCKET && test -d $TMPDIR";
    struct msg_lease lease = rig_shell(1, 0, &text);
    struct rig_event *result = rig_run(&rig, &lease);
    assert_int_equal(result->result.exit_code, 0);
    snprintf(dir, sizeof dir, "%s", result->out);
    dir[strcspn(dir, "\n")] = '\0';
    snprintf(path, sizeof path, "%s/nodes/n1/attempts/1.1.0/work", rig.state);
    assert_non_null(strstr(dir, "/nodes/n1/attempts/1.1.0/work"));
    const char *other = "true";
    for (uint32_t i = 2; access(path, F_OK) == 0 && i < 200; i++) {
        struct msg_lease next = rig_shell(i, 0, &other); /* its turns give the removal time */
        rig_run(&rig, &next);
    }
    assert_int_not_equal(access(path, F_OK), 0);
    rig_end(&rig);
}

static void test_worker_is_killed_the_next_one_leaves_nothing_of_it(void **state)
{
    (void)state;
    struct rig rig;
    char path[256];
    rig_begin(&rig);
    snprintf(path, sizeof path, "%s/pids", rig.folder);
    char text[1280];
    snprintf(text, sizeof text,
             "setsid sleep 1000 & echo $$ > %s.tmp; echo $! >> %s.tmp; mv %s.tmp %s; sleep 1000",
             path, path, path, path);
    const char *words = text;
    struct msg_lease lease = rig_shell(1, 0, &words);
    rig_lease(&rig, &lease);
    rig_wait(&rig, EVENT_STARTED, 1, 0);
    pid_t pids[2];
    file_wait(path);
    pids_read(file_text(path), pids, 2);
    assert_true(pid_is_alive(pids[0]) && pid_is_alive(pids[1]));
    rig_worker_kill(&rig);
    uint64_t before = rig.incarnation;
    rig_worker_start(&rig);
    rig.want = rig.enrolments + 1;
    assert_true(rig_until(&rig, rig_is_enrolled));
    assert_int_not_equal(rig.incarnation, before);
    assert_false(pid_is_alive(pids[0]));
    assert_false(pid_is_alive(pids[1]));
    rig_end(&rig);
}

static void test_worker_gets_sigterm_it_ends_its_attempts_and_exits_0(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig);
    const char *text = "sleep 1000";
    struct msg_lease lease = rig_shell(1, 0, &text);
    rig_lease(&rig, &lease);
    pid_t pid = (pid_t)rig_wait(&rig, EVENT_STARTED, 1, 0)->pid;
    kill(rig.worker, SIGTERM);
    assert_true(rig_until(&rig, rig_worker_has_ended));
    int status;
    rig_worker_wait(&rig, &status);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    struct rig_event *result = rig_find(&rig, EVENT_RESULT, 1, 0);
    assert_non_null(result);
    assert_int_equal(result->result.cause, CAUSE_AGENT_LEFT);
    assert_false(pid_is_alive(pid));
    rig_end(&rig);
}

static bool rig_worker_has_said_the_refusal(struct rig *rig)
{
    char text[4096];
    rig_worker_said(rig, text, sizeof text);
    return strstr(text, "this join key is not ours") != NULL;
}

static void test_worker_has_another_clusters_key_it_says_why_and_keeps_trying(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig);
    rig_worker_kill(&rig);
    rig.refuse_code = error_word(ERR_NOT_ALLOWED);
    rig_worker_start(&rig);
    assert_true(rig_until(&rig, rig_worker_has_said_the_refusal));
    assert_false(rig_worker_has_ended(&rig));

    rig.refuse_code = NULL;
    rig.want = rig.enrolments + 1;
    assert_true(rig_until(&rig, rig_is_enrolled));
    rig_end(&rig);
}

static void test_worker_is_second_in_its_folder_it_is_refused_with_the_pid(void **state)
{
    (void)state;
    struct rig rig;
    char text[4096], pid[32];
    rig_begin(&rig);
    pid_t first = rig.worker;
    rig_worker_start(&rig);
    assert_true(rig_until(&rig, rig_worker_has_ended));
    int status;
    rig_worker_wait(&rig, &status);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    rig_worker_said(&rig, text, sizeof text);
    snprintf(pid, sizeof pid, "%d", (int)first);
    assert_non_null(strstr(text, pid));
    rig.worker = first;
    rig_end(&rig);
}

/* The head tells an earlier start from a later one by it. */
static void
test_worker_starts_again_under_a_clock_that_was_set_back_its_start_is_later(void **state)
{
    (void)state;
    struct rig rig;
    char path[160], far_ahead[] = "32503680000000\n"; /* the year 3000 */
    rig_begin(&rig);
    time_ms first = rig.agent_started;
    assert_true(first > 0 && first <= clock_now());
    rig_worker_kill(&rig);
    snprintf(path, sizeof path, "%s/nodes/n1/started", rig.state);
    struct bytes bytes = {(const uint8_t *)far_ahead, strlen(far_ahead)};
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(file_write(path, bytes, 0600, NULL), OK);
    for (int64_t i = 1; i <= 2; i++) {
        rig.want = rig.enrolments + 1;
        rig_worker_start(&rig);
        assert_true(rig_until(&rig, rig_is_enrolled));
        assert_int_equal(rig.agent_started, INT64_C(32503680000000) + i);
        if (i == 1) {
            rig_worker_kill(&rig);
        }
    }
    rig_end(&rig);
}

static void test_head_restarts_attempts_go_on_and_results_come_once(void **state)
{
    (void)state;
    struct rig rig;
    char path[256], text[1280];
    rig_begin(&rig);
    snprintf(path, sizeof path, "%s/go", rig.folder);
    snprintf(text, sizeof text, "while [ ! -e %s ]; do sleep 0.02; done; echo went", path);
    const char *words = text;
    struct msg_lease lease = rig_shell(1, 0, &words);
    rig_lease(&rig, &lease);
    pid_t pid = (pid_t)rig_wait(&rig, EVENT_STARTED, 1, 0)->pid;
    router_free(rig.router);
    rig_router_start(&rig);
    rig.want = rig.enrolments + 1;
    assert_true(rig_until(&rig, rig_is_enrolled));
    assert_true(pid_is_alive(pid));
    assert_int_equal(file_write(path, (struct bytes){(const uint8_t *)"", 0}, 0600, NULL), OK);
    struct rig_event *result = rig_wait(&rig, EVENT_RESULT, 1, 0);
    assert_string_equal(result->out, "went\n");
    uint32_t results = 0;
    for (uint32_t i = 0; i < rig.n_events; i++) {
        results += rig.events[i].kind == EVENT_RESULT ? 1 : 0;
    }
    assert_int_equal(results, 1);
    rig_end(&rig);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[0], "rig-worker") == 0) {
        return rig_worker_main(argv);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attempt_exits_with_code_its_result_has_code_and_tails),
        cmocka_unit_test(test_attempt_starts_gets_the_environment_of_its_lease_only),
        cmocka_unit_test(test_attempt_cannot_start_the_reason_names_the_place),
        cmocka_unit_test(test_attempt_leaves_children_behind_they_are_gone_with_its_result),
        cmocka_unit_test(test_attempt_ignores_sigterm_it_is_killed_after_its_grace),
        cmocka_unit_test(test_attempt_dies_of_a_signal_the_result_says_which),
        cmocka_unit_test(test_attempt_floods_its_log_files_stay_bounded),
        cmocka_unit_test(test_attempt_is_acknowledged_its_folder_is_removed),
        cmocka_unit_test(test_worker_is_killed_the_next_one_leaves_nothing_of_it),
        cmocka_unit_test(test_worker_gets_sigterm_it_ends_its_attempts_and_exits_0),
        cmocka_unit_test(test_worker_has_another_clusters_key_it_says_why_and_keeps_trying),
        cmocka_unit_test(test_worker_is_second_in_its_folder_it_is_refused_with_the_pid),
        cmocka_unit_test(
            test_worker_starts_again_under_a_clock_that_was_set_back_its_start_is_later),
        cmocka_unit_test(test_head_restarts_attempts_go_on_and_results_come_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
