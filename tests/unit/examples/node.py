"""A node for one trainer: a played agent that keeps snapshots and gives the orders of its plan, and the trainer's process.

    node = Node([DIGITS, DATA], params={"lr": 0.1}, plan={3: PAUSE | CHECKPOINT}, save=[3])
    node.run()          # one attempt, to the end of its process
    node.rows           # [(step, {name: value})]
    node.snapshots      # {step: folder}

Every report is a milestone, so that its answer is there before the next step. An agent's side that does not like what it reads
fails run()."""
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading

SOURCE = os.environ.get("MUSTER_TEST_SOURCE", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.."))
BUILD = os.environ.get("MUSTER_TEST_BUILD", os.path.join(SOURCE, "build/release"))
CHECKPOINT, PAUSE, STOP, EXPLOIT = 1, 2, 4, 8
DEADLINE = 300


class Node:
    def __init__(self, command, params, plan=(), save=(), seed=7, donor=None, checkpoints="rung"):
        """plan {step: act bits}; save: steps whose snapshot is wanted before their report; donor: (params, folder, step) for an exploit."""
        self.command, self.params, self.seed, self.donor = command, dict(params), seed, donor
        self.plan, self.save, self.checkpoints = dict(plan), sorted(save), checkpoints
        self.restore, self.step = None, 0
        self.rows, self.snapshots, self.byes, self.can, self.output, self.exploits = [], {}, [], None, "", 0
        self.folder = tempfile.mkdtemp(prefix="muster-node-")
        self.open_save = None
        self.error = None
        self.lock = threading.Lock()

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- what is answered ----

    def ahead(self):
        last = self.rows[-1][0] if self.rows else self.step
        wanted = [step for step in self.save if step > max(last, self.step)]
        return {"milestone": 0, "save": wanted[0] if wanted and "checkpoint" in (self.can or ()) else None}

    def start(self):
        return {"ok": 1, "act": 0, "params": self.params, "restore": self.restore, "step": self.step, **self.ahead()}

    def on_hello(self, body, message):
        self.can = sorted({*(self.can or ()), *message["can"]})
        return {**self.start(), "act": self.in_force, "trial": "1.1", "attempt": 0, "seed": self.seed}

    def on_report(self, body, message):
        if self.reported and body["step"] <= self.reported[-1]:
            return {"ok": 0, "error": "bad_step", "text": f"{body['step']} after {self.reported[-1]}"}
        self.reported.append(body["step"])
        self.rows.append((body["step"], body["m"]))
        bits = self.plan.pop(body["step"], 0)
        self.in_force |= bits & ~CHECKPOINT  # an order is repeated until it is obeyed
        return {"ok": 1, "act": bits | self.in_force, **self.ahead()}

    def on_save(self, body, message):
        self.open_save = (body["step"], tempfile.mkdtemp(prefix="save-", dir=self.folder))
        return {"ok": 1, "dir": self.open_save[1]}

    def on_commit(self, body, message):
        if self.open_save is None or self.open_save[0] != body["step"]:
            return {"ok": 0, "error": "not_now", "text": "no save of this step began"}
        target = os.path.join(self.folder, f"{body['step']}.{len(self.snapshots)}")
        os.rename(self.open_save[1], target)
        self.snapshots[body["step"]] = target
        self.open_save = None
        return {"ok": 1, "id": "1.1@1.1"}

    def on_exploit(self, body, message):
        self.in_force &= ~EXPLOIT
        if self.donor is None:
            return {"ok": 0, "error": "not_now", "text": "no exploit was ordered"}
        self.params, self.restore, self.step = self.donor
        self.rows.append((self.step, {}))  # where the weights changed
        self.reported = [self.step]
        self.donor = None
        self.exploits += 1
        return self.start()

    def on_bye(self, body, message):
        self.byes.append(body)
        return {"ok": 1}

    # ---- the socket and the process ----

    def serve(self, connection):
        try:
            with connection, connection.makefile("rb") as file:
                for line in file:
                    message = json.loads(line)
                    kind = next(iter(message))
                    with self.lock:
                        answer = getattr(self, "on_" + kind)(message[kind], message)
                    connection.sendall(json.dumps(answer).encode() + b"\n")
        except (ConnectionError, TimeoutError):
            pass
        except Exception as error:
            self.error = error

    def accept(self, listener):
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def environment(self, path):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
        values = {"MUSTER_P_" + name: value if isinstance(value, str) else json.dumps(value) for name, value in self.params.items()}
        return {**kept, **values, "MUSTER_SOCKET": path, "MUSTER_PARAMS": json.dumps(self.params), "MUSTER_SEED": str(self.seed),
                "MUSTER_CHECKPOINTS": self.checkpoints, "PYTHONPATH": os.path.join(SOURCE, "client/python"), "PYTHONDONTWRITEBYTECODE": "1",
                "LD_LIBRARY_PATH": os.path.join(BUILD, "client"), "PATH": kept.get("PATH", "/usr/bin:/bin") + ":" + os.path.join(BUILD, "cli")}

    def run(self, restore=None, step=0, code=0):
        """One attempt, from `restore` on; self."""
        self.restore, self.step = restore, step
        self.reported, self.in_force = [step] if restore else [], 0
        path = os.path.join(self.folder, "s")
        if os.path.exists(path):
            os.unlink(path)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(16)
            threading.Thread(target=self.accept, args=(listener,), daemon=True).start()
            done = subprocess.run(self.command, env=self.environment(path), cwd=self.folder, stdin=subprocess.DEVNULL, text=True,
                                  capture_output=True, timeout=DEADLINE)
            listener.shutdown(socket.SHUT_RDWR)
        self.output = done.stdout + done.stderr
        assert done.returncode == code, f"exit {done.returncode}, not {code}\n{self.output}"
        if self.error is not None:
            raise self.error
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
