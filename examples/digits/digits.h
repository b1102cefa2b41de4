/* digits.h -- a multi-layer perceptron on 8x8 handwritten digits: data, model, optimizers,
 * snapshots. One thread. Matrices are row-major float. Shapes: B batch, I inputs (64), H hidden
 * width, O outputs (10). */
#ifndef DIGITS_H
#define DIGITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DIGITS_INPUTS = 64,
    DIGITS_CLASSES = 10,
    DIGITS_OUTPUTS =
        16, /* classes padded to the vector width; the padding's logits stay out of the softmax */
    DIGITS_IMAGES_MAX = 4096,
    DIGITS_LAYERS_MAX = 6,
};

/* ---- random: SplitMix64 (Steele, Lea, Flood 2014), its whole state is one number ---- */
struct rng {
    uint64_t state;
};
uint64_t rng_u64(struct rng *rng);
double rng_unit(struct rng *rng);   /* [0, 1) */
double rng_normal(struct rng *rng); /* Box-Muller */

/* ---- data.c ---- */
struct dataset {
    float *images; /* (n, 64), in [0, 1] */
    uint8_t *labels;
    int n;
};
/* Reads digits.txt; every fifth image (by a fixed shuffle) is for validation. 0, or -1 after a line
 * on stderr. */
int dataset_load(const char *path, struct dataset *ret_train, struct dataset *ret_validation);
void dataset_free(struct dataset *data);

/* ---- the backend: a table of operations, so that a CUDA one fits beside the CPU's ---- */
struct backend {
    const char *name;
    /* c (m, n) = a (m, k) . b (k, n) + bias (n) broadcast over rows */
    void (*affine)(float *c, const float *a, const float *b, const float *bias, int m, int k,
                   int n);
    /* c (k, n) += a^T . d, a (m, k), d (m, n); bias (n) += column sums of d */
    void (*affine_grad)(float *c, float *bias, const float *a, const float *d, int m, int k, int n);
    /* c (m, k) = d (m, n) . b^T, b (k, n) */
    void (*affine_back)(float *c, const float *d, const float *b, int m, int k, int n);
    void (*relu)(float *x, int n);
    void (*relu_grad)(float *d, const float *x, int n); /* d = 0 where x <= 0 */
};
extern const struct backend backend_cpu;

/* ---- model.c ---- */
struct layer {
    int inputs, outputs;
    float *weights, *bias; /* (inputs, outputs), (outputs) */
    float *grad_weights, *grad_bias;
};

struct model {
    const struct backend *backend;
    int n_layers; /* hidden layers + 1 */
    struct layer layers[DIGITS_LAYERS_MAX];
    float *params, *grads; /* all of them in one block each */
    size_t n_params;
    float *activations[DIGITS_LAYERS_MAX + 1]; /* [0]: the batch itself */
    float *delta, *delta_next;
    int batch_max;
};

/* He initialization (He et al. 2015, eq. 10). 0, or -1 without memory. */
int model_init(struct model *model, const struct backend *backend, int hidden_layers, int width,
               int batch_max, struct rng *rng);
void model_fini(struct model *model);
/* Mean cross-entropy of the batch; gradients are set (not added). */
double model_loss_and_grads(struct model *model, const float *images, const uint8_t *labels,
                            int batch);
/* Fraction of right answers; *ret_loss the mean cross-entropy. */
double model_accuracy(struct model *model, const struct dataset *data, double *ret_loss);

/* ---- optimizer.c: a table too ---- */
struct optimizer {
    const char *name;
    /* m, v: state of the same size as params; t counts steps from 1 */
    void (*step)(const struct optimizer *self, float *params, const float *grads, float *m,
                 float *v, size_t n, int64_t t);
    double lr, momentum, weight_decay;
};
/* "sgd" (momentum; Sutskever et al. 2013, eq. 1-2) or "adamw" (Loshchilov, Hutter 2019, algorithm
 * 2); NULL: unknown. */
const struct optimizer *optimizer_find(const char *name);

/* ---- snapshot.c: weights, optimizer state, random state, step; move as one ---- */
struct snapshot {
    int64_t step;
    int64_t updates; /* optimizer steps done */
    struct rng rng;
};
int snapshot_write(const char *folder, const struct model *model, const float *m, const float *v,
                   const struct snapshot *about);
/* 0, or -1 after a line on stderr if it is of another shape or damaged. */
int snapshot_read(const char *folder, struct model *model, float *m, float *v,
                  struct snapshot *ret_about);

#endif
