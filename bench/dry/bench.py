"""The runtime itself: an array of dry tasks, which a worker started with --dry completes without a process. CURVE and every sync are on."""
from arrays import Meters, array_run, has_option, needs_arrays
from place import result
from processes import Apart

TASKS = 1000000
SLOTS = 512


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
    result("dry", f"{tasks} dry tasks on {slots} slots, from submit to the last durable result", round(tasks / seconds), "1/s",
           "target 200,000/s; raw, measured apart: a message a task over CURVE 365,000/s, ranges 848,000/s; Ray 2.60 no-op tasks 2,100/s")
    meters.tell("dry", tasks)
    place.close()
