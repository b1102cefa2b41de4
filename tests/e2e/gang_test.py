#!/usr/bin/env python3
"""One trial over several nodes, each a machine that shares nothing with the others: all of it or nothing, one step at which all leave, one
failure for whatever ends a part of it, and two trials that want the same nodes one after the other."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../world"))

from cluster import BUILD, SOURCE, is_alive, run, wait_for  # noqa: E402
from fleet import Fleet  # noqa: E402
from worlds_test import give  # noqa: E402

RING = """
name: ring
command: [./ring, digits.txt]
metric: {{name: val_loss, goal: minimize}}
parameters: {{epochs: {epochs}, lr: {{min: 0.001, max: 0.1, log: true}}, batch: 128, width: 64, layers: 1}}
search: {{method: random, seed: 3}}
schedule: {schedule}
launch: ranks
resources: {{cpus: {cpus}, nodes: {nodes}, ranks: {ranks}}}
stop: {{trials: {trials}}}
retries: {{max: 3, crash_limit: 9, node_failures: none, backoff: 10ms..50ms}}
timeouts: {{grace: 5s}}
env: {{LD_LIBRARY_PATH: "."}}
"""


def ring(fleet, epochs=9, schedule="{type: asha, min: 1, max: 9, eta: 3}", nodes=2, ranks=2, trials=1, cpus=1, name="ring.yaml"):
    give(fleet, "ring", os.path.join(BUILD, "examples/ring/ring"), mode=0o755)
    give(fleet, "digits.txt", os.path.join(SOURCE, "examples/digits/digits.txt"))
    give(fleet, "libmuster.so.1", os.path.join(BUILD, "client/libmuster.so.1"))
    return fleet.submit(RING.format(epochs=epochs, schedule=schedule, nodes=nodes, ranks=ranks, trials=trials, cpus=cpus), name)


def lines_of(fleet, trial, attempt, nodes, ranks):
    """What each rank of the attempt wrote, by rank: asked from its own node."""
    found = []
    for node in fleet.nodes[:nodes]:
        text = fleet.muster("trial", "logs", trial, "--attempt", str(attempt), "--node", node.name, "--stream", "out").stdout
        own = {}
        for line in text.splitlines():
            rank = int(line[6:line.index("]")]) if line.startswith("[rank ") else 0
            own.setdefault(rank, []).append(line.split("] ", 1)[-1])
        found += [own[rank] for rank in sorted(own)]
    return found


def ranks_there(fleet, trial, n):
    """{node: pids} of the trial's ranks, once there are n."""
    def look():
        there = {}
        for pid, (node, its, _) in fleet.attempts().items():
            if its == trial:
                there.setdefault(node, []).append(pid)
        return there if sum(len(pids) for pids in there.values()) == n else None

    return wait_for(f"{n} ranks of {trial}", look, 60)


def long_ring(fleet, **more):
    """One that trains until it is stopped, and has saved: (its sweep's number, its ranks)."""
    number = ring(fleet, epochs=100000, schedule="{type: asha, min: 1, max: 100000, eta: 3}", **more)
    wait_for("a snapshot", lambda: (t := fleet.trials(number)) and (t[0]["step"] or 0) >= 4 and t[0]["checkpoint_step"] > 0, 60)
    return number, ranks_there(fleet, f"{number}.1", 4)


def goes_on(fleet, number, step):
    """Another attempt trains past the step."""
    wait_for("the next attempt", lambda: (t := fleet.trials(number)[0])["attempts"] >= 2 and t["state"] == "running" and t["step"] > step, 90)
    return fleet.trials(number)[0]


def stop(fleet, number):
    fleet.muster("trial", "stop", f"{number}.1")
    sweep, trials = fleet.wait_ended(number, 60)
    assert sweep["failed"] == 0, sweep
    return trials


def all_gone(pids, seconds=5):
    deadline = time.monotonic() + seconds
    wait_for("all of them to be gone", lambda: not any(is_alive(pid) for pid in pids), seconds)
    assert time.monotonic() < deadline


