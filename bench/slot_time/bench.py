"""Short one-report trials on 2 slots: the slot time lost between one trial's exit and the next one's start, as the kernel saw them."""
import statistics
import time

from place import Kernel, Place, fsync_us, percentile, result, slots_lost


def bench_slot_time(trials=2000):
    for name, parameters in (("asleep", "reports: 1, wait_ms: 10"), ("busy", "reports: 1, wait_ms: 5, busy: 1")):
        place = Place()
        n = trials if name == "asleep" else trials // 2
        path = place.sweep(parameters, n)
        place.muster("up", "-d", "--cpus", "2")
        before = fsync_us(place.root)
        kernel = Kernel()
        kernel.start()
        started = time.monotonic()
        place.muster("sweep", "run", path)
        wall = time.monotonic() - started
        kernel.stop = True
        kernel.join()
        lines = place.lines()
        lost = slots_lost(place, kernel, {int(line[0]) for line in lines})
        fsync = max(before, fsync_us(place.root))
        limit = max(2.0, 3 * fsync / 1e3)
        result("slot_time", f"lost a trial, trainers {name}, p50", round(statistics.median(lost), 2), "ms", f"limit {limit:.2f} ms, fsync p50 {fsync / 1e3:.2f} ms")
        result("slot_time", f"lost a trial, trainers {name}, mean", round(statistics.mean(lost), 2), "ms", f"{len(lost)} of {n} trials seen")
        result("slot_time", f"lost a trial, trainers {name}, p90", round(percentile(lost, 90), 2), "ms")
        result("slot_time", f"whole sweep, trainers {name}", round(wall, 2), "s", f"{n} trials")
        place.close()


def run(options):
    bench_slot_time()
