/* Does a constraint hold? One configuration of constants, and what people write about it. */
#include "text_rig.h"

static const struct {
    const char *constraint;
    bool holds;
} rows[] = {
    {"a == 3", true},
    {"a != 3", false},
    {"a < 3", false},
    {"a <= 3", true},
    {"a > 2.5", true},
    {"a >= 3.5", false},
    /* precedence and association */
    {"1 + 2 * 3 == 7", true},
    {"(1 + 2) * 3 == 9", true},
    {"10 - 2 - 3 == 5", true},
    {"16 / 4 / 2 == 2", true},
    {"-a + 4 == 1", true},
    {"- - a == 3", true},
    {"+a == 3", true},
    {"2 * -a == -6", true},
    {".5 + 1e-1 + 2E1 > 20.5", true},
    {"true or false and false", true},
    {"(true or false) and false", false},
    {"not false and false", false},
    {"not a == 4", true},
    {"not not f", true},
    /* names and texts */
    {"\"k-l\" * 2 == 14", true},
    {"\"g.h\" == 8", true},
    {"t == 'sgd'", true},
    {"t != 'sgd'", false},
    {"'sgd' == t", true},
    {"t == 'SGD'", false},
    {"mixed != 'none' or a < 0", true},
    {"f", true},
    {"f == true", true},
    {"f == false", false},
    {"(a < 4) == (a > 1)", true},
    /* numbers of both kinds */
    {"r == 3", false},
    {"r - 0.5 == a", true},
    {"wide == 2", true},
    /* division by zero holds only if the rest decides */
    {"a / z < 5", false},
    {"a / z > 5", false},
    {"not a / z < 5", false},
    {"z == 0 or a / z < 5", true},
    {"z != 0 and a / z < 5", false},
    {"not (z != 0 and a / z < 5)", true},
    {"a / z < 5 or z == 0", true},
    {"a / z == a / z", false},
    {"0 * (a / z) == 0", false},
    {"huge * huge > 1", false},
    {"-huge * huge < 1", false},
    {"not_a_number < 1 or not_a_number >= 1", false},
    {"endless > 1", false},
};

static void test_constraint_holds_as_it_reads(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct text_space space;
        char file[TEXT_MAX];
        snprintf(file, sizeof file,
                 "parameters: {a: 3, z: 0, r: 3.5, f: true, t: sgd, k-l: 7, g: {parameters: {h: "
                 "8}}, mixed: {values: [1, none], probabilities: [1, 0]}, wide: {values: [2]}, "
                 "huge: 1e300, not_a_number: .nan, endless: .inf}\nconstraints:\n- >-\n  %s\n",
                 rows[i].constraint);
        text_parse(&space, file);
        config_draw(&space.spec, 1, 1, 0, NULL, space.config);
        uint32_t broken = 99;
        bool holds = config_is_allowed(&space.spec, space.config, &broken);
        if (holds != rows[i].holds || broken != (holds ? 99u : 0u)) {
            fail_msg("%s: %d", rows[i].constraint, holds);
        }
        text_end(&space);
    }
}

static void test_constraint_on_an_inactive_parameter_holds(void **state)
{
    (void)state;
    struct text_space space;
    text_parse(&space, "parameters: {o: {values: {a: {m: 1}, b: {n: 2}, c: {m: 3}}}}\n"
                       "constraints: [m < 2, n < 2, m < 1 or n < 1]\n");
    const struct {
        const char *choice;
        bool holds;
        uint32_t broken;
    } choices[] = {{"a", true, 0}, {"b", false, 1}, {"c", false, 0}};
    for (size_t i = 0; i < 3; i++) {
        struct value fixed[4] = {value_str(choices[i].choice), value_none(), value_none(),
                                 value_none()};
        uint32_t broken = 0;
        config_draw(&space.spec, 1, 1, 0, fixed, space.config);
        assert_int_equal(config_is_allowed(&space.spec, space.config, &broken), choices[i].holds);
        assert_int_equal(broken, choices[i].broken);
    }
    text_end(&space);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constraint_holds_as_it_reads),
        cmocka_unit_test(test_constraint_on_an_inactive_parameter_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
