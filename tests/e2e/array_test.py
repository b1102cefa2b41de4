#!/usr/bin/env python3
"""Task arrays: every id runs, its own end is kept, and head, store and worker may die under them."""
import json
import os
import signal
import subprocess

from cluster import PYTHON, processes, run, wait_for


def submit(cluster, *arguments, **options):
    """The number of a new array."""
    return int(cluster.run("submit", *arguments, **options).stdout)


def job(cluster, number):
    status, text = cluster.http("GET", f"/api/v1/jobs/{number}")
    assert status == 200, (status, text)
    return json.loads(text)


def tasks(cluster, number, *arguments):
    return cluster.json("task", "list", str(number), *arguments)["items"]


def wait_ended(cluster, number, seconds=120):
    return wait_for(f"the end of array {number}", lambda: (lambda j: j if j["state"] == "ended" else None)(job(cluster, number)), seconds)


def add_dry_worker(cluster, cpus=2):
    """A head and a worker that runs no process."""
    cluster.run("up", "-d", "--no-worker")
    address = "ipc://" + os.path.join(cluster.state, "run", "head.ipc")
    worker = cluster.start("worker", "--dry", "--name", "dry1", "--cpus", str(cpus), "--join", address)
    wait_for("the dry worker", lambda: any(n["state"] == "alive" for n in json.loads(cluster.http("GET", "/api/v1/nodes")[1])["items"]))
    return worker


def test_array_runs_each_id_once_and_each_can_be_looked_at(cluster):
    cluster.up("--cpus", "2")
    number = submit(cluster, "--array", "1-300:2", "--", "sh", "-c", f"echo ${{index}} >> {cluster.work}/ran; echo out ${{index}} $MUSTER_INDEX; echo err ${{index}} >&2")
    assert cluster.run("task", "wait", str(number)).returncode == 0
    with open(os.path.join(cluster.work, "ran")) as file:
        ran = sorted(int(line) for line in file)
    assert ran == list(range(1, 300, 2)), ran
    shown = job(cluster, number)
    assert (shown["state"], shown["outcome"], shown["total"], shown["done"], shown["failed"]) == ("ended", "done", 150, 150, 0), shown
    assert shown["ids"] == "1-299:2" and not shown["dry"], shown
    listed = tasks(cluster, number)
    assert [t["id"] for t in listed] == [f"{number}.{i}" for i in range(1, 300, 2)]
    for task in listed:
        assert (task["state"], task["outcome"], task["exit_code"], task["attempts"]) == ("ended", "done", 0, 1), task
        assert task["node"] and task["started"] and task["ended"] and task["duration"] > 0 and not task["dry"], task
    one = cluster.json("task", "show", f"{number}.55")
    assert one == next(t for t in listed if t["id"] == f"{number}.55"), one
    attempts = json.loads(cluster.http("GET", f"/api/v1/tasks/{number}.55/attempts")[1])["items"]
    assert len(attempts) == 1 and attempts[0]["node"] == one["node"] and attempts[0]["exit_code"] == 0, attempts
    assert cluster.run("task", "logs", f"{number}.55", "--stream", "out").stdout == "out 55 55\n"
    assert "err 55" in cluster.run("task", "logs", f"{number}.55").stdout
    cluster.run("task", "show", f"{number}.56", code=3)
    events = cluster.run("events").stdout
    assert f"array {number} queued" in events and f"array {number} ended done: 150 of 150" in events, events
    row = next(t for t in cluster.json("task", "list")["items"] if t.get("ids"))
    assert row["id"] == f"{number}.[1-299:2]" and row["done"] == 150, row
    table = cluster.run("task", "list").stdout
    assert f"{number}.[1-299:2]" in table and "150/150 done" in table, table


def test_short_tasks_keep_their_output_apart_and_leave_no_process(cluster):
    """So short that several are ahead in each lane; some print, some leave a process that left their session."""
    cluster.up("--cpus", "2")
    script = "i=$MUSTER_INDEX; test $((i % 3)) -ne 0 || echo out $i; test $((i % 41)) -ne 0 || { setsid sleep 98765.4321 & }; exit 0"
    number = submit(cluster, "--array", "1-600", "--", "sh", "-c", script)
    cluster.run("task", "wait", str(number))
    left = [argv for _, state, argv in processes().values() if state != "Z" and "98765.4321" in argv]
    assert left == [], left
    for i in list(range(270, 310)) + [598, 599, 600]:
        wrote = cluster.run("task", "logs", f"{number}.{i}", "--stream", "out").stdout
        assert wrote == (f"out {i}\n" if i % 3 == 0 else ""), (i, wrote)


