"""An array of short processes, beside a bare posix_spawn+wait loop with as many in flight and, with --peers, HyperQueue."""
import os
import subprocess

from arrays import Meters, array_run, needs_arrays
from place import BUILD, Place, peers_python, result

SPAWN = os.path.join(BUILD, "bench/bench_bare_spawn")
PROGRAM = "/bin/true"
TASKS = 20000
SLOTS = 2


def bare(tasks, *how):
    return float(subprocess.run([SPAWN, str(tasks), str(SLOTS), PROGRAM, *how], capture_output=True, text=True, check=True).stdout)


def bench_array(tasks):
    before, before_apart = bare(tasks), bare(tasks, "session")
    place = Place()
    place.muster("up", "-d", "--cpus", str(SLOTS))
    meters = Meters(place)
    seconds = array_run(place, tasks, PROGRAM)
    meters.stop()
    raw, apart = (before + bare(tasks)) / 2, (before_apart + bare(tasks, "session")) / 2
    rate = tasks / seconds
    result("array", f"submit --array 1-{tasks} -- {PROGRAM}, {SLOTS} slots, to the last durable result", round(rate), "1/s",
           f"bare posix_spawn+wait, {SLOTS} in flight: {raw:.0f}/s; ratio {rate / raw:.2f}, target 0.8; each in a session of its own, as ours are: {apart:.0f}/s, ratio {rate / apart:.2f}")
    meters.tell("array", tasks)
    place.close()


# The wheel's LocalCluster: server, worker and client are threads of one process. Completion is asked for every 20 ms.
HQ = """
import os, sys, tempfile, time
from hyperqueue import Job, LocalCluster
from hyperqueue.cluster import WorkerConfig
n, slots, program, files = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4] == "files"
class Stop(Exception): pass
def is_done(client, job):
    seen = {}
    def take(jobs):
        seen.update(jobs); raise Stop()
    try: client.connection.wait_for_jobs((job,), take)
    except Stop: pass
    status = list(seen.values())[0]
    assert status["failed"] == 0, status
    return status["completed"]
folder = tempfile.mkdtemp(); os.chdir(folder)
cluster = LocalCluster(server_dir=folder, worker_config=WorkerConfig(cores=slots)); client = cluster.client()
job = Job()
for _ in range(n): job.program([program], **({} if files else dict(stdout=None, stderr=None)))
began = time.time(); number = client.submit(job).id
while not is_done(client, number): time.sleep(0.02)
print(n / (time.time() - began)); cluster.stop()
"""


def bench_peers(tasks=3000):
    python = peers_python("hyperqueue")
    for files in ("files", "none"):
        done = subprocess.run([python, "-c", HQ, str(tasks), str(SLOTS), PROGRAM, files], capture_output=True, text=True, timeout=300)
        if done.returncode == 0:
            how = "a file for each output" if files == "files" else "no output kept"
            result("array", f"HyperQueue, {tasks} tasks, {how}", round(float(done.stdout.split()[-1])), "1/s", "not durable")
        else:
            print("SKIP HyperQueue:", done.stderr.strip().splitlines()[-1:], flush=True)


def run(options):
    if needs_arrays("array"):
        bench_array(int(options.get("tasks", TASKS)))
    if options.get("peers"):
        bench_peers()
