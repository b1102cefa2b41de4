"""Compares what was acknowledged, by the journals, with what the API and the store say. It knows nothing of faults and keeps nothing of
the load in memory: the journals are all that it believes.

A violation is a sentence that begins with `lost`, `doubled` or `wrong`."""
import collections
import functools
import glob
import json
import os
import time

PAGE = 1000
MOVES_S = 5  # a snapshot may be on its way to another place


class Journals:
    def __init__(self, folder):
        self.submits, self.asked, self.cancels, self.results, self.sweeps, self.stops = {}, set(), set(), {}, [], set()
        self.settings, self.last_set, self.milestones, self.byes, self.restored = [], None, [], [], []
        self.told = {}  # trial -> {attempt: what its trainer was answered, in order}
        self.violations = []
        self.operations = collections.Counter()  # acknowledged, by kind
        for path in sorted(glob.glob(os.path.join(folder, "*.jsonl"))):
            with open(path) as file:
                for text in file:
                    if text.endswith("\n"):  # the last line of a trainer that was killed in the middle was not acted on
                        self._take(json.loads(text))

    def _take(self, line):
        op = line["op"]
        if op not in ("asked", "setting", "restored"):
            self.operations[op] += 1
        if op == "asked":
            self.asked.add(line["key"])
        elif op == "submit":
            if self.submits.setdefault(line["key"], line["id"]) != line["id"]:
                self.violations.append(f"doubled: key {line['key']} was told {self.submits[line['key']]} and {line['id']}")
        elif op == "result":
            self._result(line)
        elif op in ("milestone", "commit", "bye"):
            self.told.setdefault(line["trial"], {}).setdefault(line["attempt"], []).append(line)
            {"milestone": self.milestones, "bye": self.byes, "commit": []}[op].append(line)
        elif op == "restored":
            self.restored.append(line)
        elif op == "setting":
            self.settings.append(line["value"])
        elif op == "set":
            self.last_set = line["value"]
        else:
            {"cancel": self.cancels.add, "sweep": self.sweeps.append, "stop": self.stops.add}[op](line["id"])

    def _result(self, line):
        told = {k: line[k] for k in ("outcome", "exit_code", "attempts", "ended")}
        if self.results.setdefault(line["id"], told) != told:
            self.violations.append(f"doubled: {line['id']} ended as {self.results[line['id']]} and as {told}")


def pages(get, path):
    cursor = ""
    while True:
        answer = get(f"{path}{'&' if '?' in path else '?'}limit={PAGE}{cursor}")
        yield from answer["items"]
        if not answer["next"]:
            return
        cursor = f"&cursor={answer['next']}"


def check_tasks(journals, get, stored):
    """Submits, cancels and results: each is there once, as it was told."""
    by_name, items = {}, {}
    for item in pages(get, "/api/v1/tasks"):
        items[item["id"]] = item
        by_name.setdefault(item["name"], []).append(item["id"])
    for name, ids in by_name.items():
        if len(ids) > 1:
            yield f"doubled: key {name} is {ids}"
        if name not in journals.asked:
            yield f"wrong: {ids} has the name {name}, which nobody asked for"
    for key, number in journals.submits.items():
        task = f"{number}.1"
        if by_name.get(key) != [task]:
            yield f"lost: key {key} was acknowledged as {task}, the API has {by_name.get(key)}"
        elif task not in stored.tasks or str(number) not in stored.jobs:
            yield f"lost: {task} is not in the store"
    for task, told in journals.results.items():
        have = items.get(task)
        if have is None:
            yield f"lost: the result of {task}, {told}"
        elif any(have[k] != told[k] for k in told):
            yield f"wrong: {task} was told as {told}, and is {[have[k] for k in told]}"
    for task in journals.cancels:
        if task in items and items[task]["outcome"] != "cancelled":
            yield f"lost: the cancel of {task}, which is {items[task]['state']} {items[task]['outcome']}"


def check_completions(stored):
    """One accepted completion for what is done, none for what is not; the evidence of each attempt once."""
    for task in stored.tasks:
        if not stored.has_ended(task):
            yield f"wrong: {task} has not ended"
            continue
        done, attempts = stored.completions(task), stored.attempts(task)
        last = attempts - 1
        if stored.outcome(task) == "done" and (set(done) - {last} or last not in done + stored.told(task)):
            yield f"doubled: {task} is done after {attempts} attempts, but see {stored.evidence.get(task)}"
        if stored.outcome(task) not in ("done", "cancelled", "stopped"):
            yield f"wrong: {task} is {stored.outcome(task)}"
        if any(a >= attempts for a in stored.evidence.get(task, {})):
            yield f"doubled: {task} had {attempts} attempts, evidence is of {sorted(stored.evidence[task])}"


def rows_of(get, trial):
    found = {}
    for row in get(f"/api/v1/trials/{trial}/metrics")["items"]:
        found.setdefault((row["attempt"], row["seq"]), []).append((row["step"], row["metrics"].get("loss")))
    return found


