#!/usr/bin/env python3
"""Where work goes and who is blamed: nodes that fail everything, sweeps that fail everywhere, memory, preferences, drains.
Several workers run on this machine, each with a state folder of its own."""
import contextlib
import json
import os
import signal
import time

from cluster import PYTHON, SLOW, TRAINERS, Skip, run, wait_for

HEAVY_MB = 600


class Fleet:
    """A head without a worker of its own, and workers by name."""

    def __init__(self, cluster):
        self.cluster = cluster
        cluster.up("--no-worker")
        self.workers = {}

    def add(self, name, *arguments, cpus=2, **options):
        state = os.path.join(self.cluster.root, "state-" + name)
        self.workers[name] = self.cluster.start(
            "worker", "--join", f"ipc://{self.cluster.state}/run/head.ipc", "--key-file", f"{self.cluster.state}/keys/join",
            "--state", state, "--name", name, "--cpus", str(cpus), *arguments, **options)
        wait_for(f"node {name}", lambda: node_of(self.cluster, name, "alive"))

    def stop(self, name, sign=signal.SIGTERM):
        self.workers[name].send_signal(sign)

    def close(self):
        """Workers with a state folder of their own are not the cluster's to end."""
        self.cluster.run("down", "--timeout", "5", code=None)
        for worker in self.workers.values():
            worker.wait(timeout=30 * SLOW)


def get(cluster, path):
    status, text = cluster.http("GET", "/api/v1/" + path)
    assert status == 200, (path, status, text)
    return json.loads(text)


def kill_head(cluster):
    """And waits for the next one."""
    before = cluster.kill("head")

    def is_back():
        try:
            return cluster.pid("head") not in (None, before) and cluster.http("GET", "/readyz")[0] == 200
        except OSError:
            return False

    wait_for("the next head", is_back)


def post(cluster, path, body=None):
    status, text = cluster.http("POST", "/api/v1/" + path, json.dumps(body or {}).encode())
    assert status == 200, (path, status, text)


def node_of(cluster, name, state=None):
    for node in get(cluster, "nodes")["items"]:
        if node["name"] == name and state in (None, node["state"]):
            return node
    return None


def fates(fate, nodes, trials, more="", seconds=0.2):
    return f"""
name: fates
command: [{PYTHON}, {TRAINERS}/fates.py, "{fate}", "{nodes}", "{seconds}"]
metric: {{name: loss, goal: minimize}}
parameters: {{x: {{min: 0, max: 1}}}}
stop: {{trials: {trials}}}
{more}"""


def ended(cluster, number):
    return cluster.sweep_of(number)["state"] in ("done", "failed", "cancelled")


def running(cluster, number):
    return [t for t in cluster.trials(number) if t["state"] == "running"]


def nodes_of(trials):
    count = {}
    for trial in trials:
        count[trial["node"]] = count.get(trial["node"], 0) + 1
    return count


QUICK = "retries: {max: 20, backoff: 100ms}\n"


def test_node_where_everything_fails_is_set_aside_and_two_sweeps_cordon_it(cluster):
    fleet = Fleet(cluster)
    fleet.add("bad")
    fleet.add("good")
    first = cluster.sweep(fates("fail", "bad", 14, QUICK, 0.4))
    aside = wait_for("bad is set aside", lambda: cluster.sweep_of(first)["set_aside"])
    assert aside[0]["node"] == "bad" and "3 different trials failed in a row on node bad" in aside[0]["reason"], aside
    assert "cannot read" in aside[0]["reason"], aside
    shown = node_of(cluster, "bad")
    assert [a["sweep"] for a in shown["set_aside"]] == [first] and not shown["cordoned"], shown
    text = get(cluster, f"explain/{first}")["text"]
    assert "node bad is set aside" in text or "is done" in text, text
    kill_head(cluster)  # it is on record
    wait_for("the first sweep's end", lambda: ended(cluster, first))
    sweep = cluster.sweep_of(first)
    assert sweep["state"] == "done" and sweep["done"] == 14 and sweep["failed"] == 0, sweep
    on_bad = [a for t in cluster.trials(first) for a in get(cluster, f"trials/{t['id']}/attempts")["items"] if a["node"] == "bad"]
    assert 3 <= len(on_bad) <= 6 and all(a["exit_code"] == 3 and "cannot read" in a["stderr"] for a in on_bad), on_bad

    second = cluster.sweep(fates("fail", "bad", 10, QUICK, 0.4))
    shown = wait_for("bad is cordoned", lambda: (lambda n: n if n["cordoned"] else None)(node_of(cluster, "bad")))
    assert f"sweeps {first} and {second} set it aside" in shown["cordon_reason"], shown
    wait_for("the second sweep's end", lambda: ended(cluster, second))
    assert cluster.sweep_of(second)["state"] == "done"

    fleet.stop("bad", signal.SIGKILL)  # a new start of its agent changes nothing
    fleet.workers["bad"].wait()
    fleet.add("bad")
    assert node_of(cluster, "bad")["cordoned"]
    third = cluster.sweep(fates("fail", "bad", 4, QUICK))
    wait_for("the third sweep's end", lambda: ended(cluster, third))
    assert nodes_of(cluster.trials(third)) == {"good": 4} and all(t["attempts"] == 1 for t in cluster.trials(third))
    post(cluster, "nodes/bad/resume")
    shown = node_of(cluster, "bad")
    assert not shown["cordoned"] and shown["cordon_reason"] in ("", None), shown
    fleet.close()


