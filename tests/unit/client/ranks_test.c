/* One process of a trial that is several: it says which one it is, and each report has its own
 * answer before training goes on. */
#include "rig.h"

static void rank_set(const char *rank, const char *world)
{
    if (rank != NULL) {
        setenv("MUSTER_RANK", rank, 1);
        setenv("MUSTER_WORLD", world, 1);
    } else {
        unsetenv("MUSTER_RANK");
        unsetenv("MUSTER_WORLD");
    }
}

static void play_rank(struct rig *rig)
{
    agent_expect(rig, "{\"hello\":1,\"can\":[\"checkpoint\"],\"rank\":2,\"world\":4}");
    agent_say(rig, RIG_HELLO);
    agent_expect(rig, "{\"report\":{\"step\":1,*");
    agent_say(rig, "{\"ok\":1,\"act\":0,\"milestone\":null}");
    agent_expect(rig, "{\"report\":{\"step\":2,*");
    agent_write(rig, "\n", 1); /* held */
    agent_say(rig, "{\"ok\":1,\"act\":5,\"milestone\":null}");
    agent_bye(rig);
}

/* No milestone is near, and yet the act is of this very report. */
static void test_rank_is_told_by_the_answer_to_the_report_itself(void **state)
{
    (void)state;
    struct rig rig;
    rank_set("2", "4");
    rig_begin(&rig, play_rank, MUSTER_CAN_CHECKPOINT);
    assert_int_equal(muster_rank(rig.trial), 2);
    assert_int_equal(muster_world(rig.trial), 4);
    assert_int_equal(report(rig.trial, 1, 1), 0);
    assert_int_equal(report(rig.trial, 2, 1), MUSTER_STOP | MUSTER_CHECKPOINT);
    rig_end(&rig);
    rank_set(NULL, NULL);
}

static void play_torchrun(struct rig *rig)
{
    agent_expect(rig, "{\"hello\":1,\"can\":[],\"rank\":0,\"world\":2}");
    agent_say(rig, RIG_HELLO);
    agent_bye(rig);
}

static void test_rank_of_torchrun_is_taken_where_muster_gave_none(void **state)
{
    (void)state;
    struct rig rig;
    setenv("RANK", "0", 1);
    setenv("WORLD_SIZE", "2", 1);
    rig_begin(&rig, play_torchrun, 0);
    assert_int_equal(muster_world(rig.trial), 2);
    rig_end(&rig);
    unsetenv("RANK");
    unsetenv("WORLD_SIZE");
}

static void play_single(struct rig *rig)
{
    agent_expect(rig, "{\"hello\":1,\"can\":[]}");
    agent_say(rig, RIG_HELLO);
    agent_bye(rig);
}

static void test_rank_that_makes_no_sense_is_none(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"4", "4"}, {"-1", "4"}, {"x", "4"},  {"0", "1"},
        {"1", ""},  {"", "2"},   {"1", "2x"}, {"0", "99999999999999999999"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct rig rig;
        rank_set(wrong[i][0], wrong[i][1]);
        rig_begin(&rig, play_single, 0);
        assert_int_equal(muster_rank(rig.trial), 0);
        assert_int_equal(muster_world(rig.trial), 1);
        rig_end(&rig);
    }
    rank_set(NULL, NULL);
}

int main(void)
{
    unsetenv("RANK");
    unsetenv("WORLD_SIZE");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rank_is_told_by_the_answer_to_the_report_itself),
        cmocka_unit_test(test_rank_of_torchrun_is_taken_where_muster_gave_none),
        cmocka_unit_test(test_rank_that_makes_no_sense_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
