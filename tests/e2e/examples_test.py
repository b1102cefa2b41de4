#!/usr/bin/env python3
"""The examples as somebody would run them: each sweep file is one, and a small run of each trainer that other tests do not run ends well."""
import glob
import json
import os
import shutil

from cluster import BUILD, SOURCE, Skip, run

EXAMPLES = os.path.join(SOURCE, "examples")


def example(cluster, name):
    """A copy of the example's folder, whose files run this build's programs; the path of a sweep file of it."""
    folder = os.path.dirname(name)
    target = os.path.join(cluster.work, folder)
    if not os.path.isdir(target):
        shutil.copytree(os.path.join(EXAMPLES, folder), target)
    path = os.path.join(cluster.work, name)
    with open(path) as file:
        text = file.read().replace("../../build/release/examples", os.path.join(BUILD, "examples"))
    with open(path, "w") as file:
        file.write(text)
    return path


def sets(**values):
    return [word for name, value in values.items() for word in ("--set", f"{name.replace('__', '.')}={value}")]


def test_examples_sweep_files_are_good(cluster):
    later = []
    for path in sorted(glob.glob(os.path.join(EXAMPLES, "*/*.yaml"))):
        done = cluster.run("check", example(cluster, os.path.relpath(path, EXAMPLES)), code=None)
        if "is not supported by this version" in done.stderr:
            later.append(os.path.basename(path))
        else:
            assert done.returncode == 0, (path, done.stderr)
    if later:
        raise Skip(f"all others are; this version does not know what {', '.join(later)} need")


def ran(cluster, name, trials, **values):
    """The sweep's trials, each of which ended well."""
    cluster.run("sweep", "run", example(cluster, name), *sets(stop__trials=trials, **values), seconds=240)
    items = cluster.trials(1)
    assert len(items) == trials and all(t["outcome"] in ("done", "stopped") for t in items), items
    return items


def test_chars_learns_and_stops_early(cluster):
    if not os.path.isdir("/usr/share/common-licenses"):
        raise Skip("there is no /usr/share/common-licenses here")
    items = ran(cluster, "chars/asha.yaml", 6, parameters__steps=9, parameters__updates=2, parameters__width=32, schedule__min=1, schedule__max=9)
    best = json.loads(cluster.run("sweep", "best", "1", "-o", "json").stdout)
    # 96 symbols of equal chance would be 6.58 bits, the letters' frequencies alone are about 4.5.
    assert best["best"]["metrics"]["val_bits"] < 5.5, best
    assert any(t["outcome"] == "stopped" for t in items) and any(t["step"] == 9 for t in items), items


def test_digits_in_shell_learns_and_stops_early(cluster):
    items = ran(cluster, "digits/digits-sh.yaml", 6)
    best = json.loads(cluster.run("sweep", "best", "1", "-o", "json").stdout)
    assert best["best"]["metrics"]["val_loss"] < 1.5, best
    assert any(t["outcome"] == "stopped" for t in items), items


if __name__ == "__main__":
    run(globals())
