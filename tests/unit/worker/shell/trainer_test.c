/* A trainer in Python with nothing installed, on a worker with a real spawner, socket and disk:
 * reports, milestones, snapshots, and a start from one. */
#include "head_rig.h"

static struct msg_lease python_lease(uint32_t attempt, const char *const *words)
{
    struct msg_lease lease = rig_shell(41, attempt, words);
    lease.is_shell = false;
    lease.n_words = 3;
    lease.is_trial = true;
    lease.metric = "val_loss";
    lease.seed = 17;
    return lease;
}

static void order_send(struct rig *rig, uint64_t n, int64_t until, order_act act)
{
    struct msg_order order = {.task = {1, 41},
                              .order = {.n = n,
                                        .until = until,
                                        .act = act,
                                        .why = act == ACT_GO ? WHY_NONE : WHY_MAX,
                                        .grace_ms = 60000}};
    rig_send(rig, MSG_ORDER, &order);
}

static const char program[] =
    "import os, muster\n"
    "with muster.trial() as t:\n"
    "    done = int(open(os.path.join(t.restore, 'step')).read()) if t.restore else 0\n"
    "    print('from', done, 'lr', t.params.lr, flush=True)\n"
    "    while t.next(until=9):\n"
    "        if t.save_due or t.step == 3:\n"
    "            with t.save() as d:\n"
    "                open(os.path.join(d, 'step'), 'w').write(str(t.step))\n"
    "        t.report(val_loss=1.0 / t.step)\n"
    "    print('left at', t.step)\n";

static void test_trainer_runs_its_reports_and_snapshots_come_and_it_restores(void **state)
{
    (void)state;
    struct rig rig;
    const char *words[] = {"/usr/bin/python3", "-c", program};
    const struct named_value params[] = {{"lr", value_real(0.25)}};
    rig_begin(&rig);
    struct msg_lease lease = python_lease(0, words);
    lease.params = params;
    lease.n_params = 1;
    lease.order.until = 4;
    rig_lease(&rig, &lease);
    struct rig_event *milestone = rig_wait(&rig, EVENT_MILESTONE, 41, 0);
    assert_int_equal(milestone->step, 4);
    assert_int_equal(milestone->reached, 1);
    assert_true(milestone->value == 0.25);
    struct rig_event *snapshot = rig_find(&rig, EVENT_SNAPSHOT, 41, 0);
    assert_non_null(snapshot);
    assert_int_equal(snapshot->snapshot.ordinal, 1);
    assert_int_equal(snapshot->snapshot.step, 3);
    assert_int_equal(snapshot->snapshot.bytes, 1);
    order_send(&rig, 2, INT64_MAX, ACT_STOP);
    struct rig_event *result = rig_wait(&rig, EVENT_RESULT, 41, 0);
    assert_int_equal(result->result.cause, CAUSE_TOLD);
    assert_int_equal(result->result.handed, 2);
    assert_int_equal(result->result.bye, BYE_DONE);
    assert_int_equal(result->result.exit_code, 0);
    assert_non_null(strstr(result->out, "from 0 lr 0.25"));

    /* The next incarnation knows the snapshot, proves it, and the trainer starts from it. */
    rig_worker_kill(&rig);
    rig_worker_start(&rig);
    rig.want = rig.enrolments + 1;
    assert_true(rig_until(&rig, rig_is_enrolled));
    assert_int_equal(rig.n_snapshots, 1);
    assert_int_equal(rig.snapshots[0].ordinal, 1);
    lease = python_lease(1, words);
    lease.params = params;
    lease.n_params = 1;
    lease.restore = (struct snapshot_ref){.ordinal = 1, .step = 3, .attempt = 0};
    result = rig_run(&rig, &lease);
    assert_int_equal(result->result.exit_code, 0);
    assert_int_equal(result->result.bye, BYE_DONE);
    assert_non_null(strstr(result->out, "from 3 lr 0.25"));
    assert_non_null(strstr(result->out, "left at 9"));
    rig_end(&rig);
}

