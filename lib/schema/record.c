/* Records: 'R', the version that wrote them, the map. A newer one is refused before anything of it
 * is believed. */
#include "schema/walk.h"

enum { RECORD_HEADER_BYTES = 3 };

error_code record_encode(const struct schema *schema, const void *object, struct buf *buf)
{
    const uint8_t header[RECORD_HEADER_BYTES] = {'R', SCHEMA_VERSION & 0xff, SCHEMA_VERSION >> 8};
    error_code error = buf_append(buf, header, sizeof header);
    return error == OK ? schema_encode(schema, object, SCHEMA_VERSION, buf) : error;
}

error_code record_decode(const struct schema *schema, struct bytes bytes, struct arena *arena,
                         void *ret_object, struct report *report)
{
    if (bytes.len < RECORD_HEADER_BYTES || bytes.data[0] != 'R') {
        return report_fail(report, ERR_FORMAT, "no record of ours");
    }
    unsigned version = (unsigned)bytes.data[1] | (unsigned)bytes.data[2] << 8;
    if (version > SCHEMA_VERSION) {
        return report_fail(
            report, ERR_NEWER,
            "a '%s' written by a newer release (record version %u, this one reads up to %d)",
            schema->name, version, SCHEMA_VERSION);
    }
    if (version == 0) {
        return report_fail(report, ERR_FORMAT, "a '%s' of no release", schema->name);
    }
    struct bytes body = {bytes.data + RECORD_HEADER_BYTES, bytes.len - RECORD_HEADER_BYTES};
    return schema_decode(schema, body, false, arena, ret_object, report);
}
