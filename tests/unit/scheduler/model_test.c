/* Long random runs beside a naive model: it keeps its own accounts, looks at every item and every
 * node, and must choose the same item and the same node each time. */
#include "base/random.h"
#include "rig.h"

enum { NODES = 12, JOBS = 400, SHAPES = 14, GPUS = 4, STEPS = 30000 };

struct model_node {
    uint32_t handle; /* 0: not there */
    bool is_open;
    amount cpus;
    int64_t memory;
    amount licences;
    uint32_t n_gpus;
    amount gpus[GPUS]; /* free */
    char zone[2];
};

struct model_job {
    struct scheduler_item item;
    struct scheduler_class *cls;
    const struct request *request;
    struct allocation allocation;
    int node; /* -1: holds nothing */
    uint32_t priority;
    uint64_t age, arrival;
    bool is_waiting;
};

struct model {
    struct scheduler *s;
    struct random random;
    struct model_node nodes[NODES];
    struct model_job jobs[JOBS];
    uint64_t arrivals, starts, gpus_made;
};

static const char *const zone_a[] = {"a"};
static const struct require in_a = {REQUIRE_EQUAL, "zone", zone_a, 1, "zone == a"};
static const struct require not_a = {REQUIRE_NOT_EQUAL, "zone", zone_a, 1, "zone != a"};
static const struct custom_amount one_licence = {"licence", AMOUNT_ONE};

static const struct request shapes[SHAPES] = {
    {.cpus = AMOUNT_ONE},
    {.cpus = 2 * AMOUNT_ONE},
    {.cpus = 7 * AMOUNT_ONE},
    {.cpus = AMOUNT_ONE / 4, .memory_bytes = 3},
    {.memory_bytes = 9},
    {.gpus = AMOUNT_ONE},
    {.cpus = AMOUNT_ONE, .gpus = 2 * AMOUNT_ONE},
    {.gpus = 4 * AMOUNT_ONE},
    {.gpus = AMOUNT_ONE / 2},
    {.gpus = AMOUNT_ONE / 5, .cpus = AMOUNT_ONE / 2},
    {.cpus = AMOUNT_ONE, .require = &in_a, .n_require = 1},
    {.gpus = AMOUNT_ONE / 4, .require = &not_a, .n_require = 1},
    {.custom = &one_licence, .n_custom = 1, .cpus = AMOUNT_ONE},
    {.cpus = 100 * AMOUNT_ONE},
};

static bool is_fraction(const struct request *request)
{
    return request->gpus > 0 && request->gpus < AMOUNT_ONE;
}

static amount gpus_free(const struct model_node *node)
{
    amount sum = 0;
    for (uint32_t i = 0; i < node->n_gpus; i++) {
        sum += node->gpus[i];
    }
    return sum;
}

/* The fullest GPU that has the fraction left, -1: none. */
static int gpu_for_fraction(const struct model_node *node, amount fraction)
{
    int best = -1;
    for (uint32_t i = 0; i < node->n_gpus; i++) {
        if (node->gpus[i] >= fraction && (best < 0 || node->gpus[i] < node->gpus[best])) {
            best = (int)i;
        }
    }
    return best;
}

static bool model_fits(const struct model_node *node, const struct request *request)
{
    uint32_t n_whole = 0;
    for (uint32_t i = 0; i < node->n_gpus; i++) {
        n_whole += node->gpus[i] == AMOUNT_ONE ? 1 : 0;
    }
    if (node->handle == 0 || !node->is_open || node->cpus < request->cpus ||
        node->memory < (int64_t)request->memory_bytes) {
        return false;
    }
    if (is_fraction(request) ? gpu_for_fraction(node, request->gpus) < 0
                             : n_whole * ONE < request->gpus) {
        return false;
    }
    if (request->n_custom > 0 && node->licences < request->custom[0].amount) {
        return false;
    }
    return request->n_require == 0 || (strcmp(node->zone, "a") == 0) == (request->require == &in_a);
}

