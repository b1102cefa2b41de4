/* msgpack to objects, behind the scan. Lists get their memory only once their count was checked
 * against the table. */
#include <msgpack.h>
#include <string.h>

#include "schema/walk.h"

enum { ARENA_PADDING_MAX = 16 };

struct decoder {
    struct arena *arena;
    struct report *report;
    bool is_lenient;
    bool is_borrowing; /* bytes are not copied */
};

static error_code decode_object(struct decoder *d, const struct schema *schema,
                                const msgpack_object *from, void *object);

static error_code wrong_type(struct decoder *d, const struct field *field)
{
    return report_fail(d->report, ERR_FORMAT, "field '%s' has a value of another type",
                       field->name);
}

static error_code no_room(struct decoder *d, size_t size_bytes)
{
    size_t left = d->arena->max - d->arena->used;
    if (size_bytes > left || left - size_bytes < ARENA_PADDING_MAX) {
        return report_fail(d->report, ERR_LIMIT, "decoded it would be larger than %zu bytes",
                           d->arena->max);
    }
    return report_fail(d->report, ERR_NO_MEMORY, "no memory for %zu bytes", size_bytes);
}

static error_code decode_text(struct decoder *d, const struct field *field,
                              const msgpack_object *from, uint64_t max, const char **ret_text)
{
    if (from->type != MSGPACK_OBJECT_STR) {
        return wrong_type(d, field);
    }
    const char *text = from->via.str.size > 0 ? from->via.str.ptr : ""; /* msgpack-c: NULL */
    if (from->via.str.size > max) {
        return report_fail(d->report, ERR_LIMIT,
                           "field '%s' is a text of %u bytes, at most %llu are allowed",
                           field->name, from->via.str.size, (unsigned long long)max);
    }
    if (memchr(text, '\0', from->via.str.size) != NULL) {
        return report_fail(d->report, ERR_FORMAT, "field '%s' is a text with a NUL inside",
                           field->name);
    }
    *ret_text = arena_strndup(d->arena, text, from->via.str.size);
    return *ret_text != NULL ? OK : no_room(d, from->via.str.size);
}

static error_code decode_unsigned(struct decoder *d, const struct field *field,
                                  const msgpack_object *from, uint64_t max, uint64_t *ret_number)
{
    if (from->type != MSGPACK_OBJECT_POSITIVE_INTEGER) {
        return wrong_type(d, field);
    }
    if (from->via.u64 > max) {
        return report_fail(d->report, ERR_INVALID, "field '%s' is %llu, at most %llu is allowed",
                           field->name, (unsigned long long)from->via.u64, (unsigned long long)max);
    }
    *ret_number = from->via.u64;
    return OK;
}

static error_code decode_signed(struct decoder *d, const struct field *field,
                                const msgpack_object *from, int64_t *ret_number)
{
    if (from->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        *ret_number = from->via.i64;
        return OK;
    }
    uint64_t number = 0;
    error_code error = decode_unsigned(d, field, from, INT64_MAX, &number);
    if (error == OK) {
        *ret_number = (int64_t)number;
    }
    return error;
}

static error_code decode_real(struct decoder *d, const struct field *field,
                              const msgpack_object *from, double *ret_real)
{
    if (from->type != MSGPACK_OBJECT_FLOAT64 && from->type != MSGPACK_OBJECT_FLOAT32) {
        return wrong_type(d, field);
    }
    *ret_real = from->via.f64;
    return OK;
}

static error_code decode_value(struct decoder *d, const struct field *field,
                               const msgpack_object *from, uint64_t max, struct value *ret_value)
{
    switch (from->type) {
    case MSGPACK_OBJECT_NIL:
        *ret_value = (struct value){.kind = VALUE_NULL};
        return OK;
    case MSGPACK_OBJECT_BOOLEAN:
        *ret_value = value_bool(from->via.boolean);
        return OK;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        ret_value->kind = VALUE_INT;
        return decode_signed(d, field, from, &ret_value->integer);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        *ret_value = value_real(from->via.f64);
        return OK;
    case MSGPACK_OBJECT_STR:
        ret_value->kind = VALUE_STR;
        return decode_text(d, field, from, max, &ret_value->str);
    case MSGPACK_OBJECT_ARRAY:
        /* Only a list by position needs a place for what is not there. */
        if (field->type == FIELD_VALUES && from->via.array.size == 0) {
            *ret_value = value_none();
            return OK;
        }
        break;
    case MSGPACK_OBJECT_MAP:
    case MSGPACK_OBJECT_BIN:
    case MSGPACK_OBJECT_EXT:
        break;
    }
    return wrong_type(d, field);
}

/* ---- lists ---- */

