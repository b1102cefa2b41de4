#!/usr/bin/env python3
"""muster.connect(): sweeps from Python, with a head that is killed under them."""
import contextlib
import os
import sys
import threading
import time

from cluster import SOURCE, TRAINERS, PYTHON, run, wait_for

sys.path.insert(0, os.path.join(SOURCE, "client/python"))
import muster  # noqa: E402
import muster_client  # noqa: E402

MusterError, Unreachable, TimeoutPassed = muster_client.MusterError, muster_client.Unreachable, muster_client.TimeoutPassed

TRAINER = """
import muster, time, sys
with muster.trial({"x": 0.5, "steps": 3, "pause": 0.0}) as t:
    print("begin", t.id, flush=True)
    while t.next(until=t.params.steps):
        time.sleep(t.params.pause)
        print("step", t.step, flush=True)
        t.report(loss=t.params.x / t.step)
"""


@contextlib.contextmanager
def no_variables():
    """Without what names another head."""
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("MUSTER_") and not name.startswith("MUSTER_TEST")}
    try:
        yield
    finally:
        os.environ.update(kept)


def spec(cluster, trials=4, **parameters):
    if not os.path.exists(os.path.join(cluster.work, "train.py")):  # a trial may be reading it
        cluster.file("train.py", TRAINER)
    return {"name": "from-python", "command": [PYTHON, "train.py"], "workdir": {"path": cluster.work, "mode": "shared"}, "metric": {"name": "loss"},
            "parameters": {"x": {"min": 0.0, "max": 1.0}, "steps": 3, "pause": 0.0, **parameters}, "search": {"method": "random", "seed": 5}, "stop": {"trials": trials},
            "resources": {"cpus": 1}}


def up(cluster, *arguments):
    cluster.up("--cpus", "2", *arguments)
    with no_variables():
        return muster.connect(state=cluster.state)


def expect(kind, call, *words):
    try:
        call()
    except kind as error:
        for word in words:
            assert word in str(error), f"'{word}' is not in: {error}"
        return error
    raise AssertionError(f"{kind.__name__} was expected")


def test_connect_dict_submitted_runs_to_its_best(cluster):
    there = up(cluster)
    sweep = there.submit(spec(cluster))
    shown = sweep.wait(timeout=60)
    assert shown["state"] == "done" and shown["done"] == 4, shown
    trials = sweep.trials()
    assert len(trials) == 4 and len(sweep.trials(state="done")) == 4 and sweep.trials(state="failed") == []
    best = sweep.best()
    assert best["best"]["metrics"]["loss"] == min(trial["best"]["metrics"]["loss"] for trial in trials), best
    assert sweep in there.sweeps() and there.sweep(sweep.id) == sweep
    assert sweep.logs(1) == f"begin {sweep.id}.1\nstep 1\nstep 2\nstep 3\n", sweep.logs(1)
    assert sweep.logs(trials[0]) and sweep.logs(trials[0], stream="err") == ""
    assert there.status()["sweeps_active"] == 0 and there.nodes()[0]["state"] == "alive"


def test_connect_file_and_key_name_one_sweep(cluster):
    there = up(cluster)
    cluster.file("train.py", TRAINER)
    path = cluster.file("sweep.yaml", f"""name: file
command: [{PYTHON}, train.py]
workdir: {{path: ., mode: shared}}   # beside this file
metric: {{name: loss}}
parameters: {{x: {{min: 0, max: 1.0}}, steps: 3, pause: 0.0}}
stop: {{trials: 2}}
""")
    first = there.submit(path, key="one")
    again = there.submit(path, key="one")
    assert first == again and first.wait(60)["name"] == "file"
    assert there.submit(path) != first
    with open(path, "a") as file:
        file.write("project: other\n")
    error = expect(MusterError, lambda: there.submit(path, key="one"))
    assert error.status == 409 and error.code == "conflict", (error.status, error.code)


