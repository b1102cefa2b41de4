#include "rig.h"

/* Unknown keys, missing keys, wrong types, words and numbers out of range. */
static const struct refused refused[] = {
    REFUSED("paramters: {}", ERR_INVALID, 1, 1,
            "unknown key 'paramters'; did you mean 'parameters'?"),
    REFUSED("Command: x", ERR_INVALID, 1, 1, "unknown key 'Command'; did you mean 'command'?"),
    REFUSED("commandd: x", ERR_INVALID, 1, 1, "unknown key 'commandd'; did you mean 'command'?"),
    REFUSED("zzz: 1", ERR_INVALID, 1, 1, "unknown key 'zzz'"),
    REFUSED("command: x\nmetric: {nam: loss}", ERR_INVALID, 2, 10,
            "unknown key 'nam' in `metric`; did you mean 'name'?"),
    REFUSED(
        "command: x\nmetric: {name: l, goal: minimise}", ERR_INVALID, 2, 25,
        "`metric.goal` cannot be 'minimise'; write minimize or maximize; did you mean 'minimize'?"),
    REFUSED("command: x\nmetric: {name: l, goal: [a]}", ERR_INVALID, 2, 25,
            "`metric.goal` needs a word, not a list"),
    REFUSED("command: x\nmetric: {name: l, goal: best}", ERR_INVALID, 2, 25,
            "`metric.goal` cannot be 'best'; write minimize or maximize"),
    REFUSED("command: x\nmetric: {goal: minimize}", ERR_INVALID, 2, 9,
            "the key `metric.name` is missing"),
    REFUSED("command: x\nmetric: loss", ERR_INVALID, 2, 9,
            "`metric` needs a block of keys, not the text 'loss'"),
    REFUSED("command: x\nmetric: {name: l, target: low}", ERR_INVALID, 2, 27,
            "`metric.target` needs a number, not the text 'low'"),
    REFUSED("command: x\nmetric: {name: l, target: .nan}", ERR_INVALID, 2, 27,
            "`metric.target` must be finite, not .nan"),
    REFUSED("command: x\nmetric: {name: ''}", ERR_INVALID, 2, 16,
            "`metric.name` must not be empty"),
    REFUSED("command: x\nmetric: {name: }", ERR_INVALID, 2, 16,
            "`metric.name` needs a text, but nothing stands there"),
    REFUSED("command: x\nmetric: {name: null}", ERR_INVALID, 2, 16,
            "`metric.name` needs a text, not null"),
    REFUSED("command: x\nmetric: {name: \"a\\nb\"}", ERR_INVALID, 2, 16,
            "`metric.name` must be one line without control characters"),
    REFUSED("metric: {name: l}\nstop: {trials: 1}", ERR_INVALID, 1, 1,
            "the key `command` is missing"),
    REFUSED("# c\n\ncommand: x\nstop: {trials: 1}", ERR_INVALID, 3, 1,
            "the key `metric` is missing"),
    REFUSED("command: x\nmetric: {name: l}", ERR_INVALID, 1, 1,
            "nothing ends this sweep; write `stop: {trials: 100}`, `stop: {wall: 12h}` or "
            "`metric.target`"),
    REFUSED("command: x\nmetric: {name: l}\nstop: {failures: 2}", ERR_INVALID, 3, 7,
            "nothing ends this sweep; write `stop: {trials: 100}`, `stop: {wall: 12h}` or "
            "`metric.target`"),
    REFUSED("command: ''", ERR_INVALID, 1, 10,
            "`command` names no program: its first word is empty"),
    REFUSED("command: '  '", ERR_INVALID, 1, 10,
            "`command` names no program: its first word is empty"),
    REFUSED("command: []", ERR_INVALID, 1, 10, "`command` must not be empty"),
    REFUSED("command: ['', a]", ERR_INVALID, 1, 11,
            "`command` names no program: its first word is empty"),
    REFUSED("command: {a: b}", ERR_INVALID, 1, 10,
            "`command` needs a list of words or one text for the shell, not a block"),
    REFUSED("command: null", ERR_INVALID, 1, 10, "`command` needs a text, not null"),
    REFUSED("command:", ERR_INVALID, 1, 9, "`command` needs a text, but nothing stands there"),
    REFUSED("command: [a, null]", ERR_INVALID, 1, 14, "`command` needs a text, not null"),
    REFUSED("command: [a, [b]]", ERR_INVALID, 1, 14, "`command` needs a text, not a list"),
    REFUSED("command: x\nmetric: {name: l}\nstop: {trials: 0}\n", ERR_INVALID, 3, 16,
            "`stop.trials` must be 1 to 10000000 or none, not 0"),
    REFUSED("command: x\nmetric: {name: l}\nstop: {trials: -1}\n", ERR_INVALID, 3, 16,
            "`stop.trials` must be 1 to 10000000 or none, not -1"),
    REFUSED("command: x\nmetric: {name: l}\nstop: {trials: 10000001}\n", ERR_INVALID, 3, 16,
            "`stop.trials` must be 1 to 10000000 or none, not 10000001"),
    REFUSED("command: x\nmetric: {name: l}\nstop: {trials: 1.0}\n", ERR_INVALID, 3, 16,
            "`stop.trials` needs a whole number, not 1.0"),
    REFUSED("command: x\nmetric: {name: l}\nstop: {trials: many}\n", ERR_INVALID, 3, 16,
            "`stop.trials` needs a whole number, not the text 'many'"),
    REFUSED("command: x\nmetric: {name: l}\nstop: {trials: '5'}\n", ERR_INVALID, 3, 16,
            "`stop.trials` needs a whole number, not the text '5'; remove the quotes"),
    REFUSED("command: x\nmetric: {name: l}\nstop: {trials: 99999999999999999999}\n", ERR_INVALID, 3,
            16, "`stop.trials`: the number 99999999999999999999 does not fit 64 bits"),
    REFUSED("command: x\nmetric: {name: l}\nstop: {trials: [1]}\n", ERR_INVALID, 3, 16,
            "`stop.trials` needs a whole number, not a list"),
    REFUSED("command: x\nmetric: {name: l}\nstop: {trials: 0x}\n", ERR_INVALID, 3, 16,
            "`stop.trials` needs a whole number, not the text '0x'"),
    REFUSED("command: x\nmetric: {name: l}\nstop: {wall: 0}\n", ERR_INVALID, 3, 14,
            "`stop.wall` must be 1ms to 3650d or none, not 0"),
    REFUSED(
        "command: x\nmetric: {name: l}\nstop: {wall: 5x}\n", ERR_INVALID, 3, 14,
        "`stop.wall`: '5x' is no duration; write 100ms, 10s, 5m, 12h, 1d or a number of seconds"),
    REFUSED(
        "command: x\nmetric: {name: l}\nstop: {wall: '-5s'}\n", ERR_INVALID, 3, 14,
        "`stop.wall`: '-5s' is no duration; write 100ms, 10s, 5m, 12h, 1d or a number of seconds"),
    REFUSED("command: x\nmetric: {name: l}\nstop: {wall: 4000d}\n", ERR_INVALID, 3, 14,
            "`stop.wall`: '4000d' is longer than 3650d"),
    REFUSED("command: x\nmetric: {name: l}\nstop: {wall: 0.0001s}\n", ERR_INVALID, 3, 14,
            "`stop.wall`: '0.0001s' is shorter than 1ms"),
    REFUSED("command: x\nmetric: {name: l}\nstop: {wall: {a: b}}\n", ERR_INVALID, 3, 14,
            "`stop.wall` needs a duration like 30s, not a block"),
    REFUSED("command: x\nmetric: {name: l}\nstop: {wall: }\n", ERR_INVALID, 3, 14,
            "`stop.wall` needs a duration like 30s, but nothing stands there"),
    REFUSED(
        "command: x\nmetric: {name: l}\nstop: {wall: 5 m}\n", ERR_INVALID, 3, 14,
        "`stop.wall`: '5 m' is no duration; write 100ms, 10s, 5m, 12h, 1d or a number of seconds"),
    REFUSED("command: x\nmetric: {name: l}\nstop: {trial: 3}\n", ERR_INVALID, 3, 8,
            "unknown key 'trial' in `stop`; did you mean 'trials'?"),
    REFUSED("command: x\nmetric: {name: l}\nstop: {failures: 0}\n", ERR_INVALID, 3, 18,
            "`stop.failures` must be 1 to 10000000 or none, not 0"),
    REFUSED(
        "command: x\nmetric: {name: l}\nstop: {wall: true}\n", ERR_INVALID, 3, 14,
        "`stop.wall`: 'true' is no duration; write 100ms, 10s, 5m, 12h, 1d or a number of seconds"),
};

