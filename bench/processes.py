"""A head without a worker and workers, as processes apart, over TCP with CURVE or over ipc."""
import contextlib
import json
import os
import socket
import subprocess
import time

from place import MUSTER, Place


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Apart(Place):
    """A head without a worker, and workers with state folders of their own. Its keys are there before it is started."""

    def __init__(self):
        super().__init__()
        self.port, self.workers = free_port(), []
        self.muster("up", "-d", "--no-worker")
        self.muster("down")

    @property
    def tcp(self):
        return f"tcp://127.0.0.1:{self.port}"

    @property
    def ipc(self):
        return f"ipc://{self.state}/run/head.ipc"

    def head_start(self):
        self.muster("up", "-d", "--no-worker", "--listen", self.tcp)

    def worker_start(self, name, address, *options, cpus=1):
        state = os.path.join(self.root, name)
        log = open(os.path.join(self.root, name + ".log"), "wb")
        with log:
            self.workers.append(subprocess.Popen(
                [MUSTER, "worker", "--state", state, "--join", address, "--key-file", os.path.join(self.state, "keys/join"), "--name", name, "--cpus", str(cpus), *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def get(self, path):
        return json.loads(self.get_text(path))

    def alive_wait(self, count, seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError):
                if self.get("/api/v1/status")["nodes_alive"] >= count:
                    return
            if time.monotonic() > deadline:
                raise AssertionError(f"{count} workers did not join in {seconds} s")
            time.sleep(0.01)

    def close(self):
        self.muster("down", "--timeout", "5", check=False)
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            try:
                worker.wait(10)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        super().close()
