#!/usr/bin/env python3
"""The same seeds in several builds (optimised, sanitized, another compiler): the hash of all that happened is equal.

usage: tests/sim/replay.py BUILD BUILD... [--seeds N]"""
import argparse
import os
import re
import subprocess
import sys


def hashes(build, seeds):
    program = os.path.join(build, "sim/muster-sim")
    done = subprocess.run([program, "--hash", "--seeds", str(seeds)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    found = re.findall(r"^\d+ [0-9a-f]{16}$", done.stdout, re.M)
    if done.returncode != 0 or len(found) != seeds:
        sys.exit(f"{program}: exit {done.returncode}, {len(found)} of {seeds} seeds")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("builds", nargs="+")
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    first = hashes(options.builds[0], options.seeds)
    for build in options.builds[1:]:
        for mine, other in zip(first, hashes(build, options.seeds)):
            if mine != other:
                sys.exit(f"seed {mine.split()[0]}: {options.builds[0]} and {build} differ: compare their --seed {mine.split()[0]} --trace")
        print(f"{build}: {options.seeds} seeds as in {options.builds[0]}")


if __name__ == "__main__":
    main()