/* Shared GPUs first for a fraction, then fewest free GPUs, CPUs, memory, then the oldest node. */
static bool model_is_better(const struct model_node *a, const struct model_node *b,
                            const struct request *request)
{
    if (is_fraction(request)) {
        bool a_shares = a->gpus[gpu_for_fraction(a, request->gpus)] < AMOUNT_ONE;
        bool b_shares = b->gpus[gpu_for_fraction(b, request->gpus)] < AMOUNT_ONE;
        if (a_shares != b_shares) {
            return a_shares;
        }
    }
    int64_t x[] = {gpus_free(a), a->cpus, a->memory, a->handle};
    int64_t y[] = {gpus_free(b), b->cpus, b->memory, b->handle};
    for (int i = 0; i < 4; i++) {
        if (x[i] != y[i]) {
            return x[i] < y[i];
        }
    }
    return false;
}

static int model_place(const struct model *m, const struct request *request)
{
    int best = -1;
    for (int i = 0; i < NODES; i++) {
        if (model_fits(&m->nodes[i], request) &&
            (best < 0 || model_is_better(&m->nodes[i], &m->nodes[best], request))) {
            best = i;
        }
    }
    return best;
}

static bool job_is_before(const struct model_job *a, const struct model_job *b)
{
    if (a->priority != b->priority) {
        return a->priority > b->priority;
    }
    return a->age != b->age ? a->age < b->age : a->arrival < b->arrival;
}

static struct model_job *model_next(struct model *m, int *ret_node)
{
    struct model_job *best = NULL;
    for (int i = 0; i < JOBS; i++) {
        struct model_job *job = &m->jobs[i];
        if (job->is_waiting && (best == NULL || job_is_before(job, best))) {
            int node = model_place(m, job->request);
            if (node >= 0) {
                best = job;
                *ret_node = node;
            }
        }
    }
    return best;
}

static void model_apply(struct model *m, struct model_job *job, int sign)
{
    struct model_node *node = &m->nodes[job->node];
    node->cpus -= sign * job->request->cpus;
    node->memory -= sign * (int64_t)job->request->memory_bytes;
    node->licences -= job->request->n_custom > 0 ? sign * job->request->custom[0].amount : 0;
    for (uint32_t i = 0; i < job->allocation.n_gpus; i++) {
        node->gpus[job->allocation.gpus[i].index] -= sign * job->allocation.gpus[i].amount;
    }
}

static void check_gpus(const struct model_node *node, const struct model_job *job)
{
    const struct allocation *allocation = &job->allocation;
    if (is_fraction(job->request)) {
        assert_int_equal(allocation->n_gpus, 1);
        assert_int_equal(allocation->gpus[0].amount, job->request->gpus);
        assert_int_equal(allocation->gpus[0].index, gpu_for_fraction(node, job->request->gpus));
        return;
    }
    assert_int_equal(allocation->n_gpus * ONE, job->request->gpus);
    for (uint32_t i = 0; i < allocation->n_gpus; i++) {
        assert_int_equal(allocation->gpus[i].amount, AMOUNT_ONE);
        assert_int_equal(node->gpus[allocation->gpus[i].index], AMOUNT_ONE);
        assert_true(i == 0 || allocation->gpus[i - 1].index < allocation->gpus[i].index);
    }
}

static void step_next(struct model *m)
{
    struct allocation allocation;
    int node = -1;
    struct model_job *expected = model_next(m, &node);
    struct scheduler_item *item = scheduler_next(m->s, &allocation);
    assert_ptr_equal(item, expected != NULL ? &expected->item : NULL);
    if (expected != NULL) {
        assert_int_equal(allocation.node, m->nodes[node].handle);
        expected->allocation = allocation;
        expected->node = node;
        expected->is_waiting = false;
        check_gpus(&m->nodes[node], expected);
        model_apply(m, expected, 1);
        m->starts++;
    }
}

