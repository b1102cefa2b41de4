/* Objects as people and programs see them. */
#include "filler.h"

static void assert_json(const struct schema *schema, const void *object, const char *wanted)
{
    struct buf buf;
    buf_init(&buf, 100000);
    struct json_out out = json_out_to(&buf);
    schema_print_json(schema, object, &out, NULL);
    assert_int_equal(buf.failed, OK);
    assert_string_equal(buf_text(&buf), wanted);
    buf_fini(&buf);
}

static void assert_cell(const struct schema *schema, const char *field, const void *object,
                        const char *wanted)
{
    struct buf buf;
    buf_init(&buf, 1000);
    assert_non_null(schema_field(schema, field));
    assert_int_equal(schema_print_cell(schema_field(schema, field), object, &buf), OK);
    assert_string_equal(buf_text(&buf), wanted);
    buf_fini(&buf);
}

static const struct named_value params[] = {
    {"lr", {.kind = VALUE_REAL, .real = 1e-3}},
    {"layers", {.kind = VALUE_INT, .integer = 2}},
    {"opt", {.kind = VALUE_STR, .str = "adam\"w"}},
};
static const struct named_value metrics[] = {{"loss", {.kind = VALUE_REAL, .real = NAN}}};
static const char *const gpus[] = {"GPU-1", "GPU-2"};

static struct api_trial trial_make(void)
{
    return (struct api_trial){
        .id = {12, 41},
        .sweep = 12,
        .state = TASK_RUNNING,
        .step = 3,
        .milestone = -1,
        .params = params,
        .n_params = 3,
        .attempts = 1,
        .last = {.step = 3, .time = 1500, .metrics = metrics, .n_metrics = 1},
        .best = {.step = -1},
        .summary = NAN,
        .node = "n1",
        .gpus = gpus,
        .n_gpus = 2,
        .checkpoint = "",
        .checkpoint_step = -1,
        .safe_step = -1,
        .created = 1000,
    };
}

static void test_json_of_a_running_trial(void **state)
{
    (void)state;
    struct api_trial trial = trial_make();
    assert_json(
        &api_trial_schema, &trial,
        "{\"id\":\"12.41\",\"sweep\":12,\"state\":\"running\",\"outcome\":\"\",\"why\":\"\","
        "\"reason\":null,\"step\":3,\"milestone\":null,"
        "\"params\":{\"lr\":0.001,\"layers\":2,\"opt\":\"adam\\\"w\"},\"attempts\":1,"
        "\"failures\":0,\"lost\":0,"
        "\"last\":{\"step\":3,\"time\":\"1970-01-01T00:00:01.500Z\",\"metrics\":{\"loss\":\"nan\"}}"
        ","
        "\"best\":null,\"node\":\"n1\",\"pid\":0,\"gpus\":[\"GPU-1\",\"GPU-2\"],"
        "\"exit_code\":0,\"signal\":0,\"checkpoint\":\"\",\"checkpoint_step\":null,"
        "\"created\":\"1970-01-01T00:00:01.000Z\",\"started\":null,\"ended\":null,"
        "\"checkpoint_node\":null,\"failure\":null,\"safe_node\":null,\"safe_step\":null,"
        "\"summary\":null,\"checkpoints\":[],\"nodes\":[],\"dry\":false}");
}

static void test_json_of_a_sweep_without_a_best_trial(void **state)
{
    (void)state;
    struct api_sweep sweep = {
        .id = 3, .best_value = NAN, .best_step = -1, .age = 61500, .seed = 1ULL << 53};
    struct buf buf;
    buf_init(&buf, 10000);
    struct json_out out = json_out_to(&buf);
    json_object_begin(&out, NULL);
    schema_print_json(&api_sweep_schema, &sweep, &out, "sweep");
    json_object_end(&out);
    const char *json = buf_text(&buf);
    assert_int_equal(strncmp(json, "{\"sweep\":{\"id\":3,", 17), 0);
    assert_non_null(
        strstr(json, "\"best\":null,\"best_value\":null,\"best_step\":null,\"best_params\":{}"));
    assert_non_null(strstr(json, "\"age\":61.5,"));
    assert_non_null(strstr(json, "\"seed\":9007199254740992,"));
    assert_non_null(strstr(json, "\"labels\":[],\"state\":\"running\""));
    buf_fini(&buf);
}

