/* tests/unit/worker/core/rig.h -- an agent with a recording outbox: every frame is decoded, encoded
 * again and compared; every effect must be expected, in order, before rig_end(). The head's side
 * and the shell's are played by the test. */
#ifndef MUSTER_TESTS_WORKER_CORE_RIG_H
#define MUSTER_TESTS_WORKER_CORE_RIG_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "spec/types.h"
#include "worker/core/parts.h"

#define UNUSED __attribute__((unused))

enum { RIG_EFFECTS_MAX = 20000, RIG_INCARNATION = 77, RIG_EPOCH = 1000, RIG_START_MS = 1000000 };

struct rig_effect {
    struct agent_effect effect;
    const void *message; /* SEND: decoded */
    bool is_taken;
};

struct rig {
    struct agent *agent;
    struct agent_outbox out;
    struct arena arena; /* what the effects point to */
    time_ms now;
    struct rig_effect *effects;
    uint32_t n_effects;
    uint32_t first; /* not taken yet */
    uint32_t heartbeats;
    bool has_said_left; /* the last one of them */
    bool is_head_away;  /* heartbeats get no answer */
};

/* ---- the recording outbox ---- */

static void rig_record(struct rig *rig, const struct agent_effect *effect)
{
    struct rig_effect record = {.effect = *effect};
    if (effect->kind == AGENT_SEND) {
        message_type type;
        void *message;
        assert_int_equal(message_decode(effect->frame, &rig->arena, &type, &message, NULL), OK);
        assert_int_equal(type, effect->type);
        struct buf again;
        buf_init(&again, MSG_MAX_BYTES);
        assert_int_equal(message_encode(type, message, &again), OK);
        assert_int_equal(again.len, effect->frame.len);
        assert_memory_equal(again.data, effect->frame.data, again.len);
        buf_fini(&again);
        record.message = message;
        if (type == MSG_HEARTBEAT) {
            rig->heartbeats++;
            rig->has_said_left |= ((const struct msg_heartbeat *)message)->has_left;
            return;
        }
    }
    if (effect->text != NULL) {
        record.effect.text = arena_strdup(&rig->arena, effect->text);
    }
    if (effect->lease != NULL) {
        record.effect.lease = agent_message_copy(MSG_LEASE, effect->lease, &rig->arena);
    }
    if (effect->array != NULL) {
        record.effect.array = agent_message_copy(MSG_ARRAY, effect->array, &rig->arena);
    }
    if (effect->gang != NULL) {
        record.effect.gang = agent_message_copy(MSG_GANG, effect->gang, &rig->arena);
    }
    if (effect->kind == AGENT_COPY) {
        uint8_t *pass = arena_alloc(&rig->arena, effect->frame.len);
        memcpy(pass, effect->frame.data, effect->frame.len);
        record.effect.frame.data = pass;
    }
    for (uint32_t i = 0; i < effect->lane.n_gpus; i++) {
        const char **gpus = arena_calloc(&rig->arena, effect->lane.n_gpus, sizeof *gpus);
        for (uint32_t k = 0; k < effect->lane.n_gpus; k++) {
            gpus[k] = arena_strdup(&rig->arena, effect->lane.gpus[k]);
        }
        record.effect.lane.gpus = gpus;
    }
    assert_true(rig->n_effects < RIG_EFFECTS_MAX);
    rig->effects[rig->n_effects++] = record;
}

/* After every call of the core. */
static void rig_turn(struct rig *rig)
{
    assert_int_equal(rig->out.failed, OK);
    for (uint32_t i = 0; i < rig->out.n_effects; i++) {
        rig_record(rig, &rig->out.effects[i]);
    }
    agent_outbox_reset(&rig->out);
    agent_check(rig->agent);
}

static UNUSED struct rig_effect *rig_next(struct rig *rig, agent_effect_kind kind)
{
    while (rig->first < rig->n_effects && rig->effects[rig->first].is_taken) {
        rig->first++;
    }
    assert_true(rig->first < rig->n_effects);
    struct rig_effect *effect = &rig->effects[rig->first];
    assert_int_equal(effect->effect.kind, kind);
    effect->is_taken = true;
    return effect;
}

static UNUSED void rig_none(struct rig *rig)
{
    while (rig->first < rig->n_effects && rig->effects[rig->first].is_taken) {
        rig->first++;
    }
    if (rig->first < rig->n_effects) {
        print_message("unexpected effect %d: %s\n", (int)rig->effects[rig->first].effect.kind,
                      rig->effects[rig->first].effect.text != NULL
                          ? rig->effects[rig->first].effect.text
                          : message_name(rig->effects[rig->first].effect.type));
    }
    assert_int_equal(rig->first, rig->n_effects);
}

static UNUSED void rig_forget(struct rig *rig)
{
    rig->first = rig->n_effects;
}

/* ---- the head ---- */

static UNUSED void rig_head(struct rig *rig, message_type type, const void *message)
{
    /* Through bytes, as it comes in life. */
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    const void *copy = agent_message_copy(type, message, &arena);
    assert_non_null(copy);
    on_head_message(rig->agent, rig->now, type, copy, &rig->out);
    arena_fini(&arena);
    rig_turn(rig);
}

