#include <math.h>
#include <string.h>

#include "digits.h"

static void sgd_step(const struct optimizer *self, float *params, const float *grads, float *m,
                     float *v, size_t n, int64_t t)
{
    (void)v, (void)t;
    float lr = (float)self->lr, momentum = (float)self->momentum, decay = (float)self->weight_decay;
    for (size_t i = 0; i < n; i++) {
        m[i] = momentum * m[i] + grads[i] + decay * params[i];
        params[i] -= lr * m[i];
    }
}

/* Beta 0.9 and 0.999, epsilon 1e-8: the values of Kingma, Ba 2015, algorithm 1. */
static void adamw_step(const struct optimizer *self, float *params, const float *grads, float *m,
                       float *v, size_t n, int64_t t)
{
    float beta1 = 0.9F, beta2 = 0.999F, decay = (float)(self->lr * self->weight_decay);
    float rate = (float)(self->lr / (1.0 - pow(0.9, (double)t)));
    float scale = (float)(1.0 / (1.0 - pow(0.999, (double)t)));
    for (size_t i = 0; i < n; i++) {
        m[i] = beta1 * m[i] + (1.0F - beta1) * grads[i];
        v[i] = beta2 * v[i] + (1.0F - beta2) * grads[i] * grads[i];
        params[i] -= rate * m[i] / (sqrtf(v[i] * scale) + 1e-8F) + decay * params[i];
    }
}

static const struct optimizer optimizers[] = {
    {.name = "sgd", .step = sgd_step, .lr = 0.05, .momentum = 0.9},
    {.name = "adamw", .step = adamw_step, .lr = 1e-3, .weight_decay = 1e-2},
};

const struct optimizer *optimizer_find(const char *name)
{
    for (size_t i = 0; i < sizeof optimizers / sizeof optimizers[0]; i++) {
        if (strcmp(optimizers[i].name, name) == 0) {
            return &optimizers[i];
        }
    }
    return NULL;
}
