/* Reports: pipelined below the milestone, acknowledged at it, refused, printed. */
#include "rig.h"

#include <locale.h>
#include <math.h>

enum { WINDOW = 64 };

#define RECEIVED "{\"ok\":1,\"act\":0,\"milestone\":null}"

static void play_start(struct rig *rig, const char *hello)
{
    agent_read(rig);
    agent_say(rig, hello);
}

/* ---- the window ---- */

static void play_window(struct rig *rig)
{
    play_start(rig, RIG_HELLO);
    for (int i = 1; i <= WINDOW; i++) {
        agent_read(rig);
    }
    sem_post(&rig->done);
    rig_wait(rig, &rig->go);
    for (int i = 1; i <= WINDOW; i++) {
        agent_say(rig, RECEIVED);
    }
    agent_bye(rig);
}

static void test_report_below_the_milestone_waits_for_none_of_64(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, play_window, 0);
    for (int i = 1; i <= WINDOW; i++) {
        assert_int_equal(report(rig.trial, i, 1.0 / i), 0);
    }
    /* The agent has read all and answered none: nobody has waited in vain. */
    rig_wait(&rig, &rig.done);
    assert_string_equal(muster_error(rig.trial), "");
    sem_post(&rig.go);
    assert_int_equal(report(rig.trial, WINDOW + 1, 0), 0);
    assert_string_equal(muster_error(rig.trial), "");
    rig_end(&rig);
}

static void play_window_full(struct rig *rig)
{
    play_start(rig, RIG_HELLO);
    for (int i = 1; i <= WINDOW; i++) {
        agent_read(rig);
    }
    /* Nothing more may come before an answer. */
    struct pollfd poll_fd = {.fd = rig->fd, .events = POLLIN};
    if (poll(&poll_fd, 1, 100) != 0) {
        agent_note(rig, "more than %d reports without an answer", WINDOW);
    }
    agent_say(rig, RECEIVED);
    agent_expect(rig, "{\"report\":{\"step\":65,*");
    for (int i = 1; i <= WINDOW; i++) {
        agent_say(rig, RECEIVED);
    }
    agent_bye(rig);
}

static void test_report_with_64_owed_waits_for_one(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, play_window_full, 0);
    for (int i = 1; i <= WINDOW + 1; i++) {
        assert_int_equal(report(rig.trial, i, 0), 0);
    }
    rig_end(&rig);
}

/* ---- the milestone ---- */

#define HELLO_AT_3                                                                                 \
    "{\"ok\":1,\"act\":0,\"params\":{},\"restore\":null,\"step\":0,\"trial\":\"1.1\",\"seed\":1,"  \
    "\"milestone\":3,\"save\":3}"

static void play_milestone(struct rig *rig)
{
    play_start(rig, HELLO_AT_3);
    agent_expect(rig, "{\"report\":{\"step\":1,*");
    agent_expect(rig, "{\"report\":{\"step\":2,*");
    agent_say(rig, "{\"ok\":1,\"act\":0,\"milestone\":3,\"save\":3}");
    agent_say(rig, "{\"ok\":1,\"act\":0,\"milestone\":3,\"save\":3}");
    agent_expect(rig, "{\"report\":{\"step\":4,*");
    agent_say(rig, "{\"ok\":1,\"act\":1,\"milestone\":9,\"save\":9}");
    agent_expect(rig, "{\"report\":{\"step\":5,*");
    agent_expect(rig, "{\"report\":{\"step\":9,*");
    agent_say(rig, "{\"ok\":1,\"act\":0,\"milestone\":9,\"save\":9}");
    agent_say(rig, "{\"ok\":1,\"act\":0,\"late\":1}");
    agent_expect(rig, "{\"report\":{\"step\":10,*");
    agent_say(rig, "{\"ok\":1,\"act\":4,\"milestone\":null}");
    agent_bye(rig);
}

