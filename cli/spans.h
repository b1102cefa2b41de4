/* cli/spans.h -- the trials or tasks that ranges name, as `12.3-7,9`: looked up page by page, so
 * that a million of them are never held at once. One thread; blocks. */
#ifndef MUSTER_CLI_SPANS_H
#define MUSTER_CLI_SPANS_H

#include "cli/kinds.h"
#include "cli/selector.h"

/* EXIT_OK to go on; else the walk ends with it. */
typedef int span_fn(void *context, json_t *item);

struct span_walk {
    struct cli *cli;
    struct client **client;
    const struct selector *selector; /* each part is of one number */
    bool is_trials;
    bool is_strict; /* a part that names nothing is told, and the code is EXIT_NOT_FOUND in the end
                     */
    span_fn *on_item;
    void *context;
};

/* Each that there is, in the order in which they are named. EXIT_OK, what `on_item` ended with, or
 * the exit code after the message. */
int spans_walk(const struct span_walk *walk);

/* The first argument names several of one or more numbers, as 12.3-7: *ret_is_many, and
 * *ret_selector. Else it is one, *ret_id. EXIT_OK, or EXIT_USAGE after the message. */
int spans_argument(const struct cli *cli, bool *ret_is_many, struct selector *ret_selector,
                   task_id *ret_id);

/* A list of them in the form that was asked for: a table has the first 1,000, the other forms all
 * up to 100,000. The exit code. */
int spans_show(struct cli *cli, const struct cli_kind *kind, const struct selector *selector);

#endif
