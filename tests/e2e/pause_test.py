#!/usr/bin/env python3
"""Trials that save, leave, wait and go on, at people's word and by a schedule, while heads, workers and trainers are killed."""
import contextlib
import os
import re
import signal

from cluster import BUILD, PYTHON, SOURCE, run, wait_for
from first_light_test import steady
from sweep_verbs_test import ended, get, head_killed, post, submit

TOY = os.path.join(SOURCE, "examples/toy/toy.py")
TOY_C = os.path.join(BUILD, "examples/toy/toy")


def toy(command, population=2, steps=40, step_ms=5, more=""):
    """Population-based training of the toy: its members report q, h0 and h1 at each step."""
    return f"""
name: toy
command: {command}
metric: {{name: q, goal: maximize}}
parameters:
  h0: {{min: 0.0, max: 1.0}}
  h1: {{min: 0.0, max: 1.0}}
  steps: {steps}
  lr: 0.05
  step_ms: {step_ms}
baselines: [{{h0: 1.0, h1: 0.0}}, {{h0: 0.0, h1: 1.0}}]
search: {{method: random, seed: 3}}
schedule: {{type: pbt, max: {steps}}}
pbt: {{population: {population}, interval: 4, quantile: 0.5, mutate: [h0, h1]}}
retries: {{max: 5, backoff: 10ms..50ms}}
{more}"""


def states(cluster, number):
    return sorted(trial["state"] for trial in cluster.trials(number))


def steps_of(cluster, trial):
    return [row["step"] for row in cluster.json("trial", "metrics", trial)["items"]]


def test_paused_sweep_saves_leaves_and_goes_on_where_it_was(cluster):
    cluster.up("--cpus", "2")
    number = submit(cluster, steady(pause=0.2, trials=2).replace("schedule: {type: asha, min: 1, max: 9, eta: 3}", "schedule: {type: none}"))
    wait_for("reports", lambda: all(trial["step"] and trial["step"] >= 2 for trial in cluster.trials(number)) and len(cluster.trials(number)) == 2)
    post(cluster, f"sweeps/{number}/pause")
    wait_for("all to be held", lambda: states(cluster, number) == ["held", "held"])
    assert not cluster.attempts(), "a held trial has no process"
    assert cluster.json("top")["nodes"][0]["running"] == 0
    head_killed(cluster)
    assert states(cluster, number) == ["held", "held"]
    post(cluster, f"sweeps/{number}/resume")
    sweep = ended(cluster, number)
    assert sweep["state"] == "done" and sweep["done"] == 2 and sweep["failed"] == 0, sweep
    for index in (1, 2):
        steps = steps_of(cluster, f"{number}.{index}")
        assert steps == list(range(1, 10)), f"each step once, in two attempts: {steps}"
        assert len(get(cluster, f"trials/{number}.{index}/attempts")["items"]) == 2


def test_trial_is_paused_alone_and_resumed_twice_does_no_harm(cluster):
    cluster.up("--cpus", "2")
    number = submit(cluster, steady(pause=0.2, trials=2).replace("schedule: {type: asha, min: 1, max: 9, eta: 3}", "schedule: {type: none}"))
    wait_for("reports", lambda: all(trial["step"] and trial["step"] >= 1 for trial in cluster.trials(number)) and len(cluster.trials(number)) == 2)
    cluster.run("trial", "pause", f"{number}.1")
    wait_for("one to be held", lambda: cluster.trials(number)[0]["state"] == "held")
    cluster.run("trial", "pause", f"{number}.1")
    wait_for("the other to end", lambda: cluster.trials(number)[1]["state"] == "ended")
    assert cluster.trials(number)[0]["state"] == "held" and cluster.sweep_of(number)["state"] == "running"
    cluster.run("trial", "resume", f"{number}.1")
    cluster.run("trial", "resume", f"{number}.1")
    assert ended(cluster, number)["done"] == 2
    assert steps_of(cluster, f"{number}.1") == list(range(1, 10))
    assert "only what is paused can be resumed" in cluster.run("trial", "resume", f"{number}.1", code=1).stderr


def test_trainer_that_cannot_save_is_not_paused(cluster):
    cluster.up("--cpus", "1")
    text = f"command: [sh, -c, 'muster report --step 1 loss=1; sleep 3; muster report --step 2 loss=0.5']\nmetric: {{name: loss}}\nstop: {{trials: 1}}\n"
    number = submit(cluster, text)
    wait_for("a report", lambda: cluster.trials(number) and cluster.trials(number)[0]["step"] == 1)
    assert "has not said that it can save" in cluster.run("trial", "pause", f"{number}.1", code=1).stderr
    post(cluster, f"sweeps/{number}/pause")
    wait_for("its end", lambda: cluster.trials(number)[0]["state"] == "ended", 20)
    assert cluster.trials(number)[0]["outcome"] == "done"


def held_by_schedule(cluster, number):
    return [trial for trial in cluster.trials(number) if trial["state"] == "held"]


def test_promoting_asha_pauses_at_rungs_and_the_best_go_on(cluster):
    cluster.up("--cpus", "2")
    number = submit(cluster, steady(pause=0.02, trials=9).replace("type: asha,", "type: asha, mode: promote,"))
    wait_for("held trials", lambda: held_by_schedule(cluster, number))
    for role in ("head", "worker"):
        cluster.kill(role)
        wait_for("an answer", lambda: can_ask(cluster, number), 30)
    sweep = ended(cluster, number, 90)
    trials = cluster.trials(number)
    assert sweep["state"] == "done" and len(trials) == 9 and sweep["failed"] == 0, sweep
    last = sorted(trial["step"] for trial in trials)
    assert last.count(9) >= 1 and set(last) <= {1, 3, 9}, last
    best = min(trials, key=lambda trial: abs(trial["params"]["x"] - 0.3))
    assert best["step"] == 9, (best, last)
    steps = {trial["id"]: steps_of(cluster, trial["id"]) for trial in trials}
    again = [trial for trial in trials if len(steps[trial["id"]]) > len(set(steps[trial["id"]]))]
    assert len(again) <= 2 and all(trial["attempts"] > 1 for trial in again), (again, steps)  # those that ran when the worker was killed


