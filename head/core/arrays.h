/* head/core/arrays.h -- task arrays: what the core remembers of one, and how its files call each
 * other. Pure; inside head/core. docs/ARCHITECTURE.md, "Task arrays", has the idea.
 *
 * A *plain* task is two bits of its chunk: queued, leased or done. Whoever does not fit them is an
 * *exception*, with a struct task of its own in work->tasks. A *holder* is a node as the array sees
 * it; its *lanes* hold the resources, so many as tasks may run there at once. */
#ifndef MUSTER_HEAD_CORE_ARRAYS_H
#define MUSTER_HEAD_CORE_ARRAYS_H

#include "head/core/array_view.h"
#include "head/core/state.h"

enum {
    ARRAY_WORD = 32, /* positions of one word of slots */
    ARRAY_CHUNK_WORDS = ARRAY_CHUNK / ARRAY_WORD,
    ARRAY_AHEAD_MAX = 1024,    /* tasks that a node has beyond its lanes */
    ARRAY_AHEAD_US = 1000000,  /* tasks that take longer are not leased ahead */
    ARRAY_FAILED_MAX = 100000, /* more of them end an array that has no limit of its own */
    ARRAY_EXCEPTIONS_MAX = 1000000,
    ARRAY_RATE_MS = 2000,         /* a rate is measured over at least so long */
    ARRAY_ROWS_BYTES = 512 << 10, /* result rows in one group of writes */
    ARRAY_FAULTS_MAX = 10,        /* starts in a row that failed for want of something on a node */
};

/* Of a leased position: its holder's number + 1, and these. */
#define HELD_STARTED ((uint32_t)1 << 31) /* it has an array_started */
#define HELD_NAMED ((uint32_t)1 << 30)   /* by the enrolment that is looked at */
#define HELD_HOLDER (HELD_NAMED - 1)

struct array_chunk {
    struct array *array;
    struct list dirty_link;
    uint32_t *held;                 /* [ARRAY_CHUNK]; NULL: nothing of it is leased */
    uint16_t n[SLOT_EXCEPTION + 1]; /* tasks by slot */
    uint16_t n_rows;
    uint16_t rows_cap;
    uint8_t *rows; /* results that the open group does not have yet */
};

struct open_lane {
    struct list link;
    uint32_t number;
    bool is_new; /* its agent was not told yet */
    struct allocation allocation;
};

/* A plain task that has run for a second: in memory only, for people. */
struct array_started {
    uint32_t position;
    uint32_t pid;
    time_ms since;
    UT_hash_handle hh;
};

struct array_holder {
    struct array *array;
    struct node *node; /* NULL: it has nothing of the array */
    const char *name;  /* of the job's record */
    uint32_t number;   /* index into it */
    uint64_t incarnation;
    struct list node_link;
    struct list touched_link;
    struct list lanes;
    uint32_t n_lanes, n_new;
    uint32_t last_lane;
    uint32_t n_held, n_started, n_running;
    bool is_told;               /* what the tasks are, on this connection */
    bool is_taking_back;        /* everything that has not started, and the answer is under way */
    struct array_range *ranges; /* leased, and not told yet */
    uint32_t n_ranges, ranges_cap;
    UT_hash_handle hh; /* by name */
};

struct array {
    struct work *work;
    struct array_ids ids;
    uint32_t n_tasks, n_chunks;
    uint64_t *slots; /* two bits a position */
    struct array_chunk *chunks;
    uint32_t n[SLOT_EXCEPTION + 1];
    uint32_t n_running; /* in lanes */
    uint32_t n_lanes;
    uint32_t cursor;               /* no position below it is queued */
    struct array_holder **holders; /* by number */
    uint32_t n_holders, holders_cap;
    struct array_holder *by_name;
    struct array_started *started;
    struct waiting lane; /* the next one, in the scheduler */
    struct list due_link;
    struct list hold_link;
    time_ms hold_until;
    time_ms yield_at;        /* then its own tasks that are tried again go before new ones */
    double mean_us;          /* of a task, lately; 0: not known */
    double rate;             /* rows a second up to rate_at; 0: not known */
    time_ms rate_at;         /* 0: no row came yet */
    uint32_t rate_rows;      /* since then */
    uint32_t removing_chunk; /* so many have to be deleted still */
};

