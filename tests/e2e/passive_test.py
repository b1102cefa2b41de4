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
    for schedule, has_note in (("{type: asha, mode: promote, max: 9}", True), ("{type: asha, max: 9}", False)):
        said = cluster.run("check", path, "--set", "schedule=" + schedule)
        assert ("this schedule stops it where it would pause" in said.stderr) == has_note, said
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


ADOPTS = r"""
import argparse, os, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--resume")
resume = parser.parse_args().resume
first = 1
if resume:
    first = int(open(os.path.join(resume, "state.txt")).read()) + 1
    assert os.listdir(os.path.join(resume, "more")) == ["x"]
print("from %d" % first)
for step in range(first, 7):
    print("step=%d loss=%r" % (step, 1.0 / step))
    os.makedirs("out/ckpt-%d/more" % step)
    open("out/ckpt-%d/more/x" % step, "w").close()
    with open("out/ckpt-%d/state.txt" % step, "w") as file:
        file.write(str(step))
    if step in (2, 4) and resume is None or step == 5 and first < 5:
        time.sleep(0.1)
        sys.exit(1)
"""


def test_passive_checkpoints_are_adopted_and_resumed(cluster):
    """It fails twice; each next attempt goes on from what the one before had written, and counts its steps on."""
    cluster.up("--cpus", "1")
    folder(cluster, adopts__py=ADOPTS)
    number = cluster.sweep("""
name: adopts
command: [/usr/bin/python3, adopts.py, "${restore:--resume {}}"]
metric: {name: loss}
stop: {trials: 1}
retries: {max: 5, backoff: 0.1s}
checkpoints: {adopt: 'out/ckpt-*'}
report: {stdout: muster}
""")
    cluster.run("sweep", "wait", str(number))
    trial = cluster.trials(number)[0]
    assert trial["outcome"] == "done" and trial["attempts"] == 3 and trial["step"] == 6, trial
    said = [cluster.run("trial", "logs", trial["id"], "--attempt", str(n)).stdout.splitlines()[0] for n in range(3)]
    assert said == ["from 1", "from 3", "from 6"], said
    items = json.loads(cluster.http("GET", f"/api/v1/trials/{trial['id']}/metrics")[1])["items"]
    found = [(row["attempt"], row["step"]) for row in items]
    assert found == [(0, 1), (0, 2), (1, 3), (1, 4), (1, 5), (2, 6)], found
    assert trial["checkpoint"], trial


def test_passive_trials_that_are_adopted_wait_at_rungs_and_go_on(cluster):
    """Promotion pauses them by SIGTERM, and starts the best again from what they wrote."""
    cluster.up("--cpus", "2")
    folder(cluster, rungs__py="""
import os, sys, time
step = 0
if "--resume" in sys.argv:
    with open(os.path.join(sys.argv[sys.argv.index("--resume") + 1], "step")) as file:
        step = int(file.read())
print("from", step, flush=True)
x = float(sys.argv[1].split("=")[1])
while step < 9:
    step += 1
    os.makedirs(f"out/ckpt-{step}", exist_ok=True)
    with open(f"out/ckpt-{step}/step", "w") as file:
        file.write(str(step))
    print(f"step={step} loss={x + 1 / step}", flush=True)
    time.sleep(0.5)
""")
    number = cluster.sweep("""
name: rungs
command: [/usr/bin/python3, rungs.py, "--x=${x}", "${restore:--resume {}}"]
metric: {name: loss}
parameters: {x: {min: 0.0, max: 9.0}}
search: {method: random, seed: 4}
stop: {trials: 4}
schedule: {type: asha, mode: promote, min: 1, max: 9, eta: 3}
checkpoints: {adopt: 'out/ckpt-*'}
report: {stdout: muster}
timeouts: {grace: 5s}
""")
    cluster.run("sweep", "wait", str(number))
    sweep, trials = cluster.sweep_of(number), cluster.trials(number)
    assert sweep["state"] == "done" and sweep["failed"] == 0, sweep
    best = min(trials, key=lambda trial: trial["params"]["x"])
    assert best["attempts"] == 2 and best["step"] >= 3, "it waited at the first rung, and went on to the second: " + str(best)
    last = cluster.run("trial", "logs", best["id"], "--attempt", "1").stdout.splitlines()[0]
    assert last.startswith("from ") and last != "from 0", "it went on from what it wrote: " + last
    assert all(trial["attempts"] == 1 and trial["step"] < 3 for trial in trials if trial["id"] != best["id"]), trials


# TFRecords by hand, so that no package is needed: length, its checksum, an Event, its checksum.
WRITES_EVENTS = r"""
import os, struct, time

def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF

def masked(data):
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

def part(number, data):
    return bytes([number << 3 | 2, len(data)]) + data

os.makedirs("runs/validation")
with open("runs/validation/events.out.tfevents.1.host", "wb") as file:
    for step in range(1, 5):
        for tag, value in ((b"lr", 0.5), (b"loss", 4.0 / step)):
            event = bytes([2 << 3, step]) + part(5, part(1, part(1, tag) + bytes([2 << 3 | 5]) + struct.pack("<f", value)))
            length = struct.pack("<Q", len(event))
            file.write(length + masked(length) + event + masked(event))
            file.flush()
        time.sleep(0.6 if step == 2 else 0)
"""


def test_passive_event_files_of_tensorboard_are_reports(cluster):
    cluster.up("--cpus", "1")
    folder(cluster, writes__py=WRITES_EVENTS)
    text = """
name: tensorboard
command: [/usr/bin/python3, writes.py]
metric: {name: METRIC}
stop: {trials: 1}
report: {from: [tensorboard]}
"""
    for metric in ("loss", "validation/loss"):
        number = cluster.sweep(text.replace("METRIC", metric))
        cluster.run("sweep", "wait", str(number))
        found = [(step, m[metric]) for step, m in rows(cluster, f"{number}.1")]
        assert found == [(1, 4.0), (2, 2.0), (3, found[2][1]), (4, 1.0)], found
        assert abs(found[2][1] - 4.0 / 3) < 1e-6, found
    number = cluster.sweep(text.replace("METRIC", "nowhere"))
    sweep = wait_for("its end", lambda: (lambda s: s if s["state"] != "running" else None)(cluster.sweep_of(number)))
    assert "names in its lines: lr, loss" in cluster.trials(number)[0]["reason"], (sweep, cluster.trials(number))


WANDB = r"""
import wandb
with wandb.init(project="x", config={"lr": 9.0, "epochs": 4}) as run:
    for epoch in range(run.config.epochs):
        wandb.log({"train/loss": 1.0}, step=epoch)
        wandb.log({"val/loss": wandb.config.lr + epoch / 8, "epoch": epoch + 1}, step=epoch)
"""


def test_passive_wandb_log_is_a_report(cluster):
    cluster.up("--cpus", "1")
    number = sweep_in(cluster, """
name: wandb
program: script.py
metric: {name: val/loss, time: epoch}
workdir: {path: WORK, mode: shared}
parameters: {lr: {values: [0.5]}}
schedule: {type: asha, min: 1, max: 4, eta: 2}
stop: {trials: 1}
report: {from: [wandb]}
""", script__py=WANDB)
    cluster.run("sweep", "wait", str(number))
    found = rows(cluster, f"{number}.1")
    assert [(step, m["val/loss"]) for step, m in found] == [(1, 0.5), (2, 0.625), (3, 0.75), (4, 0.875)], found
    trial = cluster.trials(number)[0]
    assert trial["outcome"] == "done" and trial["best"]["metrics"]["val/loss"] == 0.5, trial


if __name__ == "__main__":
    run(globals())
