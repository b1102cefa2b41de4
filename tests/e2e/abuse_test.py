#!/usr/bin/env python3
"""Trainers that crash, hang, lie, flood and cling to life; strangers on every socket; files that are wrong."""
import glob
import json
import os
import socket
import subprocess
import time

from cluster import MUSTER, PYTHON, TRAINERS, Skip, is_alive, processes, run, wait_for
from first_light_test import steady

TIMEOUTS = "timeouts: {grace: 0.3s}\nretries: {max: 0}\n"


def abuse(how, more=TIMEOUTS):
    return f"""
name: abuse
command: [{PYTHON}, {TRAINERS}/abuse.py, {how}]
metric: {{name: loss, goal: minimize}}
parameters: {{x: {{min: 0, max: 1}}}}
stop: {{trials: 1}}
{more}"""


def one_trial(cluster, text):
    number = cluster.sweep(text)
    cluster.run("sweep", "wait", str(number), code=None, seconds=60)
    (trial,) = cluster.trials(number)
    assert not cluster.attempts(), cluster.attempts()
    status = json.loads(cluster.http("GET", "/api/v1/status")[1])
    assert status["cpus_used"] == 0, status
    return trial


def test_crash_is_failed_with_signal_and_last_words(cluster):
    cluster.up("--cpus", "1")
    trial = one_trial(cluster, abuse("crash"))
    assert trial["outcome"] == "failed" and trial["signal"] == 11, trial
    shown = cluster.run("trial", "show", trial["id"]).stdout
    assert "about to crash" in shown, shown
    trial = one_trial(cluster, abuse("exit"))
    assert trial["outcome"] == "failed" and trial["exit_code"] == 3, trial
    assert "the reason is here" in cluster.run("trial", "show", trial["id"]).stdout


def test_hang_is_ended_by_its_timeouts(cluster):
    cluster.up("--cpus", "1")
    for key in ("silent", "trial", "start"):
        trial = one_trial(cluster, abuse("hang", f"timeouts: {{{key}: 0.5s, grace: 0.3s}}\nretries: {{max: 0}}\n"))
        assert trial["outcome"] == "failed" and f"timeouts.{key}" in trial["reason"], trial


def test_garbage_on_the_trial_socket_harms_nobody(cluster):
    cluster.up("--cpus", "1")
    trial = one_trial(cluster, abuse("garbage"))
    assert trial["outcome"] == "done" and trial["last"]["metrics"] == {"loss": 1.0}, trial


def test_nan_is_legal_and_never_best(cluster):
    cluster.up("--cpus", "1")
    trial = one_trial(cluster, abuse("nan"))
    assert trial["outcome"] == "done" and trial["best"] is None, trial
    assert trial["last"]["metrics"] == {"loss": "nan"}, trial
    assert cluster.sweep_of(1)["best"] is None


def test_children_that_outlive_their_trainer_are_ended(cluster):
    cluster.up("--cpus", "1")
    trial = one_trial(cluster, abuse("forks"))
    assert trial["outcome"] == "done", trial
    left = [argv for _, _, argv in processes().values() if argv[:1] == ["sleep"] and argv[1] in ("3600", "3601", "3602")]
    assert not left, left


def test_log_flood_stays_bounded(cluster):
    cluster.up("--cpus", "1")
    trial = one_trial(cluster, abuse("flood"))
    assert trial["outcome"] == "done", trial
    size = sum(os.path.getsize(path) for path in glob.glob(f"{cluster.state}/nodes/*/logs/**/*", recursive=True) if os.path.isfile(path))
    assert 1 << 20 < size <= 20 << 20, size


def test_deaf_trainer_is_killed_after_its_grace(cluster):
    cluster.up("--cpus", "1")
    number = cluster.sweep(abuse("deaf"))
    wait_for("its report", lambda: cluster.trials(number)[0]["step"] == 1)
    cluster.run("sweep", "cancel", str(number))
    cluster.run("sweep", "wait", str(number), code=6)
    (trial,) = cluster.trials(number)
    assert trial["outcome"] == "cancelled", trial
    assert not cluster.attempts()


def test_random_bytes_on_every_socket_while_a_sweep_runs(cluster):
    cluster.up("--cpus", "1")
    number = cluster.sweep(steady(pause=0.05, trials=4))
    port = int(cluster.url().rsplit(":", 1)[1])
    for _ in range(20):
        for family, address in ((socket.AF_INET, ("127.0.0.1", port)), (socket.AF_UNIX, cluster.state + "/run/head.ipc")):
            s = socket.socket(family)
            s.settimeout(2)
            try:
                s.connect(address)
                s.sendall(os.urandom(3000))
            except OSError:
                pass
            s.close()
    cluster.run("sweep", "wait", str(number))


