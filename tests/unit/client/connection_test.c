/* A muster that is silent, gone, deaf or broken: training goes on, and no later answer is taken for
 * another. The build of this test waits half a second where the library waits ten. */
#include "rig.h"

#define HELLO_AT_3                                                                                 \
    "{\"ok\":1,\"act\":0,\"params\":{},\"restore\":null,\"step\":0,\"trial\":\"1.1\",\"seed\":1,"  \
    "\"milestone\":3,\"save\":null}"
#define STOP "{\"ok\":1,\"act\":4,\"milestone\":9}"
#define SILENT "muster said nothing for ten seconds; training goes on"

static void play_start(struct rig *rig, const char *hello)
{
    agent_read(rig);
    agent_say(rig, hello);
}

static void pause_ms(int ms)
{
    poll(NULL, 0, ms);
}

/* ---- silence ---- */

static void play_alive(struct rig *rig)
{
    play_start(rig, HELLO_AT_3);
    agent_expect(rig, "{\"report\":{\"step\":3,*");
    for (int i = 0; i < 20; i++) {
        pause_ms(75);
        agent_say(rig, "");
    }
    agent_say(rig, STOP);
    agent_bye(rig);
}

static void test_empty_lines_keep_a_milestone_waiting(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, play_alive, 0);
    assert_int_equal(report(rig.trial, 3, 1), MUSTER_STOP);
    assert_string_equal(muster_error(rig.trial), "");
    rig_end(&rig);
}

static void play_trickle(struct rig *rig)
{
    play_start(rig, HELLO_AT_3);
    agent_expect(rig, "{\"report\":{\"step\":3,*");
    for (const char *c = STOP "\n"; *c != '\0'; c++) {
        pause_ms(40);
        agent_write(rig, c, 1);
    }
    agent_bye(rig);
}

static void test_answer_in_single_bytes_is_one_answer(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, play_trickle, 0);
    assert_int_equal(report(rig.trial, 3, 1), MUSTER_STOP);
    rig_end(&rig);
}

static void play_silent_milestone(struct rig *rig)
{
    play_start(rig, HELLO_AT_3);
    agent_read(rig);
    agent_read(rig);
    agent_expect(rig, "{\"report\":{\"step\":3,*");
    rig_wait(rig, &rig->go);
    agent_say(rig, STOP);
    agent_say(rig, STOP);
    agent_say(rig, STOP);
    sem_post(&rig->done);
    agent_expect(rig, "{\"save\":{\"step\":3}}");
    agent_say(rig, "{\"ok\":1,\"dir\":\"/right\"}");
    agent_expect(rig, "{\"report\":{\"step\":4,*");
    agent_say(rig, "{\"ok\":1,\"act\":2,\"milestone\":9}");
    agent_bye(rig);
}

static void test_silence_at_the_milestone_ends_the_wait_and_its_answers_are_skipped(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, play_silent_milestone, 0);
    assert_int_equal(report(rig.trial, 1, 1), 0);
    assert_int_equal(report(rig.trial, 2, 1), 0);
    assert_int_equal(report(rig.trial, 3, 1), 0);
    assert_string_equal(muster_error(rig.trial), SILENT);
    sem_post(&rig.go);
    rig_wait(&rig, &rig.done);
    assert_string_equal(muster_save_begin(rig.trial, 3), "/right");
    assert_int_equal(report(rig.trial, 4, 1), MUSTER_PAUSE);
    rig_end(&rig);
}

static void play_silent_save(struct rig *rig)
{
    play_start(rig, RIG_HELLO);
    agent_read(rig);
    agent_read(rig);
    agent_expect(rig, "{\"save\":{\"step\":2}}");
    rig_wait(rig, &rig->go);
    agent_say(rig, STOP);
    agent_say(rig, STOP);
    agent_say(rig, "{\"ok\":1,\"dir\":\"/late\"}");
    sem_post(&rig->done);
    agent_expect(rig, "{\"save\":{\"step\":4}}");
    agent_say(rig, "{\"ok\":1,\"dir\":\"/right\"}");
    agent_expect(rig, "{\"commit\":{\"step\":4}}");
    agent_say(rig, "{\"ok\":1,\"id\":\"1.1@4.1\"}");
    agent_bye(rig);
}

/* The wait for owed reports is broken off: exactly what was written is skipped, no answer more. */
static void test_silence_before_a_save_skips_exactly_what_was_asked(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, play_silent_save, 0);
    assert_int_equal(report(rig.trial, 1, 1), 0);
    assert_int_equal(report(rig.trial, 2, 1), 0);
    assert_null(muster_save_begin(rig.trial, 2));
    assert_string_equal(muster_error(rig.trial), SILENT);
    sem_post(&rig.go);
    rig_wait(&rig, &rig.done);
    assert_string_equal(muster_save_begin(rig.trial, 4), "/right");
    assert_int_equal(muster_save_commit(rig.trial), 0);
    rig_end(&rig);
}

/* ---- a muster that never reads ---- */

static void play_deaf(struct rig *rig)
{
    play_start(rig, HELLO_AT_3);
    rig_wait(rig, &rig->go);
}

