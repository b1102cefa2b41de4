#!/usr/bin/env python3
"""client/python/muster.py against a played agent: alone, ranks, reports, ends."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from played_agent import DEADLINE, HELLO, RECEIVED, SOURCE, Agent, Case, muster  # noqa: E402
from results import main  # noqa: E402


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


if __name__ == "__main__":
    main(sys.modules["__main__"])