static size_t item_size(const struct field *field)
{
    static const size_t sizes[] = {
        [FIELD_STRS] = sizeof(const char *),
        [FIELD_F64S] = sizeof(double),
        [FIELD_VALUES] = sizeof(struct value),
        [FIELD_NAMED] = sizeof(struct named_value),
    };
    return field->type == FIELD_LIST ? field->sub->size_bytes : sizes[field->type];
}

static error_code decode_item(struct decoder *d, const struct field *field,
                              const msgpack_object *from, void *item)
{
    if (field->type == FIELD_LIST) {
        return decode_object(d, field->sub, from, item);
    }
    if (field->type == FIELD_STRS) {
        return decode_text(d, field, from, SCHEMA_TEXT_MAX, item);
    }
    if (field->type == FIELD_F64S) {
        return decode_real(d, field, from, item);
    }
    if (field->type == FIELD_VALUES) {
        return decode_value(d, field, from, SCHEMA_TEXT_MAX, item);
    }
    struct named_value *named = item;
    error_code error = decode_text(d, field, from, SCHEMA_TEXT_MAX, &named->name);
    return error == OK ? decode_value(d, field, from + 1, SCHEMA_TEXT_MAX, &named->value) : error;
}

static error_code decode_counted(struct decoder *d, const struct field *field,
                                 const msgpack_object *from, void *object)
{
    uint32_t per_item = field->type == FIELD_NAMED ? 2 : 1;
    if (from->type != MSGPACK_OBJECT_ARRAY || from->via.array.size % per_item != 0) {
        return wrong_type(d, field);
    }
    uint32_t n = from->via.array.size / per_item;
    if (n > field->max) {
        return report_fail(d->report, ERR_LIMIT,
                           "field '%s' has %u items, at most %llu are allowed", field->name, n,
                           (unsigned long long)field->max);
    }
    char *items = arena_calloc(d->arena, n, item_size(field));
    if (items == NULL) {
        return no_room(d, n * item_size(field));
    }
    for (uint32_t i = 0; i < n; i++) {
        error_code error = decode_item(d, field, &from->via.array.ptr[i * per_item],
                                       items + (size_t)i * item_size(field));
        if (error != OK) {
            return error;
        }
    }
    memcpy(field_slot(field, object), &(const void *){items}, sizeof(void *));
    memcpy((char *)object + field->count_offset, &n, sizeof n);
    return OK;
}

/* ---- one field ---- */

static error_code decode_bytes(struct decoder *d, const struct field *field,
                               const msgpack_object *from, struct bytes *ret)
{
    if (from->type != MSGPACK_OBJECT_BIN) {
        return wrong_type(d, field);
    }
    if (from->via.bin.size > field->max) {
        return report_fail(d->report, ERR_LIMIT,
                           "field '%s' has %u bytes, at most %llu are allowed", field->name,
                           from->via.bin.size, (unsigned long long)field->max);
    }
    if (d->is_borrowing) {
        *ret = (struct bytes){(const uint8_t *)from->via.bin.ptr, from->via.bin.size};
        return OK;
    }
    uint8_t *copy = arena_alloc(d->arena, from->via.bin.size);
    if (copy == NULL) {
        return no_room(d, from->via.bin.size);
    }
    if (from->via.bin.size > 0) {
        memcpy(copy, from->via.bin.ptr, from->via.bin.size);
    }
    *ret = (struct bytes){copy, from->via.bin.size};
    return OK;
}

static error_code decode_number(struct decoder *d, const struct field *field,
                                const msgpack_object *from, void *slot)
{
    uint64_t max = field->type == FIELD_ENUM  ? field->max - 1
                   : field->type == FIELD_U32 ? UINT32_MAX
                                              : UINT64_MAX;
    uint64_t number = 0;
    error_code error = decode_unsigned(d, field, from, max, &number);
    if (error != OK) {
        return error;
    }
    if (field->type == FIELD_U64) {
        *(uint64_t *)slot = number;
    } else if (field->type == FIELD_TASK_ID) {
        *(task_id *)slot = (task_id){(uint32_t)(number >> 32), (uint32_t)number};
    } else {
        *(uint32_t *)slot = (uint32_t)number;
    }
    return OK;
}