def test_ring_over_two_nodes_trains_and_all_leave_at_one_step(_cluster):
    with Fleet(2, cpus=1) as fleet:
        number = ring(fleet, trials=5)
        fleet.wait_ended(number, 120)
        _, trials = fleet.check_counted_once(number, 5)
        stopped = 0
        for trial in trials:
            assert sorted(trial["nodes"]) == ["node1", "node2"] and trial["node"] == trial["nodes"][0], trial
            told = lines_of(fleet, trial["id"], trial["attempts"] - 1, 2, 2)
            assert len(told) == 4, told
            assert all(lines == told[0] for lines in told), told
            assert told[0][-1].startswith(f"epoch {trial['step']} "), (trial["step"], told[0])
            stopped += "acts 4" in told[0][-1] and trial["step"] < 9
        assert stopped, "nobody was stopped early"
        shown = fleet.muster("trial", "show", trials[0]["id"]).stdout
        assert "node1" in shown and "node2" in shown, shown
        assert fleet.node("node1")["running"] == fleet.node("node2")["running"] == 0
        assert not fleet.attempts()


def test_part_is_shown_where_it_runs_and_a_pause_is_one_for_all(_cluster):
    with Fleet(2, cpus=1) as fleet:
        number, there = long_ring(fleet)
        assert sorted(there) == ["node1", "node2"] and all(len(pids) == 2 for pids in there.values()), there
        for node in ("node1", "node2"):
            assert fleet.node(node)["running"] == 1 and f"{number}.1" in fleet.muster("node", "show", node).stdout
        fleet.muster("trial", "pause", f"{number}.1")
        wait_for("it to be held", lambda: fleet.trials(number)[0]["state"] == "held", 60)
        trial = fleet.trials(number)[0]
        assert trial["failures"] == 0 and trial["step"] >= 4, trial
        assert not fleet.attempts() and fleet.node("node2")["running"] == 0
        told = lines_of(fleet, f"{number}.1", 0, 2, 2)
        assert len(told) == 4 and len({lines[-1] for lines in told}) == 1, [lines[-1] for lines in told]
        refused = fleet.muster("trial", "logs", f"{number}.1", "--node", "node3", code=3).stderr
        assert "has not been on node 'node3'; it is or was on node" in refused and "node1" in refused and "node2" in refused, refused
        fleet.muster("trial", "logs", f"{number}.1", "--node", "a&b", code=2)
        fleet.muster("trial", "resume", f"{number}.1")
        step, trial = trial["step"], goes_on(fleet, number, trial["step"])
        rows = [row["step"] for row in fleet.rows(f"{number}.1") if row["attempt"] == 1]
        assert rows[0] == step + 1, "it went on from what it had saved"
        stop(fleet, number)


def test_rank_that_is_killed_on_another_node_is_one_failure_with_its_name(_cluster):
    with Fleet(2, cpus=1) as fleet:
        number, there = long_ring(fleet)
        first = fleet.trials(number)[0]
        other = next(node for node in there if node != first["node"])
        os.kill(there[other][1], signal.SIGKILL)
        all_gone([pid for pids in there.values() for pid in pids])
        trial = goes_on(fleet, number, first["checkpoint_step"])
        assert trial["failures"] == 1 and trial["lost"] == 0, trial
        evidence = fleet.evidence(f"{number}.1")[0]
        # A neighbour may see it first, and says so.
        assert evidence["reason"].startswith(("node node1: rank ", "node node2: rank ")), evidence
        assert evidence["signal"] == 9 or evidence["exit_code"] == 1, evidence
        stop(fleet, number)


