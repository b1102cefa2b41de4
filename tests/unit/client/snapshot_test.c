/* Snapshots of a trainer: when one is due, and how it becomes one. The sources are in
 * client/report.c. */
#include "rig.h"

static void hello_say(struct rig *rig, const char *restore, int step, const char *save)
{
    char line[256];
    agent_read(rig);
    snprintf(
        line, sizeof line,
        "{\"ok\":1,\"act\":0,\"params\":{},\"restore\":%s,\"step\":%d,\"trial\":\"1.1\",\"seed\":1,"
        "\"milestone\":%s,\"save\":%s}",
        restore, step, save, save);
    agent_say(rig, line);
}

static void save_take(struct rig *rig, const char *request, const char *commit)
{
    agent_expect(rig, request);
    agent_say(rig, "{\"ok\":1,\"dir\":\"/x/save/1\"}");
    agent_expect(rig, commit);
    agent_say(rig, "{\"ok\":1,\"id\":\"1.1@3.1\"}");
}

static void play_save(struct rig *rig)
{
    hello_say(rig, "null", 0, "3");
    save_take(rig, "{\"save\":{\"step\":3}}", "{\"commit\":{\"step\":3}}");
    agent_expect(rig, "{\"report\":{\"step\":3,*");
    /* Stop, and keep the end: those weights are kept already. */
    agent_say(rig, "{\"ok\":1,\"act\":5,\"milestone\":null}");
    agent_bye(rig);
}

static void test_save_before_the_milestone_is_due_once_and_satisfies_a_checkpoint(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, play_save, MUSTER_CAN_CHECKPOINT);
    assert_int_equal(muster_save_at(rig.trial), 3);
    assert_int_equal(muster_save_due(rig.trial, 2, 1), 0); /* the sweep does not keep the end */
    assert_int_equal(muster_save_due(rig.trial, 3, 0), 1);
    assert_string_equal(muster_save_begin(rig.trial, 3), "/x/save/1");
    assert_int_equal(muster_save_commit(rig.trial), 0);
    assert_int_equal(muster_save_due(rig.trial, 3, 0), 0);
    assert_int_equal(report(rig.trial, 3, 1), MUSTER_STOP);
    rig_end(&rig);
}

static void play_stride(struct rig *rig)
{
    hello_say(rig, "null", 0, "3");
    agent_expect(rig, "{\"report\":{\"step\":2,*");
    agent_say(rig, "{\"ok\":1,\"act\":0,\"milestone\":3,\"save\":3}");
    save_take(rig, "{\"save\":{\"step\":4}}", "{\"commit\":{\"step\":4}}");
    agent_expect(rig, "{\"report\":{\"step\":4,*");
    agent_say(rig, "{\"ok\":1,\"act\":0,\"milestone\":9,\"save\":9}");
    agent_expect(rig, "{\"report\":{\"step\":6,*");
    agent_say(rig, "{\"ok\":1,\"act\":1,\"milestone\":9,\"save\":9}");
    sem_post(&rig->done);
    agent_bye(rig);
}

static void test_save_of_a_trainer_with_strides_is_due_at_its_first_step_not_below(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, play_stride, MUSTER_CAN_CHECKPOINT);
    assert_int_equal(muster_save_due(rig.trial, 2, 0), 0);
    assert_int_equal(report(rig.trial, 2, 1), 0);
    assert_int_equal(muster_save_due(rig.trial, 4, 0), 1);
    assert_non_null(muster_save_begin(rig.trial, 4));
    assert_int_equal(muster_save_commit(rig.trial), 0);
    assert_int_equal(report(rig.trial, 4, 1), 0);
    assert_int_equal(muster_save_due(rig.trial, 6, 0), 0);
    /* The bit is another thing: it is about the weights that were just reported. */
    int acts = report(rig.trial, 6, 1);
    rig_wait(&rig, &rig.done);
    acts |= report(rig.trial, 8, 1);
    assert_int_equal(acts, MUSTER_CHECKPOINT);
    rig_end(&rig);
}

static void play_end(struct rig *rig)
{
    hello_say(rig, "\"/x/1\"", 5, "null");
    save_take(rig, "{\"save\":{\"step\":7}}", "{\"commit\":{\"step\":7}}");
    agent_bye(rig);
}

