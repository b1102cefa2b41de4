/* cli/selector.h -- which ones: `12`, `1-5,8`, `last`, `all`; of trials and tasks `12.3`, `12.3-7`,
 * `12.3-7,9` (a bare number after a dotted one is an id of the same number), and `12` for all of a
 * sweep or array. One thread. */
#ifndef MUSTER_CLI_SELECTOR_H
#define MUSTER_CLI_SELECTOR_H

#include "cli/cli.h"

enum { SELECTOR_SPANS_MAX = 256 };

/* Inclusive. */
struct selector_span {
    uint32_t job_from, job_to;
    uint32_t index_from, index_to; /* of sweeps: not looked at */
};

struct selector {
    struct selector_span spans[SELECTOR_SPANS_MAX];
    int n;
    bool is_all;
    bool is_last;
    bool is_many; /* `all` or a range: what is destructive asks */
};

/* EXIT_OK, or EXIT_USAGE after the message. */
int selector_parse(const char *text, bool is_of_tasks, struct selector *ret_selector);
/* `last` is not looked at: the caller puts it in by selector_put(). */
bool selector_has(const struct selector *selector, bool is_of_tasks, task_id id);
void selector_put(struct selector *selector, task_id id);
/* The one sweep that it is about; 0: several, or only some trials. */
uint32_t selector_job(const struct selector *selector);

/* ---- targets.c ---- */

struct act; /* acts.h */

/* What the selector names among what there is. Single ones are not looked up. EXIT_OK: an array of
 * {"id": "12"}, the caller's; empty only if it may be. */
int targets_find(struct cli *cli, struct client **client, const char *noun, const struct act *act,
                 struct selector *selector, bool may_be_none, json_t **ret_targets);

#endif
