/* cli/array_items.h -- what the tasks of an array are given, each its own: lines of a file, or
 * values of a JSON array. They become one file `items` in a folder of its own, a line a task in the
 * order of the ids, which is packed and sent as a work folder is. One thread; blocks. */
#ifndef MUSTER_CLI_ARRAY_ITEMS_H
#define MUSTER_CLI_ARRAY_ITEMS_H

#include "base/array_ids.h"
#include "cli/work.h"

enum { ARRAY_ITEMS_MAX_BYTES = 1 << 30 };

struct array_items {
    char folder[4096];    /* "": none */
    struct array_ids ids; /* as wanted, else one for each item */
    char *first;          /* what the first task gets */
    struct cli_work work;
};

/* `wanted` chooses lines by their numbers, from 1; step 0: all of them. "-" is stdin. EXIT_OK: to
 * be freed with array_items_fini(); else the exit code after the message. */
int array_items_of_lines(const char *path, struct array_ids wanted, struct array_items *ret_items);
/* A JSON array; each value is written on one line. */
int array_items_of_json(const char *path, struct array_items *ret_items);
/* Packs the folder into items->work. */
int array_items_pack(const struct cli *cli, struct array_items *items);
/* Deletes the folder. */
void array_items_fini(struct array_items *items);

#endif
