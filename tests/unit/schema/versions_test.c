/* Releases side by side: fields that are newer than a reader, unknown ones, records of a newer
 * release; and what a table refuses. */
#include "filler.h"
#include "schema/table.h"

struct item {
    const char *name;
    uint32_t count;
};

struct thing {
    uint32_t number;
    const char *name;
    double real;      /* since 2 */
    struct item item; /* since 2 */
    const struct item *items;
    uint32_t n_items;
    struct value value;
    struct bytes bytes;
    task_state state;
    int64_t signed_number;
};

static const struct field item_fields[] = {
    F_NAME(struct item, name, 1, 1, 8),
    F_U32(struct item, count, 2, 2),
};
static const struct schema item_schema = SCHEMA("item", struct item, 1, item_fields);

static const struct field thing_fields[] = {
    F_U32(struct thing, number, 1, 1),
    F_STR(struct thing, name, 2, 1, 4),
    F_F64(struct thing, real, 3, 2),
    F_STRUCT(struct thing, item, 4, 2, &item_schema),
    F_LIST(struct thing, items, n_items, 7, 1, 3, &item_schema), /* 5 and 6 are gone for ever */
    F_VALUE(struct thing, value, 8, 1, 4),
    F_BYTES(struct thing, bytes, 9, 1, 4),
    F_ENUM(struct thing, state, 10, 1, task_state_names),
    F_I64(struct thing, signed_number, 11, 1),
};
static const struct schema thing_schema = SCHEMA("thing", struct thing, 1, thing_fields);
/* What the release before knows of it. */
static const struct field old_fields[] = {
    F_U32(struct thing, number, 1, 1),
    F_STR(struct thing, name, 2, 1, 4),
};
static const struct schema old_schema = SCHEMA("thing", struct thing, 1, old_fields);

struct rig {
    struct arena arena;
    struct buf buf;
    struct thing thing;
    struct report report;
};

static int rig_begin(void **state)
{
    struct rig *rig = mem_zalloc(sizeof *rig);
    arena_init(&rig->arena, 1 << 16);
    buf_init(&rig->buf, 1 << 16);
    *state = rig;
    return 0;
}

static int rig_end(void **state)
{
    struct rig *rig = *state;
    arena_fini(&rig->arena);
    buf_fini(&rig->buf);
    mem_free(rig);
    return 0;
}

static error_code decode(struct rig *rig, const void *bytes, size_t n)
{
    memset(&rig->report, 0, sizeof rig->report);
    return schema_decode(&thing_schema, (struct bytes){bytes, n}, true, &rig->arena, &rig->thing,
                         &rig->report);
}
#define DECODE(rig, text) decode(rig, text, sizeof(text) - 1)

static void test_encode_leaves_out_what_the_reader_does_not_know(void **state)
{
    struct rig *rig = *state;
    struct item item = {"a", 7};
    struct thing thing = {.number = 1, .real = 2.5, .item = item, .items = &item, .n_items = 1};
    assert_int_equal(schema_encode(&thing_schema, &thing, 1, &rig->buf), OK);
    assert_int_equal(
        schema_decode(&thing_schema, buf_bytes(&rig->buf), false, &rig->arena, &rig->thing, NULL),
        OK);
    assert_int_equal(rig->thing.number, 1);
    assert_true(rig->thing.real == 0.0);
    assert_null(rig->thing.item.name);
    assert_int_equal(rig->thing.n_items, 1);
    assert_int_equal(rig->thing.items[0].count, 0);

    buf_reset(&rig->buf);
    assert_int_equal(schema_encode(&thing_schema, &thing, 2, &rig->buf), OK);
    assert_int_equal(
        schema_decode(&thing_schema, buf_bytes(&rig->buf), false, &rig->arena, &rig->thing, NULL),
        OK);
    assert_true(rig->thing.real == 2.5);
    assert_int_equal(rig->thing.items[0].count, 7);
}

static void test_decode_unknown_fields_are_skipped_only_when_lenient(void **state)
{
    struct rig *rig = *state;
    struct item item = {"a", 7};
    struct thing thing = {.number = 5, .name = "x", .real = 1, .items = &item, .n_items = 1};
    assert_int_equal(schema_encode(&thing_schema, &thing, 2, &rig->buf), OK);
    assert_int_equal(schema_decode(&old_schema, buf_bytes(&rig->buf), true, &rig->arena,
                                   &rig->thing, &rig->report),
                     OK);
    assert_int_equal(rig->thing.number, 5);
    assert_string_equal(rig->thing.name, "x");
    assert_int_equal(rig->thing.n_items, 0);
    assert_int_equal(schema_decode(&old_schema, buf_bytes(&rig->buf), false, &rig->arena,
                                   &rig->thing, &rig->report),
                     ERR_NEWER);
}

