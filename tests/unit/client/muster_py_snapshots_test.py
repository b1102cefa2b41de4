#!/usr/bin/env python3
"""client/python/muster.py against a played agent: snapshots, stop, pause, exploit."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from played_agent import DEADLINE, HELLO, RECEIVED, Agent, Case, muster  # noqa: E402
from results import main  # noqa: E402


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


if __name__ == "__main__":
    main(sys.modules["__main__"])
