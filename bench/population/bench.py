"""PBT with 64 members on 2 slots, steps of 20 ms: how much of the slots' time the trainers' own steps, saves and loads are; with `--peers` Ray Tune's PBT beside it."""
import os
import statistics
import subprocess

from members import Population, ms, rounds_of
from place import BUILD, ROOT, peers_python, result

SLOTS, STEP_MS = 2, 20
OWN = ("step", "save", "load", "init")
PBT = ", quantile: 0.25, resample: 0.25, factors: [0.8, 1.2], mutate: [x]"


def shares(members):
    """Of the slots' time from the first start to the last end: {what: share}, and the seconds. `tail`: one member is left, and nobody for the other slot."""
    whole = SLOTS * (max(events[-1].end for events in members) - min(events[0].begin for events in members))
    spent = {what: sum(event.end - event.begin for events in members for event in events if event.what == what)
             for what in (*OWN, "write", "open", "report", "close")}
    ends = sorted(events[-1].end for events in members)
    spent["tail"] = ends[-1] - ends[-2]
    return {what: us / whole for what, us in spent.items()}, whole / SLOTS / 1e6


def bench_members(name, step, population, interval, steps):
    place = Population(SLOTS)
    place.run(step, population, interval, steps, pbt=PBT)
    members = place.members()
    part, seconds = shares(members)
    events = [event for events in members for event in events]
    n_steps, n_loads = (sum(event.what == what for event in events) for what in ("step", "load"))
    own = sum(part[what] for what in OWN)
    part["between"] = 1 - own - sum(part[what] for what in ("open", "report", "close", "tail"))
    title = f"{population} members, {name}, interval {interval}"
    result("population", f"{title}: share of the slots' time in own steps, saves, loads", round(own, 4), "", f"limit 0.95; steps alone {part['step']:.4f}")
    result("population", f"{title}: step, p50", round(statistics.median(ms(event.end - event.begin) for event in events if event.what == "step"), 2), "ms", f"{n_steps} steps of {STEP_MS} ms")
    result("population", f"{title}: the rest", ", ".join(f"{what} {part[what]:.4f}" for what in ("open", "report", "close", "between", "tail")), "",
           f"{seconds:.1f} s, {len(members)} starts, {n_loads} loads; saves {part['save']:.4f}, of it muster's commit {part['save'] - part['write']:.4f}")
    place.close()


# ---- beside Ray Tune ----

RAY = """
import json, os, sys, tempfile, time
os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_DEDUP_LOGS="0", TUNE_DISABLE_AUTO_CALLBACK_LOGGERS=os.environ.get("NOLOG", "0"), PYTHONWARNINGS="ignore")
import ray
from ray import tune
from ray.tune.schedulers import PopulationBasedTraining

population, interval, steps, step_ms = (int(word) for word in sys.argv[1:5])

class Toy(tune.Trainable):
    def setup(self, config):
        self.x, self.h = [0.9, 0.9], (config["h0"], config["h1"])

    def reset_config(self, config):
        self.setup(config)
        return True

    def step(self):
        time.sleep(step_ms / 1000)
        self.x = [x - 2 * 0.01 * h * x for x, h in zip(self.x, self.h)]
        return {"q": 1.2 - self.x[0] ** 2 - self.x[1] ** 2}

    def save_checkpoint(self, folder):
        with open(os.path.join(folder, "toy.json"), "w") as file:
            json.dump(self.x, file)

    def load_checkpoint(self, folder):
        with open(os.path.join(folder, "toy.json")) as file:
            self.x = json.load(file)

ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
space = {"h0": tune.uniform(0, 1), "h1": tune.uniform(0, 1)}
pbt = PopulationBasedTraining(time_attr="training_iteration", metric="q", mode="max", perturbation_interval=interval, quantile_fraction=0.25, resample_probability=0.25,
                              hyperparam_mutations=space)
tuner = tune.Tuner(tune.with_resources(Toy, {"cpu": 1}), param_space=space, tune_config=tune.TuneConfig(num_samples=population, scheduler=pbt, reuse_actors=bool(os.environ.get("REUSE"))),
                   run_config=tune.RunConfig(storage_path=tempfile.mkdtemp(), verbose=0, stop={"training_iteration": steps}))
started = time.time()
results = tuner.fit()
print("wall", time.time() - started, "ended", sum(r.error is None and r.metrics["training_iteration"] >= steps for r in results), "best", max(r.metrics["q"] for r in results))
"""


def toy_wall(command, population, interval, steps):
    """Of examples/toy, from the submission to the end of the sweep."""
    place = Population(SLOTS)
    path = place.sweep(f"h0: {{min: 0.0, max: 1.0}}, h1: {{min: 0.0, max: 1.0}}, lr: 0.01, steps: {steps}, step_ms: {STEP_MS}", population,
                       f"schedule: {{type: pbt, max: {steps}}}\npbt: {{population: {population}, interval: {interval}, mutate: [h0, h1]}}\nresources: {{cpus: 1}}\n",
                       command, metric="{name: q, goal: maximize}")
    place.sweep_run(path)
    wall = place.wall
    place.close()
    return wall


RAY_BEST = {"actors reused, loggers off": {"REUSE": "1", "NOLOG": "1"}}
RAY_DEFAULTS = {"defaults": {}}  # a process is started for each turn


def bench_peers(population, interval, steps, kinds):
    python = peers_python("ray[tune]")
    ours = {"toy.py": toy_wall(["/usr/bin/python3", os.path.join(ROOT, "examples/toy/toy.py")], population, interval, steps),
            "toy.c": toy_wall([os.path.join(BUILD, "examples/toy/toy")], population, interval, steps)}
    ideal = population * steps * STEP_MS / 1e3 / SLOTS
    for name, wall in ours.items():
        result("population", f"{population} members, interval {interval}, {steps} steps, examples/toy/{name}: wall", round(wall, 1), "s", f"steps alone {ideal:.1f} s")
    for name, variables in kinds.items():
        done = subprocess.run([python, "-c", RAY, *map(str, (population, interval, steps, STEP_MS))], env={**os.environ, **variables}, capture_output=True, text=True, check=False)
        line = next((line.split() for line in done.stdout.splitlines() if line.startswith("wall")), None)
        if line is None:
            raise AssertionError("Ray Tune: " + done.stderr[-2000:])
        wall, ended = float(line[1]), int(line[3])
        result("population", f"Ray Tune's PBT, the same toy, {name}: wall", round(wall, 1), "s",
               f"{ended} of {population} to the end; toy.py of muster's is {ours['toy.py'] / wall:.3f} of it, toy.c {ours['toy.c'] / wall:.3f}")


def run(options):
    """members=64 steps=50 interval=10, of the peers steps=20; only=asleep, busy or peers; defaults=1: Ray Tune as it comes."""
    population, interval, steps = (int(options.get(name, value)) for name, value in (("members", 64), ("interval", 10), ("steps", 50)))
    kinds = {"asleep": lambda: bench_members("asleep", f"step_ms: {STEP_MS}", population, interval, steps),
             "busy": lambda: bench_members("busy", f"rounds: {rounds_of(STEP_MS)}", population, interval, steps),
             "peers": lambda: bench_peers(population, interval, int(options.get("steps", 20)), RAY_DEFAULTS if "defaults" in options else RAY_BEST)}
    for kind, bench in kinds.items():
        if options.get("only", kind) == kind and (kind != "peers" or options.get("peers")):
            bench()
