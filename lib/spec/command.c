#include "spec/command.h"

#include <ctype.h>
#include <string.h>

#include "spec/macros.h"
#include "spec/spelling.h"

static error_code words_store(struct reader *r, const struct spec_node *node, bool is_shell,
                              struct command *command)
{
    const struct spec_node *item = is_shell ? node : node->first;
    uint32_t n_words = is_shell ? 1 : node->n, n = 0;
    const char **words = arena_calloc(r->arena, n_words, sizeof *words);
    if (words == NULL) {
        return reader_no_memory(r);
    }
    for (; n < n_words; item = item->next, n++) {
        error_code error = reader_text(r, item, SPEC_TEXT_MAX_BYTES, &words[n]);
        if (error != OK) {
            return error;
        }
    }
    *command = (struct command){.is_shell = is_shell, .words = words, .n_words = n_words};
    return OK;
}

error_code key_read_command(struct reader *r, const struct spec_node *node,
                            const struct spec_key *key, void *base)
{
    bool is_shell = node->kind == NODE_SCALAR;
    const struct spec_node *first = is_shell ? node : node->first;
    (void)key;
    if (node->kind == NODE_BLOCK) {
        return reader_fail_type(r, node, "a list of words or one text for the shell");
    }
    if (!is_shell && node->n == 0) {
        return reader_fail(r, node, ERR_INVALID, "`%s` must not be empty", r->path);
    }
    if (node->n > SPEC_WORDS_MAX) {
        return reader_fail(r, node, ERR_LIMIT, "`%s` has %u words; at most %d are allowed", r->path,
                           node->n, SPEC_WORDS_MAX);
    }
    if (first->kind == NODE_SCALAR && !first->is_plain &&
        first->text[strspn(first->text, " \t\r\n")] == '\0') {
        return reader_fail(r, first, ERR_INVALID, "`%s` names no program: its first word is empty",
                           r->path);
    }
    if (!is_shell && first->kind == NODE_SCALAR && strcmp(first->text, "${args}") == 0) {
        return reader_fail(r, first, ERR_INVALID,
                           "`%s` names no program: ${args} cannot be its first word", r->path);
    }
    return words_store(r, node, is_shell, &((struct sweep_spec *)base)->command);
}

/* What an attempt gets from muster itself; a value of the file's would be lost. */
static bool env_name_is_ours(const char *name)
{
    static const char *const ours[] = {"MUSTER_SOCKET", "MUSTER_PARAMS", "MUSTER_PARAMS_FILE"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (strcmp(name, ours[i]) == 0) {
            return true;
        }
    }
    return strncmp(name, "MUSTER_P_", 9) == 0;
}

static error_code env_name_check(struct reader *r, const struct spec_node *key)
{
    char excerpt[EXCERPT_MAX];
    bool is_good = isalpha((unsigned char)key->text[0]) || key->text[0] == '_';
    for (const char *c = key->text; *c != '\0'; c++) {
        is_good = is_good && (isalnum((unsigned char)*c) || *c == '_');
    }
    spelling_excerpt(key->text, excerpt);
    if (!is_good) {
        return reader_fail(r, key, ERR_INVALID,
                           "'%s' cannot name an environment variable; letters, digits and _ are "
                           "allowed, first no digit",
                           excerpt);
    }
    if (key->len > NAME_MAX_BYTES) {
        return reader_fail(r, key, ERR_LIMIT,
                           "an environment variable's name is longer than %d bytes",
                           NAME_MAX_BYTES);
    }
    if (env_name_is_ours(key->text)) {
        return reader_fail(r, key, ERR_INVALID, "%s is set by muster itself; choose another name",
                           excerpt);
    }
    return OK;
}

static error_code env_pair_read(struct reader *r, const struct spec_node *node,
                                struct env_pair *pair)
{
    error_code error = env_name_check(r, node->key);
    if (error != OK) {
        return error;
    }
    size_t length = reader_path_enter(r, node->key->text);
    pair->name = arena_strndup(r->arena, node->key->text, node->key->len);
    error = pair->name == NULL ? reader_no_memory(r)
                               : reader_text(r, node, SPEC_TEXT_MAX_BYTES, &pair->value);
    reader_path_leave(r, length);
    return error;
}

error_code key_read_env(struct reader *r, const struct spec_node *node, const struct spec_key *key,
                        void *base)
{
    struct sweep_spec *spec = base;
    (void)key;
    if (node->kind != NODE_BLOCK) {
        return reader_fail_type(r, node, "a block of names and values");
    }
    struct env_pair *env = arena_calloc(r->arena, node->n, sizeof *env);
    if (env == NULL) {
        return reader_no_memory(r);
    }
    uint32_t n = 0;
    for (const struct spec_node *item = node->first; item != NULL; item = item->next, n++) {
        error_code error = env_pair_read(r, item, &env[n]);
        if (error != OK) {
            return error;
        }
    }
    spec->env = env;
    spec->n_env = n;
    return OK;
}

static error_code scalar_check(struct reader *r, const struct spec_node *node, macros_place place,
                               const struct sweep_spec *spec)
{
    struct report report = {0};
    error_code error =
        macros_check(node->text, place, spec->parameters, spec->n_parameters, &report);
    return error == OK ? OK : reader_fail(r, node, error, "%s", report.text);
}

error_code command_macros_check(struct reader *r, const struct spec_node *root,
                                const struct sweep_spec *spec)
{
    for (const struct spec_node *node = root->first; node != NULL; node = node->next) {
        bool is_command = strcmp(node->key->text, "command") == 0;
        if (!is_command && strcmp(node->key->text, "env") != 0) {
            continue;
        }
        error_code error =
            node->kind == NODE_SCALAR ? scalar_check(r, node, MACROS_SHELL, spec) : OK;
        const struct spec_node *item = node->first;
        for (; error == OK && item != NULL; item = item->next) {
            error = scalar_check(r, item, is_command ? MACROS_ITEM : MACROS_ENV, spec);
        }
        if (error != OK) {
            return error;
        }
    }
    return OK;
}
