#!/usr/bin/env python3
"""Trials of several ranks on one node: told the same at the same step, one failure when one is lost, ports that do not clash."""
import glob
import json
import os
import signal
import socket
import time

from cluster import BUILD, PYTHON, SOURCE, TRAINERS, run, wait_for
from sweep_verbs_test import ended, post, submit

RANKS = os.path.join(TRAINERS, "ranks.py")
TRACES = ("step", "acts", "exploit", "saved", "start", "end")


def ranks(cluster, steps=9, pause=0.02, trials=1, n=4, schedule="{type: asha, min: 1, max: 9, eta: 3}", more="", faults=""):
    folder = os.path.join(cluster.root, "told")
    os.makedirs(folder, exist_ok=True)
    command = [PYTHON, RANKS, folder, str(steps), str(pause), *faults.split()]
    return f"""
name: ranks
command: {json.dumps(command)}
metric: {{name: loss, goal: minimize}}
parameters: {{x: {{min: 0.0, max: 1.0}}}}
search: {{method: random, seed: 5}}
schedule: {schedule}
launch: ranks
resources: {{cpus: 1, ranks: {n}}}
stop: {{trials: {trials}}}
retries: {{max: 3, backoff: 10ms..50ms}}
checkpoints: {{on: [rung, end]}}
{more}"""


def told(cluster):
    """{(trial, attempt): [what rank 0 was told, what rank 1 was, ...]}"""
    found = {}
    for path in sorted(glob.glob(os.path.join(cluster.root, "told", "*"))):
        trial, attempt, rank = os.path.basename(path).rsplit(".", 2)
        with open(path) as file:
            found.setdefault((trial, int(attempt)), {})[int(rank)] = [json.loads(line) for line in file if line.endswith("\n")]
    return {key: [ranks[i] for i in sorted(ranks)] for key, ranks in found.items()}


def trace(lines):
    return [{key: line[key] for key in TRACES if key in line} for line in lines]


def told_alike(cluster, n=4):
    """Every attempt's ranks were told the same, at the same steps. Their common traces."""
    alike = {}
    for key, ranks_told in told(cluster).items():
        assert len(ranks_told) == n, (key, len(ranks_told))
        traces = [trace(lines) for lines in ranks_told]
        for rank in range(1, n):
            assert traces[rank] == traces[0], f"{key}: rank {rank} was told {traces[rank]}, rank 0 {traces[0]}"
        alike[key] = traces[0]
    return alike


def attempts_of(cluster, trial):
    return json.loads(cluster.http("GET", f"/api/v1/trials/{trial}/attempts")[1])["items"]


def acts_of(lines):
    return {line["step"]: line["acts"] for line in lines if line.get("acts")}


def test_ranks_stop_at_one_step_and_save_together(cluster):
    cluster.up("--cpus", "2")
    number = submit(cluster, ranks(cluster, trials=6))
    sweep = ended(cluster, number, 90)
    assert sweep["state"] == "done" and sweep["failed"] == 0, sweep
    alike = told_alike(cluster)
    stopped = [acts_of(lines) for lines in alike.values()]
    assert {1, 3} & {step for acts in stopped for step, act in acts.items() if act & 4}, f"nobody was stopped at a rung: {stopped}"
    assert all(lines[-1].keys() == {"end"} for lines in alike.values())
    for lines in alike.values():
        assert {"saved": 1} in lines, lines
    for trial in cluster.trials(number):
        steps = [row["step"] for row in cluster.json("trial", "metrics", trial["id"])["items"]]
        assert steps == list(range(1, trial["step"] + 1)), f"metrics count once, from rank 0: {steps}"


def test_ranks_pause_at_one_step_and_go_on_from_one_snapshot(cluster):
    cluster.up("--cpus", "2")
    number = submit(cluster, ranks(cluster, steps=60, pause=0.05, schedule="{type: none}"))
    wait_for("reports", lambda: cluster.trials(number) and (cluster.trials(number)[0]["step"] or 0) >= 3)
    cluster.run("trial", "pause", f"{number}.1")
    wait_for("it to be held", lambda: cluster.trials(number)[0]["state"] == "held")
    assert not cluster.attempts()
    first = told_alike(cluster)[(f"{number}.1", 0)]
    left = [line for line in first if line.get("acts")]
    assert len(left) == 1 and left[0]["acts"] == 1 | 2, left
    at = left[0]["step"]
    assert first[-2:] == [{"saved": at}, {"end": at}], first[-3:]
    cluster.run("trial", "resume", f"{number}.1")
    sweep = ended(cluster, number, 60)
    assert sweep["done"] == 1, sweep
    second = told_alike(cluster)[(f"{number}.1", 1)]
    assert second[0] == {"start": at}
    assert [line["step"] for line in second if "step" in line] == list(range(at + 1, 61))


