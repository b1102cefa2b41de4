#!/usr/bin/env python3
"""The command in its breadth: forms of output, selectors, keys and signals, dry runs, reruns, what is printed from the tables."""
import contextlib
import csv
import fcntl
import io
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import threading
import time

from array_test import add_dry_worker
from cluster import MUSTER, PYTHON, SLOW, Skip, run, wait_for
from first_light_test import steady

TRAINER = """import json, os, sys, time
import muster
with muster.trial() as t:
    with open("env.json", "w") as file:
        json.dump({"argv": sys.argv, "env": dict(os.environ), "cwd": os.getcwd(), "params": dict(t.params)}, file)
    if os.environ.get("KEEP"):
        import shutil
        shutil.copy("env.json", os.environ["KEEP"] + "/" + os.environ["MUSTER_TRIAL"] + ".json")
    print("hello from", os.environ["MUSTER_TRIAL"])
    while t.next(until=4):
        time.sleep(float(os.environ.get("PAUSE", "0")))
        t.report(loss=t.params.lr / t.step, acc=1 - t.params.lr)
"""


def sweep_text(cluster, trials=4, pause="0", more=""):
    cluster.file("train.py", TRAINER)
    return f"""name: forms
command: [{PYTHON}, train.py, "${{args}}"]
metric: {{name: loss}}
env: {{PAUSE: "{pause}", KEEP: {cluster.root}}}
parameters:
  lr: {{min: 0.001, max: 1.0, log: true}}
  opt: {{values: ["a, \\"b\\"", "line\\nbreak", "yes"]}}
search: {{seed: 5}}
stop: {{trials: {trials}}}
{more}"""


def terminal(cluster, columns, *arguments, keys=None, rows=24, signal_after=None):
    """A muster command on a terminal. `keys`: (wait for these bytes, then type those). (exit code, all output)"""
    try:
        pid, fd = pty.fork()
    except OSError as error:
        raise Skip(f"there is no pseudo-terminal here ({error})") from None
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.chdir(cluster.work)
        os.execve(MUSTER, [MUSTER, *arguments], cluster.environment(TERM="xterm", LANG="C.UTF-8"))
    output, deadline = b"", time.monotonic() + 40 * SLOW
    while time.monotonic() < deadline:
        if select.select([fd], [], [], 0.1)[0]:
            try:
                piece = os.read(fd, 65536)
            except OSError:
                break
            if not piece:
                break
            output += piece
        if keys is not None and keys[0] in output:
            os.write(fd, keys[1])
            keys = None
        if signal_after is not None and signal_after[0] in output:
            os.kill(pid, signal_after[1])
            signal_after = None
    else:
        os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(fd)
    return code, output.decode("utf-8", "replace")


