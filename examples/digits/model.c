#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "digits.h"

static int layer_outputs(int index, int hidden_layers, int width)
{
    return index < hidden_layers ? width : DIGITS_OUTPUTS;
}

static real *layer_block(struct layer *layer, real *at, real **weights, real **bias)
{
    *weights = at;
    *bias = at + (size_t)layer->inputs * (size_t)layer->outputs;
    return *bias + layer->outputs;
}

int model_init(struct model *model, const struct backend *backend, int hidden_layers, int width,
               int batch_max, struct rng *rng)
{
    *model =
        (struct model){.backend = backend, .n_layers = hidden_layers + 1, .batch_max = batch_max};
    int widest = DIGITS_INPUTS > width ? DIGITS_INPUTS : width;
    for (int i = 0, inputs = DIGITS_INPUTS; i < model->n_layers; i++) {
        struct layer *layer = &model->layers[i];
        layer->inputs = inputs;
        layer->outputs = inputs = layer_outputs(i, hidden_layers, width);
        model->n_params += (size_t)layer->inputs * (size_t)layer->outputs + (size_t)layer->outputs;
    }
    model->params = calloc(model->n_params, sizeof(real));
    model->grads = calloc(model->n_params, sizeof(real));
    model->delta = calloc((size_t)batch_max * (size_t)widest, sizeof(real));
    model->delta_next = calloc((size_t)batch_max * (size_t)widest, sizeof(real));
    bool is_complete = model->params != NULL && model->grads != NULL && model->delta != NULL &&
                       model->delta_next != NULL;
    for (int i = 0; i < model->n_layers && is_complete; i++) {
        model->activations[i + 1] =
            calloc((size_t)batch_max * (size_t)model->layers[i].outputs, sizeof(real));
        is_complete = model->activations[i + 1] != NULL;
    }
    if (!is_complete) {
        model_fini(model);
        return -1;
    }
    real *at = model->params, *grad_at = model->grads;
    for (int i = 0; i < model->n_layers; i++) {
        struct layer *layer = &model->layers[i];
        at = layer_block(layer, at, &layer->weights, &layer->bias);
        grad_at = layer_block(layer, grad_at, &layer->grad_weights, &layer->grad_bias);
        double scale = sqrt(2.0 / layer->inputs);
        for (int j = 0; j < layer->inputs * layer->outputs; j++) {
            bool is_padding = i == hidden_layers && j % layer->outputs >= DIGITS_CLASSES;
            layer->weights[j] = is_padding ? 0 : (real)(scale * rng_normal(rng));
        }
    }
    return 0;
}

void model_fini(struct model *model)
{
    free(model->params);
    free(model->grads);
    free(model->delta);
    free(model->delta_next);
    for (int i = 1; i <= model->n_layers; i++) {
        free(model->activations[i]);
    }
    *model = (struct model){0};
}

static void model_forward(struct model *model, const real *images, int batch)
{
    const real *x = images;
    for (int i = 0; i < model->n_layers; i++) {
        const struct layer *layer = &model->layers[i];
        real *y = model->activations[i + 1];
        model->backend->affine(y, x, layer->weights, layer->bias, batch, layer->inputs,
                               layer->outputs);
        if (i + 1 < model->n_layers) {
            model->backend->relu(y, batch * layer->outputs);
        }
        x = y;
    }
}

double model_loss_and_grads(struct model *model, const real *images, const uint8_t *labels,
                            int batch)
{
    int right;
    model_forward(model, images, batch);
    double loss = softmax_loss(model->activations[model->n_layers], model->delta, labels, batch,
                               DIGITS_CLASSES, DIGITS_OUTPUTS, &right);
    memset(model->grads, 0, model->n_params * sizeof(real));
    for (int i = model->n_layers - 1; i >= 0; i--) {
        const struct layer *layer = &model->layers[i];
        const real *x = i == 0 ? images : model->activations[i];
        model->backend->affine_grad(layer->grad_weights, layer->grad_bias, x, model->delta, batch,
                                    layer->inputs, layer->outputs);
        if (i > 0) {
            model->backend->affine_back(model->delta_next, model->delta, layer->weights, batch,
                                        layer->inputs, layer->outputs);
            model->backend->relu_grad(model->delta_next, x, batch * layer->inputs);
            real *swap = model->delta;
            model->delta = model->delta_next;
            model->delta_next = swap;
        }
    }
    return loss / batch;
}

double model_accuracy(struct model *model, const struct dataset *data, double *ret_loss)
{
    int right = 0;
    double loss = 0;
    for (int at = 0; at < data->n; at += model->batch_max) {
        int batch = data->n - at < model->batch_max ? data->n - at : model->batch_max, right_here;
        model_forward(model, data->images + (size_t)at * DIGITS_INPUTS, batch);
        loss += softmax_loss(model->activations[model->n_layers], NULL, data->labels + at, batch,
                             DIGITS_CLASSES, DIGITS_OUTPUTS, &right_here);
        right += right_here;
    }
    *ret_loss = loss / data->n;
    return (double)right / data->n;
}
