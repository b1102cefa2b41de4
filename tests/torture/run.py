#!/usr/bin/env python3
"""Lets each allocation fail, one at a time, under the unit tests of the pure rooms and over the fuzzers' corpora.

usage: tests/torture/run.py BUILD [--density D] [--seconds S] [--jobs N] [--only TEXT]

BUILD has AddressSanitizer (preset asan). Density 0: every allocation. D: every one up to the D-th of a test, then ever fewer:
a sample; no test and no run of one takes longer than S seconds then (2). What a finding is, is said in every_allocation.c. A test that is cut short, or
that cannot be tortured, is named and counts as skipped. The last line counts test programs and corpora: N passed, N failed, N skipped."""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOMS = ("base", "lines", "schema", "spec", "sys", "work", "net", "scheduler", "tune", "head/core", "worker/core")
RUNS = re.compile(r"^runs (\d+) findings (\d+)$", re.M)
FAILED = re.compile(r"\((\d+) inputs, (\d+) failed allocations\)")
# The sanitizer's own handlers, not cmocka's: a crash must not look like a test that failed.
SANITIZER = "handle_segv=2:handle_sigbus=2:handle_sigfpe=2:handle_sigill=2:handle_abort=2:detect_leaks=0:allocator_may_return_null=1"


def programs(build, only):
    shown = json.loads(subprocess.check_output(["ctest", "--test-dir", build, "--show-only=json-v1"]))
    for test in shown["tests"]:
        name, command = test["name"], test.get("command", [])
        room = name.removeprefix("unit/").rsplit("/", 1)[0]
        if command and (only is None or only in name) and (room in ROOMS or room == "fuzz"):
            yield name, command


def run(name, command, density, seconds):
    started = time.monotonic()
    environment = dict(os.environ, ASAN_OPTIONS=SANITIZER)
    if "/fuzz/" in name:
        # A leak is found by our own count.
        command = [command[0], "--fail", str(density), *command[1:]]
    else:
        environment["MUSTER_TORTURE"] = str(density)
        if density:
            environment["MUSTER_TORTURE_S"] = str(seconds)
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text = done.stdout.decode("utf-8", "replace")
    found = RUNS.search(text)
    fired = FAILED.search(text)
    runs = int(found[1]) if found else int(fired[2]) if fired else 0
    is_bad = done.returncode != 0 or (found is None and fired is None)
    return name, is_bad, runs, text, time.monotonic() - started


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--density", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--only")
    options = parser.parse_args()
    tests = list(programs(options.build, options.only))
    failed = total = skipped = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for future in concurrent.futures.as_completed([pool.submit(run, name, command, options.density, options.seconds) for name, command in tests]):
            name, is_bad, runs, text, seconds = future.result()
            failed += is_bad
            total += runs
            print(f"{'FAILED' if is_bad else 'ok':6} torture/{name:40} {runs:7} runs  {seconds:.1f} s", flush=True)
            skips = re.findall(r"^SKIP .*$", text, re.M)
            skipped += len(skips)
            for line in skips:
                print("       " + line)
            if is_bad:
                print("       | " + "\n       | ".join(text.splitlines()[-80:]))
    print(f"{total} allocations failed, one at a time")
    print(f"{len(tests) - failed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not total else 0


if __name__ == "__main__":
    sys.exit(main())
