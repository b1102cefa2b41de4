"""Ray Tune and Optuna, from PyPI in an environment of their own: what they take for the same."""
import os
import subprocess

from place import peers_python, result

RAY = """
import os, sys, time, tempfile
os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_DEDUP_LOGS="0", TUNE_DISABLE_AUTO_CALLBACK_LOGGERS=os.environ.get("NOLOG", "0"), PYTHONWARNINGS="ignore")
started = time.time()
import ray
from ray import tune
def first(config):
    tune.report({"t": time.time()})
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
folder = tempfile.mkdtemp()
def fit(k):
    return tune.Tuner(tune.with_resources(first, {"cpu": 1}), param_space={"x": tune.uniform(0, 1)}, tune_config=tune.TuneConfig(num_samples=k, reuse_actors=bool(os.environ.get("REUSE"))), run_config=tune.RunConfig(storage_path=folder, verbose=0)).fit()
res = fit(1)
print("first", res[0].metrics["t"] - started)
n = int(sys.argv[1]); t = time.time(); fit(n); print("lost", (time.time() - t) * 2 / n * 1e3)
"""
OPTUNA = """
import time, optuna; optuna.logging.set_verbosity(optuna.logging.ERROR)
s = optuna.create_study(sampler=optuna.samplers.RandomSampler(1)); t = time.time(); n = 2000
for _ in range(n):
    a = s.ask(); a.suggest_float("x", 0, 1); s.tell(a, 0.5)
print("asktell", n / (time.time() - t))
"""


def bench_peers():
    """Ray Tune and Optuna, installed into an environment of their own."""
    python = peers_python("ray[tune]", "optuna")
    for name, trials, variables in (("defaults", 100, {}), ("reuse_actors, loggers off", 400, {"REUSE": "1", "NOLOG": "1"})):
        text = subprocess.run([python, "-c", RAY, str(trials)], env={**os.environ, **variables}, capture_output=True, text=True).stdout
        found = dict(line.split() for line in text.splitlines() if line.split()[:1] and line.split()[0] in ("first", "lost"))
        result("peers", f"Ray Tune, {name}: import to first report", round(float(found["first"]), 2), "s")
        result("peers", f"Ray Tune, {name}: slot time a one-report trial", round(float(found["lost"]), 1), "ms")
    text = subprocess.run([python, "-c", OPTUNA], capture_output=True, text=True, check=True).stdout
    result("peers", "Optuna in memory: ask + tell", round(float(text.split()[1])), "1/s", "not durable; no processes")


def run(options):
    if options.get("peers"):
        bench_peers()
