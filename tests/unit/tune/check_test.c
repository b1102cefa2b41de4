/* Spaces that parse and cannot be tuned. */
#include "text_rig.h"

static void test_constraints_that_leave_nothing_are_refused(void **state)
{
    (void)state;
    text_refused("parameters: {a: {min: 0.0, max: 1.0}}\nconstraints: [a >= 0, a > 2]\n", 5, 23,
                 "the constraints leave nothing: of 20000 configurations drawn at random 0 meet "
                 "them; `a > 2` refused 20000. Narrow the ranges instead");
    text_refused("search: {method: sobol}\nparameters: {a: {min: 0.0, max: 1.0}}\nconstraints: [a "
                 "< 0.0002]\n",
                 6, 15,
                 "the constraints leave almost nothing: of 20000 configurations drawn at random 4 "
                 "meet them; `a < 0.0002` refused 19996. Narrow the ranges instead");
}

static void test_constraints_that_leave_a_hundredth_are_fine(void **state)
{
    (void)state;
    struct text_space space;
    text_open(&space, "parameters: {a: {min: 0.0, max: 1.0}}\nconstraints: [a < 0.01]\n");
    for (uint32_t trial = 1; trial < 200; trial++) {
        text_suggest(&space, trial);
    }
    text_end(&space);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constraints_that_leave_nothing_are_refused),
        cmocka_unit_test(test_constraints_that_leave_a_hundredth_are_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