static void test_report_at_the_milestone_returns_its_own_answer(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, play_milestone, MUSTER_CAN_CHECKPOINT);
    assert_int_equal(report(rig.trial, 1, 1), 0);
    assert_int_equal(report(rig.trial, 2, 1), 0);
    assert_int_equal(report(rig.trial, 4, 1), MUSTER_CHECKPOINT); /* the first one not below 3 */
    assert_int_equal(muster_save_at(rig.trial), 9);
    assert_int_equal(report(rig.trial, 5, 1), 0);
    assert_int_equal(report(rig.trial, 9, 1), 0); /* late: the order is still to come */
    assert_int_equal(muster_save_at(rig.trial), 9);
    assert_int_equal(report(rig.trial, 10, 1), MUSTER_STOP);
    assert_int_equal(muster_save_at(rig.trial), -1);
    rig_end(&rig);
}

/* A bit that comes with the answer to a pipelined report is returned once, by the next report. */
static void play_pipelined_bit(struct rig *rig)
{
    play_start(rig, RIG_HELLO);
    agent_read(rig);
    agent_say(rig, "{\"ok\":1,\"act\":3,\"milestone\":null}");
    sem_post(&rig->done);
    agent_bye(rig);
}

static void test_report_returns_the_bits_of_answers_before_it_once(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, play_pipelined_bit, MUSTER_CAN_CHECKPOINT | MUSTER_CAN_PAUSE);
    int first = report(rig.trial, 1, 1);
    rig_wait(&rig, &rig.done);
    int second = report(rig.trial, 2, 1);
    assert_int_equal(first | second, MUSTER_CHECKPOINT | MUSTER_PAUSE);
    assert_int_equal(first & second, 0);
    assert_int_equal(report(rig.trial, 3, 1), 0);
    rig_end(&rig);
}

/* ---- refusals ---- */

static void play_refusals(struct rig *rig)
{
    play_start(rig, HELLO_AT_3);
    agent_read(rig);
    agent_say(rig, "{\"ok\":0,\"error\":\"bad_step\",\"text\":\"step 1 is not above 1\"}");
    sem_post(&rig->done);
    agent_read(rig);
    agent_say(rig, "{\"ok\":1,\"act\":0,\"milestone\":3,\"save\":3}");
    agent_read(rig);
    agent_say(rig, "{\"ok\":0,\"error\":\"bad_name\",\"text\":\"no\"}");
    agent_bye(rig);
}

static void test_report_refused_is_negative_and_has_its_words(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, play_refusals, 0);
    int first = report(rig.trial, 1, 1);
    rig_wait(&rig, &rig.done);
    int second = first < 0 ? first : report(rig.trial, 2, 1);
    assert_int_equal(second, MUSTER_ERR_REFUSED);
    assert_string_equal(muster_error(rig.trial), "bad_step: step 1 is not above 1");
    if (first < 0) {
        assert_int_equal(report(rig.trial, 2, 1), 0);
    }
    assert_int_equal(report(rig.trial, 3, 1), MUSTER_ERR_REFUSED);
    assert_string_equal(muster_error(rig.trial), "bad_name: no");
    /* Act bits may be tested without looking at the sign. */
    assert_int_equal(
        MUSTER_ERR_REFUSED & (MUSTER_STOP | MUSTER_PAUSE | MUSTER_CHECKPOINT | MUSTER_EXPLOIT), 0);
    rig_end(&rig);
}

static void play_refusal_and_stop(struct rig *rig)
{
    play_start(rig, RIG_HELLO);
    agent_read(rig);
    agent_read(rig);
    /* In one piece, so that the trainer takes both in one call. */
    agent_say(
        rig,
        "{\"ok\":0,\"error\":\"bad_step\",\"text\":\"\"}\n{\"ok\":1,\"act\":4,\"milestone\":null}");
    sem_post(&rig->done);
    agent_bye(rig);
}

static void test_report_refused_before_does_not_hide_a_stop(void **state)
{
    (void)state;
    struct rig rig;
    int told[2] = {0}, n = 0;
    rig_begin(&rig, play_refusal_and_stop, 0);
    for (int64_t step = 1; step <= 5; step++) {
        int result = report(rig.trial, step, 1);
        if (result != 0) {
            assert_true(n < 2);
            told[n++] = result;
        }
        if (step == 2) {
            rig_wait(&rig, &rig.done);
        }
    }
    assert_int_equal(told[0], MUSTER_STOP);
    assert_int_equal(told[1], MUSTER_ERR_REFUSED);
    rig_end(&rig);
}

