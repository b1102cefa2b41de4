#!/usr/bin/env python3
"""What people meet at the command: reading without a cluster, what is shown on a terminal, words that say what to do."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from cluster import MUSTER, PYTHON, SLOW, Skip, is_alive, run, wait_for
from first_light_test import steady


def on_terminal(cluster, columns, rows, *arguments, after=None):
    """A muster command on a terminal; `after` is called once with its keyboard when it has drawn. (exit code, all output)"""
    try:
        pid, fd = pty.fork()
    except OSError as error:
        raise Skip(f"there is no pseudo-terminal here ({error})") from None
    if pid == 0:
        os.chdir(cluster.work)
        os.execve(MUSTER, [MUSTER, *arguments], cluster.environment(TERM="xterm"))
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    output, deadline = b"", time.monotonic() + 30 * SLOW
    while time.monotonic() < deadline:
        if select.select([fd], [], [], 0.1)[0]:
            try:
                piece = os.read(fd, 65536)
            except OSError:
                break
            if not piece:
                break
            output += piece
        if after is not None and b"PARAMS" in output:
            after(fd)
            after = None
    else:
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), output.decode("utf-8", "replace")


def screen(output):
    """What a terminal shows in the end of the few things that the live view uses: CR, LF, up, clear line, clear below."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[\d*[A-Z]|\r|\n|[^\x1b\r\n]+", output):
        if part == "\r":
            column = 0
        elif part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part.startswith("\x1b["):
            number, what = part[2:-1], part[-1]
            if what == "A":
                row -= int(number)
                assert row >= 0, "it drew above its own first line"
            elif what == "K":
                lines[row] = lines[row][:column]
            elif what == "J":
                lines[row] = lines[row][:column]
                del lines[row + 1:]
        else:
            lines[row] = lines[row][:column].ljust(column) + part + lines[row][column + len(part):]
            column += len(part)
    return lines


def test_reading_after_down_leaves_and_hinders_nobody(cluster):
    cluster.up()
    number = cluster.sweep(steady(pause=0.3, trials=4))
    wait_for("running trials", lambda: cluster.sweep_of(number)["running"] > 0)
    cluster.down()
    assert cluster.json("sweep", "list")["items"][0]["state"] == "running"
    reader = cluster.pid("supervisor")
    wait_for("a reading cluster with queued work to leave", lambda: reader is None or not is_alive(reader), 15)
    cluster.run("trial", "list")
    cluster.up()  # At once: what was started to read gives way.
    wait_for("the sweep to go on", lambda: cluster.sweep_of(number)["running"] > 0)
    cluster.run("sweep", "cancel", str(number), "--grace", "1")
    cluster.run("sweep", "wait", str(number), code=6)


def test_submit_right_after_reading_gets_a_worker(cluster):
    cluster.up()
    cluster.down()
    cluster.run("sweep", "list")
    assert cluster.run("run", "--", "echo", "it runs", seconds=30).stdout == "it runs\n"


def test_submit_adopts_what_a_killed_supervisor_left(cluster):
    cluster.up()
    for role in ("supervisor", "worker"):
        cluster.kill(role)
        wait_for(f"the end of the {role}", lambda: cluster.pid(role) is None)
    assert cluster.run("run", "--", "echo", "adopted", seconds=60).stdout == "adopted\n"
    assert cluster.pid("supervisor") is not None


def test_run_output_is_whole_and_apart_though_the_head_dies(cluster):
    cluster.up()
    child = cluster.start("run", "--", "sh", "-c", "for i in 1 2 3 4 5 6; do echo o$i; echo e$i >&2; sleep 0.3; done; exit 7")
    wait_for("half of it", lambda: cluster.json("task", "list")["items"][0:1] and cluster.run("task", "logs", "1.1").stdout.find("o3") >= 0)
    cluster.kill("head")
    out, err = child.communicate(timeout=60)
    assert child.returncode == 7, (child.returncode, err)
    assert out.split() == [f"o{i}" for i in range(1, 7)], out
    assert err.split() == [f"e{i}" for i in range(1, 7)], err


def test_run_passes_the_command_as_it_is_written(cluster):
    cluster.up()
    done = cluster.run("run", "--env", "A=${x}", "--", "sh", "-c", 'B=b; echo "${A} ${B}$${B}" | sed "s/[0-9]//g"')
    assert done.stdout == "${x} b{B}\n", done.stdout
    assert "${B}$${B}" in cluster.run("task", "list").stdout
    cluster.run("run", "--", "sh", "-c", "kill -9 $$", code=137)
    assert "signal 9" in cluster.run("task", "list").stdout


def test_live_view_fits_and_leaves_nothing_behind(cluster):
    cluster.up()
    path = cluster.file("sweep.yaml", steady(pause=0.1, trials=4))
    code, output = on_terminal(cluster, 80, 24, "sweep", "run", path)
    assert code == 0, output
    header = re.findall(r"steady #1  [^\x1b]*", output)
    assert any(" done  " in h and " run  " in h and " fail  " in h and h.endswith(" left") for h in header), header
    assert all(len(line) < 80 for line in re.findall(r"([^\r\n\x1b]*)\x1b\[K", output)), "a line would wrap"
    shown = [line for line in screen(output) if line]
    assert shown[0].startswith("steady #1  done") and shown[0].endswith("0 left"), shown
    assert sum("steady #1" in line for line in shown) == 1 and not any("PARAMS" in line for line in shown), shown
    assert any(line.startswith("again: muster sweep show 1") for line in shown), shown
    code, output = on_terminal(cluster, 60, 8, "sweep", "run", path, after=lambda fd: os.write(fd, b"\x03"))
    shown = [line for line in screen(output) if line]
    assert code == 130 and shown[-1].startswith("detached; sweep 2 goes on"), shown
    cluster.run("sweep", "cancel", "2", "--grace", "1")


