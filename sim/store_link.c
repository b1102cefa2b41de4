/* A batch is sent until it is answered. The script runs, the file is synced, then the answer
 * leaves: each of the three may be late, refused, or never come. */
#include "sim/store_link.h"

#include "sim/head.h"
#include "sim/head_life.h"
#include "sim/store.h"

enum { RESEND_MS = 1000, LOADING_MS = 100, FULL_MS = 500 };

static struct sim_head *head_by_life(struct sim *sim, uint64_t life)
{
    struct sim_head *head = sim->head.life == life ? &sim->head : &sim->stale;
    return head->life == life && head->core != NULL && head->batch != NULL ? head : NULL;
}

static void store_event(struct sim *sim, const struct sim_head *head, sim_event_kind kind,
                        int64_t wait_ms)
{
    sim_push(sim, (struct sim_event){.at = sim->now + wait_ms, .kind = kind, .life = head->life});
}

void sim_store_send(struct sim *sim, struct sim_head *head)
{
    store_event(sim, head, SIM_STORE_RUN, sim_delay(sim, sim->disk_ms));
}

static void batch_to_disk(struct sim *sim, struct sim_head *head)
{
    sim_trace(sim, "store   has batch %llu on disk, %u operations",
              (unsigned long long)head->batch->n, head->batch->n_ops);
    sim_store_apply(sim, head->batch);
    head->is_on_disk = true;
}

/* The answer leaves, or is lost on its way: then the batch is sent again. */
static void answer(struct sim *sim, const struct sim_head *head)
{
    bool is_lost = !sim->is_calm && sim_chance(sim, 20);
    sim->counts.replies_lost += is_lost;
    store_event(sim, head, is_lost ? SIM_STORE_RUN : SIM_STORE_REPLY,
                is_lost ? RESEND_MS : sim_delay(sim, sim->disk_ms / 2));
}

void sim_on_store_run(struct sim *sim, const struct sim_event *event)
{
    struct sim_head *head = head_by_life(sim, event->life);
    if (head == NULL) {
        return;
    }
    if (sim->store.down_until > sim->now) {
        store_event(sim, head, SIM_STORE_RUN, sim->store.down_until - sim->now);
    } else if (sim->store.loading_until > sim->now) {
        sim->counts.loading++;
        store_event(sim, head, SIM_STORE_RUN, LOADING_MS);
    } else if (head == &sim->stale) {
        store_event(sim, head, SIM_STORE_REPLY, sim_delay(sim, sim->disk_ms));
    } else if (head->is_on_disk) {
        sim_trace(sim, "store   has batch %llu", (unsigned long long)head->batch->n);
        answer(sim, head);
    } else if (sim->store.full_until > sim->now) {
        sim->counts.full++;
        core_store_state_set(head->core, "full");
        store_event(sim, head, SIM_STORE_RUN, FULL_MS);
    } else {
        head->is_written = true;
        store_event(sim, head, SIM_STORE_SYNC, sim_delay(sim, sim->disk_ms));
    }
}

void sim_on_store_sync(struct sim *sim, const struct sim_event *event)
{
    struct sim_head *head = head_by_life(sim, event->life);
    if (head == NULL || !head->is_written || head->is_on_disk) {
        return; /* lost with the server, and sent again */
    }
    batch_to_disk(sim, head);
    answer(sim, head);
}

void sim_on_store_reply(struct sim *sim, const struct sim_event *event)
{
    struct sim_head *head = head_by_life(sim, event->life);
    if (head == NULL) {
        return;
    }
    if (head->stalled_until > sim->now) {
        struct sim_event later = *event;
        later.at = head->stalled_until;
        sim_push(sim, later);
        return;
    }
    if (head == &sim->stale) {
        sim->counts.fenced++;
        sim_stale_end(sim);
        return;
    }
    if (!head->is_on_disk) {
        return; /* of a server that died since; it is sent again */
    }
    uint64_t n = head->batch->n;
    head->batch = NULL;
    core_store_state_set(head->core, "ok");
    on_batch_applied(head->core, sim->now, n);
    sim_head_turn(sim, head);
}

void sim_store_settle(struct sim *sim, struct sim_head *head)
{
    if (head->batch == NULL || head->is_on_disk) {
        return;
    }
    /* What the script has done is synced before anybody is told more; what is under way to it may
     * arrive though nobody waits for its answer. */
    bool is_up = sim->store.down_until <= sim->now && sim->store.loading_until <= sim->now &&
                 sim->store.full_until <= sim->now;
    if (head->is_written || (is_up && sim_chance(sim, 500))) {
        batch_to_disk(sim, head);
        sim->counts.kills_after_apply++;
    } else {
        sim->counts.kills_before_apply++;
    }
}

void sim_store_crash(struct sim *sim, int64_t down_ms, int64_t loading_ms)
{
    struct sim_head *head = &sim->head;
    sim_trace(sim, "store   is killed");
    sim->store.down_until = sim->now + down_ms;
    sim->store.loading_until = sim->store.down_until + loading_ms;
    if (head->core == NULL || head->batch == NULL) {
        return;
    }
    if (head->is_written && !head->is_on_disk) {
        if (sim_chance(sim, 500)) {
            batch_to_disk(sim, head); /* the kernel had written it out */
            sim->counts.survived++;
        } else {
            head->is_written = false; /* half a command at the file's end is cut off */
            sim->counts.torn++;
        }
    }
    store_event(sim, head, SIM_STORE_RUN, down_ms + sim_delay(sim, RESEND_MS));
}

bool sim_store_is_up(const struct sim *sim)
{
    return sim->store.down_until <= sim->now && sim->store.loading_until <= sim->now &&
           sim->store.stalled_until <= sim->now;
}
