#!/usr/bin/env python3
"""Head and workers apart, over TCP: who may join, what is said when it does not work, logs from afar, drain, orphans."""
import contextlib
import os
import signal
import socket
import struct
import subprocess
import time

from cluster import PYTHON, SLOW, TRAINERS, is_alive, run, wait_for
from remote import (current, free_port, head_alone, head_up, join_key, nodes, wait_alive, worker_join, worker_log, Redis)

STEADY = f"""
command: [{PYTHON}, {TRAINERS}/steady.py]
workdir: {{path: /tmp, mode: shared}}
metric: {{name: loss, goal: minimize}}
parameters: {{x: {{min: 0.0, max: 1.0}}, steps: STEPS, pause: 0.05}}
search: {{method: random, seed: 5}}
stop: {{trials: TRIALS}}
"""


def sweep(trials, steps=6):
    return STEADY.replace("TRIALS", str(trials)).replace("STEPS", str(steps))


def test_two_workers_join_over_tcp_and_share_a_sweep(cluster):
    endpoint = head_up(cluster)
    worker_join(cluster, "one", endpoint)
    worker_join(cluster, "two", endpoint.replace("127.0.0.1", "localhost"))
    wait_alive(cluster, "one", "two")
    number = cluster.sweep(sweep(8))
    cluster.run("sweep", "wait", str(number))
    trials = cluster.trials(number)
    assert len(trials) == 8 and all(t["outcome"] == "done" and t["attempts"] == 1 for t in trials), trials
    assert {t["node"] for t in trials} == {"one", "two"}, trials


def test_workers_started_before_their_head_join_when_it_is_there(cluster):
    port = free_port()
    cluster.run("up", "-d", "--no-worker")  # makes the keys
    key = join_key(cluster.state)
    cluster.run("down")
    for name in ("one", "two"):
        worker_join(cluster, name, f"tcp://127.0.0.1:{port}", key=key)
    wait_for("a word of it", lambda: "nobody listens" in worker_log(cluster, "one"))
    cluster.run("head", "-d", "--listen", f"tcp://127.0.0.1:{port}")
    wait_alive(cluster, "one", "two", seconds=10)


def listening_at(pid):
    """The IPv4 addresses at which a process listens."""
    inodes = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            inodes.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
    found = set()
    with open(f"/proc/{pid}/net/tcp") as file:
        for words in (line.split() for line in file.readlines()[1:]):
            if words[3] == "0A" and f"socket:[{words[9]}]" in inodes:
                found.add(socket.inet_ntoa(struct.pack("<L", int(words[1].split(":")[0], 16))))
    return found


