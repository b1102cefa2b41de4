#include "rig.h"

#include "lines/found.h"

/* ---- numbers and names ---- */

static void test_number_as_programs_print_it_is_read(void **state)
{
    static const struct {
        const char *text;
        const char *wanted; /* "": no number */
        const char *rest;
    } rows[] = {
        {"0.9", "0.9", ""},
        {"-1e-3,", "-0.001", ","},
        {".5 x", "0.5", " x"},
        {"3.", "3", ""},
        {"+2", "2", ""},
        {"nan", "nan", ""},
        {"-inf)", "-inf", ")"},
        {"Infinity", "inf", ""},
        {"97.5%", "97.5", ""},
        {"np.float64(0.9)", "0.9", ""},
        {"tensor(0.25, device='cuda:0')]", "0.25", "]"},
        {"array(nan, dtype=float32)", "nan", ""},
        {"Tensor(np.float32(1.5))", "1.5", ""},
        {"12ms", "", NULL},
        {"1.2.3", "", NULL},
        {"0x10", "", NULL},
        {"eval", "", NULL},
        {"nano", "", NULL},
        {"", "", NULL},
        {"np.float64(0.9", "", NULL},
        {"f(g(h(i(1))))", "", NULL},
        {"1e", "", NULL},
        {"--1", "", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *end = NULL;
        double value = 0;
        char text[64] = "";
        if (found_number(rows[i].text, &end, &value)) {
            snprintf(text, sizeof text, "%g", value);
            assert_string_equal(end, rows[i].rest);
        }
        if (strcmp(text, rows[i].wanted) != 0) {
            fail_msg("'%s': want '%s', have '%s'", rows[i].text, rows[i].wanted, text);
        }
    }
}

static void test_name_with_other_separators_is_the_same_name(void **state)
{
    (void)state;
    assert_true(found_name_equal("val_loss", "val_loss"));
    assert_true(found_name_equal("val_loss", "val/loss"));
    assert_true(found_name_equal("val loss", "val_loss"));
    assert_false(found_name_equal("val_loss", "val_los"));
    assert_false(found_name_equal("valxloss", "val_loss"));
    assert_false(found_name_equal("Loss", "loss"));
}

/* ---- presets ---- */

static void test_preset_muster_pairs_of_a_line(void **state)
{
    (void)state;
    preset_reports("muster", "loss", NULL, "epoch=3 loss=0.12\n", "3=0.12");
    preset_reports("muster", "loss", NULL, "[INFO] step=4, epoch=1, loss = 0.5;\n", "4=0.5");
    preset_reports("muster", "loss", "epoch", "step=4 epoch=1 loss=0.5\n", "1=0.5");
    preset_reports("muster", "loss", NULL, "loss=nan\nloss=inf\n", "1=nan 2=inf");
    preset_reports("muster", "loss", NULL, "loss=np.float64(0.9)\n", "1=0.9");
    preset_reports("muster", "loss", NULL, "mode=eval loss=0.5\n", "1=0.5");
    preset_reports("muster", "loss", NULL, "val_loss=2 x.loss=3 loss=1e\n", "");
    preset_reports("muster", "eval/loss", NULL, "eval/loss=2\n", "1=2");
    preset_reports("muster", "loss", NULL, "loss=1", "1=1"); /* not terminated */
    preset_reports("muster", "mode", NULL, "mode=eval\n", "");
}

static void test_preset_json_and_dict_objects_of_a_line(void **state)
{
    (void)state;
    preset_reports("json", "loss", NULL, "{\"step\": 3, \"loss\": 0.5}\n", "3=0.5");
    preset_reports("json", "loss", NULL, "INFO:root:{\"loss\": NaN, \"epoch\": 2}\n", "2=nan");
    preset_reports("json", "a.loss", NULL, "{\"a\": {\"loss\": 1, \"x\": [1, 2]}, \"t\": null}\n",
                   "1=1");
    preset_reports("json", "loss", NULL, "{\"loss\": 0.5\n", "");
    preset_reports("json", "loss", NULL, "{'loss': 0.5}\n", "");
    preset_reports("json", "loss", NULL, "{\"loss\": \"0.5\"}\n", "");
    preset_reports("json", "loss", NULL, "{\"loss\": 0.5} and more\n", "");
    preset_reports("dict", "loss", NULL, "{'loss': 0.5, 'epoch': 1, 'a': None, 'b': (1, 2)}\n",
                   "1=0.5");
    preset_reports("dict", "loss", NULL, "{'loss': np.float64(0.5), 'x': <object at 0x1>}\n",
                   "1=0.5");
    preset_reports("dict", "loss", NULL, "{'it\\'s': 1, 'loss': tensor(2., device='cuda:0')}\n",
                   "1=2");
    preset_reports("dict", "loss", NULL, "{{{{{{{{{{{{{{{{{{{{{{\n", "");
}

static void test_preset_hf_step_is_the_epoch(void **state)
{
    (void)state;
    preset_reports("hf", "eval_loss", NULL,
                   "{'loss': 0.9, 'learning_rate': 1e-05, 'epoch': 0.5}\n"
                   "{'eval_loss': 0.2, 'eval_runtime': 1.5, 'epoch': 1.0}\n"
                   "{'eval_loss': '0.1', 'epoch': '1.5'}\n"
                   "{'train_runtime': 3.1, 'epoch': 2.0}\n",
                   "1=0.2 1.5=0.1");
}

static void test_preset_keras_finished_bar_with_the_epoch_before_it(void **state)
{
    static const char old_bars[] =
        "Epoch 1/2\n"
        " 1/10 [==>...........] - ETA: 9s - loss: 9.0 - val_loss: 9.0\b\b\b\b\b\b\b\b\r"
        "10/10 [==============] - 1s 2ms/step - loss: 0.3000 - val_loss: 0.2000\n"
        "Epoch 2/2\n"
        "10/10 [==============] - 1s 2ms/step - loss: 0.2000 - val_loss: 0.1000\n";
    static const char new_bars[] =
        "Epoch 1/2\n\r\x1b[1m 1/10\x1b[0m \x1b[37m━━━━\x1b[0m \x1b[1m9s\x1b[0m 1s/step - loss: 9.0"
        "\r\x1b[1m10/10\x1b[0m \x1b[32m━━━━\x1b[0m\x1b[37m\x1b[0m \x1b[1m0s\x1b[0m 2ms/step - "
        "loss: 0.3 - val_loss: 2.0000e-01\n";
    (void)state;
    preset_reports("keras", "val_loss", NULL, old_bars, "1=0.2 2=0.1");
    preset_reports("keras", "val_loss", NULL, new_bars, "1=0.2");
    preset_reports("keras", "loss", NULL, "Epoch 1/2\n 5/10 [=>..] - 1s - loss: 0.3", "");
    preset_reports("keras", "loss", NULL, "10/10 - 1s - loss: 0.3\n", "1=0.3"); /* evaluate() */
}

static void test_preset_lightning_bar_at_its_end(void **state)
{
    static const char bars[] =
        "\rEpoch 0:   0%|          | 0/57 [00:00<?, ?it/s]"
        "\rEpoch 0:  50%|#####     | 28/57 [00:00<00:00, 40.1it/s, v_num=3, val_loss=9.0]"
        "\rEpoch 0: 100%|##########| 57/57 [00:01<00:00, 40.1it/s, v_num=3]"
        "\nValidation: 100%|###| 5/5 [00:00<00:00]\x1b[A"
        "\rEpoch 0: 100%|##########| 57/57 [00:01<00:00, 40.1it/s, v_num=3, val_loss=0.5]"
        "\rEpoch 1:   0%|          | 0/57 [00:00<?, ?it/s, v_num=3, val_loss=0.5]"
        "\rEpoch 1: 100%|##########| 57/57 [00:01<00:00, 40.1it/s, v_num=3, val_loss=0.4]\n";
    (void)state;
    preset_reports("lightning", "val_loss", NULL, bars, "0=0.5 1=0.4");
}

static void test_preset_nanogpt_words_before_numbers(void **state)
{
    static const char lines[] = "number of parameters: 0.80M\n"
                                "step 0: train loss 4.2, val loss 4.3\n"
                                "iter 0: loss 4.25, time 12.30ms, mfu -100.00%\n"
                                "step 250: train loss 1.9, val loss 2.0\n"
                                "step 250: train loss 1.9, val loss 1.95\n";
    (void)state;
    preset_reports("nanogpt", "val_loss", NULL, lines, "0=4.3 250=1.95");
    preset_reports("nanogpt", "loss", NULL, lines, "0=4.25");
}

/* ---- patterns ---- */

static void pattern_reports(const char *pattern, const char *metric, const char *input,
                            const char *wanted)
{
    preset_reports(pattern, metric, NULL, input, wanted);
}

static void test_pattern_named_groups_give_values_and_steps(void **state)
{
    (void)state;
    pattern_reports("Average loss: (?P<loss>[^,]+),", "loss",
                    "Test set: Average loss: 0.5, Accuracy: 9/10\n"
                    "Test set: Average loss: 0.4, Accuracy: 9/10\n",
                    "1=0.5 2=0.4");
    pattern_reports("(?P<name>[a-z ]+): (?P<value>[^;]+)", "val_loss", "val loss: 0.5; acc: 1;\n",
                    "1=0.5");
    pattern_reports("epoch (?P<step>\\d+): (?P<loss>\\S+)", "loss",
                    "epoch 7: np.float64(0.25)\nepoch 8: 3x\nepoch 9: -inf\n", "7=0.25 9=-inf");
    pattern_reports("(?P<eval_loss>[0-9.]+)", "eval/loss", "a 1 b 2\n", "1=1 2=2");
    /* Empty matches move on. */
    pattern_reports("(?P<loss>[0-9]*)", "loss", "\xC3\xA9\xC3\xA9 7\n", "1=7");
}

static void test_pattern_step_alone_holds_for_what_follows(void **state)
{
    static const char *const rules[] = {"^Epoch (?P<step>\\d+)", "loss (?P<loss>\\S+)"};
    const struct line_config config = {.rules = rules, .n_rules = 2, .metric = "loss"};
    (void)state;
    reports_are(&config, "loss 9\nEpoch 5\nloss 2\nloss 1\nEpoch 6\nloss 0.5\n", "1=9 5=1 6=0.5");
}

static void test_pattern_without_end_finds_nothing_and_comes_back(void **state)
{
    struct rig rig;
    char line[2000];
    static const char *const rules[] = {"(a+)+(a+)+(a+)+b(?P<loss>x)", "muster"};
    const struct line_config config = {.rules = rules, .n_rules = 2, .metric = "loss"};
    (void)state;
    memset(line, 'a', sizeof line);
    memcpy(line + sizeof line - 9, " loss=4\n", 8);
    rig_run(&config, line, sizeof line - 1, 7, &rig);
    assert_string_equal(rig.text, "1=4");
}

/* ---- steps ---- */

static void test_step_last_value_wins_and_lower_steps_are_left_out(void **state)
{
    (void)state;
    preset_reports("muster", "loss", NULL,
                   "step=1 loss=5\nstep=1 loss=4\nstep=2 loss=3\nstep=1 loss=9\nstep=3 loss=2\n",
                   "1=4 2=3 3=2");
    preset_reports("muster", "loss", NULL, "step=-1 loss=5\nstep=nan loss=4\nstep=1e17 loss=4\n",
                   "");
    preset_reports("muster", "loss", NULL, "epoch=0.5 loss=5\nepoch=0.75 loss=4\n", "0.5=5 0.75=4");
}

static void test_step_is_final_when_the_next_begins(void **state)
{
    static const char *const rules[] = {"muster"};
    struct rig rig = {0};
    struct line_reports *reports;
    const struct line_config config = {.rules = rules,
                                       .n_rules = 1,
                                       .metric = "val_loss",
                                       .on_report = rig_on_report,
                                       .context = &rig};
    (void)state;
    assert_int_equal(line_reports_new(&config, &reports, NULL), OK);
    line_reports_feed(reports, (struct bytes){(const uint8_t *)"step=1 val_loss=5\n", 18});
    assert_string_equal(rig.text, "");
    line_reports_feed(reports, (struct bytes){(const uint8_t *)"step=2 loss=1\n", 14});
    assert_string_equal(rig.text, "1=5");
    line_reports_free(reports);
}

static void test_step_counted_goes_on_after_a_resume(void **state)
{
    static const char *const rules[] = {"muster"};
    const struct line_config config = {
        .rules = rules, .n_rules = 1, .metric = "loss", .first_step = 27};
    (void)state;
    reports_are(&config, "loss=5\nloss=4\n", "28=5 29=4");
}

static void test_step_by_time_of_an_earlier_line(void **state)
{
    (void)state;
    preset_reports("muster", "loss", "epoch", "epoch=1\nloss=5\nepoch=2\nloss=4\n", "1=5 2=4");
}

/* ---- rules ---- */

static void test_rule_first_that_finds_the_metric_has_the_line(void **state)
{
    static const char *const rules[] = {"json", "loss.: (?P<loss>\\d+)"};
    const struct line_config config = {.rules = rules, .n_rules = 2, .metric = "loss"};
    (void)state;
    reports_are(&config, "{\"loss\": 7}\n'loss': 8\n", "1=7 2=8");
}

static void test_rule_that_cannot_hold_is_refused_in_words(void **state)
{
    static const struct {
        const char *rule, *message;
    } rows[] = {
        {"(?P<loss>[0-9", "missing terminating ] for character class at its character 14"},
        {"loss (\\d+)", "it has no named group: write (?P<name>...) and (?P<value>...), or one "
                        "group for each metric like (?P<val_loss>...)"},
        {"(?P<name>\\w+)", "it has a group `name` and no group `value`"},
        {"(?P<value>\\w+)", "it has a group `value` and no group `name`"},
        {"(?P<los>\\w+)", "no group of it is the metric 'loss', and it has no groups `name` and "
                          "`value`"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct report report = {0};
        assert_int_equal(line_rule_check(rows[i].rule, "loss", &report), ERR_INVALID);
        assert_string_equal(report.text, rows[i].message);
        assert_int_equal(mem_live_count(), 0);
    }
    assert_int_equal(line_rule_check("keras", "loss", NULL), OK);
    assert_int_equal(line_rule_check("^Epoch (?P<step>\\d+)", "loss", NULL), OK);
}

/* ---- what people are told ---- */

struct verdicts {
    char text[1024];
    size_t len;
};

static void on_verdict(void *context, const struct line_verdict *verdict)
{
    struct verdicts *verdicts = context;
    verdicts->len += (size_t)snprintf(
        verdicts->text + verdicts->len, sizeof verdicts->text - verdicts->len, "%u%s%s%s%s ",
        (unsigned)verdict->line, verdict->n_values > 0 ? "v" : "", verdict->is_close ? "c" : "",
        verdict->is_counted ? "n" : "", verdict->is_back ? "b" : "");
}

static void on_nothing(void *context, const struct line_report *report)
{
    (void)context;
    (void)report;
}

static void test_verdict_of_each_line_says_close_misses_and_names(void **state)
{
    static const char *const rules[] = {"muster"};
    static const char input[] =
        "hello\nVal Loss: 3\nval_loss=3\nstep=1 val_loss=2 lr=0.1\nstep=0 val_loss=1 acc=2\n";
    struct verdicts verdicts = {0};
    struct line_reports *reports;
    const char *const *names;
    const struct line_config config = {.rules = rules,
                                       .n_rules = 1,
                                       .metric = "val_loss",
                                       .on_report = on_nothing,
                                       .on_verdict = on_verdict,
                                       .context = &verdicts};
    (void)state;
    assert_int_equal(line_reports_new(&config, &reports, NULL), OK);
    line_reports_feed(reports, (struct bytes){(const uint8_t *)input, sizeof input - 1});
    line_reports_end(reports);
    assert_string_equal(verdicts.text, "1 2c 3vn 4vb 5vb ");
    assert_int_equal(line_reports_names(reports, &names), 3);
    assert_string_equal(names[0], "step");
    assert_string_equal(names[1], "lr");
    assert_string_equal(names[2], "acc");
    line_reports_free(reports);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_number_as_programs_print_it_is_read),
        cmocka_unit_test(test_name_with_other_separators_is_the_same_name),
        cmocka_unit_test(test_preset_muster_pairs_of_a_line),
        cmocka_unit_test(test_preset_json_and_dict_objects_of_a_line),
        cmocka_unit_test(test_preset_hf_step_is_the_epoch),
        cmocka_unit_test(test_preset_keras_finished_bar_with_the_epoch_before_it),
        cmocka_unit_test(test_preset_lightning_bar_at_its_end),
        cmocka_unit_test(test_preset_nanogpt_words_before_numbers),
        cmocka_unit_test(test_pattern_named_groups_give_values_and_steps),
        cmocka_unit_test(test_pattern_step_alone_holds_for_what_follows),
        cmocka_unit_test(test_pattern_without_end_finds_nothing_and_comes_back),
        cmocka_unit_test(test_step_last_value_wins_and_lower_steps_are_left_out),
        cmocka_unit_test(test_step_is_final_when_the_next_begins),
        cmocka_unit_test(test_step_counted_goes_on_after_a_resume),
        cmocka_unit_test(test_step_by_time_of_an_earlier_line),
        cmocka_unit_test(test_rule_first_that_finds_the_metric_has_the_line),
        cmocka_unit_test(test_rule_that_cannot_hold_is_refused_in_words),
        cmocka_unit_test(test_verdict_of_each_line_says_close_misses_and_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