def test_ranks_exploit_in_place_one_snapshot_at_one_step(cluster):
    cluster.up("--cpus", "2")
    text = ranks(cluster, steps=40, pause=0.01, trials=2, schedule="{type: pbt, max: 40}",
                 more="pbt: {population: 2, interval: 4, quantile: 0.5, mutate: [x]}")
    number = submit(cluster, text.replace("checkpoints: {on: [rung, end]}", ""))
    sweep = ended(cluster, number, 120)
    assert sweep["state"] == "done" and sweep["failed"] == 0, sweep
    alike = told_alike(cluster)
    exploits = [line for lines in alike.values() for line in lines if "exploit" in line]
    assert exploits, alike
    for ranks_told in told(cluster).values():
        for lines in zip(*([line for line in lines if "exploit" in line] for lines in ranks_told)):
            assert len({(line["weight"], line["x"]) for line in lines}) == 1, f"one snapshot, one set of parameters: {lines}"


def test_rank_that_is_killed_is_one_failure_and_none_is_left(cluster):
    cluster.up("--cpus", "2")
    number = submit(cluster, ranks(cluster, steps=200, pause=0.1, schedule="{type: none}"))
    wait_for("four ranks", lambda: len(cluster.attempts()) == 4)
    wait_for("a report", lambda: (cluster.trials(number)[0]["step"] or 0) >= 1)
    first = wait_for("a word to each of them", lambda: (lambda all_told: len(all_told) == 4 and all(all_told) and all_told)(
        told(cluster).get((f"{number}.1", 0), [])))
    pids = [lines[0]["pid"] for lines in first]
    os.kill(pids[2], signal.SIGKILL)
    deadline = time.monotonic() + 5
    wait_for("all of them to be gone", lambda: not set(pids) & set(cluster.attempts()), 5)
    assert time.monotonic() < deadline
    attempt = wait_for("the failure", lambda: [a for a in attempts_of(cluster, f"{number}.1") if a.get("reason")])[0]
    assert attempt["cause"] == "signal" and "rank 2" in attempt["reason"] and "signal 9" in attempt["reason"], attempt
    post(cluster, f"sweeps/{number}/cancel")
    assert ended(cluster, number)["state"] == "cancelled"
    assert cluster.trials(number)[0]["failures"] == 1, cluster.trials(number)[0]


def test_ranks_killed_one_after_another_go_on_from_whole_snapshots(cluster):
    """Whenever a rank dies, in a save too: a snapshot has all parts, which the trainer itself insists on when it loads."""
    cluster.up("--cpus", "2")
    text = ranks(cluster, steps=27, pause=0.06, schedule="{type: asha, min: 1, max: 27, eta: 3}").replace("retries: {max: 3", "retries: {max: 20")
    number = submit(cluster, text)
    for kill in range(4):
        attempt = wait_for("ranks that train", lambda: (t := told(cluster)) and max(t)[1] >= kill and len(t[max(t)]) == 4
                           and any("step" in line for line in t[max(t)][kill]) and t[max(t)])
        os.kill(attempt[kill][0]["pid"], signal.SIGKILL)
        wait_for("the next attempt", lambda: cluster.trials(number)[0]["attempts"] >= kill + 2)
    sweep = ended(cluster, number, 120)
    trial = cluster.trials(number)[0]
    assert sweep["done"] == 1 and trial["failures"] == 4 and trial["step"] == 27, trial
    for key, ranks_told in told(cluster).items():
        acts = [{line["step"]: line["acts"] for line in lines if "step" in line} for lines in ranks_told]
        for step in set.intersection(*(set(one) for one in acts)):
            assert len({one[step] for one in acts}) == 1, (key, step, acts)


def test_rank_that_hangs_is_named_by_the_failure(cluster):
    cluster.up("--cpus", "2")
    number = submit(cluster, ranks(cluster, steps=9, pause=0.01, faults="--hang 3 3", more="timeouts: {rank: 8s, grace: 2s}"))
    sweep = ended(cluster, number, 60)
    assert sweep["done"] == 1 and sweep["failed"] == 0, sweep
    attempts = attempts_of(cluster, f"{number}.1")
    assert attempts[0]["cause"] == "timeout_rank", attempts
    assert "rank 3" in attempts[0]["reason"] and "timeouts.rank" in attempts[0]["reason"], attempts
    assert len(attempts) >= 2, attempts


