"""A work folder of 100 MB to three workers, beside a plain TCP copy of the same bytes and tar over TCP; milestones meanwhile."""
import contextlib
import os
import random
import socket
import statistics
import subprocess
import threading
import time

from place import cpu_seconds, pages_warm, percentile, result
from processes import Apart


def folder_make(path, megabytes, seed):
    """Files of 10 MB that nothing can compress."""
    os.makedirs(path)
    for i in range(megabytes // 10):
        with open(os.path.join(path, f"part{i:03}"), "wb") as file:
            file.write(random.Random(seed * 1000 + i).randbytes(10_000_000))


def tcp_copy(source, targets):
    """Seconds to send all files of a folder to receivers over loopback, which write them: what copying costs at least."""
    listener = socket.create_server(("127.0.0.1", 0))
    names = sorted(os.listdir(source))

    def receive(target):
        with socket.create_connection(listener.getsockname()) as connection, open(target, "wb") as file:
            while data := connection.recv(1 << 20):
                file.write(data)

    def send(connection):
        with connection:
            for name in names:
                with open(os.path.join(source, name), "rb") as file:
                    connection.sendfile(file)

    started = time.monotonic()
    threads = [threading.Thread(target=receive, args=(target,)) for target in targets]
    for thread in threads:
        thread.start()
    for _ in targets:
        threads.append(threading.Thread(target=send, args=(listener.accept()[0],)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    listener.close()
    return time.monotonic() - started


def tar_copy(source, targets):
    """Seconds of `tar c | TCP | tar x` for each target at once: the same bytes, unpacked into files as a worker does it."""
    listener = socket.create_server(("127.0.0.1", 0))
    started = time.monotonic()
    processes = []
    for target in targets:
        os.makedirs(target)
        with socket.create_connection(listener.getsockname()) as receiver, listener.accept()[0] as sender:
            processes.append(subprocess.Popen(["tar", "xf", "-", "-C", target], stdin=receiver))
            processes.append(subprocess.Popen(["tar", "cf", "-", "-C", source, "."], stdout=sender))
    codes = [process.wait() for process in processes]
    taken = time.monotonic() - started
    listener.close()
    if any(codes):
        raise AssertionError("tar failed")
    return taken


def settle(megabytes):
    """What was written before goes to the disk, and there are pages for what comes."""
    os.sync()
    pages_warm(megabytes)


def cp_copy(source, targets):
    started = time.monotonic()
    copies = [subprocess.Popen(["cp", "-r", source, target]) for target in targets]
    for copy in copies:
        copy.wait()
    return time.monotonic() - started


class Asking(threading.Thread):
    """Asks the head for its status all the time: what its loop lets wait, heartbeats wait as well."""

    def __init__(self, place):
        super().__init__(daemon=True)
        self.place, self.times, self.is_over = place, [], False

    def run(self):
        while not self.is_over:
            started = time.monotonic()
            with contextlib.suppress(OSError):
                self.place.get("/api/v1/status")
                self.times.append((time.monotonic() - started) * 1e3)
            time.sleep(0.002)


def milestones_within(lines, spans):
    """How long the answers at milestones took, in microseconds, of trials that ran within one of the spans."""
    return [call for line in lines if any(line[1] < end and line[3] > start for start, end in spans)
            for step, call in enumerate(line[4:], 1) if step in (1, 2, 4)]


class Syncing(threading.Thread):
    """Appends a small record and syncs it, all the time: what the disk lets a milestone wait at least."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.path, self.times, self.is_over = os.path.join(folder, "synced"), [], False

    def run(self):
        fd = os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        while not self.is_over:
            started = time.monotonic()
            os.write(fd, b"x" * 256)
            os.fdatasync(fd)
            self.times.append((time.monotonic() - started) * 1e3)
            time.sleep(0.01)
        os.close(fd)


def bench_work(megabytes=100, rounds=9):
    """A folder that no worker has: from the command to three trials that run in it. Meanwhile another sweep reports at milestones."""
    place = Apart()
    place.head_start()
    for i in range(3):
        place.worker_start(f"n{i}", place.tcp, cpus=2)
    place.alive_wait(3)
    busy = place.sweep("reports: 4, wait_ms: 5", 100000, "schedule: {type: asha, min: 1, max: 4, eta: 2}\nlimits: {concurrency: 2}\n")
    number = place.muster("sweep", "run", "-d", busy).stdout.strip()
    quiet_begun = time.monotonic() * 1e6
    time.sleep(3)
    quiet = (quiet_begun, time.monotonic() * 1e6)
    windows, seconds, uploads, raw_tcp, raw_tar, raw_cp, asked, synced, used = [], [], [], [], [], [], [], [], []
    copied = 20 * megabytes  # three copies, one in the depot, what they need meanwhile, and as much again
    pids = [place.pid("head"), *(worker.pid for worker in place.workers)]
    for n in range(rounds):
        folder = os.path.join(place.root, f"folder{n}")
        folder_make(folder, megabytes, n)
        # The peers are measured beside the same askers as the folder.
        asking, syncing = Asking(place), Syncing(place.root)
        asking.start()
        syncing.start()
        for name, copy, raw in (("cp", cp_copy, raw_cp), ("tcp", tcp_copy, raw_tcp), ("tar", tar_copy, raw_tar)):
            settle(copied)
            raw.append(copy(folder, [os.path.join(place.root, f"{name}{n}-{i}") for i in range(3)]))
        stamp = os.path.join(place.root, f"stamp{n}")
        with open(os.path.join(folder, "sweep.yaml"), "w") as file:
            file.write(f"name: work\ncommand: [sh, -c, 'test -s part{megabytes // 10 - 1:03} && date +%s.%N >>{stamp}']\n"
                       "metric: {name: loss}\nparameters: {x: {min: 0, max: 1}}\nstop: {trials: 3}\nlimits: {per_node: 1}\n"
                       "queue: {priority: 90}\nretries: {max: 0}\n")
        settle(copied)
        asking.times.clear()
        syncing.times.clear()
        begun, begun_us = time.time(), time.monotonic() * 1e6
        place.muster("sweep", "run", "-d", os.path.join(folder, "sweep.yaml"))
        sent, before = time.time(), [cpu_seconds(pid) for pid in pids]
        while not (os.path.exists(stamp) and sum(1 for _ in open(stamp)) >= 3):
            if time.time() > begun + 120:
                raise AssertionError("the three trials did not start in 120 s")
            time.sleep(0.005)
        windows.append((begun_us, time.monotonic() * 1e6))
        used.append([cpu_seconds(pid) - cpu for pid, cpu in zip(pids, before)])
        asking.is_over = syncing.is_over = True
        asking.join()
        syncing.join()
        asked += asking.times
        synced += syncing.times
        with open(stamp) as file:
            seconds.append(max(float(line) for line in file) - sent)
        uploads.append(sent - begun)
    place.muster("sweep", "cancel", number, check=False)
    calls, before = (milestones_within(place.lines(), spans) for spans in (windows, [quiet]))
    result("work", f"{megabytes} MB to three workers, head to last trial's start", round(statistics.median(seconds), 2), "s",
           f"tar over TCP, unpacked, {statistics.median(raw_tar):.2f} s: ratio {statistics.median(raw_tar) / statistics.median(seconds):.2f}, limit 0.5; "
           f"plain TCP copy {statistics.median(raw_tcp):.2f} s: ratio {statistics.median(raw_tcp) / statistics.median(seconds):.2f}; three cp {statistics.median(raw_cp):.2f} s")
    head, workers = statistics.median(cpu[0] for cpu in used), statistics.median(sum(cpu[1:]) / 3 for cpu in used)
    result("work", "processor time of the head for all three", round(head, 2), "s", f"of each worker {workers:.2f} s: CURVE, a sum of each piece, and the files written once")
    result("work", "pack and send to the head", round(statistics.median(uploads), 2), "s")
    result("work", "milestone answers meanwhile, p99", round(percentile(calls, 99) / 1e3, 1), "ms", f"limit 10 ms, {len(calls)} answers; without the folder {percentile(before, 99) / 1e3:.1f} ms; "
           f"a synced write meanwhile, p99 {percentile(synced, 99):.1f} ms")
    result("work", "status answers of the head meanwhile, p99", round(percentile(asked, 99), 1), "ms", f"limit 10 ms, {len(asked)} answers")
    place.close()


def run(options):
    bench_work(int(options.get("megabytes", 100)), int(options.get("rounds", 9)))
