"""The runtime itself: an array of dry tasks, which a worker started with --dry completes without a process. CURVE and every sync are on.
After it a bare loop over CURVE with messages of as many result rows as a batch had."""
import os
import subprocess

from arrays import Meters, array_run, has_option, needs_arrays
from place import BUILD, result
from processes import Apart

TASKS = 1000000
SLOTS = 512
ROWS_MAX = 4096  # of one event


def bare_rate(tasks, rows, window):
    return int(subprocess.run([os.path.join(BUILD, "bench/bench_dry_curve"), str(tasks), str(rows), str(window)], check=True, capture_output=True, text=True).stdout)


def run(options):
    tasks, slots = int(options.get("tasks", TASKS)), int(options.get("slots", SLOTS))
    if not needs_arrays("dry"):
        return
    if not has_option("worker", "dry"):
        print("SKIP dry: this build's worker has no --dry", flush=True)
        return
    place = Apart()
    place.head_start()
    place.worker_start("dry", place.ipc, "--dry", cpus=slots)
    place.alive_wait(1)
    meters = Meters(place, worker=place.workers[0].pid)
    seconds = array_run(place, tasks, "/bin/true")
    meters.stop()
    rate = tasks / seconds
    result("dry", f"{tasks} dry tasks on {slots} slots, from submit to the last durable result", round(rate), "1/s", "target 200,000/s; Ray 2.60 no-op tasks, measured apart, 2,100/s")
    meters.tell("dry", tasks)
    place.close()
    rows = max(1, min(ROWS_MAX, round(tasks / max(1, meters.batches))))
    for size in (rows, 1):
        window = max(2, slots // size)  # as many tasks as there are slots
        bare = bare_rate(tasks, size, window)
        result("dry", f"a bare loop over CURVE, {size} rows of 32 bytes a message, each answered, {window} under way", bare, "1/s", f"ratio {rate / bare:.2f}; nothing parsed, decided or kept")
