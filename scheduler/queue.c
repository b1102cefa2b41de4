/* What waits, in order: each class has a tree of its items, and the classes that may fit somewhere
 * stand in a tree by the order of their first items. */
#include <assert.h>
#include <string.h>

#include "scheduler/state.h"

bool scheduler_item_is_before(const struct scheduler_item *a, const struct scheduler_item *b)
{
    if (a->priority != b->priority) {
        return a->priority > b->priority;
    }
    return a->age != b->age ? a->age < b->age : a->number < b->number;
}

static bool items_is_before(const struct list *a, const struct list *b)
{
    return scheduler_item_is_before(scheduler_item_of(a), scheduler_item_of(b));
}

static uint64_t items_number(const struct list *link)
{
    return scheduler_item_of(link)->number;
}

static uint32_t items_count(const struct list *link)
{
    return link != NULL ? scheduler_item_of(link)->subtree : 0;
}

static void items_update(struct list *link)
{
    scheduler_item_of(link)->subtree = 1 + items_count(link->prev) + items_count(link->next);
}

const struct tree_type scheduler_items_type = {items_is_before, items_number, items_update};

static struct scheduler_class *class_of(const struct list *link)
{
    return list_entry(link, struct scheduler_class, link);
}

static bool ready_is_before(const struct list *a, const struct list *b)
{
    return scheduler_item_is_before(class_of(a)->head, class_of(b)->head);
}

static uint64_t ready_number(const struct list *link)
{
    return class_of(link)->number;
}

static void ready_update(struct list *link)
{
    (void)link;
}

const struct tree_type scheduler_ready_type = {ready_is_before, ready_number, ready_update};

static void class_leave(struct scheduler *s, struct scheduler_class *cls)
{
    if (cls->place == CLASS_READY) {
        tree_remove(&scheduler_ready_type, &s->ready, &cls->link);
    } else {
        list_remove(&cls->link);
    }
    cls->place = CLASS_IDLE;
}

/* A class that has seen all there is goes to the blocked ones at once. */
static void class_enter(struct scheduler *s, struct scheduler_class *cls)
{
    struct list *first = tree_first(cls->items);
    cls->head = first != NULL ? scheduler_item_of(first) : NULL;
    if (first == NULL) {
        return;
    }
    if (cls->seen == s->generation && s->blocked_generation == s->generation) {
        list_push_back(&s->blocked, &cls->link);
        cls->place = CLASS_BLOCKED;
    } else {
        tree_insert(&scheduler_ready_type, &s->ready, &cls->link);
        cls->place = CLASS_READY;
    }
}

void scheduler_item_init(struct scheduler_item *item)
{
    *item = (struct scheduler_item){0};
    list_init(&item->link);
}

error_code scheduler_enqueue(struct scheduler *s, struct scheduler_item *item,
                             struct scheduler_class *cls, uint32_t priority, uint64_t age)
{
    if (s->usage.items_waiting >= SCHEDULER_ITEMS_MAX) {
        return ERR_LIMIT;
    }
    scheduler_dequeue(s, item);
    item->cls = cls;
    item->priority = priority;
    item->age = age;
    item->number = ++s->last_item;
    bool is_first = cls->head == NULL || scheduler_item_is_before(item, cls->head);
    if (is_first) {
        class_leave(s, cls);
    }
    tree_insert(&scheduler_items_type, &cls->items, &item->link);
    if (is_first) {
        class_enter(s, cls);
    }
    s->usage.items_waiting++;
    return OK;
}

void scheduler_dequeue(struct scheduler *s, struct scheduler_item *item)
{
    if (list_is_empty(&item->link)) {
        return;
    }
    struct scheduler_class *cls = item->cls;
    bool is_first = cls->head == item;
    if (is_first) {
        class_leave(s, cls);
    }
    tree_remove(&scheduler_items_type, &cls->items, &item->link);
    if (is_first) {
        class_enter(s, cls);
    }
    item->cls = NULL;
    s->usage.items_waiting--;
}

/* Something was given back: blocked classes that it helps stand in line again. The others keep
 * their place at the price of a look at the nodes concerned. */
static void queue_unblock(struct scheduler *s)
{
    if (s->blocked_generation == s->generation) {
        return;
    }
    s->blocked_generation = s->generation;
    struct scheduler_node *nodes[SCHEDULER_GANG_MAX];
    list_each (&s->blocked, struct scheduler_class, link, cls) {
        if (scheduler_place(s, cls, nodes)) {
            list_remove(&cls->link);
            tree_insert(&scheduler_ready_type, &s->ready, &cls->link);
            cls->place = CLASS_READY;
        }
    }
}

void scheduler_class_wake(struct scheduler *s, struct scheduler_class *cls)
{
    cls->seen = cls->score_seen = 0;
    cls->fitting = 0;
    if (cls->place == CLASS_BLOCKED) {
        list_remove(&cls->link);
        tree_insert(&scheduler_ready_type, &s->ready, &cls->link);
        cls->place = CLASS_READY;
    }
}

