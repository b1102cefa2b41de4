#!/usr/bin/env python3
"""Three workers on three machines that share nothing with each other or with the submitter: a work folder that none of them sees runs on
all, what one trial writes no other finds, and a machine that vanishes with its files takes no result with it."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../world"))

from cluster import BUILD, DIGITS, PYTHON, SOURCE, Skip, run, wait_for  # noqa: E402
from fleet import STATE, TRAINERS, WORK, Fleet  # noqa: E402

EXAMPLE = os.path.join(SOURCE, "examples/digits")


def give(fleet, name, source=None, text=None, mode=0o644):
    """A file in the submitter's work folder."""
    path = f"{WORK}/{name}"
    if source:
        with open(source, "rb") as file:
            data = file.read()
    else:
        data = text.encode()
    os.makedirs(fleet.submitter.path(WORK), exist_ok=True)
    with open(fleet.submitter.path(path), "wb") as file:
        file.write(data)
    os.chmod(fleet.submitter.path(path), mode)
    return path


def nodes_of(items):
    return {t["node"] for t in items}


def give_trainer(fleet, name):
    give(fleet, name, os.path.join(SOURCE, "tests/e2e/trainers", name))


def test_digits_in_c_and_python_run_where_their_folder_is_not(_cluster):
    if subprocess.run([PYTHON, "-c", "import numpy"], capture_output=True).returncode != 0:
        raise Skip("Debian's python3-numpy is not installed")
    with Fleet(3) as fleet:
        give(fleet, "digits", DIGITS, mode=0o755)
        for name in ("digits.txt", "digits.py", "digits-py.yaml"):
            give(fleet, name, os.path.join(EXAMPLE, name))
        with open(os.path.join(EXAMPLE, "asha.yaml")) as file:
            text = file.read().replace("../../build/release/examples/digits/digits", "./digits")
            text = re.sub("workdir: {mode: shared}.*", "", text)
        # A program in C brings its library along, or it is installed on every node.
        give(fleet, "libmuster.so.1", os.path.join(BUILD, "client/libmuster.so.1"))
        give(fleet, "asha.yaml", text=text + 'env: {LD_LIBRARY_PATH: "."}\n')
        numbers = {name: int(fleet.muster("sweep", "run", "-d", name).stdout) for name in ("asha.yaml", "digits-py.yaml")}
        # Nobody needs it any more.
        fleet.submitter.run(["sh", "-c", f"rm -rf {WORK}/*"])
        for name, trials in (("asha.yaml", 60), ("digits-py.yaml", 24)):
            fleet.wait_ended(numbers[name], 180)
            sweep, items = fleet.check_counted_once(numbers[name], trials)
            assert nodes_of(items) == {"node1", "node2", "node3"}, nodes_of(items)
            assert sweep["stopped"] > 0, "early stopping stopped nobody"
            best = fleet.get(f"/api/v1/trials/{sweep['best']}")
            assert best["best"]["metrics"]["val_acc"] >= 0.97, best
        for node in fleet.nodes:
            assert not os.path.exists(node.path(WORK)) and not os.path.exists(node.path(os.path.abspath(SOURCE)))


SAME_PATH = """
command: [/usr/bin/python3, marks.py]
metric: {name: loss, goal: minimize}
parameters: {x: {min: 0.0, max: 1.0}, steps: 6, pause: 0.1}
search: {method: random, seed: 5}
resources: {cpus: 0.5}
limits: {concurrency: 8}
retries: {max: 0}
stop: {trials: 32}
"""


def test_eight_trials_at_once_that_write_one_path_do_not_collide(_cluster):
    with Fleet(3) as fleet:
        give_trainer(fleet, "marks.py")
        number = fleet.submit(SAME_PATH)
        most = 0

        def has_ended():
            nonlocal most
            most = max(most, len(fleet.attempts()))
            return fleet.has_ended(number)

        wait_for("the end of the sweep", has_ended, 60)
        fleet.check_counted_once(number, 32)
        assert most == 8, most
        # Each wrote a file beside the trainer; the work folder of the node has none of it.
        for node in fleet.nodes:
            left = node.run(["find", STATE, "-name", "mark.txt"]).stdout
            assert left == "", left


STEADY = """
command: [/usr/bin/python3, steady.py]
metric: {name: loss, goal: minimize}
parameters: {x: {min: 0.0, max: 1.0}, steps: 9, pause: 0.4}
search: {method: random, seed: 5}
schedule: {type: asha, min: 1, max: 9, eta: 3}
resources: {cpus: 0.5}
retries: {max: 0}
checkpoints: {on: [rung]}
stop: {trials: 48}
"""

