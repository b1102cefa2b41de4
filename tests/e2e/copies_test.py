#!/usr/bin/env python3
"""Snapshots that move between machines which share nothing: population-based training whose donors are elsewhere, a paused trial that goes on on
another node, and copies through networks that are cut, agents that are killed, and bytes that mean no good."""
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../world"))

from cluster import run, wait_for  # noqa: E402
from fleet import STATE, Fleet  # noqa: E402
from worlds_test import give_trainer  # noqa: E402

POPULATION = """
command: [/usr/bin/python3, weights.py{more}]
metric: {{name: loss, goal: minimize}}
parameters: {{x: {{min: 0.0, max: 1.0}}, steps: 24, pause: 0.05, mb: 3}}
search: {{method: random, seed: 5}}
schedule: {{type: pbt, max: 24}}
pbt: {{population: 3, interval: 4, quantile: 0.34, mutate: [x]}}
resources: {{cpus: 1}}
retries: {{max: 0}}
"""

ALONE = """
command: [/usr/bin/python3, weights.py]
metric: {{name: loss, goal: minimize}}
parameters: {{x: 0.4, steps: 400, pause: 0.1, mb: {mb}}}
schedule: {{type: none}}
resources: {{cpus: 1}}
retries: {{max: 0, crash_limit: 100, node_failures: none, backoff: 100ms..1s}}
stop: {{trials: 1}}
"""

NO_SECOND_PLACE = "checkpoints: {store: node}\n"  # nothing is copied before a trial needs it


def node_folder(node):
    return f"{STATE}/nodes/{node.name}"


def snapshots_on(node):
    """Names of the snapshots that are whole on a node's disk, and of what is being copied there."""
    found = node.run(["sh", "-c", f"cd {node_folder(node)}; ls -d snapshots/*/* copies/* 2>/dev/null || true"]).stdout
    return set(found.split())


def copied_bytes(node):
    words = node.run(["sh", "-c", f"du -s -B1 {node_folder(node)}/copies"]).stdout.split()
    return int(words[0]) if words else 0


# ---- populations ----


def population_check(fleet, number, in_place):
    """Each member is on a node of its own, and went on from others' weights, which were what the lineage says."""
    sweep, trials = fleet.wait_ended(number, 120)
    assert sweep["state"] == "done" and sweep["failed"] == 0 and sweep["done"] == 3, sweep
    for trial in trials:
        assert trial["failures"] == 0 and trial["step"] == 24, trial
    changes = fleet.get(f"/api/v1/sweeps/{number}/lineage")["items"]
    moved = [change for change in changes if change["from"]]
    assert moved, "nobody went on from another one's weights"
    crossed = 0
    for change in moved:
        rows = fleet.rows(change["trial"])
        donor = int(change["from"].split(".")[1])
        first = [row for row in rows if row["metrics"]["came"] == 1 and row["metrics"]["maker"] == donor and row["step"] == change["from_step"] + 1
                 and row["metrics"]["x"] == change["params"]["x"]]
        assert first, (change, [(row["step"], row["metrics"]) for row in rows])
        # Where it was then: by a new start it may be elsewhere at its end.
        made = {node_of(fleet, change["from"], row["attempt"]) for row in fleet.rows(change["from"]) if row["step"] == change["from_step"]}
        crossed += any(node_of(fleet, change["trial"], row["attempt"]) not in made for row in first)
    attempts = sum(trial["attempts"] for trial in trials)
    assert attempts == 3 if in_place else attempts > 3, trials
    return crossed


def node_of(fleet, trial, attempt):
    return fleet.evidence(trial)[attempt]["node"]


def population_crosses(fleet, more, in_place):
    """A donor may have ended, and left its slot to who goes on from it: then once more."""
    assert any(population_check(fleet, fleet.submit(POPULATION.format(more=more)), in_place) for _ in range(3)), "every donor was on the same node"


def test_exploit_in_place_goes_on_from_a_donor_on_another_node(_cluster):
    with Fleet(3, cpus=1) as fleet:
        give_trainer(fleet, "weights.py")
        population_crosses(fleet, "", in_place=True)


def test_exploit_by_restart_goes_on_from_a_donor_on_another_node(_cluster):
    with Fleet(3, cpus=1) as fleet:
        give_trainer(fleet, "weights.py")
        population_crosses(fleet, ", --no-exploit", in_place=False)


# ---- one that moves ----


def held_on_node1(fleet, mb):
    """A trial that was paused on node1, which takes nothing any more: (its sweep's number, its step)."""
    give_trainer(fleet, "weights.py")
    fleet.muster("node", "cordon", "node2")
    number = fleet.submit(ALONE.format(mb=mb) + NO_SECOND_PLACE)
    wait_for("reports", lambda: fleet.trials(number) and (fleet.trials(number)[0]["step"] or 0) >= 3)
    fleet.muster("trial", "pause", f"{number}.1")
    wait_for("it to be held", lambda: fleet.trials(number)[0]["state"] == "held", 60)
    trial = fleet.trials(number)[0]
    assert trial["node"] == "node1" and trial["checkpoint_step"] == trial["step"], trial
    fleet.muster("node", "cordon", "node1")
    fleet.muster("node", "resume", "node2")
    return number, trial["step"]


