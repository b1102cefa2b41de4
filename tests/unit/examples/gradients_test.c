/* Both models' gradients against finite differences, in double precision: of every part of the
 * parameters some, chosen by a seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "examples/chars/chars.h"
#include "examples/digits/digits.h"

/* A central difference of a function of order 1 has an error of about EPSILON^2; RELATIVE leaves
 * room for the cancellation in it. */
#define EPSILON 1e-5
#define RELATIVE 2e-6
/* Gradients below it are held to an absolute error of RELATIVE * SMALLEST. */
#define SMALLEST 1e-4

enum { BATCH = 6, CHECKS = 400 };

struct check {
    double (*loss)(void *model);
    void *model;
    real *params, *grads;
    size_t n;
};

static void check_gradients(const struct check *check, struct rng *rng)
{
    double largest = 0;
    check->loss(check->model);
    real *grads = malloc(check->n * sizeof *grads);
    assert_non_null(grads);
    memcpy(grads, check->grads, check->n * sizeof *grads);
    for (int i = 0; i < CHECKS; i++) {
        size_t k = rng_u64(rng) % check->n;
        real kept = check->params[k];
        check->params[k] = kept + EPSILON;
        double above = check->loss(check->model);
        check->params[k] = kept - EPSILON;
        double below = check->loss(check->model);
        check->params[k] = kept;
        double wanted = (above - below) / (2 * EPSILON), got = grads[k];
        double scale = fmax(fabs(wanted), SMALLEST);
        if (fabs(got - wanted) > RELATIVE * scale) {
            print_error("parameter %zu of %zu: gradient %.12g, difference %.12g\n", k, check->n,
                        got, wanted);
            fail();
        }
        largest = fmax(largest, fabs(got));
    }
    assert_true(largest > 1e-3); /* all zero would pass, too */
    free(grads);
}

/* Away from the drawn weights, where biases and gains have left 0 and 1. */
static void params_shake(real *params, size_t n, struct rng *rng)
{
    for (size_t i = 0; i < n; i++) {
        params[i] += 0.1 * rng_normal(rng);
    }
}

/* ---- digits ---- */

static real images[BATCH * DIGITS_INPUTS];
static uint8_t labels[BATCH];

static double digits_loss(void *model)
{
    return model_loss_and_grads(model, images, labels, BATCH);
}

static void digits_check(int layers)
{
    struct rng rng = {(uint64_t)layers + 1};
    struct model model;
    assert_int_equal(model_init(&model, &backend_cpu, layers, 32, BATCH, &rng), 0);
    for (int i = 0; i < BATCH * DIGITS_INPUTS; i++) {
        images[i] = rng_unit(&rng);
    }
    for (int i = 0; i < BATCH; i++) {
        labels[i] = (uint8_t)(rng_u64(&rng) % DIGITS_CLASSES);
    }
    params_shake(model.params, model.n_params, &rng);
    check_gradients(&(struct check){digits_loss, &model, model.params, model.grads, model.n_params},
                    &rng);
    model_fini(&model);
}

static void test_gradients_of_digits_are_finite_differences(void **state)
{
    (void)state;
    for (int layers = 0; layers <= 3; layers++) {
        digits_check(layers);
    }
}

/* ---- chars ---- */

enum { LENGTH = 9 };
static uint8_t inputs[BATCH * LENGTH], nexts[BATCH * LENGTH];

static double chars_loss(void *model)
{
    return transformer_loss_and_grads(model, inputs, nexts, BATCH);
}

static void chars_check(struct shape shape)
{
    struct rng rng = {(uint64_t)(shape.layers * 100 + shape.heads)};
    struct transformer model;
    assert_int_equal(transformer_init(&model, &backend_cpu, shape, &rng), 0);
    for (int i = 0; i < BATCH * LENGTH; i++) {
        inputs[i] = (uint8_t)(rng_u64(&rng) % CHARS_SYMBOLS);
        nexts[i] = (uint8_t)(rng_u64(&rng) % CHARS_SYMBOLS);
    }
    params_shake(model.params, model.n_params, &rng);
    check_gradients(&(struct check){chars_loss, &model, model.params, model.grads, model.n_params},
                    &rng);
    transformer_fini(&model);
}

static void test_gradients_of_chars_are_finite_differences(void **state)
{
    (void)state;
    chars_check((struct shape){1, 16, 1, LENGTH, BATCH});
    chars_check((struct shape){2, 32, 4, LENGTH, BATCH});
}

/* Every part, however small: a bias of 16 among 10,000 weights is seldom drawn above. */
static void test_gradients_of_chars_are_right_in_every_part(void **state)
{
    (void)state;
    struct rng rng = {3};
    struct transformer model;
    struct shape shape = {1, 16, 2, LENGTH, BATCH};
    assert_int_equal(transformer_init(&model, &backend_cpu, shape, &rng), 0);
    for (int i = 0; i < BATCH * LENGTH; i++) {
        inputs[i] = nexts[i] = (uint8_t)(i % CHARS_SYMBOLS);
    }
    params_shake(model.params, model.n_params, &rng);
    const struct block *b = &model.blocks[0];
    const struct part parts[] = {
        b->norm1_gain,   b->norm1_bias,   b->qkv_bias,     b->project_bias,
        b->norm2_gain,   b->norm2_bias,   b->expand_bias,  b->contract_bias,
        model.norm_gain, model.norm_bias, model.head_bias, model.places,
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        size_t at = (size_t)(parts[i].value - model.params);
        chars_loss(&model);
        for (size_t k = at; k < at + 16; k++) {
            real kept = model.params[k];
            chars_loss(&model);
            double got = model.grads[k];
            model.params[k] = kept + EPSILON;
            double above = chars_loss(&model);
            model.params[k] = kept - EPSILON;
            double wanted = (above - chars_loss(&model)) / (2 * EPSILON);
            model.params[k] = kept;
            assert_true(fabs(got - wanted) <= RELATIVE * fmax(fabs(wanted), SMALLEST) + 1e-9);
        }
    }
    transformer_fini(&model);
}

/* What was not yet written is not seen: a change of the last character changes no earlier loss. */
static void test_chars_see_only_what_is_before_them(void **state)
{
    (void)state;
    struct rng rng = {5};
    struct transformer model;
    struct shape shape = {2, 32, 4, LENGTH, 1};
    real before[LENGTH * CHARS_SYMBOLS];
    assert_int_equal(transformer_init(&model, &backend_cpu, shape, &rng), 0);
    params_shake(model.params, model.n_params, &rng);
    transformer_loss(&model, inputs, nexts, 1);
    memcpy(before, model.logits, sizeof before);
    inputs[LENGTH - 1] = (uint8_t)(inputs[LENGTH - 1] ^ 1);
    transformer_loss(&model, inputs, nexts, 1);
    size_t earlier = (LENGTH - 1) * CHARS_SYMBOLS * sizeof *before;
    assert_memory_equal(before, model.logits, earlier);
    assert_memory_not_equal(before, model.logits, sizeof before);
    transformer_fini(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients_of_digits_are_finite_differences),
        cmocka_unit_test(test_gradients_of_chars_are_finite_differences),
        cmocka_unit_test(test_gradients_of_chars_are_right_in_every_part),
        cmocka_unit_test(test_chars_see_only_what_is_before_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
