/* schema/walk.h -- how the interpreter's parts reach a field inside an object. Pure; inside
 * lib/schema. */
#ifndef MUSTER_SCHEMA_WALK_H
#define MUSTER_SCHEMA_WALK_H

#include "schema/schema.h"

enum {
    SCHEMA_NODES_MAX =
        1 << 19, /* values of one encoded object: msgpack-c takes 24 bytes for each */
};

static inline const void *field_at(const struct field *field, const void *object)
{
    return (const char *)object + field->offset;
}

static inline void *field_slot(const struct field *field, void *object)
{
    return (char *)object + field->offset;
}

static inline const char *field_text(const struct field *field, const void *object)
{
    return *(const char *const *)field_at(field, object);
}

static inline bool field_is_counted(const struct field *field)
{
    return field->type >= FIELD_LIST && field->type <= FIELD_NAMED;
}

static inline uint32_t field_count(const struct field *field, const void *object)
{
    return *(const uint32_t *)(const void *)((const char *)object + field->count_offset);
}

static inline const void *field_items(const struct field *field, const void *object)
{
    return *(const void *const *)field_at(field, object);
}

bool field_is_default(const struct field *field, const void *object);
bool struct_is_default(const struct schema *schema, const void *object);
/* NULL: the table has no such number. */
const struct field *schema_field_by_number(const struct schema *schema, uint64_t number);
/* Checks the bare msgpack: one value, complete, nesting and counts within what the bytes can hold.
 */
MUST_CHECK error_code schema_scan(struct bytes bytes, struct report *report);

#endif
