/* The environment of an attempt: whose value wins, and what does not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "spec/types.h"
#include "worker/shell/environment.h"

static const struct environment_facts facts = {
    .socket = "/s",
    .params_file = "/params.json",
    .trial_dir = "/work",
    .tmp_dir = "/tmp/of/it",
    .mark = "muster-1/1.2.0",
    .bin_dir = "/opt/muster/bin",
    .python_dir = "/opt/muster/python",
};

static const char *value_of(const char *const *envp, const char *name)
{
    const char *found = NULL;
    size_t len = strlen(name);
    for (; *envp != NULL; envp++) {
        if (strncmp(*envp, name, len) == 0 && (*envp)[len] == '=') {
            assert_null(found); /* no name twice */
            found = *envp + len + 1;
        }
    }
    return found;
}

struct rig {
    struct arena arena;
    const char *const *envp;
    struct report report;
};

static error_code rig_make(struct rig *rig, const struct msg_lease *lease)
{
    arena_init(&rig->arena, ENVIRONMENT_MAX_BYTES);
    rig->report = (struct report){0};
    return environment_make(lease, &facts, &rig->arena, &rig->envp, &rig->report);
}

static void rig_end(struct rig *rig)
{
    arena_fini(&rig->arena);
    assert_int_equal(mem_live_count(), 0);
}

static void test_lease_sets_a_value_it_wins_unless_the_name_is_musters(void **state)
{
    (void)state;
    struct rig rig;
    const struct label_pair env[] = {
        {"OMP_NUM_THREADS", "7"}, {"PATH", "/mine"},
        {"PYTHONPATH", "/lib"},   {"CUDA_VISIBLE_DEVICES", "0,1"},
        {"TMPDIR", "/big"},       {"TWICE", "1"},
        {"TWICE", "${trial.id}"}, {"MUSTER_ATTEMPT", "forged"},
    };
    const struct msg_lease lease = {
        .task = {1, 2}, .env = env, .n_env = sizeof env / sizeof env[0], .cpus = 4 * AMOUNT_ONE};
    assert_int_equal(rig_make(&rig, &lease), OK);
    assert_string_equal(value_of(rig.envp, "OMP_NUM_THREADS"), "7");
    assert_string_equal(value_of(rig.envp, "PATH"), "/mine:/opt/muster/bin");
    assert_string_equal(value_of(rig.envp, "PYTHONPATH"), "/lib:/opt/muster/python");
    assert_string_equal(value_of(rig.envp, "CUDA_VISIBLE_DEVICES"), "");
    assert_string_equal(value_of(rig.envp, "TMPDIR"), "/big");
    assert_string_equal(value_of(rig.envp, "TWICE"), "1.2");
    assert_string_equal(value_of(rig.envp, "MUSTER_ATTEMPT"), "muster-1/1.2.0");
    rig_end(&rig);
}

static void test_task_of_an_array_without_a_folder_has_index_and_line_and_no_paths(void **state)
{
    (void)state;
    struct rig rig;
    const struct label_pair env[] = {{"BOTH", "${index}:${line}"}, {"MUSTER_INDEX", "forged"}};
    const struct msg_lease lease = {.task = {7, 55}, .env = env, .n_env = 2, .cpus = 5000};
    const struct environment_facts lean = {.mark = "muster-1/7.lane1", .line = "a b"};
    arena_init(&rig.arena, ENVIRONMENT_MAX_BYTES);
    assert_int_equal(environment_make(&lease, &lean, &rig.arena, &rig.envp, NULL), OK);
    assert_string_equal(value_of(rig.envp, "MUSTER_INDEX"), "55");
    assert_string_equal(value_of(rig.envp, "MUSTER_LINE"), "a b");
    assert_string_equal(value_of(rig.envp, "BOTH"), "55:a b");
    assert_string_equal(value_of(rig.envp, "MUSTER_TRIAL"), "7.55");
    const char *const absent[] = {"MUSTER_SOCKET", "MUSTER_PARAMS_FILE", "MUSTER_TRIAL_DIR",
                                  "TMPDIR"};
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++) {
        assert_null(value_of(rig.envp, absent[i]));
    }
    rig_end(&rig);
}

