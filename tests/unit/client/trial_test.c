/* Opening a trial, its parameters, running by itself, and good-bye. */
#include "rig.h"

#include <math.h>

/* ---- opening ---- */

static void play_hello(struct rig *rig)
{
    agent_expect(rig, "{\"hello\":1,\"can\":[\"checkpoint\",\"exploit\"]}");
    agent_say(rig, "{\"ok\":1,\"act\":4,\"params\":{\"lr\":0.01,\"n\":3,\"big\":1e300,\"o\":\"adam "
                   "\\\"w\\\"\",\"b\":true,"
                   "\"off\":false,\"none\":null,\"aug.mix\":0.5,\"s\":\"0.25\"},\"restore\":\"/a/"
                   "b\",\"step\":9,"
                   "\"trial\":\"12.41\",\"attempt\":2,\"seed\":9007199254740992,\"milestone\":27,"
                   "\"save\":27}");
    agent_bye(rig);
}

static void test_open_takes_all_of_the_first_answer(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, play_hello, MUSTER_CAN_CHECKPOINT | MUSTER_CAN_EXPLOIT);
    assert_string_equal(muster_id(rig.trial), "12.41");
    assert_string_equal(muster_restore(rig.trial), "/a/b");
    assert_int_equal(muster_step(rig.trial), 9);
    assert_true(muster_seed(rig.trial) == 9007199254740992ULL);
    assert_int_equal(muster_save_at(rig.trial), 27);
    assert_string_equal(muster_error(rig.trial), "");
    /* Told to stop before the first step: the first report says it. */
    assert_int_equal(report(rig.trial, 10, 1), MUSTER_STOP);
    assert_int_equal(report(rig.trial, 11, 1), 0);
    assert_int_equal(muster_step(rig.trial), 9);
    rig_end(&rig);
}

static void test_params_have_their_types(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, play_hello, MUSTER_CAN_CHECKPOINT | MUSTER_CAN_EXPLOIT);
    muster_trial *t = rig.trial;
    double real = 42;
    int64_t whole = 42;
    assert_int_equal(muster_f64(t, "lr", &real), 0);
    assert_true(real == 0.01);
    assert_int_equal(muster_i64(t, "n", &whole), 0);
    assert_int_equal(whole, 3);
    assert_int_equal(muster_f64(t, "b", &real), 0);
    assert_true(real == 1);
    assert_int_equal(muster_i64(t, "off", &whole), 0);
    assert_int_equal(whole, 0);
    assert_int_equal(muster_f64(t, "aug.mix", &real), 0);
    assert_true(real == 0.5);
    assert_string_equal(muster_str(t, "o"), "adam \"w\"");
    assert_string_equal(muster_str(t, "lr"), "0.01");

    real = 42;
    whole = 42;
    assert_int_equal(muster_i64(t, "lr", &whole), MUSTER_ERR_TYPE);
    assert_string_equal(muster_error(t), "parameter 'lr' is no whole number");
    assert_int_equal(muster_i64(t, "big", &whole), MUSTER_ERR_TYPE);
    assert_int_equal(muster_f64(t, "o", &real), MUSTER_ERR_TYPE);
    assert_int_equal(muster_f64(t, "none", &real), MUSTER_ERR_TYPE);
    assert_int_equal(muster_f64(t, "lrr", &real), MUSTER_ERR_NAME);
    assert_string_equal(muster_error(t), "there is no parameter 'lrr'");
    assert_null(muster_str(t, "lrr"));
    assert_true(real == 42 && whole == 42);
    rig_end(&rig);
}

static char *long_hello(size_t n_params, size_t n_text)
{
    size_t size = n_params * 32 + n_text + 512, n = 0;
    char *text = malloc(size);
    assert_non_null(text);
    n += (size_t)snprintf(text, size, "{\"ok\":1,\"act\":0,\"params\":{\"text\":\"");
    memset(text + n, 'x', n_text);
    n += n_text;
    n += (size_t)snprintf(text + n, size - n, "\"");
    for (size_t i = 0; i < n_params; i++) {
        n += (size_t)snprintf(text + n, size - n, ",\"p%zu\":%zu", i, i);
    }
    snprintf(text + n, size - n,
             "},\"restore\":null,\"step\":0,\"trial\":\"1.1\",\"seed\":1,\"milestone\":null,"
             "\"save\":null}");
    return text;
}

static void play_long_hello(struct rig *rig)
{
    char *text = long_hello(256, 50000);
    agent_read(rig);
    agent_say(rig, text);
    free(text);
    agent_bye(rig);
}

static void test_open_takes_as_many_parameters_as_a_file_may_have(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, play_long_hello, 0);
    int64_t last = 0;
    assert_int_equal(muster_i64(rig.trial, "p255", &last), 0);
    assert_int_equal(last, 255);
    assert_int_equal(strlen(muster_str(rig.trial, "text")), 50000);
    rig_end(&rig);
}

static void play_refusal(struct rig *rig)
{
    agent_read(rig);
    agent_say(rig, "{\"ok\":0,\"error\":\"gone\",\"text\":\"this attempt is no longer wanted\"}");
    agent_bye(rig);
}

static void test_open_refused_says_why_and_training_may_go_on(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, play_refusal, 0);
    assert_string_equal(muster_error(rig.trial), "gone: this attempt is no longer wanted");
    assert_null(muster_restore(rig.trial));
    assert_int_equal(report(rig.trial, 1, 0.5), 0);
    rig_end(&rig);
}

