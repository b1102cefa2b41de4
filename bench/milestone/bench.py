"""The answer at a milestone, beside a synced write on the same disk: every step is a rung."""
import statistics

from place import Place, fsync_us, percentile, result


def bench_milestone(reports=200):
    place = Place()
    path = place.sweep(f"reports: {reports}, wait_ms: 5", 2, f"schedule: {{type: asha, min: 1, max: {reports}, eta: 2}}\nlimits: {{concurrency: 1}}\n")
    place.muster("up", "-d", "--cpus", "1")
    before = fsync_us(place.root)
    times = []
    for _ in range(40):
        place.muster("sweep", "run", path)
    for line in place.lines():
        calls = line[4:]
        times += [calls[i - 1] for i in (1, 2, 4, 8, 16, 32, 64, 128) if i <= len(calls)]
    fsync = max(before, fsync_us(place.root))
    result("milestone", "answer p50", round(statistics.median(times) / 1e3, 2), "ms", f"limit {fsync / 1e3 + 1:.2f} ms (fsync p50 {fsync / 1e3:.2f} ms + 1), {len(times)} answers")
    result("milestone", "answer p90", round(percentile(times, 90) / 1e3, 2), "ms")
    place.close()


def run(options):
    bench_milestone()
