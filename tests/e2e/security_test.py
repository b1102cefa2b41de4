#!/usr/bin/env python3
"""What strangers, other users and hostile bytes do to a cluster that listens on a network: none gets through.

The attacks that cluster software is known by, and where each is tried (here unless a file is named):

  a job submitted without a token             test_submit_without_a_token_is_refused
  a forged User-Agent                         test_forged_user_agent_opens_nothing
  a DNS-rebinding Host                        test_dns_rebinding_host_is_refused; tests/unit/head/shell/http_guard_test.c
  a cross-origin DELETE, and fetch            test_cross_origin_requests_are_refused; tests/unit/head/shell/http_attack_test.c
  routing id taken over by a member           test_hostile_peers_harm_no_sweep (takeover, name); tests/unit/net/attack_test.c
  a worker's key used as a client's           test_worker_keys_are_no_tokens, test_key_pair_of_an_enrolled_agent_is_no_token
  a key of an agent that is gone used again   test_each_start_of_a_worker_has_a_key_pair_of_its_own
  a key file that others may read             test_key_file_that_others_may_read_is_refused; tests/unit/head/shell/tls_test.c
  a listener off loopback without keys        test_listener_off_loopback_without_keys_is_refused
  a 5-byte msgpack bomb, 10 MB of nil,
  depth 1,000                                 test_hostile_peers_harm_no_sweep (bomb, nil, depth); tests/unit/schema/scan_test.c
  slowloris, in the TLS handshake too         test_slow_clients_are_closed_and_others_served; tests/unit/head/shell/http_attack_test.c
  path escape in log and blob names           test_paths_that_escape_reach_no_file
"""
import base64
import concurrent.futures
import contextlib
import ctypes
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import time

from agent import Agent, Door
from cluster import BUILD, SLOW, Skip, run, wait_for
from first_light_test import steady
from remote import worker_join

HOSTILE = os.path.join(BUILD, "tests/tools/hostile_peer")
OPEN = ("--http", "0.0.0.0:0", "--http-name", "muster.test")


def port_of(cluster):
    return int(cluster.url().rsplit(":", 1)[1])


def ca_of(cluster):
    return os.path.join(cluster.state, "keys", "ca.crt")


def ask(cluster, method, path, token=None, body=None, headers=None, host="127.0.0.1", ca=None, seconds=20):
    """(status, object or text) of one request over TLS, checked with the cluster's CA. token "": none."""
    if cluster.url().startswith("https:"):
        context = ssl.create_default_context(cafile=ca or ca_of(cluster))
        connection = http.client.HTTPSConnection(host, port_of(cluster), context=context, timeout=seconds)
    else:
        connection = http.client.HTTPConnection(host, port_of(cluster), timeout=seconds)
    try:
        connection.putrequest(method, path, skip_host=True)
        sent = {"Host": "localhost", **(headers or {})}
        if token != "":
            sent["Authorization"] = "Bearer " + (token or cluster.token())
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        if data or method in ("POST", "PUT"):
            sent["Content-Length"] = str(len(data))
        for name, value in sent.items():
            connection.putheader(name, value)
        connection.endheaders()
        connection.send(data)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text
    finally:
        connection.close()


def key_new(cluster, name, *options):
    return cluster.run("key", "new", name, *options).stdout.strip()


def sweep_body(cluster, name="mine", pause=0.01):
    return {"file": steady(pause=pause, trials=1).replace("name: steady", f"name: {name}"), "file_name": "s.yaml", "workdir": cluster.work,
            "argv": [], "owner": "somebody-else"}


class Elsewhere:
    """A user on another machine: a state folder of their own, empty at first."""

    def __init__(self, cluster):
        self.cluster, self.state = cluster, cluster.root + "/other"

    def run(self, *arguments, **options):
        return self.cluster.run(*arguments, "--state", self.state, **options)