/* The favoured node is the first of them, in the place of the one that fits worst. */
static void item_favour(struct scheduler *s, const struct scheduler_item *item,
                        struct scheduler_node *nodes[SCHEDULER_GANG_MAX], uint32_t n)
{
    struct scheduler_node *node = item->favour != 0 ? scheduler_node_find(s, item->favour) : NULL;
    if (node == NULL || !node->is_open || !scheduler_node_fits_class(node, item->cls)) {
        return;
    }
    uint32_t at = 0;
    while (at < n - 1 && nodes[at] != node) {
        at++;
    }
    memmove(&nodes[1], &nodes[0], at * sizeof *nodes);
    nodes[0] = node;
}

/* What the item itself says of nodes, where the class has found some. */
static void item_place(struct scheduler *s, const struct scheduler_item *item,
                       struct scheduler_node *nodes[SCHEDULER_GANG_MAX])
{
    struct scheduler_node *others[SCHEDULER_GANG_MAX];
    uint32_t n = request_nodes(&item->cls->request);
    const struct scheduler_node *avoided = NULL;
    for (uint32_t i = 0; i < n && item->avoid != 0; i++) {
        avoided = nodes[i]->handle == item->avoid ? nodes[i] : avoided;
    }
    if (avoided != NULL && scheduler_place_other(s, item->cls, avoided, others)) {
        memcpy(nodes, others, n * sizeof *nodes);
    }
    item_favour(s, item, nodes, n);
}

/* All of them or none: what could fail comes first. */
static bool item_take(struct scheduler *s, struct scheduler_item *item,
                      struct scheduler_node *const *nodes, struct allocation *ret_allocations)
{
    struct scheduler_class *cls = item->cls;
    uint32_t n = request_nodes(&cls->request);
    for (uint32_t i = 0; i < n; i++) {
        if (scheduler_group_reserve(cls->group, nodes[i]->handle) != OK) {
            return false;
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        scheduler_allocate(s, nodes[i], cls, &ret_allocations[i]);
    }
    scheduler_dequeue(s, item);
    return true;
}

struct scheduler_item *scheduler_next(struct scheduler *s, struct allocation *ret_allocations)
{
    struct scheduler_node *nodes[SCHEDULER_GANG_MAX];
    queue_unblock(s);
    for (struct list *first; (first = tree_first(s->ready)) != NULL;) {
        struct scheduler_class *cls = class_of(first);
        if (scheduler_place(s, cls, nodes)) {
            struct scheduler_item *item = cls->head;
            item_place(s, item, nodes);
            return item_take(s, item, nodes, ret_allocations) ? item : NULL;
        }
        assert(cls->seen == s->generation);
        class_leave(s, cls);
        class_enter(s, cls);
    }
    return NULL;
}

/* A place that may become free, and what has to come before what. */
struct better_look {
    const struct scheduler_node *node;
    struct scheduler_room room; /* with all that may be given back */
    struct scheduler_item mark;
};

/* With this node, would there be as many as it wants, as far as is known? */
static bool class_has_others(const struct scheduler_class *cls)
{
    return cls->place == CLASS_READY || cls->fitting + 1 >= request_nodes(&cls->request);
}

static bool class_is_better(const struct scheduler_class *cls, const struct better_look *look)
{
    return scheduler_item_is_before(cls->head, &look->mark) && class_has_others(cls) &&
           scheduler_room_allows(&look->room, &cls->request) &&
           scheduler_node_could_fit(look->node, &cls->request) &&
           (cls->group == NULL || (scheduler_group_has_gpus(cls->group, &cls->request) &&
                                   scheduler_group_allows(cls->group, look->node)));
}

/* In order: the first class with nothing that comes before ends the walk. */
static bool ready_has_better(const struct list *link, const struct better_look *look)
{
    for (; link != NULL; link = link->next) {
        const struct scheduler_class *cls = class_of(link);
        if (ready_has_better(link->prev, look) || class_is_better(cls, look)) {
            return true;
        }
        if (!scheduler_item_is_before(cls->head, &look->mark)) {
            return false;
        }
    }
    return false;
}

bool scheduler_has_better(const struct scheduler *s, uint32_t handle,
                          const struct scheduler_amounts *back, uint32_t priority, uint64_t age)
{
    struct better_look look = {.node = scheduler_node_find(s, handle),
                               .mark = {.priority = priority, .age = age}};
    if (look.node == NULL) {
        return false;
    }
    look.room = look.node->room;
    look.room.cpus += back->cpus;
    look.room.memory_bytes += (int64_t)back->memory_bytes;
    look.room.gpus_whole += back->gpus;
    look.room.gpu_largest += back->gpus;
    list_each (&s->blocked, const struct scheduler_class, link, cls) {
        if (class_is_better(cls, &look)) {
            return true;
        }
    }
    return ready_has_better(s->ready, &look);
}

static uint64_t class_items_before(const struct scheduler_class *cls,
                                   const struct scheduler_item *item)
{
    uint64_t count = 0;
    for (const struct list *at = cls->items; at != NULL;) {
        if (scheduler_item_is_before(scheduler_item_of(at), item)) {
            count += 1 + items_count(at->prev);
            at = at->next;
        } else {
            at = at->prev;
        }
    }
    return count;
}

uint64_t scheduler_items_before(const struct scheduler *s, const struct scheduler_item *item)
{
    uint64_t count = 0;
    for (const struct scheduler_class *cls = s->classes; cls != NULL; cls = cls->hh.next) {
        count += class_items_before(cls, item);
    }
    return count;
}
