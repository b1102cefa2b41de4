/* Trains the perceptron of examples/digits on several processes: each takes its share of every
 * batch, and the gradients are summed in a ring. All ranks have the same weights at any time, so
 * rank 0 writes the snapshots; the others take part in each save with nothing to write.
 *
 * Parameters: epochs, lr, momentum, layers (0..5), width, batch (of all ranks together). By itself
 * `./ring [digits.txt]` is a ring of one. With --no-exploit it says that it cannot exploit in
 * place, and is started again from the donor's snapshot instead. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/digits/digits.h"
#include "muster.h"
#include "ring.h"

static const char MAGIC[] = "ring--1";

struct settings {
    int64_t epochs, layers, width, batch;
    double lr, momentum;
};

struct training {
    struct ring ring;
    struct dataset train, validation;
    struct model model;
    struct optimizer optimizer;
    real *m, *v;
    real *images; /* this rank's share of a batch */
    uint8_t *labels;
    int share; /* of a batch, in images */
    int *order;
    struct snapshot at;
};

/* A parameter that is missing keeps its default. NULL, or what is wrong. */
static const char *settings_read(muster_trial *trial, struct settings *s)
{
    *s = (struct settings){
        .epochs = 27, .layers = 1, .width = 64, .batch = 32, .lr = 0.05, .momentum = 0.9};
    int codes[] = {
        muster_i64(trial, "epochs", &s->epochs), muster_i64(trial, "layers", &s->layers),
        muster_i64(trial, "width", &s->width),   muster_i64(trial, "batch", &s->batch),
        muster_f64(trial, "lr", &s->lr),         muster_f64(trial, "momentum", &s->momentum)};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i] == MUSTER_ERR_TYPE) {
            return muster_error(trial);
        }
    }
    if (s->layers < 0 || s->layers >= DIGITS_LAYERS_MAX || s->width < 1 || s->width > 4096 ||
        s->batch < 1 || s->batch > 1024 || s->epochs < 1) {
        return "layers must be 0..5, width 1..4096, batch 1..1024, epochs >= 1";
    }
    s->width = (s->width + 15) / 16 * 16; /* whole vectors */
    return NULL;
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
    *t = (struct training){.ring = t->ring};
}

/* The same on all ranks: they draw from the same seed. */
static int training_init(struct training *t, const struct settings *s, const char *data,
                         uint64_t seed)
{
    t->at.rng.state = seed;
    t->share = ((int)s->batch + t->ring.world - 1) / t->ring.world;
    if (dataset_load(data, &t->train, &t->validation) != 0 ||
        model_init(&t->model, &backend_cpu, (int)s->layers, (int)s->width, t->share, &t->at.rng) !=
            0) {
        return -1;
    }
    t->optimizer = *optimizer_find("sgd");
    t->optimizer.lr = s->lr;
    t->optimizer.momentum = s->momentum;
    t->m = calloc(t->model.n_params, sizeof(real));
    t->v = calloc(t->model.n_params, sizeof(real));
    t->images = calloc((size_t)t->share * DIGITS_INPUTS, sizeof(real));
    t->labels = calloc((size_t)t->share, 1);
    t->order = calloc((size_t)t->train.n, sizeof(int));
    return t->m != NULL && t->v != NULL && t->images != NULL && t->labels != NULL &&
                   t->order != NULL
               ? 0
               : -1;
}

/* One update of all ranks. */
static int batch_train(struct training *t, int at)
{
    struct model *model = &t->model;
    for (int i = 0; i < t->share; i++) {
        size_t from = (size_t)t->order[at + t->ring.rank * t->share + i];
        memcpy(t->images + (size_t)i * DIGITS_INPUTS, t->train.images + from * DIGITS_INPUTS,
               DIGITS_INPUTS * sizeof(real));
        t->labels[i] = t->train.labels[from];
    }
    model_loss_and_grads(model, t->images, t->labels, t->share);
    if (ring_sum(&t->ring, model->grads, model->n_params) != 0) {
        return -1;
    }
    for (size_t i = 0; i < model->n_params; i++) {
        model->grads[i] /= (real)t->ring.world;
    }
    t->at.updates++;
    t->optimizer.step(&t->optimizer, model->params, model->grads, t->m, t->v, model->n_params,
                      t->at.updates);
    return 0;
}

