#!/usr/bin/env python3
"""Rounds of real processes under load and a fault each; afterwards everything that was acknowledged is compared with what is there.

usage: chaos.py [--rounds N] [--seed S] [--faults NAME,...] [--appendfsync no] [--keep]

A round: load, beside slow syncs in half of the rounds, until 50 completions and 50 reports a second are reached and held up to
the fault (else the round is void and repeated), the fault, its end, the load's end, the check. Ten rounds share a cluster. The seed is printed first; the same seed draws the same faults.
The last line is `N passed, N failed, N skipped`, of rounds."""
import argparse
import collections
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from checker import check, pages  # noqa: E402
from faults import Plan, inject, kinds  # noqa: E402
from load import Client, Gauge, Journal, Load, results_note  # noqa: E402
from rig import Rig, mounts_allowed, wait_for  # noqa: E402
from store_reader import Stored  # noqa: E402

LOAD_MIN = 50.0  # completions and reports a second
LOAD_S = 2.0  # held for so long before the fault, and for two syncs more: figures come with what is on disk
RAMP_S, RAMP_SYNCS = 15.0, 15
AFTER_S = 1.0  # the load goes on for so long after the cluster serves again
SERVES_S, DRAIN_S, LAZY_DRAIN_S = 120, 180, 20
VOIDS_MAX = 5  # of one round
ROUNDS_A_CLUSTER = 10
SHOWN_MAX = 20


class Void(Exception):
    pass


def load_reach(rig, fault):
    """Waits until the load is what it must be, and has been for as long as the fault waits: the rates at that moment, with the
    syncs as slow as they are then. Void after a while."""
    delay_s = fault["delay_ms"] / 1000
    gauge, until, rates, since = Gauge(rig), time.monotonic() + RAMP_S + RAMP_SYNCS * delay_s, None, None
    while time.monotonic() < until:
        gauge.look()
        rates = gauge.rates(LOAD_S + 2 * delay_s)
        if rates is None or min(rates) < LOAD_MIN:
            since = None
        else:
            since = since or time.monotonic()
            if time.monotonic() >= since + fault["lead_s"]:
                return rates
        time.sleep(0.25)
    raise Void(f"{rates[0]:.0f} completions/s, {rates[1]:.0f} reports/s" if rates else "no figures")


def is_quiet(rig):
    status = rig.try_get("/api/v1/status")
    return status is not None and status["store"] == "ok" and status["sweeps_active"] == 0 and not any(
        status[f"tasks_{state}"] for state in ("queued", "leased", "running", "stopping"))


def round_check(rig, journal, seen):
    client = Client(rig)

    def get(path):
        answer = wait_for(path, lambda: (a := client.once("GET", path)) and a[0] < 500 and a)
        return answer[1]

    results_note(journal, seen, pages(get, "/api/v1/tasks?state=ended"))
    return check(rig.journal, get, Stored(rig.state))


def one_round(rig, journal, seen, name, fault):
    """(operations checked so far on this cluster, violations, rates)."""
    wait_for("the cluster to serve", rig.serves, SERVES_S)
    load = Load(rig, journal, name, delay_ms=fault["delay_ms"])
    load.seen = seen
    load.start()
    try:
        rig.delay_set(fault["delay_ms"])
        rates = load_reach(rig, fault)
        was_hit = inject(rig, fault)
        wait_for("the cluster to serve again", rig.serves, SERVES_S)
        time.sleep(AFTER_S)
    finally:
        rig.delay_set(0)
        errors = load.stop()
    late = []
    try:
        # A store that was lost as a whole gives its numbers out again, to who still knows them: that need not end.
        wait_for("all to have ended", lambda: is_quiet(rig), DRAIN_S if rig.is_synced else LAZY_DRAIN_S)
    except AssertionError as why:
        late = [f"wrong: {why}"]
    operations, violations = round_check(rig, journal, seen)
    violations += late
    if not was_hit:
        violations.append("wrong: nobody was there to be hit")
    return operations, errors + violations, rates


