/* The blocks `schedule` and `pbt`. */
#include "spec/schedule.h"

#include <math.h>
#include <string.h>

#include "spec/replay.h"
#include "spec/spelling.h"
#include "spec/sweep.h"
#include "spec/sweep_keys.h"

#define STEP_MAX 9007199254740992 /* 2^53 */
#define AT(field) offsetof(struct sweep_spec, field)

enum { ETA_MAX = 1000000, PATH_TEXT_MAX_BYTES = 4095 };

static const double factors_default[] = {0.8, 1.2};
static const double FACTOR_MAX = 1e6;

const struct pbt_spec pbt_defaults = {
    .quantile = 0.25,
    .resample = 0.25,
    .factors = factors_default,
    .n_factors = 2,
};

/* ---- readers ---- */

static error_code number_read(struct reader *r, const struct spec_node *node, double low,
                              double high, double *ret_number)
{
    struct value value;
    double number;
    error_code error = reader_value(r, node, "a number", &value);
    if (error != OK) {
        return error;
    }
    if (!value_number(value, &number)) {
        return reader_fail_type(r, node, "a number");
    }
    if (!(number >= low && number <= high)) {
        return reader_fail(r, node, ERR_INVALID, "`%s` must be %g to %g, not %s", r->path, low,
                           high, node->text);
    }
    *ret_number = number;
    return OK;
}

static error_code key_read_quantile(struct reader *r, const struct spec_node *node,
                                    const struct spec_key *key, void *base)
{
    (void)key;
    return number_read(r, node, 0, 0.5, &((struct sweep_spec *)base)->pbt.quantile);
}

static error_code key_read_resample(struct reader *r, const struct spec_node *node,
                                    const struct spec_key *key, void *base)
{
    (void)key;
    return number_read(r, node, 0, 1, &((struct sweep_spec *)base)->pbt.resample);
}

static error_code list_check(struct reader *r, const struct spec_node *node,
                             const struct spec_key *key, const char *wanted)
{
    if (node->kind != NODE_LIST) {
        return reader_fail_type(r, node, wanted);
    }
    if (node->n > (uint32_t)key->max) {
        return reader_fail(r, node, ERR_LIMIT, "`%s` has %u items; at most %lld are allowed",
                           r->path, node->n, (long long)key->max);
    }
    return OK;
}

static error_code key_read_factors(struct reader *r, const struct spec_node *node,
                                   const struct spec_key *key, void *base)
{
    struct pbt_spec *pbt = &((struct sweep_spec *)base)->pbt;
    error_code error = list_check(r, node, key, "a list of numbers like [0.8, 1.2]");
    if (error != OK) {
        return error;
    }
    double *factors = arena_calloc(r->arena, node->n, sizeof *factors);
    if (factors == NULL) {
        return reader_no_memory(r);
    }
    uint32_t n = 0;
    for (const struct spec_node *item = node->first; item != NULL; item = item->next, n++) {
        error = number_read(r, item, 1 / FACTOR_MAX, FACTOR_MAX, &factors[n]);
        if (error != OK) {
            return error;
        }
    }
    if (n == 0) {
        return reader_fail(r, node, ERR_INVALID,
                           "`%s` is empty; write [1] for parameters that are copied as they are",
                           r->path);
    }
    pbt->factors = factors;
    pbt->n_factors = n;
    return OK;
}

/* Names of parameters, which are not read yet: looked up by schedule_check(). */
static error_code key_read_mutate(struct reader *r, const struct spec_node *node,
                                  const struct spec_key *key, void *base)
{
    (void)base;
    return list_check(r, node, key, "a list of parameters' names");
}

const struct spec_word sweep_mode_words[] = {
    {"stop", SCHEDULE_STOP}, {"promote", SCHEDULE_PROMOTE}, {NULL, 0}};

