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
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
import warnings

from agent import Agent, Door
from cluster import BUILD, PYTHON, SLOW, Skip, is_alive, run, wait_for
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


# ---- TLS ----


def test_http_off_loopback_is_tls_with_a_ca_of_its_own(cluster):
    for wrong in (("--http-name", "a b"), ("--http", "nonsense:port"), ("--http", "0.0.0.0:99999"), ("--tls-key", "/k")):
        cluster.run("up", "-d", *wrong, code=2)
    cluster.up("--cpus", "1", *OPEN)
    assert cluster.url().startswith("https://"), cluster.url()
    assert ask(cluster, "GET", "/healthz", token="")[0] == 200
    assert ask(cluster, "GET", "/api/v1/status")[1]["http_insecure"] is False
    for name in ("ca.key", "http.key"):
        assert stat.S_IMODE(os.stat(f"{cluster.state}/keys/{name}").st_mode) == 0o600
    # Who does not know the CA, or speaks no TLS, gets nothing.
    try:
        ask(cluster, "GET", "/healthz", ca="/etc/ssl/certs/ca-certificates.crt" if os.path.exists("/etc/ssl/certs/ca-certificates.crt") else None)
        assert not os.path.exists("/etc/ssl/certs/ca-certificates.crt"), "a certificate of nobody's CA was trusted"
    except ssl.SSLCertVerificationError:
        pass
    with socket.create_connection(("127.0.0.1", port_of(cluster)), 5) as s:
        s.sendall(b"GET /api/v1/sweeps HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + cluster.token().encode() + b"\r\n\r\n")
        s.settimeout(15 * SLOW)
        assert b"HTTP/1.1 200" not in s.recv(4096)
    # TLS before 1.2 is not spoken.
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    try:
        warnings.simplefilter("ignore", DeprecationWarning)
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with socket.create_connection(("127.0.0.1", port_of(cluster)), 5) as s:
            old.wrap_socket(s)
        raise AssertionError("TLS 1.1 was spoken")
    except (ssl.SSLError, OSError, ValueError):
        pass
    # A restart keeps the CA: clients need no new one.
    before = open(ca_of(cluster)).read()
    pid = cluster.kill("head")
    wait_for("the head again", lambda: cluster.pid("head") not in (None, pid) and not is_alive(pid))
    wait_for("its answer", lambda: _answers(cluster))
    assert open(ca_of(cluster)).read() == before


def _answers(cluster):
    try:
        return ask(cluster, "GET", "/readyz", token="")[0] == 200
    except OSError:
        return False


def test_every_verb_works_over_tls(cluster):
    cluster.up("--cpus", "2", *OPEN)
    done = cluster.run("sweep", "run", cluster.file("s.yaml", steady(pause=0.02, trials=3)))
    assert "sweep show 1" in done.stdout, done.stdout
    assert cluster.run("run", "--", "sh", "-c", "echo over-tls; exit 7", code=7).stdout.strip() == "over-tls"
    for verb in (["status"], ["sweep", "list"], ["trial", "list", "1"], ["trial", "show", "1.1"], ["task", "logs", "2.1"], ["node", "list"],
                 ["explain", "1"], ["key", "list"], ["events"]):
        cluster.run(*verb)
    # A follower over TLS sees what comes later.
    number = cluster.sweep(steady(pause=0.2, trials=1))
    assert "state" in json.loads(cluster.run("sweep", "show", str(number), "--json").stdout)
    follower = cluster.start("trial", "logs", "-f", f"{number}.1")
    cluster.run("sweep", "wait", str(number))
    follower.communicate(timeout=20 * SLOW)
    assert follower.returncode == 0, follower.returncode


def test_client_elsewhere_needs_the_ca_and_says_which(cluster):
    cluster.up("--cpus", "1", *OPEN)
    url = f"https://127.0.0.1:{port_of(cluster)}"
    token = {"MUSTER_TOKEN": cluster.token()}
    other = Elsewhere(cluster)
    done = other.run("status", "--head", url, code=4, env=token)
    assert "--ca" in done.stderr and "ca.crt" in done.stderr, done.stderr
    other.run("status", "--head", url, "--ca", ca_of(cluster), env=token)
    other.run("status", env={"MUSTER_HEAD": url, "MUSTER_CA": ca_of(cluster), **token})
    done = other.run("status", "--head", url, "--ca", cluster.root + "/none.crt", code=4, env=token)
    assert "none.crt" in done.stderr, done.stderr
    done = other.run("status", "--head", f"https://127.0.0.2:{port_of(cluster)}", "--ca", ca_of(cluster), code=4, env=token)
    assert "--http-name" in done.stderr, done.stderr


def test_given_certificate_is_used_and_a_bad_one_refused(cluster):
    folder = cluster.root + "/given"
    os.makedirs(folder)
    made = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-keyout",
                           folder + "/k.pem", "-out", folder + "/c.pem", "-subj", "/CN=given", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
                          capture_output=True) if _has_openssl() else None
    if made is None or made.returncode != 0:
        raise Skip("no openssl to make a certificate with")
    os.chmod(folder + "/k.pem", 0o644)
    given = ("--http", "0.0.0.0:0", "--tls-cert", folder + "/c.pem", "--tls-key", folder + "/k.pem")
    done = cluster.run("up", "-d", "--cpus", "1", *given, code=1)
    assert "chmod 600 " + folder + "/k.pem" in done.stderr, done.stderr
    os.chmod(folder + "/k.pem", 0o600)
    cluster.run("up", "-d", "--tls-cert", folder + "/c.pem", code=2)
    cluster.up("--cpus", "1", *given)
    assert ask(cluster, "GET", "/api/v1/whoami", ca=folder + "/c.pem")[1]["name"] == "admin"
    cluster.run("status")
    assert not os.path.exists(ca_of(cluster))


