"""Compares the decisions of our stopping ASHA with Optuna's SuccessiveHalvingPruner, report by report.

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install optuna
    /tmp/peer/bin/python tests/tools/asha_peer.py [histories]

Not part of `make test`: Optuna comes from PyPI. The rule is the same where no value repeats, none is NaN and every step is
reported; elsewhere the two differ on purpose (tests/unit/tune/asha_test.c says how). Optuna has no top rung, so histories end
below ours. Exit 0: all decisions equal; 1: the first difference is printed; 77: Optuna is not installed."""
import pathlib
import random
import subprocess
import sys
import tempfile

try:
    import optuna
except ImportError:
    print("skipped: optuna is not installed")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRIALS = 60


def build(folder):
    program = pathlib.Path(folder) / "asha_trace"
    sources = [ROOT / "tests/tools/asha_trace.c"]
    sources += sorted((ROOT / "tune").glob("*.c")) + sorted((ROOT / "lib/base").glob("*.c"))
    subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-I", ROOT, "-I", ROOT / "lib",
                    "-o", program, *sources, "-lm"], check=True)
    return program


def history(program, seed):
    dice = random.Random(seed)
    low, eta, maximize = dice.randint(1, 4), dice.randint(2, 4), dice.random() < 0.5
    last = low * eta ** 3
    study = optuna.create_study(
        direction="maximize" if maximize else "minimize",
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=low, reduction_factor=eta))
    trials = {n: study.ask() for n in range(1, TRIALS + 1)}
    step = dict.fromkeys(trials, 0)
    ours = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def say(line):
        ours.stdin.write(line + "\n")
        ours.stdin.flush()

    say(f"{int(maximize)} {low} {last * eta} {eta}")
    decisions = 0
    while step:
        n = dice.choice(list(step))
        step[n] += 1
        value = dice.random()
        say(f"{n} {step[n]} {value!r}")
        answer = ours.stdout.readline().strip()
        trials[n].report(value, step[n])
        is_pruned = trials[n].should_prune()
        decisions += 1
        if is_pruned != (answer == "rung"):
            print(f"history {seed}: trial {n} step {step[n]} value {value!r}: "
                  f"ours {answer!r}, optuna {'prunes' if is_pruned else 'goes on'}")
            sys.exit(1)
        if is_pruned or step[n] == last:
            del step[n]
    ours.stdin.close()
    ours.wait()
    return decisions


def main():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as folder:
        program = build(folder)
        decisions = sum(history(program, seed) for seed in range(count))
    print(f"{count} histories, {decisions} reports: every decision as optuna {optuna.__version__}")


main()
