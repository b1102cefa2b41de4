#!/usr/bin/env python3
"""client/python/muster.py against a played agent: a thread at the other end of the trial socket.

Prints `ok NAME`, `FAIL NAME` or `SKIP NAME: why` for each test. The module waits 0.5 s here where it waits ten."""
import contextlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
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


class Alone(Case):
    def test_alone_runs_on_defaults_and_environment(self):
        os.environ.update(MUSTER_PARAMS='{"epochs": 3, "opt": "sgd", "g": {"x": 1, "h": {"y": 2}}}', MUSTER_P_g_h_y="3", MUSTER_P_opt="adamw", MUSTER_P_aug_mix="0.5", MUSTER_SEED="5")
        with muster.trial({"epochs": 2, "lr": 0.1, "aug.mix": 0.0}) as t:
            self.assertEqual(t.params, {"epochs": 3, "lr": 0.1, "opt": "adamw", "aug.mix": 0.5, "g.x": 1, "g.h.y": 3})
            self.assertEqual((t.params.lr, t.params["aug.mix"], t.seed, t.id, t.restore), (0.1, 0.5, 5, "", None))
            self.assertEqual((t.params["g.x"], t.params.g.x, t.params.g.h.y, t.params["g.h.y"], t.params.g["h.y"]), (1, 1, 3, 3, 3))
            self.assertRaises(AttributeError, lambda: t.params.g.z)
            with self.assertRaisesRegex(AttributeError, "no parameter 'lrr'; there are: aug.mix, epochs, g.h.y, g.x, lr, opt"):
                t.params.lrr
            steps = []
            while t.next(until=t.params.epochs):
                self.assertFalse(t.save_due)
                with t.save() as folder:
                    open(os.path.join(folder, "x"), "w").close()
                self.assertEqual(t.report(loss=float("nan")), 0)
                steps.append(t.step)
            self.assertFalse(os.path.exists(folder))
        self.assertEqual(steps, [1, 2, 3])
        self.assertIn("step=3 loss=nan\n", self.stderr.getvalue())

    def test_socket_that_nobody_serves_trains_by_itself(self):
        os.environ.update(MUSTER_SOCKET="/tmp/muster-client-none/s", MUSTER_PARAMS='{"lr": 0.5}')
        with muster.trial({"lr": 0.1}) as t:
            self.assertEqual(t.params.lr, 0.5)
            while t.next(until=2):
                self.assertEqual(t.report(loss=1), 0)
        self.assertIn("training goes on", self.stderr.getvalue())

    def test_full_queue_of_a_listener_is_given_up(self):
        agent = Agent(None)
        agent.listener.listen(0)
        waiting = []
        for _ in range(8):
            waiting.append(socket.socket(socket.AF_UNIX))
            waiting[-1].setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting[-1].connect(os.environ["MUSTER_SOCKET"])
        with muster.trial() as t:
            self.assertEqual(t.report(step=1, loss=1), 0)
        for s in waiting + [agent.listener]:
            s.close()
        shutil.rmtree(agent.folder)
        self.assertIn("training goes on", self.stderr.getvalue())


