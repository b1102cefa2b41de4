#!/usr/bin/env python3
"""What people do to sweeps, trials and nodes once they are there, over HTTP, against real processes that are killed in between."""
import glob
import json
import os
import signal
import threading

from cluster import PYTHON, TRAINERS, run, wait_for
from first_light_test import steady


def post(cluster, path, body=None, status=200, key=None):
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Idempotency-Key"] = key
    code, text = cluster.http("POST", "/api/v1/" + path, json.dumps(body or {}).encode(), headers)
    assert code == status, (path, code, text)
    return json.loads(text)


def get(cluster, path, status=200):
    code, text = cluster.http("GET", "/api/v1/" + path)
    assert code == status, (path, code, text)
    return json.loads(text)


def submit(cluster, file, status=201, key=None, **more):
    return post(cluster, "sweeps", {"file": file, "file_name": "t.yaml", "workdir": cluster.work, **more}, status, key).get("id")


def head_killed(cluster):
    """kill -9, and the next head answers."""
    old = cluster.kill("head")
    wait_for("another head", lambda: cluster.pid("head") not in (None, old), 20)

    def answers():
        try:
            return cluster.http("GET", "/api/v1/status")[0] == 200
        except OSError:
            return False
    wait_for("an answer", answers, 20)


def ended(cluster, number, seconds=60):
    return wait_for(f"the end of sweep {number}", lambda: (s := cluster.sweep_of(number))["state"] in ("done", "failed", "cancelled") and s, seconds)


def test_paused_sweep_starts_nothing_and_goes_on_after_a_kill(cluster):
    cluster.up("--cpus", "2")
    number = submit(cluster, steady(pause=0.1, trials=8))
    wait_for("running trials", lambda: cluster.sweep_of(number)["running"] == 2)
    post(cluster, f"sweeps/{number}/pause")
    post(cluster, f"sweeps/{number}/pause")
    asked = cluster.sweep_of(number)["asked"]
    head_killed(cluster)
    wait_for("the running ones to finish", lambda: cluster.sweep_of(number)["running"] == 0)
    sweep = cluster.sweep_of(number)
    assert sweep["state"] == "paused" and sweep["asked"] == asked < 8, sweep
    post(cluster, f"sweeps/{number}/resume")
    sweep = ended(cluster, number)
    assert sweep["state"] == "done" and sweep["asked"] == 8, sweep


def test_ended_sweep_takes_more_trials_and_a_repeat_adds_none(cluster):
    cluster.up()
    number = submit(cluster, steady(pause=0.01, trials=3))
    assert ended(cluster, number)["asked"] == 3
    assert "how many more" in post(cluster, f"sweeps/{number}/resume", status=409)["error"]["text"]
    for _ in range(2):
        post(cluster, f"sweeps/{number}/resume", {"trials": 2, "seen": 3})
    assert ended(cluster, number)["asked"] == 5
    post(cluster, f"sweeps/{number}/resume", {"trials": 1}, key="once")
    assert ended(cluster, number)["asked"] == 6
    head_killed(cluster)
    post(cluster, f"sweeps/{number}/resume", {"trials": 1}, key="once")
    sweep = ended(cluster, number)
    assert sweep["asked"] == sweep["trials"] == 6 and sweep["best"], sweep
    assert len(cluster.trials(number)) == 6


