/* A sweep file, YAML or JSON, with settings behind it: the file up to the first NUL, then one
 * `PATH=VALUE` up to each next one. What is accepted is printed, and the print is accepted and
 * prints the same. What is refused says why. A space that can be tuned gives configurations inside
 * of it, which the log accepts. */
#include "input.h"
#include "spec/sweep.h"
#include "tune/config.h"
#include "tune/tune.h"

enum { ARENA_MAX = 16 << 20, PRINT_MAX = 8 << 20, SETS_MAX = 70, TRIALS = 3 };

static void check_print(const struct sweep_spec *spec)
{
    struct buf one, two;
    struct arena arena;
    struct sweep_spec again;
    struct report report = {0};
    buf_init(&one, PRINT_MAX);
    buf_init(&two, PRINT_MAX);
    arena_init(&arena, ARENA_MAX);
    /* A file at the limits may print as more than one. */
    if (spec_sweep_print(spec, &one) == OK && one.len <= SPEC_FILE_MAX_BYTES) {
        error_code error = spec_sweep_parse((const char *)one.data, one.len, "again.yaml", &arena,
                                            &again, &report);
        if (fuzz_must(error == OK) && fuzz_must(spec_sweep_print(&again, &two) == OK)) {
            assert(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
        }
    }
    buf_fini(&one);
    buf_fini(&two);
    arena_fini(&arena);
}

static void check_space(const struct sweep_spec *spec)
{
    struct value config[SPEC_PARAMETERS_MAX];
    struct report report = {0};
    struct tuner *tuner = NULL;
    error_code error = tune_check(spec, &report);
    if (error != OK) {
        assert(report.text[0] != '\0' || error == ERR_NO_MEMORY);
        return;
    }
    if (!fuzz_must(tune_new(spec, 7, &tuner) == OK)) {
        return;
    }
    for (uint32_t i = 0; i < TRIALS && tune_tickets(tuner) > 0; i++) {
        uint32_t trial = tune_next_trial(tuner);
        tune_suggest(tuner, trial, config);
        assert(config_is_inside(spec, config));
        const struct tune_event event = {.kind = TUNE_EVENT_ASKED,
                                         .trial = trial,
                                         .params = config,
                                         .n_params = spec->n_parameters};
        if (!fuzz_must(tune_apply(tuner, &event) == OK)) {
            break;
        }
    }
    tune_free(tuner);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *sets[SETS_MAX];
    struct spec_set set = {.texts = sets};
    char *text = fuzz_text(data, size);
    size_t len = strlen(text);
    for (size_t at = len + 1; at < size && set.n_texts < SETS_MAX; at += strlen(text + at) + 1) {
        sets[set.n_texts++] = text + at;
    }
    set.is_test = size > 0 && data[size - 1] == 't';
    struct arena arena;
    struct sweep_spec spec;
    struct report report = {0};
    arena_init(&arena, ARENA_MAX);
    error_code error = spec_sweep_parse_set(text, len, "sweep.yaml", &set, &arena, &spec, &report);
    if (error == OK) {
        check_print(&spec);
        check_space(&spec);
    } else {
        assert(report.text[0] != '\0' && report.code == error);
    }
    arena_fini(&arena);
    free(text);
    return 0;
}
