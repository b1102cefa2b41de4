/* Readers of fields that no other key is like. */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "spec/spelling.h"
#include "spec/sweep.h"
#include "spec/sweep_keys.h"

error_code key_read_labels(struct reader *r, const struct spec_node *node,
                           const struct spec_key *key, void *base)
{
    struct sweep_spec *spec = base;
    uint32_t n = 0;
    if (node->kind != NODE_LIST) {
        return reader_fail_type(r, node, "a list of texts");
    }
    if (node->n > key->max) {
        return reader_fail(r, node, ERR_LIMIT, "`%s` has %u items; at most %lld are allowed",
                           r->path, node->n, (long long)key->max);
    }
    const char **labels = arena_calloc(r->arena, node->n, sizeof *labels);
    if (labels == NULL) {
        return reader_no_memory(r);
    }
    for (const struct spec_node *item = node->first; item != NULL; item = item->next, n++) {
        error_code error = reader_line(r, item, NAME_MAX_BYTES, &labels[n]);
        if (error != OK) {
            return error;
        }
        for (uint32_t i = 0; i < n; i++) {
            if (strcmp(labels[i], labels[n]) == 0) {
                return reader_fail(r, item, ERR_INVALID, "`%s` holds '%s' twice", r->path,
                                   labels[n]);
            }
        }
    }
    spec->labels = labels;
    spec->n_labels = n;
    return OK;
}

error_code key_read_target(struct reader *r, const struct spec_node *node,
                           const struct spec_key *key, void *base)
{
    struct metric_spec *metric = &((struct sweep_spec *)base)->metric;
    struct value value;
    if (reader_is_none(node, key)) {
        return OK;
    }
    error_code error = reader_value(r, node, "a number", &value);
    if (error != OK) {
        return error;
    }
    if (!value_number(value, &metric->target)) {
        return reader_fail_type(r, node, "a number");
    }
    if (!isfinite(metric->target)) {
        return reader_fail(r, node, ERR_INVALID, "`%s` must be finite, not %s", r->path,
                           node->text);
    }
    metric->has_target = true;
    return OK;
}

error_code key_read_seed(struct reader *r, const struct spec_node *node, const struct spec_key *key,
                         void *base)
{
    struct sweep_spec *spec = base;
    struct spec_key plain = *key;
    int64_t seed;
    plain.offset = 0;
    error_code error = key_read_i64(r, node, &plain, &seed);
    if (error == OK && !reader_is_none(node, key)) {
        spec->has_seed = true;
        spec->seed = (uint64_t)seed;
    }
    return error;
}

error_code key_read_gpus(struct reader *r, const struct spec_node *node, const struct spec_key *key,
                         void *base)
{
    error_code error = key_read_amount(r, node, key, base);
    amount gpus = error == OK ? ((struct sweep_spec *)base)->resources.gpus : 0;
    if (gpus > AMOUNT_ONE && gpus % AMOUNT_ONE != 0) {
        char excerpt[EXCERPT_MAX];
        return reader_fail(r, node, ERR_INVALID,
                           "`%s` must be a whole number, or a fraction below 1, not %s", r->path,
                           spelling_excerpt(node->text, excerpt));
    }
    return error;
}

static error_code custom_read(struct reader *r, const struct spec_node *node,
                              const struct spec_key *key, struct custom_amount *custom)
{
    const char *name = node->key->text;
    char excerpt[EXCERPT_MAX];
    bool is_good = isalpha((unsigned char)*name) || *name == '_';
    for (const char *c = name; *c != '\0'; c++) {
        is_good = is_good && (isalnum((unsigned char)*c) || strchr("_.:/-", *c) != NULL);
    }
    if (!is_good || node->key->len > NAME_MAX_BYTES) {
        return reader_fail(r, node->key, ERR_INVALID,
                           "'%s' cannot name a resource; at most %d letters, digits and _ . : / - "
                           "are allowed, first a letter or _",
                           spelling_excerpt(name, excerpt), NAME_MAX_BYTES);
    }
    struct spec_key plain = *key;
    plain.offset = offsetof(struct custom_amount, amount);
    size_t length = reader_path_enter(r, name);
    custom->name = arena_strndup(r->arena, name, node->key->len);
    error_code error =
        custom->name == NULL ? reader_no_memory(r) : key_read_amount(r, node, &plain, custom);
    reader_path_leave(r, length);
    return error;
}

