"""The head killed with a long queue and many running trials: from its death to the first task that it gives out again."""
import json
import os
import signal
import socket
import threading
import time

from place import Place, TRAINER, cpu_seconds, result

TRIALS = 100
TASKS = 99000  # every single task is a job, and the head takes 100,000 jobs and sweeps
CONNECTIONS = 200


class Front:
    """One connection to the head on which requests are pipelined."""

    def __init__(self, place):
        with open(os.path.join(place.state, "current")) as file:
            current = json.load(file)
        with open(current["token_file"]) as file:
            token = file.read().strip()
        host, port = current["url"].rsplit("//", 1)[1].rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)))
        self.head = f"POST /api/v1/jobs HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"

    def post_all(self, body, count, window=32):
        text = json.dumps(body)
        request = f"{self.head}Content-Length: {len(text)}\r\n\r\n{text}".encode()
        sent = answered = 0
        left = b""
        while answered < count:
            n = min(window - (sent - answered), count - sent)
            if n > 0:
                self.socket.sendall(request * n)
                sent += n
            data = self.socket.recv(1 << 16)
            if not data:
                raise AssertionError("the head closed the connection")
            left += data
            if b"HTTP/1.1 4" in left or b"HTTP/1.1 5" in left:
                raise AssertionError(left[-400:])
            answered += left.count(b"HTTP/1.1 201")
            left = left[-11:] if not left.endswith(b"HTTP/1.1 201") else b""


def queue_fill(place, body, count):
    threads = [threading.Thread(target=lambda: Front(place).post_all(body, count // CONNECTIONS)) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def wait_for(what, seconds=120):
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            raise AssertionError(f"nothing came of it within {seconds} s")
        time.sleep(0.002)


def cluster_fill(place, tasks):
    """100 trials that run, one task whose end makes room, and the queue."""
    place.muster("up", "-d", "--cpus", str(TRIALS + 1))
    path = place.sweep("reports: 1000000, wait_ms: 1000", TRIALS, "resources: {cpus: 1}\n", [TRAINER], {})
    place.muster("sweep", "run", "-d", path)
    place.muster("submit", "--cpus", "1", "--", "sh", "-c", f"while [ ! -e {place.root}/go ]; do sleep 0.01; done")
    wait_for(lambda: place.json("status")["tasks_running"] == TRIALS + 1)
    body = {"words": ["touch", f"{place.root}/dispatched"], "is_shell": False, "workdir": place.root, "cpus": 10000, "priority": 50, "retries_max": 0}
    began = time.monotonic()
    queue_fill(place, body, tasks)
    result("restart", "single tasks over HTTP, each on disk when it is answered", round(tasks / (time.monotonic() - began)), "1/s", f"{CONNECTIONS} connections")


def run(options):
    tasks = int(options.get("tasks", TASKS))
    place = Place()
    cluster_fill(place, tasks)
    status = place.json("status")
    old = place.pid("head")
    dispatched = os.path.join(place.root, "dispatched")
    began = time.monotonic()
    os.kill(old, signal.SIGKILL)
    open(os.path.join(place.root, "go"), "w").close()
    while not os.path.exists(dispatched):
        place.ahead()
        time.sleep(0.005)
    took = time.monotonic() - began
    head = place.pid("head")
    spent = cpu_seconds(head)
    with open(f"/proc/{head}/stat") as file:
        ticks = int(file.read().rsplit(")", 1)[1].split()[19])
    started = ticks / os.sysconf("SC_CLK_TCK")
    with open("/proc/uptime") as file:
        uptime = float(file.read().split()[0])
    result("restart", "from the head's death to the first task it gives out", round(took, 2), "s",
           f"target 2 s; {status['tasks_queued']} queued, {status['tasks_running']} running")
    result("restart", "the new head's processor time until then", round(spent, 2), "s", f"it is {uptime - started:.1f} s old")
    with open(f"/proc/{head}/status") as file:
        rss = next(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) / 1024
    result("restart", "the new head's memory", round(rss, 1), "MiB", "resident")
    if options.get("logs"):
        for name in ("supervisor", "head", "worker-local", "worker"):
            path = os.path.join(place.state, "logs", name + ".log")
            if os.path.exists(path):
                with open(path) as file:
                    print(name, *file.read().splitlines()[-12:], sep="\n")
    place.close()