def _has_openssl():
    return any(os.access(os.path.join(p, "openssl"), os.X_OK) for p in os.environ["PATH"].split(":"))


def test_plain_http_off_loopback_is_said_and_refused_by_clients(cluster):
    address = address_of_this_machine()
    cluster.up("--cpus", "1", "--http", "0.0.0.0:0", "--insecure-http")
    status = ask(cluster, "GET", "/api/v1/status")[1]
    assert status["http_insecure"] is True and status["http"].startswith("http://0.0.0.0:"), status
    assert "INSECURE" in cluster.run("status").stdout
    assert "unencrypted" in open(cluster.state + "/logs/head.log").read()
    assert ask(cluster, "GET", "/api/v1/sweeps", token="")[0] == 401, "plain does not mean open"
    url = f"http://{address}:{port_of(cluster)}"
    with open(cluster.root + "/token", "w") as file:
        file.write(cluster.token())
    other = Elsewhere(cluster)
    login = ("login", url, "--token-file", cluster.root + "/token")
    done = other.run(*login, code=2)
    assert "--insecure-http" in done.stderr, done.stderr
    done = other.run("status", "--head", url, code=4, env={"MUSTER_TOKEN": cluster.token()})
    assert "--insecure-http" in done.stderr, done.stderr
    other.run(*login, "--insecure-http")
    other.run("status")


# ---- users ----


def test_login_stores_only_what_works(cluster):
    cluster.up("--cpus", "1", *OPEN)
    url = f"https://127.0.0.1:{port_of(cluster)}"
    token = key_new(cluster, "alice")
    other = Elsewhere(cluster)
    stored = other.state + "/contexts.json"

    def login(text, *more, code=0):
        path = cluster.root + "/token"
        with open(path, "w") as file:
            file.write(text + "\n")
        return other.run("login", url, "--ca", ca_of(cluster), "--token-file", path, *more, code=code)

    done = login("x" * 43, code=4)
    assert "token" in done.stderr and not os.path.exists(stored), done.stderr
    login("two words", code=2)
    other.run("login", "ftp://x", code=2)
    other.run("login", code=2)
    assert "alice (user)" in login(token).stderr
    assert stat.S_IMODE(os.stat(stored).st_mode) == 0o600
    # Commands go there; the CA was copied, so its file may vanish.
    assert json.loads(other.run("status", "--json").stdout)["state_dir"] == cluster.state
    listed = other.run("login", "--list", "--json").stdout
    assert token not in listed and json.loads(listed)["items"][0] == {"url": url, "name": "alice", "role": "user", "chosen": True}, listed
    number = int(other.run("sweep", "run", "-d", cluster.file("s.yaml", steady(pause=0.01, trials=1))).stdout)
    assert cluster_sweep(cluster, number)["owner"] == "alice"
    # down is about this machine's own cluster, never about the one that was logged in to.
    other.run("down")
    assert cluster.pid("head"), "down ended somebody else's cluster"
    os.chmod(stored, 0o644)
    assert "chmod 600" in other.run("status", code=4).stderr
    os.chmod(stored, 0o600)
    other.run("logout")
    assert "no cluster was ever started" in other.run("status", code=4).stderr
    other.run("logout", code=3)
    # A token on stdin does as well.
    child = subprocess.run([os.path.join(BUILD, "cli/muster"), "login", url, "--ca", ca_of(cluster)], input=token + "\n", text=True,
                           capture_output=True, env={**cluster.environment(), "MUSTER_STATE": other.state})
    assert child.returncode == 0, child.stderr


