/* Long random runs beside a naive model: it keeps its own accounts, looks at every item and every
 * node, and must choose the same item and the same node each time. */
#include "base/random.h"
#include "rig.h"

enum { NODES = 12, JOBS = 400, SHAPES = 24, GANG = 4, GPUS = 4, GROUPS = 4, STEPS = 30000 };

struct model_node {
    uint32_t handle; /* 0: not there */
    bool is_open;
    bool is_excluded[GROUPS];
    uint32_t n_items; /* of all groups and none */
    amount cpus, cpus_total;
    int64_t memory, memory_total;
    amount licences;
    uint32_t n_gpus;
    amount gpus[GPUS]; /* free */
    char zone[2];
};

struct model_job {
    struct scheduler_item item;
    struct scheduler_class *cls;
    const struct request *request;
    int group; /* -1: none */
    struct allocation allocations[GANG];
    int nodes[GANG]; /* -1: holds nothing there */
    uint32_t priority;
    uint64_t age, arrival;
    bool is_waiting;
};

struct model_group {
    struct scheduler_group *group;
    struct scheduler_limits limits;
};

struct model {
    struct scheduler *s;
    struct model_group groups[GROUPS];
    struct random random;
    struct model_node nodes[NODES];
    struct model_job jobs[JOBS];
    uint64_t arrivals, starts, gangs, gpus_made;
};

static const char *const zone_a[] = {"a"};
static const struct require in_a = {REQUIRE_EQUAL, "zone", zone_a, 1, "zone == a"};
static const struct require not_a = {REQUIRE_NOT_EQUAL, "zone", zone_a, 1, "zone != a"};
static const struct custom_amount one_licence = {"licence", AMOUNT_ONE};

static const struct require a_then_not_b[] = {
    {REQUIRE_EQUAL, "zone", zone_a, 1, "zone == a"},
    {REQUIRE_EXISTS, "rack", NULL, 0, "rack"},
};

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
    {.cpus = AMOUNT_ONE, .place = PLACE_SPREAD},
    {.gpus = AMOUNT_ONE / 4, .place = PLACE_SPREAD},
    {.cpus = AMOUNT_ONE, .prefer = a_then_not_b, .n_prefer = 2},
    {.gpus = AMOUNT_ONE / 4, .prefer = a_then_not_b, .n_prefer = 1},
    {.cpus = AMOUNT_ONE / 2,
     .gpus = AMOUNT_ONE,
     .place = PLACE_SPREAD,
     .prefer = a_then_not_b + 1,
     .n_prefer = 1},
    {.cpus = AMOUNT_ONE, .nodes = 2},
    {.cpus = 3 * AMOUNT_ONE, .gpus = AMOUNT_ONE, .nodes = 3},
    {.gpus = AMOUNT_ONE / 4, .nodes = 2},
    {.cpus = AMOUNT_ONE, .nodes = 4, .place = PLACE_SPREAD},
    {.cpus = AMOUNT_ONE, .nodes = 2, .prefer = a_then_not_b, .n_prefer = 1},
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

/* What the other jobs of the group leave to this one. */
static bool model_group_allows(const struct model *m, const struct model_job *job, int node)
{
    if (job->group < 0) {
        return true;
    }
    const struct scheduler_limits *limits = &m->groups[job->group].limits;
    uint32_t n_here = 0;
    amount gpus = job->request->gpus * request_nodes(job->request);
    for (int i = 0; i < JOBS * GANG; i++) {
        const struct model_job *other = &m->jobs[i / GANG];
        if (other->group == job->group && other->nodes[i % GANG] >= 0) {
            n_here += other->nodes[i % GANG] == node ? 1 : 0;
            gpus += other->request->gpus;
        }
    }
    return !m->nodes[node].is_excluded[job->group] &&
           (limits->per_node == 0 || n_here < limits->per_node) &&
           (limits->gpus == 0 || job->request->gpus == 0 || gpus <= limits->gpus);
}

static int model_score(const struct model_node *node, const struct request *request)
{
    int score = 0;
    for (uint32_t i = 0; i < request->n_prefer; i++) {
        bool is_met = request->prefer[i].op == REQUIRE_EQUAL && strcmp(node->zone, "a") == 0;
        score += is_met ? 1 << (request->n_prefer - i) : 0; /* nobody has a rack */
    }
    return score;
}

static int64_t model_share(const struct model_node *node)
{
    const int64_t pairs[][2] = {{node->cpus, node->cpus_total},
                                {node->memory, node->memory_total},
                                {gpus_free(node), node->n_gpus * ONE}};
    int64_t share = 0;
    for (int i = 0; i < 3; i++) {
        int64_t used = pairs[i][1] - pairs[i][0];
        int64_t each = pairs[i][1] > 0 ? used * ONE / pairs[i][1] : 0;
        share = each > share ? each : share;
    }
    return share;
}

