/* What an enrolment names of arrays, dry nodes, and a seeded walk over connections that break. */
#include "lanes_rig.h"

static void lanes_reconnect(struct rig *r)
{
    on_link_down(r->agent, r->now, &r->out);
    rig_turn(r);
    rig_link_up(r);
}

static void
test_enrolment_names_lanes_and_every_position_whose_end_is_not_acknowledged(void **state)
{
    (void)state;
    struct rig r;
    struct msg_array array = lanes_array();
    rig_begin(&r);
    lanes_tell(&r, &array);
    lanes_send(&r, 1, 2, 0, 6);
    lanes_starts(&r, 1, 0);
    lanes_starts(&r, 2, 1);
    lanes_exit(&r, 0, 0); /* its row is not sent yet */
    rig_next(&r, AGENT_CLEAN);
    lanes_reconnect(&r);
    const struct msg_enrol *enrol = rig_enrol(&r);
    assert_int_equal(enrol->n_running, 0);
    assert_int_equal(enrol->n_lanes, 2);
    assert_int_equal(enrol->lanes[1].lane, 2);
    assert_int_equal(enrol->n_ranges, 3);
    assert_int_equal(enrol->ranges[0].range.first, 0);
    assert_int_equal(enrol->ranges[0].range.count, 1);
    assert_false(enrol->ranges[0].is_started);
    assert_true(enrol->ranges[1].is_started);
    assert_int_equal(enrol->ranges[1].range.first, 1);
    assert_int_equal(enrol->ranges[2].range.first, 2);
    assert_int_equal(enrol->ranges[2].range.count, 4);
    rig_welcome(&r, 0, NULL, 0); /* holds name no task of an array, and none is ended for it */
    assert_int_equal(lanes_row(lanes_tasks(&r, 1, 0), 0).id, 10);
    rig_tick(&r);
    lanes_starts(&r, 1, 2);
    rig_ack_all(&r);
    lanes_reconnect(&r);
    enrol = rig_enrol(&r);
    assert_int_equal(enrol->n_ranges, 3);
    assert_int_equal(enrol->ranges[0].range.first, 1);
    rig_end(&r);
}

static void test_positions_that_come_twice_run_once(void **state)
{
    (void)state;
    struct rig r;
    struct msg_array array = lanes_array();
    rig_begin(&r);
    lanes_tell(&r, &array);
    lanes_send(&r, 1, 1, 0, 2);
    lanes_starts(&r, 1, 0);
    lanes_exit(&r, 0, 0);
    rig_next(&r, AGENT_CLEAN);
    rig_head(&r, MSG_ARRAY, &array);
    lanes_send(&r, 0, 0, 0, 3);
    lanes_starts(&r, 1, 1);
    lanes_tasks(&r, 1, 0);
    lanes_exit(&r, 1, 0);
    rig_next(&r, AGENT_CLEAN);
    rig_tick(&r);
    lanes_starts(&r, 1, 2);
    lanes_tasks(&r, 1, 0);
    rig_end(&r);
}

static void test_position_handed_back_and_leased_again_before_the_acknowledgement_runs(void **state)
{
    (void)state;
    struct rig r;
    struct msg_array array = lanes_array();
    const struct msg_take_back back = {.job = LANES_JOB};
    rig_begin(&r);
    lanes_tell(&r, &array);
    lanes_send(&r, 1, 1, 0, 6);
    lanes_starts(&r, 1, 0);
    rig_head(&r, MSG_TAKE_BACK, &back);
    assert_int_equal(rig_event(&r, EVENT_RETURNED)->ranges[0].count, 5);
    lanes_send(&r, 0, 0, 3, 1);
    rig_ack_all(&r);
    lanes_exit(&r, 0, 0);
    rig_next(&r, AGENT_CLEAN);
    rig_tick(&r);
    lanes_starts(&r, 1, 3);
    lanes_tasks(&r, 1, 0);
    rig_ack_all(&r);
    lanes_reconnect(&r);
    const struct msg_enrol *enrol = rig_enrol(&r);
    assert_int_equal(enrol->n_ranges, 1);
    assert_int_equal(enrol->ranges[0].range.first, 3);
    rig_end(&r);
}

