#!/usr/bin/env python3
"""Runs the tests of a build folder and counts them one by one.

usage: tests/run.py BUILD [--label LABEL] [--without LABEL] [--jobs N] [--totals FILE]

Several run side by side, those of the highest COST first. A test program says what it ran: cmocka's lines for C, `ok NAME`,
`FAIL NAME` and `SKIP NAME: why` for scripts. A program that dies counts as one failure beside what it said. The last line is
`N passed, N failed, N skipped`."""
import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time

CMOCKA = re.compile(r"^\[\s*(OK|FAILED|SKIPPED)\s*\]\s+(?!\d+ test\(s\))(.+?)\s*$", re.M)
SCRIPT = re.compile(r"^(ok|FAIL|SKIP) (\S+)(.*)$", re.M)
WORD = {"OK": "passed", "ok": "passed", "FAILED": "failed", "FAIL": "failed", "ERROR": "failed", "SKIPPED": "skipped", "SKIP": "skipped"}
WORST_LAST = ["passed", "skipped", "failed"]


def tests_of(build, label, without):
    shown = json.loads(subprocess.check_output(["ctest", "--test-dir", build, "--show-only=json-v1"]))
    for test in shown["tests"]:
        properties = {p["name"]: p["value"] for p in test.get("properties", [])}
        labels = properties.get("LABELS", [])
        if "command" in test and (label is None or label in labels) and without not in labels:
            yield test["name"], test["command"], properties


def outcomes(text):
    """{name: word} of every test a program spoke of; of several words of one name the worst counts: one that skipped a part was skipped."""
    found = {}
    for word, name in [*CMOCKA.findall(text), *(line[:2] for line in SCRIPT.findall(text))]:
        found[name] = max(found.get(name, "passed"), WORD[word], key=WORST_LAST.index)
    return found


def run(test):
    name, command, properties = test
    environment = dict(os.environ)
    for pair in properties.get("ENVIRONMENT", []):
        key, _, value = pair.partition("=")
        environment[key] = value
    started = time.monotonic()
    try:
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              cwd=properties.get("WORKING_DIRECTORY"), timeout=properties.get("TIMEOUT", 300))
        text, code = done.stdout.decode("utf-8", "replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        text, code = (late.stdout or b"").decode("utf-8", "replace") + "\ntimed out", -1
    found = outcomes(text)
    if not found and code == 0 and command[0].endswith(("python3", "sh")):
        found[name] = "passed"  # a check that says nothing of its parts
    if not found and code == properties.get("SKIP_RETURN_CODE"):
        found[name], code = "skipped", 0
    if code != 0 and "failed" not in found.values():
        found[f"{name} (exit {code})"] = "failed"
    if not found:
        found[f"{name} (ran no test)"] = "failed"
    return name, found, text, time.monotonic() - started


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--label")
    parser.add_argument("--without", help="a label whose tests are left out")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--totals", help="append the three numbers to this file")
    options = parser.parse_args()
    tests = sorted(tests_of(options.build, options.label, options.without), key=lambda test: -test[2].get("COST", 0))
    totals = {"passed": 0, "failed": 0, "skipped": 0}

    def report(result):
        name, found, text, seconds = result
        counts = {word: list(found.values()).count(word) for word in totals}
        for word in totals:
            totals[word] += counts[word]
        print(f"{'FAILED' if counts['failed'] else 'ok':6} {name:44} {counts['passed']:4} passed"
              + (f", {counts['failed']} failed" if counts["failed"] else "")
              + (f", {counts['skipped']} skipped" if counts["skipped"] else "") + f"  {seconds:.1f} s", flush=True)
        for line in text.splitlines():
            if line.startswith("SKIP ") or "[  SKIPPED ] test" in line:
                print("       " + line)
        if counts["failed"]:
            print("       | " + "\n       | ".join(text.splitlines()[-150:]))

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for ended in concurrent.futures.as_completed([pool.submit(run, test) for test in tests]):
            report(ended.result())
    if options.totals:
        with open(options.totals, "a") as file:
            file.write(f"{totals['passed']} {totals['failed']} {totals['skipped']}\n")
    print(f"{totals['passed']} passed, {totals['failed']} failed, {totals['skipped']} skipped")
    return 1 if totals["failed"] or not totals["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
