#!/usr/bin/env python3
"""The examples as somebody would run them: each sweep file is one, and a small run of each trainer that other tests do not run ends well."""
import glob
import json
import os
import shutil

from cluster import BUILD, SOURCE, Skip, run

EXAMPLES = os.path.join(SOURCE, "examples")


def example(cluster, name):
    """A copy of the example's folder, whose files run this build's programs; the path of a sweep file of it."""
    folder = os.path.dirname(name)
    target = os.path.join(cluster.work, folder)
    if not os.path.isdir(target):
        shutil.copytree(os.path.join(EXAMPLES, folder), target)
    path = os.path.join(cluster.work, name)
    with open(path) as file:
        text = file.read().replace("../../build/release/examples", os.path.join(BUILD, "examples"))
    with open(path, "w") as file:
        file.write(text)
    return path


def sets(**values):
    return [word for name, value in values.items() for word in ("--set", f"{name.replace('__', '.')}={value}")]


def test_examples_sweep_files_are_good(cluster):
    later = []
    for path in sorted(glob.glob(os.path.join(EXAMPLES, "*/*.yaml"))):
        done = cluster.run("check", example(cluster, os.path.relpath(path, EXAMPLES)), code=None)
        if "is not supported by this version" in done.stderr:
            later.append(os.path.basename(path))
        else:
            assert done.returncode == 0, (path, done.stderr)
    if later:
        raise Skip(f"all others are; this version does not know what {', '.join(later)} need")


def ran(cluster, name, trials, **values):
    """The sweep's trials, each of which ended well."""
    cluster.run("sweep", "run", example(cluster, name), *sets(stop__trials=trials, **values), seconds=240)
    items = cluster.trials(1)
    assert len(items) == trials and all(t["outcome"] in ("done", "stopped") for t in items), items
    return items


def test_chars_learns_and_stops_early(cluster):
    if not os.path.isdir("/usr/share/common-licenses"):
        raise Skip("there is no /usr/share/common-licenses here")
    items = ran(cluster, "chars/asha.yaml", 6, parameters__steps=9, parameters__updates=2, parameters__width=32, schedule__min=1, schedule__max=9)
    best = json.loads(cluster.run("sweep", "best", "1", "-o", "json").stdout)
    # 96 symbols of equal chance would be 6.58 bits, the letters' frequencies alone are about 4.5.
    assert best["best"]["metrics"]["val_bits"] < 5.5, best
    assert any(t["outcome"] == "stopped" for t in items) and any(t["step"] == 9 for t in items), items


def test_digits_in_shell_learns_and_stops_early(cluster):
    items = ran(cluster, "digits/digits-sh.yaml", 6)
    best = json.loads(cluster.run("sweep", "best", "1", "-o", "json").stdout)
    assert best["best"]["metrics"]["val_loss"] < 1.5, best
    assert any(t["outcome"] == "stopped" for t in items), items


def toy_climbs(cluster, name, is_in_place):
    """Alone each member ends at q = 0.39: above it is only who took the other's weights and hyperparameters."""
    path = example(cluster, name)
    if not is_in_place:
        with open(path) as file:
            text = file.read()
        with open(path, "w") as file:
            file.write(text.replace("toy.py]", "toy.py, --no-exploit]").replace("toy/toy]", "toy/toy, --no-exploit]"))
    cluster.run("sweep", "run", path, seconds=240)
    items = cluster.trials(1)
    assert [(t["outcome"], t["step"]) for t in items] == [("done", 200)] * 2, items
    assert max(t["last"]["metrics"]["q"] for t in items) > 0.5, items
    assert all(t["failures"] == 0 for t in items) and (max(t["attempts"] for t in items) == 1) == is_in_place, items


def test_toy_in_c_climbs_as_a_population(cluster):
    toy_climbs(cluster, "toy/pbt.yaml", True)


def test_toy_in_python_climbs_as_a_population(cluster):
    toy_climbs(cluster, "toy/toy-py.yaml", True)


def test_toy_in_c_climbs_by_restarts_too(cluster):
    toy_climbs(cluster, "toy/pbt.yaml", False)


def test_digits_runs_under_each_trial_scheduler(cluster):
    for number, name in enumerate(("promote", "sha", "hyperband", "median", "pbt"), 1):
        trials = 8 if name == "pbt" else 9
        cluster.run("sweep", "run", example(cluster, f"digits/{name}.yaml"), *sets(stop__trials=trials), seconds=240)
        items = cluster.trials(number)
        assert len(items) == trials and all(t["failures"] == 0 and t["state"] == "ended" for t in items), (name, items)
        # Of nine the best is promoted twice; without pauses, or as a population, somebody is trained to the end.
        assert max(t["step"] for t in items) >= {"promote": 9, "sha": 9, "hyperband": 3, "median": 27, "pbt": 40}[name], (name, items)


def test_digits_replays_the_schedule_of_a_population(cluster):
    cluster.run("sweep", "run", example(cluster, "digits/replay.yaml"), seconds=240)
    trial = cluster.trials(1)[0]
    assert trial["outcome"] == "done" and trial["step"] == 40 and trial["params"]["lr"] < 0.04, trial
    assert trial["best"]["metrics"]["val_loss"] < 0.3, trial
    changes = cluster.json("sweep", "show", "1", "--lineage")["items"]
    assert [change["from_step"] for change in changes] == [0, 4, 8, 12, 28], changes


def test_ring_of_four_learns_and_its_ranks_leave_at_one_epoch(cluster):
    example(cluster, "digits/asha.yaml")  # its data
    items = ran(cluster, "ring/ring.yaml", 6)
    best = json.loads(cluster.run("sweep", "best", "1", "-o", "json").stdout)
    assert best["best"]["metrics"]["val_loss"] < 0.4, best
    assert any(t["outcome"] == "stopped" for t in items) and any(t["step"] == 27 for t in items), items
    for trial in items:
        lines = cluster.run("trial", "logs", trial["id"]).stdout.splitlines()
        told = [[line.split("] ", 1)[1] for line in lines if line.startswith(f"[rank {rank}] ")] for rank in range(4)]
        assert len(told[0]) == trial["step"] and all(one == told[0] for one in told), (trial["id"], told)


if __name__ == "__main__":
    run(globals())