def population_check(cluster, number, steps):
    trials = cluster.trials(number)
    for trial in trials:
        assert trial["outcome"] == "done" and trial["step"] == steps, trial
    rows = [row for trial in trials for row in cluster.json("trial", "metrics", trial["id"])["items"]]
    moved = [row for row in rows if row["metrics"]["h0"] not in (0, 1) or row["metrics"]["h1"] not in (0, 1)]
    assert moved, "nobody took over another one's weights"
    return max(row["metrics"]["q"] for row in rows)


def population_run(cluster, text, steps, q=0.0):
    """A sweep that comes to more than q. When two members meet is chance: if they are never seen apart nobody takes over, and who takes over late
    gets no further than alone. Then once more, and once again."""
    for _ in range(3):
        number = submit(cluster, text)
        assert ended(cluster, number)["state"] == "done"
        if len(cluster.json("sweep", "show", str(number), "--lineage")["items"]) > 2 and population_check(cluster, number, steps) > q:
            return number
    raise AssertionError(f"none of three populations came to more than {q}")


def test_lineage_tells_who_copied_whom_and_the_schedule_leads_to_the_best(cluster):
    cluster.up("--cpus", "2")
    number = population_run(cluster, toy(f"[{TOY_C}]", steps=40, step_ms=20), 40)
    changes = cluster.json("sweep", "show", str(number), "--lineage")["items"]
    assert [change["from"] for change in changes[:2]] == [None, None] and len(changes) > 2, changes
    for change in changes[2:]:
        assert {change["trial"], change["from"]} == {f"{number}.1", f"{number}.2"} and change["from_step"] % 4 == 0, change
    for trial in cluster.trials(number):
        last = [change for change in changes if change["trial"] == trial["id"]][-1]
        assert last["params"] == trial["params"], (last, trial)
    schedule = cluster.json("sweep", "export", str(number), "--schedule")["items"]
    steps = [change["from_step"] for change in schedule]
    assert steps == sorted(steps) and schedule[0]["from"] is None, schedule
    assert schedule[-1]["trial"] == cluster.sweep_of(number)["best"]
    lines = cluster.run("sweep", "export", str(number), "--schedule").stdout.splitlines()
    assert len(lines) == len(schedule) + 1 and "params.h0" in lines[0], lines
    assert "no such sweep" in cluster.run("sweep", "show", "99", "--lineage", code=3).stderr


def test_population_exploits_in_place_without_a_new_start(cluster):
    cluster.up("--cpus", "2")
    for command in (f"[{TOY_C}]", f"[{PYTHON}, {TOY}]"):
        number = population_run(cluster, toy(command, steps=60, step_ms=20), 60, 0.4)  # alone: 0.39
        assert all(trial["attempts"] == 1 for trial in cluster.trials(number)), cluster.trials(number)


def test_population_exploits_by_a_new_start_where_the_trainer_cannot_otherwise(cluster):
    cluster.up("--cpus", "2")
    number = submit(cluster, toy(f"[{PYTHON}, {TOY}, --no-exploit]", steps=60, step_ms=30))
    sweep = ended(cluster, number)
    assert sweep["state"] == "done" and sweep["failed"] == 0
    trials = cluster.trials(number)
    assert sum(trial["attempts"] for trial in trials) > 2 and all(trial["failures"] == 0 for trial in trials if "failures" in trial)
    population_check(cluster, number, 60)  # how good it gets hangs on how long a start takes


def test_population_larger_than_its_slots_takes_turns_under_kills(cluster):
    cluster.up("--cpus", "2")
    number = submit(cluster, toy(f"[{TOY_C}]", population=6, steps=40, step_ms=20))
    for role in ("head", "worker", "head", "redis"):
        asked = cluster.sweep_of(number)
        wait_for("some progress", lambda: sum(trial["step"] or 0 for trial in cluster.trials(number)) > 0)
        cluster.kill(role)
        wait_for("an answer", lambda: can_ask(cluster, number), 30)
        assert asked["state"] == "running"
    for pid in list(cluster.attempts())[:1]:
        with contextlib.suppress(ProcessLookupError):  # it may have left by itself
            os.kill(pid, signal.SIGKILL)
    sweep = ended(cluster, number, 120)
    assert sweep["state"] == "done" and sweep["failed"] == 0, sweep
    assert population_check(cluster, number, 40) > 0.4
    snapshots = os.listdir(os.path.join(cluster.state, "nodes/local/snapshots"))
    assert all(re.fullmatch(rf"{number}\.[1-6]", name) for name in snapshots), snapshots
    for name in snapshots:
        kept = os.listdir(os.path.join(cluster.state, "nodes/local/snapshots", name))
        assert len(kept) <= 3, f"{name} keeps {kept}: its last, its best, and at most one that another goes on from"


def can_ask(cluster, number):
    try:
        return cluster.http("GET", f"/api/v1/sweeps/{number}")[0] == 200
    except OSError:
        return False


if __name__ == "__main__":
    run(globals())
