#!/usr/bin/env python3
"""The helper itself: what a world shares with this machine and with others, and that nothing of it stays."""
import contextlib
import errno
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from world import Worlds, need_worlds

from cluster import BUILD, PYTHON, SOURCE, Skip, is_alive, run, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))


def connection(here, there, port=700):
    """A pair of connected sockets between two worlds."""
    with there.socket() as listener:
        listener.bind((there.ip, port))
        listener.listen()
        near = here.socket()
        near.settimeout(10)
        near.connect((there.ip, port))
        far, _ = listener.accept()
        return near, far


def comes(end, seconds):
    return bool(select.select([end], [], [], seconds)[0])


def test_world_sees_nothing_of_the_submitter(cluster):
    secret = cluster.file("secret.txt", "the submitter's")
    with Worlds(1) as worlds:
        world = worlds[0]
        for path in (secret, cluster.root, os.path.abspath(SOURCE), os.path.abspath(BUILD), "/var/log", "/opt/muster"):
            assert not os.path.exists(world.path(path)), path
        assert world.run(["ls", "/tmp", "/root", "/home"]).stdout.split() == ["/home:", "/root:", "/tmp:"]
        assert world.run(["hostname"]).stdout.strip() == "world0" != socket.gethostname()
        assert world.run(["sh", "-c", "echo x >/usr/bin/x"], code=None).returncode != 0
        pids = world.run(["sh", "-c", "ls /proc"]).stdout.split()
        assert len([p for p in pids if p.isdigit()]) <= 4, pids


def test_world_gets_what_is_put_there(cluster):
    tool = cluster.file("tool.sh", "#!/bin/sh\necho from the tool\n")
    os.chmod(tool, 0o755)
    options = {"put": {"/opt/tools/tool": tool, "/opt/all": cluster.work}, "small": {"/small": 1 << 20}, "environment": {"GREETING": "hello"}}
    with Worlds(1, options=lambda _: options) as worlds:
        world = worlds[0]
        assert world.run(["/opt/tools/tool"]).stdout == "from the tool\n"
        assert world.run(["ls", "/opt/all"]).stdout == "tool.sh\n"
        assert world.run(["sh", "-c", "echo x >>/opt/tools/tool"], code=None).returncode != 0
        assert world.run(["sh", "-c", "echo $GREETING"]).stdout == "hello\n"
        full = world.run(["dd", "if=/dev/zero", "of=/small/file", "bs=64k", "count=32"], code=1)
        assert "No space left" in full.stderr, full.stderr
        world.write("/root/a/b.txt", "text")
        assert world.run(["cat", "a/b.txt"]).stdout == world.read("/root/a/b.txt") == "text"
        assert world.run(["sh", "-c", "id -u"], user=1000, cwd="/tmp").stdout == "1000\n"


def test_program_in_a_world_passes_exit_code_and_signals(_cluster):
    with Worlds(1) as worlds:
        world = worlds[0]
        world.run(["sh", "-c", "exit 7"], code=7)
        world.run(["sh", "-c", "kill -9 $$"], code=-signal.SIGKILL)
        with contextlib.suppress(FileNotFoundError):
            world.run(["/no/such/program"])
            raise AssertionError("a missing program was run")
        child = world.popen(["sleep", "3600"])
        inner = wait_for("the program", lambda: [p for p, argv in world.pids().items() if argv == ["sleep", "3600"]])[0]
        assert world.inner_pid(inner) < 100
        child.terminate()
        assert child.wait(10) == -signal.SIGTERM
        wait_for("its end", lambda: not world.pids())
        child = world.popen(["sleep", "3600"])
        wait_for("the program", world.pids)
        child.kill()
        child.wait()
        wait_for("the end of a program whose forwarder was killed", lambda: not world.pids())


def test_loopback_and_ports_are_a_world_s_own(_cluster):
    with Worlds(2) as worlds:
        one, two = worlds
        with one.socket() as a, two.socket() as b, two.socket() as probe:
            for listener in (a, b):
                listener.bind(("127.0.0.1", 700))
                listener.listen()
            b.close()
            assert probe.connect_ex(("127.0.0.1", 700)) == errno.ECONNREFUSED
        near, far = connection(one, two)
        near.sendall(b"hello")
        assert far.recv(5) == b"hello"
        assert far.getpeername()[0] == one.ip
        assert one.run(["getent", "hosts", two.name]).stdout.split()[0] == two.ip
        with two.socket(socket.AF_INET6) as listener, one.socket(socket.AF_INET6) as caller:
            listener.bind((two.ip6, 701))
            listener.listen()
            caller.connect((two.ip6, 701))