def test_agent_that_is_killed_loses_the_trial_once(_cluster):
    with Fleet(2, cpus=1) as fleet:
        number, there = long_ring(fleet)
        first = fleet.trials(number)[0]
        for turn, node in enumerate(sorted(there, key=lambda name: name != first["node"])[::-1]):
            world = fleet.by_name[node]
            there = ranks_there(fleet, f"{number}.1", 4)
            step = fleet.trials(number)[0]["step"]
            fleet.daemons[node].kill()
            fleet.daemons[node].wait()
            fleet.worker_start(world)
            all_gone(there[node])
            wait_for("the loss", lambda: sum(fleet.trials(number)[0][k] for k in ("lost", "failures")) == turn + 1, 60)
            all_gone([pid for pids in there.values() for pid in pids], 10)
            wait_for("another attempt that trains", lambda: (t := fleet.trials(number)[0])["attempts"] == turn + 2 and t["state"] == "running"
                     and t["step"] > step, 90)
        stop(fleet, number)


def test_head_that_is_killed_disturbs_no_rank(_cluster):
    with Fleet(2, cpus=1) as fleet:
        number, there = long_ring(fleet)
        pids = sorted(pid for pids in there.values() for pid in pids)
        before = fleet.get("/api/v1/status")["epoch"]
        os.kill(fleet.pid("head"), signal.SIGKILL)
        wait_for("another head", lambda: (fleet.try_get("/api/v1/status") or {}).get("epoch", before) > before, 60)
        wait_for("both nodes", lambda: fleet.nodes_alive() == 2, 60)
        step = fleet.trials(number)[0]["step"]
        wait_for("it to train on", lambda: fleet.trials(number)[0]["step"] > step + 3, 60)
        trial = fleet.trials(number)[0]
        assert trial["attempts"] == 1 and sorted(pid for pids in ranks_there(fleet, f"{number}.1", 4).values() for pid in pids) == pids, trial
        trials = stop(fleet, number)
        assert trials[0]["outcome"] == "stopped" and trials[0]["attempts"] == 1, trials
        told = lines_of(fleet, f"{number}.1", 0, 2, 2)
        assert len({lines[-1] for lines in told}) == 1, [lines[-1] for lines in told]


def test_two_sweeps_that_need_both_nodes_go_one_after_the_other(_cluster):
    with Fleet(2, cpus=1) as fleet:
        numbers = [ring(fleet, epochs=9, schedule="{type: none}", trials=3, ranks=1, name=f"ring{i}.yaml") for i in range(2)]
        most = 0

        def have_ended():
            nonlocal most
            most = max(most, len({trial for _, trial, _ in fleet.attempts().values()}))
            return all(fleet.has_ended(number) for number in numbers)

        wait_for("both sweeps", have_ended, 180)
        for number in numbers:
            fleet.check_counted_once(number, 3)
        assert most <= 1, most


def test_trial_that_wants_a_third_node_waits_for_it(_cluster):
    with Fleet(3, cpus=1) as fleet:
        fleet.muster("node", "cordon", "node3")
        number = ring(fleet, nodes=3, ranks=1)
        why = fleet.muster("trial", "explain", f"{number}.1").stdout
        assert "needs 3 nodes with 1 CPU each; 2 have them free" in why, why
        assert not fleet.attempts() and not fleet.trials(number)
        refused = fleet.muster("sweep", "run", "-d", "--set", "resources.nodes=4", "ring.yaml", code=None)
        assert refused.returncode != 0 and "needs 4 nodes with 1 CPU each; 3 nodes have so much" in refused.stderr, refused
        fleet.muster("node", "resume", "node3")
        fleet.wait_ended(number, 60)
        _, trials = fleet.check_counted_once(number, 1)
        assert sorted(trials[0]["nodes"]) == ["node1", "node2", "node3"], trials


def test_drain_of_one_node_saves_through_rank_0_and_charges_nobody(_cluster):
    with Fleet(3, cpus=1) as fleet:
        number, there = long_ring(fleet)
        first = fleet.trials(number)[0]
        other = next(node for node in there if node != first["node"])
        fleet.muster("node", "drain", other, "--deadline", "0s")
        trial = goes_on(fleet, number, first["step"])
        assert trial["failures"] == 0 and trial["lost"] == 0 and other not in trial["nodes"], trial
        evidence = fleet.evidence(f"{number}.1")[0]
        assert evidence["cause"] == "agent_left", evidence
        stop(fleet, number)


if __name__ == "__main__":
    run(globals())