def moved_check(fleet, number, step):
    """It goes on on node2, from the step at which it was held."""
    wait_for("it to go on", lambda: fleet.trials(number)[0]["step"] > step + 2, 120)
    trial = fleet.trials(number)[0]
    assert trial["node"] == "node2" and trial["failures"] == 0, trial
    rows = fleet.rows(f"{number}.1")
    steps = [row["step"] for row in rows]
    assert steps == list(range(1, len(steps) + 1)), steps
    came = [row["step"] for row in rows if row["metrics"]["came"] == 1]
    assert came == [step + 1], (step, came)
    assert not os.listdir(fleet.nodes[1].path(node_folder(fleet.nodes[1]) + "/copies"))


def test_held_trial_goes_on_on_another_node_with_its_step(_cluster):
    with Fleet(2, cpus=1) as fleet:
        number, step = held_on_node1(fleet, mb=1)
        fleet.muster("trial", "resume", f"{number}.1")
        moved_check(fleet, number, step)
        # It has a place on the new node, so the old one may go.
        fleet.nodes[0].kill()
        before = fleet.trials(number)[0]["step"]
        wait_for("more steps", lambda: fleet.trials(number)[0]["step"] > before + 2)


def test_trial_of_a_deleted_world_goes_on_from_its_second_place(_cluster):
    with Fleet(2, cpus=1) as fleet:
        give_trainer(fleet, "weights.py")
        number = fleet.submit(ALONE.format(mb=1) + "checkpoints: {every: 1s}\n")
        wait_for("a second place", lambda: fleet.trials(number) and (fleet.trials(number)[0]["safe_step"] or 0) >= 5, 60)
        trial = fleet.trials(number)[0]
        assert {trial["node"], trial["safe_node"]} == {"node1", "node2"}, trial
        next(node for node in fleet.nodes if node.name == trial["node"]).kill()
        wait_for("the other node to go on", lambda: fleet.trials(number)[0]["node"] == trial["safe_node"]
                 and any(row["metrics"]["came"] == 1 for row in fleet.rows(f"{number}.1")), 120)
        came = [row["step"] for row in fleet.rows(f"{number}.1") if row["metrics"]["came"] == 1]
        assert came[0] > trial["safe_step"], (came, trial)
        assert fleet.trials(number)[0]["lost"] == 1, fleet.trials(number)


def wait_copying(fleet, node, mb):
    wait_for("the middle of the copy", lambda: copied_bytes(node) > mb << 20, 60)
    assert not any(name.startswith("snapshots/") for name in snapshots_on(node)), snapshots_on(node)


def test_network_cut_in_a_copy_is_gone_on_from(_cluster):
    with Fleet(2, cpus=1) as fleet:
        number, step = held_on_node1(fleet, mb=200)
        donor, taker = fleet.nodes
        donor.delay(15)  # so that there is a middle
        fleet.muster("trial", "resume", f"{number}.1")
        wait_copying(fleet, taker, 16)
        donor.cut()
        # The taker gives the donor up, and asks again until it is back.
        wait_for("the donor to be given up", lambda: "sent nothing" in fleet.said(taker, "node2") or "was not copied" in fleet.said(taker, "node2"), 40)
        half = copied_bytes(taker)
        assert 16 << 20 < half < 200 << 20, half
        assert fleet.trials(number)[0]["failures"] == 0
        donor.heal()
        moved_check(fleet, number, step)


def test_donor_killed_in_a_copy_and_started_again_is_gone_on_from(_cluster):
    with Fleet(2, cpus=1) as fleet:
        number, step = held_on_node1(fleet, mb=200)
        donor, taker = fleet.nodes
        donor.delay(15)
        fleet.muster("trial", "resume", f"{number}.1")
        wait_copying(fleet, taker, 16)
        fleet.daemons["node1"].kill()
        fleet.daemons["node1"].wait()
        half = copied_bytes(taker)
        assert 16 << 20 < half < 200 << 20, half
        fleet.worker_start(donor)
        moved_check(fleet, number, step)


# ---- the lender's port ----


def lender_port(node):
    """The one port on which a worker's world listens."""
    ports = set()
    for line in node.run(["cat", "/proc/net/tcp"]).stdout.splitlines()[1:]:
        words = line.split()
        if words[3] == "0A":
            ports.add(int(words[1].split(":")[1], 16))
    assert len(ports) == 1, ports
    return ports.pop()


def test_bytes_of_anybody_on_the_lender_s_port_do_no_harm(_cluster):
    with Fleet(2, cpus=1) as fleet:
        number, step = held_on_node1(fleet, mb=1)
        donor, pids = fleet.nodes[0], fleet.nodes[0].pids()
        port = lender_port(donor)
        greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00CURVE" + bytes(15) + b"\x00" + bytes(31)
        sent = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"", bytes(1 << 20), os.urandom(1 << 20), greeting, greeting + bytes(1 << 16),
                greeting + b"\x04\xc8\x05HELLO" + os.urandom(194), b"\x00" * 64, greeting[:-1]]
        silent = []
        for data in sent * 4:
            stranger = fleet.submitter.socket()
            stranger.settimeout(20)
            stranger.connect((donor.ip, port))
            try:
                stranger.sendall(data)
                silent.append(stranger)
            except OSError:
                stranger.close()
        fleet.muster("trial", "resume", f"{number}.1")
        moved_check(fleet, number, step)
        assert fleet.daemons["node1"].poll() is None and donor.pids() == pids
        # Nobody is answered with more than a greeting: there is nothing of ours in it.
        for stranger in silent:
            stranger.setblocking(False)
            try:
                assert len(stranger.recv(1 << 20)) <= 4096
            except (BlockingIOError, ConnectionError, socket.timeout):
                pass
            stranger.close()


if __name__ == "__main__":
    run(globals())
