#!/usr/bin/env python3
"""The example trainers obey: checkpoint, pause and resume, stop, exploit in place and by restart, also by themselves.

A trainer's curve is a function of its parameters, its seed and its snapshot. So what went on from a snapshot has, to the last
bit, the curve of the one that was never broken; and what exploited has the donor's curve if it took the donor's weights, optimizer
state and hyperparameters, all of them.

In a sanitized build those run that it made: Python and the shell are the same in each.

Prints `ok NAME`, `FAIL NAME` or `SKIP NAME: why` for each test."""
import json
import os
import subprocess
import sys
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from node import BUILD, CHECKPOINT, EXPLOIT, PAUSE, SOURCE, STOP, Node  # noqa: E402

DIGITS = os.path.join(SOURCE, "examples/digits")
DATA = os.path.join(DIGITS, "digits.txt")
PYTHON = "/usr/bin/python3"
SMALL = {"epochs": 4, "lr": 0.05, "momentum": 0.5, "wd": 1e-4, "layers": 1, "width": 16, "batch": 32}
TOY = {"steps": 4, "h0": 1.0, "h1": 0.25, "lr": 0.05}
LICENSES = "/usr/share/common-licenses"
CHARS = {"steps": 4, "updates": 2, "lr": 0.01, "layers": 1, "width": 16, "heads": 2, "length": 16, "batch": 4}
# command, parameters of a donor, parameters of another trial, needs
TRAINERS = {
    "digits_in_c": ([os.path.join(BUILD, "examples/digits/digits"), DATA], SMALL, {**SMALL, "lr": 0.002, "momentum": 0.9}, None),
    "digits_in_c_adamw": ([os.path.join(BUILD, "examples/digits/digits"), DATA], {**SMALL, "optimizer": "adamw", "lr": 0.01},
                          {**SMALL, "optimizer": "adamw", "lr": 0.0001, "width": 32}, None),
    "digits_in_python": ([PYTHON, os.path.join(DIGITS, "digits.py"), DATA], SMALL, {**SMALL, "lr": 0.002, "momentum": 0.9}, "numpy"),
    "ring_in_c": ([os.path.join(BUILD, "examples/ring/ring"), DATA], SMALL, {**SMALL, "lr": 0.002, "momentum": 0.9}, None),
    "toy_in_c": ([os.path.join(BUILD, "examples/toy/toy")], TOY, {**TOY, "h0": 0.0, "h1": 0.5}, None),
    "toy_in_python": ([PYTHON, os.path.join(SOURCE, "examples/toy/toy.py")], TOY, {**TOY, "h0": 0.0, "h1": 0.5}, None),
    "chars_in_c": ([os.path.join(BUILD, "examples/chars/chars"), LICENSES], CHARS, {**CHARS, "lr": 0.0003, "layers": 2}, None),
    "digits_in_shell": (["/bin/sh", os.path.join(DIGITS, "digits.sh"), DATA], {"epochs": 4, "lr": 0.05, "decay": 0.5},
                        {"epochs": 4, "lr": 0.001, "decay": 0.0}, None),
}
FAILED = []


class Skip(Exception):
    pass


def equal(got, wanted):
    assert got == wanted, f"\n  got    {got}\n  wanted {wanted}"


def word(node, wanted):
    """The shell has no good-bye: its exit code says it."""
    equal(node.byes, [] if "digits.sh" in " ".join(node.command) else [wanted])


def paused(command):
    """What it exits with when it is paused: the shell has no other good-bye."""
    return 75 if "digits.sh" in " ".join(command) else 0


def donor_of(command, params):
    """Unbroken, with a snapshot of step 2."""
    node = Node(command, params, save=[2])
    node.run()
    equal([step for step, _ in node.rows], [1, 2, 3, 4])
    equal(list(node.snapshots), [2])
    word(node, "done")
    return node


def obey_checkpoint(command, donor, other):
    with Node(command, donor, plan={1: CHECKPOINT, 3: CHECKPOINT}) as node, donor_of(command, donor) as unbroken:
        node.run()
        equal(sorted(node.snapshots), [1, 3])
        equal(node.rows, unbroken.rows)
        node.rows = []
        node.run(restore=node.snapshots[3], step=3)
        equal(node.rows, unbroken.rows[3:])


def obey_end(command, donor, other):
    with Node(command, donor, checkpoints="rung,end") as node:
        node.run()
        equal(list(node.snapshots), [4])


def obey_pause_and_resume(command, donor, other):
    for save, plan in (([2], {2: PAUSE}), ([], {2: PAUSE | CHECKPOINT})):
        with Node(command, donor, plan=plan, save=save) as node, donor_of(command, donor) as unbroken:
            node.run(code=paused(command))
            equal([step for step, _ in node.rows], [1, 2])
            equal(list(node.snapshots), [2])
            word(node, "paused")
            node.byes = []
            node.run(restore=node.snapshots[2], step=2)
            equal(node.rows, unbroken.rows)
            word(node, "done")


