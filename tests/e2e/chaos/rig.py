"""The cluster that the chaos tests break: `muster up` with a Redis that loses what was not synced, and a second worker, `far`, whose
network is a proxy. Its state folder lies on a small tmpfs where mounting is allowed, so that the disk can be filled."""
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
sys.path.insert(0, os.path.join(HERE, "../../world"))

import kernel  # noqa: E402
from cluster import BUILD, Cluster, is_alive, wait_for  # noqa: E402
from proxy import Proxy  # noqa: E402
from remote import free_port, join_key  # noqa: E402

DISK_MB = 384
CPUS = 8
MEND_S = 0.5


def mounts_allowed():
    """From here on mounts are this process's own, and go with it."""
    try:
        kernel.unshare(kernel.CLONE_NEWNS)
        kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
        return True
    except OSError:
        return False


class Rig(Cluster):
    def __init__(self, appendfsync=None, may_mount=True, rules=None):
        """`rules`: {failpoint: action} for all daemons."""
        super().__init__()
        self.more_environment = {"MUSTER_FAILPOINTS": ",".join(f"{k}={v}" for k, v in rules.items())} if rules else {}
        self.disk = os.path.join(self.root, "disk")
        os.makedirs(self.disk)
        self.is_small = False
        if may_mount:
            try:
                kernel.mount("tmpfs", self.disk, "tmpfs", 0, f"size={DISK_MB}m")
                self.is_small = True
            except OSError as why:
                print(f"SKIP full disks: {why}", flush=True)
        self.state, self.far_state = os.path.join(self.disk, "state"), os.path.join(self.root, "far")
        self.journal = os.path.join(self.root, "journal")
        self.delay_file = os.path.join(self.root, "delay")
        os.makedirs(self.journal)
        self.delay_set(0)
        self.is_synced = appendfsync is None
        self.programs = self._redis_make(appendfsync)
        self.listen_port = free_port()
        self.proxy = Proxy(("127.0.0.1", self.listen_port))
        self.far = self.mender = None
        self.is_closing = threading.Event()
        self.up_arguments = ["--cpus", str(CPUS), "--listen", f"tcp://127.0.0.1:{self.listen_port}"]

    def _redis_make(self, appendfsync):
        """A folder for PATH whose redis-server is the real one, with the shim under it."""
        folder = os.path.join(self.root, "bin")
        os.makedirs(os.path.join(folder, "real"))
        real = shutil.which("redis-server")
        if real is None:
            real = os.path.join(folder, "real", "redis-server")
            os.symlink(shutil.which("redis-check-rdb"), real)
        shim = os.path.join(BUILD, "tests/tools/libunsynced.so")
        assert os.path.exists(shim), f"{shim} is not built"
        path = os.path.join(folder, "redis-server")
        more = f" --appendfsync {appendfsync}" if appendfsync else ""
        with open(path, "w") as file:
            file.write(f'#!/bin/sh\nexec env LD_PRELOAD={shim} UNSYNCED_DELAY_FILE={self.delay_file} {real} "$@"{more}\n')
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
        return folder

    def environment(self, **more):
        made = super().environment(**more)
        made.update(self.more_environment)
        made["PATH"] = self.programs + ":" + made.get("PATH", "/usr/bin:/bin")
        return made

    def delay_set(self, milliseconds):
        with open(self.delay_file, "r+" if os.path.exists(self.delay_file) else "w") as file:
            file.write(f"{milliseconds:<8d}")

    # ---- keeping it up, as systemd and people would ----

    def up_all(self):
        self.up(*self.up_arguments)
        self.mender = threading.Thread(target=self._mend_on, daemon=True)
        self.mender.start()

    def _mend_on(self):
        while not self.is_closing.wait(MEND_S):
            self.mend()

    def mend(self):
        """Starts again what is gone and has nobody to start it."""
        if self.pid("supervisor") is None:
            self.run("up", "-d", *self.up_arguments, code=None, seconds=60)
        if (self.far is None or self.far.poll() is not None) and os.path.exists(os.path.join(self.state, "keys/join")):
            self.far = self.start("worker", "--join", f"tcp://127.0.0.1:{self.proxy.port}", "--name", "far", "--state",
                                  self.far_state, "--cpus", str(CPUS), stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, env={"MUSTER_JOIN_KEY": join_key(self.state)})

    def try_get(self, path):
        """The parsed answer; None if there is no head that answers."""
        try:
            status, text = self.http("GET", path)
            return json.loads(text) if status == 200 else None
        except (OSError, ValueError, KeyError):
            return None

    def serves(self):
        status = self.try_get("/api/v1/status")
        return status is not None and status["store"] == "ok" and status["nodes_alive"] == 2

    # ---- the end ----

    def pids(self):
        return [pid for role in ("supervisor", "head", "redis", "worker") if (pid := self.pid(role))]

    def close(self):
        self.is_closing.set()
        if self.mender is not None:
            self.mender.join(90)
        for pid in [*self.pids(), *([self.far.pid] if self.far and self.far.poll() is None else [])]:
            if is_alive(pid):
                os.kill(pid, signal.SIGCONT)
        if self.far and self.far.poll() is None:
            self.far.kill()
            self.far.wait()
        self.proxy.close()
        self.keep, kept = True, self.keep
        left = super().close()
        if kept:
            shutil.copytree(self.disk, os.path.join(self.root, "kept"), ignore=lambda folder, names: [
                name for name in names if not os.path.isdir(p := os.path.join(folder, name)) and not os.path.isfile(p)])
        if self.is_small:
            subprocess.run(["umount", "-l", self.disk], check=False)
        if not kept:
            shutil.rmtree(self.root, ignore_errors=True)
        return left
