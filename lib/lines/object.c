/* One object of a line, JSON or Python. Not jansson: trainers print NaN, single quotes, None and
 * np.float64(0.9), and all that is wanted are the numbers and their names. */
#include <ctype.h>
#include <string.h>

#include "lines/presets.h"

enum { OBJECT_DEPTH_MAX = 16, OBJECT_PATH_MAX = 4 * FOUND_NAME_MAX };

struct object {
    const char *at;
    object_kind kind;
    uint32_t depth;
    char path[OBJECT_PATH_MAX]; /* of the key being read, joined by dots */
    size_t path_len;
    struct found *found;
};

static bool value_read(struct object *object, bool is_named);

static void blanks_skip(struct object *object)
{
    object->at += strspn(object->at, " \t");
}

static bool byte_take(struct object *object, char byte)
{
    blanks_skip(object);
    bool is_there = *object->at == byte;
    object->at += is_there ? 1 : 0;
    return is_there;
}

/* A quoted text; what it is stays as it is written, escapes and all. */
static bool text_read(struct object *object, const char **ret_text, size_t *ret_len)
{
    char quote = *object->at;
    if (quote != '"' && (quote != '\'' || object->kind == OBJECT_JSON)) {
        return false;
    }
    const char *at = object->at + 1;
    *ret_text = at;
    while (*at != quote) {
        at += *at == '\\' && at[1] != '\0' ? 2 : 1;
        if (*at == '\0') {
            return false;
        }
    }
    *ret_len = (size_t)(at - *ret_text);
    object->at = at + 1;
    return true;
}

static bool number_keep(struct object *object, double value, bool is_named)
{
    if (is_named) {
        found_add(object->found, object->path, object->path_len, value);
    }
    return true;
}

/* "0.693" as some versions of the HF Trainer print it. */
static void quoted_number_keep(struct object *object, const char *text, size_t len, bool is_named)
{
    const char *end;
    double value;
    if (object->kind == OBJECT_DICT && found_number(text, &end, &value) && end == text + len) {
        number_keep(object, value, is_named);
    }
}

/* True, None, null, or a call of which nothing is known. */
static bool word_read(struct object *object)
{
    const char *at = object->at;
    if (!isalpha((unsigned char)*at) && *at != '_' && *at != '<') {
        return false;
    }
    for (int depth = 0; *at != '\0' && (depth > 0 || strchr(",]})", *at) == NULL); at++) {
        depth += strchr("([<", *at) != NULL ? 1 : strchr(")]>", *at) != NULL ? -1 : 0;
    }
    object->at = at;
    return true;
}

static bool key_read(struct object *object)
{
    const char *key;
    size_t len;
    blanks_skip(object);
    if (!text_read(object, &key, &len)) {
        return false;
    }
    size_t dot = object->path_len > 0 ? 1 : 0;
    if (object->path_len + dot + len >= sizeof object->path) {
        return false;
    }
    memcpy(object->path + object->path_len, ".", dot);
    memcpy(object->path + object->path_len + dot, key, len);
    object->path_len += dot + len;
    return byte_take(object, ':');
}

static bool members_read(struct object *object)
{
    size_t path_len = object->path_len;
    if (byte_take(object, '}')) {
        return true;
    }
    do {
        object->path_len = path_len;
        if (!key_read(object) || !value_read(object, true)) {
            return false;
        }
    } while (byte_take(object, ','));
    object->path_len = path_len;
    return byte_take(object, '}');
}

static bool items_read(struct object *object, char close)
{
    if (byte_take(object, close)) {
        return true;
    }
    do {
        blanks_skip(object);
        if (*object->at == close) {
            break; /* (1, ) */
        }
        if (!value_read(object, false)) {
            return false;
        }
    } while (byte_take(object, ','));
    return byte_take(object, close);
}

static bool nested_read(struct object *object)
{
    char open = *object->at++;
    if (++object->depth > OBJECT_DEPTH_MAX) {
        return false;
    }
    bool is_good = open == '{'   ? members_read(object)
                   : open == '[' ? items_read(object, ']')
                                 : items_read(object, ')');
    object->depth--;
    return is_good;
}

static bool value_read(struct object *object, bool is_named)
{
    const char *text, *end;
    size_t len;
    double value;
    blanks_skip(object);
    if (*object->at == '{' || *object->at == '[' ||
        (*object->at == '(' && object->kind == OBJECT_DICT)) {
        return nested_read(object);
    }
    if (text_read(object, &text, &len)) {
        quoted_number_keep(object, text, len, is_named);
        return true;
    }
    if (found_number(object->at, &end, &value)) {
        object->at = end;
        return number_keep(object, value, is_named);
    }
    return word_read(object);
}

void object_read(const char *line, object_kind kind, struct found *found)
{
    struct object object = {.at = strchr(line, '{'), .kind = kind, .found = found};
    uint32_t n = found->n;
    if (object.at == NULL) {
        return;
    }
    bool is_good = nested_read(&object);
    blanks_skip(&object);
    if (!is_good || *object.at != '\0') {
        found->n = n;
    }
}