def test_two_trials_with_ranks_on_one_node_share_no_port(cluster):
    cluster.up("--cpus", "2")
    number = submit(cluster, ranks(cluster, steps=60, pause=0.1, trials=2, schedule="{type: none}"))
    wait_for("eight ranks that have begun", lambda: len([1 for all_ranks in told(cluster).values() for lines in all_ranks if lines]) == 8)
    ports = set()
    for (trial, _), all_ranks in told(cluster).items():
        starts = [lines[0] for lines in all_ranks]
        assert [start["local"] for start in starts] == list("0123") and {start["size"] for start in starts} == {"4"}
        assert len({start["port"] for start in starts}) == 1 and len({start["peers"] for start in starts}) == 1
        mine = [int(starts[0]["port"])] + [int(peer.split(":")[1]) for peer in starts[0]["peers"].split(",")]
        assert len(set(mine)) == 5 and not set(mine) & ports, (trial, mine, ports)
        ports |= set(mine)
    for port in ports:
        with socket.socket() as ours:  # a server's way: the port is free for its ranks, and they can listen
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            ours.bind(("127.0.0.1", port))
            ours.listen()
        with socket.socket() as strangers:
            try:
                strangers.bind(("127.0.0.1", port))
                raise AssertionError(f"port {port} is not held")
            except OSError:
                pass
    post(cluster, f"sweeps/{number}/stop")
    assert ended(cluster, number)["failed"] == 0
    told_alike(cluster)


def test_ranks_end_with_their_agent_and_begin_again(cluster):
    cluster.up("--cpus", "2")
    number = submit(cluster, ranks(cluster, steps=27, pause=0.1, schedule="{type: asha, min: 1, max: 27, eta: 3}"))
    wait_for("a snapshot", lambda: any("saved" in line for all_ranks in told(cluster).values() for lines in all_ranks for line in lines))
    pids = set(cluster.attempts())
    cluster.kill("worker")
    wait_for("the ranks to be gone", lambda: not pids & set(cluster.attempts()), 5)
    sweep = ended(cluster, number, 90)
    assert sweep["done"] == 1, sweep
    last = max(told(cluster))
    assert last[1] >= 1
    lines = [trace(lines) for lines in told(cluster)[last]]
    assert all(one == lines[0] for one in lines) and lines[0][-1] == {"end": 27}, lines


def test_ranks_write_into_one_log_a_line_each(cluster):
    cluster.up("--cpus", "2")
    number = submit(cluster, ranks(cluster, steps=3, pause=0.0, n=3, schedule="{type: none}"))
    ended(cluster, number)
    lines = sorted(cluster.run("trial", "logs", f"{number}.1").stdout.splitlines())
    assert lines == [f"[rank {i}] rank {i} has ended" for i in range(3)], lines


def test_ranks_in_shell_give_themselves_back_and_rank_0_reports(cluster):
    cluster.up("--cpus", "2")
    script = "[ $MUSTER_ATTEMPT_NUMBER = 0 ] && exit 75; muster report --step 1 loss=$MUSTER_RANK"
    number = submit(cluster, f"command: [sh, -c, '{script}']\nmetric: {{name: loss}}\nstop: {{trials: 1}}\nlaunch: ranks\nresources: {{ranks: 3}}\n")
    assert ended(cluster, number)["done"] == 1
    trial = cluster.trials(number)[0]
    assert trial["failures"] == 0 and trial["attempts"] == 2, trial
    rows = cluster.json("trial", "metrics", f"{number}.1")["items"]
    assert [row["metrics"] for row in rows] == [{"loss": 0.0}], rows


def test_program_that_starts_its_own_ranks_is_told_once_for_all(cluster):
    cluster.up("--cpus", "2")
    text = ranks(cluster, trials=4)
    command = json.loads(next(line for line in text.splitlines() if line.startswith("command")).split(": ", 1)[1])
    script = "for r in 0 1 2; do RANK=$r WORLD_SIZE=3 LOCAL_RANK=$r " + " ".join(command) + " & all=\"$all $!\"; done; for p in $all; do wait $p || exit 1; done"
    text = text.replace(json.dumps(command), json.dumps(["sh", "-c", script]))
    number = submit(cluster, text.replace("launch: ranks", "launch: one").replace("ranks: 4", "cpus: 1").replace("cpus: 1, cpus: 1", "cpus: 1"))
    sweep = ended(cluster, number, 90)
    assert sweep["state"] == "done" and sweep["failed"] == 0, sweep
    alike = told_alike(cluster, 3)
    assert any(act & 4 and step < 9 for lines in alike.values() for step, act in acts_of(lines).items()), alike
    ports = {lines[0]["port"] for ranks_told in told(cluster).values() for lines in ranks_told}
    assert None not in ports and "29500" not in ports, ports