/* ---- arrays.c: made, freed, its place in the scheduler, lanes ---- */
/* Of a job that names one; the work's own from then on. ERR_NO_MEMORY. */
MUST_CHECK error_code core_array_make(struct core *core, struct work *work);
void core_array_free(struct core *core, struct array *array); /* NULL is fine */
/* Its plain tasks are none of the cluster's any more. */
void core_array_uncount(struct core *core, struct array *array);
/* Has somebody said that it is to end? Then what is queued counts as cancelled. */
bool core_array_is_told(const struct array *array);
bool core_array_is_over(const struct array *array); /* and on record as that */
/* Whether it wants a lane is looked at before the next placement. */
void core_array_due(struct core *core, struct array *array);
void core_arrays_refresh(struct core *core);
/* It gets no new lane until then. */
void core_array_hold(struct core *core, struct array *array, time_ms until);
void core_arrays_unhold(struct core *core, time_ms now);
/* The node as its holder, NULL: failed, or the array had to end. */
struct array_holder *core_array_holder(struct core *core, time_ms now, struct array *array,
                                       struct node *node);
struct array_holder *core_array_holder_find(const struct array *array, const struct node *node);
void core_array_holder_bind(struct array_holder *holder, struct node *node);
void core_array_touch(struct core *core, struct array_holder *holder);
/* After a change of its lanes or of what it holds. */
void core_array_recount(struct core *core, struct array_holder *holder);
/* The scheduler has found room for a lane. */
void core_array_lane_open(struct core *core, time_ms now, struct array *array,
                          struct allocation *allocation);
struct open_lane *core_array_lane_add(struct core *core, struct array_holder *holder,
                                      const struct allocation *allocation, uint32_t number);
struct open_lane *core_array_lane_find(const struct array_holder *holder, uint32_t number);
void core_array_lane_close(struct core *core, struct array_holder *holder, struct open_lane *lane);
/* Asserts that hold between turns; adds its plain tasks to those counted by state. */
void core_array_check(const struct array *array, uint32_t tasks[TASK_ENDED + 1]);

/* ---- array_chunks.c: slots and who holds them ---- */
static inline struct array_chunk *array_chunk_of(const struct array *array, uint32_t position)
{
    return &array->chunks[position / ARRAY_CHUNK];
}

static inline array_slot array_slot_at(const struct array *array, uint32_t position)
{
    return (array_slot)(array->slots[position / ARRAY_WORD] >> (position % ARRAY_WORD * 2) & 3);
}

static inline uint32_t *array_held_at(const struct array *array, uint32_t position)
{
    struct array_chunk *chunk = array_chunk_of(array, position);
    return chunk->held != NULL ? &chunk->held[position % ARRAY_CHUNK] : NULL;
}

/* Leased to this holder? */
static inline bool array_is_held(const struct array_holder *holder, uint32_t position)
{
    const uint32_t *held = array_held_at(holder->array, position);
    return held != NULL && (*held & HELD_HOLDER) == holder->number + 1;
}

/* The state of a task of this slot; not of an exception. */
task_state core_array_state(const struct array *array, array_slot slot);
void core_array_count(struct core *core, struct array *array, array_slot slot, int64_t delta);
void core_array_chunk_dirty(struct core *core, struct array_chunk *chunk);
/* To another slot than LEASED; whoever held it does no more. */
void core_array_slot_set(struct core *core, struct array *array, uint32_t position, array_slot to);
/* Adds the tasks of a word by slot, but for the queued ones. */
void core_array_word_count(uint64_t word, uint16_t n[SLOT_EXCEPTION + 1]);
/* The cursor goes on to the first queued position; false: there is none. */
bool core_array_cursor_move(struct array *array);
/* Leases up to `n` queued positions, the lowest first; returns how many. */
uint32_t core_array_take(struct core *core, struct array_holder *holder, uint32_t n);
/* The first position from `from` on that is leased to it; false: none. */
bool core_array_held_next(const struct array_holder *holder, uint32_t from, uint32_t *ret_position);
void core_array_started_forget(struct array *array, uint32_t position);
/* One result row into its chunk; `row` as it shall be kept. */
void core_array_row_add(struct core *core, struct array_chunk *chunk,
                        const uint8_t row[RESULT_ROW_BYTES]);
