/* What attempts wrote lies on their nodes, and goes when their job or sweep is removed. Nodes that
 * are there hear of it soon after; one that was away names what lies with it when it comes, and now
 * and then, and hears which of it is no more. So nothing is kept of what was removed, and a word
 * that is lost is said again. */
#include "head/core/state.h"

void core_logs_removed(struct core *core, uint32_t number)
{
    struct array_range *last =
        core->n_logs_removed > 0 ? &core->logs_removed[core->n_logs_removed - 1] : NULL;
    if (last != NULL && last->first + last->count == number) {
        last->count++;
        return;
    }
    if (core->n_logs_removed == CORE_LOGS_REMOVED_MAX) {
        core_logs_removed_tell(core);
    }
    core->logs_removed[core->n_logs_removed++] = (struct array_range){number, 1};
}

void core_logs_removed_tell(struct core *core)
{
    const struct msg_logs_drop msg = {core->logs_removed, core->n_logs_removed};
    struct node *node, *next;
    if (core->n_logs_removed == 0) {
        return;
    }
    HASH_ITER (hh, core->nodes, node, next) {
        if (node->peer != 0) {
            outbox_send(&core->out, node->peer, MSG_LOGS_DROP, &msg);
        }
    }
    core->n_logs_removed = 0;
}

/* A number that was not given yet is none of this head's, and nothing is said of it: a head that
 * has lost the store to another one may know less than that one. */
static bool logs_are_removed(struct core *core, uint32_t number)
{
    return number != 0 && number < core->next_number && core_work_find(core, number) == NULL;
}

void on_logs_held(struct core *core, uint64_t peer, const struct msg_logs_held *msg)
{
    uint32_t left = LOGS_JOBS_MAX, n = 0;
    if (core_node_of_peer(core, peer) == NULL) {
        return;
    }
    struct array_range *gone = mem_calloc(LOGS_RANGES_MAX, sizeof *gone);
    if (gone == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return;
    }
    for (uint32_t i = 0; i < msg->n_jobs; i++) {
        const struct array_range *asked = &msg->jobs[i];
        for (uint32_t k = 0; k < asked->count && left > 0; k++, left--) {
            uint32_t number = asked->first + k;
            if (!logs_are_removed(core, number)) {
                continue;
            }
            if (n > 0 && gone[n - 1].first + gone[n - 1].count == number) {
                gone[n - 1].count++;
            } else if (n < LOGS_RANGES_MAX) {
                gone[n++] = (struct array_range){number, 1};
            }
        }
    }
    if (n > 0) {
        const struct msg_logs_drop drop = {gone, n};
        outbox_send(&core->out, peer, MSG_LOGS_DROP, &drop);
    }
    mem_free(gone);
}
