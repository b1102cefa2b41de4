/* spec/macro_scan.h -- where macros stand in a text, and which they are.
 * Inner header of lib/spec. Pure. */
#ifndef MUSTER_SPEC_MACRO_SCAN_H
#define MUSTER_SPEC_MACRO_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "spec/macros.h"

typedef enum { PIECE_END, PIECE_TEXT, PIECE_MACRO, PIECE_UNCLOSED } piece_kind;

/* A stretch of text to copy, or the name between ${ and }. Borrowed from the scanned text. */
struct piece {
    piece_kind kind;
    const char *text;
    size_t len;
};

/* The next piece of *at, which moves behind it. `$${` gives the text `${`. */
struct piece macro_scan_next(const char **at);

/* Appends `text` as it stands for itself in a command that is yet to be expanded, and (is_quoted)
 * in a text for the shell. Errors are the buffer's, sticky. */
void macro_literal_print(const char *text, bool is_quoted, struct buf *buf);

/* Parameter names: `name` is the first member of struct param_spec and of struct named_value alike.
 */
struct name_list {
    const void *first;
    size_t stride;
    uint32_t n;
};
const char *name_list_at(const struct name_list *names, uint32_t i);

/* What names stand for something. */
struct macro_scope {
    struct name_list parameters;
    const struct param_spec *spec; /* the same in a check; NULL when a trial's are expanded */
    bool is_array;                 /* ${index} is one */
    bool has_lines;
};

typedef enum {
    MACRO_ARGS,
    MACRO_ARGS_NO_HYPHENS,
    MACRO_ARGS_NO_BOOLEAN_FLAGS,
    MACRO_ARGS_JSON,
    MACRO_ARGS_JSON_FILE,
    MACRO_ENV,
    MACRO_INTERPRETER,
    MACRO_RESTORE,
    MACRO_ENVVAR,  /* the same (envvars.c) */
    MACRO_PROGRAM, /* put in when the file is read (program.c): nobody expands it */
    MACRO_TRIAL_ID,
    MACRO_TRIAL_DIR,
    MACRO_INDEX,
    MACRO_LINE,
    MACRO_PARAMETER
} macro_id;

/* It is one item for each parameter. */
static inline bool macro_is_args(macro_id macro)
{
    return macro <= MACRO_ARGS_NO_BOOLEAN_FLAGS;
}

/* What the macro `piece` of `text` is; *ret_parameter is the parameter's index for MACRO_PARAMETER.
 * Errors and their texts as macros_check(). */
MUST_CHECK error_code macro_find(const char *text, const struct piece *piece, macros_place place,
                                 const struct macro_scope *scope, macro_id *ret_macro,
                                 uint32_t *ret_parameter, struct report *report);

#endif
