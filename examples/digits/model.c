#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "digits.h"

uint64_t rng_u64(struct rng *rng)
{
    uint64_t z = rng->state += 0x9E3779B97F4A7C15U;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
    z = (z ^ z >> 27) * 0x94D049BB133111EBU;
    return z ^ z >> 31;
}

double rng_unit(struct rng *rng)
{
    return (double)(rng_u64(rng) >> 11) * 0x1.0p-53;
}

double rng_normal(struct rng *rng)
{
    double u = 1.0 - rng_unit(rng), v = rng_unit(rng);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

static int layer_outputs(int index, int hidden_layers, int width)
{
    return index < hidden_layers ? width : DIGITS_OUTPUTS;
}

static float *layer_block(struct layer *layer, float *at, float **weights, float **bias)
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
    model->params = calloc(model->n_params, sizeof(float));
    model->grads = calloc(model->n_params, sizeof(float));
    model->delta = calloc((size_t)batch_max * (size_t)widest, sizeof(float));
    model->delta_next = calloc((size_t)batch_max * (size_t)widest, sizeof(float));
    bool is_complete = model->params != NULL && model->grads != NULL && model->delta != NULL &&
                       model->delta_next != NULL;
    for (int i = 0; i < model->n_layers && is_complete; i++) {
        model->activations[i + 1] =
            calloc((size_t)batch_max * (size_t)model->layers[i].outputs, sizeof(float));
        is_complete = model->activations[i + 1] != NULL;
    }
    if (!is_complete) {
        model_fini(model);
        return -1;
    }
    float *at = model->params, *grad_at = model->grads;
    for (int i = 0; i < model->n_layers; i++) {
        struct layer *layer = &model->layers[i];
        at = layer_block(layer, at, &layer->weights, &layer->bias);
        grad_at = layer_block(layer, grad_at, &layer->grad_weights, &layer->grad_bias);
        double scale = sqrt(2.0 / layer->inputs);
        for (int j = 0; j < layer->inputs * layer->outputs; j++) {
            bool is_padding = i == hidden_layers && j % layer->outputs >= DIGITS_CLASSES;
            layer->weights[j] = is_padding ? 0.0F : (float)(scale * rng_normal(rng));
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

static void model_forward(struct model *model, const float *images, int batch)
{
    const float *x = images;
    for (int i = 0; i < model->n_layers; i++) {
        const struct layer *layer = &model->layers[i];
        float *y = model->activations[i + 1];
        model->backend->affine(y, x, layer->weights, layer->bias, batch, layer->inputs,
                               layer->outputs);
        if (i + 1 < model->n_layers) {
            model->backend->relu(y, batch * layer->outputs);
        }
        x = y;
    }
}

/* Softmax over the ten classes; delta becomes (p - onehot) / batch. Returns the summed loss; counts
 * right answers. */
static double softmax_loss(const float *logits, float *delta, const uint8_t *labels, int batch,
                           int *ret_right)
{
    double loss = 0;
    *ret_right = 0;
    for (int i = 0; i < batch; i++) {
        const float *z = logits + (size_t)i * DIGITS_OUTPUTS;
        float *d = delta + (size_t)i * DIGITS_OUTPUTS;
        int top = 0;
        for (int j = 1; j < DIGITS_CLASSES; j++) {
            top = z[j] > z[top] ? j : top;
        }
        double sum = 0, e[DIGITS_CLASSES];
        for (int j = 0; j < DIGITS_CLASSES; j++) {
            e[j] = exp((double)(z[j] - z[top]));
            sum += e[j];
        }
        loss += log(sum) - (double)(z[labels[i]] - z[top]);
        *ret_right += top == labels[i];
        memset(d, 0, DIGITS_OUTPUTS * sizeof *d);
        for (int j = 0; j < DIGITS_CLASSES; j++) {
            d[j] = (float)((e[j] / sum - (j == labels[i])) / batch);
        }
    }
    return loss;
}

double model_loss_and_grads(struct model *model, const float *images, const uint8_t *labels,
                            int batch)
{
    int right;
    model_forward(model, images, batch);
    double loss =
        softmax_loss(model->activations[model->n_layers], model->delta, labels, batch, &right);
    memset(model->grads, 0, model->n_params * sizeof(float));
    for (int i = model->n_layers - 1; i >= 0; i--) {
        const struct layer *layer = &model->layers[i];
        const float *x = i == 0 ? images : model->activations[i];
        model->backend->affine_grad(layer->grad_weights, layer->grad_bias, x, model->delta, batch,
                                    layer->inputs, layer->outputs);
        if (i > 0) {
            model->backend->affine_back(model->delta_next, model->delta, layer->weights, batch,
                                        layer->inputs, layer->outputs);
            model->backend->relu_grad(model->delta_next, x, batch * layer->inputs);
            float *swap = model->delta;
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
        loss += softmax_loss(model->activations[model->n_layers], model->delta, data->labels + at,
                             batch, &right_here);
        right += right_here;
    }
    *ret_loss = loss / data->n;
    return (double)right / data->n;
}
