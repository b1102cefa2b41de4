#!/usr/bin/env python3
"""Forward, backward and ten optimizer steps of both example models against an independent computation: NumPy, in double precision,
written from the formulas, with its own backward pass.

Tolerances: the losses agree to 1e-4 of their value; the gradients of the first step to 1e-5 of the largest one; the weights after
ten steps to 1e-3 of the largest way that a weight went. AdamW divides by the gradient's own size, so that of a gradient which
is nothing but rounding (a bias of the keys: softmax does not see it) it makes a step of any size; weights whose gradient is below 1e-4
of the largest one are held to the way that AdamW can go in ten steps instead.

Prints `ok NAME`, `FAIL NAME` or `SKIP NAME: why` for each test."""
import os
import subprocess
import sys
import tempfile
import traceback

PYTHON = "/usr/bin/python3"
NAMES = [f"test_{model}_{optimizer}_goes_the_way_of_numpy" for model in ("digits", "chars") for optimizer in ("sgd", "adamw")]
try:
    import numpy as np
except ImportError:
    if sys.executable != PYTHON and subprocess.run([PYTHON, "-c", "import numpy"], capture_output=True).returncode == 0:
        os.execv(PYTHON, [PYTHON, *sys.argv])  # Debian's own has it
    for name in NAMES:
        print(f"SKIP {name}: NumPy is not installed")
    sys.exit(0)

