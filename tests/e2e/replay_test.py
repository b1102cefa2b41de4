#!/usr/bin/env python3
"""One trial on the schedule that a population found: what `sweep export --schedule` wrote is what it trains with, step by step."""
import csv
import json
import os

from cluster import BUILD, PYTHON, SOURCE, run, wait_for
from pause_test import TOY, TOY_C, steps_of, toy
from sweep_verbs_test import ended, head_killed

DIGITS = os.path.join(BUILD, "examples/digits/digits")
DIGITS_TEXT = os.path.join(SOURCE, "examples/digits/digits.txt")

RECORDED = "time,trial,from,from_step,params.h0,params.h1,params.steps,params.lr,params.step_ms\n"


def recording(cluster, name, changes, steps=24, step_ms=5):
    """A csv as an export writes it, of [(step or None, h0, h1)]."""
    rows = "".join(f"2026-01-01T00:00:00Z,1.1,{'' if step is None else '1.2'},{'' if step is None else step},{h0},{h1},{steps},0.05,{step_ms}\n"
                   for step, h0, h1 in changes)
    return cluster.file(name, RECORDED + rows)


def replay(command, name, steps=24, step_ms=5):
    return f"""
command: {command}
workdir: {{mode: shared}}
metric: {{name: q, goal: maximize}}
parameters:
  h0: {{min: 0.0, max: 1.0}}
  h1: {{min: 0.0, max: 1.0}}
  steps: {steps}
  lr: 0.05
  step_ms: {step_ms}
schedule: {{type: replay, from: {name}, max: {steps}}}
retries: {{max: 5, backoff: 10ms..50ms}}
"""


def trained(cluster, number):
    """{step: (h0, h1)} as the trainer itself said."""
    rows = cluster.json("trial", "metrics", f"{number}.1")["items"]
    return {row["step"]: (row["metrics"]["h0"], row["metrics"]["h1"]) for row in rows}


CHANGES = [(None, 1.0, 0.0), (5, 0.25, 0.75), (6, 0.5, 0.5), (17, 0.0, 1.0)]


def wanted(steps):
    """A change at step s holds from the training of step s + 1 on."""
    return {step: [(h0, h1) for at, h0, h1 in CHANGES if (at or 0) < step][-1] for step in range(1, steps + 1)}


def test_replayed_trial_trains_with_the_recorded_parameters_at_every_step(cluster):
    cluster.up("--cpus", "2")
    recording(cluster, "best.csv", CHANGES)
    for command, attempts in ((f"[{TOY_C}]", 1), (f"[{PYTHON}, {TOY}]", 1), (f"[{PYTHON}, {TOY}, --no-exploit]", len(CHANGES))):
        number = cluster.sweep(replay(command, "best.csv"))
        sweep = ended(cluster, number)
        assert sweep["state"] == "done" and sweep["done"] == 1 and sweep["asked"] == 1, sweep
        assert trained(cluster, number) == wanted(24), (command, trained(cluster, number))
        trial = cluster.trials(number)[0]
        assert trial["attempts"] == attempts and trial["step"] == 24, (command, trial)
        lineage = cluster.json("sweep", "show", str(number), "--lineage")["items"]
        assert [(row["from_step"], row["params"]["h0"], row["params"]["h1"]) for row in lineage] == [(at or 0, h0, h1) for at, h0, h1 in CHANGES], lineage


def test_replay_of_a_replay_is_the_same_schedule_after_a_kill(cluster):
    cluster.up("--cpus", "1")
    recording(cluster, "best.csv", CHANGES, step_ms=40)
    number = cluster.sweep(replay(f"[{TOY_C}]", "best.csv", step_ms=40))
    wait_for("a change", lambda: cluster.trials(number) and (cluster.trials(number)[0]["step"] or 0) >= 7)
    head_killed(cluster)
    cluster.kill("worker")
    assert ended(cluster, number)["done"] == 1
    assert trained(cluster, number) == wanted(24)
    cluster.run("sweep", "export", str(number), "--schedule", "-o", "json", "--file", os.path.join(cluster.work, "again.json"))
    number = cluster.sweep(replay(f"[{TOY_C}]", "again.json", step_ms=40))
    assert ended(cluster, number)["done"] == 1
    assert trained(cluster, number) == wanted(24)


