#include "rig.h"

#include "spec/tree.h"

/* What is no YAML, or YAML that a sweep file may not use. */
static const struct refused refused[] = {
    REFUSED("\377", ERR_INVALID, 1, 1, "byte 0xFF is not UTF-8; save the file as UTF-8"),
    REFUSED("command: \303(", ERR_INVALID, 1, 10, "byte 0xC3 is not UTF-8; save the file as UTF-8"),
    REFUSED("a\000b", ERR_INVALID, 1, 2, "the character U+0000 is not allowed in YAML"),
    REFUSED("command: x\007", ERR_INVALID, 1, 11, "the character U+0007 is not allowed in YAML"),
    REFUSED("", ERR_INVALID, 1, 1, "the file is empty"),
    REFUSED("# nothing\n", ERR_INVALID, 1, 1, "the file is empty"),
    REFUSED("---\n...\n", ERR_INVALID, 2, 1,
            "a sweep file is a block of keys: command, metric, parameters, stop, ..."),
    REFUSED("x", ERR_INVALID, 1, 1,
            "a sweep file is a block of keys: command, metric, parameters, stop, ..."),
    REFUSED("[a]", ERR_INVALID, 1, 1,
            "a sweep file is a block of keys: command, metric, parameters, stop, ..."),
    REFUSED("~", ERR_INVALID, 1, 1,
            "a sweep file is a block of keys: command, metric, parameters, stop, ..."),
    REFUSED(
        "command: [x", ERR_INVALID, 2, 1,
        "broken YAML: did not find expected ',' or ']' (while parsing a flow sequence, line 1)"),
    REFUSED("command: 'x", ERR_INVALID, 1, 12,
            "broken YAML: found unexpected end of stream (while scanning a quoted scalar, line 1)"),
    REFUSED("a: b: c", ERR_INVALID, 1, 5,
            "broken YAML: mapping values are not allowed in this context"),
    REFUSED("- a\nb: c", ERR_INVALID, 2, 1,
            "broken YAML: did not find expected '-' indicator (while parsing a block collection, "
            "line 1)"),
    REFUSED("command: {x", ERR_INVALID, 2, 1,
            "broken YAML: did not find expected ',' or '}' (while parsing a flow mapping, line 1)"),
    REFUSED("command: \"\\q\"", ERR_INVALID, 1, 11,
            "broken YAML: found unknown escape character (while parsing a quoted scalar, line 1)"),
    REFUSED("%TAG !e! tag:e,2000:\n---\ncommand: x\n", ERR_INVALID, 1, 1,
            "%TAG lines are not allowed"),
    REFUSED("%FOO\n", ERR_INVALID, 1, 5,
            "broken YAML: found unknown directive name (while scanning a directive, line 1)"),
    REFUSED("a: |x\n", ERR_INVALID, 1, 5,
            "broken YAML: did not find expected comment or line break (while scanning a block "
            "scalar, line 1)"),
    REFUSED("command: &a x", ERR_INVALID, 1, 10,
            "anchors (&name) are not allowed; write the value out at each place"),
    REFUSED("command: *a", ERR_INVALID, 1, 10,
            "aliases (*name) are not allowed; write the value out at each place"),
    REFUSED("command: !!str x", ERR_INVALID, 1, 10,
            "tags (!name) are not allowed; quotes make a text of a value"),
    REFUSED("command: ! x", ERR_INVALID, 1, 10,
            "tags (!name) are not allowed; quotes make a text of a value"),
    REFUSED("command: [&a x]", ERR_INVALID, 1, 11,
            "anchors (&name) are not allowed; write the value out at each place"),
    REFUSED("<<: {a: b}", ERR_INVALID, 1, 1, "merge keys (<<) are not allowed; write the keys out"),
    REFUSED("{a: b}: c", ERR_INVALID, 1, 1, "a key must be a text, not a list or block"),
    REFUSED("[a]: c", ERR_INVALID, 1, 1, "a key must be a text, not a list or block"),
    REFUSED("? x\n", ERR_INVALID, 1, 3, "unknown key 'x'"),
    REFUSED("command:\tx", ERR_INVALID, 1, 9, "a tab is not allowed here; use spaces"),
    REFUSED("\tcommand: x", ERR_INVALID, 1, 1, "a tab is not allowed here; use spaces"),
    REFUSED("command: \"a\\0b\"", ERR_INVALID, 1, 10, "a NUL character is not allowed in a text"),
    REFUSED("[[[[[[[[[[[[[[[[[", ERR_LIMIT, 1, 17, "lists and blocks are nested more than 16 deep"),
    REFUSED("a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: ", ERR_LIMIT, 1, 64,
            "lists and blocks are nested more than 16 deep"),
};

static void test_tree_bad_text_is_refused_at_its_place(void **state)
{
    (void)state;
    refused_check(refused, sizeof refused / sizeof refused[0]);
}

