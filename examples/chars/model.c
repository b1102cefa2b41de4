#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "chars.h"

/* ---- parameters and memory: the same walk first counts, then hands out ---- */

struct store {
    real *values, *grads; /* NULL: only count */
    size_t n;
};

static struct part part_take(struct store *store, size_t n)
{
    struct part part = {0};
    if (store->values != NULL) {
        part = (struct part){store->values + store->n, store->grads + store->n};
    }
    store->n += n;
    return part;
}

static void params_walk(struct transformer *model, struct store *store)
{
    size_t c = (size_t)model->shape.width;
    model->symbols = part_take(store, CHARS_SYMBOLS * c);
    model->places = part_take(store, (size_t)model->shape.length * c);
    for (int i = 0; i < model->shape.layers; i++) {
        struct block *block = &model->blocks[i];
        block->norm1_gain = part_take(store, c);
        block->norm1_bias = part_take(store, c);
        block->qkv = part_take(store, c * 3 * c);
        block->qkv_bias = part_take(store, 3 * c);
        block->project = part_take(store, c * c);
        block->project_bias = part_take(store, c);
        block->norm2_gain = part_take(store, c);
        block->norm2_bias = part_take(store, c);
        block->expand = part_take(store, c * 4 * c);
        block->expand_bias = part_take(store, 4 * c);
        block->contract = part_take(store, 4 * c * c);
        block->contract_bias = part_take(store, c);
    }
    model->norm_gain = part_take(store, c);
    model->norm_bias = part_take(store, c);
    model->head = part_take(store, c * CHARS_SYMBOLS);
    model->head_bias = part_take(store, CHARS_SYMBOLS);
}

static real *memory_take(struct store *store, size_t n)
{
    real *at = store->values != NULL ? store->values + store->n : NULL;
    store->n += n;
    return at;
}

static void activations_walk(struct transformer *model, struct store *store)
{
    const struct shape *s = &model->shape;
    size_t rows = (size_t)s->batch * (size_t)s->length, c = (size_t)s->width;
    for (int i = 0; i < s->layers; i++) {
        struct block *block = &model->blocks[i];
        real **wide[] = {&block->x, &block->middle, &block->normed1, &block->normed2,
                         &block->attended};
        real **thin[] = {&block->mean1, &block->scale1, &block->mean2, &block->scale2};
        for (size_t k = 0; k < sizeof wide / sizeof wide[0]; k++) {
            *wide[k] = memory_take(store, rows * c);
        }
        for (size_t k = 0; k < sizeof thin / sizeof thin[0]; k++) {
            *thin[k] = memory_take(store, rows);
        }
        block->queries = memory_take(store, rows * 3 * c);
        block->weights = memory_take(store, rows * (size_t)s->heads * (size_t)s->length);
        block->expanded = memory_take(store, rows * 4 * c);
        block->active = memory_take(store, rows * 4 * c);
    }
    model->x = memory_take(store, rows * c);
    model->normed = memory_take(store, rows * c);
    model->mean = memory_take(store, rows);
    model->scale = memory_take(store, rows);
    model->logits = memory_take(store, rows * CHARS_SYMBOLS);
    model->delta = memory_take(store, rows * c);
    model->delta_c = memory_take(store, rows * c);
    model->delta_3c = memory_take(store, rows * 3 * c);
    model->delta_4c = memory_take(store, rows * 4 * c);
    model->delta_4c_next = memory_take(store, rows * 4 * c);
    model->delta_logits = memory_take(store, rows * CHARS_SYMBOLS);
    model->row = memory_take(store, (size_t)s->length);
}

static void part_draw(struct part part, size_t n, double deviation, struct rng *rng)
{
    for (size_t i = 0; i < n; i++) {
        part.value[i] = (real)(deviation * rng_normal(rng));
    }
}

static void part_fill(struct part part, size_t n, real value)
{
    for (size_t i = 0; i < n; i++) {
        part.value[i] = value;
    }
}

