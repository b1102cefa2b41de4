"""Machines of its own for a test with more than one: a `World` has its own files, network, processes, host name and loopback.

    with Worlds(3) as worlds:
        head, one, two = worlds
        one.popen(["/opt/muster/bin/muster", "worker", "--join", f"tcp://{head.name}:7700"])
        one.cut(); one.heal(); one.delay(20); one.kill()

A world sees this machine's /usr read-only and what the test puts there, nothing else: neither the submitter's folder nor
the build. Its files live in its own tmpfs and vanish with it. Everything ends with the test, also when that is killed: a
world's first process has the death signal of its parent, and the bridge between the worlds is in a network of its own."""
import collections
import contextlib
import errno
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import threading

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e")]

import kernel  # noqa: E402
import root  # noqa: E402
from cluster import PYTHON, SLOW, Skip  # noqa: E402

NET = "10.77.0."
NET6 = "fd77::"
BRIDGE = "bridge"
CARD = "eth0"
NOWHERE = "02:00:00:00:00:01"  # an address that no card has: frames to it are lost without a word
BLOCK = {("reject", True): "route add unreachable {}", ("reject", False): "route del unreachable {}",
         ("lost", True): f"neigh replace {{}} lladdr {NOWHERE} nud permanent dev {CARD}", ("lost", False): f"neigh del {{}} dev {CARD}"}
