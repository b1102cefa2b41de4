/* Good sweep files that several tests share: each field set away from its default at least once. */
#ifndef MUSTER_TEST_SPEC_FILES_H
#define MUSTER_TEST_SPEC_FILES_H

static const char file_full[] =
    "name: digits-mlp\n"
    "project: vision\n"
    "labels: [mlp, \"two words\", '#3']\n"
    "command: [python3, train.py, \"${args}\", --id, \"${trial.id}\"]\n"
    "workdir: {path: \"../a b\", mode: shared}\n"
    "env: {OMP_NUM_THREADS: \"1\", DIR: \"${trial.dir}/x\", JSON: \"${args_json}\"}\n"
    "metric: {name: val_loss, goal: maximize, target: 0.05, time: epoch}\n"
    "parameters:\n"
    "  epochs: 27\n"
    "  lr:     {min: 1e-5, max: 1e-1, log: true}\n"
    "  layers: {min: 1, max: 4}\n"
    "  width:  {min: 32, max: 512, q: 32}\n"
    "  batch:  {values: [32, 64.0, \"128\", none, null, true, .inf, "
    "\"a\\tb\\u2028\\x7f\\\\\\\"\"]}\n"
    "  aug.mix: {value: \"\"}\n"
    "search:   {method: random, seed: 17}\n"
    "schedule: {type: asha, mode: stop, min: 2, max: 54, eta: 4}\n"
    "stop:     {trials: 200, failures: 20, wall: 12h}\n"
    "limits:   {concurrency: 32}\n"
    "resources: {cpus: 2.5, gpus: 0.25, memory: 1536M, custom: {licence: 1, disk: 0.5},\n"
    "            require: [\"gpu.model in (H100, 'NVIDIA H200')\", \"mount:/mnt/data\"]}\n"
    "queue:    {priority: 70}\n"
    "retries:  {max: 2, crash_limit: 9, backoff: 10s..5m}\n"
    "checkpoints: {on: [end, rung], keep: {trial_last: 3, trial_best: 0, sweep_best: 2}}\n"
    "timeouts: {trial: 6h, silent: 30m, grace: 90, start: 5m, decision: 250ms}\n"
    "logs:     {tail: 16K}\n"
    "report:   {from: [stderr, stdout], stdout: [keras, \"(?P<val_loss>\\\\d+)\"], stderr: hf}\n";

/* Every form of a parameter, constraints and baselines. */
static const char file_space[] =
    "command: x\n"
    "metric: {name: loss}\n"
    "stop: {trials: 1}\n"
    "search: {method: sobol}\n"
    "constraints: [lr < 0.9, 'not \"augment.mixup\" > 0.3 or res == 160']\n"
    "baselines: [{optimizer: sgd, lr: 0.5, augment: {mixup: 0.1}}, {res: 224}]\n"
    "parameters:\n"
    "  policy: {values: [none, ra, ta], probabilities: [0.5, 0.25, 0.25]}\n"
    "  batch: {values: [32, 64], ordered: true}\n"
    "  noise: {distribution: normal, mu: 0, sigma: 0.1}\n"
    "  steps: {distribution: q_lognormal, mu: 3, sigma: 0.5, q: 10}\n"
    "  wd2: {min: 1e-6, max: 1e-2, log: true, also: [0, none], probabilities: [0.5, 0.25, 0.25]}\n"
    "  optimizer:\n"
    "    probabilities: [0.5, 0.25, 0.25]\n"
    "    values:\n"
    "      sgd:\n"
    "        lr: {min: 0.1, max: 1.0}\n"
    "        nesterov: {values: {true: {damp: 0.1}, false: }}\n"
    "      adamw: {lr: {min: 0.0, max: 0.1}}\n"
    "      3: {}\n"
    "  augment: {parameters: {mixup: {min: 0.0, max: 0.4}, cut: {parameters: {size: 4}}}}\n"
    "  stage: {rows: [{res: 160, crop: 128}, {crop: none, res: 224}], probabilities: [0.9, 0.1]}\n";

static const char file_json[] =
    "{\"command\":\"exec x ${args}\",\"metric\":{\"name\":\"l\\/\\u00e9\",\"target\":1},"
    "\"parameters\":{\"a\":{\"values\":[1,2.5,\"x\",true,null]},\"b\":{\"min\":0,\"max\":1.0}},"
    "\"checkpoints\":{\"on\":[]},\"retries\":{\"backoff\":0}}";

static const char file_text[] = "command: |\n"
                                "  set -e\n"
                                "  exec ./train --lr ${lr} $${HOME}\n"
                                "metric: {name: loss}\n"
                                "parameters: {lr: {min: -2, max: -1, type: float}}\n"
                                "stop: {wall: 90s}\n"
                                "env: {}\n"
                                "labels: []\n";

#endif
