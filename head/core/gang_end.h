/* head/core/gang_end.h -- the verdict of an attempt on several nodes: what ended its first part,
 * kept with its record until the last one has ended. Pure; inside head/core. */
#ifndef MUSTER_HEAD_CORE_GANG_END_H
#define MUSTER_HEAD_CORE_GANG_END_H

#include "head/core/state.h"

static inline bool core_verdict_is(const struct task *task)
{
    return task->r.verdict.len > 0;
}

/* Not with 0, and it did not give itself back either. */
bool core_result_has_failed(const struct attempt_result *result);
/* `part` has ended so; borrowed. */
void core_verdict_set(struct core *core, struct task *task, uint32_t part,
                      const struct attempt_result *result);
void core_verdict_lost(struct core *core, time_ms now, struct task *task, uint32_t part,
                       const char *reason);
/* The first part has ended too, and what it had been told and said is the trial's. */
void core_verdict_add_first(struct core *core, struct task *task,
                            const struct attempt_result *result);
/* For the parts that are left; `reason` has size_bytes, and ret_message borrows it. */
void core_verdict_tell(struct core *core, const struct task *task, struct msg_gang *ret_message,
                       char *reason, size_t size_bytes);
/* No part is left: the attempt is over. */
void core_verdict_apply(struct core *core, time_ms now, struct task *task);
void core_verdict_clear(struct task *task);
/* A copy of its own; recovery. */
void core_verdict_own(struct core *core, struct task *task, struct bytes verdict);

#endif
