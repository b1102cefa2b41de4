"""Work folders: sent with a submission, unpacked once on each node, every attempt in a copy of its own."""
import hashlib
import io
import json
import os
import shutil
import signal
import socket
import stat
import tarfile
import threading
import time

from agent import BLOB_GET, Agent
from cluster import PYTHON, SLOW, Skip, run, wait_for
from remote import head_up, wait_alive, worker_join

TRAINER = """import os, sys
sys.path.insert(0, os.environ["PYTHONPATH"].split(":")[-1])
import muster
from helper_module import value
with muster.trial() as t:
    with open("out.txt", "a") as file:      # the same relative path in every trial
        file.write(str(t.params.x))
    t.report(step=1, loss=value(t.params.x))
    assert open("out.txt").read() == str(t.params.x), open("out.txt").read()
"""


def project(cluster, name="project", **files):
    """A folder with a trainer and a module."""
    folder = os.path.join(cluster.root, name)
    os.makedirs(folder)
    files = {"train.py": TRAINER, "helper_module.py": "def value(x):\n    return x * x\n", **files}
    for path, text in files.items():
        path = os.path.join(folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
    return folder


def sweep_file(folder, more="", workdir="{path: ., mode: snapshot}", trials=8, command=f"[{PYTHON}, train.py]"):
    path = os.path.join(folder, "sweep.yaml")
    with open(path, "w") as file:
        file.write(f"command: {command}\nworkdir: {workdir}\nmetric: {{name: loss}}\nparameters: {{x: {{min: 0.5, max: 2.0}}}}\n"
                   f"stop: {{trials: {trials}}}\nretries: {{backoff: 1s}}\n{more}\n")
    return path


def submit(cluster, path, *arguments):
    return int(cluster.run("sweep", "run", "-d", path, *arguments).stdout)


def ended(cluster, number, seconds=60):
    wait_for(f"the end of sweep {number}", lambda: cluster.sweep_of(number)["state"] in ("done", "failed", "cancelled"), seconds)
    return cluster.sweep_of(number)


def node_dir(cluster):
    return os.path.join(cluster.state, "nodes", "local")


def trees(cluster):
    folder = os.path.join(node_dir(cluster), "work")
    return [n[:-3] for n in os.listdir(folder) if n.endswith(".ok")] if os.path.isdir(folder) else []


def blob(text=b"hello", name="a"):
    """(hash, bytes) of a small archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        info = tarfile.TarInfo(name)
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text))
    data = out.getvalue()[:512 + (len(text) + 511) // 512 * 512] + bytes(1024)
    return hashlib.blake2b(data, digest_size=32).hexdigest(), data


def depot(cluster):
    return sorted(os.listdir(os.path.join(cluster.state, "depot")))


def test_sweep_runs_from_a_folder_that_is_gone_and_trials_do_not_collide(cluster):
    cluster.up("--cpus", "8")
    folder = project(cluster)
    number = submit(cluster, sweep_file(folder, trials=24))
    shutil.rmtree(folder)
    sweep = ended(cluster, number)
    assert sweep["state"] == "done" and sweep["done"] == 24 and sweep["failed"] == 0, sweep
    assert len(sweep["work"]) == 64 and sweep["work_bytes"] > 1000, sweep
    assert trees(cluster) == [sweep["work"]] and depot(cluster) == [sweep["work"]]
    tree = os.path.join(node_dir(cluster), "work", sweep["work"])
    assert sorted(os.listdir(tree)) == ["helper_module.py", "sweep.yaml", "train.py"], os.listdir(tree)
    assert os.stat(os.path.join(tree, "train.py")).st_mode & 0o777 == 0o444 and os.stat(tree).st_mode & 0o777 == 0o555
    wait_for("attempts' folders to be removed", lambda: not os.listdir(os.path.join(node_dir(cluster), "attempts")))


def test_large_file_is_a_link_and_small_ones_can_be_written(cluster):
    cluster.up("--cpus", "2")
    folder = project(cluster)
    with open(os.path.join(folder, "large.bin"), "wb") as file:
        file.write(os.urandom(5 << 20))
    with open(os.path.join(folder, "small.sh"), "w") as file:
        file.write("#!/bin/sh\nexit 0\n")
    os.chmod(os.path.join(folder, "small.sh"), 0o755)
    script = "test -L large.bin && test ! -L train.py && echo more >> train.py && ./small.sh && cmp large.bin $0 && pwd && rm large.bin"
    out = cluster.run("run", "--workdir", folder, "--", "sh", "-c", script, os.path.join(folder, "large.bin")).stdout
    assert out.strip().endswith("/work"), out
    task = json.loads(cluster.http("GET", "/api/v1/tasks")[1])["items"][0]
    assert len(task["work"]) == 64 and task["work_bytes"] > 5 << 20, task


def test_shared_folder_is_used_in_place_and_a_missing_one_says_what_to_do(cluster):
    cluster.up("--cpus", "2")
    folder = project(cluster)
    number = submit(cluster, sweep_file(folder, trials=1, workdir="{path: ., mode: shared}"))
    assert ended(cluster, number)["state"] == "done" and os.path.exists(os.path.join(folder, "out.txt"))
    body = json.dumps({"words": ["true"], "workdir": cluster.root + "/nowhere"}).encode()
    job = json.loads(cluster.http("POST", "/api/v1/jobs", body)[1])["id"]
    task = wait_for("the task to fail", lambda: next((t for t in json.loads(cluster.http("GET", f"/api/v1/tasks?job={job}")[1])["items"] if t["state"] == "ended"), None))
    assert "nowhere" in task["reason"] and "--workdir" in task["reason"], task


def test_folder_that_cannot_be_sent_is_refused_with_its_path(cluster):
    folder = project(cluster)
    fifo, link = os.path.join(folder, "pipe"), os.path.join(folder, "out")
    os.mkfifo(fifo)
    error = cluster.run("sweep", "run", "-d", sweep_file(folder), code=2).stderr
    assert "pipe is a named pipe" in error and "workdir.ignore" in error, error
    os.remove(fifo)
    os.symlink("/etc", link)
    error = cluster.run("sweep", "run", "-d", sweep_file(folder), code=2).stderr
    assert "the link" in error and "/out leads out" in error, error
    os.remove(link)
    listener = socket.socket(socket.AF_UNIX)
    os.chdir(folder)
    listener.bind("sock")
    os.chdir("/")
    error = cluster.run("run", "--workdir", folder, "--", "true", code=2).stderr
    assert "sock is a socket" in error, error
    listener.close()
    os.remove(os.path.join(folder, "sock"))
    with open(os.path.join(folder, "data.bin"), "wb") as file:
        file.write(bytes(2 << 20))
    error = cluster.run("sweep", "run", "-d", sweep_file(folder, workdir="{path: ., mode: snapshot, max: 1M}"), code=2).stderr
    assert "workdir.max, 1.0 MiB" in error and "data.bin 2.0 MiB" in error, error
    assert not os.path.exists(os.path.join(cluster.state, "depot")), "nothing was sent"


def test_device_in_a_work_folder_is_refused_with_its_path(cluster):
    folder = project(cluster)
    for kind, numbers in ((stat.S_IFCHR, (1, 3)), (stat.S_IFBLK, (7, 0))):
        path = os.path.join(folder, "null")
        try:
            os.mknod(path, kind | 0o600, os.makedev(*numbers))
        except PermissionError:
            raise Skip("no device may be made here")
        error = cluster.run("sweep", "run", "-d", sweep_file(folder), code=2).stderr
        assert "null is a device" in error and "workdir.ignore" in error, error
        os.remove(path)
    assert not os.path.exists(os.path.join(cluster.state, "depot")), "something was sent"


def test_ignore_rules_leave_out_and_keep(cluster):
    cluster.up("--cpus", "2")
    folder = project(cluster, **{"data/a": "1", "logs/keep.txt": "2", "logs/x.log": "3", ".git/config": "4"})
    sweep_file(folder, workdir='{path: ., mode: snapshot, ignore: [data/, "*.log"]}', trials=1, command="'test ! -e data && test ! -e logs/x.log && test -e logs/keep.txt && test ! -e .git && exec " + PYTHON + " train.py'")
    assert ended(cluster, submit(cluster, os.path.join(folder, "sweep.yaml")))["done"] == 1


def test_state_folder_in_the_work_folder_stays_behind(cluster):
    cluster.state = os.path.join(cluster.work, "st [x]* #1")
    os.makedirs(os.path.join(cluster.work, "st x 1"))
    cluster.file("st x 1/file", "")
    cluster.file("sweep.yaml", "command: [sh, -c, 'ls; echo \"$MUSTER_PARAMS\" >/dev/null']\nmetric: {name: e}\nworkdir: {ignore: ['!st*/']}\n"
                 "stop: {trials: 1}\nretries: {max: 0}\n")
    assert cluster.run("run", "--workdir", ".", "--", "ls").stdout.splitlines() == ["st x 1", "sweep.yaml"]
    cluster.run("sweep", "run", "sweep.yaml", code=5)
    assert "st [x]" not in cluster.run("trial", "logs", "2.1").stdout
    done = cluster.run("run", "--workdir", cluster.state, "--", "ls", code=2)
    assert "is the cluster's state folder" in done.stderr, done.stderr


def test_blob_is_proven_bounded_and_named(cluster):
    cluster.up("--no-worker", "--depot-max", "40K")
    name, data = blob()
    wrong = "0" * 64
    assert cluster.http("HEAD", f"/api/v1/blobs/{name}")[0] == 404
    status, text = cluster.http("PUT", f"/api/v1/blobs/{wrong}", data)
    assert status == 422 and "nothing was kept" in text, (status, text)
    for bad in ("..%2f..%2fkeys%2ftoken", "../../keys/token", "A" * 64, "a" * 63, "a" * 65, ""):
        assert cluster.http("PUT", f"/api/v1/blobs/{bad}", data)[0] in (400, 404, 405), bad
    assert depot(cluster) == []
    assert cluster.http("PUT", f"/api/v1/blobs/{name}", data)[0] == 201
    assert cluster.http("PUT", f"/api/v1/blobs/{name}", data)[0] == 201  # again is fine
    assert cluster.http("HEAD", f"/api/v1/blobs/{name}")[0] == 200 and depot(cluster) == [name]
    assert cluster.http("PUT", f"/api/v1/blobs/{name}", data, token="x" * 40)[0] == 401
    sweep = {"file": "command: x\nmetric: {name: l}\nstop: {trials: 1}\n", "workdir": "/tmp", "work": wrong}
    status, text = cluster.http("POST", "/api/v1/sweeps", json.dumps(sweep).encode())
    assert status == 409 and "PUT" in text, (status, text)
    sweep["work"] = name
    assert cluster.http("POST", "/api/v1/sweeps", json.dumps(sweep).encode())[0] == 201
    # Unnamed ones make room, the least recently used first; the named one stays; too much is refused before it is sent.
    small = [blob(os.urandom(12000)) for _ in range(5)]
    for digest, body in small:
        assert cluster.http("PUT", f"/api/v1/blobs/{digest}", body)[0] == 201
        assert cluster.http("HEAD", f"/api/v1/blobs/{small[0][0]}")[0] == 200
    kept = depot(cluster)
    assert kept == sorted([name, small[0][0], small[-1][0]]), kept
    digest, body = blob(os.urandom(38000))
    status, text = cluster.http("PUT", f"/api/v1/blobs/{digest}", body)
    assert status == 507 and "--depot-max" in text, (status, text)
    assert name in depot(cluster) and not [n for n in depot(cluster) if n.startswith("upload")]


def test_torn_upload_leaves_nothing_and_two_at_once_are_one(cluster):
    cluster.up("--no-worker")
    name, data = blob(os.urandom(3 << 20))
    host, port = cluster.url().rsplit("/", 1)[1].split(":")
    head = f"PUT /api/v1/blobs/{name} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {cluster.token()}\r\nContent-Length: {len(data)}\r\n\r\n".encode()
    with socket.create_connection((host, int(port))) as torn:
        torn.sendall(head + data[:1 << 20])
        wait_for("the upload to begin", lambda: depot(cluster))
    wait_for("the torn upload to vanish", lambda: not depot(cluster))
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(cluster.http("PUT", f"/api/v1/blobs/{name}", data)[0])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [201] * 4 and depot(cluster) == [name], (answers, depot(cluster))


def peak_kib(pid):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))


def test_large_blob_streams_through_the_head_without_growing_it(cluster):
    cluster.up("--no-worker")
    name, data = blob(bytes(64 << 20))
    assert cluster.http("PUT", "/api/v1/blobs/" + blob()[0], blob()[1])[0] == 201
    before = peak_kib(cluster.pid("head"))
    assert cluster.http("PUT", f"/api/v1/blobs/{name}", data)[0] == 201
    assert peak_kib(cluster.pid("head")) - before < 8 << 10, (before, peak_kib(cluster.pid("head")))


def small_disk(path, size):
    os.makedirs(path, exist_ok=True)
    if os.system(f"mount -t tmpfs -o size={size} none '{path}' 2>/dev/null") != 0:
        raise Skip("a small file system cannot be mounted here")


def test_full_disk_of_node_or_head_is_told_and_leaves_nothing(cluster):
    work, depot_path = os.path.join(node_dir(cluster), "work"), os.path.join(cluster.state, "depot")
    small_disk(work, "4m")
    try:
        small_disk(depot_path, "12m")
        cluster.up("--cpus", "2")
        folder = project(cluster)
        with open(os.path.join(folder, "large.bin"), "wb") as file:
            file.write(os.urandom(8 << 20))
        sweep = ended(cluster, submit(cluster, sweep_file(folder)))
        assert sweep["state"] == "failed" and sweep["failed"] == 0 and "no space on its node" in sweep["error"], sweep
        assert not [n for n in os.listdir(work) if n.startswith(".tree")], os.listdir(work)
        digest, body = blob(os.urandom(6 << 20))
        status, text = cluster.http("PUT", f"/api/v1/blobs/{digest}", body)
        assert status == 507 and "make room on the disk" in text, (status, text)
        assert depot(cluster) == [sweep["work"]]
        cluster.down()
    finally:
        os.system(f"umount -l '{work}' '{depot_path}' 2>/dev/null")


def test_setup_runs_once_on_a_node_and_trials_see_what_it_made(cluster):
    cluster.up("--cpus", "4")
    folder = project(cluster)
    setup = f"[\"echo once >> {cluster.root}/count\", \"mkdir made && echo 7 > made/number\", \"echo told; echo also >&2\"]"
    path = sweep_file(folder, more=f"setup: {setup}", trials=12, command=f"'grep 7 made/number && exec {PYTHON} train.py'")
    number = submit(cluster, path)
    sweep = ended(cluster, number)
    assert sweep["done"] == 12, sweep
    with open(os.path.join(cluster.root, "count")) as file:
        assert file.read() == "once\n"
    with open(os.path.join(node_dir(cluster), "logs", f"setup-{number}.out")) as file:
        assert file.read() == "told\n"
    assert len(trees(cluster)) == 2, trees(cluster)


def test_setup_that_fails_ends_the_sweep_with_its_words_and_charges_no_trial(cluster):
    cluster.up("--cpus", "2")
    folder = project(cluster)
    path = sweep_file(folder, more=f"setup: 'echo x >> {cluster.root}/count; echo no such wheel >&2; exit 3'")
    sweep = ended(cluster, submit(cluster, path))
    assert sweep["state"] == "failed" and sweep["failed"] == 0, sweep
    assert "exit code 3" in sweep["error"] and "no such wheel" in sweep["error"] and "node local" in sweep["error"], sweep["error"]
    with open(os.path.join(cluster.root, "count")) as file:
        tries = file.read()
    assert 3 <= tries.count("x") <= 6, tries  # a lease that comes late may begin one more
    assert all(t["failures"] == 0 for t in cluster.trials(sweep["id"]))


def test_setup_is_killed_with_its_sweep(cluster):
    cluster.up("--cpus", "2")
    folder = project(cluster)
    number = submit(cluster, sweep_file(folder, more=f"setup: 'echo $$ > {cluster.root}/pid; exec sleep 600'"))
    pid = int(wait_for("the setup to run", lambda: os.path.exists(os.path.join(cluster.root, "pid")) and open(os.path.join(cluster.root, "pid")).read()))
    cluster.run("sweep", "cancel", str(number))
    assert ended(cluster, number)["state"] == "cancelled"
    wait_for("the setup's end", lambda: not os.path.exists(f"/proc/{pid}"))


def filled(cluster, name, size):
    """A project with so many bytes besides."""
    folder = project(cluster, name)
    with open(os.path.join(folder, "data.bin"), "wb") as file:
        file.write(os.urandom(size))
    return folder


def test_node_cache_is_bounded_and_the_least_recently_used_go(cluster):
    cluster.up("--cpus", "2", "--cache-max", "1M")
    folders = [filled(cluster, f"project{i}", 300 << 10) for i in range(5)]
    works = {}

    def use(i):
        sweep = ended(cluster, submit(cluster, sweep_file(folders[i], trials=1)))
        assert sweep["done"] == 1, sweep
        works[i] = sweep["work"]

    def is_there(*numbers):
        return sorted(trees(cluster)) == sorted(works[i] for i in numbers)

    for i in (0, 1, 2):
        use(i)
    assert is_there(0, 1, 2)
    use(0)
    use(3)
    wait_for("the one used longest ago to go, not the one made first", lambda: is_there(2, 0, 3))
    cluster.kill("worker")  # a new agent finds what is there, and when it was used
    use(4)
    wait_for("the next one to go", lambda: is_there(0, 3, 4))
    use(1)  # gone here, still in the depot
    wait_for("the next one to go", lambda: is_there(3, 4, 1))


def test_work_folder_in_use_stays_and_what_is_used_is_shown(cluster):
    cluster.up("--cpus", "4", "--cache-max", "8M", "--depot-max", "40M")
    begun, go = os.path.join(cluster.root, "begun"), os.path.join(cluster.root, "go")
    size = 5 << 20  # so large a file is a link to the node's copy
    waits = f"'touch {begun} && until test -e {go}; do sleep 0.02; done; test -L data.bin && cksum data.bin && exec {PYTHON} train.py'"
    held = submit(cluster, sweep_file(filled(cluster, "held", size), trials=1, command=waits))
    wait_for("an attempt that uses its folder", lambda: os.path.exists(begun))
    works = [cluster.sweep_of(held)["work"]]
    for i in (1, 2):
        works.append(ended(cluster, submit(cluster, sweep_file(filled(cluster, f"other{i}", size), trials=1)))["work"])
    # The oldest is in use: the next one goes, and more is there than should be.
    wait_for("what nobody uses to go", lambda: sorted(trees(cluster)) == sorted([works[0], works[2]]))

    def node():
        return json.loads(cluster.http("GET", "/api/v1/nodes")[1])["items"][0]
    wait_for("the node to say so", lambda: node()["cache"] > 2 * size and node()["cache_max"] == 8 << 20)
    assert "cache" in cluster.run("node", "show", "local").stdout
    assert "--cache-max" in cluster.run("doctor", code=None).stdout
    open(go, "w").close()
    assert ended(cluster, held)["done"] == 1
    works.append(ended(cluster, submit(cluster, sweep_file(filled(cluster, "last", size), trials=1)))["work"])
    wait_for("both to go", lambda: trees(cluster) == works[3:])
    wait_for("the node to say so", lambda: size < node()["cache"] < 8 << 20)
    assert "--cache-max" not in cluster.run("doctor", code=None).stdout

    used = sum(os.path.getsize(os.path.join(cluster.state, "depot", name)) for name in depot(cluster))
    status = cluster.json("status")
    assert (status["depot"], status["depot_max"]) == (used, 40 << 20) and used > 4 * size, (status, used)
    assert f"{used / (1 << 20):.1f} of 40 MiB" in cluster.run("status").stdout
    metrics = dict(line.split() for line in cluster.http("GET", "/metrics")[1].splitlines() if not line.startswith(("#", "muster_tasks{")))
    assert float(metrics["muster_depot_bytes"]) == used and float(metrics["muster_cache_bytes"]) == node()["cache"], metrics
    assert float(metrics["muster_cache_max_bytes"]) == 8 << 20 and float(metrics["muster_store_memory_bytes"]) > 0, metrics


def test_head_killed_while_it_is_pulled_and_sent(cluster):
    cluster.up("--cpus", "2")
    folder = project(cluster)
    with open(os.path.join(folder, "large.bin"), "wb") as file:
        file.write(os.urandom(60 << 20))
    path = sweep_file(folder, trials=2)
    child = cluster.start("sweep", "run", "-d", path)
    wait_for("the upload to begin", lambda: os.path.isdir(os.path.join(cluster.state, "depot")) and depot(cluster))
    cluster.kill("head")
    out, err = child.communicate(timeout=90)
    assert child.returncode == 0, err
    number = int(out)
    work = os.path.join(node_dir(cluster), "work")
    if wait_for("the pull to begin", lambda: [n for n in os.listdir(work) if n.startswith(".tree-")] or trees(cluster)):
        cluster.kill("head")
    sweep = wait_for("the end", lambda: (lambda s: s if s.get("state") == "done" else None)(quiet(cluster, number)), 90)
    assert sweep["done"] == 2, sweep


def quiet(cluster, number):
    try:
        return cluster.sweep_of(number)
    except (OSError, ValueError):
        return {}


def test_damaged_blob_starts_nothing_and_names_the_reason(cluster):
    cluster.up("--no-worker")
    folder = project(cluster)
    number = submit(cluster, sweep_file(folder, trials=2))
    name = depot(cluster)[0]
    path = os.path.join(cluster.state, "depot", name)
    with open(path, "r+b") as file:
        file.seek(600)
        file.write(b"#")
    cluster.start("worker", "--join", ipc(cluster), "--name", "local", "--cpus", "2")
    sweep = ended(cluster, number)
    assert sweep["state"] == "failed" and "not those that its name says" in sweep["error"], sweep
    assert trees(cluster) == []


def ipc(cluster):
    for folder, _, files in os.walk(cluster.state):
        for name in files:
            if name.endswith((".ipc", ".sock")) and "redis" not in name:
                return "ipc://" + os.path.join(folder, name)
    raise Skip("the agents' socket was not found")


def test_submission_records_git_and_arguments(cluster):
    if not shutil.which("git"):
        raise Skip("git is not installed")
    cluster.up("--no-worker")
    folder = project(cluster)
    git = f"cd '{folder}' && git init -q . && git -c user.name=x -c user.email=x@x add -A && git -c user.name=x -c user.email=x@x commit -qm first"
    assert os.system(git) == 0
    with open(os.path.join(folder, "train.py"), "a") as file:
        file.write("# dirty\n")
    number = submit(cluster, sweep_file(folder, trials=1))
    config = json.loads(cluster.http("GET", f"/api/v1/sweeps/{number}/config")[1])
    assert config["git"].startswith("commit ") and "+# dirty" in config["git"], config
    assert "run" in config["argv"] and "sweep.yaml" in config["argv"][-1], config


def resident_mb(pid):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) / 1024


def test_agent_that_asks_for_pieces_and_never_reads_costs_the_head_little(cluster):
    endpoint = head_up(cluster)
    name, data = blob(os.urandom(16 << 20))
    assert cluster.http("PUT", f"/api/v1/blobs/{name}", data)[0] == 201
    hungry = Agent(cluster.state, endpoint, "hungry")
    try:
        hungry.enrol()
        before = resident_mb(cluster.pid("head"))
        for i in range(20000):
            wait_for("the head to read what it is asked", lambda: hungry.say(BLOB_GET, {20: name, 21: i % 64 * (256 << 10), 22: 256 << 10}))
        worker_join(cluster, "honest", endpoint)
        wait_alive(cluster, "honest")
        assert ended(cluster, submit(cluster, sweep_file(project(cluster), trials=2)))["state"] == "done"
        grown = resident_mb(cluster.pid("head")) - before
        kept = 256 if SLOW > 1 else 0  # MiB of freed memory that a sanitizer keeps
        assert grown < 64 + kept, f"the head grew by {grown:.0f} MiB"
    finally:
        hungry.close()


if __name__ == "__main__":
    run(globals())
