#include "rig.h"

#include "spec/macros.h"

#define REST "\nmetric: {name: loss}\nstop: {trials: 1}\nparameters: {lr: 1, layers: 2}\n"

static const struct refused refused[] = {
    REFUSED("command: ['${args}']", ERR_INVALID, 1, 11,
            "`command` names no program: ${args} cannot be its first word"),
    REFUSED("command: x ${arsg}" REST, ERR_INVALID, 1, 10,
            "undefined macro ${arsg}; did you mean ${args}?"),
    REFUSED("command: x ${HOME}" REST, ERR_INVALID, 1, 10,
            "undefined macro ${HOME}; write $${HOME} for a literal ${HOME}"),
    REFUSED("command: x ${lrr}" REST, ERR_INVALID, 1, 10,
            "undefined macro ${lrr}; did you mean ${lr}?"),
    REFUSED("command: x ${lr" REST, ERR_INVALID, 1, 10,
            "${ without its }; write $${ for a literal ${"),
    REFUSED("command: 'x ${'" REST, ERR_INVALID, 1, 10,
            "${ without its }; write $${ for a literal ${"),
    REFUSED("command: x ${}" REST, ERR_INVALID, 1, 10,
            "undefined macro ${}; write $${} for a literal ${}"),
    REFUSED(
        "command: [x, 'a ${args}']" REST, ERR_INVALID, 1, 14,
        "${args} must be an item of its own in a list command; or write the command as one string"),
    REFUSED("command: [x, '${layer}']" REST, ERR_INVALID, 1, 14,
            "undefined macro ${layer}; did you mean ${layers}?"),
    REFUSED("command: [x, '$${a} ${b}']" REST, ERR_INVALID, 1, 14,
            "undefined macro ${b}; write $${b} for a literal ${b}"),
    REFUSED("command: x\nenv: {A: '${trial.idd}'}" REST, ERR_INVALID, 2, 10,
            "undefined macro ${trial.idd}; did you mean ${trial.id}?"),
    REFUSED("command: >\n  x\n  ${foo}" REST, ERR_INVALID, 1, 10,
            "undefined macro ${foo}; write $${foo} for a literal ${foo}"),
    REFUSED("command: x ${envvar:HOME}" REST, ERR_INVALID, 1, 10,
            "the macro ${envvar:HOME} has nothing to stand for: the environment of the submission "
            "has no such variable; a default is written `envvar: {NAME: text}`"),
    REFUSED("command: x ${program}" REST, ERR_INVALID, 1, 10,
            "the macro ${program} has nothing to stand for: the file has no key `program`"),
    REFUSED("command: x ${restore:--resume {}" REST, ERR_INVALID, 1, 10,
            "${ without its }; write $${ for a literal ${"),
    REFUSED("command: [x, 'a${args_no_hyphens}']" REST, ERR_INVALID, 1, 14,
            "${args_no_hyphens} must be an item of its own in a list command; or write the command "
            "as one string"),
};

static void test_macros_bad_one_is_refused_at_its_scalar(void **state)
{
    (void)state;
    refused_check(refused, sizeof refused / sizeof refused[0]);
}

static const struct named_value params[] = {
    {"lr", {.kind = VALUE_REAL, .real = 1e-5}},
    {"width", {.kind = VALUE_INT, .integer = 32}},
    {"nesterov", {.kind = VALUE_BOOL, .boolean = true}},
    {"opt", {.kind = VALUE_STR, .str = "it's ${lr}; rm"}},
    {"augment.mixup", {.kind = VALUE_REAL, .real = 32.0}},
    {"args", {.kind = VALUE_STR, .str = "shadowed"}},
};
static const struct macros_values values = {
    .params = params, .n_params = 6, .trial_id = "12.41", .trial_dir = "/tmp/a b"};

#define JSON                                                                                       \
    "{\"lr\":1e-05,\"width\":32,\"nesterov\":true,\"opt\":\"it's ${lr}; rm\","                     \
    "\"augment\":{\"mixup\":32.0},\"args\":\"shadowed\"}"

