#include "schema/walk.h"

#include <math.h>
#include <string.h>

bool struct_is_default(const struct schema *schema, const void *object)
{
    for (uint16_t i = 0; i < schema->n_fields; i++) {
        if (!field_is_default(&schema->fields[i], object)) {
            return false;
        }
    }
    return true;
}

bool field_is_default(const struct field *field, const void *object)
{
    const void *at = field_at(field, object);
    switch (field->type) {
    case FIELD_BOOL:
        return !*(const bool *)at;
    case FIELD_U32:
    case FIELD_ENUM:
        return *(const uint32_t *)at == 0;
    case FIELD_U64:
    case FIELD_I64:
    case FIELD_TIME:
    case FIELD_SPAN:
        return *(const uint64_t *)at == 0;
    case FIELD_F64:
        return *(const double *)at == 0.0 && !signbit(*(const double *)at);
    case FIELD_STR:
    case FIELD_JSON:
        return field_text(field, object) == NULL ||
               ((field->flags & (FIELD_NEVER_NULL | FIELD_REQUIRED)) != 0 &&
                field_text(field, object)[0] == '\0');
    case FIELD_BYTES:
        return ((const struct bytes *)at)->len == 0;
    case FIELD_TASK_ID:
        return ((const task_id *)at)->job == 0 && ((const task_id *)at)->index == 0;
    case FIELD_VALUE:
        return ((const struct value *)at)->kind == VALUE_NULL;
    case FIELD_STRUCT:
        return struct_is_default(field->sub, at);
    case FIELD_LIST:
    case FIELD_STRS:
    case FIELD_F64S:
    case FIELD_VALUES:
    case FIELD_NAMED:
        return field_count(field, object) == 0;
    }
    return true;
}

const struct field *schema_field_by_number(const struct schema *schema, uint64_t number)
{
    /* Tables are dense and in order, so the number is nearly always its own index. */
    if (number >= 1 && number <= schema->n_fields && schema->fields[number - 1].number == number) {
        return &schema->fields[number - 1];
    }
    for (uint16_t i = 0; i < schema->n_fields; i++) {
        if (schema->fields[i].number == number) {
            return &schema->fields[i];
        }
    }
    return NULL;
}

const struct field *schema_field(const struct schema *schema, const char *name)
{
    for (uint16_t i = 0; i < schema->n_fields; i++) {
        if (strcmp(schema->fields[i].name, name) == 0) {
            return &schema->fields[i];
        }
    }
    return NULL;
}
