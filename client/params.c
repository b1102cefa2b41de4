#include "params.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 256 };

void params_clear(struct params *params)
{
    for (size_t i = 0; i < params->n; i++) {
        free(params->items[i].name);
        free(params->items[i].text);
    }
    params->n = 0;
}

/* Takes over name and text, NULL without memory; NULL if there is no room. */
static struct param *params_add(struct params *params, char *name, char *text)
{
    if (name == NULL || text == NULL || params->n == PARAMS_MAX) {
        free(name);
        free(text);
        return NULL;
    }
    struct param *param = &params->items[params->n++];
    *param = (struct param){.name = name, .text = text};
    return param;
}

/* Text is never longer decoded than it is encoded. */
static char *span_text(struct json_span span)
{
    size_t size = (size_t)(span.end - span.begin) + 1;
    char *text = malloc(size);
    if (text != NULL) {
        json_text(span, text, size);
    }
    return text;
}

static void param_number_take(struct param *param, struct json_span span)
{
    size_t n = (size_t)(span.end - span.begin);
    bool is_true = n == 4 && memcmp(span.begin, "true", n) == 0;
    bool is_false = n == 5 && memcmp(span.begin, "false", n) == 0;
    param->is_number = is_true || is_false || json_number(span, &param->number);
    if (is_true || is_false) {
        param->number = is_true;
    }
}

void params_take(struct params *params, struct json_span object)
{
    struct json_span key, value;
    const char *at = object.begin;
    params_clear(params);
    params->is_told = object.begin != NULL;
    while (at != NULL && json_next(object, &at, &key, &value)) {
        struct param *param = params_add(params, span_text(key), span_text(value));
        if (param == NULL) {
            return;
        }
        param_number_take(param, value);
    }
}

/* MUSTER_P_<name>, with characters outside [A-Za-z0-9_] as _. */
static const struct param *params_from_environment(struct params *params, const char *name)
{
    char variable[NAME_MAX_BYTES] = "MUSTER_P_";
    size_t n = strlen(variable);
    if (strlen(name) + n >= sizeof variable) {
        return NULL;
    }
    for (const char *c = name; *c != '\0'; c++) {
        bool is_plain =
            (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
        variable[n++] = is_plain ? *c : '_';
    }
    variable[n] = '\0';
    const char *text = getenv(variable);
    if (text == NULL) {
        return NULL;
    }
    struct param *param = params_add(params, strdup(name), strdup(text));
    if (param != NULL) {
        param_number_take(param, (struct json_span){text, text + strlen(text)});
    }
    return param;
}

const struct param *params_find(struct params *params, const char *name)
{
    for (size_t i = 0; i < params->n; i++) {
        if (strcmp(params->items[i].name, name) == 0) {
            return &params->items[i];
        }
    }
    return params->is_told ? NULL : params_from_environment(params, name);
}
