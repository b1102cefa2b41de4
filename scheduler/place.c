/* Which node: the fullest that fits (binpack). A fraction of a GPU goes to a GPU that is shared
 * already wherever one has room, so that whole ones stay whole. */
#include "scheduler/state.h"

enum { FREED_SCAN_MAX = 64 };

/* The first of a subtree, in its order, that fits. Subtrees without room are left out whole; only
 * nodes that labels or custom amounts rule out cost a look each. */
static struct scheduler_node *place_below(struct list *link, const struct request *request,
                                          amount gpu_partial)
{
    if (link == NULL) {
        return NULL;
    }
    struct scheduler_node *node = scheduler_node_of(link);
    if (node->subtree_room.gpu_partial < gpu_partial ||
        !scheduler_room_allows(&node->subtree_room, request)) {
        return NULL;
    }
    struct scheduler_node *found = place_below(link->prev, request, gpu_partial);
    if (found != NULL) {
        return found;
    }
    if (node->room.gpu_partial >= gpu_partial && scheduler_node_fits(node, request)) {
        return node;
    }
    return place_below(link->next, request, gpu_partial);
}

static struct scheduler_node *place_anywhere(const struct scheduler *s,
                                             const struct request *request)
{
    struct scheduler_node *found = NULL;
    if (request->gpus > 0 && request->gpus < AMOUNT_ONE) {
        found = place_below(s->free, request, request->gpus);
    }
    return found != NULL ? found : place_below(s->free, request, 0);
}

static bool place_is_better(const struct scheduler_node *a, const struct scheduler_node *b,
                            const struct request *request)
{
    if (request->gpus > 0 && request->gpus < AMOUNT_ONE) {
        bool a_shares = a->room.gpu_partial >= request->gpus;
        bool b_shares = b->room.gpu_partial >= request->gpus;
        if (a_shares != b_shares) {
            return a_shares;
        }
    }
    return scheduler_free_type.is_before(&a->free_link, &b->free_link);
}

/* Only nodes where something became free since the class last looked; the list has them first. */
static struct scheduler_node *place_newly_freed(const struct scheduler *s,
                                                const struct scheduler_class *cls)
{
    struct scheduler_node *best = NULL;
    list_each (&s->freed, struct scheduler_node, freed_link, node) {
        if (node->freed <= cls->seen) {
            break;
        }
        if (node->is_open && scheduler_node_fits(node, &cls->request) &&
            (best == NULL || place_is_better(node, best, &cls->request))) {
            best = node;
        }
    }
    return best;
}

/* Each event gives one node a new number, so the difference bounds how many nodes there are to look
 * at. Both ways give the same node. */
struct scheduler_node *scheduler_place(struct scheduler *s, struct scheduler_class *cls)
{
    struct scheduler_node *node = s->generation - cls->seen <= FREED_SCAN_MAX
                                      ? place_newly_freed(s, cls)
                                      : place_anywhere(s, &cls->request);
    if (node == NULL) {
        cls->seen = s->generation;
    }
    return node;
}
