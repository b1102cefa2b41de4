/* worker/core/lanes.h -- task arrays on this node: the positions that were leased ahead, the lanes
 * that run them one after the other, and what became of them. Inner header of this folder; pure;
 * one thread.
 *
 * A position is *held* from its MSG_RANGES until the event that tells its end is acknowledged: the
 * enrolment names exactly these. Of the held ones some are queued here, one a lane runs, some have
 * ended. A lane's task is a struct attempt like any other: time, drain and orders treat it the
 * same; only its end is told by a row of 32 bytes if it ended well. */
#ifndef MUSTER_WORKER_CORE_LANES_H
#define MUSTER_WORKER_CORE_LANES_H

#include "worker/core/held_set.h"
#include "worker/core/parts.h"

enum {
    AGENT_ARRAYS_MAX = 4096,
    AGENT_LANES_MAX = 4096, /* of an array */
    LANES_DRY_SLICE = RESULT_ROWS_MAX,
    LANES_TELL_STARTED_MS = 1000, /* a task that runs for so long is told of */
    LANES_ROWS_SHARE = 4, /* rows wait while they are less than this part of what is queued */
    ARRAY_RANGES_MAX = 1 << 20,
    LANE_TASKS_MAX = 16,        /* of a lane at the shell, with the one that runs */
    LANE_AHEAD_US = 10000,      /* those ahead are this much work, as far as one knows */
    LANE_RECALLED_US = 1000000, /* how long tasks are taken to be after one kept others waiting */
};

struct lane {
    struct list link; /* of its array, in order of opening */
    struct agent_array *array;
    struct arena arena;
    uint32_t number;
    const char *const *gpus; /* in the arena */
    uint32_t n_gpus;
    struct attempt *attempts[LANE_TASKS_MAX]; /* in their order; the first one runs, or will next */
    uint32_t n_attempts;
};

/* Ranges in order; [first, n) are there. */
struct range_list {
    struct array_range *items;
    uint32_t first, n, cap;
};

/* Handed back, and not acknowledged. */
struct returned_range {
    uint64_t number; /* of its event */
    struct array_range range;
};

struct agent_array {
    UT_hash_handle hh;
    uint32_t job;
    struct arena arena;
    const struct msg_array *about; /* in the arena */
    struct range_list queued;
    struct held_set held;
    struct returned_range *returned;
    uint32_t n_returned, cap_returned;
    struct list lanes;
    uint32_t n_lanes;
    struct list due; /* of the agent: looked at by the next tick, or once its rows have waited */
    time_ms told_at; /* rows, the last time */
    struct buf rows; /* of tasks that ended since the last event */
    struct array_lane *closed;
    uint32_t n_closed, cap_closed;
    bool is_lean;       /* its tasks need no folder: several may be ahead at the shell */
    bool is_given_back; /* what the shell gives back goes back to the head */
    uint64_t task_us;   /* how long the last ones ran; 0: not measured */
    uint64_t told;      /* number of the last event that told ends of its tasks */
};

/* ---- lanes.c ---- */
struct agent_array *agent_array_find(const struct agent *agent, uint32_t job);
/* The next tick looks at it. */
void agent_array_touch(struct agent *agent, struct agent_array *array);
/* What is queued (and what only waits for a folder) goes back; `wanted` NULL: all of it. */
void agent_array_take_back(struct agent *agent, time_ms now, struct agent_array *array,
                           const struct array_range *wanted, uint32_t n_wanted,
                           struct agent_outbox *out);
/* All that it had to run has run. */
void agent_lane_close(struct agent *agent, struct lane *lane, struct agent_outbox *out);

/* ---- lane_run.c ---- */
/* The shell is asked for what it has ahead and has not begun: on_attempt_recalled() for each. */
void agent_lanes_recall(const struct agent_array *array, struct agent_outbox *out);

/* ---- ranges.c ---- */
MUST_CHECK error_code range_list_push(struct range_list *list, struct array_range range);
/* One that was taken: in front, if there is room. */
MUST_CHECK error_code range_list_put_back(struct range_list *list, uint32_t position);
/* False: it is empty. */
bool range_list_take(struct range_list *list, uint32_t *ret_position);
bool ranges_have(const struct array_range *ranges, uint32_t n_ranges, uint32_t position);
/* Moves what `wanted` has of `list` into `ret_taken`. */
MUST_CHECK error_code range_list_split(struct range_list *list, const struct array_range *wanted,
                                       uint32_t n_wanted, struct range_list *ret_taken);
void range_list_fini(struct range_list *list);

/* ---- array_events.c ---- */
/* A task ended well; the row goes with the turn's event. */
void agent_array_row(struct agent *agent, time_ms now, struct agent_array *array, uint32_t position,
                     time_ms started_at, uint64_t duration_us, struct agent_outbox *out);
void agent_array_closed(struct agent *agent, struct agent_array *array, uint32_t lane,
                        struct agent_outbox *out);
/* What was gathered becomes an event. */
void agent_array_flush(struct agent *agent, time_ms now, struct agent_array *array,
                       struct agent_outbox *out);
void agent_array_returned(struct agent *agent, time_ms now, uint32_t job, struct agent_array *array,
                          const struct array_range *ranges, uint32_t n_ranges,
                          struct agent_outbox *out);
#endif
