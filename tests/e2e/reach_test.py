#!/usr/bin/env python3
"""Machines that cannot be reached or are not as they should be: no route, a wrong name, a wrong key, clocks an hour apart, a slow and
lossy link, a disk without space. Each says clearly what is wrong, goes on by itself once it is right, and loses nothing."""
import datetime
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../world"))

from cluster import BUILD, Skip, run, wait_for  # noqa: E402
from fleet import STATE, TRAINERS, Fleet  # noqa: E402

SWEEP = f"""
command: [/usr/bin/python3, {TRAINERS}/steady.py]
workdir: {{path: /tmp, mode: shared}}
metric: {{name: loss, goal: minimize}}
parameters: {{x: {{min: 0.0, max: 1.0}}, steps: 9, pause: 0.05}}
search: {{method: random, seed: 5}}
schedule: {{type: asha, min: 1, max: 9, eta: 3}}
retries: {{max: 0}}
checkpoints: {{on: [rung]}}
stop: {{trials: TRIALS}}
"""


def sweep(trials):
    return SWEEP.replace("TRIALS", str(trials))


def complaints(said):
    return [line for line in said.splitlines() if " warning " in line or " error " in line]


def wait_said(fleet, node, *words):
    """Until a worker has complained in these words."""
    return wait_for(f"{node.name} to say {words}", lambda: [line for line in complaints(fleet.said(node, node.name))
                                                            if all(word in line for word in words)])


def test_no_route_is_said_and_the_node_joins_once_there_is_one(_cluster):
    with Fleet(1, start=False) as fleet:
        node = fleet.nodes[0]
        node.cut("reject")
        child = fleet.worker_start(node)
        wait_said(fleet, node, "not reached", "unreachable")
        assert child.poll() is None, "it gave up"
        assert len(complaints(fleet.said(node, node.name))) <= 2, fleet.said(node, node.name)
        node.heal()
        wait_for("the node", lambda: fleet.nodes_alive() == 1, 60)


def test_wrong_host_name_is_said(_cluster):
    with Fleet(1, start=False) as fleet:
        node = fleet.nodes[0]
        fleet.address = "hea"
        child = fleet.worker_start(node)
        wait_for("words", lambda: "hea" in fleet.said(node, node.name) and (child.poll() is not None or complaints(fleet.said(node, node.name))))
        said = fleet.said(node, node.name)
        assert "'hea'" in said and "resolve" in said or "no such host" in said, said
        # The name may come later, as in a cluster that starts all at once.
        if child.poll() is None:
            with open(node.path("/etc/hosts"), "a") as file:
                file.write(f"{fleet.head.ip} hea\n")
            wait_for("the node", lambda: fleet.nodes_alive() == 1, 60)


def test_wrong_keys_are_said_and_the_head_takes_nobody(_cluster):
    with Fleet(2, start=False) as fleet:
        version, head_key, secret = fleet.join_key.strip().split(".")
        swapped = {True: "a", False: "b"}
        other_secret = swapped[secret[0] == "b"] + secret[1:]
        other_head = swapped[head_key[5] == "b"].join((head_key[:5], head_key[6:]))
        for node, key in zip(fleet.nodes, (f"{version}.{head_key}.{other_secret}", f"{version}.{other_head}.{secret}")):
            node.write("/root/join", key + "\n")
            os.chmod(node.path("/root/join"), 0o600)
            fleet.worker_start(node)
        for node in fleet.nodes:
            wait_said(fleet, node, "key")
            assert len(complaints(fleet.said(node, node.name))) <= 3, fleet.said(node, node.name)
        assert fleet.nodes_alive() == 0


def test_clocks_an_hour_apart_do_not_matter(_cluster):
    shim = os.path.join(BUILD, "tests/world/libclock_shift.so")
    if not os.path.exists(shim) or "asan" in BUILD:
        raise Skip("this build has no libclock_shift.so that could be preloaded")

    def shifted(number):
        ahead_s = {1: 3600, 2: -3600}.get(number, 0)
        return {"put": {"/opt/clock_shift.so": shim}, "environment": {"LD_PRELOAD": "/opt/clock_shift.so", "CLOCK_SHIFT_S": str(ahead_s)}}

    with Fleet(3, node_options=shifted) as fleet:
        number = fleet.submit(sweep(24))
        fleet.wait_ended(number)
        _, items = fleet.check_counted_once(number, 24)
        assert {t["node"] for t in items} == {"node1", "node2", "node3"}
        assert all(t["attempts"] == 1 and t["lost"] == 0 for t in items), items
        for node in fleet.nodes:
            assert fleet.node(node.name)["state"] == "alive" and fleet.node(node.name)["heard"] < 10
        for trial in items:
            # How long it took is not how far the clocks are apart.
            begun, ended = (datetime.datetime.fromisoformat(trial[k].replace("Z", "+00:00")) for k in ("created", "ended"))
            assert 0 <= (ended - begun).total_seconds() < 300, trial


def test_slow_and_lossy_links_lose_nothing(_cluster):
    with Fleet(3) as fleet:
        fleet.nodes[0].delay(40)
        fleet.nodes[1].loss(3)
        number = fleet.submit(sweep(24))
        fleet.wait_ended(number, 90)
        _, items = fleet.check_counted_once(number, 24)
        assert {t["node"] for t in items} == {"node1", "node2", "node3"}
        assert all(t["attempts"] == 1 and t["lost"] == 0 for t in items), items


def test_node_without_space_is_not_charged_to_trials(_cluster):
    with Fleet(2, node_options=lambda number: {"small": {STATE: 4 << 20}} if number == 1 else {}) as fleet:
        full = fleet.nodes[0]
        full.run(["dd", "if=/dev/zero", f"of={STATE}/ballast", "bs=64k"], code=1)
        number = fleet.submit(sweep(12))
        fleet.wait_ended(number, 90)
        _, items = fleet.check_counted_once(number, 12)
        assert all(t["failures"] == t["lost"] == 0 for t in items), [(t["id"], t["failures"], t["reason"]) for t in items]
        assert "node2" in {t["node"] for t in items}
        aside = fleet.sweep_of(number)["set_aside"]
        assert [a["node"] for a in aside] == ["node1"] and "No space left" in aside[0]["reason"], aside


if __name__ == "__main__":
    run(globals())