def test_long_task_does_not_keep_those_behind_it(cluster):
    cluster.up("--cpus", "2")
    go = os.path.join(cluster.work, "go")
    script = f"test $MUSTER_INDEX -ne 150 || while ! test -e {go}; do sleep 0.05; done"
    number = submit(cluster, "--array", "1-300", "--", "sh", "-c", script)
    wait_for("all others", lambda: job(cluster, number)["done"] == 299)
    assert job(cluster, number)["running"] == 1
    open(go, "w").close()
    cluster.run("task", "wait", str(number))


def test_cancel_of_short_tasks_leaves_none_running(cluster):
    cluster.up("--cpus", "2")
    number = submit(cluster, "--array", "1-1000000", "--", "true")
    wait_for("a thousand", lambda: job(cluster, number)["done"] > 1000)
    cluster.run("task", "cancel", str(number), "--grace", "1")
    cluster.run("task", "wait", str(number), code=6)
    shown = wait_ended(cluster, number)
    assert shown["done"] + shown["cancelled"] == 1000000 and shown["failed"] == 0, shown
    cluster.run("run", "--", "true")


def test_array_of_lines_and_of_json_gives_each_task_its_own(cluster):
    cluster.up("--cpus", "2")
    lines = cluster.file("lines", "alpha\nb 'eta\n\n$HOME\n")
    number = submit(cluster, "--each-line", lines, "--", "printf", "%s|", "${index}", "${line}")
    cluster.run("task", "wait", str(number))
    wrote = [cluster.run("task", "logs", f"{number}.{i}", "--stream", "out").stdout for i in (1, 2, 3, 4)]
    assert wrote == ["1|alpha|", "2|b 'eta|", "3||", "4|$HOME|"], wrote
    chosen = submit(cluster, "--array", "2-4:2", "--each-line", lines, "--", "sh", "-c", 'printf %s "$MUSTER_LINE"')
    cluster.run("task", "wait", str(chosen))
    assert [cluster.run("task", "logs", f"{chosen}.{i}", "--stream", "out").stdout for i in (2, 4)] == ["b 'eta", "$HOME"]
    values = cluster.file("values.json", '[{"lr": 0.1, "x": [1, 2]}, "two", 3]')
    number = submit(cluster, "--from-json", values, "--", "printf", "%s", "${line}")
    cluster.run("task", "wait", str(number))
    wrote = [cluster.run("task", "logs", f"{number}.{i}", "--stream", "out").stdout for i in (1, 2, 3)]
    assert wrote == ['{"lr":0.1,"x":[1,2]}', '"two"', "3"], wrote


def test_array_that_cannot_be_is_refused_with_a_reason(cluster):
    cluster.up("--cpus", "1")
    empty, lines = cluster.file("empty", ""), cluster.file("lines", "a\nb\n")
    wrong = [
        (["--array", "5-1", "--", "true"], "goes down"),
        (["--array", "0-5", "--", "true"], "from 1"),
        (["--array", "1-10000001", "--", "true"], "at most 10000000"),
        (["--array", "1-3", "--", "echo", "${HOME}"], "$${HOME}"),
        (["--array", "1-3", "--", "echo", "${line}"], "--each-line"),
        (["--each-line", empty, "--", "true"], "is empty"),
        (["--each-line", lines, "--array", "1-3", "--", "true"], "2 lines"),
        (["--from-json", lines, "--", "true"], "no JSON"),
        (["--from-json", cluster.file("object", "{}"), "--", "true"], "no array"),
        (["--max-fails", "3", "--", "true"], "--array"),
        (["--log-files", "--", "true"], "--array"),
        (["--array", "1-3", cluster.file("s.yaml", "")], "command"),
    ]
    for arguments, said in wrong:
        done = cluster.run("submit", *arguments, code=2)
        assert said in done.stderr, (arguments, done.stderr)
    status, text = cluster.http("POST", "/api/v1/jobs", json.dumps({"words": ["echo", "${nothing}"], "workdir": "/", "array": {"first": 1, "last": 3, "step": 1}}).encode())
    assert status == 400 and "${nothing}" in text, (status, text)
    status, text = cluster.http("POST", "/api/v1/jobs", json.dumps({"words": ["true"], "workdir": "/", "array": {"first": 0, "last": 3, "step": 1}}).encode())
    assert status == 400, (status, text)
    status, text = cluster.http("POST", "/api/v1/jobs", json.dumps({"words": ["true"], "workdir": "/", "log_files": True}).encode())
    assert status == 400 and "`array`" in text, (status, text)
    assert cluster.json("task", "list")["items"] == []