const struct spec_key schedule_keys[] = {
    {"type", key_read_word, AT(schedule.type), 0, 0, 0, sweep_schedule_words},
    {"mode", key_read_word, AT(schedule.mode), 0, 0, 0, sweep_mode_words},
    {"min", key_read_i64, AT(schedule.min), 1, STEP_MAX, 0, NULL},
    {"max", key_read_i64, AT(schedule.max), 1, STEP_MAX, KEY_NONE, NULL},
    {"eta", key_read_i64, AT(schedule.eta), 2, ETA_MAX, 0, NULL},
    {"interval", key_read_i64, AT(schedule.interval), 1, STEP_MAX, 0, NULL},
    {"startup", key_read_u32, AT(schedule.startup), 1, SPEC_TRIALS_MAX, 0, NULL},
    {"from", key_read_line, AT(schedule.from), 0, PATH_TEXT_MAX_BYTES, 0, NULL},
    {"steps", key_read_steps, 0, 0, SPEC_BASELINES_MAX, 0, NULL},
    {.name = NULL},
};

const struct spec_key pbt_keys[] = {
    {"population", key_read_u32, AT(pbt.population), 1, SPEC_TRIALS_MAX, 0, NULL},
    {"interval", key_read_i64, AT(pbt.interval), 1, STEP_MAX, 0, NULL},
    {"quantile", key_read_quantile, 0, 0, 0, 0, NULL},
    {"resample", key_read_resample, 0, 0, 0, 0, NULL},
    {"factors", key_read_factors, 0, 0, SPEC_FACTORS_MAX, 0, NULL},
    {"mutate", key_read_mutate, 0, 0, SPEC_PARAMETERS_MAX, 0, NULL},
    {.name = NULL},
};

const char *spec_schedule_word(schedule_type type)
{
    return sweep_word(sweep_schedule_words, (int)type);
}

/* ---- rules between keys ---- */

#define OF(type) (1U << SCHEDULE_##type)

/* Which types a key of `schedule` has a meaning with. */
static const struct {
    const char *name;
    uint32_t types;
} owners[] = {
    {"mode", OF(ASHA) | OF(HYPERBAND)},
    {"min", OF(ASHA) | OF(SHA) | OF(HYPERBAND) | OF(MEDIAN)},
    {"max", OF(ASHA) | OF(SHA) | OF(HYPERBAND) | OF(MEDIAN) | OF(PBT) | OF(REPLAY)},
    {"eta", OF(ASHA) | OF(SHA) | OF(HYPERBAND)},
    {"interval", OF(MEDIAN)},
    {"startup", OF(MEDIAN)},
    {"from", OF(REPLAY)},
    {"steps", OF(REPLAY)},
};

bool spec_schedule_has(schedule_type type, const char *key)
{
    for (size_t i = 0; i < sizeof owners / sizeof owners[0]; i++) {
        if (strcmp(owners[i].name, key) == 0) {
            return (owners[i].types & 1U << type) != 0;
        }
    }
    return false;
}

static error_code fail_owner(struct reader *r, const struct spec_node *entry, const char *name,
                             uint32_t types, schedule_type type)
{
    error_code error = reader_fail(r, entry->key, ERR_INVALID,
                                   "`schedule.%s` has no meaning with `type: %s`; it belongs to",
                                   name, spec_schedule_word(type));
    const char *separator = " ";
    for (const struct spec_word *word = sweep_schedule_words; word->name != NULL; word++) {
        if (word->value != WORD_LATER && (types & 1U << word->value) != 0) {
            report_add(r->report, "%s%s", separator, word->name);
            separator = ", ";
        }
    }
    return error;
}

static error_code owners_check(struct reader *r, const struct spec_node *block, schedule_type type)
{
    for (size_t i = 0; i < sizeof owners / sizeof owners[0]; i++) {
        const struct spec_node *entry = spec_node_entry(block, owners[i].name);
        if (entry != NULL && (owners[i].types & 1U << type) == 0) {
            return fail_owner(r, entry, owners[i].name, owners[i].types, type);
        }
    }
    return OK;
}

