#include "lines/tfevents.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

enum {
    HEADER_BYTES = 12, /* length, its checksum */
    FOOTER_BYTES = 4,
};

struct tfevents {
    uint8_t header[HEADER_BYTES];
    uint32_t n_header;
    struct buf record; /* data and footer */
    uint64_t missing;  /* of the record under way; 0: a header comes */
    bool is_passed;    /* it is too long */
    bool is_broken;
    uint64_t n_bad;
};

error_code tfevents_new(struct tfevents **ret_events)
{
    struct tfevents *events = mem_zalloc(sizeof *events);
    if (events == NULL) {
        return ERR_NO_MEMORY;
    }
    buf_init(&events->record, TFEVENTS_RECORD_MAX_BYTES + FOOTER_BYTES);
    *ret_events = events;
    return OK;
}

void tfevents_free(struct tfevents *events)
{
    if (events != NULL) {
        buf_fini(&events->record);
        mem_free(events);
    }
}

uint64_t tfevents_bad_records(const struct tfevents *events)
{
    return events->n_bad;
}

/* ---- checksums ---- */

uint32_t tfevents_crc32c(struct bytes bytes)
{
    uint32_t crc = 0xFFFFFFFFU;
    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= bytes.data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82F63B78U : 0);
        }
    }
    return ~crc;
}

static uint64_t little(const uint8_t *at, int n_bytes)
{
    uint64_t value = 0;
    for (int i = n_bytes - 1; i >= 0; i--) {
        value = value << 8 | at[i];
    }
    return value;
}

static bool checksum_is_right(struct bytes bytes, const uint8_t *stored)
{
    uint32_t crc = tfevents_crc32c(bytes);
    uint32_t masked = (crc >> 15 | crc << 17) + 0xA282EAD8U;
    return masked == (uint32_t)little(stored, 4);
}

/* ---- protocol buffers ---- */

typedef enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 } wire_type;

struct field {
    uint64_t number;
    wire_type type;
    uint64_t value;     /* VARINT, 64, 32 */
    struct bytes bytes; /* BYTES */
};

