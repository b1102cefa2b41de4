#include "rig.h"

#include "lines/tfevents.h"
#include "tfevents_files.h"

struct scalars {
    char text[1024];
    size_t len;
};

static void on_scalar(void *context, const struct tfevents_scalar *scalar)
{
    struct scalars *scalars = context;
    scalars->len +=
        (size_t)snprintf(scalars->text + scalars->len, sizeof scalars->text - scalars->len,
                         "%lld:%s=%g ", (long long)scalar->step, scalar->tag, scalar->value);
    assert_true(scalars->len < sizeof scalars->text);
}

static error_code read_in(const uint8_t *data, size_t size, size_t cut, struct scalars *scalars,
                          uint64_t *ret_bad)
{
    struct tfevents *events;
    error_code error = OK;
    *scalars = (struct scalars){0};
    assert_int_equal(tfevents_new(&events), OK);
    for (size_t at = 0; error == OK && at < size; at += cut) {
        struct bytes bytes = {data + at, size - at < cut ? size - at : cut};
        error = tfevents_feed(events, bytes, on_scalar, scalars);
    }
    *ret_bad = tfevents_bad_records(events);
    tfevents_free(events);
    assert_int_equal(mem_live_count(), 0);
    return error;
}

static void test_tfevents_scalars_of_a_writer_in_any_cut(void **state)
{
    static const size_t cuts[] = {1, 7, 4096};
    (void)state;
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        struct scalars scalars;
        uint64_t n_bad;
        assert_int_equal(read_in(file_scalars, sizeof file_scalars, cuts[i], &scalars, &n_bad), OK);
        assert_string_equal(scalars.text, "1:val/loss=0.5 1:acc=0.25 2:val/loss=nan "
                                          "300:val/loss=0.125 ");
        assert_int_equal(n_bad, 0);
    }
}

static void test_tfevents_tensors_of_one_number_are_scalars(void **state)
{
    struct scalars scalars;
    uint64_t n_bad;
    (void)state;
    assert_int_equal(read_in(file_tensors, sizeof file_tensors, 5, &scalars, &n_bad), OK);
    assert_string_equal(scalars.text, "1:loss=0.5 2:loss=0.25 3:loss=2 4:loss=3 5:loss=7 "
                                      "6:loss=-2 7:loss=1.5 8:loss=3 ");
}

static void test_tfevents_damaged_record_is_left_out_damaged_length_ends_it(void **state)
{
    uint8_t copy[sizeof file_tensors];
    struct scalars scalars;
    uint64_t n_bad;
    (void)state;
    memcpy(copy, file_tensors, sizeof copy);
    copy[20] ^= 1; /* in the first record's data */
    assert_int_equal(read_in(copy, sizeof copy, sizeof copy, &scalars, &n_bad), OK);
    assert_int_equal(n_bad, 1);
    assert_memory_equal(scalars.text, "2:loss=0.25", 11);

    memcpy(copy, file_tensors, sizeof copy);
    copy[1] ^= 1; /* in its length */
    assert_int_equal(read_in(copy, sizeof copy, sizeof copy, &scalars, &n_bad), ERR_FORMAT);
    assert_string_equal(scalars.text, "");
}

static void test_tfevents_half_a_record_waits_for_the_rest(void **state)
{
    struct scalars scalars;
    uint64_t n_bad;
    (void)state;
    assert_int_equal(read_in(file_tensors, sizeof file_tensors - 1, 64, &scalars, &n_bad), OK);
    assert_int_equal(n_bad, 0);
    assert_null(strstr(scalars.text, "10:"));
}

static void test_tfevents_crc32c_is_castagnolis(void **state)
{
    (void)state;
    assert_int_equal(tfevents_crc32c((struct bytes){(const uint8_t *)"123456789", 9}), 0xE3069283);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tfevents_scalars_of_a_writer_in_any_cut),
        cmocka_unit_test(test_tfevents_tensors_of_one_number_are_scalars),
        cmocka_unit_test(test_tfevents_damaged_record_is_left_out_damaged_length_ends_it),
        cmocka_unit_test(test_tfevents_half_a_record_waits_for_the_rest),
        cmocka_unit_test(test_tfevents_crc32c_is_castagnolis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
