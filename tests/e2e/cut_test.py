#!/usr/bin/env python3
"""The network between the head and some nodes is cut while trials run there, cleanly and half-open, for a moment and for longer than the
head waits. A moment disturbs nothing; after more the trials run elsewhere, and what comes late is not counted.

All cuts are in one cluster at once, so that the minute that a node is waited for passes once. The cut of 200 s is cut_long_test.py's."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../world"))

from cluster import is_alive, run, wait_for  # noqa: E402
from fleet import TRAINERS, Fleet  # noqa: E402

NODE_TIMEOUT_S = 30
SHORT_S = 5
BRIEF_STEPS = 12
TRIALS = 5  # one for each node, of each sweep

SWEEP = f"""
name: NAME
command: [/usr/bin/python3, {TRAINERS}/marks.py]
workdir: {{path: PATH, mode: shared}}
metric: {{name: loss, goal: minimize}}
parameters: {{x: {{min: 0.0, max: 1.0}}, steps: STEPS, pause: 1.0, folder: shared, leaves: LEAVES}}
search: {{method: random, seed: 5}}
resources: {{cpus: 1, custom: {{NAME: 1}}}}
retries: {{max: 0, crash_limit: 5}}
stop: {{trials: {TRIALS}}}
"""


def sweep(name, steps, leaves):
    text = SWEEP.replace("PATH", f"/srv/{name}").replace("STEPS", str(steps)).replace("LEAVES", leaves)
    return text.replace("NAME", name)


def by_node(fleet, number):
    """{node: (pid here, trial, attempt)} of a sweep's trainers."""
    return {node: (pid, trial, attempt) for pid, (node, trial, attempt) in fleet.attempts().items() if trial.startswith(f"{number}.")}


def cut_and_check(long_s):
    """node1 and node2 are cut for 5 s, node3 and node4 for `long_s`; of each pair the second half-open. node5 stays, node6 comes later and
    has room for what must run again. `brief` ends in mid-cut, `lengthy` runs still when the network is back."""
    def offers(number):
        return ["--custom", f"brief={1 if number < 6 else 4}", "--custom", f"lengthy={1 if number < 6 else 4}"]

    with Fleet(6, cpus=8, arguments=offers, start=False) as fleet:
        for node in fleet.nodes[:5]:
            fleet.worker_start(node)
        wait_for("five nodes", lambda: fleet.nodes_alive() == 5)
        for node in fleet.nodes:
            for name in ("brief", "lengthy"):
                node.run(["mkdir", "-p", f"/srv/{name}"])
        fleet.submitter.run(["mkdir", "-p", "/srv/brief", "/srv/lengthy"])
        brief = fleet.submit(sweep("brief", BRIEF_STEPS, "abruptly"))
        lengthy = fleet.submit(sweep("lengthy", long_s + 12, "politely"))
        wait_for("a trainer of each sweep on each node", lambda: len(by_node(fleet, brief)) == 5 == len(by_node(fleet, lengthy)))
        wait_for("first reports", lambda: all(t["step"] >= 1 for n in (brief, lengthy) for t in fleet.trials(n)))
        fleet.worker_start(fleet.nodes[5])
        wait_for("the sixth node", lambda: fleet.nodes_alive() == 6)
        before = {number: by_node(fleet, number) for number in (brief, lengthy)}

        began = time.monotonic()
        for name, mode in (("node1", "drop"), ("node2", "in"), ("node3", "drop"), ("node4", "out")):
            fleet.by_name[name].cut(mode)
        wait_for("the end of the short cut", lambda: time.monotonic() - began >= SHORT_S)
        for name in ("node1", "node2"):
            fleet.by_name[name].heal()
        wait_for("them to be heard again", lambda: all(fleet.node(n)["state"] == "alive" for n in ("node1", "node2")), NODE_TIMEOUT_S - SHORT_S)
        # What ends inside the cut has a result that the head has not heard of. (A good-bye would wait for the head.)
        wait_for("the end of the brief ones beyond the cut", lambda: not {"node3", "node4"} & set(by_node(fleet, brief)))
        cut_off = [before[brief][n][1] for n in ("node3", "node4")]
        assert all(t["state"] == "running" for t in fleet.trials(brief) if t["id"] in cut_off), "the head knows what it cannot know"
        assert time.monotonic() - began < NODE_TIMEOUT_S - 5
        for number in (brief, lengthy):
            again = [before[number][n][1] for n in ("node3", "node4")]
            wait_for(f"those of sweep {number} to be leased elsewhere",
                     lambda: all(t["attempts"] == 2 for t in fleet.trials(number) if t["id"] in again), 60)
        wait_for("the end of the long cut", lambda: time.monotonic() - began >= long_s, long_s + 10)
        twice = [before[lengthy][n][0] for n in ("node3", "node4")]
        assert all(is_alive(pid) for pid in twice), "the lengthy attempts ended before the network came back"
        if long_s < NODE_TIMEOUT_S + BRIEF_STEPS:  # the late results compete with attempts that run
            assert all(t["state"] == "running" and t["attempts"] == 2 for t in fleet.trials(brief) if t["id"] in cut_off), fleet.trials(brief)
        for name in ("node3", "node4"):
            assert fleet.node(name)["state"] == "gone", fleet.node(name)
            fleet.by_name[name].heal()
        wait_for("them to be back", lambda: all(fleet.node(n)["state"] == "alive" for n in ("node3", "node4")), 60)
        wait_for("the end of the attempts that run elsewhere by now", lambda: not any(is_alive(pid) for pid in twice))

        for number in (brief, lengthy):
            fleet.wait_ended(number, long_s + 60)
            _, items = fleet.check_counted_once(number, TRIALS)
            for node, (_, trial, _) in before[number].items():
                item = next(t for t in items if t["id"] == trial)
                evidence = fleet.evidence(trial)
                if node in ("node3", "node4"):
                    assert (item["attempts"], item["lost"], item["failures"]) == (2, 1, 0), item
                    assert [(a["node"], a["cause"]) for a in evidence] == [(node, "lost"), (item["node"], "exit")], evidence
                    assert item["node"] != node, item
                else:
                    assert (item["attempts"], item["lost"], item["node"]) == (1, 0, node), item
                # The rows of what is counted are those of one attempt's whole way, each once.
                rows = [r["step"] for r in fleet.rows(trial) if r["attempt"] == item["attempts"] - 1]
                assert rows == list(range(1, item["step"] + 1)), (trial, rows)
        assert not fleet.attempts()
        # The event stream tells each acceptance once.
        told = [e["subject"] for e in map(json.loads, fleet.muster("events", "-o", "ndjson").stdout.splitlines())
                if e["kind"] == "task" and e["data"]["state"] == "ended"]
        assert sorted(told) == sorted(f"{number}.{i + 1}" for number in (brief, lengthy) for i in range(TRIALS)), told


def test_cut_of_5_s_retries_nothing_and_of_40_s_counts_once(_cluster):
    cut_and_check(40)


if __name__ == "__main__":
    run(globals())