def test_output_forms_say_the_same(cluster):
    cluster.up("--cpus", "2")
    cluster.run("sweep", "run", cluster.file("s.yaml", sweep_text(cluster)))
    items = cluster.json("trial", "list")["items"]
    assert len(items) == 4 and {t["params"]["opt"] for t in items} <= {'a, "b"', "line\nbreak", "yes"}, items
    text = cluster.run("trial", "list", "-o", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert text.count("\r\n") >= 5 or "\n" in text, text
    for row, item in zip(rows, items, strict=True):
        assert row["id"] == item["id"] and row["params.opt"] == item["params"]["opt"], (row, item)
        assert float(row["params.lr"]) == item["params"]["lr"] and float(row["last.metrics.loss"]) == item["last"]["metrics"]["loss"]
    assert [json.loads(line) for line in cluster.run("trial", "list", "-o", "ndjson").stdout.splitlines()] == items
    assert cluster.run("trial", "list", "-o", "name").stdout.split() == [t["id"] for t in items]
    wide = cluster.run("trial", "list", "-o", "wide").stdout
    assert "CHECKPOINT" in wide and "…" not in wide, wide
    for words in (["sweep", "show"], ["trial", "show", "1.1"], ["node", "show", "local"], ["status"], ["sweep", "best"], ["explain", "1"]):
        whole = cluster.json(*words)
        assert json.loads(cluster.run(*words, "-o", "ndjson").stdout).keys() == whole.keys()
        assert cluster.run(*words, "-o", "csv").stdout.startswith(next(iter(whole))), words
    done = cluster.run("trial", "list", "-o", "xml", code=2)
    assert "use table, wide, json, ndjson, csv, yaml or name" in done.stderr


def test_yaml_reads_back_as_the_json(cluster):
    probe = subprocess.run([PYTHON, "-c", "import yaml"], capture_output=True)
    if probe.returncode != 0:
        raise Skip("Debian's python3-yaml is not installed")
    cluster.up("--cpus", "2")
    cluster.run("sweep", "run", cluster.file("s.yaml", sweep_text(cluster)))
    cluster.run("run", "--", "sh", "-c", "echo é; true # : - {x} 'y' \u2028 \x7f ~ null")
    for words in (["trial", "list"], ["task", "list"], ["sweep", "show"], ["node", "list"], ["status"]):
        text = cluster.run(*words, "-o", "yaml").stdout
        read = subprocess.run([PYTHON, "-c", "import sys, json, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)"], input=text,
                              capture_output=True, text=True, check=True)
        seen, wanted = json.loads(read.stdout), cluster.json(*words)
        for moving in ("age", "heard", "ran", "store_age", "store_memory", "cache", "cache_max"):
            for value in (seen, wanted, *seen.get("items", []), *wanted.get("items", [])):
                value.pop(moving, None)
        assert seen == wanted, (words, text)


def test_lists_choose_columns_sort_and_filter(cluster):
    cluster.up("--cpus", "2")
    cluster.run("sweep", "run", cluster.file("s.yaml", sweep_text(cluster, trials=12)))
    items = cluster.json("trial", "list")["items"]
    ids = cluster.run("trial", "list", "--sort", "-params.lr", "-o", "name").stdout.split()
    assert ids == [t["id"] for t in sorted(items, key=lambda t: -t["params"]["lr"])]
    assert cluster.run("trial", "list", "--sort", "id", "-o", "name").stdout.split() == [f"1.{i}" for i in range(1, 13)]
    table = cluster.run("trial", "list", "--columns", "id,params.lr,best.metrics.loss", "--limit", "3").stdout.splitlines()
    assert len(table) == 4 and table[0].split() == ["ID", "PARAMS.lr", "BEST.loss"], table
    limited = cluster.json("trial", "list", "--limit", "3")
    assert len(limited["items"]) == 3 and limited["total"] == 12, limited
    for text, choose in (
        ("params.opt=yes", lambda t: t["params"]["opt"] == "yes"),
        ("params.opt!=yes", lambda t: t["params"]["opt"] != "yes"),
        ("params.opt~BREAK", lambda t: "break" in t["params"]["opt"]),
        ("state=done", lambda t: t["outcome"] == "done"),
        ("state=ended", lambda t: t["state"] == "ended"),
        ("step=4", lambda t: t["step"] == 4),
        ("node=elsewhere", lambda t: False),
    ):
        got = cluster.json("trial", "list", "--filter", text)
        wanted = [t["id"] for t in items if choose(t)]
        assert [t["id"] for t in got["items"]] == wanted and got["total"] == len(wanted), (text, got["total"])
    assert len(cluster.json("sweep", "list", "--owner", "nobody-here")["items"]) == 0
    assert cluster.run("trial", "list", "1.2-4,1.9", "-o", "name").stdout.split() == ["1.2", "1.3", "1.4", "1.9"]
    for words, part in (
        (["--columns", "id,nonsense"], "trials have no column 'nonsense'; there are id, sweep, state"),
        (["--sort", "nonsense"], "trials have no column 'nonsense'"),
        (["--filter", "nonsense=1"], "trials have no 'nonsense'; there are id, sweep"),
        (["--filter", "state=bogus"], "there are waiting, queued"),
        (["--filter", "plain"], "KEY=VALUE"),
        (["--limit", "-1"], "whole number"),
    ):
        done = cluster.run("trial", "list", *words, code=2)
        assert part in done.stderr and done.stdout == "" and len(done.stderr.splitlines()) == 1, (words, done.stderr)


def test_table_fits_the_terminal_and_wide_does_not_cut(cluster):
    cluster.up("--cpus", "2")
    cluster.run("sweep", "run", cluster.file("s.yaml", sweep_text(cluster)))
    for columns in (40, 80, 200):
        code, text = terminal(cluster, columns, "trial", "list")
        lines = text.replace("\r", "").splitlines()
        assert code == 0 and len(lines) == 5 and max(map(len, lines)) <= columns, (columns, lines)
    assert max(map(len, terminal(cluster, 40, "trial", "list", "-o", "wide")[1].splitlines())) > 80


def test_selectors_act_on_many_and_tell_each(cluster):
    cluster.up("--cpus", "1")
    numbers = [cluster.sweep(steady(pause=0.5, trials=3)) for _ in range(4)]
    assert numbers == [1, 2, 3, 4]
    done = cluster.run("sweep", "cancel", "1-2,9", "--grace", "1", code=1)
    assert "sweep 1 is being cancelled" in done.stderr and "sweep 2 is being cancelled" in done.stderr, done.stderr
    done = cluster.run("sweep", "cancel", "9", code=3)
    assert "9" in done.stderr
    wait_for("the first two to be over", lambda: all(cluster.sweep_of(n)["state"] == "cancelled" for n in (1, 2)))
    assert "sweep 1 has ended already: cancelled" in cluster.run("sweep", "cancel", "1").stderr
    code, text = terminal(cluster, 100, "sweep", "cancel", "all", keys=(b"[y/N]", b"n\n"))
    assert code == 1 and "cancel 2 sweeps: 3, 4? [y/N]" in text and "nothing was done" in text, text
    assert cluster.sweep_of(4)["state"] == "running"
    code, text = terminal(cluster, 100, "sweep", "cancel", "3-4", "--grace", "1", keys=(b"[y/N]", b"y\n"))
    assert code == 0 and "sweep 4 is being cancelled" in text, text
    wait_for("all to be over", lambda: all(cluster.sweep_of(n)["state"] == "cancelled" for n in numbers))
    cluster.run("sweep", "rm", "1-3", "--yes")
    wait_for("three to be gone", lambda: cluster.run("sweep", "list", "-o", "name").stdout.split() == ["4"])
    for words in (["sweep", "cancel", "0"], ["sweep", "cancel", "3-1"], ["sweep", "cancel", "x"], ["trial", "cancel", "1."], ["trial", "retry", "1.3-"]):
        assert "named" in cluster.run(*words, code=2).stderr, words


def test_verbs_that_take_yes_are_those_that_ask(cluster):
    cluster.up("--cpus", "2")
    cluster.run("sweep", "run", cluster.file("bad.yaml", "command: [sh, -c, exit 3]\nmetric: {name: loss}\nretries: {max: 0}\nstop: {trials: 2}\n"), code=5)
    cluster.run("submit", "--wait", "--array", "1-2", "--", "false", code=5)
    sweep, array = cluster.sweep(steady(pause=0.5, trials=3)), int(cluster.run("submit", "--array", "1-2", "--", "sleep", "60").stdout)
    asking = {"sweep stop": "all", "sweep cancel": "all", "sweep rm": "1-2", "trial stop": sweep, "trial cancel": sweep, "trial retry": 1, "task cancel": array, "task retry": 2}
    manual = cluster.run("help", "--man").stdout.replace("\\", "")
    offering = [" ".join(section.split()[1:3]) for section in re.split(r"\n\.SS |\n\.SH ", manual)[1:] if re.search(r"^\S+-y.*--yes", section, re.M)]
    assert sorted(offering) == sorted(asking), offering
    for verb, those in asking.items():
        code, text = terminal(cluster, 100, *verb.split(), str(those), keys=(b"[y/N]", b"n\n"))
        assert code == 1 and "nothing was done" in text, (verb, text)
    code, text = terminal(cluster, 100, "trial", "retry", "1", "-y")
    assert code == 0 and "[y/N]" not in text and "1.2 is tried again" in text, text
    cluster.run("sweep", "cancel", "all", "--grace", "1")
    cluster.run("task", "cancel", str(array), "--grace", "1")


def test_pause_resume_clone_and_retry(cluster):
    cluster.up("--cpus", "2")
    number = cluster.sweep(sweep_text(cluster, trials=8, pause="0.1"))
    cluster.run("sweep", "pause", str(number))
    paused = wait_for("what runs to finish", lambda: (s := cluster.sweep_of(number))["running"] == 0 and s["state"] == "paused" and s)
    assert paused["asked"] < 8, paused
    cluster.run("sweep", "resume", str(number))
    cluster.run("sweep", "wait", str(number))
    assert cluster.sweep_of(number)["done"] == 8
    cluster.run("sweep", "resume", str(number), "--trials", "+2")
    cluster.run("sweep", "wait", str(number))
    assert cluster.sweep_of(number)["done"] == 10
    clone = cluster.run("sweep", "clone", str(number), "-d", "--name", "again", "--set", "stop.trials=2").stdout.strip()
    cluster.run("sweep", "wait", clone)
    assert (cluster.sweep_of(clone)["name"], cluster.sweep_of(clone)["done"]) == ("again", 2)
    before = cluster.json("trial", "show", f"{number}.1")["attempts"]  # two, if the pause found it running
    cluster.run("trial", "retry", f"{number}.1")
    wait_for("one more attempt", lambda: (t := cluster.json("trial", "show", f"{number}.1"))["attempts"] == before + 1 and t["state"] == "ended")
    cluster.run("sweep", "pause", str(number), code=1)


def test_submit_prints_waits_and_follows(cluster):
    cluster.up("--cpus", "2")
    assert cluster.run("submit", "--", "true").stdout == "1.1\n"
    assert json.loads(cluster.run("submit", "-o", "json", "--", "true").stdout) == {"api": "v1", "id": "2.1"}
    done = cluster.run("submit", "--wait", "--", "sh", "-c", "echo words; exit 3", code=3)
    assert done.stdout == "", done.stdout
    done = cluster.run("submit", "-f", "--name", "n", "--label", "l", "--priority", "70", "--", "echo", "words")
    assert done.stdout == "words\n", done.stdout
    task = cluster.json("task", "show", "4.1")
    assert (task["name"], task["labels"], task["priority"]) == ("n", ["l"], 70), task
    assert "goes on" in cluster.run("submit", "--wait", "--timeout", "0.5", "--", "sleep", "5", code=124).stderr
    path = cluster.file("s.yaml", sweep_text(cluster))
    number = cluster.run("submit", path, "--name", "other", "--label", "x", "--set", "stop.trials=2", "--priority", "20").stdout.strip()
    cluster.run("sweep", "wait", number)
    sweep = cluster.sweep_of(number)
    assert (sweep["name"], sweep["trials"], sweep["priority"], "x" in sweep["labels"]) == ("other", 2, 20, True), sweep
    cluster.run("submit", "--wait", path, "--test")
    assert cluster.json("sweep", "show", "last")["asked"] == 1
    for words, part in ((["submit"], "wants a sweep file"), (["submit", path, "--", "true"], "wants a sweep file"),
                        (["submit", path, "--cpus", "2"], "a command after --"), (["submit", "--set", "a=1", "--", "true"], "for sweep files"),
                        (["submit", path, "--set", "stop.trails=2"], "stop.trails=2")):
        assert part in cluster.run(*words, code=2).stderr, words


def test_labels_needs_and_priority_of_an_array_have_their_effect(cluster):
    cluster.up("--label", "zone=b", "--custom", "licence=2")
    go, began, ended = (os.path.join(cluster.work, name) for name in ("go", "began", "ended"))

    def look(number):
        return json.loads(cluster.http("GET", f"/api/v1/jobs/{number}")[1])

    def lines(path):
        with open(path) as file:
            return file.read().split()
    small = ["--cpus", "0.1"]
    # Custom: two licences, so two of six at a time, though there are CPUs.
    script = f"echo ${{index}} >> {began}; while ! test -e {go}; do sleep 0.02; done; echo ${{index}} >> {ended}"
    held = int(cluster.run("submit", "--array", "1-6", *small, "--custom", "licence=1", "--label", "night", "--", "sh", "-c", script).stdout)
    wait_for("two to hold the licences", lambda: look(held)["running"] == 2 and os.path.exists(began) and len(lines(began)) == 2)
    away = int(cluster.run("submit", "--array", "1-3", *small, "--custom", "licence=1", "--require", "zone == b", "--label", "day", "--label", "far", "--", "true").stdout)
    cluster.run("submit", "--wait", "--array", "1-20", *small, "--", "true")  # it goes by both of them
    assert len(lines(began)) == 2 and (look(held)["running"], look(held)["queued"]) == (2, 4) and look(away)["queued"] == 3, (look(held), look(away))
    assert "licence" in cluster.run("explain", str(held)).stdout
    # Labels: in lists of people and programs.
    for label, number in (("night", held), ("day", away), ("far", away)):
        assert [t["job"] for t in cluster.json("task", "list", "--filter", f"label={label}")["items"]] == [number], label
        assert [j["id"] for j in json.loads(cluster.http("GET", f"/api/v1/jobs?label={label}")[1])["items"]] == [number], label
    assert cluster.json("task", "list", "--filter", "label=nobody")["items"] == []
    assert look(away)["labels"] == ["day", "far"] and cluster.json("task", "show", f"{away}.2")["labels"] == ["day", "far"], look(away)
    # Require: there are licences again, but the node has moved to another zone.
    cluster.run("node", "label", "local", "zone=a")
    open(go, "w").close()
    cluster.run("task", "wait", str(held))
    assert sorted(lines(ended)) == list("123456") == sorted(lines(began))
    cluster.run("submit", "--wait", *small, "--custom", "licence=2", "--", "true")
    assert look(away)["queued"] == 3 and "zone == b" in cluster.run("explain", str(away), code=7).stdout, look(away)
    cluster.run("node", "label", "local", "zone=b")
    cluster.run("task", "wait", str(away))
    # Priority: of two that wait for the whole node the later one goes first.
    os.unlink(go)
    order = os.path.join(cluster.work, "order")
    whole = ["--cpus", str(cluster.json("node", "show", "local")["cpus"])]
    blocker = int(cluster.run("submit", "--array", "1-1", *whole, "--", "sh", "-c", f"while ! test -e {go}; do sleep 0.02; done").stdout)
    wait_for("the node to be full", lambda: look(blocker)["running"] == 1)
    numbers = [int(cluster.run("submit", "--array", "1-3", *whole, "--priority", priority, "--", "sh", "-c", f"echo {priority} >> {order}").stdout)
               for priority in ("10", "90")]
    assert [look(n)["priority"] for n in numbers] == [10, 90] and [look(n)["queued"] for n in numbers] == [3, 3], [look(n) for n in numbers]
    open(go, "w").close()
    for number in numbers:
        cluster.run("task", "wait", str(number))
    assert lines(order) == ["90"] * 3 + ["10"] * 3, lines(order)


def test_same_key_makes_one_sweep_though_clients_race_and_die(cluster):
    cluster.up("--cpus", "2")
    path = cluster.file("s.yaml", sweep_text(cluster, trials=6, pause="0.1"))
    first = cluster.start("sweep", "run", path, "--key", "night")
    wait_for("the first to be submitted", lambda: cluster.json("sweep", "list")["total"] == 1)
    first.kill()
    first.wait()
    done = cluster.run("sweep", "run", path, "--key", "night")
    assert "sweep 1 done" in done.stdout, done.stdout
    racers = [cluster.start("submit", path, "--key", "race") for _ in range(6)]
    numbers = {racer.communicate(timeout=60)[0].strip() for racer in racers}
    assert len(numbers) == 1 and cluster.json("sweep", "list")["total"] == 2, numbers
    tasks = [cluster.start("submit", "--key", "task", "--", "true") for _ in range(4)]
    assert len({task.communicate(timeout=60)[0].strip() for task in tasks}) == 1
    assert "new key" in cluster.run("submit", path, "--key", "race", "--set", "stop.trials=3", code=1).stderr
    cluster.run("sweep", "wait")


def slots_used(cluster):
    return json.loads(cluster.http("GET", "/api/v1/status")[1])["cpus_used"]


STUBBORN = """import os, signal, subprocess, time
import muster
told = os.path.join(os.environ["KEEP"], "term." + os.environ["MUSTER_TRIAL"])
signal.signal(signal.SIGTERM, lambda *_: open(told, "w").close())
with muster.trial() as t:
    t.report(loss=1.0)
    deaf = "trap '' TERM; setsid sleep 1000 & while :; do sleep 1000; done"
    subprocess.run(["sh", "-c", deaf])
    while True:
        time.sleep(1000)
"""
GRACE, MARGIN = 2.0, 5.0


def seconds_until_gone(pids, within):
    """Until the kernel has seen the last of them end."""
    started, poll = time.monotonic(), select.poll()
    handles = {os.pidfd_open(pid): pid for pid in pids}
    for handle in handles:
        poll.register(handle, select.POLLIN)
    left = dict(handles)
    while left and time.monotonic() - started < within:
        for handle, _ in poll.poll(100):
            poll.unregister(handle)
            left.pop(handle)
    for handle in handles:
        os.close(handle)
    assert not left, f"after {within:.0f} s there are still {sorted(left.values())}"
    return time.monotonic() - started


def test_sigterm_without_a_terminal_ends_who_ignores_it_within_grace(cluster):
    cluster.up("--cpus", "2")
    cluster.file("stubborn.py", STUBBORN)
    text = f"""command: [{PYTHON}, stubborn.py]
metric: {{name: loss}}
parameters: {{lr: {{min: 0.0, max: 1.0}}}}
env: {{KEEP: {cluster.root}}}
stop: {{trials: 5}}
timeouts: {{grace: {GRACE:.0f}s}}
"""
    child = cluster.start("sweep", "run", cluster.file("s.yaml", text))
    pids = wait_for("two trees of four", lambda: len(found := cluster.attempts()) >= 8 and found)
    child.send_signal(signal.SIGTERM)
    seconds_until_gone(pids, 2 * GRACE + MARGIN * SLOW)
    out, err = child.communicate(timeout=30 * SLOW)
    assert child.returncode == 6 and "cancelling sweep 1" in err and "sweep 1 cancelled" in out, (child.returncode, out, err)
    assert slots_used(cluster) == 0 and not cluster.attempts()
    assert cluster.sweep_of(1)["state"] == "cancelled" and cluster.sweep_of(1)["asked"] == 2
    assert all(os.path.exists(os.path.join(cluster.root, f"term.1.{i}")) for i in (1, 2)), "there was no SIGTERM before the SIGKILL"
    deaf = "trap '' TERM; setsid sleep 1000 & echo began; while :; do sleep 1000; done"
    child = cluster.start("run", "--grace", f"{GRACE:.0f}s", "--", "sh", "-c", deaf)
    assert child.stdout.readline() == "began\n"
    pids = wait_for("a tree of three", lambda: len(found := cluster.attempts()) >= 3 and found)
    child.send_signal(signal.SIGTERM)
    seconds_until_gone(pids, 2 * GRACE + MARGIN * SLOW)
    out, err = child.communicate(timeout=30 * SLOW)
    assert child.returncode == 6 and "cancelling task" in err, (child.returncode, out, err)
    assert slots_used(cluster) == 0 and not cluster.attempts()
    assert "--grace" in cluster.run("run", "--grace", "soon", "--", "true", code=2).stderr


def test_sigterm_lets_a_command_say_its_last_words(cluster):
    cluster.up("--cpus", "1")
    child = cluster.start("run", "--", "sh", "-c", "echo began; trap 'echo leaving; exit 0' TERM; while :; do sleep 0.1; done")
    assert child.stdout.readline() == "began\n"
    child.send_signal(signal.SIGTERM)
    out, err = child.communicate(timeout=100 * SLOW)
    assert child.returncode == 6 and "leaving" in out and "cancelling task" in err, (child.returncode, out, err)
    assert slots_used(cluster) == 0


def before_a_terminal(cluster, *words):
    """A muster command whose stderr is a terminal: (process, list of what comes there)."""
    try:
        keyboard, screen = pty.openpty()
    except OSError as error:
        raise Skip(f"there is no pseudo-terminal here ({error})") from None
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    child, output = cluster.start(*words, stderr=screen, env={"TERM": "xterm"}), []
    os.close(screen)

    def read():
        with open(keyboard, errors="replace", newline="") as file, contextlib.suppress(OSError):  # EIO: the process has ended
            for line in file:
                output.append(line)
    threading.Thread(target=read, daemon=True).start()
    return child, output


GIVEN_UP = """command: [sh, -c, "test -e $KEEP/good || {{ echo no data >&2; exit 3; }}; muster report --step 1 loss=1"]
metric: {{name: loss}}
parameters: {{lr: {{min: 0.0, max: 1.0}}}}
env: {{KEEP: {root}}}
retries: {{max: 0, node_failures: none}}
stop: {{trials: 8}}
"""


def test_sweep_that_muster_paused_ends_the_waiting_where_nobody_looks(cluster):
    cluster.up("--cpus", "2")
    path = cluster.file("s.yaml", GIVEN_UP.format(root=cluster.root))
    reason = r"muster: sweep 1 was paused: the first 5 trials all failed; 5 of them like trial 1\.1: no data; 'muster sweep resume 1' goes on .* 'muster sweep cancel 1' ends it"
    for words in (["sweep", "run", path, "--key", "k"], ["sweep", "wait", "1"], ["sweep", "watch", "1"], ["submit", "--wait", path, "--key", "k"],
                  ["submit", "-f", path, "--key", "k"]):
        done = cluster.run(*words, code=5, seconds=40)
        assert re.search(reason, done.stderr) and re.match(r"sweep 1 paused in \S+: 0 trials done, 0 stopped early, [56] failed\n$", done.stdout), (words, done)
    assert json.loads(cluster.run("sweep", "wait", "1", "-o", "json", code=5).stdout)["state"] == "paused"
    for words in (["sweep", "wait", "1"], ["sweep", "watch", "1"]):  # at a terminal it is told, and somebody may resume it elsewhere
        child, output = before_a_terminal(cluster, *words)
        wait_for("the reason on the terminal", lambda output=output: re.search(reason, "".join(output)))
        assert cluster.run("sweep", "wait", "1", code=5) and child.poll() is None, "it did not wait"
        if words[1] == "wait":
            child.send_signal(signal.SIGINT)
            assert child.wait(30 * SLOW) == 130
    open(os.path.join(cluster.root, "good"), "w").close()
    cluster.run("sweep", "resume", "1")
    assert "sweep 1 done" in child.communicate(timeout=60 * SLOW)[0] and child.returncode == 0


def test_sweep_that_people_paused_is_waited_for(cluster):
    cluster.up("--cpus", "2")
    number = cluster.sweep(sweep_text(cluster, trials=30, pause="0.1"))
    waiting = [cluster.start("sweep", verb, str(number)) for verb in ("wait", "watch")]
    cluster.run("sweep", "pause", str(number))
    wait_for("what runs to finish", lambda: (s := cluster.sweep_of(number))["running"] == 0 and s["state"] == "paused")
    assert "is not over yet" in cluster.run("sweep", "wait", str(number), "--timeout", "1", code=124).stderr
    assert [child.poll() for child in waiting] == [None, None]
    cluster.run("sweep", "resume", str(number))
    for child in waiting:
        assert "done" in child.communicate(timeout=60 * SLOW)[0] and child.returncode == 0


def test_on_signal_says_what_signals_do(cluster):
    cluster.up("--cpus", "2")
    path = cluster.file("s.yaml", sweep_text(cluster, trials=50, pause="0.5", more="timeouts: {grace: 1s}\n"))
    for sign, words, code in ((signal.SIGTERM, ["--on-signal", "detach"], 130), (signal.SIGINT, [], 130), (signal.SIGINT, ["--on-signal", "cancel"], 6)):
        child = cluster.start("sweep", "run", path, "--key", "one", *words)
        wait_for("trials to run", lambda: slots_used(cluster) == 2)
        wait_for("it to watch", lambda: "running" in child.stderr.readline())
        child.send_signal(sign)
        out, err = child.communicate(timeout=30 * SLOW)
        assert child.returncode == code, (sign, words, child.returncode, out, err)
        assert ("muster sweep watch 1" in err) == (code == 130), err
    assert cluster.sweep_of(1)["state"] == "cancelled"
    number = int(cluster.run("submit", path).stdout)
    code, text = terminal(cluster, 100, "sweep", "run", path, "--key", "two", signal_after=(b"running", signal.SIGTERM))
    assert code == 130 and "goes on" in text, text
    cluster.run("sweep", "cancel", f"{number}-{number + 1}", "--grace", "1")
    assert "detach or cancel" in cluster.run("sweep", "run", path, "--on-signal", "x", code=2).stderr


def test_dry_run_is_what_the_first_trial_gets(cluster):
    path = cluster.file("s.yaml", sweep_text(cluster, trials=1))
    plan = cluster.json("sweep", "run", path, "--dry-run")
    shell = cluster.run("sweep", "run", path, "--dry-run").stdout
    assert not os.path.exists(cluster.state), "a dry run started something"
    assert "env -i" in shell and "PAUSE=0" in shell, shell
    cluster.up("--cpus", "1")
    cluster.run("sweep", "run", path)
    with open(os.path.join(cluster.root, "1.1.json")) as file:
        real = json.load(file)
    assert plan["command"][1:] == real["argv"] and plan["params"] == real["params"], (plan, real)
    placed = {"MUSTER_SOCKET", "MUSTER_PARAMS_FILE", "MUSTER_TRIAL_DIR", "MUSTER_ATTEMPT", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"}
    held = {"MASTER_ADDR", "MASTER_PORT", "PET_MASTER_ADDR", "PET_MASTER_PORT"}  # a port of its node, held from its start on
    assert held <= set(real["env"]), real["env"]
    for name in (set(plan["env"]) | set(real["env"])) - placed - held:
        assert plan["env"].get(name) == real["env"].get(name), (name, plan["env"].get(name), real["env"].get(name))
    assert plan["env"].keys() >= (placed & set(real["env"])) - {"PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"}
    task = json.loads(cluster.run("run", "--dry-run", "-o", "json", "--env", "A=${x}", "--", "echo", "${lr}").stdout)
    assert task["command"] == ["echo", "${lr}"] and task["env"]["A"] == "${x}", task


def test_rerun_runs_the_same_here_in_a_scratch_copy(cluster):
    cluster.up("--cpus", "2")
    cluster.run("sweep", "run", cluster.file("s.yaml", sweep_text(cluster, trials=2)), "--set", 'parameters.lr.max=0.5')
    with open(os.path.join(cluster.root, "1.2.json")) as file:
        real = json.load(file)
    os.unlink(os.path.join(cluster.root, "1.2.json"))
    plan = cluster.json("trial", "rerun", "1.2", "--print")
    assert plan["command"][1:] == real["argv"] and plan["env"]["MUSTER_SEED"] == real["env"]["MUSTER_SEED"], plan
    done = cluster.run("trial", "rerun", "1.2", "--local")
    assert "hello from 1.2" in done.stdout and "loss=" in done.stderr, done
    with open(os.path.join(cluster.root, "1.2.json")) as file:
        again = json.load(file)
    assert again["argv"] == real["argv"] and again["params"] == real["params"] and "MUSTER_SOCKET" not in again["env"]
    assert again["cwd"] != cluster.work and not os.path.exists(again["cwd"]), again["cwd"]
    assert not os.path.exists(os.path.join(cluster.work, "env.json")), "it wrote into the work folder"
    cluster.file("train.py", "import sys; sys.exit(9)")
    done = cluster.run("trial", "rerun", "1.2", "--local", code=None)
    assert done.returncode in (0, 9), done
    assert "muster trial retry 1.2" in cluster.run("trial", "rerun", "1.2", code=2).stderr
    cluster.run("trial", "rerun", "1.9", "--local", code=3)


def test_metrics_and_export_hold_every_row(cluster):
    cluster.up("--cpus", "2")
    cluster.run("sweep", "run", cluster.file("s.yaml", sweep_text(cluster, trials=3)))
    rows = cluster.json("trial", "metrics", "1.1")["items"]
    assert [r["step"] for r in rows] == [1, 2, 3, 4], rows
    table = cluster.run("trial", "metrics", "1.1").stdout.splitlines()
    assert table[0].split() == ["ATTEMPT", "STEP", "TIME", "loss", "acc"] and len(table) == 5, table
    curve = cluster.run("trial", "metrics", "1.1", "--metric", "loss").stdout
    assert curve.count("*") == 4 and "step 1 to 4" in curve, curve
    assert "it reported loss, acc" in cluster.run("trial", "metrics", "1.1", "--metric", "los", code=3).stderr
    path = os.path.join(cluster.work, "out.csv")
    cluster.run("sweep", "export", "1", "-O", path)
    with open(path, newline="") as file:
        exported = list(csv.DictReader(file))
    assert [r["id"] for r in exported] == ["1.1", "1.2", "1.3"] and all(float(r["best.metrics.loss"]) > 0 for r in exported)
    assert {"params.lr", "params.opt", "last.metrics.acc", "started", "ended"} <= exported[0].keys()
    before = open(path).read()
    os.chmod(cluster.work, 0o555)
    if os.getuid() != 0:
        cluster.run("sweep", "export", "1", "-O", path, code=1)
    os.chmod(cluster.work, 0o755)
    assert open(path).read() == before and len(os.listdir(cluster.work)) == 3, os.listdir(cluster.work)
    assert "folder" in cluster.run("sweep", "export", "1", "-O", cluster.work, code=2).stderr
    assert "cannot be written" in cluster.run("sweep", "export", "1", "-O", "/nowhere/out.csv", code=1).stderr
    assert len(json.loads(cluster.run("sweep", "export", "1", "-o", "json").stdout)["items"]) == 3


def test_ranges_are_shown_as_a_table_and_their_logs_follow_one_another(cluster):
    cluster.up("--cpus", "2")
    command = "printf 'out ${index}'; test ${index} -eq 4 || echo; echo err ${index} >&2; test ${index} -ne 7 || exit 3"
    cluster.run("submit", "--wait", "--array", "1-9", "--", "sh", "-c", command, code=5)
    assert cluster.run("task", "logs", "1.3-5,9").stdout == "== 1.3 ==\nout 3\nerr 3\n\n== 1.4 ==\nout 4err 4\n\n== 1.5 ==\nout 5\nerr 5\n\n== 1.9 ==\nout 9\nerr 9\n"
    assert cluster.run("task", "logs", "1.9,2-3", "--stream", "out").stdout == "out 9\nout 2\nout 3\n"
    assert cluster.run("task", "logs", "1.8-9", "--stream", "err").stderr == "err 8\nerr 9\n"
    assert cluster.run("task", "logs", "1", "--stream", "out", "--tail", "2").stdout == "1\n2\n3\n 45\n6\n7\n8\n9\n"
    done = cluster.run("task", "logs", "1.8,55", code=3)
    assert "there is no task 1.55" in done.stderr and done.stdout == "== 1.8 ==\nout 8\nerr 8\n", done
    assert cluster.run("task", "logs", "1.8-9", "--attempt", "5", code=1).stderr.count("no such attempt") == 2
    table = cluster.run("task", "show", "1.6-8,2").stdout.splitlines()
    assert table[0].split()[:3] == ["ID", "STATE", "OUTCOME"] and [line.split()[0] for line in table[1:]] == ["1.6", "1.7", "1.8", "1.2"], table
    listed = cluster.json("task", "show", "1.7,3-4")
    assert [t["id"] for t in listed["items"]] == ["1.7", "1.3", "1.4"] and listed["total"] == 3 and listed["next"] is None, listed
    assert listed["items"][0] == cluster.json("task", "show", "1.7") and listed["items"][0]["exit_code"] == 3
    assert "id: '1.3'" in cluster.run("task", "show", "1.3-4", "-o", "yaml").stdout.replace('"', "'")
    done = cluster.run("task", "show", "1.2,20-30", "-o", "name", code=3)
    assert done.stdout == "1.2\n" and "there is no task among 1.20-30" in done.stderr, done
    cluster.run("sweep", "run", cluster.file("s.yaml", sweep_text(cluster)))
    assert cluster.run("trial", "logs", "2.4,1-2").stdout == "".join(f"== 2.{i} ==\nhello from 2.{i}\n" + ("\n" if i != 2 else "") for i in (4, 1, 2))
    assert [t["id"] for t in cluster.json("trial", "show", "2")["items"]] == ["2.1", "2.2", "2.3", "2.4"]
    table = cluster.run("trial", "show", "2.2-3", "--columns", "id,params.lr").stdout.split()
    assert table[:3] == ["ID", "PARAMS.lr", "2.2"] and len(table) == 6, table
    for words, part in ((["task", "logs", "-f", "1.1-2"], "--follow wants one"), (["task", "logs", "all"], "by their number"), (["trial", "show", "last"], "by their number"),
                        (["task", "show", "1.3-"], "named"), (["task", "logs", "1-2"], "by their number")):
        assert part in cluster.run(*words, code=2).stderr, words


def test_ranges_are_asked_for_page_by_page(cluster):
    worker = add_dry_worker(cluster)
    cluster.run("submit", "--wait", "--array", "1-9000:2", "--", "no-such-program")
    assert cluster.run("task", "wait", "1.5").stdout == "task 1.5 done, dry\n"
    assert cluster.json("task", "wait", "1.5")["dry"]
    items = cluster.json("task", "show", "1.102-8800,9")["items"]
    assert [t["id"] for t in items] == [f"1.{i}" for i in [*range(103, 8800, 2), 9]]
    done = cluster.run("task", "show", "1.102-8800")
    assert len(done.stdout.splitlines()) == 1001 and "the first 1000" in done.stderr and "dry" in done.stdout, done.stderr
    worker.terminate()
    worker.wait(30 * SLOW)
    cluster.run("submit", "--array", "1-1000000", "--", "no-such-program")
    done = cluster.run("task", "show", "2.1-1000000", "-o", "name", code=2)
    assert "more than 100000 tasks" in done.stderr and done.stdout == "", done
    assert len(cluster.run("task", "show", "2.5-1000000").stdout.splitlines()) == 1001


def test_nodes_are_cordoned_labelled_and_drained(cluster):
    cluster.up("--cpus", "2")
    cluster.run("node", "cordon", "local", "--reason", "new disk")
    node = cluster.json("node", "show", "local")
    assert node["cordoned"] and node["cordon_reason"] == "new disk", node
    assert "new disk" in cluster.run("node", "show", "local").stdout
    done = cluster.run("doctor", "--node", "local", code=None)
    assert "local is cordoned: new disk" in done.stdout and "muster node resume local" in done.stdout, done.stdout
    cluster.run("node", "resume", "local")
    assert cluster.run("node", "label", "local", "zone=a", "disk=ssd").stdout.split() == ["zone=a", "disk=ssd"]
    assert cluster.run("node", "label", "local", "--remove", "zone").stdout.split() == ["disk=ssd"]
    cluster.run("run", "--require", "disk == ssd", "--", "true")
    cluster.run("node", "drain", "local", "--deadline", "1", "--reason", "move")
    assert cluster.json("node", "show", "local")["state"] == "draining"
    cluster.run("node", "resume", "local")
    assert "there are local" in cluster.run("node", "show", "nosuch", code=3).stderr
    assert "nosuch" in cluster.run("node", "cordon", "nosuch", code=3).stderr
    assert "NAME=VALUE" in cluster.run("node", "label", "local", "zone", code=2).stderr


def test_failures_are_counted_and_cannot_move_the_cursor(cluster):
    cluster.up("--cpus", "4")  # all at once: after three failures in a row a sweep is paused
    cluster.file("bad.sh", "printf '\\033[31mTrace\\033[0m\\n\\033[2Jno such data\\007\\n' >&2; exit 3\n")
    bad = "command: [sh, bad.sh]\nmetric: {name: loss}\nretries: {max: 0}\nstop: {trials: 4}\n"
    cluster.run("sweep", "run", cluster.file("bad.yaml", bad), code=5)
    shown = cluster.run("trial", "show", "1.2").stdout
    assert shown.index("no such data") < shown.index("state") and "exit code 3" in shown, shown
    assert re.search(r"the same +1\.1, 1\.3, 1\.4", shown), shown
    sweep = cluster.run("sweep", "show", "1").stdout
    assert re.search(r"failures +4 trials, as 1\.1: .*no such data", sweep), sweep
    for text in (shown, sweep, cluster.run("trial", "list", "-o", "wide").stdout, cluster.run("top").stdout, cluster.run("events").stdout):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text), repr(text)
    logs = cluster.run("trial", "logs", "1.1").stdout
    assert "\x1b[2J" in logs, "logs are as they were written"


def test_top_draws_leaves_and_gives_the_terminal_back(cluster):
    cluster.up("--cpus", "2")
    cluster.sweep(sweep_text(cluster, trials=100, pause="0.3"))
    wait_for("trials to report", lambda: "TRIAL" in cluster.run("top").stdout)  # the next look may still fall between two of them
    once = cluster.run("top").stdout
    assert "NODE" in once and "forms #1" in once and "\x1b" not in once, once
    assert cluster.json("top")["sweeps"][0]["name"] == "forms"
    for keys, code in ((b"q", 0), (b"\x03", 130)):
        got, text = terminal(cluster, 60, "top", keys=(b"NODE", keys), rows=12)
        assert got == code and text.rstrip().endswith("\x1b[?25h\x1b[?1049l"), (got, text[-200:])
        frame = text.split("\x1b[H")[-1].split("\x1b[?25h")[0]
        lines = re.sub(r"\x1b\[[?0-9]*[A-Za-z]", "", frame).replace("\r", "").split("\n")
        assert len(lines) <= 12 and max(map(len, lines)) <= 60, lines
    pid, fd = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 100, 0, 0))
        os.execve(MUSTER, [MUSTER, "top", "--interval", "60"], cluster.environment(TERM="xterm", LANG="C.UTF-8"))
    output = b""

    def drawn(count):
        nonlocal output
        if select.select([fd], [], [], 0.05)[0]:
            output += os.read(fd, 65536)
        return output.count(b"\x1b[J") >= count

    wait_for("the first picture", lambda: drawn(1))
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 8, 40, 0, 0))
    wait_for("another when the window changes", lambda: drawn(2))
    frame = re.sub(r"\x1b\[[?0-9]*[A-Za-z]", "", output.decode().split("\x1b[H")[-1]).replace("\r", "").split("\n")
    assert len(frame) <= 8 and max(map(len, frame)) <= 40, frame
    os.write(fd, b"q")
    wait_for("it to leave", lambda: os.waitpid(pid, os.WNOHANG)[0] == pid)
    os.close(fd)
    cluster.run("sweep", "cancel", "1", "--grace", "0.5")


