"""The head killed with a long queue and many running trials: from its death to the first task that it gives out again."""
import json
import os
import signal
import socket
import threading
import time

from arrays import needs_arrays
from place import Place, TRAINER, cpu_seconds, field_of, result, wait_for

TRIALS = 100
TASKS = 100000  # every single task is a job
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


def jobs_queue(place, tasks):
    """Single tasks over HTTP, pipelined."""
    body = {"words": ["touch", f"{place.root}/dispatched"], "is_shell": False, "workdir": place.root, "cpus": 10000, "priority": 50, "retries_max": 0}
    status = f"/proc/{place.pid('head')}/status"
    before, began = field_of(status, "VmRSS:"), time.monotonic()
    queue_fill(place, body, tasks)
    result("restart", "single tasks over HTTP, each on disk when it is answered", round(tasks / (time.monotonic() - began)), "1/s", f"{CONNECTIONS} connections")
    result("restart", "the head's memory for each of them", round((field_of(status, "VmRSS:") - before) * 1024 / tasks), "bytes", "while they are queued; a job and its task")


def cluster_fill(place):
    """100 trials that run, and one task whose end makes room for one of the queue."""
    place.muster("up", "-d", "--cpus", str(TRIALS + 1))
    path = place.sweep("reports: 1000000, wait_ms: 1000", TRIALS, "resources: {cpus: 1}\n", [TRAINER], {})
    place.muster("sweep", "run", "-d", path)
    place.muster("submit", "--cpus", "1", "--", "sh", "-c", f"while [ ! -e {place.root}/go ]; do sleep 0.01; done")
    wait_for(lambda: place.json("status")["tasks_running"] == TRIALS + 1)


def head_killed(place):
    """Seconds from the head's death until a task of the queue runs."""
    began = time.monotonic()
    os.kill(place.pid("head"), signal.SIGKILL)
    open(os.path.join(place.root, "go"), "w").close()
    deadline = began + 120
    while not os.path.exists(os.path.join(place.root, "dispatched")):
        if time.monotonic() > deadline:
            raise AssertionError("the new head gave no task out within 120 s")
        place.ahead()
        time.sleep(0.005)
    return time.monotonic() - began


def bench_restart(what, target, fill):
    place = Place()
    cluster_fill(place)
    fill(place)
    status = place.json("status")
    took = head_killed(place)
    head = place.pid("head")
    result("restart", f"{what}: from the head's death to the first task it gives out", round(took, 2), "s",
           f"target {target} s; {status['tasks_queued']} queued, {status['tasks_running']} running")
    result("restart", f"{what}: the new head's processor time until then", round(cpu_seconds(head), 2), "s",
           f"{field_of(f'/proc/{head}/status', 'VmRSS:') / 1024:.1f} MiB resident")
    place.close()


def run(options):
    bench_restart("single tasks", 2, lambda place: jobs_queue(place, int(options.get("tasks", TASKS))))
    if needs_arrays("restart with a task array"):
        ids = int(options.get("array", 1000000))
        bench_restart("an array", 10, lambda place: place.muster("submit", "--cpus", "1", "--array", f"1-{ids}", "--", "touch", f"{place.root}/dispatched"))
