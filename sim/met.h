/* sim/met.h -- the faults of a storm, and what the runs must have met. */
#ifndef MUSTER_SIM_MET_H
#define MUSTER_SIM_MET_H

#include <stdint.h>

/* name; how often, among the faults of a seed that has it */
#define SIM_FAULTS(X)                                                                              \
    X(link_break, 6)                                                                               \
    X(link_mute, 2)                                                                                \
    X(head_kill, 4)                                                                                \
    X(head_stall, 2)                                                                               \
    X(store_stall, 3)                                                                              \
    X(agent_kill, 3)                                                                               \
    X(agent_stall, 1)                                                                              \
    X(agent_drain, 2)                                                                              \
    X(trainer_kill, 4)                                                                             \
    X(node_away, 2)                                                                                \
    X(node_lost, 1)                                                                                \
    X(half_open, 2)                                                                                \
    X(partition, 2)                                                                                \
    X(head_split, 2)                                                                               \
    X(store_crash, 2)                                                                              \
    X(snapshot_loss, 1)                                                                            \
    X(store_full, 1)                                                                               \
    X(cluster_stop, 1)

enum {
#define X(name, weight) FAULT_##name,
    SIM_FAULTS(X)
#undef X
        FAULT_COUNT
};

/* What the runs have met: a run of seeds that misses one of them proves nothing about it. */
#define SIM_COUNTS(X)                                                                              \
    X(batches)                                                                                     \
    X(replies_lost)                                                                                \
    X(torn)                                                                                        \
    X(survived)                                                                                    \
    X(loading)                                                                                     \
    X(full)                                                                                        \
    X(fenced)                                                                                      \
    X(stale_words)                                                                                 \
    X(frames_lost)                                                                                 \
    X(frames_doubled)                                                                              \
    X(retransmitted)                                                                               \
    X(joined)                                                                                      \
    X(wiped)                                                                                       \
    X(clones)                                                                                      \
    X(kills_before_apply)                                                                          \
    X(kills_after_apply)                                                                           \
    X(enrolments)                                                                                  \
    X(attempts)                                                                                    \
    X(attempts_lost)                                                                               \
    X(retries)                                                                                     \
    X(restored)                                                                                    \
    X(hanging)                                                                                     \
    X(late)                                                                                        \
    X(milestones)                                                                                  \
    X(rows)                                                                                        \
    X(snapshots)                                                                                   \
    X(drops)                                                                                       \
    X(logs_removed)                                                                                \
    X(disowned)                                                                                    \
    X(drained)                                                                                     \
    X(refused)                                                                                     \
    X(sweeps_done)                                                                                 \
    X(sweeps_failed)                                                                               \
    X(sweeps_cancelled)                                                                            \
    X(targets)                                                                                     \
    X(walls)                                                                                       \
    X(agreements)                                                                                  \
    X(compares)                                                                                    \
    X(tuners_compared)                                                                             \
    X(resubmits)                                                                                   \
    X(reopened)                                                                                    \
    X(removed)                                                                                     \
    X(drains_waited)                                                                               \
    X(drains_let_go)                                                                               \
    X(drains_stranded)                                                                             \
    X(drained_by_head)                                                                             \
    X(restores_lost)                                                                               \
    X(kept)                                                                                        \
    X(kept_beside)                                                                                 \
    X(kept_proven)                                                                                 \
    X(fallen)                                                                                      \
    X(fallen_back)                                                                                 \
    X(copies)                                                                                      \
    X(exploits)                                                                                    \
    X(exploits_logged)                                                                             \
    X(exploits_moved)                                                                              \
    X(exploits_called_off)                                                                         \
    X(snapshots_lost)                                                                              \
    X(rungs_counted)                                                                               \
    X(trials_paused)                                                                               \
    X(trials_resumed)                                                                              \
    X(trees)                                                                                       \
    X(set_aside)                                                                                   \
    X(cordoned)                                                                                    \
    X(forgotten)                                                                                   \
    X(paused)                                                                                      \
    X(over_memory)                                                                                 \
    X(arrays_ended)                                                                                \
    X(arrays_failed)                                                                               \
    X(arrays_cancelled)                                                                            \
    X(arrays_revived)                                                                              \
    X(array_leases)                                                                                \
    X(array_ahead)                                                                                 \
    X(array_returned)                                                                              \
    X(array_tasks)                                                                                 \
    X(array_rows)                                                                                  \
    X(array_rows_dry)                                                                              \
    X(array_acks)                                                                                  \
    X(array_taken_back)                                                                            \
    X(lane_chained)                                                                                \
    X(lane_recalled)                                                                               \
    X(array_faults)                                                                                \
    X(array_exceptions)                                                                            \
    X(array_lost)                                                                                  \
    X(array_cancels)                                                                               \
    X(array_retries)                                                                               \
    X(chunk_borders)                                                                               \
    X(gangs_met)                                                                                   \
    X(gangs_ended)                                                                                 \
    X(gangs_lost)                                                                                  \
    X(gangs_let_go)

struct sim_counts {
#define X(name) uint64_t name;
    SIM_COUNTS(X)
#undef X
    uint64_t faults[FAULT_COUNT];
};

#endif
