#!/usr/bin/env python3
"""Runs every fuzzer for a while, two at a time, and says what each did.

usage: tests/fuzz/run.py BUILD [--seconds N] [--jobs N] [--only NAME ...] [--keep FOLDER]

Inputs to begin with are the committed corpus and what seeds.py makes. What a fuzzer finds is kept in BUILD/findings, with the
sanitizer's report beside it; new inputs stay in FOLDER if one is named, for the next run. The last line counts fuzzers:
N passed, N failed, N skipped."""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
EXECUTED = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
NEW = re.compile(r"stat::new_units_added:\s*(\d+)")
INPUT_SECONDS = 60  # one input may not take longer, on a busy machine
MEMORY_MB = 2048
TAIL_BYTES = 256 * 1024


def tail(path):
    """The end of a log. All of one may be gigabytes, and what this process once took counts for the fuzzers it starts then
    (ru_maxrss is inherited), as if they had taken it."""
    with open(path, "rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
        return file.read().decode(errors="replace")


def fuzz(fuzzer, options, seeds, work):
    name = fuzzer.name.removeprefix("fuzz_")
    findings = options.build / "findings"
    findings.mkdir(exist_ok=True)
    corpus = work / name
    corpus.mkdir(parents=True, exist_ok=True)
    command = [fuzzer, f"-max_total_time={options.seconds}", f"-timeout={INPUT_SECONDS}", f"-rss_limit_mb={MEMORY_MB}",
               f"-artifact_prefix={findings}/{name}-", "-print_final_stats=1", corpus]
    dictionary = HERE / f"{name}.dict"
    if dictionary.exists():
        command.insert(1, f"-dict={dictionary}")
    command += [folder for folder in (HERE / "corpus" / name, seeds / name) if folder.is_dir()]
    started = time.monotonic()
    log = findings / f"{name}.log"
    with open(log, "wb") as out:
        # Its own limits end it; this is for a machine that stands still.
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                              timeout=options.seconds + 20 * INPUT_SECONDS, preexec_fn=lambda: os.nice(5))
    text = tail(log)
    executed, new = EXECUTED.search(text), NEW.search(text)
    if done.returncode == 0:
        log.unlink()
    return name, done.returncode, int(executed[1]) if executed else 0, int(new[1]) if new else 0, time.monotonic() - started, text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*", help="these fuzzers alone")
    parser.add_argument("--keep", type=pathlib.Path, help="where new inputs stay")
    options = parser.parse_args()
    options.build = options.build.resolve()
    fuzzers = sorted(f for f in (options.build / "fuzzers").glob("fuzz_*") if f.name != "fuzz_seeds")
    if options.only:
        fuzzers = [f for f in fuzzers if f.name.removeprefix("fuzz_") in options.only]
    temporary = pathlib.Path(tempfile.mkdtemp(prefix="muster-fuzz-"))
    failed = 0
    try:
        seeds = temporary / "seeds"
        subprocess.run([sys.executable, HERE / "seeds.py", options.build / "fuzzers", seeds], check=True)
        work = options.keep.resolve() if options.keep else temporary / "corpus"
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            runs = [pool.submit(fuzz, fuzzer, options, seeds, work) for fuzzer in fuzzers]
            for run in concurrent.futures.as_completed(runs):
                name, code, executed, new, seconds, text = run.result()
                is_bad = code != 0 or executed == 0
                failed += is_bad
                print(f"{'FAILED' if is_bad else 'ok':6} fuzz/{name:12} {executed:9} executions, {new:5} new inputs, {seconds:.0f} s", flush=True)
                if is_bad:
                    print("       | " + "\n       | ".join(text.splitlines()[-60:]))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    print(f"{len(fuzzers) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not fuzzers else 0


if __name__ == "__main__":
    sys.exit(main())
