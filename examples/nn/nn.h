/* examples/nn/nn.h -- what the trainers here are made of: random numbers, a table of operations, a
 * table of optimizers, snapshots. One thread. Matrices are row-major; shapes stand beside each
 * operation. */
#ifndef EXAMPLES_NN_H
#define EXAMPLES_NN_H

#include <stddef.h>
#include <stdint.h>

/* Trainers compute in float; the gradient check builds the same sources in double, where finite
 * differences mean something. */
#ifdef NN_DOUBLE
typedef double real;
#else
typedef float real;
#endif

/* ---- rng.c: SplitMix64 (Steele, Lea, Flood 2014), its whole state is one number ---- */
struct rng {
    uint64_t state;
};
uint64_t rng_u64(struct rng *rng);
double rng_unit(struct rng *rng);   /* [0, 1) */
double rng_normal(struct rng *rng); /* Box-Muller */
/* order[0..n) becomes a permutation of 0..n-1 (Fisher, Yates). */
void rng_permute(struct rng *rng, int *order, int n);

/* ---- the backend: a table of operations, so that a CUDA one fits beside the CPU's. n is a
 * multiple of 16 where it is a row's length ---- */
struct backend {
    const char *name;
    /* c (m, n) = a (m, k) . b (k, n) + bias (n) broadcast over rows */
    void (*affine)(real *c, const real *a, const real *b, const real *bias, int m, int k, int n);
    /* c (k, n) += a^T . d, a (m, k), d (m, n); bias (n) += column sums of d */
    void (*affine_grad)(real *c, real *bias, const real *a, const real *d, int m, int k, int n);
    /* c (m, k) = d (m, n) . b^T, b (k, n) */
    void (*affine_back)(real *c, const real *d, const real *b, int m, int k, int n);
    void (*relu)(real *x, int n);
    void (*relu_grad)(real *d, const real *x, int n); /* d = 0 where x <= 0 */
    void (*add)(real *y, const real *x, int n);       /* y += x */
    /* GELU in its tanh form (Hendrycks, Gimpel 2016, section 2); dx is set */
    void (*gelu)(real *y, const real *x, int n);
    void (*gelu_grad)(real *dx, const real *dy, const real *x, int n);
    /* Layer norm (Ba, Kiros, Hinton 2016, eq. 4) of each row of x (m, n), times gain (n) plus bias
     * (n); mean and scale (m) are kept for the gradient. dx is added to, as gain's and bias's */
    void (*norm)(real *y, real *mean, real *scale, const real *x, const real *gain,
                 const real *bias, int m, int n);
    void (*norm_grad)(real *dx, real *dgain, real *dbias, const real *dy, const real *x,
                      const real *gain, const real *mean, const real *scale, int m, int n);
    /* Causal attention with several heads (Vaswani et al. 2017, eq. 1). qkv (batch, length, 3
     * width) has queries, keys and values side by side; weights (batch, heads, length, length) are
     * kept; y (batch, length, width). dqkv is set; scratch (length) */
    void (*attention)(real *y, real *weights, const real *qkv, int batch, int length, int width,
                      int heads);
    void (*attention_grad)(real *dqkv, real *scratch, const real *dy, const real *weights,
                           const real *qkv, int batch, int length, int width, int heads);
};
extern const struct backend backend_cpu;

/* ---- loss.c ---- */
/* Softmax over the first `classes` of each row of logits (rows, stride) against labels; delta,
 * unless it is NULL, becomes (p - onehot) / rows, 0 behind the classes. Returns the summed
 * cross-entropy; counts right answers. */
double softmax_loss(const real *logits, real *delta, const uint8_t *labels, int rows, int classes,
                    int stride, int *ret_right);

/* ---- optimizer.c: a table too ---- */
struct optimizer {
    const char *name;
    /* m, v: state of the same size as params; t counts updates from 1 */
    void (*step)(const struct optimizer *self, real *params, const real *grads, real *m, real *v,
                 size_t n, int64_t t);
    double lr, momentum, weight_decay;
};
/* "sgd" (momentum; Sutskever et al. 2013, eq. 1-2) or "adamw" (Loshchilov, Hutter 2019, algorithm
 * 2); NULL: unknown. */
const struct optimizer *optimizer_find(const char *name);

/* ---- snapshot.c: weights, optimizer state, random state, step; they move as one ---- */
struct snapshot {
    int64_t step;
    int64_t updates; /* optimizer steps done */
    struct rng rng;
};
/* `magic`: 7 letters that name the model. 0, or -1 after a line on stderr. */
int snapshot_write(const char *folder, const char *magic, const real *params, const real *m,
                   const real *v, size_t n, const struct snapshot *about);
/* 0, or -1 after a line on stderr if it is of another model or shape, or damaged. */
int snapshot_read(const char *folder, const char *magic, real *params, real *m, real *v, size_t n,
                  struct snapshot *ret_about);

#endif