static void test_record_of_a_newer_release_is_refused(void **state)
{
    struct rig *rig = *state;
    struct record_node node = {.name = "n1", .pid = 7}, back;
    assert_int_equal(record_encode(&record_node_schema, &node, &rig->buf), OK);
    assert_int_equal(
        record_decode(&record_node_schema, buf_bytes(&rig->buf), &rig->arena, &back, NULL), OK);
    assert_string_equal(back.name, "n1");
    assert_int_equal(back.pid, 7);

    rig->buf.data[1] = SCHEMA_VERSION + 1;
    assert_int_equal(
        record_decode(&record_node_schema, buf_bytes(&rig->buf), &rig->arena, &back, &rig->report),
        ERR_NEWER);
    assert_non_null(strstr(rig->report.text, "newer release"));
    rig->buf.data[1] = SCHEMA_VERSION;
    rig->buf.data[2] = 1;
    assert_int_equal(
        record_decode(&record_node_schema, buf_bytes(&rig->buf), &rig->arena, &back, NULL),
        ERR_NEWER);
    rig->buf.data[2] = 0;
    rig->buf.data[0] = 'X';
    assert_int_equal(
        record_decode(&record_node_schema, buf_bytes(&rig->buf), &rig->arena, &back, NULL),
        ERR_FORMAT);
    for (size_t n = 0; n < 4; n++) {
        assert_int_equal(record_decode(&record_node_schema,
                                       (struct bytes){(const uint8_t *)"R\1\0", n < 3 ? n : 3},
                                       &rig->arena, &back, NULL),
                         ERR_FORMAT);
    }
    assert_int_equal(record_decode(&record_node_schema,
                                   (struct bytes){(const uint8_t *)"R\0\0\x80", 4}, &rig->arena,
                                   &back, NULL),
                     ERR_FORMAT); /* there was no release 0 */
    /* A field that this release does not know: whoever wrote it knew more. */
    assert_int_equal(record_decode(&record_node_schema,
                                   (struct bytes){(const uint8_t *)"R\1\0\x81\x7f\x01", 6},
                                   &rig->arena, &back, NULL),
                     ERR_NEWER);
}

static void test_decode_field_numbers_must_ascend(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(DECODE(rig, "\x82\x01\x05\x0b\x06"), OK);
    assert_int_equal(DECODE(rig, "\x82\x01\x05\x01\x06"), ERR_FORMAT); /* twice */
    assert_int_equal(DECODE(rig, "\x82\x0b\x05\x01\x06"), ERR_FORMAT);
    assert_int_equal(DECODE(rig, "\x82\x64\x05\x64\x06"), ERR_FORMAT); /* unknown ones too */
    assert_int_equal(DECODE(rig, "\x81\x00\x05"), ERR_FORMAT);
    assert_int_equal(DECODE(rig, "\x81\xff\x05"), ERR_FORMAT); /* -1 */
    assert_int_equal(DECODE(rig, "\x81\xa1"
                                 "1\x05"),
                     ERR_FORMAT);                      /* "1" */
    assert_int_equal(DECODE(rig, "\x90"), ERR_FORMAT); /* no map at all */
    assert_int_equal(DECODE(rig, "\xc0"), ERR_FORMAT);
}

