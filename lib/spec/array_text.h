/* spec/array_text.h -- the ids of a task array as text: `1-500000:2`, and ranges of them:
 * `5-10,20`. Pure; any thread; nothing blocks. */
#ifndef MUSTER_SPEC_ARRAY_TEXT_H
#define MUSTER_SPEC_ARRAY_TEXT_H

#include <stddef.h>

#include "base/array_ids.h"
#include "base/error.h"
#include "base/id.h"

enum {
    ARRAY_TEXT_MAX = 40,    /* `4294967295-4294967295:4294967295` and its end */
    ARRAY_SPANS_MAX = 4096, /* of one list */
    ARRAY_LOG_TEXT_MAX = 64,
    ARRAY_LINE_MAX_BYTES =
        128 * 1024 - (int)sizeof "MUSTER_LINE=", /* an environment entry of exec */
};

/* Ids from..to, both inclusive. */
struct array_span {
    uint32_t from, to;
};

/* `7`, `1-100` or `1-100:2`. ERR_INVALID: not such a text, or it goes down; ERR_LIMIT: more than
 * ARRAY_TASKS_MAX ids. `last` of the result is an id of the array: 1-10:4 ends with 9. */
MUST_CHECK error_code spec_array_parse(const char *text, struct array_ids *ret_ids,
                                       struct report *report);
/* As it is written; "" for no array. Returns ret_text. */
char *spec_array_print(struct array_ids ids, char ret_text[ARRAY_TEXT_MAX]);

/* `5-10,20`: in any order, whether there are such ids or not. ERR_INVALID; ERR_LIMIT: more than
 * ARRAY_SPANS_MAX. */
MUST_CHECK error_code spec_array_spans_parse(const char *text, struct array_span *ret_spans,
                                             uint32_t max, uint32_t *ret_n, struct report *report);
bool spec_array_spans_have(const struct array_span *spans, uint32_t n, uint32_t id);

/* Where a stream of a task lies in its node's folder, if each task of its array has log files of
 * its own: `arrays/7/tasks/55.out`, and `55.1.err` of its second attempt. Returns ret_text. */
char *spec_array_log_print(task_id id, uint32_t attempt, uint32_t stream,
                           char ret_text[ARRAY_LOG_TEXT_MAX]);

#endif
