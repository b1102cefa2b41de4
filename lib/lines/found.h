/* lines/found.h -- what one line says: names and numbers, and maybe a step; and the two scanners
 * that all rules use. Inner header of lib/lines. Pure. */
#ifndef MUSTER_LINES_FOUND_H
#define MUSTER_LINES_FOUND_H

#include <stddef.h>

#include "base/error.h"

enum {
    FOUND_MAX = 64, /* pairs of a line; what is beyond is not looked at */
    FOUND_NAME_MAX = 127,
};

struct found_pair {
    char name[FOUND_NAME_MAX + 1]; /* blanks are '_' */
    double value;
};

struct found {
    struct found_pair pairs[FOUND_MAX];
    uint32_t n;
    bool has_step; /* the line or the match names it itself */
    double step;
};

/* Longer names and what has no room are left out. */
void found_add(struct found *found, const char *name, size_t len, double value);
const struct found_pair *found_find(const struct found *found, const char *name);

/* A number at `at`, with nothing of a word behind it: 0.9, 1e-3, nan, -inf, 97.5%, np.float64(0.9),
 * tensor(0.9, device='cuda:0'). */
bool found_number(const char *at, const char **ret_end, double *ret_value);

/* `val loss`, `val/loss` and `val_loss` are one name. */
bool found_name_equal(const char *a, const char *b);

#endif