static void test_decode_other_types_are_refused(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *bytes;
        size_t n;
        error_code error;
    } rows[] = {
        {"\x81\x01\xa1"
         "5",
         4, ERR_FORMAT},                                   /* number: a text */
        {"\x81\x01\xff", 3, ERR_FORMAT},                   /* number: -1 */
        {"\x81\x01\xcf\0\0\0\1\0\0\0\0", 11, ERR_INVALID}, /* number: 2^32 */
        {"\x81\x01\xce\xff\xff\xff\xff", 7, OK},
        {"\x81\x02\x05", 3, ERR_FORMAT}, /* name: a number */
        {"\x81\x02\xc0", 3, ERR_FORMAT}, /* name: nil; absent is left out */
        {"\x81\x02\xa3"
         "a\0b",
         6, ERR_FORMAT}, /* name: a NUL inside */
        {"\x81\x02\xa4"
         "abcd",
         7, OK},
        {"\x81\x02\xa5"
         "abcde",
         8, ERR_LIMIT},
        {"\x81\x02\xa0", 3, OK},
        {"\x81\x03\x01", 3, ERR_FORMAT},          /* real: an integer */
        {"\x81\x04\x90", 3, ERR_FORMAT},          /* item: a list */
        {"\x81\x04\x80", 3, OK},                  /* absent, in other words */
        {"\x81\x04\x81\x02\x01", 5, ERR_INVALID}, /* an item without its name */
        {"\x81\x07\x80", 3, ERR_FORMAT},          /* items: a map */
        {"\x81\x07\x90", 3, OK},
        {"\x81\x07\x91\x80", 4, ERR_INVALID}, /* an item without its name */
        {"\x81\x07\x93\x81\x01\xa1"
         "a\x81\x01\xa1"
         "b\x81\x01\xa1"
         "c",
         15, OK},
        {"\x81\x07\x94\x81\x01\xa1"
         "a\x81\x01\xa1"
         "b\x81\x01\xa1"
         "c\x81\x01\xa1"
         "d",
         19, ERR_LIMIT},
        {"\x81\x08\x90", 3, ERR_FORMAT}, /* value: a list */
        {"\x81\x08\xc0", 3, OK},
        {"\x81\x08\xcf\x80\0\0\0\0\0\0\0", 11, ERR_INVALID}, /* value: 2^63 */
        {"\x81\x08\xa5"
         "abcde",
         8, ERR_LIMIT},
        {"\x81\x09\xa1"
         "a",
         4, ERR_FORMAT}, /* bytes: a text */
        {"\x81\x09\xc4\x00", 4, OK},
        {"\x81\x09\xc4\x05"
         "abcde",
         9, ERR_LIMIT},
        {"\x81\x0a\x06", 3, OK}, /* state: the last word */
        {"\x81\x0a\x07", 3, ERR_INVALID},
        {"\x81\x0b\xcf\x80\0\0\0\0\0\0\0", 11, ERR_INVALID}, /* int64: 2^63 */
        {"\x81\x0b\xd3\x80\0\0\0\0\0\0\0", 11, OK},          /* int64: -2^63 */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        error_code error = decode(rig, rows[i].bytes, rows[i].n);
        if (error != rows[i].error) {
            fail_msg("row %zu: %s, wanted %s (%s)", i, error_word(error), error_word(rows[i].error),
                     rig->report.text);
        }
        assert_int_equal(rig->report.code, error);
    }
}

static void test_decode_larger_than_its_arena_is_a_limit(void **state)
{
    struct rig *rig = *state;
    struct arena small;
    arena_init(&small, 40);
    assert_int_equal(schema_decode(&thing_schema,
                                   (struct bytes){(const uint8_t *)"\x81\x07\x93\x81\x01\xa1"
                                                                   "a\x81\x01\xa1"
                                                                   "b\x81\x01\xa1"
                                                                   "c",
                                                  15},
                                   true, &small, &rig->thing, NULL),
                     ERR_LIMIT);
    arena_fini(&small);
}

static void test_validate_and_encode_refuse_what_a_table_does_not_allow(void **state)
{
    struct rig *rig = *state;
    struct item items[4] = {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}}, nameless = {NULL, 1},
                empty = {"", 1};
    const struct {
        struct thing thing;
        error_code error;
    } rows[] = {
        {{.name = "abcd"}, OK},
        {{.name = "abcde"}, ERR_LIMIT},
        {{.items = items, .n_items = 3}, OK},
        {{.items = items, .n_items = 4}, ERR_LIMIT},
        {{.items = NULL, .n_items = 1}, ERR_INVALID},
        {{.items = &nameless, .n_items = 1}, ERR_INVALID},
        {{.items = &empty, .n_items = 1}, ERR_INVALID},
        {{.item = {NULL, 0}}, OK}, /* absent: nothing of it is required */
        {{.item = {NULL, 1}}, ERR_INVALID},
        {{.state = (task_state)7}, ERR_INVALID},
        {{.state = (task_state)-1}, ERR_INVALID},
        {{.value = {.kind = VALUE_STR, .str = "abcde"}}, ERR_LIMIT},
        {{.value = {.kind = VALUE_STR, .str = NULL}}, ERR_INVALID},
        {{.value = {.kind = (value_kind)9}}, ERR_INVALID},
        {{.bytes = {(const uint8_t *)"abcde", 5}}, ERR_LIMIT},
        {{.bytes = {NULL, 1}}, ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(schema_validate(&thing_schema, &rows[i].thing, &rig->report),
                         rows[i].error);
        assert_int_equal(schema_encode(&thing_schema, &rows[i].thing, 2, &rig->buf), rows[i].error);
        assert_int_equal(rig->buf.len > 0, rows[i].error == OK); /* nothing half-written */
        buf_reset(&rig->buf);
    }
}

