/* worker/core/copies.h -- snapshots of other nodes that are on their way to this one. Pure; one
 * thread. */
#ifndef MUSTER_WORKER_CORE_COPIES_H
#define MUSTER_WORKER_CORE_COPIES_H

#include "worker/core/parts.h"

typedef enum { COPY_ASKING, COPY_FETCHING } copy_state;

struct copy {
    struct list link; /* of the agent */
    struct snapshot_name name;
    copy_state state;
    uint8_t pass[PASS_BYTES];
    time_ms ask_at; /* FETCHING: AGENT_NEVER */
    uint32_t tries; /* that came to nothing */
    bool is_kept;   /* the head wants it here, whoever needs it */
    uint64_t keep;  /* number of the last message that said so */
};

#endif
