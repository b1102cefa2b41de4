/* Trains the perceptron of examples/digits on several processes: each takes its share of every
 * batch, and the gradients are summed in a ring. All ranks have the same weights at any time, so
 * rank 0 writes the snapshots; the others take part in each save with nothing to write.
 *
 * Parameters: epochs, lr, momentum, layers (0..5), width, batch (of all ranks together). By itself
 * `./ring [digits.txt]` is a ring of one. With --no-exploit it says that it cannot exploit in
 * place, and is started again from the donor's snapshot instead.
 *
 * On several nodes only the ranks of rank 0's node can open the trial, and the snapshot to start
 * from is a folder there: rank 0 passes on through the ring what it is told and what it restores.
 */
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
    bool has_nodes;    /* more than one */
    bool is_elsewhere; /* not on rank 0's node */
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
    *t = (struct training){
        .ring = t->ring, .has_nodes = t->has_nodes, .is_elsewhere = t->is_elsewhere};
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

/* What rank 0 has becomes everybody's: a sum to which the others add nothing. */
static int training_share_values(struct training *t, real *values, size_t n)
{
    if (t->ring.rank > 0) {
        memset(values, 0, n * sizeof *values);
    }
    return ring_sum(&t->ring, values, n);
}

/* Whole numbers up to 64 bits, in pieces that a `real` holds exactly. */
static int training_share_number(struct training *t, uint64_t *number)
{
    real pieces[4];
    for (int i = 0; i < 4; i++) {
        pieces[i] = (real)(*number >> 16 * i & 0xFFFF);
    }
    if (training_share_values(t, pieces, 4) != 0) {
        return -1;
    }
    *number = 0;
    for (int i = 0; i < 4; i++) {
        *number |= (uint64_t)pieces[i] << 16 * i;
    }
    return 0;
}

/* Where rank 0 starts: on another node nobody has its snapshot. */
static int training_share(struct training *t)
{
    struct model *model = &t->model;
    uint64_t step = (uint64_t)t->at.step, updates = (uint64_t)t->at.updates;
    uint64_t state = t->at.rng.state;
    if (!t->has_nodes) {
        return 0;
    }
    if (training_share_number(t, &step) != 0 || training_share_number(t, &updates) != 0 ||
        training_share_number(t, &state) != 0 ||
        training_share_values(t, model->params, model->n_params) != 0 ||
        training_share_values(t, t->m, model->n_params) != 0 ||
        training_share_values(t, t->v, model->n_params) != 0) {
        return -1;
    }
    t->at.step = (int64_t)step;
    t->at.updates = (int64_t)updates;
    t->at.rng.state = state;
    return 0;
}

/* The act bits that rank 0 was told; -1: a neighbour is gone. */
static int acts_share(struct training *t, int acts)
{
    real told = (real)acts;
    if (!t->has_nodes) {
        return acts;
    }
    return training_share_values(t, &told, 1) == 0 ? (int)told : -1;
}

/* Every rank of the node where the snapshot is made says that it saves, whoever writes. */
static void training_save(muster_trial *trial, struct training *t)
{
    if (t->is_elsewhere) {
        return;
    }
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
    return training_share(t) == 0 ? NULL : "a neighbour is gone";
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
    if (acts < 0) {
        fprintf(stderr, "ring: %s\n", muster_error(trial));
    }
    acts = acts_share(t, acts < 0 ? 0 : acts);
    printf("epoch %lld  val_loss %.4f  val_acc %.4f  acts %d\n", (long long)t->at.step, values[0],
           values[1], acts);
    fflush(stdout);
    return acts;
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

static int number_of(const char *name, int missing)
{
    const char *text = getenv(name);
    return text != NULL ? atoi(text) : missing;
}

/* A rank of another node than rank 0's runs as if there were no muster. */
static void training_find_nodes(struct training *t)
{
    int world = number_of("MUSTER_WORLD", 1);
    t->has_nodes = world > number_of("LOCAL_WORLD_SIZE", world);
    t->is_elsewhere = t->has_nodes && number_of("MUSTER_NODE_RANK", 0) > 0;
    if (t->is_elsewhere) {
        unsetenv("MUSTER_SOCKET");
    }
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
    training_find_nodes(&t);
    if (t.has_nodes) { /* the donor's snapshot is a folder of rank 0's node: begin again from it */
        can &= ~(unsigned)MUSTER_CAN_EXPLOIT;
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