def test_schedule_of_a_digits_population_is_replayed(cluster):
    cluster.up("--cpus", "2")
    space = f"""
command: [{DIGITS}, {DIGITS_TEXT}]
workdir: {{mode: shared}}
metric: {{name: val_loss, goal: minimize}}
parameters:
  epochs: 12
  optimizer: sgd
  lr: {{min: 1e-4, max: 1e-1, log: true}}
  momentum: {{min: 0.5, max: 0.95}}
  wd: 1e-5
  layers: 1
  width: 16
  batch: 32
search: {{method: random, seed: 5}}
"""
    number = cluster.sweep(space + "schedule: {type: pbt, max: 12}\npbt: {population: 4, interval: 2, quantile: 0.5, mutate: [lr, momentum]}\n")
    assert ended(cluster, number, 120)["state"] == "done"
    path = os.path.join(cluster.work, "best.csv")
    cluster.run("sweep", "export", str(number), "--schedule", "--file", path)
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    want = {int(row["from_step"] or 0): (float(row["params.lr"]), float(row["params.momentum"])) for row in rows}
    again = cluster.sweep(space + "schedule: {type: replay, from: best.csv, max: 12}\n")
    assert ended(cluster, again, 120)["state"] == "done"
    lineage = cluster.json("sweep", "show", str(again), "--lineage")["items"]
    assert {row["from_step"] or 0: (row["params"]["lr"], row["params"]["momentum"]) for row in lineage} == want, (lineage, rows)
    assert steps_of(cluster, f"{again}.1") == list(range(1, 13))


def test_replay_of_a_trainer_that_cannot_save_stops_and_says_why(cluster):
    cluster.up("--cpus", "1")
    cluster.file("best.csv", "from_step,params.x\n,1\n2,2\n")
    text = "command: [sh, -c, 'for s in 1 2 3; do muster report --step $s loss=1 || exit 0; done']\nworkdir: {mode: shared}\nmetric: {name: loss}\nparameters: {x: {min: 0, max: 9}}\nschedule: {type: replay, from: best.csv}\n"
    number = cluster.sweep(text)
    ended(cluster, number)
    trial = cluster.trials(number)[0]
    assert trial["outcome"] == "stopped" and trial["why"] == "snapshot" and trial["step"] == 2, trial


def test_wrong_recordings_are_one_clear_error(cluster):
    recording(cluster, "best.csv", CHANGES)
    cluster.file("steps.csv", "from_step,params.hh\n,1\n")
    cases = (
        (replay("[true]", "none.csv"), "schedule.from: " + cluster.work + "/none.csv cannot be read: No such file or directory"),
        (replay("[true]", "steps.csv"), "there is no parameter 'hh' in " + cluster.work + "/steps.csv"),
        (replay("[true]", "best.csv", steps=17), "step 17 is not below `schedule.max`, 17: the trial would end before it in " + cluster.work + "/best.csv"),
        (replay("[true]", "best.csv").replace("lr: 0.05", "lr: 0.06"), "the recorded schedule's 0.05 lies outside of parameter `lr` in " + cluster.work + "/best.csv"),
    )
    for text, message in cases:
        path = cluster.file("sweep.yaml", text)
        error = cluster.run("check", path, code=2).stderr
        assert message in error and error.count("\n") == 1, (message, error)
    printed = cluster.run("check", cluster.file("sweep.yaml", replay("[true]", "best.csv")), "--print").stdout
    assert "{step: 17, params: {h0: 0.0, h1: 1.0" in printed, printed
    cluster.up("--cpus", "1")
    status, body = cluster.http("POST", "/api/v1/sweeps", json.dumps({"file": replay("[true]", "best.csv"), "workdir": cluster.work}).encode(), {"Content-Type": "application/json"})
    assert status == 400 and "best.csv was not read" in body, (status, body)


if __name__ == "__main__":
    run(globals())