static bool varint_read(struct bytes *from, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && from->len > 0; shift += 7) {
        uint8_t byte = *from->data++;
        from->len--;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if ((byte & 0x80) == 0) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

static bool fixed_read(struct bytes *from, int n_bytes, uint64_t *ret_value)
{
    if (from->len < (size_t)n_bytes) {
        return false;
    }
    *ret_value = little(from->data, n_bytes);
    from->data += n_bytes;
    from->len -= (size_t)n_bytes;
    return true;
}

/* False: the message has ended, or is none. */
static bool field_next(struct bytes *from, struct field *field)
{
    uint64_t key, len;
    if (from->len == 0 || !varint_read(from, &key)) {
        return false;
    }
    field->number = key >> 3;
    field->type = (wire_type)(key & 7);
    field->bytes = (struct bytes){0};
    switch (key & 7) {
    case WIRE_VARINT:
        return varint_read(from, &field->value);
    case WIRE_64:
        return fixed_read(from, 8, &field->value);
    case WIRE_32:
        return fixed_read(from, 4, &field->value);
    case WIRE_BYTES:
        if (!varint_read(from, &len) || len > from->len) {
            return false;
        }
        field->bytes = (struct bytes){from->data, (size_t)len};
        from->data += len;
        from->len -= (size_t)len;
        return true;
    default:
        return false; /* groups: nobody writes them any more */
    }
}

static double float_of(uint64_t bits)
{
    uint32_t narrow = (uint32_t)bits;
    float value;
    memcpy(&value, &narrow, sizeof value);
    return (double)value;
}

static double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double half_of(uint64_t bits)
{
    int exponent = (int)(bits >> 10 & 0x1F);
    double fraction = (double)(bits & 0x3FF) / 1024.0;
    double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
    if (exponent == 0x1F) {
        return fraction > 0 ? (double)NAN : sign * (double)INFINITY;
    }
    return exponent == 0 ? sign * ldexp(fraction, -14) : sign * ldexp(1 + fraction, exponent - 15);
}

static double bfloat16_of(uint64_t bits)
{
    return float_of(bits << 16);
}

static double int32_of(uint64_t bits)
{
    return (double)(int32_t)(uint32_t)bits;
}

static double int64_of(uint64_t bits)
{
    return (double)(int64_t)bits;
}

/* How a tensor of each type says its one number: in tensor_content, or in a list of its own. */
static const struct tensor_type {
    uint64_t type; /* DT_* */
    int content_bytes;
    uint64_t list;    /* its field */
    int packed_bytes; /* of an item of a packed list; 0: varints */
    double (*number)(uint64_t bits);
} tensor_types[] = {
    {1, 4, 5, 4, float_of},  {2, 8, 6, 8, double_of},     {3, 4, 7, 0, int32_of},
    {9, 8, 10, 0, int64_of}, {14, 2, 13, 0, bfloat16_of}, {19, 2, 13, 0, half_of},
};
enum { TENSOR_TYPES = sizeof tensor_types / sizeof tensor_types[0] };

static bool list_read(const struct tensor_type *type, const struct field *field, double *ret_value)
{
    struct bytes items = field->bytes;
    uint64_t bits = field->value;
    if (field->type == WIRE_BYTES) {
        bool is_good = type->packed_bytes > 0 ? fixed_read(&items, type->packed_bytes, &bits)
                                              : varint_read(&items, &bits);
        if (!is_good || items.len > 0) {
            return false; /* none, or several */
        }
    }
    *ret_value = type->number(bits);
    return true;
}

static bool tensor_read(struct bytes message, double *ret_value)
{
    struct field field;
    const struct tensor_type *type = NULL;
    struct bytes rest = message;
    while (field_next(&rest, &field)) {
        for (int i = 0; field.number == 1 && field.type == WIRE_VARINT && i < TENSOR_TYPES; i++) {
            type = tensor_types[i].type == field.value ? &tensor_types[i] : type;
        }
    }
    bool is_found = false;
    for (rest = message; type != NULL && field_next(&rest, &field);) {
        if (field.number == 4 && field.type == WIRE_BYTES &&
            field.bytes.len == (size_t)type->content_bytes) {
            *ret_value = type->number(little(field.bytes.data, type->content_bytes));
            is_found = true;
        } else if (field.number == type->list) {
            is_found = list_read(type, &field, ret_value) || is_found;
        }
    }
    return is_found;
}

/* ---- summaries ---- */

struct event {
    int64_t step;
    tfevents_fn *on_scalar;
    void *context;
};

static void value_read(const struct event *event, struct bytes message)
{
    struct field field;
    char tag[TFEVENTS_TAG_MAX + 1] = "";
    double value = 0;
    bool has_value = false;
    while (field_next(&message, &field)) {
        if (field.number == 1 && field.type == WIRE_BYTES && field.bytes.len < sizeof tag) {
            memcpy(tag, field.bytes.data, field.bytes.len);
            tag[field.bytes.len] = '\0';
        } else if (field.number == 2 && field.type == WIRE_32) {
            value = float_of(field.value);
            has_value = true;
        } else if (field.number == 8 && field.type == WIRE_BYTES) {
            has_value = tensor_read(field.bytes, &value) || has_value;
        }
    }
    bool is_clean = tag[0] != '\0';
    for (const char *c = tag; *c != '\0'; c++) {
        is_clean = is_clean && (unsigned char)*c >= 0x20 && *c != 0x7F;
    }
    if (has_value && is_clean) {
        const struct tfevents_scalar scalar = {event->step, tag, value};
        event->on_scalar(event->context, &scalar);
    }
}

static void summary_read(const struct event *event, struct bytes message)
{
    struct field field;
    while (field_next(&message, &field)) {
        if (field.number == 1 && field.type == WIRE_BYTES) {
            value_read(event, field.bytes);
        }
    }
}

/* The step first: it may stand behind the summary. */
static void event_read(struct bytes message, tfevents_fn *on_scalar, void *context)
{
    struct event event = {.on_scalar = on_scalar, .context = context};
    struct field field;
    for (struct bytes rest = message; field_next(&rest, &field);) {
        if (field.number == 2 && field.type == WIRE_VARINT) {
            event.step = (int64_t)field.value;
        }
    }
    while (field_next(&message, &field)) {
        if (field.number == 5 && field.type == WIRE_BYTES) {
            summary_read(&event, field.bytes);
        }
    }
}

/* ---- records ---- */

static error_code header_end(struct tfevents *events)
{
    events->n_header = 0;
    if (!checksum_is_right((struct bytes){events->header, 8}, events->header + 8)) {
        events->is_broken = true;
        return ERR_FORMAT;
    }
    uint64_t length = little(events->header, 8);
    if (length > UINT64_MAX - FOOTER_BYTES) {
        events->is_broken = true;
        return ERR_FORMAT;
    }
    events->missing = length + FOOTER_BYTES;
    events->is_passed = length > TFEVENTS_RECORD_MAX_BYTES;
    return OK;
}

static void record_end(struct tfevents *events, tfevents_fn *on_scalar, void *context)
{
    struct bytes data = buf_bytes(&events->record);
    if (!events->is_passed) {
        data.len -= FOOTER_BYTES;
        if (checksum_is_right(data, data.data + data.len)) {
            event_read(data, on_scalar, context);
        } else {
            events->n_bad++;
        }
    }
    buf_reset(&events->record);
}

error_code tfevents_feed(struct tfevents *events, struct bytes bytes, tfevents_fn *on_scalar,
                         void *context)
{
    error_code error = events->is_broken ? ERR_FORMAT : OK;
    while (error == OK && bytes.len > 0) {
        size_t wanted = events->missing > 0 ? events->missing : HEADER_BYTES - events->n_header;
        size_t n = bytes.len < wanted ? bytes.len : wanted;
        if (events->missing == 0) {
            memcpy(events->header + events->n_header, bytes.data, n);
            events->n_header += (uint32_t)n;
            error = events->n_header == HEADER_BYTES ? header_end(events) : OK;
        } else {
            error = events->is_passed ? OK : buf_append(&events->record, bytes.data, n);
            events->missing -= n;
            if (error == OK && events->missing == 0) {
                record_end(events, on_scalar, context);
            }
        }
        bytes.data += n;
        bytes.len -= n;
    }
    return error;
}
