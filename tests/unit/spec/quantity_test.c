#include "rig.h"

#include "spec/quantity.h"

static void test_quantity_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } rows[] = {
        {"100ms", 100},
        {"10s", 10000},
        {"5m", 300000},
        {"12h", 43200000},
        {"1d", 86400000},
        {"1.5h", 5400000},
        {"10", 10000},
        {"0.25", 250},
        {"0", 0},
        {"0s", 0},
        {"1e3s", 1000000},
        {"1.s", 1000},
        {"3650d", 315360000000},
        {"3651d", -1},
        {"1e999", -1},
        {"-1s", -1},
        {"", -1},
        {"s", -1},
        {"1 s", -1},
        {"1S", -1},
        {"1h30m", -1},
        {"1e", -1},
        {"1es", -1},
        {".5s", -1},
        {"0x10", -1},
        {"inf", -1},
        {"nan", -1},
        {"0.1ms", -1},
        {"1ss", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t ms = -1;
        struct report report = {0};
        error_code code = spec_duration_parse(rows[i].text, &ms, &report);
        assert_int_equal(code, rows[i].ms < 0 ? ERR_INVALID : OK);
        assert_int_equal(ms, rows[i].ms);
        assert_int_equal(report.text[0] != '\0', code != OK);
    }
}

static void test_quantity_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes; /* -1: refused */
    } rows[] = {
        {"64K", 65536}, {"1M", 1 << 20}, {"20G", 20LL << 30},  {"2T", 2LL << 40}, {"1.5K", 1536},
        {"123", 123},   {"0", 0},        {"8192T", 1LL << 53}, {"8193T", -1},     {"1KB", -1},
        {"1k", -1},     {"-1", -1},      {"1 M", -1},          {"", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t bytes = UINT64_MAX;
        assert_int_equal(spec_size_parse(rows[i].text, &bytes, NULL),
                         rows[i].bytes < 0 ? ERR_INVALID : OK);
        assert_int_equal(bytes, (uint64_t)rows[i].bytes);
    }
}

static void test_quantity_amounts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        amount parts; /* -1: refused */
    } rows[] = {
        {"1", 10000},
        {"0.5", 5000},
        {"0.0001", 1},
        {"0.3", 3000},
        {"0", 0},
        {"2.0", 20000},
        {"999999.9999", 9999999999},
        {"1000000", 10000000000},
        {"1000001", -1},
        {"0.00001", -1},
        {"0.33333", -1},
        {"1e-10", -1},
        {"-1", -1},
        {"1K", -1},
        {"one", -1},
        {"", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        amount parts = -1;
        assert_int_equal(spec_amount_parse(rows[i].text, &parts, NULL),
                         rows[i].parts < 0 ? ERR_INVALID : OK);
        assert_int_equal(parts, rows[i].parts);
    }
}

/* Whatever is printed reads back as the same number. */
static void test_quantity_print_then_parse_gives_the_same(void **state)
{
    (void)state;
    static const int64_t numbers[] = {0,     1,     999,       1000,       1024,      3000,
                                      59999, 60000, 86400000,  90061001,   65536,     (1 << 20) + 1,
                                      12345, 5000,  1LL << 40, 9999999999, 3600000000};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char text[QUANTITY_TEXT_MAX];
        int64_t ms;
        uint64_t bytes;
        amount parts;
        quantity_duration_print(numbers[i] % 315360000001, text);
        assert_int_equal(spec_duration_parse(text, &ms, NULL), OK);
        assert_int_equal(ms, numbers[i] % 315360000001);
        quantity_size_print(numbers[i], text);
        assert_int_equal(spec_size_parse(text, &bytes, NULL), OK);
        assert_int_equal(bytes, numbers[i]);
        quantity_amount_print(numbers[i] % 10000000001, text);
        assert_int_equal(spec_amount_parse(text, &parts, NULL), OK);
        assert_int_equal(parts, numbers[i] % 10000000001);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantity_durations),
        cmocka_unit_test(test_quantity_sizes),
        cmocka_unit_test(test_quantity_amounts),
        cmocka_unit_test(test_quantity_print_then_parse_gives_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
