#!/usr/bin/env python3
"""Lets each allocation fail, one at a time, under the unit tests of the pure rooms and over the fuzzers' corpora.

usage: tests/torture/run.py BUILD [--density N|all] [--seconds S] [--jobs N] [--only TEXT]

BUILD has AddressSanitizer and failpoints (preset asan). Density N (4): of each test and input up to N allocations of each distinct stack
that asks for memory, its first and its last among them. all, or 0: every allocation. Seconds: what a test may take (20; 0: as long as it
takes, as with all). What a finding is, is said in every_allocation.c. A test that is cut short, or that cannot be tortured, is named and
counts as skipped. The last line counts test programs and corpora: N passed, N failed, N skipped."""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOMS = ("base", "schema", "spec", "sys", "lines", "work", "net", "scheduler", "tune", "head/core", "worker/core")
RUNS = re.compile(r"^runs (\d+) findings (\d+) ", re.M)
COUNTED = re.compile(r"\ballocations (\d+) stacks (\d+)$", re.M)
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
        if seconds:
            environment["MUSTER_TORTURE_S"] = str(seconds)
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text = done.stdout.decode("utf-8", "replace")
    found = RUNS.search(text)
    fired = FAILED.search(text)
    runs = int(found[1]) if found else int(fired[2]) if fired else 0
    counts = [sum(column) for column in zip((0, 0), *((int(a), int(b)) for a, b in COUNTED.findall(text)))]
    is_bad = done.returncode != 0 or (found is None and fired is None)
    return name, is_bad, runs, counts, text, time.monotonic() - started


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--density", type=lambda text: 0 if text == "all" else int(text), default=4)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 2))  # many tests wait more than they work
    parser.add_argument("--only")
    options = parser.parse_args()
    if options.seconds is None:
        options.seconds = 20 if options.density else 0
    tests = list(programs(options.build, options.only))
    failed = total = allocations = stacks = skipped = 0
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for future in concurrent.futures.as_completed([pool.submit(run, name, command, options.density, options.seconds) for name, command in tests]):
            name, is_bad, runs, counts, text, seconds = future.result()
            failed += is_bad
            total += runs
            allocations += counts[0]
            stacks += counts[1]
            print(f"{'FAILED' if is_bad else 'ok':6} torture/{name:40} {runs:7} runs  {seconds:.1f} s", flush=True)
            skips = re.findall(r"^SKIP .*$", text, re.M)
            skipped += len(skips)
            for line in skips:
                print("       " + line)
            if is_bad:
                print("       | " + "\n       | ".join(text.splitlines()[-80:]))
    print(f"{total} allocations failed, one at a time, of {allocations} by {stacks} stacks, in {(time.monotonic() - started) / 60:.1f} minutes")
    print(f"{len(tests) - failed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not total else 0


if __name__ == "__main__":
    sys.exit(main())
