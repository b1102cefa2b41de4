"""Sweeps from Python: submit, wait, look, cancel. Standard library only; used through `muster.connect()`.

    import muster

    cluster = muster.connect()                       # as the command finds it: MUSTER_HEAD, muster login, the state folder
    sweep = cluster.submit("sweep.yaml", set={"stop.trials": 20})
    sweep.wait(timeout=3600)
    print(sweep.best()["params"])

Every call is one request of the head's HTTP interface, and its result is that interface's JSON object as a dict (docs/API.md).
A head that restarts is waited for, `patience` seconds long; a submit carries a key, so that a lost answer never makes two sweeps.
Objects may be shared by threads: they hold no connection and do not change.
"""
import codecs
import contextlib
import hashlib
import http.client
import json
import os
import re
import secrets
import time
import urllib.parse

import muster_array
import muster_http
import muster_work
from muster_array import Array
from muster_http import MusterError, Paused, TimeoutPassed, Unreachable

__all__ = ["connect", "Cluster", "Sweep", "Array", "MusterError", "Unreachable", "TimeoutPassed", "Paused"]

ENDED = ("done", "failed", "cancelled")
LOOK_SECONDS = 0.05, 1.0  # between two looks of wait(): at first, at most


def connect(url=None, token=None, ca=None, state=None, patience=60.0):
    """A cluster. Nothing is sent yet.

    url       of the head; without it MUSTER_HEAD, else what `muster login` stored, else the state folder's own head
    token     without it MUSTER_TOKEN, or the one that goes with where the url was found
    ca        file of certificates, one of which the head's must come from; without it MUSTER_CA, or the one that goes with where
              the url was found, else the system's
    state     the state folder, whose own head it then is; without it MUSTER_STATE, else ~/.local/state/muster
    patience  seconds that a call waits for a head which does not answer
    """
    return Cluster(muster_http.Head(url, token, ca, state), patience)


