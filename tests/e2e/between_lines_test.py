#!/usr/bin/env python3
"""The digits trainer in C, Python and shell, and a kill -9 of head, agent or trainer between any two lines that trainer and agent exchange:
after a line of the trainer's was read and before anything was done about it, and after all was done and before the answer is written. A
failpoint stops the agent there, somebody is killed, and the agent goes on (or its next start does). Needs a build with failpoints."""
import json
import os
import signal
import subprocess

from cluster import DIGITS, MUSTER, PYTHON, SLOW, SOURCE, Cluster, Skip, run, wait_for
from trainers_test import DATA, attempt_words, need, rows

LANGUAGES = {
    "c": [DIGITS, DATA],
    "python": [PYTHON, os.path.join(SOURCE, "examples/digits/digits.py"), DATA],
    "shell": ["/bin/sh", os.path.join(SOURCE, "examples/digits/digits.sh"), DATA],
}
LINES = ("trial.hello", "trial.report", "trial.save", "trial.commit", "trial.exploit", "trial.bye")
ANSWER, END = "trial.answer", "attempt.end"
LAST = {"c": "trial.bye", "python": "trial.bye", "shell": END}  # the shell leaves with its exit code
VICTIMS = ("head", "worker", "trainer")
EPOCHS = 4
SWEEP = """
name: NAME
command: COMMAND
metric: {name: val_loss, goal: minimize}
parameters: {epochs: EPOCHS, width: 16, layers: 1, batch: 64, lr: {min: 0.001, max: 0.02, log: true}}
search: {method: random, seed: 11}
schedule: SCHEDULE
stop: {trials: TRIALS}
retries: {max: 3, crash_limit: 3, backoff: 10ms}
checkpoints: {on: [rung, end]}
"""
ALONE = f"{{type: asha, min: 1, max: {EPOCHS}, eta: 2}}"  # one trial goes on at each rung; it saves at 1, 2 and 4
PAIR_EPOCHS = {"c": 60, "python": 60, "shell": 12}  # long enough for two to run at the same time
PAIR = "{type: pbt, max: EPOCHS}\npbt: {population: 2, interval: 2, quantile: 0.5, mutate: [lr]}"


def sweep_of(language, schedule=ALONE, trials=1, epochs=EPOCHS, more=()):
    command = [*LANGUAGES[language], *more]
    return (SWEEP.replace("NAME", language).replace("COMMAND", json.dumps(command)).replace("SCHEDULE", schedule)
            .replace("EPOCHS", str(epochs)).replace("TRIALS", str(trials)))


def points_are_built():
    return json.loads(subprocess.run([MUSTER, "debug", "failpoints", "-o", "json"], capture_output=True, text=True, check=True).stdout)["built"]


class Stopped(Cluster):
    """A cluster whose agent stops at a point once the point is armed: a rule acts where its mark is not there."""

    def __init__(self, cpus):
        if not points_are_built():
            raise Skip("this build has no failpoints; the dev, asan and chaos presets have")
        super().__init__()
        self.marks = os.path.join(self.root, "marks")
        os.makedirs(self.marks)
        for point in (*LINES, ANSWER, END):
            self.mark_make(point)
        self.up("--cpus", str(cpus))

    def __enter__(self):
        return self

    def __exit__(self, kind, _error, _trace):
        if kind is not None:
            print(self.logs())
        pid = self.pid("worker")
        if pid is not None:
            os.kill(pid, signal.SIGCONT)
        self.close()

    def environment(self, **more):
        rules = ",".join(f"worker/{point}=stop" for point in (*LINES, ANSWER, END))
        return super().environment(MUSTER_FAILPOINTS=rules, MUSTER_FAILPOINTS_MARKS=self.marks, **more)

    def mark_path(self, point):
        return os.path.join(self.marks, point)

    def mark_make(self, point):
        with open(self.mark_path(point), "w"):
            pass

    def arm(self, point):
        os.unlink(self.mark_path(point))

    def stopped_pid(self, point):
        """The agent that stopped there; None before that."""
        try:
            with open(self.mark_path(point)) as file:
                text = file.read()
            pid = int(text.split()[1]) if text.endswith("\n") else None
            with open(f"/proc/{pid}/stat") as file:
                return pid if file.read().rsplit(")", 1)[1].split()[0] == "T" else None
        except (OSError, IndexError):
            return None

    def stop_at(self, line, position):
        """Waits until the agent stands there. `position`: read, or answer, which is what comes next of one that says one line at a time."""
        pid = wait_for(f"the line {line}", lambda: self.stopped_pid(line), 60)
        if position == "answer":
            self.arm(ANSWER)
            os.kill(pid, signal.SIGCONT)
            pid = wait_for(f"the answer to {line}", lambda: self.stopped_pid(ANSWER), 60)
        return pid

    def victim_kill(self, victim, agent):
        """kill -9 of one of them, and the agent goes on."""
        if victim == "head":
            self.kill("head")
        elif victim == "worker":
            os.kill(agent, signal.SIGKILL)
        else:
            for pid in self.attempts():
                os.kill(pid, signal.SIGKILL)
        if victim != "worker":
            os.kill(agent, signal.SIGCONT)

    def get(self, path):
        """Its answer, once there is a head that gives one."""
        def asked():
            try:
                status, text = self.http("GET", path)
                return json.loads(text) if status == 200 else None
            except (OSError, ValueError, KeyError):
                return None
        return wait_for(f"GET {path}", asked, 60)

    def wait_state(self, number, *states):
        wait_for(f"sweep {number} to be {states}", lambda: self.get(f"/api/v1/sweeps/{number}")["state"] in states, 90)


