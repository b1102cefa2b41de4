/* Which columns there are, and which are wanted. */
#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "cli/kinds.h"

const json_t *column_get(const json_t *item, const char *path)
{
    const json_t *whole = json_object_get(item, path);
    const char *dot = strchr(path, '.');
    char key[COLUMN_PATH_MAX];
    if (whole != NULL || dot == NULL || (size_t)(dot - path) >= sizeof key) {
        return whole;
    }
    memcpy(key, path, (size_t)(dot - path));
    key[dot - path] = '\0';
    const json_t *inner = json_object_get(item, key);
    return inner != NULL ? column_get(inner, dot + 1) : NULL;
}

/* BEST for best.metrics, PARAMS.lr for params.lr: a name that people chose stays as it is. */
static void column_title(struct column *column, size_t fixed)
{
    snprintf(column->title, sizeof column->title, "%s", column->path);
    for (size_t i = 0; i < fixed && column->title[i] != '\0'; i++) {
        column->title[i] = (char)toupper((unsigned char)column->title[i]);
    }
    if (strncmp(column->title, "METRICS.", 8) == 0) {
        memmove(column->title, column->title + 8, strlen(column->title + 8) + 1);
    }
    char *end = strstr(column->title, ".METRICS");
    if (end != NULL) {
        memmove(end, end + 8, strlen(end + 8) + 1);
    }
}

void column_make_plain(const char *path, struct column *ret_column)
{
    *ret_column = (struct column){.form = CELL_PLAIN};
    snprintf(ret_column->path, sizeof ret_column->path, "%s", path);
    column_title(ret_column, strlen(path));
}

/* memory, rss_peak and the like are u64 fields in bytes; ids and counters are not. */
static bool field_is_size(const struct field *field)
{
    return field->type == FIELD_U64 &&
           (strstr(field->name, "memory") != NULL || strstr(field->name, "bytes") != NULL);
}

static void column_style(const struct field *field, struct column *column)
{
    bool is_number = field->type == FIELD_U32 || field->type == FIELD_U64 ||
                     field->type == FIELD_I64 || field->type == FIELD_F64 ||
                     field->type == FIELD_SPAN;
    column->is_right = is_number || field->type == FIELD_TASK_ID;
    column->form = field_is_size(field)        ? CELL_SIZE
                   : field->type == FIELD_TIME ? CELL_TIME
                   : field->type == FIELD_SPAN ? CELL_SPAN
                                               : CELL_PLAIN;
}

bool column_make(const struct schema *schema, const char *path, struct column *ret_column)
{
    char name[COLUMN_PATH_MAX];
    const char *rest = path;
    struct column column = {.form = CELL_PLAIN};
    if (strlen(path) >= sizeof column.path) {
        return false;
    }
    snprintf(column.path, sizeof column.path, "%s", path);
    for (;;) {
        size_t n = strcspn(rest, ".");
        snprintf(name, sizeof name, "%.*s", (int)n, rest);
        const struct field *field = schema_field(schema, name);
        if (field == NULL) {
            return false;
        }
        if (rest[n] == '\0') {
            column_style(field, &column);
            column_title(&column, strlen(path));
            *ret_column = column;
            return true;
        }
        rest += n + 1;
        if (field->type == FIELD_NAMED && rest[0] != '\0') {
            column.is_right = true; /* mostly numbers */
            column_title(&column, (size_t)(rest - path));
            *ret_column = column;
            return true;
        }
        if (field->type != FIELD_STRUCT) {
            return false;
        }
        schema = field->sub;
    }
}

void column_names_print(const struct schema *schema, struct buf *ret_names)
{
    for (uint16_t i = 0; i < schema->n_fields; i++) {
        const struct field *field = &schema->fields[i];
        ignore_error(buf_printf(ret_names, "%s%s", ret_names->len > 0 ? ", " : "", field->name),
                     "shown as far as it goes");
        if (field->type == FIELD_NAMED) {
            ignore_error(buf_printf(ret_names, ", %s.NAME", field->name), "as above");
        }
        for (uint16_t k = 0; field->type == FIELD_STRUCT && k < field->sub->n_fields; k++) {
            bool is_named = field->sub->fields[k].type == FIELD_NAMED;
            ignore_error(buf_printf(ret_names, ", %s.%s%s", field->name, field->sub->fields[k].name,
                                    is_named ? "[.NAME]" : ""),
                         "as above");
        }
    }
}

/* ---- what is wanted ---- */

void columns_fini(struct columns *columns)
{
    mem_free(columns->items);
    *columns = (struct columns){0};
}

static int columns_new(struct columns *columns)
{
    columns->n = 0;
    columns->items = mem_calloc(COLUMNS_MAX, sizeof *columns->items);
    return columns->items != NULL ? EXIT_OK : cli_fail(EXIT_REQUEST, "out of memory");
}

static bool columns_have(const struct columns *columns, const char *path)
{
    for (int i = 0; i < columns->n; i++) {
        const char *had = columns->items[i].path;
        if (had != NULL && strcmp(had, path) == 0) {
            return true;
        }
    }
    return false;
}