def test_waiting_says_what_for(cluster):
    cluster.run("up", "-d", "--no-worker")
    child = cluster.start("sweep", "run", cluster.file("sweep.yaml", steady()))
    assert any("waits for a node" in child.stderr.readline() for _ in range(2))
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=30)
    cluster.run("sweep", "cancel")
    assert "has ended already: cancelled" in cluster.run("sweep", "cancel").stderr


def test_ends_say_why_and_where_to_look(cluster):
    cluster.up()
    bad = f"command: [{PYTHON}, -c, 'import sys; sys.exit(\"no such data\")']\nmetric: {{name: loss}}\nretries: {{max: 0}}\n"
    done = cluster.run("sweep", "run", cluster.file("bad.yaml", bad + "stop: {trials: 9, failures: 2}\n"), code=5)
    assert "stop.failures" in done.stdout and "see 'muster trial show 1." in done.stdout, done.stdout
    assert "exit code 1" in cluster.run("trial", "list", "1").stdout
    shown = cluster.run("trial", "show", "1.1").stdout
    assert shown.index("no such data") < shown.index("state"), shown
    mute = "command: [sh, -c, 'exit 0']\nmetric: {name: loss}\nstop: {trials: 1}\n"
    done = cluster.run("sweep", "run", cluster.file("mute.yaml", mute), code=5)
    assert "exit 0 without a value of 'loss'" in done.stdout + done.stderr, done


def test_lists_filter_and_refuse_what_there_is_not(cluster):
    cluster.up()
    for _ in range(2):
        cluster.run("sweep", "run", cluster.file("sweep.yaml", steady(pause=0, trials=2)))
    assert {t["sweep"] for t in cluster.json("trial", "list", "--filter", "sweep=1")["items"]} == {1}
    for line, code, part in (
        (["trial", "list", "--filter", "state=bogus"], 2, "there are waiting, queued"),
        (["sweep", "list", "--filter", "state=stopped"], 2, "finishing"),
        (["trial", "list", "0"], 2, "whole number"),
        (["trial", "logs", "1.1", "--attempt", "9"], 3, "no such attempt"),
        (["trial", "logs", "1.9"], 3, "1.9"),
        (["run", "--priority", "200", "--", "true"], 2, "0 to 100"),
        (["run", "--gpus", "1.5", "--", "true"], 2, "fraction"),
        (["--nope", "status"], 2, "before a verb"),
        (["--head", "http://127.0.0.1:1", "status"], 4, "http://127.0.0.1:1"),
        (["sweep", "rnu"], 2, "did you mean 'sweep run'"),
        (["key", "new", "a", "--role", "god"], 2, "--role wants"),
        (["status", "--head", "http://127.0.0.1:1"], 4, "http://127.0.0.1:1"),
    ):
        done = cluster.run(*line, code=code)
        assert part in done.stderr and done.stdout == "" and len(done.stderr.splitlines()) == 1, (line, done.stdout, done.stderr)
    text = cluster.run("sweep", "show", "1", "-o", "json").stdout
    value = json.loads(text)["best_value"]
    assert f'"best_value": {value!r}' in text, text  # as short as it reads back the same
    assert json.loads(cluster.run("events", "-o", "json").stdout)["total"] > 4
    assert "sweep run" not in cluster.run("node", "--help").stdout


def test_folder_of_other_things_is_no_state_folder(cluster):
    folder = os.path.join(cluster.root, "project")
    os.makedirs(os.path.join(folder, "redis"))
    cluster.file("a-file", "")
    for line in (["status"], ["up", "-d"], ["down"], ["run", "--", "true"], ["head", "-d"], ["worker", "--join", "tcp://127.0.0.1:1"]):
        done = cluster.run("--state", folder, *line, code=2, env={"MUSTER_JOIN_KEY": "x"})
        assert "is no state folder" in done.stderr, (line, done.stderr)
    assert os.listdir(folder) == ["redis"] and os.listdir(os.path.join(folder, "redis")) == []
    assert "is no folder" in cluster.run("--state", "a-file", "up", "-d", code=2).stderr


def test_state_folder_with_a_strange_name_serves(cluster):
    cluster.state = os.path.join(cluster.root, "a [b] *? \\ #c \"d'")
    assert cluster.run("run", "--", "echo", "it runs", seconds=30).stdout == "it runs\n"
    assert os.path.exists(os.path.join(cluster.state, "redis/appendonlydir"))


def test_state_folder_of_another_user_is_named(cluster):
    os.makedirs(cluster.state, mode=0o700)
    if os.getuid() != 0:
        os.chmod(cluster.state, 0)
    user = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
    os.chmod(cluster.root, 0o755)
    for line in (["status"], ["down"], ["up", "-d"], ["run", "--", "true"]):
        try:
            done = subprocess.run([MUSTER, *line], env=cluster.environment(), cwd="/", capture_output=True, text=True, timeout=30, **user)
        except PermissionError:
            raise Skip("another user cannot run the build's muster") from None
        assert done.returncode == 4 and "you may not use the state folder" in done.stderr, (line, done)
    os.chmod(cluster.state, 0o700)


if __name__ == "__main__":
    run(globals())
