/* A trial of several processes: what they are told is told at one step for all. Connection i is
 * rank i - 1. */
#include <inttypes.h>

#include "base/random.h"
#include "rig.h"
#include "worker/core/ranks.h"

enum { RANKS = 4, CAN_ALL = CAN_CHECKPOINT | CAN_PAUSE | CAN_EXPLOIT };

static struct msg_lease ranks_lease(void)
{
    struct msg_lease lease = rig_lease(RIG_REF);
    lease.ranks = RANKS;
    lease.timeout_rank_ms = 30000;
    lease.checkpoints_on = CHECKPOINT_ON_RUNG;
    return lease;
}

static void rank_hello(struct rig *r, uint64_t connection, uint32_t rank, uint32_t world)
{
    struct trainer_request request = {
        .kind = TRAINER_HELLO, .can = CAN_ALL, .rank = rank, .world = world};
    rig_request(r, connection, &request);
}

static void rank_open(struct rig *r, uint32_t rank)
{
    rig_open(r, rank + 1, RIG_REF);
    rank_hello(r, rank + 1, rank, RANKS);
    rig_next(r, AGENT_ANSWER);
}

/* All ranks are open, the milestone is step 3. */
static void ranks_begin(struct rig *r, const struct msg_lease *lease)
{
    rig_begin(r);
    assert_int_equal(agent_snapshot_found(r->agent, (struct snapshot_name){{12, 7}, 5}), OK);
    rig_start(r, lease);
    rig_started(r, RIG_REF);
    for (uint32_t rank = 0; rank < RANKS; rank++) {
        rank_open(r, rank);
    }
    rig_ack_all(r);
    rig_none(r);
}

/* What is told alone is not what this is about. */
static void events_forget(struct rig *r)
{
    while (r->first < r->n_effects &&
           (r->effects[r->first].is_taken || r->effects[r->first].effect.kind == AGENT_SEND)) {
        r->effects[r->first++].is_taken = true;
    }
}

static void all_told(struct rig *r, const char *text)
{
    for (uint64_t connection = 1; connection <= RANKS; connection++) {
        rig_answer(r, connection, text);
    }
}

#define GO "{\"ok\":1,\"act\":0,\"milestone\":3,\"save\":3}"

/* ---- milestones ---- */

static void test_rank_at_the_milestone_waits_for_rank_0_and_is_told_the_same(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = ranks_lease();
    ranks_begin(&r, &lease);
    rig_report(&r, 2, 2, 0.9); /* below it nobody waits */
    rig_answer(&r, 2, GO);
    rig_report(&r, 2, 3, 0.9);
    rig_report(&r, 3, 3, 0.9);
    rig_none(&r);
    rig_report(&r, 1, 1, 0.5);
    rig_answer(&r, 1, GO);
    rig_report(&r, 1, 3, 0.4);
    const struct node_event *event = rig_event(&r, EVENT_MILESTONE);
    assert_int_equal(event->rows.n_rows, 2); /* of rank 0 alone */
    rig_order(&r, RIG_REF, &(struct order){.n = 2, .act = ACT_STOP, .why = WHY_RUNG});
    rig_answer(&r, 2, "{\"ok\":1,\"act\":4,\"milestone\":null}");
    rig_answer(&r, 3, "{\"ok\":1,\"act\":4,\"milestone\":null}");
    rig_answer(&r, 1, "{\"ok\":1,\"act\":4,\"milestone\":null}");
    rig_report(&r, 4, 2, 0.9); /* whoever comes later is told at that step, and not before */
    rig_answer(&r, 4, "{\"ok\":1,\"act\":0,\"milestone\":null}");
    rig_report(&r, 4, 3, 0.9);
    rig_answer(&r, 4, "{\"ok\":1,\"act\":4,\"milestone\":null}");
    rig_exited(&r, RIG_REF, 0);
    assert_int_equal(rig_event(&r, EVENT_RESULT)->result.cause, CAUSE_TOLD);
    rig_forget(&r);
    rig_end(&r);
}

