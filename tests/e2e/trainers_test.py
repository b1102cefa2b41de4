#!/usr/bin/env python3
"""Trainers in C (libmuster), in Python and in shell against the real agent: what a kill leaves, and what a stop leaves.

All are the trainers of examples/digits, on real data. A trainer's curve is a function of its parameters and seed, so an attempt
that continued from a snapshot has the curve of one that was never broken, to the last bit."""
import glob
import json
import os
import signal

from cluster import DIGITS, PYTHON, SOURCE, Skip, run, wait_for

DATA = os.path.join(SOURCE, "examples/digits/digits.txt")
LANGUAGES = {
    "c": ([DIGITS, DATA], 640),
    "python": ([PYTHON, os.path.join(SOURCE, "examples/digits/digits.py"), DATA], 192),
    "shell": (["/bin/sh", os.path.join(SOURCE, "examples/digits/digits.sh"), DATA], 64),  # it has no width
}
BYE = {"c": "done", "python": "done", "shell": None}  # the shell leaves with its exit code
EPOCHS = 9

SWEEP = """
name: NAME
command: COMMAND
metric: {name: val_loss, goal: minimize}
parameters:
  epochs: EPOCHS
  width: WIDTH
  layers: 2
  batch: 16
  lr: {min: 0.001, max: 0.02, log: true}
search: {method: random, seed: 11}
schedule: SCHEDULE
stop: {trials: TRIALS}
retries: {max: 3, backoff: 0.1s}
checkpoints: {on: [rung, end]}
"""


def sweep_of(language, schedule="{type: asha, min: 1, max: 9, eta: 3}", trials=1, epochs=EPOCHS):
    command, width = LANGUAGES[language]
    return (SWEEP.replace("NAME", language).replace("COMMAND", json.dumps(command)).replace("EPOCHS", str(epochs))
            .replace("WIDTH", str(width)).replace("SCHEDULE", schedule).replace("TRIALS", str(trials)))


def need(language):
    if language == "python" and os.system(f"{PYTHON} -c 'import numpy' 2>/dev/null") != 0:
        raise Skip("Debian's python3-numpy is not installed")


def manifests(cluster, trial):
    """What the node's disk has of a trial, oldest first."""
    found = []
    for path in glob.glob(os.path.join(cluster.state, "nodes/*/snapshots", trial, "*/manifest.json")):
        try:
            with open(path) as file:
                found.append(json.load(file))
        except (OSError, ValueError):
            pass  # the head dropped it meanwhile
    return sorted(found, key=lambda m: m["ordinal"])


def rows(cluster, trial):
    """{attempt: [(step, val_loss)]}"""
    found = {}
    for row in json.loads(cluster.http("GET", f"/api/v1/trials/{trial}/metrics")[1])["items"]:
        found.setdefault(row["attempt"], []).append((row["step"], row["metrics"]["val_loss"]))
    return found


def attempt_words(cluster, trial):
    return json.loads(cluster.http("GET", f"/api/v1/trials/{trial}/attempts")[1])["items"]


def killed_goes_on(cluster, language):
    need(language)
    cluster.up("--cpus", "1")
    unbroken = cluster.sweep(sweep_of(language))
    cluster.run("sweep", "wait", str(unbroken))
    curve = rows(cluster, f"{unbroken}.1")[0]
    assert [step for step, _ in curve] == list(range(1, EPOCHS + 1)), curve

    number = cluster.sweep(sweep_of(language))
    trial = f"{number}.1"
    wait_for("a snapshot", lambda: manifests(cluster, trial))
    pid = wait_for("the trainer", lambda: next((p for p, t in cluster.attempts().items() if t == trial), None))
    os.kill(pid, signal.SIGKILL)
    at = manifests(cluster, trial)[-1]["step"]
    cluster.run("sweep", "wait", str(number))

    told = cluster.trials(number)[0]
    assert (told["state"], told["outcome"], told["attempts"], told["failures"]) == ("ended", "done", 2, 1), told
    by_attempt = {0: [], **rows(cluster, trial)}  # it may have died between its first snapshot and its first report
    assert at >= 1 and by_attempt[0] == curve[: len(by_attempt[0])] and len(by_attempt[0]) < EPOCHS, (at, by_attempt)
    # From the snapshot's step on, with its weights, optimizer and random numbers.
    assert by_attempt[1] == curve[at:], (at, by_attempt, curve)
    assert told["checkpoint_step"] in (1, 3, EPOCHS), told
    assert manifests(cluster, trial)[-1]["step"] == EPOCHS, manifests(cluster, trial)
    evidence = attempt_words(cluster, trial)
    assert [(a["attempt"], a["signal"], a["bye"] or None) for a in evidence] == [(0, 9, None), (1, 0, BYE[language])], evidence


def test_trainer_in_c_killed_goes_on_from_its_snapshot(cluster):
    killed_goes_on(cluster, "c")


