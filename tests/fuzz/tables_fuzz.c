/* Every field table there is (messages, records, parts, API objects): bytes are decoded, and what
 * was understood is encoded, decoded and encoded again to the same bytes, and printed as JSON that
 * a parser takes. The first byte chooses the table, the second how strictly it is read. */
#include <jansson.h>

#include "input.h"
#include "schema/schema.h"
#include "schema_list.h"

enum { ARENA_MAX = 64 << 20, TEXT_MAX = 16 << 20 };

static bool is_out_of_room(error_code error)
{
    return error == ERR_LIMIT || (error == ERR_NO_MEMORY && mem_has_failed());
}

static void check_json(const struct schema *schema, const void *object)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    struct json_out out = json_out_to(&text);
    schema_print_json(schema, object, &out, NULL);
    if (text.failed == OK) {
        json_error_t error;
        json_t *root = json_loadb((const char *)text.data, text.len, 0, &error);
        /* Text that is JSON already is printed as it came; jansson has no integers past 2^63. */
        bool is_ours = strstr(error.text, "too big integer") == NULL;
        for (uint16_t i = 0; i < schema->n_fields; i++) {
            is_ours = is_ours && schema->fields[i].type != FIELD_JSON;
        }
        assert(root != NULL || !is_ours);
        json_decref(root);
    }
    for (uint16_t i = 0; i < schema->n_fields; i++) {
        buf_reset(&text);
        ignore_error(schema_print_cell(&schema->fields[i], object, &text), "what fits");
    }
    buf_fini(&text);
}

static void check_again(const struct schema *schema, const void *object, struct arena *arena)
{
    struct buf one, two;
    struct report report = {0};
    buf_init(&one, TEXT_MAX);
    buf_init(&two, TEXT_MAX);
    void *back = arena_alloc(arena, schema->size_bytes);
    error_code error = schema_validate(schema, object, &report);
    assert(error == OK);
    error = schema_encode(schema, object, SCHEMA_VERSION, &one);
    assert(error == OK || is_out_of_room(error));
    if (error == OK && back != NULL) {
        error = schema_decode(schema, buf_bytes(&one), false, arena, back, &report);
        assert(error == OK || is_out_of_room(error));
    }
    if (error == OK && back != NULL) {
        error = schema_encode(schema, back, SCHEMA_VERSION, &two);
        assert(error == OK || is_out_of_room(error));
    }
    if (error == OK && back != NULL) {
        assert(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
    }
    buf_fini(&one);
    buf_fini(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    const struct schema *schema = schema_list[data[0] % SCHEMA_LIST_COUNT];
    struct bytes bytes = {data + 2, size - 2};
    struct arena arena;
    struct report report = {0};
    arena_init(&arena, ARENA_MAX);
    void *object = arena_alloc(&arena, schema->size_bytes);
    error_code error = object == NULL     ? ERR_NO_MEMORY
                       : data[1] % 3 == 2 ? record_decode(schema, bytes, &arena, object, &report)
                                          : schema_decode(schema, bytes, data[1] % 3 == 1, &arena,
                                                          object, &report);
    if (error == OK) {
        check_again(schema, object, &arena);
        check_json(schema, object);
    } else {
        assert(report.text[0] != '\0' || error == ERR_NO_MEMORY);
    }
    arena_fini(&arena);
    return 0;
}
