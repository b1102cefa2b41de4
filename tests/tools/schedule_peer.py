"""Compares our median stopping and population-based training with Ray Tune's, report by report.

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install "ray[tune]"
    /tmp/peer/bin/python tests/tools/schedule_peer.py [histories]

Not part of `make test`: Ray comes from PyPI. Median stopping: Ray's MedianStoppingRule has the same rule where every step is
reported and no value is NaN or infinite (Ray leaves such averages out, with us they are worst), and grace_period is 1 (Ray's averages leave
out what was reported below it). PBT: who is in which quantile is Ray's _quantiles() where no value repeats and no trial has ended; the donor that we drew has to be in
Ray's upper one, and its parameter has to become what Ray's _explore() makes of it with the factor that we drew. Ray never clips, so parameters
stay far from their bounds here. Exit 0: all equal; 1: the first difference is printed; 77: Ray is not installed."""
import pathlib
import random
import subprocess
import sys
import tempfile
import types

try:
    import ray
    from ray.tune.schedulers import pbt as ray_pbt
    from ray.tune.schedulers import MedianStoppingRule, PopulationBasedTraining, TrialScheduler
except ImportError:
    print("skipped: ray[tune] is not installed")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[2]


def build(folder):
    program = pathlib.Path(folder) / "schedule_trace"
    sources = [ROOT / "tests/tools/schedule_trace.c"]
    sources += sorted((ROOT / "tune").glob("*.c")) + sorted((ROOT / "lib/base").glob("*.c"))
    subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-I", ROOT, "-I", ROOT / "lib",
                    "-o", program, *sources, "-lm"], check=True)
    return program


class Ours:
    def __init__(self, program, first):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write(first + "\n")

    def report(self, trial, step, value):
        self.process.stdin.write(f"{trial} {step} {value!r}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().split()

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def fail(what):
    print(what)
    sys.exit(1)


class Trial(types.SimpleNamespace):
    def __hash__(self):
        return self.number

    def __eq__(self, other):
        return self.number == other.number

    def is_finished(self):
        return False


def median_history(program, seed):
    dice = random.Random(seed)
    startup, maximize = dice.randint(1, 6), dice.random() < 0.5
    rule = MedianStoppingRule(time_attr="t", metric="m", mode="max" if maximize else "min",
                              grace_period=1, min_samples_required=startup)
    rule._on_insufficient_samples = lambda *_: TrialScheduler.CONTINUE
    ours = Ours(program, f"median {int(maximize)} 1 1 {startup}")
    step = {n: 0 for n in range(1, 41)}
    reports = 0
    while step:
        n = dice.choice(list(step))
        step[n] += 1
        value = n % 5 + 6 * dice.random()
        answer = ours.report(n, step[n], value)[0]
        peer = rule.on_trial_result(None, Trial(number=n, trial_id=str(n)), {"t": step[n], "m": value})
        reports += 1
        if (answer == "median") != (peer == TrialScheduler.STOP):
            fail(f"median {seed}: trial {n} step {step[n]}: ours {answer}, ray {peer}")
        if answer == "median" or step[n] == 15:
            del step[n]
    ours.end()
    return reports


def pbt_history(program, seed):
    dice = random.Random(seed)
    quantile, maximize = dice.choice([0.1, 0.25, 0.2, 0.5]), dice.random() < 0.5
    population = dice.randint(2, 30)
    peer = PopulationBasedTraining(time_attr="t", metric="m", mode="max" if maximize else "min",
                                   perturbation_interval=4, quantile_fraction=quantile,
                                   hyperparam_mutations={"lr": lambda: 1.0})
    trials = {n: Trial(number=n) for n in range(1, population + 1)}
    for trial in trials.values():
        peer._trial_state[trial] = ray_pbt._PBTTrialState(Trial(number=0, experiment_tag="", evaluated_params={}))
    ours = Ours(program, f"pbt {int(maximize)} 4 {quantile}")
    until = dict.fromkeys(trials, 4)
    exploits = 0
    for _ in range(population * 12):
        n = dice.choice(list(trials))
        value = dice.random()
        answer = ours.report(n, until[n], value)
        peer._trial_state[trials[n]].last_score = value if maximize else -value
        lower, upper = peer._quantiles()
        is_low = trials[n] in lower
        until[n] = int(answer[1])
        if (answer[0] == "exploit") != is_low:
            fail(f"pbt {seed}: trial {n}: ours {answer}, ray lower {[t.number for t in lower]}")
        if answer[0] != "exploit":
            continue
        exploits += 1
        donor, before, after = int(answer[2]), float(answer[3]), float(answer[4])
        if trials[donor] not in upper:
            fail(f"pbt {seed}: donor {donor} is not in ray's {[t.number for t in upper]}")
        factor = 1.2 if after > before else 0.8
        explored, _ = ray_pbt._explore({"lr": before}, {"lr": lambda: 1.0}, 0.0, (factor,), None)
        if explored["lr"] != after:
            fail(f"pbt {seed}: {before!r} became {after!r}, ray's is {explored['lr']!r}")
    ours.end()
    return exploits


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    with tempfile.TemporaryDirectory() as folder:
        program = build(folder)
        reports = sum(median_history(program, seed) for seed in range(count))
        exploits = sum(pbt_history(program, seed) for seed in range(count))
    print(f"{count} histories each: {reports} reports to median stopping and {exploits} exploits as ray {ray.__version__}")


main()
