/* Which node: the one that meets most of what is preferred; among equals the fullest that fits
 * (binpack) or the least used one (spread). Under binpack a fraction of a GPU goes to a GPU that is
 * shared already wherever one has room, so that whole ones stay whole. */
#include "scheduler/state.h"

enum { FREED_SCAN_MAX = 64 };

/* The best nodes so far, the best one first; of equal ones that which was seen first. */
struct search {
    const struct scheduler_class *cls;
    const struct scheduler_node *other; /* not this one; NULL: any */
    amount gpu_partial;                 /* a GPU in use with so much left; 0: any */
    uint32_t full;                      /* no score is higher */
    struct scheduler_node **nodes;      /* room for n_wanted */
    uint32_t scores[SCHEDULER_GANG_MAX];
    uint32_t n, n_wanted;
    bool is_whole; /* all nodes were looked at: the best score is the highest of all */
};

static bool search_has(const struct search *search, const struct scheduler_node *node)
{
    for (uint32_t i = 0; i < search->n; i++) {
        if (search->nodes[i] == node) {
            return true;
        }
    }
    return false;
}

/* True: there are no better ones. */
static bool search_add(struct search *search, struct scheduler_node *node, uint32_t score)
{
    uint32_t place = search->n;
    while (place > 0 && search->scores[place - 1] < score) {
        place--;
    }
    if (place == search->n_wanted) {
        return false;
    }
    search->n += search->n < search->n_wanted ? 1 : 0;
    for (uint32_t i = search->n - 1; i > place; i--) {
        search->nodes[i] = search->nodes[i - 1];
        search->scores[i] = search->scores[i - 1];
    }
    search->nodes[place] = node;
    search->scores[place] = score;
    return search->n == search->n_wanted && search->scores[search->n - 1] >= search->full;
}

static bool search_offer(struct search *search, struct scheduler_node *node)
{
    if (node == search->other || node->room.gpu_partial < search->gpu_partial ||
        !scheduler_node_fits_class(node, search->cls) || search_has(search, node)) {
        return false;
    }
    return search_add(search, node, scheduler_node_score(node, &search->cls->request));
}

/* The two orders of the open nodes: both are walked by the same code. */
struct order {
    struct scheduler_node *(*node_of)(struct list *link);
    const struct scheduler_room *(*room_of)(const struct scheduler_node *node);
};

static struct scheduler_node *free_node_of(struct list *link)
{
    return scheduler_node_of(link);
}

static const struct scheduler_room *free_room_of(const struct scheduler_node *node)
{
    return &node->subtree_room;
}

static struct scheduler_node *spread_node_of(struct list *link)
{
    return scheduler_node_of_spread(link);
}

static const struct scheduler_room *spread_room_of(const struct scheduler_node *node)
{
    return &node->spread_room;
}

static const struct order orders[] = {
    [PLACE_BINPACK] = {free_node_of, free_room_of},
    [PLACE_SPREAD] = {spread_node_of, spread_room_of},
};

/* The first of a subtree, in its order, with the highest scores. Subtrees without room are left out
 * whole; only nodes that labels, custom amounts or a group rule out cost a look each, and all that
 * fit where none meets every preference. */
static bool search_below(struct search *search, const struct order *order, struct list *link)
{
    if (link == NULL) {
        return false;
    }
    struct scheduler_node *node = order->node_of(link);
    const struct scheduler_room *room = order->room_of(node);
    if (room->gpu_partial < search->gpu_partial ||
        !scheduler_room_allows(room, &search->cls->request)) {
        return false;
    }
    return search_below(search, order, link->prev) || search_offer(search, node) ||
           search_below(search, order, link->next);
}

static bool is_shared(const struct request *request)
{
    return request->place == PLACE_BINPACK && request->gpus > 0 && request->gpus < AMOUNT_ONE;
}

static bool place_anywhere(struct scheduler *s, struct search *search)
{
    const struct request *request = &search->cls->request;
    scheduler_nodes_sort(s);
    struct list *root = request->place == PLACE_SPREAD ? s->spread : s->free;
    if (is_shared(request)) {
        search->gpu_partial = request->gpus;
        if (search_below(search, &orders[request->place], root)) {
            return true;
        }
        search->gpu_partial = 0;
    }
    search_below(search, &orders[request->place], root);
    return search->n == search->n_wanted;
}

