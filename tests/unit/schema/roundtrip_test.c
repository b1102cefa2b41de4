/* Every message, record and API object, filled from its own table, comes back as it was; and no
 * bytes that are not ours do harm. */
#include "filler.h"

enum { ARENA_MAX = 64 << 20, SEEDS = 50, MUTATIONS = 100000 };

static struct filler filler_make(struct arena *arena, uint64_t seed, unsigned percent)
{
    struct filler f = {.arena = arena, .items_max = 3, .percent = percent};
    random_init(&f.random, seed, 0);
    return f;
}

static void assert_round_trip(struct filler *f, const struct schema *schema)
{
    void *object = filler_new(f, schema), *back = arena_alloc(f->arena, schema->size_bytes);
    struct report report = {0};
    struct buf buf, again;
    assert_non_null(back);
    buf_init(&buf, 1 << 20);
    buf_init(&again, 1 << 20);
    assert_int_equal(schema_validate(schema, object, &report), OK);
    assert_int_equal(schema_encode(schema, object, SCHEMA_VERSION, &buf), OK);
    memset(back, 0xaa, schema->size_bytes);
    assert_int_equal(schema_decode(schema, buf_bytes(&buf), false, f->arena, back, &report), OK);
    assert_true(filler_equal(schema, object, back));
    assert_int_equal(schema_encode(schema, back, SCHEMA_VERSION, &again), OK);
    assert_int_equal(again.len, buf.len);
    assert_memory_equal(again.data, buf.data, buf.len);
    buf_fini(&buf);
    buf_fini(&again);
}

static void test_roundtrip_every_table_every_field_set(void **state)
{
    (void)state;
    for (int i = 0; i < FILLER_SCHEMAS; i++) {
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            struct arena arena;
            arena_init(&arena, ARENA_MAX);
            struct filler f = filler_make(&arena, seed, 100);
            assert_round_trip(&f, filler_schemas[i]);
            arena_fini(&arena);
        }
    }
}

static void test_roundtrip_every_table_some_fields_set(void **state)
{
    (void)state;
    for (int i = 0; i < FILLER_SCHEMAS; i++) {
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            struct arena arena;
            arena_init(&arena, ARENA_MAX);
            struct filler f = filler_make(&arena, seed, (unsigned)seed);
            assert_round_trip(&f, filler_schemas[i]);
            arena_fini(&arena);
        }
    }
}

static void test_roundtrip_nothing_set_is_an_empty_map(void **state)
{
    (void)state;
    for (int i = 0; i < FILLER_SCHEMAS; i++) {
        struct arena arena;
        struct buf buf;
        arena_init(&arena, ARENA_MAX);
        buf_init(&buf, 100);
        void *object = arena_alloc(&arena, filler_schemas[i]->size_bytes);
        assert_non_null(object);
        assert_int_equal(schema_encode(filler_schemas[i], object, SCHEMA_VERSION, &buf), OK);
        assert_int_equal(buf.len, 1);
        assert_int_equal(buf.data[0], 0x80);
        buf_fini(&buf);
        arena_fini(&arena);
    }
}

static void test_roundtrip_strings_keep_empty_apart_from_absent(void **state)
{
    (void)state;
    struct arena arena;
    struct buf buf;
    arena_init(&arena, ARENA_MAX);
    buf_init(&buf, 1000);
    struct record_node node = {.name = "", .host = NULL}, back;
    assert_int_equal(schema_encode(&record_node_schema, &node, SCHEMA_VERSION, &buf), OK);
    assert_int_equal(
        schema_decode(&record_node_schema, buf_bytes(&buf), false, &arena, &back, NULL), OK);
    assert_string_equal(back.name, "");
    assert_null(back.host);

    buf_reset(&buf);
    struct label_pair label = {.name = "zone"};
    struct msg_enrol enrol = {.labels = &label, .n_labels = 1}, enrolled;
    assert_int_equal(schema_encode(&msg_enrol_schema, &enrol, SCHEMA_VERSION, &buf), OK);
    assert_int_equal(
        schema_decode(&msg_enrol_schema, buf_bytes(&buf), true, &arena, &enrolled, NULL), OK);
    assert_string_equal(enrolled.secret, ""); /* never NULL */
    assert_string_equal(enrolled.labels[0].value, "");
    buf_fini(&buf);
    arena_fini(&arena);
}