SIZE_BYTES = 2 << 30
WORLDS_MAX = 200
NOT_ALLOWED = tuple(f"error [Errno {n}]" for n in (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EINVAL, errno.EUSERS, errno.ENOSPC))
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def need_worlds():
    """Raises Skip, aloud, where there can be no worlds."""
    if platform.machine() not in kernel.PIVOT_ROOT:
        raise Skip(f"worlds are not known on {platform.machine()}")
    if not shutil.which("ip", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
        raise Skip("worlds need ip, of Debian's package iproute2")
    if os.geteuid() != 0:
        try:
            kernel.become_root_of_user_namespace()
        except OSError as error:
            raise Skip(f"worlds need root or user namespaces: {error}") from None


def _fork(body):
    """A child that runs body(tell) and stays until it is killed; (pid, what it told). tell() may be called once."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            kernel.die_with_parent()
            body(lambda text: (os.write(writer, text.encode()), os.close(writer)))
        except BaseException as error:
            with contextlib.suppress(OSError):
                os.write(writer, f"error {error}".encode())
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader) as file:
        told = file.read()
    if told.startswith("error ") or not told:
        os.waitpid(pid, 0)
        if told.startswith(NOT_ALLOWED):
            raise Skip(f"worlds are not allowed here: {told[6:]}")
        raise AssertionError(f"a world did not start: {told}")
    return pid, told


def _quiet():
    """A process that stands for namespaces keeps none of the test's descriptors and answers no signal of a terminal."""
    null = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.closerange(3, 4096)
    os.setpgid(0, 0)


def _ip(pid, *lines):
    """Commands of ip(8) in the network of a process."""
    done = subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, capture_output=True,
                          env={"PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}, preexec_fn=lambda: kernel.enter(pid, ["net"]))
    if done.returncode != 0:
        raise OSError(f"ip: {'; '.join(lines)}: {done.stderr.strip()}")


class World:
    """One machine. Made by Worlds. `put` is {path inside: path here}, read-only; `small` {folder inside: bytes} for folders that
    are soon full; `root` a folder with another Linux, e.g. of debootstrap; `environment` what popen() gives to every program;
    `link` what makes its link slow or lossy: netem, wire, or None for what there is."""

    def __init__(self, worlds, number, name, put=None, small=None, root=None, size_bytes=SIZE_BYTES, environment=None, link=None):
        self.worlds, self.number, self.name = worlds, number, name
        self.put, self.small, self.root, self.size_bytes = dict(put or {}), dict(small or {}), root, size_bytes
        self.environment = {"PATH": "/opt/muster/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/root", "LANG": "C.UTF-8",
                            **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}, **(environment or {})}
        self.ip, self.ip6 = f"{NET}{number + 2}", f"{NET6}{number + 2:x}"
        self.outer = self.init = None
        self.link = link
        self._wire, self._delay_ms, self._loss_percent = None, 0, 0
        self._port = self._bridged = f"port{number}"
        self._cut = None

    # ---- life ----

    def _start(self, hosts):
        def first(tell):
            os.setpgid(0, 0)
            kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWNET | kernel.CLONE_NEWUTS | kernel.CLONE_NEWIPC)
            socket.sethostname(self.name)
            root.build(self, hosts)
            tell("ready")
            _quiet()
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # orphans are reaped by the kernel
            while True:
                signal.pause()

        def outer(tell):
            # Only children are in the new pid namespace, so that a second process is its first one.
            kernel.unshare(kernel.CLONE_NEWPID)
            reader, writer = os.pipe()
            pid = os.fork()
            if pid == 0:
                try:
                    kernel.die_with_parent()
                    first(lambda text: os.write(writer, text.encode()))
                except BaseException as error:
                    os.write(writer, f"error {error}".encode())
                finally:
                    os._exit(1)
            os.close(writer)
            told = os.read(reader, 4096).decode()
            tell(f"{pid}" if told == "ready" else told or "error the first process died")
            _quiet()
            os.waitpid(pid, 0)
            os._exit(0)

        self.outer, told = _fork(outer)
        self.init = int(told)
        switch = self.worlds.switch
        _ip(switch, f"link add {self._port} type veth peer name {CARD} netns {self.init}", f"link set {self._port} master {BRIDGE} up")
        _ip(self.init, "link set lo up", f"link set {CARD} up", f"addr add {self.ip}/24 dev {CARD}", f"addr add {self.ip6}/64 dev {CARD} nodad")

    def is_up(self):
        return self.init is not None

    def kill(self):
        """The machine is gone: every process at once, and its files with it."""
        if not self.is_up():
            return
        self._wire_end()
        os.kill(self.init, signal.SIGKILL)
        os.waitpid(self.outer, 0)
        self.outer = self.init = None

    # ---- programs and files ----

    def popen(self, argv, env=None, cwd="/root", user=None, **options):
        """As subprocess.Popen, inside. The pid of what it gives is that of a process which forwards signals; see pids()."""
        init = self.init

        def inside():
            kernel.die_with_parent()
            kernel.enter(init, kernel.KINDS)
            pid = os.fork()
            if pid == 0:
                kernel.die_with_parent()
                os.chdir(cwd)
                if user is not None:
                    os.setgroups([])
                    os.setresgid(user, user, user)
                    os.setresuid(user, user, user)
                return  # Popen goes on to exec
            os.closerange(3, 4096)  # also Popen's own pipe, on whose end it waits
            for sign in FORWARDED:
                signal.signal(sign, lambda number, _: os.kill(pid, number))
            while True:
                try:
                    _, status = os.waitpid(pid, 0)
                    break
                except InterruptedError:
                    pass
            if os.WIFSIGNALED(status):
                signal.signal(os.WTERMSIG(status), signal.SIG_DFL) if os.WTERMSIG(status) not in (signal.SIGKILL, signal.SIGSTOP) else None
                os.kill(os.getpid(), os.WTERMSIG(status))
            os._exit(os.waitstatus_to_exitcode(status) & 255)

        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(argv, env={**self.environment, **(env or {})}, preexec_fn=inside, **options)

    def run(self, argv, seconds=60, code=0, **options):
        """A program to its end; its exit code must be `code` (None: any)."""
        child = self.popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
        try:
            out, err = child.communicate(timeout=seconds * SLOW)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            raise AssertionError(f"{self.name}: {' '.join(argv)} did not end in {seconds} s\n{out}\n{err}") from None
        if code is not None and child.returncode != code:
            raise AssertionError(f"{self.name}: {' '.join(argv)}: exit {child.returncode}, not {code}\nstdout: {out}\nstderr: {err}")
        return subprocess.CompletedProcess(argv, child.returncode, out, err)

    def path(self, inside):
        """The name here of a file there, as long as the world is up."""
        return f"/proc/{self.init}/root{inside}"

    def read(self, inside):
        with open(self.path(inside), errors="replace") as file:
            return file.read()

    def write(self, inside, text):
        path = self.path(inside)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        return inside

    def pids(self):
        """{pid here: argv} of all that runs there, but the first process."""
        found = {}
        if self.is_up():
            mine = os.readlink(f"/proc/{self.init}/ns/pid")
            for pid in filter(str.isdigit, os.listdir("/proc")):
                with contextlib.suppress(OSError):
                    if int(pid) != self.init and os.readlink(f"/proc/{pid}/ns/pid") == mine:
                        with open(f"/proc/{pid}/cmdline", "rb") as file:
                            found[int(pid)] = file.read().decode("utf-8", "replace").split("\0")[:-1]
        return {pid: argv for pid, argv in found.items() if argv}

    def inner_pid(self, pid):
        """A process's number as the world itself counts."""
        with open(f"/proc/{pid}/status") as file:
            return int(next(line for line in file if line.startswith("NSpid:")).split()[-1])

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM):
        """A socket of this world, for the test to use."""
        with kernel.inside_network(self.init):
            return socket.socket(family, kind)

    # ---- the network ----

    def cut(self, mode="drop", seconds=None):
        """Takes the network away until heal(), or for `seconds`. `drop`: nothing passes and nobody is told, so that each side
        believes its connections to be open; `out` and `in`: only what it sends, or what is sent to it, is lost; `reject`: nothing
        passes, and new connections fail at once."""
        assert self._cut is None, "the world is cut already"
        self._cut = mode
        if mode in ("drop", "reject"):
            _ip(self.worlds.switch, f"link set {self._bridged} nomaster")
        self.worlds._block(self, mode, 1)
        if seconds is not None:
            timer = threading.Timer(seconds, self.heal)
            timer.daemon = True
            timer.start()

    def heal(self):
        if self._cut is None or not self.is_up():
            return
        if self._cut in ("drop", "reject"):
            _ip(self.worlds.switch, f"link set {self._bridged} master {BRIDGE}")
        self.worlds._block(self, self._cut, -1)
        self._cut = None

    def delay(self, ms):
        """Every packet, in and out, takes so much longer."""
        self._link(ms, self._loss_percent)

    def loss(self, percent):
        """So many of a hundred packets, in and out, are lost."""
        self._link(self._delay_ms, percent)

    def _link(self, delay_ms, loss_percent):
        assert self._cut is None, "heal() first"
        self._wire_end()
        self._delay_ms, self._loss_percent = delay_ms, loss_percent
        if delay_ms or loss_percent:
            self._wire_start(delay_ms, loss_percent)

    def _wire_start(self, delay_ms, loss_percent):
        """By netem on both cards where the kernel has it, else by wire.py between the world's port and the bridge."""
        switch, what = self.worlds.switch, f"netem delay {delay_ms}ms loss {loss_percent}% limit 20000"
        if self.link != "wire" and all(_tc(pid, f"qdisc replace dev {card} root {what}") for pid, card in ((switch, self._port), (self.init, CARD))):
            return
        if self.link == "netem":
            raise Skip("needs tc and a kernel with netem")
        for world in self.worlds:
            if world.is_up():
                kernel.offload_off(world.init, CARD)
        near, far = f"near{self.number}", f"far{self.number}"
        _ip(switch, f"link set {self._port} nomaster", f"link add {near} type veth peer name {far}", f"link set {near} up",
            f"link set {far} master {BRIDGE} up")
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wire.py")
        self._wire = subprocess.Popen([PYTHON, program, str(switch), self._port, near, str(delay_ms), str(loss_percent)],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert self._wire.stdout.readline() == "ready\n", "wire.py did not start"
        self._bridged = far

    def _wire_end(self):
        if self._wire is None and (self._delay_ms or self._loss_percent):
            for pid, card in ((self.worlds.switch, self._port), (self.init, CARD)):
                _tc(pid, f"qdisc del dev {card} root")
        if self._wire is not None:
            self._wire.kill()
            self._wire.wait()
            self._wire.stdout.close()
            self._wire = None
            _ip(self.worlds.switch, f"link del near{self.number}", f"link set {self._port} master {BRIDGE}")
            self._bridged = self._port


def _tc(pid, line):
    """Whether a command of tc(8) could be done; the program or the kernel's part may be missing."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    if not shutil.which("tc", path=path):
        return False
    return subprocess.run(["tc", *line.split()], env={"PATH": path}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          preexec_fn=lambda: kernel.enter(pid, ["net"])).returncode == 0


class Worlds:
    """Some worlds on one bridge. `names` are their host names; options(number) are the arguments of each World."""

    def __init__(self, count, names=None, options=None):
        assert 1 <= count <= WORLDS_MAX
        need_worlds()
        self.switch = None
        self.blocked = collections.Counter()
        names = names or [f"world{i}" for i in range(count)]
        self.worlds = [World(self, i, names[i], **(options(i) if options else {})) for i in range(count)]

    def move(self, address, source, target):
        """An address that goes from one world (None: nobody) to another, as a standby takes over its master's."""
        if source is not None:
            _ip(source.init, f"addr del {address}/24 dev {CARD}")
        _ip(target.init, f"addr add {address}/24 dev {CARD}")
        for world in self.worlds:
            if world.is_up():
                _ip(world.init, f"neigh flush to {address}")

    def _block(self, cut, mode, more):
        """Counts who cannot speak to whom, and tells the sender's kernel of what has changed. Cuts may overlap."""
        kind = {"reject": "reject", "out": "lost", "in": "lost"}.get(mode)
        for other in (w for w in self.worlds if w is not cut and kind):
            for source, target in ((cut, other), (other, cut)):
                if mode == ("in" if source is cut else "out"):
                    continue
                before = self.blocked[kind, source.name, target.name]
                self.blocked[kind, source.name, target.name] = before + more
                if source.is_up() and (before == 0 or before + more == 0):
                    _ip(source.init, BLOCK[kind, before == 0].format(target.ip))

    def __iter__(self):
        return iter(self.worlds)

    def __getitem__(self, number):
        return self.worlds[number]

    def __enter__(self):
        def switch(tell):
            kernel.unshare(kernel.CLONE_NEWNET)
            tell("ready")
            _quiet()
            while True:
                signal.pause()

        try:
            self.switch, _ = _fork(switch)
            try:
                _ip(self.switch, f"link add {BRIDGE} type bridge forward_delay 0 mcast_snooping 0", f"link set {BRIDGE} up")
            except OSError as error:
                raise Skip(f"worlds need a bridge: {error}") from None
            hosts = "127.0.0.1 localhost\n::1 localhost\n" + "".join(f"{w.ip} {w.name}\n" for w in self.worlds)
            for world in self.worlds:
                world._start(hosts)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for world in self.worlds:
            world.kill()
        if self.switch:
            os.kill(self.switch, signal.SIGKILL)
            os.waitpid(self.switch, 0)
            self.switch = None