error_code key_read_custom(struct reader *r, const struct spec_node *node,
                           const struct spec_key *key, void *base)
{
    struct request *request = &((struct sweep_spec *)base)->resources;
    if (node->kind != NODE_BLOCK) {
        return reader_fail_type(r, node, "a block of names and numbers");
    }
    if (node->n > SPEC_CUSTOM_MAX) {
        return reader_fail(r, node, ERR_LIMIT, "`%s` has %u names; at most %d are allowed", r->path,
                           node->n, SPEC_CUSTOM_MAX);
    }
    struct custom_amount *custom = arena_calloc(r->arena, node->n, sizeof *custom);
    if (custom == NULL) {
        return reader_no_memory(r);
    }
    uint32_t n = 0;
    for (const struct spec_node *item = node->first; item != NULL; item = item->next, n++) {
        error_code error = custom_read(r, item, key, &custom[n]);
        if (error != OK) {
            return error;
        }
    }
    request->custom = custom;
    request->n_custom = n;
    return OK;
}

static error_code demands_read(struct reader *r, const struct spec_node *node,
                               const struct require **ret_require, uint32_t *ret_n)
{
    if (node->kind != NODE_LIST) {
        return reader_fail_type(r, node, "a list like [\"zone == a\"]");
    }
    if (node->n > SPEC_REQUIRE_MAX) {
        return reader_fail(r, node, ERR_LIMIT, "`%s` has %u items; at most %d are allowed", r->path,
                           node->n, SPEC_REQUIRE_MAX);
    }
    struct require *require = arena_calloc(r->arena, node->n, sizeof *require);
    if (require == NULL) {
        return reader_no_memory(r);
    }
    uint32_t n = 0;
    for (const struct spec_node *item = node->first; item != NULL; item = item->next, n++) {
        struct report report = {0};
        const char *text;
        error_code error = reader_line(r, item, SPEC_TEXT_MAX_BYTES, &text);
        if (error != OK) {
            return error;
        }
        error = spec_require_parse(text, r->arena, &require[n], &report);
        if (error != OK) {
            return reader_fail(r, item, error, "`%s`: %s", r->path, report.text);
        }
    }
    *ret_require = require;
    *ret_n = n;
    return OK;
}

error_code key_read_require(struct reader *r, const struct spec_node *node,
                            const struct spec_key *key, void *base)
{
    struct request *request = &((struct sweep_spec *)base)->resources;
    (void)key;
    return demands_read(r, node, &request->require, &request->n_require);
}

/* SPEC_PREFER_MAX is the same number. */
error_code key_read_prefer(struct reader *r, const struct spec_node *node,
                           const struct spec_key *key, void *base)
{
    struct request *request = &((struct sweep_spec *)base)->resources;
    (void)key;
    return demands_read(r, node, &request->prefer, &request->n_prefer);
}

error_code key_read_rules(struct reader *r, const struct spec_node *node,
                          const struct spec_key *key, void *base)
{
    struct retry_spec *retries = &((struct sweep_spec *)base)->retries;
    if (node->kind != NODE_LIST) {
        return reader_fail_type(r, node, "a list like [{match: some words, do: fail}]");
    }
    if (node->n > (uint32_t)key->max) {
        return reader_fail(r, node, ERR_LIMIT, "`%s` has %u items; at most %d are allowed", r->path,
                           node->n, (int)key->max);
    }
    struct retry_rule *rules = arena_calloc(r->arena, node->n, sizeof *rules);
    if (rules == NULL) {
        return reader_no_memory(r);
    }
    uint32_t n = 0;
    for (const struct spec_node *item = node->first; item != NULL; item = item->next, n++) {
        error_code error = reader_block_read(r, item, key->more, &rules[n]);
        if (error != OK) {
            return error;
        }
    }
    retries->rules = rules;
    retries->n_rules = n;
    return OK;
}

/* `10s..5m`, or one duration for both. */
error_code key_read_backoff(struct reader *r, const struct spec_node *node,
                            const struct spec_key *key, void *base)
{
    enum { PART_MAX = 64 };
    struct retry_spec *retries = &((struct sweep_spec *)base)->retries;
    const char *dots = node->kind == NODE_SCALAR ? strstr(node->text, "..") : NULL;
    struct spec_key plain = *key;
    struct spec_node low = *node, high = *node;
    char first[PART_MAX];
    int64_t min_ms, max_ms;
    if (dots != NULL && (size_t)(dots - node->text) < sizeof first) {
        memcpy(first, node->text, (size_t)(dots - node->text));
        first[dots - node->text] = '\0';
        low.text = first;
        low.len = strlen(first);
        high.text = dots + 2;
        high.len = strlen(high.text);
        low.is_plain = high.is_plain = false; /* `..5m` says nothing where something must be */
    }
    plain.offset = 0;
    error_code error = key_read_duration(r, &low, &plain, &min_ms);
    if (error == OK) {
        error = key_read_duration(r, &high, &plain, &max_ms);
    }
    if (error != OK) {
        return error;
    }
    if (min_ms > max_ms) {
        return reader_fail(r, node, ERR_INVALID, "`%s`: %s is longer than %s", r->path, low.text,
                           high.text);
    }
    retries->backoff_min_ms = min_ms;
    retries->backoff_max_ms = max_ms;
    return OK;
}
