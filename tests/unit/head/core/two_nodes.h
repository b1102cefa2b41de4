/* Two nodes that lend snapshots to each other: `local`, which the rig's own calls play, and
 * `other`. */
#ifndef TESTS_HEAD_CORE_TWO_NODES_H
#define TESTS_HEAD_CORE_TWO_NODES_H

#include "rig.h"

enum { OTHER_PEER = RIG_PEER + 1, OTHER_INCARNATION = RIG_INCARNATION + 1 };

static uint64_t other_events;

static inline void node_enrol(struct rig *r, bool is_other, int cpus)
{
    struct msg_enrol msg = {RIG_AGENT,
                            .node = is_other ? "other" : "local",
                            .incarnation = is_other ? OTHER_INCARNATION : RIG_INCARNATION,
                            .cpus = cpus * AMOUNT_ONE,
                            .lender = is_other ? "tcp://other:1" : "tcp://local:1",
                            .lender_key = is_other ? "other-key" : "local-key",
                            .first_event = (is_other ? other_events : r->event) + 1};
    on_enrol(r->core, r->now, is_other ? OTHER_PEER : RIG_PEER, &msg);
    rig_turn(r);
}

static inline void other_event(struct rig *r, struct node_event event)
{
    event.number = ++other_events;
    on_events(r->core, r->now, OTHER_PEER, &(struct msg_events){OTHER_INCARNATION, &event, 1});
    rig_turn(r);
}

static inline void saved(struct rig *r, uint32_t trial, uint32_t ordinal, int64_t step)
{
    rig_saved(r, trial, ordinal, step, 0);
}

/* The number of the message that ordered the copy; 0: none did. */
static inline uint64_t keep_of(struct rig *r, task_id maker, uint32_t ordinal)
{
    for (uint32_t trial = 1; trial <= core_work_find(r->core, maker.job)->n_tasks; trial++) {
        const struct task *task = rig_task(r, rig_id(maker.job, trial));
        if (task->keeper != NULL && task->keeping.ordinal == ordinal &&
            snapshot_maker(task->r.id, &task->keeping).index == maker.index) {
            return task->keep_number;
        }
    }
    return 0;
}

/* `other` has it now, as it was told to. */
static inline void copied(struct rig *r, task_id maker, uint32_t ordinal)
{
    other_event(r, (struct node_event){.kind = EVENT_COPIED,
                                       .task = maker,
                                       .snapshot = {.ordinal = ordinal},
                                       .keep = keep_of(r, maker, ordinal)});
}

#endif