static error_code decode_field(struct decoder *d, const struct field *field,
                               const msgpack_object *from, void *object)
{
    void *slot = field_slot(field, object);
    switch (field->type) {
    case FIELD_BOOL:
        if (from->type != MSGPACK_OBJECT_BOOLEAN) {
            return wrong_type(d, field);
        }
        *(bool *)slot = from->via.boolean;
        return OK;
    case FIELD_U32:
    case FIELD_U64:
    case FIELD_ENUM:
    case FIELD_TASK_ID:
        return decode_number(d, field, from, slot);
    case FIELD_I64:
    case FIELD_TIME:
    case FIELD_SPAN:
        return decode_signed(d, field, from, slot);
    case FIELD_F64:
        return decode_real(d, field, from, slot);
    case FIELD_STR:
    case FIELD_JSON:
        return decode_text(d, field, from, field->max, slot);
    case FIELD_BYTES:
        return decode_bytes(d, field, from, slot);
    case FIELD_VALUE:
        return decode_value(d, field, from, field->max, slot);
    case FIELD_STRUCT:
        return decode_object(d, field->sub, from, slot);
    case FIELD_LIST:
    case FIELD_STRS:
    case FIELD_F64S:
    case FIELD_VALUES:
    case FIELD_NAMED:
        return decode_counted(d, field, from, object);
    }
    return ERR_FORMAT;
}

static error_code decode_object(struct decoder *d, const struct schema *schema,
                                const msgpack_object *from, void *object)
{
    if (from->type != MSGPACK_OBJECT_MAP) {
        return report_fail(d->report, ERR_FORMAT, "a '%s' that is no map", schema->name);
    }
    uint64_t last = 0;
    for (uint32_t i = 0; i < from->via.map.size; i++) {
        const msgpack_object_kv *pair = &from->via.map.ptr[i];
        if (pair->key.type != MSGPACK_OBJECT_POSITIVE_INTEGER || pair->key.via.u64 <= last) {
            return report_fail(d->report, ERR_FORMAT, "a '%s' whose field numbers do not ascend",
                               schema->name);
        }
        last = pair->key.via.u64;
        const struct field *field = schema_field_by_number(schema, last);
        if (field == NULL) {
            if (d->is_lenient) {
                continue;
            }
            return report_fail(d->report, ERR_NEWER,
                               "a '%s' with a field that this release does not know", schema->name);
        }
        error_code error = decode_field(d, field, &pair->val, object);
        if (error != OK) {
            return error;
        }
    }
    return OK;
}

/* What is never NULL and was left out becomes "", in embedded structs and items too. */
static void texts_fill(const struct schema *schema, void *object)
{
    static const char *const empty = "";
    for (uint16_t i = 0; i < schema->n_fields; i++) {
        const struct field *field = &schema->fields[i];
        if (field->type == FIELD_STRUCT) {
            texts_fill(field->sub, field_slot(field, object));
        } else if (field->type == FIELD_LIST) {
            char *items = *(char **)field_slot(field, object);
            for (uint32_t k = 0; k < field_count(field, object); k++) {
                texts_fill(field->sub, items + (size_t)k * field->sub->size_bytes);
            }
        } else if ((field->flags & FIELD_NEVER_NULL) != 0 && field_text(field, object) == NULL) {
            memcpy(field_slot(field, object), &empty, sizeof empty);
        }
    }
}

static error_code bytes_decode(struct decoder *decoder, const struct schema *schema,
                               struct bytes bytes, void *ret_object)
{
    struct report *report = decoder->report;
    memset(ret_object, 0, schema->size_bytes);
    error_code error = schema_scan(bytes, report);
    if (error != OK) {
        return error;
    }
    msgpack_unpacked unpacked;
    size_t offset = 0;
    msgpack_unpacked_init(&unpacked);
    msgpack_unpack_return got =
        msgpack_unpack_next(&unpacked, (const char *)bytes.data, bytes.len, &offset);
    if (got == MSGPACK_UNPACK_NOMEM_ERROR) {
        error = report_fail(report, ERR_NO_MEMORY, "no memory to unpack %zu bytes", bytes.len);
    } else if (got != MSGPACK_UNPACK_SUCCESS && got != MSGPACK_UNPACK_EXTRA_BYTES) {
        error = report_fail(report, ERR_FORMAT, "no msgpack");
    } else {
        error = decode_object(decoder, schema, &unpacked.data, ret_object);
    }
    msgpack_unpacked_destroy(&unpacked);
    if (error != OK) {
        return error;
    }
    texts_fill(schema, ret_object);
    return schema_validate(schema, ret_object, report);
}

error_code schema_decode(const struct schema *schema, struct bytes bytes, bool is_lenient,
                         struct arena *arena, void *ret_object, struct report *report)
{
    struct decoder decoder = {.arena = arena, .report = report, .is_lenient = is_lenient};
    return bytes_decode(&decoder, schema, bytes, ret_object);
}

error_code schema_decode_borrowing(const struct schema *schema, struct bytes bytes,
                                   struct arena *arena, void *ret_object, struct report *report)
{
    struct decoder decoder = {
        .arena = arena, .report = report, .is_lenient = true, .is_borrowing = true};
    return bytes_decode(&decoder, schema, bytes, ret_object);
}
