/* Macros of a command and of its environment: NUL between the words. What the check lets pass
 * expands, unless it gets too long, and the expansion is within its limit. */
#include "input.h"
#include "spec/macros.h"

enum { ARENA_MAX = 4 << 20, WORDS_MAX = 8, PARAMS = 3 };

static void check_env(const char *text, const struct macros_values *values,
                      const struct param_spec *params, struct arena *arena)
{
    struct report report = {0};
    const char *expanded = NULL;
    error_code checked = macros_check(text, MACROS_ENV, params, PARAMS, &report);
    error_code error = macros_env_expand(text, values, arena, &expanded, &report);
    assert(error == checked || values->index > 0 || error == ERR_LIMIT || error == ERR_NO_MEMORY);
    assert(error != OK || strlen(expanded) <= MACROS_TEXT_MAX_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct named_value params[PARAMS] = {
        {"lr", {.kind = VALUE_REAL, .real = 1e-4}},
        {"opt.name", {.kind = VALUE_STR, .str = "it's \"a\" $b"}},
        {"n", {.kind = VALUE_INT, .integer = -3}},
    };
    static const struct param_spec specs[PARAMS] = {
        {.name = "lr"}, {.name = "opt.name"}, {.name = "n"}};
    if (size == 0) {
        return 0;
    }
    bool is_shell = (data[0] & 1) != 0, has_line = (data[0] & 4) != 0;
    struct macros_values values = {params,
                                   PARAMS,
                                   "12.41",
                                   "/tmp/t/12.41",
                                   (data[0] & 2) != 0 ? 7 : 0,
                                   has_line ? "a 'line' of $it" : NULL,
                                   (data[0] & 8) != 0 ? "/tmp/t/params.json" : NULL,
                                   (data[0] & 16) != 0 ? "/tmp/s n" : NULL};
    char *text = fuzz_text(data + 1, size - 1);
    const char *words[WORDS_MAX];
    uint32_t n = 0;
    for (size_t at = 0; at < size && n < WORDS_MAX; at += strlen(text + at) + 1) {
        words[n++] = text + at;
    }
    struct arena arena;
    struct report report = {0};
    const char *const *argv = NULL;
    uint32_t argc = 0;
    arena_init(&arena, ARENA_MAX);
    error_code error =
        macros_expand(words, is_shell ? 1 : n, is_shell, &values, &arena, &argv, &argc, &report);
    if (error == OK) {
        assert(argv[argc] == NULL);
        for (uint32_t i = 0; i < argc; i++) {
            assert(strlen(argv[i]) <= MACROS_TEXT_MAX_BYTES);
        }
    } else {
        assert(report.text[0] != '\0' || error == ERR_NO_MEMORY);
    }
    ignore_error(
        macros_array_check(words[0], is_shell ? MACROS_SHELL : MACROS_ITEM, has_line, &report),
        "either");
    check_env(words[0], &values, specs, &arena);
    struct buf json;
    buf_init(&json, 1 << 20);
    ignore_error(macros_params_json(params, PARAMS, &json), "sticky");
    buf_fini(&json);
    char name[MACROS_ENV_NAME_MAX];
    assert(strlen(macros_env_name(words[0], name)) < sizeof name);
    arena_fini(&arena);
    free(text);
    return 0;
}
