/* chars.h -- a small transformer that learns to write text, one character at a time: text and
 * model. One thread. Operations, optimizers and snapshots are those of examples/nn. Shapes: B
 * windows of a batch, T characters of a window, C width, S symbols (96). */
#ifndef CHARS_H
#define CHARS_H

#include "examples/nn/nn.h"

enum {
    CHARS_SYMBOLS =
        96, /* line end, the 94 visible ASCII characters and the blank; all else is '?' */
    CHARS_TEXT_MAX = 8 << 20,
    CHARS_LAYERS_MAX = 8,
    CHARS_PARTS_MAX = 12 * CHARS_LAYERS_MAX + 6,
};

/* ---- text.c ---- */
struct text {
    uint8_t *symbols; /* 0..95 */
    int n;
};
/* A file, or all regular files of a folder, by name. Of every ten blocks of 2,048 characters the
 * last is for validation. 0, or -1 after a line on stderr. */
int text_load(const char *path, struct text *ret_train, struct text *ret_validation);
void text_free(struct text *text);

/* ---- model.c: a transformer with the norm before each part (Vaswani et al. 2017; Radford et al.
 * 2019, section 2.3) ---- */
struct shape {
    int layers, width, heads, length, batch;
};

/* A matrix or vector of the parameters: value and gradient. */
struct part {
    real *value, *grad;
};

struct block {
    struct part norm1_gain, norm1_bias;    /* (C) */
    struct part qkv, qkv_bias;             /* (C, 3C), (3C) */
    struct part project, project_bias;     /* (C, C), (C) */
    struct part norm2_gain, norm2_bias;    /* (C) */
    struct part expand, expand_bias;       /* (C, 4C), (4C) */
    struct part contract, contract_bias;   /* (4C, C), (C) */
    real *x, *middle;                      /* (B T, C): what comes in; after the attention */
    real *normed1, *normed2, *attended;    /* (B T, C) */
    real *mean1, *scale1, *mean2, *scale2; /* (B T) */
    real *queries, *weights;               /* (B T, 3C), (B, heads, T, T) */
    real *expanded, *active;               /* (B T, 4C) */
};

struct transformer {
    const struct backend *backend;
    struct shape shape;
    real *params, *grads; /* all of them in one block each */
    size_t n_params;
    struct part symbols, places; /* (S, C), (T, C) */
    struct block blocks[CHARS_LAYERS_MAX];
    struct part norm_gain, norm_bias; /* (C) */
    struct part head, head_bias;      /* (C, S), (S) */
    real *x, *normed, *mean, *scale;  /* of the last block */
    real *logits;                     /* (B T, S) */
    real *delta, *delta_c, *delta_3c, *delta_4c, *delta_4c_next, *delta_logits, *row;
    real *activations; /* all of the above that is no parameter, in one block */
};

/* Weights from a normal distribution of 0.02, those that end a block divided by the root of twice
 * the blocks. 0, or -1 without memory. width is a multiple of 16 and of heads. */
int transformer_init(struct transformer *model, const struct backend *backend, struct shape shape,
                     struct rng *rng);
void transformer_fini(struct transformer *model);
/* Mean cross-entropy per character of `batch` windows: `inputs` (batch, T), `labels` (batch, T),
 * each the character after its input. Gradients are set (not added). */
double transformer_loss_and_grads(struct transformer *model, const uint8_t *inputs,
                                  const uint8_t *labels, int batch);
/* The same without gradients. */
double transformer_loss(struct transformer *model, const uint8_t *inputs, const uint8_t *labels,
                        int batch);

#endif
