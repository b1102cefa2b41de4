/* Objects to msgpack: a map {field number: value}, defaults left out. */
#include <msgpack.h>
#include <string.h>

#include "schema/walk.h"

static int buf_write(void *data, const char *bytes, size_t len)
{
    return buf_append(data, bytes, len) == OK ? 0 : -1;
}

static void pack_str(msgpack_packer *packer, const char *text)
{
    size_t n = strlen(text);
    msgpack_pack_str(packer, n);
    msgpack_pack_str_body(packer, text, n);
}

static void pack_value(msgpack_packer *packer, const struct value *value)
{
    switch (value->kind) {
    case VALUE_NULL:
        msgpack_pack_nil(packer);
        return;
    case VALUE_BOOL:
        if (value->boolean) {
            msgpack_pack_true(packer);
        } else {
            msgpack_pack_false(packer);
        }
        return;
    case VALUE_INT:
        msgpack_pack_int64(packer, value->integer);
        return;
    case VALUE_REAL:
        msgpack_pack_double(packer, value->real);
        return;
    case VALUE_STR:
        pack_str(packer, value->str);
        return;
    case VALUE_NONE: /* an empty list, which no value is */
        msgpack_pack_array(packer, 0);
        return;
    }
}

static void pack_object(msgpack_packer *packer, const struct schema *schema, const void *object,
                        uint16_t version);

static void pack_list(msgpack_packer *packer, const struct field *field, const void *object,
                      uint16_t version)
{
    uint32_t n = field_count(field, object);
    const void *items = field_items(field, object);
    msgpack_pack_array(packer, n);
    for (uint32_t i = 0; i < n; i++) {
        pack_object(packer, field->sub, (const char *)items + (size_t)i * field->sub->size_bytes,
                    version);
    }
}

static void pack_scalars(msgpack_packer *packer, const struct field *field, const void *object)
{
    uint32_t n = field_count(field, object);
    const void *items = field_items(field, object);
    if (field->type == FIELD_NAMED) {
        msgpack_pack_array(packer, (size_t)n * 2);
    } else {
        msgpack_pack_array(packer, n);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (field->type == FIELD_STRS) {
            pack_str(packer, ((const char *const *)items)[i]);
        } else if (field->type == FIELD_F64S) {
            msgpack_pack_double(packer, ((const double *)items)[i]);
        } else if (field->type == FIELD_VALUES) {
            pack_value(packer, &((const struct value *)items)[i]);
        } else {
            const struct named_value *named = &((const struct named_value *)items)[i];
            pack_str(packer, named->name);
            pack_value(packer, &named->value);
        }
    }
}

static void pack_field(msgpack_packer *packer, const struct field *field, const void *object,
                       uint16_t version)
{
    const void *at = field_at(field, object);
    switch (field->type) {
    case FIELD_BOOL:
        msgpack_pack_true(packer);
        break;
    case FIELD_U32:
    case FIELD_ENUM:
        msgpack_pack_uint32(packer, *(const uint32_t *)at);
        break;
    case FIELD_U64:
        msgpack_pack_uint64(packer, *(const uint64_t *)at);
        break;
    case FIELD_I64:
    case FIELD_TIME:
    case FIELD_SPAN:
        msgpack_pack_int64(packer, *(const int64_t *)at);
        break;
    case FIELD_F64:
        msgpack_pack_double(packer, *(const double *)at);
        break;
    case FIELD_STR:
    case FIELD_JSON:
        pack_str(packer, *(const char *const *)at);
        break;
    case FIELD_BYTES: {
        const struct bytes *bytes = at;
        msgpack_pack_bin(packer, bytes->len);
        msgpack_pack_bin_body(packer, bytes->data, bytes->len);
        break;
    }
    case FIELD_TASK_ID: {
        const task_id *id = at;
        msgpack_pack_uint64(packer, (uint64_t)id->job << 32 | id->index);
        break;
    }
    case FIELD_VALUE:
        pack_value(packer, at);
        break;
    case FIELD_STRUCT:
        pack_object(packer, field->sub, at, version);
        break;
    case FIELD_LIST:
        pack_list(packer, field, object, version);
        break;
    case FIELD_STRS:
    case FIELD_F64S:
    case FIELD_VALUES:
    case FIELD_NAMED:
        pack_scalars(packer, field, object);
        break;
    }
}

static bool field_is_written(const struct field *field, const void *object, uint16_t version)
{
    return field->since <= version && !field_is_default(field, object);
}

static void pack_object(msgpack_packer *packer, const struct schema *schema, const void *object,
                        uint16_t version)
{
    size_t n = 0;
    for (uint16_t i = 0; i < schema->n_fields; i++) {
        n += field_is_written(&schema->fields[i], object, version);
    }
    msgpack_pack_map(packer, n);
    for (uint16_t i = 0; i < schema->n_fields; i++) {
        const struct field *field = &schema->fields[i];
        if (field_is_written(field, object, version)) {
            msgpack_pack_uint16(packer, field->number);
            pack_field(packer, field, object, version);
        }
    }
}

error_code schema_encode(const struct schema *schema, const void *object, uint16_t version,
                         struct buf *buf)
{
    msgpack_packer packer;
    error_code error =
        schema->since > version ? ERR_UNSUPPORTED : schema_validate(schema, object, NULL);
    if (error != OK) {
        return error;
    }
    msgpack_packer_init(&packer, buf, buf_write);
    pack_object(&packer, schema, object, version);
    return buf->failed;
}
