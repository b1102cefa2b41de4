/* A row of a task that ended well: its bytes are fixed, whatever machine wrote them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/result_rows.h"
#include "schema/schema.h"

static void test_result_row_written_has_the_documented_bytes(void **state)
{
    (void)state;
    const struct result_row row = {
        .id = 0x01020304,
        .attempt = 5,
        .node = 6,
        .exit_code = 0x0708,
        .flags = RESULT_ROW_DRY,
        .started_at = 0x1122334455667788,
        .duration_us = 9,
    };
    const uint8_t wanted[RESULT_ROW_BYTES] = {4,    3,    2,    1,    5,    0,    0, 0,    6,
                                              0,    0,    0,    8,    7,    1,    0, 0x88, 0x77,
                                              0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 9};
    uint8_t bytes[RESULT_ROW_BYTES];
    result_row_write(&row, bytes);
    assert_memory_equal(bytes, wanted, sizeof wanted);
}

static void test_result_row_read_is_what_was_written(void **state)
{
    (void)state;
    const struct result_row row = {
        .id = UINT32_MAX,
        .attempt = UINT32_MAX - 1,
        .node = UINT32_MAX - 2,
        .exit_code = UINT16_MAX,
        .flags = UINT16_MAX,
        .started_at = 1800000000000,
        .duration_us = UINT64_C(400) * 365 * 86400 * 1000000,
    };
    uint8_t bytes[RESULT_ROW_BYTES];
    struct result_row back;
    result_row_write(&row, bytes);
    result_row_read(bytes, &back);
    assert_int_equal(back.id, row.id);
    assert_int_equal(back.attempt, row.attempt);
    assert_int_equal(back.node, row.node);
    assert_int_equal(back.exit_code, row.exit_code);
    assert_int_equal(back.flags, row.flags);
    assert_true(back.started_at == row.started_at && back.duration_us == row.duration_us);
}

static void test_result_row_read_bounds_times_to_what_a_record_holds(void **state)
{
    (void)state;
    static const time_ms starts[] = {INT64_MIN, -1, 0, SCHEMA_TIME_MAX, INT64_MAX};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        const struct result_row row = {.started_at = starts[i], .duration_us = UINT64_MAX};
        uint8_t bytes[RESULT_ROW_BYTES];
        struct result_row back;
        result_row_write(&row, bytes);
        result_row_read(bytes, &back);
        assert_true(back.started_at >= 0 && back.started_at <= result_row_ended(&back));
        assert_true(result_row_ended(&back) <= SCHEMA_TIME_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_result_row_written_has_the_documented_bytes),
        cmocka_unit_test(test_result_row_read_is_what_was_written),
        cmocka_unit_test(test_result_row_read_bounds_times_to_what_a_record_holds),
    };
    return cmocka_run_group_tests_name("schema/result_rows", tests, NULL, NULL);
}
