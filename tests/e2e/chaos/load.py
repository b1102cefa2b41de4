"""The steady load: short tasks over HTTP, each with an idempotency key, cancels, labels of a node, and a sweep whose trainers report.
Whatever a client was told is written to its journal first, and counts from then on.

A client repeats what was not answered, as a user's script would, until it is."""
import http.client
import json
import math
import os
import random
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))

SUBMITTERS, SUBMITTERS_MAX = 24, 460  # a head takes 512 connections
TASKS_PER_S = 100
QUEUE_MAX = 600  # no more are submitted while so many wait
CANCEL_EVERY = 40
TRAINERS = 6
STEPS, SLOW_STEPS, PAUSE_S = (1, 64), (96, 128), 0.04  # the first rung and the last step
TASK_PART, SLOW_TASK_PART = 4, 40  # so many tasks share a CPU
REQUEST_S = 8
AMOUNT_ONE = 10000

SWEEP = """
name: chaos-{name}
command: [/usr/bin/python3, -S, -E, {here}/trainer.py, {journal}, "{steps}", "{pause}"]
workdir: {{path: {work}, mode: shared}}
metric: {{name: loss, goal: minimize}}
parameters: {{x: {{min: 0.0, max: 1.0}}}}
search: {{method: random, seed: 7}}
schedule: {{type: asha, min: {first_rung}, max: {steps}, eta: 2}}
stop: {{trials: 100000}}
limits: {{concurrency: {trainers}}}
resources: {{cpus: 0.05}}
retries: {{max: 1000, crash_limit: 1000, backoff: 100ms..1s, node_failures: none}}
timeouts: {{grace: 2s}}
"""


class Journal:
    """What was acknowledged to clients, a line each."""

    def __init__(self, folder):
        self.file = open(os.path.join(folder, "clients.jsonl"), "a")
        self.lock = threading.Lock()

    def add(self, **line):
        with self.lock:
            self.file.write(json.dumps(line) + "\n")
            self.file.flush()


class Client:
    """One connection that finds the head anew when it is lost."""

    def __init__(self, rig):
        self.rig = rig
        self.link = None
        self.why = ""  # there was no answer the last time

    def once(self, method, path, body=None, key=None):
        """(status, parsed answer), or None: no answer."""
        try:
            if self.link is None:
                self.link = http.client.HTTPConnection(self.rig.url().split("//")[1], timeout=REQUEST_S)
            headers = {"Authorization": "Bearer " + self.rig.token(), **({"Idempotency-Key": key} if key else {})}
            self.link.request(method, path, None if body is None else json.dumps(body), headers)
            answer = self.link.getresponse()
            text = answer.read()
            return answer.status, json.loads(text)
        except (OSError, ValueError, KeyError, http.client.HTTPException) as why:
            self.why = repr(why)
            if self.link is not None:
                self.link.close()
            self.link = None
            return None

    def until_told(self, method, path, body, key, is_over):
        """Asks until there is an answer that is one; None: over before that."""
        while True:
            answer = self.once(method, path, body, key)
            if answer is not None and answer[0] < 500:
                return answer
            self.why = f"{answer}" if answer is not None else self.why
            if is_over():
                return None
            time.sleep(0.1 + random.random() * 0.2)