def obey_stop(command, donor, other):
    for plan, kept in (({2: STOP}, []), ({2: STOP | CHECKPOINT}, [2])):
        with Node(command, donor, plan=plan) as node:
            node.run()
            equal([step for step, _ in node.rows], [1, 2])
            equal(list(node.snapshots), kept)
            word(node, "done")


def obey_exploit_in_place(command, donor, other):
    with donor_of(command, donor) as good, Node(command, other, plan={3: EXPLOIT}) as node:
        node.donor = (donor, good.snapshots[2], 2)
        node.run()
        equal(node.can, ["checkpoint", "exploit", "pause"])
        assert node.rows[:2] != good.rows[:2], "the other parameters make no difference: this test proves nothing"
        equal([step for step, _ in node.rows], [1, 2, 3, 2, 3, 4])
        equal(node.rows[4:], good.rows[2:])  # the donor's weights, state and parameters, from its step on
        word(node, "done")


def obey_exploit_with_parameters_of_its_own(command, donor, other):
    """Explored: the donor's weights, and not the donor's learning rate."""
    explored = {**donor, "lr": donor["lr"] / 50}
    with donor_of(command, donor) as good, Node(command, other, plan={1: EXPLOIT}) as node, Node(command, explored) as fresh:
        node.donor = (explored, good.snapshots[2], 2)
        node.run()
        fresh.run(restore=good.snapshots[2], step=2)
        equal(node.rows[2:], fresh.rows)
        assert node.rows[2:] != good.rows[2:], "the new learning rate was not taken"


def obey_checkpoint_before_exploit(command, donor, other):
    """The snapshot is of the weights that were reported, not of the donor's."""
    with donor_of(command, donor) as good, Node(command, other, plan={1: EXPLOIT | CHECKPOINT}) as node, Node(command, other) as alone:
        node.donor = (donor, good.snapshots[2], 2)
        node.run()
        equal(list(node.snapshots), [1])
        rows = len(node.rows)
        node.params = dict(other)
        node.run(restore=node.snapshots[1], step=1)
        alone.run()
        equal(node.rows[rows:], alone.rows[1:])


def obey_exploit_and_pause(command, donor, other):
    with donor_of(command, donor) as good, Node(command, other, plan={1: EXPLOIT | PAUSE}) as node:
        node.donor = (donor, good.snapshots[2], 2)
        node.run(code=paused(command))
        equal(([step for step, _ in node.rows], node.exploits), ([1, 2], 1))
        word(node, "paused")


def obey_exploit_refused(command, donor, other):
    with donor_of(command, donor) as good, Node(command, donor, plan={2: EXPLOIT}) as node:
        node.run()
        equal(node.rows, good.rows)


def obey_exploit_by_restart(command, donor, other):
    with donor_of(command, donor) as good, Node([*command, "--no-exploit"], other, plan={1: STOP}) as node:
        node.run()
        equal(node.can, ["checkpoint", "pause"])
        node.rows, node.params = [], dict(donor)
        node.run(restore=good.snapshots[2], step=2)
        equal(node.rows, good.rows[2:])


def obey_by_itself(command, donor, other):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    values = {"MUSTER_P_" + name: value if isinstance(value, str) else json.dumps(value) for name, value in donor.items()}
    library = {"LD_LIBRARY_PATH": os.path.join(BUILD, "client"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env={**kept, **values, **library}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    equal(done.returncode, 0)
    equal([line.split()[1] for line in done.stdout.splitlines() if line.startswith(("epoch ", "step "))], ["1", "2", "3", "4"])
    assert "step=4 " in done.stderr or "--step 4 " in done.stderr, done.stderr


def is_sanitized():
    with open(os.path.join(BUILD, "CMakeCache.txt"), encoding="utf-8") as cache:
        return any(line.startswith("MUSTER_SANITIZE:") and not line.endswith("=\n") for line in cache)


def main():
    sanitized = is_sanitized()
    for trainer, (command, donor, other, needs) in TRAINERS.items():
        if sanitized and not command[0].startswith(BUILD):
            print(f"SKIP test_{trainer}: nothing of it is sanitized; the release build runs it", flush=True)
            continue
        for name, body in list(globals().items()):
            if not name.startswith("obey_"):
                continue
            test = f"test_{trainer}_{name.removeprefix('obey_')}"
            if sys.argv[1:] and not any(part in test for part in sys.argv[1:]):
                continue
            if needs is not None and subprocess.run([PYTHON, "-c", f"import {needs}"], capture_output=True).returncode != 0:
                print(f"SKIP {test}: Debian's python3-{needs} is not installed", flush=True)
                continue
            if LICENSES in command and not os.path.isdir(LICENSES):
                print(f"SKIP {test}: there is no {LICENSES} here", flush=True)
                continue
            try:
                body(command, donor, other)
                print("ok", test, flush=True)
            except Exception:
                traceback.print_exc()
                print("FAIL", test, flush=True)
                FAILED.append(test)
    sys.exit(1 if FAILED else 0)


if __name__ == "__main__":
    main()