static void params_draw(struct transformer *model, struct rng *rng)
{
    size_t c = (size_t)model->shape.width;
    double deviation = 0.02, last = deviation / sqrt(2.0 * model->shape.layers);
    part_draw(model->symbols, CHARS_SYMBOLS * c, deviation, rng);
    part_draw(model->places, (size_t)model->shape.length * c, deviation, rng);
    for (int i = 0; i < model->shape.layers; i++) {
        struct block *block = &model->blocks[i];
        part_fill(block->norm1_gain, c, 1);
        part_draw(block->qkv, c * 3 * c, deviation, rng);
        part_draw(block->project, c * c, last, rng);
        part_fill(block->norm2_gain, c, 1);
        part_draw(block->expand, c * 4 * c, deviation, rng);
        part_draw(block->contract, 4 * c * c, last, rng);
    }
    part_fill(model->norm_gain, c, 1);
    part_draw(model->head, c * CHARS_SYMBOLS, deviation, rng);
}

int transformer_init(struct transformer *model, const struct backend *backend, struct shape shape,
                     struct rng *rng)
{
    *model = (struct transformer){.backend = backend, .shape = shape};
    struct store params = {0}, activations = {0};
    params_walk(model, &params);
    activations_walk(model, &activations);
    model->n_params = params.n;
    params.values = model->params = calloc(params.n, sizeof(real));
    params.grads = model->grads = calloc(params.n, sizeof(real));
    activations.values = model->activations = calloc(activations.n, sizeof(real));
    if (model->params == NULL || model->grads == NULL || model->activations == NULL) {
        transformer_fini(model);
        return -1;
    }
    params.n = activations.n = 0;
    params_walk(model, &params);
    activations_walk(model, &activations);
    params_draw(model, rng);
    return 0;
}

void transformer_fini(struct transformer *model)
{
    free(model->params);
    free(model->grads);
    free(model->activations);
    *model = (struct transformer){0};
}

/* ---- forward ---- */

static void embed(struct transformer *model, const uint8_t *inputs, int batch)
{
    const struct shape *s = &model->shape;
    size_t c = (size_t)s->width;
    real *x = model->blocks[0].x;
    for (int i = 0; i < batch * s->length; i++) {
        const real *symbol = model->symbols.value + inputs[i] * c;
        const real *place = model->places.value + (size_t)(i % s->length) * c;
        for (size_t j = 0; j < c; j++) {
            x[(size_t)i * c + j] = symbol[j] + place[j];
        }
    }
}

static void block_forward(const struct transformer *model, struct block *b, real *next, int batch)
{
    const struct backend *op = model->backend;
    const struct shape *s = &model->shape;
    int rows = batch * s->length, c = s->width;
    op->norm(b->normed1, b->mean1, b->scale1, b->x, b->norm1_gain.value, b->norm1_bias.value, rows,
             c);
    op->affine(b->queries, b->normed1, b->qkv.value, b->qkv_bias.value, rows, c, 3 * c);
    op->attention(b->attended, b->weights, b->queries, batch, s->length, c, s->heads);
    op->affine(b->middle, b->attended, b->project.value, b->project_bias.value, rows, c, c);
    op->add(b->middle, b->x, rows * c);
    op->norm(b->normed2, b->mean2, b->scale2, b->middle, b->norm2_gain.value, b->norm2_bias.value,
             rows, c);
    op->affine(b->expanded, b->normed2, b->expand.value, b->expand_bias.value, rows, c, 4 * c);
    op->gelu(b->active, b->expanded, rows * 4 * c);
    op->affine(next, b->active, b->contract.value, b->contract_bias.value, rows, 4 * c, c);
    op->add(next, b->middle, rows * c);
}

static void forward(struct transformer *model, const uint8_t *inputs, int batch)
{
    const struct backend *op = model->backend;
    int rows = batch * model->shape.length, c = model->shape.width;
    embed(model, inputs, batch);
    for (int i = 0; i < model->shape.layers; i++) {
        bool is_last = i + 1 == model->shape.layers;
        block_forward(model, &model->blocks[i], is_last ? model->x : model->blocks[i + 1].x, batch);
    }
    op->norm(model->normed, model->mean, model->scale, model->x, model->norm_gain.value,
             model->norm_bias.value, rows, c);
    op->affine(model->logits, model->normed, model->head.value, model->head_bias.value, rows, c,
               CHARS_SYMBOLS);
}

