"""The trainer's side of muster, in Python. One module, standard library only.

    import muster

    with muster.trial() as t:
        model = load(t.restore) if t.restore else build(t.params)
        while t.next(until=t.params.epochs):        # t.step is the step to train now; false when told to leave
            if t.changed:                           # only with can=(..., "exploit"): another trial's weights, other parameters
                model = load(t.restore)
                set_hyperparameters(model, t.params)
            loss = train_one(model)
            if t.save_due:
                with t.save() as folder:
                    write(model, folder)
            t.report(val_loss=loss)
        if t.save_due:                              # told to leave, and what was trained since is not kept yet
            with t.save() as folder:
                write(model, folder)

Without MUSTER_SOCKET the same script runs by itself: parameters come from MUSTER_PARAMS or MUSTER_P_<name> if set (or the
`defaults` of trial()), reports go to stderr, nothing asks it to stop.

muster never ends the process and never holds training longer than ten seconds without a byte.
"""
import contextlib
import json
import math
import operator
import os
import select
import socket
import struct
import sys
import threading

CHECKPOINT, PAUSE, STOP, EXPLOIT = 1, 2, 4, 8
SILENT_SECONDS = 10.0
CLOSED = "muster closed the socket"
WINDOW = 64
LINE_MAX = 64 << 10
NOTE_MAX = 1000
EX_TEMPFAIL = 75

__all__ = ["trial", "connect", "Trial", "Params", "Refused", "Invalid", "CHECKPOINT", "PAUSE", "STOP", "EXPLOIT"]


class Refused(Exception):
    """muster did not take a request; the text says why. Training may go on."""


class Invalid(Exception):
    """Raise it inside `with muster.trial()`: these parameters make no sense and are never tried again."""


class Params(dict):
    """The trial's parameters, by name: p["lr"] or p.lr, of a group p["augment.mixup"] or p.augment.mixup."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            group = Params((key[len(name) + 1:], value) for key, value in self.items() if key.startswith(name + "."))
            if group:
                return group
            raise AttributeError(f"there is no parameter '{name}'; there are: {', '.join(sorted(self)) or 'none'}") from None


def _flat(params, prefix=""):
    """Nested JSON as names with dots."""
    for name, value in params.items():
        if isinstance(value, dict):
            yield from _flat(value, prefix + name + ".")
        else:
            yield prefix + name, value


class _Connection:
    """JSON lines over the trial socket, answers in the order of the requests.

    Every answer has the number of its request. When nobody waits for an answer any more its number is given up, and it is
    skipped when it comes. After ten seconds without a byte the connection is silent: no call waits until a byte comes again.
    """

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # connect() waits as long as the listener's queue is full.
            limit = struct.pack("ll", int(SILENT_SECONDS), int(SILENT_SECONDS % 1 * 1e6))
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
            self.socket.connect(path)
            self.socket.setblocking(False)
        except BaseException:
            self.socket.close()
            raise
        self.input = bytearray()
        self.sent = self.answered = self.given_up = 0
        self.is_silent = False

    def close(self):
        self.socket.close()

    @property
    def owed(self):
        return self.sent - max(self.answered, self.given_up)

    def give_up(self):
        """Nobody waits for what is owed."""
        self.given_up = self.sent

    def keep_last(self):
        """After a silence: the answer to the last request is wanted all the same, whenever it comes."""
        if self.sent > self.answered:
            self.given_up = self.sent - 1

    def _silent(self):
        self.give_up()
        if not self.is_silent:
            self.is_silent = True
            print("muster: no byte for ten seconds; training goes on", file=sys.stderr)

    def write(self, message):
        """One request, whole or not at all; False if muster does not read."""
        data = (json.dumps(message, separators=(",", ":")) + "\n").encode()
        if len(data) > LINE_MAX:
            raise Refused("a line longer than 64 KiB")
        done = 0
        self.sent += 1
        try:
            while done < len(data):
                try:
                    done += self.socket.send(data[done:])
                except BlockingIOError:
                    if not select.select([], [self.socket], [], 0 if self.is_silent else SILENT_SECONDS)[1]:
                        if done:
                            raise OSError("muster does not read") from None  # half a line cannot be taken back
                        self.sent -= 1
                        self._silent()
                        return False
        except OSError:
            raise
        except BaseException:
            self.close()  # Ctrl-C, perhaps within a line: nothing more can be said on this connection
            raise
        return True

    def _line(self):
        """The next answer that somebody waits for, or None. An empty line only says that muster lives."""
        while True:
            end = self.input.find(b"\n")
            if end < 0:
                if len(self.input) > LINE_MAX:
                    raise OSError("muster wrote a line longer than 64 KiB")
                return None
            line = bytes(self.input[:end])
            del self.input[: end + 1]
            if not line:
                continue
            self.answered += 1
            if self.answered <= self.given_up:
                continue
            answer = json.loads(line)
            if not isinstance(answer, dict):
                raise ValueError("an answer of muster is no object")
            return answer

    def read(self, wait):
        """The next answer; None if none is there (wait=False) or muster is silent."""
        while True:
            answer = self._line()
            if answer is not None:
                return answer
            seconds = SILENT_SECONDS if wait and not self.is_silent else 0
            if not select.select([self.socket], [], [], seconds)[0]:
                if wait:
                    self._silent()
                return None
            data = self.socket.recv(LINE_MAX)
            if not data:
                raise OSError(CLOSED)
            self.is_silent = False
            self.input += data


def _metric(name, value):
    """A bare number, from NumPy and torch scalars too; a non-finite one as its word."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise TypeError(f"the metric '{name}' is no number: {error}") from None
    if math.isfinite(number):
        return number
    return "nan" if math.isnan(number) else "inf" if number > 0 else "-inf"


