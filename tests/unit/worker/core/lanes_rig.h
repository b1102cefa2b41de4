/* tests/unit/worker/core/lanes_rig.h -- what tests of arrays add to rig.h: job 7 with the ids 10,
 * 12, 14, ... */
#ifndef MUSTER_TESTS_WORKER_CORE_LANES_RIG_H
#define MUSTER_TESTS_WORKER_CORE_LANES_RIG_H

#include "rig.h"

#include "worker/core/lanes.h"

enum { LANES_JOB = 7, LANES_COUNT = 1000 };

static UNUSED struct msg_array lanes_array(void)
{
    static const char *const words[] = {"/bin/true", "${index}"};
    return (struct msg_array){
        .job = LANES_JOB,
        .ids = {.first = 10, .last = 10 + 2 * (LANES_COUNT - 1), .step = 2},
        .lease = {.task = {LANES_JOB, 0},
                  .words = words,
                  .n_words = 2,
                  .workdir =
                      NULL, /* so each has a folder, and goes alone: see lanes_ahead_test.c */
                  .work = "",
                  .setup = "",
                  .order = {.n = 1, .until = INT64_MAX},
                  .cpus = AMOUNT_ONE,
                  .timeout_grace_ms = 10000},
        .items = "",
    };
}

static UNUSED struct attempt_ref lanes_ref(uint32_t position)
{
    return (struct attempt_ref){{LANES_JOB, 10 + 2 * position}, 0};
}

static UNUSED void lanes_tell(struct rig *rig, const struct msg_array *array)
{
    rig_head(rig, MSG_ARRAY, array);
    if (!rig->agent->enrol->is_dry) {
        assert_int_equal(rig_next(rig, AGENT_ARRAY)->effect.array->job, LANES_JOB);
    }
    rig_none(rig);
}

/* Lanes first_lane, first_lane + 1, ... are opened, and one range comes, from a head that has all
 * that was told. */
static UNUSED void lanes_send(struct rig *rig, uint32_t first_lane, uint32_t n_lanes,
                              uint32_t first, uint32_t count)
{
    struct array_lane lanes[8] = {0};
    for (uint32_t i = 0; i < n_lanes; i++) {
        lanes[i].lane = first_lane + i;
    }
    const struct array_range range = {first, count};
    const struct msg_ranges ranges = {.job = LANES_JOB,
                                      .lanes = lanes,
                                      .n_lanes = n_lanes,
                                      .ranges = &range,
                                      .n_ranges = count > 0,
                                      .incarnation = rig->agent->enrol->incarnation,
                                      .applied = rig->agent->stream.next - 1};
    rig_head(rig, MSG_RANGES, &ranges);
    for (uint32_t i = 0; i < n_lanes && !rig->agent->enrol->is_dry; i++) {
        assert_int_equal(rig_next(rig, AGENT_LANE_OPEN)->effect.lane.lane, first_lane + i);
    }
    rig_tick(rig);
}

/* A lease that was on its way since before all that was told. */
static UNUSED void lanes_send_late(struct rig *rig, uint32_t position)
{
    const struct array_range range = {position, 1};
    const struct msg_ranges ranges = {.job = LANES_JOB,
                                      .ranges = &range,
                                      .n_ranges = 1,
                                      .incarnation = rig->agent->enrol->incarnation};
    rig_head(rig, MSG_RANGES, &ranges);
    rig_tick(rig);
}

static UNUSED void lanes_starts(struct rig *rig, uint32_t lane, uint32_t position)
{
    struct agent_effect effect = rig_next(rig, AGENT_LANE_START)->effect;
    assert_int_equal(effect.lane.lane, lane);
    assert_int_equal(effect.position, position);
    assert_int_equal(effect.ref.task.index, lanes_ref(position).task.index);
    on_attempt_started(rig->agent, rig->now, effect.ref, 4000 + position, &rig->out);
    rig_turn(rig);
}

/* Ends in the kernel's eyes; what follows comes with the next tick. */
static UNUSED void lanes_exit(struct rig *rig, uint32_t position, uint32_t exit_code)
{
    struct attempt_result facts = {.cause = CAUSE_EXIT, .exit_code = exit_code};
    agent_task_duration(rig->agent, lanes_ref(position), 1234);
    on_attempt_exited(rig->agent, rig->now, lanes_ref(position), &facts, &rig->out);
    rig_turn(rig);
}

static UNUSED const struct node_event *lanes_tasks(struct rig *rig, uint32_t n_rows,
                                                   uint32_t n_lanes)
{
    const struct node_event *event = rig_event(rig, EVENT_TASKS);
    assert_int_equal(event->job, LANES_JOB);
    assert_int_equal(result_rows_count(event->array_rows), n_rows);
    assert_int_equal(event->n_lanes, n_lanes);
    return event;
}

static UNUSED struct result_row lanes_row(const struct node_event *event, uint32_t i)
{
    struct result_row row;
    result_row_read(event->array_rows.data + i * RESULT_ROW_BYTES, &row);
    return row;
}

#endif