static void play_nothing_else(struct rig *rig)
{
    play_start(rig, RIG_HELLO);
    agent_expect(rig, "{\"bye\":\"done\",\"note\":\"\"}");
    agent_say(rig, "{\"ok\":1}");
}

static void test_report_that_makes_no_line_is_refused_here(void **state)
{
    (void)state;
    struct rig rig;
    static const char *const bad[] = {"a\"b", "a\\b", "a\nb"};
    static const char *names[4096];
    static double values[4096];
    for (size_t i = 0; i < 4096; i++) {
        names[i] = "a_metric_name";
        values[i] = 0.1;
    }
    rig_begin(&rig, play_nothing_else, 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(muster_report(rig.trial, 1, 1, &bad[i], values), MUSTER_ERR_REFUSED);
        assert_non_null(strstr(muster_error(rig.trial), "bad metric name"));
    }
    assert_int_equal(muster_report(rig.trial, 1, 4096, names, values), MUSTER_ERR_REFUSED);
    rig_end(&rig);
}

/* ---- what is written ---- */

static void play_numbers(struct rig *rig)
{
    play_start(rig, RIG_HELLO);
    agent_expect(rig, "{\"report\":{\"step\":-3,\"m\":{\"a\":\"nan\",\"b\":\"inf\",\"c\":\"-inf\","
                      "\"val/\xc3\xa9\":0.10000000000000001,\"e\":-1.5000000000000001e+300}}}");
    agent_say(rig, RECEIVED);
    agent_expect(rig, "{\"report\":{\"step\":9007199254740993,\"m\":{}}}");
    agent_say(rig, RECEIVED);
    agent_bye(rig);
}

static void numbers_report(void)
{
    struct rig rig;
    static const char *const names[] = {"a", "b", "c", "val/\xc3\xa9", "e"};
    const double values[] = {NAN, INFINITY, -INFINITY, 0.1, -1.5e300};
    rig_begin(&rig, play_numbers, 0);
    double lr = 0;
    assert_int_equal(muster_f64(rig.trial, "lr", &lr), 0);
    assert_true(lr > 0.0099 && lr < 0.0101);
    assert_int_equal(muster_report(rig.trial, -3, 5, names, values), 0);
    assert_int_equal(muster_report(rig.trial, 9007199254740993, 0, NULL, NULL), 0);
    rig_end(&rig);
}

static void test_report_writes_every_double_as_json(void **state)
{
    (void)state;
    numbers_report();
}

static void test_report_in_a_locale_with_a_decimal_comma_writes_points(void **state)
{
    (void)state;
    char folder[] = "/tmp/muster-locale-XXXXXX", command[256];
    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1",
             folder);
    int code = system(command);
    setenv("LOCPATH", folder, 1);
    bool is_there = code == 0 && setlocale(LC_ALL, "de_DE.UTF-8") != NULL &&
                    localeconv()->decimal_point[0] == ',';
    if (is_there) {
        numbers_report();
        char text[16];
        snprintf(text, sizeof text, "%.1f", 0.5);
        assert_string_equal(text, "0,5"); /* the program's own locale is as it was */
    }
    setlocale(LC_ALL, "C");
    unsetenv("LOCPATH");
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
    if (!is_there) {
        skip();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report_below_the_milestone_waits_for_none_of_64),
        cmocka_unit_test(test_report_with_64_owed_waits_for_one),
        cmocka_unit_test(test_report_at_the_milestone_returns_its_own_answer),
        cmocka_unit_test(test_report_returns_the_bits_of_answers_before_it_once),
        cmocka_unit_test(test_report_refused_is_negative_and_has_its_words),
        cmocka_unit_test(test_report_refused_before_does_not_hide_a_stop),
        cmocka_unit_test(test_report_that_makes_no_line_is_refused_here),
        cmocka_unit_test(test_report_writes_every_double_as_json),
        cmocka_unit_test(test_report_in_a_locale_with_a_decimal_comma_writes_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