static void
test_order_that_comes_by_itself_is_told_at_the_first_step_that_nobody_reported(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = ranks_lease();
    lease.order.until = INT64_MAX;
    ranks_begin(&r, &lease);
    rig_report(&r, 1, 1, 0.5);
    rig_report(&r, 2, 1, 0.5);
    rig_report(&r, 2, 2, 0.5);
    rig_forget(&r);
    rig_order(&r, RIG_REF, &(struct order){.n = 2, .act = ACT_PAUSE, .grace_ms = 10000});
    rig_report(&r, 1, 2, 0.5);
    rig_answer(&r, 1, "{\"ok\":1,\"act\":0,\"milestone\":null}");
    rig_report(&r, 3, 1, 0.5);
    rig_answer(&r, 3, "{\"ok\":1,\"act\":0,\"milestone\":null}");
    for (uint64_t connection = 1; connection <= RANKS; connection++) {
        rig_report(&r, connection, 3, 0.5);
        rig_answer(&r, connection, "{\"ok\":1,\"act\":3,\"milestone\":null}");
    }
    rig_report(&r, 2, 4, 0.5); /* the checkpoint was asked for once */
    rig_answer(&r, 2, "{\"ok\":1,\"act\":2,\"milestone\":null}");
    rig_forget(&r);
    rig_free(&r);
}

/* Somebody was told to pause; that the pause is called off meanwhile comes too late for the others.
 */
static void test_order_that_one_rank_was_told_is_told_to_all(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = ranks_lease();
    lease.order.until = INT64_MAX;
    ranks_begin(&r, &lease);
    rig_order(&r, RIG_REF, &(struct order){.n = 2, .act = ACT_PAUSE, .grace_ms = 10000});
    rig_report(&r, 2, 1, 0.5);
    rig_report(&r, 2, 2, 0.5);
    rig_forget(&r);
    rig_order(&r, RIG_REF, &(struct order){.n = 3, .act = ACT_STOP, .grace_ms = 10000});
    rig_report(&r, 1, 0, 0.5);
    rig_answer(&r, 1, "{\"ok\":1,\"act\":3,\"milestone\":null}");
    rig_forget(&r);
    rig_free(&r);
}

static void test_late_milestone_lets_all_ranks_go_on(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = ranks_lease();
    lease.timeout_decision_ms = 2000;
    ranks_begin(&r, &lease);
    for (uint64_t connection = RANKS; connection >= 1; connection--) {
        rig_report(&r, connection, 3, 0.5);
    }
    events_forget(&r);
    rig_none(&r);
    rig_wait(&r, 2000);
    uint32_t late = 0;
    for (uint32_t i = r.first; i < r.n_effects; i++) {
        const struct agent_effect *effect = &r.effects[i].effect;
        late += effect->kind == AGENT_ANSWER &&
                strcmp(effect->text, "{\"ok\":1,\"act\":0,\"late\":1}\n") == 0;
    }
    assert_int_equal(late, RANKS);
    rig_forget(&r);
    rig_report(&r, 2, 4, 0.5); /* the order is still to come, and nobody waits for it */
    rig_next(&r, AGENT_ANSWER);
    rig_order(&r, RIG_REF, &(struct order){.n = 2, .act = ACT_STOP, .grace_ms = 10000});
    rig_report(&r, 1, 4, 0.5);
    rig_answer(&r, 1, "{\"ok\":1,\"act\":0,\"milestone\":null}");
    rig_report(&r, 1, 5, 0.5);
    rig_answer(&r, 1, "{\"ok\":1,\"act\":4,\"milestone\":null}");
    rig_report(&r, 3, 5, 0.5);
    rig_answer(&r, 3, "{\"ok\":1,\"act\":4,\"milestone\":null}");
    rig_forget(&r);
    rig_free(&r);
}

static void test_rank_that_does_not_come_is_named_after_the_timeout(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = ranks_lease();
    ranks_begin(&r, &lease);
    rig_report(&r, 1, 3, 0.5);
    rig_report(&r, 2, 3, 0.5);
    rig_report(&r, 4, 3, 0.5);
    rig_order(&r, RIG_REF, &(struct order){.n = 2, .until = 9});
    rig_forget(&r);
    rig_wait(&r, lease.timeout_rank_ms - 1);
    events_forget(&r);
    rig_none(&r);
    rig_wait(&r, 1);
    events_forget(&r);
    rig_signal(&r, SIGTERM);
    rig_exited(&r, RIG_REF, 1);
    events_forget(&r);
    const struct attempt_result *result = NULL;
    for (uint32_t i = 0; i < r.n_effects; i++) {
        const struct msg_events *events = r.effects[i].message;
        if (r.effects[i].effect.type == MSG_EVENTS && events != NULL &&
            events->events[events->n_events - 1].kind == EVENT_RESULT) {
            result = &events->events[events->n_events - 1].result;
        }
    }
    assert_non_null(result);
    assert_int_equal(result->cause, CAUSE_TIMEOUT_RANK);
    assert_string_equal(result->reason,
                        "rank 2 did not report step 3 within 30 s of the first (timeouts.rank)");
    rig_forget(&r);
    rig_free(&r);
}

