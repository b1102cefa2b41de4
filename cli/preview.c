/* muster check --preview: how many trials a file means, and the configurations of the first ones.
 */
#include "base/mem.h"
#include "cli/sweep_file.h"
#include "tune/tune.h"

enum { PREVIEW_TRIALS = 10, PREVIEW_LINE_MAX = 64 << 10 };

static void counts_print(const struct sweep_spec *spec, const struct tuner *tuner)
{
    uint32_t max = tune_trials_max(tuner), size = tune_space_size(tuner);
    printf("search    %s", tune_searcher_name(tuner));
    if (size > 0) {
        printf(", %u configurations", size - spec->n_baselines);
    }
    printf("\ntrials    ");
    if (max > 0) {
        printf("%u", max);
    } else {
        printf("no limit by count");
    }
    if (spec->n_baselines > 0) {
        printf(", the first %u of them baselines",
               spec->n_baselines < max || max == 0 ? spec->n_baselines : max);
    }
    if (spec->resources.nodes > 1) {
        printf("\nnodes     %u for each trial at once, with %u rank%s on each",
               spec->resources.nodes, spec->ranks, spec->ranks == 1 ? "" : "s");
    }
    if (spec->has_seed) {
        printf("\nseed      %llu\n", (unsigned long long)spec->seed);
    } else {
        printf("\nseed      0 for this preview; drawn anew for each sweep\n");
    }
}

static void config_print(const struct sweep_spec *spec, uint32_t trial, const struct value *config,
                         struct buf *line)
{
    buf_reset(line);
    for (uint32_t i = 0; i < spec->n_parameters; i++) {
        if (config[i].kind != VALUE_NONE) {
            ignore_error(buf_printf(line, " %s=", spec->parameters[i].name), "cut there");
            ignore_error(value_print(config[i], line), "cut there");
        }
    }
    printf("%6u   %s%s\n", trial, buf_text(line), line->failed != OK ? " ..." : "");
}

int preview_print(const struct sweep_file *file)
{
    const struct sweep_spec *spec = &file->spec;
    struct value *config = mem_calloc(SPEC_PARAMETERS_MAX, sizeof *config);
    struct tuner *tuner = NULL;
    if (config == NULL || tune_new(spec, spec->has_seed ? spec->seed : 0, &tuner) != OK) {
        mem_free(config);
        return cli_fail(EXIT_USAGE, "%s: its parameters or schedule make no sense", file->name);
    }
    struct buf line;
    buf_init(&line, PREVIEW_LINE_MAX);
    counts_print(spec, tuner);
    uint32_t max = tune_trials_max(tuner);
    uint32_t n = max > 0 && max < PREVIEW_TRIALS ? max : PREVIEW_TRIALS;
    for (uint32_t trial = 1; trial <= n; trial++) {
        tune_suggest(tuner, trial, config);
        config_print(spec, trial, config, &line);
    }
    if (max == 0 || max > n) {
        printf("   ...\n");
    }
    buf_fini(&line);
    tune_free(tuner);
    mem_free(config);
    return EXIT_OK;
}