def test_limits_of_a_running_sweep_are_changed_and_outlive_the_head(cluster):
    cluster.up("--cpus", "4")
    number = submit(cluster, steady(pause=0.4, trials=3) + "limits: {concurrency: 1}\n")
    wait_for("a trial", lambda: cluster.sweep_of(number)["running"] == 1)
    done = cluster.run("sweep", "set", str(number), "limits.concurrency=3", "stop.trials=6", "timeouts.silent=5m")
    assert f"sweep {number} has the new settings" in done.stderr, done.stderr
    wait_for("three at a time", lambda: cluster.sweep_of(number)["running"] == 3)
    head_killed(cluster)
    sweep = cluster.sweep_of(number)
    assert sweep["trials"] == 6 and sweep["changed"] == ["limits.concurrency=3", "stop.trials=6", "timeouts.silent=5m"], sweep
    assert "changed   limits.concurrency=3" in cluster.run("sweep", "show", str(number)).stdout
    error = cluster.run("sweep", "set", str(number), "stop.trials=7", "search.seed=3", code=2).stderr
    assert "`search.seed` cannot change while a sweep runs: its trials so far were drawn from it" in error, error
    assert cluster.sweep_of(number)["trials"] == 6, "all settings of one command hold, or none"
    audit = open(os.path.join(cluster.state, "logs", "audit.log")).read()
    assert f'"path":"/api/v1/sweeps/{number}/set","status":200' in audit, audit
    assert ended(cluster, number)["asked"] == 6
    assert "nothing of it can change" in cluster.run("sweep", "set", str(number), "stop.trials=9", code=1).stderr
    cluster.run("sweep", "resume", str(number), "--trials", "+1")
    assert ended(cluster, number)["asked"] == 7


def test_trial_is_stopped_and_another_tried_again(cluster):
    cluster.up("--cpus", "2")
    flag = os.path.join(cluster.work, "good")
    script = (f"import muster, os, time\n"
              f"with muster.trial() as t:\n"
              f"    if os.environ['MUSTER_TRIAL'].endswith('.1'):\n"
              f"        assert os.path.exists('{flag}'), 'not yet'\n"
              f"    for i in range(60 if os.environ['MUSTER_TRIAL'].endswith('.2') else 3):\n"
              f"        t.report(step=i + 1, loss=1.0)\n"
              f"        time.sleep(0.5 if os.environ['MUSTER_TRIAL'].endswith('.2') else 0.01)\n")
    cluster.file("fate.py", script)
    number = submit(cluster, f"""
command: [{PYTHON}, {cluster.work}/fate.py]
metric: {{name: loss, goal: minimize}}
parameters: {{x: {{min: 0, max: 1}}}}
stop: {{trials: 4}}
retries: {{max: 0}}
timeouts: {{grace: 2s}}
""")
    wait_for("trial 2 to run", lambda: any(t["id"] == f"{number}.2" and t["state"] == "running" for t in cluster.trials(number)))
    post(cluster, f"trials/{number}.2/stop")
    sweep = ended(cluster, number)
    outcomes = {t["id"]: t["outcome"] for t in cluster.trials(number)}
    assert outcomes == {f"{number}.1": "failed", f"{number}.2": "stopped", f"{number}.3": "done", f"{number}.4": "done"}, outcomes
    assert sweep["state"] == "done", sweep

    open(flag, "w").close()
    failed = get(cluster, f"trials/{number}.1")
    for _ in range(2):
        post(cluster, f"trials/{number}.1/retry", {"attempts": failed["attempts"]})
    assert ended(cluster, number)["failed"] == 0
    trial = get(cluster, f"trials/{number}.1")
    assert trial["outcome"] == "done" and trial["attempts"] == failed["attempts"] + 1 and not trial["reason"], trial
    assert trial["best"]["time"] is not None, trial
    post(cluster, f"trials/{number}.99/retry", status=404)


def test_removed_sweep_leaves_nothing_though_the_head_dies(cluster):
    cluster.up()
    number = submit(cluster, steady(pause=0.01, trials=12), key="gone")
    wait_for("a running trial", lambda: cluster.sweep_of(number)["running"] > 0)
    assert "stop or cancel it first" in post(cluster, f"sweeps/{number}/rm", status=409)["error"]["text"]
    ended(cluster, number)
    folders = os.path.join(cluster.state, "nodes", "*", "snapshots", f"{number}.*")
    assert glob.glob(folders)
    post(cluster, f"sweeps/{number}/rm")
    head_killed(cluster)
    get(cluster, f"sweeps/{number}", 404)
    get(cluster, f"trials/{number}.1", 404)
    assert get(cluster, "sweeps")["items"] == []
    wait_for("its snapshots to go", lambda: not glob.glob(os.path.join(folders, "*")), 20)
    assert submit(cluster, steady(pause=0.01, trials=1), key="gone") == number + 1


