/* Dense kernels for a CPU. Inner loops run over n, a multiple of 16, so that the compiler turns
 * each into whole vectors; target_clones picks the widest set of the machine at start. */
#include <string.h>
#include <tgmath.h>

#include "examples/nn/nn.h"

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&      \
    !defined(__clang__)
#define CLONES __attribute__((target_clones("avx512f", "avx2,fma", "default")))
#else
#define CLONES
#endif

CLONES static void affine(real *restrict c, const real *restrict a, const real *restrict b,
                          const real *restrict bias, int m, int k, int n)
{
    for (int i = 0; i < m; i++) {
        real *row = c + (size_t)i * (size_t)n;
        memcpy(row, bias, (size_t)n * sizeof *row);
        for (int p = 0; p < k; p++) {
            real x = a[(size_t)i * (size_t)k + (size_t)p];
            const real *w = b + (size_t)p * (size_t)n;
            for (int j = 0; j < n; j++) {
                row[j] += x * w[j];
            }
        }
    }
}

CLONES static void affine_grad(real *restrict c, real *restrict bias, const real *restrict a,
                               const real *restrict d, int m, int k, int n)
{
    for (int i = 0; i < m; i++) {
        const real *row = d + (size_t)i * (size_t)n;
        for (int j = 0; j < n; j++) {
            bias[j] += row[j];
        }
        for (int p = 0; p < k; p++) {
            real x = a[(size_t)i * (size_t)k + (size_t)p];
            real *w = c + (size_t)p * (size_t)n;
            for (int j = 0; j < n; j++) {
                w[j] += x * row[j];
            }
        }
    }
}

CLONES static void affine_back(real *restrict c, const real *restrict d, const real *restrict b,
                               int m, int k, int n)
{
    for (int i = 0; i < m; i++) {
        const real *row = d + (size_t)i * (size_t)n;
        for (int p = 0; p < k; p++) {
            const real *w = b + (size_t)p * (size_t)n;
            real sum = 0;
            for (int j = 0; j < n; j++) {
                sum += row[j] * w[j];
            }
            c[(size_t)i * (size_t)k + (size_t)p] = sum;
        }
    }
}

CLONES static void relu(real *x, int n)
{
    for (int i = 0; i < n; i++) {
        x[i] = x[i] > 0 ? x[i] : 0;
    }
}

CLONES static void relu_grad(real *restrict d, const real *restrict x, int n)
{
    for (int i = 0; i < n; i++) {
        d[i] = x[i] > 0 ? d[i] : 0;
    }
}

CLONES static void add(real *restrict y, const real *restrict x, int n)
{
    for (int i = 0; i < n; i++) {
        y[i] += x[i];
    }
}

/* ---- GELU: x/2 (1 + tanh u), u = sqrt(2/pi) (x + 0.044715 x^3) ---- */

#define GELU_SCALE ((real)0.7978845608028654)
#define GELU_CUBE ((real)0.044715)

CLONES static void gelu(real *restrict y, const real *restrict x, int n)
{
    for (int i = 0; i < n; i++) {
        real u = GELU_SCALE * (x[i] + GELU_CUBE * x[i] * x[i] * x[i]);
        y[i] = x[i] / 2 * (1 + tanh(u));
    }
}

CLONES static void gelu_grad(real *restrict dx, const real *restrict dy, const real *restrict x,
                             int n)
{
    for (int i = 0; i < n; i++) {
        real u = GELU_SCALE * (x[i] + GELU_CUBE * x[i] * x[i] * x[i]);
        real du = GELU_SCALE * (1 + 3 * GELU_CUBE * x[i] * x[i]);
        real t = tanh(u);
        dx[i] = dy[i] * ((1 + t) / 2 + x[i] / 2 * (1 - t * t) * du);
    }
}

/* ---- layer norm ---- */

#define NORM_EPSILON ((real)1e-5)

CLONES static void norm(real *restrict y, real *restrict mean, real *restrict scale,
                        const real *restrict x, const real *restrict gain,
                        const real *restrict bias, int m, int n)
{
    for (int i = 0; i < m; i++) {
        const real *row = x + (size_t)i * (size_t)n;
        real *out = y + (size_t)i * (size_t)n, sum = 0, square = 0;
        for (int j = 0; j < n; j++) {
            sum += row[j];
        }
        real middle = sum / (real)n;
        for (int j = 0; j < n; j++) {
            square += (row[j] - middle) * (row[j] - middle);
        }
        mean[i] = middle;
        scale[i] = 1 / sqrt(square / (real)n + NORM_EPSILON);
        for (int j = 0; j < n; j++) {
            out[j] = (row[j] - middle) * scale[i] * gain[j] + bias[j];
        }
    }
}

