#!/usr/bin/env python3
"""The scripts of examples/passive, unchanged: every trial's curve is the beginning of what its script prints when it is run alone
with the same parameters, the best trial is the right one, and those that can be stopped early are.

What a script prints is read here by means of its own, not by those of the worker."""
import json
import math
import os
import re
import shutil
import subprocess

from cluster import PYTHON, SOURCE, run

FOLDER = os.path.join(SOURCE, "examples/passive")
WANDB = """
import atexit, json
class Config(dict):
    __getattr__ = dict.__getitem__
class Run:
    def finish(self): pass
def init(project, config):
    global run
    run = Run()
    with open("params.json") as file:
        run.config = Config({**config, **json.load(file)})
    return run
n = 0
def log(values):
    global n
    n += 1
    print(n, repr(values["loss"]))
"""


def text_of(value):
    return str(value)


def alone(arguments, **more):
    """What the script prints, with nothing of muster around it."""
    environment = {"PATH": os.environ["PATH"], **more.pop("env", {})}
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=120, check=True, **more)
    return done.stdout, done.stderr


def with_params_file(cluster, script, params, **options):
    folder = os.path.join(cluster.root, "alone")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "params.json"), "w") as file:
        json.dump(params, file)
    with open(os.path.join(folder, "wandb.py"), "w") as file:
        file.write(WANDB)
    return alone([PYTHON, os.path.join(FOLDER, script)] + options.pop("more", []), cwd=folder, **options)


def mnist(cluster, params):
    out, _ = alone([PYTHON, os.path.join(FOLDER, "mnist.py")] + [f"--{k}={v}" for k, v in params.items()])
    return [(i, float(v)) for i, v in enumerate(re.findall(r"Average loss: ([0-9.]+)", out), 1)]


def nanogpt(cluster, params):
    out, _ = alone([PYTHON, os.path.join(FOLDER, "nanogpt.py")] + [f"--{k}={v}" for k, v in params.items()])
    return [(int(s), float(v)) for s, v in re.findall(r"step (\d+): .* val loss ([0-9.]+)", out)]


def trainer(cluster, params):
    out, _ = with_params_file(cluster, "trainer.py", params, more=["params.json"])
    return [(int(float(s)), float(v)) for v, s in re.findall(r"'eval_loss': ([^,]+), .*'epoch': ([0-9.]+)", out)]


def keras_bars(cluster, params):
    flags = ["--momentum"] if params["momentum"] else []
    out, _ = alone([PYTHON, os.path.join(FOLDER, "keras_bars.py"), "--rate", text_of(params["rate"])] + flags)
    return [(i, float(v)) for i, v in enumerate(re.findall(r"val_loss: (\S+)", out), 1)]


def lightning_bars(cluster, params):
    _, err = alone([PYTHON, os.path.join(FOLDER, "lightning_bars.py")] + [f"{k}={v}" for k, v in params.items()])
    return [(int(s), float(v)) for s, v in re.findall(r"Epoch (\d+): 100%.*?val_loss=([^\]]+)\]", err)]


def neighbours(cluster, params):
    out, _ = alone([PYTHON, os.path.join(FOLDER, "neighbours.py")] + [f"--{k}={v}" for k, v in params.items()])
    return [(1, float(out.split(": ")[1]))]


def descent(cluster, params):
    out, _ = alone(["sh", os.path.join(FOLDER, "descent.sh")], env={"LR": text_of(params["lr"]), "START": text_of(params["start"])})
    return [(int(s), float(v)) for s, v in re.findall(r"epoch=(\d+) loss=(\S+)", out)]


def logs_to_wandb(cluster, params):
    out, _ = with_params_file(cluster, "logs_to_wandb.py", params, env={"PYTHONPATH": os.path.join(cluster.root, "alone")})
    return [(int(line.split()[0]), float(line.split()[1])) for line in out.splitlines()]


def rows(cluster, trial, metric):
    items = json.loads(cluster.http("GET", f"/api/v1/trials/{trial}/metrics")[1])["items"]
    return [(row["step"], float(row["metrics"][metric])) for row in items]


def same(a, b):
    return a == b or (math.isnan(a) and math.isnan(b))


def example(cluster, name, curve_of, metric, is_stoppable=True, is_maximize=False):
    folder = shutil.copytree(FOLDER, os.path.join(cluster.work, "passive"))
    with open(os.path.join(folder, name + ".yaml")) as file:
        assert len(file.readlines()) <= 10
    cluster.up("--cpus", "2")
    number = int(cluster.run("sweep", "run", "-d", os.path.join(folder, name + ".yaml")).stdout)
    cluster.run("sweep", "wait", str(number))
    trials = cluster.trials(number)
    outcomes = [t["outcome"] for t in trials]
    assert set(outcomes) <= {"done", "stopped"} and ("stopped" in outcomes) == is_stoppable, outcomes
    told_of, ends = {}, []
    for trial in trials:
        told, curve = rows(cluster, trial["id"], metric), curve_of(cluster, trial["params"])
        assert told and len(told) <= len(curve), (trial, told, curve)
        assert all(a[0] == b[0] and same(a[1], b[1]) for a, b in zip(told, curve)), (trial, told, curve)
        if trial["outcome"] == "stopped":
            assert len(told) < len(curve), (told, curve)
        told_of[trial["id"]] = told
        if not math.isnan(told[-1][1]):
            ends.append(told[-1][1])
    # The best trial is the best by its values at rungs and at its end; a value between two rungs is not looked at.
    sweep = cluster.sweep_of(number)
    step, value = sweep["best_step"], sweep["best_value"]
    assert (step, value) in told_of[sweep["best"]], (sweep, told_of)
    assert not any(end > value if is_maximize else end < value for end in ends), (sweep, ends)
    print(f"# {name}: {len(trials)} trials, {outcomes.count('stopped')} stopped, best {metric} {value:g}")


def test_example_mnist_argparse(cluster):
    example(cluster, "mnist", mnist, "test_loss")


def test_example_nanogpt_globals(cluster):
    example(cluster, "nanogpt", nanogpt, "val_loss")


def test_example_trainer_config_file(cluster):
    example(cluster, "trainer", trainer, "eval_loss")


def test_example_keras_bars_flags(cluster):
    example(cluster, "keras_bars", keras_bars, "val_loss")


def test_example_lightning_bars_overrides(cluster):
    example(cluster, "lightning_bars", lightning_bars, "val_loss")


def test_example_neighbours_one_figure(cluster):
    example(cluster, "neighbours", neighbours, "Accuracy", is_stoppable=False, is_maximize=True)


def test_example_descent_shell(cluster):
    example(cluster, "descent", descent, "loss")


def test_example_wandb_log_alone(cluster):
    example(cluster, "logs_to_wandb", logs_to_wandb, "loss")


if __name__ == "__main__":
    run(globals())
