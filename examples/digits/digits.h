/* digits.h -- a multi-layer perceptron on 8x8 handwritten digits: data and model. One thread.
 * Operations, optimizers and snapshots are those of examples/nn. */
#ifndef DIGITS_H
#define DIGITS_H

#include "examples/nn/nn.h"

enum {
    DIGITS_INPUTS = 64,
    DIGITS_CLASSES = 10,
    DIGITS_OUTPUTS =
        16, /* classes padded to the vector width; the padding's logits stay out of the softmax */
    DIGITS_IMAGES_MAX = 4096,
    DIGITS_LAYERS_MAX = 6,
};

/* ---- data.c ---- */
struct dataset {
    real *images; /* (n, 64), in [0, 1] */
    uint8_t *labels;
    int n;
};
/* Reads digits.txt; every fifth image (by a fixed shuffle) is for validation. 0, or -1 after a line
 * on stderr. */
int dataset_load(const char *path, struct dataset *ret_train, struct dataset *ret_validation);
void dataset_free(struct dataset *data);

/* ---- model.c ---- */
struct layer {
    int inputs, outputs;
    real *weights, *bias; /* (inputs, outputs), (outputs) */
    real *grad_weights, *grad_bias;
};

struct model {
    const struct backend *backend;
    int n_layers; /* hidden layers + 1 */
    struct layer layers[DIGITS_LAYERS_MAX];
    real *params, *grads; /* all of them in one block each */
    size_t n_params;
    real *activations[DIGITS_LAYERS_MAX + 1]; /* [0]: the batch itself */
    real *delta, *delta_next;
    int batch_max;
};

/* He initialization (He et al. 2015, eq. 10). 0, or -1 without memory. */
int model_init(struct model *model, const struct backend *backend, int hidden_layers, int width,
               int batch_max, struct rng *rng);
void model_fini(struct model *model);
/* Mean cross-entropy of the batch; gradients are set (not added). */
double model_loss_and_grads(struct model *model, const real *images, const uint8_t *labels,
                            int batch);
/* Fraction of right answers; *ret_loss the mean cross-entropy. */
double model_accuracy(struct model *model, const struct dataset *data, double *ret_loss);

#endif