def curve_of(cluster, language, schedule=ALONE, epochs=EPOCHS):
    """What the trainer reports if nothing breaks: a function of its parameters and its seed."""
    number = cluster.sweep(sweep_of(language, schedule, epochs=epochs))
    cluster.run("sweep", "wait", str(number))
    curve = rows(cluster, f"{number}.1")[0]
    assert [step for step, _ in curve] == list(range(1, epochs + 1)), curve
    return curve


def goes_on(what, by_attempt, curve, attempts):
    """Each attempt goes on where its snapshot was made, and reports what an unbroken trial does there."""
    first = by_attempt.get(0, [])
    assert first == curve[: len(first)], (what, by_attempt, curve)
    done = len(first)
    for attempt in range(1, attempts):
        after = by_attempt.get(attempt, [])
        begun = len(curve) - len(after) if attempt == attempts - 1 else (after[0][0] - 1 if after else done)
        assert after == curve[begun : begun + len(after)], (what, by_attempt, curve)
        # A snapshot is older than its step's report, which a kill may take with it.
        assert begun <= done + 1, f"{what}: steps were lost: {by_attempt}"
        done = begun + len(after)
    assert done >= len(curve) - 1, (what, by_attempt)


def case(cluster, language, line, position, victim, curve):
    what = f"{language}: {victim} killed at {line} ({position})"
    cluster.arm(line)
    number = cluster.sweep(sweep_of(language, epochs=len(curve)))
    cluster.victim_kill(victim, cluster.stop_at(line, position))
    cluster.wait_state(number, "done", "failed")
    told = cluster.get(f"/api/v1/sweeps/{number}/trials")["items"][0]
    by_attempt = rows(cluster, f"{number}.1")
    assert told["outcome"] == "done", (what, told)
    goes_on(what, by_attempt, curve, told["attempts"])
    if victim == "head":  # that costs a trainer nothing
        assert told["attempts"] == 1 and by_attempt == {0: curve}, (what, told, by_attempt)
    else:
        assert told["attempts"] <= 2, (what, told)
    ends = attempt_words(cluster, f"{number}.1")
    assert len(ends) == told["attempts"], (what, ends)
    print(f"   {what}: {told['attempts']} attempts", flush=True)


def cases(language, positions):
    """`positions`: of each line, by turns, so that what is slow is not stopped at all of them. A cluster for each line: who is killed often
    in a short time is started again ever later."""
    need(language)
    turn, curve = 0, None
    for i, line in enumerate(("trial.hello", "trial.report", "trial.save", "trial.commit", LAST[language])):
        with Stopped(1) as cluster:
            curve = curve or curve_of(cluster, language)
            victims = VICTIMS[: 2 if line == END else 3]
            if language != "c" and not os.environ.get("MUSTER_TEST_LONG"):
                victims = (victims[i % len(victims)],)  # by turns; MUSTER_TEST_LONG=1: each at each line, as in C
            for victim in victims:
                for position in ("read",) if line == END else positions[turn % len(positions)]:
                    case(cluster, language, line, position, victim, curve)
                turn += 1