def test_http_refuses_strangers(cluster):
    cluster.up("--cpus", "1")
    assert cluster.http("GET", "/api/v1/sweeps", token="x" * 43)[0] == 401
    assert cluster.http("GET", "/api/v1/sweeps")[0] == 200
    assert cluster.http("GET", "/healthz", token="none")[0] == 200
    assert cluster.http("POST", "/api/v1/sweeps", b"{}", {"Origin": "http://evil.example"}, token="x" * 43)[0] in (401, 403)
    assert cluster.http("POST", "/api/v1/sweeps", b"not json")[0] == 400
    try:
        assert cluster.http("POST", "/api/v1/sweeps", b"x" * (3 << 20))[0] == 413
    except OSError:
        pass  # The head answered and closed before all of it was sent; this client then sees only the closing.
    assert cluster.http("GET", "/api/v1/nothing")[0] == 404
    assert cluster.http("GET", "/api/v1/trials/9.9")[0] == 404


def test_worker_without_the_join_key_is_refused(cluster):
    cluster.up("--cpus", "1")
    with open(cluster.state + "/keys/join") as file:
        key = file.read().strip()
    head, secret = key.split(".")[1:3]
    wrong = f"mj1.{head}.{'A' * len(secret)}"
    child = cluster.start("worker", "--join", "ipc://" + cluster.state + "/run/head.ipc", "--name", "stranger", "--state",
                          cluster.root + "/other", env={"MUSTER_JOIN_KEY": wrong})
    wait_for("the refusal in the head's log", lambda: "join key" in open(cluster.state + "/logs/head.log").read())
    names = [n["name"] for n in json.loads(cluster.http("GET", "/api/v1/nodes")[1])["items"]]
    assert names == ["local"], names
    child.terminate()
    child.wait(20)


def test_second_up_is_refused_with_the_first_ones_pid(cluster):
    cluster.up("--cpus", "1")
    done = cluster.run("up", code=1)
    assert f"pid {cluster.pid('supervisor')}" in done.stderr, done.stderr


def test_wrong_files_say_where_and_what(cluster):
    cases = [
        ("name: x\nparamters: {}\n", "unknown key 'paramters'", ":2:1", "did you mean 'parameters'"),
        ("name: [\n", None, ":", None),
        (steady() + "notify: []\n", "`notify` is not supported by this version", ":", None),
        (steady().replace("max: 1.0", "max: -1.0"), None, ":", None),
        (steady() + "name: again\n", "duplicate", ":", None),
        (steady().replace(PYTHON + ",", "no-such-program,"), "no-such-program", "", None),
        (steady() + "env: {A: '${nothing}'}\n", "nothing", ":", None),
        ("\tname: x\n", None, ":1:", None),
    ]
    for text, what, where, hint in cases:
        path = cluster.file("bad.yaml", text)
        for verb in (["check"], ["sweep", "run"]):
            done = cluster.run(*verb, path, code=2)
            for part in (what, where, hint):
                assert part is None or part in done.stderr, (text, part, done.stderr)
            assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    big = cluster.file("big.yaml", "# " + "x" * (1 << 20) + "\n" + steady())
    cluster.run("check", big, code=2)
    cluster.run("check", cluster.work + "/none.yaml", code=2)
    assert not cluster.remains(), "a wrong file started a cluster"


def test_wrong_lines_are_usage_errors(cluster):
    for line, part in ((["swep", "list"], "did you mean 'sweep"), (["sweep", "lst"], "sweep list"), (["up", "--cpu", "2"], "--cpus"),
                       (["run"], "--"), (["sweep", "show", "x"], "whole number"), (["trial", "show", "7."], "12.41"),
                       (["status", "-o", "xml"], "json"), (["worker"], "--join")):
        done = cluster.run(*line, code=2)
        assert part in done.stderr, (line, done.stderr)
    cluster.run("help")
    cluster.run("sweep", "run", "--help")
    assert cluster.run("version").stdout.startswith("muster ")
    cluster.run("status", code=4)


def disk_fill(path):
    with open(path, "wb") as file:
        try:
            while True:
                file.write(b"\0" * (1 << 20))
                file.flush()
        except OSError:
            pass


def store_state(cluster):
    return json.loads(cluster.http("GET", "/api/v1/status")[1])["store"]


def test_full_disk_under_the_state_folder_acknowledges_nothing_and_goes_on(cluster):
    folder = cluster.root + "/small"
    os.makedirs(folder)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", folder], capture_output=True).returncode != 0:
        raise Skip("mounting a tmpfs is not allowed here")
    try:
        cluster.state = folder + "/state"
        cluster.up("--cpus", "1")
        number = cluster.sweep(steady(pause=0.05, trials=60))
        wait_for("a trainer", lambda: cluster.attempts())
        disk_fill(folder + "/ballast")
        wait_for("the head to say that the store is full", lambda: store_state(cluster) == "full", 30)
        assert cluster.pid("redis"), "redis died of the full disk"
        os.unlink(folder + "/ballast")
        cluster.run("sweep", "wait", str(number), seconds=60)
        assert cluster.sweep_of(number)["failed"] == 0
        # One that has nothing to write says so too.
        disk_fill(folder + "/ballast")
        wait_for("the idle head to say that the store is full", lambda: store_state(cluster) == "full", 30)
        os.unlink(folder + "/ballast")
        wait_for("the idle head to say that there is room", lambda: store_state(cluster) == "ok", 30)
    finally:
        cluster.run("down", "--timeout", "5", code=None)
        wait_for("its end", lambda: not cluster.remains())
        subprocess.run(["umount", "-l", folder])


if __name__ == "__main__":
    run(globals())
