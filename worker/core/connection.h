/* worker/core/connection.h -- one connection of a trainer, and the answers that it waits for. Pure;
 * owned by the agent. */
#ifndef MUSTER_WORKER_CORE_CONNECTION_H
#define MUSTER_WORKER_CORE_CONNECTION_H

#include "base/hash.h"
#include "base/list.h"
#include "worker/core/agent.h"

struct attempt;

typedef enum {
    ANSWER_TEXT,      /* ready; `text` */
    ANSWER_HELLO,     /* ready; printed when it leaves */
    ANSWER_RECEIVED,  /* of a report below the milestone: ready, printed when it leaves */
    ANSWER_MILESTONE, /* ready when an order above `n` is here and its event is acknowledged, or
                         late */
    ANSWER_BYE,       /* ready when event `n` is acknowledged */
    ANSWER_SAVE,      /* becomes TEXT when the shell has answered */
    ANSWER_COMMIT,
    ANSWER_EXPLOIT,
    ANSWER_RANK, /* of a report of a rank above 0: ready when rank 0 has been there */
} answer_kind;

struct answer {
    struct list link;
    answer_kind kind;
    bool is_late;
    uint64_t n;
    int64_t step; /* of the report */
    time_ms since;
    char *text; /* owned */
};

struct connection {
    UT_hash_handle hh;
    uint64_t id;
    struct attempt *attempt;
    uint32_t rank;         /* that its hello said; 0: none */
    struct list link;      /* of the attempt */
    struct list held_link; /* of the agent: at least one answer waits */
    struct list answers;   /* oldest first: they leave in this order */
    uint32_t n_answers;
    bool is_read_stopped;
    time_ms last_line; /* of ours, while an answer is held */
};

#endif