def test_killed_world_loses_processes_and_files(_cluster):
    with Worlds(2) as worlds:
        one, two = worlds
        one.write("/root/only.txt", "x")
        child = one.popen(["sh", "-c", "setsid sleep 3601 & sleep 3602"])
        two.popen(["sleep", "3603"])
        inside = list(wait_for("three programs", lambda: len(one.pids()) == 3 and one.pids()))
        wait_for("the other's", two.pids)
        near, far = connection(two, one)
        gone = one.path("/root/only.txt")
        one.kill()
        assert not any(is_alive(pid) for pid in inside)
        assert not os.path.exists(gone) and one.pids() == {} and not one.is_up()
        assert child.wait(10) != 0
        assert len(two.pids()) == 1
        one.kill()  # once more is nothing


def test_cut_drops_both_ways_and_nobody_is_told(_cluster):
    with Worlds(3) as worlds:
        one, two, three = worlds
        near, far = connection(one, two)
        other, beside = connection(three, two, 701)
        one.cut()
        near.sendall(b"out")
        far.sendall(b"in")
        assert not comes(far, 0.5) and not comes(near, 0.5)  # no bytes, no end, no error
        with one.socket() as late:
            late.settimeout(0.5)
            with contextlib.suppress(TimeoutError):
                late.connect((two.ip, 701))
                raise AssertionError("connected through the cut")
        other.sendall(b"x")
        assert beside.recv(1) == b"x"
        one.heal()
        assert comes(far, 30) and far.recv(3) == b"out"
        assert comes(near, 30) and near.recv(2) == b"in"


def test_cut_ends_by_itself_after_its_seconds(_cluster):
    with Worlds(2) as worlds:
        one, two = worlds
        near, far = connection(one, two)
        one.cut(seconds=0.5)
        near.sendall(b"x")
        assert comes(far, 30) and far.recv(1) == b"x"


def test_cut_one_way_loses_only_that_direction(_cluster):
    with Worlds(2) as worlds:
        one, two = worlds
        ends = [world.socket(kind=socket.SOCK_DGRAM) for world in (one, two)]
        for end, world in zip(ends, (one, two)):
            end.bind((world.ip, 700))
        a, b = ends

        def comes_through(source, target, world):
            source.sendto(b"x", (world.ip, 700))
            return comes(target, 0.3) and target.recv(1) == b"x"

        def passes(*way):
            wait_for("a datagram that comes through", lambda: comes_through(*way), 10)

        passes(a, b, two)
        passes(b, a, one)
        one.cut("out")
        passes(b, a, one)
        assert not comes_through(a, b, two)
        one.heal()
        passes(a, b, two)
        one.cut("in")
        passes(a, b, two)
        assert not comes_through(b, a, one)
        one.heal()
        passes(b, a, one)


def test_cut_reject_fails_new_connections_at_once(_cluster):
    with Worlds(2) as worlds:
        one, two = worlds
        one.cut("reject")
        for here, there in ((one, two), (two, one)):
            with here.socket() as caller:
                caller.settimeout(10)
                assert caller.connect_ex((there.ip, 700)) in (errno.EHOSTUNREACH, errno.ENETUNREACH)
        one.heal()
        near, far = connection(one, two)
        near.sendall(b"x")
        assert far.recv(1) == b"x"


def delay_and_loss(link):
    with Worlds(2, options=lambda _: {"link": link}) as worlds:
        one, two = worlds
        one.delay(60)
        near, far = connection(one, two)
        began = time.monotonic()
        near.sendall(b"x")
        far.recv(1)
        assert time.monotonic() - began >= 0.055
        body = os.urandom(500_000)
        one.loss(5)
        one.delay(0)
        near.settimeout(60)
        child = os.fork()
        if child == 0:
            near.sendall(body)
            os._exit(0)
        got = b""
        while len(got) < len(body):
            assert comes(far, 30), f"{len(got)} bytes came"
            got += far.recv(1 << 16)
        os.waitpid(child, 0)
        assert got == body
        a, b = one.socket(kind=socket.SOCK_DGRAM), two.socket(kind=socket.SOCK_DGRAM)
        b.bind((two.ip, 700))
        one.loss(50)
        for _ in range(200):
            a.sendto(b"x", (two.ip, 700))
        came = 0
        while comes(b, 1):
            b.recv(1)
            came += 1
        assert 20 < came < 180, came
        one.loss(0)
        near.sendall(b"y")
        assert comes(far, 30) and far.recv(1) == b"y"


