/* What `muster check` says of a schedule. */
#include "rig.h"
#include "tune/foresee.h"

static void test_foresee_says_rungs_brackets_and_population(void **state)
{
    (void)state;
    static const struct {
        struct schedule_spec schedule;
        const char *want;
    } cases[] = {
        {{.type = SCHEDULE_NONE}, ""},
        {{.type = SCHEDULE_ASHA, .min = 1, .max = 27, .eta = 3},
         "rungs at 1, 3, 9, 27 steps, one of 3 goes on"},
        {{.type = SCHEDULE_SHA, .min = 2, .max = 10, .eta = 2},
         "rungs at 2, 4, 8, 10 steps, one of 2 goes on"},
        {{.type = SCHEDULE_HYPERBAND, .mode = SCHEDULE_PROMOTE, .min = 1, .max = 81, .eta = 3},
         "brackets of 81 trials from step 1, 34 trials from step 3, 15 trials from step 9, 8 "
         "trials "
         "from step 27, 5 trials from step 81, and so on"},
        {{.type = SCHEDULE_HYPERBAND, .min = 3, .max = INT64_MAX, .eta = 1000},
         "rungs at 3, 3000, 3000000, 3000000000, 3000000000000, 3000000000000000, "
         "3000000000000000000 steps, one of 1000 goes on"},
        {{.type = SCHEDULE_MEDIAN, .min = 8, .interval = 4, .startup = 3},
         "a look every 4 steps from step 8 on, once 3 others are there"},
        {{.type = SCHEDULE_PBT, .max = 10}, "a population of 6, 3 milestones each"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sweep_spec spec = rig_spec();
        struct buf buf;
        spec.schedule = cases[i].schedule;
        spec.pbt = (struct pbt_spec){.population = 6, .interval = 4};
        buf_init(&buf, 4096);
        assert_int_equal(tune_foresee(&spec, &buf), OK);
        assert_string_equal(buf_text(&buf), cases[i].want);
        buf_fini(&buf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_foresee_says_rungs_brackets_and_population),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
