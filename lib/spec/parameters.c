/* From the nested blocks of `parameters` to the flat list that tuning draws from: names, groups,
 * what a choice brings, rows. */
#include "spec/parameters.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "spec/macros.h"
#include "spec/param_block.h"
#include "spec/scalar.h"
#include "spec/spelling.h"

/* The list as it grows. */
struct space {
    struct reader *r;
    struct param_spec *params; /* room for SPEC_PARAMETERS_MAX */
    uint32_t n;
};

/* Where a block of parameters stands. */
struct place {
    const char *prefix; /* "augment." */
    uint32_t parent, branch;
};

static error_code block_entries_read(struct space *space, const struct spec_node *node,
                                     const struct place *place);

/* ---- names ---- */

static bool name_is_good(const char *name)
{
    if (!isalpha((unsigned char)name[0]) && name[0] != '_') {
        return false;
    }
    for (; *name != '\0'; name++) {
        if (!isalnum((unsigned char)*name) && strchr("_.-", *name) == NULL) {
            return false;
        }
    }
    return true;
}

/* Do a and b stand in branches of one choice that cannot both be taken? */
static bool are_exclusive(const struct space *space, const struct param_spec *a,
                          const struct param_spec *b)
{
    for (const struct param_spec *x = a; x->parent != 0; x = &space->params[x->parent - 1]) {
        for (const struct param_spec *y = b; y->parent != 0; y = &space->params[y->parent - 1]) {
            if (x->parent == y->parent && x->branch != y->branch) {
                return true;
            }
        }
    }
    return false;
}

/* "a" is a group of "a.b". */
static bool is_group_of(const char *group, const char *name)
{
    size_t len = strlen(group);
    return strncmp(group, name, len) == 0 && name[len] == '.';
}

/* Two that can be active together must not meet, in the environment or in JSON. */
static error_code name_meets(const struct space *space, const struct spec_node *key,
                             const struct param_spec *param, struct param_spec *other)
{
    char name[MACROS_ENV_NAME_MAX], other_name[MACROS_ENV_NAME_MAX];
    assert(other->name != NULL && param->name != NULL);
    bool is_same = strcmp(other->name, param->name) == 0;
    if (is_same && are_exclusive(space, param, other)) {
        if (other->same == 0) {
            other->same = space->n + 1;
        }
        return OK;
    }
    if (is_same) {
        return reader_fail(space->r, key, ERR_INVALID,
                           "there is a parameter '%s' already, at line "
                           "%u",
                           param->name, other->line);
    }
    macros_env_name(param->name, name);
    if (strcmp(macros_env_name(other->name, other_name), name) == 0) {
        return reader_fail(space->r, key, ERR_INVALID,
                           "parameters '%s' and '%s' would both be %s in the environment; "
                           "rename one",
                           other->name, param->name, name);
    }
    const char *group = is_group_of(other->name, param->name)   ? other->name
                        : is_group_of(param->name, other->name) ? param->name
                                                                : NULL;
    if (group != NULL && !are_exclusive(space, param, other)) {
        return reader_fail(space->r, key, ERR_INVALID,
                           "'%s' would be a value and, of '%s', a group of values in JSON; "
                           "rename one",
                           group, group == param->name ? other->name : param->name);
    }
    return OK;
}

static error_code name_make(struct space *space, const struct spec_node *key,
                            const struct place *place, const char **ret_name)
{
    char excerpt[EXCERPT_MAX];
    if (!name_is_good(key->text)) {
        return reader_fail(space->r, key, ERR_INVALID,
                           "'%s' cannot name a parameter; letters, digits, _ . - are allowed, "
                           "first a letter or _",
                           spelling_excerpt(key->text, excerpt));
    }
    if (key->len + strlen(place->prefix) > NAME_MAX_BYTES) {
        return reader_fail(space->r, key, ERR_LIMIT, "a parameter's name is longer than %d bytes",
                           NAME_MAX_BYTES);
    }
    *ret_name = arena_printf(space->r->arena, "%s%s", place->prefix, key->text);
    return *ret_name == NULL ? reader_no_memory(space->r) : OK;
}

/* ---- the list ---- */

