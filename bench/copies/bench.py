"""Snapshots of 1, 64 and 512 MiB from one agent to another over loopback, whole, proven and synced, beside cp and a plain TCP copy."""
import os
import random
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time

from place import BUILD, result

PROGRAM = os.path.join(BUILD, "bench/bench_copies")
MIB = 1 << 20


def files_make(folder, megabytes):
    os.makedirs(folder)
    with open(os.path.join(folder, "weights.bin"), "wb") as file:
        for i in range(megabytes):
            file.write(random.Random(i).randbytes(MIB))


def synced(folder):
    for root, _, names in os.walk(folder):
        for path in [os.path.join(root, name) for name in names] + [root]:
            fd = os.open(path, os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)


def cp_copy(source, target):
    """(seconds, seconds with a sync of what was written)"""
    started = time.monotonic()
    subprocess.run(["cp", "-r", source, target], check=True)
    copied = time.monotonic() - started
    synced(target)
    return copied, time.monotonic() - started


def tcp_copy(source, target):
    """The same bytes through one connection of the loopback, by sendfile and plain writes."""
    listener = socket.create_server(("127.0.0.1", 0))
    os.makedirs(target)

    def send():
        connection = listener.accept()[0]
        with connection, open(os.path.join(source, "weights.bin"), "rb") as file:
            connection.sendfile(file)

    started = time.monotonic()
    sender = threading.Thread(target=send)
    sender.start()
    with socket.create_connection(listener.getsockname()) as connection, open(os.path.join(target, "weights.bin"), "wb") as file:
        while data := connection.recv(MIB):
            file.write(data)
    sender.join()
    copied = time.monotonic() - started
    synced(target)
    listener.close()
    return copied, time.monotonic() - started


class Donor:
    def __init__(self, store):
        self.process = subprocess.Popen([PROGRAM, "lend", store], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.endpoint, self.key = self.process.stdout.readline().split()

    def take(self, store, staging):
        """Seconds until it is there."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "lent\n"
        return int(subprocess.run([PROGRAM, "take", store, staging, self.endpoint, self.key], check=True, stdout=subprocess.PIPE).stdout) / 1e6

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def size_measure(root, megabytes, rounds):
    own, there = os.path.join(root, "own"), os.path.join(root, "there")
    files_make(os.path.join(root, "save"), megabytes)
    subprocess.run([PROGRAM, "make", os.path.join(root, "save"), own], check=True)
    source = os.path.join(own, "1.1/1")
    donor, times = Donor(own), {"copy": [], "cp": [], "cp synced": [], "tcp": [], "tcp synced": []}
    try:
        for turn in range(rounds):
            target = os.path.join(root, f"target-{turn}")
            times["copy"].append(donor.take(there, os.path.join(root, "staging")))
            for name, copy in (("cp", cp_copy), ("tcp", tcp_copy)):
                plain, whole = copy(source, target)
                times[name].append(plain)
                times[name + " synced"].append(whole)
                subprocess.run(["rm", "-rf", target], check=True)
            subprocess.run(["chmod", "-R", "u+w", there], check=True)
            shutil.rmtree(there)
    finally:
        donor.close()
    middle = {name: statistics.median(values) * 1000 for name, values in times.items()}
    beside = ", ".join(f"{name} {middle[name]:.1f}" for name in middle if name != "copy")
    result("copies", f"{megabytes} MiB from agent to agent, synced", round(middle["copy"], 1), "ms", beside)
    result("copies", f"{megabytes} MiB, beside cp and a sync", round(middle["copy"] / middle["cp synced"], 2), "x")


def run(options):
    """sizes=1,64,512 rounds=5"""
    for megabytes in map(int, options.get("sizes", "1,64,512").split(",")):
        root = tempfile.mkdtemp(prefix="muster-bench-copies-", dir=options.get("dir"))
        try:
            size_measure(root, megabytes, int(options.get("rounds", "5")))
        finally:
            subprocess.run(["chmod", "-R", "u+w", root], check=False)
            shutil.rmtree(root)
