#include "rig.h"

#include "lines/terminal.h"

struct lines {
    char text[8192];
    size_t len;
    bool has_drafts; /* else they are left out */
    uint64_t last_number;
    bool was_cut;
};

static void on_line(void *context, const struct terminal_line *line)
{
    struct lines *lines = context;
    assert_int_equal(strlen(line->text), line->len);
    lines->was_cut = line->is_cut;
    lines->last_number = line->number;
    if (line->kind == LINE_DRAFT && !lines->has_drafts) {
        return;
    }
    lines->len += (size_t)snprintf(lines->text + lines->len, sizeof lines->text - lines->len,
                                   "%s%.2000s|", line->kind == LINE_DRAFT ? "~" : "", line->text);
    assert_true(lines->len < sizeof lines->text);
}

static void lines_of(const char *input, size_t len, size_t cut, struct lines *lines)
{
    struct terminal *terminal;
    assert_int_equal(terminal_new(&terminal), OK);
    for (size_t at = 0; at < len; at += cut) {
        size_t n = len - at < cut ? len - at : cut;
        terminal_feed(terminal, (struct bytes){(const uint8_t *)input + at, n}, on_line, lines);
    }
    terminal_end(terminal, on_line, lines);
    terminal_free(terminal);
    assert_int_equal(mem_live_count(), 0);
}

struct row {
    const char *input;
    const char *wanted;
};

static void rows_check(const struct row *rows, size_t n, bool has_drafts)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t cut = 1; cut < 100; cut += 33) {
            struct lines lines = {.has_drafts = has_drafts};
            lines_of(rows[i].input, strlen(rows[i].input), cut, &lines);
            if (strcmp(lines.text, rows[i].wanted) != 0) {
                fail_msg("row %zu, cut %zu\n  want %s\n  have %s", i, cut, rows[i].wanted,
                         lines.text);
            }
        }
    }
}

static void test_terminal_bytes_of_all_kinds_give_what_a_person_sees(void **state)
{
    static const struct row rows[] = {
        {"a\nb\n", "a|b|"},
        {"a\nb", "a|b|"},
        {"\n\n", "||"},
        {"a\r\nb\r\n", "a|b|"},
        {"50%\r100%\n", "100%|"},
        {"100%\r50%\n", "50%%|"},
        {"abc\b\bX\n", "aXc|"},
        {"\b\ba\n", "a|"},
        {"\x1b[32mgreen\x1b[0m \x1b[1;31mred\x1b[0m\n", "green red|"},
        {"abc\r\x1b[Kx\n", "x|"},
        {"abcdef\x1b[3D\x1b[K\n", "abc|"},
        {"abc\x1b[2K\rx\n", "x|"},
        {"ab\x1b[1K\n", "  |"},
        {"a\x1b[3Cb\n", "a   b|"},
        {"abc\x1b[1Gx\n", "xbc|"},
        {"\x1b]0;title\x07text\n", "text|"},
        {"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n", "link|"},
        {"\x1b(Btext\n", "text|"},
        {"\x1b]never ended\ntext\n", "|text|"},
        {"caf\xC3\xA9 \xE2\x94\x81 \xF0\x9F\x98\x80\n",
         "caf\xC3\xA9 \xE2\x94\x81 \xF0\x9F\x98\x80|"},
        {"a\xFF"
         "b\xC3\n",
         "a\xEF\xBF\xBD"
         "b\xEF\xBF\xBD|"},
        {"\xC0\xAF \xED\xA0\x80\n", "\xEF\xBF\xBD \xEF\xBF\xBD|"},
        {"a\tb\n", "a\tb|"},
        {"a\x01\x7F"
         "b\n",
         "ab|"},
        /* A second bar below the first, and back up. */
        {"main 100%\nsecond\x1b[A\rmain 200%\n", "main 100%|main 200%|"},
    };
    (void)state;
    rows_check(rows, sizeof rows / sizeof rows[0], false);
}

static void test_terminal_redrawn_line_is_told_as_drafts(void **state)
{
    static const struct row rows[] = {
        {"1%\r2%\r3%\n", "~1%|~2%|3%|"},
        {"\r\r1%\r\r2%\n", "~1%|2%|"},
        {"10%\b\b\b20%\n", "~10%|20%|"},
        {"one\x1b[Atwo\n", "~one|two|"},
    };
    (void)state;
    rows_check(rows, sizeof rows / sizeof rows[0], true);
}

static void test_terminal_line_too_long_is_cut_and_the_next_is_whole(void **state)
{
    struct lines lines = {0};
    struct terminal *terminal;
    (void)state;
    assert_int_equal(terminal_new(&terminal), OK);
    for (int i = 0; i < TERMINAL_COLUMNS_MAX; i++) {
        terminal_feed(terminal, (struct bytes){(const uint8_t *)"xy", 2}, on_line, &lines);
    }
    terminal_feed(terminal, (struct bytes){(const uint8_t *)"\n", 1}, on_line, &lines);
    assert_true(lines.was_cut);
    terminal_feed(terminal, (struct bytes){(const uint8_t *)"short\n", 6}, on_line, &lines);
    assert_false(lines.was_cut);
    assert_int_equal(lines.last_number, 2);
    terminal_free(terminal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_terminal_bytes_of_all_kinds_give_what_a_person_sees),
        cmocka_unit_test(test_terminal_redrawn_line_is_told_as_drafts),
        cmocka_unit_test(test_terminal_line_too_long_is_cut_and_the_next_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