/* What is preferred; then, spread: the least used. Else shared GPUs first for a fraction, then
 * fewest free GPUs, CPUs, memory, then the oldest node. */
static bool model_is_better(const struct model_node *a, const struct model_node *b,
                            const struct request *request)
{
    if (model_score(a, request) != model_score(b, request)) {
        return model_score(a, request) > model_score(b, request);
    }
    if (request->place == PLACE_SPREAD) {
        int64_t x[] = {model_share(a), a->n_items, a->handle};
        int64_t y[] = {model_share(b), b->n_items, b->handle};
        int i = x[0] != y[0] ? 0 : x[1] != y[1] ? 1 : 2;
        return x[i] < y[i];
    }
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

static bool model_can(const struct model *m, const struct model_job *job, int node)
{
    return model_fits(&m->nodes[node], job->request) && model_group_allows(m, job, node);
}

static bool model_has(const int *nodes, uint32_t n, int node)
{
    bool has = false;
    for (uint32_t i = 0; i < n; i++) {
        has |= nodes[i] == node;
    }
    return has;
}

static int model_best(const struct model *m, const struct model_job *job, int other, const int *but,
                      uint32_t n_but)
{
    int best = -1;
    for (int i = 0; i < NODES; i++) {
        if (i != other && !model_has(but, n_but, i) && model_can(m, job, i) &&
            (best < 0 || model_is_better(&m->nodes[i], &m->nodes[best], job->request))) {
            best = i;
        }
    }
    return best;
}

/* As many as it wants, one after another, or false. */
static bool model_gang(const struct model *m, const struct model_job *job, int other,
                       int ret_nodes[GANG])
{
    uint32_t n = request_nodes(job->request);
    int nodes[GANG];
    for (uint32_t i = 0; i < n; i++) {
        nodes[i] = model_best(m, job, other, nodes, i);
        if (nodes[i] < 0) {
            return false;
        }
    }
    memcpy(ret_nodes, nodes, n * sizeof *nodes);
    return true;
}

/* The favoured one first, in the place of the last if it is none of them. */
static void model_favour(const struct model *m, const struct model_job *job, int nodes[GANG])
{
    uint32_t n = request_nodes(job->request);
    for (int i = 0; i < NODES; i++) {
        uint32_t handle = m->nodes[i].handle, at = 0;
        if (handle == 0 || handle != job->item.favour || !model_can(m, job, i)) {
            continue;
        }
        while (at < n - 1 && nodes[at] != i) {
            at++;
        }
        for (; at > 0; at--) {
            nodes[at] = nodes[at - 1];
        }
        nodes[0] = i;
    }
}

static bool model_place(const struct model *m, const struct model_job *job, int ret_nodes[GANG])
{
    if (!model_gang(m, job, -1, ret_nodes)) {
        return false;
    }
    for (uint32_t i = 0; i < request_nodes(job->request); i++) {
        if (m->nodes[ret_nodes[i]].handle == job->item.avoid) {
            (void)model_gang(m, job, ret_nodes[i], ret_nodes);
            break;
        }
    }
    model_favour(m, job, ret_nodes);
    return true;
}

static bool job_is_before(const struct model_job *a, const struct model_job *b)
{
    if (a->priority != b->priority) {
        return a->priority > b->priority;
    }
    return a->age != b->age ? a->age < b->age : a->arrival < b->arrival;
}

static struct model_job *model_next(struct model *m, int ret_nodes[GANG])
{
    struct model_job *best = NULL;
    for (int i = 0; i < JOBS; i++) {
        struct model_job *job = &m->jobs[i];
        if (job->is_waiting && (best == NULL || job_is_before(job, best))) {
            best = model_place(m, job, ret_nodes) ? job : best;
        }
    }
    return best;
}

static void model_apply(struct model *m, struct model_job *job, uint32_t part, int sign)
{
    struct model_node *node = &m->nodes[job->nodes[part]];
    const struct allocation *allocation = &job->allocations[part];
    node->n_items += (uint32_t)sign;
    node->cpus -= sign * job->request->cpus;
    node->memory -= sign * (int64_t)job->request->memory_bytes;
    node->licences -= job->request->n_custom > 0 ? sign * job->request->custom[0].amount : 0;
    for (uint32_t i = 0; i < allocation->n_gpus; i++) {
        node->gpus[allocation->gpus[i].index] -= sign * allocation->gpus[i].amount;
    }
}

static void check_gpus(const struct model_node *node, const struct model_job *job, uint32_t part)
{
    const struct allocation *allocation = &job->allocations[part];
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
    struct allocation allocations[GANG];
    int nodes[GANG];
    struct model_job *expected = model_next(m, nodes);
    struct scheduler_item *item = scheduler_next(m->s, allocations);
    assert_ptr_equal(item, expected != NULL ? &expected->item : NULL);
    if (expected == NULL) {
        return;
    }
    uint32_t n = request_nodes(expected->request);
    expected->is_waiting = false;
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(allocations[i].node, m->nodes[nodes[i]].handle);
        expected->allocations[i] = allocations[i];
        expected->nodes[i] = nodes[i];
        check_gpus(&m->nodes[nodes[i]], expected, i);
        model_apply(m, expected, i, 1);
    }
    m->starts++;
    m->gangs += n > 1 ? 1 : 0;
}

