/* Dense kernels for a CPU. Inner loops run over n, a multiple of 16, so that the compiler turns
 * each into whole vectors; target_clones picks the widest set of the machine at start. */
#include <string.h>

#include "digits.h"

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&      \
    !defined(__clang__)
#define CLONES __attribute__((target_clones("avx512f", "avx2,fma", "default")))
#else
#define CLONES
#endif

CLONES static void affine(float *restrict c, const float *restrict a, const float *restrict b,
                          const float *restrict bias, int m, int k, int n)
{
    for (int i = 0; i < m; i++) {
        float *row = c + (size_t)i * (size_t)n;
        memcpy(row, bias, (size_t)n * sizeof *row);
        for (int p = 0; p < k; p++) {
            float x = a[(size_t)i * (size_t)k + (size_t)p];
            const float *w = b + (size_t)p * (size_t)n;
            for (int j = 0; j < n; j++) {
                row[j] += x * w[j];
            }
        }
    }
}

CLONES static void affine_grad(float *restrict c, float *restrict bias, const float *restrict a,
                               const float *restrict d, int m, int k, int n)
{
    for (int i = 0; i < m; i++) {
        const float *row = d + (size_t)i * (size_t)n;
        for (int j = 0; j < n; j++) {
            bias[j] += row[j];
        }
        for (int p = 0; p < k; p++) {
            float x = a[(size_t)i * (size_t)k + (size_t)p];
            float *w = c + (size_t)p * (size_t)n;
            for (int j = 0; j < n; j++) {
                w[j] += x * row[j];
            }
        }
    }
}

CLONES static void affine_back(float *restrict c, const float *restrict d, const float *restrict b,
                               int m, int k, int n)
{
    for (int i = 0; i < m; i++) {
        const float *row = d + (size_t)i * (size_t)n;
        for (int p = 0; p < k; p++) {
            const float *w = b + (size_t)p * (size_t)n;
            float sum = 0.0F;
            for (int j = 0; j < n; j++) {
                sum += row[j] * w[j];
            }
            c[(size_t)i * (size_t)k + (size_t)p] = sum;
        }
    }
}

CLONES static void relu(float *x, int n)
{
    for (int i = 0; i < n; i++) {
        x[i] = x[i] > 0.0F ? x[i] : 0.0F;
    }
}

CLONES static void relu_grad(float *restrict d, const float *restrict x, int n)
{
    for (int i = 0; i < n; i++) {
        d[i] = x[i] > 0.0F ? d[i] : 0.0F;
    }
}

const struct backend backend_cpu = {
    .name = "cpu",
    .affine = affine,
    .affine_grad = affine_grad,
    .affine_back = affine_back,
    .relu = relu,
    .relu_grad = relu_grad,
};
