#include "cli/filters.h"

#include <stdlib.h>
#include <string.h>

static bool words_have(const char *const *words, const char *word)
{
    for (; words != NULL && *words != NULL; words++) {
        if (strcmp(*words, word) == 0) {
            return true;
        }
    }
    return false;
}

static int filter_unknown(const struct cli_kind *kind, const char *key)
{
    struct buf names;
    buf_init(&names, 1 << 14);
    column_names_print(kind->schema, &names);
    for (const char *const *word = kind->filters; word != NULL && *word != NULL; word++) {
        ignore_error(buf_printf(&names, ", %s", *word), "shown as far as it goes");
    }
    int code = cli_fail(EXIT_USAGE, "--filter: %s have no '%s'; there are %s", kind->what, key,
                        buf_text(&names));
    buf_fini(&names);
    return code;
}

static bool names_have(const struct field *field, const char *word)
{
    for (uint64_t i = 0; field != NULL && i < field->max; i++) {
        if (field->names[i][0] != '\0' && strcmp(field->names[i], word) == 0) {
            return true;
        }
    }
    return false;
}

static void names_print(const struct field *field, struct buf *ret_names)
{
    for (uint64_t i = 0; field != NULL && i < field->max; i++) {
        if (field->names[i][0] != '\0') {
            ignore_error(
                buf_printf(ret_names, "%s%s", ret_names->len > 0 ? ", " : "", field->names[i]),
                "shown as far as it goes");
        }
    }
}

/* A word that no state has would select nothing, silently. */
static int filter_words_check(const struct cli_kind *kind, const struct filter *filter)
{
    const struct field *field = schema_field(kind->schema, filter->key), *outcome = NULL;
    if (field == NULL || field->type != FIELD_ENUM || filter->op == CONTAINS) {
        return EXIT_OK;
    }
    if (strcmp(filter->key, "state") == 0) {
        outcome = schema_field(kind->schema, "outcome");
    }
    if (names_have(field, filter->value) || names_have(outcome, filter->value) ||
        filter->value[0] == '\0') {
        return EXIT_OK;
    }
    struct buf names;
    buf_init(&names, 1 << 14);
    names_print(field, &names);
    names_print(outcome, &names);
    int code = cli_fail(EXIT_USAGE, "there is no %s%s '%s'; there are %s", filter->key,
                        outcome != NULL ? " or outcome" : "", filter->value, buf_text(&names));
    buf_fini(&names);
    return code;
}

static int filter_parse(const struct cli_kind *kind, const char *text, struct filter *ret_filter)
{
    size_t n = strcspn(text, "=!~");
    struct column column;
    bool is_unequal = text[n] == '!' && text[n + 1] == '=';
    if (n == 0 || n >= sizeof ret_filter->key || text[n] == '\0' ||
        (text[n] == '!' && !is_unequal)) {
        return cli_fail(EXIT_USAGE, "--filter wants KEY=VALUE, KEY!=VALUE or KEY~TEXT, not '%s'",
                        text);
    }
    snprintf(ret_filter->key, sizeof ret_filter->key, "%.*s", (int)n, text);
    ret_filter->op = is_unequal ? IS_UNEQUAL : text[n] == '~' ? CONTAINS : IS_EQUAL;
    ret_filter->value = text + n + (is_unequal ? 2 : 1);
    ret_filter->is_server = false;
    if (column_make(kind->schema, ret_filter->key, &column)) {
        return filter_words_check(kind, ret_filter);
    }
    if (!words_have(kind->filters, ret_filter->key)) {
        return filter_unknown(kind, ret_filter->key);
    }
    ret_filter->is_server = true;
    return ret_filter->op == IS_EQUAL
               ? EXIT_OK
               : cli_fail(EXIT_USAGE, "--filter: of '%s' only %s=VALUE can be asked",
                          ret_filter->key, ret_filter->key);
}

int filters_read(const struct cli *cli, const struct cli_kind *kind, struct filters *ret_filters)
{
    const char *text, *owner = cli_option(cli, "owner");
    int code = EXIT_OK;
    ret_filters->n = 0;
    if (owner != NULL) {
        char all[256];
        if (snprintf(all, sizeof all, "owner=%s", owner) >= (int)sizeof all) {
            return cli_fail(EXIT_USAGE, "--owner is too long");
        }
        code = filter_parse(kind, all, &ret_filters->items[0]);
        ret_filters->items[0].value = owner;
        ret_filters->n = 1;
    }
    for (int k = 0; code == EXIT_OK && (text = cli_option_at(cli, "filter", k)) != NULL; k++) {
        if (ret_filters->n == FILTERS_MAX) {
            return cli_fail(EXIT_USAGE, "more than %d filters", FILTERS_MAX);
        }
        code = filter_parse(kind, text, &ret_filters->items[ret_filters->n++]);
    }
    return code;
}

/* ---- applying them ---- */

static bool value_is(const json_t *value, const char *text)
{
    size_t i;
    json_t *item;
    char *end = NULL;
    if (json_is_array(value)) {
        json_array_foreach((json_t *)(uintptr_t)value, i, item)
        {
            if (value_is(item, text)) {
                return true;
            }
        }
        return json_array_size(value) == 0 && text[0] == '\0';
    }
    if (json_is_number(value)) {
        double number = strtod(text, &end);
        return end != text && *end == '\0' && number == json_number_value(value);
    }
    if (json_is_boolean(value)) {
        return strcmp(text, json_is_true(value) ? "true" : "false") == 0;
    }
    const char *string = json_string_value(value);
    return strcmp(text, string != NULL ? string : "") == 0;
}

static bool value_contains(const json_t *value, const char *text)
{
    struct buf buf;
    buf_init(&buf, 64 << 20);
    bool is_in = csv_value_text(value, &buf) && strcasestr(buf_text(&buf), text) != NULL;
    buf_fini(&buf);
    return is_in;
}

static bool filter_fits(const struct filter *filter, const json_t *item)
{
    const json_t *value = column_get(item, filter->key);
    if (filter->is_server) {
        return true;
    }
    if (filter->op == CONTAINS) {
        return value_contains(value, filter->value);
    }
    bool is_it = value_is(value, filter->value);
    if (!is_it && strcmp(filter->key, "state") == 0 && filter->value[0] != '\0') {
        const char *outcome = json_string_value(json_object_get(item, "outcome"));
        is_it = outcome != NULL && strcmp(outcome, filter->value) == 0;
    }
    return is_it == (filter->op == IS_EQUAL);
}

bool filters_fit(const struct filters *filters, const json_t *item)
{
    for (int i = 0; i < filters->n; i++) {
        if (!filter_fits(&filters->items[i], item)) {
            return false;
        }
    }
    return true;
}
