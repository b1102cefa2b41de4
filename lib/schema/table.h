/* schema/table.h -- how the lines of a field table are written. Pure; for files that hold tables.
 */
#ifndef MUSTER_SCHEMA_TABLE_H
#define MUSTER_SCHEMA_TABLE_H

#include "schema/schema.h"

/* Table entries: F_U32(struct x, member, 3, 1) etc.; the member's C type is checked at compile
 * time. */
#define FIELD_TYPE_CHECK(object_, member, wanted)                                                  \
    (0 *                                                                                           \
     sizeof(                                                                                       \
         char[__builtin_types_compatible_p(__typeof__(((object_ *)0)->member), wanted) ? 1 : -1]))
#define F_PLAIN_(object_, member, number_, since_, kind, wanted)                                   \
    {                                                                                              \
        .name = #member, .number = (number_), .since = (since_), .type = (kind),                   \
        .offset =                                                                                  \
            (uint32_t)(offsetof(object_, member) + FIELD_TYPE_CHECK(object_, member, wanted))      \
    }
#define F_BOOL(object_, member, number, since)                                                     \
    F_PLAIN_(object_, member, number, since, FIELD_BOOL, bool)
#define F_U32(object_, member, number, since)                                                      \
    F_PLAIN_(object_, member, number, since, FIELD_U32, uint32_t)
#define F_U64(object_, member, number, since)                                                      \
    F_PLAIN_(object_, member, number, since, FIELD_U64, uint64_t)
#define F_I64(object_, member, number, since)                                                      \
    F_PLAIN_(object_, member, number, since, FIELD_I64, int64_t)
#define F_F64(object_, member, number, since)                                                      \
    F_PLAIN_(object_, member, number, since, FIELD_F64, double)
#define F_TIME(object_, member, number, since)                                                     \
    F_PLAIN_(object_, member, number, since, FIELD_TIME, time_ms)
#define F_SPAN(object_, member, number, since)                                                     \
    F_PLAIN_(object_, member, number, since, FIELD_SPAN, int64_t)
#define F_TASK_ID(object_, member, number, since)                                                  \
    F_PLAIN_(object_, member, number, since, FIELD_TASK_ID, task_id)
#define F_SIZED_(object_, member, number_, since_, kind, wanted, max_)                             \
    {                                                                                              \
        .name = #member, .number = (number_), .since = (since_), .type = (kind), .max = (max_),    \
        .offset =                                                                                  \
            (uint32_t)(offsetof(object_, member) + FIELD_TYPE_CHECK(object_, member, wanted))      \
    }
#define F_FLAGGED_(object_, member, number_, since_, kind, wanted, max_, flags_)                   \
    {                                                                                              \
        .name = #member, .number = (number_), .since = (since_), .type = (kind), .max = (max_),    \
        .flags = (flags_),                                                                         \
        .offset =                                                                                  \
            (uint32_t)(offsetof(object_, member) + FIELD_TYPE_CHECK(object_, member, wanted))      \
    }
/* Milliseconds that somebody will add to a time. */
#define F_MS(object_, member, number, since)                                                       \
    F_SIZED_(object_, member, number, since, FIELD_I64, int64_t, SCHEMA_TIME_MAX)
#define F_STR(object_, member, number, since, max)                                                 \
    F_SIZED_(object_, member, number, since, FIELD_STR, const char *, max)
/* A text that is never NULL in memory after a decode. */
#define F_TEXT(object_, member, number_, since_, max_)                                             \
    F_FLAGGED_(object_, member, number_, since_, FIELD_STR, const char *, max_, FIELD_NEVER_NULL)
/* A text that must be there. */
#define F_NAME(object_, member, number_, since_, max_)                                             \
    F_FLAGGED_(object_, member, number_, since_, FIELD_STR, const char *, max_, FIELD_REQUIRED)
