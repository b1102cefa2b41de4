#!/usr/bin/env python3
"""Between the states: starting while another leaves, ending what nobody watches, readers that are slow or late."""
import glob
import json
import os
import signal
import socket
import subprocess
import time

from cluster import PYTHON, TRAINERS, run, wait_for
from first_light_test import steady


def lines_job(cluster, megabytes):
    """A task that writes so much; its id."""
    program = f"import sys; sys.stdout.write(('z' * 1023 + '\\n') * {megabytes << 10})"
    cluster.run("run", "--", PYTHON, "-c", program, stdout=subprocess.DEVNULL)
    return json.loads(cluster.http("GET", "/api/v1/tasks")[1])["items"][-1]["id"]


def test_submit_while_the_cluster_leaves_starts_a_new_one(cluster):
    cluster.up("--cpus", "1")
    old = cluster.pid("supervisor")
    leaving = cluster.start("down")
    wait_for("the head's goodbye", lambda: not os.path.exists(cluster.state + "/current") or leaving.poll() is not None)
    number = cluster.sweep(steady(pause=0.0, trials=1))
    leaving.communicate(timeout=60)
    cluster.run("sweep", "wait", str(number), seconds=60)
    assert cluster.pid("supervisor") not in (None, old)


def test_down_ends_all_when_supervisor_and_head_were_killed(cluster):
    cluster.up("--cpus", "1")
    number = cluster.sweep(steady(pause=0.2, trials=4))
    wait_for("a trainer", cluster.attempts)
    for role in ("supervisor", "head"):
        cluster.kill(role)
        wait_for(f"the {role}'s end", lambda: cluster.pid(role) is None)
    assert cluster.pid("worker")
    cluster.run("down", "--timeout", "10", seconds=60)
    assert not cluster.remains(), cluster.remains()
    # Nothing acknowledged is lost: the next start goes on with it.
    cluster.up("--cpus", "2")
    cluster.run("sweep", "wait", str(number), seconds=60)


def test_store_that_contradicts_itself_starts_nothing_and_says_why(cluster):
    cluster.up("--cpus", "1")
    cluster.run("run", "--", "true")
    copied = cluster.redis("EVAL", "return redis.call('HSET', KEYS[1], '9', redis.call('HGET', KEYS[1], '1'))", "1", "m:jobs")
    assert copied == "1", copied
    cluster.down()
    for words in (["up", "-d"], ["status"], ["up"]):
        told = cluster.run(*words, code=None)
        reason = [line for line in told.stderr.splitlines() if line.startswith("muster: ")][-1]
        assert told.returncode != 0 and "record 9 of jobs: it is the record of 1 (nothing was changed)" in reason, told
        assert words == ["up"] or len(told.stderr.splitlines()) <= 2, told.stderr
    # Whole again, it goes on.
    server = subprocess.Popen([os.path.join(cluster.state, "run", "redis-server"), "redis.conf"], cwd=os.path.join(cluster.state, "redis"), stdout=subprocess.DEVNULL)
    try:
        wait_for("the record's removal", lambda: cluster.redis("HDEL", "m:jobs", "9") == "1")
    finally:
        server.terminate()
        server.wait(20)
    cluster.up("--cpus", "1")
    assert [task["outcome"] for task in json.loads(cluster.http("GET", "/api/v1/tasks")[1])["items"]] == ["done"]


def test_submit_adopts_what_a_killed_supervisor_left(cluster):
    cluster.up("--cpus", "1")
    cluster.kill("supervisor")
    wait_for("the supervisor's end", lambda: cluster.pid("supervisor") is None)
    children = {role: cluster.pid(role) for role in ("head", "redis", "worker")}
    number = cluster.sweep(steady(pause=0.1, trials=3))
    assert {role: cluster.pid(role) for role in children} == children
    assert cluster.pid("supervisor"), "nobody would start again what dies now"
    for role in ("worker", "head"):
        old = cluster.kill(role)
        wait_for(f"a new {role}", lambda: (p := cluster.pid(role)) and p != old)
    cluster.run("sweep", "wait", str(number), seconds=60)
    nodes = json.loads(cluster.http("GET", "/api/v1/nodes")[1])["items"]
    assert [n["cpus"] for n in nodes] == [1], ("the worker came back with other options", nodes)


def test_reader_of_a_cluster_without_supervisor_leaves_no_worker_unwatched(cluster):
    cluster.up("--cpus", "1")
    number = cluster.sweep(steady(pause=0.2, trials=3))
    for role in ("supervisor", "head"):
        cluster.kill(role)
        wait_for(f"the {role}'s end", lambda: cluster.pid(role) is None)
    cluster.run("sweep", "list")
    old = cluster.kill("worker")
    wait_for("a new worker", lambda: (p := cluster.pid("worker")) and p != old)
    cluster.run("sweep", "wait", str(number), seconds=60)


def damage_store(cluster):
    for path in glob.glob(cluster.state + "/redis/**/*.aof", recursive=True):
        with open(path, "r+b") as file:
            file.write(b"no such thing" * 4)


def test_start_that_cannot_succeed_says_so_and_leaves_nothing(cluster):
    cluster.up("--cpus", "1")
    cluster.run("down")
    damage_store(cluster)
    done = cluster.run("up", "-d", "--cpus", "1", code=None, seconds=60)
    assert done.returncode != 0 and "did not start" in done.stderr, done
    wait_for("its end", lambda: not cluster.remains())


