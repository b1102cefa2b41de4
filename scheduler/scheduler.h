/* scheduler/scheduler.h -- which waiting item goes to which node. Pure; one thread; owned by
 * whoever made it.
 *
 * Requests of equal shape are one class: the cost of a decision grows with classes and nodes, not
 * with items. Order: priority (higher first), then age (lower `age` first). Placement: the node
 * that meets most of what is preferred; among equals the fullest that fits (binpack) or the least
 * used one (spread). A class that fits nowhere now is passed over until something is given back;
 * items of other classes go on. */
#ifndef MUSTER_SCHEDULER_SCHEDULER_H
#define MUSTER_SCHEDULER_SCHEDULER_H

#include "base/buf.h"
#include "base/error.h"
#include "base/list.h"
#include "spec/types.h"

enum {
    SCHEDULER_NODES_MAX = 20000,
    SCHEDULER_CLASSES_MAX = 100000,
    SCHEDULER_ITEMS_MAX = 1 << 30,
    SCHEDULER_GANG_MAX = 64, /* nodes of one item */
    NODE_GPUS_MAX = 64,
    NODE_CUSTOM_MAX = 32,
    NODE_LABELS_MAX = 64,
    GPU_UUID_MAX = 63,
};

struct scheduler;
struct scheduler_class;
struct scheduler_group;

/* What a node has. Strings are copied. A UUID listed twice counts once. */
struct node_resources {
    amount cpus;
    uint64_t memory_bytes;
    const char *const *gpus; /* UUIDs */
    uint32_t n_gpus;
    const struct custom_amount *custom;
    uint32_t n_custom;
    const struct env_pair *labels;
    uint32_t n_labels;
};

/* What one placed item holds of a node; kept by its owner, given back whole. */
struct allocation {
    uint32_t node; /* handle of scheduler_node_add(); 0: holds nothing */
    amount cpus;
    uint64_t memory_bytes;
    uint32_t n_gpus;
    struct {
        uint8_t index; /* of the node's GPU list, duplicates left out */
        amount amount;
    } gpus[NODE_GPUS_MAX];
    struct scheduler_class *cls; /* counted reference; custom amounts are the class's */
};

/* A waiting item; lives inside its owner's struct. The scheduler alone writes it. */
struct scheduler_item {
    struct list link; /* list_is_empty(): it does not wait; else its place in its class's tree */
    struct scheduler_class *cls;
    uint32_t priority;
    uint32_t subtree; /* items below it in the tree, itself included */
    uint64_t age;
    uint64_t number; /* in order of arrival: between equal ages */
    /* Of this item alone, set by its owner before it waits; handles, 0: none. `avoid` is taken only
     * where nothing else fits now, `favour` before all others if it fits. */
    uint32_t avoid, favour;
};

/* Bounds of all items of a group together. */
struct scheduler_limits {
    uint32_t per_node; /* at most so many of them on one node; 0: no bound */
    amount gpus;       /* of all nodes together; 0: no bound */
};
/* An item that wants several nodes is a gang: it gets all of them at once or none, has an
 * allocation on each, and counts against the bounds of its group on each. */

MUST_CHECK error_code scheduler_new(struct scheduler **ret_scheduler);
void scheduler_free(struct scheduler *scheduler); /* items still queued are only unlinked */

/* Nodes. A handle is never 0 and not used again while anything is allocated on it. Of a custom name
 * or label listed twice the first counts. ERR_INVALID: negative amounts, empty or overlong UUIDs;
 * ERR_LIMIT: past a maximum above; ERR_NO_MEMORY. */
MUST_CHECK error_code scheduler_node_add(struct scheduler *s,
                                         const struct node_resources *resources,
                                         uint32_t *ret_node);
/* Everything allocated on it is forgotten: give nothing back for it afterwards (an allocation on a
 * removed node is ignored by scheduler_give). */
void scheduler_node_remove(struct scheduler *s, uint32_t node);
/* Other labels from now on; what is allocated there stays. Copied. ERR_NOT_FOUND: no such node;
 * ERR_LIMIT; ERR_NO_MEMORY. */
MUST_CHECK error_code scheduler_node_labels_set(struct scheduler *s, uint32_t node,
                                                const struct env_pair *labels, uint32_t n_labels);
/* A closed node (suspect, draining, cordoned) gets nothing new. Nodes start open. */
void scheduler_node_open(struct scheduler *s, uint32_t node, bool is_open);

/* Classes: equal requests share one, in whatever order they list their demands. Counted references;
 * the request is copied. ERR_INVALID: negative amounts, GPUs neither whole nor one fraction below
 * 1, a custom name twice; ERR_LIMIT: past a maximum, SCHEDULER_GANG_MAX nodes too; ERR_NO_MEMORY.
 */
MUST_CHECK error_code scheduler_class_ref(struct scheduler *s, const struct request *request,
                                          struct scheduler_class **ret_class);
void scheduler_class_unref(struct scheduler *s, struct scheduler_class *cls);

/* Groups: items with bounds of their own (a sweep's). Counted references; each class of it holds
 * one. ERR_INVALID: a negative bound; ERR_NO_MEMORY. */