static error_code tree_of(const char *text, size_t len, struct arena *arena,
                          const struct spec_node **ret_root, struct report *report)
{
    arena_init(arena, RIG_ARENA_MAX);
    *report = (struct report){0};
    return spec_tree_parse(text, len, arena, ret_root, report);
}

static void test_tree_nodes_know_their_place_and_quotes(void **state)
{
    (void)state;
    static const char text[] = "\xEF\xBB\xBF# c\r\n\xC3\xA4: [b, 'c']\r\nd:\r\n  e: \"f\"\r\n";
    const struct spec_node *root, *list, *block;
    struct report report;
    struct arena arena;
    assert_int_equal(tree_of(text, sizeof text - 1, &arena, &root, &report), OK);
    assert_int_equal(root->kind, NODE_BLOCK);
    assert_int_equal(root->n, 2);
    list = root->first;
    assert_string_equal(list->key->text, "\xC3\xA4");
    assert_int_equal(list->line, 2);
    assert_int_equal(list->column, 4); /* characters, not bytes */
    assert_true(list->first->is_plain);
    assert_false(list->last->is_plain);
    assert_int_equal(list->last->column, 8);
    block = list->next;
    assert_int_equal(block->key->line, 3);
    assert_int_equal(block->first->line, 4);
    assert_string_equal(block->first->text, "f");
    assert_false(block->first->is_plain);
    arena_fini(&arena);
}

/* Tabs belong to the text in quotes and in | texts, and harm nobody in a comment. */
static void test_tree_tabs_inside_texts_and_comments_are_kept(void **state)
{
    (void)state;
    static const char text[] = "a: \"x\ty\" # a\tb\nb: |\n  i\n  \tj\n#\tc\nc: 'k\tl'\n";
    const struct spec_node *root;
    struct report report;
    struct arena arena;
    assert_int_equal(tree_of(text, sizeof text - 1, &arena, &root, &report), OK);
    assert_string_equal(root->first->text, "x\ty");
    assert_string_equal(root->first->next->text, "i\n\tj\n");
    assert_string_equal(root->last->text, "k\tl");
    arena_fini(&arena);
}

/* `n` times `piece` between `begin` and `end` is good; once more must be refused with ERR_LIMIT. */
static void limit_check(const char *begin, const char *piece, size_t n, const char *end,
                        const char *message)
{
    const struct spec_node *root;
    struct report report;
    struct arena arena;
    struct buf text;
    for (int is_over = 0; is_over < 2; is_over++) {
        buf_init(&text, SPEC_FILE_MAX_BYTES * 2);
        assert_int_equal(buf_append_text(&text, begin), OK);
        for (size_t i = 0; i < n + (size_t)is_over; i++) {
            assert_int_equal(buf_printf(&text, piece, (int)i), OK);
        }
        assert_int_equal(buf_append_text(&text, end), OK);
        error_code code = tree_of((const char *)text.data, text.len, &arena, &root, &report);
        assert_int_equal(code, is_over ? ERR_LIMIT : OK);
        assert_string_equal(report.text, is_over ? message : "");
        buf_fini(&text);
        arena_fini(&arena);
    }
}

static void test_tree_limits_are_exact(void **state)
{
    (void)state;
    /* The outermost block, its key and the list are three of the nodes. */
    limit_check("a: [", "%d, ", SPEC_NODES_MAX - 3, "]",
                "the file has more than 20000 texts, lists and blocks");
    limit_check("", "k%d: x\n", SPEC_PAIRS_MAX, "", "more than 1024 keys in one block");
    limit_check("a: ", "x", SPEC_TEXT_MAX_BYTES, "", "a text is longer than 64 KiB");
}

static void test_tree_file_past_its_limit_is_not_read(void **state)
{
    (void)state;
    const struct spec_node *root;
    struct report report;
    struct arena arena;
    char *text = mem_alloc(SPEC_FILE_MAX_BYTES + 1);
    assert_non_null(text);
    memset(text, '#', SPEC_FILE_MAX_BYTES + 1);
    assert_int_equal(tree_of(text, SPEC_FILE_MAX_BYTES + 1, &arena, &root, &report), ERR_LIMIT);
    assert_string_equal(report.text, "the file has 1048577 bytes; at most 1048576 are allowed");
    assert_int_equal(tree_of(text, SPEC_FILE_MAX_BYTES, &arena, &root, &report), ERR_INVALID);
    assert_string_equal(report.text, "the file is empty");
    mem_free(text);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree_bad_text_is_refused_at_its_place),
        cmocka_unit_test(test_tree_nodes_know_their_place_and_quotes),
        cmocka_unit_test(test_tree_tabs_inside_texts_and_comments_are_kept),
        cmocka_unit_test(test_tree_limits_are_exact),
        cmocka_unit_test(test_tree_file_past_its_limit_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
