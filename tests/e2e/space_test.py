#!/usr/bin/env python3
"""Spaces with conditional parameters, groups, rows, constraints and baselines, from the file to the trainer and back, and over a kill of the head."""
import json
import os

from cluster import PYTHON, run, wait_for
from sweep_verbs_test import head_killed

SPACE = """
parameters:
  epochs: 3
  opt: {values: {sgd: {m: {values: [0.5, 0.9]}}, adam: {wd: {values: [0, 1, 2]}, eps: 1e-08}, none: }}
  augment: {parameters: {mixup: {values: [0.25]}, cut: {parameters: {size: 4}}}}
  stage: {rows: [{res: 160, crop: 128}, {res: 224, crop: 192}]}
"""
TRAINER = """import json, os, sys
with open(os.environ["MUSTER_PARAMS_FILE"]) as file:
    params = json.load(file)
assert params == json.loads(os.environ["MUSTER_PARAMS"]) == json.loads(os.environ["JSON"])
env = sorted(k[9:] for k in os.environ if k.startswith("MUSTER_P_"))
import muster
with muster.trial() as t:
    with open(os.path.join(os.environ["OUT"], f"{t.id}.json"), "w") as file:
        json.dump({"argv": sys.argv[1:], "params": params, "env": env}, file)
    t.report(loss=1.0)
"""


def sweep_text(cluster, search, more=""):
    cluster.file("train.py", TRAINER)
    return (f"command: ['{PYTHON}', train.py, \"${{args}}\"]\nworkdir: {{mode: shared}}\nmetric: {{name: loss}}\n"
            f"env: {{OUT: '{cluster.root}', JSON: \"${{args_json}}\"}}\nsearch: {{{search}}}\n{more}{SPACE}")


def flat(params, prefix=""):
    """Nested JSON as names with dots."""
    names = {}
    for name, value in params.items():
        names.update(flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value})
    return names


def seen(cluster, trial):
    with open(os.path.join(cluster.root, f"{trial}.json")) as file:
        return json.load(file)


def argument(name, value):
    return f"--{name}={value}"


def test_grid_gives_each_trial_what_is_active_in_it_and_ends(cluster):
    cluster.up("--cpus", "2")
    path = cluster.file("s.yaml", sweep_text(cluster, "method: grid", "constraints: [\"opt != 'sgd' or m < 0.9 or res < 200\"]\n"))
    cluster.run("sweep", "run", path)
    sweep = cluster.sweep_of(1)
    trials = cluster.trials(1)
    assert sweep["state"] == "done" and sweep["search"] == "grid" and sweep["trials"] == len(trials) == 2 * 2 - 1 + 3 * 2 + 2, sweep
    configs = set()
    for trial in trials:
        told, params = seen(cluster, trial["id"]), trial["params"]
        assert flat(told["params"]) == params, (told, params)
        assert told["params"]["augment"] == {"mixup": 0.25, "cut": {"size": 4}}, told
        assert told["argv"] == [argument(name, value) for name, value in params.items()], (told, params)
        assert told["env"] == sorted(name.replace(".", "_") for name in params), (told, params)
        wanted = {"sgd": {"m"}, "adam": {"wd", "eps"}, "none": set()}[params["opt"]]
        assert params.keys() == wanted | {"epochs", "opt", "augment.mixup", "augment.cut.size", "res", "crop"}, params
        assert (params["res"], params["crop"]) in ((160, 128), (224, 192)), params
        assert not (params.get("m") == 0.9 and params["res"] == 224), params
        configs.add(json.dumps(params))
    assert len(configs) == len(trials), configs
    table = cluster.run("trial", "list", "--columns", "id,params.opt,params.m,params.wd").stdout
    assert "sgd" in table and "adam" in table, table


def test_sweep_is_what_the_preview_shows_though_the_head_is_killed(cluster):
    more = "stop: {trials: 10}\nbaselines: [{opt: adam, wd: 2, res: 224}]\nlimits: {concurrency: 1}\n"
    path = cluster.file("s.yaml", sweep_text(cluster, "method: sobol, seed: 5", more))
    preview = cluster.run("check", path, "--preview").stdout
    shown = [line.split(maxsplit=1)[1].strip() for line in preview.splitlines() if line.strip()[:1].isdigit()]
    assert "trials    10, the first 1 of them baselines" in preview and len(shown) == 10, preview
    cluster.up("--cpus", "2")
    cluster.run("submit", path)
    for least in (2, 5):
        wait_for("some trials", lambda: cluster.sweep_of(1)["done"] >= least)
        head_killed(cluster)
    cluster.run("sweep", "wait", "1")
    trials = sorted(cluster.trials(1), key=lambda trial: int(trial["id"].split(".")[1]))
    assert [" ".join(f"{k}={v}" for k, v in trial["params"].items()) for trial in trials] == shown, (trials, shown)
    first = trials[0]["params"]
    assert (first["opt"], first["wd"], first["res"], first["crop"]) == ("adam", 2, 224, 192), first


def test_check_prints_a_file_that_means_the_same(cluster):
    path = cluster.file("s.yaml", sweep_text(cluster, "method: auto, seed: 5", "stop: {trials: 10}\nconstraints: ['\"augment.mixup\" < res']\nbaselines: [{augment: {mixup: 0.25}}]\n"))
    printed = cluster.run("check", path, "--print").stdout
    again = cluster.file("again.yaml", printed)
    assert cluster.run("check", again, "--print").stdout == printed
    assert cluster.run("check", again, "--preview").stdout == cluster.run("check", path, "--preview").stdout


def test_check_and_head_refuse_what_cannot_be_tuned(cluster):
    def wrong(search, more, *texts):
        path = cluster.file("s.yaml", sweep_text(cluster, search, more))
        for verb in (["check", path], ["submit", path]):
            said = cluster.run(*verb, code=2).stderr
            assert all(text in said for text in texts), (said, texts)
        return path
    wrong("method: random", "stop: {trials: 3}\nconstraints: [res > 224]\n", "the constraints leave nothing", "s.yaml:7:15")
    wrong("method: random", "stop: {trials: 3}\nbaselines: [{opt: none, m: 0.5}]\n", "`opt: none` does not bring", "s.yaml:7:28")
    wrong("method: random", "stop: {trials: 3}\nbaselines: [{res: 160, crop: 192}]\n", "no row of `stage`", "s.yaml:7:13")
    path = wrong("method: random", "stop: {trials: 3}\nconstraints: [rse < 1]\n", "there is no parameter 'rse'", "s.yaml:7:15")
    cluster.up("--cpus", "1")
    with open(path) as file:
        text = file.read().replace("rse < 1", "res < 1")
    code, answer = cluster.http("POST", "/api/v1/sweeps", json.dumps({"file": text, "file_name": "s.yaml", "workdir": cluster.work}).encode(),
                                {"Content-Type": "application/json"})
    assert code == 400 and "leave nothing" in answer and json.loads(answer)["error"]["line"] == 7, (code, answer)


if __name__ == "__main__":
    run(globals())
