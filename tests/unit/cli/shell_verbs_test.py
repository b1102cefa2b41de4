#!/usr/bin/env python3
"""The verbs that a trainer in shell calls (trial env, report, save, commit, exploit) against a played agent.

Prints `ok NAME`, `FAIL NAME` or `SKIP NAME: why` for each test."""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.dont_write_bytecode = True

from results import main  # noqa: E402

SOURCE = os.environ.get("MUSTER_TEST_SOURCE", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.."))
MUSTER = os.path.join(os.environ.get("MUSTER_TEST_BUILD", os.path.join(SOURCE, "build/release")), "cli/muster")
DEADLINE = 60
HELLO = {"ok": 1, "act": 0, "params": {"lr": 0.01, "width": 32.0, "layers": 2, "name": "it's $HOME", "aug.mix": 0.5, "on": True},
         "restore": "/snap it", "step": 4, "trial": "12.41", "attempt": 0, "seed": 7, "milestone": 9, "save": 9}
ASK = {"hello": 1, "can": []}


class Agent:
    """Answers `talks`: for each connection, in order, a list of (request, answer). An answer that is bytes is sent as it is; None closes."""

    def __init__(self, *talks):
        self.folder = tempfile.mkdtemp(prefix="muster-shell-")
        self.path = os.path.join(self.folder, "s")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(16)
        self.listener.settimeout(DEADLINE)
        self.talks, self.error = talks, None
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        try:
            for talk in self.talks:
                connection = self.listener.accept()[0]
                connection.settimeout(DEADLINE)
                with connection, connection.makefile("rb") as file:
                    for request, answer in talk:
                        got = json.loads(file.readline() or b"null")
                        if got != request:
                            raise AssertionError(f"the agent read {got}, not {request}")
                        if answer is None:
                            break
                        connection.sendall(answer if isinstance(answer, bytes) else json.dumps(answer).encode() + b"\n")
                    else:
                        if file.readline():
                            raise AssertionError("the agent read more than was played")
        except BaseException as error:
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *rest):
        self.thread.join(DEADLINE)
        self.listener.close()
        shutil.rmtree(self.folder)
        if kind is None and self.error is not None:
            raise self.error


