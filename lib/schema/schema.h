/* schema/schema.h -- field tables, and the one interpreter of them: encode, decode, validate,
 * print. Pure.
 *
 * A table describes a plain C struct: wire messages (messages.h), store records (records.h) and API
 * objects (api.h) are separate tables of one kind. Encoded form: a msgpack map {field number:
 * value}; a field that holds its default (0, false, empty, NULL) is left out, so absence reads as
 * the default. Field numbers are never reused. */
#ifndef MUSTER_SCHEMA_SCHEMA_H
#define MUSTER_SCHEMA_SCHEMA_H

#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/id.h"
#include "base/json_out.h"
#include "base/value.h"

/* Of messages, records and API alike. A release writes its own and reads its own and the one
 * before. */
enum { SCHEMA_VERSION = 1 };
enum {
    SCHEMA_DEPTH_MAX = 16,
    SCHEMA_TEXT_MAX = 64 << 10, /* one text in a list or a value, and free text in general */
};
/* Of a time and of a span in milliseconds, either way: some 35,000 years, so that sums of a few of
 * them stay numbers. */
#define SCHEMA_TIME_MAX (INT64_C(1) << 50)

typedef enum {
    FIELD_BOOL,    /* bool */
    FIELD_U32,     /* uint32_t */
    FIELD_U64,     /* uint64_t */
    FIELD_I64,     /* int64_t */
    FIELD_F64,     /* double; 0.0 is the default, -0.0 and NaN are kept */
    FIELD_STR,     /* const char *; NULL reads and writes as absent, JSON null; max: bytes */
    FIELD_BYTES,   /* struct bytes; max: bytes; JSON: base64 */
    FIELD_ENUM,    /* an enum (int-sized, values 0..n-1); names: its words; max: how many */
    FIELD_TIME,    /* time_ms, at most SCHEMA_TIME_MAX; JSON: RFC 3339 or null for 0 */
    FIELD_SPAN,    /* int64_t milliseconds; JSON: seconds as a number */
    FIELD_TASK_ID, /* task_id; JSON "12.41"; {0,0} is the default, JSON null */
    FIELD_VALUE,   /* struct value; max: bytes of a string */
    FIELD_STRUCT,  /* embedded struct; sub */
    FIELD_LIST,    /* pointer + uint32_t count; sub: the items' struct; max: items */
    FIELD_STRS,    /* const char *const * + uint32_t count; max: items (each <= SCHEMA_TEXT_MAX) */
    FIELD_F64S,    /* const double * + uint32_t count; max: items */
    FIELD_VALUES,  /* const struct value * + uint32_t count; max: items */
    FIELD_NAMED, /* const struct named_value * + uint32_t count; max: items; JSON: an object {name:
                    value} */
    FIELD_JSON, /* const char *: text that is JSON already, printed raw; on the wire a string; NULL:
                   JSON null */
} field_type;

enum {
    FIELD_REQUIRED = 1, /* decode and validate: must not be the default (an empty text is one) */
    FIELD_NULL_IF_NEGATIVE =
        2,                 /* JSON null if the I64 (of a STRUCT: its first member) is negative */
    FIELD_NULL_IF_NAN = 4, /* F64: NaN is JSON null */
    FIELD_NEVER_NULL = 8,  /* STR: absent decodes as "", and "" is left out */
};

struct schema;

struct field {
    const char *name; /* JSON key and column */
    uint16_t number;  /* >= 1 */
    uint16_t since;   /* first SCHEMA_VERSION that has it */
    field_type type;
    uint32_t flags;
    uint32_t offset;       /* of the member */
    uint32_t count_offset; /* of the count, for the list types */
    uint64_t max;          /* see the types; of an I64 its magnitude, 0: none */
    const struct schema *sub;
    const char *const *names;
};

struct schema {
    const char *name;
    uint32_t size_bytes;
    uint16_t since;
    uint16_t n_fields;
    const struct field *fields; /* in order of number */
    /* What no single field can say, e.g. that two lists are of one length; NULL: nothing. */
    error_code (*check)(const void *object, struct report *report);
};

/* Appends the encoded object. `version`: the reader's; fields newer than it are left out. The
 * object is validated first: ERR_LIMIT or ERR_INVALID appends nothing. Text from outside (a name,
 * an argv) is validated where it comes in, so that this cannot happen later. */
MUST_CHECK error_code schema_encode(const struct schema *schema, const void *object,
                                    uint16_t version, struct buf *buf);

/* Decodes the whole of `bytes` into ret_object (schema->size_bytes, zeroed first). Strings and
 * lists live in `arena`; nothing points into `bytes`. Headers are scanned first: depth, counts
 * against the bytes left, sizes against the table; only then anything is allocated. Unknown field
 * numbers are skipped when `is_lenient` (a message of a newer peer), else ERR_NEWER (a record).
 * Field numbers ascend, so none comes twice. ERR_FORMAT, ERR_LIMIT (the arena's maximum too),
 * ERR_INVALID, ERR_NO_MEMORY otherwise. */
MUST_CHECK error_code schema_decode(const struct schema *schema, struct bytes bytes,
                                    bool is_lenient, struct arena *arena, void *ret_object,
                                    struct report *report);
/* The same, but fields of bytes point into `bytes`, which stays as long as the object. Lenient. */
MUST_CHECK error_code schema_decode_borrowing(const struct schema *schema, struct bytes bytes,
                                              struct arena *arena, void *ret_object,
                                              struct report *report);
/* Limits, enum ranges, required fields and the table's own check of an object in memory. An
 * embedded struct that is all default is absent: nothing of it is required. */
MUST_CHECK error_code schema_validate(const struct schema *schema, const void *object,
                                      struct report *report);
/* As a JSON object, fields in table order, defaults included. */
void schema_print_json(const struct schema *schema, const void *object, struct json_out *out,
                       const char *key);
/* One field as a table cell: text as it is, lists with commas, `name=value` for named values,
 * seconds for spans; "" for absent and for what is null in JSON. */
error_code schema_print_cell(const struct field *field, const void *object, struct buf *buf);
const struct field *schema_field(const struct schema *schema,
                                 const char *name); /* NULL if there is none */

/* Records carry their version in front: 1 byte 'R', u16 little-endian version, then the map.
 * Reading one of a newer version is ERR_NEWER. */
MUST_CHECK error_code record_encode(const struct schema *schema, const void *object,
                                    struct buf *buf);
MUST_CHECK error_code record_decode(const struct schema *schema, struct bytes bytes,
                                    struct arena *arena, void *ret_object, struct report *report);

#endif
