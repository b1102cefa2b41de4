#!/usr/bin/env python3
"""Logs lie on nodes, and go there when their job or sweep is removed: at once, or when a node that was away comes back."""
import os

from cluster import run, wait_for


def submit(cluster, *arguments):
    return int(cluster.run("submit", *arguments).stdout.split(".")[0])


def submit_ended(cluster, *arguments):
    number = submit(cluster, *arguments)
    cluster.run("task", "wait", str(number))
    return number


def logged(folder):
    """{job: paths} of what lies on the node."""
    found = {}
    for kind in ("logs", "arrays"):
        path = os.path.join(folder, kind)
        for name in os.listdir(path) if os.path.isdir(path) else ():
            if name[0].isdigit():
                found.setdefault(int(name.split(".")[0]), []).append(os.path.join(path, name))
    return found


def node_folder(cluster, name="local"):
    return os.path.join(cluster.state, "nodes", name)


def some_of_each(cluster):
    """(a task, an array, a sweep) that have ended and printed; their numbers."""
    task = submit_ended(cluster, "--", "echo", "hello")
    array = submit_ended(cluster, "--array", "1-5", "--", "echo", "${index}")
    file = cluster.file("sweep.yaml", "command: [sh, -c, 'echo a trial; exit 1']\nmetric: {name: loss, goal: minimize}\n"
                        "parameters: {x: {min: 0.0, max: 1.0}}\nstop: {trials: 3}\nretries: {max: 0}\n")
    sweep = submit(cluster, file)
    cluster.run("sweep", "wait", str(sweep), code=None, seconds=60)
    return task, array, sweep


def test_logs_of_what_is_removed_leave_the_node_and_no_others_do(cluster):
    cluster.up("--cpus", "2")
    folder = node_folder(cluster)
    task, array, sweep = some_of_each(cluster)
    kept = some_of_each(cluster)
    live = submit(cluster, "--", "sh", "-c", "echo started; sleep 600")
    wait_for("the logs", lambda: set(logged(folder)) == {task, array, sweep, *kept, live})
    for number in (task, array, sweep):
        cluster.run("sweep", "rm", str(number))
    wait_for("the logs of the removed ones to go", lambda: set(logged(folder)) == {*kept, live})
    assert "hello" in cluster.run("task", "logs", f"{kept[0]}.1").stdout
    assert "3" in cluster.run("task", "logs", f"{kept[1]}.3").stdout
    assert "started" in cluster.run("task", "logs", f"{live}.1").stdout


def test_node_that_was_away_drops_the_logs_when_it_comes_back(cluster):
    cluster.up("--cpus", "2")
    folder = node_folder(cluster)
    task, array, sweep = some_of_each(cluster)
    kept = submit_ended(cluster, "--", "echo", "kept")
    wait_for("the logs", lambda: set(logged(folder)) == {task, array, sweep, kept})
    cluster.run("down")
    cluster.run("up", "-d", "--no-worker")
    for number in (task, array, sweep):
        cluster.run("sweep", "rm", str(number))
    assert set(logged(folder)) == {task, array, sweep, kept}
    cluster.kill("head")  # whoever heard of the removal is gone, too
    cluster.run("down", code=None)
    cluster.up("--cpus", "2")
    wait_for("the logs of the removed ones to go", lambda: set(logged(folder)) == {kept})
    assert "kept" in cluster.run("task", "logs", f"{kept}.1").stdout


if __name__ == "__main__":
    run(globals())
