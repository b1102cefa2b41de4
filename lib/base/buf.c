#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

void buf_init(struct buf *buf, size_t max_bytes)
{
    *buf = (struct buf){.max = max_bytes};
}

void buf_fini(struct buf *buf)
{
    mem_free(buf->data);
    *buf = (struct buf){.max = buf->max};
}

void buf_reset(struct buf *buf)
{
    buf->len = 0;
    buf->failed = OK;
}

/* Room for `len` bytes of contents and one more for a NUL, which does not count against the
 * maximum. */
uint8_t *buf_reserve(struct buf *buf, size_t len)
{
    enum { FIRST_BYTES = 64 };
    if (buf->failed != OK) {
        return NULL;
    }
    if (len > buf->max - buf->len || buf->len + len == SIZE_MAX) {
        buf->failed = ERR_LIMIT;
        return NULL;
    }
    size_t need = buf->len + len + 1;
    if (need > buf->cap) {
        size_t cap = buf->cap < FIRST_BYTES ? FIRST_BYTES : buf->cap * 2;
        cap = cap > buf->max ? buf->max : cap; /* may be less than what is needed: the NUL's byte */
        cap = cap < need ? need : cap;
        uint8_t *data = mem_realloc(buf->data, cap);
        if (data == NULL) {
            buf->failed = ERR_NO_MEMORY;
            return NULL;
        }
        buf->data = data;
        buf->cap = cap;
    }
    return buf->data + buf->len;
}

error_code buf_append(struct buf *buf, const void *data, size_t len)
{
    if (len == 0) {
        return buf->failed;
    }
    uint8_t *room = buf_reserve(buf, len);
    if (room == NULL) {
        return buf->failed;
    }
    memcpy(room, data, len);
    buf->len += len;
    return OK;
}

error_code buf_append_text(struct buf *buf, const char *text)
{
    return buf_append(buf, text, strlen(text));
}

error_code buf_append_byte(struct buf *buf, uint8_t byte)
{
    return buf_append(buf, &byte, 1);
}

error_code buf_printf(struct buf *buf, const char *format, ...)
{
    char small[512];
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (n < 0) {
        buf->failed = buf->failed == OK ? ERR_INVALID : buf->failed;
    } else if ((size_t)n < sizeof small) {
        ignore_error(buf_append(buf, small, (size_t)n), "sticky, returned below");
    } else {
        char *room = (char *)buf_reserve(buf, (size_t)n);
        if (room != NULL && vsnprintf(room, (size_t)n + 1, format, again) == n) {
            buf->len += (size_t)n;
        }
    }
    va_end(again);
    return buf->failed;
}

void buf_consume(struct buf *buf, size_t len)
{
    if (len >= buf->len) {
        buf->len = 0;
        return;
    }
    memmove(buf->data, buf->data + len, buf->len - len);
    buf->len -= len;
}

const char *buf_text(struct buf *buf)
{
    uint8_t *end = buf_reserve(buf, 0);
    if (end == NULL) {
        return "";
    }
    *end = '\0';
    return (const char *)buf->data;
}

struct bytes buf_bytes(const struct buf *buf)
{
    return (struct bytes){buf->data, buf->len};
}