def test_dry_run_of_an_array_prints_its_first_task(cluster):
    lines = cluster.file("lines", "alpha\nbeta\n")
    done = cluster.run("submit", "--dry-run", "--each-line", lines, "--array", "2", "--", "echo", "${index}", "${line}")
    assert "echo 2 beta" in done.stdout and "MUSTER_LINE=beta" in done.stdout and "MUSTER_INDEX=2" in done.stdout, done.stdout


def test_failed_tasks_are_grouped_listed_and_tried_again(cluster):
    cluster.up("--cpus", "2")
    flag = os.path.join(cluster.work, "good")
    script = f"test -e {flag} && exit 0; case ${{index}} in *3) echo no disk 12${{index}} >&2; exit 4;; *7) echo bad value >&2; exit 5;; esac"
    number = submit(cluster, "--array", "1-40", "--", "sh", "-c", script)
    done = cluster.run("task", "wait", str(number), code=5)
    assert "32/40 done" in done.stdout and "8 failed" in done.stdout, done.stdout
    shown = cluster.run("task", "show", str(number)).stdout
    assert "4 tasks" in shown and "no disk #" in shown and "bad value" in shown, shown
    failures = json.loads(cluster.http("GET", f"/api/v1/jobs/{number}/failures")[1])["items"]
    assert sorted((f["count"], f["failed"]) for f in failures) == [(4, 4), (4, 4)], failures
    failed = tasks(cluster, number, "--filter", "state=failed")
    assert [t["id"] for t in failed] == [f"{number}.{i}" for i in (3, 7, 13, 17, 23, 27, 33, 37)], failed
    assert {t["exit_code"] for t in failed} == {4, 5}
    assert "no disk" in cluster.run("task", "show", f"{number}.13").stdout
    assert "bad value" in cluster.run("task", "logs", f"{number}.7").stdout
    refused = cluster.run("task", "retry", f"{number}.1", code=1)
    assert refused.stderr.strip(), "a task that ended well was tried again without a word"
    open(flag, "w").close()
    assert "4 tasks are tried again" in cluster.run("task", "retry", f"{number}.1-13,17").stderr
    cluster.run("task", "wait", str(number), code=5)
    cluster.run("task", "retry", str(number), "--failed")
    cluster.run("task", "wait", str(number))
    again = cluster.json("task", "show", f"{number}.37")
    assert again["outcome"] == "done" and again["attempts"] == 2, again
    assert job(cluster, number)["done"] == 40


def test_retries_of_a_task_are_its_own(cluster):
    cluster.up("--cpus", "2")
    script = f"f={cluster.work}/tried.${{index}}; test -e $f && exit 0; touch $f; test ${{index}} -ne 5"
    number = submit(cluster, "--array", "1-10", "--retries", "2", "--", "sh", "-c", script)
    cluster.run("task", "wait", str(number))
    assert [t["attempts"] for t in tasks(cluster, number)] == [1, 1, 1, 1, 2, 1, 1, 1, 1, 1]


def test_max_fails_ends_the_array_and_says_so(cluster):
    cluster.up("--cpus", "2")
    number = submit(cluster, "--array", "1-5000", "--max-fails", "3", "--", "sh", "-c", "exit 3")
    done = cluster.run("task", "wait", str(number), code=5)
    shown = job(cluster, number)
    assert shown["failed"] > 3 and shown["cancelled"] > 4000 and shown["error"], (shown, done.stdout)
    assert shown["error"] in done.stdout, done.stdout


def test_cancel_of_an_array_and_of_single_ids(cluster):
    cluster.up("--cpus", "2")
    number = submit(cluster, "--array", "1-1000", "--", "sleep", "30")
    wait_for("two to run", lambda: job(cluster, number)["running"] == 2)
    cluster.run("task", "cancel", f"{number}.500-503,900", "--grace", "1")
    wait_for("five to be cancelled", lambda: job(cluster, number)["cancelled"] == 5)
    assert [t["id"] for t in tasks(cluster, number, "--filter", "state=cancelled")] == [f"{number}.{i}" for i in (500, 501, 502, 503, 900)]
    cluster.run("task", "cancel", f"{number}.1", "--grace", "1")
    wait_for("the running one to leave", lambda: cluster.json("task", "show", f"{number}.1")["outcome"] == "cancelled")
    cluster.run("task", "cancel", str(number), "--grace", "1")
    cluster.run("task", "wait", str(number), code=6)
    shown = wait_ended(cluster, number)
    assert (shown["outcome"], shown["cancelled"], shown["done"]) == ("cancelled", 1000, 0), shown
    assert "ended already" in cluster.run("task", "cancel", str(number)).stderr
    cluster.run("run", "--", "true")