/* Absent in JSON below 0, or if NaN. */
#define F_I64_OR_NULL(object_, member, number_, since_)                                            \
    F_FLAGGED_(object_, member, number_, since_, FIELD_I64, int64_t, 0, FIELD_NULL_IF_NEGATIVE)
#define F_F64_OR_NULL(object_, member, number_, since_)                                            \
    F_FLAGGED_(object_, member, number_, since_, FIELD_F64, double, 0, FIELD_NULL_IF_NAN)
#define F_JSON(object_, member, number, since, max)                                                \
    F_SIZED_(object_, member, number, since, FIELD_JSON, const char *, max)
#define F_BYTES(object_, member, number, since, max)                                               \
    F_SIZED_(object_, member, number, since, FIELD_BYTES, struct bytes, max)
#define F_VALUE(object_, member, number, since, max)                                               \
    F_SIZED_(object_, member, number, since, FIELD_VALUE, struct value, max)
/* names_: an array of words, one for each value of the enum */
#define F_ENUM(object_, member, number_, since_, names_)                                           \
    {                                                                                              \
        .name = #member, .number = (number_), .since = (since_), .type = FIELD_ENUM,               \
        .max = sizeof(names_) / sizeof((names_)[0]), .names = (names_),                            \
        .offset = (uint32_t)(offsetof(object_, member) +                                           \
                             0 * sizeof(char[sizeof(((object_ *)0)->member) == 4 ? 1 : -1]))       \
    }
#define F_STRUCT(object_, member, number_, since_, sub_)                                           \
    {                                                                                              \
        .name = #member, .number = (number_), .since = (since_), .type = FIELD_STRUCT,             \
        .sub = (sub_), .offset = offsetof(object_, member)                                         \
    }
/* JSON null if its first member, an int64_t, is negative. */
#define F_STRUCT_OR_NULL(object_, member, number_, since_, sub_)                                   \
    {                                                                                              \
        .name = #member, .number = (number_), .since = (since_), .type = FIELD_STRUCT,             \
        .flags = FIELD_NULL_IF_NEGATIVE, .sub = (sub_), .offset = offsetof(object_, member)        \
    }
#define F_COUNTED_(object_, member, count, number_, since_, kind, max_, sub_)                      \
    {                                                                                              \
        .name = #member, .number = (number_), .since = (since_), .type = (kind), .max = (max_),    \
        .sub = (sub_), .offset = offsetof(object_, member),                                        \
        .count_offset =                                                                            \
            (uint32_t)(offsetof(object_, count) + FIELD_TYPE_CHECK(object_, count, uint32_t))      \
    }
#define F_LIST(object_, member, count, number, since, max, sub)                                    \
    F_COUNTED_(object_, member, count, number, since, FIELD_LIST, max, sub)
#define F_STRS(object_, member, count, number, since, max)                                         \
    F_COUNTED_(object_, member, count, number, since, FIELD_STRS, max, NULL)
#define F_F64S(object_, member, count, number, since, max)                                         \
    F_COUNTED_(object_, member, count, number, since, FIELD_F64S, max, NULL)
#define F_VALUES(object_, member, count, number, since, max)                                       \
    F_COUNTED_(object_, member, count, number, since, FIELD_VALUES, max, NULL)
#define F_NAMED(object_, member, count, number, since, max)                                        \
    F_COUNTED_(object_, member, count, number, since, FIELD_NAMED, max, NULL)
#define SCHEMA(name_, object_, since_, fields_)                                                    \
    {                                                                                              \
        .name = (name_), .size_bytes = sizeof(object_), .since = (since_),                         \
        .n_fields = sizeof(fields_) / sizeof((fields_)[0]), .fields = (fields_)                    \
    }
#define SCHEMA_CHECKED(name_, object_, since_, fields_, check_)                                    \
    {                                                                                              \
        .name = (name_), .size_bytes = sizeof(object_), .since = (since_),                         \
        .n_fields = sizeof(fields_) / sizeof((fields_)[0]), .fields = (fields_), .check = (check_) \
    }

#endif
