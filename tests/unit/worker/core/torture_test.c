/* Allocation k fails, for every k of a day in an agent's life: it is said in out->failed and
 * nothing crashes or leaks. */
#include "rig.h"

struct torture {
    struct agent *agent;
    struct agent_outbox out;
    time_ms now;
    int64_t step; /* of the last report */
};

/* True: go on; false: memory ran out, and the shell would leave now. */
static bool torture_turn(struct torture *t)
{
    if (t->out.failed != OK) {
        assert_int_equal(t->out.failed, ERR_NO_MEMORY);
        return false;
    }
    agent_check(t->agent);
    agent_outbox_reset(&t->out);
    return true;
}

static void torture_welcome(struct torture *t)
{
    struct running_ref hold = {RIG_REF.task, 0, 1};
    struct msg_welcome welcome = {.epoch = RIG_EPOCH, .holds = &hold, .n_holds = 1};
    on_head_message(t->agent, t->now, MSG_WELCOME, &welcome, &t->out);
}

static void torture_report(struct torture *t, int64_t step)
{
    static const char *const names[] = {"loss", "acc"};
    static const double values[] = {0.5, 0.25};
    struct trainer_request request = {.kind = TRAINER_REPORT,
                                      .step = step,
                                      .names = names,
                                      .values = values,
                                      .n_metrics = (uint32_t)(1 + step % 2)};
    on_trainer_request(t->agent, t->now, 1, &request, &t->out);
}

static void torture_say(struct torture *t, trainer_request_kind kind, int64_t step)
{
    struct trainer_request request = {
        .kind = kind, .step = step, .can = CAN_CHECKPOINT, .bye = BYE_DONE, .note = "note"};
    on_trainer_request(t->agent, t->now, 1, &request, &t->out);
}

/* ---- the steps of the day ---- */

static void step_link_up(struct torture *t)
{
    on_link_up(t->agent, t->now, &t->out);
}

static void step_link_down(struct torture *t)
{
    on_link_down(t->agent, t->now, &t->out);
}

static void step_lease(struct torture *t)
{
    struct msg_lease lease = rig_lease(RIG_REF);
    on_head_message(t->agent, t->now, MSG_LEASE, &lease, &t->out);
}

static void step_started(struct torture *t)
{
    on_attempt_started(t->agent, t->now, RIG_REF, 5, &t->out);
}

static void step_open(struct torture *t)
{
    on_trainer_open(t->agent, t->now, 1, RIG_REF, &t->out);
}

static void step_hello(struct torture *t)
{
    torture_say(t, TRAINER_HELLO, 0);
}

/* The next step's report; the third is at the milestone, and two blocks of names alternate. */
static void step_report(struct torture *t)
{
    torture_report(t, ++t->step);
}

static void step_exploit(struct torture *t)
{
    torture_say(t, TRAINER_EXPLOIT, 0);
}

static void step_order(struct torture *t)
{
    struct msg_order order = {.task = RIG_REF.task, .order = {.n = 2, .until = 5}};
    on_head_message(t->agent, t->now, MSG_ORDER, &order, &t->out);
}

static void step_save(struct torture *t)
{
    torture_say(t, TRAINER_SAVE, 3);
}

static void step_begun(struct torture *t)
{
    on_save_begun(t->agent, t->now, RIG_REF, 1, "/d", NULL, NULL, &t->out);
}

static void step_commit(struct torture *t)
{
    torture_say(t, TRAINER_COMMIT, 3);
}

static void step_committed(struct torture *t)
{
    struct snapshot_ref snapshot = {.ordinal = 1, .step = 3, .dir = "/s"};
    on_save_committed(t->agent, t->now, RIG_REF, 1, &snapshot, NULL, NULL, &t->out);
}

static void step_bye(struct torture *t)
{
    torture_say(t, TRAINER_BYE, 0);
}

static void step_tick(struct torture *t)
{
    t->now += 500;
    on_agent_tick(t->agent, t->now, &t->out);
}

static void step_exited(struct torture *t)
{
    static const uint8_t tail[100];
    struct attempt_result facts = {.cause = CAUSE_EXIT, .out_tail = {tail, sizeof tail}};
    on_attempt_exited(t->agent, t->now, RIG_REF, &facts, &t->out);
}

static void step_drain(struct torture *t)
{
    on_drain(t->agent, t->now, t->now + 5000, &t->out);
}

static void step_ack(struct torture *t)
{
    struct msg_ack ack = {.incarnation = RIG_INCARNATION, .applied = t->agent->stream.next - 1};
    on_head_message(t->agent, t->now, MSG_ACK, &ack, &t->out);
}

static void torture_owed(struct torture *t, uint32_t n_snapshots)
{
    struct msg_owed owed = {RIG_EPOCH, n_snapshots, 0, "1 snapshot: 1.1 (step 4)"};
    on_head_message(t->agent, t->now, MSG_OWED, &owed, &t->out);
}

static void step_owed(struct torture *t)
{
    torture_owed(t, 1);
}

static void step_let_go(struct torture *t)
{
    torture_owed(t, 0);
}

static void (*const torture_steps[])(struct torture *t) = {
    step_link_up, torture_welcome, step_lease,  step_started,   step_open,      step_hello,
    step_report,  step_report,     step_report, step_report,    step_exploit,   step_order,
    step_save,    step_begun,      step_commit, step_committed, step_link_down, step_report,
    step_link_up, torture_welcome, step_bye,    step_tick,      step_exited,    step_drain,
    step_link_up, torture_welcome, step_ack,    step_owed,      step_let_go,    step_tick,
};
enum { TORTURE_STEPS = sizeof torture_steps / sizeof torture_steps[0] };

/* The whole day, or as much of it as memory allowed. Returns whether it came to its end. */
static bool torture_day(struct torture *t)
{
    struct agent_config config = rig_config();
    config.snapshots_dir = "/s";
    *t = (struct torture){.now = RIG_START_MS};
    agent_outbox_init(&t->out);
    bool is_through = agent_new(&config, &t->agent) == OK;
    for (int step = 0; is_through && step < TORTURE_STEPS; step++) {
        torture_steps[step](t);
        if (t->out.failed == OK && step + 1 == TORTURE_STEPS) {
            assert_int_equal(t->out.effects[t->out.n_effects - 1].kind, AGENT_EXIT);
        }
        is_through = torture_turn(t);
    }
    if (is_through) {
        struct buf dump;
        buf_init(&dump, 1 << 20);
        error_code error = agent_dump(t->agent, &dump);
        assert_true(error == OK || error == ERR_NO_MEMORY);
        buf_fini(&dump);
    }
    agent_free(t->agent);
    agent_outbox_fini(&t->out);
    assert_int_equal(mem_live_count(), 0);
    return is_through;
}

static void test_agent_allocation_k_fails_is_said_and_nothing_crashes(void **state)
{
    (void)state;
    struct torture t;
    mem_fail_at(0);
    assert_true(torture_day(&t));
    uint64_t k = 0, survived = 0;
    do {
        mem_fail_at(++k);
        bool is_through = torture_day(&t);
        /* A failure may be survived only where memory was not needed to go on: a larger hash table,
         * a dump. */
        survived += mem_has_failed() && is_through;
    } while (mem_has_failed());
    mem_fail_at(0);
    assert_true(k > 100);
    assert_true(survived <= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agent_allocation_k_fails_is_said_and_nothing_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
