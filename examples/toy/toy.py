#!/usr/bin/env python3
"""The toy problem of population-based training (Jaderberg et al. 2017, section 4.1, figure 2), in Python.

The true objective Q(x) = 1.2 - (x0^2 + x1^2) is not seen by the trainer: it climbs the surrogate 1.2 - (h0 x0^2 + h1 x1^2), whose
hyperparameters h decide which way it goes. Neither of (1, 0) and (0, 1) reaches the top alone; a population that copies weights
and hyperparameters does.

    python3 toy.py                       by itself
    muster sweep run toy-py.yaml         as a sweep

Parameters: h0, h1, steps (200), lr (0.01), step_ms (0): how long a step takes at least. With --no-exploit it says that it cannot
exploit in place."""
import json
import os
import sys
import time

try:
    import muster
except ImportError:  # by itself, from the source tree
    sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../client/python"))
    import muster

DEFAULTS = {"h0": 1.0, "h1": 0.0, "steps": 200, "lr": 0.01, "step_ms": 0.0}


def load(t):
    """(parameters, weights): those of the trial as it is now."""
    x = [0.9, 0.9]
    if t.restore:
        with open(os.path.join(t.restore, "toy.json")) as file:
            x = json.load(file)["x"]
    return muster.Params({**DEFAULTS, **t.params}), x


def save(t, p, x):
    if t.save_due:
        with t.save() as folder, open(os.path.join(folder, "toy.json"), "w") as file:
            json.dump({"step": t.step, "x": x, "h": [p.h0, p.h1]}, file)


def main():
    can = ("checkpoint", "pause") if "--no-exploit" in sys.argv else ("checkpoint", "pause", "exploit")
    with muster.trial(DEFAULTS, can=can) as t:
        p, x = load(t)
        while t.next(until=p.steps):
            if t.changed:
                p, x = load(t)
                print(f"exploit: from step {t.step - 1}", flush=True)
            if p.step_ms > 0:
                time.sleep(p.step_ms / 1000)
            x = [x[0] - 2 * p.lr * p.h0 * x[0], x[1] - 2 * p.lr * p.h1 * x[1]]
            q = 1.2 - (x[0] * x[0] + x[1] * x[1])
            save(t, p, x)
            t.report(q=q, h0=p.h0, h1=p.h1)
            print(f"step {t.step}  q {q:.6f}", flush=True)
            save(t, p, x)  # a checkpoint of the weights that were reported, before they are left or given up


if __name__ == "__main__":
    main()
