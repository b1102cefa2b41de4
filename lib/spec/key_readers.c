/* The readers that the tables of keys are made of, one for each type of field. */
#include <string.h>

#include "spec/quantity.h"
#include "spec/reader.h"
#include "spec/scalar.h"
#include "spec/spelling.h"
#include "spec/sweep.h"

static void *field_of(void *base, const struct spec_key *key)
{
    return (char *)base + key->offset;
}

error_code key_read_node(struct reader *r, const struct spec_node *node, const struct spec_key *key,
                         void *base)
{
    (void)r;
    memcpy(field_of(base, key), &node, sizeof node);
    return OK;
}

error_code key_read_block(struct reader *r, const struct spec_node *node,
                          const struct spec_key *key, void *base)
{
    return reader_block_read(r, node, key->more, base);
}

error_code key_read_text(struct reader *r, const struct spec_node *node, const struct spec_key *key,
                         void *base)
{
    const char *text;
    error_code error = reader_text(r, node, (size_t)key->max, &text);
    if (error == OK) {
        memcpy(field_of(base, key), &text, sizeof text);
    }
    return error;
}

error_code key_read_line(struct reader *r, const struct spec_node *node, const struct spec_key *key,
                         void *base)
{
    const char *text;
    error_code error = reader_line(r, node, (size_t)key->max, &text);
    if (error == OK) {
        memcpy(field_of(base, key), &text, sizeof text);
    }
    return error;
}

error_code key_read_i64(struct reader *r, const struct spec_node *node, const struct spec_key *key,
                        void *base)
{
    int64_t number = 0;
    if (!reader_is_none(node, key)) {
        struct value value;
        error_code error = reader_value(r, node, "a whole number", &value);
        if (error != OK) {
            return error;
        }
        if (value.kind != VALUE_INT) {
            return reader_fail_type(r, node, "a whole number");
        }
        if (value.integer < key->min || value.integer > key->max) {
            return reader_fail(r, node, ERR_INVALID, "`%s` must be %lld to %lld%s, not %lld",
                               r->path, (long long)key->min, (long long)key->max,
                               (key->flags & KEY_NONE) != 0 ? " or none" : "",
                               (long long)value.integer);
        }
        number = value.integer;
    }
    memcpy(field_of(base, key), &number, sizeof number);
    return OK;
}

error_code key_read_u32(struct reader *r, const struct spec_node *node, const struct spec_key *key,
                        void *base)
{
    int64_t number = 0;
    struct spec_key wide = *key;
    wide.offset = 0;
    error_code error = key_read_i64(r, node, &wide, &number);
    if (error == OK) {
        uint32_t narrow = (uint32_t)number;
        memcpy(field_of(base, key), &narrow, sizeof narrow);
    }
    return error;
}

error_code key_read_bool(struct reader *r, const struct spec_node *node, const struct spec_key *key,
                         void *base)
{
    struct value value;
    error_code error = reader_value(r, node, "true or false", &value);
    if (error != OK) {
        return error;
    }
    if (value.kind != VALUE_BOOL) {
        return reader_fail_type(r, node, "true or false");
    }
    memcpy(field_of(base, key), &value.boolean, sizeof value.boolean);
    return OK;
}

/* ---- words ---- */

static error_code fail_word(struct reader *r, const struct spec_node *node,
                            const struct spec_word *words)
{
    char excerpt[EXCERPT_MAX];
    struct spelling spelling = {.word = node->text};
    error_code error = reader_fail(r, node, ERR_INVALID, "`%s` cannot be '%s'", r->path,
                                   spelling_excerpt(node->text, excerpt));
    const char *separator = "; write ";
    for (; words->name != NULL; words++) {
        if (words->value != WORD_LATER) {
            spelling_offer(&spelling, words->name);
            report_add(r->report, "%s%s", separator, words->name);
            separator = " or ";
        }
    }
    if (spelling.best != NULL) {
        report_add(r->report, "; did you mean '%s'?", spelling.best);
    }
    return error;
}

static error_code word_read(struct reader *r, const struct spec_node *node,
                            const struct spec_word *words, int *ret_value)
{
    struct value value;
    error_code error = reader_value(r, node, "a word", &value);
    if (error != OK) {
        return error;
    }
    for (const struct spec_word *word = words; word->name != NULL; word++) {
        if (strcmp(word->name, node->text) != 0) {
            continue;
        }
        if (word->value == WORD_LATER) {
            return reader_fail(r, node, ERR_UNSUPPORTED,
                               "`%s: %s` is not supported by this version", r->path, word->name);
        }
        *ret_value = word->value;
        return OK;
    }
    return fail_word(r, node, words);
}

