"""Heads that listen on TCP, workers that join them, and a Redis of somebody else's, for the tests of one machine.

Each worker has a state folder of its own below the cluster's root. Everything here is a child of the test and ends with it."""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess

from cluster import Skip, wait_for


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def current(state):
    try:
        with open(os.path.join(state, "current")) as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def head_up(cluster, *arguments):
    """`muster head` in the background, with its own Redis; where it listens."""
    cluster.run("head", "-d", "--listen", "tcp://127.0.0.1:0", *arguments)
    return current(cluster.state)["listen"][0]


def head_alone(cluster, store, *arguments, state=None, wait=True):
    """`muster head --store`, a child of the test; with `wait`, once it serves."""
    state = state or cluster.state
    if wait:
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(state, "current"))
    log = open(os.path.join(cluster.root, os.path.basename(state) + ".err"), "a")
    child = cluster.start("head", "--store", store, "--state", state, *arguments, stderr=log, stdout=log)
    child.log_path = log.name
    if wait:
        wait_for("the head to serve", lambda: served(state, child))
    return child


def served(state, child):
    if child.poll() is not None:
        raise AssertionError(f"the head ended with {child.returncode}:\n" + open(child.log_path).read())
    found = current(state)
    return found and found["pid"] == child.pid and found


def worker_join(cluster, name, endpoint, *arguments, key=None, **options):
    """A worker with a state folder of its own; its log is worker_log(cluster, name)."""
    state = os.path.join(cluster.root, name)
    if key is None:
        options.setdefault("env", {})["MUSTER_JOIN_KEY"] = join_key(cluster.state)
    else:
        options.setdefault("env", {})["MUSTER_JOIN_KEY"] = key
    return cluster.start("worker", "--join", endpoint, "--name", name, "--state", state, "--cpus", "1", *arguments,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)


def worker_log(cluster, name, state=None):
    try:
        with open(os.path.join(cluster.root, state or name, "logs", f"worker-{name}.log"), errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def join_key(state):
    with open(os.path.join(state, "keys", "join")) as file:
        return file.read().strip()


def nodes(cluster):
    """{name: state}"""
    return {n["name"]: n["state"] for n in json.loads(cluster.http("GET", "/api/v1/nodes")[1])["items"]}


def wait_alive(cluster, *names, seconds=30):
    wait_for(f"nodes {names} to be alive", lambda: all(nodes(cluster).get(n) == "alive" for n in names), seconds)


class Redis:
    """A redis-server on a loopback port, in its own folder below the cluster's root, killed at the end."""

    def __init__(self, cluster, *options, name="redis-external", password=None):
        self.dir = os.path.join(cluster.root, name)
        os.makedirs(self.dir)
        self.port = free_port()
        self.options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.dir, "--save", "", "--appendonly", "yes",
                        "--appendfsync", "always", *options]
        if password:
            self.options += ["--requirepass", password]
        self.environment = dict(os.environ, REDISCLI_AUTH=password) if password else None
        self.program = shutil.which("redis-server")
        if self.program is None:
            same = shutil.which("redis-check-rdb")
            if same is None:
                raise Skip("neither redis-server nor redis-check-rdb is installed")
            self.program = os.path.join(self.dir, "redis-server")
            os.symlink(same, self.program)
        self.cluster = cluster
        self.child = None
        self.start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def start(self):
        log = open(os.path.join(self.dir, "log"), "a")
        self.child = subprocess.Popen([self.program, *self.options], stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.dir)
        self.cluster.children.append(self.child)
        wait_for("the external Redis", self.is_up)

    def is_up(self):
        if self.child.poll() is not None:
            with open(os.path.join(self.dir, "log")) as log:
                raise AssertionError(f"redis-server has left: {log.read()[-500:]}")
        return self.call("PING") == "PONG"

    def kill(self, sign=signal.SIGKILL):
        self.child.send_signal(sign)
        if sign == signal.SIGKILL:
            self.child.wait()

    def call(self, *words):
        done = subprocess.run(["redis-cli", "-p", str(self.port), *words], capture_output=True, text=True,
                              env=self.environment)
        return done.stdout.strip()


