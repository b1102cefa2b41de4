"""Reports: 64 trainers through one worker, received and stored, beside the same bytes over bare sockets; and one alone."""
import os
import subprocess

from place import BUILD, ROLES, Place, cpu_seconds, percentile, result, wait_for

TRAINER = os.path.join(BUILD, "bench/bench_reports_trainer")
BARE = os.path.join(BUILD, "bench/bench_bare_socket")
REPORTS = 10000  # an agent keeps every row of so many; of more it would keep every second one


def lines_of(path):
    try:
        with open(path) as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []


def bare_socket(trainers, reports, pause_us=0):
    words = subprocess.run([BARE, str(trainers), str(reports), str(pause_us)], capture_output=True, text=True, check=True).stdout.split()
    return dict(zip(words[::2], words[1::2]))


class Trainers:
    """A sweep of trainers that wait for `go`; every one has a CPU by the books."""

    def __init__(self, count, reports, pause_us=0):
        self.place, self.count, self.reports = Place(), count, reports
        self.folder = os.path.join(self.place.root, "bench")
        os.makedirs(self.folder)
        more = f"schedule: {{type: asha, min: {reports}, max: {reports}}}\nresources: {{cpus: 0.01}}\n"
        path = self.place.sweep(f"reports: {reports}, pause_us: {pause_us}", count, more, [TRAINER], {"BENCH_FOLDER": self.folder})
        self.place.muster("up", "-d", "--cpus", "2")
        self.number = self.place.muster("sweep", "run", "-d", path).stdout.split()[-1]

    def file(self, name):
        return os.path.join(self.folder, name)

    def run(self):
        """From `go` to the last milestone's answer: lines of the trainers, and processor time used by each role meanwhile."""
        wait_for(lambda: len(lines_of(self.file("ready"))) == self.count)
        pids = {role: self.place.pid(role) for role in ROLES}
        before = {role: cpu_seconds(pid) for role, pid in pids.items()}
        stages, turns = self.place.turn()
        open(self.file("go"), "w").close()
        wait_for(lambda: len(lines_of(self.file("done"))) == self.count, 600)
        spent = {role: cpu_seconds(pid) - before[role] for role, pid in pids.items()}
        later, more = self.place.turn()
        self.turn, self.turns = {name: later[name] - stages[name] for name in stages}, more - turns
        self.place.muster("sweep", "wait", self.number)
        return [[float(x) for x in line.split()] for line in lines_of(self.file("done"))], spent

    def rows_stored(self):
        """Of all trials, as the store has them: the head reads them from there."""
        rows = 0
        for index in range(1, self.count + 1):
            rows += len(self.place.json("trial", "metrics", f"{self.number}.{index}")["items"])
        return rows


def bench_many(trainers=64):
    bare = bare_socket(trainers, REPORTS)
    sweep = Trainers(trainers, REPORTS)
    lines, spent = sweep.run()
    spent["trainers"] = sum(line[7] + line[8] for line in lines) / 1e6
    seconds = (max(line[1] for line in lines) - min(line[0] for line in lines)) / 1e6
    total, refused = sum(line[2] for line in lines), sum(line[3] for line in lines)
    stored = sweep.rows_stored()
    raw = float(bare["reports_per_s"])
    result("reports", f"{trainers} trainers: received, all on disk at the last milestone's answer", round(total / seconds), "1/s",
           f"target 100,000/s; bare sockets {raw:.0f}/s, ratio {total / seconds / raw:.2f}")
    result("reports", "reports taken, refused, acknowledged at a milestone", f"{total:.0f}, {refused:.0f}, {trainers}", "", f"{seconds:.2f} s")
    result("reports", "rows in the store afterwards", stored, "", f"{trainers * REPORTS - stored} missing")
    result("reports", "processor time a report", ", ".join(f"{role} {spent[role] / total * 1e6:.2f}" for role in spent), "us",
           f"{sum(spent.values()) / total * 1e6:.2f} of {seconds / total * 2e6:.2f} us on two cores")
    result("reports", "the head's turn, of a report", ", ".join(f"{name} {s / total * 1e6:.3f}" for name, s in sweep.turn.items() if name != "sleep"), "us",
           f"{sweep.turns} turns, asleep {sweep.turn['sleep']:.2f} s")
    result("reports", "closing milestone's answer, p50 and slowest",
           f"{percentile([line[6] for line in lines], 50) / 1e3:.0f}, {max(line[6] for line in lines) / 1e3:.0f}", "ms", "after the reports before it")
    sweep.place.close()


def bench_alone(reports=10000):
    """As fast as it can, and with 50 us of work between two reports."""
    for pause_us in (0, 50):
        bare = bare_socket(1, reports, pause_us)
        sweep = Trainers(1, reports, pause_us)
        line = sweep.run()[0][0]
        how = f"one trainer, {pause_us} us of work between two reports" if pause_us else "one trainer, nothing else to do"
        result("reports", f"{how}: a call, p50", line[4], "us", f"target 5 us; bare socket {bare['call_p50_us']} us")
        result("reports", f"{how}: a call, p99", line[5], "us", f"bare socket {bare['call_p99_us']} us")
        sweep.place.close()


def run(options):
    bench_many(int(options.get("trainers", 64)))
    bench_alone()