/* The expansion of a command as one text, items parted by |, or the report's text. */
static const char *expanded(const char *const *words, uint32_t n_words, bool is_shell,
                            const struct macros_values *with)
{
    static char text[4096];
    struct report report = {0};
    struct arena arena;
    const char *const *argv;
    uint32_t argc;
    arena_init(&arena, RIG_ARENA_MAX);
    text[0] = '\0';
    if (macros_expand(words, n_words, is_shell, with, &arena, &argv, &argc, &report) != OK) {
        snprintf(text, sizeof text, "%s", report.text);
    } else {
        assert_null(argv[argc]);
        for (uint32_t i = 0; i < argc; i++) {
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i > 0 ? "|" : "",
                     argv[i]);
        }
    }
    arena_fini(&arena);
    return text;
}

static void test_macros_list_item_args_splits(void **state)
{
    (void)state;
    const char *const words[] = {"train", "${args}", "-v"};
    const struct macros_values none = {.trial_id = "1.1", .trial_dir = "/"};
    assert_string_equal(expanded(words, 3, false, &values),
                        "train|--lr=1e-05|--width=32|--nesterov=True|--opt=it's ${lr}; rm|"
                        "--augment.mixup=32.0|--args=shadowed|-v");
    assert_string_equal(expanded(words, 3, false, &none), "train|-v");
}