DOOMED = """
command: [/usr/bin/python3, marks.py]
metric: {name: loss, goal: minimize}
parameters: {x: {min: 0.0, max: 1.0}, steps: 3, pause: 0.1, fails: first}
search: {method: random, seed: 5}
resources: {cpus: 0.1, custom: {doomed: 1}}
retries: {max: RETRIES}
stop: {trials: 1}
"""


def test_world_deleted_in_mid_sweep_takes_no_result_with_it(_cluster):
    with Fleet(3, arguments=lambda number: ["--custom", "doomed=1"] if number == 1 else []) as fleet:
        for name in ("steady.py", "marks.py"):
            give_trainer(fleet, name)
        failed = fleet.submit(DOOMED.replace("RETRIES", "0"), "failed.yaml")
        retried = fleet.submit(DOOMED.replace("RETRIES", "3"), "retried.yaml")
        for number in (failed, retried):
            fleet.wait_ended(number)
        number = fleet.submit(STEADY)
        lost = fleet.nodes[0]

        def is_mid_sweep():
            there = [t for t in fleet.trials(number) if t["node"] == "node1"]
            return any(t["state"] == "ended" for t in there) and any(t["state"] == "running" and t["checkpoint_step"] > 0 for t in there)

        wait_for("trials that ended on node1, and others with a snapshot there", is_mid_sweep)
        ended = [t for t in fleet.trials(number) if t["state"] == "ended"]
        running = {trial for node, trial, _ in fleet.attempts().values() if node == "node1"}
        lost.kill()

        fleet.wait_ended(number, 90)
        _, items = fleet.check_counted_once(number, 48)
        assert fleet.node("node1")["state"] == "gone"
        by_id = {t["id"]: t for t in items}
        for before in ended:  # what had ended stays as it was, whatever ran it
            now = by_id[before["id"]]
            assert all(now[k] == before[k] for k in ("outcome", "step", "node", "attempts", "best")), (before, now)
        again = [t for t in items if t["lost"]]
        assert running & {t["id"] for t in again}, (again, running)
        for trial in again:
            # The retry is to be seen, is charged to the machine, and went on from a snapshot's second place if it had one, else anew.
            assert trial["attempts"] == 2 and trial["failures"] == 0 and trial["node"] != "node1", trial
            first, second = fleet.evidence(trial["id"])
            assert (first["node"], first["cause"], second["node"]) == ("node1", "lost", trial["node"]), (first, second)
            assert "silent" in first["reason"], first
            steps = [r["step"] for r in fleet.rows(trial["id"]) if r["attempt"] == 1]
            assert steps == list(range(trial["step"] + 1 - len(steps), trial["step"] + 1)), (trial["id"], steps)
            before = max((r["step"] for r in fleet.rows(trial["id"]) if r["attempt"] == 0), default=0)
            assert not steps or steps[0] <= before + 1, (trial["id"], steps, before)
        shown = fleet.muster("trial", "show", again[0]["id"]).stdout
        assert "attempts    2" in shown, shown

        # Why it failed is known although the machine that knew is gone.
        trial = f"{failed}.1"
        assert fleet.get(f"/api/v1/trials/{trial}")["outcome"] == "failed"
        shown = fleet.muster("trial", "show", trial).stdout
        assert "breaks on purpose" in shown and "Traceback" in shown and "on node1" in shown, shown
        for arguments in ((trial,), (f"{retried}.1", "--attempt", "0")):
            said = fleet.muster("trial", "logs", *arguments, "--stream", "err").stderr  # its stderr to ours
            assert f"the first attempt of {arguments[0]} breaks on purpose" in said and "Traceback" in said, (arguments, said)
            assert "node1" in said.split("on purpose")[-1], f"no word of where the rest is: {said}"

        # Nor does anything change when the machine itself is forgotten.
        assert "node2 is alive" in fleet.muster("node", "rm", "node2", code=1).stderr
        fleet.muster("node", "rm", "node1")
        assert [n["name"] for n in fleet.get("/api/v1/nodes")["items"]] == ["node2", "node3"]
        assert "on node1" in fleet.muster("trial", "show", trial).stdout
        said = fleet.muster("trial", "logs", trial, "--stream", "err").stderr
        assert "breaks on purpose" in said and "node1" in said.split("on purpose")[-1], said
        fleet.muster("node", "rm", "node1", code=3)


if __name__ == "__main__":
    run(globals())