def test_start_whose_supervisor_is_killed_is_not_waited_for(cluster):
    cluster.up("--cpus", "1")
    cluster.run("down")
    damage_store(cluster)
    start = cluster.start("up", "-d", "--cpus", "1")
    wait_for("a worker", lambda: cluster.pid("worker"))
    cluster.kill("supervisor")
    start.communicate(timeout=20)
    assert start.returncode != 0
    cluster.run("down", "--timeout", "5", code=None, seconds=60)
    wait_for("its end", lambda: not cluster.remains())


def test_slow_reader_of_a_long_log_gets_all_of_it(cluster):
    cluster.up("--cpus", "1")
    task = lines_job(cluster, 7)
    size = sum(os.path.getsize(p) for p in glob.glob(f"{cluster.state}/nodes/local/logs/{task}/*.out"))
    assert size >= 7 << 20, size
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 10)
    s.settimeout(30)
    host, port = cluster.url().split("//")[1].split(":")
    s.connect((host, int(port)))
    s.sendall(f"GET /api/v1/tasks/{task}/logs HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {cluster.token()}\r\n"
              "Connection: close\r\n\r\n".encode())
    got = b""
    while True:
        if len(got) < 1 << 20:
            for _ in range(3):
                cluster.http("GET", "/healthz")  # The head has turns of its loop while the reader takes little.
        piece = s.recv(32 << 10)
        if not piece:
            break
        got += piece
    assert got.count(b"z") == 1023 * (7 << 10), (got.count(b"z"), len(got))
    assert got.endswith(b"0\r\n\r\n"), got[-20:]


def events(cluster, last=None):
    """[(event, id)] of what the ring still tells."""
    text = cluster.http("GET", "/api/v1/events?follow=0", headers={"Last-Event-ID": last} if last else {})[1]
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if fields:
            found.append((fields.get("event"), fields.get("id")))
    return found


def test_late_reader_of_events_is_told_what_it_missed(cluster):
    cluster.up("--cpus", "2")
    first = events(cluster)[-1][1]
    number = cluster.sweep(steady(pause=0.0, trials=150))
    cluster.run("sweep", "wait", str(number), seconds=120)
    ids = [i for _, i in events(cluster)]
    seen = [int(i.split("-")[1]) for i in ids]
    assert seen == list(range(seen[0], seen[-1] + 1)), "a gap"
    late = events(cluster, first)
    assert late[0][0] == "reset", late[:2]
    assert late[-1][1] == ids[-1], (late[-1], ids[-1])
    near = f"{ids[-1].split('-')[0]}-{seen[-1] - 3}"
    assert [i for _, i in events(cluster, near)] == ids[-3:]


def test_wrong_and_huge_requests_leave_the_head_alone(cluster):
    cluster.up("--cpus", "1")
    head = cluster.pid("head")
    word = "w" * 60000
    job = {"words": [word] * 24, "workdir": "/tmp"}
    assert cluster.http("POST", "/api/v1/jobs", json.dumps(job).encode())[0] == 413
    for body in ({"words": [word * 2], "workdir": "/tmp"}, {"words": ["x"], "workdir": "/tmp", "cpus": -1}, {"words": ["x"] * 2000, "workdir": "/"},
                 {"words": ["x"], "workdir": "/tmp", "cpus": 1 << 62}, {"words": ["x"], "workdir": "/tmp", "custom": [{"name": "", "amount": 1}]},
                 {"words": ["x"], "workdir": "/tmp", "env": [{"name": "A" * 70000, "value": ""}]}, {"words": ["x"], "workdir": "/tmp", "require": ["((("]},
                 {"words": ["x"], "workdir": "/tmp", "name": "n" * 70000}, {"words": [], "workdir": "/tmp"}, {"words": [1], "workdir": "/tmp"}):
        status = cluster.http("POST", "/api/v1/jobs", json.dumps(body).encode())[0]
        assert 400 <= status < 500, (status, str(body)[:80])
    for path in ("trials?limit=-1&offset=99999999999", "sweeps/99999999999", "explain/0.0", "trials/0.0", "tasks?state=%00", "events?follow=0", "explain/4294967295"):
        assert cluster.http("GET", "/api/v1/" + path)[0] < 500, path
        cluster.http("HEAD", "/api/v1/" + path)
    cluster.http("POST", "/api/v1/sweeps", b"{" + b'"a":[' * 5000)
    assert cluster.http("POST", "/api/v1/jobs", json.dumps({"words": ["true"], "workdir": "/tmp"}).encode(), {"Idempotency-Key": "k" * 400})[0] == 400
    key = {"Idempotency-Key": "again"}
    body = json.dumps({"words": ["true"], "workdir": "/tmp"}).encode()
    made = cluster.http("POST", "/api/v1/jobs", body, key)
    again = cluster.http("POST", "/api/v1/jobs", body, key)
    assert (made[0], again[0]) == (201, 200) and made[1] == again[1], (made, again)
    assert cluster.pid("head") == head, "the head ended"
    cluster.kill("head")
    wait_for("a new head", lambda: (p := cluster.pid("head")) and p != head)
    wait_for("its answer", lambda: answers(cluster))
    assert cluster.http("POST", "/api/v1/jobs", body, key)[1] == made[1]


def answers(cluster):
    try:
        return cluster.http("GET", "/healthz")[0] == 200
    except OSError:
        return False


if __name__ == "__main__":
    run(globals())
