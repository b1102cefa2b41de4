/* The tables themselves: numbers, places, words, and no member forgotten. */
#include "filler.h"

static size_t field_size(const struct field *field)
{
    static const size_t sizes[] = {
        [FIELD_BOOL] = sizeof(bool),
        [FIELD_U32] = 4,
        [FIELD_U64] = 8,
        [FIELD_I64] = 8,
        [FIELD_F64] = 8,
        [FIELD_STR] = 8,
        [FIELD_BYTES] = sizeof(struct bytes),
        [FIELD_ENUM] = 4,
        [FIELD_TIME] = 8,
        [FIELD_SPAN] = 8,
        [FIELD_TASK_ID] = sizeof(task_id),
        [FIELD_LIST] = 8,
        [FIELD_STRS] = 8,
        [FIELD_F64S] = 8,
        [FIELD_VALUE] = sizeof(struct value),
        [FIELD_VALUES] = 8,
        [FIELD_NAMED] = 8,
        [FIELD_JSON] = 8,
    };
    return field->type == FIELD_STRUCT ? field->sub->size_bytes : sizes[field->type];
}

static void assert_table(const struct schema *schema, unsigned depth)
{
    assert_true(depth < SCHEMA_DEPTH_MAX / 2); /* a list of structs nests two deep */
    assert_non_null(schema->name);
    assert_true(schema->n_fields > 0);
    assert_true(schema->since >= 1 && schema->since <= SCHEMA_VERSION);
    for (uint16_t i = 0; i < schema->n_fields; i++) {
        const struct field *field = &schema->fields[i];
        assert_true(field->number > (i == 0 ? 0 : schema->fields[i - 1].number));
        assert_true(field->since >= schema->since && field->since <= SCHEMA_VERSION);
        assert_true(field->offset + field_size(field) <= schema->size_bytes);
        assert_ptr_equal(schema_field(schema, field->name), field);
        assert_ptr_equal(schema_field_by_number(schema, field->number), field);
        bool has_limit = field->type == FIELD_STR || field->type == FIELD_BYTES ||
                         field->type == FIELD_VALUE || field->type == FIELD_JSON ||
                         field->type == FIELD_ENUM || field_is_counted(field);
        assert_true(has_limit == (field->max > 0) || field->type == FIELD_I64);
        for (uint64_t k = 0; field->type == FIELD_ENUM && k < field->max; k++) {
            assert_non_null(field->names[k]);
        }
        if (field->type == FIELD_STRUCT || field->type == FIELD_LIST) {
            assert_table(field->sub, depth + 1);
        }
    }
    assert_null(schema_field(schema, "no such field"));
    assert_null(schema_field_by_number(schema, 0));
    assert_null(schema_field_by_number(schema, 60000));
}

/* Bytes of a struct that no field covers are padding: fewer than 8, and only up to an aligned
 * place. */
static void assert_no_member_forgotten(const struct schema *schema)
{
    uint8_t covered[4096] = {0};
    assert_true(schema->size_bytes <= sizeof covered);
    for (uint16_t i = 0; i < schema->n_fields; i++) {
        const struct field *field = &schema->fields[i];
        for (size_t k = 0; k < field_size(field); k++) {
            assert_int_equal(covered[field->offset + k]++, 0); /* nor two fields on one member */
        }
        for (size_t k = 0; field_is_counted(field) && k < sizeof(uint32_t); k++) {
            assert_int_equal(covered[field->count_offset + k]++, 0);
        }
    }
    size_t gap = 0;
    for (size_t at = 0; at <= schema->size_bytes; at++) {
        if (at < schema->size_bytes && covered[at] == 0) {
            gap++;
            continue;
        }
        if (gap > 0 && !(gap < 4 && at % 4 == 0) && !(gap < 8 && at % 8 == 0)) {
            fail_msg("%s: %zu bytes before offset %zu belong to no field", schema->name, gap, at);
        }
        gap = 0;
    }
}

static void test_tables_are_well_formed(void **state)
{
    (void)state;
    for (int i = 0; i < FILLER_SCHEMAS; i++) {
        assert_table(filler_schemas[i], 0);
    }
}

static void test_tables_cover_their_structs(void **state)
{
    (void)state;
    for (int i = 0; i < FILLER_SCHEMAS; i++) {
        assert_no_member_forgotten(filler_schemas[i]);
        for (uint16_t k = 0; k < filler_schemas[i]->n_fields; k++) {
            const struct schema *sub = filler_schemas[i]->fields[k].sub;
            if (sub != NULL) {
                assert_no_member_forgotten(sub);
            }
        }
    }
}

static void test_words_of_the_enums(void **state)
{
    (void)state;
    assert_string_equal(order_act_names[ACT_GO], "go");
    assert_string_equal(order_act_names[ACT_PAUSE], "pause");
    assert_string_equal(order_why_names[WHY_NONE], "");
    assert_string_equal(order_why_names[WHY_RUNG], "rung");
    assert_string_equal(order_why_names[WHY_CANCEL], "cancel");
    assert_string_equal(order_why_names[WHY_PAUSE], "pause");
    assert_string_equal(event_kind_names[EVENT_STARTED], "started");
    assert_string_equal(event_kind_names[EVENT_RESULT], "result");
    assert_string_equal(event_kind_names[EVENT_DRAINING], "draining");
    assert_string_equal(bye_word_names[BYE_ERROR], "error");
    assert_string_equal(end_cause_names[CAUSE_TIMEOUT_START], "timeout_start");
    assert_string_equal(end_cause_names[CAUSE_LOST], "lost");
    assert_string_equal(end_cause_names[CAUSE_TIMEOUT_RANK], "timeout_rank");
    assert_string_equal(task_state_names[TASK_ENDED], "ended");
    assert_string_equal(task_outcome_names[OUTCOME_SKIPPED], "skipped");
    assert_string_equal(sweep_state_names[SWEEP_CANCELLED], "cancelled");
    assert_string_equal(node_state_names[NODE_GONE], "gone");
    assert_string_equal(log_kind_names[LOG_WALL], "wall");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_are_well_formed),
        cmocka_unit_test(test_tables_cover_their_structs),
        cmocka_unit_test(test_words_of_the_enums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
