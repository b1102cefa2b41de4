"""A cluster of its own for one test: state folder, the muster command, its processes, and proof that none is left.

A test file calls run(globals()): every function test_* runs with a fresh Cluster, and one line `ok NAME`, `FAIL NAME` or
`SKIP NAME: why` is printed for each. Waiting is always for a condition, with a deadline; nothing sleeps for luck."""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request

BUILD = os.environ.get("MUSTER_TEST_BUILD", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/release"))
SOURCE = os.environ.get("MUSTER_TEST_SOURCE", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
MUSTER = os.path.join(BUILD, "cli/muster")
DIGITS = os.path.join(BUILD, "examples/digits/digits")
TRAINERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "trainers")
PYTHON = "/usr/bin/python3"
SLOW = 3.0 if os.path.basename(os.path.normpath(BUILD)) in ("asan", "tsan") else 1.0


class Skip(Exception):
    pass


def wait_for(what, condition, seconds=30.0):
    """Polls until condition() is true; its value. Fails loudly at the deadline."""
    deadline = time.monotonic() + seconds * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds * SLOW:.0f} s for: {what}")
        time.sleep(0.02)


def processes():
    """{pid: (ppid, state, argv)} of everything that runs here."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                argv = file.read().decode("utf-8", "replace").split("\0")
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            found[int(pid)] = (int(fields[1]), fields[0], argv)
        except OSError:
            pass
    return found


def is_alive(pid):
    """Any thread of it: one that was killed holds its locks and ports until the last thread has gone, its first one a zombie by then."""
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] not in "ZX":
                    return True
    return False


class Cluster:
    def __init__(self, state=None, keep=False):
        self.root = tempfile.mkdtemp(prefix="muster-e2e-")
        self.state = state or os.path.join(self.root, "state")
        self.keep = keep
        self.work = os.path.join(self.root, "work")
        os.makedirs(self.work)
        self.children = []

    def environment(self, **more):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MUSTER_")}
        environment.update(MUSTER_STATE=self.state, **more)
        environment.setdefault("ASAN_OPTIONS", "detect_leaks=0:abort_on_error=1")
        return environment

    def start(self, *arguments, **options):
        """A muster command in the background."""
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        child = subprocess.Popen([MUSTER, *arguments], env=self.environment(**options.pop("env", {})), stdin=subprocess.DEVNULL,
                                 text=True, cwd=options.pop("cwd", self.work), **options)
        self.children.append(child)
        return child

    def run(self, *arguments, code=0, seconds=120, **options):
        """A muster command to its end; its exit code must be `code` (None: any)."""
        child = self.start(*arguments, **options)
        try:
            out, err = child.communicate(timeout=seconds * SLOW)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            raise AssertionError(f"muster {' '.join(arguments)} did not end in {seconds} s\n{out}\n{err}\n{self.logs()}")
        if code is not None and child.returncode != code:
            raise AssertionError(f"muster {' '.join(arguments)}: exit {child.returncode}, not {code}\nstdout: {out}\nstderr: {err}\n{self.logs()}")
        done = subprocess.CompletedProcess(arguments, child.returncode, out, err)
        return done

    def json(self, *arguments, **options):
        return json.loads(self.run(*arguments, "-o", "json", **options).stdout)

    def up(self, *arguments):
        self.run("up", "-d", *arguments)

    def file(self, name, text):
        path = os.path.join(self.work, name)
        with open(path, "w") as file:
            file.write(text)
        return path

    def sweep(self, text, name="sweep.yaml", *arguments):
        """Submits and returns the number."""
        path = self.file(name, text)
        return int(self.run("sweep", "run", "-d", path, *arguments).stdout)

    # ---- looking inside ----

    def pid(self, role):
        """The process that holds a role's lock."""
        try:
            with open(os.path.join(self.state, "run", role + ".lock")) as file:
                pid = int(file.read().split()[0])
        except (OSError, ValueError, IndexError):
            return None
        return pid if is_alive(pid) else None

    def kill(self, role, sign=signal.SIGKILL):
        pid = wait_for(f"a running {role}", lambda: self.pid(role))
        os.kill(pid, sign)
        return pid

    def attempts(self):
        """{pid: "12.41" } of running trainers, by their environment."""
        found = {}
        for pid in processes():
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    variables = dict(pair.split("=", 1) for pair in file.read().decode("utf-8", "replace").split("\0") if "=" in pair)
            except OSError:
                continue
            if variables.get("MUSTER_TRIAL") and variables.get("MUSTER_SOCKET", variables.get("MUSTER_TRIAL_DIR", "")).find(os.path.basename(self.root)) >= 0:
                found[pid] = variables["MUSTER_TRIAL"]
            elif variables.get("MUSTER_TRIAL") and self.state in variables.get("MUSTER_ATTEMPT", "") + variables.get("MUSTER_PARAMS_FILE", ""):
                found[pid] = variables["MUSTER_TRIAL"]
        return found

    def logs(self):
        text = ""
        for role in ("supervisor", "head", "worker", "redis"):
            path = os.path.join(self.state, "logs", role + ".log")
            if os.path.exists(path):
                with open(path, errors="replace") as file:
                    text += f"--- {role}.log\n" + "".join(file.readlines()[-25:])
        return text

    def url(self):
        with open(os.path.join(self.state, "current")) as file:
            return json.load(file)["url"]

    def token(self):
        with open(os.path.join(self.state, "keys", "token")) as file:
            return file.read().strip()

    def http(self, method, path, body=None, headers=None, token=None):
        """(status, text) of one request; never raises for a status."""
        request = urllib.request.Request(self.url() + path, method=method, data=body)
        request.add_header("Authorization", "Bearer " + (self.token() if token is None else token))
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def redis(self, *words):
        """The embedded Redis's answer, with the rights of the head."""
        with open(os.path.join(self.state, "keys", "redis")) as file:
            password = file.read().strip()
        argv = ["redis-cli", "-s", os.path.join(self.state, "run", "redis.sock"), "--user", "muster", "-a", password, "--no-auth-warning", *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=20).stdout.strip()

    def sweep_of(self, number):
        return json.loads(self.http("GET", f"/api/v1/sweeps/{number}")[1])

    def trials(self, number):
        return json.loads(self.http("GET", f"/api/v1/sweeps/{number}/trials")[1])["items"]

    def remains(self):
        """Processes of this cluster that still run, the attempts' included."""
        name = os.path.basename(self.root)
        mine = {}
        for pid, (_, state, argv) in processes().items():
            if pid != os.getpid() and state != "Z" and any(name in a for a in argv):
                mine[pid] = argv
        for pid in self.attempts():
            mine[pid] = ["(attempt)"]
        return mine

    def down(self):
        self.run("down", code=None, seconds=60)

    def close(self):
        with contextlib.suppress(Exception):
            if os.path.exists(os.path.join(self.state, "run")):
                self.run("down", "--timeout", "5", code=None, seconds=30)
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.wait()
        deadline = time.monotonic() + 10 * SLOW
        while self.remains() and time.monotonic() < deadline:
            time.sleep(0.05)
        left = self.remains()
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if not self.keep:
            shutil.rmtree(self.root, ignore_errors=True)
        return left


def run(names):
    """Runs every test_* of a module."""
    wanted = sys.argv[1:]
    failed = 0
    for name, test in list(names.items()):
        if not name.startswith("test_") or (wanted and name not in wanted):
            continue
        cluster = Cluster()
        try:
            test(cluster)
            word = "ok " + name
        except Skip as why:
            word = f"SKIP {name}: {why}"
        except BaseException:
            print(cluster.logs())
            traceback.print_exc(file=sys.stdout)
            word = "FAIL " + name
        left = cluster.close()
        if left and word.startswith("ok"):
            print(f"still running after it: {left}")
            word = "FAIL " + name
        failed += word.startswith("FAIL")
        print(word, flush=True)
    sys.exit(1 if failed else 0)
