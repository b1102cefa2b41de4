/* Logs of jobs that were removed. The shell says whose logs lie here, the head which of those jobs
 * are no more. Neither can be sure alone: an attempt of a removed job may still run here, when this
 * agent was away while the job ended without it. Its logs go the next time that they are asked for.
 */
#include <assert.h>

#include "base/mem.h"
#include "worker/core/lanes.h"

/* ---- asking ---- */

static void logs_ask(const struct array_range *ranges, uint32_t n, struct agent_outbox *out)
{
    const struct msg_logs_held held = {ranges, n};
    if (n > 0) {
        agent_outbox_send(out, MSG_LOGS_HELD, &held);
    }
}

void on_logs_found(struct agent *agent, const uint32_t *jobs, uint32_t n_jobs,
                   struct agent_outbox *out)
{
    uint32_t n = 0, n_asked = 0;
    if (agent->link.state != LINK_WELCOMED || n_jobs == 0) {
        return; /* the next welcome brings it again */
    }
    CLEANUP(mem_freep) struct array_range *ranges = mem_calloc(LOGS_RANGES_MAX, sizeof *ranges);
    if (ranges == NULL) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    for (uint32_t i = 0; i < n_jobs; i++, n_asked++) {
        bool is_next = n > 0 && ranges[n - 1].first + ranges[n - 1].count == jobs[i];
        if (n_asked == LOGS_JOBS_MAX || (n == LOGS_RANGES_MAX && !is_next)) {
            logs_ask(ranges, n, out);
            n = n_asked = 0;
            is_next = false;
        }
        if (is_next) {
            ranges[n - 1].count++;
        } else {
            ranges[n++] = (struct array_range){jobs[i], 1};
        }
    }
    logs_ask(ranges, n, out);
}

/* ---- what came of it ---- */

static void lower(uint32_t job, uint32_t first, uint32_t *offset)
{
    *offset = job - first < *offset ? job - first : *offset;
}

/* How many of the jobs from `first` on have nothing here, `count` at most. */
static uint32_t jobs_without(const struct agent *agent, uint32_t first, uint32_t count)
{
    uint32_t offset = count;
    list_each (&agent->attempts, struct attempt, link, attempt) {
        lower(attempt->ref.task.job, first, &offset);
    }
    for (const struct agent_array *array = agent->arrays; array != NULL; array = array->hh.next) {
        lower(array->job, first, &offset);
    }
    return offset;
}

void agent_logs_drop(struct agent *agent, const struct msg_logs_drop *drop,
                     struct agent_outbox *out)
{
    for (uint32_t i = 0; i < drop->n_jobs; i++) {
        struct array_range left = drop->jobs[i];
        agent_arrays_prune(agent, left.first, left.count, out);
        while (left.count > 0) {
            uint32_t n = jobs_without(agent, left.first, left.count);
            if (n > 0) {
                agent_outbox_logs_drop(out, (struct array_range){left.first, n});
            }
            n += n < left.count ? 1 : 0; /* one that is in use */
            left.first += n;
            left.count -= n;
        }
    }
}
