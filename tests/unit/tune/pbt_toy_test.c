/* The toy of the paper (Jaderberg et al. 2017, section 4.1 and figure 2): Q = 1.2 - |x|^2 is
 * maximized by gradient steps on the surrogate 1.2 - (h0 x0^2 + h1 x1^2), by two members that begin
 * with h = (1, 0) and (0, 1). Alone neither can get one of its two coordinates to move: Q stays at
 * 1.2 - 0.9^2 = 0.39. Members are asynchronous: which one takes its next steps is drawn.
 *
 * As in the paper each member takes 200 steps itself, so that weights which were copied have done
 * more. The end that sweeps have, 200 steps of the weights, is looked at, too: with h up to 1 no
 * way of sharing them leads beyond 1.2 - 2 (0.9 * 0.98^100)^2 = 1.1715 while one of h is 0. */
#include "rig.h"

enum { MEMBERS = 2, STEPS = 200, INTERVAL = 4, SEEDS = 200 };

static const double LEARNING_RATE = 0.01;
static const double factors[] = {0.8, 1.2};

static const struct param_spec params[] = {
    {.name = "h0", .kind = PARAM_REAL, .min = 0, .max = 1},
    {.name = "h1", .kind = PARAM_REAL, .min = 0, .max = 1},
};

struct weights {
    double x[2], h[2];
    int64_t step;
};

struct toy {
    struct sweep_spec spec;
    struct tuner *tuner;
    struct weights now[MEMBERS + 1], saved[MEMBERS + 1];
    int64_t until[MEMBERS + 1];
    bool is_over[MEMBERS + 1];
    int64_t n_steps[MEMBERS + 1]; /* its own */
    bool is_copy_exact;           /* nothing mutates: what is copied is looked at bit by bit */
    uint32_t n_exploits;
};

static double toy_q(const struct weights *w)
{
    return 1.2 - (w->x[0] * w->x[0] + w->x[1] * w->x[1]);
}

static void toy_step(struct weights *w)
{
    for (int i = 0; i < 2; i++) {
        w->x[i] -= LEARNING_RATE * 2 * w->h[i] * w->x[i];
    }
    w->step++;
}

static bool toy_donor(void *context, uint32_t trial, uint32_t *ret_ordinal, int64_t *ret_step)
{
    const struct toy *toy = context;
    *ret_ordinal = (uint32_t)(toy->saved[trial].step / INTERVAL);
    *ret_step = toy->saved[trial].step;
    return *ret_ordinal > 0;
}

static void toy_init(struct toy *toy, uint64_t seed, const struct pbt_spec *pbt, int64_t max)
{
    *toy = (struct toy){.is_copy_exact = pbt->mutates != NULL};
    toy->spec = (struct sweep_spec){
        .metric = {.name = "q", .goal = GOAL_MAXIMIZE},
        .parameters = params,
        .n_parameters = 2,
        .schedule = {.type = SCHEDULE_PBT, .max = max},
        .pbt = *pbt,
        .stop = {.trials = MEMBERS},
    };
    assert_int_equal(tune_new(&toy->spec, seed, &toy->tuner), OK);
    for (uint32_t trial = 1; trial <= MEMBERS; trial++) {
        toy->now[trial] = (struct weights){.x = {0.9, 0.9}, .h = {trial == 1, trial == 2}};
        struct value h[2] = {value_real(trial == 1), value_real(trial == 2)};
        struct tune_event event = {
            .kind = TUNE_EVENT_ASKED, .trial = trial, .params = h, .n_params = 2};
        assert_int_equal(tune_apply(toy->tuner, &event), OK);
        toy->until[trial] = tune_first_milestone(toy->tuner, trial);
    }
}

static void toy_copy(struct toy *toy, uint32_t trial, const struct tune_event *event)
{
    const struct weights *donor = &toy->saved[event->decision.donor];
    toy->now[trial] = *donor;
    toy->now[trial].h[0] = event->params[0].real;
    toy->now[trial].h[1] = event->params[1].real;
    toy->n_exploits++;
    assert_int_equal(event->decision.donor_step, donor->step);
    if (toy->is_copy_exact) {
        assert_memory_equal(&toy->now[trial], donor, sizeof *donor);
    }
}