class Run:
    def __init__(self, options):
        self.options = options
        self.may_mount = mounts_allowed()
        names = options.faults.split(",") if options.faults else kinds(self.may_mount)
        self.plan = Plan(options.seed, names)
        self.operations = collections.Counter()
        self.voids = self.slow = self.passed = self.lost = self.doubled = self.wrong = 0

    def fail(self, number, violations):
        for kind in ("lost", "doubled", "wrong"):
            found = sum(v.startswith(kind) for v in violations)
            setattr(self, kind, getattr(self, kind) + found)
        for violation in violations[:SHOWN_MAX]:
            print(f"  {violation}", flush=True)
        if len(violations) > SHOWN_MAX:
            print(f"  and {len(violations) - SHOWN_MAX} more", flush=True)

    def play(self, rig, journal, seen, number, before):
        """Plays a round until it is not void: (operations checked on this cluster so far, did it pass)."""
        fault = self.plan.next(number)
        what = fault["name"] + (f" {fault['hold_s']:.1f} s" if ":stop" in fault["name"] or "network" in fault["name"] else "")
        what += f", syncs {fault['delay_ms']} ms slower" if fault["delay_ms"] else ""
        for repeat in range(VOIDS_MAX):
            started = time.monotonic()
            try:
                operations, violations, rates = one_round(rig, journal, seen, f"r{number}.{repeat}", fault)
                break
            except Void as why:
                self.voids += 1
                print(f"round {number}: void, {what}; {why}", flush=True)
                wait_for("all to have ended", lambda: is_quiet(rig), DRAIN_S)
        else:
            print(f"round {number}: void {VOIDS_MAX} times: this machine is too slow now", flush=True)
            return before, False
        print(f"round {number}: {what}; {rates[0]:.0f} completions/s, {rates[1]:.0f} reports/s before it; {(operations - before).total()} operations, "
              f"{len(violations)} violations, {time.monotonic() - started:.1f} s", flush=True)
        self.slow += fault["delay_ms"] > 0
        if violations:
            self.fail(number, violations)
        return operations, not violations

    def cluster(self, first, count):
        """Up to ten rounds on one cluster; True: all passed."""
        rig = Rig(self.options.appendfsync, self.may_mount)
        rig.keep = self.options.keep
        operations = collections.Counter()
        try:
            journal, seen = Journal(rig.journal), set()
            rig.up_all()
            for number in range(first, first + count):
                operations, is_good = self.play(rig, journal, seen, number, operations)
                if not is_good:
                    print(rig.logs(), flush=True)
                    return False
                self.passed += 1
            return True
        except AssertionError as why:
            print(f"round {first + self.passed % ROUNDS_A_CLUSTER}: {why}\n{rig.logs()}", flush=True)
            return False
        finally:
            self.operations += operations
            left = rig.close()
            if left:
                print(f"still running: {left}", flush=True)

    def all(self):
        rounds = self.options.rounds
        for first in range(1, rounds + 1, ROUNDS_A_CLUSTER):
            if not self.cluster(first, min(ROUNDS_A_CLUSTER, rounds + 1 - first)):
                break
        failed = int(self.passed < rounds)
        print(", ".join(f"{n} {kind}" for kind, n in self.operations.most_common()))
        print(f"{self.operations.total()} acknowledged operations checked in {self.passed} rounds ({self.slow} with slow syncs, {self.voids} void): "
              f"{self.lost} lost, {self.doubled} doubled, {self.wrong} wrong; seed {self.options.seed}")
        print(f"{self.passed} passed, {failed} failed, {0 if self.may_mount else 1} skipped", flush=True)
        return failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--faults", help="only these, e.g. redis:kill,network:deaf")
    parser.add_argument("--appendfsync", help="Redis's policy instead of `always`: what the checker must find out")
    parser.add_argument("--keep", action="store_true", help="the clusters' folders stay")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    sys.exit(Run(options).all())


if __name__ == "__main__":
    main()
