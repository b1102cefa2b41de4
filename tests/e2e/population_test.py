#!/usr/bin/env python3
"""Population-based training against random search on the digits trainer, at equal budget: the same number of members, each trained for
as many epochs; by what the networks come to at the end, as in Jaderberg et al. 2017, and (printed only) by the best of all epochs. With
MUSTER_TEST_LONG=1 over 20 seeds (some minutes); it prints each seed's figures, median and interval."""
import json
import os
import random
import shutil
import statistics

from cluster import DIGITS, SOURCE, Cluster, Skip, run, wait_for

SEEDS = int(os.environ.get("MUSTER_TEST_SEEDS", "20"))
MEMBERS, EPOCHS = 8, 40
SWEEP = """
name: NAME
command: [DIGITS, DATA]
workdir: {mode: shared}
metric: {name: val_loss, goal: minimize, summary: last}
parameters:
  epochs: EPOCHS
  optimizer: sgd
  lr: {min: 1e-4, max: 1e-1, log: true}
  momentum: {min: 0.5, max: 0.95}
  wd: {min: 1e-6, max: 1e-2, log: true}
  layers: 2
  width: 64
  batch: 32
search: {method: random, seed: SEED}
stop: {trials: MEMBERS}
resources: {cpus: 1}
"""
POPULATION = """
schedule: {type: pbt, max: EPOCHS}
pbt: {population: MEMBERS, interval: 2, quantile: 0.25, resample: 0.25, factors: [0.8, 1.2], mutate: [lr, momentum, wd]}
checkpoints: {on: [rung]}
"""


def file_of(name, seed, more):
    text = SWEEP + more
    for word, value in (("NAME", name), ("SEED", seed), ("MEMBERS", MEMBERS), ("EPOCHS", EPOCHS), ("DIGITS", DIGITS),
                        ("DATA", os.path.join(SOURCE, "examples/digits/digits.txt"))):
        text = text.replace(word, str(value))
    return text


def interval(differences, repeats=10000):
    """95 % of the median, by bootstrap; of a fixed seed, so that equal figures give equal intervals."""
    draw = random.Random(1)
    medians = sorted(statistics.median(draw.choices(differences, k=len(differences))) for _ in range(repeats))
    return medians[int(0.025 * repeats)], medians[int(0.975 * repeats)]


def summed_up(what, differences):
    low, high = interval(differences)
    wins, losses = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    print(f"   {what}: val_loss of random less that of pbt: median {statistics.median(differences):.4f}, 95 % {low:.4f} to {high:.4f}; "
          f"pbt better in {wins} of {len(differences)}, worse in {losses}", flush=True)
    return low


def best_of_all_epochs(cluster, number):
    losses = []
    for trial in cluster.trials(number):
        rows = json.loads(cluster.http("GET", f"/api/v1/trials/{trial['id']}/metrics")[1])["items"]
        losses += [row["metrics"]["val_loss"] for row in rows]
    return min(losses)


def test_pbt_on_digits_beats_random_search_at_equal_budget(cluster):
    if os.environ.get("MUSTER_TEST_LONG") != "1":
        raise Skip(f"{2 * SEEDS} sweeps of {MEMBERS} trials; only with MUSTER_TEST_LONG=1")
    cluster.up("--cpus", "2")
    numbers = {}
    for seed in range(1, SEEDS + 1):
        for name, more in (("random", ""), ("pbt", POPULATION)):
            numbers[name, seed] = cluster.sweep(file_of(name, seed, more), f"{name}-{seed}.yaml")
    wait_for("all sweeps to end", lambda: all(cluster.sweep_of(n)["state"] in ("done", "failed") for n in numbers.values()), 3600)
    at_end, anywhere = [], []
    for seed in range(1, SEEDS + 1):
        last, best = {}, {}
        for name in ("random", "pbt"):
            sweep = cluster.sweep_of(numbers[name, seed])
            assert sweep["state"] == "done", sweep
            last[name] = sweep["best_value"]
            best[name] = best_of_all_epochs(cluster, numbers[name, seed])
        at_end.append(last["random"] - last["pbt"])
        anywhere.append(best["random"] - best["pbt"])
        print(f"   seed {seed}: at the end random {last['random']:.4f}, pbt {last['pbt']:.4f}; "
              f"of all epochs {best['random']:.4f}, {best['pbt']:.4f}", flush=True)
    low = summed_up("at the end", at_end)
    summed_up("best of all epochs", anywhere)
    assert low > 0, at_end


TURNS = """
command: [/usr/bin/python3, TRAINER, --no-exploit]
workdir: {mode: shared}
env: {PYTHONPATH: MODULE}
metric: {name: loss, goal: minimize}
parameters: {x: {min: 0.0, max: 1.0}, steps: 400, pause: 0.3, mb: 1}
baselines: [{x: 0.3}, {x: 0.9}]
schedule: {type: pbt, max: 400}
pbt: {population: 2, interval: 4, quantile: 0.5, mutate: [x]}
checkpoints: {keep: {trial_best: 0}}
resources: {cpus: 1}
retries: {max: 0}
"""


def test_exploit_whose_donor_has_lost_all_snapshots_never_was(cluster):
    """Two members take turns on one place. While the second one waits to go on from the first one's weights, all of these are deleted."""
    cluster.up("--cpus", "1")
    text = TURNS.replace("TRAINER", os.path.join(SOURCE, "tests/e2e/trainers/weights.py")).replace("MODULE", os.path.join(SOURCE, "client/python"))
    number = cluster.sweep(text)

    def copies():
        items = json.loads(cluster.http("GET", f"/api/v1/sweeps/{number}/lineage")[1])["items"]
        return [change for change in items if change["from"]]

    wait_for("a copy", copies, 60)
    cluster.run("node", "cordon", "local")
    # Not by the processes: between the two turns there is a moment with none.
    wait_for("nothing to run", lambda: json.loads(cluster.http("GET", "/api/v1/nodes")[1])["items"][0]["running"] == 0, 30)
    (change,), trial = copies(), cluster.trials(number)[1]
    assert change["trial"] == f"{number}.2" and change["from"] == f"{number}.1", change
    assert trial["params"]["x"] == change["params"]["x"] != 0.9, trial
    donors = os.path.join(cluster.state, f"nodes/local/snapshots/{number}.1")
    for name in os.listdir(donors):
        shutil.rmtree(os.path.join(donors, name))
    cluster.run("node", "resume", "local")

    def back():
        rows = json.loads(cluster.http("GET", f"/api/v1/trials/{number}.2/metrics")[1])["items"]
        return [row for row in rows if row["metrics"]["came"] == 1]

    row = wait_for("the second member to go on", back, 30)[0]
    assert row["step"] == 5 and row["metrics"]["maker"] == 2 and row["metrics"]["x"] == 0.9, row
    trial = cluster.trials(number)[1]
    assert trial["params"]["x"] == 0.9 and trial["failures"] == trial["lost"] == 0, trial
    assert not [c for c in copies() if c["time"] == change["time"]], copies()
    assert f"trial {number}.2 goes on from its own step 4: what it was to take over from trial {number}.1 is lost" in cluster.run("events").stdout
    cluster.run("sweep", "cancel", str(number))


if __name__ == "__main__":
    run(globals())
