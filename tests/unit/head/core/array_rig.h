/* tests/unit/head/core/array_rig.h -- arrays on the rig of a core: submissions, and an agent played
 * as far as lanes and positions go. It reads what was sent to it and tells results in events. */
#ifndef TESTS_HEAD_CORE_ARRAY_RIG_H
#define TESTS_HEAD_CORE_ARRAY_RIG_H

#include "head/core/arrays.h"
#include "rig.h"

enum { AGENT_POSITIONS_MAX = 1 << 17, AGENT_LANES_MAX = 64 };

struct agent {
    const char *name;
    uint64_t peer, incarnation;
    bool is_dry; /* it runs no process, and says so of each result */
    uint64_t event;
    uint32_t lanes[AGENT_LANES_MAX];
    uint32_t n_lanes;
    bool keeps_lanes; /* until it hears of its results; else they close with the last task */
    uint8_t held[AGENT_POSITIONS_MAX]; /* by position */
    uint32_t n_held;
    uint32_t n_arrays;                   /* MSG_ARRAY that came */
    uint32_t n_taken;                    /* MSG_TAKE_BACK that came, for arrays as a whole */
    struct msg_take_back last_take_back; /* without its ranges */
    struct array_range last_take_range;
    unsigned n_read; /* of the rig's sent messages */
};

static inline struct agent *agent_new(const char *name, uint64_t peer)
{
    struct agent *agent = calloc(1, sizeof *agent);
    *agent = (struct agent){.name = name, .peer = peer, .incarnation = 1000 + peer};
    return agent;
}

/* What was sent to it since it last looked. */
static inline void agent_read(struct rig *r, struct agent *agent)
{
    for (; agent->n_read < r->n_sent; agent->n_read++) {
        const struct rig_sent *sent = &r->sent[agent->n_read];
        if (sent->kind != HEAD_SEND || sent->peer != agent->peer) {
            continue;
        }
        struct arena arena;
        message_type type;
        void *message;
        arena_init(&arena, MSG_ARENA_MAX_BYTES);
        struct bytes frame = {(uint8_t *)sent->body, sent->len};
        assert_int_equal(message_decode(frame, &arena, &type, &message, NULL), OK);
        if (type == MSG_RANGES) {
            const struct msg_ranges *msg = message;
            assert_true(agent->n_arrays > 0);
            for (uint32_t i = 0; i < msg->n_lanes; i++) {
                assert_true(agent->n_lanes < AGENT_LANES_MAX);
                agent->lanes[agent->n_lanes++] = msg->lanes[i].lane;
            }
            for (uint32_t i = 0; i < msg->n_ranges; i++) {
                for (uint32_t k = 0; k < msg->ranges[i].count; k++) {
                    assert_int_equal(agent->held[msg->ranges[i].first + k], 0);
                    agent->held[msg->ranges[i].first + k] = 1;
                    agent->n_held++;
                }
            }
        } else if (type == MSG_ARRAY) {
            agent->n_arrays++;
        } else if (type == MSG_TAKE_BACK) {
            const struct msg_take_back *msg = message;
            agent->n_taken += msg->n_ranges == 0;
            agent->last_take_back = *msg;
            agent->last_take_range =
                msg->n_ranges > 0 ? msg->ranges[0] : (struct array_range){0, 0};
        }
        arena_fini(&arena);
    }
}

static inline void agent_event(struct rig *r, struct agent *agent, struct node_event event)
{
    event.number = ++agent->event;
    event.time = r->now;
    struct msg_events msg = {agent->incarnation, &event, 1};
    on_events(r->core, r->now, agent->peer, &msg);
    rig_turn(r);
    agent_read(r, agent);
}

