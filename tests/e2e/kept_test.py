#!/usr/bin/env python3
"""Which checkpoints stay on a node's disk (`checkpoints.keep`), read from the disk itself."""
import json
import math
import os

from cluster import PYTHON, TRAINERS, run, wait_for
from sweep_verbs_test import ended, get, head_killed, submit

NAN = float("nan")
VALUES = [
    [0.9, 0.8, 0.7, 0.2, 0.5, 0.6, 0.4, 0.3, 0.9, 0.2, 0.7, 0.6],
    [0.9, 0.1, 0.4, 0.6, NAN, 0.7, 0.3, 0.05, 0.15, 0.8, 0.8, 0.9],
    [0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, NAN, 1.5, 1.6],
]
LAST, BEST, GATE_STEP = 3, 2, 6


def on_disk(cluster, trial):
    """step: folder, of all that lies on the node; the folder's name is the number of the commit."""
    top = os.path.join(cluster.state, "nodes/local/snapshots", trial)
    found = {}
    for name in os.listdir(top) if os.path.isdir(top) else []:
        try:
            with open(os.path.join(top, name, "state.json")) as file:
                found[json.load(file)["step"]] = os.path.join(top, name)
        except OSError:
            pass  # it goes at this moment
    return found


def wanted(values):
    """The steps that stay once all of these were saved and reported."""
    steps = range(1, len(values) + 1)
    worth = sorted((values[step - 1], step) for step in steps if not math.isnan(values[step - 1]))
    return sorted(set(list(steps)[-LAST:]) | {step for _, step in worth[:BEST]})


def test_disk_has_what_the_file_says_also_after_the_head_is_killed(cluster):
    cluster.up("--cpus", "3")
    gate = os.path.join(cluster.work, "gate")
    number = submit(cluster, f"""
name: kept
command: [{PYTHON}, {TRAINERS}/keeper.py]
env: {{VALUES: '{json.dumps(VALUES)}', GATE: {gate}, GATE_STEP: {GATE_STEP}}}
metric: {{name: loss}}
parameters: {{x: 1}}
stop: {{trials: 3}}
checkpoints: {{keep: {{trial_last: {LAST}, trial_best: {BEST}, sweep_best: 1}}}}
""")
    trials = [f"{number}.{index}" for index in (1, 2, 3)]

    def disk_is(*steps):
        return lambda: [sorted(on_disk(cluster, trial)) for trial in trials] == list(steps)
    in_the_middle = [wanted(values[:GATE_STEP]) for values in VALUES]
    assert in_the_middle[1] == [2, 3, 4, 5, 6]
    wait_for("all to wait, with what the file says on the disk", disk_is(*in_the_middle), 60)
    head_killed(cluster)
    # A report below a milestone may come after the head's death.
    wait_for("all values", lambda: [c["value"] for c in get(cluster, f"trials/{trials[1]}")["checkpoints"]] == [0.1, 0.4, 0.6, None, 0.7])
    kept = get(cluster, f"trials/{trials[1]}")["checkpoints"]
    assert [checkpoint["step"] for checkpoint in kept] == in_the_middle[1], kept
    assert [checkpoint["why"] for checkpoint in kept] == [["best"], ["best"], ["last"], ["last"], ["resume", "last"]], kept
    assert disk_is(*in_the_middle)(), "another head deletes nothing"
    with open(gate, "w"):
        pass
    assert ended(cluster, number)["done"] == 3
    wait_for("the best trial's alone to be left", disk_is([], wanted(VALUES[1]), []), 30)
    assert wanted(VALUES[1]) == [2, 8, 10, 11, 12]
    kept = get(cluster, f"trials/{trials[1]}")["checkpoints"]
    assert {checkpoint["step"]: checkpoint["path"] for checkpoint in kept} == on_disk(cluster, trials[1]), kept
    assert [checkpoint["why"] for checkpoint in kept] == [["best"], ["best"], ["last"], ["last"], ["last"]], kept
    assert all(checkpoint["node"] == "local" and checkpoint["bytes"] > 0 for checkpoint in kept), kept
    assert cluster.json("sweep", "best", str(number))["checkpoint"] == on_disk(cluster, trials[1])[8]
    shown = cluster.run("trial", "show", trials[1]).stdout
    assert f"{trials[1]}@8.8  0.05" in shown and "(best)" in shown and shown.count("(last)") == 3, shown
    assert get(cluster, f"trials/{trials[0]}")["checkpoints"] == []
    head_killed(cluster)
    assert disk_is([], wanted(VALUES[1]), [])()
    cluster.run("sweep", "rm", str(number))
    wait_for("nothing to be left", disk_is([], [], []), 20)


if __name__ == "__main__":
    run(globals())
