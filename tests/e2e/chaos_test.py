#!/usr/bin/env python3
"""That the chaos checker can fail: a store that syncs lazily is found out, and so is everything else that could be wrong, planted in
journals and answers."""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "chaos"))

from checker import check  # noqa: E402
from cluster import run  # noqa: E402
from faults import Plan, kinds  # noqa: E402


def test_store_that_syncs_lazily_is_found_out(_cluster):
    """appendfsync no, and Redis is killed: what was acknowledged since the start was not synced."""
    done = subprocess.run([sys.executable, os.path.join(HERE, "chaos/chaos.py"), "--rounds", "1", "--seed", "1", "--faults", "redis:kill",
                           "--appendfsync", "no"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=600)
    assert done.returncode == 1 and "0 passed, 1 failed" in done.stdout, done.stdout + done.stderr
    lost = [line for line in done.stdout.splitlines() if line.startswith("  lost: key ")]
    assert lost, done.stdout


class Told:
    """A small world in order: two tasks and a trial, as journals, API and store would tell of them. Tests break one thing each."""

    def __init__(self, root):
        self.folder = os.path.join(root, "journal")
        os.makedirs(self.folder, exist_ok=True)
        result = {"outcome": "done", "exit_code": 0, "attempts": 1, "ended": "t"}
        self.lines = [
            {"op": "asked", "key": "a"}, {"op": "submit", "key": "a", "id": 1}, {"op": "result", "id": "1.1", **result},
            {"op": "asked", "key": "b"}, {"op": "submit", "key": "b", "id": 2}, {"op": "cancel", "id": "2.1"},
            {"op": "sweep", "id": 3}, {"op": "stop", "id": 3},
            {"op": "setting", "value": "v1"}, {"op": "set", "value": "v1"},
            {"op": "milestone", "trial": "3.1", "attempt": 0, "seq": 1, "step": 1, "value": 0.5, "order": {}},
            {"op": "restored", "trial": "3.1", "attempt": 0, "step": 0, "text": "3.1 0"},
            {"op": "commit", "trial": "3.1", "attempt": 0, "step": 1, "ordinal": 2},
            {"op": "bye", "trial": "3.1", "attempt": 0, "word": "done", "seq": 1},
        ]
        self.root, self.snapshots = root, [os.path.join(root, "nodes/n/snapshots/3.1", number) for number in "12"]
        for step, folder in enumerate(self.snapshots):
            os.makedirs(folder, exist_ok=True)
            self.weights_put(step, f"3.1 {step}")
        self.checkpoints = [{"trial": "3.1", "ordinal": 1 + step, "step": step, "node": "n", "path": folder}
                            for step, folder in enumerate(self.snapshots)]
        self.lost, self.byes = [], {("3.1", 0): "done"}
        self.items = [{"id": "1.1", "name": "a", "state": "ended", **result},
                      {"id": "2.1", "name": "b", "state": "ended", "outcome": "cancelled", "exit_code": 0, "attempts": 1, "ended": "t"}]
        self.rows = [{"attempt": 0, "seq": 1, "step": 1, "metrics": {"loss": 0.5}}]
        self.sweep_state, self.labels = "done", {"chaos": "v1"}
        self.tasks = {"1.1": "done", "2.1": "cancelled", "3.1": "done"}
        self.jobs, self.logs = {"1", "2"}, {"3": [(1, 1, 2)]}
        self.evidence = {"1.1": {0: {}}, "2.1": {0: {}}, "3.1": {0: {}}}
        self.done, self.n_attempts = {"1.1": [0], "3.1": [0]}, {}

    # What the checker asks of the store.
    def has_ended(self, task):
        return self.tasks[task] != ""

    def outcome(self, task):
        return self.tasks[task]

    def attempts(self, task):
        return self.n_attempts.get(task, 1)

    def completions(self, task):
        return self.done.get(task, [])

    def told(self, _task):
        return []

    def was_lost(self, task, attempt):
        return (task, attempt) in self.lost

    def bye(self, task, attempt):
        return self.byes[task, attempt]

    def milestones(self, sweep):
        return self.logs[sweep]

    def weights_put(self, number, text):
        with open(os.path.join(self.snapshots[number], "weights"), "w") as file:
            file.write(text)

    def get(self, path):
        if path.startswith("/api/v1/tasks"):
            return {"items": self.items, "next": None}
        if path.endswith("/metrics"):
            return {"items": self.rows}
        if "/trials/" in path:
            return {"checkpoints": self.checkpoints}
        return {"state": self.sweep_state} if "/sweeps/" in path else {"labels": self.labels}

    def check(self):
        with open(os.path.join(self.folder, "clients.jsonl"), "w") as file:
            file.writelines(json.dumps(line) + "\n" for line in self.lines)
        return check(self.folder, self.get, self, 0)


def test_checker_finds_nothing_where_nothing_is_wrong(cluster):
    operations, violations = Told(cluster.root).check()
    assert (operations.total(), violations) == (10, []), (operations, violations)


def test_checker_asks_of_a_lost_agent_only_what_had_left_it(cluster):
    """A commit and an end that nobody can have told the head: the trial went on from the snapshot before."""
    world = Told(cluster.root)
    world.lost = [("3.1", 0)]
    world.lines = [line for line in world.lines if line["op"] != "bye"]
    world.checkpoints.pop()
    assert world.check()[1] == [], world.check()
    world.lines.append({"op": "bye", "trial": "3.1", "attempt": 0, "word": "done", "seq": 1})
    assert any(v.startswith("lost: snapshot 2") for v in world.check()[1]), world.check()


def test_checker_finds_each_planted_violation(cluster):
    planted = {
        "a task is not there": ("lost: key a", lambda w: w.items.pop(0)),
        "a task is not in the store": ("lost: 1.1", lambda w: w.jobs.remove("1")),
        "a task is there twice": ("doubled: key a", lambda w: w.items.append(dict(w.items[0], id="9.1"))),
        "a key was told two numbers": ("doubled: key a", lambda w: w.lines.append({"op": "submit", "key": "a", "id": 9})),
        "a task that nobody asked for": ("wrong: ['9.1']", lambda w: w.items.append(dict(w.items[0], id="9.1", name="z"))),
        "a result is another one now": ("wrong: 1.1", lambda w: w.items[0].update(ended="later")),
        "a result was told twice": ("doubled: 1.1", lambda w: w.lines.append(dict(w.lines[2], exit_code=1))),
        "a cancel was forgotten": ("lost: the cancel", lambda w: w.items[1].update(outcome="done")),
        "two completions": ("doubled: 1.1", lambda w: (w.n_attempts.update({"1.1": 2}), w.done.update({"1.1": [0, 1]}))),
        "a completion too early": ("doubled: 1.1", lambda w: w.n_attempts.update({"1.1": 2})),
        "evidence of no attempt": ("doubled: 1.1", lambda w: w.evidence["1.1"].update({7: {}})),
        "one has not ended": ("wrong: 3.1", lambda w: w.tasks.update({"3.1": ""})),
        "one failed": ("wrong: 3.1 is failed", lambda w: w.tasks.update({"3.1": "failed"})),
        "a decision is gone": ("lost: the decision", lambda w: w.logs.update({"3": []})),
        "a decision twice": ("doubled: 3.1", lambda w: w.logs.update({"3": [(1, 1, 2), (1, 1, 3)]})),
        "an order twice": ("doubled: orders", lambda w: w.logs.update({"3": [(1, 1, 2), (1, 2, 2)]})),
        "a row is gone": ("lost: attempt 0 report 1", lambda w: w.rows.clear()),
        "a row twice": ("doubled: report", lambda w: w.rows.append(w.rows[0])),
        "a row with another value": ("wrong: attempt 0", lambda w: w.rows[0]["metrics"].update(loss=0.25)),
        "a report before a good-bye is gone": ("lost: reports [2]", lambda w: w.lines[-1].update(seq=2)),
        "an attempt that said good-bye is gone": ("lost: attempt 0 of 3.1", lambda w: w.evidence["3.1"].clear()),
        "a good-bye is another one": ("lost: the good-bye done", lambda w: w.byes.update({("3.1", 0): ""})),
        "a snapshot is named no more": ("lost: snapshot 2", lambda w: w.checkpoints.pop()),
        "a snapshot is another trial's": ("lost: snapshot 2", lambda w: w.checkpoints[1].update(trial="3.2")),
        "a snapshot's files are gone": ("lost: snapshot 2", lambda w: os.unlink(os.path.join(w.snapshots[1], "weights"))),
        "a snapshot has other weights": ("lost: snapshot 2", lambda w: w.weights_put(1, "3.1 0")),
        "one went on from other weights": ("wrong: attempt 0 of 3.1 went on", lambda w: w.lines[11].update(text="3.2 0")),
        "a sweep is gone": ("lost: sweep 3", lambda w: w.logs.clear()),
        "a stop was forgotten": ("lost: the stop", lambda w: setattr(w, "sweep_state", "running")),
        "a label was forgotten": ("lost: the label", lambda w: w.labels.clear()),
    }
    for what, (word, plant) in planted.items():
        world = Told(cluster.root)
        plant(world)
        _, violations = world.check()
        assert any(v.startswith(word) for v in violations), (what, word, violations)


def test_same_seed_draws_the_same_faults(_cluster):
    def faults(seed):
        plan = Plan(seed, kinds(True))
        return [plan.next(number) for number in range(1, 51)]

    assert faults(5) == faults(5) and faults(5) != faults(6)
    assert {fault["name"] for fault in faults(5)} == set(kinds(True)), "a kind was not dealt in fifty rounds"
    assert sum(fault["delay_ms"] > 0 for fault in faults(5)) == 25


if __name__ == "__main__":
    run(globals())