/* By position there is a place for a parameter that is not active; null is another thing. */
static void test_list_of_values_keeps_what_is_not_there(void **state)
{
    (void)state;
    const struct value params[] = {value_none(), {.kind = VALUE_NULL}, value_str(""), value_none()};
    const struct record_task task = {.id = {12, 41}, .params = params, .n_params = 4};
    struct record_task back;
    struct buf buf;
    struct arena arena;
    buf_init(&buf, 1 << 20);
    arena_init(&arena, 1 << 20);
    assert_int_equal(schema_encode(&record_task_schema, &task, SCHEMA_VERSION, &buf), OK);
    assert_int_equal(
        schema_decode(&record_task_schema, buf_bytes(&buf), false, &arena, &back, NULL), OK);
    assert_int_equal(back.n_params, 4);
    for (uint32_t i = 0; i < 4; i++) {
        assert_true(value_equal(back.params[i], params[i]));
    }
    buf_fini(&buf);
    arena_fini(&arena);
}

static struct buf encoded(struct filler *f, const struct schema *schema)
{
    struct buf buf;
    buf_init(&buf, 1 << 20);
    assert_int_equal(schema_encode(schema, filler_new(f, schema), SCHEMA_VERSION, &buf), OK);
    return buf;
}

static void test_decode_borrowing_leaves_bytes_in_the_frame(void **state)
{
    (void)state;
    static const uint8_t data[] = {1, 2, 3};
    const struct msg_blob piece = {
        .hash = "", .offset = 9, .total = 12, .data = {data, sizeof data}, .error = ""};
    struct buf frame;
    struct arena arena;
    message_type type;
    void *message;
    buf_init(&frame, MSG_MAX_BYTES);
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    assert_int_equal(message_encode(MSG_BLOB, &piece, &frame), OK);
    assert_int_equal(message_type_of(buf_bytes(&frame)), MSG_BLOB);
    assert_int_equal(message_type_of((struct bytes){frame.data, 3}), 0);
    assert_int_equal(message_decode_borrowing(buf_bytes(&frame), &arena, &type, &message, NULL),
                     OK);
    const struct msg_blob *got = message;
    assert_int_equal(got->offset, 9);
    assert_int_equal(got->data.len, sizeof data);
    assert_true(got->data.data > frame.data && got->data.data < frame.data + frame.len);
    assert_memory_equal(got->data.data, data, sizeof data);
    arena_fini(&arena);
    buf_fini(&frame);
}

static void test_truncated_at_every_byte_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < FILLER_SCHEMAS; i++) {
        const struct schema *schema = filler_schemas[i];
        struct arena arena, scratch;
        arena_init(&arena, ARENA_MAX);
        arena_init(&scratch, ARENA_MAX);
        struct filler f = filler_make(&arena, 1, 100);
        struct buf buf = encoded(&f, schema);
        void *back = arena_alloc(&arena, schema->size_bytes);
        assert_non_null(back);
        for (size_t n = 0; n < buf.len; n++) {
            /* Exactly n bytes, so that reading one more is seen by the sanitizer. */
            uint8_t *part = mem_alloc(n);
            memcpy(part, buf.data, n);
            struct report report = {0};
            error_code error =
                schema_decode(schema, (struct bytes){part, n}, i % 2 == 0, &scratch, back, &report);
            assert_int_equal(error, ERR_FORMAT);
            assert_true(report.text[0] != '\0');
            arena_reset(&scratch);
            mem_free(part);
        }
        assert_int_equal(buf_append_byte(&buf, 0), OK);
        assert_int_equal(schema_decode(schema, buf_bytes(&buf), true, &scratch, back, NULL),
                         ERR_FORMAT);
        buf_fini(&buf);
        arena_fini(&scratch);
        arena_fini(&arena);
    }
}

/* Whatever is taken is valid, and goes out again. */
static void assert_harmless(const struct schema *schema, struct bytes bytes, struct arena *scratch,
                            unsigned *accepted)
{
    void *back = arena_alloc(scratch, schema->size_bytes);
    assert_non_null(back);
    struct report report = {0};
    error_code error = schema_decode(schema, bytes, true, scratch, back, &report);
    if (error == OK) {
        struct buf buf;
        buf_init(&buf, 8 << 20);
        (*accepted)++;
        assert_int_equal(schema_validate(schema, back, NULL), OK);
        assert_int_equal(schema_encode(schema, back, SCHEMA_VERSION, &buf), OK);
        struct json_out out = json_out_to(&buf);
        schema_print_json(schema, back, &out, NULL);
        assert_int_equal(buf.failed, OK);
        buf_fini(&buf);
    } else {
        assert_true(error == ERR_FORMAT || error == ERR_LIMIT || error == ERR_INVALID);
        assert_true(report.text[0] != '\0');
    }
    arena_reset(scratch);
}

