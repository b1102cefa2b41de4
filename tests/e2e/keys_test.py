#!/usr/bin/env python3
"""Keys of the sweep file that no other test follows to their effect; tests/KEYS.md has the whole list."""
import os

from cluster import PYTHON, run
from sweep_verbs_test import ended, get


def test_people_find_a_sweep_by_its_name_project_and_labels(cluster):
    cluster.up("--cpus", "1")
    text = """
name: found again
project: vision
labels: [mlp, "second look"]
entity: team
description: |
  what it is for
  in two lines
command: [sh, -c, 'muster report --step 1 loss=1']
metric: {name: loss}
stop: {trials: 1}
"""
    number = cluster.sweep(text)
    sweep = ended(cluster, number)
    assert (sweep["name"], sweep["project"], sweep["labels"]) == ("found again", "vision", ["mlp", "second look"]), sweep
    listed = cluster.json("sweep", "list", "--filter", "label=second look")["items"]
    assert [item["id"] for item in listed] == [number], listed
    printed = cluster.run("check", os.path.join(cluster.work, "sweep.yaml"), "--print").stdout
    assert "entity: team" in printed and "what it is for\\nin two lines" in printed, printed


def test_envvar_is_the_submitters_at_submit(cluster):
    cluster.up("--cpus", "1")
    text = """
command: [sh, -c, 'echo "got $0 $1 $B"; muster report --step 1 loss=1', "${envvar:DATA_ROOT}", "${envvar:OTHER}"]
env: {B: "b-${envvar:DATA_ROOT}"}
envvar: {OTHER: by default}
metric: {name: loss}
stop: {trials: 1}
"""
    path = cluster.file("sweep.yaml", text)
    assert "${envvar:DATA_ROOT} has nothing to stand for" in cluster.run("check", path, code=2).stderr
    number = int(cluster.run("submit", path, env={"DATA_ROOT": "/data/it's ${here}"}).stdout)
    assert ended(cluster, number)["done"] == 1
    out = cluster.run("trial", "logs", f"{number}.1").stdout
    assert "got /data/it's ${here} by default b-/data/it's ${here}" in out, out
    sets = cluster.sweep_of(number)["set"]
    assert sets == ["envvar.DATA_ROOT=\"/data/it's ${here}\""], sets


def test_summary_and_nan_decide_who_is_best(cluster):
    cluster.up("--cpus", "1")
    script = cluster.file("values.py", """
import sys
import muster
values = {"a": [0.1, 0.9], "b": [0.5, 0.4], "c": [0.05, float("nan")]}[sys.argv[1]]
with muster.trial() as t:
    for i, value in enumerate(values):
        t.report(step=i + 1, loss=value)
""")
    best = {}
    for metric in ("summary: best", "summary: last", "summary: max", "summary: mean", "on_nan: ignore", "on_nan: fail"):
        number = cluster.sweep(f"""
command: [{PYTHON}, {script}, "${{which}}"]
metric: {{name: loss, {metric}}}
parameters: {{which: {{values: [a, b, c]}}}}
search: {{method: grid}}
""")
        sweep = ended(cluster, number)
        best[metric] = (sweep["best_params"]["which"], sweep["best_value"], sweep["failed"])
        shown = cluster.run("sweep", "best", str(number)).stdout
        by_summary = cluster.json("trial", "list", str(number), "--sort", "summary")["items"]
        assert by_summary[0]["id"] == sweep["best"] and by_summary[0]["summary"] == sweep["best_value"], by_summary
        by_head = get(cluster, f"sweeps/{number}/trials?sort=summary")["items"]
        assert [item["id"] for item in by_head] == [item["id"] for item in by_summary], by_head
        assert sweep["best"] in shown or sweep["best_params"]["which"] in shown, shown
    assert best == {
        "summary: best": ("a", 0.1, 0),
        "summary: last": ("b", 0.4, 0),
        "summary: max": ("b", 0.5, 0),
        "summary: mean": ("b", 0.45, 0),
        "on_nan: ignore": ("c", 0.05, 0),
        "on_nan: fail": ("a", 0.1, 1),
    }, best
    failed = [trial for trial in cluster.trials(number) if trial["outcome"] == "failed"][0]
    assert failed["reason"] == "loss is nan at step 2 (metric.on_nan: fail)" and failed["attempts"] == 1, failed


def test_trainer_saves_by_time(cluster):
    cluster.up("--cpus", "1")
    script = cluster.file("saves.py", """
import os, time
import muster
saved = []
with muster.trial() as t:
    while t.next(until=16):
        time.sleep(0.2)
        t.report(loss=1.0)
        if t.save_due:
            saved.append(t.step)
            with t.save() as folder:
                open(os.path.join(folder, "step"), "w").close()
print("saved", saved, flush=True)
""")
    for every, most, least in (("1s", 4, 1), ("1h", 0, 0)):
        number = cluster.sweep(f"""
command: [{PYTHON}, {script}]
metric: {{name: loss}}
stop: {{trials: 1}}
checkpoints: {{on: pause, every: {every}}}
""")
        assert ended(cluster, number)["done"] == 1
        out = cluster.run("trial", "logs", f"{number}.1", "--stream", "out").stdout
        saved = out.split("saved [", 1)[1].split("]")[0].split(",")
        n = len([step for step in saved if step.strip()])
        assert least <= n <= most, (every, out)
        assert bool(cluster.trials(number)[0]["checkpoint"]) == (n > 0)


def test_tail_of_a_failure_is_as_long_as_the_file_says(cluster):
    cluster.up("--cpus", "1")
    number = cluster.sweep("""
command: [sh, -c, 'yes 0123456 | head -c 40000 >&2; exit 3']
metric: {name: loss}
stop: {trials: 1}
retries: {max: 0}
logs: {tail: 1K}
""")
    ended(cluster, number)
    attempts = cluster.http("GET", f"/api/v1/trials/{number}.1/attempts")[1]
    assert 100 < attempts.count("0123456") <= 128, attempts.count("0123456")


if __name__ == "__main__":
    run(globals())
