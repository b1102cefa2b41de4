/* spec/spelling.h -- "did you mean": the nearest of a few names, and user text made fit for a
 * message. Inner header of lib/spec. Pure. */
#ifndef MUSTER_SPEC_SPELLING_H
#define MUSTER_SPEC_SPELLING_H

#include "base/error.h"

/* Edits (insert, delete, replace, swap of neighbours) between two words, upper case
 * being no other letter; both cut at 64 bytes. */
unsigned spelling_distance(const char *a, const char *b);

/* Collects the nearest name: start with {.word = typed}, offer each candidate, read `best` (NULL:
 * none is near). The first of equals wins. Near means at most a third of the longer word's length
 * in edits, and one edit for short ones. */
struct spelling {
    const char *word;
    const char *best;
    unsigned distance;
};
void spelling_offer(struct spelling *spelling, const char *candidate);

/* A piece of the user's text for a message: at most 60 characters, one line, "..." where it was
 * cut. */
enum { EXCERPT_MAX = 256 };
const char *spelling_excerpt(const char *text, char ret_excerpt[EXCERPT_MAX]);

#endif
