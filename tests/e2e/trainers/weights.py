"""A trainer whose weights know where they come from: `mb` MiB of bytes that are made of who trained them last and at which step, with a checksum
that is proven at each load. It reports `maker`, the index of the trial that did the step before, and `came`, 1 in the first step after a load.

With --no-exploit it says that it cannot go on from another trial's weights in place."""
import json
import os
import sys
import time
import zlib

import muster

DEFAULTS = {"x": 0.5, "steps": 40, "pause": 0.05, "mb": 1}


def block_of(maker, step):
    return f"{maker}@{step}".encode().ljust(1024, b".") * 1024


def load(t):
    """(index of the trial that made these weights, is it a load)"""
    if not t.restore:
        return None
    with open(os.path.join(t.restore, "state.json")) as file:
        state = json.load(file)
    assert state["step"] == t.step or t.changed, (state, t.step)
    crc = 0
    with open(os.path.join(t.restore, "weights/blob"), "rb") as file:
        while block := file.read(1 << 20):
            assert block == block_of(state["maker"], state["step"])
            crc = zlib.crc32(block, crc)
    assert crc == state["crc"], "these weights are not what was saved"
    print("loaded", state["maker"], state["step"], flush=True)
    return state["maker"]


def save(t, p):
    if not t.save_due:
        return
    with t.save() as folder:
        block, crc = block_of(own, t.step), 0
        os.mkdir(os.path.join(folder, "weights"))
        with open(os.path.join(folder, "weights/blob"), "wb") as file:
            for _ in range(int(p.mb)):
                file.write(block)
                crc = zlib.crc32(block, crc)
        with open(os.path.join(folder, "state.json"), "w") as file:
            json.dump({"step": t.step, "maker": own, "crc": crc}, file)


can = ("checkpoint", "pause") if "--no-exploit" in sys.argv else ("checkpoint", "pause", "exploit")
with muster.trial(DEFAULTS, can=can) as t:
    own = int(os.environ["MUSTER_TRIAL"].split(".")[1])
    p = muster.Params({**DEFAULTS, **t.params})
    loaded = load(t)
    maker = own if loaded is None else loaded
    while t.next(until=p.steps):
        if t.changed:
            p = muster.Params({**DEFAULTS, **t.params})
            loaded = load(t)
            maker = loaded
        time.sleep(p.pause)
        save(t, p)
        t.report(loss=abs(p.x - 0.3) + 1.0 / t.step, maker=maker, came=int(loaded is not None), x=p.x)
        maker, loaded = own, None
    save(t, p)
