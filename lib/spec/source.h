/* spec/source.h -- the bytes of a file before they are YAML: encoding, forbidden characters, places
 * of tabs. Inner header of lib/spec. Pure. */
#ifndef MUSTER_SPEC_SOURCE_H
#define MUSTER_SPEC_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Decodes one UTF-8 sequence (RFC 3629: no surrogates, no overlong forms). Returns its length, 0 if
 * it is none. */
size_t source_char_decode(const char *text, size_t len, uint32_t *ret_char);

/* ERR_INVALID at the first byte that is not UTF-8, or the first character that YAML does not allow.
 */
MUST_CHECK error_code source_chars_check(const char *text, size_t len, struct report *report);

/* A walk over the text that only goes forward; positions count characters, as libyaml's marks do.
 */
struct source_cursor {
    const char *text;
    size_t len;
    size_t offset;         /* in bytes */
    size_t index;          /* in characters */
    uint32_t line, column; /* 1-based */
    bool is_in_comment;
    char before; /* the byte before the cursor, '\n' at the start */
};

struct source_cursor source_cursor_at_start(const char *text, size_t len);
/* Goes on to the character `index`; a tab on the way is ERR_INVALID unless it stands in a comment.
 */
MUST_CHECK error_code source_cursor_check_to(struct source_cursor *cursor, size_t index,
                                             struct report *report);
/* Goes on to the character `index` without a look: the inside of a quoted text. */
void source_cursor_skip_to(struct source_cursor *cursor, size_t index);

#endif
