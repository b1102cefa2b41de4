#!/usr/bin/env python3
"""docs/START.md as a newcomer follows it: every command of the page, on three machines that have the bundle and nothing else of
ours. `scp` is a copy between the machines; everything else is run as it stands there."""
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys

from cluster import BUILD, SLOW, SOURCE, Skip, run

sys.path.insert(0, os.path.join(SOURCE, "tests/world"))
from world import Worlds  # noqa: E402

NAMES = ("alpha", "beta", "gamma")
BLOCK = re.compile(r"^```sh\n# on (.*?)\n(.*?)^```$", re.S | re.M)
SCP = re.compile(r"^scp (\w+):(\S+) (\S+)$")
BLOCK_SECONDS = 120


def page():
    """[(names, commands)] in order. A block that names no machine would not be run: there is none."""
    with open(os.path.join(SOURCE, "docs/START.md")) as file:
        text = file.read()
    found = [(re.findall(r"alpha|beta|gamma", names), commands) for names, commands in BLOCK.findall(text)]
    assert len(found) == text.count("```sh") == text.count("```") // 2 and all(names for names, _ in found), "a block does not say where it is run"
    return found


class Shell:
    """One shell of a machine, which stays between the blocks."""

    def __init__(self, world):
        self.world = world
        self.log = open(os.path.join(world.worlds.folder, world.name + ".log"), "w+")
        self.process = world.popen(["bash", "--norc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.count = 0
        self.run("set -em")

    def run(self, commands):
        """What they printed; all of them must succeed."""
        self.count += 1
        name, mark = f"/root/.block{self.count}", f"--- end of block {self.count} ---"
        self.world.write(name, commands + "\n")
        self.process.stdin.write(f". {name} </dev/null\necho\necho '{mark}'\n")
        self.process.stdin.flush()
        text = ""
        for line in self.process.stdout:
            if line.rstrip("\n") == mark:
                return text[:-1]
            text += line
        self.log.seek(0)
        raise AssertionError(f"{self.world.name}: a command of this block failed:\n{commands}\n--- it printed\n{text}\n--- stderr\n{self.log.read()[-3000:]}")

    def close(self):
        """The end of its input ends it; where it does not, its machine does."""
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.stdout.close()
        self.log.close()


def block_run(shells, name, commands):
    """The commands of a block; `scp` lines are copies."""
    shell, text, part = shells[name], "", []
    for line in commands.splitlines() + [None]:
        copy = SCP.match(line) if line else None
        if line is not None and not copy:
            part.append(line)
            continue
        text += shell.run("\n".join(part)) if part else ""
        part = []
        if copy:
            source, path, target = copy.groups()
            folder = shell.run("pwd").strip()
            shutil.copy(shells[source].world.path(os.path.join("/root", path)), shell.world.path(os.path.join(folder, target)))
    return text


def test_start_page_leads_to_a_sweep_over_three_machines(cluster):
    if SLOW > 1:
        raise Skip("a bundle is not made of a build with sanitizers")
    blocks = page()
    tar = os.environ.get("MUSTER_TEST_BUNDLE")
    if not tar:
        tar = subprocess.run([os.path.join(SOURCE, "scripts/bundle"), BUILD], check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1]
    worlds = Worlds(len(NAMES), list(NAMES))
    worlds.folder = cluster.root
    with worlds:
        for world in worlds:
            shutil.copy(tar, world.path("/root/"))
        shells = {world.name: Shell(world) for world in worlds}
        said = {}
        try:
            for number, (names, commands) in enumerate(blocks):
                for name in names:
                    said[number, name] = block_run(shells, name, commands)
                if "until [" in commands:
                    nodes = json.loads(shells["alpha"].run("muster node list -o json"))["items"]
                    assert len(nodes) == 3 and all(node["state"] == "alive" for node in nodes), nodes
                if "--columns" in commands:
                    sweep = json.loads(shells["alpha"].run("muster sweep show -o json"))
                    trials = json.loads(shells["alpha"].run("muster trial list -o json"))["items"]
                    assert sweep["state"] == "done" and len(trials) == sweep["asked"] == 40, sweep
                    assert len({trial["node"] for trial in trials}) == 3, f"not on all machines: {sorted({trial['node'] for trial in trials})}"
                    assert sum(sweep[word] for word in ("done", "stopped")) == 40, sweep
            text = "\n".join(said.values())
            assert "step 3 of" in text and " on " in text, "the task of step 7 said nothing"
            assert re.search(r"^3 done \{.*'rate'", said[len(blocks) - 3, "gamma"], re.M), said[len(blocks) - 3, "gamma"]
        finally:
            for shell in shells.values():
                shell.close()
        for world in worlds:
            assert not world.pids(), f"still running on {world.name}: {world.pids()}"


if __name__ == "__main__":
    run(globals())