static void test_rows_must_have_a_value_for_each_name(void **state)
{
    struct rig *rig = *state;
    static const char *const names[] = {"loss", "acc"};
    static const double values[] = {0.5, 0.9};
    struct metric_row row = {.seq = 1, .values = values, .n_values = 2};
    struct metric_rows rows = {.names = names, .n_names = 2, .rows = &row, .n_rows = 1}, back;
    assert_int_equal(record_encode(&metric_rows_schema, &rows, &rig->buf), OK);
    assert_int_equal(
        record_decode(&metric_rows_schema, buf_bytes(&rig->buf), &rig->arena, &back, NULL), OK);
    assert_true(back.rows[0].values[1] == 0.9);
    row.n_values = 1;
    assert_int_equal(record_encode(&metric_rows_schema, &rows, &rig->buf), ERR_INVALID);
    /* names: [a], rows: [{values: []}] */
    struct bytes hostile = {(const uint8_t *)"\x82\x01\x91\xa1"
                                             "a\x02\x91\x80",
                            8};
    assert_int_equal(
        schema_decode(&metric_rows_schema, hostile, true, &rig->arena, &back, &rig->report),
        ERR_INVALID);
    struct record_task task = {
        .metric_names = names, .n_metric_names = 2, .last_values = values, .n_last_values = 1};
    assert_int_equal(schema_validate(&record_task_schema, &task, NULL), ERR_INVALID);
}

/* ---- frames ---- */

static void test_message_frame_round_trip(void **state)
{
    struct rig *rig = *state;
    struct msg_ack ack = {.incarnation = 9, .applied = 12};
    message_type type = 0;
    void *message = NULL;
    assert_int_equal(message_encode(MSG_ACK, &ack, &rig->buf), OK);
    assert_memory_equal(rig->buf.data, "mu\x01\x14", 4);
    assert_int_equal(message_decode(buf_bytes(&rig->buf), &rig->arena, &type, &message, NULL), OK);
    assert_int_equal(type, MSG_ACK);
    assert_int_equal(((struct msg_ack *)message)->applied, 12);
    assert_int_equal(message_encode((message_type)99, &ack, &rig->buf), ERR_INVALID);
}

static void test_message_frames_of_others_are_refused(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *bytes;
        size_t n;
        error_code error;
    } rows[] = {
        {"", 0, ERR_PROTOCOL},
        {"mu\x01", 3, ERR_PROTOCOL},
        {"mx\x01\x14\x80", 5, ERR_PROTOCOL},
        {"mu\x02\x14\x80", 5, ERR_PROTOCOL},
        {"mu\x00\x14\x80", 5, ERR_PROTOCOL},
        {"mu\x01\xff\x80", 5, ERR_PROTOCOL},
        {"mu\x01\x14", 4, ERR_FORMAT},
        {"mu\x01\x14\x80", 5, OK},
        {"mu\x01\x14\x80\x80", 6, ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        message_type type = MSG_LEASE;
        void *message = rig;
        error_code error = message_decode((struct bytes){(const uint8_t *)rows[i].bytes, rows[i].n},
                                          &rig->arena, &type, &message, &rig->report);
        assert_int_equal(error, rows[i].error);
        assert_int_equal(message != rig, error == OK); /* written on success only */
    }
    uint8_t *large = mem_zalloc(MSG_MAX_BYTES + 1);
    memcpy(large, "mu\x01\x14", 4);
    message_type type;
    void *message;
    assert_int_equal(message_decode((struct bytes){large, MSG_MAX_BYTES + 1}, &rig->arena, &type,
                                    &message, NULL),
                     ERR_LIMIT);
    mem_free(large);
}

static void test_message_names_and_tables(void **state)
{
    (void)state;
    assert_string_equal(message_name(MSG_ENROL), "MSG_ENROL");
    assert_string_equal(message_name((message_type)77), "?");
    assert_ptr_equal(message_schema(MSG_DROP), &msg_drop_schema);
    assert_null(message_schema((message_type)77));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_begin, rig_end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_encode_leaves_out_what_the_reader_does_not_know),
        TEST(test_decode_unknown_fields_are_skipped_only_when_lenient),
        TEST(test_record_of_a_newer_release_is_refused),
        TEST(test_decode_field_numbers_must_ascend),
        TEST(test_decode_other_types_are_refused),
        TEST(test_decode_larger_than_its_arena_is_a_limit),
        TEST(test_validate_and_encode_refuse_what_a_table_does_not_allow),
        TEST(test_rows_must_have_a_value_for_each_name),
        TEST(test_message_frame_round_trip),
        TEST(test_message_frames_of_others_are_refused),
        TEST(test_message_names_and_tables),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed != 0 ? failed : mem_live_count() != 0;
}