class Load:
    def __init__(self, rig, journal, name, tasks_per_s=TASKS_PER_S, trainers=TRAINERS, delay_ms=0):
        """`delay_ms`: so much slower are syncs. An answer then takes two of them, and a task holds its place for as long; the rate stays
        what it is where as many more are under way at a time (clients, trainers, tasks) and trainers wait at fewer milestones."""
        delay_s = delay_ms / 1000
        self.rig, self.journal, self.name, self.tasks_per_s = rig, journal, name, tasks_per_s
        self.trainers = trainers + math.ceil(5 * delay_s)
        self.first_rung, self.steps = SLOW_STEPS if delay_ms else STEPS
        self.burst_s = 0.2 + 2 * delay_s
        self.task_part = SLOW_TASK_PART if delay_ms else TASK_PART
        self.queue_max = QUEUE_MAX + int(4 * delay_s * tasks_per_s)
        self.is_stopping = False
        self.give_up_at = None
        self.queued = 0
        self.counter = 0
        self.lock = threading.Lock()
        self.next_at = time.monotonic()
        self.errors = []
        self.seen = set()
        self.threads = [threading.Thread(target=self._guard, args=(work,), daemon=True)
                        for work in [self._submit] * min(SUBMITTERS_MAX, SUBMITTERS + int(180 * delay_s)) + [self._label, self._look]]

    def start(self):
        text = SWEEP.format(name=self.name, here=HERE, journal=self.rig.journal, steps=self.steps, pause=PAUSE_S, work=self.rig.work,
                            trainers=self.trainers, first_rung=self.first_rung)
        self.sweep = self.rig.sweep(text, f"{self.name}.yaml")
        self.journal.add(op="sweep", id=self.sweep)
        for thread in self.threads:
            thread.start()

    def stop(self, seconds=180):
        """Ends with every request answered."""
        self.is_stopping = True
        self.give_up_at = time.monotonic() + seconds
        if self._told(Client(self.rig), "POST", f"/api/v1/sweeps/{self.sweep}/stop", {}) is not None:
            self.journal.add(op="stop", id=self.sweep)
        for thread in self.threads:
            thread.join(seconds)
        return self.errors

    def _told(self, client, method, path, body, key=None):
        """The answer, whatever it takes; one that never comes is an error of the run."""
        answer = client.until_told(method, path, body, key, self._is_over)
        if answer is None:
            self.errors.append(f"wrong: {method} {path} {key or ''} was not answered to the end: {client.why}")
        elif answer[0] not in (200, 201):
            self.errors.append(f"wrong: {method} {path} {key or ''} was answered {answer}")
            answer = None
        return answer

    def _is_over(self):
        return self.give_up_at is not None and time.monotonic() > self.give_up_at

    def _guard(self, work):
        try:
            work()
        except Exception as why:  # told at the end: a client that dies must not lower the load unseen
            self.errors.append(f"wrong: a client ended: {why!r}")

    def _ticket(self):
        """A place in the steady stream; the number of the next task."""
        with self.lock:
            now = time.monotonic()
            self.next_at = max(self.next_at + 1.0 / self.tasks_per_s, now - self.burst_s)
            self.counter += 1
            return self.counter, self.next_at - now

    def _submit(self):
        client = Client(self.rig)
        while not self.is_stopping:
            if self.queued > self.queue_max:
                time.sleep(0.1)
                continue
            number, wait = self._ticket()
            time.sleep(max(0.0, wait))
            is_long = number % CANCEL_EVERY == 0
            key = f"{self.name}-{number}"
            body = {"words": ["/bin/sleep", "3600"] if is_long else ["/bin/true"], "workdir": "/tmp", "name": key,
                    "cpus": AMOUNT_ONE // self.task_part}
            # An unanswered key is kept as asked for: it may be there or not.
            self.journal.add(op="asked", key=key)
            answer = self._told(client, "POST", "/api/v1/jobs", body, key)
            if answer is None:
                return
            self.journal.add(op="submit", key=key, id=answer[1]["id"])
            if is_long:
                task = f"{answer[1]['id']}.1"
                if self._told(client, "POST", f"/api/v1/tasks/{task}/cancel", {"grace_ms": 1000}) is not None:
                    self.journal.add(op="cancel", id=task)

    def _label(self):
        client = Client(self.rig)
        number = 0
        while not self.is_stopping:
            number += 1
            value = f"{self.name}-{number}"
            self.journal.add(op="setting", value=value)
            if self._told(client, "POST", "/api/v1/nodes/local/label", {"set": {"chaos": value}}) is not None:
                self.journal.add(op="set", value=value)
            time.sleep(0.1)

    def _look(self):
        """What a completed wait would show: ends that the head tells of."""
        client = Client(self.rig)
        while not self.is_stopping:
            answer = client.once("GET", "/api/v1/status")
            if answer is not None and answer[0] == 200:
                self.queued = answer[1]["tasks_queued"] + answer[1]["tasks_leased"]
            answer = client.once("GET", "/api/v1/tasks?state=ended&sort=-created&limit=1000")
            if answer is not None and answer[0] == 200:
                results_note(self.journal, self.seen, answer[1]["items"])
            time.sleep(0.7)


def results_note(journal, seen, items):
    for item in items:
        if item["id"] not in seen:
            seen.add(item["id"])
            journal.add(op="result", id=item["id"], outcome=item["outcome"], exit_code=item["exit_code"], attempts=item["attempts"],
                        ended=item["ended"])


class Gauge:
    """How much is done a second, by the head's own counters."""

    def __init__(self, rig):
        self.client = Client(rig)
        self.samples = []

    def look(self):
        rows = self.client.rig.http("GET", "/metrics")[1].splitlines()
        found = dict(line.rsplit(" ", 1) for line in rows if line and line[0] != "#")
        self.samples.append((time.monotonic(), float(found['muster_tasks{state="ended"}']), float(found["muster_reports_total"])))

    def rates(self, seconds):
        """(completions, reports) a second over the last `seconds`; None: not looked for so long yet."""
        now = self.samples[-1]
        before = [s for s in self.samples if s[0] <= now[0] - seconds]
        if not before:
            return None
        passed = now[0] - before[-1][0]
        return (now[1] - before[-1][1]) / passed, (now[2] - before[-1][2]) / passed
