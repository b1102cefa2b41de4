/* ${envvar:NAME}: what `envvar` says stands in command and env as it is. */
#include "rig.h"

#define REST "metric: {name: loss}\nstop: {trials: 1}\n"

static void test_variables_stand_for_themselves_in_command_and_env(void **state)
{
    (void)state;
    static const char *const texts[] = {"envvar.DATA=\"it's ${x}\"", "envvar.N=\"7\""};
    static const char list[] = "command: [train, 'a ${envvar:DATA} b', '$${envvar:N}']\n"
                               "env: {N: 'n${envvar:N}'}\n" REST;
    static const char text[] = "command: train ${envvar:DATA} --n=${envvar:N}\n" REST;
    struct spec_set set = {texts, 2, false, NULL};
    struct arena arena;
    struct sweep_spec spec;
    arena_init(&arena, RIG_ARENA_MAX);
    assert_int_equal(spec_sweep_parse_set(list, strlen(list), NULL, &set, &arena, &spec, NULL), OK);
    assert_string_equal(spec.command.words[1], "a it's $${x} b");
    assert_string_equal(spec.command.words[2], "$${envvar:N}");
    assert_string_equal(spec.env[0].value, "n7");
    assert_int_equal(spec_sweep_parse_set(text, strlen(text), NULL, &set, &arena, &spec, NULL), OK);
    assert_string_equal(spec.command.words[0], "train 'it'\\''s $${x}' --n='7'");
    arena_fini(&arena);
}

static void test_file_has_defaults_that_the_environment_replaces(void **state)
{
    (void)state;
    static const char *const texts[] = {"envvar.A=\"new\""};
    static const char text[] =
        "command: [x, '${envvar:A}', '${envvar:B}']\nenvvar: {A: old, B: 1}\n" REST;
    struct spec_set set = {texts, 1, false, NULL};
    struct arena arena;
    struct sweep_spec spec;
    arena_init(&arena, RIG_ARENA_MAX);
    assert_int_equal(spec_sweep_parse_set(text, strlen(text), NULL, &set, &arena, &spec, NULL), OK);
    assert_string_equal(spec.command.words[1], "new");
    assert_string_equal(spec.command.words[2], "1");
    arena_fini(&arena);
}

static const struct refused refused[] = {
    REFUSED("command: [x, '${envvar:A}']\nenvvar: {B: 1}\n" REST, ERR_INVALID, 1, 14,
            "the macro ${envvar:A} has nothing to stand for: the environment of the submission has "
            "no such variable; a default is written `envvar: {NAME: text}`"),
    REFUSED("command: x\nenvvar: [A]\n" REST, ERR_INVALID, 2, 9,
            "`envvar` needs a block of names and texts, not a list"),
    REFUSED("command: x\nenvvar: {A: {b: 1}}\n" REST, ERR_INVALID, 2, 13,
            "`envvar.A` needs a text, not a block"),
};

static void test_variable_that_nobody_has_is_refused(void **state)
{
    (void)state;
    refused_check(refused, sizeof refused / sizeof refused[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variables_stand_for_themselves_in_command_and_env),
        cmocka_unit_test(test_file_has_defaults_that_the_environment_replaces),
        cmocka_unit_test(test_variable_that_nobody_has_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
