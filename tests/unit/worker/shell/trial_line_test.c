/* One line of a trainer: a table of what it may say and what it is told where it may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/shell/trial_line.h"

static struct trial_line line;

static const struct trainer_request *decode(const char *text)
{
    trial_line_fini(&line);
    trial_line_decode((struct bytes){(const uint8_t *)text, strlen(text)}, &line);
    return &line.request;
}

static void test_line_is_a_request_all_of_it_is_read(void **state)
{
    (void)state;
    const struct trainer_request *request =
        decode("{\"hello\":1,\"can\":[\"checkpoint\",\"pause\",\"fly\"]}");
    assert_int_equal(request->kind, TRAINER_HELLO);
    assert_int_equal(request->can, CAN_CHECKPOINT | CAN_PAUSE);
    request = decode("{\"report\":{\"step\":27,\"m\":{\"val_loss\":0.231,\"acc\":1,\"ok\":true}}}");
    assert_int_equal(request->kind, TRAINER_REPORT);
    assert_int_equal(request->step, 27);
    assert_int_equal(request->n_metrics, 3);
    assert_string_equal(request->names[0], "val_loss");
    assert_true(request->values[0] == 0.231);
    assert_string_equal(request->names[1], "acc");
    assert_true(request->values[1] == 1);
    assert_true(request->values[2] == 1);
    assert_int_equal(decode("{\"save\":{\"step\":3}}")->kind, TRAINER_SAVE);
    assert_int_equal(decode("{\"commit\":{\"step\":4.0}}")->kind, TRAINER_COMMIT);
    assert_int_equal(line.request.step, 4);
    assert_int_equal(decode("{\"exploit\":1}")->kind, TRAINER_EXPLOIT);
    request = decode("{\"bye\":\"invalid\",\"note\":\"lr too high\"}");
    assert_int_equal(request->kind, TRAINER_BYE);
    assert_int_equal(request->bye, BYE_INVALID);
    assert_string_equal(request->note, "lr too high");
    trial_line_fini(&line);
}

static void test_line_has_numbers_that_json_has_not_they_are_taken(void **state)
{
    (void)state;
    const struct trainer_request *request =
        decode("{\"report\":{\"step\":1,\"m\":{\"a\":NaN,\"b\":Infinity,\"c\":-Infinity,\"d\":nan,"
               "\"e\":-inf,\"f\":\"nan\",\"g\":\"inf\",\"h\":\"-inf\",\"NaN\":2}}}");
    assert_int_equal(request->kind, TRAINER_REPORT);
    assert_int_equal(request->n_metrics, 9);
    assert_true(isnan(request->values[0]) && isnan(request->values[3]) &&
                isnan(request->values[5]));
    assert_true(isinf(request->values[1]) && request->values[1] > 0);
    assert_true(isinf(request->values[2]) && request->values[2] < 0);
    assert_true(isinf(request->values[4]) && request->values[4] < 0);
    assert_true(isinf(request->values[6]) && request->values[6] > 0);
    assert_true(isinf(request->values[7]) && request->values[7] < 0);
    assert_string_equal(request->names[8], "NaN");
    assert_true(request->values[8] == 2);
    trial_line_fini(&line);
}

static void test_line_has_words_inside_strings_they_stay(void **state)
{
    (void)state;
    const struct trainer_request *request =
        decode("{\"bye\":\"error\",\"note\":\"loss is NaN, \\\"Infinity\\\" at -inf\",\"x\":NaN}");
    assert_int_equal(request->kind, TRAINER_BYE);
    assert_string_equal(request->note, "loss is NaN, \"Infinity\" at -inf");
    trial_line_fini(&line);
}

static void test_line_cannot_be_understood_the_answer_says_why(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"", "bad_json"},
        {"garbage", "bad_json"},
        {"\x80\xff\x01", "bad_json"},
        {"{\"report\":", "bad_json"},
        {"[1,2]", "bad_json"},
        {"3", "bad_json"},
        {"{\"dance\":1}", "bad_json"},
        {"{\"report\":{\"m\":{\"a\":1}}}", "bad_json"},
        {"{\"report\":{\"step\":\"3\",\"m\":{\"a\":1}}}", "bad_json"},
        {"{\"report\":{\"step\":1.5,\"m\":{\"a\":1}}}", "bad_json"},
        {"{\"report\":{\"step\":1e300,\"m\":{\"a\":1}}}", "bad_json"},
        {"{\"report\":{\"step\":99999999999999999999,\"m\":{\"a\":1}}}", "bad_json"},
        {"{\"report\":{\"step\":1}}", "bad_json"},
        {"{\"report\":{\"step\":1,\"m\":{\"a\":\"big\"}}}", "bad_json"},
        {"{\"report\":{\"step\":1,\"m\":{\"a\":null}}}", "bad_json"},
        {"{\"report\":{\"step\":1,\"m\":{\"\":1}}}", "bad_name"},
        {"{\"report\":{\"step\":1,\"m\":{\"a\\nb\":1}}}", "bad_name"},
        {"{\"report\":{\"step\":1,\"step\":2,\"m\":{}}}", "bad_json"},
        {"{\"save\":1}", "bad_json"},
        {"{\"bye\":\"maybe\"}", "bad_json"},
        {"{\"bye\":7}", "bad_json"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct trainer_request *request = decode(cases[i].text);
        if (request->kind != TRAINER_BAD || strcmp(request->error, cases[i].error) != 0 ||
            request->error_text[0] == '\0') {
            fail_msg("'%s' was taken, or answered otherwise", cases[i].text);
        }
    }
    trial_line_fini(&line);
}

static void test_line_has_too_much_it_is_refused(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 20);
    assert_int_equal(buf_append_text(&text, "{\"report\":{\"step\":1,\"m\":{\"a\":1"), OK);
    for (int i = 0; i < METRICS_MAX; i++) {
        assert_int_equal(buf_printf(&text, ",\"m%d\":1", i), OK);
    }
    assert_int_equal(buf_append_text(&text, "}}}"), OK);
    assert_string_equal(decode(buf_text(&text))->error, "too_long");
    buf_reset(&text);
    assert_int_equal(
        buf_printf(&text, "{\"report\":{\"step\":1,\"m\":{\"%0*d\":1}}}", METRIC_NAME_MAX + 1, 1),
        OK);
    assert_string_equal(decode(buf_text(&text))->error, "bad_name");
    buf_reset(&text);
    for (int i = 0; i <= TRIAL_LINE_MAX_BYTES; i++) {
        assert_int_equal(buf_append_byte(&text, ' '), OK);
    }
    assert_string_equal(decode(buf_text(&text))->error, "too_long");
    /* Brackets without end: no stack is lost on them. */
    buf_reset(&text);
    for (int i = 0; i < TRIAL_LINE_MAX_BYTES; i++) {
        assert_int_equal(buf_append_byte(&text, '['), OK);
    }
    assert_string_equal(decode(buf_text(&text))->error, "bad_json");
    buf_reset(&text);
    assert_int_equal(buf_printf(&text, "{\"bye\":\"error\",\"note\":\"%*d\"}", 5000, 1), OK);
    assert_int_equal(decode(buf_text(&text))->kind, TRAINER_BYE);
    assert_int_equal(strlen(line.request.note), NOTE_MAX_BYTES);
    buf_fini(&text);
    trial_line_fini(&line);
}

