"""Members of populations (bench/member.c), what they did by their own logs, and raw limits beside it."""
import collections
import os
import statistics
import subprocess
import time

from place import BUILD, Place

MEMBER = os.path.join(BUILD, "bench/bench_member")
CHECKPOINT, PAUSE, STOP, EXPLOIT = 1, 2, 4, 8
Event = collections.namedtuple("Event", "pid trial what step begin end acts")


def ms(span_us):
    return span_us / 1e3


def event_read(line):
    pid, trial, what, *numbers = line.split()
    return Event(int(pid), trial, what, *(int(number) for number in numbers))


def rounds_of(step_ms):
    """How many passes over 1 MiB take so long here, by a member that runs by itself."""
    environment = dict(os.environ, MUSTER_P_rounds="100", MUSTER_P_steps="40")
    environment.pop("BENCH_LOG", None)
    text = subprocess.run([MEMBER], env=environment, capture_output=True, text=True, check=True).stdout
    times = [event.end - event.begin for event in map(event_read, text.splitlines()) if event.what == "step"]
    return max(1, round(100 * step_ms / ms(statistics.median(times))))


class Population(Place):
    """A cluster with one sweep of members under PBT. `wall`: seconds from its submission to its end."""

    def __init__(self, cpus):
        super().__init__()
        self.cpus = cpus

    def run(self, parameters, population, interval, steps, more="", pbt="", command=None):
        text = (f"schedule: {{type: pbt, max: {steps}}}\npbt: {{population: {population}, interval: {interval}{pbt}}}\n"
                f"resources: {{cpus: 1}}\ncheckpoints: {{on: [rung]}}\n{more}")
        path = self.sweep(f"steps: {steps}, {parameters}", population, text, command or [MEMBER], metric="{name: x, goal: maximize}")
        self.sweep_run(path)

    def sweep_run(self, path):
        self.muster("up", "-d", "--cpus", str(self.cpus))
        started = time.monotonic()
        number = self.muster("sweep", "run", "-d", path).stdout.split()[-1]
        done = self.muster("sweep", "wait", number, check=False)
        self.wall = time.monotonic() - started
        if done.returncode != 0:
            raise AssertionError(f"the sweep ended with {done.returncode}: {done.stderr}")

    def members(self):
        """The events of each process, by begin; processes in the order of their starts."""
        by_pid = collections.defaultdict(list)
        with open(self.log) as file:
            for event in map(event_read, file):
                by_pid[event.pid].append(event)
        found = [sorted(events, key=lambda event: (event.begin, -event.end)) for events in by_pid.values()]
        return sorted(found, key=lambda events: events[0].begin)

    def copies_ms(self, size, times=5):
        """cp of a file of so many bytes, warm, each time into a new one: as a list."""
        source, target = os.path.join(self.root, "source"), os.path.join(self.root, "target")
        block = os.urandom(1 << 20)
        with open(source, "wb") as file:
            for at in range(0, size, len(block)):
                file.write(block[:size - at])
            os.fsync(file.fileno())
        spent = []
        for _ in range(times):
            started = time.monotonic()
            subprocess.run(["cp", source, target], check=True)
            spent.append((time.monotonic() - started) * 1e3)
            os.unlink(target)
        os.unlink(source)
        return spent