def test_doctor_finds_what_is_wrong(cluster):
    cluster.up("--cpus", "1")
    done = cluster.run("doctor", code=None)
    lines = {line[6:19].strip(): line[:5].strip() for line in done.stdout.splitlines() if not line.startswith(" ")}
    for name in ("state folder", "keys", "redis", "head", "version", "store", "clock"):
        assert lines[name] == "ok", done.stdout
    os.chmod(os.path.join(cluster.state, "keys", "token"), 0o644)
    items = json.loads(cluster.run("doctor", "-o", "json", code=1).stdout)["items"]
    assert [i["advice"] for i in items if i["state"] == "fail" and i["check"] == "keys"][0].startswith("chmod 600"), items
    os.chmod(os.path.join(cluster.state, "keys", "token"), 0o600)
    done = cluster.run("doctor", "--head", "http://127.0.0.1:1", code=1)
    assert re.search(r"^fail  head .*127.0.0.1:1", done.stdout, re.M), done.stdout
    done = cluster.run("doctor", "--node", "nosuch", code=1)
    assert "there is no node nosuch" in done.stdout, done.stdout
    cluster.run("down")
    before = sorted(os.listdir(cluster.state))
    assert "muster up -d" in cluster.run("doctor", code=None).stdout
    assert sorted(os.listdir(cluster.state)) == before and not cluster.remains(), "doctor started something"