class Cluster(muster_http.Http):
    """A head and what it knows. Made by connect(). `call()` is any request of the HTTP interface."""

    def _list(self, path, **filters):
        """All items of a list, page by page."""
        items, asked = [], {**{k: v for k, v in filters.items() if v is not None}, "limit": 1000}
        while True:
            page = self.call("GET", f"{path}?{urllib.parse.urlencode(asked)}")
            items += page["items"]
            if not page.get("next"):
                return items
            asked["cursor"] = page["next"]

    # ---- what a user calls ----

    def status(self):
        """The cluster at a glance."""
        return self.call("GET", "/api/v1/status")

    def nodes(self):
        """The nodes and what they hold."""
        return self._list("/api/v1/nodes")

    def sweeps(self, state=None):
        """All sweeps, as Sweep objects."""
        return [Sweep(self, item["id"]) for item in self._list("/api/v1/sweeps", state=state)]

    def sweep(self, number):
        """One sweep, which must exist."""
        return Sweep(self, self.call("GET", f"/api/v1/sweeps/{int(number)}")["id"])

    def submit(self, file, key=None, set=None, work=None, name=None, labels=None, test=False):
        """Submits a sweep and returns it.

        file    path of a sweep file, or a dict with its keys
        key     the same key with the same file gives the sweep that exists; another file with it is an error
        set     {"parameters.lr.max": 0.5, "stop.trials": 20}: changes of the file's keys
        work    the work folder, packed and sent; without it what the file's `workdir` says, by default the file's own folder
                (of a dict, the current one)
        name, labels  instead of the file's, and beside them
        test    one trial, as far as the first rung
        """
        with _work_errors():
            return self._submit(*_sweep_file(file), key, set, work, {"name": name, "labels": labels, "test": test})

    def _submit(self, text, file_name, folder, key, set, work, more):
        wanted = muster_work.wanted(text, folder, work)
        body = {"file": text, "file_name": file_name, "workdir": wanted.path}
        settings = _envvars(text) + [f"{path}={_set_text(value)}" for path, value in (set or {}).items()]
        if settings:
            body["set"] = settings
        body.update({k: v for k, v in more.items() if v})
        if wanted.is_packed:
            with self._packed(wanted) as pack:
                self._send(pack)
                body["work"] = pack.hash
        body["file_hash"] = _file_hash(text, body.get("work") or wanted.path)
        return Sweep(self, self.call("POST", "/api/v1/sweeps", body, key or secrets.token_hex(16))["id"])

    def submit_array(self, command, ids=None, lines=None, values=None, key=None, work=None, cpus=1, gpus=0, memory=0, env=None,
                     priority=50, retries=0, max_fails=0, name=None, labels=None, log_files=False):
        """Submits a task array and returns it.

        command  words; ${index} is a task's id, ${line} its line or value
        ids      how many, a range(), or "1-100:2"; without it one for each line or value
        lines    texts without line ends, one a task
        values   anything that JSON has, one a task
        key      the same key with the same work gives the array that exists
        work     a folder to pack and send; without it the command starts in the current folder
        log_files  what each task writes goes into files of its own on its node: `log_files` of a task names them
        """
        folder = os.path.realpath(work) if work is not None else os.getcwd()
        with _work_errors(), muster_array.packed_items(lines, values) as (items, count):
            wanted = muster_array.ids_of(count if ids is None else ids)
            body = muster_array.body_of(command, wanted, cpus, gpus, memory, env, priority, retries, max_fails, name, labels, folder, log_files)
            if items is not None and len(range(wanted["first"], wanted["last"] + 1, wanted["step"])) != count:
                raise MusterError(f"{count} items are not one for each id", "invalid")
            packs = {"items": items} if items is not None else {}
            with contextlib.ExitStack() as stack:
                if work is not None:
                    packs["work"] = stack.enter_context(self._packed(muster_work.Wanted(folder, True, [], muster_work.MAX_BYTES)))
                for name, pack in packs.items():
                    self._send(pack)
                    body[name] = pack.hash
            return muster_array.Array(self, self.call("POST", "/api/v1/jobs", body, key or secrets.token_hex(16))["id"])

    def array(self, number):
        """One task array, which must exist."""
        return muster_array.Array(self, self.call("GET", f"/api/v1/jobs/{int(number)}")["id"])

    def _packed(self, wanted):
        return muster_work.packed(muster_work.without_state(wanted, self._head.state))

    def _send(self, pack):
        """The work folder, if the head has it not."""
        path = f"/api/v1/blobs/{pack.hash}"
        connection, answer = self.patiently("HEAD", path)
        connection.close()
        if answer.status == 404:
            with open(pack.path, "rb") as file:
                connection, answer = self.patiently("PUT", path, _Again(file), {"Content-Length": str(pack.size), "Content-Type": "application/x-tar"},
                                                     seconds=300.0)
                data = answer.read()
                connection.close()
        else:
            data = b""
        if answer.status >= 300:
            raise self.error(answer.status, data)

    def events(self, after=None):
        """What happens, from now on, for ever: dicts with kind, time, subject, text, data and `id`. `after`: an id, to go on behind
        it. An event of kind `reset` says that some were missed. A head that restarts is waited for."""
        last = after
        while True:
            headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
            connection, answer = self.patiently("GET", "/api/v1/events?follow=1", None, headers, seconds=60.0)
            try:
                if answer.status != 200:
                    raise self.error(answer.status, answer.read())
                for event in muster_http.sse(answer):
                    last = event.get("id") or last
                    yield event
            except (OSError, http.client.HTTPException):
                pass  # what was missed comes with the next stream
            finally:
                connection.close()

    def logs(self, trial, follow=False, stream="out", attempt=None, kind="trials"):
        """What a trial ("12.41") or, with kind="tasks", a task wrote: text of its last attempt. With follow, a generator of pieces of
        text that ends when it has ended, over all attempts from the running one on."""
        path = f"/api/v1/{kind}/{trial}"
        if follow:
            return self._follow(path, stream, attempt)
        if attempt is None:
            attempt = max(0, self.call("GET", path)["attempts"] - 1)
        connection, answer = self.patiently("GET", f"{path}/logs?stream={stream}&attempt={attempt}")
        data = answer.read()
        connection.close()
        if answer.status >= 300:
            raise self.error(answer.status, data)
        return data.decode("utf-8", "replace")

    def _follow(self, path, stream, attempt):
        pause, only = 0.02, attempt is not None
        while True:
            task = self.call("GET", path)
            if attempt is None and task["attempts"] > 0:
                attempt = task["attempts"] - 1
            while attempt is not None and attempt < task["attempts"]:
                yield from self._follow_attempt(f"{path}/logs?stream={stream}&attempt={attempt}&follow=1")
                if only:
                    return
                attempt, pause = attempt + 1, 0.02
                task = self.call("GET", path)
            if task["state"] == "ended":
                return
            time.sleep(pause)
            pause = min(pause * 1.5, 0.5)

    def _follow_attempt(self, path):
        """Taken up again behind the last byte when the head restarts."""
        seen, decoder = 0, codecs.getincrementaldecoder("utf-8")("replace")
        while True:
            connection, answer = self.patiently("GET", path, seconds=60.0)
            try:
                if answer.status != 200:
                    raise self.error(answer.status, answer.read())
                skip = seen
                while True:
                    data = answer.read1(65536)
                    if not data:
                        return
                    fresh = data[skip:]
                    skip = max(0, skip - len(data))
                    seen += len(fresh)
                    if fresh:
                        yield decoder.decode(fresh)
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()


