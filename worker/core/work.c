/* Work folders: what attempts start from. A packed folder is pulled from the head piece by piece,
 * unpacked by the shell, and where the sweep has a setup, prepared by it: each once, however many
 * attempts wait for it.
 *
 * A tree is one such folder on this node's disk; its name says all that it was made of. While
 * attempts wait for a tree that is not there yet it is on its way:
 *
 *     PULLING -> UNPACKING -> READY          the packed folder itself
 *     BASE -> SETTING_UP -> READY            the same after setup: first its base, then the script
 *
 * What fails is told to all that wait, and forgotten: the next lease tries again. */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/mem.h"
#include "worker/core/lanes.h"
#include "worker/core/work_trees.h"

/* ---- names ---- */

void agent_tree_name(const struct msg_lease *lease, char ret_name[WORK_TREE_NAME_MAX + 1])
{
    const char *work = lease->work != NULL ? lease->work : "";
    const char *setup = lease->setup != NULL ? lease->setup : "";
    size_t len = strlen(setup);
    if (len == 0) {
        snprintf(ret_name, WORK_TREE_NAME_MAX + 1, "%s", work);
        return;
    }
    /* Sweeps of different clusters may share a number and a script: then the folder is another one.
     */
    const char *workdir = work[0] == '\0' && lease->workdir != NULL ? lease->workdir : "";
    XXH64_hash_t seed = XXH3_64bits(workdir, strlen(workdir));
    snprintf(ret_name, WORK_TREE_NAME_MAX + 1, "%s-%u-%016llx", work[0] != '\0' ? work : "shared",
             lease->task.job, (unsigned long long)XXH3_64bits_withSeed(setup, len, seed));
}

struct work_tree *agent_tree_find(const struct agent *agent, const char *name)
{
    struct work_tree *tree;
    HASH_FIND_STR(agent->trees, name, tree);
    return tree;
}

static struct work_tree *tree_add(struct agent *agent, const char *name, tree_state state)
{
    struct work_tree *tree = mem_zalloc(sizeof *tree);
    if (tree != NULL) {
        snprintf(tree->name, sizeof tree->name, "%s", name);
        tree->state = state;
        HASH_ADD_STR(agent->trees, name, tree);
    }
    if (tree == NULL || tree->hh.tbl == NULL) {
        mem_free(tree);
        return NULL;
    }
    return tree;
}

static void tree_forget(struct agent *agent, struct work_tree *tree)
{
    HASH_DELETE(hh, agent->trees, tree);
    mem_free(tree);
}

error_code agent_tree_found(struct agent *agent, const char *name)
{
    return agent_tree_find(agent, name) != NULL || tree_add(agent, name, TREE_READY) != NULL
               ? OK
               : ERR_NO_MEMORY;
}

void agent_tree_lost(struct agent *agent, const char *name)
{
    struct work_tree *tree = agent_tree_find(agent, name);
    if (tree != NULL && tree->state == TREE_READY) {
        tree_forget(agent, tree);
    }
}

void agent_trees_free(struct agent *agent)
{
    struct work_tree *tree, *next;
    HASH_ITER (hh, agent->trees, tree, next) {
        tree_forget(agent, tree);
    }
}

/* ---- who waits ---- */

static bool attempt_waits_for(const struct agent *agent, const struct attempt *attempt,
                              const struct work_tree *tree)
{
    char name[WORK_TREE_NAME_MAX + 1];
    if (!attempt->is_waiting_for_work) {
        return false;
    }
    if (strcmp(agent_items_of(agent, attempt), tree->name) == 0) {
        return true;
    }
    if (tree->state == TREE_PULLING || tree->state == TREE_UNPACKING) {
        return strcmp(attempt->lease->work, tree->hash) == 0; /* itself, or as a base */
    }
    agent_tree_name(attempt->lease, name);
    return strcmp(name, tree->name) == 0;
}

static struct attempt *tree_waiter(const struct agent *agent, const struct work_tree *tree)
{
    list_each (&agent->attempts, struct attempt, link, attempt) {
        if (attempt_waits_for(agent, attempt, tree)) {
            return attempt;
        }
    }
    return NULL;
}

static void waiter_fail(struct agent *agent, time_ms now, struct attempt *attempt, end_cause cause,
                        const char *reason, struct agent_outbox *out)
{
    attempt->is_waiting_for_work = false;
    attempt->is_nodes_fault = cause == CAUSE_CANNOT_START;
    on_attempt_not_started(agent, now, attempt->ref, cause, reason, out);
}

