/* scheduler/state.h -- the scheduler's own structs and what its files call of one another. Pure;
 * one thread; private to scheduler/.
 *
 * The one idea: `generation` counts the events that could help a waiting class (something given
 * back, a node added or opened), and each node carries the generation of its last such event. A
 * class remembers in `seen` that no open node whose event is not newer than that fits it; taking
 * resources keeps this true, so only newer nodes need a look. One that wants several nodes at once
 * remembers in `fitting` how many of those nodes fit it at most. */
#ifndef MUSTER_SCHEDULER_STATE_H
#define MUSTER_SCHEDULER_STATE_H

#include "base/hash.h"
#include "scheduler/scheduler.h"
#include "scheduler/tree.h"

enum {
    /* Bounds that keep every sum over SCHEDULER_NODES_MAX nodes inside 64 bits. */
    SCHEDULER_AMOUNT_MAX_LOG2 = 44,
    SCHEDULER_MEMORY_MAX_LOG2 = 48,
};
#define SCHEDULER_AMOUNT_MAX ((amount)1 << SCHEDULER_AMOUNT_MAX_LOG2)
#define SCHEDULER_MEMORY_MAX ((uint64_t)1 << SCHEDULER_MEMORY_MAX_LOG2)

/* What could still be taken of a node, in the terms in which a request asks; of a subtree of nodes:
 * the largest of each, so that no node of it fits where the subtree does not. Negative where
 * scheduler_take() overdrew. */
struct scheduler_room {
    amount cpus;
    int64_t memory_bytes;
    amount gpus_whole;  /* entirely free ones, AMOUNT_ONE each */
    amount gpu_largest; /* the most that one GPU has free */
    amount gpu_partial; /* the same among those that are partly used */
};

struct scheduler_gpu {
    const char *uuid;
    amount free;
};

struct scheduler_custom {
    const char *name;
    amount total, used;
};

/* One block of memory: the struct, its arrays, their strings. */
struct scheduler_node {
    UT_hash_handle hh; /* by handle */
    uint32_t handle;
    bool is_open;
    uint64_t freed;         /* generation of the last event here that could help somebody */
    struct list freed_link; /* all nodes, last event first */
    struct list free_link;  /* open nodes, in order of free GPUs, CPUs, memory: the fullest first */
    struct list spread_link;   /* the same nodes: the least used first */
    struct list unsorted_link; /* open, and in none of the two until the next search of them */
    amount gpus_free;          /* all GPUs together */
    struct scheduler_room room, subtree_room, spread_room;
    int64_t used_share; /* of its scarcest supply, in 1/AMOUNT_ONE */
    amount cpus_total, cpus_used;
    uint64_t memory_total, memory_used;
    uint32_t n_gpus, n_custom, n_labels;
    uint32_t n_allocations;
    struct scheduler_gpu *gpus;
    struct scheduler_custom *custom;
    struct env_pair *labels;
    void *label_block; /* owned: the labels, once they were set anew; else NULL */
};

typedef enum {
    CLASS_IDLE,    /* nothing waits */
    CLASS_READY,   /* may fit somewhere; in the tree of heads */
    CLASS_BLOCKED, /* fits nowhere as of `blocked_generation` */
} scheduler_class_place;

struct scheduler_class {
    UT_hash_handle hh; /* by key */
    uint64_t number;
    uint32_t refs;
    struct request request; /* in canonical order, without texts; in the same block */
    struct buf key;         /* the request as bytes: equal shape, equal bytes */
    struct list *items;     /* tree of scheduler_item, the next one first */
    struct scheduler_item *head;
    scheduler_class_place place;
    struct list link; /* READY: in scheduler.ready; BLOCKED: in scheduler.blocked */
    uint64_t seen;
    uint32_t fitting; /* of open nodes whose last event is not newer than `seen`, no more fit; fewer
                         than it wants */
    /* Of open nodes whose last event is not newer than `score_seen` (0: nothing is known), none
     * fits with a higher score. */
    uint64_t score_seen;
    uint32_t score_bound;
    struct scheduler_group *group; /* counted; NULL: none */
    struct list group_link;
};

/* What a group has on one node; made with the first item, gone with the last. */
struct scheduler_share {
    UT_hash_handle hh; /* by handle */
    uint32_t handle;
    uint32_t n_items;
    amount gpus;
    bool is_excluded;
};

struct scheduler_group {
    uint64_t number;
    uint32_t refs;
    struct scheduler_limits limits;
    amount gpus_used;
    struct scheduler_share *shares; /* hash */
    struct list classes;
    struct list link; /* in scheduler.groups */
};

struct scheduler {
    struct scheduler_node *nodes;    /* hash */
    struct scheduler_class *classes; /* hash */
    struct list *free;               /* tree of open nodes */
    struct list *spread;             /* the same in the other order */
    struct list unsorted;            /* list of open nodes that have changed since */
    struct list freed;               /* list of all nodes */
    struct list *ready;              /* tree of classes, by the order of their heads */
    struct list blocked;             /* list of classes */
    struct list groups;
    uint64_t generation, blocked_generation;
    uint32_t last_handle;
    uint64_t last_class, last_item, last_group;
    struct scheduler_usage usage; /* the sums, kept up with each change */
};