def test_drained_node_hands_back_and_charges_nothing(cluster):
    cluster.up("--cpus", "2")
    node = get(cluster, "nodes")["items"][0]["name"]
    number = submit(cluster, steady(pause=0.4, trials=2).replace("schedule: {type: asha, min: 1, max: 9, eta: 3}\n", ""))
    wait_for("running trials", lambda: cluster.sweep_of(number)["running"] == 2 and
             all(t["step"] >= 1 for t in cluster.trials(number)))
    post(cluster, f"nodes/{node}/drain", {"deadline_s": 3600, "reason": "upgrade"})
    shown = get(cluster, f"nodes/{node}")
    assert shown["state"] == "draining" and shown["drain_reason"] == "upgrade" and 3500 < shown["drain_left"] <= 3600, shown
    assert cluster.sweep_of(number)["running"] == 2
    post(cluster, f"nodes/{node}/drain", {"deadline_s": 0})
    wait_for("everything handed back", lambda: cluster.sweep_of(number)["running"] == 0)
    head_killed(cluster)
    assert get(cluster, f"nodes/{node}")["state"] in ("draining", "suspect")
    assert cluster.pid("worker") is not None
    wait_for("the node to be back", lambda: get(cluster, f"nodes/{node}")["state"] == "draining")
    assert cluster.sweep_of(number)["running"] == 0
    post(cluster, f"nodes/{node}/resume")
    assert ended(cluster, number)["state"] == "done"
    for trial in cluster.trials(number):
        assert trial["failures"] == 0 and trial["lost"] == 0 and trial["attempts"] == 2 and trial["step"] == 9, trial


def test_cordon_and_labels_stay_with_the_nodes_name(cluster):
    cluster.up()
    node = get(cluster, "nodes")["items"][0]["name"]
    post(cluster, f"nodes/{node}/label", {"set": {"disk": "nvme", "zone": "b"}})
    post(cluster, f"nodes/{node}/label", {"remove": ["zone"]})
    post(cluster, f"nodes/{node}/label", {"set": {"a b": "x"}}, 400)
    post(cluster, f"nodes/{node}/cordon", {"reason": "fan"})
    post(cluster, "nodes/nobody/cordon", status=404)
    cluster.down()
    cluster.up()
    shown = wait_for("the node", lambda: (n := get(cluster, f"nodes/{node}"))["state"] == "alive" and n)
    assert shown["cordoned"] and shown["cordon_reason"] == "fan", shown
    assert shown["labels"].get("disk") == "nvme" and "zone" not in shown["labels"], shown
    number = submit(cluster, steady(pause=0.01, trials=2, more="resources: {require: [disk == nvme]}\n"))
    why = get(cluster, f"sweeps/{number}/explain")
    assert cluster.sweep_of(number)["asked"] == 0 and why["can_run"], why
    post(cluster, f"nodes/{node}/resume")
    assert ended(cluster, number)["state"] == "done"