static int column_unknown(const struct cli_kind *kind, const char *path)
{
    struct buf names;
    buf_init(&names, 1 << 14);
    column_names_print(kind->schema, &names);
    bool is_question = strcmp(path, "?") == 0;
    int code = is_question ? cli_fail(EXIT_USAGE, "columns of %s: %s", kind->what, buf_text(&names))
                           : cli_fail(EXIT_USAGE, "%s have no column '%s'; there are %s",
                                      kind->what, path, buf_text(&names));
    buf_fini(&names);
    return code;
}

/* --columns a,b,c; the last one counts. */
static int columns_given(const struct cli_kind *kind, const char *text, struct columns *columns)
{
    char path[COLUMN_PATH_MAX];
    while (text[0] != '\0') {
        size_t n = strcspn(text, ",");
        snprintf(path, sizeof path, "%.*s", (int)n, text);
        text += n + (text[n] == ',');
        if (n == 0) {
            continue;
        }
        if (columns->n == COLUMNS_MAX) {
            return cli_fail(EXIT_USAGE, "more than %d columns", COLUMNS_MAX);
        }
        struct column *column = &columns->items[columns->n++];
        if (kind == NULL) {
            column_make_plain(path, column);
        } else if (n >= sizeof path || !column_make(kind->schema, path, column)) {
            return column_unknown(kind, path);
        }
    }
    return columns->n > 0 ? EXIT_OK : cli_fail(EXIT_USAGE, "--columns wants names, as id,state");
}

static void columns_add(const struct cli_kind *kind, const char *path, struct columns *columns)
{
    if (columns->n < COLUMNS_MAX && !columns_have(columns, path)) {
        struct column *column = &columns->items[columns->n];
        columns->n += column_make(kind->schema, path, column);
    }
}

/* A column for each key of an object that any item has there. */
static void columns_add_keys(const struct cli_kind *kind, const json_t *items, const char *path,
                             struct columns *columns)
{
    size_t i;
    json_t *item, *value;
    const char *key;
    char full[COLUMN_PATH_MAX];
    json_array_foreach((json_t *)(uintptr_t)items, i, item)
    {
        json_object_foreach((json_t *)(uintptr_t)column_get(item, path), key, value)
        {
            if (snprintf(full, sizeof full, "%s.%s", path, key) < (int)sizeof full) {
                columns_add(kind, full, columns);
            }
        }
    }
}

static void columns_add_all(const struct cli_kind *kind, const json_t *items,
                            struct columns *columns)
{
    char path[COLUMN_PATH_MAX];
    for (uint16_t i = 0; i < kind->schema->n_fields; i++) {
        const struct field *field = &kind->schema->fields[i];
        if (field->type == FIELD_NAMED) {
            columns_add_keys(kind, items, field->name, columns);
        } else if (field->type != FIELD_STRUCT) {
            columns_add(kind, field->name, columns);
        }
        for (uint16_t k = 0; field->type == FIELD_STRUCT && k < field->sub->n_fields; k++) {
            const struct field *inner = &field->sub->fields[k];
            snprintf(path, sizeof path, "%s.%s", field->name, inner->name);
            if (inner->type == FIELD_NAMED) {
                columns_add_keys(kind, items, path, columns);
            } else {
                columns_add(kind, path, columns);
            }
        }
    }
}

/* Of things that no table describes: their own keys. */
static void columns_add_own(const json_t *items, struct columns *columns)
{
    size_t i;
    json_t *item, *value;
    const char *key;
    json_array_foreach((json_t *)(uintptr_t)items, i, item)
    {
        json_object_foreach(item, key, value)
        {
            if (columns->n < COLUMNS_MAX && !columns_have(columns, key)) {
                column_make_plain(key, &columns->items[columns->n++]);
            }
        }
    }
}

static void columns_add_list(const struct cli_kind *kind, const json_t *items,
                             const char *const *paths, struct columns *columns)
{
    char base[COLUMN_PATH_MAX];
    for (; paths != NULL && *paths != NULL; paths++) {
        size_t n = strlen(*paths);
        if (n > 2 && strcmp(*paths + n - 2, ".*") == 0) {
            snprintf(base, sizeof base, "%.*s", (int)n - 2, *paths);
            columns_add_keys(kind, items, base, columns);
        } else {
            columns_add(kind, *paths, columns);
        }
    }
}

int columns_choose(const struct cli *cli, const struct cli_kind *kind, const json_t *items,
                   cli_output output, struct columns *ret_columns)
{
    struct columns columns;
    const char *given = cli_option(cli, "columns");
    int code = columns_new(&columns);
    if (code == EXIT_OK && given != NULL) {
        code = columns_given(kind, given, &columns);
    } else if (code == EXIT_OK && kind == NULL) {
        columns_add_own(items, &columns);
    } else if (code == EXIT_OK && output == OUTPUT_CSV && kind->csv == NULL) {
        columns_add_all(kind, items, &columns);
    } else if (code == EXIT_OK) {
        columns_add_list(kind, items, output == OUTPUT_CSV ? kind->csv : kind->columns, &columns);
        columns_add_list(kind, items, output == OUTPUT_WIDE ? kind->wide : NULL, &columns);
    }
    if (code != EXIT_OK) {
        columns_fini(&columns);
        return code;
    }
    *ret_columns = columns;
    return EXIT_OK;
}
