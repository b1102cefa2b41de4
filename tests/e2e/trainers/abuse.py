"""A trainer that misbehaves as its first argument says."""
import os
import signal
import socket
import subprocess
import sys
import time

import muster

how = sys.argv[1]


def raw():
    s = socket.socket(socket.AF_UNIX)
    s.connect(os.environ["MUSTER_SOCKET"])
    return s


if how == "crash":
    print("about to crash", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)
elif how == "exit":
    print("the reason is here", file=sys.stderr, flush=True)
    sys.exit(3)
elif how == "hang":
    time.sleep(3600)
elif how == "garbage":
    s = raw()
    s.sendall(os.urandom(4096) + b"\n{\n[1]\n" + b"x" * 200000)
    with muster.trial() as t:
        t.report(step=1, loss=1.0)
elif how == "nan":
    with muster.trial() as t:
        while t.next(until=3):
            t.report(loss=float("nan"))
elif how == "forks":
    for i in range(5):
        subprocess.Popen(["sleep", "3600"], start_new_session=i % 2 == 0)
    subprocess.Popen(["env", "-i", "setsid", "sh", "-c", "sleep 3601 & sleep 3602"], start_new_session=True)
    with muster.trial() as t:
        t.report(step=1, loss=1.0)
elif how == "flood":
    line = "y" * 1023 + "\n"
    for _ in range(64 * 1024):
        sys.stdout.write(line)
    with muster.trial() as t:
        t.report(step=1, loss=1.0)
elif how == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with muster.trial() as t:
        t.report(step=1, loss=1.0)
        while True:
            time.sleep(1)