def test_connect_and_the_command_share_a_key(cluster):
    """The same file from both, at once and one after the other, is one sweep; so is the same array. Another file is an error in both."""
    there = up(cluster)
    cluster.file("train.py", TRAINER)
    text = f"name: file\r\nmetric: {{name: loss}}  # \u00fc\r\nparameters: {{x: {{min: 0, max: 1.0}}, steps: 3, pause: 0.0}}\r\nstop: {{trials: 2}}\r\n"
    os.makedirs(os.path.join(cluster.root, "links"))
    for number, more in enumerate((f"command: [{PYTHON}, train.py]\r\nworkdir: {{path: ., mode: shared}}\r\n",
                                   f"command: [{PYTHON}, work/train.py]\r\nworkdir: {{path: .., ignore: [links/]}}\r\n")):  # with the state folder in it
        path = os.path.join(cluster.work, "sweep.yaml")
        with open(path, "w", newline="") as file:
            file.write(text + more)
        link = os.path.join(cluster.root, "links", f"sweep{number}.yaml")
        os.symlink(path, link)
        key, settings = f"race{number}", {"stop.trials": 1}
        words = ["--key", key, "--name", "one", "--label", "a", "--set", "stop.trials=1"]
        commands = [cluster.start("submit", path, *words) for _ in range(2)]
        found = {there.submit(name, key=key, set=settings, name="one", labels=["a"]).id for name in (path, link)}
        told = [command.communicate(timeout=60) for command in commands]
        assert all(command.returncode == 0 for command in commands), told
        found |= {int(out) for out, _ in told}
        found |= {int(cluster.run("submit", link, *words).stdout), there.submit(path, key=key, set=settings, name="one", labels=["a"]).id}
        assert len(found) == 1, found
        sweep = there.sweep(found.pop())
        assert sweep.wait(60)["state"] == "done"
        with open(path, "a") as file:
            file.write("project: other\n")
        error = expect(MusterError, lambda: there.submit(path, key=key, set=settings, name="one", labels=["a"]), "another file")
        assert error.status == 409, error.status
        assert "another file" in cluster.run("submit", path, *words, code=1).stderr
    assert len(there.sweeps()) == 2, there.sweeps()
    lines = cluster.file("lines", "alpha\nbeta\n")
    words = ["--key", "lines", "--each-line", lines, "--env", "A=${line}", "--retries", "2", "--memory", "1M", "--", "test", "${line}"]
    array = there.submit_array(["test", "${line}"], lines=["alpha", "beta"], key="lines", env={"A": "${line}"}, retries=2, memory="1M")
    assert int(cluster.run("submit", *words, cwd=os.getcwd()).stdout) == array.id
    cluster.kill("head")
    assert int(cluster.run("submit", *words, cwd=os.getcwd()).stdout) == array.id
    assert "new key" in cluster.run("submit", *words[:2], "--priority", "60", *words[2:], cwd=os.getcwd(), code=1).stderr
    assert "new key" in cluster.run("submit", *words, code=1).stderr, "it would start in another folder"
    error = expect(MusterError, lambda: there.submit_array(["test", "${line}"], lines=["alpha", "gamma"], key="lines", env={"A": "${line}"}, retries=2, memory="1M"))
    assert error.status == 409, error.status


def test_connect_wait_says_why_muster_paused_the_sweep(cluster):
    there = up(cluster)
    good = os.path.join(cluster.work, "good")
    sweep = there.submit({**spec(cluster, trials=8), "command": ["sh", "-c", f"test -e {good} || {{ echo no data >&2; exit 3; }}; muster report --step 1 loss=1"],
                          "retries": {"max": 0}}, set={"retries.node_failures": "none"})
    error = expect(muster_client.Paused, lambda: sweep.wait(60), "the first 5 trials all failed", "no data", "resume()")
    assert isinstance(error, MusterError) and sweep.show()["state"] == "paused", error
    open(good, "w").close()
    sweep.resume()
    assert sweep.wait(60)["state"] == "done"
    other = there.submit(spec(cluster, trials=4, pause=0.1))
    other.pause()
    expect(TimeoutPassed, lambda: other.wait(1.0), "goes on")
    other.resume()
    assert other.wait(60)["state"] == "done"


def test_connect_wrong_file_says_where(cluster):
    there = up(cluster)
    error = expect(MusterError, lambda: there.submit(cluster.file("wrong.yaml", "name: x\nworkdir: {mode: shared}\nparamters: {}\n")), "paramters", "wrong.yaml:3:1")
    assert error.status == 400 and error.line == 3 and error.file.endswith("wrong.yaml"), vars(error)
    expect(MusterError, lambda: there.sweep(99), "99")
    assert expect(MusterError, lambda: there.sweep(99)).code == "not_found"