def check_milestones(journals, rows, stored):
    """What a trainer was answered at a milestone: the report's row is kept once, and its decision was made once."""
    decided = {}
    for sweep in journals.sweeps:
        if str(sweep) not in stored.logs:
            yield f"lost: sweep {sweep}"
            continue
        orders = {}
        for number, step, order in stored.milestones(str(sweep)):
            decided.setdefault(f"{sweep}.{number}", []).append(step)
            orders.setdefault(number, []).append(order)
        for number, told in orders.items():
            if told != sorted(set(told)):
                yield f"doubled: orders of {sweep}.{number} are {told}"
    for trial, steps in decided.items():
        if len(steps) != len(set(steps)):
            yield f"doubled: {trial} was judged at {steps}"
    for line in journals.milestones:
        trial, what = line["trial"], f"attempt {line['attempt']} report {line['seq']} of {line['trial']}"
        if line["step"] not in decided.get(trial, []):
            yield f"lost: the decision on {what} at step {line['step']}"
            continue
        found = rows(trial).get((line["attempt"], line["seq"]))
        if found is None:
            yield f"lost: {what}, step {line['step']}"
        elif found[0] != (line["step"], line["value"]):
            yield f"wrong: {what} was {line['step'], line['value']} and is {found[0]}"


def check_rows(journals, rows):
    """Each report is kept once."""
    for trial in journals.told:
        for name, found in rows(trial).items():
            if len(found) > 1:
                yield f"doubled: report {name} of {trial}: {found}"


def check_byes(journals, rows, stored):
    """Whose good-bye was answered: all that it reported before is there, and the word is on record with the end of its attempt,
    unless its agent died before it could tell of that."""
    for line in journals.byes:
        trial, attempt = line["trial"], line["attempt"]
        gone = [seq for seq in range(1, line["seq"] + 1) if (attempt, seq) not in rows(trial)]
        if gone:
            yield f"lost: reports {gone} of attempt {attempt} of {trial}, which said good-bye after {line['seq']}"
        if attempt not in stored.evidence.get(trial, {}):
            yield f"lost: attempt {attempt} of {trial}, which said good-bye"
        elif not stored.was_lost(trial, attempt) and stored.bye(trial, attempt) != line["word"]:
            yield f"lost: the good-bye {line['word']} of attempt {attempt} of {trial}, on record is {stored.bye(trial, attempt)}"


def last_commit(attempts, was_lost):
    """The last commit of a trial that is known to have reached the store. An answered commit is on the node's disk; the head hears of
    it in the agent's stream, so before a later answer that waits for the store, and before the attempt's own end."""
    for attempt in sorted(attempts, reverse=True):
        is_known = not was_lost(attempt)
        for line in reversed(attempts[attempt]):
            if line["op"] != "commit":
                is_known = True
            elif is_known:
                return line
    return None


def weights_of(path):
    try:
        with open(os.path.join(path, "weights")) as file:
            return file.read()
    except OSError as why:
        return repr(why)


def snapshot_wrong(trial, commit, named):
    """What is wrong with what the API names of the trial's snapshots; None: nothing."""
    own = [c for c in named if c["trial"] == trial and c["ordinal"] >= commit["ordinal"]]
    if not own:
        return f"lost: snapshot {commit['ordinal']} of {trial} at step {commit['step']}, the API names {[c['ordinal'] for c in named]}"
    for c in own:
        found = weights_of(c["path"])
        if found != f"{trial} {c['step']}":
            return f"lost: snapshot {c['ordinal']} of {trial} at step {c['step']}, which the API has on {c['node']}, is {found}"
    return None


def check_snapshots(journals, get, stored, moves_s):
    """The API names the last committed snapshot, or a later one, and its files lie there."""
    for line in journals.restored:
        if line["text"] != f"{line['trial']} {line['step']}":
            yield f"wrong: attempt {line['attempt']} of {line['trial']} went on at step {line['step']} from {line['text']}"
    until = time.monotonic() + moves_s
    for trial, attempts in journals.told.items():
        commit = last_commit(attempts, functools.partial(stored.was_lost, trial))
        while commit is not None:
            wrong = snapshot_wrong(trial, commit, get(f"/api/v1/trials/{trial}")["checkpoints"])
            if wrong is None or time.monotonic() > until:
                yield from [wrong] if wrong else []
                break
            time.sleep(0.2)


def check_sweeps(journals, get):
    for sweep in journals.sweeps:
        if sweep in journals.stops:
            state = get(f"/api/v1/sweeps/{sweep}")["state"]
            if state != "done":
                yield f"lost: the stop of sweep {sweep}, which is {state}"


def check_label(journals, get):
    """The last label that was acknowledged holds, or one that was asked for after it."""
    if journals.last_set is not None:
        label = get("/api/v1/nodes/local")["labels"].get("chaos")
        if label not in journals.settings[journals.settings.index(journals.last_set):]:
            yield f"lost: the label chaos={journals.last_set}, the node has {label}"


def check(folder, get, stored, moves_s=MOVES_S):
    """({kind: acknowledged operations checked}, violations)."""
    journals = Journals(folder)
    violations = list(journals.violations)
    rows = functools.cache(lambda trial: rows_of(get, trial))
    for part in (check_tasks(journals, get, stored), check_completions(stored), check_milestones(journals, rows, stored),
                 check_rows(journals, rows), check_byes(journals, rows, stored), check_snapshots(journals, get, stored, moves_s),
                 check_sweeps(journals, get), check_label(journals, get)):
        try:
            violations += part
        except (KeyError, TypeError) as why:  # an answer without what it should have
            violations.append(f"lost: {part.__name__} found no {why}")
    return journals.operations, violations