static void test_json_of_an_event_carries_json(void **state)
{
    (void)state;
    struct api_event event = {
        .kind = "task", .time = 1, .subject = "12.41", .text = "it ended", .data = "{\"a\":1}"};
    assert_json(&api_event_schema, &event,
                "{\"kind\":\"task\",\"time\":\"1970-01-01T00:00:00.001Z\",\"subject\":\"12.41\","
                "\"text\":\"it ended\",\"data\":{\"a\":1}}");
    event.data = NULL;
    event.time = 0;
    assert_json(&api_event_schema, &event,
                "{\"kind\":\"task\",\"time\":null,\"subject\":\"12.41\",\"text\":\"it "
                "ended\",\"data\":null}");
}

static void test_json_of_bytes_is_base64(void **state)
{
    (void)state;
    static const char *const wanted[] = {"", "AA==", "AP8=", "AP8Q", "AP8Q+w==", "AP8Q+78="};
    static const uint8_t bytes[] = {0x00, 0xff, 0x10, 0xfb, 0xbf};
    for (size_t n = 0; n <= sizeof bytes; n++) {
        struct attempt_result result = {.out_tail = {bytes, n}};
        struct record_attempt record = {.result = result};
        struct buf buf;
        char part[64];
        buf_init(&buf, 10000);
        struct json_out out = json_out_to(&buf);
        schema_print_json(&record_attempt_schema, &record, &out, NULL);
        assert_true(snprintf(part, sizeof part, "\"out_tail\":\"%s\"", wanted[n]) > 0);
        assert_non_null(strstr(buf_text(&buf), part));
        buf_fini(&buf);
    }
}

static void test_json_past_the_limit_fails_the_buffer(void **state)
{
    (void)state;
    struct api_trial trial = trial_make();
    for (size_t max = 0; max < 100; max++) {
        struct buf buf;
        buf_init(&buf, max);
        struct json_out out = json_out_to(&buf);
        schema_print_json(&api_trial_schema, &trial, &out, NULL);
        assert_int_equal(buf.failed, ERR_LIMIT);
        buf_fini(&buf);
    }
}

static void test_cells_of_a_table(void **state)
{
    (void)state;
    struct api_trial trial = trial_make();
    assert_cell(&api_trial_schema, "id", &trial, "12.41");
    assert_cell(&api_trial_schema, "state", &trial, "running");
    assert_cell(&api_trial_schema, "outcome", &trial, "");
    assert_cell(&api_trial_schema, "reason", &trial, "");
    assert_cell(&api_trial_schema, "milestone", &trial, "");
    assert_cell(&api_trial_schema, "step", &trial, "3");
    assert_cell(&api_trial_schema, "params", &trial, "lr=0.001 layers=2 opt=adam\"w");
    assert_cell(&api_trial_schema, "gpus", &trial, "GPU-1,GPU-2");
    assert_cell(&api_trial_schema, "best", &trial, "");
    assert_cell(
        &api_trial_schema, "last", &trial,
        "{\"step\":3,\"time\":\"1970-01-01T00:00:01.500Z\",\"metrics\":{\"loss\":\"nan\"}}");
    assert_cell(&api_trial_schema, "created", &trial, "1970-01-01T00:00:01.000Z");
    assert_cell(&api_trial_schema, "ended", &trial, "");
    struct api_node node = {.cordoned = true, .cpus = 2, .heard = 2000};
    assert_cell(&api_node_schema, "cordoned", &node, "true");
    assert_cell(&api_node_schema, "cpus", &node, "2.0");
    assert_cell(&api_node_schema, "heard", &node, "2");
    struct api_sweep sweep = {.best_value = NAN};
    assert_cell(&api_sweep_schema, "best_value", &sweep, "");
    assert_cell(&api_sweep_schema, "best", &sweep, "");
    static const double values[] = {0.5, -INFINITY};
    static const struct value choices[] = {{.kind = VALUE_BOOL, .boolean = true},
                                           {.kind = VALUE_INT, .integer = 3}};
    struct record_task task = {
        .last_values = values, .n_last_values = 2, .params = choices, .n_params = 2};
    assert_cell(&record_task_schema, "last_values", &task, "0.5,-inf");
    assert_cell(&record_task_schema, "params", &task, "True,3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_of_a_running_trial),
        cmocka_unit_test(test_json_of_a_sweep_without_a_best_trial),
        cmocka_unit_test(test_json_of_an_event_carries_json),
        cmocka_unit_test(test_json_of_bytes_is_base64),
        cmocka_unit_test(test_json_past_the_limit_fails_the_buffer),
        cmocka_unit_test(test_cells_of_a_table),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed != 0 ? failed : mem_live_count() != 0;
}
