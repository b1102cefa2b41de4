/* Trains a small transformer on text and reports the validation loss in bits a character. A step is
 * `updates` updates of the weights. Parameters, each with a default: steps, updates, optimizer
 * (adamw | sgd), lr, momentum, wd, layers (1..8), width, heads, length, batch. By itself: ./chars
 * [FILE or FOLDER]. With --no-exploit it says that it cannot exploit in place. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chars.h"
#include "muster.h"

static const char MAGIC[] = "chars1";

struct settings {
    int64_t steps, updates, layers, width, heads, length, batch;
    double lr, momentum, wd;
    const char *optimizer;
};

struct training {
    struct text train, validation;
    struct transformer model;
    struct optimizer optimizer;
    real *m, *v;
    uint8_t *inputs, *labels; /* one batch */
    struct snapshot at;
};

static bool is_between(int64_t value, int64_t low, int64_t high)
{
    return value >= low && value <= high;
}

/* A parameter that is missing keeps its default; NULL, or what is wrong. */
static const char *settings_read(muster_trial *trial, struct settings *s)
{
    *s = (struct settings){.steps = 40,
                           .updates = 30,
                           .layers = 2,
                           .width = 64,
                           .heads = 4,
                           .length = 64,
                           .batch = 16,
                           .lr = 3e-3,
                           .momentum = 0.9,
                           .wd = 1e-2};
    const char *optimizer = muster_str(trial, "optimizer");
    s->optimizer = optimizer != NULL ? optimizer : "adamw";
    struct {
        const char *name;
        int64_t *value;
    } wholes[] = {{"steps", &s->steps}, {"updates", &s->updates}, {"layers", &s->layers},
                  {"width", &s->width}, {"heads", &s->heads},     {"length", &s->length},
                  {"batch", &s->batch}};
    struct {
        const char *name;
        double *value;
    } reals[] = {{"lr", &s->lr}, {"momentum", &s->momentum}, {"wd", &s->wd}};
    for (size_t i = 0; i < sizeof wholes / sizeof wholes[0]; i++) {
        if (muster_i64(trial, wholes[i].name, wholes[i].value) == MUSTER_ERR_TYPE) {
            return muster_error(trial);
        }
    }
    for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++) {
        if (muster_f64(trial, reals[i].name, reals[i].value) == MUSTER_ERR_TYPE) {
            return muster_error(trial);
        }
    }
    if (optimizer_find(s->optimizer) == NULL) {
        return "optimizer must be adamw or sgd";
    }
    bool is_good = is_between(s->steps, 1, 1000000) && is_between(s->updates, 1, 100000) &&
                   is_between(s->layers, 1, CHARS_LAYERS_MAX) && is_between(s->width, 16, 1024) &&
                   is_between(s->heads, 1, 64) && is_between(s->length, 8, 1024) &&
                   is_between(s->batch, 1, 256);
    if (!is_good || s->width % 16 != 0 || s->width % s->heads != 0) {
        return "steps and updates must be 1 or more, layers 1..8, width a multiple of 16 and of "
               "heads up to 1024, length 8..1024, batch 1..256";
    }
    return NULL;
}

static void training_fini(struct training *t)
{
    text_free(&t->train);
    text_free(&t->validation);
    transformer_fini(&t->model);
    free(t->m);
    free(t->v);
    free(t->inputs);
    free(t->labels);
    *t = (struct training){0};
}

static int training_init(struct training *t, const struct settings *s, const char *data,
                         uint64_t seed)
{
    struct shape shape = {(int)s->layers, (int)s->width, (int)s->heads, (int)s->length,
                          (int)s->batch};
    size_t places = (size_t)s->batch * (size_t)s->length;
    t->at.rng.state = seed;
    if (text_load(data, &t->train, &t->validation) != 0 ||
        transformer_init(&t->model, &backend_cpu, shape, &t->at.rng) != 0) {
        return -1;
    }
    t->optimizer = *optimizer_find(s->optimizer);
    t->optimizer.lr = s->lr;
    t->optimizer.momentum = s->momentum;
    t->optimizer.weight_decay = s->wd;
    t->m = calloc(t->model.n_params, sizeof(real));
    t->v = calloc(t->model.n_params, sizeof(real));
    t->inputs = malloc(places);
    t->labels = malloc(places);
    bool is_complete = t->m != NULL && t->v != NULL && t->inputs != NULL && t->labels != NULL;
    return is_complete ? 0 : -1;
}