def test_submission_with_settings_and_one_sweep_a_key(cluster):
    cluster.up()
    number = submit(cluster, steady(pause=0.01, trials=50), set=["stop.trials=2", "search.seed=9"], name="mine", labels=["night"], priority=70)
    sweep = ended(cluster, number)
    assert (sweep["name"], sweep["trials"], sweep["seed"], sweep["priority"], sweep["labels"]) == ("mine", 2, 9, 70, ["night"]), sweep
    wrong = post(cluster, "sweeps", {"file": steady(), "workdir": "/", "set": ["stop.trails=2"]}, 400)["error"]
    assert wrong["text"].startswith("--set stop.trails=2: ") and not wrong["line"], wrong

    answers = []

    def one(key):
        code, text = cluster.http("POST", "/api/v1/sweeps", json.dumps({"file": steady(trials=1), "workdir": cluster.work}).encode(), {"Idempotency-Key": key})
        answers.append((code, json.loads(text)["id"]))
    for round_number in range(5):
        answers.clear()
        threads = [threading.Thread(target=one, args=(f"race{round_number}",)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(code for code, _ in answers) == [200] * 5 + [201] and len({i for _, i in answers}) == 1, answers
    post(cluster, "sweeps", {"file": steady(trials=1), "workdir": cluster.work, "set": ["stop.trials=3"]}, 409, key="race0")

    test = submit(cluster, steady(pause=0.01, trials=50), test=True)
    sweep = ended(cluster, test)
    assert sweep["test"] and sweep["asked"] == 1 and cluster.trials(test)[0]["step"] == 1, sweep

    clone = post(cluster, f"sweeps/{number}/clone", {"name": "again"}, 201)["id"]
    sweep = ended(cluster, clone)
    assert (sweep["name"], sweep["trials"], sweep["seed"], sweep["cloned_from"]) == ("again", 2, 9, number), sweep


def test_lists_are_selected_sorted_and_paged(cluster):
    cluster.up()
    number = submit(cluster, steady(pause=0.01, trials=7), labels=["night"])
    ended(cluster, number)
    for path in ("sweeps?state=runing", f"sweeps/{number}/trials?state=leasd", "trials?outcome=good", "sweeps?sort=age", "sweeps?colour=red",
                 "sweeps?limit=ten", "nodes?state=dead", "trials?cursor=x", "trials?since=monday", "trials?sweep=0"):
        error = get(cluster, path, 400)["error"]
        assert error["text"], path
    assert "sort" in get(cluster, "sweeps?colour=red", 400)["error"]["text"]
    get(cluster, "sweeps/0/trials", 404)
    get(cluster, "nodes/nobody", 404)
    seen, cursor = [], None
    while cursor is not False:
        page = get(cluster, f"sweeps/{number}/trials?limit=3&sort=-best" + (f"&cursor={cursor}" if cursor else ""))
        seen += [t["best"]["metrics"]["loss"] for t in page["items"]]
        cursor = page["next"].replace("|", "%7C") if page["next"] else False
    assert len(seen) == 7 and seen == sorted(seen, reverse=True), seen
    assert get(cluster, "sweeps?label=night&state=done")["total"] == 1
    assert get(cluster, "sweeps?label=day")["total"] == 0
    assert get(cluster, "trials?since=1h&outcome=failed")["total"] == 0
    assert get(cluster, f"trials/{number}.1/explain")["id"] == f"{number}.1"


def test_trial_without_the_metric_fails_and_says_what_it_reported(cluster):
    cluster.up()
    cluster.file("other.py", "import muster\nwith muster.trial() as t:\n    t.report(step=1, accuracy=0.5, seconds=1.0)\n")
    number = submit(cluster, f"""
command: [{PYTHON}, {cluster.work}/other.py]
metric: {{name: loss, goal: minimize}}
parameters: {{x: {{min: 0, max: 1}}}}
stop: {{trials: 2}}
""")
    sweep = ended(cluster, number)
    trial = cluster.trials(number)[0]
    assert sweep["state"] == "failed" and "2 of 2 trials failed" in sweep["error"], sweep
    assert trial["attempts"] == 1 and trial["reason"] == "exit 0 without a value of 'loss' (metric.name); it reported: accuracy, seconds", trial


def test_damaged_snapshot_falls_back_to_a_start_from_nothing(cluster):
    cluster.up()
    number = submit(cluster, steady(pause=0.3, trials=1, more="retries: {backoff: 3s}\n"))
    trial = f"{number}.1"
    folder = wait_for("a snapshot", lambda: get(cluster, f"trials/{trial}")["checkpoint"])
    for pid in cluster.attempts():
        os.kill(pid, signal.SIGKILL)
    wait_for("the end of the attempt", lambda: get(cluster, f"trials/{trial}")["state"] == "queued")
    folder = get(cluster, f"trials/{trial}")["checkpoint"]
    for path in glob.glob(os.path.join(os.path.dirname(folder), "*", "state.json")):
        os.chmod(os.path.dirname(path), 0o700)
        os.chmod(path, 0o600)
        with open(path, "w") as file:
            file.write("{\"step\": 7777}")
    sweep = ended(cluster, number)
    told = get(cluster, f"trials/{trial}")
    assert sweep["state"] == "done" and told["outcome"] == "done" and told["failures"] == 1, told
    reasons = [a["reason"] or "" for a in get(cluster, f"trials/{trial}/attempts")["items"]]
    assert any("cannot be used" in r for r in reasons), reasons


if __name__ == "__main__":
    assert os.path.isdir(TRAINERS)
    run(globals())
