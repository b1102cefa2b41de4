"""Members that take turns on one slot: from the report that pauses one to the next one's first step, beside the trainers' own ends and starts."""
import statistics

from members import PAUSE, Population, ms
from place import Kernel, percentile, result

MIB = 1 << 20


class Turn:
    """One member leaves, the next one begins; ms. What is the trainers' own: leaving after the good-bye, exec to main(), their memory, the load."""

    def __init__(self, before, after, execs, exits):
        report = next(event for event in reversed(before) if event.what == "report")
        close, opened, step = before[-1], after[0], next(event for event in after if event.what == "step")
        self.total = ms(step.begin - report.begin)
        self.saved = ms(next((event.end - event.begin for event in before if event.what == "save"), 0))
        load = sum(ms(event.end - event.begin) for event in after if event.what in ("init", "load") and event.begin < step.begin)
        leaving, starting = ms(exits[before[0].pid] - close.end), ms(opened.begin - execs[after[0].pid])
        self.own = leaving + starting + load
        self.told, self.bye, self.empty, self.hello = (ms(report.end - report.begin), ms(close.end - close.begin),
                                                       ms(execs[after[0].pid] - exits[before[0].pid]), ms(opened.end - opened.begin))


def turns_of(members, kernel):
    execs = {pid: t for t, what, pid in kernel.events if what == "exec"}
    exits = {pid: t for t, what, pid in kernel.events if what == "exit"}
    for before, after in zip(members, members[1:]):
        last = next(event for event in reversed(before) if event.what == "report")
        is_seen = before[0].pid in exits and after[0].pid in execs
        if last.acts & PAUSE and is_seen:
            yield Turn(before, after, execs, exits)


def bench_pause(mib):
    place, interval = Population(1), 5
    population, turns = (8, 10) if mib <= 64 else (4, 5)
    kernel = Kernel()
    kernel.start()
    place.run(f"bytes: {mib * MIB}, step_ms: 10", population, interval, interval * turns, pbt=", quantile: 0")
    kernel.stop = True
    kernel.join()
    found = list(turns_of(place.members(), kernel))
    beside = [turn.total - turn.own for turn in found]
    result("pause", f"{mib} MiB: pause to the next one's first step, p50 and p90", f"{statistics.median(turn.total for turn in found):.1f}, {percentile([turn.total for turn in found], 90):.1f}",
           "ms", f"{len(found)} turns")
    result("pause", f"{mib} MiB: beside the trainers' own ends, starts and loads, p50 and p90", f"{statistics.median(beside):.1f}, {percentile(beside, 90):.1f}", "ms",
           f"limit 50 ms; their own {statistics.median(turn.own for turn in found):.1f} ms, and a save of {statistics.median(turn.saved for turn in found):.1f} ms before the report")
    parts = {name: statistics.median(getattr(turn, name) for turn in found) for name in ("told", "bye", "empty", "hello")}
    result("pause", f"{mib} MiB: answer of the report, of the good-bye, exit to exec, hello: p50", ", ".join(f"{part:.2f}" for part in parts.values()), "ms")
    place.close()


def run(options):
    """mib=512: one size only."""
    for mib in [int(options["mib"])] if "mib" in options else (1, 64):
        bench_pause(mib)