/* A member trains to its milestone and obeys what it is told there. */
static void toy_turn(struct toy *toy, uint32_t trial)
{
    struct weights *own = &toy->now[trial];
    struct value h[2];
    while (own->step < toy->until[trial]) {
        toy_step(own);
        toy->n_steps[trial]++;
    }
    toy->saved[trial] = *own;
    struct tune_milestone milestone = {.trial = trial,
                                       .step = own->step,
                                       .value = toy_q(own),
                                       .can = TUNE_CAN_PAUSE | TUNE_CAN_EXPLOIT,
                                       .donor = toy_donor,
                                       .context = toy};
    struct tune_event event = {.kind = TUNE_EVENT_MILESTONE,
                               .trial = trial,
                               .step = own->step,
                               .has_value = true,
                               .value = milestone.value};
    tune_decide(toy->tuner, &milestone, &event.decision, h);
    event.params = event.decision.donor != 0 ? h : NULL;
    event.n_params = event.decision.donor != 0 ? 2 : 0;
    assert_int_equal(tune_apply(toy->tuner, &event), OK);
    toy->until[trial] = event.decision.until;
    toy->is_over[trial] = event.decision.act == TUNE_STOP || toy->n_steps[trial] >= STEPS;
    if (event.decision.donor != 0) {
        toy_copy(toy, trial, &event);
    }
}

/* The best member's Q in the end. */
static double toy_run(uint64_t seed, const struct pbt_spec *pbt, int64_t max, uint32_t *n_exploits)
{
    struct toy toy;
    struct random random;
    random_init(&random, seed, 99);
    toy_init(&toy, seed, pbt, max);
    while (!toy.is_over[1] || !toy.is_over[2]) {
        uint32_t trial = 1 + (uint32_t)random_below(&random, MEMBERS);
        if (!toy.is_over[trial]) {
            toy_turn(&toy, trial);
        }
    }
    tune_free(toy.tuner);
    *n_exploits += toy.n_exploits;
    return fmax(toy_q(&toy.now[1]), toy_q(&toy.now[2]));
}

static int real_order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double toy_median(double quantile, const bool *mutates, int64_t max, uint32_t *ret_exploits)
{
    const struct pbt_spec pbt = {
        .population = MEMBERS,
        .interval = INTERVAL,
        .quantile = quantile,
        .resample = 0.25,
        .factors = factors,
        .n_factors = 2,
        .mutates = mutates,
    };
    double q[SEEDS];
    *ret_exploits = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        q[seed] = toy_run(seed, &pbt, max, ret_exploits);
    }
    qsort(q, SEEDS, sizeof *q, real_order);
    return (q[SEEDS / 2 - 1] + q[SEEDS / 2]) / 2;
}

static void test_toy_without_exploits_is_the_grid(void **state)
{
    (void)state;
    uint32_t n_exploits;
    double median = toy_median(0, NULL, 10 * STEPS, &n_exploits);
    assert_int_equal(n_exploits, 0);
    assert_true(fabs(median - 0.39) < 0.001);
}

static void test_toy_population_gets_to_the_top(void **state)
{
    (void)state;
    uint32_t n_exploits;
    double median = toy_median(0.25, NULL, 10 * STEPS, &n_exploits);
    print_message("median of the final Q: %.5f, %u exploits\n", median, n_exploits);
    assert_true(n_exploits > SEEDS * 5);
    assert_true(median >= 1.185);
}

static void test_toy_population_beats_any_sharing_of_its_weights_steps(void **state)
{
    (void)state;
    uint32_t n_exploits;
    double median = toy_median(0.25, NULL, STEPS, &n_exploits);
    print_message("at 200 steps of the weights: %.5f, %u exploits\n", median, n_exploits);
    assert_true(median >= 1.1715);
}

static void test_toy_copy_is_the_donors_snapshot_whole(void **state)
{
    (void)state;
    static const bool none[2] = {false, false};
    uint32_t n_exploits;
    toy_median(0.25, none, 10 * STEPS, &n_exploits);
    assert_true(n_exploits > SEEDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_toy_without_exploits_is_the_grid),
        cmocka_unit_test(test_toy_population_gets_to_the_top),
        cmocka_unit_test(test_toy_population_beats_any_sharing_of_its_weights_steps),
        cmocka_unit_test(test_toy_copy_is_the_donors_snapshot_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