static UNUSED void rig_ack(struct rig *rig, uint64_t applied)
{
    struct msg_ack ack = {.incarnation = RIG_INCARNATION, .applied = applied};
    rig_head(rig, MSG_ACK, &ack);
}

static UNUSED void rig_ack_all(struct rig *rig)
{
    rig_ack(rig, rig->agent->stream.next - 1);
}

static UNUSED void rig_welcome(struct rig *rig, uint64_t applied, const struct running_ref *holds,
                               uint32_t n_holds)
{
    struct msg_welcome welcome = {.epoch = RIG_EPOCH,
                                  .applied = applied,
                                  .node_timeout_ms = 30000,
                                  .heartbeat_ms = 1000,
                                  .holds = holds,
                                  .n_holds = n_holds};
    rig_head(rig, MSG_WELCOME, &welcome);
}

static UNUSED void rig_tick(struct rig *rig)
{
    uint32_t heartbeats = rig->heartbeats;
    on_agent_tick(rig->agent, rig->now, &rig->out);
    rig_turn(rig);
    if (rig->heartbeats != heartbeats && !rig->is_head_away) {
        rig_ack(rig, rig->agent->stream.acked);
    }
}

/* Time passes; every deadline is met on the dot. */
static UNUSED void rig_wait(struct rig *rig, int64_t wait_ms)
{
    time_ms end = rig->now + wait_ms;
    for (int turns = 0; agent_next_deadline(rig->agent) <= end; turns++) {
        assert_true(turns < 1000000);
        if (agent_next_deadline(rig->agent) > rig->now) {
            rig->now = agent_next_deadline(rig->agent);
        }
        rig_tick(rig);
    }
    rig->now = end;
}

/* ---- begin and end ---- */

static UNUSED struct agent_config rig_config(void)
{
    static const char *const gpus[] = {"GPU-fake-n1-0", "GPU-fake-n1-1"};
    return (struct agent_config){.enrol = {.protocol = PROTOCOL_VERSION,
                                           .schema_version = SCHEMA_VERSION,
                                           .secret = "secret",
                                           .node = "n1",
                                           .incarnation = RIG_INCARNATION,
                                           .host = "host",
                                           .pid = 4711,
                                           .version = "0.1.0",
                                           .cpus = 20000,
                                           .memory_bytes = 1 << 30,
                                           .gpus = gpus,
                                           .n_gpus = 2},
                                 .random_seed = 5};
}

static UNUSED void rig_begin_unconnected(struct rig *rig)
{
    struct agent_config config = rig_config();
    *rig = (struct rig){.now = RIG_START_MS};
    agent_outbox_init(&rig->out);
    arena_init(&rig->arena, (size_t)1 << 30);
    rig->effects = calloc(RIG_EFFECTS_MAX, sizeof *rig->effects);
    assert_non_null(rig->effects);
    assert_int_equal(agent_new(&config, &rig->agent), OK);
}

static UNUSED void rig_link_up(struct rig *rig)
{
    on_link_up(rig->agent, rig->now, &rig->out);
    rig_turn(rig);
}

static UNUSED const struct msg_enrol *rig_enrol(struct rig *rig)
{
    struct rig_effect *effect = rig_next(rig, AGENT_SEND);
    assert_int_equal(effect->effect.type, MSG_ENROL);
    return effect->message;
}

static UNUSED void rig_begin(struct rig *rig)
{
    rig_begin_unconnected(rig);
    rig_link_up(rig);
    rig_enrol(rig);
    rig_welcome(rig, 0, NULL, 0);
    rig_none(rig);
}

static UNUSED void rig_free(struct rig *rig)
{
    agent_free(rig->agent);
    agent_outbox_fini(&rig->out);
    arena_fini(&rig->arena);
    free(rig->effects);
    assert_int_equal(mem_live_count(), 0);
}

static UNUSED void rig_end(struct rig *rig)
{
    rig_none(rig);
    rig_free(rig);
}

/* ---- attempts ---- */

static const struct attempt_ref RIG_REF = {{12, 41}, 0};

static UNUSED struct msg_lease rig_lease(struct attempt_ref ref)
{
    static const char *const words[] = {"./train", "${args}"};
    static const struct named_value params[] = {{"lr", {.kind = VALUE_REAL, .real = 0.5}},
                                                {"layers", {.kind = VALUE_INT, .integer = 2}}};
    return (struct msg_lease){
        .task = ref.task,
        .attempt = ref.attempt,
        .is_trial = true,
        .sweep_name = "digits",
        .words = words,
        .n_words = 2,
        .workdir = "/tmp",
        .params = params,
        .n_params = 2,
        .seed = 17,
        .metric = "loss",
        .order = {.n = 1, .until = 3},
        .cpus = AMOUNT_ONE,
        .timeout_grace_ms = 10000,
        .timeout_decision_ms = 60000,
        .tail_bytes = 65536,
    };
}

