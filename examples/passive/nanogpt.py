"""A character bigram model with the command line and the printing of nanoGPT's train.py. Knows nothing of muster."""
import math
import random
import sys

eval_interval, max_iters, learning_rate, batch_size, seed = 10, 90, 1.0, 64, 1337
for argument in sys.argv[1:]:  # nanoGPT's configurator: --key=value over the globals
    key, value = argument.removeprefix("--").split("=")
    assert key in globals(), f"Unknown config key: {key}"
    globals()[key] = type(globals()[key])(value)
    print(f"Overriding: {key} = {value}")

text = "the quick brown fox jumps over the lazy dog and the dog sleeps while the fox runs on and on and on " * 20
chars = sorted(set(text))
print(f"all the unique characters: {''.join(chars)}")
index = {c: i for i, c in enumerate(chars)}
data = [index[c] for c in text]
split = int(0.9 * len(data))
logits = [[0.0] * len(chars) for _ in chars]
draw = random.Random(seed)


def row(i):
    most = max(logits[i])
    powers = [math.exp(v - most) for v in logits[i]]
    total = sum(powers)
    return [p / total for p in powers]


def loss_of(ids):
    rows = [row(i) for i in range(len(chars))]
    return -sum(math.log(max(1e-12, rows[a][b])) for a, b in zip(ids, ids[1:])) / (len(ids) - 1)


for it in range(max_iters + 1):
    if it % eval_interval == 0:
        print(f"step {it}: train loss {loss_of(data[:split]):.4f}, val loss {loss_of(data[split:]):.4f}", flush=True)
    for _ in range(batch_size):
        k = draw.randrange(split - 1)
        a, b = data[k], data[k + 1]
        for j, p in enumerate(row(a)):
            logits[a][j] -= learning_rate * (p - (j == b))