def ring(trials, epochs, schedule, more="", flags=()):
    """The example: four ranks that sum their gradients over the ports that were held for them."""
    command = [os.path.join(BUILD, "examples/ring/ring"), os.path.join(SOURCE, "examples/digits/digits.txt"), *flags]
    return f"""
name: ring
command: {json.dumps(command)}
metric: {{name: val_loss, goal: minimize}}
parameters: {{epochs: {epochs}, lr: {{min: 0.0001, max: 0.1, log: true}}, batch: 128, width: 64, layers: 1}}
search: {{method: random, seed: 3}}
schedule: {schedule}
launch: ranks
resources: {{cpus: 1, ranks: 4}}
stop: {{trials: {trials}}}
retries: {{max: 3, backoff: 10ms..50ms}}
{more}"""


def ring_lines(cluster, trial, n=4):
    """What each rank printed of its epochs: the acts, and where it went on from."""
    lines = cluster.run("trial", "logs", trial).stdout.splitlines()
    return [[line.split("] ", 1)[1] for line in lines if line.startswith(f"[rank {rank}] ")] for rank in range(n)]


def test_ring_exploits_in_place_and_its_ranks_stay_one(cluster):
    cluster.up("--cpus", "2")
    number = submit(cluster, ring(2, 40, "{type: pbt, max: 40}", "pbt: {population: 2, interval: 4, quantile: 0.5, mutate: [lr]}"))
    sweep = ended(cluster, number, 120)
    assert sweep["state"] == "done" and sweep["failed"] == 0, sweep
    told = [ring_lines(cluster, f"{number}.{index}") for index in (1, 2)]
    for ranks_told in told:
        assert all(lines == ranks_told[0] for lines in ranks_told) and ranks_told[0][-1].startswith("epoch 40"), ranks_told
    assert any(line.startswith("exploit") for ranks_told in told for line in ranks_told[0]), told
    assert all(trial["attempts"] == 1 for trial in cluster.trials(number)), "in place"


def test_ring_that_cannot_exploit_in_place_begins_again_from_the_donors_snapshot(cluster):
    cluster.up("--cpus", "2")
    more = "pbt: {population: 2, interval: 4, quantile: 0.5, mutate: [lr]}"
    number = submit(cluster, ring(2, 24, "{type: pbt, max: 24}", more, ["--no-exploit"]))
    sweep = ended(cluster, number, 120)
    assert sweep["state"] == "done" and sweep["failed"] == 0, sweep
    trials = cluster.trials(number)
    assert all(trial["failures"] == 0 and trial["step"] == 24 for trial in trials), trials
    assert max(trial["attempts"] for trial in trials) > 1, trials
    for trial in trials:
        ranks_told = ring_lines(cluster, trial["id"])
        assert all(lines == ranks_told[0] for lines in ranks_told) and ranks_told[0][-1].startswith("epoch 24"), ranks_told


def test_ring_that_loses_a_rank_goes_on_from_its_snapshot(cluster):
    cluster.up("--cpus", "2")
    number = submit(cluster, ring(1, 1000, "{type: asha, min: 1, max: 1000, eta: 3}"))
    wait_for("a snapshot", lambda: (cluster.trials(number) and cluster.trials(number)[0]["step"] or 0) >= 9)
    pids = wait_for("four ranks", lambda: len(cluster.attempts()) == 4 and sorted(cluster.attempts()))
    os.kill(pids[1], signal.SIGKILL)
    wait_for("all of them to be gone", lambda: not set(pids) & set(cluster.attempts()), 5)
    sweep = ended(cluster, number, 240)
    assert sweep["done"] == 1, sweep
    trial = cluster.trials(number)[0]
    assert trial["failures"] == 1 and trial["attempts"] == 2 and trial["step"] == 1000, trial
    first = attempts_of(cluster, f"{number}.1")[0]
    # Its neighbours see it first now and then, and leave with a word about it.
    assert first["reason"].startswith("rank ") and (first["signal"] == 9 or first["note"] == "a neighbour is gone"), first


if __name__ == "__main__":
    run(globals())
