#!/usr/bin/env python3
"""Sweep files as W&B's documentation writes them, run as they are: `muster submit FILE` beside a script that takes its parameters as arguments."""
import json
import os

from cluster import run, wait_for
from sweep_verbs_test import ended

# Says what it was given, and reports a loss of it for as long as it may.
TRAIN = """
import argparse, json, sys
import muster

def flat(pairs, prefix=""):
    for name, value in pairs.items():
        if isinstance(value, dict):
            yield from flat(value, prefix + name + ".")
        else:
            yield prefix + name, value

given = {}
for word in sys.argv[1:]:
    if word.startswith("{"):
        given.update(flat(json.loads(word)))
    else:
        name, _, value = word.lstrip("-").partition("=")
        given[name] = value
print("given", json.dumps(given), flush=True)
with muster.trial() as t:
    assert {k: str(v) for k, v in flat(dict(t.params))} == {k: str(v) for k, v in given.items()}, (dict(t.params), given)
    while t.next(until=int(given.get("epochs", 27))):
        quality = sum(float(v) for v in given.values() if str(v).replace(".", "", 1).replace("e-", "", 1).isdigit())
        t.report(loss=1 + quality / t.step, val_loss=2 + quality / t.step, val_accuracy=1 / (2 + quality))
"""

RANDOM = """
program: train.py
method: random
metric:
  goal: minimize
  name: loss
parameters:
  batch_size:
    distribution: q_log_uniform_values
    max: 256
    min: 32
    q: 8
  dropout:
    values: [0.3, 0.4, 0.5]
  epochs:
    value: 1
  fc_layer_size:
    values: [128, 256, 512]
  learning_rate:
    distribution: uniform
    max: 0.1
    min: 0
  optimizer:
    values: ["adam", "sgd"]
"""

BAYES = """
program: train.py
method: bayes
name: sweepdemo
description: a demo of a sweep
metric:
  name: val_loss
  goal: minimize
parameters:
  learning_rate:
    min: 0.0001
    max: 0.1
  batch_size:
    values: [16, 32, 64]
  epochs:
    values: [5, 10, 15]
  optimizer:
    values: ["adam", "sgd"]
run_cap: 5
"""

GRID = """
program: train.py
method: grid
metric:
  name: val_accuracy
  goal: maximize
parameters:
  epochs:
    value: 2
  dropout:
    values: [0.15, 0.2]
  hidden_layer_size:
    values: [96, 128, 148]
"""

NESTED = """
program: train.py
method: random
metric:
  name: loss
  goal: minimize
run_cap: 4
parameters:
  epochs:
    value: 3
  optimizer:
    parameters:
      learning_rate:
        values: [0.01, 0.001]
      momentum:
        value: 0.9
command:
  - ${env}
  - ${interpreter}
  - ${program}
  - ${args_json}
"""

EARLY = """
program: train.py
method: random
metric:
  name: val_loss
  goal: minimize
run_cap: 9
parameters:
  layer_1_size:
    distribution: int_uniform
    min: 1
    max: 100
early_terminate:
  type: hyperband
  s: 2
  eta: 3
  max_iter: 27
command: [python3, "${program}", "${args_no_hyphens}"]
"""


def submitted(cluster, name, text):
    cluster.file("train.py", TRAIN)
    return int(cluster.run("submit", cluster.file(name, text)).stdout)


def printed(cluster, trial):
    return json.loads(cluster.run("trial", "logs", trial, "--stream", "out").stdout.split("given ", 1)[1].splitlines()[0])


def test_wandb_random_file_runs_until_it_is_stopped(cluster):
    cluster.up("--cpus", "2")
    number = submitted(cluster, "random.yaml", RANDOM)
    wait_for("four trials", lambda: cluster.sweep_of(number)["done"] >= 4)
    assert cluster.sweep_of(number)["trials"] == 0, "nothing ends a random search but people"
    cluster.run("sweep", "stop", str(number))
    sweep = ended(cluster, number)
    assert sweep["state"] == "done" and sweep["failed"] == 0 and sweep["best"], sweep
    for trial in cluster.trials(number):
        params = trial["params"]
        assert params["batch_size"] % 8 == 0 and 32 <= params["batch_size"] <= 256, params
        assert 0 <= params["learning_rate"] <= 0.1 and params["fc_layer_size"] in (128, 256, 512) and params["epochs"] == 1, params
        assert printed(cluster, trial["id"]).keys() == params.keys()


def test_wandb_bayes_file_is_searched_by_what_is_there(cluster):
    cluster.up("--cpus", "2")
    number = submitted(cluster, "bayes.yaml", BAYES)
    sweep = ended(cluster, number)
    assert sweep["state"] == "done" and sweep["asked"] == sweep["done"] == 5 and sweep["search"] == "sobol" and sweep["name"] == "sweepdemo", sweep
    assert sorted(trial["step"] for trial in cluster.trials(number)) == sorted(trial["params"]["epochs"] for trial in cluster.trials(number))


def test_wandb_grid_file_tries_each_configuration_once(cluster):
    cluster.up("--cpus", "2")
    number = submitted(cluster, "grid.yaml", GRID)
    sweep = ended(cluster, number)
    pairs = {(trial["params"]["dropout"], trial["params"]["hidden_layer_size"]) for trial in cluster.trials(number)}
    assert sweep["state"] == "done" and sweep["done"] == len(pairs) == 6 and sweep["goal"] == "maximize", (sweep, pairs)
    assert sweep["best_params"]["hidden_layer_size"] == 96, sweep


def test_wandb_nested_parameters_are_nested_in_json(cluster):
    cluster.up("--cpus", "2")
    number = submitted(cluster, "nested.yaml", NESTED)
    assert ended(cluster, number)["done"] == 4
    for trial in cluster.trials(number):
        assert set(printed(cluster, trial["id"])) == {"epochs", "optimizer.learning_rate", "optimizer.momentum"}, trial


def test_wandb_early_terminate_stops_trials_at_its_bands(cluster):
    cluster.up("--cpus", "2")
    number = submitted(cluster, "early.yaml", EARLY)
    sweep = ended(cluster, number)
    steps = sorted(trial["step"] for trial in cluster.trials(number))
    assert sweep["state"] == "done" and sweep["asked"] == 9 and sweep["failed"] == 0 and sweep["stopped"] >= 1, sweep
    assert set(steps) <= {3, 9, 27} and steps[-1] == 27 and steps[0] == 3, steps
    for trial in cluster.trials(number):
        assert trial["outcome"] == ("done" if trial["step"] == 27 else "stopped"), trial


if __name__ == "__main__":
    run(globals())
