/* cli/filters.h -- --filter K=V, K!=V, K~TEXT and --owner: read, checked, applied. Inside the list
 * verbs; one thread. */
#ifndef MUSTER_CLI_FILTERS_H
#define MUSTER_CLI_FILTERS_H

#include "cli/kinds.h"

enum { FILTERS_MAX = 64 };

typedef enum { IS_EQUAL, IS_UNEQUAL, CONTAINS } filter_op;

struct filter {
    char key[COLUMN_PATH_MAX];
    filter_op op;
    const char *value;
    bool is_server; /* only the server knows it */
};

struct filters {
    struct filter items[FILTERS_MAX];
    int n;
};

/* EXIT_OK, or EXIT_USAGE after the message that lists what there is. Values are borrowed. */
int filters_read(const struct cli *cli, const struct cli_kind *kind, struct filters *ret_filters);
/* All of them; what only the server knows fits. */
bool filters_fit(const struct filters *filters, const json_t *item);

#endif
