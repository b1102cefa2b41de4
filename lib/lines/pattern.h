/* lines/pattern.h -- a regular expression with named groups as a rule for lines. Inner header of
 * lib/lines. Pure: PCRE2 works in memory, within limits. */
#ifndef MUSTER_LINES_PATTERN_H
#define MUSTER_LINES_PATTERN_H

#include "lines/found.h"

struct pattern;

/* ERR_INVALID: it does not compile, or has neither `name` and `value` nor any other named group;
 * the report says where and why. */
MUST_CHECK error_code pattern_new(const char *text, struct pattern **ret_pattern,
                                  struct report *report);
void pattern_free(struct pattern *pattern); /* NULL is fine */
/* It has `name` and `value`, so any metric may come of it. */
bool pattern_names_any(const struct pattern *pattern);
/* It has a group for this metric. */
bool pattern_names(const struct pattern *pattern, const char *metric);
/* `step` is all that it has: it says where what follows stands. */
bool pattern_is_step_alone(const struct pattern *pattern);
/* The next match at or after *offset, which moves behind it; `found` is filled anew. False: there
 * is none (or none within the limits). The line is UTF-8, with a NUL at its end. */
bool pattern_next(struct pattern *pattern, const char *line, size_t len, size_t *offset,
                  struct found *found);

#endif
