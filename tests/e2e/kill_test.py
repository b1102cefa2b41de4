#!/usr/bin/env python3
"""kill -9 in mid-sweep, at least five times in one sweep, of every process there is. The sweep must end as if nothing had
happened: same id, no trial counted twice, the same result as an unbroken run where nothing was retried."""
import os
import signal
import time

from cluster import Cluster, is_alive, processes, run, wait_for
from first_light_test import steady

KILLS = 5


def mid_sweep(cluster, pause=0.12, trials=14, cpus=2):
    cluster.up("--cpus", str(cpus))
    number = cluster.sweep(steady(pause=pause, trials=trials))
    wait_for("two trainers", lambda: len(cluster.attempts()) >= 2)
    return number


def ended(cluster, number):
    try:
        return cluster.sweep_of(number)["state"] in ("done", "failed", "cancelled")
    except (OSError, ValueError, KeyError):
        return False


def reports(cluster, number):
    try:
        return sum(t["step"] for t in cluster.trials(number))
    except (OSError, ValueError, KeyError):
        return -1


def wait_progress(cluster, number, more=2):
    """Until trainers have told something new: the cluster works again."""
    before = wait_for("an answer", lambda: (r := reports(cluster, number)) >= 0 and [r])[0]
    wait_for("progress", lambda: ended(cluster, number) or reports(cluster, number) >= before + more)


def check_complete(cluster, number, trials=14):
    cluster.run("sweep", "wait", str(number), seconds=120)
    sweep = cluster.json("sweep", "show", str(number))
    assert sweep["state"] == "done" and sweep["asked"] == trials, sweep
    assert sweep["done"] + sweep["stopped"] == trials and sweep["failed"] == 0, sweep
    items = cluster.json("trial", "list", str(number))["items"]
    assert len(items) == trials and len({t["id"] for t in items}) == trials
    assert all(t["state"] == "ended" for t in items)
    return sweep, items


def metric_rows(cluster, trial):
    import json
    return json.loads(cluster.http("GET", f"/api/v1/trials/{trial}/metrics")[1])["items"]


def check_rows(cluster, items):
    """Of each attempt every report once, in order."""
    for trial in items:
        seen = {}
        for row in metric_rows(cluster, trial["id"]):
            seen.setdefault(row["attempt"], []).append(row["seq"])
        for attempt, sequence in seen.items():
            assert sequence == list(range(1, len(sequence) + 1)), (trial["id"], attempt, sequence)


def test_kill_head_disturbs_no_trainer(cluster):
    number = mid_sweep(cluster)
    for _ in range(KILLS):
        before = cluster.attempts()
        old = cluster.kill("head")
        new = wait_for("a new head", lambda: (p := cluster.pid("head")) and p != old and p)
        assert new != old
        wait_progress(cluster, number)
        # A trainer that runs still and is the same trial has the same process: none was started twice.
        after = cluster.attempts()
        for pid, trial in after.items():
            assert pid in before or trial not in before.values(), (before, after)
    sweep, items = check_complete(cluster, number)
    assert all(t["attempts"] == 1 for t in items), [t["attempts"] for t in items]
    check_rows(cluster, items)


def test_kill_redis_loses_nothing(cluster):
    number = mid_sweep(cluster)
    for _ in range(KILLS):
        old = cluster.kill("redis")
        wait_for("a new redis", lambda: (p := cluster.pid("redis")) and p != old)
        wait_progress(cluster, number)
    sweep, items = check_complete(cluster, number)
    assert all(t["attempts"] == 1 for t in items)
    check_rows(cluster, items)


def test_kill_head_and_redis_together(cluster):
    number = mid_sweep(cluster)
    for _ in range(KILLS):
        head, redis = cluster.kill("head"), cluster.kill("redis")
        wait_for("both anew", lambda: (h := cluster.pid("head")) and h != head and (r := cluster.pid("redis")) and r != redis)
        wait_progress(cluster, number)
    sweep, items = check_complete(cluster, number)
    assert all(t["attempts"] == 1 for t in items)
    check_rows(cluster, items)


def test_kill_worker_ends_its_attempts_and_retries_them(cluster):
    number = mid_sweep(cluster)
    for _ in range(KILLS):
        running = wait_for("a trainer", lambda: ended(cluster, number) or cluster.attempts())
        if running is True:
            break
        old = cluster.kill("worker")
        wait_for("a new worker", lambda: (p := cluster.pid("worker")) and p != old)
        wait_for("the old attempts to be gone", lambda: not any(is_alive(pid) for pid in running))
        wait_progress(cluster, number)
    sweep, items = check_complete(cluster, number)
    assert sum(t["lost"] for t in items) >= KILLS, [t["lost"] for t in items]
    assert any(t["attempts"] > 1 for t in items)
    check_rows(cluster, items)


def test_kill_supervisor_children_go_on_and_are_adopted(cluster):
    number = mid_sweep(cluster)
    for _ in range(KILLS):
        children = {role: cluster.pid(role) for role in ("head", "redis", "worker")}
        cluster.kill("supervisor")
        wait_for("the supervisor's end", lambda: cluster.pid("supervisor") is None)
        wait_progress(cluster, number)
        cluster.run("up", "-d", "--cpus", "2")
        assert {role: cluster.pid(role) for role in children} == children
        # Adopted: what dies now is started again.
        old = cluster.kill("head")
        wait_for("a new head", lambda: (p := cluster.pid("head")) and p != old)
    sweep, items = check_complete(cluster, number)
    assert all(t["attempts"] == 1 for t in items)


def test_kill_trainers_retries_from_their_snapshots(cluster):
    number = mid_sweep(cluster, trials=24)
    killed = 0
    deadline = time.monotonic() + 60
    while killed < KILLS and time.monotonic() < deadline and not ended(cluster, number):
        for trial in cluster.trials(number):
            pid = trial["pid"]
            # One kill a trial, in mid-training, so that its own retries suffice.
            if trial["state"] == "running" and trial["attempts"] == 1 and trial["step"] >= 1 and pid and killed < KILLS:
                try:
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
                except ProcessLookupError:
                    pass
        time.sleep(0.02)
    sweep, items = check_complete(cluster, number, trials=24)
    failures = sum(t["failures"] for t in items)
    assert killed >= KILLS and failures >= KILLS - 1, (killed, failures)  # one may have ended in the moment it was hit
    for trial in items:
        if trial["failures"] and trial["attempts"] > 1:
            steps = [r["step"] for r in metric_rows(cluster, trial["id"]) if r["attempt"] == 1]
            assert not steps or steps[0] > 1, ("started from nothing", trial["id"], steps)


def test_broken_and_unbroken_sweeps_decide_alike(cluster):
    """One slot, so that the order of reports is fixed: with the same seed every suggestion and decision is equal."""
    results = []
    for broken in (False, True):
        own = Cluster()
        try:
            own.up("--cpus", "1")
            number = own.sweep(steady(pause=0.03, trials=8))
            while broken and not ended(own, number):
                old = own.pid("head")
                if old:
                    os.kill(old, signal.SIGKILL)
                    wait_for("a new head", lambda: (p := own.pid("head")) and p != old)
                wait_progress(own, number, 3)
            own.run("sweep", "wait", str(number))
            results.append([(t["id"], t["params"], t["outcome"], t["why"], t["step"], t["best"]["metrics"], t["best"]["step"])
                            for t in own.json("trial", "list", str(number))["items"]])
        finally:
            left = own.close()
        assert not left, left
    assert results[0] == results[1], results


if __name__ == "__main__":
    run(globals())
