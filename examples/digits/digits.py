#!/usr/bin/env python3
"""The digits trainer in Python: the same data, split, model and parameters as main.c, with NumPy (Debian: python3-numpy).

    python3 digits.py [digits.txt]          by itself
    muster sweep run digits-py.yaml         as a sweep

With --no-exploit it says that it cannot exploit in place, and is started again from the donor's snapshot instead.
"""
import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np  # noqa: E402

try:
    import muster
except ImportError:  # by itself, from the source tree
    sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../client/python"))
    import muster

DEFAULTS = {"epochs": 27, "optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "wd": 0.0, "layers": 1, "width": 64, "batch": 32}
SYMBOLS = "0123456789abcdefg"


def load_digits(path):
    """(images, labels) for training and for validation; images (n, 64) in [0, 1]. Every fifth is for validation."""
    with open(path) as file:
        lines = [line for line in file if not line.startswith("#")]
    images = np.array([[SYMBOLS.index(c) for c in line[:64]] for line in lines], np.float32) / 16
    labels = np.array([int(line[65]) for line in lines])
    order = np.random.default_rng(1797).permutation(len(lines))
    held = np.arange(len(lines)) % 5 == 0
    return (images[order[~held]], labels[order[~held]]), (images[order[held]], labels[order[held]])


class Model:
    """A multi-layer perceptron with ReLU. Weights (inputs, outputs), drawn as in He et al. 2015, eq. 10."""

    def __init__(self, layers, width, rng):
        sizes = [64] + [width] * layers + [10]
        self.params = []
        for inputs, outputs in zip(sizes, sizes[1:]):
            self.params += [(rng.standard_normal((inputs, outputs)) * np.sqrt(2 / inputs)).astype(np.float32), np.zeros(outputs, np.float32)]
        self.m = [np.zeros_like(p) for p in self.params]
        self.v = [np.zeros_like(p) for p in self.params]
        self.updates = 0

    def forward(self, x):
        """Activations of every layer, x (batch, 64) first, logits (batch, 10) last."""
        activations = [x]
        for i in range(0, len(self.params), 2):
            x = x @ self.params[i] + self.params[i + 1]
            activations.append(x if i + 2 == len(self.params) else np.maximum(x, 0))
            x = activations[-1]
        return activations

    def loss(self, x, labels):
        """(mean cross-entropy, accuracy)"""
        logits = self.forward(x)[-1]
        return -log_softmax(logits)[np.arange(len(labels)), labels].mean(), (logits.argmax(1) == labels).mean()

    def grads(self, x, labels):
        activations = self.forward(x)
        delta = np.exp(log_softmax(activations[-1]))
        delta[np.arange(len(labels)), labels] -= 1
        delta /= len(labels)
        grads = [None] * len(self.params)
        for i in reversed(range(0, len(self.params), 2)):
            grads[i], grads[i + 1] = activations[i // 2].T @ delta, delta.sum(0)
            if i > 0:
                delta = (delta @ self.params[i].T) * (activations[i // 2] > 0)
        return grads

    def update(self, grads, p):
        """SGD with momentum (Sutskever et al. 2013, eq. 1-2) or AdamW (Loshchilov, Hutter 2019, algorithm 2)."""
        self.updates += 1
        for w, g, m, v in zip(self.params, grads, self.m, self.v):
            if p.optimizer == "sgd":
                m *= p.momentum
                m += g + p.wd * w
                w -= p.lr * m
            elif p.optimizer == "adamw":
                m += (1 - 0.9) * (g - m)
                v += (1 - 0.999) * (g * g - v)
                rate = p.lr / (1 - 0.9**self.updates)
                w -= rate * m / (np.sqrt(v / (1 - 0.999**self.updates)) + 1e-8) + p.lr * p.wd * w
            else:
                raise muster.Invalid("optimizer must be sgd or adamw")

    def save(self, folder, rng):
        np.savez(os.path.join(folder, "model.npz"), *self.params, *self.m, *self.v, updates=self.updates)
        with open(os.path.join(folder, "rng.txt"), "w") as file:
            file.write(repr(rng.bit_generator.state))

    def load(self, folder, rng):
        with np.load(os.path.join(folder, "model.npz")) as saved:
            arrays = [saved[f"arr_{i}"] for i in range(3 * len(self.params))]
            self.updates = int(saved["updates"])
        n = len(self.params)
        self.params, self.m, self.v = arrays[:n], arrays[n : 2 * n], arrays[2 * n :]
        with open(os.path.join(folder, "rng.txt")) as file:
            rng.bit_generator.state = eval(file.read(), {"__builtins__": {}})  # a dict of numbers that save() wrote


def log_softmax(logits):
    z = logits - logits.max(1, keepdims=True)
    return z - np.log(np.exp(z).sum(1, keepdims=True))


def start(t):
    """(parameters, model, random numbers): those of the trial as it is now."""
    p = muster.Params({**DEFAULTS, **t.params})
    rng = np.random.default_rng(t.seed)
    model = Model(p.layers, p.width, rng)
    if t.restore:
        model.load(t.restore, rng)
    return p, model, rng


def save(t, model, rng):
    if t.save_due:
        with t.save() as folder:
            model.save(folder, rng)


def main():
    words = [word for word in sys.argv[1:] if word != "--no-exploit"]
    can = ("checkpoint", "pause") if "--no-exploit" in sys.argv else ("checkpoint", "pause", "exploit")
    train, validation = load_digits(words[0] if words else "digits.txt")
    with muster.trial(DEFAULTS, can=can) as t:
        p, model, rng = start(t)
        while t.next(until=p.epochs):
            if t.changed:  # another trial's weights, with parameters near its own
                p, model, rng = start(t)
                print(f"exploit: from step {t.step - 1}", flush=True)
            order = rng.permutation(len(train[1]))
            for at in range(0, len(order) - p.batch + 1, p.batch):
                batch = order[at : at + p.batch]
                model.update(model.grads(train[0][batch], train[1][batch]), p)
            loss, accuracy = model.loss(*validation)
            save(t, model, rng)
            t.report(val_loss=loss, val_acc=accuracy)
            print(f"epoch {t.step}  val_loss {loss:.4f}  val_acc {accuracy:.4f}", flush=True)
            save(t, model, rng)  # a checkpoint of the weights that were reported, before they are left or given up


if __name__ == "__main__":
    main()
