/* Trains a perceptron on the digits and reports validation loss and accuracy after each epoch.
 * Parameters: epochs, optimizer (sgd | adamw), lr, momentum, wd, layers (0..5), width, batch. Each
 * has a default, so `./digits [digits.txt]` runs by itself too. With --no-exploit it says that it
 * cannot exploit in place, and is started again from the donor's snapshot instead. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digits.h"
#include "muster.h"

static const char MAGIC[] = "digits1";

struct settings {
    int64_t epochs, layers, width, batch;
    double lr, momentum, wd;
    const char *optimizer;
};

struct training {
    struct dataset train, validation;
    struct model model;
    struct optimizer optimizer;
    real *m, *v;
    real *images; /* one batch */
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
    t->m = calloc(t->model.n_params, sizeof(real));
    t->v = calloc(t->model.n_params, sizeof(real));
    t->images = calloc((size_t)s->batch * DIGITS_INPUTS, sizeof(real));
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
    rng_permute(&t->at.rng, t->order, n);
    for (int at = 0; at + batch <= n; at += batch) {
        for (int i = 0; i < batch; i++) {
            size_t from = (size_t)t->order[at + i];
            memcpy(t->images + (size_t)i * DIGITS_INPUTS, t->train.images + from * DIGITS_INPUTS,
                   DIGITS_INPUTS * sizeof(real));
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
    bool is_saved = folder != NULL &&
                    snapshot_write(folder, MAGIC, t->model.params, t->m, t->v, t->model.n_params,
                                   &t->at) == 0 &&
                    muster_save_commit(trial) == 0;
    if (!is_saved) {
        fprintf(stderr, "digits: no snapshot at step %lld: %s\n", (long long)t->at.step,
                muster_error(trial));
    }
}

/* What the trial is now: its parameters and, if it has one, its snapshot. At the start, and again
 * after an exploit, which may bring another shape too. NULL, or what is wrong. */
static const char *training_start(muster_trial *trial, struct training *t, struct settings *s,
                                  const char *data, bool *ret_is_invalid)
{
    const char *wrong = settings_read(trial, s);
    *ret_is_invalid = wrong != NULL;
    if (wrong != NULL) {
        return wrong;
    }
    training_fini(t);
    const char *folder = muster_restore(trial);
    if (training_init(t, s, data, muster_seed(trial)) != 0) {
        return "no data or no memory: see the log";
    }
    if (folder != NULL &&
        snapshot_read(folder, MAGIC, t->model.params, t->m, t->v, t->model.n_params, &t->at) != 0) {
        return "the snapshot cannot be read: see the log";
    }
    return NULL;
}

/* One epoch and its report; the act bits. */
static int epoch_run(muster_trial *trial, struct training *t, const struct settings *s)
{
    static const char *const names[] = {"val_loss", "val_acc"};
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
    if (acts < 0) {
        fprintf(stderr, "digits: %s\n", muster_error(trial));
        return 0;
    }
    return acts;
}

/* Until it is trained or told to leave: the outcome, with `why` where it is none of these. */
static int training_run(muster_trial *trial, const char *data, const char **ret_why)
{
    struct training t = {0};
    struct settings s;
    bool is_invalid;
    int outcome = MUSTER_DONE, acts = 0;
    *ret_why = training_start(trial, &t, &s, data, &is_invalid);
    while (*ret_why == NULL && t.at.step < s.epochs && (acts & (MUSTER_PAUSE | MUSTER_STOP)) == 0) {
        acts = epoch_run(trial, &t, &s);
        /* In this order: a checkpoint is of the weights that were reported. */
        if ((acts & MUSTER_CHECKPOINT) != 0) {
            training_save(trial, &t);
        }
        if ((acts & MUSTER_EXPLOIT) != 0 && muster_exploit(trial) == 0) {
            printf("exploit: from step %lld\n", (long long)muster_step(trial));
            *ret_why = training_start(trial, &t, &s, data, &is_invalid);
        }
        outcome = (acts & MUSTER_PAUSE) != 0 ? MUSTER_PAUSED : MUSTER_DONE;
    }
    if (*ret_why != NULL) {
        outcome = is_invalid ? MUSTER_INVALID : MUSTER_ERROR;
    }
    training_fini(&t);
    return outcome;
}

int main(int argc, char **argv)
{
    const char *data = "digits.txt", *why;
    unsigned can = MUSTER_CAN_CHECKPOINT | MUSTER_CAN_PAUSE | MUSTER_CAN_EXPLOIT;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--no-exploit") == 0) {
            can &= ~(unsigned)MUSTER_CAN_EXPLOIT;
        } else {
            data = argv[i];
        }
    }
    muster_trial *trial = muster_open(can);
    if (trial == NULL) {
        return 1;
    }
    int outcome = training_run(trial, data, &why);
    if (why != NULL) {
        fprintf(stderr, "digits: %s\n", why);
    }
    muster_close(trial, outcome, why);
    return outcome == MUSTER_ERROR ? 1 : 0;
}