static void step_node_toggle(struct model *m, struct model_node *node)
{
    if (node->handle != 0) {
        for (int i = 0; i < JOBS * GANG; i++) {
            if (m->jobs[i / GANG].nodes[i % GANG] == node - m->nodes) {
                m->jobs[i / GANG].nodes[i % GANG] = -1; /* given back later: nothing comes of it */
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
    node->cpus_total = node->cpus;
    node->memory_total = node->memory;
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
    } else if (job->allocations[0].node != 0) {
        for (uint32_t i = 0; i < GANG; i++) {
            if (job->nodes[i] >= 0) {
                model_apply(m, job, i, -1);
            }
            scheduler_give(m->s, &job->allocations[i]);
            job->nodes[i] = -1;
        }
    } else {
        job->priority = 50 + (uint32_t)random_below(&m->random, 3);
        job->age = random_below(&m->random, 100);
        job->arrival = m->arrivals++;
        job->is_waiting = true;
        uint32_t hints[2] = {0, 0};
        for (int i = 0; i < 2; i++) {
            if (random_below(&m->random, 4) == 0) {
                hints[i] = m->nodes[random_below(&m->random, NODES)].handle;
            }
        }
        job->item.avoid = hints[0];
        job->item.favour = hints[1];
        assert_int_equal(scheduler_enqueue(m->s, &job->item, job->cls, job->priority, job->age),
                         OK);
    }
}

static void step_exclude(struct model *m, struct model_node *node)
{
    int group = (int)random_below(&m->random, GROUPS);
    if (node->handle != 0) {
        node->is_excluded[group] = !node->is_excluded[group] && random_below(&m->random, 2) == 0;
        assert_int_equal(scheduler_group_exclude(m->s, m->groups[group].group, node->handle,
                                                 node->is_excluded[group]),
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
    } else if (dice < 24) {
        step_exclude(m, node);
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
    static const struct scheduler_limits limits[GROUPS] = {
        {.per_node = 2}, {.gpus = 3 * AMOUNT_ONE}, {0}, {.per_node = 1, .gpus = 2 * AMOUNT_ONE}};
    for (int i = 0; i < GROUPS; i++) {
        m->groups[i].limits = limits[i];
        assert_int_equal(scheduler_group_new(m->s, &limits[i], &m->groups[i].group), OK);
    }
    for (int i = 0; i < JOBS; i++) {
        struct model_job *job = &m->jobs[i];
        scheduler_item_init(&job->item);
        job->request = &shapes[random_below(&m->random, SHAPES)];
        for (int k = 0; k < GANG; k++) {
            job->nodes[k] = -1;
        }
        job->group = (int)random_below(&m->random, GROUPS + 2) - 2;
        struct scheduler_group *group = job->group >= 0 ? m->groups[job->group].group : NULL;
        job->group = group != NULL ? job->group : -1;
        assert_int_equal(scheduler_group_class_ref(m->s, group, job->request, &job->cls), OK);
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
    print_message("seed %llu: %llu starts, %llu of gangs\n", (unsigned long long)seed,
                  (unsigned long long)m->starts, (unsigned long long)m->gangs);
    assert_true(m->starts > 1000 && m->gangs > 50); /* else the run has shown nothing */
    for (int i = 0; i < JOBS; i++) {
        for (int k = 0; k < GANG; k++) {
            scheduler_give(m->s, &m->jobs[i].allocations[k]);
        }
        scheduler_dequeue(m->s, &m->jobs[i].item);
        scheduler_class_unref(m->s, m->jobs[i].cls);
    }
    scheduler_check(m->s);
    for (int i = 0; i < GROUPS; i++) {
        scheduler_group_unref(m->s, m->groups[i].group);
    }
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
