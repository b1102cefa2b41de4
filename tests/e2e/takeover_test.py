#!/usr/bin/env python3
"""The head and its store die, on a cluster of machines that share nothing: no trainer is disturbed and nothing is lost. Of two heads
on one store only one writes."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../world"))

from cluster import SLOW, is_alive, run, wait_for  # noqa: E402
from fleet import PROGRAM, REDIS_PORT, STATE, TRAINERS, Fleet  # noqa: E402

KILLS = 10
KILLS_OF_BOTH = 20
TAKEOVER_S = 12
VIRTUAL = "10.77.0.250"  # the address that workers join; it moves to the head that serves

SWEEP = f"""
command: [/usr/bin/python3, {TRAINERS}/steady.py]
workdir: {{path: /tmp, mode: shared}}
metric: {{name: loss, goal: minimize}}
parameters: {{x: {{min: 0.0, max: 1.0}}, steps: 9, pause: PAUSE}}
search: {{method: random, seed: 5}}
schedule: {{type: asha, min: 1, max: 9, eta: 3}}
stop: {{trials: TRIALS}}
"""


def sweep_text(trials, pause):
    return SWEEP.replace("PAUSE", str(pause)).replace("TRIALS", str(trials))


def steps(fleet, number):
    answer = fleet.try_get(f"/api/v1/sweeps/{number}/trials")
    return None if answer is None else sum(t["step"] for t in answer["items"])


def wait_progress(fleet, number, more=2):
    """Until trainers have told something new: the cluster works again."""
    before = wait_for("an answer", lambda: (s := steps(fleet, number)) is not None and [s])[0]
    wait_for("progress", lambda: fleet.has_ended(number) or (steps(fleet, number) or 0) >= before + more, 60)


def check_same_trainers(before, after):
    """An attempt that still runs has the process that it had: none was started twice."""
    told = {what: pid for pid, what in before.items()}
    for pid, what in after.items():
        assert told.get(what, pid) == pid, (before, after)


def check_undisturbed(fleet, number, trials=None):
    """With `trials`, the sweep ended by itself after so many."""
    sweep, _ = fleet.wait_ended(number, 120)
    _, items = fleet.check_counted_once(number, trials or sweep["asked"])
    assert all(t["attempts"] == 1 and t["lost"] == 0 for t in items), [(t["id"], t["attempts"]) for t in items]


def test_head_and_redis_killed_twenty_times_disturb_no_trainer(_cluster):
    with Fleet(3) as fleet:
        number = fleet.submit(sweep_text(100000, 0.25))  # stopped after the last kill, however fast this machine is
        wait_for("trainers on every node", lambda: len({node for node, _, _ in fleet.attempts().values()}) == 3)
        for _ in range(KILLS_OF_BOTH):
            before = fleet.attempts()
            both_killed(fleet)
            check_same_trainers(before, fleet.attempts())
            wait_progress(fleet, number)
        fleet.muster("sweep", "stop", str(number))
        check_undisturbed(fleet, number)


def both_killed(fleet):
    old = [wait_for(f"a running {role}", lambda: fleet.pid(role)) for role in ("head", "redis")]
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    wait_for("both anew", lambda: all((p := fleet.pid(role)) and p not in old for role in ("head", "redis")))


def test_head_and_redis_killed_in_an_array_over_three_machines_run_each_task_once(_cluster):
    """With MUSTER_TEST_LONG=1 100,000 tasks and twenty times both."""
    total, kills = (100000, KILLS_OF_BOTH) if os.environ.get("MUSTER_TEST_LONG") == "1" else (9000, 4)
    with Fleet(3) as fleet:
        number = int(fleet.muster("submit", "--workdir", ".", "--array", f"1-{total}", "--", "sh", "-c", "echo ${index} >>/tmp/ran").stdout)

        def done():
            job = fleet.try_get(f"/api/v1/jobs/{number}")
            return -1 if job is None else job["done"]

        for kill in range(kills):
            before = max(0, done())
            wait_for("more tasks", lambda before=before: done() >= before + total // (2 * kills), 120)
            assert done() < total, f"it was over after {kill} kills"
            both_killed(fleet)
        wait_for("its end", lambda: (job := fleet.try_get(f"/api/v1/jobs/{number}")) and job["state"] == "ended", 300)
        job = fleet.get(f"/api/v1/jobs/{number}")
        assert (job["done"], job["failed"], job["cancelled"]) == (total, 0, 0), job
        ran = [[int(line) for line in node.read("/tmp/ran").split()] for node in fleet.nodes]
        assert all(ran), [len(of_node) for of_node in ran]
        assert sorted(index for of_node in ran for index in of_node) == list(range(1, total + 1)), [len(of_node) for of_node in ran]


def test_head_and_external_redis_killed_ten_times_at_once_disturb_no_trainer(_cluster):
    with Fleet(3, external=True) as fleet:
        number = fleet.submit(sweep_text(60, 0.25))
        wait_for("trainers on every node", lambda: len({node for node, _, _ in fleet.attempts().values()}) == 3)
        for kill in range(KILLS):
            before = fleet.attempts()
            pids = [*fleet.by_name["store"].pids(), *fleet.head.pids()]
            assert len(pids) == 2, pids
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            wait_for("the end of both", lambda: not any(is_alive(pid) for pid in pids))
            # A head that finds no store keeps trying; its own last start is no other head to wait for.
            fleet.head_start()
            fleet.redis_start()
            check_same_trainers(before, fleet.attempts())
            wait_progress(fleet, number)
            assert not fleet.has_ended(number), f"the sweep ended after {kill + 1} kills: too short for this test"
        check_undisturbed(fleet, number, 60)


def redis_cli(fleet, *arguments):
    argv = ["redis-cli", "-p", str(REDIS_PORT), "-a", "secret", "--no-auth-warning", *arguments]
    return fleet.by_name["store"].run(argv, errors="backslashreplace").stdout


def stored(fleet):
    """Everything in the store but the beats of who holds it."""
    keys = sorted(redis_cli(fleet, "KEYS", "*").split())
    assert "m:sweeps" in keys and "m:tasks" in keys, keys
    read = {"hash": ["HGETALL"], "list": ["LRANGE"], "string": ["GET"]}
    content = {}
    for key in keys:
        if key != "m:meta":
            kind = redis_cli(fleet, "TYPE", key).strip()
            text = redis_cli(fleet, *read[kind], key, *(["0", "-1"] if kind == "list" else []))
            content[key] = sorted(text.splitlines()) if kind == "hash" else text
    return content


def holder(fleet):
    return redis_cli(fleet, "HGET", "m:meta", "holder").strip()


def test_second_head_is_refused_then_takes_over_and_the_first_is_fenced(_cluster):
    with Fleet(2, external=True, more=["standby"]) as fleet:
        first, standby = fleet.head, fleet.by_name["standby"]
        for node in fleet.nodes:
            fleet.daemons[node.name].terminate()
            fleet.daemons[node.name].wait(30)
        fleet.worlds.move(VIRTUAL, None, first)
        fleet.address = VIRTUAL
        fleet.workers_start()
        number = fleet.submit(sweep_text(30, 0.5))
        wait_for("trainers", lambda: len(fleet.attempts()) >= 2)
        # A standby has the cluster's keys.
        standby.run(["mkdir", "-p", "-m", "700", STATE, STATE + "/keys"])
        for name in os.listdir(first.path(STATE + "/keys")):
            standby.write(f"{STATE}/keys/{name}", first.read(f"{STATE}/keys/{name}"))
            os.chmod(standby.path(f"{STATE}/keys/{name}"), 0o600)

        refused = standby.run(fleet.head_argv(), code=1, seconds=60)
        assert "head" in refused.stderr and "active" in refused.stderr, refused.stderr
        assert first.name in refused.stderr, f"it does not name the first: {refused.stderr}"
        wait_progress(fleet, number)

        before, held = fleet.attempts(), holder(fleet)
        stopped = [pid for pid, argv in first.pids().items() if argv[:2] == [PROGRAM, "head"]]
        assert len(stopped) >= 1, first.pids()
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        fleet.daemon(standby, "standby", fleet.head_argv())
        fleet.head = standby
        wait_for("the second head takes over", lambda: fleet.try_get("/api/v1/status"), TAKEOVER_S / SLOW)
        assert holder(fleet) != held
        fleet.worlds.move(VIRTUAL, first, standby)
        wait_for("the nodes at the second head", lambda: fleet.nodes_alive() == 2, 60)
        check_same_trainers(before, fleet.attempts())
        check_undisturbed(fleet, number, 30)

        content, held = stored(fleet), holder(fleet)
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        assert fleet.daemons["head"].wait(30) == 1
        said = fleet.said(first, "head")
        assert "another head" in said or "took over" in said, said
        assert holder(fleet) == held and stored(fleet) == content, "the fenced head wrote"
        assert fleet.try_get("/api/v1/status")["store"] == "ok"


if __name__ == "__main__":
    run(globals())