static void mutate(struct random *random, struct buf *buf)
{
    uint64_t changes = 1 + random_below(random, 4);
    for (uint64_t i = 0; i < changes; i++) {
        size_t at = (size_t)random_below(random, buf->len);
        switch (random_below(random, 4)) {
        case 0:
            buf->data[at] = (uint8_t)random_u32(random);
            break;
        case 1:
            buf->data[at] ^= (uint8_t)(1U << random_below(random, 8));
            break;
        case 2: /* a header of a large or odd kind */
            buf->data[at] = (uint8_t)(0xc0 + random_below(random, 32));
            break;
        default: { /* a piece over another */
            size_t from = (size_t)random_below(random, buf->len);
            size_t n = (size_t)random_below(random, buf->len - (from > at ? from : at) + 1);
            memmove(buf->data + at, buf->data + from, n);
            break;
        }
        }
    }
}

static void test_mutated_bytes_are_refused_or_valid(void **state)
{
    (void)state;
    enum { ROUNDS = 100 };
    unsigned accepted = 0, total = 0;
    struct random random;
    random_init(&random, 4, 2);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < FILLER_SCHEMAS; i++) {
            struct arena arena, scratch;
            arena_init(&arena, ARENA_MAX);
            arena_init(&scratch, MSG_ARENA_MAX_BYTES);
            struct filler f = filler_make(&arena, (uint64_t)round, 100);
            struct buf buf = encoded(&f, filler_schemas[i]), copy;
            for (int k = 0; k <= MUTATIONS / ROUNDS / FILLER_SCHEMAS; k++, total++) {
                buf_init(&copy, 1 << 20);
                assert_int_equal(buf_append(&copy, buf.data, buf.len), OK);
                mutate(&random, &copy);
                assert_harmless(filler_schemas[i], buf_bytes(&copy), &scratch, &accepted);
                buf_fini(&copy);
            }
            buf_fini(&buf);
            arena_fini(&scratch);
            arena_fini(&arena);
        }
    }
    assert_true(total >= MUTATIONS);
    assert_true(accepted > total / 100); /* else nothing behind the scan was tried */
    assert_true(accepted < total);
}

static void test_decode_without_memory_fails_cleanly_at_every_allocation(void **state)
{
    (void)state;
    for (int i = 0; i < FILLER_SCHEMAS; i++) {
        const struct schema *schema = filler_schemas[i];
        struct arena arena;
        arena_init(&arena, ARENA_MAX);
        struct filler f = filler_make(&arena, 3, 100);
        f.items_max = 20; /* more than one block of an arena */
        struct buf buf = encoded(&f, schema);
        void *back = arena_alloc(&arena, schema->size_bytes);
        bool is_done = false;
        for (uint64_t k = 1; !is_done; k++) {
            struct arena scratch;
            arena_init(&scratch, ARENA_MAX);
            mem_fail_at(k);
            error_code error = schema_decode(schema, buf_bytes(&buf), false, &scratch, back, NULL);
            is_done = !mem_has_failed();
            assert_int_equal(error, is_done ? OK : ERR_NO_MEMORY);
            mem_fail_at(0);
            arena_fini(&scratch);
        }
        buf_fini(&buf);
        arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roundtrip_every_table_every_field_set),
        cmocka_unit_test(test_roundtrip_every_table_some_fields_set),
        cmocka_unit_test(test_roundtrip_nothing_set_is_an_empty_map),
        cmocka_unit_test(test_list_of_values_keeps_what_is_not_there),
        cmocka_unit_test(test_decode_borrowing_leaves_bytes_in_the_frame),
        cmocka_unit_test(test_roundtrip_strings_keep_empty_apart_from_absent),
        cmocka_unit_test(test_truncated_at_every_byte_is_refused),
        cmocka_unit_test(test_mutated_bytes_are_refused_or_valid),
        cmocka_unit_test(test_decode_without_memory_fails_cleanly_at_every_allocation),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed != 0 ? failed : mem_live_count() != 0;
}