/* A new parameter of this name; not yet counted. */
static error_code param_begin(struct space *space, const struct spec_node *key, const char *name,
                              const struct place *place, struct param_spec **ret_param)
{
    if (space->n == SPEC_PARAMETERS_MAX) {
        return reader_fail(space->r, key, ERR_LIMIT,
                           "there are more parameters than %d, those of groups and choices "
                           "included",
                           SPEC_PARAMETERS_MAX);
    }
    struct param_spec *param = &space->params[space->n];
    *param = (struct param_spec){.name = name,
                                 .line = key->line,
                                 .column = key->column,
                                 .parent = place->parent,
                                 .branch = place->branch};
    error_code error = OK;
    for (uint32_t i = 0; error == OK && i < space->n; i++) {
        error = name_meets(space, key, param, &space->params[i]);
    }
    *ret_param = param;
    return error;
}

/* ---- what a choice brings ---- */

static error_code branches_read(struct space *space, const struct spec_node *values,
                                const struct place *place, uint32_t choice)
{
    struct place inner = {.prefix = place->prefix, .parent = choice + 1};
    error_code error = OK;
    for (const struct spec_node *item = values->first; error == OK && item != NULL;
         item = item->next, inner.branch++) {
        if (scalar_is_missing(item)) {
            continue; /* `none:` brings nothing */
        }
        size_t length = reader_path_enter(space->r, item->key->text);
        error = item->kind == NODE_BLOCK
                    ? block_entries_read(space, item, &inner)
                    : reader_fail_type(space->r, item, "a block of the parameters that it brings");
        reader_path_leave(space->r, length);
    }
    return error;
}

/* ---- rows ---- */

static error_code rows_check(struct reader *r, const struct spec_node *rows)
{
    if (rows->kind != NODE_LIST) {
        return reader_fail_type(r, rows, "a list of rows like {a: 1, b: 2}");
    }
    if (rows->n == 0 || rows->n > SPEC_CHOICES_MAX) {
        return reader_fail(r, rows, rows->n == 0 ? ERR_INVALID : ERR_LIMIT,
                           "`%s` needs 1 to %d rows, and has %u", r->path, SPEC_CHOICES_MAX,
                           rows->n);
    }
    for (const struct spec_node *row = rows->first; row != NULL; row = row->next) {
        if (row->kind != NODE_BLOCK || row->n == 0) {
            return reader_fail(r, row, ERR_INVALID, "`%s` needs rows like {a: 1, b: 2}", r->path);
        }
        for (const struct spec_node *cell = row->first; cell != NULL; cell = cell->next) {
            if (spec_node_entry(rows->first, cell->key->text) == NULL) {
                char excerpt[EXCERPT_MAX];
                return reader_fail(r, cell->key, ERR_INVALID,
                                   "`%s`: the first row has no '%s'; every row has the same names",
                                   r->path, spelling_excerpt(cell->key->text, excerpt));
            }
        }
        if (row->n != rows->first->n) {
            return reader_fail(r, row, ERR_INVALID,
                               "`%s`: this row has %u values, the first one %u; every row has the "
                               "same names",
                               r->path, row->n, rows->first->n);
        }
    }
    return OK;
}

static error_code column_read(struct space *space, const struct spec_node *rows, const char *name,
                              struct param_spec *param)
{
    struct value *values = arena_calloc(space->r->arena, rows->n, sizeof *values);
    uint32_t n = 0;
    if (values == NULL) {
        return reader_no_memory(space->r);
    }
    for (const struct spec_node *row = rows->first; row != NULL; row = row->next, n++) {
        error_code error = param_value_read(space->r, spec_node_entry(row, name), &values[n]);
        if (error != OK) {
            return error;
        }
    }
    param->kind = PARAM_ROW;
    param->values = values;
    param->n_values = n;
    return OK;
}

static error_code columns_read(struct space *space, const struct spec_node *rows, const char *group,
                               const struct place *place)
{
    uint32_t first = space->n;
    error_code error = rows_check(space->r, rows);
    const struct spec_node *cell = error == OK ? rows->first->first : NULL;
    for (; error == OK && cell != NULL; cell = cell->next) {
        struct param_spec *param = NULL;
        const char *name = NULL;
        error = name_make(space, cell->key, place, &name);
        if (error == OK) {
            error = param_begin(space, cell->key, name, place, &param);
        }
        if (error == OK) {
            error = column_read(space, rows, cell->key->text, param);
            param->group = group;
            param->row_first = first;
            space->n++;
        }
    }
    return error;
}