void agent_tree_fail(struct agent *agent, time_ms now, struct work_tree *tree, const char *reason,
                     struct agent_outbox *out)
{
    /* One of an array takes all that waits in its other lanes along. */
    struct attempt *waiter;
    while ((waiter = tree_waiter(agent, tree)) != NULL) {
        waiter_fail(agent, now, waiter, CAUSE_CANNOT_START, reason, out);
    }
    char hash[sizeof tree->hash];
    memcpy(hash, tree->hash, sizeof hash);
    bool is_base = tree->state == TREE_PULLING || tree->state == TREE_UNPACKING;
    tree_forget(agent, tree);
    struct work_tree *above, *next;
    HASH_ITER (hh, agent->trees, above, next) {
        if (is_base && above->state == TREE_BASE && strcmp(above->hash, hash) == 0) {
            tree_forget(agent, above);
        }
    }
}

/* ---- a tree that is wanted ---- */

static void tree_begin(struct agent *agent, time_ms now, const struct msg_lease *lease,
                       const char *name, struct agent_outbox *out);

static void setup_begin(struct work_tree *tree, const struct msg_lease *lease,
                        struct agent_outbox *out)
{
    tree->state = TREE_SETTING_UP;
    agent_outbox_work(out, AGENT_TREE_SETUP, tree->name, lease);
}

/* The tree after setup: its base first. */
static void above_begin(struct agent *agent, time_ms now, struct work_tree *tree,
                        const struct msg_lease *lease, struct agent_outbox *out)
{
    struct work_tree *base = tree->hash[0] != '\0' ? agent_tree_find(agent, tree->hash) : NULL;
    if (tree->hash[0] == '\0' || (base != NULL && base->state == TREE_READY)) {
        setup_begin(tree, lease, out);
    } else if (base == NULL) {
        tree_begin(agent, now, lease, tree->hash, out);
    }
}

static void packed_begin(struct agent *agent, time_ms now, const char *hash,
                         struct agent_outbox *out)
{
    struct work_tree *tree = tree_add(agent, hash, TREE_PULLING);
    if (tree == NULL) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    snprintf(tree->hash, sizeof tree->hash, "%s", hash);
    agent_pull_begin(agent, now, tree, out);
}

static void tree_begin(struct agent *agent, time_ms now, const struct msg_lease *lease,
                       const char *name, struct agent_outbox *out)
{
    if (strcmp(name, lease->work) == 0) {
        packed_begin(agent, now, name, out);
        return;
    }
    struct work_tree *tree = tree_add(agent, name, TREE_BASE);
    if (tree == NULL) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    snprintf(tree->hash, sizeof tree->hash, "%s", lease->work);
    above_begin(agent, now, tree, lease, out);
}

static bool tree_is_there(const struct agent *agent, const char *name)
{
    const struct work_tree *tree = name[0] != '\0' ? agent_tree_find(agent, name) : NULL;
    return name[0] == '\0' || (tree != NULL && tree->state == TREE_READY);
}

static void attempt_go(struct agent *agent, const struct attempt *attempt, struct agent_outbox *out)
{
    agent_restore_kept(agent, attempt);
    if (attempt->lane != NULL) {
        agent_outbox_lane_start(out, attempt->ref, attempt->lane->number, attempt->position);
    } else {
        agent_outbox_start(out, attempt->ref, attempt->lease);
    }
}

void agent_work_want(struct agent *agent, time_ms now, struct attempt *attempt,
                     struct agent_outbox *out)
{
    char name[WORK_TREE_NAME_MAX + 1];
    const char *items = agent_items_of(agent, attempt);
    agent_tree_name(attempt->lease, name);
    bool has_restore = agent_restore_is_here(agent, attempt);
    attempt->is_waiting_for_work =
        !tree_is_there(agent, name) || !tree_is_there(agent, items) || !has_restore;
    if (!attempt->is_waiting_for_work) {
        attempt_go(agent, attempt, out);
        return;
    }
    agent_wake_at(agent, now); /* it may have to leave already */
    if (name[0] != '\0' && agent_tree_find(agent, name) == NULL) {
        tree_begin(agent, now, attempt->lease, name, out);
    }
    if (items[0] != '\0' && agent_tree_find(agent, items) == NULL) {
        packed_begin(agent, now, items, out);
    }
    if (!has_restore) {
        agent_copy_want(agent, now, attempt, &attempt->lease->restore, out);
    }
}

/* ---- a tree that was made ---- */