static void test_open_without_a_listener_trains_by_itself_and_says_so(void **state)
{
    (void)state;
    char path[200] = "/tmp/muster-client-none/";
    setenv("MUSTER_SOCKET", path, 1);
    muster_trial *t = muster_open(0);
    assert_non_null(strstr(muster_error(t), "cannot be opened: No such file or directory"));
    assert_int_equal(report(t, 1, 1), 0);
    muster_close(t, MUSTER_DONE, NULL);

    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    setenv("MUSTER_SOCKET", path, 1);
    t = muster_open(0);
    assert_non_null(strstr(muster_error(t), "File name too long"));
    muster_close(t, MUSTER_DONE, NULL);
    unsetenv("MUSTER_SOCKET");
}

/* A listener that nobody serves: connect() itself would wait for ever. */
static void test_open_at_a_full_queue_gives_up(void **state)
{
    (void)state;
    struct rig rig;
    int waiting[8];
    rig_listen(&rig);
    assert_int_equal(listen(rig.listener, 0), 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, rig.path, sizeof rig.path);
    bool is_full = false;
    for (size_t i = 0; i < 8; i++) {
        waiting[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        is_full |= connect(waiting[i], (struct sockaddr *)&address, sizeof address) != 0;
    }
    assert_true(is_full);
    muster_trial *t = muster_open(0);
    assert_non_null(strstr(muster_error(t), "cannot be opened"));
    muster_close(t, MUSTER_DONE, NULL);
    for (size_t i = 0; i < 8; i++) {
        close(waiting[i]);
    }
    rig_free(&rig);
}

/* ---- by itself ---- */

static void test_alone_parameters_come_from_the_environment(void **state)
{
    (void)state;
    unsetenv("MUSTER_SOCKET");
    setenv("MUSTER_P_lr", "1e-05", 1);
    setenv("MUSTER_P_augment_mixup", "0.25", 1);
    setenv("MUSTER_P_o", "sgd", 1);
    setenv("MUSTER_P_on", "true", 1);
    setenv("MUSTER_SEED", "5", 1);
    setenv("MUSTER_CHECKPOINTS", "rung,end", 1);
    muster_trial *t = muster_open(MUSTER_CAN_CHECKPOINT);
    double real = 0;
    assert_int_equal(muster_f64(t, "lr", &real), 0);
    assert_true(real == 1e-05);
    assert_int_equal(muster_f64(t, "augment.mixup", &real), 0);
    assert_true(real == 0.25);
    assert_int_equal(muster_f64(t, "on", &real), 0);
    assert_true(real == 1);
    assert_int_equal(muster_f64(t, "o", &real), MUSTER_ERR_TYPE);
    assert_string_equal(muster_str(t, "o"), "sgd");
    assert_int_equal(muster_f64(t, "none", &real), MUSTER_ERR_NAME);
    assert_int_equal(muster_seed(t), 5);
    assert_string_equal(muster_id(t), "");

    assert_int_equal(report(t, 1, NAN), 0);
    assert_int_equal(muster_save_at(t), -1);
    assert_int_equal(muster_save_due(t, 1, 1), 0);
    assert_null(muster_save_begin(t, 1));
    assert_string_equal(muster_error(t), "there is no muster to save to");
    assert_int_equal(muster_exploit(t), MUSTER_ERR_SILENT);
    muster_close(t, MUSTER_DONE, NULL);
    muster_close(NULL, MUSTER_DONE, NULL);
    unsetenv("MUSTER_P_lr");
    unsetenv("MUSTER_P_augment_mixup");
    unsetenv("MUSTER_P_o");
    unsetenv("MUSTER_P_on");
    unsetenv("MUSTER_SEED");
    unsetenv("MUSTER_CHECKPOINTS");
}

/* ---- good-bye ---- */

static void play_bye(struct rig *rig)
{
    agent_read(rig);
    agent_say(rig, RIG_HELLO);
    agent_expect(rig, "{\"bye\":\"invalid\",\"note\":\"a 'quoted'  line \xc3\xa9   end\"}");
    agent_say(rig, "{\"ok\":1}");
}

static void test_close_note_of_any_bytes_is_one_good_line(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, play_bye, 0);
    muster_close(rig.trial, MUSTER_INVALID, "a \"quoted\"\\\nline \xc3\xa9\xff\xc3 end");
    rig.trial = NULL;
    rig_end(&rig);
}

static void play_long_bye(struct rig *rig)
{
    agent_read(rig);
    agent_say(rig, RIG_HELLO);
    agent_read(rig);
    /* 1,024 bytes of three each: the last one does not fit, and is left out whole. */
    size_t note = strlen("{\"bye\":\"error\",\"note\":\"");
    if (rig->line_bytes != note + 1023 + 2 ||
        strcmp(rig->line + note + 1020, "\xe2\x82\xac\"}") != 0) {
        agent_note(rig, "a note of %zu bytes", rig->line_bytes);
    }
    agent_say(rig, "{\"ok\":1}");
}

static void test_close_long_note_is_cut_between_characters(void **state)
{
    (void)state;
    struct rig rig;
    char note[3001] = "";
    for (size_t i = 0; i < 1000; i++) {
        memcpy(note + 3 * i, "\xe2\x82\xac", 4);
    }
    rig_begin(&rig, play_long_bye, 0);
    muster_close(rig.trial, 99, note); /* an outcome that does not exist is an error */
    rig.trial = NULL;
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_takes_all_of_the_first_answer),
        cmocka_unit_test(test_params_have_their_types),
        cmocka_unit_test(test_open_takes_as_many_parameters_as_a_file_may_have),
        cmocka_unit_test(test_open_refused_says_why_and_training_may_go_on),
        cmocka_unit_test(test_open_without_a_listener_trains_by_itself_and_says_so),
        cmocka_unit_test(test_open_at_a_full_queue_gives_up),
        cmocka_unit_test(test_alone_parameters_come_from_the_environment),
        cmocka_unit_test(test_close_note_of_any_bytes_is_one_good_line),
        cmocka_unit_test(test_close_long_note_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
