/* client/json.h -- reads the answers of the trial socket: one JSON object a line. In place, no
 * allocation. */
#ifndef MUSTER_CLIENT_JSON_H
#define MUSTER_CLIENT_JSON_H

#include <stdbool.h>
#include <stddef.h>

/* A value inside a text: its first and one past its last character. begin NULL: absent. */
struct json_span {
    const char *begin;
    const char *end;
};

/* The value of `key` in the object that `object` spans. */
struct json_span json_find(struct json_span object, const char *key);
/* Steps through an object: *key (still quoted) and *value, *at moves on; start with *at =
 * object.begin. */
bool json_next(struct json_span object, const char **at, struct json_span *key,
               struct json_span *value);
/* "nan", "inf" and "-inf" too; in the calling thread's locale. */
bool json_number(struct json_span span, double *ret_number);
/* The text of a string, or of any other value as it stands; cut before the character that would not
 * fit into size_bytes - 1, and never longer than the span. An escape of no character is U+FFFD.
 * false, and "", if absent or null. */
bool json_text(struct json_span span, char *ret_text, size_t size_bytes);
/* Bytes of the UTF-8 character at `text` (NUL terminated), 1 to 4; 0: it is none. */
size_t json_utf8_length(const char *text);

#endif
