"""A cluster whose head, workers and submitter are each in a world of their own.

The submitter speaks HTTPS with the head, and has a token and the head's CA. On failure the last lines of every daemon's log
are printed."""
import contextlib
import http.client
import json
import os
import ssl
import sys

from world import Worlds

from cluster import BUILD, MUSTER, SLOW, SOURCE, is_alive, wait_for

STATE = "/var/lib/muster"
PROGRAM = "/opt/muster/bin/muster"
TRAINERS = "/opt/trainers"
WORK = "/home/work"
LISTEN_PORT, HTTP_PORT, REDIS_PORT = 7700, 7780, 6379
ENDED = ("done", "failed", "cancelled")


class Fleet:
    """`nodes` worlds with a worker each, named node1 and so on. `external`: the store is a Redis in a world of its own.
    `more` are names of further worlds without a daemon, `node_options(number)` more arguments of a node's World (number from 1),
    and `program`, if its worker is another muster than that of this build; `put` is for every world but those with a foreign root;
    `arguments(number)` are more words for its worker. Without `start` no worker is started."""

    def __init__(self, nodes=3, cpus=2, external=False, more=(), node_options=None, put=None, head_arguments=(),
                 arguments=lambda number: [], start=True):
        self.names = ["head", "submitter"] + [f"node{i + 1}" for i in range(nodes)] + (["store"] if external else []) + list(more)
        self.cpus, self.external, self.head_arguments, self.arguments, self.start = cpus, external, list(head_arguments), arguments, start
        self.address = "head"  # where workers join
        self.programs = {}  # muster's path, by the world's name
        shared = {PROGRAM: MUSTER, "/opt/muster/share/muster/python": os.path.join(SOURCE, "client/python"),
                  TRAINERS: os.path.join(SOURCE, "tests/e2e/trainers"), **(put or {})}

        def options(number):
            own = dict(node_options(number - 1) if node_options and self.names[number].startswith("node") else {})
            self.programs[self.names[number]] = own.pop("program", PROGRAM)
            own["put"] = {**({} if "root" in own else shared), **own.get("put", {})}
            return own

        self.worlds = Worlds(len(self.names), self.names, options)
        self.by_name = dict(zip(self.names, self.worlds))
        self.head, self.submitter = self.by_name["head"], self.by_name["submitter"]
        self.nodes = [self.by_name[f"node{i + 1}"] for i in range(nodes)]
        self.daemons = {}  # what was started last, by a name
        self._connection = None

    def __enter__(self):
        self.worlds.__enter__()
        try:
            if self.external:
                self.redis_start()
            self.head_start()
            wait_for("a serving head", lambda: self.daemons["head"].poll() is not None or self.try_read(self.head, STATE + "/current"))
            assert self.daemons["head"].poll() is None, "the head left"
            self.token = self.head.read(STATE + "/keys/token").strip()
            self.join_key = self.head.read(STATE + "/keys/join")
            wait_for("an answering head", lambda: self.try_get("/api/v1/status"))
            self.submitter.write("/root/ca.crt", self.head.read(STATE + "/keys/ca.crt"))
            self.submitter.write(WORK + "/.here", "")
            if self.start:
                self.workers_start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            with contextlib.suppress(Exception):
                print(self.logs() + self.failures())
        self.worlds.__exit__()
        for child in self.daemons.values():
            child.wait()

    def workers_start(self):
        for node in self.nodes:
            self.worker_start(node)
        wait_for("all nodes", lambda: self.nodes_alive() == len(self.nodes))

    # ---- daemons ----

    def daemon(self, world, name, argv, **options):
        """A program in the background; its words go to /var/log/<name>.log of its world."""
        os.makedirs(world.path("/var/log"), exist_ok=True)
        with open(world.path(f"/var/log/{name}.log"), "a") as log:
            self.daemons[name] = world.popen(argv, stdout=log, stderr=log, **options)
        return self.daemons[name]

    def said(self, world, name):
        return world.read(f"/var/log/{name}.log")

    def store_url(self):
        return f"redis://:secret@{self.by_name['store'].ip}:{REDIS_PORT}"

    def redis_start(self):
        """The program is redis-check-rdb under another name where only redis-tools is installed."""
        store = self.by_name["store"]
        store.run(["sh", "-c", "mkdir -p /opt/redis /var/lib/redis && "
                   "cp $(command -v redis-server || command -v redis-check-rdb) /opt/redis/redis-server"])
        return self.daemon(store, "redis", ["/opt/redis/redis-server", "--bind", "0.0.0.0", "--port", str(REDIS_PORT), "--dir", "/var/lib/redis",
                                            "--requirepass", "secret", "--appendonly", "yes", "--appendfsync", "always", "--save", ""])

    def head_argv(self, *more):
        store = ["--store", self.store_url()] if self.external else []
        return [PROGRAM, "head", "--state", STATE, "--listen", f"tcp://0.0.0.0:{LISTEN_PORT}", "--http", f"0.0.0.0:{HTTP_PORT}",
                "--http-name", "head", *store, *self.head_arguments, *more]

    def head_start(self, world=None, name="head"):
        return self.daemon(world or self.head, name, self.head_argv())

    def worker_start(self, node, *more, **options):
        if not os.path.exists(node.path("/root/join")):
            node.write("/root/join", self.join_key)
            os.chmod(node.path("/root/join"), 0o600)
        return self.daemon(node, node.name, [self.programs[node.name], "worker", "--join", f"tcp://{self.address}:{LISTEN_PORT}", "--key-file", "/root/join",
                                             "--state", STATE, "--cpus", str(self.cpus), *self.arguments(self.nodes.index(node) + 1), *more],
                           **options)

    def pid(self, role, world=None):
        """The pid here of the process that holds a role's lock in a world's state folder."""
        world = world or self.head
        with contextlib.suppress(OSError, ValueError, IndexError):
            inner = int(world.read(f"{STATE}/run/{role}.lock").split()[0])
            for pid in world.pids():
                with contextlib.suppress(OSError, StopIteration):
                    if world.inner_pid(pid) == inner and is_alive(pid):
                        return pid
        return None

    # ---- HTTP ----

    def _connect(self):
        """A connection to the head, through its own loopback: also while its network is cut."""
        trust = ssl.create_default_context(cadata=self.head.read(STATE + "/keys/ca.crt"))
        made = http.client.HTTPSConnection("head", HTTP_PORT, timeout=20)
        plain = self.head.socket()
        plain.settimeout(20)
        try:
            plain.connect(("127.0.0.1", HTTP_PORT))
            made.sock = trust.wrap_socket(plain, server_hostname="head")
        except BaseException:
            plain.close()
            raise
        return self.head, made

    def http(self, method, path, body=None):
        """(status, text) of one request. The connection is kept; one that turns out to be stale is made anew, once."""
        for is_last in (False, True):
            if self._connection is None or self._connection[0] is not self.head:
                self._connection, is_last = self._connect(), True
            try:
                self._connection[1].request(method, path, body, {"Authorization": "Bearer " + self.token})
                answer = self._connection[1].getresponse()
                return answer.status, answer.read().decode("utf-8", "replace")
            except (OSError, http.client.HTTPException):
                self._connection[1].close()
                self._connection = None
                if is_last:
                    raise

    def get(self, path):
        status, text = self.http("GET", path)
        assert status == 200, (path, status, text)
        return json.loads(text)

    def try_get(self, path):
        """As get(), None while the head is away."""
        with contextlib.suppress(OSError, ValueError, KeyError, AssertionError, http.client.HTTPException):
            return self.get(path)
        return None

    @staticmethod
    def try_read(world, path):
        with contextlib.suppress(OSError):
            return world.read(path)
        return None

    def nodes_alive(self):
        return (self.try_get("/api/v1/status") or {}).get("nodes_alive")

    def node(self, name):
        return next((n for n in self.get("/api/v1/nodes")["items"] if n["name"] == name), None)

    def sweep_of(self, number):
        return self.get(f"/api/v1/sweeps/{number}")

    def trials(self, number):
        return self.get(f"/api/v1/sweeps/{number}/trials")["items"]

    def evidence(self, trial):
        return self.get(f"/api/v1/trials/{trial}/attempts")["items"]

    def rows(self, trial):
        return self.get(f"/api/v1/trials/{trial}/metrics")["items"]

    def has_ended(self, number):
        state = (self.try_get(f"/api/v1/sweeps/{number}") or {}).get("state")
        assert state != "paused", f"sweep {number} paused by itself"
        return state in ENDED

    # ---- the submitter ----

    def muster(self, *arguments, **options):
        """The command on the submitter's machine."""
        return self.submitter.run([PROGRAM, *arguments], cwd=WORK, **options, env={
            "MUSTER_HEAD": f"https://head:{HTTP_PORT}", "MUSTER_TOKEN": self.token, "MUSTER_CA": "/root/ca.crt"})

    def submit(self, text, name="sweep.yaml"):
        self.submitter.write(f"{WORK}/{name}", text)
        return int(self.muster("sweep", "run", "-d", name).stdout)

    # ---- proof ----

    def attempts(self):
        """{pid here: (node, trial, attempt)} of the trainers that run."""
        found = {}
        for node in self.nodes:
            for pid in node.pids():
                with contextlib.suppress(OSError, ValueError):
                    with open(f"/proc/{pid}/environ", "rb") as file:
                        variables = dict(pair.split("=", 1) for pair in file.read().decode("utf-8", "replace").split("\0") if "=" in pair)
                    if "MUSTER_TRIAL" in variables:
                        found[pid] = (node.name, variables["MUSTER_TRIAL"], int(variables["MUSTER_ATTEMPT_NUMBER"]))
        return found

    def wait_ended(self, number, seconds=60):
        wait_for(f"the end of sweep {number}", lambda: self.has_ended(number), seconds)
        return self.sweep_of(number), self.trials(number)

    def check_counted_once(self, number, trials):
        """Every trial ended once, with one accepted completion, and of each attempt every report once and in order."""
        sweep, items = self.sweep_of(number), self.trials(number)
        assert sweep["state"] == "done" and sweep["asked"] == trials, sweep
        assert sweep["done"] + sweep["stopped"] == trials and sweep["failed"] == 0, sweep
        assert len(items) == trials and len({t["id"] for t in items}) == trials
        for trial in items:
            assert trial["state"] == "ended" and trial["outcome"] in ("done", "stopped"), trial
            evidence = self.evidence(trial["id"])
            numbers = [a["attempt"] for a in evidence]
            assert numbers == sorted(set(numbers)), (trial["id"], numbers)
            # The last attempt's end is the trial's; of those before it none was accepted.
            assert numbers[-1] == trial["attempts"] - 1, (trial, evidence)
            for lost in evidence[:-1]:
                assert lost["cause"] != "exit" or lost["exit_code"] != 0, (trial["id"], evidence)
            seen = {}
            for row in self.rows(trial["id"]):
                seen.setdefault(row["attempt"], []).append(row["seq"])
            for attempt, sequence in seen.items():
                assert sequence == sorted(set(sequence)), (trial["id"], attempt, sequence)
        return sweep, items

    def failures(self):
        """Nodes and sweeps as the head sees them, and the evidence of the first trials that failed once."""
        text = ""
        shown = {"nodes": ("name", "state", "cordoned", "running", "heard"),
                 "sweeps": ("id", "state", "asked", "running", "done", "stopped", "failed")}
        for what, keys in shown.items():
            for item in (self.try_get("/api/v1/" + what) or {}).get("items", []):
                text += f"--- {what}: " + " ".join(f"{k}={item.get(k)}" for k in keys) + "\n"
        trials = (self.try_get("/api/v1/trials?limit=1000") or {}).get("items", [])
        for trial in [t["id"] for t in trials if t["failures"] or t["outcome"] == "failed"][:3]:
            text += f"--- trial {trial}: {json.dumps(self.try_get(f'/api/v1/trials/{trial}/attempts'))}\n"
        return text

    def logs(self):
        text = ""
        for world in self.worlds:
            if not world.is_up():
                text += f"--- {world.name}: is gone\n"
                continue
            for folder in ("/var/log", STATE + "/logs"):
                with contextlib.suppress(OSError):
                    for name in sorted(os.listdir(world.path(folder))):
                        lines = world.read(f"{folder}/{name}").splitlines()[-25:]
                        text += f"--- {world.name}: {folder}/{name}\n" + "".join(line + "\n" for line in lines)
        return text


__all__ = ["BUILD", "ENDED", "Fleet", "PROGRAM", "SLOW", "STATE", "TRAINERS", "WORK", "is_alive", "wait_for"]