static void test_lease_sets_nothing_the_workers_few_are_there(void **state)
{
    (void)state;
    struct rig rig;
    const struct msg_lease lease = {.task = {1, 2}, .cpus = 5000};
    assert_int_equal(setenv("HOME", "/home/of/worker", 1), 0);
    assert_int_equal(setenv("LANG", "C.UTF-8", 1), 0);
    assert_int_equal(unsetenv("TZ"), 0);
    assert_int_equal(unsetenv("PATH"), 0);
    assert_int_equal(setenv("AWS_SECRET", "x", 1), 0);
    assert_int_equal(rig_make(&rig, &lease), OK);
    assert_string_equal(value_of(rig.envp, "HOME"), "/home/of/worker");
    assert_string_equal(value_of(rig.envp, "LANG"), "C.UTF-8");
    assert_null(value_of(rig.envp, "TZ"));
    assert_null(value_of(rig.envp, "AWS_SECRET"));
    assert_string_equal(value_of(rig.envp, "PATH"), "/usr/local/bin:/usr/bin:/bin:/opt/muster/bin");
    assert_string_equal(value_of(rig.envp, "OMP_NUM_THREADS"), "1");
    assert_string_equal(value_of(rig.envp, "TMPDIR"), "/tmp/of/it");
    assert_string_equal(value_of(rig.envp, "MUSTER_CHECKPOINTS"), "");
    rig_end(&rig);
}

static void test_parameter_is_longer_than_exec_allows_it_is_left_out(void **state)
{
    (void)state;
    struct rig rig;
    char *text = malloc(200001);
    memset(text, 'x', 200000);
    text[200000] = '\0';
    const struct named_value params[] = {{"a.b", value_bool(true)}, {"long", value_str(text)}};
    const struct msg_lease lease = {.task = {1, 2}, .params = params, .n_params = 2};
    assert_int_equal(rig_make(&rig, &lease), OK);
    assert_string_equal(value_of(rig.envp, "MUSTER_P_a_b"), "True");
    assert_null(value_of(rig.envp, "MUSTER_P_long"));
    assert_null(value_of(rig.envp, "MUSTER_PARAMS"));
    assert_string_equal(value_of(rig.envp, "MUSTER_PARAMS_FILE"), "/params.json");
    rig_end(&rig);
    free(text);
}

