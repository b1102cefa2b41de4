"""A trainer that reports a step every `pause` seconds and saves when it is asked to; its result is a function of its
parameters, so that a broken-off sweep and an unbroken one can be compared. Writes each step it trains to steps.log."""
import json
import os
import time

import muster


def save(t):
    if t.save_due:
        with t.save() as folder, open(os.path.join(folder, "state.json"), "w") as file:
            json.dump({"step": t.step}, file)


with muster.trial({"x": 0.5, "steps": 9, "pause": 0.05}) as t:
    done = 0
    if t.restore:
        with open(os.path.join(t.restore, "state.json")) as file:
            done = json.load(file)["step"]
        assert done == t.step, (done, t.step)
    while t.next(until=t.params.steps):
        time.sleep(t.params.pause)
        save(t)
        t.report(loss=abs(t.params.x - 0.3) + 1.0 / t.step)
    save(t)  # told to leave: what was trained since the last one
