#!/usr/bin/env python3
"""Population-based training against random search on the digits trainer, at equal budget: the same number of members, each trained for
as many epochs. With MUSTER_TEST_LONG=1 over 20 seeds (some minutes); it prints each seed's figures, median and interval."""
import os
import random
import statistics

from cluster import DIGITS, SOURCE, Cluster, Skip, run, wait_for

SEEDS = int(os.environ.get("MUSTER_TEST_SEEDS", "20"))
MEMBERS, EPOCHS = 8, 40
SWEEP = """
name: NAME
command: [DIGITS, DATA]
workdir: {mode: shared}
metric: {name: val_loss, goal: minimize}
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




def test_pbt_on_digits_beats_random_search_at_equal_budget(cluster):
    if os.environ.get("MUSTER_TEST_LONG") != "1":
        raise Skip(f"{2 * SEEDS} sweeps of {MEMBERS} trials; only with MUSTER_TEST_LONG=1")
    cluster.up("--cpus", "2")
    numbers = {}
    for seed in range(1, SEEDS + 1):
        for name, more in (("random", ""), ("pbt", POPULATION)):
            numbers[name, seed] = cluster.sweep(file_of(name, seed, more), f"{name}-{seed}.yaml")
    wait_for("all sweeps to end", lambda: all(cluster.sweep_of(n)["state"] in ("done", "failed") for n in numbers.values()), 3600)
    differences = []
    for seed in range(1, SEEDS + 1):
        best = {}
        for name in ("random", "pbt"):
            sweep = cluster.sweep_of(numbers[name, seed])
            assert sweep["state"] == "done", sweep
            best[name] = sweep["best_value"]
        differences.append(best["random"] - best["pbt"])
        print(f"   seed {seed}: random {best['random']:.4f}, pbt {best['pbt']:.4f}", flush=True)
    low, high = interval(differences)
    wins = sum(d > 0 for d in differences)
    print(f"   val_loss of random less that of pbt: median {statistics.median(differences):.4f}, 95 % {low:.4f} to {high:.4f}; "
          f"pbt better in {wins} of {SEEDS}", flush=True)
    assert low > 0, differences


if __name__ == "__main__":
    run(globals())
