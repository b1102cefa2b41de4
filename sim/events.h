/* sim/events.h -- what may be due: the calendar's entries, and what handles them. */
#ifndef MUSTER_SIM_EVENTS_H
#define MUSTER_SIM_EVENTS_H

#include "base/id.h"
#include "worker/core/agent.h"

enum {
    SIM_NODES_MAX = 6,
    SIM_PROCESSES_MAX = 256,
    SIM_ARRAYS_MAX = 256, /* that an agent was told of */
    SIM_LANES_MAX = 64,
    SIM_RANGES_MAX = 3, /* in a request of somebody */
    SIM_EVENTS_MAX = 1 << 16,
    SIM_SNAPSHOTS_MAX = 4096,
    SIM_LOGGED_MAX = 4096,
    SIM_CLIENTS_MAX = 1024,
    SIM_KEYS_MAX = 8,
    SIM_SILENCES_MAX = 4,
    SIM_REQUESTS_MAX = 64, /* of one trainer, unanswered: INTERFACES' window */
    SIM_FILE_MAX = 2048,
    SIM_TREES_MAX = 64,
    SIM_PASSES_MAX = 64,
    SIM_START_MS = 1000000,
};

/* name; whose time it takes: H the head's, N a node's, S the store's, W the world's */
#define SIM_EVENTS(X)                                                                              \
    X(FRAME_UP, H)                                                                                 \
    X(FRAME_DOWN, N)                                                                               \
    X(STORE_RUN, S)                                                                                \
    X(STORE_SYNC, S)                                                                               \
    X(STORE_REPLY, W)                                                                              \
    X(HEAD_START, W)                                                                               \
    X(LINK_UP, W)                                                                                  \
    X(LINK_DEAD, W)                                                                                \
    X(AGENT_START, W)                                                                              \
    X(PROCESS_STARTED, N)                                                                          \
    X(PROCESS_EXIT, N)                                                                             \
    X(TRAINER, N)                                                                                  \
    X(REQUESTS, N)                                                                                 \
    X(SAVE_BEGUN, N)                                                                               \
    X(WORK, N)                                                                                     \
    X(SAVE_DONE, N)                                                                                \
    X(SNAPSHOT_PROVEN, N)                                                                          \
    X(COPIED, N)                                                                                   \
    X(CLIENT, H)                                                                                   \
    X(STALE_END, W)                                                                                \
    X(WORKLOAD, W)                                                                                 \
    X(FAULT, W)

typedef enum {
#define X(name, owner) SIM_##name,
    SIM_EVENTS(X)
#undef X
} sim_event_kind;

struct sim_event {
    time_ms at;
    uint64_t order; /* between equal times */
    sim_event_kind kind;
    uint32_t node;
    uint64_t life; /* of what it belongs to: a head, an incarnation, a connection, a process */
    struct attempt_ref ref;
    uint64_t connection;
    int64_t step;
    uint32_t ordinal; /* of a snapshot; of a client */
};

struct sim;
typedef void sim_handler(struct sim *sim, const struct sim_event *event);

#endif
