/* lines/presets.h -- the forms of lines that need no pattern, one row each. Inner header of
 * lib/lines. Pure. */
#ifndef MUSTER_LINES_PRESETS_H
#define MUSTER_LINES_PRESETS_H

#include "lines/found.h"

/* What one line leaves for the next. */
struct preset_memory {
    bool has_epoch;
    double epoch; /* of keras' `Epoch 3/10` */
};

struct preset {
    const char *name;
    bool takes_drafts; /* its values are read from a bar that is redrawn, too */
    const char *const
        *step_names; /* keys that are the step if metric.time names none; NULL-ended */
    void (*read)(const char *line, struct preset_memory *memory, struct found *found);
};

extern const struct preset presets[]; /* ends with a NULL name */
const struct preset *preset_find(const char *name);

/* ---- object.c ---- */
/* The numbers of one JSON object or Python dict that the line ends with; nested keys are joined by
 * dots. Nothing is added unless the whole object is well formed. */
typedef enum { OBJECT_JSON, OBJECT_DICT } object_kind;
void object_read(const char *line, object_kind kind, struct found *found);

#endif
