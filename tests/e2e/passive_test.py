#!/usr/bin/env python3
"""Programs that know nothing of muster: what they print becomes reports, they are stopped by a signal, and are never waited for."""
import json

from cluster import run, wait_for

PRINTS = r"""
import os, sys
assert sys.stdout.isatty() and sys.stderr.isatty() and not os.environ.get("COLUMNS")
columns = os.get_terminal_size(1).columns
print("columns=%d" % columns)
for epoch in range(1, 4):
    for percent in (0, 50, 100):
        sys.stdout.write("\repoch=%d %d%% loss=9.0" % (epoch, percent))
    sys.stdout.write("\r\x1b[K\x1b[32mepoch=%d\x1b[0m loss=%r acc=0.5\n" % (epoch, 1.0 / epoch))
sys.stdout.write("epoch=4 loss=nan")
"""

SWEEP = """
name: prints
command: [/usr/bin/python3, prints.py]
metric: {name: loss}
workdir: {path: WORK, mode: shared}
stop: {trials: 1}
report: {from: [stdout]}
"""


def rows(cluster, trial):
    items = json.loads(cluster.http("GET", f"/api/v1/trials/{trial}/metrics")[1])["items"]
    return [(row["step"], row["metrics"]) for row in items]


def folder(cluster, **files):
    for name, text in files.items():
        path = cluster.file(name.replace("__", "."), text)
    return path.rsplit("/", 1)[0]


def sweep_in(cluster, text, **files):
    return cluster.sweep(text.replace("WORK", folder(cluster, **files)))


def test_passive_lines_of_a_terminal_become_reports(cluster):
    cluster.up("--cpus", "1")
    number = sweep_in(cluster, SWEEP, prints__py=PRINTS)
    cluster.run("sweep", "wait", str(number))
    found = rows(cluster, f"{number}.1")
    assert found == [(1, {"loss": 1.0}), (2, {"loss": 0.5}), (3, {"loss": 1.0 / 3}), (4, {"loss": "nan"})], found
    trial = cluster.trials(number)[0]
    assert trial["best"]["metrics"]["loss"] == 1.0 / 3 and trial["outcome"] == "done", trial
    log = cluster.run("trial", "logs", f"{number}.1").stdout
    assert "columns=512\n" in log and "\x1b[32mepoch=3\x1b[0m loss=0.333" in log and "\r\n" not in log, log


STOPS = r"""
import sys, time
lr = float(sys.argv[1])
for step in range(1, 10):
    print("step %d: train loss 1.0, val loss %r" % (step, lr), flush=True)
    time.sleep(0.1 if step < 3 else 0.5)
print("the end")
"""


def test_passive_trial_is_stopped_by_a_signal_and_not_waited_for(cluster):
    """The first ones to come set the mark, each worse one after them leaves at its first rung."""
    cluster.up("--cpus", "1")
    number = sweep_in(cluster, """
name: stops
command: [/usr/bin/python3, stops.py, "${lr}"]
metric: {name: val_loss}
workdir: {path: WORK, mode: shared}
parameters: {lr: {min: 0.0, max: 1.0}}
search: {method: random, seed: 3}
schedule: {type: asha, min: 1, max: 9, eta: 3}
stop: {trials: 8}
timeouts: {grace: 5s, start: 30s}
report: {stdout: nanogpt}
""", stops__py=STOPS)
    cluster.run("sweep", "wait", str(number))
    trials = cluster.trials(number)
    stopped = [t for t in trials if t["outcome"] == "stopped"]
    assert stopped and all(t["outcome"] in ("done", "stopped") for t in trials), trials
    for trial in stopped:
        assert trial["why"] == "rung", trial
        assert "the end" not in cluster.run("trial", "logs", trial["id"]).stdout
    for trial in trials:
        assert trial["best"]["metrics"]["val_loss"] == float(trial["params"]["lr"]), trial


def test_passive_first_trial_without_the_metric_pauses_the_sweep_and_names_what_was_seen(cluster):
    cluster.up("--cpus", "1")
    number = sweep_in(cluster, """
name: nothing
command: echo "step=1 val_los=3 acc=0.5"
metric: {name: val_loss}
workdir: {path: WORK, mode: shared}
stop: {trials: 5}
report: {from: stdout}
""", x="")
    sweep = wait_for("the pause", lambda: (lambda s: s if s["state"] == "paused" else None)(cluster.sweep_of(number)))
    assert "printed no value of 'val_loss'" in sweep["error"] and "step, val_los, acc" in sweep["error"], sweep
    trials = cluster.trials(number)
    assert len(trials) == 1 and trials[0]["outcome"] == "failed" and trials[0]["attempts"] == 1, trials
    assert "names in its lines: step, val_los, acc" in trials[0]["reason"], trials


LOG = (b"starting\r\n\x1b[31mepoch=1\x1b[0m loss=3.0\nepoch=1 loss=2.5\nLoss: 7\nepoch=2 loss=np.float64(0.5) acc=1\n"
       b"epoch=1 loss=9\nepoch=3 loss=nan")


def test_passive_sample_shows_what_a_log_would_report(cluster):
    """Without a cluster."""
    path = cluster.file("sweep.yaml", """
command: [/bin/true]
metric: {name: loss}
stop: {trials: 1}
report: {from: [stdout]}
""")
    log = cluster.file("log", "")
    with open(log, "wb") as file:
        file.write(LOG)
    found = cluster.json("check", path, "--sample", log)
    rows_found = [(r["line"], r["step"], r["value"], r["note"].split(":")[0]) for r in found["items"]]
    assert rows_found == [
        (2, 1, 3.0, "a later value of this step holds"), (3, 1, 2.5, ""), (4, None, None, "no rule finds it"), (5, 2, 0.5, ""),
        (6, 1, 9.0, "left out"), (7, 3, "nan", "")], rows_found
    assert found["reports"] == 3 and found["names"] == ["epoch", "acc"], found
    said = cluster.run("check", path, "--sample", log)
    assert "3 reports of loss, the last at step 3; best 0.5 at step 2 (line 5)" in said.stderr, said.stderr
    assert "no rule finds it: Loss: 7" in said.stdout, said.stdout
    cluster.run("check", path, "--sample", log, "--set", "metric.name=lost", code=1)
    said = cluster.run("check", path, "--sample", log, "--set", "report.from=api")
    assert "report: {stdout: [muster]} would give 3 reports of loss" in said.stdout, said
    said = cluster.run("check", path, "--sample", log, "--stream", "err", code=2)
    assert "the file does not read stderr" in said.stderr, said.stderr
    said = cluster.run("check", path, "--sample", log + ".none", code=2)
    assert "cannot be read: No such file" in said.stderr, said.stderr


TRUSTS = r"""
import sys, muster
with muster.trial() as t:
    print("step=1 loss=7", flush=True)
    print("step=9 loss=5", flush=True)
    while t.next(until=2):
        t.report(loss=0.25)
    print("step=10 loss=3", file=sys.stderr)
"""


def test_passive_values_of_the_socket_are_trusted_more_than_lines(cluster):
    cluster.up("--cpus", "1")
    number = sweep_in(cluster, """
name: trusts
command: sleep 0.3; exec /usr/bin/python3 trusts.py
metric: {name: loss}
workdir: {path: WORK, mode: shared}
stop: {trials: 1}
report: {from: [api, stderr]}
""", trusts__py=TRUSTS)
    cluster.run("sweep", "wait", str(number))
    found = rows(cluster, f"{number}.1")
    assert found == [(1, {"loss": 0.25}), (2, {"loss": 0.25})], found


if __name__ == "__main__":
    run(globals())
