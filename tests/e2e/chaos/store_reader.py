"""Reads a cluster's store itself, past the head: RESP over the private Unix socket, and records as docs/ARCHITECTURE.md says they lie
there. Of the field numbers (lib/schema/records.c) only those that the checker asks about are named here."""
import os
import socket
import struct

TASK_ENDED = 6
OUTCOMES = ["", "done", "stopped", "failed", "cancelled", "invalid", "skipped"]
LOG_MILESTONE = 1
CAUSE_EXIT, CAUSE_TOLD, CAUSE_REFUSED, CAUSE_LOST = 0, 2, 4, 10
ACT_STOP = 1
BYES = ["", "done", "paused", "invalid", "error"]


class Redis:
    def __init__(self, state):
        self.link = socket.socket(socket.AF_UNIX)
        self.link.settimeout(30)
        self.link.connect(os.path.join(state, "run", "redis.sock"))
        self.file = self.link.makefile("rb")
        with open(os.path.join(state, "keys", "redis")) as file:
            assert self.call("AUTH", "muster", file.read().strip()) == b"OK"

    def close(self):
        self.file.close()
        self.link.close()

    def call(self, *words):
        parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.link.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
        return self._reply()

    def _reply(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self._reply() for _ in range(int(rest))]
        raise AssertionError(f"Redis answered {line!r}")

    def hash(self, key):
        """{field: value}, read in slices."""
        found, cursor = {}, b"0"
        while True:
            cursor, flat = self.call("HSCAN", key, cursor, "COUNT", 1000)
            found.update(zip((f.decode() for f in flat[::2]), flat[1::2]))
            if cursor == b"0":
                return found

    def list(self, key):
        return self.call("LRANGE", key, 0, -1)


NUMBERS = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
SIZES = {0xC4: ">B", 0xC5: ">H", 0xC6: ">I", 0xD9: ">B", 0xDA: ">H", 0xDB: ">I", 0xDC: ">H", 0xDD: ">I", 0xDE: ">H", 0xDF: ">I"}


class Unpacker:
    """As much of msgpack as records use."""

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def _take(self, form):
        value = struct.unpack_from(form, self.data, self.at)[0]
        self.at += struct.calcsize(form)
        return value

    def _bytes(self, n):
        self.at += n
        return self.data[self.at - n:self.at]

    def value(self):
        b = self._take(">B")
        if b < 0x80 or b >= 0xE0:
            return b if b < 0x80 else b - 256
        if b in NUMBERS:
            return self._take(NUMBERS[b])
        if 0xC0 <= b <= 0xC3:
            return {0xC0: None, 0xC2: False, 0xC3: True}[b]
        size = self._take(SIZES[b]) if b in SIZES else b & (0x1F if 0xA0 <= b < 0xC0 else 0x0F)
        if b < 0x90 or b >= 0xDE:
            return {self.value(): self.value() for _ in range(size)}
        if b < 0xA0 or b >= 0xDC:
            return [self.value() for _ in range(size)]
        return self._bytes(size) if b in (0xC4, 0xC5, 0xC6) else self._bytes(size).decode()


def record(data):
    """{field number: value}; fields that are 0 or empty are not there."""
    assert data[:1] == b"R", data[:8]
    return Unpacker(data, 3).value()


class Stored:
    """What the store says at the end."""

    def __init__(self, state):
        redis = Redis(state)
        try:
            self.tasks = {key: record(value) for key, value in redis.hash("m:tasks").items()}
            self.jobs = set(redis.hash("m:jobs"))
            self.sweeps = set(redis.hash("m:sweeps"))
            self.evidence = {}  # task -> {attempt: record}
            for key, value in redis.hash("m:attempts").items():
                task, attempt = key.split(":")
                self.evidence.setdefault(task, {})[int(attempt)] = record(value)
            self.logs = {number: [record(entry) for entry in redis.list(f"m:log:{number}")] for number in self.sweeps}
        finally:
            redis.close()

    def has_ended(self, task):
        return self.tasks[task].get(3, 0) == TASK_ENDED

    def outcome(self, task):
        return OUTCOMES[self.tasks[task].get(4, 0)]

    def attempts(self, task):
        return self.tasks[task].get(8, 0)

    def was_lost(self, task, attempt):
        """Its agent died before it told of the end; also where there is no end on record."""
        entry = self.evidence.get(task, {}).get(attempt)
        return entry is None or entry.get(5, {}).get(2, 0) == CAUSE_LOST

    def bye(self, task, attempt):
        return BYES[self.evidence[task][attempt].get(5, {}).get(6, 0)]

    def _ends(self, task, causes, must_be_clean):
        results = {attempt: entry.get(5, {}) for attempt, entry in self.evidence.get(task, {}).items()}
        return [a for a, r in sorted(results.items()) if r.get(1) and r.get(2, 0) in causes
                and not (must_be_clean and (r.get(3, 0) or r.get(4, 0)))]

    def completions(self, task):
        """The attempts that exited with 0 of themselves."""
        return self._ends(task, [CAUSE_EXIT], True)

    def told(self, task):
        """The attempts whose end an order to leave decides: it was handed to them, or their agent died, or did not start them any
        more, after the trial's last milestone had brought it."""
        sweep, number = task.split(".")
        acts = [entry.get(7, 0) for entry in self.logs.get(sweep, [])
                if entry.get(1, 0) == LOG_MILESTONE and entry[3] == int(number)]
        return self._ends(task, [CAUSE_TOLD, CAUSE_REFUSED, CAUSE_LOST] if acts and acts[-1] == ACT_STOP else [CAUSE_TOLD], False)

    def milestones(self, sweep):
        """[(trial, step, order)] as decided, in order."""
        return [(entry[3], entry.get(4, 0), entry.get(10, 0)) for entry in self.logs[sweep] if entry.get(1, 0) == LOG_MILESTONE]