/* What it starts from lies on this node. */
static UNUSED const struct msg_lease *rig_start(struct rig *rig, const struct msg_lease *lease)
{
    const struct snapshot_ref *restore = &lease->restore;
    struct snapshot_name name = {snapshot_maker(lease->task, restore), restore->ordinal};
    if (restore->ordinal != 0) {
        assert_int_equal(agent_snapshot_found(rig->agent, name), OK);
    }
    rig_head(rig, MSG_LEASE, lease);
    return rig_next(rig, AGENT_START)->effect.lease;
}

/* The one event of the next frame. */
static UNUSED const struct node_event *rig_event(struct rig *rig, event_kind kind)
{
    struct rig_effect *effect = rig_next(rig, AGENT_SEND);
    assert_int_equal(effect->effect.type, MSG_EVENTS);
    const struct msg_events *events = effect->message;
    assert_int_equal(events->incarnation, RIG_INCARNATION);
    assert_int_equal(events->n_events, 1);
    assert_int_equal(events->events[0].kind, kind);
    return &events->events[0];
}

static UNUSED void rig_started(struct rig *rig, struct attempt_ref ref)
{
    on_attempt_started(rig->agent, rig->now, ref, 99, &rig->out);
    rig_turn(rig);
    const struct node_event *event = rig_event(rig, EVENT_STARTED);
    assert_int_equal(event->pid, 99);
}

static UNUSED void rig_exited(struct rig *rig, struct attempt_ref ref, uint32_t exit_code)
{
    static const uint8_t tail[] = "last words\n";
    struct attempt_result facts = {.cause = CAUSE_EXIT,
                                   .exit_code = exit_code,
                                   .cpu_ms = 12,
                                   .rss_peak_bytes = 4096,
                                   .out_tail = {tail, sizeof tail - 1}};
    on_attempt_exited(rig->agent, rig->now, ref, &facts, &rig->out);
    rig_turn(rig);
}

static UNUSED void rig_signal(struct rig *rig, int number)
{
    struct rig_effect *effect = rig_next(rig, AGENT_SIGNAL);
    assert_int_equal(effect->effect.signal, number);
}

/* ---- trainers ---- */

static UNUSED void rig_request(struct rig *rig, uint64_t connection,
                               const struct trainer_request *request)
{
    on_trainer_request(rig->agent, rig->now, connection, request, &rig->out);
    rig_turn(rig);
}

static UNUSED void rig_open(struct rig *rig, uint64_t connection, struct attempt_ref ref)
{
    on_trainer_open(rig->agent, rig->now, connection, ref, &rig->out);
    rig_turn(rig);
}

static UNUSED void rig_hello(struct rig *rig, uint64_t connection, uint32_t can)
{
    struct trainer_request request = {.kind = TRAINER_HELLO, .can = can};
    rig_request(rig, connection, &request);
}

static UNUSED void rig_report(struct rig *rig, uint64_t connection, int64_t step, double value)
{
    static const char *const names[] = {"loss"};
    struct trainer_request request = {
        .kind = TRAINER_REPORT, .step = step, .names = names, .values = &value, .n_metrics = 1};
    rig_request(rig, connection, &request);
}

static UNUSED void rig_say(struct rig *rig, uint64_t connection, trainer_request_kind kind,
                           int64_t step)
{
    struct trainer_request request = {.kind = kind, .step = step};
    rig_request(rig, connection, &request);
}

static UNUSED void rig_bye(struct rig *rig, uint64_t connection, bye_word bye, const char *note)
{
    struct trainer_request request = {.kind = TRAINER_BYE, .bye = bye, .note = note};
    rig_request(rig, connection, &request);
}

static UNUSED void rig_answer(struct rig *rig, uint64_t connection, const char *text)
{
    struct rig_effect *effect = rig_next(rig, AGENT_ANSWER);
    assert_int_equal(effect->effect.connection, connection);
    size_t length = strlen(effect->effect.text);
    assert_true(length > 0 && effect->effect.text[length - 1] == '\n');
    char *line = arena_strndup(&rig->arena, effect->effect.text, length - 1);
    assert_string_equal(line, text);
}

static UNUSED void rig_order_alone(struct rig *rig, struct attempt_ref ref,
                                   const struct order *order)
{
    struct msg_order message = {.task = ref.task, .attempt = ref.attempt, .order = *order};
    rig_head(rig, MSG_ORDER, &message);
}

/* As the head tells it: the order, then that the events before it are on disk. */
static UNUSED void rig_order(struct rig *rig, struct attempt_ref ref, const struct order *order)
{
    rig_order_alone(rig, ref, order);
    rig_ack_all(rig);
}

/* A running trial with connection 1 open and greeted. */
static UNUSED void rig_running(struct rig *rig, const struct msg_lease *lease, uint32_t can)
{
    struct attempt_ref ref = {lease->task, lease->attempt};
    rig_start(rig, lease);
    rig_started(rig, ref);
    rig_open(rig, 1, ref);
    rig_hello(rig, 1, can);
    rig_next(rig, AGENT_ANSWER);
    rig_ack_all(rig);
    rig_none(rig);
}

#endif
