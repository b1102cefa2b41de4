/* spec/param_block.h -- one block of `parameters`: which form it has, and its pieces as values.
 * Inner header of lib/spec. Pure. */
#ifndef MUSTER_SPEC_PARAM_BLOCK_H
#define MUSTER_SPEC_PARAM_BLOCK_H

#include "spec/reader.h"
#include "spec/types.h"

typedef enum { TYPE_UNSAID = 0, TYPE_INT, TYPE_FLOAT } param_type;

/* What a block says by the keys that it has. */
typedef enum {
    FORM_CONSTANT = 1, /* value */
    FORM_CHOICE = 2,   /* values */
    FORM_NEST = 4,     /* parameters */
    FORM_ROWS = 8,     /* rows */
    FORM_NORMAL = 16,  /* mu, sigma */
    FORM_RANGE = 32,   /* min, max */
} param_form;

/* A word of `distribution`. */
struct distribution {
    param_form form;
    bool is_log;
    bool has_q;      /* q is 1 if it is not said */
    param_type type; /* of a range whose word fixes it */
};

/* The pieces of one block as they stand in the file. */
struct param_draft {
    const struct spec_node *value, *values, *parameters, *rows, *mu, *sigma, *min, *max, *q, *also,
        *probabilities;
    const struct spec_node *log_node, *type_node, *ordered_node, *distribution_node;
    bool is_log, is_ordered;
    param_type type;
    int distribution_word;                   /* 1 + index into the distributions; 0: not said */
    const struct distribution *distribution; /* NULL: not said */
    param_form form;
};

/* Reads the keys of a block and finds its form; keys that do not go together are refused. */
MUST_CHECK error_code param_draft_read(struct reader *r, const struct spec_node *node,
                                       struct param_draft *ret_draft);

/* One value: number, text, truth value or null; copied. */
MUST_CHECK error_code param_value_read(struct reader *r, const struct spec_node *node,
                                       struct value *ret_value);
/* A scalar as a constant. */
MUST_CHECK error_code param_constant_read(struct reader *r, const struct spec_node *node,
                                          struct param_spec *param);
/* The forms constant, choice (a list, or the names of a block's entries), normal and range into
 * `param`. */
MUST_CHECK error_code param_draft_take(struct reader *r, const struct spec_node *node,
                                       const struct param_draft *draft, struct param_spec *param);
/* `probabilities` for n possibilities (NULL node: none are said). */
MUST_CHECK error_code param_probabilities_read(struct reader *r, const struct spec_node *node,
                                               uint32_t n, const double **ret_probabilities);

/* The words of `distribution`, W&B's among them (distribution.c). */
extern const struct spec_word distribution_words[];
/* What the word says; refuses exponents, and says what to write. */
MUST_CHECK error_code distribution_find(struct reader *r, struct param_draft *draft);

/* A finite number at key `name` of the block (param_range.c). */
MUST_CHECK error_code param_number_read(struct reader *r, const struct spec_node *node,
                                        const char *name, struct value *ret_value);
MUST_CHECK error_code param_range_read(struct reader *r, const struct spec_node *node,
                                       const struct param_draft *draft, struct param_spec *param);
MUST_CHECK error_code param_normal_read(struct reader *r, const struct spec_node *node,
                                        const struct param_draft *draft, struct param_spec *param);

#endif