def test_wrong_words_are_answered_with_the_right_ones(cluster):
    for words, part in (
        (["list"], "'muster sweep list', 'muster trial list'"),
        (["sweep"], "wants a verb: run, list"),
        (["sweep", "lst"], "did you mean 'sweep list'?"),
        (["cancle"], "cancel"),
        (["sweep", "list", "--colums", "id"], "did you mean '--columns'?"),
        (["sweep", "run"], "usage: muster sweep run FILE"),
        (["completion", "tcsh"], "bash, zsh and fish"),
        (["sweep", "resume", "1", "--trials", "x"], "--trials wants a whole number"),
        (["sweep", "pause", "all", "--yes"], "--yes"),
        (["trial", "resume", "1.1-2", "-y"], "-y"),
        (["node", "drain", "local", "--yes"], "--yes"),
    ):
        done = cluster.run(*words, code=2)
        assert part in done.stderr and done.stdout == "" and len(done.stderr.splitlines()) == 1, (words, done.stderr)
    for words in (["sweep", "list"], ["node", "list"], ["top"], ["sweep", "cancel", "1"]):
        done = cluster.run(*words, code=4)
        assert "start one with 'muster up'" in done.stderr, done.stderr
    assert "examples:" in cluster.run("help", "sweep", "export").stdout
    assert not os.path.exists(cluster.state)


