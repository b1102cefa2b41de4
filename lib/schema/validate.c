/* Limits, enum ranges, required fields. */
#include <string.h>

#include "schema/walk.h"

static error_code too_long(const struct field *field, size_t n, uint64_t max, struct report *report)
{
    return report_fail(report, ERR_LIMIT,
                       "field '%s' has %zu bytes or items, at most %llu are allowed", field->name,
                       n, (unsigned long long)max);
}

static error_code validate_text(const struct field *field, const char *text, uint64_t max,
                                struct report *report)
{
    if (text == NULL) {
        return report_fail(report, ERR_INVALID, "field '%s' has an item without a text",
                           field->name);
    }
    size_t n = strlen(text);
    return n > max ? too_long(field, n, max, report) : OK;
}

static error_code validate_value(const struct field *field, const struct value *value, uint64_t max,
                                 struct report *report)
{
    /* Only a list by position has a place for what is not there. */
    if ((unsigned)value->kind > (field->type == FIELD_VALUES ? VALUE_NONE : VALUE_STR)) {
        return report_fail(report, ERR_INVALID, "field '%s' has a value of no kind", field->name);
    }
    return value->kind == VALUE_STR ? validate_text(field, value->str, max, report) : OK;
}

static error_code validate_item(const struct field *field, const void *items, uint32_t i,
                                struct report *report)
{
    if (field->type == FIELD_LIST) {
        const char *item = (const char *)items + (size_t)i * field->sub->size_bytes;
        return schema_validate(field->sub, item, report);
    }
    if (field->type == FIELD_STRS) {
        return validate_text(field, ((const char *const *)items)[i], SCHEMA_TEXT_MAX, report);
    }
    if (field->type == FIELD_VALUES) {
        return validate_value(field, &((const struct value *)items)[i], SCHEMA_TEXT_MAX, report);
    }
    if (field->type == FIELD_NAMED) {
        const struct named_value *named = &((const struct named_value *)items)[i];
        error_code error = validate_text(field, named->name, SCHEMA_TEXT_MAX, report);
        return error == OK ? validate_value(field, &named->value, SCHEMA_TEXT_MAX, report) : error;
    }
    return OK;
}

static error_code validate_counted(const struct field *field, const void *object,
                                   struct report *report)
{
    uint32_t n = field_count(field, object);
    const void *items = field_items(field, object);
    if (n > field->max) {
        return too_long(field, n, field->max, report);
    }
    if (n > 0 && items == NULL) {
        return report_fail(report, ERR_INVALID, "field '%s' has a count and no items", field->name);
    }
    error_code error = OK;
    for (uint32_t i = 0; i < n && error == OK; i++) {
        error = validate_item(field, items, i, report);
    }
    return error;
}

static error_code validate_bytes(const struct field *field, const struct bytes *bytes,
                                 struct report *report)
{
    if (bytes->len > field->max) {
        return too_long(field, bytes->len, field->max, report);
    }
    if (bytes->len > 0 && bytes->data == NULL) {
        return report_fail(report, ERR_INVALID, "field '%s' has a length and no bytes",
                           field->name);
    }
    return OK;
}

/* What is added to times, and times themselves. */
static error_code validate_magnitude(const struct field *field, int64_t number, int64_t max,
                                     struct report *report)
{
    if (number > max || number < -max) {
        return report_fail(report, ERR_LIMIT, "field '%s' is %lld, at most %lld is allowed",
                           field->name, (long long)number, (long long)max);
    }
    return OK;
}

static error_code validate_field(const struct field *field, const void *object,
                                 struct report *report)
{
    const void *at = field_at(field, object);
    if ((field->flags & FIELD_REQUIRED) != 0 && field_is_default(field, object)) {
        return report_fail(report, ERR_INVALID, "field '%s' is missing", field->name);
    }
    if (field->type == FIELD_ENUM && *(const uint32_t *)at >= field->max) {
        return report_fail(report, ERR_INVALID, "field '%s' is %u, which is none of its words",
                           field->name, *(const uint32_t *)at);
    }
    if (field->type == FIELD_STR || field->type == FIELD_JSON) {
        const char *text = field_text(field, object);
        return text != NULL ? validate_text(field, text, field->max, report) : OK;
    }
    if (field->type == FIELD_BYTES) {
        return validate_bytes(field, at, report);
    }
    if (field->type == FIELD_VALUE) {
        return validate_value(field, at, field->max, report);
    }
    if (field->type == FIELD_STRUCT) {
        return struct_is_default(field->sub, at) ? OK : schema_validate(field->sub, at, report);
    }
    if (field->type == FIELD_TIME) {
        return validate_magnitude(field, *(const time_ms *)at, SCHEMA_TIME_MAX, report);
    }
    if (field->type == FIELD_I64 && field->max > 0) {
        return validate_magnitude(field, *(const int64_t *)at, (int64_t)field->max, report);
    }
    return field_is_counted(field) ? validate_counted(field, object, report) : OK;
}

error_code schema_validate(const struct schema *schema, const void *object, struct report *report)
{
    for (uint16_t i = 0; i < schema->n_fields; i++) {
        error_code error = validate_field(&schema->fields[i], object, report);
        if (error != OK) {
            return error;
        }
    }
    return schema->check != NULL ? schema->check(object, report) : OK;
}
