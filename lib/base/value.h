/* base/value.h -- a scalar as it stands in a sweep file: what a parameter can be. Pure. */
#ifndef MUSTER_BASE_VALUE_H
#define MUSTER_BASE_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

typedef enum {
    VALUE_NULL = 0,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_REAL,
    VALUE_STR,
    VALUE_NONE, /* there is no value: a parameter that is not active. Printed as nothing, as null */
} value_kind;

struct value {
    value_kind kind;
    union {
        bool boolean;
        int64_t integer;
        double real;
        const char *str; /* borrowed: lives as long as what holds the value */
    };
};

struct named_value {
    const char *name;
    struct value value;
};

static inline struct value value_int(int64_t integer)
{
    return (struct value){.kind = VALUE_INT, .integer = integer};
}
static inline struct value value_real(double real)
{
    return (struct value){.kind = VALUE_REAL, .real = real};
}
static inline struct value value_bool(bool boolean)
{
    return (struct value){.kind = VALUE_BOOL, .boolean = boolean};
}
static inline struct value value_none(void)
{
    return (struct value){.kind = VALUE_NONE};
}
static inline struct value value_str(const char *str)
{
    return (struct value){.kind = VALUE_STR, .str = str};
}

bool value_equal(struct value a,
                 struct value b); /* same kind and value; 0.0 is not -0.0, NaN is NaN */
/* INT or REAL as a double; false (nothing written) for other kinds. */
bool value_number(struct value value, double *ret_number);

/* How people see it (arguments, tables): 32.0, 1e-05, 3, True, text as it is, null. Shortest
 * round-trip: a real keeps `.` or `e`, an integer has neither. */
error_code value_print(struct value value, struct buf *buf);
/* The same as JSON: true, quoted text, non-finite reals as "nan", "inf", "-inf". */
error_code value_print_json(struct value value, struct buf *buf);

enum { REAL_TEXT_MAX = 32 };
/* Shortest decimal that reads back as the same double; keeps `.` or `e`; nan, inf, -inf. Returns
 * ret_text. */
char *real_print(double real, char *ret_text);

#endif