error_code key_read_word(struct reader *r, const struct spec_node *node, const struct spec_key *key,
                         void *base)
{
    int value;
    error_code error = word_read(r, node, key->more, &value);
    if (error == OK) {
        memcpy(field_of(base, key), &value, sizeof value);
    }
    return error;
}

error_code key_read_bits(struct reader *r, const struct spec_node *node, const struct spec_key *key,
                         void *base)
{
    uint32_t bits = 0;
    int value = 0;
    if (node->kind == NODE_BLOCK) {
        return reader_fail_type(r, node, "a list of words");
    }
    if (node->kind == NODE_SCALAR) {
        error_code error = word_read(r, node, key->more, &value);
        if (error != OK) {
            return error;
        }
        bits = (uint32_t)value;
    }
    for (const struct spec_node *item = node->first; item != NULL; item = item->next) {
        error_code error = word_read(r, item, key->more, &value);
        if (error != OK) {
            return error;
        }
        if ((bits & (uint32_t)value) != 0) {
            return reader_fail(r, item, ERR_INVALID, "`%s` names '%s' twice", r->path, item->text);
        }
        bits |= (uint32_t)value;
    }
    memcpy(field_of(base, key), &bits, sizeof bits);
    return OK;
}

/* ---- quantities ---- */

/* The three notations, as one: a parser of a text and a printer of its limits. */
struct notation {
    const char *wanted;
    error_code (*parse)(const char *text, int64_t *ret_number, struct report *report);
    void (*print)(int64_t number, char ret_text[QUANTITY_TEXT_MAX]);
};

static error_code size_parse(const char *text, int64_t *ret_bytes, struct report *report)
{
    uint64_t bytes;
    error_code error = spec_size_parse(text, &bytes, report);
    if (error == OK) {
        *ret_bytes = (int64_t)bytes; /* at most 2^53 */
    }
    return error;
}

static const struct notation durations = {"a duration like 30s", spec_duration_parse,
                                          quantity_duration_print};
static const struct notation sizes = {"a size like 20G", size_parse, quantity_size_print};
static const struct notation amounts = {"a number", spec_amount_parse, quantity_amount_print};

static error_code quantity_read(struct reader *r, const struct spec_node *node,
                                const struct spec_key *key, const struct notation *notation,
                                int64_t *ret_number)
{
    struct report report = {0};
    int64_t number = 0;
    if (reader_is_none(node, key)) {
        *ret_number = 0;
        return OK;
    }
    if (node->kind != NODE_SCALAR || scalar_is_missing(node)) {
        return reader_fail_type(r, node, notation->wanted);
    }
    if (notation->parse(node->text, &number, &report) != OK) {
        return reader_fail(r, node, ERR_INVALID, "`%s`: %s", r->path, report.text);
    }
    if (number < key->min || number > key->max) {
        char least[QUANTITY_TEXT_MAX], most[QUANTITY_TEXT_MAX], excerpt[EXCERPT_MAX];
        notation->print(key->min, least);
        notation->print(key->max, most);
        return reader_fail(r, node, ERR_INVALID, "`%s` must be %s to %s%s, not %s", r->path, least,
                           most, (key->flags & KEY_NONE) != 0 ? " or none" : "",
                           spelling_excerpt(node->text, excerpt));
    }
    *ret_number = number;
    return OK;
}

static error_code quantity_store(struct reader *r, const struct spec_node *node,
                                 const struct spec_key *key, const struct notation *notation,
                                 void *base)
{
    int64_t number;
    error_code error = quantity_read(r, node, key, notation, &number);
    if (error == OK) {
        memcpy(field_of(base, key), &number, sizeof number);
    }
    return error;
}

error_code key_read_duration(struct reader *r, const struct spec_node *node,
                             const struct spec_key *key, void *base)
{
    return quantity_store(r, node, key, &durations, base);
}

error_code key_read_size(struct reader *r, const struct spec_node *node, const struct spec_key *key,
                         void *base)
{
    return quantity_store(r, node, key, &sizes, base);
}

error_code key_read_size_u32(struct reader *r, const struct spec_node *node,
                             const struct spec_key *key, void *base)
{
    int64_t number = 0;
    error_code error = quantity_read(r, node, key, &sizes, &number);
    if (error == OK) {
        uint32_t narrow = (uint32_t)number;
        memcpy(field_of(base, key), &narrow, sizeof narrow);
    }
    return error;
}

error_code key_read_amount(struct reader *r, const struct spec_node *node,
                           const struct spec_key *key, void *base)
{
    return quantity_store(r, node, key, &amounts, base);
}