static void test_rank_0_speaks_alone_and_nobody_else_is_waited_for(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = ranks_lease();
    rig_begin(&r);
    rig_start(&r, &lease);
    rig_started(&r, RIG_REF);
    rank_open(&r, 0);
    rig_report(&r, 1, 3, 0.5);
    rig_order(&r, RIG_REF, &(struct order){.n = 2, .until = 9});
    rig_forget(&r);
    rig_wait(&r, 2 * lease.timeout_rank_ms);
    events_forget(&r);
    rig_none(&r);
    rig_say(&r, 1, TRAINER_SAVE, 9);
    rig_next(&r, AGENT_SAVE_BEGIN);
    on_save_begun(r.agent, r.now, RIG_REF, 1, "/a/save", NULL, NULL, &r.out);
    rig_turn(&r);
    rig_answer(&r, 1, "{\"ok\":1,\"dir\":\"/a/save\"}");
    rig_say(&r, 1, TRAINER_COMMIT, 9);
    rig_none(&r); /* the others may be on their way */
    rig_wait(&r, 10000);
    while (r.first < r.n_effects && r.effects[r.first].effect.kind != AGENT_SAVE_COMMIT) {
        r.effects[r.first++].is_taken = true;
    }
    rig_next(&r, AGENT_SAVE_COMMIT);
    rig_forget(&r);
    rig_free(&r);
}

/* ---- hellos ---- */

static void test_hello_of_a_rank_that_the_trial_does_not_have_is_refused(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = ranks_lease();
    ranks_begin(&r, &lease);
    rig_open(&r, 9, RIG_REF);
    rank_hello(&r, 9, 4, RANKS);
    rig_answer(&r, 9,
               "{\"ok\":0,\"error\":\"bad_rank\",\"text\":\"rank 4 of 4, and the trial has 4 (at "
               "most 128)\"}");
    rank_hello(&r, 9, 1, 2);
    rig_answer(&r, 9,
               "{\"ok\":0,\"error\":\"bad_rank\",\"text\":\"rank 1 of 2, and the trial has 4 (at "
               "most 128)\"}");
    rig_end(&r);
}

static void test_program_that_starts_its_own_ranks_tells_how_many(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = ranks_lease();
    lease.ranks = 0;
    rig_begin(&r);
    rig_start(&r, &lease);
    rig_started(&r, RIG_REF);
    rank_open(&r, 2);
    rank_open(&r, 0);
    rig_report(&r, 3, 3, 0.9);
    rig_none(&r);
    rig_report(&r, 1, 3, 0.5);
    rig_event(&r, EVENT_MILESTONE);
    rig_order(&r, RIG_REF, &(struct order){.n = 2, .act = ACT_STOP});
    rig_answer(&r, 3, "{\"ok\":1,\"act\":4,\"milestone\":null}");
    rig_answer(&r, 1, "{\"ok\":1,\"act\":4,\"milestone\":null}");
    rig_forget(&r);
    rig_free(&r);
}

/* ---- saves ---- */

static void saves_begin(struct rig *r, int64_t step)
{
    rig_say(r, 1, TRAINER_SAVE, step);
    assert_int_equal(rig_next(r, AGENT_SAVE_BEGIN)->effect.step, step);
    rig_say(r, 2, TRAINER_SAVE, step); /* while the folder is being made */
    on_save_begun(r->agent, r->now, RIG_REF, 1, "/a/save", NULL, NULL, &r->out);
    rig_turn(r);
    rig_say(r, 3, TRAINER_SAVE, step);
    rig_say(r, 4, TRAINER_SAVE, step);
    all_told(r, "{\"ok\":1,\"dir\":\"/a/save\"}");
}

