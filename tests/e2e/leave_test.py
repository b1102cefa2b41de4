#!/usr/bin/env python3
"""A machine that is told to leave: held trials' snapshots go to another machine first, and nothing goes back a step; one that has no time says
what it takes with it."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../world"))

from cluster import SLOW, run, wait_for  # noqa: E402
from fleet import Fleet  # noqa: E402
from worlds_test import give_trainer  # noqa: E402

ALONE = """
command: [/usr/bin/python3, weights.py]
metric: {{name: loss, goal: minimize}}
parameters: {{x: {{values: [0.4, 0.5]}}, steps: 400, pause: 0.1, mb: {mb}}}
schedule: {{type: none}}
resources: {{cpus: 1}}
retries: {{max: 0, crash_limit: 100, node_failures: none, backoff: 100ms..1s}}
checkpoints: {{keep: {{trial_best: 0}}}}
stop: {{trials: {trials}}}
"""


def held_on_node1(fleet, mb, trials):
    """Trials that were paused on node1, whose snapshots have no second place: (their sweep's number, their steps)."""
    give_trainer(fleet, "weights.py")
    fleet.muster("node", "cordon", "node2")
    number = fleet.submit(ALONE.format(mb=mb, trials=trials))
    wait_for("reports", lambda: len(fleet.trials(number)) == trials and all((t["step"] or 0) >= 3 for t in fleet.trials(number)))
    for trial in fleet.trials(number):
        fleet.muster("trial", "pause", trial["id"])
    wait_for("them to be held", lambda: all(t["state"] == "held" for t in fleet.trials(number)), 60)
    items = fleet.trials(number)
    for trial in items:
        assert trial["node"] == "node1" and trial["checkpoint_step"] == trial["step"] and trial["safe_step"] is None, trial
    return number, {trial["id"]: trial["step"] for trial in items}


def events_text(fleet):
    return fleet.muster("events").stdout


def test_worker_told_to_leave_takes_no_step_of_held_trials_with_it(_cluster):
    with Fleet(2, cpus=2) as fleet:
        number, steps = held_on_node1(fleet, mb=64, trials=2)
        donor = fleet.nodes[0]
        fleet.muster("node", "resume", "node2")
        fleet.daemons["node1"].send_signal(signal.SIGTERM)
        assert fleet.daemons["node1"].wait(30 * SLOW) == 0, fleet.said(donor, "node1")
        assert "waiting until other nodes have 2 snapshots" in fleet.said(donor, "node1"), fleet.said(donor, "node1")
        for trial in fleet.trials(number):
            assert trial["state"] == "held" and trial["safe_node"] == "node2" and trial["safe_step"] == steps[trial["id"]], (trial, steps)
        donor.kill()  # with its disk
        for trial in steps:
            fleet.muster("trial", "resume", trial)
        wait_for("them to go on", lambda: all(t["step"] > steps[t["id"]] + 2 for t in fleet.trials(number)), 120)
        for trial in fleet.trials(number):
            rows = fleet.rows(trial["id"])
            came = [row["step"] for row in rows if row["metrics"]["came"] == 1]
            assert trial["node"] == "node2" and came == [steps[trial["id"]] + 1], (trial, came, steps)
            assert [row["step"] for row in rows] == list(range(1, len(rows) + 1)), rows
            assert trial["failures"] == 0 and trial["lost"] == 0, trial


def test_worker_that_has_no_time_says_what_it_takes_with_it(_cluster):
    with Fleet(2, cpus=2, arguments=lambda number: ["--drain", "3"] if number == 1 else []) as fleet:
        number, steps = held_on_node1(fleet, mb=200, trials=1)
        donor = fleet.nodes[0]
        donor.delay(100)
        fleet.muster("node", "resume", "node2")
        fleet.daemons["node1"].send_signal(signal.SIGTERM)
        assert fleet.daemons["node1"].wait(15 * SLOW) == 1, fleet.said(donor, "node1")
        (trial, step), = steps.items()
        what = f"no other node has 1 snapshot: {trial} (step {step})"
        assert f"left at the deadline, and {what}" in fleet.said(donor, "node1"), fleet.said(donor, "node1")
        wait_for("the event", lambda: f"node node1 leaves at its deadline, and {what}" in events_text(fleet), 20)
        # It is not lost: the machine may come back with its disk.
        donor.delay(0)
        fleet.worker_start(donor)
        fleet.muster("trial", "resume", trial)
        wait_for("it to go on", lambda: fleet.trials(number)[0]["step"] > step + 2, 120)
        came = [row["step"] for row in fleet.rows(trial) if row["metrics"]["came"] == 1]
        assert came == [step + 1], (came, step)


def test_node_that_people_drain_shows_what_it_waits_for(_cluster):
    with Fleet(2, cpus=2) as fleet:
        number, steps = held_on_node1(fleet, mb=64, trials=1)
        (trial, step), = steps.items()
        fleet.muster("node", "drain", "node1", "--deadline", "0")
        wait_for("the count", lambda: fleet.node("node1")["drain_owes"] == 1, 20)
        shown = fleet.muster("node", "show", "node1").stdout
        assert f"1 snapshot to copy that no other node has: {trial} (step {step})" in shown, shown
        assert f"its snapshot of step {step} lies on node node1 alone" in fleet.muster("explain", trial).stdout
        fleet.muster("node", "resume", "node2")
        wait_for("an empty node", lambda: "node node1 is empty: nothing on it is needed" in events_text(fleet), 60)
        assert fleet.node("node1")["drain_owes"] == 0 and fleet.trials(number)[0]["safe_node"] == "node2"


if __name__ == "__main__":
    run(globals())
