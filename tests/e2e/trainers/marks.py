"""A trainer that proves where and how often it ran. It writes its mark under the same relative path as every other trial and
reads it back at each step (where the work folder is shared: in the attempt's own folder), reports a step every `pause`
seconds, and breaks with a traceback where `fails` says so. One that leaves abruptly says no good-bye: it does not wait for
the head."""
import os
import sys
import time

import muster

MARK = os.environ["MUSTER_TRIAL"] + " " + os.environ["MUSTER_ATTEMPT_NUMBER"]

with muster.trial() as t:
    print("mark", MARK, "pid", os.getpid(), flush=True)
    if t.params.get("fails") == "first" and MARK.endswith(" 0"):
        print(f"on {os.uname().nodename}", file=sys.stderr, flush=True)
        raise RuntimeError(f"the first attempt of {MARK.split()[0]} breaks on purpose")
    if t.params.get("folder") == "shared":
        os.chdir(os.environ["MUSTER_TRIAL_DIR"])
    while t.next(until=t.params.steps):
        with open("mark.txt", "w" if t.step == 1 else "a") as file:
            file.write(MARK + "\n")
        time.sleep(t.params.pause)
        with open("mark.txt") as file:
            others = {line for line in file.read().splitlines() if line != MARK}
        assert not others, f"{MARK} finds the marks of {others}"
        t.report(loss=abs(t.params.x - 0.3) + 1.0 / t.step)
    if t.params.get("leaves") == "abruptly":
        os._exit(0)