/* The head did not take the first end: it had given the node up when it came. */
static void
test_position_that_ended_and_is_leased_again_before_the_acknowledgement_runs(void **state)
{
    (void)state;
    struct rig r;
    struct msg_array array = lanes_array();
    rig_begin(&r);
    lanes_tell(&r, &array);
    lanes_send(&r, 1, 1, 0, 1);
    lanes_starts(&r, 1, 0);
    lanes_exit(&r, 0, 0);
    rig_next(&r, AGENT_CLEAN);
    rig_tick(&r);
    lanes_tasks(&r, 1, 0);
    lanes_send_late(&r, 0);
    rig_none(&r);
    lanes_send(&r, 0, 0, 0, 1);
    lanes_starts(&r, 1, 0);
    rig_ack_all(&r);
    lanes_reconnect(&r);
    assert_int_equal(rig_enrol(&r)->n_ranges, 1);
    rig_end(&r);
}

static void test_enrolment_says_what_was_handed_back_and_by_which_event(void **state)
{
    (void)state;
    struct rig r;
    struct msg_array array = lanes_array();
    const struct array_range some = {4, 2};
    const struct msg_take_back back = {.job = LANES_JOB, .ranges = &some, .n_ranges = 1};
    rig_begin(&r);
    lanes_tell(&r, &array);
    lanes_send(&r, 1, 1, 0, 9);
    lanes_starts(&r, 1, 0);
    rig_head(&r, MSG_TAKE_BACK, &back);
    uint64_t number = rig_event(&r, EVENT_RETURNED)->number;
    lanes_reconnect(&r);
    const struct msg_enrol *enrol = rig_enrol(&r);
    assert_int_equal(enrol->n_ranges, 4); /* what runs, then 1 to 3, what is handed back, 6 to 8 */
    assert_true(enrol->ranges[0].is_started);
    assert_int_equal(enrol->ranges[1].range.count, 3);
    assert_int_equal(enrol->ranges[1].returned, 0);
    assert_int_equal(enrol->ranges[2].range.first, 4);
    assert_int_equal(enrol->ranges[2].range.count, 2);
    assert_int_equal(enrol->ranges[2].returned, number);
    assert_int_equal(enrol->ranges[3].range.count, 3);
    assert_int_equal(enrol->ranges[3].returned, 0);
    rig_end(&r);
}

/* Rows of one event, and the word of one that failed. */
static void test_enrolment_says_which_events_tell_the_ends(void **state)
{
    (void)state;
    struct rig r;
    struct msg_array array = lanes_array();
    rig_begin(&r);
    lanes_tell(&r, &array);
    lanes_send(&r, 1, 1, 0, 4);
    lanes_starts(&r, 1, 0);
    lanes_exit(&r, 0, 0);
    rig_next(&r, AGENT_CLEAN);
    rig_tick(&r);
    lanes_starts(&r, 1, 1);
    uint64_t rows = lanes_tasks(&r, 1, 0)->number;
    lanes_exit(&r, 1, 3);
    uint64_t failed = rig_event(&r, EVENT_RESULT)->number;
    rig_next(&r, AGENT_CLEAN);
    rig_tick(&r);
    lanes_starts(&r, 1, 2);
    lanes_reconnect(&r);
    const struct msg_enrol *enrol = rig_enrol(&r);
    assert_int_equal(enrol->n_ranges, 4);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(enrol->ranges[i].range.first, i);
        assert_int_equal(enrol->ranges[i].range.count, 1);
    }
    assert_int_equal(enrol->ranges[0].returned, rows);
    assert_int_equal(enrol->ranges[1].returned, failed);
    assert_int_equal(enrol->ranges[2].returned, 0);
    assert_true(enrol->ranges[2].is_started);
    assert_int_equal(enrol->ranges[3].returned, 0);
    rig_end(&r);
}

static void test_array_with_nothing_here_is_forgotten_by_an_enrolment(void **state)
{
    (void)state;
    struct rig r;
    struct msg_array array = lanes_array();
    rig_begin(&r);
    lanes_tell(&r, &array);
    lanes_send(&r, 1, 1, 0, 0);
    rig_next(&r, AGENT_LANE_CLOSE);
    lanes_tasks(&r, 0, 1);
    rig_ack_all(&r);
    lanes_reconnect(&r);
    assert_int_equal(rig_next(&r, AGENT_ARRAY_DROP)->effect.job, LANES_JOB);
    assert_int_equal(rig_enrol(&r)->n_lanes, 0);
    rig_welcome(&r, r.agent->stream.acked, NULL, 0);
    lanes_tell(&r, &array);
    rig_end(&r);
}