double transformer_loss(struct transformer *model, const uint8_t *inputs, const uint8_t *labels,
                        int batch)
{
    int rows = batch * model->shape.length, right;
    forward(model, inputs, batch);
    return softmax_loss(model->logits, NULL, labels, rows, CHARS_SYMBOLS, CHARS_SYMBOLS, &right) /
           rows;
}

/* ---- backward: model->delta is the gradient of the residual stream, first behind a block, then
 * before it ---- */

static void block_backward(struct transformer *model, struct block *b, int batch)
{
    const struct backend *op = model->backend;
    const struct shape *s = &model->shape;
    int rows = batch * s->length, c = s->width;
    op->affine_grad(b->contract.grad, b->contract_bias.grad, b->active, model->delta, rows, 4 * c,
                    c);
    op->affine_back(model->delta_4c, model->delta, b->contract.value, rows, 4 * c, c);
    op->gelu_grad(model->delta_4c_next, model->delta_4c, b->expanded, rows * 4 * c);
    op->affine_grad(b->expand.grad, b->expand_bias.grad, b->normed2, model->delta_4c_next, rows, c,
                    4 * c);
    op->affine_back(model->delta_c, model->delta_4c_next, b->expand.value, rows, c, 4 * c);
    op->norm_grad(model->delta, b->norm2_gain.grad, b->norm2_bias.grad, model->delta_c, b->middle,
                  b->norm2_gain.value, b->mean2, b->scale2, rows, c);
    op->affine_grad(b->project.grad, b->project_bias.grad, b->attended, model->delta, rows, c, c);
    op->affine_back(model->delta_c, model->delta, b->project.value, rows, c, c);
    op->attention_grad(model->delta_3c, model->row, model->delta_c, b->weights, b->queries, batch,
                       s->length, c, s->heads);
    op->affine_grad(b->qkv.grad, b->qkv_bias.grad, b->normed1, model->delta_3c, rows, c, 3 * c);
    op->affine_back(model->delta_c, model->delta_3c, b->qkv.value, rows, c, 3 * c);
    op->norm_grad(model->delta, b->norm1_gain.grad, b->norm1_bias.grad, model->delta_c, b->x,
                  b->norm1_gain.value, b->mean1, b->scale1, rows, c);
}

static void embed_backward(struct transformer *model, const uint8_t *inputs, int batch)
{
    const struct shape *s = &model->shape;
    size_t c = (size_t)s->width;
    for (int i = 0; i < batch * s->length; i++) {
        real *symbol = model->symbols.grad + inputs[i] * c;
        real *place = model->places.grad + (size_t)(i % s->length) * c;
        const real *d = model->delta + (size_t)i * c;
        for (size_t j = 0; j < c; j++) {
            symbol[j] += d[j];
            place[j] += d[j];
        }
    }
}

double transformer_loss_and_grads(struct transformer *model, const uint8_t *inputs,
                                  const uint8_t *labels, int batch)
{
    const struct backend *op = model->backend;
    int rows = batch * model->shape.length, c = model->shape.width, right;
    forward(model, inputs, batch);
    double loss = softmax_loss(model->logits, model->delta_logits, labels, rows, CHARS_SYMBOLS,
                               CHARS_SYMBOLS, &right);
    memset(model->grads, 0, model->n_params * sizeof *model->grads);
    op->affine_grad(model->head.grad, model->head_bias.grad, model->normed, model->delta_logits,
                    rows, c, CHARS_SYMBOLS);
    op->affine_back(model->delta_c, model->delta_logits, model->head.value, rows, c, CHARS_SYMBOLS);
    memset(model->delta, 0, (size_t)rows * (size_t)c * sizeof *model->delta);
    op->norm_grad(model->delta, model->norm_gain.grad, model->norm_bias.grad, model->delta_c,
                  model->x, model->norm_gain.value, model->mean, model->scale, rows, c);
    for (int i = model->shape.layers - 1; i >= 0; i--) {
        block_backward(model, &model->blocks[i], batch);
    }
    embed_backward(model, inputs, batch);
    return loss / rows;
}