extern const struct tree_type scheduler_free_type;
extern const struct tree_type scheduler_spread_type;
extern const struct tree_type scheduler_ready_type;
extern const struct tree_type scheduler_items_type;

#define scheduler_node_of(link_) list_entry(link_, struct scheduler_node, free_link)
#define scheduler_node_of_spread(link_) list_entry(link_, struct scheduler_node, spread_link)
#define scheduler_item_of(link_) list_entry(link_, struct scheduler_item, link)

/* nodes.c */
struct scheduler_node *scheduler_node_find(const struct scheduler *s,
                                           uint32_t handle); /* or NULL */
/* Every change of what a node has free stands between these two; `is_freed` says that it could help
 * somebody. */
void scheduler_node_change_begin(struct scheduler *s, struct scheduler_node *node);
void scheduler_node_change_end(struct scheduler *s, struct scheduler_node *node, bool is_freed);
/* Before the trees are searched: puts what has changed into its place. */
void scheduler_nodes_sort(struct scheduler *s);
struct scheduler_custom *scheduler_node_custom(const struct scheduler_node *node,
                                               const char *name); /* or NULL */

/* fit.c */
/* Would a subtree or node with this room have what is asked, custom amounts and labels aside? */
bool scheduler_room_allows(const struct scheduler_room *room, const struct request *request);
struct scheduler_room
scheduler_node_room(const struct scheduler_node *node); /* computed from what is free */
struct scheduler_room
scheduler_node_empty_room(const struct scheduler_node *node); /* were nothing used */
bool scheduler_node_meets(const struct scheduler_node *node, const struct require *require);
bool scheduler_node_meets_all(const struct scheduler_node *node, const struct request *request);
bool scheduler_node_fits(const struct scheduler_node *node,
                         const struct request *request); /* now */
bool scheduler_node_fits_class(const struct scheduler_node *node,
                               const struct scheduler_class *cls); /* its group's bounds too */
bool scheduler_node_could_fit(const struct scheduler_node *node,
                              const struct request *request); /* empty */
/* What of its preferences a node meets, the first one in the highest bit, and all of them. */
uint32_t scheduler_node_score(const struct scheduler_node *node, const struct request *request);
uint32_t scheduler_score_full(const struct request *request);

/* allocate.c: takes what an item of this class needs of a node where it fits. */
void scheduler_allocate(struct scheduler *s, struct scheduler_node *node,
                        struct scheduler_class *cls, struct allocation *ret_allocation);

/* place.c: the nodes for an item of this class, as many as it wants, the best one first, or false;
 * knows by itself where it need not look. */
bool scheduler_place(struct scheduler *s, struct scheduler_class *cls,
                     struct scheduler_node *ret_nodes[SCHEDULER_GANG_MAX]);
/* The same without one node; false says nothing of the class. */
bool scheduler_place_other(struct scheduler *s, const struct scheduler_class *cls,
                           const struct scheduler_node *other,
                           struct scheduler_node *ret_nodes[SCHEDULER_GANG_MAX]);

/* groups.c */
bool scheduler_group_has_gpus(const struct scheduler_group *group, const struct request *request);
bool scheduler_group_allows(const struct scheduler_group *group, const struct scheduler_node *node);
/* Its share of the node is there to be counted in; ERR_NO_MEMORY. A NULL group: OK. */
MUST_CHECK error_code scheduler_group_reserve(struct scheduler_group *group, uint32_t handle);
/* sign: 1 taken, -1 given back. */
void scheduler_group_count(struct scheduler *s, const struct allocation *allocation, int sign);
void scheduler_groups_forget(struct scheduler *s, uint32_t handle);
void scheduler_group_enter(struct scheduler_group *group, struct scheduler_class *cls);
void scheduler_group_leave(struct scheduler *s, struct scheduler_class *cls);
void scheduler_group_check(const struct scheduler *s, const struct scheduler_group *group);

/* request.c */
MUST_CHECK error_code scheduler_request_check(const struct request *request);
/* A class of this shape, not yet in the table. ERR_NO_MEMORY. */
MUST_CHECK error_code scheduler_class_make(const struct request *request, uint64_t group,
                                           struct scheduler_class **ret_class);
void scheduler_class_destroy(struct scheduler_class *cls);

/* queue.c: it may fit where it did not. */
void scheduler_class_wake(struct scheduler *s, struct scheduler_class *cls);
/* How many waiting items of all classes come before this one. */
uint64_t scheduler_items_before(const struct scheduler *s, const struct scheduler_item *item);
bool scheduler_item_is_before(const struct scheduler_item *a, const struct scheduler_item *b);

#endif
