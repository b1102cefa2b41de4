/* Ten optimizer steps of one of the example models on one batch, written down for steps_test.py:
 *
 *     example_steps digits|chars sgd|adamw FOLDER
 *
 * FOLDER gets params, grads (of the first step) and final as floats, inputs and labels; the loss
 * before each step goes to stdout. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/chars/chars.h"
#include "examples/digits/digits.h"

enum { STEPS = 10, BATCH = 8, LENGTH = 12, LAYERS = 2, WIDTH = 32, HEADS = 4 };
#define LR 0.01
#define MOMENTUM 0.9
#define WEIGHT_DECAY 0.05

struct run {
    const char *folder;
    real *params, *grads;
    size_t n;
    double (*loss)(void);
};

static struct model digits;
static struct transformer chars;
static real images[BATCH * DIGITS_INPUTS];
static uint8_t labels[BATCH], inputs[BATCH * LENGTH], nexts[BATCH * LENGTH];

static double digits_loss(void)
{
    return model_loss_and_grads(&digits, images, labels, BATCH);
}

static double chars_loss(void)
{
    return transformer_loss_and_grads(&chars, inputs, nexts, BATCH);
}

static void write_file(const char *folder, const char *name, const void *data, size_t bytes)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wbe");
    if (file == NULL || fwrite(data, 1, bytes, file) != bytes || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static void run_steps(const struct run *run, struct optimizer optimizer, struct rng *rng)
{
    real *m = calloc(run->n, sizeof *m), *v = calloc(run->n, sizeof *v);
    size_t bytes = run->n * sizeof *run->params;
    if (m == NULL || v == NULL) {
        exit(1);
    }
    /* Away from the drawn weights, where biases and gains have left 0 and 1. */
    for (size_t i = 0; i < run->n; i++) {
        run->params[i] += (real)(0.1 * rng_normal(rng));
    }
    write_file(run->folder, "params", run->params, bytes);
    for (int step = 1; step <= STEPS; step++) {
        printf("%.9g\n", run->loss());
        if (step == 1) {
            write_file(run->folder, "grads", run->grads, bytes);
        }
        optimizer.step(&optimizer, run->params, run->grads, m, v, run->n, step);
    }
    write_file(run->folder, "final", run->params, bytes);
    free(m);
    free(v);
}

static void digits_run(const char *folder, struct optimizer optimizer, struct rng *rng)
{
    if (model_init(&digits, &backend_cpu, LAYERS, WIDTH, BATCH, rng) != 0) {
        exit(1);
    }
    for (int i = 0; i < BATCH * DIGITS_INPUTS; i++) {
        images[i] = (real)rng_unit(rng);
    }
    for (int i = 0; i < BATCH; i++) {
        labels[i] = (uint8_t)(rng_u64(rng) % DIGITS_CLASSES);
    }
    write_file(folder, "inputs", images, sizeof images);
    write_file(folder, "labels", labels, sizeof labels);
    struct run run = {folder, digits.params, digits.grads, digits.n_params, digits_loss};
    run_steps(&run, optimizer, rng);
    model_fini(&digits);
}

static void chars_run(const char *folder, struct optimizer optimizer, struct rng *rng)
{
    struct shape shape = {LAYERS, WIDTH, HEADS, LENGTH, BATCH};
    if (transformer_init(&chars, &backend_cpu, shape, rng) != 0) {
        exit(1);
    }
    for (int i = 0; i < BATCH * LENGTH; i++) {
        inputs[i] = (uint8_t)(rng_u64(rng) % CHARS_SYMBOLS);
        nexts[i] = (uint8_t)(rng_u64(rng) % CHARS_SYMBOLS);
    }
    write_file(folder, "inputs", inputs, sizeof inputs);
    write_file(folder, "labels", nexts, sizeof nexts);
    struct run run = {folder, chars.params, chars.grads, chars.n_params, chars_loss};
    run_steps(&run, optimizer, rng);
    transformer_fini(&chars);
}

int main(int argc, char **argv)
{
    struct rng rng = {1};
    const struct optimizer *found = argc == 4 ? optimizer_find(argv[2]) : NULL;
    if (found == NULL) {
        fprintf(stderr, "usage: example_steps digits|chars sgd|adamw FOLDER\n");
        return 2;
    }
    struct optimizer optimizer = *found;
    optimizer.lr = LR;
    optimizer.momentum = MOMENTUM;
    optimizer.weight_decay = WEIGHT_DECAY;
    if (strcmp(argv[1], "digits") == 0) {
        digits_run(argv[3], optimizer, &rng);
    } else {
        chars_run(argv[3], optimizer, &rng);
    }
    return 0;
}