static void test_snapshot_is_damaged_no_trainer_sees_it(void **state)
{
    (void)state;
    struct rig rig;
    char path[256];
    const char *words[] = {"/usr/bin/python3", "-c", program};
    const struct named_value params[] = {{"lr", value_real(0.25)}};
    rig_begin(&rig);
    struct msg_lease lease = python_lease(0, words);
    lease.params = params;
    lease.n_params = 1;
    struct rig_event *result = rig_run(&rig, &lease);
    assert_int_equal(result->result.exit_code, 0);
    assert_non_null(rig_find(&rig, EVENT_SNAPSHOT, 41, 0));
    snprintf(path, sizeof path, "%s/nodes/n1/snapshots/1.41/1", rig.state);
    assert_int_equal(chmod(path, 0700), 0);
    snprintf(path, sizeof path, "%s/nodes/n1/snapshots/1.41/1/step", rig.state);
    assert_int_equal(chmod(path, 0600), 0);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(write(fd, "9", 1), 1);
    close(fd);
    lease = python_lease(1, words);
    lease.params = params;
    lease.n_params = 1;
    lease.restore = (struct snapshot_ref){.ordinal = 1, .step = 3, .attempt = 0};
    result = rig_run(&rig, &lease);
    assert_int_equal(result->result.cause, CAUSE_CANNOT_START);
    assert_non_null(strstr(result->reason, "damaged"));
    assert_null(rig_find(&rig, EVENT_STARTED, 41, 1));
    rig_end(&rig);
}

/* Through the real socket of a real attempt: the worker answers and lives on. */
static void test_trainer_talks_garbage_the_attempt_goes_on(void **state)
{
    (void)state;
    static const char garbage[] =
        "import os, socket\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(os.environ['MUSTER_SOCKET'])\n"
        "f = s.makefile('rwb')\n"
        "for line in (b'garbage\\n', b'{\"report\":{\"step\":1,\"m\":{\"a\":\"x\"}}}\\n', "
        "b'\\xff\\x00\\n',\n"
        "             b'{\"report\":{\"step\":1,\"m\":{\"val_loss\":NaN}}}\\n', b'x' * 70000 + "
        "b'\\n',\n"
        "             b'{\"report\":{\"step\":1,\"m\":{\"val_loss\":1}}}\\n'):\n"
        "    f.write(line); f.flush(); print(f.readline().decode().strip(), flush=True)\n";
    struct rig rig;
    const char *words[] = {"/usr/bin/python3", "-c", garbage};
    rig_begin(&rig);
    struct msg_lease lease = python_lease(0, words);
    struct rig_event *result = rig_run(&rig, &lease);
    assert_int_equal(result->result.exit_code, 0);
    const char *answers[] = {"\"error\":\"bad_json\"", "is no number", "\"error\":\"too_long\"",
                             "{\"ok\":1,\"act\":0", "\"error\":\"bad_step\""};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        if (strstr(result->out, answers[i]) == NULL) {
            fail_msg("no %s in %s", answers[i], result->out);
        }
    }
    assert_int_equal(result->result.last_seq, 1);
    rig_end(&rig);
}

static void test_commit_cannot_be_done_the_trainer_is_told_and_goes_on(void **state)
{
    (void)state;
    static const char link[] =
        "import os, socket, json\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(os.environ['MUSTER_SOCKET'])\n"
        "f = s.makefile('rwb')\n"
        "def ask(x):\n"
        "    f.write(json.dumps(x).encode() + b'\\n'); f.flush(); return json.loads(f.readline())\n"
        "d = ask({'save': {'step': 1}})['dir']\n"
        "os.symlink('/etc/passwd', d + '/w')\n"
        "print(ask({'commit': {'step': 1}})['error'])\n"
        "d = ask({'save': {'step': 2}})['dir']\n"
        "open(d + '/w', 'w').write('ok')\n"
        "print(ask({'commit': {'step': 2}})['id'])\n"
        "print(ask({'commit': {'step': 2}})['error'])\n";
    struct rig rig;
    const char *words[] = {"/usr/bin/python3", "-c", link};
    rig_begin(&rig);
    struct msg_lease lease = python_lease(0, words);
    struct rig_event *result = rig_run(&rig, &lease);
    assert_int_equal(result->result.exit_code, 0);
    assert_int_equal(strncmp(result->out, "not_now\n1.41@2.", 15), 0);
    assert_non_null(strstr(result->out, "\nnot_now\n"));
    rig_end(&rig);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[0], "rig-worker") == 0) {
        return rig_worker_main(argv);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trainer_runs_its_reports_and_snapshots_come_and_it_restores),
        cmocka_unit_test(test_snapshot_is_damaged_no_trainer_sees_it),
        cmocka_unit_test(test_trainer_talks_garbage_the_attempt_goes_on),
        cmocka_unit_test(test_commit_cannot_be_done_the_trainer_is_told_and_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
