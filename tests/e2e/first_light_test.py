#!/usr/bin/env python3
"""The main road: a sweep of a real trainer on real data, in C and in Python; one command; the daily verbs."""
import json
import os
import shutil
import signal
import subprocess
import time

from cluster import BUILD, DIGITS, PYTHON, SOURCE, TRAINERS, Skip, is_alive, run, wait_for

STEADY = f"""
name: steady
command: [{PYTHON}, {TRAINERS}/steady.py]
metric: {{name: loss, goal: minimize}}
parameters:
  x: {{min: 0.0, max: 1.0}}
  steps: 9
  pause: PAUSE
search: {{method: random, seed: 5}}
schedule: {{type: asha, min: 1, max: 9, eta: 3}}
stop: {{trials: TRIALS}}
checkpoints: {{on: [rung]}}
"""


def steady(pause=0.05, trials=6, more=""):
    return STEADY.replace("PAUSE", str(pause)).replace("TRIALS", str(trials)) + more


def example(cluster, name):
    """A copy of the example's folder whose sweep file runs this build's trainer."""
    shutil.copytree(os.path.join(SOURCE, "examples/digits"), os.path.join(cluster.work, "digits"))
    path = os.path.join(cluster.work, "digits", name)
    with open(path) as file:
        text = file.read().replace("../../build/release/examples/digits/digits", DIGITS)
    with open(path, "w") as file:
        file.write(text)
    return path


def test_digits_in_c_reaches_97_percent_and_leaves_nothing(cluster):
    done = cluster.run("sweep", "run", example(cluster, "asha.yaml"))
    assert "again: muster sweep show 1" in done.stdout, done.stdout
    best = cluster.json("sweep", "best", "1")
    assert best["best"]["metrics"]["val_acc"] >= 0.97, best
    assert os.path.exists(os.path.join(best["checkpoint"], "model.bin")), best["checkpoint"]
    sweep = cluster.json("sweep", "show", "1")
    assert sweep["state"] == "done" and sweep["asked"] == 60 and sweep["failed"] == 0, sweep
    assert sweep["stopped"] > 0, "early stopping stopped nobody"
    cluster.run("down")
    assert not cluster.remains()


def test_digits_in_python_reaches_97_percent(cluster):
    if subprocess.run([PYTHON, "-c", "import numpy"], capture_output=True).returncode != 0:
        raise Skip("Debian's python3-numpy is not installed")
    cluster.run("sweep", "run", example(cluster, "digits-py.yaml"))
    assert cluster.json("sweep", "best", "1")["best"]["metrics"]["val_acc"] >= 0.97


def test_implicit_cluster_leaves_after_its_linger(cluster):
    cluster.run("up", "-d", "--linger", "4")
    cluster.run("run", "--", "true")
    wait_for("the cluster to leave by itself", lambda: not cluster.remains(), 20)


def test_run_passes_output_and_exit_code(cluster):
    done = cluster.run("run", "--", "sh", "-c", "echo out; echo err >&2; exit 7", code=7)
    assert "out" in done.stdout
    cluster.run("run", "--", "sh", "-c", "kill -9 $$", code=137)
    cluster.run("run", "--", "no-such-program-here", code=125)
    tasks = cluster.json("task", "list")["items"]
    assert [t["outcome"] for t in tasks] == ["failed", "failed", "failed"], tasks


def test_same_key_same_file_is_one_sweep(cluster):
    path = cluster.file("a.yaml", steady(pause=0.01, trials=1))
    one = cluster.run("sweep", "run", "-d", "--key", "k1", path).stdout
    assert cluster.run("sweep", "run", "-d", "--key", "k1", path).stdout == one
    other = cluster.file("b.yaml", steady(pause=0.01, trials=2))
    cluster.run("sweep", "run", "-d", "--key", "k1", other, code=1)


def test_ctrl_c_detaches_and_the_sweep_goes_on(cluster):
    path = cluster.file("s.yaml", steady(pause=0.1, trials=3))
    child = cluster.start("sweep", "run", path)
    wait_for("the sweep to run", lambda: cluster.attempts(), 20)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert child.returncode == 130, (child.returncode, out, err)
    assert "muster sweep watch 1" in err, err
    cluster.run("sweep", "wait", "1")