void core_array_chunks_write(struct core *core);
void core_array_chunks_free(struct array *array);
error_code core_array_chunk_load(struct core *core, const struct record_chunk *record,
                                 struct report *report);

/* ---- array_lease.c: what a node is told to run ---- */
/* What the tasks are, if it was not told on this connection. */
void core_array_tell(struct core *core, struct array_holder *holder);
/* Of everything (n 0) or of those. */
void core_array_take_back(struct core *core, struct array_holder *holder,
                          const struct array_range *ranges, uint32_t n, order_why why,
                          int64_t grace_ms);
/* The node gets nothing new: what it has not started is wanted back. */
void core_arrays_take_back(struct core *core, struct node *node);
/* An order to leave for a task whose first attempt is in a lane. */
void core_array_order_send(struct core *core, const struct task *task);
/* At the end of a turn: tops up whoever told results, tells what was leased. */
void core_arrays_flush(struct core *core);
/* So many tasks took so long together. */
void core_array_measure(struct array *array, uint32_t n_tasks, uint64_t us);

/* ---- array_events.c ---- */
void on_event_tasks(struct core *core, time_ms now, struct node *node,
                    const struct node_event *event);
void on_event_returned(struct core *core, time_ms now, struct node *node,
                       const struct node_event *event);
/* STARTED or RESULT of a plain task. False: it is none that this node holds. */
bool core_array_task_event(struct core *core, time_ms now, struct node *node,
                           const struct node_event *event);

/* ---- array_exceptions.c ---- */
/* The plain task gets a record of its own: queued, or with a holder on its node in `state`. NULL:
 * failed. */
struct task *core_array_exception(struct core *core, time_ms now, struct array *array,
                                  uint32_t position, task_state state);
/* Its node is lost: lanes are closed, what it held is queued again by the rules of a lost node. */
void core_arrays_node_lost(struct core *core, time_ms now, struct node *node, const char *reason);
void core_array_holder_lost(struct core *core, time_ms now, struct array_holder *holder,
                            const char *reason);
/* What its tasks need is not there on the node. */
void core_array_fault(struct core *core, time_ms now, struct task *task,
                      const struct attempt_result *result);

/* ---- array_enrol.c ---- */
/* The connection is a new one: nothing was told on it. */
void core_arrays_untold(struct node *node);
/* After the welcome. */
void core_arrays_enrol(struct core *core, time_ms now, struct node *node,
                       const struct msg_enrol *msg);

/* ---- array_end.c ---- */
void core_array_task_ended(struct core *core, time_ms now, const struct task *task);
bool core_array_is_open(const struct array *array); /* some of its tasks are to end yet */
/* After any change: is that all? */
void core_array_advance(struct core *core, time_ms now, struct array *array);
/* Nothing of it starts any more, what runs is told to leave. `error`: why muster itself did it. */
void core_array_stop(struct core *core, time_ms now, struct array *array, order_why why,
                     int64_t grace_ms, const char *error);
/* The opposite, of one that is over: what it had not begun is queued again. */
void core_array_untell(struct core *core, struct array *array);
/* It was over, and something of it waits again. */
void core_array_revive(struct core *core, struct array *array);
/* Cancels or stops one task, whatever it is. */
void core_array_position_tell(struct core *core, time_ms now, struct array *array,
                              uint32_t position, order_why why, int64_t grace_ms);
void core_array_remove_begin(struct core *core, struct array *array); /* NULL is fine */
/* False: nothing of it is left in the store. */
bool core_array_remove_chunk(struct core *core, struct array *array);

/* ---- array_load.c ---- */
error_code core_array_load_done(struct core *core, time_ms now, struct array *array,
                                struct report *report);

#endif