static int epoch_train(struct training *t)
{
    int batch = t->share * t->ring.world;
    rng_permute(&t->at.rng, t->order, t->train.n);
    for (int at = 0; at + batch <= t->train.n; at += batch) {
        if (batch_train(t, at) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Each rank judges its share of the validation images. */
static int epoch_judge(struct training *t, double values[2])
{
    int n = t->validation.n, begin = n * t->ring.rank / t->ring.world;
    int end = n * (t->ring.rank + 1) / t->ring.world;
    struct dataset share = {t->validation.images + (size_t)begin * DIGITS_INPUTS,
                            t->validation.labels + begin, end - begin};
    double loss = 0, accuracy = model_accuracy(&t->model, &share, &loss);
    real sums[2] = {(real)(loss * share.n), (real)(accuracy * share.n)};
    if (ring_sum(&t->ring, sums, 2) != 0) {
        return -1;
    }
    values[0] = (double)sums[0] / n;
    values[1] = (double)sums[1] / n;
    return 0;
}

/* Every rank says that it saves, whoever writes. */
static void training_save(muster_trial *trial, struct training *t)
{
    const char *folder = muster_save_begin(trial, t->at.step);
    bool is_written = folder != NULL &&
                      (t->ring.rank > 0 || snapshot_write(folder, MAGIC, t->model.params, t->m,
                                                          t->v, t->model.n_params, &t->at) == 0);
    if (!is_written || muster_save_commit(trial) != 0) {
        fprintf(stderr, "ring: no snapshot at step %lld: %s\n", (long long)t->at.step,
                muster_error(trial));
    }
}

/* At the start, and again after an exploit. NULL, or what is wrong. */
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

/* One epoch and its report: the act bits, or -1: a neighbour is gone. */
static int epoch_run(muster_trial *trial, struct training *t, const struct settings *s)
{
    static const char *const names[] = {"val_loss", "val_acc"};
    double values[2];
    if (epoch_train(t) != 0 || epoch_judge(t, values) != 0) {
        return -1;
    }
    t->at.step++;
    if (muster_save_due(trial, t->at.step, t->at.step == s->epochs)) {
        training_save(trial, t);
    }
    int acts = muster_report(trial, t->at.step, 2, names, values);
    printf("epoch %lld  val_loss %.4f  val_acc %.4f  acts %d\n", (long long)t->at.step, values[0],
           values[1], acts);
    fflush(stdout);
    if (acts < 0) {
        fprintf(stderr, "ring: %s\n", muster_error(trial));
    }
    return acts < 0 ? 0 : acts;
}

static int training_run(muster_trial *trial, struct training *t, const char *data,
                        const char **ret_why)
{
    struct settings s;
    bool is_invalid;
    int outcome = MUSTER_DONE, acts = 0;
    *ret_why = training_start(trial, t, &s, data, &is_invalid);
    while (*ret_why == NULL && t->at.step < s.epochs &&
           (acts & (MUSTER_PAUSE | MUSTER_STOP)) == 0) {
        acts = epoch_run(trial, t, &s);
        if (acts < 0) {
            *ret_why = "a neighbour is gone";
            break;
        }
        if ((acts & MUSTER_CHECKPOINT) != 0) {
            training_save(trial, t);
        }
        if ((acts & MUSTER_EXPLOIT) != 0 && muster_exploit(trial) == 0) {
            printf("exploit: from step %lld\n", (long long)muster_step(trial));
            *ret_why = training_start(trial, t, &s, data, &is_invalid);
        }
        outcome = (acts & MUSTER_PAUSE) != 0 ? MUSTER_PAUSED : MUSTER_DONE;
    }
    if (*ret_why != NULL) {
        outcome = is_invalid ? MUSTER_INVALID : MUSTER_ERROR;
    }
    training_fini(t);
    return outcome;
}

int main(int argc, char **argv)
{
    struct training t = {0};
    const char *why = "its neighbours did not come", *data = "digits.txt";
    unsigned can = MUSTER_CAN_CHECKPOINT | MUSTER_CAN_PAUSE | MUSTER_CAN_EXPLOIT;
    int outcome = MUSTER_ERROR;
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
    if (ring_open(&t.ring, muster_rank(trial), muster_world(trial), getenv("MUSTER_PEERS")) == 0) {
        outcome = training_run(trial, &t, data, &why);
    }
    if (why != NULL) {
        fprintf(stderr, "ring: %s\n", why);
    }
    muster_close(trial, outcome, why);
    ring_close(&t.ring);
    return outcome == MUSTER_ERROR ? 1 : 0;
}
