/* Groups: what the items of one sweep may take together. A group counts on each node only what it
 * has there; a node where it has nothing costs nothing. */
#include <assert.h>

#include "scheduler/state.h"

static struct scheduler_share *share_find(const struct scheduler_group *group, uint32_t handle)
{
    struct scheduler_share *share;
    HASH_FIND(hh, group->shares, &handle, sizeof handle, share);
    return share;
}

static void share_drop(struct scheduler_group *group, struct scheduler_share *share)
{
    HASH_DELETE(hh, group->shares, share);
    mem_free(share);
}

/* Only what says something is kept. */
static void share_trim(struct scheduler_group *group, struct scheduler_share *share)
{
    if (share->n_items == 0 && !share->is_excluded) {
        share_drop(group, share);
    }
}

error_code scheduler_group_reserve(struct scheduler_group *group, uint32_t handle)
{
    if (group == NULL || share_find(group, handle) != NULL) {
        return OK;
    }
    struct scheduler_share *share = mem_zalloc(sizeof *share);
    if (share == NULL) {
        return ERR_NO_MEMORY;
    }
    share->handle = handle;
    HASH_ADD(hh, group->shares, handle, sizeof share->handle, share);
    if (share->hh.tbl == NULL) {
        mem_free(share);
        return ERR_NO_MEMORY;
    }
    return OK;
}

error_code scheduler_group_new(struct scheduler *s, const struct scheduler_limits *limits,
                               struct scheduler_group **ret_group)
{
    if (limits->gpus < 0) {
        return ERR_INVALID;
    }
    struct scheduler_group *group = mem_zalloc(sizeof *group);
    if (group == NULL) {
        return ERR_NO_MEMORY;
    }
    group->number = ++s->last_group;
    group->refs = 1;
    group->limits = *limits;
    list_init(&group->classes);
    list_init(&group->link);
    list_push_back(&s->groups, &group->link);
    *ret_group = group;
    return OK;
}

void scheduler_group_unref(struct scheduler *s, struct scheduler_group *group)
{
    (void)s;
    if (group == NULL || --group->refs > 0) {
        return;
    }
    assert(list_is_empty(&group->classes));
    struct scheduler_share *share, *next;
    HASH_ITER (hh, group->shares, share, next) {
        share_drop(group, share);
    }
    list_remove(&group->link);
    mem_free(group);
}

void scheduler_group_enter(struct scheduler_group *group, struct scheduler_class *cls)
{
    cls->group = group;
    group->refs++;
    list_push_back(&group->classes, &cls->group_link);
}

void scheduler_group_leave(struct scheduler *s, struct scheduler_class *cls)
{
    if (cls->group != NULL) {
        list_remove(&cls->group_link);
        scheduler_group_unref(s, cls->group);
        cls->group = NULL;
    }
}

/* A bound that is not one node's alone has given way, so no node's `freed` tells of it. */
static void group_wake(struct scheduler *s, struct scheduler_group *group)
{
    list_each (&group->classes, struct scheduler_class, group_link, cls) {
        scheduler_class_wake(s, cls);
    }
}

error_code scheduler_group_limits_set(struct scheduler *s, struct scheduler_group *group,
                                      const struct scheduler_limits *limits)
{
    if (limits->gpus < 0) {
        return ERR_INVALID;
    }
    group->limits = *limits;
    group_wake(s, group);
    return OK;
}

error_code scheduler_group_exclude(struct scheduler *s, struct scheduler_group *group,
                                   uint32_t handle, bool is_excluded)
{
    if (scheduler_node_find(s, handle) == NULL) {
        return ERR_NOT_FOUND;
    }
    error_code error = scheduler_group_reserve(group, handle);
    if (error != OK) {
        return error;
    }
    struct scheduler_share *share = share_find(group, handle);
    bool is_freed = share->is_excluded && !is_excluded;
    share->is_excluded = is_excluded;
    share_trim(group, share);
    if (is_freed) {
        group_wake(s, group);
    }
    return OK;
}

bool scheduler_group_has_gpus(const struct scheduler_group *group, const struct request *request)
{
    return group == NULL || group->limits.gpus == 0 || request->gpus == 0 ||
           request->gpus <= (group->limits.gpus - group->gpus_used) / request_nodes(request);
}

bool scheduler_group_allows(const struct scheduler_group *group, const struct scheduler_node *node)
{
    const struct scheduler_share *share =
        group != NULL && group->shares != NULL ? share_find(group, node->handle) : NULL;
    if (share == NULL) {
        return true;
    }
    return !share->is_excluded &&
           (group->limits.per_node == 0 || share->n_items < group->limits.per_node);
}

void scheduler_group_count(struct scheduler *s, const struct allocation *allocation, int sign)
{
    struct scheduler_group *group = allocation->cls->group;
    if (group == NULL) {
        return;
    }
    struct scheduler_share *share = share_find(group, allocation->node);
    assert(share != NULL);
    amount gpus = 0;
    for (uint32_t i = 0; i < allocation->n_gpus; i++) {
        gpus += allocation->gpus[i].amount;
    }
    share->n_items += (uint32_t)sign;
    share->gpus += sign * gpus;
    group->gpus_used += sign * gpus;
    if (sign < 0) {
        share_trim(group, share);
        if (gpus > 0 && group->limits.gpus > 0) {
            group_wake(s, group);
        }
    }
}

error_code scheduler_reclass(struct scheduler *s, struct allocation *allocation,
                             struct scheduler_class *cls)
{
    if (allocation->node == 0 || scheduler_node_find(s, allocation->node) == NULL) {
        return OK; /* it is forgotten */
    }
    error_code error = scheduler_group_reserve(cls->group, allocation->node);
    if (error != OK) {
        return error;
    }
    struct scheduler_class *before = allocation->cls;
    scheduler_group_count(s, allocation, -1);
    allocation->cls = cls;
    cls->refs++;
    scheduler_group_count(s, allocation, 1);
    scheduler_class_unref(s, before);
    return OK;
}

void scheduler_groups_forget(struct scheduler *s, uint32_t handle)
{
    list_each (&s->groups, struct scheduler_group, link, group) {
        struct scheduler_share *share = share_find(group, handle);
        if (share != NULL) {
            bool is_freed = share->gpus > 0 && group->limits.gpus > 0;
            group->gpus_used -= share->gpus;
            share_drop(group, share);
            if (is_freed) {
                group_wake(s, group);
            }
        }
    }
}

void scheduler_group_check(const struct scheduler *s, const struct scheduler_group *group)
{
    amount gpus = 0;
    uint32_t n_classes = 0;
    for (const struct scheduler_share *share = group->shares; share != NULL;
         share = share->hh.next) {
        assert(scheduler_node_find(s, share->handle) != NULL);
        assert(share->gpus >= 0);
        gpus += share->gpus;
    }
    assert(gpus == group->gpus_used);
    list_each (&group->classes, struct scheduler_class, group_link, cls) {
        assert(cls->group == group);
        n_classes++;
    }
    assert(group->refs >= n_classes);
}