def test_trainer_in_python_killed_goes_on_from_its_snapshot(cluster):
    killed_goes_on(cluster, "python")


def test_trainer_in_shell_killed_goes_on_from_its_snapshot(cluster):
    killed_goes_on(cluster, "shell")


def stopped_keeps_its_last(cluster, language):
    """Early stopping, at a rung: the snapshot of that rung is there, whole."""
    need(language)
    cluster.up("--cpus", "2")
    number = cluster.sweep(sweep_of(language, trials=6))
    cluster.run("sweep", "wait", str(number))
    trials = cluster.trials(number)
    stopped = [t for t in trials if t["outcome"] == "stopped"]
    assert stopped, [t["outcome"] for t in trials]
    for trial in trials:
        assert trial["attempts"] == 1 and trial["outcome"] in ("done", "stopped"), trial
        kept = manifests(cluster, trial["id"])
        assert kept and kept[-1]["step"] == trial["step"], (trial, kept)
        # A stop that comes with the answer of a milestone finds its snapshot made already: one a rung, no second one.
        assert kept[-1]["ordinal"] == {1: 1, 3: 2, 9: 3}[trial["step"]], (trial, kept)
        assert trial["checkpoint"] and os.path.isdir(trial["checkpoint"]), trial
        assert rows(cluster, trial["id"])[0][-1][0] == trial["step"]
        assert attempt_words(cluster, trial["id"])[0]["bye"] == (BYE[language] or "")


def test_trainer_in_c_stopped_at_a_rung_keeps_its_last_snapshot(cluster):
    stopped_keeps_its_last(cluster, "c")


def test_trainer_in_shell_stopped_at_a_rung_keeps_its_last_snapshot(cluster):
    stopped_keeps_its_last(cluster, "shell")


def test_trainer_in_python_stopped_at_a_rung_keeps_its_last_snapshot(cluster):
    stopped_keeps_its_last(cluster, "python")


def paused_goes_on(cluster, language, epochs):
    """Paused by its owner and resumed: two attempts, no step lost or done twice, and the curve of one that was left alone."""
    need(language)
    cluster.up("--cpus", "1")
    unbroken = cluster.sweep(sweep_of(language, schedule="{type: none}", epochs=epochs))
    cluster.run("sweep", "wait", str(unbroken))
    curve = rows(cluster, f"{unbroken}.1")[0]
    assert [step for step, _ in curve] == list(range(1, epochs + 1)), curve

    number = cluster.sweep(sweep_of(language, schedule="{type: none}", epochs=epochs))
    trial = f"{number}.1"
    wait_for("a step", lambda: cluster.trials(number)[0]["last"])
    cluster.run("trial", "pause", trial)
    wait_for("the pause", lambda: cluster.trials(number)[0]["state"] == "held")
    at = manifests(cluster, trial)[-1]["step"]
    cluster.run("trial", "resume", trial)
    cluster.run("sweep", "wait", str(number))

    told = cluster.trials(number)[0]
    assert (told["state"], told["outcome"], told["attempts"], told["failures"]) == ("ended", "done", 2, 0), told
    by_attempt = rows(cluster, trial)
    assert 1 <= at < epochs and by_attempt == {0: curve[:at], 1: curve[at:]}, (at, by_attempt, curve)
    assert [a["bye"] or None for a in attempt_words(cluster, trial)] == [BYE[language] and "paused", BYE[language]], attempt_words(cluster, trial)


def test_trainer_in_c_paused_and_resumed_loses_no_step(cluster):
    paused_goes_on(cluster, "c", 60)


def test_trainer_in_python_paused_and_resumed_loses_no_step(cluster):
    paused_goes_on(cluster, "python", 27)


def test_trainer_in_shell_paused_and_resumed_loses_no_step(cluster):
    paused_goes_on(cluster, "shell", 12)


def cancelled_saves(cluster, language):
    """Between milestones: the answer says stop and checkpoint, and the trainer saves what it has before it leaves."""
    need(language)
    cluster.up("--cpus", "1")
    number = cluster.sweep(sweep_of(language, schedule="{type: none}", epochs=100000))
    trial = f"{number}.1"
    wait_for("three reports", lambda: cluster.trials(number)[0]["step"] >= 3)
    cluster.run("sweep", "cancel", str(number), "--grace", "60s")
    cluster.run("sweep", "wait", str(number), code=6)
    told = cluster.trials(number)[0]
    assert (told["outcome"], told["attempts"], told["signal"]) == ("cancelled", 1, 0), told
    kept = manifests(cluster, trial)
    assert [m["step"] for m in kept] == [told["step"]] and told["checkpoint_step"] == told["step"], (told, kept)


def test_trainer_in_c_cancelled_saves_before_it_leaves(cluster):
    cancelled_saves(cluster, "c")


def test_trainer_in_python_cancelled_saves_before_it_leaves(cluster):
    cancelled_saves(cluster, "python")


if __name__ == "__main__":
    run(globals())