static void step_node_toggle(struct model *m, struct model_node *node)
{
    if (node->handle != 0) {
        for (int i = 0; i < JOBS; i++) {
            if (m->jobs[i].node == node - m->nodes) {
                m->jobs[i].node = -1; /* given back later: nothing comes of it */
            }
        }
        scheduler_node_remove(m->s, node->handle);
        *node = (struct model_node){0};
        return;
    }
    char uuids[GPUS][24];
    const char *gpus[GPUS];
    struct env_pair zone = {"zone", node->zone};
    struct custom_amount licences = {"licence", (amount)random_below(&m->random, 3) * ONE};
    *node = (struct model_node){.is_open = true,
                                .cpus = (amount)random_below(&m->random, 10) * ONE,
                                .memory = (int64_t)random_below(&m->random, 20),
                                .licences = licences.amount,
                                .n_gpus = (uint32_t)random_below(&m->random, GPUS + 1)};
    node->zone[0] = "ab"[random_below(&m->random, 2)];
    for (uint32_t i = 0; i < node->n_gpus; i++) {
        node->gpus[i] = AMOUNT_ONE;
        snprintf(uuids[i], sizeof uuids[i], "g%llu", (unsigned long long)m->gpus_made++);
        gpus[i] = uuids[i];
    }
    struct node_resources resources = {.cpus = node->cpus,
                                       .memory_bytes = (uint64_t)node->memory,
                                       .gpus = gpus,
                                       .n_gpus = node->n_gpus,
                                       .custom = &licences,
                                       .n_custom = 1,
                                       .labels = &zone,
                                       .n_labels = 1};
    assert_int_equal(scheduler_node_add(m->s, &resources, &node->handle), OK);
}

static void step_job(struct model *m, struct model_job *job)
{
    if (job->is_waiting) {
        if (random_below(&m->random, 8) != 0) {
            return;
        }
        scheduler_dequeue(m->s, &job->item);
        job->is_waiting = false;
    } else if (job->allocation.node != 0) {
        if (job->node >= 0) {
            model_apply(m, job, -1);
        }
        scheduler_give(m->s, &job->allocation);
        job->node = -1;
    } else {
        job->priority = 50 + (uint32_t)random_below(&m->random, 3);
        job->age = random_below(&m->random, 100);
        job->arrival = m->arrivals++;
        job->is_waiting = true;
        assert_int_equal(scheduler_enqueue(m->s, &job->item, job->cls, job->priority, job->age),
                         OK);
    }
}

static void model_step(struct model *m)
{
    uint64_t dice = random_below(&m->random, 1000);
    struct model_node *node = &m->nodes[random_below(&m->random, NODES)];
    if (dice < 4) {
        step_node_toggle(m, node);
    } else if (dice < 14 && node->handle != 0) {
        node->is_open = !node->is_open;
        scheduler_node_open(m->s, node->handle, node->is_open);
    } else if (dice < 500) {
        step_job(m, &m->jobs[random_below(&m->random, JOBS)]);
    } else {
        if (dice < 700 && node->is_open) {
            rig_stir(m->s, node->handle);
        }
        step_next(m);
    }
}

static void run_model(uint64_t seed)
{
    struct model *m = calloc(1, sizeof *m);
    int64_t live = mem_live_count();
    random_init(&m->random, seed, 0);
    assert_int_equal(scheduler_new(&m->s), OK);
    for (int i = 0; i < JOBS; i++) {
        struct model_job *job = &m->jobs[i];
        scheduler_item_init(&job->item);
        job->request = &shapes[random_below(&m->random, SHAPES)];
        job->node = -1;
        assert_int_equal(scheduler_class_ref(m->s, job->request, &job->cls), OK);
    }
    for (int i = 0; i < NODES; i++) {
        step_node_toggle(m, &m->nodes[i]);
    }
    for (int step = 0; step < STEPS; step++) {
        model_step(m);
        if (step % 16 == 0) {
            scheduler_check(m->s);
        }
    }
    print_message("seed %llu: %llu starts\n", (unsigned long long)seed,
                  (unsigned long long)m->starts);
    assert_true(m->starts > 1000); /* else the run has shown nothing */
    for (int i = 0; i < JOBS; i++) {
        scheduler_give(m->s, &m->jobs[i].allocation);
        scheduler_dequeue(m->s, &m->jobs[i].item);
        scheduler_class_unref(m->s, m->jobs[i].cls);
    }
    scheduler_check(m->s);
    scheduler_free(m->s);
    assert_int_equal(mem_live_count(), live);
    free(m);
}

static void test_model_random_runs_choose_the_same(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        run_model(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_random_runs_choose_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
