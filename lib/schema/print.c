/* Objects as JSON and as table cells, by the same tables. */
#include <math.h>
#include <string.h>

#include "schema/walk.h"

static void print_base64(struct json_out *out, const char *key, const struct bytes *bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct buf text;
    buf_init(&text, bytes->len * 2 + 8);
    for (size_t i = 0; i < bytes->len; i += 3) {
        uint32_t left = (uint32_t)(bytes->len - i);
        uint32_t group = (uint32_t)bytes->data[i] << 16 |
                         (left > 1 ? (uint32_t)bytes->data[i + 1] << 8 : 0) |
                         (left > 2 ? bytes->data[i + 2] : 0);
        char four[4] = {digits[group >> 18], digits[group >> 12 & 63],
                        left > 1 ? digits[group >> 6 & 63] : '=',
                        left > 2 ? digits[group & 63] : '='};
        ignore_error(buf_append(&text, four, 4), "checked below");
    }
    if (text.failed != OK) {
        out->buf->failed = text.failed;
    }
    json_strn(out, key, text.data != NULL ? (const char *)text.data : "", text.len);
    buf_fini(&text);
}

static void print_items(const struct field *field, const void *object, struct json_out *out)
{
    uint32_t n = field_count(field, object);
    const void *items = field_items(field, object);
    if (field->type == FIELD_NAMED) {
        json_object_begin(out, field->name);
    } else {
        json_array_begin(out, field->name);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (field->type == FIELD_LIST) {
            schema_print_json(field->sub, (const char *)items + (size_t)i * field->sub->size_bytes,
                              out, NULL);
        } else if (field->type == FIELD_STRS) {
            json_str(out, NULL, ((const char *const *)items)[i]);
        } else if (field->type == FIELD_F64S) {
            json_out_real(out, NULL, ((const double *)items)[i]);
        } else if (field->type == FIELD_VALUES) {
            json_value(out, NULL, ((const struct value *)items)[i]);
        } else {
            const struct named_value *named = &((const struct named_value *)items)[i];
            json_value(out, named->name, named->value);
        }
    }
    if (field->type == FIELD_NAMED) {
        json_object_end(out);
    } else {
        json_array_end(out);
    }
}

static bool field_is_null(const struct field *field, const void *object)
{
    const void *at = field_at(field, object);
    if (field->type == FIELD_TIME || field->type == FIELD_TASK_ID || field->type == FIELD_STR ||
        field->type == FIELD_JSON) {
        return (field->flags & FIELD_NEVER_NULL) == 0 && field_is_default(field, object);
    }
    return ((field->flags & FIELD_NULL_IF_NEGATIVE) != 0 && *(const int64_t *)at < 0) ||
           ((field->flags & FIELD_NULL_IF_NAN) != 0 && isnan(*(const double *)at));
}

/* Whole seconds without a fraction. */
static void print_span(struct json_out *out, const char *key, int64_t ms)
{
    if (ms % 1000 == 0) {
        json_i64(out, key, ms / 1000);
    } else {
        json_out_real(out, key, (double)ms / 1000.0);
    }
}

