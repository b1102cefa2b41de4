/* client/json.h -- reads the answers of the trial socket: one JSON object a line. In place, no allocation. */
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
/* Steps through an object: *key (still quoted) and *value, *at moves on; start with *at = object.begin. */
bool json_next(struct json_span object, const char **at, struct json_span *key, struct json_span *value);
bool json_number(struct json_span span, double *ret_number); /* "nan", "inf" and "-inf" too */
/* The text of a string, or of any scalar as it stands; cut at size_bytes - 1. false if absent or null. */
bool json_text(struct json_span span, char *ret_text, size_t size_bytes);

#endif
