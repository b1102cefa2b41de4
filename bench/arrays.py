"""What the benches of task arrays share: submit and wait, and what it cost in memory, writes and processor time meanwhile."""
import re
import subprocess
import threading
import time

from place import MUSTER, ROLES, cpu_seconds, field_of, result


def has_option(verb, option):
    return f"--{option} " in subprocess.run([MUSTER, "help", *verb.split()], capture_output=True, text=True).stdout


def needs_arrays(bench):
    if has_option("submit", "array"):
        return True
    print(f"SKIP {bench}: this build has no task arrays", flush=True)
    return False


def array_run(place, tasks, *command, options=()):
    """Seconds from submission to the last result on disk; every task must have been done."""
    began = time.monotonic()
    number = place.muster("submit", *options, "--array", f"1-{tasks}", "--", *command).stdout.split()[-1]
    place.muster("task", "wait", "-q", number, "--timeout", "600")
    return time.monotonic() - began


class Meters(threading.Thread):
    """From now to stop(): the head's memory at its highest, the head's batches, bytes that Redis wrote."""

    def __init__(self, place, **pids):
        """`pids`: of roles that are not the state folder's own."""
        super().__init__(daemon=True)
        self.place = place
        self.pids = {role: pids.get(role) or place.pid(role) for role in ROLES}
        time.sleep(1)
        self.idle = self.peak = self.memory()
        self.cpu, self.batches, self.bytes = self.now()
        self.is_over = False
        self.start()

    def memory(self):
        return field_of(f"/proc/{self.pids['head']}/status", "VmRSS:") / 1024

    def now(self):
        metrics = self.place.get_text("/metrics")
        batches = int(re.search(r"^muster_batches_total (\d+)", metrics, re.M).group(1))
        return {role: cpu_seconds(pid) for role, pid in self.pids.items()}, batches, field_of(f"/proc/{self.pids['redis']}/io", "write_bytes:")

    def run(self):
        while not self.is_over:
            self.peak = max(self.peak, self.memory())
            time.sleep(0.02)

    def stop(self):
        self.is_over = True
        self.join()
        cpu, batches, size = self.now()
        self.cpu = {role: cpu[role] - self.cpu[role] for role in cpu}
        self.batches, self.bytes = batches - self.batches, size - self.bytes

    def tell(self, bench, tasks):
        result(bench, "head's memory above idle, highest", round(self.peak - self.idle, 1), "MiB", f"target 64 MiB; idle {self.idle:.1f} MiB")
        result(bench, "batches, as the head counts them; bytes written by Redis", f"{self.batches}, {self.bytes}", "",
               f"{self.bytes / tasks:.1f} bytes a task; Redis syncs once or more for each batch (appendfsync always) and keeps no count of it")
        result(bench, "processor time a task", ", ".join(f"{role} {s / tasks * 1e6:.2f}" for role, s in self.cpu.items()), "us", "")
