#!/usr/bin/env python3
"""Makes inputs to begin with for each fuzzer: from the sweep files of examples/, from our own tables (fuzz_seeds), archives by
Python's tarfile, a server's answers as Redis gives them.  usage: tests/fuzz/seeds.py FUZZERS FOLDER"""
import io
import os
import pathlib
import random
import re
import struct
import subprocess
import sys
import tarfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]


def put(folder, kind, name, data):
    path = folder / kind
    path.mkdir(parents=True, exist_ok=True)
    (path / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def texts(folder, kind, items):
    for number, item in enumerate(items):
        put(folder, kind, f"text-{number}", item)


WHOLE = """name: whole
command: [train, "${args}", "--dir=${trial.dir}"]
env: {A: "${lr}", B: x}
metric: {name: loss, goal: minimize, target: 0.1}
parameters:
  lr: {min: 1e-4, max: 1e-1, log: true}
  layers: {min: 1, max: 8, step: 2}
  opt: {values: [sgd, adamw, 3, true, 0.5]}
  fixed: 7
search: {method: random, seed: 3}
schedule: {type: asha, min: 1, max: 27, eta: 3}
stop: {trials: 30, wall: 2h, failures: 5}
retries: {max: 2, backoff: 10s}
resources: {cpus: 1.5, gpus: 1, memory: 2G, custom: {licence: 1}, require: ["zone == a", "ssd"]}
checkpoints: {on: [rung], keep_last: 2}
timeouts: {trial: 1h, silent: 10m, grace: 30s}
queue: {priority: 3}
"""


def sweeps(folder):
    for file in sorted(SOURCE.glob("examples/**/*.yaml")):
        put(folder, "sweep", file.name, file.read_bytes() + b"\0stop.trials=5\0parameters.lr={min: 1, max: 2}\0")
    put(folder, "sweep", "whole", WHOLE)
    put(folder, "sweep", "json", '{"name":"j","command":"train ${args}","metric":{"name":"loss","goal":"maximize"},'
        '"parameters":{"lr":{"min":0.1,"max":1}},"stop":{"trials":3}}\0search.seed=4\0t')
    texts(folder, "macros", ["0train\0${args}\0--x=${lr}", "1train ${args} ${opt.name} $${x}", "0${args_json}\0${trial.id}"])


def notations(folder):
    kinds = [["100ms", "1.5h", "3650d"], ["64K", "1.5G", "9007199254740992"], ["4", "0.25", "1000000"],
             ["zone == a", "zone not in (a, \"b\")", "ssd", "gpu.type!='h100'"], ["12.41", "4294967295.1"],
             ["tcp://[::1]:7700", "host.example:1", "*:0", "127.0.0.1"],
             ["redis://u:p%40@host:6379/3", "unix:///run/redis.sock?db=2", "rediss://x"],
             ["mj1." + "A" * 43 + "." + "B" * 43], ["n1/000000000000004d/00000001/0123456789abcdef", "n1/77/1/5"],
             ["0" * 40, "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"], ["paramters", "min\n"]]
    for kind, items in enumerate(kinds):
        for number, item in enumerate(items):
            put(folder, "notations", f"{kind}-{number}", bytes([kind]) + item.encode())
    texts(folder, "selector", ["01-5,8", "1" + "12.3-7,12.9,4", "0last", "1all", "112"])
    texts(folder, "rules", ["a/b.c\n*.c\n!b.c", "x/y/z\n/x/**/z\n", "data/[a-c]?\nd*/\n\\!x", ".git\n"])


def lines(folder):
    texts(folder, "trial_line", [
        '{"hello":1,"can":["checkpoint","pause","exploit"]}', '{"report":{"step":3,"m":{"loss":NaN,"acc":0.5,"x":"-inf"}}}',
        '{"save":{"step":3}}', '{"commit":{"step":3}}', '{"exploit":{}}', '{"bye":"done","note":"x"}'])
    texts(folder, "client", [
        '{"ok":1,"act":0,"until":9,"params":{"lr":0.1,"opt":"sg\\u0064","on":true,"n":null}}', '{"ok":0,"error":"late","text":"\\ud83d\\ude00"}',
        '{"params":{"a":[1,{"b":2}],"c":"nan"},"act":"x"}'])
    context = '{"chosen":"http://127.0.0.1:1","contexts":[{"url":"http://127.0.0.1:1","token":"t","ca":"","name":"n","role":"admin","insecure":true}]}'
    manifest = '{"version":1,"trial":"12.41","ordinal":5,"step":27,"attempt":0,"bytes":5,"files":[{"name":"weights","size":5,"xxh3":"0123456789abcdef"}]}'
    for number, item in enumerate([b"\0" + context.encode(), b"\1head.example:7780/", b"\1https://x//", b"\2" + manifest.encode(), b"\3" + manifest.encode()]):
        put(folder, "files", f"file-{number}", item)


def archive(entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, kind, data in entries:
            info = tarfile.TarInfo(name)
            info.type, info.mode = kind, 0o755 if kind == tarfile.DIRTYPE else 0o644
            info.linkname = data if kind == tarfile.SYMTYPE else ""
            info.size = len(data) if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(data) if kind == tarfile.REGTYPE else None)
    return out.getvalue()[:-8192] if len(out.getvalue()) > 10240 else out.getvalue()[:6144]


def archives(folder):
    file, made, link = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE
    sets = [[("a", file, b"hello"), ("d/", made, b""), ("d/b", file, b"x" * 600), ("d/l", link, "b")],
            [("long/" + "n" * 120, file, b"y"), ("z", link, "t" * 110)], [("../up", file, b"z")], [("l", link, "../../etc/passwd")]]
    for number, entries in enumerate(sets):
        data = archive(entries)
        put(folder, "archive", f"tar-{number}", data)
        put(folder, "unpack", f"tar-{number}", bytes([number * 9]) + data)


def bulk(*items):
    out = b""
    for item in items:
        if isinstance(item, list):
            out += b"*%d\r\n" % len(item) + bulk(*item)
        elif isinstance(item, int):
            out += b":%d\r\n" % item
        elif item is None:
            out += b"$-1\r\n"
        elif isinstance(item, bytes):
            out += b"$%d\r\n%s\r\n" % (len(item), item)
        else:
            out += f"{item}\r\n".encode()
    return out


def tables():
    """What recovery reads, in its order."""
    text = (SOURCE / "head/shell/store_load.c").read_text()
    return re.findall(r'"(\w+)"', re.search(r"tables\[\] = \{([^}]*)\}", text)[1])


def redis(folder, made):
    """From the first question to batches and reads; the records are those that fuzz_seeds made."""
    info = b"# Server\r\nredis_version:7.0.15\r\nloading:0\r\nrole:master\r\ncluster_enabled:0\r\nmaxmemory_policy:noeviction\r\n" \
           b"used_memory:1000\r\nmaxmemory:0\r\naof_enabled:1\r\n"
    sha = b"0123456789abcdef0123456789abcdef01234567"
    tests = bulk(sha, [b"OK", b"1"], [b"one", b"two"], 1, [b"0", [b"kept", b"a\0b"]], b"a\0b", [b"OK", b"2"], [b"2"])
    empty = bulk(*[x for _ in tables() for x in (0, [b"0", []])])
    memory = b"# Memory\r\nused_memory:2000\r\nmaxmemory:0\r\n"
    # While nobody waits there are a batch, a read (a hash, a field, a list, by turns) and the question for memory.
    after = bulk([b"OK", b"3"], [b"0", [b"0:1", made("metric_rows")]], memory, [b"OK", b"4"], b"evidence", memory,
                 [b"OK", b"5"], [b"row" * 11, b"r" * 32], memory, [b"OK", b"6"], [b"7", []], memory, [b"0", [b"0:2", b"x"]])
    taken = bulk([b"OK", b"1001", b"0"])
    begin = bulk(info, [b"appendfsync", b"always"])
    put(folder, "redis", "embedded", b"\0" + begin + taken + tests + empty + after)
    watched = bulk([None, None, None, None, None])
    put(folder, "redis", "external", b"\1" + bulk(info, [b"appendfsync", b"everysec"], []) + watched + taken + tests + empty + after)
    put(folder, "redis", "password", b"\6" + bulk("+OK", "+OK") + begin + taken + tests + empty + after)
    put(folder, "redis", "loading", b"\0" + bulk("-LOADING Redis is loading", info.replace(b"loading:0", b"loading:1")) + begin + taken)
    put(folder, "redis", "held", b"\1" + bulk(info, "-NOPERM no", [], [b"h", b"1", b"2", b"other", b"o"]) + bulk([b"BUSY", b"other"]))
    put(folder, "redis", "fenced", b"\0" + begin + taken + tests + empty + bulk([b"FENCED", b"other"]))
    put(folder, "redis", "lost", b"\0" + begin + bulk([b"LOST", b"5"]))
    full = b""
    stored = [(file.name.rsplit("-", 1)[0].split("~"), file.read_bytes()) for file in
              sorted((folder / "records").iterdir(), key=lambda file: int(file.name.rsplit("-", 1)[1]))]
    for table in tables():
        rows = [item for (key, field), value in stored if key == table for item in (field.encode(), value)]
        rows = [b"n", b"7"] if table == "meta" else rows
        full += bulk(len(rows) // 2, [b"0", rows])
    log = [value for (key, _), value in stored if key == "log:1"]
    put(folder, "redis", "records", b"\0" + begin + taken + tests + full + bulk(log) + after)
    again = bulk(info, [b"appendfsync", b"always"], [])
    held = bulk([b"h", b"3", b"me"])
    put(folder, "redis", "replica", b"\1" + bulk(info, [b"appendfsync", b"always"], []) + watched + taken + tests + full + bulk(log)
        + bulk("-READONLY You can't write against a read only replica") + again + held + after)


def rows(folder):
    """Result rows as lib/schema/result_rows.h lays them out; the first byte says which task is asked for."""
    def row(number, attempt=0, node=0, code=0, flags=0, started=1000000, us=1000):
        return struct.pack("<IIIHHqQ", number, attempt, node, code, flags, started, us)

    put(folder, "rows", "each-once", b"\0" + b"".join(row(n) for n in range(1, 9)))
    put(folder, "rows", "twice-and-cut", b"\1" + row(2) + row(2, code=7, flags=1) + row(3)[:20])
    put(folder, "rows", "no-such-node", b"\2" + row(3, node=2**32 - 1, attempt=2**32 - 1, code=2**16 - 1, flags=2**16 - 1))
    put(folder, "rows", "past-all-time", b"\3" + row(4, started=2**63 - 1, us=2**64 - 1))
    put(folder, "rows", "before-all-time", b"\4" + row(5, started=-2**63))
    put(folder, "rows", "of-nobody", b"\7" + row(0) + row(2**32 - 1))


def days(folder):
    """Steps without a plan: the fuzzers of the cores learn the rest."""
    for name in ("head", "agent"):
        for number in range(6):
            put(folder, name, f"day-{number}", random.Random(number).randbytes(600))
    requests = [
        "GET /api/v1/sweeps?state=running&limit=2&sort=-id\0GET /api/v1/trials?sweep=1&since=2h",
        'POST /api/v1/sweeps\n{"file":"name: a\\ncommand: [t]\\nmetric: {name: l, goal: minimize}\\nparameters: {x: {min: 0, max: 1}}\\n'
        'stop: {trials: 2}\\n","workdir":"/w","set":["stop.trials=3"],"labels":["a"],"argv":["m"],"priority":3}\0GET /api/v1/sweeps/2/config',
        'POST /api/v1/jobs\n{"words":["true"],"workdir":"/w","cpus":10000,"env":{"A":"b"},"require":["zone == a"],"name":"x"}\0GET /api/v1/tasks/2.1',
        'POST /api/v1/nodes/n1/label\n{"set":{"zone":"a"},"remove":["b"]}\0POST /api/v1/nodes/n1/drain\n{"deadline_s":5,"reason":"r"}\0POST /api/v1/nodes/n1/rm\n{}',
        'POST /api/v1/keys\n{"name":"me","role":"user","expires_s":60}\0POST /api/v1/keys/me/revoke\n{}\0GET /api/v1/keys\n',
        "GET /api/v1/trials/1.1/logs?follow=1&tail=5&stream=out\0GET /api/v1/trials/1.1/metrics\0GET /api/v1/trials/1.1/attempts",
        'POST /api/v1/sweeps/1/pause\n{}\0POST /api/v1/sweeps/1/resume\n{"trials":2}\0POST /api/v1/sweeps/1/clone\n{"set":["a=b"]}',
        'POST /api/v1/jobs\n{"words":["true"],"workdir":"/w","array":{"first":1,"last":9,"step":2},"max_fails":3}\0GET /api/v1/tasks?job=3\0POST /api/v1/jobs/3/cancel\n{"ids":"1,5-9"}',
        'POST /api/v1/sweeps/1/cancel\n{"grace_ms":5}\0POST /api/v1/sweeps/1/rm\n{}\0POST /api/v1/shutdown\n{"grace_ms":1}',
    ]
    texts(folder, "http", requests)


def main():
    fuzzers, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([fuzzers / "fuzz_seeds", folder], check=True)

    def made(table):
        found = folder / "tables" / f"{table}-2"
        return found.read_bytes()[2:] if found.exists() else b""

    for make in (sweeps, notations, lines, archives, rows, days):
        make(folder)
    redis(folder, made)
    print(sum(len(files) for _, _, files in os.walk(folder)), "inputs to begin with")


if __name__ == "__main__":
    main()
