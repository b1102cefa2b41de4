/* What time alone brings: silence of nodes, backoffs, the wall of sweeps, the end of a shutdown. */
#include "base/planted.h"
#include "head/core/arrays.h"

enum { TICK_MS = 250, WALL_NOTE_MS = 5000 };

/* The loop was away: nobody is judged by a silence that was ours. Who was heard since is not early.
 */
static void core_gap(struct core *core, time_ms now, int64_t gap_ms)
{
    struct node *node, *next;
    HASH_ITER (hh, core->nodes, node, next) {
        node->heard = node->heard + gap_ms < now ? node->heard + gap_ms : now;
    }
    list_each (&core->active_sweeps, struct sweep, active_link, sweep) {
        sweep->stranded_since += sweep->stranded_since != 0 ? gap_ms : 0;
    }
    if (core->is_leaving) {
        core->leave_deadline += gap_ms;
    }
}

static void core_nodes_judge(struct core *core, time_ms now)
{
    struct node *node, *next;
    HASH_ITER (hh, core->nodes, node, next) {
        int64_t silence_ms = now - node->heard;
        if (node->r.state == NODE_ALIVE && silence_ms > CORE_SUSPECT_MS) {
            core_node_move(core, now, node, NODE_SUSPECT);
        }
        bool is_judged = node->r.state == NODE_SUSPECT || node->r.state == NODE_DRAINING;
        if (is_judged && silence_ms > core->config.node_timeout_ms) {
            core_node_lost(core, now, node, "its node was silent too long (node_timeout)");
        }
    }
}

static void core_backoffs_end(struct core *core, time_ms now)
{
    list_each (&core->backoff, struct task, backoff_link, task) {
        if (core_task_ready_at(task) <= now) {
            core_task_enqueue(core, now, task);
        }
    }
}

static void core_walls_check(struct core *core, time_ms now)
{
    list_each (&core->active_sweeps, struct sweep, active_link, sweep) {
        int64_t wall_ms = sweep->spec.stop.wall_ms;
        if (wall_ms > 0 && sweep->r.state == SWEEP_RUNNING &&
            now - sweep->r.resumed_at >= WALL_NOTE_MS) {
            /* A head that dies and comes back knows how much of it is used up. */
            sweep->r.ran_ms = core_sweep_ran_ms(sweep, now);
            sweep->r.resumed_at = now;
            core_sweep_dirty(core, sweep);
        }
        if (wall_ms > 0 && sweep->r.state == SWEEP_RUNNING &&
            core_sweep_ran_ms(sweep, now) >= wall_ms &&
            tune_finishing(sweep->tuner) == TUNE_WHY_NONE) {
            struct tune_event event = {.kind = TUNE_EVENT_WALL};
            core_sweep_log(core, now, sweep, &event, 0);
            core_sweep_advance(core, now, sweep);
        }
    }
}

static void core_leave_check(struct core *core, time_ms now)
{
    if (!core->is_leaving || core->is_exiting) {
        return;
    }
    uint32_t busy = 0;
    struct node *node, *next;
    HASH_ITER (hh, core->nodes, node, next) {
        uint32_t n_tasks = node->n_tasks + node->n_parts + node->n_held;
        busy += node->peer != 0 && node->r.state == NODE_DRAINING ? n_tasks : 0;
        /* Connected, and not yet said that it drains: its events are on their way. */
        busy += node->peer != 0 && node->r.state == NODE_ALIVE;
        /* Just away, as after a start of this head: it comes to tell what became of its tasks. */
        busy += node->peer == 0 && now - node->heard < CORE_SUSPECT_MS ? n_tasks : 0;
    }
    if (busy == 0 || now >= core->leave_deadline) {
        core->is_exiting = true;
        outbox_exit(&core->out);
    }
}

void on_tick(struct core *core, time_ms now)
{
    if (now < core->tick_next && !core->is_leaving) {
        return;
    }
    core->tick_next = now + TICK_MS;
    core_nodes_judge(core, now);
    core_backoffs_end(core, now);
    core_arrays_unhold(core, now);
    core_walls_check(core, now);
    core_drains_check(core, now);
    core_stranded_judge(core, now);
    core_logs_removed_tell(core);
    core_owed_look(core, now);
    core_keeps_go(core, now);
    core_nodes_forget(core, now);
    core_leave_check(core, now);
    list_each (&core->backoff, struct task, backoff_link, task) {
        if (core_task_ready_at(task) < core->tick_next) {
            core->tick_next = core_task_ready_at(task);
        }
    }
}

void core_time(struct core *core, time_ms now, int64_t gap_ms, bool is_behind)
{
    PLANT(timers_first, on_tick(core, now));
    if (gap_ms > 0) {
        core_gap(core, now, gap_ms);
    }
    core_owed_go_on(core, now);
    if (!is_behind) {
        on_tick(core, now);
    }
}

time_ms core_next_deadline(const struct core *core)
{
    bool is_timed = core->nodes != NULL || core->is_leaving || !list_is_empty(&core->backoff) ||
                    !list_is_empty(&core->held_arrays) || !list_is_empty(&core->active_sweeps);
    bool is_removing = !list_is_empty(&core->removing) && !outbox_in_flight(&core->out);
    if (is_removing || core->walk.is_open) {
        return core->now;
    }
    return is_timed ? core->tick_next : INT64_MAX;
}