MUST_CHECK error_code scheduler_group_new(struct scheduler *s,
                                          const struct scheduler_limits *limits,
                                          struct scheduler_group **ret_group);
void scheduler_group_unref(struct scheduler *s, struct scheduler_group *group); /* NULL is fine */
/* Other bounds from now on; what it has stays. ERR_INVALID: a negative bound. */
MUST_CHECK error_code scheduler_group_limits_set(struct scheduler *s, struct scheduler_group *group,
                                                 const struct scheduler_limits *limits);
/* A class whose items count against the group; a NULL group: none. */
MUST_CHECK error_code scheduler_group_class_ref(struct scheduler *s, struct scheduler_group *group,
                                                const struct request *request,
                                                struct scheduler_class **ret_class);
/* Nothing new of the group goes to this node. Forgotten with the node. ERR_NOT_FOUND: no such node;
 * ERR_NO_MEMORY. */
MUST_CHECK error_code scheduler_group_exclude(struct scheduler *s, struct scheduler_group *group,
                                              uint32_t node, bool is_excluded);

void scheduler_item_init(struct scheduler_item *item);
/* Waits from now on (one that waits already is moved); the class reference is borrowed from the
 * caller, who keeps it while the item waits. ERR_LIMIT past SCHEDULER_ITEMS_MAX. */
MUST_CHECK error_code scheduler_enqueue(struct scheduler *s, struct scheduler_item *item,
                                        struct scheduler_class *cls, uint32_t priority,
                                        uint64_t age);
/* No-op if it does not wait. */
void scheduler_dequeue(struct scheduler *s, struct scheduler_item *item);

/* What could be given back on a node. */
struct scheduler_amounts {
    amount cpus, gpus;
    uint64_t memory_bytes;
};
/* Does an item wait that comes before one of this priority and age, and that would fit this node
 * if `back` were given back there (custom amounts: if it were empty)? Costs a look at each class
 * that waits with something better. */
bool scheduler_has_better(const struct scheduler *s, uint32_t node,
                          const struct scheduler_amounts *back, uint32_t priority, uint64_t age);

/* The next item that can start now: it is dequeued, its allocations taken, one on each node that it
 * asked for (the best one first); there is room for as many as any item that waits asks for. NULL:
 * nothing fits (or there is no memory to count it; the next call tries again), and nothing is
 * written. */
struct scheduler_item *scheduler_next(struct scheduler *s, struct allocation *ret_allocations);
/* Zeroes it; no-op on a zeroed one. */
void scheduler_give(struct scheduler *s, struct allocation *allocation);
/* After a restart: take what a running task already holds, though the node may be closed or over
 * its size. gpus: the UUIDs it was given, held whole or, if the class asks for one, by its
 * fraction; a UUID that the node no longer has is left out. ERR_NOT_FOUND: no such node;
 * ERR_INVALID: an amount that no node can have. */
MUST_CHECK error_code scheduler_take(struct scheduler *s, uint32_t node,
                                     struct scheduler_class *cls, const char *const *gpus,
                                     uint32_t n_gpus, struct allocation *ret_allocation);

/* What it holds counts as of this class from now on, whose request is equal: another group's.
 * ERR_NO_MEMORY: nothing has changed. No-op on a zeroed one. */
MUST_CHECK error_code scheduler_reclass(struct scheduler *s, struct allocation *allocation,
                                        struct scheduler_class *cls);

/* UUID of a node's GPU by allocation index. */
const char *scheduler_gpu_uuid(const struct scheduler *s, uint32_t node, uint8_t index);

/* Could it ever run on nodes that are known now, were they empty and open? */
bool scheduler_is_satisfiable(const struct scheduler *s, const struct request *request);
/* The same of one node, as one of those it needs; false too if the group (or NULL) may not use it.
 */
bool scheduler_node_is_capable(const struct scheduler *s, uint32_t node,
                               const struct scheduler_group *group, const struct request *request);
/* Why an item of this shape does not start now, one sentence a reason, separated by "; ", e.g.
 * "needs 3 GPUs; no node has so many (largest: 2)" or "waits for CPUs: 2 of 2 in use on 1 node".
 * `item` may be NULL, or one that does not wait: then the shape only. Appends to ret_text. */
void scheduler_explain(const struct scheduler *s, const struct request *request,
                       const struct scheduler_item *item, struct buf *ret_text);

/* The same with the bounds of a group (or NULL). */
void scheduler_group_explain(const struct scheduler *s, const struct scheduler_group *group,
                             const struct request *request, const struct scheduler_item *item,
                             struct buf *ret_text);

struct scheduler_usage {
    uint32_t nodes, nodes_open;
    amount cpus_total, cpus_used, gpus_total, gpus_used;
    uint64_t memory_total, memory_used;
    uint64_t items_waiting;
};
void scheduler_usage_get(const struct scheduler *s, uint32_t node /* 0: all */,
                         struct scheduler_usage *ret_usage);
/* Panics (assert) if sums do not add up; for tests and debug builds. */
void scheduler_check(const struct scheduler *s);

#endif
