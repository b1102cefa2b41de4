/* work/rules.h -- which entries of a work folder stay behind: patterns as in a .gitignore file. Any
 * thread; immutable once made.
 *
 * The last pattern that matches decides. `!` keeps what an earlier one left out; a `/` at the end
 * matches folders only; one at the beginning or in the middle ties the pattern to the work folder,
 * else it matches a name at any depth; `*`, `?` and `[...]` do not match `/`; a segment `**`
 * matches any number of folders; `\` takes the next character as it is. Nothing within a folder
 * that is left out can be kept: it is not looked into. The first pattern is always `.git/`. */
#ifndef MUSTER_WORK_RULES_H
#define MUSTER_WORK_RULES_H

#include "base/error.h"

struct work_rules;

enum { WORK_RULES_MAX = 256, WORK_RULE_MAX_BYTES = 1024 };

/* The patterns are copied. ERR_LIMIT: too many, or one too long; ERR_NO_MEMORY. */
MUST_CHECK error_code work_rules_new(const char *const *patterns, uint32_t n,
                                     struct work_rules **ret_rules, struct report *report);
void work_rules_free(struct work_rules *rules);
/* `path` is relative to the work folder, without a `/` at either end. */
bool work_rules_leave_out(const struct work_rules *rules, const char *path, bool is_folder);

#endif