class Sweep:
    """A sweep of a cluster. `id` is its number; everything else is asked for anew by each call."""

    def __init__(self, cluster, number):
        self.cluster = cluster
        self.id = int(number)
        self._path = f"/api/v1/sweeps/{self.id}"

    def __repr__(self):
        return f"<muster sweep {self.id}>"

    def __eq__(self, other):
        return isinstance(other, Sweep) and self.id == other.id

    def __hash__(self):
        return hash(self.id)

    def show(self):
        """The sweep as it is."""
        return self.cluster.call("GET", self._path)

    def trials(self, state=None):
        """Its trials; `state` chooses a state or an outcome."""
        return self.cluster._list(f"{self._path}/trials", state=state)

    def best(self):
        """The best trial as far as the sweep has gone; None: there is none yet."""
        best = self.show().get("best")
        return self.cluster.call("GET", f"/api/v1/trials/{best}") if best else None

    def wait(self, timeout=None):
        """Waits for the end and returns the sweep as it ended; its `state` is done, failed or cancelled. TimeoutPassed after
        `timeout` seconds; a head that is away counts as time that passes, and without a timeout is waited for `patience` seconds.
        Paused where muster itself paused it, with the reason; a sweep that people paused is waited for."""
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = LOOK_SECONDS[0]
        while True:
            try:
                shown = self.cluster.call("GET", self._path, until=deadline)
            except Unreachable:
                if deadline is not None and time.monotonic() >= deadline - 1.0:
                    raise TimeoutPassed(f"sweep {self.id} had not ended after {timeout} s, and its head does not answer", "timeout") from None
                raise
            if shown["state"] in ENDED:
                return shown
            if shown["state"] == "paused" and shown.get("error"):
                raise Paused(f"sweep {self.id} was paused: {shown['error']}; resume() goes on with it, cancel() ends it", "conflict")
            if deadline is not None and time.monotonic() + pause > deadline:
                raise TimeoutPassed(f"sweep {self.id} has not ended after {timeout} s; it goes on", "timeout")
            time.sleep(pause)
            pause = min(pause * 1.3, LOOK_SECONDS[1])

    def logs(self, trial, follow=False, stream="out", attempt=None):
        """What a trial wrote; `trial` is its index, "12.41", or a dict of trials(). See Cluster.logs()."""
        name = trial["id"] if isinstance(trial, dict) else str(trial)
        return self.cluster.logs(name if "." in name else f"{self.id}.{name}", follow, stream, attempt)

    def events(self, after=None):
        """What happens to it and its trials, until it has ended."""
        own, mine = str(self.id), f"{self.id}."
        for event in self.cluster.events(after):
            subject = event.get("subject", "")
            if subject == own or subject.startswith(mine):
                yield event
            is_over = event.get("kind") == "sweep" and subject == own and (event.get("data") or {}).get("state") in ENDED
            if is_over or (event.get("kind") == "reset" and self.show()["state"] in ENDED):
                return

    def _do(self, verb, body=None, once=False):
        self.cluster.call("POST", f"{self._path}/{verb}", body, once=once)

    def cancel(self, grace=None):
        """Running trials are told to leave; `grace` seconds until SIGTERM, and as many again until SIGKILL."""
        self._do("cancel", {} if grace is None else {"grace_ms": int(grace * 1000)})

    def stop(self):
        """No new trials; running ones finish."""
        self._do("stop")

    def pause(self):
        """Nothing new is started until resume()."""
        self._do("pause")

    def resume(self, trials=None):
        """Goes on; `trials` more of them than before."""
        self._do("resume", {} if trials is None else {"trials": trials}, once=trials is not None)


class _Again:
    """A file as a request's body, from its start for each try."""

    def __init__(self, file):
        self.file = file

    def __iter__(self):
        self.file.seek(0)
        while True:
            data = self.file.read(1 << 20)
            if not data:
                return
            yield data


@contextlib.contextmanager
def _work_errors():
    try:
        yield
    except muster_work.WorkError as error:
        raise MusterError(str(error), "invalid") from None


def _sweep_file(file):
    """(text, name, folder) of a path or a dict."""
    if isinstance(file, dict):
        return json.dumps(file, indent=1, allow_nan=False), "sweep.json", os.getcwd()
    path = os.fspath(file)
    with open(path, encoding="utf-8", newline="") as stream:  # the bytes that the command sends
        return stream.read(), os.path.basename(path), os.path.dirname(os.path.realpath(path))


def _file_hash(text, place):
    """`file_hash` of docs/API.md: the file and the packed folder's hash, or its path where that is not sent."""
    return hashlib.blake2b(text.encode() + place.encode(), digest_size=32).hexdigest()


def _envvars(text):
    """What ${envvar:NAME} stands for here, as settings; a name that is not there is the head's to refuse."""
    names = dict.fromkeys(re.findall(r"(?<!\$)\$\{envvar:([^}]+)\}", text))
    return [f"envvar.{name}={json.dumps(os.environ[name], ensure_ascii=False)}" for name in names if name in os.environ]


def _set_text(value):
    return value if isinstance(value, str) else json.dumps(value, allow_nan=False)
