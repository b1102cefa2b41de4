/* The toy problem of population-based training (Jaderberg et al. 2017, section 4.1, figure 2), in
 * C; toy.py says more. The shortest trainer that obeys everything: a place to start from.
 * Parameters: h0, h1, steps, lr, step_ms. With --no-exploit it says that it cannot exploit in
 * place. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "muster.h"

struct toy {
    double h[2], lr, step_ms, x[2];
    int64_t steps, step;
};

static bool toy_save(muster_trial *trial, const struct toy *toy)
{
    char path[4096];
    const char *folder = muster_save_begin(trial, toy->step);
    if (folder == NULL) {
        return false;
    }
    snprintf(path, sizeof path, "%s/toy.json", folder);
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        return false;
    }
    int n = fprintf(file, "{\"step\": %lld, \"x\": [%.17g, %.17g], \"h\": [%.17g, %.17g]}\n",
                    (long long)toy->step, toy->x[0], toy->x[1], toy->h[0], toy->h[1]);
    return fclose(file) == 0 && n > 0 && muster_save_commit(trial) == 0;
}

static void toy_save_loud(muster_trial *trial, const struct toy *toy)
{
    if (!toy_save(trial, toy)) {
        fprintf(stderr, "toy: no snapshot of step %lld: %s\n", (long long)toy->step,
                muster_error(trial));
    }
}

/* Parameters and weights, of the trial as it is now. */
static bool toy_load(muster_trial *trial, struct toy *toy)
{
    long long step = 0;
    *toy = (struct toy){.h = {1, 0}, .lr = 0.01, .steps = 200, .x = {0.9, 0.9}};
    /* What is missing keeps its default. */
    muster_f64(trial, "h0", &toy->h[0]);
    muster_f64(trial, "h1", &toy->h[1]);
    muster_f64(trial, "lr", &toy->lr);
    muster_f64(trial, "step_ms", &toy->step_ms);
    muster_i64(trial, "steps", &toy->steps);
    const char *folder = muster_restore(trial);
    if (folder == NULL) {
        return true;
    }
    char path[4096];
    snprintf(path, sizeof path, "%s/toy.json", folder);
    FILE *file = fopen(path, "re");
    bool is_whole = file != NULL && fscanf(file, "{\"step\": %lld, \"x\": [%lf, %lf]", &step,
                                           &toy->x[0], &toy->x[1]) == 3;
    if (file != NULL) {
        fclose(file);
    }
    toy->step = step;
    return is_whole;
}

static void toy_step(struct toy *toy)
{
    struct timespec pause = {.tv_sec = (time_t)(toy->step_ms / 1000)};
    pause.tv_nsec = (long)((toy->step_ms - 1000.0 * (double)pause.tv_sec) * 1e6);
    nanosleep(&pause, NULL);
    for (int i = 0; i < 2; i++) {
        toy->x[i] -= 2 * toy->lr * toy->h[i] * toy->x[i];
    }
    toy->step++;
}

static int toy_run(muster_trial *trial, struct toy *toy)
{
    static const char *const names[] = {"q", "h0", "h1"};
    int acts = 0;
    bool is_loaded = toy_load(trial, toy);
    while (is_loaded && toy->step < toy->steps && (acts & (MUSTER_PAUSE | MUSTER_STOP)) == 0) {
        toy_step(toy);
        double q = 1.2 - (toy->x[0] * toy->x[0] + toy->x[1] * toy->x[1]);
        if (muster_save_due(trial, toy->step, toy->step == toy->steps)) {
            toy_save_loud(trial, toy);
        }
        acts = muster_report(trial, toy->step, 3, names, (double[]){q, toy->h[0], toy->h[1]});
        printf("step %lld  q %.6f\n", (long long)toy->step, q);
        fflush(stdout);
        if (acts < 0) {
            fprintf(stderr, "toy: %s\n", muster_error(trial));
            acts = 0;
        }
        if ((acts & MUSTER_CHECKPOINT) != 0) {
            toy_save_loud(trial, toy);
        }
        if ((acts & MUSTER_EXPLOIT) != 0 && muster_exploit(trial) == 0) {
            is_loaded = toy_load(trial, toy);
        }
    }
    if (!is_loaded) {
        return MUSTER_ERROR;
    }
    return (acts & MUSTER_PAUSE) != 0 ? MUSTER_PAUSED : MUSTER_DONE;
}

int main(int argc, char **argv)
{
    struct toy toy;
    bool is_restarted = argc > 1 && strcmp(argv[1], "--no-exploit") == 0;
    unsigned can = MUSTER_CAN_CHECKPOINT | MUSTER_CAN_PAUSE;
    muster_trial *trial = muster_open(can | (is_restarted ? 0U : MUSTER_CAN_EXPLOIT));
    if (trial == NULL) {
        return 1;
    }
    int outcome = toy_run(trial, &toy);
    muster_close(trial, outcome, outcome == MUSTER_ERROR ? "the snapshot cannot be read" : NULL);
    return outcome == MUSTER_ERROR ? 1 : 0;
}
