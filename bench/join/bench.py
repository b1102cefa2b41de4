"""200 workers over TCP that were there before the head: when the last one has joined, and what they cost the head when idle."""
import datetime
import socket
import statistics
import threading
import time

from place import cpu_seconds, result
from processes import Apart


def listening_wait(port, seconds=30):
    """The moment at which the port takes connections, by the clock of the wall."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return time.time()
        time.sleep(0.0005)
    raise AssertionError("the head does not listen")


def bench_join(count, seconds):
    """Workers that run and retry before the head listens; then the head with all of them idle."""
    place = Apart()
    for i in range(count):
        place.worker_start(f"n{i:03}", place.tcp)
    time.sleep(5)  # all have started and are between two tries
    starting = threading.Thread(target=place.head_start)
    starting.start()
    listening = listening_wait(place.port)
    starting.join()
    place.alive_wait(count)
    joined = sorted(time_of(node["joined"]) - listening for node in place.get(f"/api/v1/nodes?limit={count}")["items"])
    result("join", f"{count} workers that were there before the head: last one joined", round(joined[-1], 3), "s", "limit 1 s after the head listens")
    result("join", "the same, the middle one", round(statistics.median(joined), 3), "s")
    time.sleep(3)
    head = place.pid("head")
    before = cpu_seconds(head)
    time.sleep(seconds)
    result("join", f"head with {count} idle workers", round((cpu_seconds(head) - before) / seconds * 100, 2), "% of a core", "limit 1 %")
    place.close()


def time_of(text):
    """Seconds of a time as the head writes it."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def run(options):
    bench_join(int(options.get("workers", 200)), int(options.get("seconds", 20)))