static void test_reader_bad_file_is_refused_at_its_place(void **state)
{
    (void)state;
    refused_check(refused, sizeof refused / sizeof refused[0]);
}

/* A text stands where a text is wanted, however it is written; a number or a truth value as it was
 * typed. */
static void test_reader_text_takes_numbers_as_written(void **state)
{
    (void)state;
    struct arena arena;
    struct sweep_spec spec;
    parsed(LEAST "name: 007\nenv: {A: 1e3, B: True, C: 'null', D: ''}\n", &arena, &spec);
    assert_string_equal(spec.name, "007");
    assert_string_equal(spec.env[0].value, "1e3");
    assert_string_equal(spec.env[1].value, "True");
    assert_string_equal(spec.env[2].value, "null");
    assert_string_equal(spec.env[3].value, "");
    arena_fini(&arena);
}

static void test_reader_long_names_are_cut_in_messages(void **state)
{
    (void)state;
    char text[4096];
    struct report report = {0};
    struct arena arena;
    struct sweep_spec spec;
    memset(text, 'k', sizeof text);
    text[1000] = ':';
    text[1001] = ' ';
    arena_init(&arena, RIG_ARENA_MAX);
    assert_int_equal(spec_sweep_parse(text, sizeof text, NULL, &arena, &spec, &report),
                     ERR_INVALID);
    assert_true(strlen(report.text) < 100);
    assert_string_equal(report.file, "");
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reader_bad_file_is_refused_at_its_place),
        cmocka_unit_test(test_reader_text_takes_numbers_as_written),
        cmocka_unit_test(test_reader_long_names_are_cut_in_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