/* What judges against others alone needs no last step: trials end by themselves. */
static bool max_is_optional(const struct schedule_spec *schedule)
{
    return schedule->type == SCHEDULE_MEDIAN || schedule->type == SCHEDULE_REPLAY ||
           (schedule->type == SCHEDULE_HYPERBAND && schedule->mode == SCHEDULE_STOP);
}

static error_code max_check(struct reader *r, const struct spec_node *block,
                            struct sweep_spec *spec)
{
    struct schedule_spec *schedule = &spec->schedule;
    const struct spec_node *max = spec_node_entry(block, "max");
    if (schedule->type == SCHEDULE_NONE) {
        return OK;
    }
    if (schedule->max == 0 && !max_is_optional(schedule)) {
        return reader_fail(r, max != NULL ? max : block, ERR_INVALID,
                           "the key `schedule.max` is missing: the last step of a trial");
    }
    schedule->max = schedule->max == 0 ? INT64_MAX : schedule->max;
    if (spec_schedule_has(schedule->type, "min") && schedule->max < schedule->min) {
        return reader_fail(r, max, ERR_INVALID, "`schedule.max` is %lld, less than min, %lld",
                           (long long)schedule->max, (long long)schedule->min);
    }
    return OK;
}

/* All its trials wait for each other: it has to be known how many there are. */
static error_code sha_check(struct reader *r, const struct spec_node *block,
                            const struct sweep_spec *spec)
{
    if (spec->schedule.type != SCHEDULE_SHA || spec->stop.trials > 0) {
        return OK;
    }
    return reader_fail(r, block, ERR_INVALID,
                       "`type: sha` needs `stop.trials`: its trials wait at a rung until all of "
                       "them have a result there; or write `type: asha`, which does not wait");
}

/* ---- pbt ---- */

static error_code fail_mutate(struct reader *r, const struct spec_node *item,
                              const struct sweep_spec *spec, const char *name)
{
    char excerpt[EXCERPT_MAX];
    struct spelling spelling = {.word = name};
    error_code error = reader_fail(r, item, ERR_INVALID, "`pbt.mutate`: there is no parameter '%s'",
                                   spelling_excerpt(name, excerpt));
    for (uint32_t i = 0; i < spec->n_parameters; i++) {
        spelling_offer(&spelling, spec->parameters[i].name);
    }
    if (spelling.best != NULL) {
        report_add(r->report, "; did you mean '%s'?", spelling.best);
    }
    return error;
}

/* Marks the parameters of one name. */
static error_code mutate_item(struct reader *r, const struct spec_node *item,
                              const struct sweep_spec *spec, bool *mutates)
{
    const char *name;
    uint32_t n_found = 0;
    error_code error = reader_line(r, item, SPEC_TEXT_MAX_BYTES, &name);
    if (error != OK) {
        return error;
    }
    for (uint32_t i = 0; i < spec->n_parameters; i++) {
        if (strcmp(spec->parameters[i].name, name) != 0) {
            continue;
        }
        n_found++;
        if (mutates[i]) {
            return reader_fail(r, item, ERR_INVALID, "`pbt.mutate` holds '%s' twice", name);
        }
        mutates[i] = spec->parameters[i].kind != PARAM_CONSTANT;
        if (!mutates[i]) {
            return reader_fail(r, item, ERR_INVALID,
                               "`pbt.mutate`: '%s' is a constant; give it values or a range", name);
        }
    }
    return n_found > 0 ? OK : fail_mutate(r, item, spec, name);
}

static error_code mutate_read(struct reader *r, const struct spec_node *list,
                              struct sweep_spec *spec)
{
    bool *mutates = arena_calloc(r->arena, spec->n_parameters + 1, sizeof *mutates);
    if (mutates == NULL) {
        return reader_no_memory(r);
    }
    for (uint32_t i = 0; list == NULL && i < spec->n_parameters; i++) {
        mutates[i] = spec->parameters[i].kind != PARAM_CONSTANT;
    }
    for (const struct spec_node *item = list != NULL ? list->first : NULL; item != NULL;
         item = item->next) {
        error_code error = mutate_item(r, item, spec, mutates);
        if (error != OK) {
            return error;
        }
    }
    /* A row changes as a whole, whichever of its columns was named. */
    for (uint32_t i = 0; i < spec->n_parameters; i++) {
        if (mutates[i] && spec->parameters[i].kind == PARAM_ROW) {
            mutates[spec->parameters[i].row_first] = true;
        }
    }
    spec->pbt.mutates = mutates;
    return OK;
}