static bool place_is_better(const struct scheduler_node *a, const struct scheduler_node *b,
                            const struct request *request)
{
    uint32_t a_score = scheduler_node_score(a, request);
    uint32_t b_score = scheduler_node_score(b, request);
    if (a_score != b_score) {
        return a_score > b_score;
    }
    if (is_shared(request)) {
        bool a_shares = a->room.gpu_partial >= request->gpus;
        bool b_shares = b->room.gpu_partial >= request->gpus;
        if (a_shares != b_shares) {
            return a_shares;
        }
    }
    return request->place == PLACE_SPREAD
               ? scheduler_spread_type.is_before(&a->spread_link, &b->spread_link)
               : scheduler_free_type.is_before(&a->free_link, &b->free_link);
}

/* Only nodes where something became free after `since`; the list has them first. How many fit, and
 * the best one. */
static uint32_t place_newly_freed(const struct scheduler *s, const struct search *search,
                                  uint64_t since, struct scheduler_node **ret_best)
{
    uint32_t n = 0;
    struct scheduler_node *best = NULL;
    const struct scheduler_class *cls = search->cls;
    list_each (&s->freed, struct scheduler_node, freed_link, node) {
        if (node->freed <= since) {
            break;
        }
        if (!node->is_open || node == search->other || !scheduler_node_fits_class(node, cls)) {
            continue;
        }
        n++;
        if (best == NULL || place_is_better(node, best, &cls->request)) {
            best = node;
        }
    }
    *ret_best = best;
    return n;
}

/* What is known of the scores that can be had: only a node with a newer event can have a higher
 * one. True: one has, or `full` is lowered to the bound. */
static bool search_bound(const struct scheduler *s, struct search *search)
{
    const struct scheduler_class *cls = search->cls;
    if (cls->request.n_prefer == 0 || cls->score_seen == 0 ||
        s->generation - cls->score_seen > FREED_SCAN_MAX) {
        return false;
    }
    struct scheduler_node *node;
    place_newly_freed(s, search, cls->score_seen, &node);
    if (node != NULL && scheduler_node_score(node, &cls->request) > cls->score_bound) {
        search->nodes[search->n++] = node;
    } else {
        search->full = cls->score_bound;
    }
    return search->n > 0;
}

/* One node. Each event gives one node a new number, so the difference bounds how many nodes there
 * are to look at. All ways give the same node. */
static bool place_one(struct scheduler *s, struct search *search)
{
    const struct scheduler_class *cls = search->cls;
    if (s->generation - cls->seen <= FREED_SCAN_MAX) {
        search->n = place_newly_freed(s, search, cls->seen, &search->nodes[0]) > 0 ? 1 : 0;
        return search->n == 1;
    }
    if (search_bound(s, search)) {
        return true;
    }
    search->is_whole = true;
    return place_anywhere(s, search);
}

/* Several, all at once: looked for only if what fitted before and what has become free since can be
 * enough together. */
static bool place_gang(struct scheduler *s, struct search *search)
{
    const struct scheduler_class *cls = search->cls;
    if (s->generation - cls->seen <= FREED_SCAN_MAX) {
        struct scheduler_node *best;
        uint32_t n = place_newly_freed(s, search, cls->seen, &best);
        if (cls->fitting + n < search->n_wanted) {
            search->n = cls->fitting + n;
            return false;
        }
    }
    return place_anywhere(s, search);
}

/* What is found is in search->nodes; of a gang that finds too few search->n is how many fit at
 * most.
 */
static bool place_find(struct scheduler *s, struct search *search)
{
    const struct scheduler_class *cls = search->cls;
    search->full = scheduler_score_full(&cls->request);
    search->n_wanted = request_nodes(&cls->request);
    if (!scheduler_group_has_gpus(cls->group, &cls->request)) {
        return false; /* nor will it until that bound gives way, which wakes the class */
    }
    return search->n_wanted == 1 ? place_one(s, search) : place_gang(s, search);
}

bool scheduler_place_other(struct scheduler *s, const struct scheduler_class *cls,
                           const struct scheduler_node *other,
                           struct scheduler_node *ret_nodes[SCHEDULER_GANG_MAX])
{
    struct search search = {.cls = cls, .other = other, .nodes = ret_nodes};
    return place_find(s, &search);
}

bool scheduler_place(struct scheduler *s, struct scheduler_class *cls,
                     struct scheduler_node *ret_nodes[SCHEDULER_GANG_MAX])
{
    struct search search = {.cls = cls, .nodes = ret_nodes};
    bool is_found = place_find(s, &search);
    if (!is_found) {
        cls->seen = s->generation;
        cls->fitting = search.n;
    } else if (search.is_whole) {
        cls->score_bound = search.scores[0];
        cls->score_seen = s->generation;
    }
    return is_found;
}
