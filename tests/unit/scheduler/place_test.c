/* Which node, and which GPUs of it: a table of nodes, then the requests in order and where each
 * must land. */
#include "rig.h"

struct place_node {
    int cpus, gpus, gib;
};

struct place_step {
    double cpus, gpus;
    int gib;
    int node; /* of the table; -1: it must wait */
    const char *gpus_held;
};

struct place_case {
    const char *name;
    struct place_node nodes[4];
    struct place_step steps[8];
};

#define END                                                                                        \
    {                                                                                              \
        -1, 0, 0, 0, NULL                                                                          \
    }

static const struct place_case cases[] = {
    {"the fullest node that fits",
     {{8, 0, 0}, {4, 0, 0}, {2, 0, 0}},
     {{1, 0, 0, 2, ""},
      {2, 0, 0, 1, ""},
      {1, 0, 0, 2, ""},
      {3, 0, 0, 0, ""},
      {5, 0, 0, 0, ""},
      {3, 0, 0, -1, ""},
      END}},
    {"work without GPUs leaves GPU nodes alone while it can",
     {{2, 2, 0}, {4, 0, 0}},
     {{2, 0, 0, 1, ""}, {2, 0, 0, 1, ""}, {2, 0, 0, 0, ""}, END}},
    {"memory decides between equals and refuses",
     {{4, 0, 8}, {4, 0, 4}},
     {{1, 0, 4, 1, ""},
      {1, 0, 1, 0, ""},
      {1, 0, 8, -1, ""},
      {1, 0, 7, 0, ""},
      {1, 0, 0, 0, ""},
      END}},
    {"memory that is not asked is not needed",
     {{2, 0, 1}},
     {{1, 0, 1, 0, ""}, {1, 0, 0, 0, ""}, END}},
    {"whole GPUs need entirely free ones",
     {{8, 2, 0}, {8, 3, 0}},
     {{1, 0.5, 0, 0, "n0g0"},
      {1, 2, 0, 1, "n1g0,n1g1"},
      {1, 2, 0, -1, ""},
      {1, 1, 0, 1, "n1g2"},
      {1, 1, 0, 0, "n0g1"},
      END}},
    {"a fraction goes to the fullest GPU it fits on",
     {{16, 3, 0}},
     {{1, 0.6, 0, 0, "n0g0"},
      {1, 0.7, 0, 0, "n0g1"},
      {1, 0.3, 0, 0, "n0g1"},
      {1, 0.2, 0, 0, "n0g0"},
      {1, 0.2, 0, 0, "n0g0"},
      {1, 0.2, 0, 0, "n0g2"},
      END}},
    {"a fraction breaks no whole GPU while a shared one has room",
     {{8, 4, 0}, {8, 1, 0}},
     {{1, 4, 0, 0, "n0g0,n0g1,n0g2,n0g3"},
      {1, 0.5, 0, 1, "n1g0"},
      {1, 0.5, 0, 1, "n1g0"},
      {1, 0.5, 0, -1, ""},
      END}},
    {"ten tenths are one GPU",
     {{8, 1, 0}},
     {{0, 0.3, 0, 0, "n0g0"},
      {0, 0.3, 0, 0, "n0g0"},
      {0, 0.3, 0, 0, "n0g0"},
      {0, 0.1, 0, 0, "n0g0"},
      {0, 0.0001, 0, -1, ""},
      END}},
    {"fractions of a CPU",
     {{1, 0, 0}},
     {{0.25, 0, 0, 0, ""}, {0.75, 0, 0, 0, ""}, {0.0001, 0, 0, -1, ""}, {0, 0, 0, 0, ""}, END}},
};

static amount amount_of(double value)
{
    return (amount)(value * AMOUNT_ONE + 0.5);
}