def test_delay_and_loss_by_netem_hold_up_a_link(_cluster):
    delay_and_loss("netem")


def test_delay_and_loss_by_a_program_hold_up_a_link(_cluster):
    delay_and_loss("wire")


def test_clock_of_a_world_can_be_ahead(_cluster):
    shim = os.path.join(BUILD, "tests/world/libclock_shift.so")
    if not os.path.exists(shim):
        raise Skip("this build has no libclock_shift.so")
    options = {"put": {"/opt/clock_shift.so": shim}, "environment": {"LD_PRELOAD": "/opt/clock_shift.so", "CLOCK_SHIFT_S": "3600"}}
    with Worlds(2, options=lambda i: options if i == 1 else {}) as worlds:
        here, ahead = (int(w.run([PYTHON, "-c", "import time; print(int(time.time()))"]).stdout) for w in worlds)
        assert 3590 < ahead - here < 3660, (here, ahead)


def test_world_with_a_foreign_root(cluster):
    if not shutil.which("cc"):
        raise Skip("no compiler for a program without libraries")
    root = os.path.join(cluster.root, "foreign")
    os.makedirs(os.path.join(root, "bin"))
    source = cluster.file("hello.c", '#include <stdio.h>\nint main(void) { puts("foreign"); return 0; }\n')
    subprocess.run(["cc", "-static", "-o", os.path.join(root, "bin/hello"), source], check=True)
    with Worlds(1, options=lambda _: {"root": root}) as worlds:
        assert worlds[0].run(["/bin/hello"]).stdout == "foreign\n"
        assert not os.path.exists(worlds[0].path(PYTHON))
        worlds[0].write("/bin/new", "x")
    assert os.listdir(os.path.join(root, "bin")) == ["hello"]


def test_two_groups_of_worlds_stand_side_by_side(_cluster):
    with Worlds(2) as first, Worlds(2) as second:
        a, b = connection(first[0], first[1])
        c, d = connection(second[0], second[1])
        first[0].cut()
        c.sendall(b"x")
        assert d.recv(1) == b"x"


HELD = """
import os, sys, signal
sys.path.insert(0, sys.argv[1])
from world import Worlds
with Worlds(2) as worlds:
    for world in worlds:
        world.popen(["setsid", "sleep", "3604"])
    worlds[0].delay(5)
    while not all(w.pids() for w in worlds):
        pass
    print(*[p for w in worlds for p in (w.init, w.outer, *w.pids())], worlds.switch, flush=True)
    signal.pause()
"""


def test_killed_test_leaves_nothing(_cluster):
    need_worlds()
    holder = subprocess.Popen([PYTHON, "-c", HELD, HERE], stdout=subprocess.PIPE, text=True)
    pids = [int(p) for p in holder.stdout.readline().split()]
    assert len(pids) >= 7 and all(is_alive(p) for p in pids), pids
    holder.kill()
    holder.wait()
    holder.stdout.close()
    wait_for("the end of every process of the worlds", lambda: not any(is_alive(p) for p in pids))
    with open("/proc/self/mountinfo") as file:
        assert " - tmpfs world " not in file.read()
    cards = os.listdir("/sys/class/net")
    assert not [c for c in cards if c.startswith(("port", "near", "far", "bridge"))], cards


UNPRIVILEGED = """
import sys
sys.path.insert(0, sys.argv[1])
from world import Skip, Worlds
try:
    with Worlds(2) as worlds:
        print(worlds[0].run(["id", "-u"]).stdout.strip(), worlds[0].run(["getent", "hosts", "world1"]).stdout.split()[0])
except Skip as why:
    print("SKIP", why)
"""


def test_ordinary_user_has_worlds_where_namespaces_allow(_cluster):
    if os.geteuid() != 0:
        raise Skip("all tests run as an ordinary user already")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        for name in ("world.py", "root.py", "kernel.py", "wire.py"):
            shutil.copy(os.path.join(HERE, name), folder)
        shutil.copy(os.path.join(HERE, "../e2e/cluster.py"), folder)
        done = subprocess.run([PYTHON, "-c", UNPRIVILEGED, folder], capture_output=True, text=True, cwd="/", timeout=60,
                              user=65534, group=65534, extra_groups=[])
        if done.stdout.startswith("SKIP"):
            raise Skip(done.stdout[5:].strip())
        assert done.stdout == "0 10.77.0.3\n", (done.stdout, done.stderr)


if __name__ == "__main__":
    run(globals())
