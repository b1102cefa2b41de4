"""The scheduler alone: 50 shapes of request on thousands of nodes; a decision as nodes and queue grow."""
import json
import os
import subprocess

from place import BUILD, result

PROGRAM = os.path.join(BUILD, "bench/bench_scheduler")
FITS = 20  # items that a node has room for, on average; a few more are queued than fit
NODES = (10, 100, 1000, 10000)


def program(*arguments):
    text = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, check=True).stdout
    return {line["what"]: line for line in map(json.loads, text.splitlines())}


def run(options):
    fill = program("fill", 5000, 100000)
    result("scheduler", "100,000 requests of 50 shapes onto 5,000 nodes", round(fill["placements"]["value"]), "1/s", f"target 100,000/s; {fill['placements']['beside']}")
    result("scheduler", "queueing one", round(fill["queue one item"]["value"], 2), "us")
    what = "an end, the next one's queueing and the placements it allows"
    full = program("churn", 5000, 350000)
    result("scheduler", "5,000 full nodes: placements as items end", round(full["placements in a full cluster"]["value"]), "1/s", full[what]["beside"])
    times = {nodes: program("churn", nodes, nodes * FITS + 100000)[what]["value"] for nodes in NODES}
    result("scheduler", "one end and what it allows, 100,000 waiting, by nodes", ", ".join(f"{nodes}: {us:.1f}" for nodes, us in times.items()), "us", "50 shapes wait")
    deep = {items: program("churn", 1000, 1000 * FITS + items)[what]["value"] for items in (1000, 100000, 1000000)}
    result("scheduler", "the same on 1,000 nodes, by items that wait", ", ".join(f"{items}: {us:.1f}" for items, us in deep.items()), "us", "memory is read from afar as the queue outgrows the caches")