static error_code population_check(struct reader *r, const struct spec_node *block,
                                   struct sweep_spec *spec)
{
    struct pbt_spec *pbt = &spec->pbt;
    if (pbt->population == 0 && spec->stop.trials == 0) {
        return reader_fail(r, block, ERR_INVALID,
                           "the key `pbt.population` is missing: how many trials train together");
    }
    if (spec->stop.trials == 0) {
        spec->stop.trials = pbt->population;
    }
    if (pbt->population == 0) {
        pbt->population = spec->stop.trials;
    }
    if (pbt->population > spec->stop.trials) {
        return reader_fail(r, spec_node_entry(block, "population"), ERR_INVALID,
                           "`pbt.population` is %u, more than `stop.trials`, %u", pbt->population,
                           spec->stop.trials);
    }
    return OK;
}

static error_code pbt_check(struct reader *r, const struct spec_node *root,
                            const struct spec_node *schedule, struct sweep_spec *spec)
{
    const struct spec_node *block = spec_node_entry(root, "pbt");
    if (spec->schedule.type != SCHEDULE_PBT) {
        return block == NULL ? OK
                             : reader_fail(r, block->key, ERR_INVALID,
                                           "`pbt` has no meaning without `schedule: {type: pbt, "
                                           "max: ...}`");
    }
    if (spec_node_entry(block, "interval") == NULL) {
        return reader_fail(r, block != NULL ? block : schedule, ERR_INVALID,
                           "the key `pbt.interval` is missing: the steps between two milestones of "
                           "a trial");
    }
    if (spec->pbt.interval > spec->schedule.max) {
        return reader_fail(r, spec_node_entry(block, "interval"), ERR_INVALID,
                           "`pbt.interval` is %lld, more than `schedule.max`, %lld: no trial would "
                           "ever copy another",
                           (long long)spec->pbt.interval, (long long)spec->schedule.max);
    }
    error_code error = population_check(r, block, spec);
    return error == OK ? mutate_read(r, spec_node_entry(block, "mutate"), spec) : error;
}

error_code schedule_check(struct reader *r, const struct spec_node *root, struct sweep_spec *spec)
{
    const struct spec_node *block = spec_node_entry(root, "schedule");
    const struct spec_node *foreign = spec_node_entry(root, "early_terminate");
    if (block != NULL && foreign != NULL) {
        return reader_fail(r, foreign->key, ERR_INVALID,
                           "`early_terminate` and `schedule` say the same; keep one of them");
    }
    if (spec->schedule.type == SCHEDULE_HYPERBAND && foreign == NULL &&
        spec_node_entry(block, "mode") == NULL) {
        spec->schedule.mode = SCHEDULE_PROMOTE;
    }
    error_code error = owners_check(r, block, spec->schedule.type);
    if (error == OK) {
        error = max_check(r, block, spec);
    }
    if (error == OK) {
        error = sha_check(r, block, spec);
    }
    if (error == OK) {
        error = replay_check(r, root, block, spec);
    }
    return error == OK ? pbt_check(r, root, block, spec) : error;
}

void schedule_make_test(struct sweep_spec *spec)
{
    int64_t first = spec->schedule.type == SCHEDULE_PBT             ? spec->pbt.interval
                    : spec_schedule_has(spec->schedule.type, "min") ? spec->schedule.min
                                                                    : 1;
    spec->schedule =
        (struct schedule_spec){.type = SCHEDULE_ASHA, .min = first, .max = first, .eta = 2};
}