/* A report in the plain form is read without a tree; behind a key that says nothing it is read with
 * one. Both must say the same, of right and of wrong ones. */
static void line_both_ways(const char *body)
{
    static struct trial_line with_tree;
    char text[2048];
    snprintf(text, sizeof text, "{\"x\":0,\"report\":%s}", body);
    trial_line_decode((struct bytes){(const uint8_t *)text, strlen(text)}, &with_tree);
    snprintf(text, sizeof text, "{\"report\":%s}", body);
    const struct trainer_request *plain = decode(text), *tree = &with_tree.request;
    assert_int_equal(plain->kind, tree->kind);
    assert_int_equal(plain->step, tree->step);
    assert_int_equal(plain->n_metrics, tree->n_metrics);
    for (uint32_t i = 0; i < plain->n_metrics; i++) {
        assert_string_equal(plain->names[i], tree->names[i]);
        assert_memory_equal(&plain->values[i], &tree->values[i], sizeof(double));
    }
    if (plain->kind == TRAINER_BAD) {
        assert_string_equal(plain->error, tree->error);
    }
    trial_line_fini(&with_tree);
}

static void test_line_is_a_plain_report_it_is_read_as_any_other(void **state)
{
    static const char *const numbers[] = {
        "0",
        "-0",
        "7",
        "-12",
        "0.5",
        "-0.0",
        "1e3",
        "2E-7",
        "1.25e+10",
        "01",
        "-",
        "+1",
        ".5",
        "5.",
        "1e",
        "1e+",
        "0x10",
        "1e999",
        "-1e999",
        "1e-400",
        "123456789012345678",
        "1234567890123456789",
        "9223372036854775808",
        "0.23100000000000001",
        "1 2",
        "true",
        "null",
        "\"inf\"",
        "NaN",
        "",
        "[1]",
        "4.9406564584124654e-324",
    };
    static const char *const bodies[] = {
        "{\"step\":1,\"m\":{}}",
        "{ \"step\" : 1 , \"m\" : { \"a\" : 2 , \"b\" : 3.5 } }",
        "{\"step\":1,\"m\":{\"a\":1,\"a\":2}}",
        "{\"step\":1,\"m\":{\"a\\n\":1}}",
        "{\"step\":1,\"m\":{\"\\u0061\":1}}",
        "{\"step\":1,\"m\":{\"\":1}}",
        "{\"step\":1,\"m\":{\"val loss/\xc3\xa4\":1}}",
        "{\"step\":1,\"m\":{\"a\":1}} ",
        "{\"step\":1,\"m\":{\"a\":1},\"t\":3}",
        "{\"step\":1,\"m\":{\"a\":1,}}",
        "{\"step\":1,\"m\":{\"a\":1}},\"y\":{}",
        "{\"m\":{\"a\":1},\"step\":1}",
        "{\"step\":1,\"m\":{\"a\"",
        "{\"step\":1,\"m\":{\"a\":1",
        "{\"step\":1,\"m\":{\"a\":1.5",
    };
    (void)state;
    char body[256];
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        snprintf(body, sizeof body, "{\"step\":3,\"m\":{\"loss\":%s}}", numbers[i]);
        line_both_ways(body);
        snprintf(body, sizeof body, "{\"step\":%s,\"m\":{\"loss\":1}}", numbers[i]);
        line_both_ways(body);
    }
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        line_both_ways(bodies[i]);
    }
    for (int n = 1; n <= 20; n += 19) { /* more metrics than the plain form has */
        char many[1024] = "{\"step\":1,\"m\":{\"first\":0";
        for (int i = 0; i < n; i++) {
            snprintf(many + strlen(many), sizeof many - strlen(many), ",\"m%d\":%d", i, i);
        }
        strcat(many, "}}");
        line_both_ways(many);
    }
    trial_line_fini(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_is_a_request_all_of_it_is_read),
        cmocka_unit_test(test_line_has_numbers_that_json_has_not_they_are_taken),
        cmocka_unit_test(test_line_has_words_inside_strings_they_stay),
        cmocka_unit_test(test_line_cannot_be_understood_the_answer_says_why),
        cmocka_unit_test(test_line_has_too_much_it_is_refused),
        cmocka_unit_test(test_line_is_a_plain_report_it_is_read_as_any_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
