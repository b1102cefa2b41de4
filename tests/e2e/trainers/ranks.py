#!/usr/bin/env python3
"""A trial of several ranks, and a record of what each of them was told: ranks.py FOLDER STEPS PAUSE [--hang RANK STEP] [--die RANK STEP].

Ranks do not wait for one another but through muster, and take steps of different lengths: whoever is ahead, all must be told the
same at the same step. Each rank keeps a part of the weights, and finds its own again in every snapshot. What it was told goes
into FOLDER/<trial>.<attempt>.<rank>, a JSON line each."""
import json
import os
import random
import signal
import sys
import time

import muster

folder, steps, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
faults = {sys.argv[i]: (int(sys.argv[i + 1]), int(sys.argv[i + 2])) for i in range(4, len(sys.argv), 3)}
steps = int(os.environ.get("MUSTER_P_steps", steps))


def fault_here(name, rank, step):
    return faults.get(name) == (rank, step) and os.environ.get("MUSTER_ATTEMPT_NUMBER") == "0"


with muster.trial(defaults={"x": 0.5}, can=("checkpoint", "pause", "exploit")) as t:
    record = open(os.path.join(folder, f"{t.id}.{os.environ.get('MUSTER_ATTEMPT_NUMBER')}.{t.rank}"), "a", buffering=1)
    draw = random.Random(t.rank)

    def tell(**what):
        record.write(json.dumps(what) + "\n")

    def load(done):
        parts = [json.load(open(os.path.join(t.restore, name))) for name in sorted(os.listdir(t.restore)) if name.startswith("part")]
        assert [part["rank"] for part in parts] == list(range(t.world)), parts
        assert {part["step"] for part in parts} == {done}, (parts, done)
        return parts[t.rank]["weight"]

    def save():
        with t.save() as into:
            with open(os.path.join(into, f"part.{t.rank:03}"), "w") as file:
                json.dump({"rank": t.rank, "step": t.step, "weight": weight}, file)
        tell(saved=t.step)

    weight = load(t.step) if t.restore else 0.0
    tell(start=t.step, weight=weight, world=t.world, pid=os.getpid(), port=os.environ.get("MASTER_PORT"),
         peers=os.environ.get("MUSTER_PEERS"), local=os.environ.get("LOCAL_RANK"), size=os.environ.get("WORLD_SIZE"))
    while t.next(until=steps):
        if t.changed:
            weight = load(t.step - 1)
            tell(exploit=t.step - 1, weight=weight, x=t.params["x"])
        time.sleep(pause * draw.random())
        weight += t.params["x"]
        if fault_here("--hang", t.rank, t.step):
            tell(hangs=t.step)
            signal.pause()
        if fault_here("--die", t.rank, t.step):
            tell(dies=t.step)
            os.kill(os.getpid(), signal.SIGKILL)
        if t.save_due:
            save()
        acts = t.report(loss=abs(t.params["x"] - 0.3) + 1 / t.step, weight=weight)
        tell(step=t.step, acts=acts)
    if t.save_due:
        save()
    tell(end=t.step)
    print(f"rank {t.rank} has ended")
