#include <assert.h>

#include "scheduler/state.h"

error_code scheduler_class_ref(struct scheduler *s, const struct request *request,
                               struct scheduler_class **ret_class)
{
    return scheduler_group_class_ref(s, NULL, request, ret_class);
}

error_code scheduler_group_class_ref(struct scheduler *s, struct scheduler_group *group,
                                     const struct request *request,
                                     struct scheduler_class **ret_class)
{
    error_code error = scheduler_request_check(request);
    if (error != OK) {
        return error;
    }
    struct scheduler_class *cls, *known;
    error = scheduler_class_make(request, group != NULL ? group->number : 0, &cls);
    if (error != OK) {
        return error;
    }
    HASH_FIND(hh, s->classes, cls->key.data, cls->key.len, known);
    if (known != NULL) {
        scheduler_class_destroy(cls);
        known->refs++;
        *ret_class = known;
        return OK;
    }
    if (HASH_COUNT(s->classes) >= SCHEDULER_CLASSES_MAX) {
        scheduler_class_destroy(cls);
        return ERR_LIMIT;
    }
    HASH_ADD_KEYPTR(hh, s->classes, cls->key.data, cls->key.len, cls);
    if (cls->hh.tbl == NULL) {
        scheduler_class_destroy(cls);
        return ERR_NO_MEMORY;
    }
    cls->number = ++s->last_class;
    cls->refs = 1;
    if (group != NULL) {
        scheduler_group_enter(group, cls);
    }
    *ret_class = cls;
    return OK;
}

void scheduler_class_unref(struct scheduler *s, struct scheduler_class *cls)
{
    assert(cls->refs > 0);
    if (--cls->refs == 0) {
        assert(cls->items == NULL);
        HASH_DELETE(hh, s->classes, cls);
        scheduler_group_leave(s, cls);
        scheduler_class_destroy(cls);
    }
}
