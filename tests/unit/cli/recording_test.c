/* What `sweep export --schedule` wrote is read as it was meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cli/recording.h"

#define HEADER "time,trial,from,from_step,params.lr,params.opt,params.augment.mixup\n"

static void assert_steps(const char *text, const char *steps)
{
    struct report report = {0};
    struct buf buf;
    buf_init(&buf, 1 << 16);
    error_code error = recording_parse(text, strlen(text), &buf, &report);
    if (error != OK || strcmp(buf_text(&buf), steps) != 0) {
        fail_msg("%s\n  want %s\n  have %s (%s)", text, steps, buf_text(&buf), report.text);
    }
    buf_fini(&buf);
}

static void test_csv_rows_become_steps_with_typed_values(void **state)
{
    (void)state;
    assert_steps(HEADER "2026-01-01T00:00:00Z,1.2,,,0.5,sgd,\r\n"
                        "2026-01-01T00:00:01Z,1.1,1.2,4,0.25,\"a,\"\"b\"\"\",3\n",
                 "[{\"step\":0,\"params\":{\"lr\":0.5,\"opt\":\"sgd\"}},"
                 "{\"step\":4,\"params\":{\"lr\":0.25,\"opt\":\"a,\\\"b\\\"\","
                 "\"augment.mixup\":3}}]");
}

static void test_json_items_become_steps(void **state)
{
    (void)state;
    assert_steps("{\"api\": \"v1\", \"items\": [{\"from_step\": null, \"params\": {\"lr\": 1}}, "
                 "{\"from_step\": 8, \"params\": {\"lr\": 0.5}}]}\n",
                 "[{\"step\":0,\"params\":{\"lr\":1}},{\"step\":8,\"params\":{\"lr\":0.5}}]");
}

/* A trial that copied one which had just copied: nothing was trained in between. */
static void test_of_changes_at_one_step_the_last_holds(void **state)
{
    (void)state;
    assert_steps("from_step,params.lr\n,1\n4,2\n4,3\n",
                 "[{\"step\":0,\"params\":{\"lr\":1}},{\"step\":4,\"params\":{\"lr\":3}}]");
}

static void test_other_files_are_refused_with_what_is_missing(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
        uint32_t line;
    } cases[] = {
        {"step,lr\n0,1\n",
         "the csv has no column from_step; write it with `muster sweep export N --schedule --file "
         "FILE`",
         1},
        {"",
         "the csv has no column from_step; write it with `muster sweep export N --schedule "
         "--file FILE`",
         1},
        {"from_step,params.lr\n,1\nfour,2\n", "four is no step", 3},
        {"from_step,params.lr\n,1\n4\n", "1 cells under 2 columns", 3},
        {"{\"api\": \"v1\"}", "the JSON has no list `items`", 0},
        {"{\"items\": [{\"step\": 1}]}", "item 1 has no from_step and params", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct report report = {0};
        struct buf buf;
        buf_init(&buf, 1 << 16);
        assert_int_equal(recording_parse(cases[i].text, strlen(cases[i].text), &buf, &report),
                         ERR_INVALID);
        assert_string_equal(report.text, cases[i].message);
        assert_int_equal(report.line, cases[i].line);
        buf_fini(&buf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv_rows_become_steps_with_typed_values),
        cmocka_unit_test(test_json_items_become_steps),
        cmocka_unit_test(test_of_changes_at_one_step_the_last_holds),
        cmocka_unit_test(test_other_files_are_refused_with_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