CLONES static void norm_grad(real *restrict dx, real *restrict dgain, real *restrict dbias,
                             const real *restrict dy, const real *restrict x,
                             const real *restrict gain, const real *restrict mean,
                             const real *restrict scale, int m, int n)
{
    for (int i = 0; i < m; i++) {
        const real *row = x + (size_t)i * (size_t)n, *d = dy + (size_t)i * (size_t)n;
        real *out = dx + (size_t)i * (size_t)n, sum = 0, product = 0;
        for (int j = 0; j < n; j++) {
            real normed = (row[j] - mean[i]) * scale[i], g = d[j] * gain[j];
            dgain[j] += d[j] * normed;
            dbias[j] += d[j];
            sum += g;
            product += g * normed;
        }
        sum /= (real)n;
        product /= (real)n;
        for (int j = 0; j < n; j++) {
            real normed = (row[j] - mean[i]) * scale[i];
            out[j] += (d[j] * gain[j] - sum - normed * product) * scale[i];
        }
    }
}

/* ---- attention: one query at a time, over the keys up to its own place ---- */

struct head {
    int length, width, size; /* size: of one head */
    const real *qkv;         /* (length, 3 width), at this head's first column */
};

static inline const real *head_row(const struct head *h, int place, int part)
{
    return h->qkv + (size_t)place * 3 * (size_t)h->width + (size_t)part * (size_t)h->width;
}

static inline real dot(const real *restrict a, const real *restrict b, int n)
{
    real sum = 0;
    for (int i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

static inline void add_scaled(real *restrict y, const real *restrict x, real scale, int n)
{
    for (int i = 0; i < n; i++) {
        y[i] += scale * x[i];
    }
}

CLONES static void head_attend(const struct head *h, real *y, real *weights)
{
    real root = 1 / sqrt((real)h->size);
    for (int t = 0; t < h->length; t++) {
        real *w = weights + (size_t)t * (size_t)h->length, *out = y + (size_t)t * (size_t)h->width;
        real top = 0, sum = 0;
        for (int s = 0; s <= t; s++) {
            w[s] = dot(head_row(h, t, 0), head_row(h, s, 1), h->size) * root;
            top = s == 0 || w[s] > top ? w[s] : top;
        }
        for (int s = 0; s <= t; s++) {
            w[s] = exp(w[s] - top);
            sum += w[s];
        }
        memset(out, 0, (size_t)h->size * sizeof *out);
        for (int s = 0; s <= t; s++) {
            w[s] /= sum;
            add_scaled(out, head_row(h, s, 2), w[s], h->size);
        }
    }
}

CLONES static void head_attend_grad(const struct head *h, real *dqkv, real *dw, const real *dy,
                                    const real *weights)
{
    real root = 1 / sqrt((real)h->size);
    size_t row = 3 * (size_t)h->width, part = (size_t)h->width;
    for (int t = 0; t < h->length; t++) {
        const real *w = weights + (size_t)t * (size_t)h->length;
        const real *d = dy + (size_t)t * (size_t)h->width;
        real *dq = dqkv + (size_t)t * row, mean = 0;
        for (int s = 0; s <= t; s++) {
            dw[s] = dot(d, head_row(h, s, 2), h->size);
            mean += dw[s] * w[s];
            add_scaled(dqkv + (size_t)s * row + 2 * part, d, w[s], h->size);
        }
        for (int s = 0; s <= t; s++) {
            real score = w[s] * (dw[s] - mean) * root;
            add_scaled(dq, head_row(h, s, 1), score, h->size);
            add_scaled(dqkv + (size_t)s * row + part, head_row(h, t, 0), score, h->size);
        }
    }
}

static void attention(real *y, real *weights, const real *qkv, int batch, int length, int width,
                      int heads)
{
    size_t places = (size_t)length, columns = (size_t)width;
    for (int b = 0; b < batch; b++) {
        for (int i = 0; i < heads; i++) {
            size_t at = (size_t)i * columns / (size_t)heads;
            struct head h = {length, width, width / heads,
                             qkv + (size_t)b * places * 3 * columns + at};
            head_attend(&h, y + (size_t)b * places * columns + at,
                        weights + (size_t)(b * heads + i) * places * places);
        }
    }
}

static void attention_grad(real *dqkv, real *scratch, const real *dy, const real *weights,
                           const real *qkv, int batch, int length, int width, int heads)
{
    size_t places = (size_t)length, columns = (size_t)width;
    memset(dqkv, 0, (size_t)batch * places * 3 * columns * sizeof *dqkv);
    for (int b = 0; b < batch; b++) {
        for (int i = 0; i < heads; i++) {
            size_t at = (size_t)i * columns / (size_t)heads;
            size_t from = (size_t)b * places * 3 * columns + at;
            struct head h = {length, width, width / heads, qkv + from};
            head_attend_grad(&h, dqkv + from, scratch, dy + (size_t)b * places * columns + at,
                             weights + (size_t)(b * heads + i) * places * places);
        }
    }
}

const struct backend backend_cpu = {
    .name = "cpu",
    .affine = affine,
    .affine_grad = affine_grad,
    .affine_back = affine_back,
    .relu = relu,
    .relu_grad = relu_grad,
    .add = add,
    .gelu = gelu,
    .gelu_grad = gelu_grad,
    .norm = norm,
    .norm_grad = norm_grad,
    .attention = attention,
    .attention_grad = attention_grad,
};
