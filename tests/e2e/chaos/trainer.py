"""A trainer that keeps a journal of what was acknowledged to it, and goes on only once the journal is on disk.

usage: trainer.py JOURNAL STEPS PAUSE    It speaks the trial socket's lines itself, so that nothing stands between the answer
and the journal. Its value falls with the trial's number: every rung lets it go on."""
import json
import os
import socket
import sys
import time

PAUSE, STOP = 2, 4
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


def acknowledged(seq, step, value, answer):
    line = {"op": "milestone", "trial": trial, "attempt": attempt, "seq": seq, "step": step, "value": value, "order": answer}
    os.write(journal, (json.dumps(line) + "\n").encode())
    os.fsync(journal)


hello = ask({"hello": 1, "can": []})
milestone, acts = hello["milestone"], hello["act"]
number = int(trial.split(".")[1])
seq = 0
while seq < steps and not acts & (PAUSE | STOP):
    time.sleep(pause)
    seq += 1
    value = 1.0 / number + 1.0 / (1000 * seq)
    answer = ask({"report": {"step": seq, "m": {"loss": value}}})
    assert answer["ok"], answer
    # A late answer acknowledges nothing: the order comes with a later one.
    if milestone is not None and seq >= milestone and not answer.get("late"):
        acknowledged(seq, seq, value, answer)
    milestone, acts = answer.get("milestone", milestone), answer["act"]
if ask({"bye": "paused" if acts & PAUSE else "done"})["ok"] and acts & PAUSE:
    sys.exit(75)
