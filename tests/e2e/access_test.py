#!/usr/bin/env python3
"""Who may do what, and over which connection: TLS off loopback, logins and tokens, roles and owners, the audit log."""
import http.client
import json
import os
import socket
import ssl
import stat
import subprocess
import warnings

from cluster import BUILD, SLOW, Skip, is_alive, run, wait_for
from first_light_test import steady
from security_test import OPEN, Elsewhere, address_of_this_machine, ask, audit_of, ca_of, cluster_sweep, key_new, port_of, sweep_body


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


if __name__ == "__main__":
    run(globals())
