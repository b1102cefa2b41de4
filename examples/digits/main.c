/* Trains a perceptron on the digits and reports validation loss and accuracy after each epoch.
 * Parameters: epochs, optimizer (sgd | adamw), lr, momentum, wd, layers (0..5), width, batch. Each
 * has a default, so
 * `./digits [digits.txt]` runs by itself too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digits.h"
#include "muster.h"

struct settings {
    int64_t epochs, layers, width, batch;
    double lr, momentum, wd;
    const char *optimizer;
};

struct training {
    struct dataset train, validation;
    struct model model;
    struct optimizer optimizer;
    float *m, *v;
    float *images; /* one batch */
    uint8_t *labels;
    int *order;
    struct snapshot at;
};

/* A parameter that is missing keeps its default; one of the wrong type or out of range ends the
 * trial as invalid. */
static const char *settings_read(muster_trial *trial, struct settings *s)
{
    *s = (struct settings){.epochs = 27,
                           .layers = 1,
                           .width = 64,
                           .batch = 32,
                           .lr = -1,
                           .momentum = 0.9,
                           .wd = -1,
                           .optimizer = "sgd"};
    const char *optimizer = muster_str(trial, "optimizer");
    s->optimizer = optimizer != NULL ? optimizer : s->optimizer;
    int worst = 0,
        codes[] = {
            muster_i64(trial, "epochs", &s->epochs), muster_i64(trial, "layers", &s->layers),
            muster_i64(trial, "width", &s->width),   muster_i64(trial, "batch", &s->batch),
            muster_f64(trial, "lr", &s->lr),         muster_f64(trial, "momentum", &s->momentum),
            muster_f64(trial, "wd", &s->wd)};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        worst = codes[i] == MUSTER_ERR_TYPE ? codes[i] : worst;
    }
    if (worst != 0) {
        return muster_error(trial);
    }
    if (optimizer_find(s->optimizer) == NULL) {
        return "optimizer must be sgd or adamw";
    }
    if (s->layers < 0 || s->layers >= DIGITS_LAYERS_MAX || s->width < 1 || s->width > 4096 ||
        s->batch < 1 || s->batch > 1024 || s->epochs < 1) {
        return "layers must be 0..5, width 1..4096, batch 1..1024, epochs >= 1";
    }
    s->width = (s->width + 15) / 16 * 16; /* whole vectors */
    return NULL;
}

static int training_init(struct training *t, const struct settings *s, const char *data,
                         uint64_t seed)
{
    *t = (struct training){.at.rng = {seed}};
    if (dataset_load(data, &t->train, &t->validation) != 0 ||
        model_init(&t->model, &backend_cpu, (int)s->layers, (int)s->width, (int)s->batch,
                   &t->at.rng) != 0) {
        return -1;
    }
    t->optimizer = *optimizer_find(s->optimizer);
    t->optimizer.lr = s->lr > 0 ? s->lr : t->optimizer.lr;
    t->optimizer.momentum = s->momentum;
    t->optimizer.weight_decay = s->wd >= 0 ? s->wd : t->optimizer.weight_decay;
    t->m = calloc(t->model.n_params, sizeof(float));
    t->v = calloc(t->model.n_params, sizeof(float));
    t->images = calloc((size_t)s->batch * DIGITS_INPUTS, sizeof(float));
    t->labels = calloc((size_t)s->batch, 1);
    t->order = calloc((size_t)t->train.n, sizeof(int));
    return t->m != NULL && t->v != NULL && t->images != NULL && t->labels != NULL &&
                   t->order != NULL
               ? 0
               : -1;
}

static void training_fini(struct training *t)
{
    dataset_free(&t->train);
    dataset_free(&t->validation);
    model_fini(&t->model);
    free(t->m);
    free(t->v);
    free(t->images);
    free(t->labels);
    free(t->order);
}

static void epoch_train(struct training *t, int batch)
{
    int n = t->train.n;
    for (int i = 0; i < n; i++) {
        t->order[i] = i;
    }
    for (int i = n - 1; i > 0; i--) {
        int j = (int)(rng_u64(&t->at.rng) % (uint64_t)(i + 1)), swap = t->order[i];
        t->order[i] = t->order[j];
        t->order[j] = swap;
    }
    for (int at = 0; at + batch <= n; at += batch) {
        for (int i = 0; i < batch; i++) {
            size_t from = (size_t)t->order[at + i];
            memcpy(t->images + (size_t)i * DIGITS_INPUTS, t->train.images + from * DIGITS_INPUTS,
                   DIGITS_INPUTS * sizeof(float));
            t->labels[i] = t->train.labels[from];
        }
        model_loss_and_grads(&t->model, t->images, t->labels, batch);
        t->at.updates++;
        t->optimizer.step(&t->optimizer, t->model.params, t->model.grads, t->m, t->v,
                          t->model.n_params, t->at.updates);
    }
}

static void training_save(muster_trial *trial, struct training *t)
{
    const char *folder = muster_save_begin(trial, t->at.step);
    bool is_saved = folder != NULL && snapshot_write(folder, &t->model, t->m, t->v, &t->at) == 0 &&
                    muster_save_commit(trial) == 0;
    if (!is_saved) {
        fprintf(stderr, "digits: no snapshot at step %lld: %s\n", (long long)t->at.step,
                muster_error(trial));
    }
}

static void training_run(muster_trial *trial, struct training *t, const struct settings *s)
{
    static const char *const names[] = {"val_loss", "val_acc"};
    while (t->at.step < s->epochs) {
        double values[2];
        epoch_train(t, (int)s->batch);
        t->at.step++;
        values[1] = model_accuracy(&t->model, &t->validation, &values[0]);
        if (muster_save_due(trial, t->at.step, t->at.step == s->epochs)) {
            training_save(trial, t);
        }
        int acts = muster_report(trial, t->at.step, 2, names, values);
        printf("epoch %lld  val_loss %.4f  val_acc %.4f\n", (long long)t->at.step, values[0],
               values[1]);
        fflush(stdout);
        if (acts > 0 && (acts & MUSTER_CHECKPOINT) != 0) {
            training_save(trial, t);
        }
        if (acts > 0 && (acts & (MUSTER_STOP | MUSTER_PAUSE)) != 0) {
            return;
        }
    }
}

int main(int argc, char **argv)
{
    struct settings settings;
    struct training training = {0};
    muster_trial *trial = muster_open(MUSTER_CAN_CHECKPOINT);
    if (trial == NULL) {
        return 1;
    }
    const char *wrong = settings_read(trial, &settings);
    if (wrong != NULL) {
        fprintf(stderr, "digits: %s\n", wrong);
        muster_close(trial, MUSTER_INVALID, wrong);
        return 0;
    }
    int code =
        training_init(&training, &settings, argc > 1 ? argv[1] : "digits.txt", muster_seed(trial));
    if (code == 0 && muster_restore(trial) != NULL) {
        code = snapshot_read(muster_restore(trial), &training.model, training.m, training.v,
                             &training.at);
    }
    if (code == 0) {
        training_run(trial, &training, &settings);
    }
    training_fini(&training);
    muster_close(trial, code == 0 ? MUSTER_DONE : MUSTER_ERROR,
                 code == 0 ? NULL : "no training: see the log");
    return code == 0 ? 0 : 1;
}