static error_code rows_read(struct space *space, const char *group, const struct param_draft *draft,
                            const struct place *place)
{
    const double *probabilities = NULL;
    uint32_t first = space->n;
    size_t length = reader_path_enter(space->r, "rows");
    error_code error = columns_read(space, draft->rows, group, place);
    reader_path_leave(space->r, length);
    length = reader_path_enter(space->r, "probabilities");
    if (error == OK) {
        error = param_probabilities_read(space->r, draft->probabilities, draft->rows->n,
                                         &probabilities);
    }
    reader_path_leave(space->r, length);
    for (uint32_t i = first; error == OK && i < space->n; i++) {
        space->params[i].probabilities = probabilities;
    }
    return error;
}

/* ---- all of them ---- */

static error_code nest_read(struct space *space, const char *name, const struct spec_node *inside,
                            const struct place *place)
{
    char prefix[NAME_MAX_BYTES + 2];
    if (inside->kind != NODE_BLOCK) {
        return reader_fail_type(space->r, inside, "a block of parameters");
    }
    snprintf(prefix, sizeof prefix, "%s.", name);
    return block_entries_read(
        space, inside,
        &(struct place){.prefix = prefix, .parent = place->parent, .branch = place->branch});
}

static error_code entry_block_read(struct space *space, const struct spec_node *node,
                                   const char *name, const struct place *place)
{
    struct param_draft draft;
    struct param_spec *param;
    error_code error = param_draft_read(space->r, node, &draft);
    if (error != OK) {
        return error;
    }
    if (draft.form == FORM_NEST) {
        return nest_read(space, name, draft.parameters, place);
    }
    if (draft.form == FORM_ROWS) {
        return rows_read(space, name, &draft, place);
    }
    error = param_begin(space, node->key, name, place, &param);
    if (error == OK) {
        error = param_draft_take(space->r, node, &draft, param);
    }
    if (error != OK) {
        return error;
    }
    uint32_t choice = space->n++;
    return draft.form == FORM_CHOICE && draft.values->kind == NODE_BLOCK
               ? branches_read(space, draft.values, place, choice)
               : OK;
}

static error_code entry_read(struct space *space, const struct spec_node *node,
                             const struct place *place)
{
    struct param_spec *param;
    const char *name;
    error_code error = name_make(space, node->key, place, &name);
    if (error != OK) {
        return error;
    }
    if (node->kind == NODE_BLOCK) {
        return entry_block_read(space, node, name, place);
    }
    error = param_begin(space, node->key, name, place, &param);
    if (error == OK) {
        error = param_constant_read(space->r, node, param);
        space->n++;
    }
    return error;
}

static error_code block_entries_read(struct space *space, const struct spec_node *node,
                                     const struct place *place)
{
    error_code error = OK;
    for (const struct spec_node *item = node->first; error == OK && item != NULL;
         item = item->next) {
        size_t length = reader_path_enter(space->r, item->key->text);
        error = entry_read(space, item, place);
        reader_path_leave(space->r, length);
    }
    return error;
}

static error_code list_keep(struct space *space, struct sweep_spec *spec)
{
    struct param_spec *params = arena_calloc(space->r->arena, space->n, sizeof *params);
    if (params == NULL) {
        return reader_no_memory(space->r);
    }
    if (space->n > 0) {
        memcpy(params, space->params, space->n * sizeof *params);
    }
    spec->parameters = params;
    spec->n_parameters = space->n;
    return OK;
}

error_code key_read_parameters(struct reader *r, const struct spec_node *node,
                               const struct spec_key *key, void *base)
{
    (void)key;
    if (node->kind != NODE_BLOCK) {
        return reader_fail_type(r, node, "a block of parameters");
    }
    if (node->n > SPEC_PARAMETERS_MAX) {
        return reader_fail(r, node, ERR_LIMIT, "there are %u parameters; at most %d are allowed",
                           node->n, SPEC_PARAMETERS_MAX);
    }
    struct space space = {.r = r, .params = mem_calloc(SPEC_PARAMETERS_MAX, sizeof *space.params)};
    if (space.params == NULL) {
        return reader_no_memory(r);
    }
    error_code error = block_entries_read(&space, node, &(struct place){.prefix = ""});
    if (error == OK) {
        error = list_keep(&space, base);
    }
    mem_free(space.params);
    return error;
}
