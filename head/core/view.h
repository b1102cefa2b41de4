/* head/core/view.h -- one answer under construction. Pure; inside head/core. */
#ifndef MUSTER_HEAD_CORE_VIEW_H
#define MUSTER_HEAD_CORE_VIEW_H

#include "head/core/state.h"

enum { VIEW_ARENA_MAX = 4 << 20 };

/* One answer under construction. */
struct view {
    struct core *core;
    uint64_t request;
    struct buf buf;
    struct json_out json;
    struct arena arena;
    time_ms now; /* lists */
    uint32_t seen;
    bool has_holes; /* array_page.h */
};

void view_begin(struct view *view, struct core *core, uint64_t request);
/* Puts the answer into the outbox and frees the view. */
void view_end(struct view *view);
void view_object(struct view *view, const struct schema *schema, const void *object);
/* As a trial or a task. */
void view_task_object(struct view *view, const struct task *task);
/* "there is no <what>", 404. */
void view_not_found(struct core *core, uint64_t request, const char *what);

#endif