/* What the trial is now, at the start and again after an exploit. NULL, or what is wrong. */
static const char *training_start(muster_trial *trial, struct training *t, struct settings *s,
                                  const char *data, bool *ret_is_invalid)
{
    const char *wrong = settings_read(trial, s), *folder = muster_restore(trial);
    *ret_is_invalid = wrong != NULL;
    if (wrong != NULL) {
        return wrong;
    }
    training_fini(t);
    if (training_init(t, s, data, muster_seed(trial)) != 0) {
        return "no text or no memory: see the log";
    }
    if (folder != NULL &&
        snapshot_read(folder, MAGIC, t->model.params, t->m, t->v, t->model.n_params, &t->at) != 0) {
        return "the snapshot cannot be read: see the log";
    }
    return NULL;
}

static void window_take(struct training *t, const struct text *text, int at, int row)
{
    int length = t->model.shape.length;
    memcpy(t->inputs + (size_t)row * (size_t)length, text->symbols + at, (size_t)length);
    memcpy(t->labels + (size_t)row * (size_t)length, text->symbols + at + 1, (size_t)length);
}

static void updates_do(struct training *t, int64_t n)
{
    const struct shape *shape = &t->model.shape;
    for (int64_t i = 0; i < n; i++) {
        for (int row = 0; row < shape->batch; row++) {
            uint64_t places = (uint64_t)(t->train.n - shape->length - 1);
            window_take(t, &t->train, (int)(rng_u64(&t->at.rng) % places), row);
        }
        transformer_loss_and_grads(&t->model, t->inputs, t->labels, shape->batch);
        t->at.updates++;
        t->optimizer.step(&t->optimizer, t->model.params, t->model.grads, t->m, t->v,
                          t->model.n_params, t->at.updates);
    }
}

/* Bits a character over 4,096 characters at the same places each time. */
static double validate(struct training *t)
{
    const struct shape *shape = &t->model.shape;
    int windows = 4096 / shape->length, done = 0;
    double sum = 0;
    while (done < windows) {
        int n = windows - done < shape->batch ? windows - done : shape->batch;
        for (int row = 0; row < n; row++) {
            int64_t last = t->validation.n - shape->length - 1;
            window_take(t, &t->validation, (int)(last * (done + row) / windows), row);
        }
        sum += n * transformer_loss(&t->model, t->inputs, t->labels, n);
        done += n;
    }
    return sum / windows / log(2.0);
}

static void training_save(muster_trial *trial, struct training *t)
{
    const char *folder = muster_save_begin(trial, t->at.step);
    bool is_saved = folder != NULL &&
                    snapshot_write(folder, MAGIC, t->model.params, t->m, t->v, t->model.n_params,
                                   &t->at) == 0 &&
                    muster_save_commit(trial) == 0;
    if (!is_saved) {
        fprintf(stderr, "chars: no snapshot at step %lld: %s\n", (long long)t->at.step,
                muster_error(trial));
    }
}

static int step_run(muster_trial *trial, struct training *t, const struct settings *s)
{
    static const char *const names[] = {"val_bits"};
    updates_do(t, s->updates);
    t->at.step++;
    double bits = validate(t);
    if (muster_save_due(trial, t->at.step, t->at.step == s->steps)) {
        training_save(trial, t);
    }
    int acts = muster_report(trial, t->at.step, 1, names, &bits);
    printf("step %lld  val_bits %.4f\n", (long long)t->at.step, bits);
    fflush(stdout);
    if (acts < 0) {
        fprintf(stderr, "chars: %s\n", muster_error(trial));
        return 0;
    }
    return acts;
}

/* Until it is trained or told to leave: the outcome. */
static int training_run(muster_trial *trial, const char *data, const char **ret_why)
{
    struct training t = {0};
    struct settings s;
    bool is_invalid;
    int outcome = MUSTER_DONE, acts = 0;
    *ret_why = training_start(trial, &t, &s, data, &is_invalid);
    while (*ret_why == NULL && t.at.step < s.steps && (acts & (MUSTER_PAUSE | MUSTER_STOP)) == 0) {
        acts = step_run(trial, &t, &s);
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
    const char *data = "/usr/share/common-licenses", *why;
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
        fprintf(stderr, "chars: %s\n", why);
    }
    muster_close(trial, outcome, why);
    return outcome == MUSTER_ERROR ? 1 : 0;
}