def test_array_waits_behind_what_is_more_important(cluster):
    cluster.up("--cpus", "1")
    number = submit(cluster, "--array", "1-100000", "--", "true")
    wait_for("a thousand", lambda: job(cluster, number)["done"] > 1000)
    before = job(cluster, number)["done"]
    cluster.run("submit", "--wait", "--priority", "90", "--", "true", seconds=20)
    assert before < 100000 and job(cluster, number)["state"] != "ended", "the array was over before anything could wait"
    text = cluster.json("explain", str(number))
    assert text["text"] and text["can_run"], text
    cluster.run("task", "cancel", str(number))
    cluster.run("task", "wait", str(number), code=6)


def test_array_that_nothing_can_run_says_so(cluster):
    cluster.up("--cpus", "1")
    assert cluster.run("submit", "--array", "1-3", "--cpus", "64", "--", "true", code=7).stderr.strip()
    number = submit(cluster, "--array", "1-3", "--", "sleep", "60")
    wait_for("one to run", lambda: job(cluster, number)["running"] == 1)
    assert cluster.json("explain", str(number))["text"]
    assert f"{number}.3 is queued" in cluster.run("explain", f"{number}.3").stdout


def test_removed_array_leaves_nothing(cluster):
    cluster.up("--cpus", "2")
    number = submit(cluster, "--array", "1-3000", "--each-line", cluster.file("l", "".join(f"{i}\n" for i in range(3000))), "--", "sh", "-c", "test ${line} -ne 7")
    cluster.run("task", "wait", str(number), code=5, seconds=300)
    assert cluster.redis("HLEN", "m:chunks") == "3" and int(cluster.redis("LLEN", f"m:res:{number}.0")) > 0, cluster.redis("HLEN", "m:chunks")
    cluster.run("sweep", "rm", str(number))
    cluster.run("task", "show", str(number), code=3)
    cluster.run("task", "show", f"{number}.5", code=3)
    assert cluster.json("task", "list")["items"] == []
    wait_for("its rows, chunks, exceptions and evidence to be gone", lambda: all(cluster.redis(*words) == "0" for words in [
        ("HLEN", "m:chunks"), ("HLEN", "m:jobs"), ("HLEN", "m:tasks"), ("HLEN", "m:attempts"), *(("LLEN", f"m:res:{number}.{chunk}") for chunk in range(3))]))


def test_log_files_of_an_array_are_each_tasks_own_until_it_is_removed(cluster):
    cluster.up("--cpus", "2")
    flag = os.path.join(cluster.work, "good")
    script = f"echo out ${{index}}; test ${{index}} -gt 100 || echo err ${{index}} >&2; test -e {flag} || test ${{index}} -ne 7"
    number = submit(cluster, "--log-files", "--array", "1-400", "--", "sh", "-c", script)
    cluster.run("task", "wait", str(number), code=5)
    open(flag, "w").close()
    cluster.run("task", "retry", f"{number}.7")
    cluster.run("task", "wait", str(number))
    folder = os.path.join(cluster.state, "nodes", "local", "arrays", str(number), "tasks")
    want = {f"{i}.out": f"out {i}\n" for i in range(1, 401)} | {f"{i}.err": f"err {i}\n" for i in range(1, 101)} | {"7.1.out": "out 7\n", "7.1.err": "err 7\n"}
    found = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name)) as file:
            found[name] = file.read()
    assert found == want, {name: (found.get(name), want.get(name)) for name in {*found, *want} if found.get(name) != want.get(name)}
    for index, names in ((5, ("5.out", "5.err")), (7, ("7.1.out", "7.1.err")), (300, ("300.out", "300.err"))):
        assert cluster.json("task", "show", f"{number}.{index}")["log_files"] == [os.path.realpath(folder) + "/" + name for name in names], index
        assert os.path.join(folder, names[0]) in cluster.run("task", "show", f"{number}.{index}").stdout
        assert cluster.run("task", "logs", f"{number}.{index}", "--stream", "out").stdout == f"out {index}\n"
    first = cluster.run("task", "logs", f"{number}.7", "--attempt", "0", "--stream", "err")
    assert first.stderr == "err 7\n", (first.stdout, first.stderr)
    plain = submit(cluster, "--array", "1-3", "--", "echo", "${index}")
    cluster.run("task", "wait", str(plain))
    assert cluster.json("task", "show", f"{plain}.2")["log_files"] == [] and not job(cluster, plain)["log_files"] and job(cluster, number)["log_files"]
    cluster.run("sweep", "rm", str(number))
    wait_for("its files to go", lambda: not os.path.exists(os.path.dirname(folder)))
    assert cluster.run("task", "logs", f"{plain}.2").stdout == "2\n"


