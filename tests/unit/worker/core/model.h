/* tests/unit/worker/core/model.h -- a seeded model of a head, its disk, the two directions of a
 * connection, a shell and its trainers around one agent: connections break at any time, the head
 * restarts and forgets what was not on disk, welcomes come twice. */
#ifndef MUSTER_TESTS_WORKER_CORE_MODEL_H
#define MUSTER_TESTS_WORKER_CORE_MODEL_H

#include "rig.h"

enum {
    MODEL_ATTEMPTS = 12,
    MODEL_LOG_MAX = 60000,
    MODEL_QUEUE_MAX = 4096,
};

struct model_entry {
    event_kind kind;
    uint32_t index;
    uint64_t first_seq, last_seq;
    uint32_t n_rows;
    uint64_t reached;
    uint64_t result_last_seq;
};

struct model_attempt {
    bool is_leased; /* durable at the head */
    struct order order;
    bool is_process; /* it runs */
    uint64_t connection;
    bool is_waiting; /* an answer is owed */
    bool is_told;
    int64_t step;
    uint64_t reports;
};

struct model_message {
    message_type type;
    struct bytes frame; /* in the arena */
};

struct model_queue {
    struct model_message messages[MODEL_QUEUE_MAX];
    uint32_t first, n;
};

struct model {
    struct agent *agent;
    struct agent_outbox out;
    struct random random;
    struct arena arena;
    time_ms now;
    bool is_up;
    struct model_queue up, down;
    struct model_entry log[MODEL_LOG_MAX];
    uint64_t received; /* in the head's memory */
    uint64_t durable;
    uint64_t epoch;
    uint64_t next_connection;
    uint32_t restarts, breaks, duplicates;
    struct model_attempt attempts[MODEL_ATTEMPTS + 1];
};

static struct attempt_ref model_ref(uint32_t index)
{
    return (struct attempt_ref){{3, index}, 0};
}

static void model_push(struct model *m, struct model_queue *queue, message_type type,
                       struct bytes frame)
{
    assert_true(queue->n < MODEL_QUEUE_MAX);
    uint8_t *copy = arena_alloc(&m->arena, frame.len);
    memcpy(copy, frame.data, frame.len);
    queue->messages[(queue->first + queue->n++) % MODEL_QUEUE_MAX] =
        (struct model_message){type, {copy, frame.len}};
}

static struct model_message model_pop(struct model_queue *queue)
{
    struct model_message message = queue->messages[queue->first];
    queue->first = (queue->first + 1) % MODEL_QUEUE_MAX;
    queue->n--;
    return message;
}

static void model_tell(struct model *m, message_type type, const void *message)
{
    struct buf frame;
    buf_init(&frame, MSG_MAX_BYTES);
    assert_int_equal(message_encode(type, message, &frame), OK);
    if (m->is_up) {
        model_push(m, &m->down, type, buf_bytes(&frame));
    }
    buf_fini(&frame);
}

/* ---- the shell ---- */

static void model_answer(struct model *m, const struct agent_effect *effect)
{
    for (uint32_t i = 1; i <= MODEL_ATTEMPTS; i++) {
        struct model_attempt *attempt = &m->attempts[i];
        if (attempt->connection != effect->connection || strcmp(effect->text, "\n") == 0) {
            continue;
        }
        attempt->is_waiting = false;
        if (strstr(effect->text, "\"act\":4") != NULL) {
            attempt->is_told = true;
        }
    }
}

static void model_turn(struct model *m)
{
    assert_int_equal(m->out.failed, OK);
    agent_check(m->agent);
    for (uint32_t i = 0; i < m->out.n_effects; i++) {
        const struct agent_effect *effect = &m->out.effects[i];
        if (effect->kind == AGENT_SEND && m->is_up) {
            model_push(m, &m->up, effect->type, effect->frame);
        } else if (effect->kind == AGENT_ANSWER) {
            model_answer(m, effect);
        } else if (effect->kind == AGENT_START) {
            m->attempts[effect->ref.task.index].is_process = true;
        } else if (effect->kind == AGENT_RECONNECT) {
            m->is_up = false;
            m->up.n = m->down.n = 0;
        }
    }
    agent_outbox_reset(&m->out);
}

