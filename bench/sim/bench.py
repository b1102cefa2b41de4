"""What 10,000 nodes with 100,000 running trials cost the head's core: its processor time a simulated second."""
import os
import subprocess

from place import BUILD, result


def bench_sim():
    program = os.path.join(BUILD, "sim/muster-sim")
    text = subprocess.run([program, "--nodes", "10000", "--trials", "100000", "--seconds", "20"], check=True, capture_output=True, text=True).stdout
    for line in text.splitlines()[1:]:
        what, value, unit = line[:43].strip(), *line[43:].split(None, 1)
        result("sim", what, float(value), unit, "limit 0.5 s" if what == "head_core" else "")


def run(options):
    bench_sim()
