"""What tests of client/python/muster.py share: an agent that a thread plays at the other end of the trial socket. The module
waits 0.5 s here where it waits ten."""
import contextlib
import io
import json
import os
import shutil
import socket
import sys
import tempfile
import threading
import unittest

SOURCE = os.environ.get("MUSTER_TEST_SOURCE", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.."))
sys.path.insert(0, os.path.join(SOURCE, "client/python"))
sys.dont_write_bytecode = True
import muster  # noqa: E402

muster.SILENT_SECONDS = 0.5
DEADLINE = 20
HELLO = {"ok": 1, "act": 0, "params": {"lr": 0.01, "epochs": 9}, "restore": None, "step": 0, "trial": "12.41", "attempt": 0,
         "seed": 7, "milestone": None, "save": None}
RECEIVED = {"ok": 1, "act": 0, "milestone": None}


class Agent:
    """Plays `play(agent)` in a thread, at the socket that MUSTER_SOCKET names. What goes wrong there fails the test."""

    def __init__(self, play):
        self.folder = tempfile.mkdtemp(prefix="muster-client-")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(self.folder, "s"))
        self.listener.listen(16)
        self.listener.settimeout(DEADLINE)
        self.go, self.done = threading.Event(), threading.Event()
        self.play, self.error, self.socket, self.file = play, None, None, None
        os.environ["MUSTER_SOCKET"] = os.path.join(self.folder, "s")
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        try:
            self.socket = self.listener.accept()[0]
            self.socket.settimeout(DEADLINE)
            self.file = self.socket.makefile("rb")
            self.play(self)
        except BaseException as error:
            self.error = error
        finally:
            if self.socket is not None:
                self.socket.close()
                self.file.close()

    def read(self):
        line = self.file.readline()
        return json.loads(line) if line else None

    def expect(self, wanted):
        got = self.read()
        if got != wanted:
            raise AssertionError(f"the agent read {got}, not {wanted}")

    def say(self, *answers):
        self.socket.sendall(b"".join((json.dumps(a) if a else "").encode() + b"\n" for a in answers))

    def hello(self, **changes):
        got = self.read()
        if "hello" not in got:
            raise AssertionError(f"the agent read {got}, not hello")
        self.say({**HELLO, **changes})

    def save(self, step, folder="/none"):
        self.expect({"save": {"step": step}})
        self.say({"ok": 1, "dir": folder})

    def bye(self, word="done", note=None):
        got = self.read()
        if got is None or got.get("bye") != word or (note is not None and got["note"] != note):
            raise AssertionError(f"the agent read {got}, not bye {word} {note}")
        self.say({"ok": 1})

    def wait(self, event):
        if not event.wait(DEADLINE):
            raise AssertionError("waited for the other side in vain")

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *rest):
        self.go.set()
        self.thread.join(DEADLINE)
        self.listener.close()
        shutil.rmtree(self.folder)
        if kind is None and self.error is not None:
            raise self.error


class Case(unittest.TestCase):
    def setUp(self):
        self.environment = dict(os.environ)
        for name in [n for n in os.environ if n.startswith("MUSTER_") or n in ("RANK", "WORLD_SIZE")]:
            del os.environ[name]
        self.stderr = io.StringIO()
        self.redirect = contextlib.redirect_stderr(self.stderr)
        self.redirect.__enter__()

    def tearDown(self):
        self.redirect.__exit__(None, None, None)
        os.environ.clear()
        os.environ.update(self.environment)
