#!/usr/bin/env python3
"""A head with a Redis of somebody else's: one head at a time writes, whatever is killed or stopped, and a Redis that will not do is
refused with the reason."""
import os
import re
import shutil
import signal
import socket
import socketserver
import threading
import time

from cluster import PYTHON, SLOW, TRAINERS, run, wait_for
from remote import Redis, current, free_port, head_alone, wait_alive, worker_join

SWEEP = f"""
command: [{PYTHON}, {TRAINERS}/steady.py]
workdir: {{path: /tmp, mode: shared}}
metric: {{name: loss, goal: minimize}}
parameters: {{x: {{min: 0.0, max: 1.0}}, steps: 9, pause: PAUSE}}
search: {{method: random, seed: 5}}
schedule: {{type: asha, min: 1, max: 9, eta: 3}}
stop: {{trials: TRIALS}}
"""
KILLS = 10 if os.environ.get("MUSTER_TEST_LONG") else 4


def sweep(trials, pause=0.05):
    return SWEEP.replace("TRIALS", str(trials)).replace("PAUSE", str(pause))


def check_once(cluster, number, trials):
    """The sweep ended well, every trial counted once, none started twice."""
    found = cluster.trials(number)
    assert len(found) == trials and all(t["outcome"] in ("done", "stopped") for t in found), found
    shown = cluster.sweep_of(number)
    assert shown["state"] == "done" and shown["done"] + shown["stopped"] == trials, shown


def other_state(cluster, name="second"):
    """A state folder with the same keys, as an operator would copy it to another machine."""
    state = os.path.join(cluster.root, name)
    os.makedirs(state)
    shutil.copytree(os.path.join(cluster.state, "keys"), os.path.join(state, "keys"))
    return state


def output(child):
    child.wait(30 * SLOW)
    with open(child.log_path) as file:
        return file.read()


def test_sweep_runs_on_an_external_store_over_tcp_and_unix(cluster):
    path = os.path.join(cluster.root, "r.sock")
    redis = Redis(cluster, "--unixsocket", path, password="s3cret@1")
    for url in (f"redis://:s3cret%401@localhost:{redis.port}/2", f"unix://:s3cret%401@{path}?db=2"):
        head = head_alone(cluster, url, "--listen", "tcp://127.0.0.1:0", "--store-prefix", "team_a")
        worker = worker_join(cluster, "one", current(cluster.state)["listen"][0])
        wait_alive(cluster, "one")
        number = cluster.sweep(sweep(4))
        cluster.run("sweep", "wait", str(number))
        check_once(cluster, number, 4)
        status = cluster.json("status")
        assert status["store_kind"] == "external" and status["store_loss"] == "nothing", status
        cluster.run("down")
        assert head.wait(30 * SLOW) == 0
        worker.wait(30 * SLOW)
    assert number == 2, "the second head did not find what the first one wrote"


def test_second_head_is_refused_with_the_name_of_the_first(cluster):
    redis = Redis(cluster)
    first = head_alone(cluster, redis.url)
    second = head_alone(cluster, redis.url, state=other_state(cluster), wait=False)
    text = output(second)
    assert second.returncode == 1 and "another head is active: host" in text and f"pid {first.pid}" in text, text
    assert first.poll() is None
    again = head_alone(cluster, redis.url, wait=False)  # In the first one's own folder: its lock says so at once.
    text = output(again)
    assert again.returncode == 1 and "already runs" in text, text
    cluster.json("status")


