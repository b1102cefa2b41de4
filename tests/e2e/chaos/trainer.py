"""A trainer that keeps a journal of what was acknowledged to it, and goes on only once the journal is on disk.

usage: trainer.py JOURNAL STEPS PAUSE    Every other one saves. It speaks the trial socket's lines itself, so that nothing stands between the answer
and the journal. Its value falls with the trial's number: every rung lets it go on."""
import json
import os
import socket
import sys
import time

PAUSE, STOP = 2, 4
SAVE_EVERY = 16
folder, steps, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
trial, attempt = os.environ["MUSTER_TRIAL"], int(os.environ["MUSTER_ATTEMPT_NUMBER"])
journal = os.open(os.path.join(folder, f"trainer-{trial}-{attempt}.jsonl"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
link = socket.socket(socket.AF_UNIX)
link.connect(os.environ["MUSTER_SOCKET"])
answers = link.makefile("r")


def ask(line):
    link.sendall((json.dumps(line) + "\n").encode())
    while True:
        answer = answers.readline()
        if not answer:
            sys.exit(1)  # the agent is gone; it will end us
        if answer.strip():
            return json.loads(answer)


def note(op, **what):
    os.write(journal, (json.dumps({"op": op, "trial": trial, "attempt": attempt, **what}) + "\n").encode())
    os.fsync(journal)


def save(step):
    """What is refused, for want of space or of time, promises nothing."""
    begun = ask({"save": {"step": step}})
    if not begun["ok"]:
        return
    try:
        with open(os.path.join(begun["dir"], "weights"), "w") as file:
            file.write(f"{trial} {step}")
    except OSError:
        return
    done = ask({"commit": {"step": step}})
    if done["ok"]:
        note("commit", step=step, ordinal=int(done["id"].rsplit(".", 1)[1]))


number = int(trial.split(".")[1])
saves = number % 2 == 0
hello = ask({"hello": 1, "can": ["checkpoint"] if saves else []})
milestone, acts = hello["milestone"], hello["act"]
seq, step = 0, hello["step"]
if hello["restore"]:
    with open(os.path.join(hello["restore"], "weights")) as file:
        note("restored", step=step, text=file.read())
while step < steps and not acts & (PAUSE | STOP):
    time.sleep(pause)
    seq += 1
    step += 1
    value = 1.0 / number + 1.0 / (1000 * step)
    if saves and step % SAVE_EVERY == 0:
        save(step)
    answer = ask({"report": {"step": step, "m": {"loss": value}}})
    assert answer["ok"], answer
    # A late answer acknowledges nothing: the order comes with a later one.
    if milestone is not None and step >= milestone and not answer.get("late"):
        note("milestone", seq=seq, step=step, value=value, order=answer)
    milestone, acts = answer.get("milestone", milestone), answer["act"]
word = "paused" if acts & PAUSE else "done"
if ask({"bye": word})["ok"]:
    note("bye", word=word, seq=seq)
    if acts & PAUSE:
        sys.exit(75)
