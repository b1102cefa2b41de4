/* A space as a sweep file says it, and configurations as text: "lr=0.1 opt=sgd". */
#ifndef MUSTER_TESTS_TUNE_TEXT_RIG_H
#define MUSTER_TESTS_TUNE_TEXT_RIG_H

#include "rig.h"
#include "spec/sweep.h"
#include "tune/config.h"

enum { TEXT_ARENA_MAX = 8 << 20, TEXT_MAX = 4096 };

#define TEXT_LEAST "command: x\nmetric: {name: loss}\nstop: {trials: 1000000}\n"

struct text_space {
    struct arena arena;
    struct sweep_spec spec;
    struct tuner *tuner;
    struct value config[SPEC_PARAMETERS_MAX];
    char text[TEXT_MAX];
};

static UNUSED void text_parse(struct text_space *space, const char *text)
{
    struct report report = {0};
    char file[TEXT_MAX];
    snprintf(file, sizeof file, TEXT_LEAST "%s", text);
    *space = (struct text_space){0};
    arena_init(&space->arena, TEXT_ARENA_MAX);
    if (spec_sweep_parse(file, strlen(file), NULL, &space->arena, &space->spec, &report) != OK) {
        fail_msg("%s at %u:%u in\n%s", report.text, report.line, report.column, file);
    }
}

/* Parsed, checked, with a tuner of seed 17. The caller calls text_end(). */
static UNUSED void text_open(struct text_space *space, const char *text)
{
    struct report report = {0};
    text_parse(space, text);
    if (tune_check(&space->spec, &report) != OK) {
        fail_msg("%s at %u:%u in\n%s", report.text, report.line, report.column, text);
    }
    assert_int_equal(tune_new(&space->spec, 17, &space->tuner), OK);
}

static UNUSED void text_end(struct text_space *space)
{
    tune_free(space->tuner);
    arena_fini(&space->arena);
    assert_int_equal(mem_live_count(), 0);
}

/* space->config as text. */
static UNUSED const char *text_of(struct text_space *space)
{
    struct buf buf;
    buf_init(&buf, TEXT_MAX);
    for (uint32_t i = 0; i < space->spec.n_parameters; i++) {
        if (space->config[i].kind != VALUE_NONE) {
            assert_int_equal(
                buf_printf(&buf, "%s%s=", buf.len > 0 ? " " : "", space->spec.parameters[i].name),
                OK);
            assert_int_equal(value_print(space->config[i], &buf), OK);
        }
    }
    snprintf(space->text, sizeof space->text, "%s", buf_text(&buf));
    buf_fini(&buf);
    return space->text;
}

/* The configuration of a trial: inside of the space, and allowed. */
static UNUSED const char *text_suggest(struct text_space *space, uint32_t trial)
{
    tune_suggest(space->tuner, trial, space->config);
    assert_true(config_is_inside(&space->spec, space->config));
    assert_true(config_is_allowed(&space->spec, space->config, NULL));
    return text_of(space);
}

/* The value of the active parameter of this name; VALUE_NONE: none is. */
static UNUSED struct value text_value(const struct text_space *space, const char *name)
{
    for (uint32_t i = 0; i < space->spec.n_parameters; i++) {
        if (strcmp(space->spec.parameters[i].name, name) == 0 &&
            space->config[i].kind != VALUE_NONE) {
            return space->config[i];
        }
    }
    return value_none();
}

static UNUSED double text_number(const struct text_space *space, const char *name)
{
    double number = NAN;
    assert_true(value_number(text_value(space, name), &number));
    return number;
}

/* A space that parses and cannot be tuned, where and why. */
static UNUSED void text_refused(const char *text, uint32_t line, uint32_t column,
                                const char *message)
{
    struct text_space space;
    struct report report = {0};
    text_parse(&space, text);
    assert_int_equal(tune_check(&space.spec, &report), ERR_INVALID);
    if (report.line != line || report.column != column || strcmp(report.text, message) != 0) {
        fail_msg("%s\n  want %u:%u %s\n  have %u:%u %s", text, line, column, message, report.line,
                 report.column, report.text);
    }
    assert_int_equal(tune_check(&space.spec, NULL), ERR_INVALID);
    text_end(&space);
}

#endif