def test_cancel_ends_a_sweep_and_its_trainers(cluster):
    cluster.up("--cpus", "2")
    number = cluster.sweep(steady(pause=60, trials=8))
    wait_for("two trainers", lambda: len(cluster.attempts()) == 2)
    cluster.run("sweep", "cancel", str(number), "--grace", "0.2s")
    cluster.run("sweep", "wait", str(number), code=6)
    assert not cluster.attempts()
    assert {t["outcome"] for t in cluster.trials(number)} == {"cancelled"}


def test_logs_follow_until_the_trial_ends(cluster):
    cluster.up()
    number = cluster.sweep("""
name: talk
command: "for i in 1 2 3 4 5; do echo line $i; sleep 0.1; done; echo oops >&2"
metric: {name: loss}
stop: {trials: 1}
""")
    out = cluster.run("trial", "logs", "-f", f"{number}.1", seconds=30).stdout
    assert "line 1\n" in out and "line 5\n" in out and "oops" in out, out
    assert cluster.run("trial", "logs", "--stream", "err", f"{number}.1").stderr.strip() == "oops"


def test_explain_says_why_a_trial_waits(cluster):
    cluster.up("--cpus", "1", "--fake-gpus", "2")
    first = cluster.sweep(steady(pause=60, trials=2))
    wait_for("a trainer", lambda: cluster.attempts())
    text = cluster.run("explain", f"{first}.2").stdout
    assert "cpu" in text.lower(), text
    path = cluster.file("big.yaml", steady(trials=1, more="resources: {gpus: 64}\n"))
    done = cluster.run("sweep", "run", "-d", path, code=7)
    assert "GPU" in done.stderr or "gpu" in done.stderr, done.stderr


def test_fake_gpus_are_given_by_uuid_and_to_one_trial_each(cluster):
    cluster.up("--cpus", "8", "--fake-gpus", "2")
    number = cluster.sweep("""
name: gpus
command: "echo $CUDA_VISIBLE_DEVICES; sleep 0.3"
metric: {name: loss}
stop: {trials: 4}
resources: {cpus: 1, gpus: 1}
""")
    cluster.run("sweep", "wait", str(number), code=None)
    seen = [cluster.run("trial", "logs", f"{number}.{i}").stdout.strip() for i in range(1, 5)]
    assert all(s.startswith("GPU-") and "," not in s for s in seen), seen
    assert len(set(seen)) == 2, seen


def test_state_folder_copied_elsewhere_opens_there(cluster):
    cluster.up()
    number = cluster.sweep(steady(pause=0.01, trials=4))
    cluster.run("sweep", "wait", str(number))
    before = cluster.json("sweep", "show", str(number))
    cluster.run("down")
    copy = os.path.join(cluster.root, "copy")
    subprocess.run(["cp", "-a", cluster.state, copy], check=True)
    shutil.rmtree(cluster.state)
    cluster.state = copy
    after = cluster.json("sweep", "show", str(number))
    for key in ("state", "asked", "done", "stopped", "best", "best_value", "best_params"):
        assert before[key] == after[key], (key, before[key], after[key])
    assert after["best_checkpoint"].startswith(copy), after["best_checkpoint"]
    again = cluster.sweep(steady(pause=0.01, trials=2))
    assert again == number + 1
    cluster.run("sweep", "wait", str(again))


def test_read_verb_without_a_head_starts_one_that_leaves(cluster):
    cluster.up()
    number = cluster.sweep(steady(pause=0.01, trials=1))
    cluster.run("sweep", "wait", str(number))
    cluster.run("down")
    done = cluster.run("sweep", "show", str(number), "-o", "json")
    assert json.loads(done.stdout)["state"] == "done"
    assert "starting one to read" in done.stderr, done.stderr
    wait_for("it to leave", lambda: not cluster.remains(), 20)


if __name__ == "__main__":
    run(globals())
