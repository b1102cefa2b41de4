/* Baselines come first, whole or completed; one outside of the space is refused at its place. */
#include "text_rig.h"

#define SPACE                                                                                      \
    "parameters:\n"                                                                                \
    "  lr: {min: 0.0, max: 1.0, also: [7]}\n"                                                      \
    "  n: {min: 1, max: 9}\n"                                                                      \
    "  o: {values: {sgd: {m: {min: 0.0, max: 0.5}}, adam: {m: {min: 0.5, max: 1.0}}, no: }}\n"     \
    "  s: {rows: [{res: 1, crop: 1}, {res: 2, crop: 1}, {res: 2, crop: 2}]}\n"                     \
    "constraints: [lr * n <= 3]\n"

static void test_baselines_are_the_first_trials(void **state)
{
    (void)state;
    static const char *const methods[] = {"random", "sobol"};
    for (size_t i = 0; i < 2; i++) {
        struct text_space space;
        char file[TEXT_MAX];
        snprintf(file, sizeof file,
                 SPACE "search: {method: %s}\n"
                       "baselines: [{lr: 1, n: 2, o: adam, m: 1, res: 2, crop: 2}, {o: no, lr: "
                       "0.25, n: 3, res: 1, crop: 1}]\n",
                 methods[i]);
        text_open(&space, file);
        assert_string_equal(text_suggest(&space, 1), "lr=1.0 n=2 o=adam m=1.0 res=2 crop=2");
        assert_string_equal(text_suggest(&space, 2), "lr=0.25 n=3 o=no res=1 crop=1");
        text_suggest(&space, 3);
        text_end(&space);
    }
}

static void test_baseline_that_is_partial_is_completed(void **state)
{
    (void)state;
    struct text_space space;
    char first[TEXT_MAX];
    text_open(&space, SPACE "baselines: [{n: 9}, {res: 2}, {lr: 7.0e-1}, {o: sgd}]\n");
    snprintf(first, sizeof first, "%s", text_suggest(&space, 1));
    assert_string_equal(text_suggest(&space, 1), first);
    assert_int_equal(text_value(&space, "n").integer, 9); /* so lr is 1/3 at most */
    assert_true(text_number(&space, "lr") <= 3.0 / 9);
    text_suggest(&space, 2);
    assert_int_equal(text_value(&space, "res").integer, 2);
    assert_int_equal(text_value(&space, "crop").integer, 1); /* the first row that fits */
    text_suggest(&space, 3);
    assert_true(text_number(&space, "lr") == 0.7);
    text_suggest(&space, 4);
    assert_true(text_number(&space, "m") <= 0.5);
    text_end(&space);
}

static void test_baseline_outside_of_the_space_is_refused_at_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *baseline;
        uint32_t column;
        const char *message;
    } rows[] = {
        {"{lr: 1.5}", 18, "the baseline's 1.5 lies outside of parameter `lr`"},
        {"{lr: x}", 18, "the baseline's x lies outside of parameter `lr`"},
        {"{n: 1.0}", 17, "the baseline's 1.0 lies outside of parameter `n`"},
        {"{o: rms}", 17, "the baseline's rms lies outside of parameter `o`"},
        {"{m: 0.1}", 17, "the baseline says `m`, which comes with a choice: say `o` too"},
        {"{o: no, m: 0.1}", 24, "the baseline says `m`, which `o: no` does not bring"},
        {"{o: adam, m: 0.1}", 26, "the baseline's 0.1 lies outside of parameter `m`"},
        {"{res: 3}", 19, "the baseline's 3 lies outside of parameter `res`"},
        {"{res: 1, crop: 2}", 13, "no row of `s` is as the baseline says"},
        {"{lr: 1, n: 4}", 13, "the baseline is refused by the constraint `lr * n <= 3`"},
        {"{lr: 7}", 13, "the baseline is refused by the constraint `lr * n <= 3`"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char file[TEXT_MAX];
        snprintf(file, sizeof file, SPACE "baselines: [%s]\n", rows[i].baseline);
        text_refused(file, 10, rows[i].column, rows[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_baselines_are_the_first_trials),
        cmocka_unit_test(test_baseline_that_is_partial_is_completed),
        cmocka_unit_test(test_baseline_outside_of_the_space_is_refused_at_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
