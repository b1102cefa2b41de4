/* What the tests of lib/spec share: parse a text, and compare what is said of a bad one word by
 * word. */
#ifndef MUSTER_TEST_SPEC_RIG_H
#define MUSTER_TEST_SPEC_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "spec/sweep.h"

enum { RIG_ARENA_MAX = 8 << 20 };

/* The least that a sweep file needs: what a test adds begins in line 4. */
#define LEAST "command: x\nmetric: {name: loss}\nstop: {trials: 1}\n"

/* A file that must be refused, and how. */
struct refused {
    const char *text;
    size_t len;
    error_code code;
    uint32_t line, column;
    const char *message;
};
#define REFUSED(text_, code_, line_, column_, message_)                                            \
    {                                                                                              \
        .text = (text_), .len = sizeof(text_) - 1, .code = (code_), .line = (line_),               \
        .column = (column_), .message = (message_)                                                 \
    }

static inline void refused_check(const struct refused *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct report report = {0};
        struct sweep_spec spec;
        struct sweep_spec untouched;
        struct arena arena;
        memset(&spec, 0x5A, sizeof spec);
        memcpy(&untouched, &spec, sizeof spec);
        arena_init(&arena, RIG_ARENA_MAX);
        error_code code =
            spec_sweep_parse(rows[i].text, rows[i].len, "dir/sweep.yaml", &arena, &spec, &report);
        if (code != rows[i].code || report.line != rows[i].line ||
            report.column != rows[i].column || strcmp(report.text, rows[i].message) != 0) {
            fail_msg("row %zu, %.200s\n  want %s %u:%u %s\n  have %s %u:%u %s", i, rows[i].text,
                     error_word(rows[i].code), rows[i].line, rows[i].column, rows[i].message,
                     error_word(code), report.line, report.column, report.text);
        }
        assert_int_equal(report.code, code);
        assert_string_equal(report.file, "dir/sweep.yaml");
        assert_memory_equal(&spec, &untouched, sizeof spec);
        arena_fini(&arena);
        assert_int_equal(mem_live_count(), 0);
    }
}

/* A file that must be good. The caller ends `arena`. */
static inline void parsed(const char *text, struct arena *arena, struct sweep_spec *ret_spec)
{
    struct report report = {0};
    arena_init(arena, RIG_ARENA_MAX);
    error_code code =
        spec_sweep_parse(text, strlen(text), "dir/sweep.yaml", arena, ret_spec, &report);
    if (code != OK) {
        fail_msg("%s at %u:%u in\n%s", report.text, report.line, report.column, text);
    }
}

#endif
