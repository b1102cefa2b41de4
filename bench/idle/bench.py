"""Processor time and memory of head, worker and redis with nothing to do."""
import time

from place import ROLES, Place, cpu_seconds, result


def bench_idle(seconds=20):
    place = Place()
    place.muster("up", "-d")
    pids = {role: place.pid(role) for role in ROLES}

    def pss(pid):
        return sum(int(line.split()[1]) for line in open(f"/proc/{pid}/smaps_rollup") if line.startswith("Pss:")) / 1024

    time.sleep(2)
    before = sum(cpu_seconds(pid) for pid in pids.values())
    time.sleep(seconds)
    used = sum(cpu_seconds(pid) for pid in pids.values()) - before
    result("idle", "head, worker and redis together", round(used / seconds * 100, 2), "% of a core", "limit 1 %")
    result("idle", "PSS together", round(sum(pss(pid) for pid in pids.values()), 1), "MiB",
           "limit 40 MiB; " + ", ".join(f"{role} {pss(pid):.1f}" for role, pid in pids.items()))
    place.close()


def run(options):
    bench_idle()
