"""From nothing running to the first trainer's first answered report, redis-server included."""
import statistics
import time

from place import Place, result


def bench_first_report(rounds=15):
    times = []
    for _ in range(rounds):
        place = Place()
        path = place.sweep("reports: 1", 1, "schedule: {type: asha, min: 1, max: 1}\n")
        started = time.monotonic() * 1e6
        place.muster("sweep", "run", path)
        times.append((place.lines()[0][2] - started) / 1e3)
        place.close()
    result("first_report", "from nothing to the first answered report, p50", round(statistics.median(times), 1), "ms", "target 150 ms")
    result("first_report", "the same, slowest", round(max(times), 1), "ms")


def run(options):
    bench_first_report()
