/* spec/macros.h -- ${...} in a command and in the values of its environment. Pure; any thread;
 * nothing blocks.
 *
 *   ${args}       --name=value for each parameter, in the file's order
 *   ${args_no_hyphens}        name=value, as Hydra wants it
 *   ${args_no_boolean_flags}  --name=value, but --name alone for true and nothing for false
 *   ${args_json}  one JSON object of the parameters
 *   ${args_json_file}         a file with it
 *   ${env} ${interpreter}     /usr/bin/env, python3
 *   ${restore}    the folder of the checkpoint to go on from; nothing at the beginning
 *   ${restore:--resume {}}    this text with {} replaced by that folder; nothing at the beginning
 *   ${envvar:X}   put in when the file is read (envvars.c)
 *   ${lr}         the value of parameter lr
 *   ${trial.id} ${trial.dir}
 *   ${index} ${line}   of a task of an array: its number, and its line of the items
 *   $${X}         a literal ${X}
 * A macro's name wins over a parameter of the same name (the last two are macros in arrays alone).
 * A parameter that some trials only have is none. Any other `$` stands for itself. Values
 * are not expanded again.
 *
 * In a list command each macro gives text inside its item; only an item that is exactly ${args} or
 * one of the two like it becomes one item for each parameter (none without parameters), and they
 * cannot stand elsewhere; an item that is exactly ${restore} or ${restore:TEXT} becomes one item
 * for each word of the text, or none. In a string command every expansion is quoted for the shell
 * where it needs to be, so it is written without quotes around it. In an environment value the
 * items of
 * ${args} are joined by blanks. */
#ifndef MUSTER_SPEC_MACROS_H
#define MUSTER_SPEC_MACROS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/value.h"
#include "spec/types.h"

/* An expanded item or text may not be longer; past it ERR_LIMIT. One argument of exec has 128 KiB
 * on Linux. */
enum { MACROS_TEXT_MAX_BYTES = 128 * 1024 - 1 };

typedef enum {
    MACROS_ITEM,  /* an item of a list command */
    MACROS_SHELL, /* a string command */
    MACROS_ENV,   /* a value of the environment */
} macros_place;

/* What the macros of one attempt stand for. All borrowed. */
struct macros_values {
    const struct named_value *params;
    uint32_t n_params;
    const char *trial_id;    /* "12.41" */
    const char *trial_dir;   /* absolute */
    uint32_t index;          /* of a task of an array, >= 1; 0: there is no array */
    const char *line;        /* its line; NULL: its array has none */
    const char *params_file; /* absolute; NULL: there is none */
    const char *restore_dir; /* absolute; NULL: from the beginning */
};

/* Would `text` expand at this place with these parameters (only names are looked at)? ERR_INVALID
 * for an undefined or unclosed macro, ERR_UNSUPPORTED for one of a later release. */
MUST_CHECK error_code macros_check(const char *text, macros_place place,
                                   const struct param_spec *params, uint32_t n_params,
                                   struct report *report);

/* The same in the command of an array; has_lines: it was submitted with a line for each task. */
MUST_CHECK error_code macros_array_check(const char *text, macros_place place, bool has_lines,
                                         struct report *report);

/* A command's words -> the argument list to execute: the items, or `/bin/sh -c text` for a string
 * command. ret_argv has *ret_argc items and a NULL behind them; it and its strings live in `arena`.
 * Errors as macros_check(), ERR_LIMIT and ERR_NO_MEMORY. */
MUST_CHECK error_code macros_expand(const char *const *words, uint32_t n_words, bool is_shell,
                                    const struct macros_values *values, struct arena *arena,
                                    const char *const **ret_argv, uint32_t *ret_argc,
                                    struct report *report);

/* One environment value. */
MUST_CHECK error_code macros_env_expand(const char *text, const struct macros_values *values,
                                        struct arena *arena, const char **ret_text,
                                        struct report *report);

/* Appends {"lr":0.1,"augment":{"mixup":0.2}}: a name with dots is nested, in the order in which
 * groups and names first come. Errors are the buffer's. */
error_code macros_params_json(const struct named_value *params, uint32_t n_params, struct buf *buf);

/* The environment's name of a parameter, MUSTER_P_<name> with _ for whatever is no letter, digit or
 * _, into ret_name (at least MACROS_ENV_NAME_MAX bytes); longer ones are cut. Returns ret_name. */
enum { MACROS_ENV_NAME_MAX = NAME_MAX_BYTES + 16 };
char *macros_env_name(const char *parameter, char *ret_name);

#endif
