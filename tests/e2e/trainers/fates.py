"""A trainer whose fate depends on the node it runs on. usage: fates.py FATE NODES [SECONDS]

FATE is what happens on the nodes NODES (a comma between two, `all`: everywhere): `fail` prints a traceback of its own and leaves
with 3, `once` does so in a trial's first attempt only, `eat:MB` takes so many MiB, `grow:MB` so many and then ten a second, `burst:MB`
all at once. Elsewhere, and if it lives, it reports once a tenth of a second until SECONDS are over."""
import os
import sys
import time

import muster

fate, nodes = sys.argv[1], sys.argv[2].split(",")
seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 0.2
node = os.environ["MUSTER_TRIAL_DIR"].split("/nodes/")[1].split("/")[0]
is_hit = nodes == ["all"] or node in nodes

if is_hit and (fate == "fail" or (fate == "once" and os.environ["MUSTER_ATTEMPT_NUMBER"] == "0")):
    print(f"step {os.getpid()} is as far as it gets", file=sys.stderr)
    print(f"OSError: [Errno 5] cannot read /mnt/{node}/data-{os.getpid()}.bin at 0x{os.getpid():x}", file=sys.stderr, flush=True)
    sys.exit(3)

block = bytearray()
fate, _, size = fate.partition(":")
if is_hit and fate in ("eat", "grow"):
    for _ in range(int(size)):
        block += b"\xa5" * (1 << 20)
        time.sleep(0.002)
if is_hit and fate == "burst":
    block = b"\xa5" * (int(size) << 20)

with muster.trial() as t:
    end = time.monotonic() + seconds
    step = 0
    while time.monotonic() < end:
        step += 1
        t.report(step=step, loss=1.0 / step)
        if is_hit and fate == "grow":
            block += b"\xa5" * (1 << 20)
        time.sleep(0.1)
