/* worker/shell/work_inside.h -- what the files of work folders share. */
#ifndef MUSTER_WORKER_SHELL_WORK_INSIDE_H
#define MUSTER_WORKER_SHELL_WORK_INSIDE_H

#include "base/hash.h"
#include "base/list.h"
#include "worker/shell/attempt.h"
#include "worker/shell/work.h"

enum { WORK_REASON_BYTES = 240 }; /* what the core keeps of a reason */

struct work_entry {
    UT_hash_handle hh;
    char name[WORK_TREE_NAME_MAX + 1];
    uint64_t bytes;
    uint64_t used_at; /* counts uses */
    uint32_t n_users;
};

struct works {
    struct worker *worker;
    char folder[FILES_PATH_MAX_BYTES + 16];
    uint64_t max_bytes, used_bytes;
    uint64_t last_use, last_gone;
    struct work_entry *entries;
    struct list pulls;
    struct list setups;
    uint32_t n_jobs; /* in the pool */
    bool is_stopped;
};

/* ---- work_cache.c ---- */
struct work_entry *works_entry(const struct works *works, const char *name);
void works_path_of(const struct works *works, const char *prefix, const char *name,
                   const char *ending, char ret_path[WORK_PATH_BYTES]);
/* In the pool: marks a tree as whole. */
MUST_CHECK error_code works_mark(const struct works *works, const char *name, uint64_t bytes,
                                 struct report *report);
/* It is whole: remembered, room is made for it, the core is told. On an error the core is told
 * that.
 */
void works_made(struct works *works, const char *name, uint64_t bytes, error_code error,
                const struct report *report);
/* The sentence for the core; "" becomes the code's word. */
void works_reason(error_code error, const struct report *report, char ret_text[WORK_REASON_BYTES]);

/* ---- work_pull.c ---- */
void works_pulls_free(struct works *works);
/* ---- setup.c ---- */
void works_setups_stop(struct works *works);

#endif