def _whole(step):
    """A step: a whole number of any type, 3.0 too."""
    try:
        return operator.index(step)
    except TypeError:
        number = float(step)
        if not number.is_integer():
            raise TypeError(f"a step is a whole number, not {step!r}") from None
        return int(number)


def _rank_and_world():
    """muster's own names first, then those of torchrun and of everybody who follows it."""
    for rank, world in (("MUSTER_RANK", "MUSTER_WORLD"), ("RANK", "WORLD_SIZE")):
        numbers = [os.environ.get(name, "") for name in (rank, world)]
        if all(text.isascii() and text.isdigit() for text in numbers) and int(numbers[0]) < int(numbers[1]):
            return int(numbers[0]), int(numbers[1])
    return 0, 1


class Trial:
    """One trial, made by trial(). Thread-safe: calls are taken one after another.

    params   Params: the parameters
    restore  folder of the snapshot to start from (read only), or None
    step     the step to train now (inside `while t.next()`); else the steps done by the weights
    id       "12.41", or "" when it runs by itself
    rank     which of the trial's processes this is, from 0, and
    world    how many there are; 0 and 1 where it is one. From MUSTER_RANK and MUSTER_WORLD, else RANK and WORLD_SIZE. Every
             rank may open the trial; the metrics of rank 0 count. Acts are the same for all ranks at the same step, a save is
             made by all of them into one folder, an exploit gives all of them the same weights.
    seed     the trial's own seed, the same in every attempt (0 by itself without MUSTER_SEED)
    changed  true once after an exploit: parameters, restore and step are another trial's, and the weights must be loaded
    """

    def __init__(self, defaults=None, can=("checkpoint", "pause")):
        self.params = Params(defaults or {})
        self._restore = None
        self.step = 0
        self.id = ""
        self.seed = int(os.environ.get("MUSTER_SEED", "0") or 0)
        self._changed = False
        self._is_taken = True  # the trainer has looked at what an exploit brought
        self._is_exploit_owed = False
        self._acts = 0
        self._milestone = None
        self._save_at = None
        self._saved = None  # the step of the last snapshot
        self._until = None
        self._keeps_end = "end" in os.environ.get("MUSTER_CHECKPOINTS", "").split(",")
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._connection = None
        path = os.environ.get("MUSTER_SOCKET")
        self._is_alone = not path
        self.rank, self.world = _rank_and_world()
        self._params_of_environment()
        if self._is_alone:
            return
        try:
            self._connection = _Connection(path)
        except OSError as error:
            self._drop(error)
        hello = {"hello": 1, "can": list(can)}
        if self.world > 1:
            hello.update(rank=self.rank, world=self.world)
        answer = self._exchange(hello)
        if answer is not None:
            self._start(answer)
            self.id = answer.get("trial", "")
            self.seed = answer.get("seed", self.seed)
            self._acts |= answer.get("act", 0)

    def _params_of_environment(self):
        """What holds by itself, and for a trial whose muster does not answer."""
        if os.environ.get("MUSTER_PARAMS"):
            self.params.update(_flat(json.loads(os.environ["MUSTER_PARAMS"])))
        for name in list(self.params):
            text = os.environ.get("MUSTER_P_" + "".join(c if c.isascii() and c.isalnum() else "_" for c in name))
            if text is not None:
                try:
                    self.params[name] = json.loads(text)
                except ValueError:
                    self.params[name] = text

    # ---- the connection ----

    def _is_open(self):
        """A child made by fork() shares the socket and must not speak on it."""
        return self._connection is not None and os.getpid() == self._pid

    def _drop(self, error):
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if isinstance(error, (ConnectionResetError, BrokenPipeError)):
            error = CLOSED  # with something unread, or before we spoke
        print(f"muster: {error}; training goes on", file=sys.stderr)

    @staticmethod
    def _check(answer):
        if not answer.get("ok"):
            raise Refused(f"{answer.get('error')}: {answer.get('text', '')}")
        return answer

    def _told(self, answer):
        """What the answer to a report says. A late one has no milestone: what it would say comes with the next."""
        self._check(answer)
        if "milestone" in answer:
            self._milestone = answer["milestone"]
            self._save_at = answer.get("save")
        self._acts |= answer.get("act", 0)

    def _take_owed(self, left, refused):
        """Answers of pipelined reports: those that are there, and waits until at most `left` are owed."""
        connection = self._connection
        while connection.owed:
            answer = connection.read(wait=connection.owed > left)
            if answer is None:
                return
            try:
                self._told(answer)
            except Refused as why:
                refused.append(why)

    def _own_answer(self, refused):
        """What is owed before the last request's answer, then that answer; None: muster is silent."""
        connection = self._connection
        while connection.owed > 1:
            answer = connection.read(wait=True)
            if answer is None:
                return None
            try:
                self._told(answer)
            except Refused as why:
                refused.append(why)
        return connection.read(wait=True) if connection.owed else None

    def _ask(self, message):
        """Writes a request, takes what is owed before it, then its own answer; None: none came. Under the lock.

        A pipelined report that turns out to be refused is raised only after the request has its answer, so that nothing of
        what is asked now is lost; a refusal of the request itself goes first."""
        connection, refused = self._connection, []
        try:
            if not connection.write(message):
                return None, refused
            return self._own_answer(refused), refused
        except (OSError, ValueError) as error:
            self._drop(error)
            return None, refused
        except Refused:
            raise
        except BaseException:
            connection.give_up()  # Ctrl-C while it waited: the answers are skipped when they come
            raise

    def _exchange(self, message):
        """The answer to one request; None if there is no muster to answer. Refused if it says no."""
        with self._lock:
            if not self._is_open():
                return None
            answer, refused = self._ask(message)
            for why in refused:
                print(f"muster: a report was refused: {why}", file=sys.stderr)
        return self._check(answer) if answer is not None else None

    def _start(self, answer):
        self.params = Params(answer.get("params") or {})
        self._restore = answer.get("restore")
        self.step = answer.get("step", 0)
        self._saved = self.step if self._restore else None
        self._milestone = answer.get("milestone")
        self._save_at = answer.get("save")

    def _exploit_wait(self):
        """The answer to an exploit, or None: not yet. The agent takes every later line as said of the donor's weights, so a
        question that was asked is never given up: the next call waits for the same answer."""
        connection, refused = self._connection, []
        if not self._is_exploit_owed:
            if not connection.write({"exploit": 1}):
                return None
            self._is_exploit_owed = True
        answer = None
        try:
            answer = self._own_answer(refused)
        finally:
            if answer is None:
                connection.keep_last()
        for why in refused:
            print(f"muster: a report was refused: {why}", file=sys.stderr)
        if answer is not None:
            self._is_exploit_owed = False
        return answer

    def _exploit(self):
        with self._lock:
            if not self._is_open():
                self._acts &= ~EXPLOIT
                return
            try:
                answer = self._exploit_wait()
            except (OSError, ValueError) as error:
                self._drop(error)
                self._acts &= ~EXPLOIT
                return
            if answer is None:
                return  # asked again by the next next()
            self._acts &= ~EXPLOIT
            try:
                self._start(self._check(answer))
            except Refused as why:
                print(f"muster: the exploit was refused: {why}; training goes on", file=sys.stderr)
                return
            self._acts &= ~CHECKPOINT  # of the old weights nothing is wanted any more
            self._changed, self._is_taken = True, False

    # ---- what a trainer calls ----

    @property
    def changed(self):
        self._is_taken = True
        return self._changed

    @property
    def restore(self):
        self._is_taken = True
        return self._restore

    def next(self, until=None):
        """Moves to the next step. False when `until` steps are done or the trial is told to leave; t.step is then what the
        weights have done, and save_due says whether a snapshot of them is wanted."""
        self._until = until
        self._changed = False
        if self._acts & EXPLOIT:
            self._exploit()
        if self._acts & (STOP | PAUSE):
            return False
        if until is not None and self.step >= until:
            return False
        self.step += 1
        return True

    @property
    def save_due(self):
        """True when a snapshot of this step is wanted: before its report, and once more after the loop. False once it is
        committed."""
        if not self._is_open() or self._is_exploit_owed or self._saved == self.step:
            return False
        asked = self._save_at is not None and self.step >= self._save_at and (self._saved is None or self._saved < self._save_at)
        is_last = self._until is not None and self.step >= self._until
        return asked or bool(self._acts & CHECKPOINT) or (is_last and self._keeps_end)

    @contextlib.contextmanager
    def save(self, step=None):
        """An empty folder to write the snapshot into; it is committed, whole, when the block ends without an exception, and
        never if it ends with one. Refused if muster takes none now. Where no muster answers, the folder is thrown away."""
        step = self.step if step is None else _whole(step)
        self._check_taken()
        if self._is_exploit_owed and self._is_open():
            raise Refused("an exploit waits for its answer: these weights are given up")
        answer = self._exchange({"save": {"step": step}})
        if answer is None:
            import tempfile  # its import is slow, and this is rare

            with tempfile.TemporaryDirectory(prefix="muster-save-") as folder:
                print(f"muster: the snapshot of step {step} is thrown away; there is no muster to take it", file=sys.stderr)
                yield folder
            return
        yield answer["dir"]
        if self._exchange({"commit": {"step": step}}) is None:
            print(f"muster: it is not known whether the snapshot of step {step} was taken", file=sys.stderr)
            return
        self._saved = step
        self._acts &= ~CHECKPOINT

    def _check_taken(self):
        """New hyperparameters on old weights would be another experiment under the donor's name."""
        if not self._is_taken:
            raise RuntimeError("an exploit brought another trial's weights, and neither t.changed nor t.restore was looked at: "
                               "load t.restore where t.changed is true, or leave \"exploit\" out of `can`")

    def report(self, /, step=None, **metrics):
        """Metrics after this step; names that are no Python names as **{"val/loss": x}. Returns the act bits; next() obeys stop
        and pause by itself. Refused if muster did not take this report, or one before it whose answer came only now: this one
        is then told nevertheless."""
        step = self.step if step is None else _whole(step)
        values = {name: _metric(name, value) for name, value in metrics.items()}
        self._check_taken()
        with self._lock:
            if self._is_alone and self.rank == 0:
                print(f"step={step} " + " ".join(f"{name}={float(value):.6g}" for name, value in values.items()), file=sys.stderr)
            refused = []
            if self._is_open() and not self._is_exploit_owed:
                refused = self._report({"report": {"step": step, "m": values}}, step)
            self.step = step
            if self._saved == step:
                self._acts &= ~CHECKPOINT  # these weights are kept already
            if refused:
                raise refused[0]
            return self._acts

    def _report(self, message, step):
        """The refusals that came to light."""
        connection, refused = self._connection, []
        try:
            self._take_owed(WINDOW - 1, refused)
            # What ranks are told is told at one step for all, so each report has its own answer first.
            if self.world > 1 or (self._milestone is not None and step >= self._milestone):
                answer, before = self._ask(message)
                refused += before
                if answer is not None:
                    try:
                        self._told(answer)
                    except Refused as why:
                        refused.insert(0, why)
            elif connection.write(message):
                self._take_owed(WINDOW, refused)
        except (OSError, ValueError) as error:
            self._drop(error)
        except Refused as why:
            refused.insert(0, why)
        return refused

    def close(self, outcome="done", note=""):
        """Says good-bye: done, paused, invalid or error. trial() does it by itself. A second one does nothing."""
        try:
            self._exchange({"bye": outcome, "note": str(note)[:NOTE_MAX]})
        except Refused:
            pass
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _exit_word(code, told):
    """The good-bye of sys.exit(code)."""
    if code is None or code == 0:
        return told
    return "paused" if code == EX_TEMPFAIL else "error"


@contextlib.contextmanager
def trial(defaults=None, can=("checkpoint", "pause")):
    """Opens the trial of this process, and says good-bye when the block ends.

    defaults  parameters for a run by itself, {name: value}
    can       what the trainer is able to do: "checkpoint", "pause", and "exploit" if it loads t.restore where t.changed is true

    An exception inside is told as `error` and raised again, Ctrl-C too; muster.Invalid is told as `invalid` and ends the block
    quietly; sys.exit() is told as what its code means.
    """
    t = Trial(defaults, can)

    def told():
        return "paused" if t._acts & PAUSE else "done"

    try:
        yield t
    except Invalid as error:
        t.close("invalid", error)
        return
    except SystemExit as leave:
        t.close(_exit_word(leave.code, told()), "" if leave.code in (None, 0) else f"exit {leave.code}")
        raise
    except BaseException as error:
        t.close("error", f"{type(error).__name__}: {error}".rstrip(": "))
        raise
    t.close(told())


def connect(url=None, token=None, ca=None, state=None, patience=60.0):
    """A cluster, to submit sweeps to and look at them: see muster_client.py beside this file, and docs/PYTHON.md."""
    import muster_client  # trainers do without it

    return muster_client.connect(url, token, ca, state, patience)
