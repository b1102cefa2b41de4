"""A classifier of two classes with the printing and the command line of pytorch/examples' mnist (argparse). Knows nothing of muster."""
import argparse
import math
import random


def points(n, seed):
    draw = random.Random(seed)
    found = []
    for _ in range(n):
        x, y = draw.uniform(-1, 1), draw.uniform(-1, 1)
        found.append(((x, y, 1.0), 1 if x + 2 * y + draw.gauss(0, 0.3) > 0.2 else 0))
    return found


def probability(weights, x):
    return 1 / (1 + math.exp(-max(-30, min(30, sum(w * v for w, v in zip(weights, x))))))


def loss_of(weights, data):
    right, total = 0, 0.0
    for x, label in data:
        p = probability(weights, x)
        total -= math.log(max(1e-12, p if label else 1 - p))
        right += (p > 0.5) == bool(label)
    return total / len(data), right


parser = argparse.ArgumentParser(description="PyTorch-like MNIST example")
parser.add_argument("--lr", type=float, default=1.0)
parser.add_argument("--gamma", type=float, default=0.7)
parser.add_argument("--epochs", type=int, default=9)
arguments = parser.parse_args()
train, test = points(2000, 1), points(1000, 2)
weights, lr = [0.0, 0.0, 0.0], arguments.lr
for epoch in range(1, arguments.epochs + 1):
    for i, (x, label) in enumerate(train):
        error = probability(weights, x) - label
        weights = [w - lr * error * v for w, v in zip(weights, x)]
        if i % 500 == 0:
            print("Train Epoch: {} [{}/{} ({:.0f}%)]\tLoss: {:.6f}".format(epoch, i, len(train), 100 * i / len(train), abs(error)))
    loss, right = loss_of(weights, test)
    print("\nTest set: Average loss: {:.4f}, Accuracy: {}/{} ({:.0f}%)\n".format(loss, right, len(test), 100 * right / len(test)))
    lr *= arguments.gamma
