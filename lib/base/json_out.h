/* base/json_out.h -- writes JSON into a buffer, commas and escapes included. Pure.
 * Errors are the buffer's, sticky: check buf->failed once at the end. Reading JSON is jansson's
 * job. */
#ifndef MUSTER_BASE_JSON_OUT_H
#define MUSTER_BASE_JSON_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/id.h"
#include "base/value.h"

struct json_out {
    struct buf *buf;
    bool need_comma;
};

static inline struct json_out json_out_to(struct buf *buf)
{
    return (struct json_out){.buf = buf};
}

/* `key` NULL inside an array or at the top. */
void json_object_begin(struct json_out *out, const char *key);
void json_object_end(struct json_out *out);
void json_array_begin(struct json_out *out, const char *key);
void json_array_end(struct json_out *out);
void json_str(struct json_out *out, const char *key, const char *text); /* NULL text: null */
void json_strn(struct json_out *out, const char *key, const char *text, size_t length);
void json_i64(struct json_out *out, const char *key, int64_t number);
void json_u64(struct json_out *out, const char *key, uint64_t number);
void json_out_real(struct json_out *out, const char *key,
                   double real); /* "nan", "inf", "-inf" as strings */
void json_bool(struct json_out *out, const char *key, bool boolean);
void json_out_null(struct json_out *out, const char *key);
void json_value(struct json_out *out, const char *key, struct value value);
void json_time(struct json_out *out, const char *key, time_ms time);  /* RFC 3339 UTC; null for 0 */
void json_task_id(struct json_out *out, const char *key, task_id id); /* "12.41" */
void json_raw(struct json_out *out, const char *key, const char *json,
              size_t length); /* already JSON */

/* Bare pieces. Bytes that are no UTF-8 become U+FFFD. */
error_code json_text_str(struct buf *buf, const char *text);
error_code json_text_strn(struct buf *buf, const char *text, size_t length);
error_code json_text_real(struct buf *buf, double real);

#endif
