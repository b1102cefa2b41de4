"""Task arrays from Python: one command, many times. Used through `muster.connect()`: see muster_client.py. Standard library only."""
import contextlib
import json
import os
import tempfile
import time

import muster_work
from muster_http import MusterError, TimeoutPassed

LOOK_SECONDS = 0.05, 1.0  # between two looks of wait(): at first, at most
LINE_MAX_BYTES = 128 * 1024 - len("MUSTER_LINE=") - 1
AMOUNT_ONE = 10000


def ids_of(ids):
    """{first, last, step} of "1-100:2", of a range() or of how many."""
    if isinstance(ids, int):
        ids = range(1, ids + 1)
    if isinstance(ids, range):
        if len(ids) == 0 or ids.step < 1 or ids[0] < 1:
            raise MusterError(f"{ids} names no ids: they are whole numbers from 1, upwards", "invalid")
        return {"first": ids[0], "last": ids[-1], "step": ids.step}
    first, _, rest = str(ids).partition("-")
    last, _, step = (rest or first).partition(":")
    if not all(part.isdecimal() and int(part) > 0 for part in (first, last, step or "1")) or int(last) < int(first):
        raise MusterError(f"'{ids}' names no ids: they are whole numbers from 1, as 1-100 or 1-100:2", "invalid")
    return {"first": int(first), "last": int(last), "step": int(step or 1)}


@contextlib.contextmanager
def packed_items(lines, values):
    """(pack, how many) of what each task is given; (None, 0): nothing."""
    if lines is not None and values is not None:
        raise MusterError("an array has lines or values, not both", "invalid")
    if lines is None and values is None:
        yield None, 0
        return
    texts = (line.removesuffix("\n") for line in lines) if lines is not None else (
        json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False) for value in values)
    with tempfile.TemporaryDirectory(prefix="muster-items-") as folder:
        count = 0
        with open(os.path.join(folder, "items"), "wb") as file:
            for count, text in enumerate(texts, 1):
                data = os.fsencode(text)
                if b"\n" in data or b"\0" in data or len(data) > LINE_MAX_BYTES:
                    raise MusterError(f"item {count}: a line has no line end and no zero byte, and at most {LINE_MAX_BYTES} bytes", "invalid")
                file.write(data + b"\n")
        if count == 0:
            raise MusterError("there is no item to make a task of", "invalid")
        with muster_work.packed(muster_work.Wanted(os.path.realpath(folder), True, [], 1 << 30)) as pack:
            yield pack, count


def body_of(command, ids, cpus, gpus, memory, env, priority, retries, max_fails, name, labels, workdir, log_files=False):
    body = {"words": [str(word) for word in command], "array": ids, "workdir": workdir, "name": name or str(command[0]),
            "cpus": round(cpus * AMOUNT_ONE), "gpus": round(gpus * AMOUNT_ONE), "memory_bytes": muster_work.size_of(memory),
            "env": [{"name": key, "value": str(value)} for key, value in (env or {}).items()],
            "priority": priority, "retries_max": retries, "max_fails": max_fails}
    if log_files:
        body["log_files"] = True
    if labels:
        body["labels"] = list(labels)
    return body


class Array:
    """A task array of a cluster. Made by Cluster.submit_array() and Cluster.array()."""

    def __init__(self, cluster, number):
        self.cluster = cluster
        self.id = int(number)
        self._path = f"/api/v1/jobs/{self.id}"

    def __repr__(self):
        return f"<muster array {self.id}>"

    def __eq__(self, other):
        return isinstance(other, Array) and self.id == other.id

    def __hash__(self):
        return hash((Array, self.id))

    def show(self):
        """Its figures: the job as it is."""
        return self.cluster.call("GET", self._path)

    def tasks(self, state=None):
        """Its tasks, by id; `state` chooses a state or an outcome."""
        return self.cluster._list("/api/v1/tasks", job=self.id, state=state)

    def task(self, index):
        """One of them."""
        return self.cluster.call("GET", f"/api/v1/tasks/{self.id}.{int(index)}")

    def failures(self):
        """What failed tasks said, equal messages counted, most first."""
        return self.cluster.call("GET", f"{self._path}/failures")["items"]

    def logs(self, index, follow=False, stream="out", attempt=None):
        """What one wrote. See Cluster.logs()."""
        return self.cluster.logs(f"{self.id}.{int(index)}", follow, stream, attempt, kind="tasks")

    def wait(self, timeout=None):
        """Waits for the end and returns the job as it ended; its `outcome` is done, failed or cancelled. TimeoutPassed after
        `timeout` seconds, and it goes on."""
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = LOOK_SECONDS[0]
        while True:
            shown = self.cluster.call("GET", self._path, until=deadline)
            if shown["state"] == "ended":
                return shown
            if deadline is not None and time.monotonic() + pause > deadline:
                raise TimeoutPassed(f"array {self.id} has not ended after {timeout} s; it goes on", "timeout")
            time.sleep(pause)
            pause = min(pause * 1.3, LOOK_SECONDS[1])

    def cancel(self, ids=None, grace=None):
        """All of it, or ids as "5-10,20". `grace` seconds until SIGTERM, and as many again until SIGKILL."""
        body = {} if ids is None else {"ids": str(ids)}
        if grace is not None:
            body["grace_ms"] = int(grace * 1000)
        self.cluster.call("POST", f"{self._path}/cancel", body)

    def retry(self, ids=None):
        """Failed tasks are tried again, all or those of `ids`; how many."""
        body = {"failed": True} if ids is None else {"ids": str(ids), "failed": True}
        return self.cluster.call("POST", f"{self._path}/retry", body)["retried"]