class Ranks(Case):
    def test_rank_says_which_one_it_is_and_waits_for_each_answer(self):
        os.environ.update(MUSTER_RANK="2", MUSTER_WORLD="4", RANK="0", WORLD_SIZE="9")

        def play(agent):
            agent.expect({"hello": 1, "can": ["checkpoint", "pause"], "rank": 2, "world": 4})
            agent.say(HELLO)
            agent.expect({"report": {"step": 1, "m": {"loss": 1.0}}})
            agent.say("", {"ok": 1, "act": 0, "milestone": None})
            agent.expect({"report": {"step": 2, "m": {"loss": 1.0}}})
            agent.say({"ok": 1, "act": 4, "milestone": None})
            agent.bye()
        with Agent(play), muster.trial() as t:
            self.assertEqual((t.rank, t.world), (2, 4))
            steps = []
            while t.next(until=9):
                steps.append((t.step, t.report(loss=1)))
            self.assertEqual(steps, [(1, 0), (2, 4)])

    def test_rank_of_torchrun_is_taken_and_what_makes_no_sense_is_none(self):
        for rank, world, wanted in (("1", "2", (1, 2)), ("2", "2", (0, 1)), ("x", "2", (0, 1)), ("0", "1", (0, 1)), ("0", "", (0, 1))):
            os.environ.update(RANK=rank, WORLD_SIZE=world)
            with muster.trial() as t:
                self.assertEqual((t.rank, t.world), wanted, (rank, world))

    def test_ranks_by_themselves_report_once(self):
        os.environ.update(RANK="1", WORLD_SIZE="2")
        with muster.trial() as t:
            t.next()
            t.report(loss=1)
        self.assertEqual(self.stderr.getvalue(), "")


