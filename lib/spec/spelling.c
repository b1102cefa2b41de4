#include "spec/spelling.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "spec/source.h"

enum { WORD_MAX = 64, EXCERPT_CHARS = 60 };

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static bool char_equal(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Optimal string alignment, with the last three rows of the table kept. */
unsigned spelling_distance(const char *a, const char *b)
{
    size_t n = strnlen(a, WORD_MAX), m = strnlen(b, WORD_MAX);
    unsigned rows[3][WORD_MAX + 1];
    for (unsigned j = 0; j <= m; j++) {
        rows[0][j] = j;
    }
    for (unsigned i = 1; i <= n; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            unsigned edits = above[j - 1] + !char_equal(a[i - 1], b[j - 1]);
            edits = least(edits, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && char_equal(a[i - 1], b[j - 2]) &&
                char_equal(a[i - 2], b[j - 1])) {
                edits = least(edits, two_above[j - 2] + 1);
            }
            row[j] = edits;
        }
    }
    return rows[n % 3][m];
}

void spelling_offer(struct spelling *spelling, const char *candidate)
{
    size_t n = strnlen(spelling->word, WORD_MAX), m = strnlen(candidate, WORD_MAX);
    size_t longer = n > m ? n : m;
    unsigned allowed = longer < 3 ? 0 : longer < 6 ? 1 : (unsigned)(longer / 3);
    unsigned distance = spelling_distance(spelling->word, candidate);
    bool is_nearer = spelling->best == NULL || distance < spelling->distance;
    if (distance <= allowed && is_nearer) {
        spelling->best = candidate;
        spelling->distance = distance;
    }
}

const char *spelling_excerpt(const char *text, char ret_excerpt[EXCERPT_MAX])
{
    size_t len = strlen(text), at = 0, out = 0;
    for (int i = 0; at < len && i < EXCERPT_CHARS; i++) {
        uint32_t c = 0;
        size_t n = source_char_decode(text + at, len - at, &c);
        if (n == 0 || c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029) {
            ret_excerpt[out++] = c == '\n' || c == '\t' ? ' ' : '?';
            at += n == 0 ? 1 : n;
            continue;
        }
        memcpy(ret_excerpt + out, text + at, n);
        out += n;
        at += n;
    }
    strcpy(ret_excerpt + out, at < len ? "..." : "");
    return ret_excerpt;
}
