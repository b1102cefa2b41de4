#include <string.h>
#include <tgmath.h>

#include "examples/nn/nn.h"

static void sgd_step(const struct optimizer *self, real *params, const real *grads, real *m,
                     real *v, size_t n, int64_t t)
{
    (void)v, (void)t;
    real lr = (real)self->lr, momentum = (real)self->momentum, decay = (real)self->weight_decay;
    for (size_t i = 0; i < n; i++) {
        m[i] = momentum * m[i] + grads[i] + decay * params[i];
        params[i] -= lr * m[i];
    }
}

/* Beta 0.9 and 0.999, epsilon 1e-8: the values of Kingma, Ba 2015, algorithm 1. */
static void adamw_step(const struct optimizer *self, real *params, const real *grads, real *m,
                       real *v, size_t n, int64_t t)
{
    real beta1 = (real)0.9, beta2 = (real)0.999, epsilon = (real)1e-8;
    real decay = (real)(self->lr * self->weight_decay);
    real rate = (real)(self->lr / (1.0 - pow(0.9, (double)t)));
    real scale = (real)(1.0 / (1.0 - pow(0.999, (double)t)));
    for (size_t i = 0; i < n; i++) {
        m[i] = beta1 * m[i] + (1 - beta1) * grads[i];
        v[i] = beta2 * v[i] + (1 - beta2) * grads[i] * grads[i];
        params[i] -= rate * m[i] / (sqrt(v[i] * scale) + epsilon) + decay * params[i];
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