class Reports(Case):
    def test_hello_brings_everything(self):
        def play(agent):
            agent.expect({"hello": 1, "can": ["checkpoint", "pause"]})
            agent.say({**HELLO, "restore": "/a", "step": 4})
            agent.bye()
        with Agent(play):
            with muster.trial({"other": 1}, can=("checkpoint", "pause")) as t:
                self.assertEqual((t.id, t.seed, t.restore, t.step, t.params), ("12.41", 7, "/a", 4, {"lr": 0.01, "epochs": 9}))

    def test_window_of_64_waits_for_nothing(self):
        def play(agent):
            agent.hello()
            for step in range(1, 65):
                agent.expect({"report": {"step": step, "m": {"loss": 1.0}}})
            agent.done.set()
            agent.wait(agent.go)
            agent.say(*[RECEIVED] * 64)
            agent.read()
            agent.say(RECEIVED)
            agent.bye()
        with Agent(play) as agent, muster.trial() as t:
            for _ in range(64):
                t.next()
                t.report(loss=1)
            agent.wait(agent.done)
            agent.go.set()
            t.next()
            t.report(loss=1)
        self.assertEqual(self.stderr.getvalue(), "")

    def test_milestone_waits_and_empty_lines_keep_it_waiting(self):
        def play(agent):
            agent.hello(milestone=1, save=1)
            agent.read()
            for _ in range(20):
                time.sleep(0.075)
                agent.say(None)
            agent.say({"ok": 1, "act": muster.STOP, "milestone": None})
            agent.bye()
        with Agent(play):
            with muster.trial() as t:
                t.next()
                self.assertEqual(t.report(loss=1), muster.STOP)
                self.assertFalse(t.next())
        self.assertEqual(self.stderr.getvalue(), "")

    def test_silence_ends_the_wait_and_late_answers_are_skipped(self):
        def play(agent):
            agent.hello(milestone=3)
            for _ in range(3):
                agent.read()
            agent.wait(agent.go)
            agent.say(*[{"ok": 1, "act": muster.STOP, "milestone": 3}] * 3)
            agent.done.set()
            agent.save(3, "/right")
            agent.expect({"commit": {"step": 3}})
            agent.say({"ok": 1, "id": "1.1@3.1"})
            agent.bye()
        with Agent(play) as agent:
            with muster.trial() as t:
                for _ in range(3):
                    t.next()
                    self.assertEqual(t.report(loss=1), 0)
                self.assertIn("no byte for ten seconds", self.stderr.getvalue())
                agent.go.set()
                agent.wait(agent.done)
                with t.save() as folder:
                    self.assertEqual(folder, "/right")
                self.assertEqual(t._acts, 0)

    def test_muster_that_never_reads_holds_training_once(self):
        def play(agent):
            agent.hello(milestone=1)
            agent.wait(agent.go)
        name = "n" * 2000
        with Agent(play) as agent:
            with muster.trial() as t:
                started = time.monotonic()
                while t.next(until=4000):
                    self.assertEqual(t.report(**{name: 1}), 0)
                # Were each to wait its half second, it would be half an hour.
                self.assertLess(time.monotonic() - started, 300)
            agent.go.set()
        self.assertEqual(self.stderr.getvalue().count("no byte for ten seconds"), 1)

    def test_muster_that_closes_is_gone_and_training_goes_on(self):
        def play(agent):
            agent.hello(milestone=2)
            agent.read()
        with Agent(play):
            with muster.trial() as t:
                while t.next(until=5):
                    self.assertEqual(t.report(loss=1), 0)
                self.assertEqual(t.step, 5)
                self.assertFalse(t.save_due)
        self.assertIn("muster closed the socket; training goes on", self.stderr.getvalue())

    def test_broken_answers_end_the_connection_not_the_training(self):
        for answer in (b"{\n", b"[1]\n", b"x" * 70000):
            def play(agent):
                agent.hello(milestone=1)
                agent.read()
                agent.socket.sendall(answer)
                agent.wait(agent.go)
            with Agent(play) as agent, muster.trial() as t:
                t.next()
                self.assertEqual(t.report(loss=1), 0)
                self.assertIsNone(t._connection)
                agent.go.set()

    def test_refused_report_is_raised_and_the_next_ones_are_told(self):
        def play(agent):
            agent.hello()
            agent.read()
            agent.say({"ok": 0, "error": "bad_step", "text": "step 5 is not above 5"})
            agent.done.set()
            agent.expect({"report": {"step": 6, "m": {"loss": 1.0}}})
            agent.say({"ok": 1, "act": muster.STOP, "milestone": 8})
            agent.expect({"report": {"step": 8, "m": {"loss": 1.0}}})
            agent.say({"ok": 0, "error": "bad_name", "text": "no"})
            agent.bye()
        with Agent(play) as agent:
            with muster.trial() as t:
                refusals = []
                for step in (5, 6):
                    try:
                        t.report(step=step, loss=1)
                    except muster.Refused as why:
                        refusals.append(str(why))
                    agent.wait(agent.done)
                # Taken with whichever call came next to the answer; the report made by that call is told all the same.
                while t._milestone is None:
                    t._take_owed(0, refusals)
                self.assertEqual([str(r) for r in refusals], ["bad_step: step 5 is not above 5"])
                with self.assertRaisesRegex(muster.Refused, "bad_name: no"):
                    t.report(step=8, loss=1)
                self.assertFalse(t.next())

    def test_refused_report_hides_neither_save_nor_good_bye(self):
        early = {"ok": 0, "error": "bad_step", "text": "early"}
        def play(agent):
            agent.hello()
            agent.read()
            agent.expect({"save": {"step": 1}})
            agent.say(early, {"ok": 1, "dir": "/none"})
            agent.expect({"commit": {"step": 1}})
            agent.say({"ok": 1})
            agent.read()
            agent.expect({"bye": "done", "note": ""})
            agent.say(early, {"ok": 1})
        with Agent(play):
            with muster.trial() as t:
                t.next()
                t.report(loss=1)
                with t.save():
                    pass
                t.next()
                t.report(loss=1)
        self.assertEqual(self.stderr.getvalue().count("bad_step: early"), 2)

    def test_values_are_numbers_of_any_kind(self):
        class Tensor:  # like torch's: float() and nothing else
            def __float__(self):
                return 0.25
        values = {"a": float("nan"), "b": float("inf"), "c": float("-inf"), "d": True, "e": 3, "val/f": Tensor(), "self": 1}
        wanted = {"a": "nan", "b": "inf", "c": "-inf", "d": 1.0, "e": 3.0, "val/f": 0.25, "self": 1.0}
        def play(agent):
            agent.hello()
            agent.expect({"report": {"step": 3, "m": wanted}})
            agent.say(RECEIVED)
            agent.bye()
        with Agent(play):
            with muster.trial() as t:
                t.report(step=3.0, **values)
                for bad in ("word", None, [1, 2]):
                    with self.assertRaisesRegex(TypeError, "the metric 'x' is no number"):
                        t.report(step=4, x=bad)
                with self.assertRaisesRegex(TypeError, "whole number"):
                    t.report(step=4.5, x=1)
                with self.assertRaisesRegex(muster.Refused, "longer than 64 KiB"):
                    t.report(step=4, **{"x" * 70000: 1})

    def test_values_of_numpy_are_numbers(self):
        try:
            import numpy as np
        except ImportError:
            self.skipTest("python3-numpy is not installed")
        def play(agent):
            agent.hello(milestone=5)
            agent.expect({"report": {"step": 5, "m": {"a": 0.5, "b": 2.0, "c": "nan", "d": 1.0, "e": 7.0}}})
            agent.say({"ok": 1, "act": 0, "milestone": 9})
            agent.bye()
        with Agent(play):
            with muster.trial() as t:
                t.report(step=np.int64(5), a=np.float32(0.5), b=np.int64(2), c=np.float64("nan"), d=np.bool_(True), e=np.array(7))

    def test_threads_are_taken_one_after_another(self):
        def play(agent):
            agent.hello()
            seen = set()
            while "report" in (got := agent.read()):
                seen.add(got["report"]["step"])
                agent.say(RECEIVED)
            assert got["bye"] == "done" and seen == set(range(400)), (got, len(seen))
            agent.say({"ok": 1})
        with Agent(play):
            with muster.trial() as t:
                threads = [threading.Thread(target=lambda k=k: [t.report(step=s, x=1) for s in range(k, 400, 4)]) for k in range(4)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()


class Snapshots(Case):
    def play_save(self, *, act, on_end):
        def play(agent):
            agent.hello(milestone=2, save=2)
            agent.read()
            agent.say({"ok": 1, "act": 0, "milestone": 2, "save": 2})
            agent.save(2)
            agent.expect({"commit": {"step": 2}})
            agent.say({"ok": 1, "id": "1.1@2.1"})
            agent.expect({"report": {"step": 2, "m": {"loss": 1.0}}})
            agent.say({"ok": 1, "act": act, "milestone": None})
            on_end(agent)
        return play

    def train(self, t, until=9):
        """The loop of the module's first lines; the steps of its snapshots."""
        saved = []
        while t.next(until=until):
            if t.save_due:
                with t.save():
                    saved.append(t.step)
            t.report(loss=1)
        if t.save_due:
            with t.save():
                saved.append(t.step)
        return saved

    def test_stop_at_a_milestone_that_was_saved_asks_for_no_second_snapshot(self):
        with Agent(self.play_save(act=muster.STOP | muster.CHECKPOINT, on_end=lambda agent: agent.bye())):
            with muster.trial() as t:
                self.assertEqual(self.train(t), [2])
                self.assertEqual(t.step, 2)

    def test_stop_elsewhere_with_a_checkpoint_is_saved_after_the_loop(self):
        def play(agent):
            agent.hello(milestone=1)
            agent.read()
            agent.say({"ok": 1, "act": muster.STOP | muster.CHECKPOINT, "milestone": None})
            agent.save(1)
            agent.expect({"commit": {"step": 1}})
            agent.say({"ok": 1})
            agent.bye()
        with Agent(play):
            with muster.trial() as t:
                self.assertEqual(self.train(t), [1])
                self.assertFalse(t.save_due)

    def test_checkpoint_alone_is_saved_with_the_next_step(self):
        def play(agent):
            agent.hello(milestone=1)
            agent.read()
            agent.say({"ok": 1, "act": muster.CHECKPOINT, "milestone": None})
            agent.save(2)
            agent.expect({"commit": {"step": 2}})
            agent.say({"ok": 1})
            agent.read()
            agent.say(RECEIVED)
            agent.bye()
        with Agent(play):
            with muster.trial() as t:
                self.assertEqual(self.train(t, until=2), [2])

    def test_pause_says_paused(self):
        with Agent(self.play_save(act=muster.PAUSE | muster.CHECKPOINT, on_end=lambda agent: agent.bye("paused"))):
            with muster.trial(can=("checkpoint", "pause")) as t:
                self.assertEqual(self.train(t), [2])

    def test_end_is_saved_where_the_sweep_keeps_it(self):
        os.environ["MUSTER_CHECKPOINTS"] = "rung,end"
        def play(agent):
            agent.hello()
            agent.read()
            agent.say(RECEIVED)
            agent.save(2)
            agent.expect({"commit": {"step": 2}})
            agent.say({"ok": 1})
            agent.read()
            agent.say(RECEIVED)
            agent.bye()
        with Agent(play):
            with muster.trial() as t:
                self.assertEqual(self.train(t, until=2), [2])

    def test_stride_saves_at_the_first_step_not_below(self):
        def play(agent):
            agent.hello(milestone=3, save=3)
            agent.read()
            agent.say({"ok": 1, "act": 0, "milestone": 3, "save": 3})
            agent.save(4)
            agent.expect({"commit": {"step": 4}})
            agent.say({"ok": 1})
            agent.read()
            agent.say({"ok": 1, "act": 0, "milestone": 9, "save": 9})
            agent.read()
            agent.say({"ok": 1, "act": 0, "milestone": 9, "save": 9})
            agent.bye()
        with Agent(play):
            with muster.trial() as t:
                saved = []
                for t.step in (2, 4, 6):
                    if t.save_due:
                        with t.save():
                            saved.append(t.step)
                    t.report(loss=1)
                self.assertEqual(saved, [4])

    def test_exception_inside_save_commits_nothing_and_stays_due(self):
        def play(agent):
            agent.hello(milestone=1, save=1)
            agent.save(1)
            agent.save(1)
            agent.expect({"commit": {"step": 1}})
            agent.say({"ok": 1})
            agent.bye()
        with Agent(play):
            with muster.trial() as t:
                t.next()
                with self.assertRaises(OSError), t.save():
                    raise OSError("the disk is full")
                self.assertTrue(t.save_due)
                with t.save():
                    pass
                self.assertFalse(t.save_due)

    def test_refused_save_and_commit_are_raised_and_stay_due(self):
        def play(agent):
            agent.hello(milestone=1, save=1)
            agent.expect({"save": {"step": 1}})
            agent.say({"ok": 0, "error": "no_space", "text": "the disk is full"})
            agent.save(1)
            agent.expect({"commit": {"step": 1}})
            agent.say({"ok": 0, "error": "no_space", "text": "still"})
            agent.bye()
        with Agent(play):
            with muster.trial() as t:
                t.next()
                for why in ("no_space: the disk is full", "no_space: still"):
                    with self.assertRaisesRegex(muster.Refused, why):
                        with t.save():
                            pass
                    self.assertTrue(t.save_due)

    def test_save_without_an_answer_does_not_end_training(self):
        def play(agent):
            agent.hello(milestone=1, save=1)
            agent.expect({"save": {"step": 1}})
            agent.wait(agent.go)
        with Agent(play) as agent:
            with muster.trial() as t:
                t.next()
                with t.save() as folder:
                    self.assertTrue(os.path.isdir(folder))
                self.assertFalse(os.path.exists(folder))
                agent.go.set()
        self.assertIn("the snapshot of step 1 is thrown away", self.stderr.getvalue())

    def test_exploit_comes_before_pause_and_brings_new_weights(self):
        def play(agent):
            agent.hello(milestone=4)
            agent.read()
            agent.say({"ok": 1, "act": muster.EXPLOIT | muster.PAUSE, "milestone": None})
            agent.expect({"exploit": 1})
            agent.say({"ok": 1, "params": {"lr": 0.5}, "restore": "/donor", "step": 2, "milestone": 8, "save": 8})
            agent.bye("paused")
        with Agent(play):
            with muster.trial(can=("checkpoint", "exploit", "pause")) as t:
                t.report(step=4, loss=1)
                self.assertFalse(t.next())
                self.assertEqual((t.changed, t.step, t.restore, t.params.lr), (True, 2, "/donor", 0.5))
                self.assertFalse(t.save_due)  # the donor's snapshot is one already

    EXPLOITED = {"ok": 1, "params": {"lr": 0.5}, "restore": "/donor", "step": 2, "milestone": 8, "save": 8}

    def test_exploit_in_the_loop_goes_on_from_the_donors_step(self):
        def play(agent):
            agent.hello(milestone=4, save=4)
            agent.save(4)
            agent.expect({"commit": {"step": 4}})
            agent.say({"ok": 1, "id": "1.1@4.1"})
            agent.expect({"report": {"step": 4, "m": {"loss": 0.01}}})
            agent.say({"ok": 1, "act": muster.EXPLOIT, "milestone": None})
            agent.expect({"exploit": 1})
            agent.say(self.EXPLOITED)
            for step in (3, 4):  # again a step 4, of other weights; the first snapshot of it counts no more
                agent.expect({"report": {"step": step, "m": {"loss": 0.5}}})
                agent.say({"ok": 1, "act": 0, "milestone": 8, "save": 8})
            agent.bye("done")
        with Agent(play):
            steps = []
            with muster.trial(can=("checkpoint", "pause", "exploit")) as t:
                t.step = 3
                lr = t.params.lr
                while t.next(until=4):
                    if t.changed:
                        steps.append(t.restore)
                        lr = t.params.lr
                    if t.save_due:
                        with t.save():
                            pass
                    t.report(loss=lr)
                    steps.append(t.step)
        self.assertEqual(steps, [4, "/donor", 3, 4])

    def test_exploit_with_checkpoint_saves_the_old_weights_if_asked_after_the_report(self):
        def play(agent):
            agent.hello(milestone=4)
            agent.read()
            agent.say({"ok": 1, "act": muster.EXPLOIT | muster.CHECKPOINT, "milestone": None})
            agent.save(4)
            agent.expect({"commit": {"step": 4}})
            agent.say({"ok": 1, "id": "1.1@4.1"})
            agent.expect({"exploit": 1})
            agent.say(self.EXPLOITED)
            agent.bye("done")
        with Agent(play):
            with muster.trial(can=("checkpoint", "exploit")) as t:
                t.report(step=4, loss=1)
                self.assertTrue(t.save_due)
                with t.save():
                    pass
                self.assertTrue(t.next())
                self.assertTrue(t.changed)
                self.assertFalse(t.save_due)

    def test_exploit_that_the_trainer_does_not_look_at_is_an_error(self):
        def play(agent):
            agent.hello(milestone=4)
            agent.read()
            agent.say({"ok": 1, "act": muster.EXPLOIT, "milestone": None})
            agent.expect({"exploit": 1})
            agent.say(self.EXPLOITED)
            agent.bye("error")
        with Agent(play):
            with self.assertRaisesRegex(RuntimeError, "neither t.changed nor t.restore was looked at"):
                with muster.trial(can=("checkpoint", "exploit")) as t:
                    t.report(step=4, loss=1)
                    while t.next():
                        t.report(loss=1)

    def test_exploit_refused_leaves_everything_as_it_was(self):
        def play(agent):
            agent.hello(milestone=4)
            agent.read()
            agent.say({"ok": 1, "act": muster.EXPLOIT, "milestone": None})
            agent.expect({"exploit": 1})
            agent.say({"ok": 0, "error": "not_now", "text": "no exploit was ordered"})
            agent.expect({"report": {"step": 5, "m": {"loss": 1.0}}})
            agent.say(RECEIVED)
            agent.bye("done")
        with Agent(play):
            with muster.trial(can=("checkpoint", "exploit")) as t:
                t.report(step=4, loss=1)
                self.assertTrue(t.next())
                self.assertEqual((t.changed, t.step, t.params.lr), (False, 5, 0.01))
                t.report(loss=1)
        self.assertIn("the exploit was refused: not_now", self.stderr.getvalue())

    def test_exploit_after_a_silence_is_asked_once_and_nothing_is_told_meanwhile(self):
        def play(agent):
            agent.hello(milestone=4)
            agent.read()
            agent.say({"ok": 1, "act": muster.EXPLOIT, "milestone": None})
            agent.expect({"exploit": 1})
            agent.wait(agent.go)
            agent.say(self.EXPLOITED)
            agent.done.set()
            agent.expect({"report": {"step": 3, "m": {"loss": 1.0}}})
            agent.say(RECEIVED)
            agent.bye("done")
        with Agent(play) as agent:
            with muster.trial(can=("checkpoint", "exploit")) as t:
                t.report(step=4, loss=1)
                for _ in range(2):
                    self.assertTrue(t.next())
                    self.assertFalse(t.changed)
                    self.assertFalse(t.save_due)
                    with self.assertRaises(muster.Refused):
                        with t.save():
                            pass
                    self.assertTrue(t.report(loss=9) & muster.EXPLOIT)
                agent.go.set()
                agent.done.wait(DEADLINE)
                self.assertTrue(t.next())
                self.assertEqual((t.changed, t.step, t.params.lr), (True, 3, 0.5))
                t.report(loss=1)

    def test_exploit_of_an_agent_that_goes_away_lets_training_go_on(self):
        def play(agent):
            agent.hello(milestone=4)
            agent.read()
            agent.say({"ok": 1, "act": muster.EXPLOIT, "milestone": None})
            agent.expect({"exploit": 1})
        with Agent(play):
            with muster.trial(can=("checkpoint", "exploit")) as t:
                t.report(step=4, loss=1)
                self.assertTrue(t.next())
                self.assertEqual((t.changed, t.step, t.report(loss=1)), (False, 5, 0))
        self.assertIn("training goes on", self.stderr.getvalue())

    def test_pause_with_checkpoint_is_left_by_next_and_saved_after_the_loop(self):
        def play(agent):
            agent.expect({"hello": 1, "can": ["checkpoint", "pause"]})
            agent.say({**HELLO, "milestone": 2})
            agent.read()
            agent.say({**RECEIVED, "milestone": 2})
            agent.read()
            agent.say({"ok": 1, "act": muster.PAUSE | muster.CHECKPOINT, "milestone": None})
            agent.save(2)
            agent.expect({"commit": {"step": 2}})
            agent.say({"ok": 1, "id": "1.1@2.1"})
            agent.bye("paused")
        with Agent(play):
            with muster.trial() as t:
                while t.next(until=9):
                    t.report(loss=1)
                self.assertEqual(t.step, 2)
                if t.save_due:
                    with t.save():
                        pass


class Ends(Case):
    def end(self, word, note, body, raises):
        def play(agent):
            agent.hello()
            agent.bye(word, note)
        with Agent(play):
            with contextlib.suppress() if raises is None else self.assertRaises(raises):
                with muster.trial():
                    body()

    def test_exceptions_are_told_and_raised(self):
        def fail(error):
            raise error
        self.end("error", "ValueError: no data", lambda: fail(ValueError("no data")), ValueError)
        self.end("error", "KeyboardInterrupt", lambda: fail(KeyboardInterrupt()), KeyboardInterrupt)
        self.end("error", "ValueError: " + "x" * 988, lambda: fail(ValueError("x" * 5000)), ValueError)
        self.end("invalid", "lr is too high", lambda: fail(muster.Invalid("lr is too high")), None)
        self.end("done", "", lambda: sys.exit(0), SystemExit)
        self.end("done", "", lambda: sys.exit(), SystemExit)
        self.end("paused", "exit 75", lambda: sys.exit(75), SystemExit)
        self.end("error", "exit 3", lambda: sys.exit(3), SystemExit)

    def test_ctrl_c_while_a_milestone_waits_is_an_exception_and_no_answer_is_mistaken(self):
        def play(agent):
            agent.hello(milestone=1)
            agent.read()
            while sys._current_frames()[threading.main_thread().ident].f_code.co_name != "read":
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)  # the main thread waits for the answer
            agent.wait(agent.go)
            agent.say({"ok": 1, "act": muster.STOP, "milestone": 2})
            agent.done.set()
            agent.save(1, "/right")
            agent.expect({"commit": {"step": 1}})
            agent.say({"ok": 1})
            agent.bye()
        muster.SILENT_SECONDS = float(DEADLINE)
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with Agent(play) as agent:
                with muster.trial() as t:
                    t.next()
                    with self.assertRaises(KeyboardInterrupt):
                        t.report(loss=1)
                    agent.go.set()
                    agent.wait(agent.done)
                    with t.save() as folder:
                        self.assertEqual(folder, "/right")
        finally:
            signal.signal(signal.SIGINT, before)
            muster.SILENT_SECONDS = 0.5

    def test_child_made_by_fork_says_nothing(self):
        def play(agent):
            agent.hello()
            agent.bye("done", "")
        with Agent(play):
            with muster.trial() as t:
                child = os.fork()
                if child == 0:
                    code = 1
                    with contextlib.suppress(BaseException):
                        t.report(step=1, loss=1)
                        t.close("error", "from the child")
                        code = 0
                    os._exit(code)
                self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)

    def test_two_trials_in_one_process_do_not_mix(self):
        def play(agent):
            agent.hello(trial="1.1")
            first = agent.socket, agent.file
            agent.socket = agent.listener.accept()[0]
            agent.file = agent.socket.makefile("rb")
            agent.hello(trial="1.2", milestone=1)
            agent.read()
            agent.say({"ok": 1, "act": muster.STOP, "milestone": None})
            agent.bye()
            agent.file.close()
            agent.socket.close()
            agent.socket, agent.file = first
            agent.bye()
        with Agent(play):
            with muster.trial() as one:
                with muster.trial() as two:
                    self.assertEqual((one.id, two.id), ("1.1", "1.2"))
                    self.assertEqual(two.report(step=1, loss=1), muster.STOP)
                self.assertTrue(one.next())

    def test_module_starts_quickly_and_needs_the_standard_library_only(self):
        script = "import sys; import muster; print(*sorted(m for m in sys.modules if 'site-packages' in str(getattr(sys.modules[m], '__file__', ''))))"
        done = subprocess.run([sys.executable, "-S", "-B", "-c", script], capture_output=True, text=True,
                              env={"PYTHONPATH": os.path.join(SOURCE, "client/python")})
        self.assertEqual((done.returncode, done.stdout.strip(), done.stderr), (0, "", ""))


class Result(unittest.TestResult):
    def line(self, word, test, text=""):
        print(f"{word} {test.id().split('.')[-1]}{text}", flush=True)

    def addSuccess(self, test):
        self.line("ok", test)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        print(self.failures[-1][1])
        self.line("FAIL", test)

    def addError(self, test, error):
        super().addError(test, error)
        print(self.errors[-1][1])
        self.line("FAIL", test)

    def addSkip(self, test, reason):
        self.line("SKIP", test, f": {reason}")


if __name__ == "__main__":
    loader = unittest.TestLoader()
    if sys.argv[1:]:
        loader.testNamePatterns = ["*" + name for name in sys.argv[1:]]
    result = loader.loadTestsFromModule(sys.modules["__main__"]).run(Result())
    sys.exit(0 if result.wasSuccessful() else 1)