def cluster_sweep(cluster, number):
    return ask(cluster, "GET", f"/api/v1/sweeps/{number}")[1]


def test_roles_and_owners_are_kept_apart(cluster):
    cluster.up("--cpus", "1", *OPEN)
    reader, alice, bob, boss = (key_new(cluster, n, "--role", r) for n, r in (("rita", "reader"), ("alice", "user"), ("bob", "user"), ("boss", "admin")))
    status, made = ask(cluster, "POST", "/api/v1/sweeps", alice, sweep_body(cluster, pause=5))
    assert status == 201, made
    number = made["id"]
    assert cluster_sweep(cluster, number)["owner"] == "alice", "the body may not say whose it is"
    # Readers read.
    assert ask(cluster, "GET", f"/api/v1/sweeps/{number}", reader)[0] == 200
    for path in ("/api/v1/sweeps", f"/api/v1/sweeps/{number}/cancel", f"/api/v1/sweeps/{number}/set", f"/api/v1/trials/{number}.1/stop", "/api/v1/shutdown", "/api/v1/keys"):
        status, answer = ask(cluster, "POST", path, reader, {})
        assert status == 403 and "reader" in answer["error"]["text"], (path, status, answer)
    status, answer = ask(cluster, "PUT", "/api/v1/blobs/" + "0" * 64, reader, b"x" * 100000)
    assert status == 403 and "reader" in answer["error"]["text"], (status, answer)
    # Users act on what is theirs.
    for path in (f"/api/v1/sweeps/{number}/stop", f"/api/v1/sweeps/{number}/set", f"/api/v1/sweeps/{number}/cancel", f"/api/v1/trials/{number}.1/cancel", f"/api/v1/tasks/{number}.1/cancel",
                 f"/api/v1/jobs/{number}/rm", f"/api/v1/sweeps/{number}/rm", f"/api/v1/sweeps/{number}/anything"):
        status, answer = ask(cluster, "POST", path, bob, {})
        assert status == 403 and "'alice'" in answer["error"]["text"], (path, status, answer)
    for path in ("/api/v1/shutdown", "/api/v1/keys", "/api/v1/keys/alice/revoke", "/api/v1/nodes/local/cordon", "/api/v1/nodes/local/drain"):
        status, answer = ask(cluster, "POST", path, bob, {})
        assert status == 403 and "admin" in answer["error"]["text"], (path, status, answer)
    assert ask(cluster, "GET", "/api/v1/keys", bob)[0] == 403
    for name, token in (("reader", reader), ("user", bob)):
        status, answer = ask(cluster, "GET", "/api/v1/debug/turn", token)
        assert status == 403 and "admin" in answer["error"]["text"], (name, status, answer)
    assert ask(cluster, "GET", "/api/v1/debug/turn", boss)[0] == 200
    assert ask(cluster, "POST", f"/api/v1/sweeps/{number}/cancel", alice, {})[0] == 200
    second = ask(cluster, "POST", "/api/v1/sweeps", bob, sweep_body(cluster, "theirs", 5))[1]["id"]
    assert ask(cluster, "POST", f"/api/v1/sweeps/{second}/cancel", boss, {})[0] == 200
    # The built-in admin speaks for this machine's users.
    third = ask(cluster, "POST", "/api/v1/sweeps", None, sweep_body(cluster, "third", 5))[1]["id"]
    assert cluster_sweep(cluster, third)["owner"] == "somebody-else"
    assert ask(cluster, "GET", "/api/v1/whoami", alice)[1] == {"name": "alice", "role": "user", "builtin": False}
    done = cluster.run("sweep", "cancel", str(third), code=4, env={"MUSTER_HEAD": cluster.url(), "MUSTER_TOKEN": bob})
    assert "somebody-else" in done.stderr, done.stderr