def test_first_five_failures_pause_and_resume_goes_on(cluster):
    cluster.up("--cpus", "2")
    number = cluster.sweep(fates("fail", "all", 9, "retries: {max: 0, node_failures: none}\n"))
    sweep = wait_for("the pause", lambda: (lambda s: s if s["state"] == "paused" else None)(cluster.sweep_of(number)))
    assert sweep["why"] == "failures" and "trials all failed" in sweep["error"] and "cannot read" in sweep["error"], sweep
    wait_for("what runs has ended", lambda: cluster.sweep_of(number)["running"] == 0)
    failed = cluster.sweep_of(number)["failed"]
    assert 5 <= failed <= 6, failed
    failures = get(cluster, f"sweeps/{number}/failures")
    assert failures["total"] == 1, failures
    (group,) = failures["items"]
    assert group == {"message": "OSError: [Errno #] cannot read data-#.bin at #", "count": failed, "failed": failed,
                     "example": f"{number}.1"}, group
    kill_head(cluster)
    assert cluster.sweep_of(number)["state"] == "paused"
    post(cluster, f"sweeps/{number}/resume")
    wait_for("the end", lambda: ended(cluster, number))
    sweep = cluster.sweep_of(number)
    assert sweep["state"] == "failed" and sweep["failed"] == 9, sweep


def test_last_node_is_not_set_aside_but_the_sweep_paused(cluster):
    cluster.up("--cpus", "1")
    number = cluster.sweep(fates("fail", "all", 9, "retries: {max: 0}\n"))
    sweep = wait_for("the pause", lambda: (lambda s: s if s["state"] == "paused" else None)(cluster.sweep_of(number)))
    assert "3 different trials failed in a row on node local" in sweep["error"] and sweep["set_aside"] == [], sweep
    assert sweep["failed"] == 3, sweep
    assert "is paused" in get(cluster, f"explain/{number}")["text"]
    post(cluster, f"sweeps/{number}/resume")
    wait_for("the end", lambda: ended(cluster, number))
    assert cluster.sweep_of(number)["failed"] == 9


def test_trial_over_its_memory_is_ended_and_its_neighbours_go_on(cluster):
    cluster.up("--cpus", "4", "--memory", "4G")
    more = "resources: {memory: %s}\nretries: {max: 0}\n"
    quiet = cluster.sweep(fates("none", "all", 2, more % "1G", 6))
    wait_for("neighbours at work", lambda: len(running(cluster, quiet)) == 2)
    number = cluster.sweep(fates(f"eat:{HEAVY_MB}", "all", 1, more % "200M", 60))
    wait_for("its end", lambda: ended(cluster, number))
    (trial,) = cluster.trials(number)
    assert trial["outcome"] == "failed" and "more than resources.memory, 200 MiB" in trial["reason"], trial
    (attempt,) = get(cluster, f"trials/{trial['id']}/attempts")["items"]
    assert attempt["cause"] == "out_of_memory" and attempt["rss_peak"] > 200 << 20, attempt
    assert attempt["host"] and attempt["version"] and attempt["node"] == "local" and attempt["cpu_seconds"] > 0, attempt
    wait_for("the neighbours' end", lambda: ended(cluster, quiet))
    assert all(t["outcome"] == "done" and t["attempts"] == 1 for t in cluster.trials(quiet)), cluster.trials(quiet)


@contextlib.contextmanager
def memory_group(name, size_bytes):
    """A memory cgroup of so many bytes; gives a function with which a child puts itself in."""
    v1, v2 = "/sys/fs/cgroup/memory", "/sys/fs/cgroup"
    top, limit = (v1, "memory.limit_in_bytes") if os.path.isdir(v1) else (v2, "memory.max")
    path = os.path.join(top, name)
    try:
        os.mkdir(path)
    except OSError as error:
        raise Skip(f"no memory cgroup can be made: {error}") from None

    def enter():
        with open(os.path.join(path, "cgroup.procs"), "w") as file:
            file.write(str(os.getpid()))

    try:
        try:
            with open(os.path.join(path, limit), "w") as file:
                file.write(str(size_bytes))
        except OSError as error:
            raise Skip(f"no limit can be set in a memory cgroup: {error}") from None
        yield enter
    finally:
        with open(os.path.join(path, "cgroup.procs")) as file:
            for pid in file.read().split():  # of a test that failed
                with contextlib.suppress(OSError):
                    os.kill(int(pid), signal.SIGKILL)

        def is_gone():
            with contextlib.suppress(OSError):
                os.rmdir(path)
            return not os.path.exists(path)

        wait_for("the cgroup is empty", is_gone)