static void test_lease_has_a_bad_variable_it_is_refused_with_its_name(void **state)
{
    (void)state;
    struct rig rig;
    static const struct label_pair bad[] = {{"A=B", "1"}, {"", "1"}, {"GOOD", "${nothing}"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct msg_lease lease = {.task = {1, 2}, .env = &bad[i], .n_env = 1};
        assert_int_equal(rig_make(&rig, &lease), ERR_INVALID);
        assert_non_null(strstr(rig.report.text, bad[i].name));
        rig_end(&rig);
    }
}

static void test_memory_is_short_it_fails_and_leaks_nothing(void **state)
{
    (void)state;
    struct rig rig;
    const struct named_value params[] = {{"lr", value_real(0.5)}};
    const struct label_pair env[] = {{"A", "${lr}"}};
    const struct msg_lease lease = {
        .task = {1, 2}, .env = env, .n_env = 1, .params = params, .n_params = 1};
    bool has_failed = true;
    for (uint64_t k = 1; has_failed && k < 1000; k++) {
        mem_fail_at(k);
        error_code error = rig_make(&rig, &lease);
        has_failed = mem_has_failed();
        mem_fail_at(0);
        assert_int_equal(error, has_failed ? ERR_NO_MEMORY : OK);
        rig_end(&rig);
    }
    assert_false(has_failed);
}

static void test_rank_has_numbers_of_its_own_and_the_rest_in_common(void **state)
{
    (void)state;
    struct rig rig;
    const struct label_pair env[] = {{"MASTER_ADDR", "10.0.0.1"}, {"RANK", "9"}};
    const struct msg_lease lease = {.task = {1, 2},
                                    .is_trial = true,
                                    .env = env,
                                    .n_env = 2,
                                    .cpus = 8 * AMOUNT_ONE,
                                    .ranks = 4};
    struct environment_facts more = facts;
    more.master_address = "127.0.0.1";
    more.master_port = 40001;
    more.peers = "127.0.0.1:40002,127.0.0.1:40003";
    arena_init(&rig.arena, ENVIRONMENT_MAX_BYTES);
    assert_int_equal(environment_make(&lease, &more, &rig.arena, &rig.envp, &rig.report), OK);
    const char *const *second;
    assert_int_equal(environment_of_rank(rig.envp, &lease, 2, &rig.arena, &second, &rig.report),
                     OK);
    static const struct {
        const char *name, *value;
    } expected[] = {
        {"MUSTER_RANK", "2"},
        {"MUSTER_LOCAL_RANK", "2"},
        {"MUSTER_WORLD", "4"},
        {"MUSTER_NODE_RANK", "0"},
        {"RANK", "2"},
        {"LOCAL_RANK", "2"},
        {"WORLD_SIZE", "4"},
        {"LOCAL_WORLD_SIZE", "4"},
        {"MASTER_PORT", "40001"},
        {"PET_MASTER_PORT", "40001"},
        {"MASTER_ADDR", "10.0.0.1"},
        {"PET_MASTER_ADDR", "127.0.0.1"},
        {"MUSTER_PEERS", "127.0.0.1:40002,127.0.0.1:40003"},
        {"OMP_NUM_THREADS", "2"},
        {"MUSTER_TRIAL", "1.2"},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_non_null(value_of(second, expected[i].name));
        assert_string_equal(value_of(second, expected[i].name), expected[i].value);
    }
    assert_string_equal(value_of(rig.envp, "RANK"), "9"); /* what they share was not touched */
    assert_null(value_of(rig.envp, "MUSTER_RANK"));
    rig_end(&rig);
}

static void test_rank_of_several_nodes_is_numbered_node_by_node(void **state)
{
    (void)state;
    struct rig rig;
    const struct msg_lease lease = {.task = {1, 2},
                                    .is_trial = true,
                                    .cpus = 2 * AMOUNT_ONE,
                                    .ranks = 2,
                                    .nodes = 3,
                                    .node_rank = 1};
    struct environment_facts more = facts;
    more.master_address = "10.0.0.1";
    more.master_port = 40001;
    arena_init(&rig.arena, ENVIRONMENT_MAX_BYTES);
    assert_int_equal(environment_make(&lease, &more, &rig.arena, &rig.envp, &rig.report), OK);
    const char *const *second;
    assert_int_equal(environment_of_rank(rig.envp, &lease, 1, &rig.arena, &second, &rig.report),
                     OK);
    static const struct {
        const char *name, *value;
    } expected[] = {
        {"MUSTER_RANK", "3"},       {"RANK", "3"},
        {"MUSTER_LOCAL_RANK", "1"}, {"LOCAL_RANK", "1"},
        {"MUSTER_WORLD", "6"},      {"WORLD_SIZE", "6"},
        {"LOCAL_WORLD_SIZE", "2"},  {"NODE_RANK", "1"},
        {"MUSTER_NODE_RANK", "1"},  {"GROUP_RANK", "1"},
        {"MASTER_PORT", "40001"},   {"MASTER_ADDR", "10.0.0.1"},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_non_null(value_of(second, expected[i].name));
        assert_string_equal(value_of(second, expected[i].name), expected[i].value);
    }
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lease_sets_a_value_it_wins_unless_the_name_is_musters),
        cmocka_unit_test(test_task_of_an_array_without_a_folder_has_index_and_line_and_no_paths),
        cmocka_unit_test(test_lease_sets_nothing_the_workers_few_are_there),
        cmocka_unit_test(test_parameter_is_longer_than_exec_allows_it_is_left_out),
        cmocka_unit_test(test_lease_has_a_bad_variable_it_is_refused_with_its_name),
        cmocka_unit_test(test_memory_is_short_it_fails_and_leaks_nothing),
        cmocka_unit_test(test_rank_has_numbers_of_its_own_and_the_rest_in_common),
        cmocka_unit_test(test_rank_of_several_nodes_is_numbered_node_by_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