def test_keys_end_by_revoking_and_by_their_date_and_survive_kills(cluster):
    cluster.up("--cpus", "1", *OPEN)
    alice = key_new(cluster, "alice")
    cluster.run("key", "new", "alice", code=1)
    cluster.run("key", "new", "a/b", code=2)
    cluster.run("key", "new", "bob", "--role", "king", code=2)
    short = key_new(cluster, "short", "--expires", "1s")
    pid = cluster.kill("head")
    wait_for("the head again", lambda: cluster.pid("head") not in (None, pid) and _answers(cluster))
    assert ask(cluster, "GET", "/api/v1/whoami", alice)[1]["name"] == "alice"
    wait_for("the end of the short one", lambda: ask(cluster, "GET", "/api/v1/whoami", short)[0] == 401)
    text = ask(cluster, "GET", "/api/v1/whoami", short)[1]["error"]["text"]
    assert "good until 20" in text and "key new short" in text, text
    rows = {row["name"]: row for row in json.loads(cluster.run("key", "list", "--json").stdout)["items"]}
    assert rows["short"]["expired"] and not rows["alice"]["expired"] and rows["alice"]["by"] == "admin", rows
    with open(cluster.state + "/redis/" + _aof(cluster), "rb") as file:
        stored = file.read()
    assert b"alice" in stored and alice.encode() not in stored, "the store holds the token itself"
    # A stream that is open ends with its key.
    context = ssl.create_default_context(cafile=ca_of(cluster))
    stream = http.client.HTTPSConnection("127.0.0.1", port_of(cluster), context=context, timeout=20 * SLOW)
    stream.request("GET", "/api/v1/events", headers={"Authorization": "Bearer " + alice})
    answer = stream.getresponse()
    assert answer.status == 200
    cluster.run("key", "revoke", "alice")
    try:
        while answer.read(1):
            pass
    except (OSError, http.client.HTTPException):
        pass
    assert ask(cluster, "GET", "/api/v1/whoami", alice)[0] == 401
    cluster.run("key", "revoke", "alice", code=3)
    pid = cluster.kill("head")
    wait_for("the head again", lambda: cluster.pid("head") not in (None, pid) and _answers(cluster))
    assert ask(cluster, "GET", "/api/v1/whoami", alice)[0] == 401
    assert ask(cluster, "GET", "/api/v1/whoami")[1]["builtin"] is True, "the built-in admin is locked out"


def _aof(cluster):
    for folder, _, names in os.walk(cluster.state + "/redis"):
        for name in names:
            if name.endswith(".incr.aof") or name == "appendonly.aof":
                return os.path.relpath(os.path.join(folder, name), cluster.state + "/redis")
    raise AssertionError("the store has no append-only file")


def test_audit_log_tells_who_did_what(cluster):
    cluster.up("--cpus", "1", *OPEN)
    alice = key_new(cluster, "alice")
    number = ask(cluster, "POST", "/api/v1/sweeps", alice, sweep_body(cluster), {"Idempotency-Key": "k1"})[1]["id"]
    ask(cluster, "GET", "/api/v1/sweeps", alice)
    ask(cluster, "POST", "/api/v1/shutdown", alice, {})
    ask(cluster, "GET", "/api/v1/sweeps", "x" * 43)
    pid = cluster.kill("head")
    wait_for("the head again", lambda: cluster.pid("head") not in (None, pid) and _answers(cluster))
    ask(cluster, "POST", f"/api/v1/sweeps/{number}/cancel", alice, {})
    lines = [line for line in audit_of(cluster) if line["user"] != "admin"]
    short = [(line["user"], line["method"], line["path"], line["status"]) for line in lines]
    assert short == [("alice", "POST", "/api/v1/sweeps", 201), ("alice", "POST", "/api/v1/shutdown", 403), (None, "GET", "/api/v1/sweeps", 401),
                     ("alice", "POST", f"/api/v1/sweeps/{number}/cancel", 200)], short
    assert lines[0]["id"] == number and lines[0]["key"] == "k1" and lines[0]["role"] == "user" and lines[0]["peer"] == "127.0.0.1", lines[0]
    assert "token" in lines[2]["refused"], lines[2]
    assert any(line["user"] == "admin" and line["path"] == "/api/v1/keys" for line in audit_of(cluster))
    text = open(cluster.state + "/logs/audit.log").read()
    assert alice not in text and cluster.token() not in text, "a token stands in the log"
    assert stat.S_IMODE(os.stat(cluster.state + "/logs/audit.log").st_mode) == 0o600
    # A client that leaves at once is written down too.
    context = ssl.create_default_context(cafile=ca_of(cluster))
    body = json.dumps(sweep_body(cluster, "hasty")).encode()
    before = len(audit_of(cluster))
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port_of(cluster))), server_hostname="localhost") as s:
        s.sendall(b"POST /api/v1/sweeps HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n" % (alice.encode(), len(body)) + body)
    wait_for("the hasty client's line", lambda: len(audit_of(cluster)) > before)


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