/* With what it has, if `names`. */
static inline void agent_enrol_as(struct rig *r, struct agent *agent, int64_t cpus, uint32_t job,
                                  bool names)
{
    static struct held_range ranges[AGENT_POSITIONS_MAX];
    struct held_lane lanes[AGENT_LANES_MAX];
    uint32_t n_ranges = 0, n_lanes = 0;
    for (uint32_t i = 0; names && i < agent->n_lanes; i++) {
        lanes[n_lanes++] = (struct held_lane){.job = job, .lane = agent->lanes[i]};
    }
    for (uint32_t i = 0; names && i < AGENT_POSITIONS_MAX; i++) {
        if (agent->held[i]) {
            ranges[n_ranges++] = (struct held_range){.job = job, .range = {i, 1}};
        }
    }
    char state_dir[64];
    snprintf(state_dir, sizeof state_dir, "/n/%s", agent->name);
    struct msg_enrol msg = {.protocol = PROTOCOL_VERSION,
                            .schema_version = 1,
                            .secret = "s",
                            .node = agent->name,
                            .incarnation = agent->incarnation,
                            .host = "h",
                            .pid = 9,
                            .version = "test",
                            .cpus = cpus * AMOUNT_ONE,
                            .memory_bytes = 1 << 30,
                            .state_dir = state_dir,
                            .is_dry = agent->is_dry,
                            .lanes = lanes,
                            .n_lanes = n_lanes,
                            .ranges = ranges,
                            .n_ranges = n_ranges,
                            .first_event = agent->event + 1};
    on_enrol(r->core, r->now, agent->peer, &msg);
    rig_turn(r);
    agent_read(r, agent);
}

static inline void agent_enrol(struct rig *r, struct agent *agent, int64_t cpus)
{
    agent_enrol_as(r, agent, cpus, 0, false);
}

/* It was started anew, dry or not; what it had was run before. */
static inline void agent_restart(struct rig *r, struct agent *agent, int64_t cpus, bool is_dry)
{
    agent->incarnation++;
    agent->event = 0;
    agent->n_lanes = 0;
    agent->is_dry = is_dry;
    agent_enrol(r, agent, cpus);
}

static inline uint32_t agent_lowest(const struct agent *agent)
{
    const uint8_t *held = memchr(agent->held, 1, AGENT_POSITIONS_MAX);
    if (held == NULL) {
        fail_msg("%s has nothing", agent->name);
    }
    return (uint32_t)(held - agent->held);
}

/* Rows of `n` ids in one event, of those that it has or not; lanes that then find nothing close. */
static inline void agent_rows(struct rig *r, struct agent *agent, uint32_t job,
                              const struct result_row *rows, uint32_t n)
{
    uint8_t *blob = calloc(n + 1, RESULT_ROW_BYTES);
    struct array_lane closed[AGENT_LANES_MAX];
    uint32_t n_closed = 0;
    for (uint32_t i = 0; i < n; i++) {
        result_row_write(&rows[i], blob + i * RESULT_ROW_BYTES);
    }
    while (!agent->keeps_lanes && agent->n_lanes > agent->n_held) {
        closed[n_closed++] = (struct array_lane){.lane = agent->lanes[--agent->n_lanes]};
    }
    agent_event(r, agent,
                (struct node_event){.kind = EVENT_TASKS,
                                    .job = job,
                                    .array_rows = {blob, n * RESULT_ROW_BYTES},
                                    .lanes = closed,
                                    .n_lanes = n_closed});
    free(blob);
}

/* Its `n` lowest positions end well, each after `us`. */
static inline void agent_run(struct rig *r, struct agent *agent, uint32_t job, uint32_t n,
                             uint64_t us)
{
    const struct array *array = core_work_find(r->core, job)->array;
    struct result_row *rows = calloc(n + 1, sizeof *rows);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t position = agent_lowest(agent);
        agent->held[position] = 0;
        agent->n_held--;
        rows[i] = (struct result_row){.id = array_id_at(array->ids, position),
                                      .started_at = r->now,
                                      .duration_us = us,
                                      .flags = agent->is_dry ? RESULT_ROW_DRY : 0};
    }
    agent_rows(r, agent, job, rows, n);
    free(rows);
}