/* Whoever was asked to start starts; the core is not called from within a turn. */
static void model_starts(struct model *m)
{
    for (uint32_t i = 1; i <= MODEL_ATTEMPTS; i++) {
        struct model_attempt *attempt = &m->attempts[i];
        if (!attempt->is_process || attempt->connection != 0) {
            continue;
        }
        attempt->connection = ++m->next_connection;
        on_attempt_started(m->agent, m->now, model_ref(i), i, &m->out);
        model_turn(m);
        on_trainer_open(m->agent, m->now, attempt->connection, model_ref(i), &m->out);
        model_turn(m);
    }
}

static void model_train(struct model *m, uint32_t index)
{
    struct model_attempt *attempt = &m->attempts[index];
    if (!attempt->is_process || attempt->connection == 0 || attempt->is_waiting) {
        return;
    }
    if (attempt->is_told || (attempt->reports > 20 && random_below(&m->random, 150) == 0)) {
        struct attempt_result facts = {.cause = CAUSE_EXIT, .exit_code = index};
        attempt->is_process = false;
        on_attempt_exited(m->agent, m->now, model_ref(index), &facts, &m->out);
        model_turn(m);
        return;
    }
    static const char *const names[] = {"loss"};
    double value = (double)attempt->step;
    struct trainer_request request = {.kind = TRAINER_REPORT,
                                      .step = ++attempt->step,
                                      .names = names,
                                      .values = &value,
                                      .n_metrics = 1};
    attempt->is_waiting = true;
    attempt->reports++;
    on_trainer_request(m->agent, m->now, attempt->connection, &request, &m->out);
    model_turn(m);
}

/* ---- the head ---- */

static bool model_has_result(const struct model *m, uint32_t index)
{
    for (uint64_t n = 1; n <= m->received; n++) {
        if (m->log[n].kind == EVENT_RESULT && m->log[n].index == index) {
            return true;
        }
    }
    return false;
}

static void model_lease_send(struct model *m, uint32_t index)
{
    struct msg_lease lease = rig_lease(model_ref(index));
    lease.order = m->attempts[index].order;
    lease.timeout_decision_ms = INT64_C(1) << 40;
    model_tell(m, MSG_LEASE, &lease);
}

static void model_welcome(struct model *m, const struct msg_enrol *enrol)
{
    struct running_ref holds[MODEL_ATTEMPTS];
    uint32_t n = 0;
    m->durable = m->received; /* the answer waits for its batch */
    for (uint32_t i = 1; i <= MODEL_ATTEMPTS; i++) {
        if (m->attempts[i].is_leased && !model_has_result(m, i)) {
            holds[n++] = (struct running_ref){model_ref(i).task, 0, m->attempts[i].order.n};
        }
    }
    struct msg_welcome welcome = {.epoch = m->epoch,
                                  .applied = m->durable,
                                  .heartbeat_ms = 1000,
                                  .holds = holds,
                                  .n_holds = n};
    bool is_twice = random_below(&m->random, 4) == 0;
    m->duplicates += is_twice;
    for (int times = 0; times <= is_twice; times++) {
        model_tell(m, MSG_WELCOME, &welcome);
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t index = holds[i].task.index;
        const struct running_ref *named = NULL;
        for (uint32_t j = 0; j < enrol->n_running; j++) {
            named = enrol->running[j].task.index == index ? &enrol->running[j] : named;
        }
        if (named == NULL) {
            model_lease_send(m, index);
        } else if (named->order < holds[i].order) {
            struct msg_order order = {.task = model_ref(index).task,
                                      .order = m->attempts[index].order};
            model_tell(m, MSG_ORDER, &order);
        }
    }
}

static void model_event(struct model *m, const struct node_event *event)
{
    if (event->number <= m->received) {
        return; /* once more */
    }
    assert_int_equal(event->number, m->received + 1); /* no gap, ever */
    assert_true(m->received + 1 < MODEL_LOG_MAX);
    const struct metric_rows *rows = &event->rows;
    m->log[++m->received] = (struct model_entry){
        .kind = event->kind,
        .index = event->task.index,
        .first_seq = rows->n_rows > 0 ? rows->rows[0].seq : 0,
        .last_seq = rows->n_rows > 0 ? rows->rows[rows->n_rows - 1].seq : 0,
        .n_rows = rows->n_rows,
        .reached = event->reached,
        .result_last_seq = event->result.last_seq,
    };
    if (event->kind != EVENT_MILESTONE) {
        return;
    }
    struct model_attempt *attempt = &m->attempts[event->task.index];
    assert_true(event->reached <= attempt->order.n);
    if (event->reached == attempt->order.n) {
        bool is_last = random_below(&m->random, 40) == 0;
        attempt->order.n++;
        attempt->order.until += 1 + (int64_t)random_below(&m->random, 12);
        attempt->order.act = is_last ? ACT_STOP : ACT_GO;
        attempt->order.grace_ms = INT64_C(1) << 40;
        m->durable = m->received; /* order and event are one batch */
    }
    struct msg_order order = {
        .task = event->task, .attempt = event->attempt, .order = attempt->order};
    model_tell(m, MSG_ORDER, &order);
}

