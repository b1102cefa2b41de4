/* cli/kinds.h -- the kinds of things that people list: their fields are those of the schema
 * tables (schema/api.h); which of them a table shows unasked is said in kinds.c. One thread. */
#ifndef MUSTER_CLI_KINDS_H
#define MUSTER_CLI_KINDS_H

#include "cli/cli.h"
#include "schema/api.h"

struct cli_kind {
    const char *what; /* "sweeps" */
    const struct schema *schema;
    const char *id;             /* the field that names one */
    const char *const *columns; /* up to NULL; params.* is a column for each parameter */
    const char *const *wide;    /* besides these, with -o wide */
    const char *const *csv;     /* with -o csv; NULL: every field */
    /* What the server selects by, beside the fields; up to NULL. */
    const char *const *filters;
};

extern const struct cli_kind cli_lineage_kind, cli_sweep_kind, cli_trial_kind, cli_task_kind,
    cli_node_kind, cli_job_kind, cli_metric_kind, cli_key_kind, cli_status_kind, cli_export_kind,
    cli_event_kind, cli_stage_kind;

/* How a cell is written in a table; other forms have the bare value. */
typedef enum { CELL_PLAIN, CELL_SIZE, CELL_TIME, CELL_SPAN } cell_form;

enum { COLUMNS_MAX = 256, COLUMN_PATH_MAX = 160 };

struct column {
    char path[COLUMN_PATH_MAX];
    char title[COLUMN_PATH_MAX];
    bool is_right;
    cell_form form;
};

struct columns {
    struct column *items;
    int n;
};

/* `path` is a field of `schema`, or leads into one: last.metrics.loss, params.lr. */
bool column_make(const struct schema *schema, const char *path, struct column *ret_column);
/* One of another source, e.g. of --columns where there is no schema. */
void column_make_plain(const char *path, struct column *ret_column);
/* The names that --columns, --sort and --filter may use, as "id, state, ...". */
void column_names_print(const struct schema *schema, struct buf *ret_names);

/* --columns, else what `kind` shows in this form; for csv every field, where objects become a
 * column for each key that `items` have. EXIT_OK: to be freed with columns_fini(). */
int columns_choose(const struct cli *cli, const struct cli_kind *kind, const json_t *items,
                   cli_output output, struct columns *ret_columns);
void columns_fini(struct columns *columns);

/* What stands there; a key may have dots in it. NULL: nothing. */
const json_t *column_get(const json_t *item, const char *path);

/* ---- table.c, csv.c, yaml.c ---- */
/* Fits the terminal unless is_wide or stdout is none. */
int table_print(FILE *to, json_t *items, const struct columns *columns, bool is_wide);
/* RFC 4180: quoted where it must be, lines end with CR LF. */
void csv_print(FILE *to, json_t *items, const struct columns *columns);
/* The bare value as text: as in JSON without quotes; "" for null. false: no memory. */
bool csv_value_text(const json_t *value, struct buf *ret_text);
/* YAML 1.2 that 1.1 readers take the same way. false: too large, or no memory. */
bool yaml_append(struct buf *buf, const json_t *value);

#endif
