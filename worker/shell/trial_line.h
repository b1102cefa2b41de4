/* worker/shell/trial_line.h -- decodes one line of a trainer. Any thread; nothing blocks. */
#ifndef MUSTER_WORKER_SHELL_TRIAL_LINE_H
#define MUSTER_WORKER_SHELL_TRIAL_LINE_H

#include <jansson.h>

#include "base/buf.h"
#include "worker/core/agent.h"

enum {
    TRIAL_LINE_MAX_BYTES = 64 << 10,
    TRIAL_LINE_TEXT_MAX = 256,
    TRIAL_LINE_PLAIN_MAX = 16, /* metrics of a report that is read without a tree */
    TRIAL_LINE_PLAIN_BYTES = 1024,
};

/* What a line said; `request` points into the rest. */
struct trial_line {
    struct trainer_request request;
    json_t *root;
    const char *names[METRICS_MAX];
    double values[METRICS_MAX];
    char plain_names[TRIAL_LINE_PLAIN_BYTES]; /* of a report that was read without a tree */
    char note[NOTE_MAX_BYTES + 1];
    char error_text[TRIAL_LINE_TEXT_MAX];
};

/* Decodes `text` (without its '\n'). Never fails: what cannot be understood is a TRAINER_BAD
 * request with the word and the text to answer. Bare NaN and Infinity are accepted as metric
 * values, and so are the strings "nan", "inf" and "-inf". `ret_line` is for trial_line_fini()
 * afterwards. */
void trial_line_decode(struct bytes text, struct trial_line *ret_line);
/* The request for a line that was too long to be read. */
void trial_line_too_long(struct trial_line *ret_line);
void trial_line_fini(struct trial_line *line);

#endif
