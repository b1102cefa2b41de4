"""A trainer that saves at each step and reports what VALUES says of its trial: a list for each trial, a value for each step. At step GATE_STEP it
waits, saved and reported, until there is a file GATE."""
import json
import os
import time

import muster

values = json.loads(os.environ["VALUES"])
with muster.trial() as t:
    own = values[int(os.environ["MUSTER_TRIAL"].split(".")[1]) - 1]
    while t.next(until=len(own)):
        with t.save() as folder, open(os.path.join(folder, "state.json"), "w") as file:
            json.dump({"step": t.step}, file)
        t.report(loss=own[t.step - 1])
        while t.step == int(os.environ["GATE_STEP"]) and not os.path.exists(os.environ["GATE"]):
            time.sleep(0.01)