def address_of_this_machine():
    """One that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))
            address = s.getsockname()[0]
        except OSError:
            raise Skip("this machine has no address but loopback")
    if address.startswith("127."):
        raise Skip("this machine has no address but loopback")
    return address


def audit_of(cluster):
    with open(cluster.state + "/logs/audit.log") as file:
        return [json.loads(line) for line in file]


def memory_of(pid):
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))


def cluster_sweep(cluster, number):
    return ask(cluster, "GET", f"/api/v1/sweeps/{number}")[1]


# ---- the attacks ----


def assert_nothing_ran(cluster):
    assert ask(cluster, "GET", "/api/v1/sweeps")[1]["total"] == 0 and ask(cluster, "GET", "/api/v1/tasks")[1]["total"] == 0
    assert not os.path.exists(cluster.root + "/pwned")


def job_body(cluster):
    return {"words": ["touch", cluster.root + "/pwned"], "workdir": "/tmp", "require": [], "env": [], "custom": []}


def test_submit_without_a_token_is_refused(cluster):
    cluster.up("--cpus", "1", *OPEN)
    for path, body in (("/api/v1/jobs", job_body(cluster)), ("/api/v1/sweeps", sweep_body(cluster)), ("/api/v1/shutdown", {})):
        for token in ("", "x", "x" * 43, cluster.token()[:-1], cluster.token() + "x", "admin", "null", " "):
            assert ask(cluster, "POST", path, token, body)[0] == 401, (path, token)
    for headers in ({"Authorization": "Basic YWRtaW46YWRtaW4="}, {"X-Forwarded-For": "127.0.0.1"}, {"Cookie": "token=" + cluster.token()},
                    {"X-Forwarded-User": "admin"}, {"X-Http-Method-Override": "GET"}):
        assert ask(cluster, "POST", "/api/v1/jobs", "", job_body(cluster), headers)[0] == 401, headers
    assert ask(cluster, "POST", "/api/v1/jobs?token=" + cluster.token(), "", job_body(cluster))[0] == 401
    assert_nothing_ran(cluster)


def test_forged_user_agent_opens_nothing(cluster):
    cluster.up("--cpus", "1", *OPEN)
    for agent in ("Mozilla/5.0", "muster/0.1", "curl/8", "kube-probe/1.30", "", "python-requests/2.31"):
        assert ask(cluster, "POST", "/api/v1/jobs", "", job_body(cluster), {"User-Agent": agent})[0] == 401
        assert ask(cluster, "POST", "/api/v1/jobs", None, job_body(cluster), {"User-Agent": agent, "Origin": "http://evil.example"})[0] == 403
    assert_nothing_ran(cluster)


def test_dns_rebinding_host_is_refused(cluster):
    cluster.up("--cpus", "1", *OPEN)
    for name in ("evil.example", f"evil.example:{port_of(cluster)}", "127.0.0.1.evil.example", "localhost.evil.example", "muster.test.evil.example",
                 "0.0.0.0", "localhost@evil.example", ""):
        for method, path in (("GET", "/"), ("GET", "/api/v1/sweeps"), ("POST", "/api/v1/jobs")):
            status, answer = ask(cluster, method, path, "", job_body(cluster) if method == "POST" else None, {"Host": name})
            assert status in (400, 403) and "api" not in str(answer).lower().replace("/api", ""), (name, path, status, answer)
    # Probes tell no names; a valid token needs no Host; names that are ours pass to the token.
    for path in ("/healthz", "/readyz"):
        status, answer = ask(cluster, "GET", path, "", headers={"Host": "evil.example"})
        assert status == 200 and set(answer) <= {"ok", "store"}, answer
    assert ask(cluster, "GET", "/api/v1/sweeps", headers={"Host": "evil.example"})[0] == 200
    assert ask(cluster, "GET", "/api/v1/sweeps", "", headers={"Host": "muster.test"})[0] == 401
    assert_nothing_ran(cluster)


def test_cross_origin_requests_are_refused(cluster):
    cluster.up("--cpus", "1", *OPEN)
    for origin in ("http://evil.example", "https://localhost.evil.example", "null", "file://", "https://muster.test@evil.example"):
        for method, path in (("DELETE", "/api/v1/sweeps/1"), ("POST", "/api/v1/jobs"), ("PUT", "/api/v1/blobs/" + "0" * 64), ("POST", "/api/v1/shutdown")):
            # Even with a valid token: a page of another origin has none to send.
            status, answer = ask(cluster, method, path, None, job_body(cluster), {"Origin": origin})
            assert status == 403, (origin, method, path, status, answer)
    # A fetch's preflight gets no leave, and no answer says that others may read it.
    context = ssl.create_default_context(cafile=ca_of(cluster))
    for method, path in (("OPTIONS", "/api/v1/jobs"), ("GET", "/api/v1/sweeps")):
        connection = http.client.HTTPSConnection("127.0.0.1", port_of(cluster), context=context, timeout=20)
        connection.request(method, path, headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"})
        answer = connection.getresponse()
        assert answer.status in (401, 405), answer.status
        assert not [name for name, _ in answer.getheaders() if name.lower().startswith("access-control")], answer.getheaders()
        connection.close()
    # A form of another page can only send these types, and has no token.
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert ask(cluster, "POST", "/api/v1/jobs", "", job_body(cluster), {"Content-Type": kind, "Origin": "http://evil.example"})[0] == 403
    assert_nothing_ran(cluster)


def test_worker_keys_are_no_tokens(cluster):
    cluster.up("--cpus", "1", *OPEN)
    words = []
    for name in ("join", "head.secret", "head.public", "redis", "http.key", "ca.key"):
        with open(f"{cluster.state}/keys/{name}") as file:
            words.append(file.read().strip().splitlines()[0])
    words += words[0].split(".")
    assert len(words) == 9, words
    for word in words:
        for method, path in (("GET", "/api/v1/sweeps"), ("POST", "/api/v1/jobs")):
            assert ask(cluster, method, path, word, job_body(cluster) if method == "POST" else None)[0] == 401, word
    # Nor does a client's token admit a worker.
    head = words[0].split(".")[1]
    with open(cluster.root + "/forged", "w") as file:
        file.write(f"mj1.{head}.{cluster.token()}")
    os.chmod(cluster.root + "/forged", 0o600)
    child = cluster.start("worker", "--join", f"ipc://{cluster.state}/run/head.ipc", "--name", "stranger", "--key-file", cluster.root + "/forged",
                          "--state", cluster.root + "/other")
    wait_for("the refusal in the head's log", lambda: "join key" in open(cluster.state + "/logs/head.log").read())
    names = [node["name"] for node in ask(cluster, "GET", "/api/v1/nodes")[1]["items"]]
    assert names == ["local"], names
    child.kill()
    child.wait(20)
    assert_nothing_ran(cluster)


def test_key_pair_of_an_enrolled_agent_is_no_token(cluster):
    cluster.up("--cpus", "1", *OPEN)
    agent = Agent(cluster.state, f"ipc://{cluster.state}/run/head.ipc", "mallory")
    agent.enrol()
    words = [text for key in (agent.public, agent.private) for text in forms_of(agent, key)]
    words += [f"{public}.{private}" for public, private in zip(words[:4], words[4:])]
    assert len(words) == 12 and all(len(word) >= 40 for word in words), words
    for word in words:
        for method, path in (("GET", "/api/v1/sweeps"), ("POST", "/api/v1/jobs"), ("POST", "/api/v1/shutdown")):
            assert ask(cluster, method, path, word, job_body(cluster) if method == "POST" else None)[0] == 401, word
    # It was an agent's all the while.
    node = next(n for n in ask(cluster, "GET", "/api/v1/nodes")[1]["items"] if n["name"] == "mallory")
    assert node["state"] == "alive", node
    assert_nothing_ran(cluster)
    agent.close()
    cluster.run("down", "--timeout", "1", code=None)  # it does not leave when it is told to


def forms_of(agent, key):
    """A CURVE key as ZeroMQ writes it, in hex, and in both alphabets of base64."""
    raw = ctypes.create_string_buffer(32)
    agent.zmq.zmq_z85_decode(raw, key)
    return [key.value.decode(), raw.raw.hex(), *(form(raw.raw).decode().rstrip("=") for form in (base64.b64encode, base64.urlsafe_b64encode))]


def test_each_start_of_a_worker_has_a_key_pair_of_its_own(cluster):
    door, key = Door(), None
    for start in range(2):
        worker = worker_join(cluster, "one", door.endpoint, key=door.join_key)
        # The last knock of the start before may still be waiting at the door.
        key = wait_for(f"a key of start {start} alone", lambda before=key: (own := door.knock()) != before and own)
        assert [door.knock() for _ in range(3)] == [key] * 3, "an agent keeps its key over all its connections"
        worker.kill()
        worker.wait()
    door.close()


def test_key_file_that_others_may_read_is_refused(cluster):
    cluster.up("--cpus", "1", *OPEN)
    cluster.down()
    for name, mode in (("token", 0o644), ("join", 0o640), ("head.secret", 0o604), ("redis", 0o666), ("http.key", 0o644), ("ca.key", 0o602)):
        path = f"{cluster.state}/keys/{name}"
        os.chmod(path, mode)
        for verb in (["up", "-d", "--cpus", "1", *OPEN], ["up", "--cpus", "1"]):
            done = cluster.run(*verb, code=1, seconds=30)
            assert "chmod 600 " + path in done.stderr, (name, done.stderr)
        assert not cluster.remains(), cluster.remains()
        os.chmod(path, 0o600)
    path = cluster.root + "/join"
    with open(f"{cluster.state}/keys/join") as file, open(path, "w") as copy:
        copy.write(file.read())
    os.chmod(path, 0o644)
    done = cluster.run("worker", "--join", "tcp://127.0.0.1:1", "--key-file", path, "--state", cluster.root + "/other", code=None, seconds=30)
    assert done.returncode != 0 and "chmod 600 " + path in done.stderr, done.stderr
    cluster.up("--cpus", "1")


def test_listener_off_loopback_without_keys_is_refused(cluster):
    cluster.up("--cpus", "1")
    cluster.down()
    for name, text in (("token", ""), ("token", "short\n"), ("token", "two words that are long enough\n"), ("join", "mj1.x.y\n"), ("head.secret", "\n")):
        path = f"{cluster.state}/keys/{name}"
        before = open(path).read()
        with open(path, "w") as file:
            file.write(text)
        for more in (("--http", "0.0.0.0:0"), ("--http", "0.0.0.0:0", "--insecure-http"), ("--listen", "tcp://0.0.0.0:0")):
            done = cluster.run("up", "-d", "--cpus", "1", *more, code=None, seconds=60)
            assert done.returncode in (1, 4) and path in done.stderr, (name, more, done.returncode, done.stderr)
            assert not cluster.remains(), cluster.remains()
        with open(path, "w") as file:
            file.write(before)
    # No option leaves the token out; a token that is not there is made.
    os.unlink(f"{cluster.state}/keys/token")
    cluster.up("--cpus", "1", "--http", "0.0.0.0:0", "--insecure-http")
    assert ask(cluster, "GET", "/api/v1/sweeps", "")[0] == 401 and len(cluster.token()) >= 43
    for path in ("/api/v1/sweeps", "/api/v1/status", "/metrics", "/api/v1/events", "/api/v1/nodes", "/api/v1/keys", "/api/v1/nothing"):
        assert ask(cluster, "GET", path, "")[0] == 401, path


def listening(cluster):
    with open(cluster.state + "/current") as file:
        found = json.load(file).get("listen")
    if not found:
        raise Skip("the head says no address where agents join")
    return found[0]


def hostile(cluster, attack, *more):
    done = subprocess.run([HOSTILE, listening(cluster).replace("0.0.0.0", "127.0.0.1"), cluster.state + "/keys/join", attack, *more], capture_output=True,
                          text=True, timeout=120 * SLOW)
    assert done.returncode == 0, (attack, done.stderr)
    return done.stdout


def test_hostile_peers_harm_no_sweep(cluster):
    if not os.path.exists(HOSTILE):
        raise Skip(f"{HOSTILE} is not built")
    cluster.up("--cpus", "1", "--listen", "tcp://127.0.0.1:0", *OPEN)
    number = cluster.sweep(steady(pause=0.25, trials=4))
    head, worker = cluster.pid("head"), cluster.pid("worker")
    wait_for("a running trial", cluster.attempts)
    assert "answer MSG_WHO" in hostile(cluster, "stranger"), "an unknown key may enrol and nothing else"
    assert "answer" not in hostile(cluster, "plain")
    told = hostile(cluster, "takeover", "local")
    own, stolen = told.split("--- as the victim")
    assert "answer MSG_WELCOME" in own, told
    assert "MSG_WELCOME" not in stolen and "MSG_ACK" not in stolen and "MSG_LEASE" not in stolen, told
    assert "MSG_WELCOME" not in hostile(cluster, "name", "local"), "a second agent of a living node's name was let in"
    masked = hostile(cluster, "mask")
    assert "MSG_WELCOME" not in masked and "answer MSG_REFUSED" in masked, masked
    for attack in ("bomb", "depth", "nil"):
        hostile(cluster, attack)
    before = memory_of(head)
    for attack in ("nil", "bomb", "depth", "nil"):
        hostile(cluster, attack)
    grown = memory_of(head) - before
    assert grown < 16 << 10 or SLOW > 1, f"the head grew by {grown} KiB"
    assert (cluster.pid("head"), cluster.pid("worker")) == (head, worker), "a daemon was restarted"
    cluster.run("sweep", "wait", str(number))
    sweep = cluster_sweep(cluster, number)
    assert sweep["done"] + sweep["stopped"] == 4 and sweep["failed"] == 0, sweep
    assert all(t["attempts"] == 1 and t["lost"] == 0 and t["node"] == "local" for t in ask(cluster, "GET", f"/api/v1/sweeps/{number}/trials")[1]["items"])


def shower(family, address, seed):
    """Bytes that are nobody's protocol: random, half a TLS hello, half a ZMTP greeting, an old HTTP, a request line without an end."""
    openings = [os.urandom(3000), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(300), b"\xff\0\0\0\0\0\0\0\1\x7f\3\0CURVE" + os.urandom(64),
                b"GET / HTTP/1.0\r\n\r\n", b"POST /" + b"a" * 5000, b"\0" * 4096, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n"]
    s = socket.socket(family)
    s.settimeout(2)
    try:
        s.connect(address)
        s.sendall(openings[seed % len(openings)])
        if seed % 3 == 0:
            s.shutdown(socket.SHUT_WR)
        s.recv(100) if seed % 2 else None
    except OSError:
        pass
    s.close()


def test_hostile_bytes_on_every_port_while_a_sweep_runs(cluster):
    cluster.up("--cpus", "1", "--listen", "tcp://127.0.0.1:0", *OPEN)
    number = cluster.sweep(steady(pause=0.2, trials=4))
    agents = int(listening(cluster).rsplit(":", 1)[1])
    ports = [(socket.AF_INET, ("127.0.0.1", port_of(cluster))), (socket.AF_INET, ("127.0.0.1", agents)), (socket.AF_UNIX, cluster.state + "/run/head.ipc"),
             (socket.AF_UNIX, cluster.state + "/run/redis.sock")]
    head, redis = cluster.pid("head"), cluster.pid("redis")

    def all_ports(rounds):
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            for seed in range(rounds):
                for family, address in ports:
                    pool.submit(shower, family, address, seed)

    all_ports(60)
    before = memory_of(head)
    for _ in range(3):
        all_ports(60)
    grown = memory_of(head) - before
    assert grown < 16 << 10 or SLOW > 1, f"the head grew by {grown} KiB"
    assert (cluster.pid("head"), cluster.pid("redis")) == (head, redis), "a daemon was restarted"
    cluster.run("sweep", "wait", str(number))
    sweep = cluster_sweep(cluster, number)
    assert sweep["done"] + sweep["stopped"] == 4 and sweep["failed"] == 0, sweep


def test_slow_clients_are_closed_and_others_served(cluster):
    cluster.up("--cpus", "1", *OPEN)
    address = address_of_this_machine()
    port, head = port_of(cluster), cluster.pid("head")
    context = ssl.create_default_context(cafile=ca_of(cluster))
    # Silent before the handshake, in the middle of it, and after it in the middle of a header.
    slow = []
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    for i in range(90):
        s = socket.create_connection(("127.0.0.1", port), 10)
        slow.append(s)
        if i % 3 == 1:
            s.sendall(hello[: 1 + i % len(hello)])
        elif i % 3 == 2:
            slow[-1] = context.wrap_socket(s, server_hostname="localhost")
            slow[-1].sendall(b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nX: ")
    began = time.monotonic()
    closed = [False] * len(slow)
    while not all(closed) and time.monotonic() - began < 25 * SLOW:
        for i, s in enumerate(slow):
            if closed[i]:
                continue
            try:
                if i % 3 == 2:
                    s.sendall(b"x")  # a byte at a time keeps nothing alive
                elif i % 3 == 1 and i % 2:
                    s.sendall(b"\0")
                s.settimeout(0.001)
                closed[i] = s.recv(1) == b""
            except (TimeoutError, ssl.SSLWantReadError):
                pass
            except OSError as error:
                closed[i] = "timed out" not in str(error)
        assert ask(cluster, "GET", "/api/v1/status")[0] == 200, "others are not served"
    took = time.monotonic() - began
    assert all(closed), f"{closed.count(False)} of {len(slow)} slow connections live after {took:.0f} s: {[i % 3 for i, c in enumerate(closed) if not c]}"
    assert took < 20 * SLOW, took
    for s in slow:
        s.close()
    # One address may not take every place.
    crowd = []
    for _ in range(200):
        try:
            crowd.append(socket.create_connection((address, port), 5))
        except OSError:
            break
    assert ask(cluster, "GET", "/api/v1/status")[0] == 200, "another address is not served"
    living = 0
    for s in crowd:
        s.settimeout(0.2 if living == 0 else 0.01)
        try:
            living += s.recv(1) != b""
        except TimeoutError:
            living += 1
        except OSError:
            pass
        s.close()
    assert 0 < living <= 128, living
    wait_for("the last of them gone", lambda: ask(cluster, "GET", "/healthz", "")[0] == 200)
    assert cluster.pid("head") == head


def test_reader_that_left_over_tls_is_noticed(cluster):
    cluster.up("--cpus", "1", "--linger", "1", *OPEN)
    context = ssl.create_default_context(cafile=ca_of(cluster))
    readers = []
    for _ in range(2):
        s = context.wrap_socket(socket.create_connection(("127.0.0.1", port_of(cluster))), server_hostname="localhost")
        s.sendall(f"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {cluster.token()}\r\n\r\n".encode())
        assert b"200 OK" in s.recv(4096)
        readers.append(s)
    began = time.monotonic()
    while time.monotonic() - began < 2.5:
        assert cluster.pid("head"), "it left though somebody reads"
        time.sleep(0.1)
    readers[0].settimeout(0.2)
    with contextlib.suppress(OSError):
        readers[0].unwrap()  # a farewell first; the other goes without
    readers[0].close()
    readers[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    readers[1].close()
    wait_for("the head to leave", lambda: cluster.pid("head") is None, 20)


def test_memory_stays_through_many_tls_clients(cluster):
    cluster.up("--cpus", "1", *OPEN)
    head = cluster.pid("head")

    def clients(n):
        def one(i):
            try:
                return ask(cluster, "GET", "/api/v1/status", None if i % 2 else "x" * 43)[0]
            except OSError:
                return 0
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            return list(pool.map(one, range(n)))

    clients(200)
    before = memory_of(head)
    statuses = clients(600)
    grown = memory_of(head) - before
    assert set(statuses) == {200, 401}, set(statuses)
    assert grown < 8 << 10 or SLOW > 1, f"the head grew by {grown} KiB in 600 TLS connections"


def test_paths_that_escape_reach_no_file(cluster):
    cluster.up("--cpus", "1", *OPEN)
    number = cluster.sweep(steady(pause=0.01, trials=1))
    cluster.run("sweep", "wait", str(number))
    secret = cluster.token()
    up = ("../" * 8, "..%2f" * 8, "%2e%2e/" * 8, "..%252f" * 8, "....//" * 8, "..\\" * 8, "/")
    for climb in up:
        for path in (f"/api/v1/trials/{climb}etc/passwd/logs", f"/api/v1/trials/{number}.1/logs?stream={climb}etc/passwd", f"/api/v1/trials/{number}.1%00/logs",
                     f"/api/v1/trials/{number}.1/{climb}logs", f"/api/v1/blobs/{climb}keys/token", f"/{climb}etc/passwd", f"/{climb}{cluster.state[1:]}/keys/token",
                     f"/api/v1/trials/{number}.1/logs?attempt={climb}0", f"/api/v1/nodes/{climb}etc"):
            status, answer = ask(cluster, "GET", path)
            assert secret not in str(answer) and "root:" not in str(answer), (path, answer)
            assert status in (200, 400, 404, 405), (path, status, answer)
    before = tree_of(cluster.state)
    for name in (*(climb + "pwned" for climb in up), "A" * 64, "0" * 63, "0" * 65, "g" * 64, "0" * 64 + "/x", "0" * 64 + "%00", ".", "..", "con"):
        status, answer = ask(cluster, "PUT", "/api/v1/blobs/" + name, None, b"hostile")
        assert status >= 400, (name, status, answer)
    assert not [path for path in tree_of(cluster.state) - before if "hostile" in path or "pwned" in path]
    assert not os.path.exists("/pwned") and not os.path.exists(cluster.root + "/pwned")


def tree_of(folder):
    return {os.path.join(where, name) for where, folders, names in os.walk(folder) for name in folders + names}


if __name__ == "__main__":
    run(globals())