static void test_save_is_one_snapshot_once_every_rank_has_committed(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = ranks_lease();
    ranks_begin(&r, &lease);
    saves_begin(&r, 3);
    for (uint64_t connection = RANKS; connection > 1; connection--) {
        rig_say(&r, connection, TRAINER_COMMIT, 3);
        rig_none(&r);
    }
    rig_say(&r, 1, TRAINER_COMMIT, 3);
    struct rig_effect *effect = rig_next(&r, AGENT_SAVE_COMMIT);
    assert_int_equal(effect->effect.snapshot.step, 3);
    struct snapshot_ref snapshot = {.ordinal = 1, .step = 3, .bytes = 10, .dir = "/s/1"};
    on_save_committed(r.agent, r.now, RIG_REF, 0, &snapshot, NULL, NULL, &r.out);
    rig_turn(&r);
    rig_event(&r, EVENT_SNAPSHOT);
    all_told(&r, "{\"ok\":1,\"id\":\"12.41@3.1\"}");
    rig_end(&r);
}

static void test_save_does_not_wait_for_a_rank_that_has_left(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = ranks_lease();
    ranks_begin(&r, &lease);
    saves_begin(&r, 3);
    rig_say(&r, 1, TRAINER_COMMIT, 3);
    rig_say(&r, 2, TRAINER_COMMIT, 3);
    rig_bye(&r, 3, BYE_DONE, NULL);
    rig_answer(&r, 3, "{\"ok\":1}");
    rig_none(&r);
    on_rank_ended(r.agent, r.now, RIG_REF, 3, false, &r.out);
    rig_turn(&r);
    rig_next(&r, AGENT_SAVE_COMMIT);
    rig_forget(&r);
    rig_free(&r);
}

static void test_save_that_a_rank_went_past_is_given_up(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = ranks_lease();
    ranks_begin(&r, &lease);
    saves_begin(&r, 3);
    rig_say(&r, 1, TRAINER_COMMIT, 3);
    rig_say(&r, 2, TRAINER_SAVE, 6);
    rig_answer(&r, 1,
               "{\"ok\":0,\"error\":\"not_now\",\"text\":\"another rank has gone on to a later "
               "save\"}");
    rig_next(&r, AGENT_SAVE_BEGIN);
    on_save_begun(r.agent, r.now, RIG_REF, 2, "/a/save/2", NULL, NULL, &r.out);
    rig_turn(&r);
    rig_answer(&r, 2, "{\"ok\":1,\"dir\":\"/a/save/2\"}");
    rig_say(&r, 3, TRAINER_COMMIT, 3);
    rig_answer(&r, 3,
               "{\"ok\":0,\"error\":\"not_now\",\"text\":\"no save of this step has begun\"}");
    rig_end(&r);
}

/* ---- ends ---- */

static void test_rank_that_failed_ends_the_others_soon(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = ranks_lease();
    lease.timeout_grace_ms = 60000;
    ranks_begin(&r, &lease);
    on_rank_ended(r.agent, r.now, RIG_REF, 2, true, &r.out);
    rig_turn(&r);
    rig_tick(&r);
    rig_signal(&r, SIGTERM);
    rig_wait(&r, 4000);
    rig_signal(&r, SIGKILL);
    struct attempt_result facts = {.cause = CAUSE_SIGNAL, .signal = 9, .reason = "rank 2: killed"};
    on_attempt_exited(r.agent, r.now, RIG_REF, &facts, &r.out);
    rig_turn(&r);
    const struct node_event *event = rig_event(&r, EVENT_RESULT);
    assert_int_equal(event->result.cause, CAUSE_SIGNAL);
    assert_string_equal(event->result.reason, "rank 2: killed");
    rig_forget(&r);
    rig_free(&r);
}

/* ---- exploits ---- */