def test_closed_pipe_ends_quietly(cluster):
    cluster.up("--cpus", "1")
    cluster.run("sweep", "run", cluster.file("s.yaml", sweep_text(cluster, trials=2)))
    for words in ("trial list -o json", "help", "help --man", "completion bash", "trial list -o csv", "events"):
        done = subprocess.run(["bash", "-c", f"set -o pipefail; {MUSTER} {words} | head -1"], env=cluster.environment(), capture_output=True, text=True, timeout=60)
        assert len(done.stdout.splitlines()) == 1 and done.stderr == "", (words, done)
    done = subprocess.run(["bash", "-c", f"{MUSTER} sweep list > /dev/full"], env=cluster.environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "could not be written" in done.stderr, done


def complete(words):
    """What bash would offer for the last word."""
    script = 'source <("$0" completion bash); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _muster; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", script, MUSTER, *words], capture_output=True, text=True, timeout=30, check=True)
    assert done.stderr == "", done.stderr
    return done.stdout.split()


def test_completions_offer_what_the_table_has(cluster):
    assert {"sweep", "trial", "submit", "doctor", "completion"} <= set(complete(["muster", ""]))
    assert complete(["muster", "sweep", "ex"]) == ["export"]
    assert complete(["muster", "trial", "list", "-o", "nd"]) == ["ndjson"]
    assert complete(["muster", "sweep", "run", "--dry"]) == ["--dry-run"]
    assert complete(["muster", "completion", "f"]) == ["fish"]
    assert complete(["muster", "help", "swe"]) == ["sweep"]


def script_parses(cluster, shell):
    text = cluster.run("completion", shell).stdout
    assert "dry-run" in text and "export" in text, text
    if not shutil.which(shell):
        raise Skip(f"{shell} is not installed, its script was not parsed")
    done = subprocess.run([shell, "-n", "/dev/stdin"], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_completion_script_of_zsh_parses(cluster):
    script_parses(cluster, "zsh")


def test_completion_script_of_fish_parses(cluster):
    script_parses(cluster, "fish")


def test_manual_page_lints_clean(cluster):
    text = cluster.run("help", "--man").stdout
    assert ".SS muster sweep export" in text and "\\-\\-on\\-signal" in text and ".SH EXIT STATUS" in text
    linters = [(["mandoc", "-Tlint", "-Wwarning"], "mandoc"), (["groff", "-man", "-Tutf8", "-wall", "-z"], "groff")]
    found = [(words, name) for words, name in linters if shutil.which(name)]
    if not found:
        raise Skip("neither mandoc nor groff is installed")
    for words, name in found:
        done = subprocess.run(words, input=text, capture_output=True, text=True)
        assert done.returncode == 0 and done.stderr == "" and (name == "groff" or done.stdout == ""), done


def test_debug_turn_accounts_for_all_of_the_heads_time(cluster):
    cluster.up("--cpus", "1")
    cluster.run("run", "--", "true")

    def turn():
        answer = cluster.json("debug", "turn")
        return answer["turn"], {stage["stage"]: stage for stage in answer["items"]}
    wait_for("a whole second", lambda: turn()[0]["last_turns"] > 0)
    figures, stages = turn()
    assert list(stages) == ["sleep", "loop", "decode", "http", "reactor", "schedule", "encode", "store", "send"], stages
    assert abs(sum(s["seconds"] for s in stages.values()) - figures["seconds"]) < 0.02, (figures, stages)
    assert abs(sum(s["percent"] for s in stages.values()) - 100) < 0.1 and abs(sum(s["last_us"] for s in stages.values()) - 1e6) < 10, stages
    assert all(s["count"] > 0 for s in stages.values()), "a task was submitted, run and written"
    assert 0 < figures["median_us"] <= figures["tail_us"] <= figures["longest_us"] * 1.25 and 0 < figures["busy_percent"] < 100, figures
    text = cluster.run("debug", "turn").stdout
    assert "turns in" in text and "schedule" in text and "LAST_US" in text, text


run(globals())
