#!/usr/bin/env python3
"""The simulator: its kept seeds hold, it replays bit for bit, and it finds bugs that were put in on purpose.

usage: tests/sim/sim_test.py [test_name]"""
import os
import re
import subprocess
import sys
import tempfile

BUILD = os.environ["MUSTER_TEST_BUILD"]
SOURCE = os.environ["MUSTER_TEST_SOURCE"]
SIM = os.path.join(BUILD, "sim/muster-sim")
PLANTED = os.path.join(BUILD, "sim/muster-sim-planted")
SEEDS_TO_FIND = 200
# Those that task arrays can show, which no trial is part of.
ARRAY_BUGS = ("acknowledge_early", "skip_epoch", "forget_attempt", "timers_first", "give_twice")


def sim(program, *words):
    done = subprocess.run([program, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def events(text):
    """Without the first line: it names the commit."""
    return text.split("\n", 1)[1]


def test_seeds_kept_and_first_hold():
    code, out, err = sim(SIM, "--kept", os.path.join(SOURCE, "tests/sim/seeds.txt"), "--seeds", "20")
    assert code == 0, (out[-2000:], err[-2000:])
    assert re.search(r"each seed >= \d{5,} while things break", out) and "; 0 violations" in out, out[-500:]


def test_header_names_commit_seed_and_options_first():
    code, out, _ = sim(SIM, "--seed", "3", "--events", "100")
    assert code == 0 and re.match(r"muster-sim \S+: --seed 3 --events 100\n", out), out[:200]


def test_seed_run_twice_gives_the_same_trace():
    first, again = (sim(SIM, "--seed", "5", "--trace") for _ in range(2))
    assert first[0] == 0 and len(first[1].splitlines()) > 1000, first[2]
    assert first[1] == again[1]


def test_seed_run_by_a_build_without_optimisation_gives_the_same_trace():
    shipped, other = (sim(program, "--seed", "5", "--trace") for program in (SIM, PLANTED))
    assert shipped[0] == other[0] == 0, (shipped[2], other[2])
    assert events(shipped[1]) == events(other[1])


def test_seeds_run_by_any_number_of_processes_give_the_same_hashes():
    one, three = (sim(SIM, "--hash", "--seeds", "6", "--from", "11", "--jobs", jobs) for jobs in ("1", "3"))
    assert one[0] == three[0] == 0, (one[2], three[2])
    hashes = [re.findall(r"^\d+ [0-9a-f]{16}$", out, re.M) for _, out, _ in (one, three)]
    assert hashes[0] == hashes[1] and len(set(hashes[0])) == 6, hashes


def kept_file(text):
    with tempfile.NamedTemporaryFile("w", suffix=".txt", delete=False) as file:
        file.write(text)
    return file.name


def test_kept_seed_is_run_with_the_options_of_its_line():
    path = kept_file("# comment\n\n7\n7 --arrays what it showed, of -- all things\n7 --events 9000 --arrays\n7 of no --option\n")
    try:
        code, out, err = sim(SIM, "--kept", path, "--seeds", "0", "--hash", "--events", "1000")
    finally:
        os.unlink(path)
    assert code == 0 and "4 seeds (4 kept)" in out, (out[-500:], err[-500:])
    hashes = re.findall(r"^7 ([0-9a-f]{16})$", out, re.M)
    alone = [re.search(r"hash ([0-9a-f]{16})", sim(SIM, "--seed", "7", *words)[1])[1] for words in (
        ["--events", "1000"], ["--arrays", "--events", "1000"], ["--arrays", "--events", "9000"], ["--events", "1000"])]
    assert hashes == alone and len(set(hashes)) == 3, (hashes, alone)


def test_kept_line_that_says_something_else_is_refused():
    for line, says in (("x", "a line begins with a seed"), ("-3", "a line begins with a seed"), ("7 --array", "behind a seed stand"),
                       ("7 --arraysx", "behind a seed stand"), ("7 --events", "behind a seed stand"), ("7 --events x", "behind a seed stand")):
        path = kept_file(f"5\n{line}\n")
        code, _, err = sim(SIM, "--kept", path, "--seeds", "0")
        os.unlink(path)
        assert code == 2 and f"{path}:2: {says}" in err, (line, code, err)


def found(bug, *words):
    """Turns one bug on: a seed has to fail, and soon."""
    code, out, err = sim(PLANTED, "--plant", bug, "--seeds", str(SEEDS_TO_FIND), *words)
    match = re.search(rf"^{bug}: found after (\d+) seeds", out, re.M)
    assert code == 1 and match and "FAILED" in err, (code, out[-500:], err[-500:])
    print(f"   {bug}{' in arrays' if words else ''}: found after {match[1]} seeds: " + err.strip().splitlines()[0])


def test_planted_acknowledgement_before_the_reply_is_found():
    found("acknowledge_early")


def test_planted_skip_of_the_epoch_check_is_found():
    found("skip_epoch")


def test_planted_forgotten_attempt_check_is_found():
    found("forget_attempt")


def test_planted_timers_before_decoding_are_found():
    found("timers_first")


def test_planted_second_release_of_resources_is_found():
    found("give_twice")


def test_planted_exploit_of_a_member_without_a_snapshot_is_found():
    found("exploit_nothing")


def test_planted_exploit_of_hyperparameters_without_weights_is_found():
    found("exploit_half")


def test_planted_deletion_of_a_snapshot_that_another_trial_goes_on_from_is_found():
    found("drop_lent")


def test_planted_leave_of_a_node_that_alone_has_a_snapshot_is_found():
    found("leave_early")


def test_planted_exploit_that_is_called_off_by_half_is_found():
    found("call_off_half")


def test_planted_start_of_a_part_before_the_others_are_ready_is_found():
    found("start_alone")


def test_planted_trial_that_leaves_parts_of_its_attempt_behind_is_found():
    found("leave_parts")


def test_planted_reset_of_the_step_of_taken_over_weights_is_found():
    found("reset_step")


def test_planted_values_out_of_range_are_found():
    found("explore_out")


def test_planted_whole_numbers_cut_down_to_zero_are_found():
    found("explore_to_zero")


def test_planted_place_that_is_kept_after_a_stop_is_found():
    found("keep_slot")


def test_planted_deletion_of_a_snapshot_that_its_trial_keeps_is_found():
    found("drop_kept")


def test_planted_bugs_are_found_in_task_arrays_alone():
    for bug in ARRAY_BUGS:
        found(bug, "--arrays")


def test_seeds_of_task_arrays_alone_hold():
    code, out, err = sim(SIM, "--arrays", "--seeds", "10", "--from", "301")
    assert code == 0 and "; 0 violations" in out, (out[-1000:], err[-2000:])


def test_planted_bugs_are_all_tried_and_not_in_what_ships():
    _, names, _ = sim(SIM, "--plant", "list")
    with open(__file__, encoding="utf-8") as file:
        text = file.read()
    assert len(names.split()) == 17 and all(f'found("{name}")' in text for name in names.split()), names
    code, _, err = sim(SIM, "--plant", names.split()[0])
    assert code == 2 and "muster-sim-planted" in err, (code, err)
    for archive in ("head/core/libmuster_head_core.a", "worker/core/libmuster_worker_core.a", "tune/libmuster_tune.a"):
        symbols = subprocess.run(["nm", os.path.join(BUILD, archive)], capture_output=True, text=True, check=True).stdout
        assert "planted" not in symbols, archive


def test_options_that_make_no_sense_are_refused():
    for words, says in ((["--seeds", "x"], "'x' is no number"), (["--trace"], "usage:"), (["--nonsense"], "usage:"), (["--kept", "/nowhere"], "/nowhere: ")):
        code, _, err = sim(SIM, *words)
        assert code == 2 and says in err, (words, code, err)


def main():
    wanted = sys.argv[1:]
    failed = 0
    for name, test in list(globals().items()):
        if not name.startswith("test_") or (wanted and name not in wanted):
            continue
        try:
            test()
            print(f"ok {name}", flush=True)
        except AssertionError as error:
            failed += 1
            print(f"FAIL {name}: {error}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
