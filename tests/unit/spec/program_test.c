#include "rig.h"

#define REST "metric: {name: loss}\nstop: {trials: 1}\n"

static void words_are(const char *text, bool is_shell, const char *wanted)
{
    struct arena arena;
    struct sweep_spec spec;
    char have[512] = "", file[1024];
    snprintf(file, sizeof file, "%s%s", text, REST);
    parsed(file, &arena, &spec);
    for (uint32_t i = 0; i < spec.command.n_words; i++) {
        snprintf(have + strlen(have), sizeof have - strlen(have), "%s%s", i > 0 ? "|" : "",
                 spec.command.words[i]);
    }
    assert_string_equal(have, wanted);
    assert_int_equal(spec.command.is_shell, is_shell);
    arena_fini(&arena);
}

static void test_program_alone_is_run_as_wandb_runs_it(void **state)
{
    (void)state;
    words_are("program: train.py\n", false, "${env}|${interpreter}|train.py|${args}");
    words_are("program: 'a ${x}.py'\n", false, "${env}|${interpreter}|a $${x}.py|${args}");
}

static void test_program_stands_in_the_command(void **state)
{
    (void)state;
    words_are("program: train.py\ncommand: [python3, '${program}', '${args}']\n", false,
              "python3|train.py|${args}");
    words_are("command: python3 ${program} ${args}\nprogram: \"it's.py\"\n", true,
              "python3 'it'\\''s.py' ${args}");
    words_are("program: train.py\ncommand: [echo, '$${program}']\n", false, "echo|$${program}");
}

static const struct refused refused[] = {
    REFUSED("program: ''\n" REST, ERR_INVALID, 1, 10, "`program` must not be empty"),
    REFUSED("program: [a]\ncommand: x\n" REST, ERR_INVALID, 1, 10,
            "`program` needs a text, not a list"),
};

static void test_program_that_is_none_is_refused(void **state)
{
    (void)state;
    refused_check(refused, sizeof refused / sizeof refused[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_program_alone_is_run_as_wandb_runs_it),
        cmocka_unit_test(test_program_stands_in_the_command),
        cmocka_unit_test(test_program_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
