/* What people, nodes and the store see of a space in which some trials have parameters that others
 * do not have. */
#include "rig.h"

static const char conditional[] = "name: test\n"
                                  "command: [train, \"${args}\"]\n"
                                  "metric: {name: loss}\n"
                                  "parameters:\n"
                                  "  opt: {values: {sgd: {m: {min: 0.5, max: 0.9}}, none: }}\n"
                                  "  g: {parameters: {x: {min: 1, max: 9}}}\n"
                                  "search: {seed: 3}\n"
                                  "baselines: [{opt: none, g: {x: 7}}, {opt: sgd, m: 0.75}]\n"
                                  "stop: {trials: 2}\n";

static void assert_lease(struct rig *r, uint32_t trial, const char *const *names, uint32_t n)
{
    struct arena arena;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    const struct msg_lease *lease = rig_sent_last(r, MSG_LEASE, &arena);
    assert_int_equal(lease->task.index, trial);
    assert_int_equal(lease->n_params, n);
    for (uint32_t i = 0; i < n; i++) {
        assert_string_equal(lease->params[i].name, names[i]);
    }
    arena_fini(&arena);
}

static void test_lease_leaves_out_parameters_that_are_not_active(void **state)
{
    (void)state;
    static const char *const first[] = {"opt", "g.x"}, *const second[] = {"opt", "m", "g.x"};
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    uint32_t number = rig_submit(r, conditional, "");
    rig_turn(r);
    assert_lease(r, 1, first, 2);
    rig_started(r, rig_id(number, 1), 0);
    rig_result(r, rig_id(number, 1), 0, CAUSE_EXIT, 0, 0);
    rig_turn(r);
    assert_lease(r, 2, second, 3);
    rig_free(r);
}

/* The log and the records are read again: the trials have what they had, and nothing is refused. */
static void test_restart_keeps_parameters_that_are_not_active(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_enrol(r, 2);
    uint32_t number = rig_submit(r, conditional, "");
    rig_turn(r);
    rig_restart(r);
    const struct task *one = rig_task(r, rig_id(number, 1)), *two = rig_task(r, rig_id(number, 2));
    assert_int_equal(one->r.n_params, 3);
    assert_true(value_equal(one->r.params[0], value_str("none")));
    assert_true(value_equal(one->r.params[1], value_none()));
    assert_true(value_equal(one->r.params[2], value_int(7)));
    assert_true(value_equal(two->r.params[1], value_real(0.75)));
    rig_free(r);
}

static void test_submit_refuses_a_space_that_cannot_be_tuned(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    uint32_t number = rig_submit(r,
                                 "command: x\nmetric: {name: loss}\nparameters: {a: {min: 0.0, "
                                 "max: 1}}\nsearch: {method: grid}\n",
                                 "");
    assert_int_equal(number, 0);
    const struct rig_sent *answer = &r->sent[r->n_sent - 1];
    assert_int_equal(answer->status, 400);
    assert_non_null(strstr(answer->body, "cannot list the values of `a`"));
    assert_non_null(strstr(answer->body, "\"line\":3"));
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lease_leaves_out_parameters_that_are_not_active),
        cmocka_unit_test(test_restart_keeps_parameters_that_are_not_active),
        cmocka_unit_test(test_submit_refuses_a_space_that_cannot_be_tuned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
