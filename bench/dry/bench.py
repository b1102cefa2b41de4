"""The runtime itself: an array of dry tasks, which a worker started with --dry completes without a process. CURVE and every sync are on."""
from arrays import Meters, array_run, has_option, needs_arrays
from place import Place, result

TASKS = 1000000


def run(options):
    tasks = int(options.get("tasks", TASKS))
    if not needs_arrays("dry"):
        return
    if not has_option("up", "dry"):
        print("SKIP dry: this build's up has no --dry", flush=True)
        return
    place = Place()
    place.muster("up", "-d", "--cpus", str(options.get("slots", 2)), "--dry")
    meters = Meters(place)
    seconds = array_run(place, tasks, "/bin/true")
    meters.stop()
    result("dry", f"{tasks} dry tasks, from submit to the last durable result", round(tasks / seconds), "1/s",
           "target 200,000/s; a message a task over CURVE 365,000/s, ranges 848,000/s (raw, measured apart); Ray 2.60 no-op tasks 2,100/s")
    meters.tell("dry", tasks)
    place.close()
