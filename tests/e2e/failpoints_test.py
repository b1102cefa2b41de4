#!/usr/bin/env python3
"""Every failpoint of lib/sys/failpoints.h, each at least once, while clients submit and trainers report: the daemon dies there, or what
it was about to do fails. Afterwards everything that was acknowledged is there, once. Needs a build with failpoints (dev, asan, chaos)."""
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "chaos"))

from cluster import MUSTER, SOURCE, Skip, is_alive, run, wait_for  # noqa: E402
from chaos import is_quiet, round_check  # noqa: E402
from load import Client, Journal, Load  # noqa: E402
from rig import Rig  # noqa: E402
from store_reader import Stored  # noqa: E402

SAVING = """
command: [/usr/bin/python3, TRAINERS/steady.py]
workdir: {path: FOLDER, mode: snapshot}
metric: {name: loss, goal: minimize}
parameters: {x: {min: 0.0, max: 1.0}, steps: 9, pause: 0.05}
search: {method: random, seed: 5}
schedule: {type: asha, min: 1, max: 9, eta: 3}
stop: {trials: 100000}
limits: {concurrency: 2}
resources: {cpus: 0.25}
retries: {max: 1000, crash_limit: 1000, backoff: 100ms..1s, node_failures: none}
"""
# Members that take over each other's weights all the time.
POPULATION = """
command: [/usr/bin/python3, SOURCE/examples/toy/toy.py]
metric: {name: q, goal: maximize}
parameters: {h0: {min: 0.0, max: 1.0}, h1: {min: 0.0, max: 1.0}, steps: 200, step_ms: 10}
schedule: {type: pbt, max: 200}
pbt: {population: 4, interval: 2, quantile: 0.5}
resources: {cpus: 0.25}
retries: {max: 1000, crash_limit: 1000, backoff: 100ms..1s, node_failures: none}
"""
ARRAY_TASKS = 60
# What makes somebody pass a point that the load alone does not reach.
BY_FOLDER = ("depot.", "blob.")
BY_ARRAY = ("ranges.", "lane.")
BY_NODES = ("lend.", "copy.")  # needs two machines: copies_failpoints_test.py
BY_HEAD = ("store.take", "store.load", "welcome.send", "file.", "role.start")


def points():
    """[{name, can_fail, where}]; skips where they are not built."""
    table = json.loads(subprocess.run([MUSTER, "debug", "failpoints", "-o", "json"], capture_output=True, text=True, check=True).stdout)
    assert len(table["items"]) >= 20
    if not table["built"]:
        raise Skip("this build has no failpoints; the dev, asan and chaos presets have")
    return table["items"]


class Points:
    """A cluster under load whose failpoints are armed one at a time: a rule acts where its mark is not there."""

    def __init__(self, rules):
        self.rig = Rig(may_mount=False, rules=rules)
        self.marks = os.path.join(self.rig.root, "marks")
        os.makedirs(self.marks)
        for name in rules:
            self.path_make(name)
        if not any("%" in action for action in rules.values()):
            self.rig.more_environment["MUSTER_FAILPOINTS_MARKS"] = self.marks
        self.journal, self.seen = Journal(self.rig.journal), set()
        self.folders = 0
        self.arrays, self.populations = [], []

    def path(self, name):
        return os.path.join(self.marks, name)

    def path_make(self, name):
        with open(self.path(name.split("/")[-1]), "w"):
            pass

    def __enter__(self):
        self.rig.up_all()
        wait_for("the cluster to serve", self.rig.serves, 60)
        self.load = Load(self.rig, self.journal, "points", tasks_per_s=20, trainers=2)
        self.load.seen = self.seen
        self.load.start()
        folder = self.folder_make()
        text = SAVING.replace("TRAINERS", os.path.join(os.path.dirname(os.path.abspath(__file__)), "trainers")).replace("FOLDER", folder)
        self.saving = self.rig.sweep(text, "saving.yaml")
        self.journal.add(op="sweep", id=self.saving)
        return self

    def __exit__(self, kind, _error, _trace):
        if kind is not None:
            print(self.rig.logs())
        self.rig.close()

    def folder_make(self):
        """A work folder that no node has yet."""
        self.folders += 1
        folder = os.path.join(self.rig.work, f"folder-{self.folders}")
        os.makedirs(folder)
        with open(os.path.join(folder, "hello.txt"), "w") as file:
            file.write(f"hello from {folder}\n" * 50)
        return folder

    def submit(self, key, *arguments):
        """The number of a new job; again while it fails: with its key it is one, whatever was killed."""
        def submitted():
            done = self.rig.run("submit", "--key", key, "--name", key, "--cpus", "0.25", *arguments, code=None)
            return done.stdout.strip() if done.returncode == 0 else None

        return int(wait_for(f"{key} to be taken", submitted, 90).split(".")[0])

    def submit_folder(self):
        """Sends a folder along."""
        folder = self.folder_make()
        key = f"folder-{self.folders}"
        self.journal.add(op="asked", key=key)
        self.journal.add(op="submit", key=key, id=self.submit(key, "--workdir", folder, "--", "cat", "hello.txt"))

    def submit_array(self):
        """Tasks that are leased ahead, and print."""
        self.arrays.append(self.submit(f"array-{len(self.arrays)}", "--array", f"1-{ARRAY_TASKS}", "--retries", "1000", "--",
                                       "sh", "-c", "echo ${index}"))

    def arrays_check(self):
        """Each task ended well, once; then they go: the checker reads what is kept of single tasks and trials."""
        for number in self.populations:
            wait_for(f"population {number} to end", lambda n=number: self.rig.sweep_of(n)["state"] in ("done", "failed"), 120)
            assert all(t["outcome"] == "done" for t in self.rig.trials(number)), self.rig.trials(number)
            self.rig.run("sweep", "rm", str(number))
        for number in self.arrays:
            job = json.loads(self.rig.http("GET", f"/api/v1/jobs/{number}")[1])
            assert (job["state"], job["done"], job["failed"]) == ("ended", ARRAY_TASKS, 0), job
            listed = self.rig.json("task", "list", str(number), "--limit", str(2 * ARRAY_TASKS))["items"]
            assert [t["id"] for t in listed] == [f"{number}.{i + 1}" for i in range(ARRAY_TASKS)], listed
            self.rig.run("sweep", "rm", str(number))
        wait_for("the arrays to be removed", lambda: not any(int(t.split(".")[0]) in self.arrays + self.populations for t in Stored(self.rig.state).tasks))

    def kill(self, role):
        pid = self.rig.pid(role)
        if pid:
            os.kill(pid, signal.SIGKILL)

    def reach(self, name):
        if name.startswith(BY_FOLDER):
            self.submit_folder()
        elif name.startswith(BY_ARRAY):
            self.submit_array()
        elif name.startswith(BY_HEAD):
            self.kill("head")
        elif name == "trial.exploit":
            self.populations.append(self.rig.sweep(POPULATION.replace("SOURCE", SOURCE), "population.yaml"))
        elif name == "role.adopt":
            self.kill("supervisor")
        elif name == "log.write":
            self.submit_folder()

    def fire(self, name):
        """Arms the point, has it passed, and waits for the cluster to serve again. Whoever acted, by its mark."""
        os.unlink(self.path(name))
        self.reach(name)
        role, pid, action = wait_for(f"{name} to be passed", lambda: self.mark(name), 60)
        if action == "kill":
            wait_for(f"the end of the {role} at {name}", lambda: not is_alive(int(pid)))
        wait_for(f"the cluster to serve after {name}", self.rig.serves, 90)
        return action

    def mark(self, name):
        """[role, pid, action] of whoever acted there; [] before that."""
        try:
            with open(self.path(name)) as file:
                text = file.read()
        except FileNotFoundError:
            text = ""
        return text.split() if text.endswith("\n") else []

    def finish(self):
        """The end of the load; everything acknowledged is there, once."""
        errors = self.load.stop()
        answer = Client(self.rig).until_told("POST", f"/api/v1/sweeps/{self.saving}/stop", {}, None, lambda: False)
        assert answer[0] == 200, answer
        self.journal.add(op="stop", id=self.saving)
        wait_for("all to have ended", lambda: is_quiet(self.rig), 120)
        self.arrays_check()
        operations, violations = round_check(self.rig, self.journal, self.seen)
        assert not errors + violations, (errors + violations)[:20]
        assert operations.total() > 100 and operations["milestone"] > 10, operations
        trials = self.rig.trials(self.saving)
        assert trials and all(t["outcome"] in ("done", "stopped") for t in trials), trials
        return operations.total()