static void test_macros_list_item_expands_in_place(void **state)
{
    (void)state;
    static const struct {
        const char *word, *want;
    } rows[] = {
        {"", ""},
        {"plain $ $5 ${lr}", "plain $ $5 1e-05"},
        {"${trial.dir}/${trial.id}.${augment.mixup}", "/tmp/a b/12.41.32.0"},
        {"${opt}", "it's ${lr}; rm"}, /* not expanded again */
        {"$${lr} $$${lr} $$x", "${lr} $${lr} $$x"},
        {"$${", "${"},
        {"${args_json}", JSON},
        {"${nesterov}${width}", "True32"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_string_equal(expanded(&rows[i].word, 1, false, &values), rows[i].want);
    }
}

static void test_macros_shell_command_quotes_every_expansion(void **state)
{
    (void)state;
    static const struct {
        const char *word, *want;
    } rows[] = {
        {"cd ${trial.dir} && x", "/bin/sh|-c|cd '/tmp/a b' && x"},
        {"x --o=${opt}", "/bin/sh|-c|x --o='it'\\''s ${lr}; rm'"},
        {"x ${args}", "/bin/sh|-c|x --lr=1e-05 --width=32 --nesterov=True "
                      "'--opt=it'\\''s ${lr}; rm' --augment.mixup=32.0 --args=shadowed"},
        {"x ${args_json}",
         "/bin/sh|-c|x '{\"lr\":1e-05,\"width\":32,\"nesterov\":true,\"opt\":\"it'\\''s ${lr}; "
         "rm\",\"augment\":{\"mixup\":32.0},\"args\":\"shadowed\"}'"},
        {"echo $${HOME} $HOME", "/bin/sh|-c|echo ${HOME} $HOME"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_string_equal(expanded(&rows[i].word, 1, true, &values), rows[i].want);
    }
}

static void test_macros_shell_empty_value_is_still_a_word(void **state)
{
    (void)state;
    const struct named_value empty = {"e", {.kind = VALUE_STR, .str = ""}};
    const struct macros_values with = {
        .params = &empty, .n_params = 1, .trial_id = "1.1", .trial_dir = "/"};
    const char *word = "x ${e} y";
    assert_string_equal(expanded(&word, 1, true, &with), "/bin/sh|-c|x '' y");
}

static void test_macros_env_joins_args(void **state)
{
    (void)state;
    struct arena arena;
    const char *text;
    struct macros_values two = values;
    two.n_params = 2;
    arena_init(&arena, RIG_ARENA_MAX);
    assert_int_equal(macros_env_expand("[${args}] ${trial.dir}", &two, &arena, &text, NULL), OK);
    assert_string_equal(text, "[--lr=1e-05 --width=32] /tmp/a b");
    assert_int_equal(macros_env_expand("${opt}", &two, &arena, &text, NULL), ERR_INVALID);
    arena_fini(&arena);
}

/* What was checked at submit may still be wrong in a task that nobody checked. */
static void test_macros_expand_undefined_is_refused(void **state)
{
    (void)state;
    const char *const undefined = "${widht}", *const unclosed = "${lr",
                      *const later = "${envvar:A}";
    assert_string_equal(expanded(&undefined, 1, false, &values),
                        "undefined macro ${widht}; did you mean ${width}?");
    assert_string_equal(expanded(&unclosed, 1, false, &values),
                        "${ without its }; write $${ for a literal ${");
    assert_string_equal(expanded(&later, 1, true, &values),
                        "the macro ${envvar:A} has nothing to stand for: the environment of the "
                        "submission has no such variable; a default is written `envvar: {NAME: "
                        "text}`");
    assert_string_equal(expanded(&later, 0, true, &values), "a command needs 1 to 1024 words");
}

static void test_macros_of_an_array_expand_in_arrays_alone(void **state)
{
    (void)state;
    const char *const words[] = {"x", "${index}", "a${line}b", "$${line}"};
    struct macros_values task = {.trial_id = "7.55", .trial_dir = "", .index = 55, .line = "a b"};
    assert_string_equal(expanded(words, 4, false, &task), "x|55|aa bb|${line}");
    const char *const text[] = {"x ${index} ${line}"};
    task.line = "it's";
    assert_string_equal(expanded(text, 1, true, &task), "/bin/sh|-c|x 55 'it'\\''s'");
    task.line = "";
    assert_string_equal(expanded(text, 1, true, &task), "/bin/sh|-c|x 55 ''");
    task.line = NULL;
    assert_non_null(strstr(expanded(text, 1, true, &task), "--each-line"));
    /* Elsewhere they are names like any other. */
    const struct named_value param = {"index", {.kind = VALUE_INT, .integer = 3}};
    const struct macros_values trial = {
        .params = &param, .n_params = 1, .trial_id = "1.1", .trial_dir = "/"};
    assert_string_equal(expanded(&words[1], 1, false, &trial), "3");
    assert_non_null(strstr(expanded(text, 1, true, &trial), "undefined macro ${line}"));
}

static void test_macros_array_check_knows_what_an_array_has(void **state)
{
    (void)state;
    struct report report = {0};
    assert_int_equal(macros_array_check("${index} ${trial.id}", MACROS_ITEM, false, NULL), OK);
    assert_int_equal(macros_array_check("${line}", MACROS_ITEM, true, NULL), OK);
    assert_int_equal(macros_array_check("${line}", MACROS_ITEM, false, &report), ERR_INVALID);
    assert_non_null(strstr(report.text, "--from-json"));
    assert_int_equal(macros_array_check("${indx}", MACROS_SHELL, false, &report), ERR_INVALID);
    assert_non_null(strstr(report.text, "did you mean ${index}?"));
}

static void test_macros_text_past_its_limit_is_refused(void **state)
{
    (void)state;
    static char big[SPEC_TEXT_MAX_BYTES];
    memset(big, 'x', sizeof big - 1);
    const struct named_value large = {"b", {.kind = VALUE_STR, .str = big}};
    const struct macros_values with = {
        .params = &large, .n_params = 1, .trial_id = "1.1", .trial_dir = "/"};
    const char *const fits = "${b}${b}", *const over = "${b}${b}xx";
    struct arena arena;
    const char *const *argv;
    uint32_t argc;
    struct report report = {0};
    arena_init(&arena, RIG_ARENA_MAX);
    assert_int_equal(macros_expand(&fits, 1, false, &with, &arena, &argv, &argc, &report), OK);
    assert_int_equal(strlen(argv[0]), 2 * (sizeof big - 1));
    assert_int_equal(macros_expand(&over, 1, false, &with, &arena, &argv, &argc, &report),
                     ERR_LIMIT);
    assert_string_equal(report.text, "a text is longer than 131071 bytes once expanded");
    arena_fini(&arena);
}

static void test_macros_params_json_writes_non_finite_as_text(void **state)
{
    (void)state;
    const struct named_value odd[] = {{"a", {.kind = VALUE_REAL, .real = -1.0 / 0.0}},
                                      {"b", {.kind = VALUE_NULL}}};
    struct buf buf;
    buf_init(&buf, 1024);
    assert_int_equal(macros_params_json(odd, 2, &buf), OK);
    assert_string_equal(buf_text(&buf), "{\"a\":\"-inf\",\"b\":null}");
    buf_reset(&buf);
    assert_int_equal(macros_params_json(NULL, 0, &buf), OK);
    assert_string_equal(buf_text(&buf), "{}");
    buf_fini(&buf);
}

static void test_macros_env_name_replaces_other_characters(void **state)
{
    (void)state;
    char name[MACROS_ENV_NAME_MAX];
    assert_string_equal(macros_env_name("augment.mix-up_2", name), "MUSTER_P_augment_mix_up_2");
}

static void test_macros_expand_without_memory_fails_cleanly(void **state)
{
    (void)state;
    const char *const words[] = {"train", "${args}", "${args_json}", "${trial.dir}"};
    bool is_through = false;
    for (uint64_t k = 1; !is_through; k++) {
        struct arena arena;
        const char *const *argv;
        uint32_t argc;
        arena_init(&arena, RIG_ARENA_MAX);
        mem_fail_at(k);
        error_code code = macros_expand(words, 4, false, &values, &arena, &argv, &argc, NULL);
        is_through = !mem_has_failed();
        mem_fail_at(0);
        assert_int_equal(code, is_through ? OK : ERR_NO_MEMORY);
        arena_fini(&arena);
        assert_int_equal(mem_live_count(), 0);
    }
}

static void test_macros_args_in_other_forms(void **state)
{
    (void)state;
    static const struct named_value few[] = {
        {"lr", {.kind = VALUE_REAL, .real = 0.5}},
        {"fast", {.kind = VALUE_BOOL, .boolean = true}},
        {"slow", {.kind = VALUE_BOOL, .boolean = false}},
        {"name", {.kind = VALUE_STR, .str = "a b"}},
    };
    const struct macros_values with = {.params = few,
                                       .n_params = 4,
                                       .trial_id = "1.1",
                                       .trial_dir = "/t",
                                       .params_file = "/t/p.json"};
    static const struct {
        const char *word;
        bool is_shell;
        const char *want;
    } rows[] = {
        {"${args_no_hyphens}", false, "lr=0.5|fast=True|slow=False|name=a b"},
        {"${args_no_boolean_flags}", false, "--lr=0.5|--fast|--name=a b"},
        {"x ${args_no_hyphens}", true, "/bin/sh|-c|x lr=0.5 fast=True slow=False 'name=a b'"},
        {"x ${args_no_boolean_flags}", true, "/bin/sh|-c|x --lr=0.5 --fast '--name=a b'"},
        {"${args_json_file}", false, "/t/p.json"},
        {"${env} ${interpreter}", true, "/bin/sh|-c|/usr/bin/env python3"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_string_equal(expanded(&rows[i].word, 1, rows[i].is_shell, &with), rows[i].want);
    }
}

static void test_macros_restore_vanishes_at_the_beginning(void **state)
{
    (void)state;
    const struct macros_values fresh = {.trial_id = "1.1", .trial_dir = "/t"};
    const struct macros_values again = {
        .trial_id = "1.1", .trial_dir = "/t", .restore_dir = "/s n/7"};
    static const struct {
        const char *word;
        bool is_shell;
        const char *fresh, *again;
    } rows[] = {
        {"${restore}", false, "", "/s n/7"},
        {"${restore:--resume {}}", false, "", "--resume|/s n/7"},
        {"${restore: --resume={}/a  -v }", false, "", "--resume=/s n/7/a|-v"},
        {"--from=${restore}", false, "--from=", "--from=/s n/7"},
        {"x ${restore:--resume {}} y", true, "/bin/sh|-c|x  y", "/bin/sh|-c|x --resume '/s n/7' y"},
        {"${restore:}", false, "", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_string_equal(expanded(&rows[i].word, 1, rows[i].is_shell, &fresh), rows[i].fresh);
        assert_string_equal(expanded(&rows[i].word, 1, rows[i].is_shell, &again), rows[i].again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_macros_args_in_other_forms),
        cmocka_unit_test(test_macros_restore_vanishes_at_the_beginning),
        cmocka_unit_test(test_macros_bad_one_is_refused_at_its_scalar),
        cmocka_unit_test(test_macros_list_item_args_splits),
        cmocka_unit_test(test_macros_list_item_expands_in_place),
        cmocka_unit_test(test_macros_shell_command_quotes_every_expansion),
        cmocka_unit_test(test_macros_shell_empty_value_is_still_a_word),
        cmocka_unit_test(test_macros_env_joins_args),
        cmocka_unit_test(test_macros_expand_undefined_is_refused),
        cmocka_unit_test(test_macros_of_an_array_expand_in_arrays_alone),
        cmocka_unit_test(test_macros_array_check_knows_what_an_array_has),
        cmocka_unit_test(test_macros_text_past_its_limit_is_refused),
        cmocka_unit_test(test_macros_params_json_writes_non_finite_as_text),
        cmocka_unit_test(test_macros_env_name_replaces_other_characters),
        cmocka_unit_test(test_macros_expand_without_memory_fails_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