/* ---- dry ---- */

static void dry_begin(struct rig *r)
{
    struct agent_config config = rig_config();
    config.enrol.is_dry = true;
    *r = (struct rig){.now = RIG_START_MS};
    agent_outbox_init(&r->out);
    arena_init(&r->arena, (size_t)1 << 30);
    r->effects = calloc(RIG_EFFECTS_MAX, sizeof *r->effects);
    assert_int_equal(agent_new(&config, &r->agent), OK);
    rig_link_up(r);
    assert_true(rig_enrol(r)->is_dry);
    rig_welcome(r, 0, NULL, 0);
}

static void test_dry_node_ends_every_position_in_slices_without_an_effect(void **state)
{
    (void)state;
    struct rig r;
    struct msg_array array = lanes_array();
    array.ids = (struct array_ids){.first = 1, .last = 2 * LANES_DRY_SLICE + 5, .step = 1};
    dry_begin(&r);
    lanes_tell(&r, &array);
    lanes_send(&r, 1, 1, 0, 2 * LANES_DRY_SLICE + 5);
    const struct node_event *event = lanes_tasks(&r, LANES_DRY_SLICE, 0);
    assert_int_equal(lanes_row(event, 0).id, 1);
    assert_int_equal(lanes_row(event, 9).flags, RESULT_ROW_DRY);
    rig_tick(&r);
    lanes_tasks(&r, LANES_DRY_SLICE, 0);
    rig_tick(&r);
    event = lanes_tasks(&r, 5, 0);
    assert_int_equal(lanes_row(event, 4).id, 2 * LANES_DRY_SLICE + 5);
    rig_ack_all(&r);
    rig_tick(&r);
    lanes_tasks(&r, 0, 1);
    assert_int_equal(agent_array_find(r.agent, LANES_JOB)->held.n, 0);
    rig_end(&r);
}

/* It would look at it again and again, for ever. */
static void test_dry_node_without_lanes_has_nothing_to_do(void **state)
{
    (void)state;
    struct rig r;
    struct msg_array array = lanes_array();
    dry_begin(&r);
    lanes_tell(&r, &array);
    lanes_send(&r, 1, 1, 0, 1);
    lanes_tasks(&r, 1, 0);
    rig_ack_all(&r);
    rig_tick(&r);
    lanes_tasks(&r, 0, 1);
    rig_ack_all(&r);
    rig_tick(&r);
    assert_true(agent_next_deadline(r.agent) > r.now);
    rig_end(&r);
}

static void test_dry_node_ends_an_attempt_with_exit_0_and_says_so(void **state)
{
    (void)state;
    struct rig r;
    struct msg_lease lease = rig_lease(RIG_REF);
    dry_begin(&r);
    rig_head(&r, MSG_LEASE, &lease);
    rig_event(&r, EVENT_STARTED);
    const struct node_event *event = rig_event(&r, EVENT_RESULT);
    assert_int_equal(event->result.cause, CAUSE_EXIT);
    assert_int_equal(event->result.exit_code, 0);
    assert_non_null(strstr(event->result.reason, "--dry"));
    assert_true(event->result.is_dry);
    rig_ack_all(&r);
    rig_next(&r, AGENT_CLEAN);
    rig_end(&r);
}

/* ---- a walk ---- */

enum { WALK_COUNT = 400, WALK_STEPS = 6000, WALK_LANES = 3 };

typedef enum { WALK_FREE, WALK_LEASED, WALK_ENDED } walk_slot;

/* A head that keeps to its half of the contract, and forgets what was not on disk. */
struct walk {
    struct rig *r;
    struct random random;
    walk_slot slots[WALK_COUNT], durable[WALK_COUNT];
    uint64_t applied, durable_applied;
    uint32_t starts[WALK_COUNT]; /* of the lease that holds */
    bool is_up, is_told;
    uint32_t next_lane;
    uint32_t running[8], n_running;
};