def test_stopped_head_is_taken_over_and_writes_nothing_when_it_goes_on(cluster):
    redis = Redis(cluster)
    first = head_alone(cluster, redis.url)
    first.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    state = other_state(cluster)
    second = head_alone(cluster, redis.url, state=state)
    assert time.monotonic() - stopped < 14 * SLOW, "the take-over took too long"
    cluster_first, cluster.state = cluster.state, state
    number = cluster.sweep(sweep(1))
    before = redis.call("HGETALL", "m:meta").splitlines()
    first.send_signal(signal.SIGCONT)
    text = output(first)
    assert first.returncode == 1 and "another head took over the store" in text and f"pid {second.pid}" in text, text
    after = redis.call("HGETALL", "m:meta").splitlines()
    meta = dict(zip(before[::2], before[1::2])), dict(zip(after[::2], after[1::2]))
    assert all(meta[0][key] == meta[1][key] for key in ("holder", "epoch", "active")), meta
    assert int(meta[1]["n"]) >= int(meta[0]["n"]) and cluster.sweep_of(number)["state"] == "running"
    cluster.run("sweep", "cancel", str(number))
    cluster.run("down")
    cluster.state = cluster_first


def test_head_and_external_redis_killed_in_a_loop_lose_nothing(cluster):
    redis = Redis(cluster)
    port_args = ["--listen", "tcp://127.0.0.1:0"]
    head = head_alone(cluster, redis.url, *port_args)
    endpoint = current(cluster.state)["listen"][0]
    for name in ("one", "two"):
        worker_join(cluster, name, endpoint)
    wait_alive(cluster, "one", "two")
    number = cluster.sweep(sweep(40, pause=0.1))
    for _ in range(KILLS):
        wait_for("trainers", lambda: len(cluster.attempts()) == 2)
        before = sum(t["step"] for t in cluster.trials(number))
        head.kill()
        redis.kill()
        head.wait()
        started = time.monotonic()
        redis.start()
        head = head_alone(cluster, redis.url, *port_args)
        assert time.monotonic() - started < 9 * SLOW, "its own last start is no other head to wait for"
        assert current(cluster.state)["listen"][0] == endpoint
        wait_for("progress", lambda: sum(t["step"] for t in cluster.trials(number)) > before + 2, 60)
    cluster.run("sweep", "wait", str(number), seconds=240)
    check_once(cluster, number, 40)
    assert all(t["attempts"] == 1 and t["lost"] == 0 for t in cluster.trials(number)), "a trainer was disturbed"


def test_redis_away_for_a_while_is_waited_for(cluster):
    redis = Redis(cluster)
    head_alone(cluster, redis.url)
    redis.kill()
    wait_for("not connected", lambda: cluster.json("status")["store"] != "ok")
    redis.start()
    wait_for("connected", lambda: cluster.json("status")["store"] == "ok")
    number = cluster.sweep(sweep(1))
    assert cluster.sweep_of(number)["state"] == "running"


def test_lazy_policy_is_shown_with_what_it_may_lose(cluster):
    redis = Redis(cluster, "--appendfsync", "everysec")
    head = head_alone(cluster, redis.url)
    status = cluster.json("status")
    assert "everysec" in status["store_policy"] and "2 s" in status["store_loss"], status
    assert "may lose up to 2 s" in open(head.log_path).read()
    text = cluster.run("status").stdout
    assert "external, appendonly yes, appendfsync everysec" in text and "may lose up to 2 s" in text, text


def test_memory_limit_stops_acknowledging_before_redis_refuses(cluster):
    redis = Redis(cluster)
    head_alone(cluster, redis.url)
    used = cluster.json("status")["store_memory"]
    redis.call("CONFIG", "SET", "maxmemory", str(used + (1 << 14)))
    wait_for("the limit to be seen", lambda: cluster.json("status")["store_memory_max"] > 0)
    child = cluster.start("sweep", "run", "-d", cluster.file("s.yaml", sweep(1)))
    wait_for("full", lambda: cluster.json("status")["store"] == "full")
    assert child.poll() is None, "a submit was acknowledged that is not on disk"
    redis.call("CONFIG", "SET", "maxmemory", "0")
    out, err = child.communicate(timeout=60 * SLOW)
    assert child.returncode == 0 and out.strip() == "1", (out, err)


def writes_of(redis):
    """How much was ever written into this Redis, as itself counts."""
    return re.search(r"rdb_changes_since_last_save:\d+", redis.call("INFO", "persistence")).group()


