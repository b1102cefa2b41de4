#include "head/shell/sse.h"

#include <string.h>

static void sse_field(struct buf *buf, const char *name, const uint8_t *value, size_t length)
{
    ignore_error(buf_append_text(buf, name), "sticky");
    ignore_error(buf_append_text(buf, ": "), "sticky");
    ignore_error(buf_append(buf, value, length), "sticky");
    ignore_error(buf_append_byte(buf, '\n'), "sticky");
}

/* Up to the next CR, LF or the end. */
static size_t line_length(const uint8_t *text, size_t length)
{
    size_t n = 0;
    while (n < length && text[n] != '\n' && text[n] != '\r') {
        n++;
    }
    return n;
}

void sse_print(struct buf *buf, const char *id, const char *event, struct bytes data)
{
    if (id != NULL) {
        sse_field(buf, "id", (const uint8_t *)id, line_length((const uint8_t *)id, strlen(id)));
    }
    if (event != NULL) {
        sse_field(buf, "event", (const uint8_t *)event,
                  line_length((const uint8_t *)event, strlen(event)));
    }
    if (data.len == 0) {
        sse_field(buf, "data", NULL, 0);
    }
    for (size_t at = 0; at < data.len;) {
        size_t length = line_length(data.data + at, data.len - at);
        sse_field(buf, "data", data.data + at, length);
        at += length;
        bool is_pair = at + 1 < data.len && data.data[at] == '\r' && data.data[at + 1] == '\n';
        at += is_pair ? 2 : 1;
    }
    ignore_error(buf_append_byte(buf, '\n'), "sticky");
}
