/* Snapshots that lie on other nodes. Who needs one waits; the head is asked where it is, with a
 * pass made for this one copy, and the shell fetches it from the agent that has it:
 *
 *     ASKING -> FETCHING -> there          or, after what may pass, ASKING again
 *
 * Once it is on disk the head is told, so that it knows of this place too. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "worker/core/copies.h"

enum {
    COPY_ASK_AGAIN_MS = 3000, /* no word of the head, or it may yet come to be there */
    COPY_PAUSE_MS = 500,
    COPY_TRIES_MAX = 12, /* with another agent, one after the other, none of which was enough */
};

static bool name_equal(struct snapshot_name a, struct snapshot_name b)
{
    return task_id_equal(a.task, b.task) && a.ordinal == b.ordinal;
}

static struct copy *copy_find(const struct agent *agent, struct snapshot_name name)
{
    list_each (&agent->copies, struct copy, link, copy) {
        if (name_equal(copy->name, name)) {
            return copy;
        }
    }
    return NULL;
}

static void copy_free(struct copy *copy)
{
    list_remove(&copy->link);
    mem_free(copy);
}

void agent_copies_free(struct agent *agent)
{
    list_each (&agent->copies, struct copy, link, copy) {
        copy_free(copy);
    }
}

/* ---- who needs it ---- */

static struct snapshot_name name_of(const struct attempt *attempt,
                                    const struct snapshot_ref *snapshot)
{
    return (struct snapshot_name){snapshot_maker(attempt->ref.task, snapshot), snapshot->ordinal};
}

/* What an attempt is held up by: the one to start from, or the one to go on from. */
static bool attempt_needs(const struct attempt *attempt, struct snapshot_name name)
{
    const struct snapshot_ref *restore = &attempt->lease->restore;
    bool is_start = attempt->is_waiting_for_work && restore->ordinal != 0 &&
                    name_equal(name_of(attempt, restore), name);
    return is_start || (attempt->is_proving && attempt->waits_on != 0 &&
                        name_equal(name_of(attempt, &attempt->told.message->restore), name));
}

/* Or will be in a moment: its trainer has yet to ask for it. */
static bool attempt_will_need(const struct attempt *attempt, struct snapshot_name name)
{
    return attempt->told.n != 0 && agent_attempt_is_alive(attempt) &&
           name_equal(name_of(attempt, &attempt->told.message->restore), name);
}

static struct attempt *copy_waiter(const struct agent *agent, struct snapshot_name name)
{
    list_each (&agent->attempts, struct attempt, link, attempt) {
        if (attempt_needs(attempt, name)) {
            return attempt;
        }
    }
    return NULL;
}

static bool copy_is_wanted(const struct agent *agent, const struct copy *copy)
{
    struct snapshot_name name = copy->name;
    if (copy->is_kept) {
        return true;
    }
    list_each (&agent->attempts, struct attempt, link, attempt) {
        if (attempt_needs(attempt, name) || attempt_will_need(attempt, name)) {
            return true;
        }
    }
    return false;
}

bool agent_restore_is_here(const struct agent *agent, const struct attempt *attempt)
{
    const struct snapshot_ref *restore = &attempt->lease->restore;
    return restore->ordinal == 0 || agent_snapshot_is_here(agent, name_of(attempt, restore));
}

void agent_restore_kept(struct agent *agent, const struct attempt *attempt)
{
    const struct msg_lease *lease = attempt->lease;
    if (lease->restore.ordinal != 0) {
        agent_snapshot_kept(agent, name_of(attempt, &lease->restore), lease->place_word);
    }
}

/* ---- asking ---- */

/* keep: of the MSG_KEEP that it answers, too; 0: nobody wants it as a second place. */
static void copy_tell(struct agent *agent, time_ms now, struct snapshot_name name, uint64_t keep,
                      struct agent_outbox *out)
{
    struct node_event event = {.kind = EVENT_COPIED,
                               .task = name.task,
                               .snapshot = {.ordinal = name.ordinal},
                               .keep = keep};
    agent_snapshot_told(agent, name, agent_event(agent, now, NULL, &event, out));
    agent_snapshot_kept(agent, name, keep);
}

static void copy_ask(struct agent *agent, time_ms now, struct copy *copy, struct agent_outbox *out)
{
    copy->state = COPY_ASKING;
    copy->ask_at = now + COPY_ASK_AGAIN_MS;
    agent_wake_at(agent, copy->ask_at);
    if (agent->link.state != LINK_WELCOMED) {
        return;
    }
    for (size_t i = 0; i < PASS_BYTES; i += sizeof(uint32_t)) {
        uint32_t word = random_u32(&agent->passes);
        memcpy(copy->pass + i, &word, sizeof word);
    }
    const struct msg_snapshot_get get = {copy->name, {copy->pass, PASS_BYTES}};
    agent_outbox_send(out, MSG_SNAPSHOT_GET, &get);
}

/* NULL: it is here. */
static struct copy *copy_begin(struct agent *agent, time_ms now, struct snapshot_name name,
                               struct agent_outbox *out)
{
    struct copy *copy = copy_find(agent, name);
    if (copy != NULL || agent_snapshot_is_here(agent, name)) {
        return copy;
    }
    copy = mem_zalloc(sizeof *copy);
    if (copy == NULL) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return NULL;
    }
    copy->name = name;
    list_init(&copy->link);
    list_push_back(&agent->copies, &copy->link);
    copy_ask(agent, now, copy, out);
    return copy;
}

void agent_copy_want(struct agent *agent, time_ms now, const struct attempt *attempt,
                     const struct snapshot_ref *snapshot, struct agent_outbox *out)
{
    copy_begin(agent, now, name_of(attempt, snapshot), out);
}