static void test_exploit_gives_every_rank_the_weights_that_rank_0_takes(void **state)
{
    (void)state;
    static const struct named_value params[] = {{"lr", {.kind = VALUE_REAL, .real = 0.25}}};
    static const char taken[] = "{\"ok\":1,\"params\":{\"lr\":0.25},\"restore\":\"/s/12.7/5\","
                                "\"step\":24,\"milestone\":28,\"save\":28}";
    struct rig r;
    struct msg_lease lease = ranks_lease();
    ranks_begin(&r, &lease);
    for (uint64_t connection = 1; connection < RANKS; connection++) {
        rig_report(&r, connection, 3, 0.5);
    }
    rig_forget(&r);
    struct msg_order order = {.task = RIG_REF.task,
                              .order = {.n = 2, .until = 28, .act = ACT_EXPLOIT},
                              .restore = {.ordinal = 5, .step = 24, .owner = 7, .lineage = 2},
                              .params = params,
                              .n_params = 1};
    rig_head(&r, MSG_ORDER, &order);
    rig_ack_all(&r);
    rig_forget(&r);
    rig_say(&r, 2, TRAINER_EXPLOIT, 0);
    rig_none(&r); /* rank 0 asks the disk */
    rig_say(&r, 1, TRAINER_EXPLOIT, 0);
    rig_next(&r, AGENT_SNAPSHOT_PROVE);
    on_exploit_proven(r.agent, r.now, RIG_REF, 1, "/s/12.7/5", NULL, &r.out);
    rig_turn(&r);
    rig_answer(&r, 1, taken);
    rig_answer(&r, 2, taken);
    rig_report(&r, 1, 25, 0.4);
    rig_answer(&r, 1, "{\"ok\":1,\"act\":0,\"milestone\":28,\"save\":28}");
    /* One that lags still has the old weights, and is told at their step. */
    rig_report(&r, 4, 2, 0.5);
    rig_answer(&r, 4, "{\"ok\":1,\"act\":0,\"milestone\":28,\"save\":28}");
    rig_report(&r, 4, 3, 0.5);
    rig_answer(&r, 4, "{\"ok\":1,\"act\":8,\"milestone\":28,\"save\":28}");
    rig_say(&r, 4, TRAINER_EXPLOIT, 0);
    rig_answer(&r, 4, taken);
    rig_report(&r, 4, 25, 0.4);
    rig_answer(&r, 4, "{\"ok\":1,\"act\":0,\"milestone\":28,\"save\":28}");
    rig_forget(&r);
    rig_free(&r);
}

static void test_exploit_that_another_order_overtook_is_refused_to_all_who_wait(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = ranks_lease();
    ranks_begin(&r, &lease);
    for (uint64_t connection = 1; connection <= RANKS; connection++) {
        rig_report(&r, connection, 3, 0.5);
    }
    struct msg_order order = {.task = RIG_REF.task,
                              .order = {.n = 2, .until = 28, .act = ACT_EXPLOIT},
                              .restore = {.ordinal = 5, .step = 24, .owner = 7, .lineage = 2}};
    rig_head(&r, MSG_ORDER, &order);
    rig_ack_all(&r);
    rig_forget(&r);
    rig_say(&r, 3, TRAINER_EXPLOIT, 0);
    rig_none(&r);
    rig_order(&r, RIG_REF, &(struct order){.n = 3, .act = ACT_STOP, .grace_ms = 10000});
    rig_answer(&r, 3, "{\"ok\":0,\"error\":\"not_now\",\"text\":\"another order holds now\"}");
    rig_say(&r, 1, TRAINER_EXPLOIT, 0);
    rig_answer(&r, 1, "{\"ok\":0,\"error\":\"not_now\",\"text\":\"no exploit was ordered\"}");
    for (uint64_t connection = 1; connection <= RANKS; connection++) {
        rig_report(&r, connection, 4, 0.5);
        events_forget(&r);
        rig_answer(&r, connection, "{\"ok\":1,\"act\":4,\"milestone\":null}");
    }
    rig_forget(&r);
    rig_free(&r);
}

/* ---- any order of events ---- */

struct told {
    int64_t step;
    int act;
};

struct walk {
    struct rig rig;
    struct random random;
    int64_t at[RANKS];      /* the step that a rank reports next */
    bool is_waiting[RANKS]; /* its answer has not come */
    bool has_left[RANKS];
    struct told told[RANKS][64]; /* acts, and the step of the report that brought them */
    uint32_t n_told[RANKS];
    uint64_t order;
    int64_t until;
    bool is_held; /* rank 0 waits for the head */
};

static void walk_answers(struct walk *w)
{
    for (; w->rig.first < w->rig.n_effects; w->rig.first++) {
        struct rig_effect *effect = &w->rig.effects[w->rig.first];
        if (effect->effect.kind != AGENT_ANSWER || effect->effect.text[0] == '\n') {
            continue;
        }
        uint32_t rank = (uint32_t)effect->effect.connection - 1;
        const char *act = strstr(effect->effect.text, "\"act\":");
        assert_non_null(act);
        assert_true(w->is_waiting[rank]);
        w->is_waiting[rank] = false;
        int bits = atoi(act + 6);
        if (bits != 0) {
            w->told[rank][w->n_told[rank]++] = (struct told){w->at[rank] - 1, bits};
            w->has_left[rank] = true;
        }
        w->is_held = rank == 0 ? false : w->is_held;
    }
}

