/* A packed folder comes in from the head, piece by piece, in order; what was under way when a
 * connection ended is asked for again. */
#include <stdio.h>
#include <string.h>

#include "worker/core/work_trees.h"

enum { PIECE_BYTES = BLOB_PIECE_MAX_BYTES };

/* The next piece, once the last one is on disk: what else the head sends is behind no more than
 * one, and of several agents that pull none takes the processors from the rest. */
static void pull_ask(struct agent *agent, struct work_tree *tree, struct agent_outbox *out)
{
    if (agent->link.state != LINK_WELCOMED) {
        return;
    }
    bool is_known = tree->total > 0; /* the first piece tells how many bytes there are */
    if (tree->asked == tree->written && (!is_known || tree->asked < tree->total)) {
        struct msg_blob_get get = {.hash = tree->hash, .offset = tree->asked, .size = PIECE_BYTES};
        agent_outbox_send(out, MSG_BLOB_GET, &get);
        tree->asked += PIECE_BYTES;
    }
    agent_wake_at(agent, tree->heard + PULL_SILENCE_MS);
}

void agent_pull_begin(struct agent *agent, time_ms now, struct work_tree *tree,
                      struct agent_outbox *out)
{
    tree->heard = now;
    pull_ask(agent, tree, out);
}

void agent_pull_again(struct agent *agent, time_ms now, struct work_tree *tree,
                      struct agent_outbox *out)
{
    tree->asked = tree->received;
    tree->heard = now;
    pull_ask(agent, tree, out);
}

void agent_pull_fail(struct agent *agent, time_ms now, struct work_tree *tree, const char *reason,
                     struct agent_outbox *out)
{
    agent_outbox_work(out, AGENT_BLOB_DROP, tree->hash, NULL);
    agent_tree_fail(agent, now, tree, reason, out);
}

/* A head that was started again no longer knows the sums: what came with them proves nothing of
 * what comes without, so the folder comes once more, and is proven by its hash. */
static void pull_anew(struct agent *agent, time_ms now, struct work_tree *tree,
                      struct agent_outbox *out)
{
    agent_outbox_work(out, AGENT_BLOB_DROP, tree->hash, NULL);
    tree->total = tree->asked = tree->received = tree->written = 0;
    tree->is_summed = false;
    agent_pull_begin(agent, now, tree, out);
}

void agent_work_piece(struct agent *agent, time_ms now, const struct msg_blob *piece,
                      struct agent_outbox *out)
{
    struct work_tree *tree = agent_tree_find(agent, piece->hash);
    if (tree == NULL || tree->state != TREE_PULLING || piece->offset != tree->received) {
        return; /* asked for twice, or wanted no longer */
    }
    char reason[AGENT_REASON_MAX];
    if (piece->error[0] != '\0') {
        snprintf(reason, sizeof reason, "its work folder cannot be had: %.200s", piece->error);
        agent_pull_fail(agent, now, tree, reason, out);
        return;
    }
    bool is_sound = piece->data.len > 0 && piece->total > 0 &&
                    (tree->total == 0 || tree->total == piece->total) &&
                    piece->data.len <= piece->total - tree->received;
    if (!is_sound) {
        agent_pull_fail(agent, now, tree,
                        "the head sent a piece of its work folder that does not fit", out);
        return;
    }
    tree->is_summed = tree->received == 0 ? piece->sum != 0 : tree->is_summed;
    if (tree->is_summed && piece->sum == 0) {
        pull_anew(agent, now, tree, out);
        return;
    }
    tree->total = piece->total;
    agent_outbox_piece(out, tree->hash, piece);
    tree->received += piece->data.len;
    tree->asked = tree->received; /* a head of an earlier release gives less than was asked for */
    tree->heard = now;
    pull_ask(agent, tree, out);
}

void on_blob_written(struct agent *agent, time_ms now, const char *hash, uint64_t bytes,
                     const char *error, struct agent_outbox *out)
{
    struct work_tree *tree = agent_tree_find(agent, hash);
    if (tree == NULL || tree->state != TREE_PULLING) {
        return;
    }
    if (error != NULL) {
        agent_pull_fail(agent, now, tree, error, out);
        return;
    }
    tree->written = bytes;
    if (tree->written < tree->total) {
        pull_ask(agent, tree, out);
        return;
    }
    tree->state = TREE_UNPACKING;
    agent_outbox_work(out, AGENT_TREE_UNPACK, tree->hash, NULL);
}

void agent_work_welcomed(struct agent *agent, time_ms now, struct agent_outbox *out)
{
    struct work_tree *tree, *next;
    HASH_ITER (hh, agent->trees, tree, next) {
        if (tree->state == TREE_PULLING) {
            agent_pull_again(agent, now, tree, out);
        }
    }
}
