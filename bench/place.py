"""What the benches share: a state folder for each, results, percentiles, what the kernel saw."""
import contextlib
import json
import mmap
import os
import select
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build/release"))
MUSTER = os.path.join(BUILD, "cli/muster")
TRAINER = os.path.join(BUILD, "bench/bench_trainer")
RESULTS = []
RESULTS_FOLDER = os.path.join(ROOT, "bench/results")
PLACES = []  # that are open: the driver closes what a bench leaves behind
ROLES = ("head", "worker", "redis")


def result(bench, what, value, unit, beside=""):
    """A line of JSON, on stdout and in bench/results; the driver prints them all as a table at the end."""
    RESULTS.append((bench, what, value, unit, beside))
    line = json.dumps({"bench": bench, "what": what, "value": value, "unit": unit, "beside": beside, "time": time.strftime("%FT%TZ", time.gmtime())})
    print(line, flush=True)
    os.makedirs(RESULTS_FOLDER, exist_ok=True)
    with open(os.path.join(RESULTS_FOLDER, bench + ".jsonl"), "a") as file:
        file.write(line + "\n")


def wait_for(what, seconds=120):
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            raise AssertionError(f"nothing came of it within {seconds} s")
        time.sleep(0.002)


def field_of(path, name):
    """A number of /proc: "VmRSS:" of status, "write_bytes:" of io."""
    with open(path) as file:
        return next((int(line.split()[1]) for line in file if line.startswith(name)), 0)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pages_warm(megabytes):
    """Lets the kernel have this much free memory that has been written to. A virtual machine gives what it does not use back to its host, and each
    page then costs several microseconds at its first use: who is measured first, or after a pause, would pay that for the others."""
    with mmap.mmap(-1, megabytes << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        for offset in range(0, len(memory), mmap.PAGESIZE):
            memory[offset] = 1


def percentile(values, p):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))]


def peers_python(*packages):
    """The Python of an environment of its own in which these packages from PyPI are."""
    folder = os.path.join(ROOT, "build/peers")
    python = os.path.join(folder, "bin/python")
    if not os.path.exists(python):
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
    return python


class Place:
    """A state folder for one bench."""

    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="muster-bench-")
        self.state = os.path.join(self.root, "state")
        self.log = os.path.join(self.root, "trainers.log")
        PLACES.append(self)

    def muster(self, *arguments, check=True):
        environment = dict(os.environ, MUSTER_STATE=self.state)
        done = subprocess.run([MUSTER, *arguments], env=environment, check=check, capture_output=True, text=True)
        if arguments[0] == "up":
            self.ahead()
        return done

    def ahead(self):
        """On a machine that others use: BENCH_NICE=-15 lets the daemons go before them. Each has a session of its own, so the nice
        value of this process does not count for them."""
        nice = os.environ.get("BENCH_NICE")
        for role in ROLES if nice else ():
            with contextlib.suppress(OSError, IndexError), open(f"/proc/{self.pid(role)}/autogroup", "w") as file:
                file.write(nice)

    def json(self, *arguments):
        return json.loads(self.muster(*arguments, "-o", "json").stdout)

    def turn(self):
        """Seconds of each stage of the head's turns so far, and how many turns there were."""
        answer = self.json("debug", "turn")
        return {item["stage"]: item["seconds"] for item in answer["items"]}, answer["turn"]["turns"]

    def get_text(self, path):
        """The body of a GET."""
        with open(os.path.join(self.state, "current")) as file:
            current = json.load(file)
        with open(current["token_file"]) as file:
            token = file.read().strip()
        request = urllib.request.Request(current["url"] + path, headers={"Authorization": "Bearer " + token})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read().decode()

    def pid(self, role):
        """Of head, worker or redis."""
        with open(os.path.join(self.state, "run", role + ".lock")) as file:
            return int(file.read().split()[0])

    def sweep(self, parameters, trials, more="", command=None, env=None, metric="{name: loss}"):
        folder = os.path.join(self.root, "sweep")
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, "sweep.yaml")
        with open(path, "w") as file:
            file.write(f"name: bench\ncommand: {json.dumps(command or [TRAINER])}\nenv: {json.dumps(env or {'BENCH_LOG': self.log})}\nmetric: {metric}\n"
                       f"parameters: {{x: {{min: 0.0, max: 1.0}}, {parameters}}}\nstop: {{trials: {trials}}}\n{more}")
        return path

    def lines(self):
        with open(self.log) as file:
            return [[float(x) for x in line.split()] for line in file]

    def close(self):
        if self in PLACES:
            PLACES.remove(self)
        self.muster("down", "--timeout", "5", check=False)
        shutil.rmtree(self.root, ignore_errors=True)


def fsync_us(folder, n=300, size=256):
    """p50 of append + fdatasync of a small record: what one acknowledgement costs at least."""
    path, times = os.path.join(folder, "fsync"), []
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for _ in range(n):
        started = time.monotonic()
        os.write(fd, b"x" * size)
        os.fdatasync(fd)
        times.append((time.monotonic() - started) * 1e6)
    os.close(fd)
    os.unlink(path)
    return statistics.median(times)


class Kernel(threading.Thread):
    """Exec and exit of processes as the kernel saw them (proc connector); needs root."""

    def __init__(self):
        super().__init__(daemon=True)
        self.events = []
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 11)
        self.socket.bind((0, 1))
        port = self.socket.getsockname()[0]
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 20)
        message = struct.pack("=IIII", 1, 1, 0, 0) + struct.pack("=HHI", 4, 0, 1)
        self.socket.send(struct.pack("=IHHII", 16 + len(message), 3, 0, 0, port) + message)
        self.stop = False

    def run(self):
        while not self.stop:
            if not select.select([self.socket], [], [], 0.2)[0]:
                continue
            data = self.socket.recv(65536)
            what, _, nanoseconds = struct.unpack_from("=IIQ", data, 36)
            if what in (2, 0x80000000):
                pid, tgid = struct.unpack_from("=ii", data, 52)
                if pid == tgid:
                    self.events.append((nanoseconds / 1e3, "exec" if what == 2 else "exit", pid))


def slots_lost(place, kernel, pids):
    """Milliseconds from each exit of a trainer to the exec of the next one, paired in order."""
    execs = {pid: t for t, what, pid in kernel.events if what == "exec" and pid in pids}
    exits = {pid: t for t, what, pid in kernel.events if what == "exit" and pid in pids}
    starts = sorted(execs.values())[2:]
    ends = sorted(exits.values())
    return [(start - end) / 1e3 for start, end in zip(starts, ends) if start > end]
