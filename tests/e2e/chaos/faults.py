"""What is done to the cluster, drawn from a seed. A fault is a function of the rig that begins it, holds it and takes it back."""
import contextlib
import os
import random
import signal
import time

from rig import is_alive, wait_for

TARGETS = ("head", "redis", "worker", "trainer", "supervisor")
SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "term": signal.SIGTERM}
NETWORKS = ("deaf", "dumb", "slices", "frozen", "reset", "half-open")
STOP_MIN_S, STOP_MAX_S = 1.0, 30.0
NETWORK_MAX_S = 12.0
FULL_S = 5.0
LEAVE_S = 60  # a drain takes its time
SYNC_DELAY_MIN_MS, SYNC_DELAY_MAX_MS = 100, 3000


def kinds(has_disk):
    """Every kind of fault that this machine allows."""
    names = [f"{target}:{what}" for target in TARGETS for what in SIGNALS] + [f"network:{mode}" for mode in NETWORKS]
    return names + (["disk:full"] if has_disk else [])


def spread(draw, low, high):
    """As often between 1 and 3 as between 10 and 30."""
    return low * (high / low) ** draw.random()


class Plan:
    """The faults of a run: a deck of all kinds, shuffled anew when it is empty; each second round has slow syncs beside its fault."""

    def __init__(self, seed, names):
        self.seed, self.names = seed, names
        self.draw = random.Random(f"deck {seed}")
        self.deck = []

    def next(self, number):
        if not self.deck:
            self.deck = list(self.names)
            self.draw.shuffle(self.deck)
        name = self.deck.pop()
        draw = random.Random(f"round {self.seed} {number}")
        return {
            "name": name,
            "hold_s": spread(draw, STOP_MIN_S, NETWORK_MAX_S if name.startswith("network") else STOP_MAX_S),
            "delay_ms": round(spread(draw, SYNC_DELAY_MIN_MS, SYNC_DELAY_MAX_MS)) if number % 2 == 0 else 0,
            "lead_s": draw.random(),
            "pick": draw.random(),
        }


def target_pids(rig, target, pick):
    """Who is hit: of workers and trainers one of those there are."""
    if target == "trainer":
        found = sorted(rig.attempts())
    elif target == "worker":
        found = [pid for pid in (rig.pid("worker"), rig.far.pid if rig.far else None) if pid]
    else:
        found = [pid for pid in [rig.pid(target)] if pid]
    return [found[int(pick * len(found))]] if found else []


def hit(rig, fault):
    """Hits one process; True: there was one."""
    target, what = fault["name"].split(":")
    until = time.monotonic() + 10
    while time.monotonic() < until:
        for pid in target_pids(rig, target, fault["pick"]):
            try:
                os.kill(pid, SIGNALS[what])
            except ProcessLookupError:
                continue  # it has just ended by itself
            if what != "stop":
                wait_for(f"the end of the {target}", lambda: not is_alive(pid), LEAVE_S)
                return True
            time.sleep(fault["hold_s"])
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
            return True
        time.sleep(0.02)
    return False


def network(rig, fault):
    mode = fault["name"].split(":")[1]
    if mode == "reset":
        rig.proxy.reset()
    elif mode == "half-open":
        rig.proxy.half_open()
    else:
        rig.proxy.set(mode)
        time.sleep(fault["hold_s"])
        rig.proxy.set("plain")
    return True


def disk(rig, _fault):
    """No byte is left under the state folder for a while."""
    path = os.path.join(rig.disk, "ballast")
    with open(path, "wb") as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * (1 << 20))
                file.flush()
    time.sleep(FULL_S)
    os.unlink(path)
    return True


def inject(rig, fault):
    kind = fault["name"].split(":")[0]
    return {"network": network, "disk": disk}.get(kind, hit)(rig, fault)