void agent_copies_keep(struct agent *agent, time_ms now, const struct msg_keep *keep,
                       struct agent_outbox *out)
{
    for (uint32_t i = 0; i < keep->n_snapshots; i++) {
        struct copy *copy = copy_begin(agent, now, keep->snapshots[i], out);
        if (copy != NULL) {
            copy->is_kept = true;
            copy->keep = keep->number;
        } else if (out->failed == OK) {
            copy_tell(agent, now, keep->snapshots[i], keep->number, out); /* it is here already */
        }
    }
}

/* ---- what came of it ---- */

static void waiter_tell(struct agent *agent, time_ms now, struct attempt *attempt, copy_end end,
                        const char *reason, struct agent_outbox *out)
{
    if (attempt->is_proving) {
        agent_exploit_uncopied(agent, now, attempt, end, reason, out);
        return;
    }
    attempt->is_waiting_for_work = false;
    attempt->is_restore_lost = end == COPY_GONE;
    attempt->is_nodes_fault = end != COPY_GONE;
    on_attempt_not_started(agent, now, attempt->ref, CAUSE_CANNOT_START, reason, out);
}

/* All that wait are told, and whoever needs it next tries again. */
static void copy_fail(struct agent *agent, time_ms now, struct copy *copy, copy_end end,
                      const char *text, struct agent_outbox *out)
{
    char reason[AGENT_REASON_MAX], id[TASK_ID_TEXT_MAX];
    struct snapshot_name name = copy->name;
    snprintf(reason, sizeof reason, "snapshot %u of %s cannot be had here: %.180s", name.ordinal,
             task_id_print(name.task, id), text);
    copy_free(copy);
    struct attempt *waiter;
    while ((waiter = copy_waiter(agent, name)) != NULL) {
        waiter_tell(agent, now, waiter, end, reason, out);
    }
}

static void copy_later(struct agent *agent, time_ms now, struct copy *copy, int64_t wait_ms)
{
    copy->state = COPY_ASKING;
    copy->ask_at = now + wait_ms;
    agent_wake_at(agent, copy->ask_at);
}

void agent_source_told(struct agent *agent, time_ms now, const struct msg_source *source,
                       struct agent_outbox *out)
{
    struct copy *copy = copy_find(agent, source->name);
    if (copy == NULL || copy->state != COPY_ASKING) {
        return;
    }
    if (source->is_lost) {
        copy_fail(agent, now, copy, COPY_GONE, source->error, out);
    } else if (source->error[0] != '\0') {
        copy_later(agent, now, copy, COPY_ASK_AGAIN_MS);
    } else {
        copy->state = COPY_FETCHING;
        copy->ask_at = AGENT_NEVER;
        agent_outbox_copy(out, source, copy->pass);
    }
}

static void copy_done(struct agent *agent, time_ms now, struct snapshot_name name, uint64_t keep,
                      struct agent_outbox *out)
{
    copy_tell(agent, now, name, keep, out);
    list_each (&agent->attempts, struct attempt, link, attempt) {
        if (!attempt_needs(attempt, name)) {
            continue;
        }
        if (attempt->is_proving) {
            agent_exploit_prove(attempt, out);
        } else {
            agent_work_want(agent, now, attempt, out);
        }
    }
}

void on_snapshot_copied(struct agent *agent, time_ms now, struct snapshot_name name, copy_end end,
                        const char *text, struct agent_outbox *out)
{
    struct copy *copy = copy_find(agent, name);
    if (copy == NULL || copy->state != COPY_FETCHING) {
        return;
    }
    if (end == COPY_DONE) {
        uint64_t keep = copy->keep;
        copy_free(copy);
        if (agent_snapshot_found(agent, name) != OK) {
            agent_outbox_fail(out, ERR_NO_MEMORY);
            return;
        }
        copy_done(agent, now, name, keep, out);
    } else if (end == COPY_AGAIN && ++copy->tries < COPY_TRIES_MAX) {
        copy_later(agent, now, copy, COPY_PAUSE_MS);
    } else {
        copy_fail(agent, now, copy, end, text, out);
    }
}

/* ---- time ---- */

void agent_copies_welcomed(struct agent *agent, time_ms now, struct agent_outbox *out)
{
    list_each (&agent->copies, struct copy, link, copy) {
        if (copy->state == COPY_ASKING) {
            copy_ask(agent, now, copy, out);
        }
    }
}

void agent_copies_tick(struct agent *agent, time_ms now, struct agent_outbox *out)
{
    list_each (&agent->copies, struct copy, link, copy) {
        if (copy->state != COPY_ASKING || now < copy->ask_at) {
            continue;
        }
        if (copy_is_wanted(agent, copy)) {
            copy_ask(agent, now, copy, out);
        } else {
            copy_free(copy);
        }
    }
}

time_ms agent_copies_deadline(const struct agent *agent)
{
    time_ms next = AGENT_NEVER;
    list_each (&agent->copies, struct copy, link, copy) {
        next = copy->ask_at < next ? copy->ask_at : next;
    }
    return next;
}

void agent_copies_check(const struct agent *agent)
{
    list_each (&agent->copies, struct copy, link, copy) {
        assert((copy->state == COPY_FETCHING) == (copy->ask_at == AGENT_NEVER));
        assert(!agent_snapshot_is_here(agent, copy->name));
    }
    list_each (&agent->attempts, struct attempt, link, attempt) {
        if (attempt->is_proving && attempt->waits_on != 0) {
            assert(copy_find(agent, name_of(attempt, &attempt->told.message->restore)) != NULL);
        }
    }
}
