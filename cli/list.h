/* cli/list.h -- lists of things: which of them, in which order, how many. One thread. */
#ifndef MUSTER_CLI_LIST_H
#define MUSTER_CLI_LIST_H

#include "cli/kinds.h"

/* --filter, --owner, --sort, --limit and --columns, checked before anything is asked for. EXIT_OK
 * or the exit code after the message. */
int list_check(const struct cli *cli, const struct cli_kind *kind);
/* The list at `path` by those options, page after page. `extra`: a query, as sweep=12; NULL: none.
 * EXIT_OK: the list is the caller's. */
int list_fetch(struct cli *cli, struct client **client, const struct cli_kind *kind,
               const char *path, const char *extra, json_t **ret_list);
/* The same without the options: everything. */
int list_fetch_all(struct cli *cli, struct client **client, const char *path, const char *query,
                   json_t **ret_list);
/* Connects, fetches and prints. */
int list_show(struct cli *cli, const struct cli_kind *kind, const char *path);
/* For the options of a list that did not come from list_fetch(): picks and sorts in place. */
int list_narrow(const struct cli *cli, const struct cli_kind *kind, json_t *list);

/* order.c: sorts items in place by a column; ids by their parts, what is empty last. */
void items_sort(json_t *items, const char *path, bool is_descending);

/* Percent-encoded for a query or a path. */
void url_append(struct buf *buf, const char *text);

#endif
