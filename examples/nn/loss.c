#include <math.h>
#include <string.h>

#include "examples/nn/nn.h"

enum { CLASSES_MAX = 256 };

double softmax_loss(const real *logits, real *delta, const uint8_t *labels, int rows, int classes,
                    int stride, int *ret_right)
{
    double loss = 0;
    *ret_right = 0;
    for (int i = 0; i < rows; i++) {
        const real *z = logits + (size_t)i * (size_t)stride;
        int top = 0;
        for (int j = 1; j < classes; j++) {
            top = z[j] > z[top] ? j : top;
        }
        double sum = 0, e[CLASSES_MAX];
        for (int j = 0; j < classes; j++) {
            e[j] = exp((double)(z[j] - z[top]));
            sum += e[j];
        }
        loss += log(sum) - (double)(z[labels[i]] - z[top]);
        *ret_right += top == labels[i];
        if (delta == NULL) {
            continue;
        }
        real *d = delta + (size_t)i * (size_t)stride;
        memset(d, 0, (size_t)stride * sizeof *d);
        for (int j = 0; j < classes; j++) {
            d[j] = (real)((e[j] / sum - (j == labels[i])) / rows);
        }
    }
    return loss;
}