/* 2 KiB a report, so that no socket takes all of them. */
static int report_wide(muster_trial *trial, int64_t step)
{
    static char name[2000];
    double loss = 1;
    memset(name, 'n', sizeof name - 1);
    return muster_report(trial, step, 1, (const char *const[]){name}, &loss);
}

/* Every one of these is at or past the milestone. Were each to wait its half second, the test would
 * take an hour, and the alarm end it. */
static void test_muster_that_never_reads_holds_training_once(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, play_deaf, 0);
    alarm(120);
    for (int64_t step = 3; step < 10000; step++) {
        assert_int_equal(report_wide(rig.trial, step), 0);
    }
    assert_string_equal(muster_error(rig.trial), SILENT);
    assert_null(muster_save_begin(rig.trial, 10000));
    alarm(0);
    sem_post(&rig.go);
    rig_end(&rig);
}

static void play_asleep(struct rig *rig)
{
    int64_t n = 0;
    play_start(rig, HELLO_AT_3);
    rig_wait(rig, &rig->go);
    /* Awake again: everything that fitted into the socket is answered, then the world is as before.
     */
    struct pollfd poll_fd = {.fd = rig->fd, .events = POLLIN};
    while (poll(&poll_fd, 1, 0) == 1 && n < 9997) {
        agent_expect(rig, "{\"report\":*");
        n++;
    }
    if (n < 10 || n > 9000) {
        agent_note(rig, "%lld reports were in the socket", (long long)n);
    }
    for (int64_t i = 0; i < n; i++) {
        agent_say(rig, "{\"ok\":1,\"act\":1,\"milestone\":3}");
        if (i == 0) {
            sem_post(&rig->done);
        }
    }
    agent_expect(rig, "{\"report\":{\"step\":10000,*");
    agent_say(rig, "{\"ok\":1,\"act\":2,\"milestone\":20000}");
    agent_bye(rig);
}

static void test_muster_that_slept_and_wakes_is_heard_again(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, play_asleep, 0);
    for (int64_t step = 3; step < 10000; step++) {
        assert_int_equal(report_wide(rig.trial, step), 0);
    }
    sem_post(&rig.go);
    rig_wait(&rig, &rig.done);
    assert_int_equal(report(rig.trial, 10000, 1), MUSTER_PAUSE);
    rig_end(&rig);
}

/* ---- a muster that breaks ---- */

static void play_close(struct rig *rig)
{
    play_start(rig, HELLO_AT_3);
    agent_read(rig);
}

static void test_muster_that_closes_is_gone_and_training_goes_on(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, play_close, 0);
    assert_int_equal(report(rig.trial, 3, 1), 0);
    assert_non_null(strstr(muster_error(rig.trial), "muster is gone: "));
    assert_int_equal(report(rig.trial, 4, 1), 0);
    assert_int_equal(muster_save_due(rig.trial, 4, 1), 0);
    assert_null(muster_save_begin(rig.trial, 4));
    assert_int_equal(muster_save_commit(rig.trial), MUSTER_ERR_SILENT);
    rig_end(&rig);
}

static void play_endless_line(struct rig *rig)
{
    play_start(rig, HELLO_AT_3);
    agent_read(rig);
    char block[4096];
    memset(block, 'x', sizeof block);
    for (int i = 0; i < 64; i++) {
        agent_write(rig, block, sizeof block);
    }
}

static void test_answer_without_end_is_refused(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, play_endless_line, 0);
    assert_int_equal(report(rig.trial, 3, 1), 0);
    assert_non_null(strstr(muster_error(rig.trial), "longer than 64 KiB"));
    rig_end(&rig);
}

static void play_garbage(struct rig *rig)
{
    static const char *const lines[] = {"{",
                                        "[]",
                                        "nonsense",
                                        "{\"ok\":\"yes\"}",
                                        "{\"ok\":1,\"act\":1e300}",
                                        "{\"ok\":1,\"act\":0,\"milestone\":{},\"save\":[[[\"}"};
    play_start(rig, "garbage");
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        agent_read(rig);
        agent_say(rig, lines[i]);
    }
    agent_bye(rig);
}

static void test_answer_that_makes_no_sense_is_a_refusal(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, play_garbage, 0);
    assert_string_equal(muster_error(rig.trial), "refused");
    for (int i = 0; i < 4; i++) {
        assert_null(muster_save_begin(rig.trial, 1));
        assert_string_equal(muster_error(rig.trial), "refused");
    }
    assert_null(muster_save_begin(rig.trial, 1)); /* ok, but no folder */
    assert_null(muster_save_begin(rig.trial, 1));
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_lines_keep_a_milestone_waiting),
        cmocka_unit_test(test_answer_in_single_bytes_is_one_answer),
        cmocka_unit_test(test_silence_at_the_milestone_ends_the_wait_and_its_answers_are_skipped),
        cmocka_unit_test(test_silence_before_a_save_skips_exactly_what_was_asked),
        cmocka_unit_test(test_muster_that_never_reads_holds_training_once),
        cmocka_unit_test(test_muster_that_slept_and_wakes_is_heard_again),
        cmocka_unit_test(test_muster_that_closes_is_gone_and_training_goes_on),
        cmocka_unit_test(test_answer_without_end_is_refused),
        cmocka_unit_test(test_answer_that_makes_no_sense_is_a_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
