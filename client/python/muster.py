"""The trainer's side of muster, in Python. One module, standard library only.

    import muster

    with muster.trial() as t:
        model = load(t.restore) if t.restore else build(t.params)
        while t.next(until=t.params.epochs):        # t.step is the step to train now; false when told to leave
            loss = train_one(model)
            if t.save_due:
                with t.save() as folder:
                    write(model, folder)
            t.report(val_loss=loss)

Without MUSTER_SOCKET the same script runs by itself: parameters come from MUSTER_PARAMS or MUSTER_P_<name> if set (or the
`defaults` of trial()), reports go to stderr, nothing asks it to stop.

muster never ends the process and never holds training longer than ten seconds without a byte.
"""
import contextlib
import json
import math
import os
import select
import socket
import sys
import threading

CHECKPOINT, PAUSE, STOP, EXPLOIT = 1, 2, 4, 8
SILENT_SECONDS = 10.0
WINDOW = 64
LINE_MAX = 64 << 10

__all__ = ["trial", "Trial", "Params", "Refused", "Invalid", "CHECKPOINT", "PAUSE", "STOP", "EXPLOIT"]


class Refused(Exception):
    """muster did not take a request; the text says why. Training may go on."""


class Invalid(Exception):
    """Raise it inside `with muster.trial()`: these parameters make no sense and are never tried again."""


class Params(dict):
    """The trial's parameters, by name: p["lr"] or p.lr."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"there is no parameter '{name}'; there are: {', '.join(sorted(self)) or 'none'}") from None


class _Connection:
    """JSON lines over the trial socket. Reports are pipelined; every other request takes all owed answers first."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)
        self.socket.setblocking(False)
        self.input = bytearray()
        self.owed = 0
        self.skipped = 0

    def close(self):
        self.socket.close()

    def write(self, message):
        data = (json.dumps(message, separators=(",", ":")) + "\n").encode()
        if len(data) > LINE_MAX:
            raise Refused("a line longer than 64 KiB")
        while data:
            if not select.select([], [self.socket], [], SILENT_SECONDS)[1]:
                raise OSError("muster does not read")
            data = data[self.socket.send(data):]

    def _line(self):
        """The next complete answer, or None. An empty line only says that muster lives."""
        while True:
            end = self.input.find(b"\n")
            if end < 0:
                return None
            line = bytes(self.input[:end])
            del self.input[: end + 1]
            if not line:
                continue
            if self.skipped:
                self.skipped -= 1
                continue
            return json.loads(line)

    def take(self, wait):
        """One answer; None if none is there (wait=False) or ten seconds passed without a byte."""
        while True:
            answer = self._line()
            if answer is not None:
                return answer
            if not select.select([self.socket], [], [], SILENT_SECONDS if wait else 0)[0]:
                return None
            data = self.socket.recv(LINE_MAX)
            if not data:
                raise OSError("muster closed the socket")
            self.input += data


def _wire(value):
    """Metric values: bare numbers, NumPy and torch scalars too; non-finite ones as strings."""
    number = float(value)
    if math.isfinite(number):
        return number
    return "nan" if math.isnan(number) else "inf" if number > 0 else "-inf"