static void test_save_of_the_end_is_due_where_the_sweep_keeps_it(void **state)
{
    (void)state;
    struct rig rig;
    rig_listen(&rig);
    setenv("MUSTER_CHECKPOINTS", "rung,end", 1);
    rig.play = play_end;
    assert_int_equal(pthread_create(&rig.thread, NULL, agent_run, &rig), 0);
    rig.trial = muster_open(MUSTER_CAN_CHECKPOINT);
    assert_int_equal(muster_save_due(rig.trial, 5, 1),
                     0); /* it starts from a snapshot of this step */
    assert_int_equal(muster_save_due(rig.trial, 7, 0), 0);
    assert_int_equal(muster_save_due(rig.trial, 7, 1), 1);
    assert_non_null(muster_save_begin(rig.trial, 7));
    assert_int_equal(muster_save_commit(rig.trial), 0);
    assert_int_equal(muster_save_due(rig.trial, 7, 1), 0);
    rig_end(&rig);
}

static void play_refused(struct rig *rig)
{
    hello_say(rig, "null", 0, "3");
    agent_expect(rig, "{\"save\":{\"step\":3}}");
    agent_say(rig, "{\"ok\":0,\"error\":\"no_space\",\"text\":\"the disk is full\"}");
    agent_expect(rig, "{\"save\":{\"step\":3}}");
    agent_say(rig, "{\"ok\":1,\"dir\":\"/x \\u00fc\"}");
    agent_expect(rig, "{\"commit\":{\"step\":3}}");
    agent_say(rig, "{\"ok\":0,\"error\":\"not_now\",\"text\":\"no save of this step has begun\"}");
    agent_expect(rig, "{\"exploit\":1}");
    agent_say(rig, "{\"ok\":0,\"error\":\"not_now\",\"text\":\"no exploit was ordered\"}");
    agent_bye(rig);
}

static void test_save_refused_has_its_words_and_stays_due(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, play_refused, MUSTER_CAN_CHECKPOINT);
    assert_null(muster_save_begin(rig.trial, 3));
    assert_string_equal(muster_error(rig.trial), "no_space: the disk is full");
    assert_string_equal(muster_save_begin(rig.trial, 3), "/x \xc3\xbc");
    assert_int_equal(muster_save_commit(rig.trial), MUSTER_ERR_REFUSED);
    assert_string_equal(muster_error(rig.trial), "not_now: no save of this step has begun");
    assert_int_equal(muster_save_due(rig.trial, 3, 0), 1);
    assert_int_equal(muster_exploit(rig.trial), MUSTER_ERR_REFUSED);
    rig_end(&rig);
}

static void play_exploit(struct rig *rig)
{
    hello_say(rig, "null", 0, "4");
    agent_expect(rig, "{\"report\":{\"step\":4,*");
    agent_say(rig, "{\"ok\":1,\"act\":8,\"milestone\":null}");
    agent_expect(rig, "{\"exploit\":1}");
    agent_say(rig, "{\"ok\":1,\"params\":{\"lr\":0.5},\"restore\":\"/"
                   "donor\",\"step\":2,\"milestone\":8,\"save\":8}");
    agent_bye(rig);
}

static void test_exploit_brings_parameters_snapshot_and_step(void **state)
{
    (void)state;
    struct rig rig;
    double lr = 0;
    rig_begin(&rig, play_exploit, MUSTER_CAN_CHECKPOINT | MUSTER_CAN_EXPLOIT);
    assert_int_equal(report(rig.trial, 4, 1), MUSTER_EXPLOIT);
    assert_int_equal(muster_exploit(rig.trial), 0);
    assert_string_equal(muster_restore(rig.trial), "/donor");
    assert_int_equal(muster_step(rig.trial), 2);
    assert_int_equal(muster_save_at(rig.trial), 8);
    assert_int_equal(muster_f64(rig.trial, "lr", &lr), 0);
    assert_true(lr == 0.5);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_save_before_the_milestone_is_due_once_and_satisfies_a_checkpoint),
        cmocka_unit_test(test_save_of_a_trainer_with_strides_is_due_at_its_first_step_not_below),
        cmocka_unit_test(test_save_of_the_end_is_due_where_the_sweep_keeps_it),
        cmocka_unit_test(test_save_refused_has_its_words_and_stays_due),
        cmocka_unit_test(test_exploit_brings_parameters_snapshot_and_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