def way_out():
    """The address from which this machine reaches others."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return probe.getsockname()[0]


def test_worker_hands_snapshots_out_where_others_reach_it(cluster):
    for listen, at in (([], "127.0.0.1"), (["--listen", "tcp://127.0.0.1:0"], "127.0.0.1"), (["--listen", "tcp://*:0"], way_out()),
                       (["--listen", "tcp://0.0.0.0:0", "--address", "127.0.0.1"], "127.0.0.1")):
        cluster.up("--cpus", "1", *listen)
        assert listening_at(cluster.pid("worker")) == {at}, (listen, at, listening_at(cluster.pid("worker")))
        cluster.run("down")
    endpoint = head_up(cluster)
    child = worker_join(cluster, "one", endpoint)
    wait_alive(cluster, "one")
    assert listening_at(child.pid) == {"127.0.0.1"}


def test_address_that_is_none_of_this_machine_ends_the_start(cluster):
    endpoint = head_up(cluster)
    for address in ("127.0.0.1:7701", "[::1]", "tcp://127.0.0.1", "", "a b"):
        assert "--address wants" in cluster.run("worker", "--join", endpoint, "--address", address, code=2).stderr, address
    done = cluster.run("worker", "--join", endpoint, "--key-file", os.path.join(cluster.state, "keys/join"), "--name", "far", "--address", "192.0.2.7",
                       code=1)
    assert "192.0.2.7" in done.stderr and "listen" in done.stderr, done.stderr


def test_ipv6_and_wildcard_listeners_serve(cluster):
    addresses = ["tcp://*:0"]
    if socket.has_ipv6:
        try:
            socket.socket(socket.AF_INET6).bind(("::1", 0))
            addresses.append("tcp://[::1]:0")
        except OSError:
            pass
    cluster.run("head", "-d", *(w for a in addresses for w in ("--listen", a)))
    ports = [e.rsplit(":", 1)[1] for e in current(cluster.state)["listen"]]
    worker_join(cluster, "four", f"tcp://127.0.0.1:{ports[0]}")
    names = ["four"]
    if len(ports) > 1:
        worker_join(cluster, "six", f"tcp://[::1]:{ports[1]}")
        names.append("six")
    wait_alive(cluster, *names)


def test_addresses_that_cannot_be_listened_on_are_one_clear_error(cluster):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        cases = [
            (f"tcp://127.0.0.1:{port}", 1, "in use"),
            ("tcp://127.0.0.1:99999", 2, "port"),
            ("tcp://no-such-host.invalid:7700", 1, "cannot be resolved"),
            ("tcp://192.0.2.1:7700", 1, "no such address"),
            ("udp://127.0.0.1:7700", 2, "tcp://HOST:PORT"),
            ("tcp://::1:7700", 2, "[ADDRESS]:PORT"),
        ]
        for address, code, word in cases:
            done = cluster.run("head", "--listen", address, code=code)
            assert word in done.stderr and len(done.stderr.splitlines()) == 1, (address, done.stderr)
        for address, word in ((f"127.0.0.1:{port}", "in use"), ("192.0.2.1:7780", "no such address")):
            done = cluster.run("head", "--http", address, code=1)
            assert word in done.stderr and len(done.stderr.splitlines()) == 1, (address, done.stderr)


def test_worker_says_plainly_why_it_does_not_reach_a_head(cluster):
    cluster.run("up", "-d", "--no-worker")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        cases = {
            "refused": (f"tcp://127.0.0.1:{free_port()}", "nobody listens"),
            "unknown": ("tcp://no-such-host.invalid:7700", "cannot be resolved"),
            "other": (f"tcp://127.0.0.1:{other.getsockname()[1]}", "not the head of this join key"),
        }
        for name, (address, _) in cases.items():
            worker_join(cluster, name, address)
        for name, (_, word) in cases.items():
            wait_for(f"'{word}'", lambda n=name, w=word: w in worker_log(cluster, n))
        for name in cases:
            assert worker_log(cluster, name).count("is not reached") == 1, worker_log(cluster, name)


def test_wrong_key_is_refused_said_once_and_worker_keeps_trying(cluster):
    endpoint = head_up(cluster)
    head, secret = join_key(cluster.state).split(".")[1:3]
    child = worker_join(cluster, "stranger", endpoint, key=f"mj1.{head}.{'A' * len(secret)}")
    wait_for("the refusal", lambda: "the join key is not this cluster's" in worker_log(cluster, "stranger"))
    other = worker_join(cluster, "foreign", endpoint, key=f"mj1.{'A' * len(head)}.{secret}")
    wait_for("no handshake", lambda: "not the head of this join key" in worker_log(cluster, "foreign"))
    assert nodes(cluster) == {}, nodes(cluster)
    assert worker_log(cluster, "stranger").count("refused by the head") == 1, worker_log(cluster, "stranger")
    for worker in (child, other):
        assert worker.poll() is None
        worker.terminate()
        worker.wait(10 * SLOW)  # Nobody waits for the word of a worker that never was let in.


def test_plain_peer_is_refused_where_others_can_reach(cluster):
    cluster.run("head", "-d", "--listen", "tcp://*:0")
    port = int(current(cluster.state)["listen"][0].rsplit(":", 1)[1])
    def greet(mechanism):
        peer = socket.create_connection(("127.0.0.1", port), timeout=20 * SLOW)
        peer.sendall(b"\xff" + b"\0" * 8 + b"\x7f\x03\x00" + mechanism.ljust(20, b"\0") + b"\0" * 32)
        return peer

    with greet(b"CURVE") as peer:  # A whole greeting is answered with one.
        answer = b""
        while len(answer) < 64:
            answer += peer.recv(4096)
        assert answer[12:17] == b"CURVE", answer
    with greet(b"NULL") as peer:  # It hangs up on any other.
        answer = b""
        while piece := peer.recv(4096):
            answer += piece
        assert b"READY" not in answer, answer
    assert nodes(cluster) == {}


def test_second_worker_of_a_name_is_refused_while_the_first_lives(cluster):
    endpoint = head_up(cluster)
    first = worker_join(cluster, "same", endpoint)
    wait_alive(cluster, "same")
    number = cluster.sweep(sweep(1, steps=200))
    wait_for("the trial", lambda: cluster.trials(number)[0]["state"] == "running" if cluster.trials(number) else False)
    second = cluster.start("worker", "--join", endpoint, "--name", "same", "--state", cluster.root + "/other", "--cpus", "1",
                           env={"MUSTER_JOIN_KEY": join_key(cluster.state)}, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wait_for("the refusal", lambda: "another worker has the name 'same'" in worker_log(cluster, "same", "other"))
    time.sleep(1)  # The first one is not disturbed by an intruder that keeps trying.
    assert cluster.trials(number)[0]["attempts"] == 1 and cluster.trials(number)[0]["state"] == "running"
    first.kill()
    first.wait()
    wait_for("the second to be let in", lambda: "welcomed" in worker_log(cluster, "same", "other"), 30)
    assert second.poll() is None
    wait_for("the trial to run again", lambda: cluster.trials(number)[0]["attempts"] == 2)
    cluster.run("sweep", "cancel", str(number), "--grace", "0.2")


def test_worker_killed_and_started_again_takes_its_name_at_once(cluster):
    endpoint = head_up(cluster)
    first = worker_join(cluster, "one", endpoint)
    wait_alive(cluster, "one")
    first.kill()
    first.wait()
    before = worker_log(cluster, "one").count("welcomed")
    worker_join(cluster, "one", endpoint)
    try:
        wait_for("the second welcome", lambda: worker_log(cluster, "one").count("welcomed") > before, 20)
    except AssertionError as late:
        raise AssertionError(f"{late}\n{worker_log(cluster, 'one')}") from late
    assert "another worker" not in worker_log(cluster, "one")


def test_log_is_followed_over_tcp_and_read_after(cluster):
    endpoint = head_up(cluster)
    worker_join(cluster, "one", endpoint)
    wait_alive(cluster, "one")
    script = "for i in 1 2 3 4 5 6; do echo line $i; sleep 0.2; done; echo wrong >&2; head -c 300000 /dev/zero | tr '\\0' x; echo; echo end"
    done = cluster.run("run", "--", "sh", "-c", script)
    lines = done.stdout.splitlines()
    assert lines[:6] == [f"line {i}" for i in range(1, 7)], lines[:6]
    assert lines[-1] == "end" and len(lines[-2]) == 300000, [len(line) for line in lines]
    first = cluster.run("task", "logs", "1.1", "--stream", "out").stdout
    assert first.splitlines()[-1] == "end" and len(first) > 300000
    assert cluster.run("task", "logs", "1.1", "--stream", "err").stderr == "wrong\n"
    assert cluster.run("task", "logs", "1.1", "--stream", "out", "--tail", "4").stdout == "end\n"
    status, text = cluster.http("GET", "/api/v1/tasks/1.1/logs?tail=x")
    assert status == 400, (status, text)


def test_log_of_a_lost_node_is_what_the_evidence_kept(cluster):
    endpoint = head_up(cluster)
    worker = worker_join(cluster, "gone", endpoint)
    wait_alive(cluster, "gone")
    cluster.run("run", "--", "sh", "-c", "echo last words; exit 3", code=3)
    worker.kill()
    worker.wait()
    text = cluster.run("task", "logs", "1.1").stdout
    assert text.startswith("last words\n") and "node 'gone' cannot be asked now" in text, text
    assert cluster.run("task", "logs", "1.1", "--stream", "out").stdout == "last words\n"


def test_node_whose_worker_leaves_is_gone_at_once_can_be_removed_and_come_back(cluster):
    endpoint = head_up(cluster)
    worker = worker_join(cluster, "one", endpoint)
    wait_alive(cluster, "one")
    cluster.run("run", "--", "true")
    told = cluster.run("node", "rm", "one", code=1).stderr
    assert "node one is alive; drain it, end its worker" in told, told
    worker.terminate()
    wait_for("the node to be gone", lambda: nodes(cluster).get("one") == "gone", 20)  # not by its silence: 30 s
    assert "node one is forgotten" in cluster.run("node", "rm", "one").stderr
    assert "one" not in nodes(cluster)
    assert cluster.json("task", "show", "1.1")["node"] == "one"
    worker.wait()
    worker_join(cluster, "one", endpoint)
    wait_alive(cluster, "one")
    cluster.run("run", "--", "true")


def test_sigterm_drains_and_the_second_one_ends_at_once(cluster):
    endpoint = head_up(cluster)
    worker = worker_join(cluster, "one", endpoint, "--drain", "60")
    wait_alive(cluster, "one")
    cluster.run("run", "--help")
    cluster.start("run", "--", "sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done", stdout=subprocess.DEVNULL,
                  stderr=subprocess.DEVNULL)
    wait_for("the task", lambda: any(t["state"] == "running" for t in cluster.json("task", "list")["items"]))
    worker.terminate()
    wait_for("the node to drain", lambda: nodes(cluster).get("one") == "draining")
    assert worker.poll() is None, "it left a task behind that had 60 s"
    worker.terminate()
    worker.wait(10 * SLOW)
    assert not cluster.attempts(), cluster.attempts()


def test_orphans_end_their_attempts_after_orphan_timeout(cluster):
    redis = Redis(cluster)
    head = head_alone(cluster, redis.url, "--listen", "tcp://127.0.0.1:0", "--orphan-timeout", "2")
    endpoint = current(cluster.state)["listen"][0]
    worker = worker_join(cluster, "one", endpoint)
    wait_alive(cluster, "one")
    cluster.sweep(sweep(1, steps=2000))
    pid = wait_for("a trainer", lambda: list(cluster.attempts()))[0]
    head.kill()
    head.wait()
    time.sleep(1)
    assert is_alive(pid), "an attempt ended before orphan_timeout"
    wait_for("the orphan to end", lambda: not is_alive(pid), 20)
    assert worker.poll() is None
    worker.send_signal(signal.SIGTERM)
    worker.send_signal(signal.SIGTERM)


def test_half_open_connection_is_noticed_on_both_sides(cluster):
    """A proxy that swallows everything without closing: the agent connects anew, the head calls the node suspect."""
    endpoint = head_up(cluster)
    port = int(endpoint.rsplit(":", 1)[1])
    proxy = Proxy(port)
    try:
        worker_join(cluster, "far", f"tcp://127.0.0.1:{proxy.port}")
        wait_alive(cluster, "far")
        proxy.hold()
        wait_for("suspect", lambda: nodes(cluster).get("far") == "suspect", 15)
        wait_for("the agent to notice", lambda: "the connection to the head is lost" in worker_log(cluster, "far"), 25)
        proxy.release()
        wait_alive(cluster, "far")
    finally:
        proxy.close()


class Proxy:
    """TCP in a process of its own; after hold() nothing passes and nothing closes."""

    def __init__(self, target):
        self.port = free_port()
        program = (
            "import os,select,signal,socket,sys\n"
            "listener=socket.create_server(('127.0.0.1',int(sys.argv[1])))\n"
            "pairs={}\nheld=[False]\n"
            "signal.signal(signal.SIGUSR1,lambda *a:held.__setitem__(0,True))\n"
            "signal.signal(signal.SIGUSR2,lambda *a:held.__setitem__(0,False))\n"
            "stale=set()\nprint('ready',flush=True)\n"
            "while True:\n"
            "  if held[0]: stale|=set(pairs)\n"
            "  ready,_,_=select.select([listener]+list(pairs),[],[],0.05)\n"
            "  if held[0]: stale|=set(pairs)\n"
            "  for s in ready:\n"
            "    if s is listener:\n"
            "      a,_=listener.accept(); b=socket.create_connection(('127.0.0.1',int(sys.argv[2])))\n"
            "      pairs[a]=b; pairs[b]=a\n"
            "      continue\n"
            "    if s not in pairs: continue\n"
            "    try: data=s.recv(65536)\n"
            "    except OSError: data=b''\n"
            "    if s in stale: \n"
            "      if not data: pairs.pop(s,None)\n"
            "      continue\n"
            "    other=pairs[s]\n"
            "    if data: other.sendall(data)\n"
            "    else:\n"
            "      for x in (s,other): pairs.pop(x,None); x.close()\n")
        self.child = subprocess.Popen([PYTHON, "-c", program, str(self.port), str(target)], stdout=subprocess.PIPE, text=True)
        assert self.child.stdout.readline() == "ready\n"

    def hold(self):
        self.child.send_signal(signal.SIGUSR1)

    def release(self):
        self.child.send_signal(signal.SIGUSR2)

    def close(self):
        self.child.kill()
        self.child.wait()


if __name__ == "__main__":
    run(globals())
