/* worker/core/work_trees.h -- the trees that are on their way or there, for the two files that move
 * them: work.c and pull.c. Pure; one thread. */
#ifndef MUSTER_WORKER_CORE_WORK_TREES_H
#define MUSTER_WORKER_CORE_WORK_TREES_H

#include "worker/core/parts.h"

typedef enum { TREE_PULLING, TREE_UNPACKING, TREE_BASE, TREE_SETTING_UP, TREE_READY } tree_state;

struct work_tree {
    UT_hash_handle hh;
    char name[WORK_TREE_NAME_MAX + 1];
    char hash[BLOB_HASH_TEXT_MAX + 1]; /* of the packed folder; "": there is none */
    tree_state state;
    bool is_stopping; /* SETTING_UP: nobody waits any more */
    /* PULLING */
    uint64_t total; /* 0: not known yet */
    uint64_t asked, received, written;
    bool is_summed; /* the first piece had its sum */
    time_ms heard;
};

/* ---- work.c ---- */
struct work_tree *agent_tree_find(const struct agent *agent, const char *name);
/* Told to all that wait for it, and forgotten. */
void agent_tree_fail(struct agent *agent, time_ms now, struct work_tree *tree, const char *reason,
                     struct agent_outbox *out);

/* ---- pull.c ---- */
enum { PULL_SILENCE_MS = 10000 }; /* no piece for so long: asked for again */
void agent_pull_begin(struct agent *agent, time_ms now, struct work_tree *tree,
                      struct agent_outbox *out);
/* What was under way is lost. */
void agent_pull_again(struct agent *agent, time_ms now, struct work_tree *tree,
                      struct agent_outbox *out);
void agent_pull_fail(struct agent *agent, time_ms now, struct work_tree *tree, const char *reason,
                     struct agent_outbox *out);

#endif
