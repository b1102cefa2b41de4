#include "sim/head_life.h"

#include <string.h>

#include "sim/head.h"
#include "sim/link.h"
#include "sim/recovery.h"
#include "sim/store_link.h"

static void links_break(struct sim *sim, const struct sim_head *head)
{
    for (uint32_t i = 0; i < sim->n_nodes; i++) {
        struct sim_node *node = &sim->nodes[i];
        if (node->link.is_up && sim_link_head(sim, node) == head) {
            sim_link_break(sim, node, false);
            sim_link_later(sim, node, 10 + sim_delay(sim, 200));
        } else if (!node->link.is_up) {
            sim_frames_drop(sim, &node->link.up, false); /* of a connection before */
        }
    }
}

/* Nobody's requests are answered any more. */
static void requests_forget(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->n_clients; i++) {
        sim->clients[i].request = 0;
    }
}

void sim_head_kill(struct sim *sim, int64_t away_ms)
{
    struct sim_head *head = &sim->head;
    if (head->core == NULL) {
        return;
    }
    sim_store_settle(sim, head);
    sim_trace(sim, "head    is killed");
    core_free(head->core);
    head->core = NULL;
    head->batch = NULL;
    links_break(sim, head);
    memset(head->n_keys, 0, sizeof head->n_keys);
    requests_forget(sim);
    sim_push(sim, (struct sim_event){.at = sim->now + away_ms, .kind = SIM_HEAD_START});
}

void sim_head_split(struct sim *sim, int64_t away_ms)
{
    struct sim_head *head = &sim->head;
    if (head->core == NULL || sim->stale.core != NULL) {
        return;
    }
    sim_store_settle(sim, head);
    sim_trace(sim, "head    is cut off from the store");
    sim->stale = *head;
    sim->stale.is_written = sim->stale.is_on_disk = false;
    if (sim_chance(sim, 700)) {
        sim->stale.stalled_since = sim->now;
        sim->stale.stalled_until = sim->now + 500 + sim_delay(sim, 6000);
    }
    for (uint32_t i = 0; i < sim->n_nodes; i++) {
        struct sim_link *link = &sim->nodes[i].link;
        link->is_to_stale = link->is_up;
        if (!link->is_up) {
            sim_frames_drop(sim, &link->up, false);
        }
    }
    *head = (struct sim_head){.epoch = sim->stale.epoch};
    requests_forget(sim);
    sim_push(sim, (struct sim_event){.at = sim->now + away_ms, .kind = SIM_HEAD_START});
    /* ordinal 1: somebody stops it; 0: it has found out. */
    bool is_stopped = sim_chance(sim, 500);
    sim_push(sim, (struct sim_event){.at = sim->now + away_ms + sim_delay(sim, 3000),
                                     .kind = SIM_STALE_END,
                                     .life = sim->stale.life,
                                     .ordinal = is_stopped});
}

void sim_stale_end(struct sim *sim)
{
    sim_trace(sim, "head    that was fenced off leaves");
    core_free(sim->stale.core);
    sim->stale.core = NULL;
    sim->stale.batch = NULL;
    links_break(sim, &sim->stale);
    sim->stale = (struct sim_head){0};
}

void sim_on_stale_end(struct sim *sim, const struct sim_event *event)
{
    struct sim_head *stale = &sim->stale;
    struct sim_event later = *event;
    if (stale->core == NULL || stale->life != event->life) {
        return;
    }
    if (stale->stalled_until > sim->now && !sim->is_calm) {
        later.at = stale->stalled_until;
        sim_push(sim, later);
    } else if (event->ordinal == 1 && !sim->is_calm) {
        sim_trace(sim, "head    that was fenced off is told to stop");
        on_shutdown(stale->core, sim->now, ++sim->requests, sim->now + 10000);
        sim_head_turn(sim, stale);
        later.ordinal = 0;
        later.at = sim->now + 3000 + sim_delay(sim, 10000);
        sim_push(sim, later);
    } else {
        sim_stale_end(sim);
    }
}

void sim_on_head_start(struct sim *sim, const struct sim_event *event)
{
    struct sim_head *head = &sim->head;
    struct sim_event later = *event;
    if (head->core != NULL) {
        return;
    }
    if (!sim_store_is_up(sim)) {
        later.at = sim->now + 100 + sim_delay(sim, 200);
        sim_push(sim, later);
        return;
    }
    *head =
        (struct sim_head){.epoch = head->epoch + 1, .life = ++sim->serials, .started = sim->now};
    sim_core_load(sim, head->epoch, &head->core);
    sim_trace(sim, "head    starts, epoch %llu", (unsigned long long)head->epoch);
    sim_head_turn(sim, head);
}