class AsVersion(socketserver.ThreadingTCPServer):
    """Stands before a Redis, which calls itself `version` in what passes here, and is itself in all else."""
    daemon_threads = True

    def __init__(self, redis, version):
        super().__init__(("127.0.0.1", 0), None)
        self.redis, self.version, self.told = redis, version, 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.server_address[1]}"

    def finish_request(self, client, _address):
        with socket.create_connection(("127.0.0.1", self.redis.port)) as server:
            requests = threading.Thread(target=self.pass_on, args=(client, server), daemon=True)
            requests.start()
            self.pass_on(server, client, self.renamed)
            requests.join()

    def renamed(self, data):
        """As long as it was, or the answer's length would be wrong. INFO begins with it."""
        data, count = re.subn(rb"redis_version:[0-9.]+", lambda found: b"redis_version:" + self.version.encode().ljust(len(found.group()) - 14, b"0"), data)
        self.told += count
        return data

    @staticmethod
    def pass_on(source, target, change=lambda data: data):
        while data := source.recv(65536):
            target.sendall(change(data))
        target.shutdown(socket.SHUT_WR)


def test_redis_of_an_old_version_is_refused_and_left_untouched(cluster):
    redis = Redis(cluster)
    before = writes_of(redis)
    for version in ("6.1.", "5.9."):
        with AsVersion(redis, version) as old:
            done = cluster.run("head", "--store", old.url, code=1, seconds=30)
            assert old.told == 1 and f"Redis {version}" in done.stderr and "needs 6.2 or newer" in done.stderr, done.stderr
            old.shutdown()
    assert redis.call("DBSIZE") == "0" and writes_of(redis) == before
    with AsVersion(redis, "6.2.") as oldest:
        head = head_alone(cluster, oldest.url)
        cluster.run("down")
        assert head.wait(30 * SLOW) == 0 and oldest.told >= 1
        oldest.shutdown()


def test_stores_that_will_not_do_are_refused_with_the_reason(cluster):
    redis = Redis(cluster)
    before = writes_of(redis)
    cases = [
        ("rediss://h:1", 2, "TLS"),
        ("http://h:1", 2, "redis://"),
        ("redis://user@h", 2, "without a password"),
        ("redis://127.0.0.1:99999", 2, "port"),
        ("redis://h/x", 2, "database"),
        ("unix://relative", 2, "absolute"),
        (f"redis://:wrong@127.0.0.1:{redis.port}", 1, "AUTH"),
        (f"{redis.url}/99", 1, "no database 99"),
    ]
    for url, code, word in cases:
        done = cluster.run("head", "--store", url, code=code)
        assert word in done.stderr and "wrong@" not in done.stderr, (url, done.stderr)

    assert writes_of(redis) == before

    def refused(word, *arguments):
        before = writes_of(redis)
        done = cluster.run("head", "--store", redis.url, *arguments, code=1)
        assert word in done.stderr, done.stderr
        assert writes_of(redis) == before, f"a Redis that is refused ({word}) was written to"

    redis.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    refused("(maxmemory-policy allkeys-lru); set maxmemory-policy noeviction")
    redis.call("CONFIG", "SET", "maxmemory-policy", "noeviction")
    redis.call("SET", "app:tasks", "1")
    refused("the key app:tasks of this Redis is a string", "--store-prefix", "app")
    redis.call("RPUSH", "list:chunks", "1")
    refused("the key list:chunks of this Redis is a list", "--store-prefix", "list")
    redis.call("REPLICAOF", "127.0.0.1", "1")
    refused("is a replica")
    redis.call("REPLICAOF", "NO", "ONE")
    redis.call("CONFIG", "SET", "requirepass", "x")
    redis.environment = dict(os.environ, REDISCLI_AUTH="x")
    refused("wants a user and a password")
    sharded = Redis(cluster, "--cluster-enabled", "yes", "--cluster-port", str(free_port()), name="sharded")
    done = cluster.run("head", "--store", sharded.url, code=1)
    assert "sharded" in done.stderr and sharded.call("DBSIZE") == "0", done.stderr
    assert cluster.run("head", "--store-prefix", "x", code=2).stderr


if __name__ == "__main__":
    run(globals())