def test_connect_array_is_submitted_waited_for_and_tried_again(cluster):
    there = up(cluster)
    good = os.path.join(cluster.work, "good")
    array = there.submit_array(["sh", "-c", f"test -e {good} || test ${{index}} -ne 3; echo \"${{index}} $MUSTER_LINE\""], values=[{"a": 1}, "b", 3], max_fails=0, name="three",
                               log_files=True)
    plain = there.submit_array(["sh", "-c", f"test -e {good} || test ${{index}} -ne 3"], ids=range(1, 8, 2), key="k", cpus=0.5)
    assert there.submit_array(["sh", "-c", f"test -e {good} || test ${{index}} -ne 3"], ids="1-7:2", key="k", cpus=0.5) == plain
    assert array.wait(60)["outcome"] == "done" and array.show()["ids"] == "1-3", array.show()
    assert [array.logs(i) for i in (1, 2)] == ['1 {"a":1}\n', '2 "b"\n'], array.logs(1)
    assert array.show()["log_files"] and [name.rsplit("/", 1)[1] for name in array.task(2)["log_files"]] == ["2.out", "2.err"], array.task(2)
    with open(array.task(2)["log_files"][0]) as file:
        assert file.read() == '2 "b"\n'
    shown = plain.wait(60)
    assert (shown["outcome"], shown["failed"], shown["total"]) == ("failed", 1, 4), shown
    assert [t["id"] for t in plain.tasks(state="failed")] == [f"{plain.id}.3"] and plain.failures()[0]["count"] == 1
    open(good, "w").close()
    assert plain.retry() == 1
    assert plain.wait(60)["outcome"] == "done" and plain.task(3)["attempts"] == 2
    assert len(there.array(plain.id).tasks()) == 4
    expect(MusterError, lambda: there.submit_array(["true"], ids="5-1"), "5-1")
    expect(MusterError, lambda: there.submit_array(["true"], lines=["a\nb"]), "line end")
    expect(MusterError, lambda: there.submit_array(["echo", "${nothing}"], ids=2), "nothing")
    expect(MusterError, lambda: there.submit_array(["true"], ids=2, work=cluster.state), "is the cluster's state folder, with its keys, and is not sent")


def test_connect_wait_outlives_a_killed_head(cluster):
    """kill -9 of the head, again and again, while one thread waits, one follows events and one a log."""
    there = up(cluster)
    sweep = there.submit(spec(cluster, trials=6, steps=10, pause=0.1))
    ends, seen, log = [], [], []
    threads = [threading.Thread(target=lambda: ends.append(sweep.wait(90))), threading.Thread(target=lambda: seen.extend(sweep.events())),
               threading.Thread(target=lambda: log.extend(sweep.logs(1, follow=True)))]
    for thread in threads:
        thread.start()
    for _ in range(4):
        before = cluster.kill("head")
        wait_for("another head", lambda: cluster.pid("head") not in (None, before))
        there.status()
    for thread in threads:
        thread.join(90)
        assert not thread.is_alive(), "it still waits"
    assert ends[0]["state"] == "done" and ends[0]["done"] == 6, ends
    text = "".join(log)
    assert text == f"begin {sweep.id}.1\n" + "".join(f"step {n}\n" for n in range(1, 11)), text
    assert seen[-1]["kind"] in ("sweep", "reset"), seen[-1]


def test_connect_submit_while_the_head_is_away_makes_one_sweep(cluster):
    there = up(cluster)
    sweeps = []
    cluster.kill("head")
    for _ in range(5):
        cluster.kill("head")
        sweeps.append(there.submit(spec(cluster, trials=1)))
    assert len(set(sweeps)) == 5 and sorted(s.id for s in there.sweeps()) == sorted(s.id for s in sweeps), sweeps
    for sweep in sweeps:
        assert sweep.wait(60)["state"] == "done"


def test_connect_timeout_leaves_the_sweep_which_cancel_ends(cluster):
    there = up(cluster)
    sweep = there.submit(spec(cluster, steps=10000, pause=0.05))
    started = time.monotonic()
    expect(TimeoutPassed, lambda: sweep.wait(timeout=0.5), "goes on")
    assert 0.2 < time.monotonic() - started < 5
    assert sweep.show()["state"] == "running"
    wait_for("a trial that runs", lambda: sweep.trials(state="running"))
    sweep.cancel(grace=2)
    assert sweep.wait(30)["state"] == "cancelled"
    sweep.cancel()


def test_connect_without_a_head_says_so_in_time(cluster):
    with no_variables():
        started = time.monotonic()
        expect(Unreachable, lambda: muster.connect(state=cluster.state, patience=0.3).status(), "muster up")
        expect(Unreachable, lambda: muster.connect("http://127.0.0.1:1", patience=0.3).status(), "cannot be reached")
        assert time.monotonic() - started < 10
    there = up(cluster)
    wrong = muster.connect(cluster.url(), token="wrong", patience=0.3)
    assert expect(Unreachable, wrong.status).status == 401
    assert muster.connect(cluster.url(), token=cluster.token()).status()["pid"] == there.status()["pid"]