def test_head_and_redis_killed_in_an_array_lose_no_task(cluster):
    """Head, store, both at once. With MUSTER_TEST_LONG=1 100,000 tasks and twenty times both."""
    is_long = os.environ.get("MUSTER_TEST_LONG") == "1"
    total, kills = (100000, [("head", "redis")] * 20) if is_long else (12000, [("head",), ("redis",), ("head", "redis"), ("head",)])
    cluster.up("--cpus", "2")
    number = submit(cluster, "--array", f"1-{total}", "--", "sh", "-c", f"echo ${{index}} >> {cluster.work}/ran")
    for roles in kills:
        before = max(0, counted(cluster, number))
        wait_for("some more tasks", lambda before=before: counted(cluster, number) >= before + 1000, 120)
        for pid in [cluster.pid(role) for role in roles]:
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
    shown = wait_ended_through(cluster, number, 1800 if is_long else 300)
    assert (shown["done"], shown["failed"]) == (total, 0), shown
    with open(os.path.join(cluster.work, "ran")) as file:
        ran = [int(line) for line in file]
    assert sorted(set(ran)) == list(range(1, total + 1)), f"{total - len(set(ran))} ids never ran"
    assert len(ran) == total, f"{len(ran) - total} ran twice though no worker was lost"
    listed = tasks(cluster, number)
    assert len(listed) == total and all(t["outcome"] == "done" and t["node"] for t in listed)


def counted(cluster, number):
    try:
        return job(cluster, number)["done"]
    except (OSError, AssertionError, ValueError):
        return -1  # the head restarts


def wait_ended_through(cluster, number, seconds=300):
    def look():
        try:
            shown = job(cluster, number)
        except (OSError, AssertionError, ValueError):
            return None
        return shown if shown["state"] == "ended" else None

    return wait_for(f"the end of array {number}", look, seconds)


def test_worker_killed_in_an_array_loses_no_task(cluster):
    cluster.up("--cpus", "2")
    number = submit(cluster, "--array", "1-3000", "--retries", "3", "--", "true")
    wait_for("some tasks", lambda: job(cluster, number)["done"] > 300, 60)
    cluster.kill("worker")
    shown = wait_ended_through(cluster, number)
    assert (shown["done"], shown["failed"]) == (3000, 0), shown


def test_dry_worker_completes_tasks_and_says_dry_everywhere(cluster):
    worker = add_dry_worker(cluster)
    number = submit(cluster, "--array", "1-100000", "--", "no-such-program")
    cluster.run("task", "wait", str(number))
    shown = job(cluster, number)
    assert shown["done"] == 100000 and shown["dry"] is True, shown
    assert cluster.json("task", "show", f"{number}.99999")["dry"] is True
    assert cluster.json("node", "list")["items"][0]["dry"] is True
    assert "dry" in cluster.run("task", "show", str(number)).stdout
    assert "dry" in cluster.run("task", "list", str(number), "--limit", "3").stdout
    assert "dry" in cluster.run("task", "list").stdout
    assert "dry" in cluster.run("top", "--once").stdout
    one = int(cluster.run("submit", "--wait", "--", "no-such-program", code=None).returncode)
    assert one == 0, "a single task on a dry worker"
    worker.send_signal(signal.SIGTERM)
    worker.wait(30)