def test_kill_between_two_lines_of_the_trainer_in_c_loses_nothing(_cluster):
    cases("c", [("read", "answer")] if SLOW == 1.0 else [("read",), ("answer",)])


def test_kill_between_two_lines_of_the_trainer_in_python_loses_nothing(_cluster):
    cases("python", [("read",), ("answer",)])


def test_kill_between_two_lines_of_the_trainer_in_shell_loses_nothing(_cluster):
    cases("shell", [("answer",), ("read",)])


def pair_check(cluster, number, epochs, what):
    """Both are done, and every step follows the one before, a donor's snapshot or one of its own."""
    exploits = {}
    for change in cluster.get(f"/api/v1/sweeps/{number}/lineage")["items"]:
        if change["from"] is not None:
            exploits.setdefault(change["trial"], []).append(change["from_step"])
    assert exploits, f"{what}: nobody took over another one's weights"
    for trial in cluster.get(f"/api/v1/sweeps/{number}/trials")["items"]:
        assert (trial["outcome"], trial["step"]) == ("done", epochs), (what, trial)
        for attempt, curve in sorted(rows(cluster, trial["id"]).items()):
            steps = [step for step, _ in curve]
            for before, step in zip(steps, steps[1:]):
                assert step == before + 1 or step - 1 in exploits.get(trial["id"], []), (what, trial["id"], attempt, steps, exploits)


def pair_case(cluster, language, line, position, victim, more=()):
    what = f"{language}: {victim} killed at {line} ({position}) of an exploit{' by a new start' if more else ''}"
    cluster.arm(line)
    epochs = PAIR_EPOCHS[language]
    number = cluster.sweep(sweep_of(language, PAIR, 2, epochs, more))
    cluster.victim_kill(victim, cluster.stop_at(line, position))
    cluster.wait_state(number, "done", "failed")
    pair_check(cluster, number, epochs, what)
    print(f"   {what}: done", flush=True)


def pairs(language):
    need(language)
    with Stopped(2) as cluster:
        for i, victim in enumerate(VICTIMS):
            pair_case(cluster, language, "trial.exploit", ("read", "answer")[(i + len(language)) % 2], victim)
            if LAST[language] != END or victim != "trainer":
                pair_case(cluster, language, LAST[language], "read", victim, ["--no-exploit"])


def test_kill_at_an_exploit_of_the_trainer_in_c_ends_well(_cluster):
    pairs("c")


def test_kill_at_an_exploit_of_the_trainer_in_python_ends_well(_cluster):
    pairs("python")


def test_kill_at_an_exploit_of_the_trainer_in_shell_ends_well(_cluster):
    pairs("shell")


def pauses(language, epochs):
    """Paused by its owner; somebody dies while the trainer says good-bye. It is held all the same, and goes on where it was."""
    need(language)
    with Stopped(1) as cluster:
        curve = curve_of(cluster, language, "{type: none}", epochs)
        for victim in VICTIMS:
            what = f"{language}: {victim} killed at the good-bye of a pause"
            number = cluster.sweep(sweep_of(language, schedule="{type: none}", epochs=epochs))
            wait_for("a step", lambda: cluster.get(f"/api/v1/sweeps/{number}/trials")["items"][0]["step"])
            cluster.arm("trial.commit")
            status, answer = cluster.http("POST", f"/api/v1/trials/{number}.1/pause", b"{}")  # a command would take many steps to start
            assert status == 200, answer
            cluster.victim_kill(victim, cluster.stop_at("trial.commit", "answer"))
            wait_for("it to be held", lambda: cluster.get(f"/api/v1/trials/{number}.1")["state"] == "held", 60)
            cluster.run("trial", "resume", f"{number}.1")
            cluster.wait_state(number, "done", "failed")
            told = cluster.get(f"/api/v1/trials/{number}.1")
            assert told["outcome"] == "done", (what, told)
            goes_on(what, rows(cluster, f"{number}.1"), curve, told["attempts"])
            print(f"   {what}: {told['attempts']} attempts", flush=True)


def test_kill_at_a_pause_of_the_trainer_in_c_loses_no_step(_cluster):
    pauses("c", 240)


def test_kill_at_a_pause_of_the_trainer_in_python_loses_no_step(_cluster):
    pauses("python", 27)


def test_kill_at_a_pause_of_the_trainer_in_shell_loses_no_step(_cluster):
    pauses("shell", 12)


if __name__ == "__main__":
    run(globals())
