/* base/list.h -- intrusive doubly linked lists. A node that is on no list points to itself. Pure.
 */
#ifndef MUSTER_BASE_LIST_H
#define MUSTER_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev;
    struct list *next;
};

static inline void list_init(struct list *list)
{
    list->prev = list->next = list;
}

static inline bool list_is_empty(const struct list *list)
{
    return list->next == list;
}

static inline void list_insert_before(struct list *where, struct list *node)
{
    node->prev = where->prev;
    node->next = where;
    where->prev->next = node;
    where->prev = node;
}

static inline void list_push_back(struct list *list, struct list *node)
{
    list_insert_before(list, node);
}

static inline void list_push_front(struct list *list, struct list *node)
{
    list_insert_before(list->next, node);
}

/* Safe on a node that is on no list (but was init'd). */
static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

#define list_entry(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

#define list_first(list, type, member)                                                             \
    (list_is_empty(list) ? NULL : list_entry((list)->next, type, member))

/* `item` may be removed inside the loop; no other may. */
#define list_each(list, type, member, item)                                                        \
    for (type *item = list_entry((list)->next, type, member),                                      \
              *item##_next = list_entry(item->member.next, type, member);                          \
         &item->member != (list);                                                                  \
         item = item##_next, item##_next = list_entry(item->member.next, type, member))

#endif