static void print_field(const struct field *field, const void *object, struct json_out *out)
{
    const void *at = field_at(field, object);
    if (field_is_null(field, object)) {
        json_out_null(out, field->name);
        return;
    }
    switch (field->type) {
    case FIELD_BOOL:
        json_bool(out, field->name, *(const bool *)at);
        break;
    case FIELD_U32:
        json_u64(out, field->name, *(const uint32_t *)at);
        break;
    case FIELD_U64:
        json_u64(out, field->name, *(const uint64_t *)at);
        break;
    case FIELD_I64:
        json_i64(out, field->name, *(const int64_t *)at);
        break;
    case FIELD_F64:
        json_out_real(out, field->name, *(const double *)at);
        break;
    case FIELD_STR:
        json_str(out, field->name, field_text(field, object));
        break;
    case FIELD_JSON:
        json_raw(out, field->name, field_text(field, object), strlen(field_text(field, object)));
        break;
    case FIELD_BYTES:
        print_base64(out, field->name, at);
        break;
    case FIELD_ENUM: {
        uint32_t word = *(const uint32_t *)at;
        json_str(out, field->name, word < field->max ? field->names[word] : NULL);
        break;
    }
    case FIELD_TIME:
        json_time(out, field->name, *(const time_ms *)at);
        break;
    case FIELD_SPAN:
        print_span(out, field->name, *(const int64_t *)at);
        break;
    case FIELD_TASK_ID:
        json_task_id(out, field->name, *(const task_id *)at);
        break;
    case FIELD_VALUE:
        json_value(out, field->name, *(const struct value *)at);
        break;
    case FIELD_STRUCT:
        schema_print_json(field->sub, at, out, field->name);
        break;
    case FIELD_LIST:
    case FIELD_STRS:
    case FIELD_F64S:
    case FIELD_VALUES:
    case FIELD_NAMED:
        print_items(field, object, out);
        break;
    }
}

void schema_print_json(const struct schema *schema, const void *object, struct json_out *out,
                       const char *key)
{
    json_object_begin(out, key);
    for (uint16_t i = 0; i < schema->n_fields; i++) {
        print_field(&schema->fields[i], object, out);
    }
    json_object_end(out);
}

/* ---- cells ---- */

static void cell_items(const struct field *field, const void *object, struct buf *buf)
{
    const void *items = field_items(field, object);
    for (uint32_t i = 0; i < field_count(field, object); i++) {
        if (i > 0) {
            ignore_error(buf_append_byte(buf, field->type == FIELD_NAMED ? ' ' : ','), "sticky");
        }
        if (field->type == FIELD_STRS) {
            ignore_error(buf_append_text(buf, ((const char *const *)items)[i]), "sticky");
        } else if (field->type == FIELD_F64S) {
            ignore_error(value_print(value_real(((const double *)items)[i]), buf), "sticky");
        } else if (field->type == FIELD_VALUES) {
            ignore_error(value_print(((const struct value *)items)[i], buf), "sticky");
        } else if (field->type == FIELD_NAMED) {
            const struct named_value *named = &((const struct named_value *)items)[i];
            ignore_error(buf_printf(buf, "%s=", named->name), "sticky");
            ignore_error(value_print(named->value, buf), "sticky");
        } else {
            struct json_out out = json_out_to(buf);
            schema_print_json(field->sub, (const char *)items + (size_t)i * field->sub->size_bytes,
                              &out, NULL);
        }
    }
}

/* Numbers, times, ids and structs: as in JSON, without the quotes. */
static void cell_json(const struct field *field, const void *object, struct buf *buf)
{
    struct field bare = *field;
    struct buf json;
    bare.name = NULL;
    buf_init(&json, buf->max);
    struct json_out out = json_out_to(&json);
    print_field(&bare, object, &out);
    size_t quote = json.len >= 2 && json.data[0] == '"' ? 1 : 0;
    if (json.failed == OK) {
        ignore_error(buf_append(buf, json.data + quote, json.len - 2 * quote), "sticky");
    } else {
        buf->failed = json.failed;
    }
    buf_fini(&json);
}

error_code schema_print_cell(const struct field *field, const void *object, struct buf *buf)
{
    const void *at = field_at(field, object);
    if (field_is_null(field, object)) {
        return buf->failed;
    }
    if (field->type == FIELD_STR || field->type == FIELD_JSON) {
        const char *text = field_text(field, object);
        return text != NULL ? buf_append_text(buf, text) : buf->failed;
    }
    if (field->type == FIELD_VALUE) {
        const struct value *value = at;
        return value->kind != VALUE_NULL ? value_print(*value, buf) : buf->failed;
    }
    if (field_is_counted(field)) {
        cell_items(field, object, buf);
    } else {
        cell_json(field, object, buf);
    }
    return buf->failed;
}