static void walk_order(struct walk *w)
{
    bool is_leave = random_below(&w->random, 4) == 0;
    struct order order = {.n = ++w->order, .until = INT64_MAX, .grace_ms = 1 << 20};
    if (is_leave) {
        order.act = random_below(&w->random, 2) == 0 ? ACT_STOP : ACT_PAUSE;
    } else {
        w->until = w->at[0] + (int64_t)random_below(&w->random, 5);
        order.until = w->until;
    }
    rig_order(&w->rig, RIG_REF, &order);
}

static void walk_rank(struct walk *w)
{
    uint32_t rank = (uint32_t)random_below(&w->random, RANKS);
    if (w->is_waiting[rank] || w->has_left[rank]) {
        return;
    }
    w->is_waiting[rank] = true;
    w->at[rank]++;
    rig_report(&w->rig, rank + 1, w->at[rank] - 1, 0.5);
}

/* Whatever comes when, what was told is a common sequence, and nobody waits for ever. */
static void walk_run(uint64_t seed)
{
    struct walk w = {.order = 1, .until = 3};
    random_init(&w.random, seed, 1);
    struct msg_lease lease = ranks_lease();
    lease.timeout_rank_ms = INT64_C(1) << 40;
    lease.timeout_decision_ms = 500;
    lease.timeout_grace_ms = 1 << 20;
    lease.checkpoints_on = 0;
    ranks_begin(&w.rig, &lease);
    for (int turn = 0; turn < 400; turn++) {
        uint64_t dice = random_below(&w.random, 100);
        if (dice < 80) {
            walk_rank(&w);
        } else if (dice < 84) {
            walk_order(&w);
        } else if (dice < 86 && seed % 3 == 0) {
            on_drain(w.rig.agent, w.rig.now, w.rig.now + (1 << 21), &w.rig.out);
            rig_turn(&w.rig);
        } else {
            rig_wait(&w.rig, (int64_t)random_below(&w.random, 200));
        }
        walk_answers(&w);
    }
    rig_order(&w.rig, RIG_REF,
              &(struct order){.n = w.order + 1, .act = ACT_STOP, .grace_ms = 1 << 20});
    for (int turn = 0; turn < 2000; turn++) {
        walk_answers(&w);
        walk_rank(&w);
        rig_wait(&w.rig, 1);
    }
    walk_answers(&w);
    for (uint32_t rank = 0; rank < RANKS; rank++) {
        assert_false(w.is_waiting[rank]);
        assert_int_equal(w.n_told[rank], 1);
        assert_int_equal(w.told[rank][0].step, w.told[0][0].step);
        assert_int_equal(w.told[rank][0].act, w.told[0][0].act);
    }
    rig_forget(&w.rig);
    rig_free(&w.rig);
}

static void test_ranks_leave_at_one_step_whatever_comes_when(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        walk_run(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rank_at_the_milestone_waits_for_rank_0_and_is_told_the_same),
        cmocka_unit_test(
            test_order_that_comes_by_itself_is_told_at_the_first_step_that_nobody_reported),
        cmocka_unit_test(test_order_that_one_rank_was_told_is_told_to_all),
        cmocka_unit_test(test_late_milestone_lets_all_ranks_go_on),
        cmocka_unit_test(test_rank_that_does_not_come_is_named_after_the_timeout),
        cmocka_unit_test(test_rank_0_speaks_alone_and_nobody_else_is_waited_for),
        cmocka_unit_test(test_hello_of_a_rank_that_the_trial_does_not_have_is_refused),
        cmocka_unit_test(test_program_that_starts_its_own_ranks_tells_how_many),
        cmocka_unit_test(test_save_is_one_snapshot_once_every_rank_has_committed),
        cmocka_unit_test(test_save_does_not_wait_for_a_rank_that_has_left),
        cmocka_unit_test(test_save_that_a_rank_went_past_is_given_up),
        cmocka_unit_test(test_rank_that_failed_ends_the_others_soon),
        cmocka_unit_test(test_exploit_gives_every_rank_the_weights_that_rank_0_takes),
        cmocka_unit_test(test_exploit_that_another_order_overtook_is_refused_to_all_who_wait),
        cmocka_unit_test(test_ranks_leave_at_one_step_whatever_comes_when),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
