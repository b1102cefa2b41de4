"""First report, slot time and milestone answer with head and worker apart, over TCP beside ipc."""
import os
import statistics
import time

from place import Kernel, Place, fsync_us, result, slots_lost
from processes import Apart


def first_report(address_of, rounds):
    times = []
    for _ in range(rounds):
        place = Apart()
        path = place.sweep("reports: 1", 1, "schedule: {type: asha, min: 1, max: 1}\n")
        started = time.monotonic() * 1e6
        place.worker_start("one", address_of(place))
        place.head_start()
        place.muster("sweep", "run", path)
        times.append((place.lines()[0][2] - started) / 1e3)
        place.close()
    return statistics.median(times)


def milestone(address_of, reports=128):
    place = Apart()
    place.head_start()
    place.worker_start("one", address_of(place))
    place.alive_wait(1)
    path = place.sweep(f"reports: {reports}, wait_ms: 5", 2, f"schedule: {{type: asha, min: 1, max: {reports}, eta: 2}}\nlimits: {{concurrency: 1}}\n")
    for _ in range(12):
        place.muster("sweep", "run", path)
    times = [line[4 + i - 1] / 1e3 for line in place.lines() for i in (1, 2, 4, 8, 16, 32, 64, 128) if i <= len(line) - 4]
    place.close()
    return statistics.median(times)


def slot_time(address_of, trials):
    place = Apart()
    place.head_start()
    place.worker_start("one", address_of(place), cpus=2)
    place.alive_wait(1)
    path = place.sweep("reports: 1, wait_ms: 10", trials)
    kernel = Kernel()
    kernel.start()
    place.muster("sweep", "run", path)
    kernel.stop = True
    kernel.join()
    lost = slots_lost(place, kernel, {int(line[0]) for line in place.lines()})
    place.close()
    return statistics.median(lost)


def bench_apart(rounds=9, trials=1000):
    """First report, slot time and milestone over TCP, each beside the same over ipc in the same run: head and worker started apart
    in both. The two take turns, so that a noisy minute meets both."""
    over = {"ipc": lambda place: place.ipc, "TCP": lambda place: place.tcp}
    for what, unit, measure in (("first answered report, head and worker started at once", "ms", lambda address: first_report(address, rounds)),
                                ("slot time lost a trial, trainers asleep", "ms", lambda address: slot_time(address, trials)),
                                ("answer at a milestone", "ms", milestone)):
        seen = {name: [] for name in over}
        for _ in range(3):
            for name, address in over.items():
                seen[name].append(measure(address))
        ipc, tcp = min(seen["ipc"]), min(seen["TCP"])
        place = Place()
        result("apart", f"{what}: over TCP, p50", round(tcp, 2), unit, f"ipc {ipc:.2f}: ratio {tcp / ipc:.2f}, limit 1.3; fsync p50 {fsync_us(make_root(place)) / 1e3:.2f} ms")
        place.close()


def make_root(place):
    os.makedirs(place.state, exist_ok=True)
    return place.root


def run(options):
    bench_apart(int(options.get("rounds", 9)), int(options.get("trials", 1000)))