/* Until the array has ended. */
static inline void agent_run_all(struct rig *r, struct agent *agent, uint32_t job)
{
    for (int turns = 0; core_work_find(r->core, job)->job->r.ended == 0; turns++) {
        assert_true(turns < 10000);
        r->now += 1;
        agent_run(r, agent, job, agent->n_held, 100);
        rig_sent_clear(r);
        agent->n_read = 0;
    }
}

static inline void agent_return(struct rig *r, struct agent *agent, uint32_t job)
{
    static struct array_range ranges[AGENT_POSITIONS_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < AGENT_POSITIONS_MAX; i++) {
        if (agent->held[i]) {
            agent->held[i] = 0;
            ranges[n++] = (struct array_range){i, 1};
        }
    }
    agent->n_held = 0;
    agent_event(
        r, agent,
        (struct node_event){.kind = EVENT_RETURNED, .job = job, .ranges = ranges, .n_ranges = n});
}

/* The end of one of its tasks that is no row. */
static inline void agent_result(struct rig *r, struct agent *agent, task_id id, uint32_t attempt,
                                end_cause cause, uint32_t exit_code)
{
    const struct array *array = core_work_find(r->core, id.job)->array;
    uint32_t position;
    if (array != NULL && attempt == 0 && array_position_of(array->ids, id.index, &position) &&
        agent->held[position]) {
        agent->held[position] = 0;
        agent->n_held--;
    }
    struct attempt_result result = {.has_started = cause != CAUSE_REFUSED,
                                    .cause = cause,
                                    .exit_code = exit_code,
                                    .reason = "it failed",
                                    .is_dry = agent->is_dry,
                                    .started_at = r->now,
                                    .ended_at = r->now + 5};
    agent_event(r, agent,
                (struct node_event){
                    .kind = EVENT_RESULT, .task = id, .attempt = attempt, .result = result});
}

static inline uint32_t array_submit_job(struct rig *r, const struct record_job *job)
{
    static uint64_t request = 50000;
    on_job_submit(r->core, r->now, ++request, job);
    rig_turn(r);
    const struct rig_sent *sent = rig_answer(r, request);
    assert_non_null(sent);
    const char *id = strstr(sent->body, "\"id\":");
    return id != NULL && sent->status == 201 ? (uint32_t)atoi(id + 5) : 0;
}

static const char *const array_words[] = {"true", "${index}"};

static inline struct record_job array_job(uint32_t first, uint32_t last, uint32_t step)
{
    return (struct record_job){.name = "a",
                               .words = array_words,
                               .n_words = 2,
                               .workdir = "/w",
                               .cpus = AMOUNT_ONE,
                               .priority = 50,
                               .array = {first, last, step}};
}

static inline uint32_t array_submit(struct rig *r, uint32_t n)
{
    struct record_job job = array_job(1, n, 1);
    return array_submit_job(r, &job);
}

static inline struct array_counts array_counts_of(const struct rig *r, uint32_t job)
{
    struct array_counts counts;
    assert_true(core_array_counts(r->core, job, &counts));
    return counts;
}

static inline array_slot array_slot_of(const struct rig *r, uint32_t job, uint32_t position)
{
    return array_slot_at(core_work_find(r->core, job)->array, position);
}

/* Result rows of the array in the store; `ret_last` may be NULL. */
static inline uint32_t array_stored_rows(const struct rig *r, uint32_t job,
                                         struct result_row *ret_last)
{
    char prefix[32];
    uint32_t n = 0;
    snprintf(prefix, sizeof prefix, "res:%u.", job);
    for (unsigned i = 0; i < r->n_store; i++) {
        const struct rig_field *f = &r->store[i];
        if (strncmp(f->key, prefix, strlen(prefix)) == 0) {
            n += (uint32_t)(f->len / RESULT_ROW_BYTES);
            if (ret_last != NULL) {
                result_row_read(f->value + f->len - RESULT_ROW_BYTES, ret_last);
            }
        }
    }
    return n;
}

static inline void array_clear(struct rig *r, struct agent *agent)
{
    agent_read(r, agent);
    rig_sent_clear(r);
    agent->n_read = 0;
}

#endif
