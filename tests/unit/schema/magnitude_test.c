/* Times, and spans that are added to times, have a bound: sums of them stay numbers. */
#include "filler.h"

static error_code lease_round(int64_t silent_ms)
{
    struct msg_lease lease = {.task = {1, 1}, .timeout_silent_ms = silent_ms};
    struct buf frame;
    buf_init(&frame, MSG_MAX_BYTES);
    error_code error = message_encode(MSG_LEASE, &lease, &frame);
    buf_fini(&frame);
    return error;
}

static void test_magnitude_span_at_the_bound_is_encoded(void **state)
{
    (void)state;
    assert_int_equal(lease_round(SCHEMA_TIME_MAX), OK);
    assert_int_equal(lease_round(-SCHEMA_TIME_MAX), OK);
}

static void test_magnitude_span_beyond_the_bound_is_refused(void **state)
{
    (void)state;
    assert_int_equal(lease_round(SCHEMA_TIME_MAX + 1), ERR_LIMIT);
    assert_int_equal(lease_round(INT64_MAX), ERR_LIMIT);
    assert_int_equal(lease_round(INT64_MIN), ERR_LIMIT);
}

/* What another program sends is not what our encoder would. */
static error_code welcome_decode(const uint8_t number[8])
{
    uint8_t frame[4 + 2 + 9] = {'m', 'u', PROTOCOL_VERSION, MSG_WELCOME, 0x81, 4, 0xcf};
    struct arena arena;
    struct report report = {0};
    message_type type;
    void *message;
    memcpy(frame + 7, number, 8);
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    error_code error =
        message_decode((struct bytes){frame, sizeof frame}, &arena, &type, &message, &report);
    assert_true(error == OK || strstr(report.text, "heartbeat_ms") != NULL);
    arena_fini(&arena);
    return error;
}

static void test_magnitude_span_of_a_frame_beyond_the_bound_is_refused(void **state)
{
    (void)state;
    assert_int_equal(welcome_decode((const uint8_t[8]){0, 0, 0, 0, 0, 0, 3, 0xe8}), OK);
    assert_int_equal(
        welcome_decode((const uint8_t[8]){0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}),
        ERR_LIMIT);
}

static void test_magnitude_time_beyond_the_bound_is_refused(void **state)
{
    (void)state;
    struct record_user user = {.name = "me", .hash = "h", .created = 1, .expires = INT64_MAX};
    struct report report = {0};
    assert_int_equal(schema_validate(&record_user_schema, &user, &report), ERR_LIMIT);
    assert_non_null(strstr(report.text, "expires"));
    user.expires = SCHEMA_TIME_MAX;
    assert_int_equal(schema_validate(&record_user_schema, &user, &report), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_magnitude_span_at_the_bound_is_encoded),
        cmocka_unit_test(test_magnitude_span_beyond_the_bound_is_refused),
        cmocka_unit_test(test_magnitude_span_of_a_frame_beyond_the_bound_is_refused),
        cmocka_unit_test(test_magnitude_time_beyond_the_bound_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
