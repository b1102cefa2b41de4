/* Frames: 4 bytes ('m', 'u', protocol version, message type) and one encoded message. */
#include "schema/messages.h"

enum { FRAME_HEADER_BYTES = 4 };

static const struct {
    message_type type;
    const char *name;
    const struct schema *schema;
} message_rows[] = {
#define X(name, value, type) {name, #name, &type##_schema},
    MESSAGE_TYPES(X)
#undef X
};

const struct schema *message_schema(message_type type)
{
    for (size_t i = 0; i < sizeof message_rows / sizeof message_rows[0]; i++) {
        if (message_rows[i].type == type) {
            return message_rows[i].schema;
        }
    }
    return NULL;
}

const char *message_name(message_type type)
{
    for (size_t i = 0; i < sizeof message_rows / sizeof message_rows[0]; i++) {
        if (message_rows[i].type == type) {
            return message_rows[i].name;
        }
    }
    return "?";
}

error_code message_encode(message_type type, const void *message, struct buf *buf)
{
    const struct schema *schema = message_schema(type);
    const uint8_t header[FRAME_HEADER_BYTES] = {'m', 'u', PROTOCOL_VERSION, (uint8_t)type};
    error_code error = schema != NULL ? buf_append(buf, header, sizeof header) : ERR_INVALID;
    return error == OK ? schema_encode(schema, message, SCHEMA_VERSION, buf) : error;
}

message_type message_type_of(struct bytes frame)
{
    return frame.len >= FRAME_HEADER_BYTES ? (message_type)frame.data[3] : (message_type)0;
}

static error_code frame_decode(struct bytes frame, bool is_borrowing, struct arena *arena,
                               message_type *ret_type, void **ret_message, struct report *report)
{
    if (frame.len < FRAME_HEADER_BYTES || frame.data[0] != 'm' || frame.data[1] != 'u') {
        return report_fail(report, ERR_PROTOCOL, "no frame of muster");
    }
    if (frame.data[2] != PROTOCOL_VERSION) {
        return report_fail(report, ERR_PROTOCOL, "protocol %u, this release speaks %d",
                           frame.data[2], PROTOCOL_VERSION);
    }
    message_type type = (message_type)frame.data[3];
    const struct schema *schema = message_schema(type);
    if (schema == NULL) {
        return report_fail(report, ERR_PROTOCOL, "message type %u is unknown", frame.data[3]);
    }
    if (frame.len > MSG_MAX_BYTES) {
        return report_fail(report, ERR_LIMIT, "a frame of %zu bytes", frame.len);
    }
    void *message = arena_alloc(arena, schema->size_bytes);
    if (message == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "no memory for a '%s'", schema->name);
    }
    struct bytes body = {frame.data + FRAME_HEADER_BYTES, frame.len - FRAME_HEADER_BYTES};
    error_code error = is_borrowing ? schema_decode_borrowing(schema, body, arena, message, report)
                                    : schema_decode(schema, body, true, arena, message, report);
    if (error == OK) {
        *ret_type = type;
        *ret_message = message;
    }
    return error;
}

error_code message_decode(struct bytes frame, struct arena *arena, message_type *ret_type,
                          void **ret_message, struct report *report)
{
    return frame_decode(frame, false, arena, ret_type, ret_message, report);
}

error_code message_decode_borrowing(struct bytes frame, struct arena *arena, message_type *ret_type,
                                    void **ret_message, struct report *report)
{
    return frame_decode(frame, true, arena, ret_type, ret_message, report);
}
