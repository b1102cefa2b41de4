/* head/core/array_view.h -- task arrays as people see them: figures, single tasks, walks by state.
 * Pure; an outward header beside core.h. All of it is read from memory and shows the core as it is
 * now: whoever tells it must let it wait for the turn's group, as answers do.
 *
 * A task of an array that is *plain* (attempt 0, nothing of note happened) has no record and no
 * struct: only its slot, and a result row once it ended well. Any other one is an *exception*,
 * which view_task(), core_task_exists() and the lists know as they know every task. */
#ifndef MUSTER_HEAD_CORE_ARRAY_VIEW_H
#define MUSTER_HEAD_CORE_ARRAY_VIEW_H

#include "head/core/core.h"

struct array_counts {
    uint32_t total;
    uint32_t queued;     /* exceptions that wait for their next attempt included */
    uint32_t leased;     /* on a node, and not in a lane yet */
    uint32_t running;    /* in a lane, or an exception that runs */
    uint32_t stopping;   /* told to leave */
    uint32_t done;       /* exit 0, whatever attempt */
    uint32_t failed;     /* for good */
    uint32_t cancelled;  /* plain ones of an array that was told to end included */
    uint32_t exceptions; /* tasks with a record of their own, ended ones included */
    uint32_t lanes;      /* open */
    uint64_t mean_us;    /* of a task, lately; 0: not known yet */
    double rate;         /* tasks that ended well a second, measured up to rate_at; 0: not known */
    time_ms rate_at;
};

/* One task of an array. */
struct array_task {
    task_id id;
    uint32_t position;
    array_slot slot;
    task_state state; /* as of a task: QUEUED, LEASED, RUNNING (for a second at least), ENDED */
    task_outcome outcome;
    const char *node; /* the core's; that it is leased to; NULL: none */
    time_ms started;  /* 0: not known */
    uint32_t pid;     /* 0: not known */
};

/* The record of a job, NULL: there is none of this number (or it is being removed). Its `array`
 * says whether it is an array and of which ids; `nodes` names the nodes of its result rows. */
const struct record_job *core_job_record(const struct core *core, uint32_t number);
/* False: no array has this number. */
bool core_array_counts(const struct core *core, uint32_t number, struct array_counts *ret_counts);
/* False: no array, or no id of it. */
bool core_array_task(const struct core *core, task_id id, struct array_task *ret_task);

/* What a walk stops at. An exception is selected by its own state and outcome, a plain one by what
 * struct array_task says of it. */
struct array_filter {
    uint32_t states;    /* bits, 1 << task_state; 0: all */
    uint32_t outcomes;  /* bits, 1 << task_outcome; 0: all */
    bool is_exceptions; /* these only */
};
/* The first selected position from `from` on; cheap over long stretches of equal slots. False:
 * none. */
bool core_array_next(const struct core *core, uint32_t number, const struct array_filter *filter,
                     uint32_t from, uint32_t *ret_position);

/* "waits for a lane: ...", "runs in 2 lanes on 1 node", ... one text for people about the array as
 * a whole; appends. False: no array. */
bool core_array_explain(const struct core *core, uint32_t number, struct buf *ret_text);
/* Appends that results of it are dry, if they are. */
void core_array_explain_dry(const struct record_job *job, struct buf *ret_text);

#endif
