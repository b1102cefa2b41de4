/* sim/contents.h -- the contents of the store, and the state of its server. */
#ifndef MUSTER_SIM_CONTENTS_H
#define MUSTER_SIM_CONTENTS_H

#include "base/hash.h"
#include "schema/records.h"
#include "sim/events.h"
#include "sim/machine.h"

struct sim_cell {
    char *name; /* key, '\n', field */
    uint8_t *value;
    size_t len;
    UT_hash_handle hh;
};

struct sim_entry { /* of a sweep's log */
    uint32_t sweep;
    uint8_t *value;
    size_t len;
    bool is_followed; /* by the tuner that does nothing but replay (tuner_check.h) */
};

struct sim_place {
    uint32_t ordinal;
    char node[NODE_NAME_MAX + 1];
};

/* What the store says of a task, by its last record. */
struct sim_task {
    task_id id;
    struct record_task r; /* no pointer of it is valid */
    char node[NODE_NAME_MAX + 1], snapshot_node[NODE_NAME_MAX + 1], best_node[NODE_NAME_MAX + 1],
        safe_node[NODE_NAME_MAX + 1], own_node[NODE_NAME_MAX + 1];
    struct sim_place *kept; /* r.n_kept of them */
    bool is_disturbed;      /* it lost a snapshot, or the node of one was gone */
    bool has_fallen;        /* it was none of its sweep's best, once */
    gang_part_state parts[GANG_NODES_MAX];
    bool has_verdict;
    bool is_cancel_acked;
    uint32_t n_paused; /* records that say that it is held, ended, or to leave its node */
    uint32_t n_attempts_at_cancel;
    UT_hash_handle hh;
};

/* What the store has of an attempt's rows. */
struct sim_rows {
    char name[TASK_ID_TEXT_MAX + 16];
    uint64_t last_seq;
    UT_hash_handle hh;
};

/* A snapshot that was made, wherever it is now. */
struct sim_made {
    char name[64]; /* trial, attempt, number */
    int64_t step;
    char params[SIM_PARAMS_MAX]; /* that its trainer had */
    bool is_lost;                /* by a disk */
    bool is_told;                /* the head has it on record */
    UT_hash_handle hh;
};

/* A value of the sweep's metric, as the store has it. */
struct sim_point_key {
    task_id task;
    uint32_t attempt;
    int64_t step;
};

struct sim_point {
    struct sim_point_key key;
    double value;
    UT_hash_handle hh;
};

/* An entry of a log that gives a trial another one's weights. */
struct sim_exploit {
    char name[64]; /* trial, order */
    uint32_t donor, ordinal;
    int64_t step;
    char params[SIM_PARAMS_MAX]; /* that it gives */
    UT_hash_handle hh;
};

/* What the store says of a task of an array. */
struct sim_position {
    array_slot slot;
    bool has_row, is_exception; /* is_exception: as counted */
    uint32_t node;              /* that it is leased to, or was last: its index */
    uint64_t incarnation;
    uint32_t had; /* nodes that it was leased to, ever: bits */
};

struct sim_array {
    uint32_t job;
    struct array_ids ids;
    uint32_t n_tasks, n_chunks;
    struct sim_position *positions;
    bool *is_touched;        /* by the batch: its chunks */
    bool is_told, has_ended; /* as its job's record says */
    bool was_told;           /* the same, before the batch */
    bool is_removing;
    bool has_dry, had_dry; /* its job's record says so; a result was dry */
    bool is_in_batch;
    struct sim_array *next_in_batch;
    uint32_t n_leased_in_batch;
    uint32_t n_exceptions, n_records; /* slots that say so; records of tasks */
    uint32_t nodes[SIM_NODES_MAX];    /* by the number that rows have for them: their indices */
    uint32_t n_nodes;
    UT_hash_handle hh;
};

enum { SIM_WRITES_SEEN = 8 }; /* batches from a head's turn until it is on disk, at most */

struct sim_store {
    struct sim_cell *cells;
    struct sim_entry *entries;
    uint32_t n_entries, cap_entries;
    struct sim_task *tasks;
    struct sim_rows *rows;
    struct sim_array *arrays;
    struct sim_array *arrays_in_batch; /* what it has touched of them */
    uint64_t n;                        /* of the last batch on disk */
    uint64_t n_unleases; /* frames that were read and may have queued again what was leased */
    uint64_t n_unleases_at[SIM_WRITES_SEEN]; /* the same, after the last batches; by number */
    time_ms stalled_until;
    time_ms down_until;    /* the server is being started */
    time_ms loading_until; /* it is up and reads its file: -LOADING */
    time_ms full_until;    /* it refuses writes: -OOM */
};

#endif