def test_connect_is_shared_by_threads(cluster):
    there = up(cluster)
    failures = []

    def work(n):
        try:
            sweep = there.submit(spec(cluster, trials=1))
            assert sweep.wait(90)["state"] == "done" and len(sweep.trials()) == 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


def test_connect_work_folder_has_the_commands_own_name(cluster):
    """The same folder, packed by the command and by Python, is one blob; and the trials of both start in a copy of it."""
    there = up(cluster)
    folder = os.path.join(cluster.work, "folder")
    os.makedirs(os.path.join(folder, "deep/" + "d" * 80 + "/" + "e" * 80))
    for name, data, mode in (("train.py", TRAINER, 0o644), ("deep/" + "d" * 80 + "/" + "e" * 80 + "/" + "f" * 90, "far", 0o600), ("run.sh", "#!/bin/sh\n", 0o755),
                             ("a-b", "x" * 2000, 0o644), ("a.o", "left out", 0o644), ("kept.o", "kept", 0o644), ("data/large", "left out", 0o644)):
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(data)
        os.chmod(path, mode)
    os.makedirs(os.path.join(folder, "a"))
    os.symlink("run.sh", os.path.join(folder, "link"))
    path = os.path.join(folder, "sweep.yaml")
    with open(path, "w") as file:
        file.write(f"""name: packed
command: [{PYTHON}, train.py]
workdir: {{path: ., ignore: ["*.o", "!kept.o", data/]}}
metric: {{name: loss}}
parameters: {{x: {{min: 0, max: 1.0}}, steps: 3, pause: 0.0}}
stop: {{trials: 2}}
""")
    one, two = there.submit(path), int(cluster.run("sweep", "run", "-d", path).stdout)
    other = there.submit({**spec(cluster), "workdir": "."}, work=folder)
    os.rename(folder, folder + ".gone")
    for sweep in (one, there.sweep(two), other):
        shown = sweep.wait(60)
        assert shown["state"] == "done", shown
        assert len(shown["work"]) == 64, shown
    assert one.show()["work"] == there.sweep(two).show()["work"] != other.show()["work"]


def test_connect_set_name_labels_and_test_reach_the_sweep(cluster):
    there = up(cluster)
    sweep = there.submit(spec(cluster), set={"stop.trials": 2, "parameters.x.max": 0.25}, name="other", labels=["one"])
    shown = sweep.wait(60)
    assert shown["name"] == "other" and "one" in shown["labels"] and shown["asked"] == 2, shown
    assert all(trial["params"]["x"] <= 0.25 for trial in sweep.trials()), sweep.trials()
    assert there.submit(spec(cluster, trials=5), test=True).wait(60)["asked"] == 1
    expect(MusterError, lambda: there.submit(spec(cluster), set={"stop.trails": 2}), "trails")


def test_connect_envvar_is_this_programs(cluster):
    there = up(cluster)
    spec_of = {"command": ["sh", "-c", "echo got $0; muster report --step 1 loss=1", "${envvar:KEYS_TEST}"], "metric": {"name": "loss"}, "stop": {"trials": 1}}
    expect(MusterError, lambda: there.submit(spec_of, work=cluster.work), "KEYS_TEST")
    os.environ["KEYS_TEST"] = "\u00fcber's 'x'"
    try:
        sweep = there.submit(spec_of, work=cluster.work)
    finally:
        del os.environ["KEYS_TEST"]
    sweep.wait(60)
    assert "got \u00fcber's 'x'" in cluster.run("trial", "logs", f"{sweep.id}.1").stdout


def test_connect_over_tls_trusts_the_clusters_own_ca_only(cluster):
    cluster.up("--cpus", "1", "--http", "0.0.0.0:0")
    with no_variables():
        there = muster.connect(state=cluster.state)
        assert cluster.url().startswith("https://")
        sweep = there.submit(spec(cluster, trials=1))
        assert sweep.wait(60)["state"] == "done"
        port = cluster.url().rsplit(":", 1)[1]
        with_ca = muster.connect(f"https://127.0.0.1:{port}", cluster.token(), ca=os.path.join(cluster.state, "keys/ca.crt"))
        assert with_ca.sweep(sweep.id).show()["state"] == "done"
        started = time.monotonic()
        expect(Unreachable, muster.connect(f"https://127.0.0.1:{port}", cluster.token(), ca="/etc/ssl/certs/ca-certificates.crt").status, "not trusted")
        assert time.monotonic() - started < 10, "a certificate that is not trusted was waited for"


if __name__ == "__main__":
    run(globals())
