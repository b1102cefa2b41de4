#!/usr/bin/env python3
"""An agent dies, or its disk is full, at each failpoint of a copy between two machines, at the one that hands out or at the one that takes: the trial
goes on all the same, with its step. Needs a build with failpoints (dev, asan, chaos)."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../world"))

from cluster import MUSTER, Skip, run, wait_for  # noqa: E402
from copies_test import ALONE, NO_SECOND_PLACE  # noqa: E402
from fleet import Fleet  # noqa: E402
from worlds_test import give_trainer  # noqa: E402

MARKS = "/var/lib/marks"


def points(can_fail=False):
    """Names of the failpoints of copies; skips where they are not built."""
    table = json.loads(subprocess.run([MUSTER, "debug", "failpoints", "-o", "json"], capture_output=True, text=True, check=True).stdout)
    if not table["built"]:
        raise Skip("this build has no failpoints; the dev, asan and chaos presets have")
    names = [p["name"] for p in table["items"] if p["name"].startswith(("lend.", "copy.")) and (p["can_fail"] or not can_fail)]
    assert len(names) >= 2
    return names


def move_through(fleet, number, name, nodes, rules):
    """The trial moves from one node to the other, while whoever passes the point acts on it; one that dies is started again."""
    here, there = nodes
    before = fleet.trials(number)[0]["step"] or 0
    wait_for("steps here", lambda: fleet.trials(number)[0]["step"] > before + 2 and fleet.trials(number)[0]["node"] == here.name)
    fleet.muster("trial", "pause", f"{number}.1")
    wait_for("it to be held", lambda: fleet.trials(number)[0]["state"] == "held", 60)
    step = fleet.trials(number)[0]["step"]
    fleet.muster("node", "cordon", here.name)
    fleet.muster("node", "resume", there.name)
    for node in nodes:
        os.unlink(node.path(f"{MARKS}/{name}"))
    fleet.muster("trial", "resume", f"{number}.1")

    def acted():
        return next((node for node in nodes if os.path.exists(node.path(f"{MARKS}/{name}")) and node.read(f"{MARKS}/{name}").endswith("\n")), None)

    who = wait_for(f"{name} to be passed", acted, 60)
    if who.read(f"{MARKS}/{name}").split()[2] == "kill":
        fleet.daemons[who.name].wait()
        fleet.worker_start(who, env=rules)
    for node in nodes:
        node.write(f"{MARKS}/{name}", "")
    wait_for(f"it to go on after {name}", lambda: fleet.trials(number)[0]["step"] > step + 2, 120)
    trial = fleet.trials(number)[0]
    assert trial["node"] == there.name and trial["failures"] == 0, (name, trial)
    came = [row["step"] for row in fleet.rows(f"{number}.1") if row["metrics"]["came"] == 1]
    assert came[-1] == step + 1, (name, step, came)


def move_through_each(names, action):
    rules = {"MUSTER_FAILPOINTS": ",".join(f"worker/{name}={action}" for name in names), "MUSTER_FAILPOINTS_MARKS": MARKS}
    with Fleet(2, cpus=1, start=False) as fleet:
        for node in fleet.nodes:
            for name in names:
                node.write(f"{MARKS}/{name}", "")
            fleet.worker_start(node, env=rules)
        wait_for("both nodes", lambda: fleet.nodes_alive() == 2)
        give_trainer(fleet, "weights.py")
        fleet.muster("node", "cordon", "node2")
        number = fleet.submit(ALONE.format(mb=6) + NO_SECOND_PLACE)
        wait_for("a trial", lambda: fleet.trials(number) and fleet.trials(number)[0]["step"])
        nodes = list(fleet.nodes)
        for name in names:
            move_through(fleet, number, name, nodes, rules)
            nodes.reverse()
        steps = [row["step"] for row in fleet.rows(f"{number}.1")]
        assert steps == list(range(1, len(steps) + 1)), steps


def test_agent_killed_at_each_failpoint_of_a_copy_loses_nothing(_cluster):
    move_through_each(points(), "kill")


def test_disk_full_at_each_failpoint_of_a_copy_is_tried_again(_cluster):
    move_through_each(points(can_fail=True), "error:ENOSPC")


if __name__ == "__main__":
    run(globals())
