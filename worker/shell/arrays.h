/* worker/shell/arrays.h -- task arrays on this machine: what their tasks are, their lanes, their
 * lines, their logs. The loop's thread; owned by the worker.
 *
 * A task of an array takes one of two ways. The *lean* one, if it needs no folder of its own: no
 * socket, no private folder, an environment made once a lane; the process, its tree and its end are
 * an attempt's. Else it is an attempt in full (attempt.h), but for where its output goes. */
#ifndef MUSTER_WORKER_SHELL_ARRAYS_H
#define MUSTER_WORKER_SHELL_ARRAYS_H

#include "base/list.h"
#include "sys/spawner_chain.h"
#include "worker/shell/array_logs.h"
#include "worker/shell/attempt.h"
#include "worker/shell/items.h"

enum {
    LANE_ENV_MAX = 3,      /* entries that each task has of its own */
    LANE_LOOK_MS = 10,     /* a task that lives longer is seen to have started by then */
    LANE_STALL_US = 20000, /* those behind one that runs for so long are given back */
};

struct array_here {
    UT_hash_handle hh;
    uint32_t job;
    struct worker *worker;
    struct arena arena;
    const struct msg_array *about; /* in the arena */
    bool is_lean;
    bool is_plain;       /* neither its words nor its environment have a macro */
    struct items *items; /* NULL: not opened */
    char items_tree[WORK_TREE_NAME_MAX + 1]; /* in use; "": none */
    struct array_log_index *index;           /* NULL: nothing was written */
    struct list lanes;
};

struct lane_here {
    struct list link; /* of its array; alone once it is closed */
    struct array_here *array;
    struct worker *worker;
    uint32_t number;
    struct arena arena;
    struct msg_lease lease; /* of its tasks: the array's, with its GPUs and the index of now */
    struct lane_logs *logs;
    /* of the lean way */
    struct proctree_mark mark;
    struct attempt_run *run; /* one for all its tasks */
    struct arena task_arena; /* of what is made for one task */
    const char **envp;       /* NULL: not made */
    const char *const *argv; /* NULL: made for each task */
    uint32_t n_env;          /* without those of a task */
    char trial_text[TASK_ID_TEXT_MAX + 16], index_text[32];
    struct spawn_chain *chain; /* NULL: of the other way */
    bool is_halted;            /* what runs has ended, and its tree may not be empty */
    bool is_held;              /* its chain, until the end of what runs */
    int64_t exec_us, ended_us;
};

struct arrays {
    struct worker *worker;
    struct array_here *by_job;
    int children_fd;     /* proctree_is_childless(); -1: the kernel cannot tell */
    uint32_t n_starting; /* lean tasks whose start was not seen yet */
};

/* ---- arrays.c ---- */
MUST_CHECK error_code arrays_new(struct worker *worker, struct arrays **ret_arrays,
                                 struct report *report);
void arrays_stop(struct arrays *arrays); /* closes handles; NULL is fine */
void arrays_free(struct arrays *arrays); /* NULL is fine */
/* What the core asks for. */
void arrays_take(struct arrays *arrays, const struct msg_array *about);
void arrays_drop(struct arrays *arrays, uint32_t job);
void arrays_lane_open(struct arrays *arrays, uint32_t job, const struct array_lane *about);
void arrays_lane_close(struct arrays *arrays, uint32_t job, uint32_t lane);
void arrays_lane_recall(struct arrays *arrays, uint32_t job, uint32_t lane);
void arrays_lane_start(struct arrays *arrays, struct attempt_ref ref, uint32_t lane,
                       uint32_t position);
/* What ${index} and ${line} stand for in this task; the line lives in `arena`, NULL: its array has
 * none. Not OK: the reason is in the report; what its node lacks has been told to the core. */
MUST_CHECK error_code arrays_macros(struct arrays *arrays, struct attempt_ref ref,
                                    struct arena *arena, const char **ret_line,
                                    struct report *report);
struct array_here *arrays_find(const struct arrays *arrays, uint32_t job);

/* ---- lane_task.c: the lean way ---- */
MUST_CHECK error_code lane_task_open(struct lane_here *lane);
/* Behind those that it has. OK, or the reason is in the report. */
MUST_CHECK error_code lane_task_start(struct lane_here *lane, struct attempt_ref ref,
                                      struct report *report);
/* The process tree is empty. */
void lane_task_gone(struct attempt_run *run);
/* Once a turn, before the core's: what has started and ended meanwhile. */
void arrays_turn(struct arrays *arrays);
/* Tells the core what happened so far. */
void lane_task_look(struct lane_here *lane);
/* What has not begun goes back to the core. */
void lane_task_recall(struct lane_here *lane);
/* Nothing else begins in its lane until this one has ended. False: it had ended. */
bool lane_task_hold(struct attempt_run *run);
/* At the lane's end; nothing runs, or the worker leaves. */
void lane_task_release(struct lane_here *lane);

#endif