static void model_head_read(struct model *m)
{
    struct model_message message = model_pop(&m->up);
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    message_type type;
    void *decoded;
    assert_int_equal(message_decode(message.frame, &arena, &type, &decoded, NULL), OK);
    if (type == MSG_ENROL) {
        model_welcome(m, decoded);
    } else if (type == MSG_EVENTS) {
        const struct msg_events *events = decoded;
        for (uint32_t i = 0; i < events->n_events; i++) {
            model_event(m, &events->events[i]);
        }
    }
    arena_fini(&arena);
}

static void model_agent_read(struct model *m)
{
    struct model_message message = model_pop(&m->down);
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    message_type type;
    void *decoded;
    assert_int_equal(message_decode(message.frame, &arena, &type, &decoded, NULL), OK);
    on_head_message(m->agent, m->now, type, decoded, &m->out);
    arena_fini(&arena);
    model_turn(m);
}

static void model_ack(struct model *m)
{
    m->durable = m->received;
    struct msg_ack ack = {.incarnation = RIG_INCARNATION, .applied = m->durable};
    model_tell(m, MSG_ACK, &ack);
}

static void model_lease_new(struct model *m)
{
    for (uint32_t i = 1; i <= MODEL_ATTEMPTS; i++) {
        if (!m->attempts[i].is_leased) {
            m->attempts[i].is_leased = true;
            m->attempts[i].order = (struct order){.n = 1, .until = 2};
            model_lease_send(m, i);
            return;
        }
    }
}

static void model_connect(struct model *m)
{
    if (!m->is_up) {
        m->is_up = true;
        on_link_up(m->agent, m->now, &m->out);
        model_turn(m);
    }
}

static void model_break(struct model *m)
{
    if (m->is_up) {
        m->breaks++;
        m->is_up = false;
        m->up.n = m->down.n = 0;
        on_link_down(m->agent, m->now, &m->out);
        model_turn(m);
    }
}

static void model_step(struct model *m)
{
    uint64_t dice = random_below(&m->random, 1000);
    m->now += (time_ms)random_below(&m->random, 20);
    if (dice < 8) {
        model_break(m);
        if (dice < 3) {
            m->received = m->durable; /* restarted: what was not on disk is forgotten */
            m->epoch++;
            m->restarts++;
        }
    } else if (dice < 60) {
        model_connect(m);
    } else if (dice < 80) {
        model_lease_new(m);
    } else if (dice < 200 && m->is_up) {
        model_ack(m);
    } else if (dice < 450 && m->up.n > 0) {
        model_head_read(m);
    } else if (dice < 600 && m->down.n > 0) {
        model_agent_read(m);
    } else if (dice < 700) {
        on_agent_tick(m->agent, m->now, &m->out);
        model_turn(m);
    } else {
        model_train(m, 1 + (uint32_t)random_below(&m->random, MODEL_ATTEMPTS));
    }
    model_starts(m);
}

/* Nothing breaks any more: everything that is owed arrives. */
static void model_settle(struct model *m)
{
    for (int turns = 0; turns < 100000; turns++) {
        bool is_idle = true;
        model_connect(m);
        for (uint32_t i = 1; i <= MODEL_ATTEMPTS; i++) {
            m->attempts[i].is_told = true; /* leave after the answer that is owed */
            is_idle = is_idle && !m->attempts[i].is_process;
            model_train(m, i);
        }
        model_lease_new(m);
        while (m->up.n > 0) {
            model_head_read(m);
        }
        model_ack(m);
        while (m->down.n > 0) {
            model_agent_read(m);
        }
        model_starts(m);
        m->now += 20;
        on_agent_tick(m->agent, m->now, &m->out);
        model_turn(m);
        if (is_idle && m->agent->n_attempts == 0 && m->agent->stream.next == m->durable + 1 &&
            m->attempts[MODEL_ATTEMPTS].is_leased) {
            return;
        }
    }
    fail_msg("the model never came to rest");
}

#endif
