/* base/buf.h -- a byte buffer with a maximum given when it is made. Pure.
 * Failure is sticky: after a failed append every later append fails, so a writer checks once at the
 * end. */
#ifndef MUSTER_BASE_BUF_H
#define MUSTER_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Borrowed bytes. */
struct bytes {
    const uint8_t *data;
    size_t len;
};

struct buf {
    uint8_t *data; /* owned; not NUL terminated unless buf_text() was asked */
    size_t len;
    size_t cap;
    size_t max;
    error_code failed; /* OK, ERR_LIMIT or ERR_NO_MEMORY */
};

void buf_init(struct buf *buf, size_t max_bytes); /* allocates nothing */
void buf_fini(struct buf *buf);                   /* takes half-built and fini'd ones */
void buf_reset(struct buf *buf);                  /* empty again, memory kept, failure cleared */

error_code buf_append(struct buf *buf, const void *data, size_t len);
error_code buf_append_text(struct buf *buf, const char *text);
error_code buf_append_byte(struct buf *buf, uint8_t byte);
error_code buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
/* Room for `len` more bytes; NULL on failure. The caller writes there and adds to buf->len. */
uint8_t *buf_reserve(struct buf *buf, size_t len);
/* Drops the first `len` bytes. */
void buf_consume(struct buf *buf, size_t len);
/* The contents with a NUL behind them (not counted); "" on failure. Valid until the next change. */
const char *buf_text(struct buf *buf);
struct bytes buf_bytes(const struct buf *buf);

#endif
