#include "rig.h"

#include "files.h"

static const char *const files[] = {
    file_full,
    file_space,
    "command: x\nmetric: {name: loss}\nmethod: bayes\n",
    "command: x\nmetric: {name: loss}\nmethod: grid\n",
    "command: x\nmetric: {name: loss}\nmethod: sobol\nrun_cap: 3\n",
    file_json,
    file_text,
    LEAST,
    LEAST
    "name: 'null'\nproject: \"1e5\"\nlabels: ['- a', 'true', '007', '~', 'a: b', \"\\u00e4\"]\n",
    LEAST "limits: {gpus: 1.5, per_node: 4}\nretries: {node_failures: none, rules: [{match: "
          "'CUDA out of memory', do: fail}, {match: 'a\"b', do: free}, {do: retry, match: c}]}\n"
          "resources: {place: spread, prefer: [\"zone == a\", 'ssd', \"gpu not in (a, 'b c')\"]}\n",
    LEAST "description: \"two\\nlines\"\nentity: us\ncheckpoints: {every: 90s}\n",
    LEAST "checkpoints: {adopt: 'out/ckpt-*', on: []}\nreport: {from: [wandb, stderr]}\n",
    "command: x\nmetric: {name: loss}\nparameters: {a: {min: 0.0, max: 1.0}, b: {values: [x, 'y "
    "z']}}\n"
    "schedule: {type: replay, from: 'a b.csv', steps: [{step: 0, params: {a: 0.5, b: x}}, {step: "
    "3, "
    "params: {a: 0.25, b: y z}}]}\n",
    "command: x\nmetric: {name: l, summary: mean, on_nan: ignore}\nstop: {trials: 1}\n",
    LEAST "parameters: {a: .nan, b: -.inf, c: 1e300, d: 0.1, e: -0.0, f: 9223372036854775807}\n",
    LEAST "parameters: {a: {min: 1.0, max: 1e16}, b: {min: 1e-300, max: 5e-300, q: 1e-301}}\n",
    LEAST "parameters: {a: 'none', b: '', c: '\"', d: \"\\x85\\uFEFF\\uFFFF\", e: ' x ', f: "
          "'\xF0\x9F\x98\x80'}\n",
};

static void sweep_printed(const char *text, struct buf *buf)
{
    struct arena arena;
    struct sweep_spec spec;
    parsed(text, &arena, &spec);
    buf_init(buf, SPEC_FILE_MAX_BYTES * 2);
    assert_int_equal(spec_sweep_print(&spec, buf), OK);
    arena_fini(&arena);
}

/* The printed file says all that the struct holds, so equal prints mean equal specs. */
static void test_print_then_parse_is_a_fixed_point(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct buf once, twice;
        sweep_printed(files[i], &once);
        sweep_printed(buf_text(&once), &twice);
        assert_string_equal(buf_text(&once), buf_text(&twice));
        buf_fini(&once);
        buf_fini(&twice);
    }
}

static void test_print_full_file_is_this_text(void **state)
{
    (void)state;
    static const char want[] =
        "name: digits-mlp\n"
        "project: vision\n"
        "labels: [mlp, \"two words\", \"#3\"]\n"
        "command: [python3, train.py, \"${args}\", \"--id\", \"${trial.id}\"]\n"
        "workdir: {path: \"../a b\", mode: shared, ignore: [], max: 200M}\n"
        "env:\n"
        "  OMP_NUM_THREADS: \"1\"\n"
        "  DIR: \"${trial.dir}/x\"\n"
        "  JSON: \"${args_json}\"\n"
        "metric: {name: val_loss, goal: maximize, target: 0.05, time: epoch, summary: best, "
        "on_nan: worst}\n"
        "parameters:\n"
        "  epochs: 27\n"
        "  lr: {min: 1e-05, max: 0.1, type: float, log: true}\n"
        "  layers: {min: 1, max: 4, type: int, log: false}\n"
        "  width: {min: 32, max: 512, type: int, log: false, q: 32}\n"
        "  batch: {values: [32, 64.0, \"128\", \"none\", null, true, .inf, "
        "\"a\\tb\\u2028\\u007F\\\\\\\"\"]}\n"
        "  aug.mix: \"\"\n"
        "constraints: []\n"
        "baselines: []\n"
        "search: {method: random, seed: 17}\n"
        "schedule: {type: asha, mode: stop, min: 2, max: 54, eta: 4}\n"
        "stop: {trials: 200, failures: 20, wall: 12h}\n"
        "limits: {concurrency: 32, gpus: none, per_node: none}\n"
        "resources:\n"
        "  cpus: 2.5\n"
        "  gpus: 0.25\n"
        "  memory: 1536M\n"
        "  custom: {licence: 1, disk: 0.5}\n"
        "  place: binpack\n"
        "  require: [\"gpu.model in (H100, 'NVIDIA H200')\", \"mount:/mnt/data\"]\n"
        "  prefer: []\n"
        "launch: one\n"
        "queue: {priority: 70}\n"
        "retries: {max: 2, crash_limit: 9, backoff: 10s..5m, node_failures: 3, rules: []}\n"
        "timeouts: {trial: 6h, silent: 30m, start: 5m, grace: 90s, decision: 250ms, rank: 10m}\n"
        "checkpoints: {on: [rung, end], every: none, keep: {trial_last: 3, trial_best: 0, "
        "sweep_best: 2}, store: cluster}\n"
        "logs: {tail: 16K}\n"
        "report: {from: [api, stdout, stderr], stdout: [keras, \"(?P<val_loss>\\\\d+)\"], "
        "stderr: [hf]}\n";
    struct buf text;
    sweep_printed(file_full, &text);
    assert_string_equal(buf_text(&text), want);
    buf_fini(&text);
}