SOURCE = os.environ.get("MUSTER_TEST_SOURCE", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.."))
BUILD = os.environ.get("MUSTER_TEST_BUILD", os.path.join(SOURCE, "build/release"))
STEPS = os.path.join(BUILD, "tests/unit/examples/example_steps")
BATCH, LENGTH, LAYERS, WIDTH, HEADS, SYMBOLS, CLASSES, OUTPUTS = 8, 12, 2, 32, 4, 96, 10, 16
LR, MOMENTUM, DECAY = 0.01, 0.9, 0.05


class Parts:
    """One vector of parameters, cut in pieces by name, in the order in which they are asked for."""

    def __init__(self, vector):
        self.vector, self.at, self.places = vector, 0, {}

    def take(self, name, *shape):
        size = int(np.prod(shape))
        self.places[name] = (slice(self.at, self.at + size), shape)
        self.at += size

    def __getitem__(self, name):
        place, shape = self.places[name]
        return self.vector[place].reshape(shape)


def cross_entropy(logits, labels):
    """(mean loss, gradient of the logits)"""
    z = logits - logits.max(-1, keepdims=True)
    p = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    rows = np.arange(len(labels))
    loss = -np.log(p[rows, labels]).mean()
    p[rows, labels] -= 1
    return loss, p / len(labels)


def digits(params, images, labels):
    """(loss, gradient)"""
    w, g = Parts(params), Parts(np.zeros_like(params))
    sizes = [64] + [WIDTH] * LAYERS + [OUTPUTS]
    for i, (inputs, outputs) in enumerate(zip(sizes, sizes[1:])):
        for parts in (w, g):
            parts.take(f"w{i}", inputs, outputs)
            parts.take(f"b{i}", outputs)
    assert w.at == len(params)
    x = [images]
    for i in range(LAYERS + 1):
        y = x[-1] @ w[f"w{i}"] + w[f"b{i}"]
        x.append(np.maximum(y, 0) if i < LAYERS else y)
    loss, d = cross_entropy(x[-1][:, :CLASSES], labels)
    d = np.pad(d, ((0, 0), (0, OUTPUTS - CLASSES)))
    for i in reversed(range(LAYERS + 1)):
        g[f"w{i}"][:] = np.einsum("bi,bo->io", x[i], d)
        g[f"b{i}"][:] = d.sum(0)
        d = (d @ w[f"w{i}"].T) * (x[i] > 0)
    return loss, g.vector


def norm(x, gain, bias):
    centred = x - x.mean(-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return centred / deviation * gain + bias, (centred / deviation, deviation)


def norm_back(d, gain, kept):
    """(gradient of x, of gain, of bias): the Jacobian (I - 1/n - y y'/n) / deviation, row by row."""
    y, deviation = kept
    n = y.shape[-1]
    jacobian = np.eye(n) - 1 / n - y[..., :, None] * y[..., None, :] / n
    return np.einsum("bti,btij->btj", d * gain, jacobian) / deviation, (d * y).sum((0, 1)), d.sum((0, 1))


def heads_of(x):
    return x.reshape(BATCH, LENGTH, HEADS, WIDTH // HEADS).transpose(0, 2, 1, 3)


def heads_joined(x):
    return x.transpose(0, 2, 1, 3).reshape(BATCH, LENGTH, WIDTH)


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def gelu_slope(x):
    """By a complex step: no formula of the derivative to be wrong in."""
    return (gelu(x + 1e-30j).imag) / 1e-30


def chars_parts(vector):
    parts, c = Parts(vector), WIDTH
    parts.take("symbols", SYMBOLS, c)
    parts.take("places", LENGTH, c)
    for i in range(LAYERS):
        for name, *shape in (("g1", c), ("b1", c), ("qkv", c, 3 * c), ("qkv_b", 3 * c), ("proj", c, c), ("proj_b", c), ("g2", c), ("b2", c),
                             ("up", c, 4 * c), ("up_b", 4 * c), ("down", 4 * c, c), ("down_b", c)):
            parts.take(f"{name}.{i}", *shape)
    for name, *shape in (("g", c), ("b", c), ("head", c, SYMBOLS), ("head_b", SYMBOLS)):
        parts.take(name, *shape)
    assert parts.at == len(vector)
    return parts


def chars(params, inputs, labels):
    """(loss, gradient)"""
    w, g = chars_parts(params), chars_parts(np.zeros_like(params))
    x = w["symbols"][inputs] + w["places"]
    mask = np.tril(np.ones((LENGTH, LENGTH), bool))
    kept = []
    for i in range(LAYERS):
        n1, k1 = norm(x, w[f"g1.{i}"], w[f"b1.{i}"])
        q, k, v = (heads_of(part) for part in np.split(n1 @ w[f"qkv.{i}"] + w[f"qkv_b.{i}"], 3, -1))
        scores = np.where(mask, q @ k.transpose(0, 1, 3, 2) / np.sqrt(WIDTH // HEADS), -np.inf)
        p = np.exp(scores - scores.max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)
        attended = heads_joined(p @ v)
        x = x + attended @ w[f"proj.{i}"] + w[f"proj_b.{i}"]
        n2, k2 = norm(x, w[f"g2.{i}"], w[f"b2.{i}"])
        up = n2 @ w[f"up.{i}"] + w[f"up_b.{i}"]
        x = x + gelu(up) @ w[f"down.{i}"] + w[f"down_b.{i}"]
        kept.append((n1, k1, q, k, v, p, attended, n2, k2, up))
    last, k_last = norm(x, w["g"], w["b"])
    loss, d = cross_entropy((last @ w["head"] + w["head_b"]).reshape(-1, SYMBOLS), labels.reshape(-1))
    d = d.reshape(BATCH, LENGTH, SYMBOLS)

    def linear(name, x, d):
        g[name][:] = np.einsum("bti,bto->io", x, d)
        g[name + "_b" if "." not in name else name.replace(".", "_b.")][:] = d.sum((0, 1))
        return d @ w[name].T

    def unnorm(names, d, k):
        d, g[names[0]][:], g[names[1]][:] = norm_back(d, w[names[0]], k)
        return d

    d = unnorm(("g", "b"), linear("head", last, d), k_last)
    for i in reversed(range(LAYERS)):
        n1, k1, q, k, v, p, attended, n2, k2, up = kept[i]
        d_up = linear(f"down.{i}", gelu(up), d) * gelu_slope(up)
        d = d + unnorm((f"g2.{i}", f"b2.{i}"), linear(f"up.{i}", n2, d_up), k2)
        d_heads = heads_of(linear(f"proj.{i}", attended, d))
        d_p = d_heads @ v.transpose(0, 1, 3, 2)
        d_scores = p * (d_p - (d_p * p).sum(-1, keepdims=True)) / np.sqrt(WIDTH // HEADS)
        d_qkv = np.concatenate([heads_joined(part) for part in (d_scores @ k, d_scores.transpose(0, 1, 3, 2) @ q, p.transpose(0, 1, 3, 2) @ d_heads)], -1)
        d = d + unnorm((f"g1.{i}", f"b1.{i}"), linear(f"qkv.{i}", n1, d_qkv), k1)
    np.add.at(g["symbols"], inputs, d)
    g["places"][:] = d.sum(0)
    return loss, g.vector


def sgd(params, grads, state, t):
    state["m"] = MOMENTUM * state.get("m", 0) + grads + DECAY * params
    return params - LR * state["m"]


def adamw(params, grads, state, t):
    state["m"] = 0.9 * state.get("m", 0) + 0.1 * grads
    state["v"] = 0.999 * state.get("v", 0) + 0.001 * grads**2
    m, v = state["m"] / (1 - 0.9**t), state["v"] / (1 - 0.999**t)
    return params - LR * m / (np.sqrt(v) + 1e-8) - LR * DECAY * params


def compare(model, optimizer):
    with tempfile.TemporaryDirectory(prefix="muster-steps-") as folder:
        done = subprocess.run([STEPS, model, optimizer, folder], capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr

        def read(name, kind=np.float32):
            return np.fromfile(os.path.join(folder, name), kind)

        losses = [float(line) for line in done.stdout.split()]
        params, grads, final = (read(name).astype(np.float64) for name in ("params", "grads", "final"))
        labels = read("labels", np.uint8).astype(int)
        if model == "digits":
            data, labels = read("inputs").astype(np.float64).reshape(BATCH, 64), labels
        else:
            data, labels = read("inputs", np.uint8).astype(int).reshape(BATCH, LENGTH), labels.reshape(BATCH, LENGTH)
    loss_of, update = {"digits": digits, "chars": chars}[model], {"sgd": sgd, "adamw": adamw}[optimizer]
    start, state, first = params, {}, None
    assert len(losses) == 10, losses
    for t, loss in enumerate(losses, 1):
        wanted, wanted_grads = loss_of(params, data, labels)
        assert abs(loss - wanted) <= 1e-4 * abs(wanted), f"loss of step {t}: {loss}, NumPy {wanted}"
        first = wanted_grads if first is None else first
        params = update(params, wanted_grads, state, t)
    assert losses[-1] < losses[0], losses
    largest = np.abs(first).max()
    off = np.abs(grads - first).max() / largest
    assert off <= 1e-5, f"gradients differ by {off:.3g} of the largest"
    way, difference = np.abs(params - start).max(), np.abs(final - params)
    is_rounding = (np.abs(first) < 1e-4 * largest) & (optimizer == "adamw")
    off_final = difference[~is_rounding].max() / way
    assert off_final <= 1e-3, f"weights after ten steps differ by {off_final:.3g} of the way"
    assert difference.max() <= 2 * 10 * LR, f"a weight went {difference.max():.3g} astray"
    assert is_rounding.mean() < 0.5, "most is left out: this compares nothing"
    print(f"{model} {optimizer}: gradients within {off:.1e}, weights within {off_final:.1e}, {is_rounding.sum()} of {len(params)} by the wide bound")


def main():
    failed = False
    for name in NAMES:
        _, model, optimizer, *_ = name.split("_")
        try:
            compare(model, optimizer)
            print("ok", name, flush=True)
        except Exception:
            traceback.print_exc()
            print("FAIL", name, flush=True)
            failed = True
    sys.exit(failed)


if __name__ == "__main__":
    main()