def environment(agent=None, **more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    kept["PATH"] = os.path.dirname(MUSTER) + ":" + kept.get("PATH", "/usr/bin:/bin")
    return {**kept, **({"MUSTER_SOCKET": agent.path} if agent else {}), **more}


def muster(*arguments, agent=None, **more):
    done = subprocess.run([MUSTER, *arguments], env=environment(agent, **more), capture_output=True, text=True, timeout=DEADLINE)
    return done.returncode, done.stdout, done.stderr


def sh(script, agent=None, **more):
    done = subprocess.run(["/bin/sh", "-c", script], env=environment(agent, **more), capture_output=True, text=True, timeout=DEADLINE)
    return done.returncode, done.stdout, done.stderr


def report(step, **metrics):
    return {"report": {"step": step, "m": metrics}}


def said(act=0, **more):
    return {"ok": 1, "act": act, "milestone": None, **more}


class Report(unittest.TestCase):
    def test_report_exits_with_the_first_act_to_be_obeyed(self):
        for bits, code, words in ((0, 0, ""), (1, 10, "checkpoint"), (2, 11, "pause"), (4, 12, "stop"), (8, 13, "exploit"),
                                  (3, 10, "checkpoint pause"), (15, 10, "checkpoint exploit pause stop"), (10, 13, "exploit pause")):
            with Agent([(report(3, loss=0.25), said(bits))]) as agent:
                self.assertEqual(muster("report", "--step", "3", "loss=0.25", "--acts", agent=agent), (code, words + "\n", ""), bits)

    def test_report_has_all_numbers_and_names(self):
        request = report(7, **{"a": 1e-05, "val/loss": "nan", "b=c": "-inf", "d": "inf"})
        with Agent([(request, said())]) as agent:
            self.assertEqual(muster("report", "--step=7", "a=1e-5", "val/loss=nan", "b=c=-inf", "d=Infinity", agent=agent), (0, "", ""))

    def test_report_at_a_milestone_waits_through_empty_lines(self):
        with Agent([(report(3, loss=1.0), b"\n\n" + json.dumps(said(4)).encode() + b"\n")]) as agent:
            self.assertEqual(muster("report", "--step", "3", "loss=1", agent=agent), (12, "", ""))

    def test_report_refused_says_why(self):
        with Agent([(report(3, loss=1.0), {"ok": 0, "error": "bad_step", "text": "step 3 is not above 3"})]) as agent:
            self.assertEqual(muster("report", "--step", "3", "loss=1", agent=agent), (1, "", "muster: bad_step: step 3 is not above 3\n"))

    def test_report_to_an_agent_that_goes_away_stops_no_training(self):
        with Agent([(report(3, loss=1.0), None)]) as agent:
            self.assertEqual(muster("report", "--step", "3", "loss=1", agent=agent), (0, "", "muster: muster closed the socket; training goes on\n"))
        code, out, err = muster("report", "--step", "3", "loss=1", MUSTER_SOCKET="/nowhere/s")
        self.assertEqual((code, out), (0, ""))
        self.assertIn("training goes on", err)

    def test_report_by_itself_is_a_line(self):
        self.assertEqual(muster("report", "--step", "3", "loss=0.5", "acc=1"), (0, "", "step=3 loss=0.5 acc=1\n"))

    def test_report_of_nonsense_is_usage(self):
        for words, part in ((["loss=0.1"], "--step N"), (["--step", "x", "loss=1"], "whole number"), (["--step", "-1", "loss=1"], "whole number"),
                            (["--step", "1", "loss"], "NAME=NUMBER"), (["--step", "1", "loss="], "NAME=NUMBER"),
                            (["--step", "1", "=1"], "NAME=NUMBER"), (["--step", "1", "loss=1x"], "NAME=NUMBER"), (["--step", "1"], "")):
            code, _, err = muster("report", *words)
            self.assertEqual(code, 2, words)
            self.assertIn(part, err)


class Snapshot(unittest.TestCase):
    def test_save_prints_the_folder_and_commit_tells_what_remains(self):
        with Agent([({"save": {"step": 3}}, {"ok": 1, "dir": "/x/save it"})],
                   [({"commit": {"step": 3}}, {"ok": 1, "id": "1.1@3.1"}), (ASK, {**HELLO, "act": 2})]) as agent:
            self.assertEqual(muster("save", "--step", "3", agent=agent), (0, "/x/save it\n", ""))
            self.assertEqual(muster("commit", "--step", "3", "--acts", agent=agent), (11, "pause\n", ""))

    def test_save_due_asks_first(self):
        can = {"hello": 1, "can": ["checkpoint"]}
        begin = ({"save": {"step": 9}}, {"ok": 1, "dir": "/x"})
        for step, words, env, talk, wanted in (
                (8, [], {}, [(can, HELLO)], (1, "", "")),
                (9, [], {}, [(can, HELLO), begin], (0, "/x\n", "")),
                (9, [], {}, [(can, {**HELLO, "save": None})], (1, "", "")),
                (9, ["--last"], {"MUSTER_CHECKPOINTS": "rung"}, [(can, {**HELLO, "save": None})], (1, "", "")),
                (9, ["--last"], {"MUSTER_CHECKPOINTS": "rung,end"}, [(can, {**HELLO, "save": None}), begin], (0, "/x\n", ""))):
            with Agent(talk) as agent:
                self.assertEqual(muster("save", "--step", str(step), "--due", *words, agent=agent, **env), wanted)

    def test_save_and_commit_refused_say_why(self):
        with Agent([({"save": {"step": 3}}, {"ok": 0, "error": "no_space", "text": "the disk is full"})],
                   [({"commit": {"step": 3}}, {"ok": 0, "error": "not_now", "text": "no save of this step began"})]) as agent:
            self.assertEqual(muster("save", "--step", "3", agent=agent), (1, "", "muster: no_space: the disk is full\n"))
            self.assertEqual(muster("commit", "--step", "3", agent=agent), (1, "", "muster: not_now: no save of this step began\n"))

    def test_save_and_commit_without_muster(self):
        self.assertEqual(muster("save", "--step", "3", "--due"), (1, "", ""))
        for verb in (["save", "--step", "3"], ["commit", "--step", "3"], ["exploit"]):
            code, out, err = muster(*verb)
            self.assertEqual((code, out), (4, ""), verb)
            self.assertIn("there is no MUSTER_SOCKET here", err)


class Environment(unittest.TestCase):
    SHOW = 'printf "%s|" "$MUSTER_P_lr" "$MUSTER_P_width" "$MUSTER_P_layers" "$MUSTER_P_name" "$MUSTER_P_aug_mix" "$MUSTER_P_on" "$MUSTER_RESTORE" "$MUSTER_STEP" "$MUSTER_SAVE_AT"'

    def test_env_is_what_a_shell_can_eval(self):
        with Agent([({"hello": 1, "can": ["checkpoint", "pause"]}, HELLO)]) as agent:
            code, out, err = sh('eval "$(muster trial env)"; ' + self.SHOW + '; echo "$MUSTER_PARAMS"', agent)
        self.assertEqual((code, err), (0, ""))
        *values, params = out.split("|")
        self.assertEqual(values, ["0.01", "32.0", "2", "it's $HOME", "0.5", "true", "/snap it", "4", "9"])
        self.assertEqual(json.loads(params), HELLO["params"])

    def test_env_says_what_the_script_can(self):
        with Agent([({"hello": 1, "can": ["checkpoint", "exploit"]}, HELLO)]) as agent:
            self.assertEqual(muster("trial", "env", "--can", "checkpoint,exploit", agent=agent)[0], 0)
        code, _, err = muster("trial", "env", "--can", "checkpoint,fly")
        self.assertEqual(code, 2)
        self.assertIn("not 'fly'", err)

    def test_env_by_itself_starts_from_nothing(self):
        self.assertEqual(sh('eval "$(muster trial env)"; ' + self.SHOW, MUSTER_P_lr="0.3"), (0, "0.3||||||" + "|0||", ""))

    def test_exploit_brings_another_environment_and_takes_the_old_one_away(self):
        answer = {"ok": 1, "params": {"lr": 0.5}, "restore": "/donor", "step": 24, "milestone": 28, "save": None}
        with Agent([({"exploit": 1}, answer)]) as agent:
            code, out, err = sh('eval "$(muster exploit)"; ' + self.SHOW + '; echo "$MUSTER_PARAMS ${MUSTER_PARAMS_FILE-gone} ${MUSTER_P_name-gone}"',
                                agent, MUSTER_P_lr="0.1", MUSTER_P_name="old", MUSTER_PARAMS_FILE="/old", MUSTER_RESTORE="/mine")
        self.assertEqual((code, out, err), (0, '0.5||||||/donor|24||{"lr":0.5} gone gone\n', ""))

    def test_exploit_refused_changes_nothing(self):
        with Agent([({"exploit": 1}, {"ok": 0, "error": "not_now", "text": "no exploit was ordered"})]) as agent:
            self.assertEqual(muster("exploit", agent=agent), (1, "", "muster: not_now: no exploit was ordered\n"))


if __name__ == "__main__":
    main(sys.modules["__main__"])