def test_kill_at_each_failpoint_loses_nothing(_cluster):
    names = [point["name"] for point in points() if not point["name"].startswith(BY_NODES)]
    with Points({name: "kill" for name in names}) as all_points:
        for name in names:
            assert all_points.fire(name) == "kill", name
        print(f"{all_points.finish()} operations checked")


def test_failure_at_each_failpoint_that_can_fail_loses_nothing(_cluster):
    names = [point["name"] for point in points() if point["can_fail"] and not point["name"].startswith(BY_NODES)]
    with Points({name: "error:ENOSPC" for name in names}) as all_points:
        for name in names:
            assert all_points.fire(name) == "error", name
        all_points.finish()


def test_stop_and_delay_at_failpoints_lose_nothing(_cluster):
    points()
    with Points({"store.reply": "delay:1500", "ack.send": "stop", "events.send": "stop"}) as all_points:
        all_points.fire("store.reply")
        for name in ("ack.send", "events.send"):
            os.unlink(all_points.path(name))
            pid = int(wait_for(f"{name} to be passed", lambda: all_points.mark(name))[1])
            wait_for("it to be stopped", lambda: open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] == "T")
            until = time.monotonic() + 2  # long enough for others to judge it, were they to
            wait_for("two seconds", lambda: time.monotonic() > until)
            os.kill(pid, signal.SIGCONT)
            wait_for("the cluster to serve", all_points.rig.serves, 60)
        all_points.finish()


def test_one_of_five_answers_of_the_store_is_lost_and_nothing_is_doubled(_cluster):
    points()
    with Points({"head/store.reply": "error:ECONNRESET%20"}) as all_points:  # without a mark: again and again
        wait_for("some load", lambda: all_points.load.counter > 60, 60)
        all_points.finish()


def test_rules_that_are_wrong_are_refused_with_what_is_wrong(cluster):
    points()
    for rules, word in (("nothing.here=kill", "nothing.here"), ("store.reply", "POINT=ACTION"), ("store.reply=explode", "explode"),
                        ("store.take=error:EIO", "cannot fail"), ("store.reply=delay:x", "delay"), ("store.reply=error:EXXX", "EXXX"),
                        ("store.reply=kill@0", "passage"), ("store.reply=kill%101", "chance"), ("head/x.y=kill", "x.y")):
        done = cluster.run("head", code=1, env={"MUSTER_FAILPOINTS": rules})
        assert word in done.stderr, (rules, done.stderr)


def test_build_without_failpoints_refuses_rules(cluster):
    try:
        points()
    except Skip:
        done = cluster.run("head", code=1, env={"MUSTER_FAILPOINTS": "store.reply=kill"})
        assert "no failpoints" in done.stderr, done.stderr
        return
    raise Skip("this build has failpoints")


if __name__ == "__main__":
    run(globals())