def dry_places(cluster, array, one):
    """{place: whether it says dry} of an array and of a command."""
    def http(path):
        return json.loads(cluster.http("GET", path)[1])

    return {
        "job": job(cluster, array)["dry"], "job of a command": job(cluster, one)["dry"],
        "row": cluster.json("task", "show", f"{array}.2")["dry"], "task": cluster.json("task", "show", f"{one}.1")["dry"],
        "attempt": http(f"/api/v1/tasks/{one}.1/attempts")["items"][0]["dry"],
        "show": "dry: " in cluster.run("task", "show", str(array)).stdout, "show of a task": "dry: " in cluster.run("task", "show", f"{one}.1").stdout,
        "list": "done, dry" in cluster.run("task", "list", f"{array},{one}.1").stdout,
        "list of arrays": [row["dry"] for row in http("/api/v1/jobs")["items"] if row["id"] in (array, one)] == [True, True],
        "explain": "dry" in http(f"/api/v1/explain/{array}")["text"], "explain of a row": "dry" in http(f"/api/v1/explain/{array}.2")["text"],
        "explain of a task": "dry" in http(f"/api/v1/explain/{one}.1")["text"],
    }


def test_dry_is_said_of_results_whatever_their_node_is_started_as_later(cluster):
    def both():
        made = submit(cluster, "--array", "1-200", "--", "true"), int(cluster.run("submit", "--", "true").stdout.split(".")[0])
        for number in made:
            cluster.run("task", "wait", str(number))
        return made

    def join_anew(worker, *options):
        worker.send_signal(signal.SIGTERM)
        worker.wait(30)
        worker = cluster.start("worker", *options, "--name", "dry1", "--cpus", "2", "--join", "ipc://" + os.path.join(cluster.state, "run", "head.ipc"))
        wait_for("the node as it is now", lambda: [(n["state"], n["dry"]) for n in json.loads(cluster.http("GET", "/api/v1/nodes")[1])["items"]] == [("alive", bool(options))])
        return worker

    worker = add_dry_worker(cluster)
    dry = both()
    events = cluster.run("events").stdout
    assert f"array {dry[0]} ended done, dry: 200 of 200" in events and f"task {dry[1]}.1 ended done, dry" in events, events
    worker = join_anew(worker)
    assert all(dry_places(cluster, *dry).values()), dry_places(cluster, *dry)
    real = both()
    worker = join_anew(worker, "--dry")
    cluster.kill("head")  # its memory, too
    wait_for("a head", lambda: cluster.pid("head") is not None and cluster.run("task", "list", code=None).returncode == 0)
    assert not any(dry_places(cluster, *real).values()), dry_places(cluster, *real)
    assert all(dry_places(cluster, *dry).values()), dry_places(cluster, *dry)
    worker.send_signal(signal.SIGTERM)
    worker.wait(30)


def test_same_key_is_one_array_and_lists_come_in_pages(cluster):
    add_dry_worker(cluster)
    arguments = ["--key", "night", "--array", "1-9000", "--", "true"]
    number = submit(cluster, *arguments)
    assert submit(cluster, *arguments) == number
    cluster.run("submit", "--key", "night", "--array", "1-9001", "--", "true", code=1)
    wait_ended(cluster, number)
    status, text = cluster.http("GET", f"/api/v1/tasks?job={number}&limit=10&cursor={number}.4000")
    page = json.loads(text)
    assert status == 200 and page["total"] == 9000 and [t["id"] for t in page["items"]] == [f"{number}.{i}" for i in range(4001, 4011)], page
    assert page["next"] == f"{number}.4010", page
    assert len(tasks(cluster, number)) == 9000
    assert len(tasks(cluster, f"{number}.100-4000,8999")) == 3902
    assert [t["id"] for t in tasks(cluster, number, "--sort=-id", "--limit", "2")] == [f"{number}.9000", f"{number}.8999"]
    status, text = cluster.http("GET", f"/api/v1/tasks?job={number}&sort=node")
    assert status == 400 and "by id" in text, (status, text)


def test_wait_of_a_submission_ends_with_it_and_is_detached_from(cluster):
    cluster.up("--cpus", "2")
    done = cluster.run("submit", "--wait", "--array", "1-20", "--", "true")
    assert "20/20 done" in done.stdout, done.stdout
    done = cluster.run("submit", "-f", "--array", "1-20", "--", "false", code=5)
    assert "20 failed" in done.stdout, done.stdout
    waiting = cluster.start("submit", "-f", "--array", "1-10", "--", "sleep", "60")
    wait_for("two to run", lambda: any(j["running"] == 2 for j in json.loads(cluster.http("GET", "/api/v1/jobs?array=true&state=running")[1])["items"]))
    waiting.send_signal(signal.SIGTERM)
    out, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 6, (waiting.returncode, out, err)
    cluster.run("submit", "--wait", "--timeout", "1", "--array", "1-10", "--", "sleep", "60", code=124)


if __name__ == "__main__":
    run(globals())