static void test_print_space_is_this_text(void **state)
{
    (void)state;
    static const char want[] =
        "parameters:\n"
        "  policy: {values: [\"none\", ra, ta], probabilities: [0.5, 0.25, 0.25]}\n"
        "  batch: {values: [32, 64], ordered: true}\n"
        "  noise: {distribution: normal, mu: 0.0, sigma: 0.1, type: float}\n"
        "  steps: {distribution: lognormal, mu: 3.0, sigma: 0.5, type: int, q: 10}\n"
        "  wd2: {min: 1e-06, max: 0.01, type: float, log: true, also: [0, \"none\"], "
        "probabilities: [0.5, 0.25, 0.25]}\n"
        "  optimizer:\n"
        "    ordered: false\n"
        "    probabilities: [0.5, 0.25, 0.25]\n"
        "    values:\n"
        "      sgd:\n"
        "        lr: {min: 0.1, max: 1.0, type: float, log: false}\n"
        "        nesterov:\n"
        "          ordered: false\n"
        "          values:\n"
        "            true:\n"
        "              damp: 0.1\n"
        "            false: {}\n"
        "      adamw:\n"
        "        lr: {min: 0.0, max: 0.1, type: float, log: false}\n"
        "      3: {}\n"
        "  augment.mixup: {min: 0.0, max: 0.4, type: float, log: false}\n"
        "  augment.cut.size: 4\n"
        "  stage: {rows: [{res: 160, crop: 128}, {res: 224, crop: \"none\"}], "
        "probabilities: [0.9, 0.1]}\n"
        "constraints: [\"lr < 0.9\", \"not \\\"augment.mixup\\\" > 0.3 or res == 160\"]\n"
        "baselines:\n"
        "  - {optimizer: sgd, lr: 0.5, augment.mixup: 0.1}\n"
        "  - {res: 224}\n";
    struct buf text;
    sweep_printed(file_space, &text);
    const char *have = strstr(buf_text(&text), "parameters:");
    assert_non_null(have);
    char *end = strstr(have, "search: {method: sobol");
    assert_non_null(end);
    *end = '\0';
    assert_string_equal(have, want);
    buf_fini(&text);
}

static void test_print_defaults_are_written_out(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "\nparameters: {}\n",
        "\nconstraints: []\n",
        "\nbaselines: []\n",
        "\nsearch: {method: random, seed: none}\n",
        "\nschedule: {type: none}\n",
        "\nstop: {trials: 1, failures: none, wall: none}\n",
        "\nlimits: {concurrency: none, gpus: none, per_node: none}\n",
        "\n  memory: none\n",
        "\ntimeouts: {trial: none, silent: none, start: none, grace: 1m, decision: 1m, rank: "
        "10m}\n",
        "\nlaunch: one\n",
        "\ncheckpoints: {on: [rung], every: none, keep: {trial_last: 1, trial_best: 1, sweep_best: "
        "none}, store: cluster}\n",
        "\nlogs: {tail: 64K}\n",
    };
    struct buf text;
    sweep_printed(LEAST, &text);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_non_null(strstr(buf_text(&text), lines[i]));
    }
    buf_fini(&text);
}

static void test_print_into_a_small_buffer_is_a_limit(void **state)
{
    (void)state;
    struct arena arena;
    struct sweep_spec spec;
    struct buf text;
    parsed(file_full, &arena, &spec);
    buf_init(&text, 100);
    assert_int_equal(spec_sweep_print(&spec, &text), ERR_LIMIT);
    buf_fini(&text);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_print_then_parse_is_a_fixed_point),
        cmocka_unit_test(test_print_full_file_is_this_text),
        cmocka_unit_test(test_print_space_is_this_text),
        cmocka_unit_test(test_print_defaults_are_written_out),
        cmocka_unit_test(test_print_into_a_small_buffer_is_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