class Trial:
    """One trial, made by trial(). Thread-safe: calls are taken one after another.

    params   Params: the parameters
    restore  folder of the snapshot to start from (read only), or None
    step     the step to train now (inside `while t.next()`); before it, the steps done by `restore`
    id       "12.41", or "" when it runs by itself
    seed     the trial's own seed, the same in every attempt (0 by itself without MUSTER_SEED)
    changed  parameters and restore are new ones since the last next()
    """

    def __init__(self, defaults=None, can=("checkpoint",)):
        self.params = Params(defaults or {})
        self.restore = None
        self.step = 0
        self.id = ""
        self.seed = int(os.environ.get("MUSTER_SEED", "0") or 0)
        self.changed = False
        self._acts = 0
        self._milestone = None
        self._save_at = None
        self._until = None
        self._keeps_end = "end" in os.environ.get("MUSTER_CHECKPOINTS", "").split(",")
        self._lock = threading.RLock()
        self._connection = None
        path = os.environ.get("MUSTER_SOCKET")
        self._is_alone = not path
        if self._is_alone:
            self._params_alone()
            return
        try:
            self._connection = _Connection(path)
            answer = self._exchange({"hello": 1, "can": list(can)})
        except OSError as error:
            self._drop(error)
            answer = None
        if answer is not None:
            self._start(answer)
            self.id = answer.get("trial", "")
            self.seed = answer.get("seed", self.seed)
            self._acts |= answer.get("act", 0)

    def _params_alone(self):
        if os.environ.get("MUSTER_PARAMS"):
            self.params.update(json.loads(os.environ["MUSTER_PARAMS"]))
        for name in list(self.params):
            text = os.environ.get("MUSTER_P_" + "".join(c if c.isascii() and c.isalnum() else "_" for c in name))
            if text is not None:
                try:
                    self.params[name] = json.loads(text)
                except ValueError:
                    self.params[name] = text

    # ---- the connection ----

    def _drop(self, error):
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        print(f"muster: {error}; training goes on", file=sys.stderr)

    def _report_answer(self, answer):
        if not answer.get("ok"):
            raise Refused(f"{answer.get('error')}: {answer.get('text', '')}")
        self._milestone = answer.get("milestone", self._milestone)
        self._save_at = answer.get("save", self._save_at)
        self._acts |= answer.get("act", 0)

    def _take_owed(self, left):
        """Takes the answers that are there, or all until at most `left` are owed."""
        connection = self._connection
        while connection.owed:
            answer = connection.take(wait=connection.owed > left)
            if answer is None:
                if connection.owed > left:
                    self._silent()
                return
            connection.owed -= 1
            self._report_answer(answer)

    def _silent(self, also=0):
        connection = self._connection
        connection.skipped += connection.owed + also
        connection.owed = 0
        print("muster: no byte for ten seconds; training goes on", file=sys.stderr)

    def _exchange(self, message):
        """The answer to one request; None if there is no muster to answer. Refused if it says no."""
        with self._lock:
            if self._connection is None:
                return None
            try:
                self._take_owed(0)
                self._connection.write(message)
                answer = self._connection.take(wait=True)
                if answer is None:
                    self._silent(also=1)
                    return None
            except (OSError, ValueError) as error:
                self._drop(error)
                return None
        if not answer.get("ok"):
            raise Refused(f"{answer.get('error')}: {answer.get('text', '')}")
        return answer

    def _start(self, answer):
        self.params = Params(answer.get("params") or {})
        self.restore = answer.get("restore")
        self.step = answer.get("step", 0)
        self._milestone = answer.get("milestone")
        self._save_at = answer.get("save")

    # ---- what a trainer calls ----

    def next(self, until=None):
        """Moves to the next step. False when `until` steps are done or the trial is told to leave."""
        self._until = until
        self.changed = False
        if self._acts & (STOP | PAUSE):
            return False
        if self._acts & EXPLOIT:
            self._acts &= ~EXPLOIT
            answer = self._exchange({"exploit": 1})
            if answer is not None:
                self._start(answer)
                self.changed = True
        if until is not None and self.step >= until:
            return False
        self.step += 1
        return True

    @property
    def save_due(self):
        """True when a snapshot is wanted before this step's report."""
        if self._connection is None:
            return False
        is_last = self._until is not None and self.step >= self._until
        return self._save_at == self.step or bool(self._acts & CHECKPOINT) or (is_last and self._keeps_end)

    @contextlib.contextmanager
    def save(self, step=None):
        """An empty folder to write the snapshot into; it is committed, whole, when the block ends without an error."""
        step = self.step if step is None else step
        answer = self._exchange({"save": {"step": step}})
        if answer is None:
            raise Refused("there is no muster to save to")
        yield answer["dir"]
        self._acts &= ~CHECKPOINT
        self._exchange({"commit": {"step": step}})

    def report(self, step=None, **metrics):
        """Metrics after this step. Returns the act bits; next() obeys stop and pause by itself."""
        step = self.step if step is None else step
        if self._is_alone:
            print(f"step={step} " + " ".join(f"{name}={float(value):.6g}" for name, value in metrics.items()), file=sys.stderr)
            return 0
        with self._lock:
            if self._connection is None:
                return 0
            message = {"report": {"step": step, "m": {name: _wire(value) for name, value in metrics.items()}}}
            at_milestone = self._milestone is not None and step >= self._milestone
            try:
                self._take_owed(0 if at_milestone else WINDOW - 1)
                self._connection.write(message)
                if at_milestone:
                    answer = self._connection.take(wait=True)
                    if answer is None:
                        self._silent(also=1)
                    else:
                        self._report_answer(answer)
                else:
                    self._connection.owed += 1
                    self._take_owed(WINDOW - 1)
            except (OSError, ValueError) as error:
                self._drop(error)
                return 0
            self.step = step
            return self._acts

    def close(self, outcome="done", note=""):
        """Says good-bye: done, paused, invalid or error. trial() does it by itself."""
        try:
            self._exchange({"bye": outcome, "note": str(note)[:1000]})
        except Refused:
            pass
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextlib.contextmanager
def trial(defaults=None, can=("checkpoint",)):
    """Opens the trial of this process, and says good-bye when the block ends.

    defaults  parameters for a run by itself, {name: value}
    can       what the trainer is able to do: "checkpoint", "pause", "exploit"

    An exception inside is told as `error` and raised again; muster.Invalid is told as `invalid` and ends the block quietly.
    """
    t = Trial(defaults, can)
    try:
        yield t
    except Invalid as error:
        t.close("invalid", error)
        return
    except BaseException as error:
        t.close("error", f"{type(error).__name__}: {error}")
        raise
    t.close("paused" if t._acts & PAUSE else "done")