static void run_case(const struct place_case *c, bool is_stirred)
{
    struct rig r;
    uint32_t nodes[4] = {0};
    rig_init(&r);
    for (size_t i = 0; i < 4 && c->nodes[i].cpus > 0; i++) {
        nodes[i] = rig_node(&r, c->nodes[i].cpus * ONE, (uint32_t)c->nodes[i].gpus,
                            (uint64_t)c->nodes[i].gib * GIB);
    }
    for (const struct place_step *step = c->steps; step->cpus >= 0; step++) {
        struct job *job = rig_submit(&r, 'x',
                                     (struct request){.cpus = amount_of(step->cpus),
                                                      .gpus = amount_of(step->gpus),
                                                      .memory_bytes = (uint64_t)step->gib * GIB},
                                     50, 0);
        if (is_stirred) {
            rig_stir(r.s, nodes[0]);
        }
        struct job *started = rig_next(&r);
        if (step->node < 0) {
            if (started != NULL) {
                fail_msg("%s: step %td started", c->name, step - c->steps);
            }
            scheduler_dequeue(r.s, &job->item);
            continue;
        }
        if (started != job || started->allocation.node != nodes[step->node] ||
            strcmp(rig_gpus(&r, job), step->gpus_held) != 0) {
            fail_msg("%s: step %td is not where it should be (%s)", c->name, step - c->steps,
                     started != NULL ? rig_gpus(&r, job) : "waits");
        }
    }
    rig_end(&r);
}

static void test_place_table_lands_where_expected(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        run_case(&cases[i], false);
        run_case(&cases[i], true);
    }
}

static void test_place_fraction_prefers_shared_gpu_of_emptier_node(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    uint32_t large = rig_node(&r, 8 * ONE, 4, 0);
    struct job *a = rig_submit(&r, 'a', (struct request){.gpus = ONE / 2}, 50, 1);
    assert_string_equal(rig_start_all(&r), "a");
    rig_node(&r, 8 * ONE, 1, 0);
    struct job *b = rig_submit(&r, 'b', (struct request){.gpus = ONE / 4}, 50, 2);
    struct job *c = rig_submit(&r, 'c', (struct request){.gpus = 3 * ONE / 4}, 50, 3);
    assert_string_equal(rig_start_all(&r), "bc");
    assert_int_equal(a->allocation.node, large);
    assert_int_equal(b->allocation.node, large);
    assert_string_equal(rig_gpus(&r, c), "n1g0");
    rig_end(&r);
}

static void test_place_custom_amounts_are_counted_and_given_back(void **state)
{
    struct rig r;
    struct custom_amount has[] = {{"licence", 2 * ONE}, {"licence", 9 * ONE}, {"disk", ONE / 2}};
    struct custom_amount licence = {"licence", 3 * ONE / 2}, small = {"licence", ONE / 2};
    struct custom_amount disk = {"disk", ONE}, none = {"none", 0};
    (void)state;
    rig_init(&r);
    rig_node(&r, 9 * ONE, 0, 0);
    rig_node_add(&r, &(struct node_resources){.cpus = 9 * ONE, .custom = has, .n_custom = 3});
    struct job *a = rig_submit(&r, 'a', (struct request){.custom = &licence, .n_custom = 1}, 50, 1);
    rig_submit(&r, 'b', (struct request){.custom = &licence, .n_custom = 1}, 50, 2);
    rig_submit(&r, 'c', (struct request){.custom = &small, .n_custom = 1}, 50, 3);
    rig_submit(&r, 'd', (struct request){.custom = &disk, .n_custom = 1}, 50, 4);
    rig_submit(&r, 'e', (struct request){.custom = &none, .n_custom = 1}, 50, 5);
    assert_string_equal(rig_start_all(&r), "ace");
    rig_give(&r, a);
    assert_string_equal(rig_start_all(&r), "b");
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_place_table_lands_where_expected),
        cmocka_unit_test(test_place_fraction_prefers_shared_gpu_of_emptier_node),
        cmocka_unit_test(test_place_custom_amounts_are_counted_and_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