void on_tree_made(struct agent *agent, time_ms now, const char *name, const char *error,
                  struct agent_outbox *out)
{
    struct work_tree *tree = agent_tree_find(agent, name);
    if (tree == NULL || (tree->state != TREE_UNPACKING && tree->state != TREE_SETTING_UP)) {
        return;
    }
    if (error != NULL) {
        struct attempt *waiter = tree->is_stopping ? tree_waiter(agent, tree) : NULL;
        if (waiter != NULL) { /* it was stopped for want of any, and here is one again */
            tree->is_stopping = false;
            setup_begin(tree, waiter->lease, out);
            return;
        }
        agent_tree_fail(agent, now, tree, error, out);
        return;
    }
    tree->state = TREE_READY;
    list_each (&agent->attempts, struct attempt, link, attempt) {
        if (attempt_waits_for(agent, attempt, tree)) {
            agent_work_want(agent, now, attempt, out);
        }
    }
    struct work_tree *above, *next;
    HASH_ITER (hh, agent->trees, above, next) {
        if (above->state == TREE_BASE && strcmp(above->hash, tree->name) == 0) {
            const struct attempt *waiter = tree_waiter(agent, above);
            if (waiter != NULL) {
                setup_begin(above, waiter->lease, out);
            } else {
                tree_forget(agent, above);
            }
        }
    }
}

/* ---- time ---- */

/* Who has to leave need not wait for a folder first. */
static void waiter_judge(struct agent *agent, time_ms now, struct attempt *attempt,
                         struct agent_outbox *out)
{
    if (agent_order_is_leave(&attempt->order)) {
        waiter_fail(agent, now, attempt, CAUSE_REFUSED,
                    "told to leave before what it starts from came", out);
    } else if (attempt->has_cause) {
        waiter_fail(agent, now, attempt, CAUSE_REFUSED, attempt->reason, out);
    } else if (agent->is_draining || agent->is_leaving || attempt->drain_deadline != 0) {
        waiter_fail(agent, now, attempt, CAUSE_REFUSED, "its node is draining", out);
    }
}

static void tree_judge(struct agent *agent, time_ms now, struct work_tree *tree,
                       struct agent_outbox *out)
{
    if (tree->state == TREE_PULLING && tree_waiter(agent, tree) == NULL) {
        agent_pull_fail(agent, now, tree, "", out);
    } else if (tree->state == TREE_PULLING && now - tree->heard >= PULL_SILENCE_MS) {
        agent_pull_again(agent, now, tree, out);
    } else if (tree->state == TREE_SETTING_UP && !tree->is_stopping &&
               tree_waiter(agent, tree) == NULL) {
        tree->is_stopping = true;
        agent_outbox_work(out, AGENT_TREE_SETUP_STOP, tree->name, NULL);
    }
}

void agent_work_tick(struct agent *agent, time_ms now, struct agent_outbox *out)
{
    list_each (&agent->attempts, struct attempt, link, attempt) {
        if (attempt->is_waiting_for_work) {
            waiter_judge(agent, now, attempt, out);
        }
    }
    /* One that fails may take those above it along. */
    uint32_t n = HASH_COUNT(agent->trees), i = 0;
    char(*names)[WORK_TREE_NAME_MAX + 1] = mem_calloc(n, sizeof *names);
    if (names == NULL) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    for (struct work_tree *tree = agent->trees; tree != NULL; tree = tree->hh.next) {
        if (tree->state != TREE_READY) {
            memcpy(names[i++], tree->name, sizeof *names);
        }
    }
    for (uint32_t k = 0; k < i; k++) {
        struct work_tree *tree = agent_tree_find(agent, names[k]);
        if (tree != NULL) {
            tree_judge(agent, now, tree, out);
        }
    }
    mem_free(names);
}

time_ms agent_work_deadline(const struct agent *agent)
{
    time_ms next = AGENT_NEVER;
    for (const struct work_tree *tree = agent->trees; tree != NULL; tree = tree->hh.next) {
        time_ms at = tree->heard + PULL_SILENCE_MS;
        if (tree->state == TREE_PULLING && agent->link.state == LINK_WELCOMED && at < next) {
            next = at;
        }
    }
    return next;
}

static bool tree_is_coming(const struct agent *agent, const char *name)
{
    const struct work_tree *tree = name[0] != '\0' ? agent_tree_find(agent, name) : NULL;
    return tree != NULL && tree->state != TREE_READY;
}

void agent_work_check(const struct agent *agent)
{
    for (const struct work_tree *tree = agent->trees; tree != NULL; tree = tree->hh.next) {
        assert(tree->written <= tree->received);
        assert(tree->state != TREE_PULLING || tree->received <= tree->asked);
        assert(tree->total == 0 || tree->received <= tree->total);
    }
    list_each (&agent->attempts, struct attempt, link, attempt) {
        char name[WORK_TREE_NAME_MAX + 1];
        if (attempt->is_waiting_for_work) {
            agent_tree_name(attempt->lease, name);
            const char *items = agent_items_of(agent, attempt);
            /* A tree may go again while another one or the snapshot comes: it is looked for then.
             */
            assert(tree_is_coming(agent, name) || tree_is_coming(agent, items) ||
                   !agent_restore_is_here(agent, attempt));
            assert(attempt->state == ATTEMPT_STARTING);
        }
    }
}
