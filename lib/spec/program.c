/* W&B's key `program`: it stands in the command as ${program}, and without a command it is run as
 * W&B runs it. */
#include <string.h>

#include "base/buf.h"
#include "spec/macro_scan.h"
#include "spec/macros.h"
#include "spec/sweep_keys.h"

static const char macro[] = "${program}";

struct filling {
    struct arena *arena;
    struct report *report;
    const char *program; /* as it goes into an item, and into a text for the shell */
    const char *quoted;
};

static error_code fill_no_memory(const struct filling *f)
{
    return report_fail(f->report, ERR_NO_MEMORY, "out of memory");
}

error_code key_read_program(struct reader *r, const struct spec_node *node,
                            const struct spec_key *key, void *base)
{
    const char *program;
    (void)base;
    return reader_line(r, node, (size_t)key->max, &program);
}

static error_code program_print(const struct filling *f, const char *text, bool is_quoted,
                                const char **ret_text)
{
    struct buf buf;
    buf_init(&buf, SPEC_TEXT_MAX_BYTES);
    macro_literal_print(text, is_quoted, &buf);
    *ret_text = buf.failed == OK ? arena_strdup(f->arena, buf_text(&buf)) : NULL;
    error_code error = buf.failed;
    buf_fini(&buf);
    return error == ERR_LIMIT  ? report_fail(f->report, ERR_LIMIT, "`program` is too long")
           : *ret_text == NULL ? fill_no_memory(f)
                               : OK;
}

static error_code scalar_fill(const struct filling *f, struct spec_node *node, const char *program)
{
    struct buf buf;
    const char *at = node->text, *from = at;
    struct piece piece;
    bool has_macro = false;
    buf_init(&buf, SPEC_TEXT_MAX_BYTES);
    while ((piece = macro_scan_next(&at)).kind != PIECE_END && piece.kind != PIECE_UNCLOSED) {
        bool is_program = piece.kind == PIECE_MACRO && (size_t)(at - from) == sizeof macro - 1 &&
                          memcmp(from, macro, sizeof macro - 1) == 0;
        has_macro |= is_program;
        ignore_error(is_program ? buf_append_text(&buf, program)
                                : buf_append(&buf, from, (size_t)(at - from)),
                     "sticky");
        from = at;
    }
    ignore_error(buf_append_text(&buf, from), "sticky");
    error_code error = has_macro ? buf.failed : OK;
    if (has_macro && error == OK) {
        node->len = buf.len;
        node->text = arena_strdup(f->arena, buf_text(&buf));
        error = node->text == NULL ? fill_no_memory(f) : OK;
    }
    buf_fini(&buf);
    return error == ERR_LIMIT ? report_fail_at(f->report, ERR_LIMIT, node->line, node->column,
                                               "the command is too long with its `program`")
                              : error;
}

static error_code command_fill(const struct filling *f, struct spec_node *command)
{
    error_code error = command->kind == NODE_SCALAR ? scalar_fill(f, command, f->quoted) : OK;
    for (struct spec_node *item = command->first; error == OK && item != NULL; item = item->next) {
        error = item->kind == NODE_SCALAR ? scalar_fill(f, item, f->program) : OK;
    }
    return error;
}

/* The program's node becomes the command. */
static error_code command_make(const struct filling *f, struct spec_node *program)
{
    const char *const words[] = {"${env}", "${interpreter}", f->program, "${args}"};
    enum { WORDS = sizeof words / sizeof words[0] };
    struct spec_node *items = arena_calloc(f->arena, WORDS, sizeof *items);
    struct spec_node *key = arena_alloc(f->arena, sizeof *key);
    if (items == NULL || key == NULL) {
        return fill_no_memory(f);
    }
    for (int i = 0; i < WORDS; i++) {
        items[i] = (struct spec_node){.kind = NODE_SCALAR,
                                      .line = program->line,
                                      .column = program->column,
                                      .text = words[i],
                                      .len = strlen(words[i]),
                                      .next = i + 1 < WORDS ? &items[i + 1] : NULL};
    }
    *key = *program->key;
    key->text = "command";
    key->len = strlen(key->text);
    program->kind = NODE_LIST;
    program->key = key;
    program->first = items;
    program->last = &items[WORDS - 1];
    program->n = WORDS;
    return OK;
}

error_code program_apply(const struct spec_node *root, struct arena *arena, struct report *report)
{
    struct spec_node *program = NULL, *command = NULL;
    struct filling f = {.arena = arena, .report = report};
    for (struct spec_node *node = root->kind == NODE_BLOCK ? root->first : NULL; node != NULL;
         node = node->next) {
        program = strcmp(node->key->text, "program") == 0 ? node : program;
        command = strcmp(node->key->text, "command") == 0 ? node : command;
    }
    if (program == NULL || program->kind != NODE_SCALAR || program->len == 0) {
        return OK; /* what is wrong with it is said when it is read */
    }
    error_code error = program_print(&f, program->text, false, &f.program);
    if (error == OK) {
        error = program_print(&f, program->text, true, &f.quoted);
    }
    if (error != OK) {
        return error;
    }
    return command != NULL ? command_fill(&f, command) : command_make(&f, program);
}
