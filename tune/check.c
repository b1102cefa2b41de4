/* tune/check.c -- can this sweep be tuned at all? What the parser cannot know: baselines against
 * the space, the size of a grid, what constraints leave. */
#include "tune/config.h"
#include "tune/space.h"
#include "tune/sweep.h"

/* Of so many random configurations so many must be allowed: less than one in a thousand would make
 * every suggestion a search of its own, and CONFIG_TRIES_MAX draws could find none. */
enum { SAMPLES = CONFIG_TRIES_MAX, ALLOWED_MIN = CONFIG_TRIES_MAX / 1000 };

static error_code constraints_check(const struct sweep_spec *spec, struct report *report)
{
    struct value config[SPEC_PARAMETERS_MAX];
    uint32_t broken[SPEC_CONSTRAINTS_MAX] = {0}, n_allowed = 0, which = 0, worst = 0;
    for (uint32_t attempt = 0; attempt < SAMPLES && n_allowed < ALLOWED_MIN; attempt++) {
        config_draw(spec, 0, 1, attempt, NULL, config);
        if (config_is_allowed(spec, config, &which)) {
            n_allowed++;
        } else {
            broken[which]++;
        }
    }
    if (n_allowed == ALLOWED_MIN) {
        return OK;
    }
    for (uint32_t i = 1; i < spec->n_constraints; i++) {
        worst = broken[i] > broken[worst] ? i : worst;
    }
    const struct constraint *constraint = &spec->constraints[worst];
    return report_fail_at(report, ERR_INVALID, constraint->line, constraint->column,
                          "the constraints leave %s: of %d configurations drawn at random %u meet "
                          "them; `%s` refused %u. Narrow the ranges instead",
                          n_allowed > 0 ? "almost nothing" : "nothing", SAMPLES, n_allowed,
                          constraint->text, broken[worst]);
}

static error_code searcher_check(const struct sweep_spec *spec, struct report *report)
{
    const struct searcher *searcher = searcher_find(spec->search);
    struct searcher_state *state = NULL;
    if (searcher == NULL) {
        return report_fail(report, ERR_INVALID, "this version has no such search.method");
    }
    error_code error =
        searcher->new != NULL ? searcher->new (spec, spec->seed, &state, report) : OK;
    if (searcher->free != NULL) {
        searcher->free(state);
    }
    /* A grid counts what is left, and asks for nothing else. */
    return error != OK || searcher->size != NULL || spec->n_constraints == 0
               ? error
               : constraints_check(spec, report);
}

/* Whoever submits reads the file; a record or a request without its steps cannot run. */
static error_code replay_check(const struct sweep_spec *spec, struct report *report)
{
    return spec->schedule.type != SCHEDULE_REPLAY || spec->schedule.n_steps > 0
               ? OK
               : report_fail(report, ERR_INVALID,
                             "`schedule.from`: %s was not read; `muster sweep run` and `muster "
                             "submit` send what it says, as `schedule.steps`",
                             spec->schedule.from);
}

error_code tune_check(const struct sweep_spec *spec, struct report *report)
{
    for (uint32_t i = 0; i < spec->n_parameters; i++) {
        if (param_check(&spec->parameters[i]) != OK) {
            return report_fail_at(report, ERR_INVALID, spec->parameters[i].line,
                                  spec->parameters[i].column, "parameter `%s` makes no sense",
                                  spec->parameters[i].name);
        }
    }
    error_code error = replay_check(spec, report);
    if (error == OK) {
        error = searcher_check(spec, report);
    }
    return error == OK ? baselines_check(spec, report) : error;
}
