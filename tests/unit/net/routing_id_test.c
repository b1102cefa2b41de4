#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include <cmocka.h>

#include "net/routing_id.h"

static struct bytes text_bytes(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static void test_routing_id_printed_parses_back(void **state)
{
    (void)state;
    struct routing_id id = {
        .node = "gpu-03.rack_7", .incarnation = 0xfedcba9876543210, .connection = 7, .nonce = 1};
    char text[ROUTING_ID_TEXT_MAX];
    size_t length = routing_id_print(&id, text);
    assert_int_equal(length, strlen(text));
    assert_string_equal(text, "gpu-03.rack_7/fedcba9876543210/00000007/0000000000000001");
    struct routing_id back;
    assert_int_equal(routing_id_parse(text_bytes(text), &back), OK);
    assert_string_equal(back.node, id.node);
    assert_true(back.incarnation == id.incarnation && back.connection == id.connection &&
                back.nonce == id.nonce);
}

static void test_routing_id_longest_node_fits(void **state)
{
    (void)state;
    struct routing_id id = {
        .incarnation = UINT64_MAX, .connection = UINT32_MAX, .nonce = UINT64_MAX};
    memset(id.node, 'n', NODE_NAME_MAX);
    char text[ROUTING_ID_TEXT_MAX];
    assert_int_equal(routing_id_print(&id, text), ROUTING_ID_TEXT_MAX - 1);
    struct routing_id back;
    assert_int_equal(routing_id_parse(text_bytes(text), &back), OK);
    assert_int_equal(strlen(back.node), NODE_NAME_MAX);
}

static void test_routing_id_damaged_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "/0000000000000001/00000001/0000000000000001",
        "node",
        "node/0000000000000001/00000001",
        "node/0000000000000001/00000001/000000000000000",
        "node/0000000000000001/00000001/00000000000000012",
        "node/000000000000000G/00000001/0000000000000001",
        "node/000000000000000A/00000001/0000000000000001",
        "no de/0000000000000001/00000001/0000000000000001",
        "node/0000000000000001/00000001/0000000000000001/",
        ("nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn/0000000000000001/"
         "00000001/0000000000000001"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct routing_id id;
        assert_int_equal(routing_id_parse(text_bytes(bad[i]), &id), ERR_FORMAT);
    }
    struct routing_id id;
    assert_int_equal(routing_id_parse((struct bytes){(const uint8_t *)"n\0de", 4}, &id),
                     ERR_FORMAT);
}

static void test_node_name_only_plain_characters_are_valid(void **state)
{
    (void)state;
    assert_true(node_name_is_valid("a"));
    assert_true(node_name_is_valid("Gpu-1.x_9"));
    assert_false(node_name_is_valid(""));
    assert_false(node_name_is_valid("a/b"));
    assert_false(node_name_is_valid("a b"));
    assert_false(
        node_name_is_valid("nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routing_id_printed_parses_back),
        cmocka_unit_test(test_routing_id_longest_node_fits),
        cmocka_unit_test(test_routing_id_damaged_is_refused),
        cmocka_unit_test(test_node_name_only_plain_characters_are_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
