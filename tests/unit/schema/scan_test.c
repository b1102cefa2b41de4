/* Hostile headers: a few bytes that claim much must cost nothing. */
#include "filler.h"

/* Exactly these bytes on the heap, so that a read behind them is seen. */
static error_code scan(const void *bytes, size_t n)
{
    uint8_t *copy = mem_alloc(n);
    struct report report = {0};
    memcpy(copy, bytes, n);
    error_code error = schema_scan((struct bytes){copy, n}, &report);
    assert_int_equal(report.code, error);
    mem_free(copy);
    return error;
}

static void test_scan_counts_past_the_bytes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
    } rows[] = {
        {"\xdd\x10\x00\x00\x00", 5}, /* array of 2^28: msgpack-c would reserve 8 GiB */
        {"\xdf\xff\xff\xff\xff", 5}, /* map of 2^32 - 1 */
        {"\xdf\x80\x00\x00\x00", 5}, /* twice the count is 2^32 */
        {"\xdc\xff\xff", 3},         /* array of 65535 */
        {"\xde\xff\xff", 3},         /* map */
        {"\x9f", 1},
        {"\x8f", 1},
        {"\x81\x01", 2},
        {"\x91", 1},
        {"\xc6\xff\xff\xff\xff", 5}, /* bin of 4 GiB */
        {"\xdb\xff\xff\xff\xff"
         "a",
         6}, /* str of 4 GiB */
        {"\xd9\x02"
         "a",
         3}, /* str of 2 with 1 */
        {"\xa2"
         "a",
         2},
        {"\xbf", 1},
        {"\xc4", 1},
        {"\xc5\x00", 2},
        {"\xda", 1},
        {"\xdd\x00", 2},
        {"\xca\x00", 2},
        {"\xcb\x00\x00\x00\x00\x00\x00\x00", 8},
        {"\xcc", 1},
        {"\xcf\x00", 2},
        {"\xd3", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(scan(rows[i].bytes, rows[i].n), ERR_FORMAT);
    }
    assert_int_equal(schema_scan((struct bytes){NULL, 0}, NULL), ERR_FORMAT);
}

static void test_scan_types_that_we_never_write_are_refused(void **state)
{
    (void)state;
    assert_int_equal(scan("\xc1", 1), ERR_FORMAT);
    assert_int_equal(scan("\xc7\x00\x01", 3), ERR_FORMAT); /* ext */
    assert_int_equal(scan("\xd4\x01\x00", 3), ERR_FORMAT); /* fixext 1 */
    assert_int_equal(scan("\x80\x80", 2), ERR_FORMAT);     /* two values */
}

static void test_scan_every_scalar_is_taken_whole(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
    } rows[] = {
        {"\x00", 1},
        {"\x7f", 1},
        {"\xe0", 1},
        {"\xff", 1},
        {"\xc0", 1},
        {"\xc2", 1},
        {"\xc3", 1},
        {"\xcc\x01", 2},
        {"\xcd\x01\x02", 3},
        {"\xce\1\2\3\4", 5},
        {"\xcf\1\2\3\4\5\6\7\0", 9},
        {"\xd0\x01", 2},
        {"\xd1\x01\x02", 3},
        {"\xd2\1\2\3\4", 5},
        {"\xd3\1\2\3\4\5\6\7\0", 9},
        {"\xca\1\2\3\4", 5},
        {"\xcb\1\2\3\4\5\6\7\0", 9},
        {"\xa0", 1},
        {"\xa1"
         "a",
         2},
        {"\xd9\x01"
         "a",
         3},
        {"\xda\x00\x01"
         "a",
         4},
        {"\xdb\0\0\0\1"
         "a",
         6},
        {"\xc4\x01"
         "a",
         3},
        {"\xc5\x00\x01"
         "a",
         4},
        {"\xc6\0\0\0\1"
         "a",
         6},
        {"\x91\xc0", 2},
        {"\xdc\x00\x01\xc0", 4},
        {"\xdd\0\0\0\1\xc0", 6},
        {"\x81\x01\xc0", 3},
        {"\xde\x00\x01\x01\xc0", 5},
        {"\xdf\0\0\0\1\x01\xc0", 7},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(scan(rows[i].bytes, rows[i].n), OK);
        assert_int_equal(scan(rows[i].bytes, rows[i].n - 1), ERR_FORMAT);
    }
}

static void test_scan_depth_bombs_are_refused(void **state)
{
    (void)state;
    uint8_t bomb[1 << 16];
    static const uint8_t nests[] = {0x91, 0x81};
    for (size_t k = 0; k < 2; k++) {
        memset(bomb, nests[k], sizeof bomb);
        assert_int_equal(scan(bomb, sizeof bomb), ERR_LIMIT);
        if (nests[k] == 0x91) {
            bomb[SCHEMA_DEPTH_MAX] = 0xc0;
            assert_int_equal(scan(bomb, SCHEMA_DEPTH_MAX + 1), OK);
            bomb[SCHEMA_DEPTH_MAX] = 0x90;
            assert_int_equal(scan(bomb, SCHEMA_DEPTH_MAX + 1), ERR_LIMIT);
        }
    }
}

static void test_scan_many_small_values_have_a_limit(void **state)
{
    (void)state;
    size_t n = SCHEMA_NODES_MAX;
    uint8_t *bytes = mem_zalloc(5 + n);
    bytes[0] = 0xdd;
    for (uint32_t more = 0; more < 2; more++) {
        uint32_t count = (uint32_t)n - 1 + more; /* and the array itself */
        for (int i = 0; i < 4; i++) {
            bytes[1 + i] = (uint8_t)(count >> (24 - 8 * i));
        }
        memset(bytes + 5, 0xc0, n);
        assert_int_equal(scan(bytes, 5 + count), more == 0 ? OK : ERR_LIMIT);
    }
    mem_free(bytes);
}

/* A million empty items would be a million structs: the table's count comes before the memory. */
static void test_decode_of_counts_past_the_table_allocates_nothing(void **state)
{
    (void)state;
    size_t n = 300000;
    uint8_t *bytes = mem_zalloc(7 + n);
    memcpy(bytes, "\x81\x0d\xdd", 3); /* enrol.labels */
    for (int i = 0; i < 4; i++) {
        bytes[3 + i] = (uint8_t)(n >> (24 - 8 * i));
    }
    memset(bytes + 7, 0x80, n);
    struct arena arena;
    struct msg_enrol enrol;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    int64_t before = mem_live_count();
    assert_int_equal(
        schema_decode(&msg_enrol_schema, (struct bytes){bytes, 7 + n}, true, &arena, &enrol, NULL),
        ERR_LIMIT);
    assert_int_equal(mem_live_count(), before);
    assert_int_equal(arena.used, 0);
    mem_free(bytes);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan_counts_past_the_bytes_are_refused),
        cmocka_unit_test(test_scan_types_that_we_never_write_are_refused),
        cmocka_unit_test(test_scan_every_scalar_is_taken_whole),
        cmocka_unit_test(test_scan_depth_bombs_are_refused),
        cmocka_unit_test(test_scan_many_small_values_have_a_limit),
        cmocka_unit_test(test_decode_of_counts_past_the_table_allocates_nothing),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed != 0 ? failed : mem_live_count() != 0;
}
