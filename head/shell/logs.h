/* head/shell/logs.h -- readers of what attempts wrote: logs.c asks agents, log_tails.c reads what
 * the store has. Inside head/shell; the loop's thread. */
#ifndef MUSTER_HEAD_SHELL_LOGS_H
#define MUSTER_HEAD_SHELL_LOGS_H

#include "head/shell/shell.h"

enum { FOLLOWS_MAX = 128 };

typedef enum {
    LOG_PLACE_UNKNOWN,
    LOG_PLACE_NODE,    /* on `node` */
    LOG_PLACE_READING, /* the evidence is being read */
    LOG_PLACE_TAILS,   /* nowhere any more; what the evidence has was written */
} log_place;

struct follow_stream {
    bool is_wanted;
    bool has_tail; /* only the last `tail` bytes, until the first answer */
    uint64_t tail;
    uint64_t offset, generation, serial;
    bool is_asked;
    bool ask_was_over; /* when it was asked, no more could come */
    bool is_done;
    int64_t pace_ms;
    time_ms asked_at, again_at;
};

struct follow {
    uint64_t request; /* 0: free */
    task_id id;
    bool is_following;
    bool is_fixed;      /* one attempt was asked for */
    bool is_node_fixed; /* one of the nodes that a trial is on was, and is in `node` */
    bool is_over;       /* nothing new will be written, or is waited for */
    bool has_written;
    uint32_t attempt;
    log_place place;
    char node[NODE_NAME_MAX + 1];
    uint64_t peer;                   /* of the node, when it was asked last; 0: away */
    time_ms away_since;              /* 0: it is there */
    struct follow_stream streams[2]; /* out, err */
};

struct follows {
    struct follow rows[FOLLOWS_MAX];
    uint32_t n;
};

/* False: its reader is gone. */
bool follow_write(struct head *head, struct follow *follow, struct bytes bytes);

/* ---- log_tails.c ---- */
/* Reads the evidence of follow->attempt. It says where the attempt ran: if that node can be asked
 * and was not, the place is it; else the tails are written, and the place is TAILS. */
void tails_read(struct head *head, struct follow *follow);

#endif