static void walk_event(struct walk *w, const struct node_event *event)
{
    if (event->number <= w->applied) {
        return;
    }
    assert_int_equal(event->number, w->applied + 1);
    w->applied = event->number;
    for (uint32_t i = 0; event->kind == EVENT_TASKS && i < result_rows_count(event->array_rows);
         i++) {
        uint32_t position = lanes_row(event, i).id - 1;
        assert_int_equal(w->slots[position], WALK_LEASED);
        w->slots[position] = WALK_ENDED;
    }
    for (uint32_t i = 0; event->kind == EVENT_RETURNED && i < event->n_ranges; i++) {
        for (uint32_t k = 0; k < event->ranges[i].count; k++) {
            uint32_t position = event->ranges[i].first + k;
            assert_int_equal(w->slots[position], WALK_LEASED);
            w->slots[position] = WALK_FREE;
        }
    }
}

static bool walk_is_named(const struct msg_enrol *enrol, uint32_t position)
{
    for (uint32_t i = 0; i < enrol->n_ranges; i++) {
        if (ranges_have(&enrol->ranges[i].range, 1, position)) {
            return true;
        }
    }
    return false;
}

static void walk_array_tell(struct walk *w)
{
    struct msg_array array = lanes_array();
    array.ids = (struct array_ids){1, WALK_COUNT, 1};
    if (!w->is_told) {
        w->is_told = true;
        rig_head(w->r, MSG_ARRAY, &array);
    }
}

static void walk_ranges(struct walk *w, uint32_t lane, uint32_t position)
{
    const struct array_lane about = {.lane = lane};
    const struct array_range range = {position, 1};
    const struct msg_ranges ranges = {.job = LANES_JOB,
                                      .lanes = &about,
                                      .n_lanes = lane > 0,
                                      .ranges = &range,
                                      .n_ranges = 1,
                                      .incarnation = w->r->agent->enrol->incarnation,
                                      .applied = w->durable_applied};
    walk_array_tell(w);
    rig_head(w->r, MSG_RANGES, &ranges);
}

static void walk_welcome(struct walk *w, const struct msg_enrol *enrol)
{
    memcpy(w->durable, w->slots, sizeof w->slots); /* the answer waits for the batch */
    w->durable_applied = w->applied;
    rig_welcome(w->r, w->applied, NULL, 0);
    for (uint32_t i = 0; i < WALK_COUNT; i++) {
        bool is_named = walk_is_named(enrol, i);
        if (w->slots[i] == WALK_LEASED && !is_named) {
            walk_ranges(w, 0, i); /* it never arrived */
        }
    }
}

/* Carries out what the agent wants; false: nothing was there. */
static bool walk_effect(struct walk *w)
{
    struct rig *r = w->r;
    if (r->first == r->n_effects) {
        return false;
    }
    struct rig_effect *effect = &r->effects[r->first++];
    if (effect->effect.kind == AGENT_LANE_START) {
        uint32_t position = effect->effect.position;
        assert_int_equal(w->starts[position]++, 0); /* no lease is started twice */
        assert_true(w->n_running < WALK_LANES);
        w->running[w->n_running++] = position;
        on_attempt_started(r->agent, r->now, (struct attempt_ref){{LANES_JOB, position + 1}, 0}, 1,
                           &r->out);
        rig_turn(r);
    } else if (effect->effect.kind != AGENT_SEND || !w->is_up) {
        return true;
    } else if (effect->effect.type == MSG_ENROL) {
        walk_welcome(w, effect->message);
    } else if (effect->effect.type == MSG_EVENTS) {
        const struct msg_events *events = effect->message;
        for (uint32_t i = 0; i < events->n_events; i++) {
            walk_event(w, &events->events[i]);
        }
    }
    return true;
}

static uint32_t walk_lanes(const struct walk *w)
{
    const struct agent_array *array = agent_array_find(w->r->agent, LANES_JOB);
    return array != NULL ? array->n_lanes : 0;
}

