/* Allocation k fails, k = 1, 2, ...: every call says so and leaves all as it was. */
#include "rig.h"

/* Without memory to count it, an item is not placed, and the next call tries again. */
static error_code day_of_a_group(struct rig *r, uint32_t aside)
{
    struct scheduler_limits limits = {.per_node = 1};
    struct scheduler_group *group = NULL;
    struct request request = {.memory_bytes = 1};
    struct job *job = &r->jobs[r->n_jobs];
    error_code error = scheduler_group_new(r->s, &limits, &group);
    if (error == OK) {
        error = scheduler_group_class_ref(r->s, group, &request, &job->cls);
    }
    if (error == OK) {
        scheduler_item_init(&job->item);
        r->n_jobs++;
        error = scheduler_group_exclude(r->s, group, aside, true);
    }
    if (error == OK) {
        error = scheduler_enqueue(r->s, &job->item, job->cls, 50, 9);
    }
    if (error == OK && rig_next(r) == NULL) {
        assert_false(list_is_empty(&job->item.link));
        error = mem_has_failed() ? ERR_NO_MEMORY : OK;
        assert_int_equal(error, ERR_NO_MEMORY);
        assert_ptr_equal(rig_next(r), job);
        assert_int_not_equal(job->allocation.node, aside);
    }
    scheduler_check(r->s);
    scheduler_group_unref(r->s, group);
    return error;
}

static error_code day(struct rig *r)
{
    const char *gpus[] = {"A", "B"}, *zones[] = {"a", "b"};
    struct custom_amount custom = {"licence", ONE};
    struct env_pair label = {"zone", "a"};
    struct require require = {REQUIRE_IN, "zone", zones, 2, "zone in (a, b)"};
    struct node_resources resources = {.cpus = 4 * ONE,
                                       .memory_bytes = GIB,
                                       .gpus = gpus,
                                       .n_gpus = 2,
                                       .custom = &custom,
                                       .n_custom = 1,
                                       .labels = &label,
                                       .n_labels = 1};
    struct request request = {.cpus = ONE,
                              .gpus = ONE,
                              .custom = &custom,
                              .n_custom = 1,
                              .require = &require,
                              .n_require = 1};
    uint32_t nodes[2];
    for (int i = 0; i < 2; i++) {
        error_code error = scheduler_node_add(r->s, &resources, &nodes[i]);
        scheduler_check(r->s);
        if (error != OK) {
            return error;
        }
    }
    for (uint32_t i = 0; i < 4; i++) {
        struct job *job = &r->jobs[i];
        request.cpus = (i + 1) * ONE;
        error_code error = scheduler_class_ref(r->s, &request, &job->cls);
        scheduler_check(r->s);
        if (error != OK) {
            return error;
        }
        scheduler_item_init(&job->item);
        r->n_jobs++;
        error = scheduler_enqueue(r->s, &job->item, job->cls, 50, i);
        if (error != OK) {
            return error;
        }
    }
    assert_string_equal(rig_start_all(r), "\1\2");
    error_code grouped = day_of_a_group(r, nodes[0]);
    if (grouped != OK) {
        return grouped;
    }
    struct buf text;
    buf_init(&text, 1024);
    scheduler_explain(r->s, &request, &r->jobs[3].item, &text);
    error_code error = text.failed;
    buf_fini(&text);
    return error;
}

static void test_torture_every_failed_allocation_is_survived(void **state)
{
    uint64_t k = 0;
    bool has_failed = true;
    (void)state;
    while (has_failed) {
        struct rig r;
        memset(&r, 0, sizeof r);
        r.live_before = mem_live_count();
        for (uint32_t i = 0; i < RIG_JOBS_MAX; i++) {
            r.jobs[i].name = (char)(i + 1);
        }
        mem_fail_at(++k);
        error_code error = scheduler_new(&r.s);
        if (error == OK) {
            error = day(&r);
        }
        has_failed = mem_has_failed();
        mem_fail_at(0);
        assert_int_equal(error, has_failed ? ERR_NO_MEMORY : OK);
        if (r.s != NULL) {
            rig_end(&r);
        }
        assert_int_equal(mem_live_count(), r.live_before);
    }
    assert_true(k > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_torture_every_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
