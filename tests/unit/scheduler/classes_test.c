#include "rig.h"

static struct scheduler_class *class_of(struct rig *r, struct request request)
{
    struct scheduler_class *cls;
    assert_int_equal(scheduler_class_ref(r->s, &request, &cls), OK);
    scheduler_check(r->s);
    return cls;
}

static void test_class_equal_shapes_are_one_in_any_order(void **state)
{
    struct rig r;
    const char *ab[] = {"a", "b"}, *ba[] = {"b", "a"}, *a[] = {"a"};
    struct custom_amount xy[] = {{"x", ONE}, {"y", 2 * ONE}};
    struct custom_amount yx[] = {{"y", 2 * ONE}, {"none", 0}, {"x", ONE}};
    struct require first[] = {{REQUIRE_IN, "zone", ab, 2, "one"},
                              {REQUIRE_EQUAL, "rack", a, 1, "two"}};
    struct require second[] = {{REQUIRE_IN, "rack", a, 1, "three"},
                               {REQUIRE_IN, "zone", ba, 2, "four"}};
    (void)state;
    rig_init(&r);
    struct scheduler_class *x = class_of(
        &r,
        (struct request){.cpus = 1, .custom = xy, .n_custom = 2, .require = first, .n_require = 2});
    struct scheduler_class *y = class_of(
        &r, (struct request){
                .cpus = 1, .custom = yx, .n_custom = 3, .require = second, .n_require = 2});
    assert_ptr_equal(x, y);
    scheduler_class_unref(r.s, x);
    scheduler_check(r.s);
    scheduler_class_unref(r.s, y);
    rig_end(&r);
}

static void test_class_different_shapes_are_apart(void **state)
{
    struct rig r;
    const char *a[] = {"a"}, *b[] = {"b"}, *ab[] = {"a", "b"};
    struct custom_amount custom[] = {{"x", ONE}, {"x", 2 * ONE}, {"y", ONE}};
    struct require require[] = {
        {REQUIRE_EQUAL, "zone", a, 1, ""},     {REQUIRE_EQUAL, "zone", b, 1, ""},
        {REQUIRE_EQUAL, "rack", a, 1, ""},     {REQUIRE_NOT_EQUAL, "zone", a, 1, ""},
        {REQUIRE_EXISTS, "zone", NULL, 0, ""}, {REQUIRE_IN, "zone", ab, 2, ""}};
    struct request requests[14] = {{0}, {.cpus = 1}, {.gpus = 1}, {.memory_bytes = 1}};
    uint32_t n = 4;
    struct scheduler_class *classes[14];
    (void)state;
    rig_init(&r);
    for (size_t i = 0; i < 3; i++) {
        requests[n++] = (struct request){.custom = &custom[i], .n_custom = 1};
    }
    for (size_t i = 0; i < 6; i++) {
        requests[n++] = (struct request){.require = &require[i], .n_require = 1};
    }
    for (uint32_t i = 0; i < n; i++) {
        classes[i] = class_of(&r, requests[i]);
        for (uint32_t k = 0; k < i; k++) {
            assert_ptr_not_equal(classes[i], classes[k]);
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        assert_ptr_equal(class_of(&r, requests[i]), classes[i]);
        scheduler_class_unref(r.s, classes[i]);
        scheduler_class_unref(r.s, classes[i]);
    }
    rig_end(&r);
}

static void test_class_wrong_requests_are_refused(void **state)
{
    struct rig r;
    const char *a[] = {"a"};
    struct custom_amount twice[] = {{"x", ONE}, {"x", ONE}}, negative[] = {{"x", -1}};
    struct custom_amount many[SPEC_CUSTOM_MAX + 1] = {{"x", 1}};
    struct require no_value[] = {{REQUIRE_EQUAL, "zone", NULL, 0, ""}};
    struct require value[] = {{REQUIRE_EXISTS, "zone", a, 1, ""}};
    struct require many_values[] = {{REQUIRE_IN, "zone", a, SPEC_CHOICES_MAX + 1, ""}};
    const struct {
        struct request request;
        error_code error;
    } wrong[] = {
        {{.cpus = -1}, ERR_INVALID},
        {{.gpus = -1}, ERR_INVALID},
        {{.gpus = AMOUNT_ONE + 1}, ERR_INVALID},
        {{.custom = twice, .n_custom = 2}, ERR_INVALID},
        {{.custom = negative, .n_custom = 1}, ERR_INVALID},
        {{.custom = many, .n_custom = SPEC_CUSTOM_MAX + 1}, ERR_LIMIT},
        {{.require = no_value, .n_require = 1}, ERR_INVALID},
        {{.require = value, .n_require = 1}, ERR_INVALID},
        {{.require = many_values, .n_require = 1}, ERR_LIMIT},
        {{.require = value, .n_require = SPEC_REQUIRE_MAX + 1}, ERR_LIMIT},
    };
    struct scheduler_class *cls = NULL;
    (void)state;
    rig_init(&r);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(scheduler_class_ref(r.s, &wrong[i].request, &cls), wrong[i].error);
    }
    assert_null(cls);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_class_equal_shapes_are_one_in_any_order),
        cmocka_unit_test(test_class_different_shapes_are_apart),
        cmocka_unit_test(test_class_wrong_requests_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
