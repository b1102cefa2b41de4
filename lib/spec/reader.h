/* spec/reader.h -- from nodes to a struct by tables of keys: each block of the file is one array of
 * rows, walked here. Inner header of lib/spec. Pure. A new key is one row; a key of a later release
 * is a row without a reader. */
#ifndef MUSTER_SPEC_READER_H
#define MUSTER_SPEC_READER_H

#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/value.h"
#include "spec/tree.h"

enum { READER_PATH_MAX = 512 };

struct reader {
    struct arena *arena; /* for what the spec keeps */
    struct report *report;
    char path[READER_PATH_MAX]; /* of the key being read, `stop.trials`, for messages */
};

struct spec_key;

/* Reads `node` into the field of `base` that `key` names. */
typedef error_code spec_key_read(struct reader *r, const struct spec_node *node,
                                 const struct spec_key *key, void *base);

enum {
    KEY_REQUIRED = 1, /* its block cannot stand without it */
    KEY_NONE = 2,     /* the word `none` stands for zero: no limit */
};

struct spec_key {
    const char *name;    /* NULL ends a table */
    spec_key_read *read; /* NULL: known to a later release only */
    size_t offset;
    int64_t min,
        max; /* a number's, duration's (ms), size's or amount's range; a text's or list's length */
    unsigned flags;
    const void *more; /* key_read_block: its keys; key_read_word and key_read_bits: its words */
};

/* A value by name. */
struct spec_word {
    const char *name; /* NULL ends a table */
    int value;        /* WORD_LATER: known to a later release only */
};
enum { WORD_LATER = -1 };

#define reader_fail(r, node, code, ...)                                                            \
    report_fail_at((r)->report, (code), (node)->line, (node)->column, __VA_ARGS__)
error_code reader_no_memory(struct reader *r);
/* "`path` needs `wanted`, not ...": what stands there is of another type. */
error_code reader_fail_type(struct reader *r, const struct spec_node *node, const char *wanted);

/* Adds a key to the path; give the result to reader_path_leave(). */
size_t reader_path_enter(struct reader *r, const char *name);
void reader_path_leave(struct reader *r, size_t length);

/* Walks a block by its table. Fails at the first key that is unknown, of a later release or wrong,
 * and when a required one is missing. */
MUST_CHECK error_code reader_block_read(struct reader *r, const struct spec_node *node,
                                        const struct spec_key *keys, void *base);

/* A scalar's value, numbers out of range refused; ERR_INVALID for lists, blocks and nothing. */
MUST_CHECK error_code reader_value(struct reader *r, const struct spec_node *node,
                                   const char *wanted, struct value *ret_value);
/* A text, or a number or true/false as it is written; copied. */
MUST_CHECK error_code reader_text(struct reader *r, const struct spec_node *node, size_t max_bytes,
                                  const char **ret_text);
/* The same, not empty and on one line. */
MUST_CHECK error_code reader_line(struct reader *r, const struct spec_node *node, size_t max_bytes,
                                  const char **ret_text);
/* True if the key takes `none` and that stands there. */
bool reader_is_none(const struct spec_node *node, const struct spec_key *key);

spec_key_read key_read_node;  /* const struct spec_node *: looked at later */
spec_key_read key_read_block; /* into the same base */
spec_key_read key_read_text;  /* const char *, up to max bytes, of any number of lines */
spec_key_read key_read_line;  /* const char *, up to max bytes */
spec_key_read key_read_u32;
spec_key_read key_read_i64;
spec_key_read key_read_bool;
spec_key_read key_read_word;     /* an enum */
spec_key_read key_read_bits;     /* uint32_t: one word or a list of words */
spec_key_read key_read_duration; /* int64_t milliseconds */
spec_key_read key_read_size;     /* uint64_t bytes */
spec_key_read key_read_size_u32; /* uint32_t bytes */
spec_key_read key_read_amount;   /* amount */

#endif