def test_node_near_its_memory_ends_who_is_most_above_its_request(cluster):
    if SLOW > 1:
        raise Skip("what a sanitizer takes for itself would be in the node's memory; the release build runs it")
    with memory_group(os.path.basename(cluster.root), 640 << 20) as enter:
        fleet = Fleet(cluster)
        fleet.add("small", cpus=4, preexec_fn=enter)
        more = "retries: {max: 0}\nresources: {memory: %s}\n"
        quiet = cluster.sweep(fates("eat:100", "all", 1, more % "200M", 20))
        wait_for("the neighbour at work", lambda: running(cluster, quiet) and cluster.trials(quiet)[0]["step"] > 0)
        number = cluster.sweep(fates("grow:350", "all", 1, "retries: {max: 0}\n", 60))
        wait_for("its end", lambda: ended(cluster, number), 60)
        (trial,) = cluster.trials(number)
        assert "its node had" in trial["reason"] and "above resources.memory: more than any other" in trial["reason"], trial
        # Faster than any watch: the kernel ends it, and that is told.
        number = cluster.sweep(fates("burst:1500", "all", 1, "retries: {max: 0}\n", 60))
        wait_for("its end", lambda: ended(cluster, number), 60)
        (trial,) = cluster.trials(number)
        (attempt,) = get(cluster, f"trials/{trial['id']}/attempts")["items"]
        assert attempt["cause"] == "out_of_memory", attempt
        wait_for("the neighbour's end", lambda: ended(cluster, quiet), 60)
        assert [(t["outcome"], t["attempts"]) for t in cluster.trials(quiet)] == [("done", 1)], cluster.trials(quiet)
        fleet.close()


def test_spread_per_node_and_prefer_show_in_the_placement(cluster):
    fleet = Fleet(cluster)
    for name, zone in (("n1", "a"), ("n2", "b"), ("n3", "b")):
        fleet.add(name, "--label", f"zone={zone}", cpus=4)

    def placed(more, trials, how_many):
        number = cluster.sweep(fates("none", "all", trials, more, 30))
        wait_for(f"{how_many} at work", lambda: len(running(cluster, number)) == how_many)
        nodes = nodes_of(running(cluster, number))
        text = get(cluster, f"explain/{number}")["text"]
        post(cluster, f"sweeps/{number}/cancel", {"grace_ms": 0})
        wait_for("its end", lambda: ended(cluster, number))
        return nodes, text

    assert placed("resources: {place: spread}\n", 6, 6)[0] == {"n1": 2, "n2": 2, "n3": 2}
    nodes, _ = placed("", 6, 6)
    assert sorted(nodes.values()) == [2, 4], nodes
    nodes, text = placed("limits: {per_node: 1}\n", 6, 3)
    assert nodes == {"n1": 1, "n2": 1, "n3": 1} and "limits.per_node is 1" in text, (nodes, text)
    nodes, _ = placed('resources: {prefer: ["zone == b"]}\n', 6, 6)
    assert nodes.get("n1", 0) == 0, nodes
    nodes, _ = placed('resources: {prefer: ["zone == a"]}\n', 6, 6)
    assert nodes["n1"] == 4, nodes
    fleet.close()


def test_retry_goes_to_another_node(cluster):
    fleet = Fleet(cluster)
    fleet.add("n1")
    fleet.add("n2")
    number = cluster.sweep(fates("once", "all", 4, "retries: {max: 2, backoff: 100ms, node_failures: none}\nlimits: {concurrency: 1}\n"))
    wait_for("the end", lambda: ended(cluster, number))
    for trial in cluster.trials(number):
        nodes = [a["node"] for a in get(cluster, f"trials/{trial['id']}/attempts")["items"]]
        assert trial["outcome"] == "done" and sorted(nodes) == ["n1", "n2"], (trial, nodes)
    fleet.close()


def test_worker_told_to_leave_hands_its_trials_back_uncharged(cluster):
    fleet = Fleet(cluster)
    fleet.add("leaves", "--drain", "10")
    number = cluster.sweep(fates("none", "all", 2, "timeouts: {grace: 1s}\nretries: {max: 0}\n", 4))
    wait_for("both at work", lambda: len(running(cluster, number)) == 2)
    fleet.add("stays")
    asked = time.monotonic()
    fleet.stop("leaves")
    assert fleet.workers["leaves"].wait(timeout=15 * SLOW) == 0
    assert time.monotonic() - asked < 12 * SLOW
    wait_for("the end", lambda: ended(cluster, number))
    for trial in cluster.trials(number):
        first, second = get(cluster, f"trials/{trial['id']}/attempts")["items"]
        assert (first["node"], first["cause"], second["node"]) == ("leaves", "agent_left", "stays"), (first, second)
        assert trial["outcome"] == "done" and trial["failures"] == 0 and trial["lost"] == 0, trial
    fleet.close()


if __name__ == "__main__":
    run(globals())