static void walk_lease(struct walk *w)
{
    uint32_t first = (uint32_t)random_below(&w->random, WALK_COUNT);
    for (uint32_t i = 0; i < WALK_COUNT; i++) {
        uint32_t position = (first + i) % WALK_COUNT;
        if (w->slots[position] == WALK_FREE) {
            uint32_t lane = walk_lanes(w) < WALK_LANES ? ++w->next_lane : 0;
            w->slots[position] = WALK_LEASED;
            w->starts[position] = 0;
            memcpy(w->durable, w->slots, sizeof w->slots); /* a lease is on disk before it leaves */
            w->durable_applied = w->applied;
            if (random_below(&w->random, 10) > 0) { /* else it is lost on its way */
                walk_ranges(w, lane, position);
            }
            return;
        }
    }
}

static void walk_reconnect(struct walk *w, bool is_restart)
{
    struct rig *r = w->r;
    w->is_up = false; /* what is under way is lost */
    while (walk_effect(w)) {
    }
    w->is_up = true;
    if (is_restart) {
        memcpy(w->slots, w->durable, sizeof w->slots);
        w->applied = w->durable_applied;
    }
    w->is_told = false;
    on_link_down(r->agent, r->now, &r->out);
    rig_turn(r);
    rig_link_up(r);
}

static void walk_step(struct walk *w, bool is_rough)
{
    struct rig *r = w->r;
    uint64_t dice = random_below(&w->random, 100);
    r->now += (time_ms)random_below(&w->random, 3);
    while (walk_effect(w)) {
    }
    if (dice < 3 && is_rough) {
        walk_reconnect(w, dice == 0);
    } else if (dice < 35) {
        walk_lease(w);
    } else if (dice < 38 && is_rough) {
        const struct array_range range = {(uint32_t)random_below(&w->random, WALK_COUNT), 50};
        const struct msg_take_back back = {
            .job = LANES_JOB, .ranges = &range, .n_ranges = 1, .why = WHY_NONE};
        rig_head(r, MSG_TAKE_BACK, &back);
    } else if (dice < 55) {
        memcpy(w->durable, w->slots, sizeof w->slots);
        w->durable_applied = w->applied;
        rig_ack(r, w->applied);
    } else if (dice < 80 && w->n_running > 0) {
        uint32_t i = (uint32_t)random_below(&w->random, w->n_running);
        struct attempt_result facts = {.cause = CAUSE_EXIT};
        struct attempt_ref ref = {{LANES_JOB, w->running[i] + 1}, 0};
        w->running[i] = w->running[--w->n_running];
        on_attempt_exited(r->agent, r->now, ref, &facts, &r->out);
        rig_turn(r);
    } else {
        rig_tick(r);
    }
    if (r->n_effects > RIG_EFFECTS_MAX - 2000 && r->first == r->n_effects) {
        r->first = r->n_effects = 0;
    }
}

static void test_array_over_connections_that_break_ends_every_task_exactly_once(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct rig r;
        static struct walk w;
        rig_begin(&r);
        w = (struct walk){.r = &r, .is_up = true};
        random_init(&w.random, seed, 1);
        for (int i = 0; i < WALK_STEPS; i++) {
            walk_step(&w, i < WALK_STEPS / 3);
        }
        for (uint32_t i = 0; i < WALK_COUNT; i++) {
            assert_int_equal(w.slots[i], WALK_ENDED);
        }
        rig_forget(&r);
        rig_end(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_enrolment_names_lanes_and_every_position_whose_end_is_not_acknowledged),
        cmocka_unit_test(test_positions_that_come_twice_run_once),
        cmocka_unit_test(
            test_position_handed_back_and_leased_again_before_the_acknowledgement_runs),
        cmocka_unit_test(
            test_position_that_ended_and_is_leased_again_before_the_acknowledgement_runs),
        cmocka_unit_test(test_enrolment_says_what_was_handed_back_and_by_which_event),
        cmocka_unit_test(test_enrolment_says_which_events_tell_the_ends),
        cmocka_unit_test(test_array_with_nothing_here_is_forgotten_by_an_enrolment),
        cmocka_unit_test(test_dry_node_ends_every_position_in_slices_without_an_effect),
        cmocka_unit_test(test_dry_node_without_lanes_has_nothing_to_do),
        cmocka_unit_test(test_dry_node_ends_an_attempt_with_exit_0_and_says_so),
        cmocka_unit_test(test_array_over_connections_that_break_ends_every_task_exactly_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
