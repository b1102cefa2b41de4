"""A polynomial fit with flags as click has them and the progress bars of Keras. Knows nothing of muster."""
import random
import sys
import time

options = {"rate": 0.1, "epochs": 9, "momentum": False}
arguments = iter(sys.argv[1:])
for argument in arguments:  # --rate=0.1 or --rate 0.1; --momentum and --no-momentum
    name, _, value = argument.removeprefix("--").partition("=")
    if isinstance(options.get(name.removeprefix("no-")), bool) and not value:
        options[name.removeprefix("no-")] = not name.startswith("no-")
    elif name in options:
        options[name] = type(options[name])(value or next(arguments))
    else:
        sys.exit(f"Error: No such option: --{name}")

draw = random.Random(7)
points = [(x, x * x - 0.5 * x + draw.gauss(0, 0.05)) for x in (draw.uniform(-1, 1) for _ in range(120))]
train, held = points[:100], points[100:]
weights, speed = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]


def error_of(x, y):
    return weights[0] + weights[1] * x + weights[2] * x * x - y


def loss_of(data):
    return sum(error_of(x, y) ** 2 for x, y in data) / len(data)


STEPS = 10
for epoch in range(1, options["epochs"] + 1):
    print(f"Epoch {epoch}/{options['epochs']}")
    for step in range(1, STEPS + 1):
        for x, y in train[(step - 1) * 10 : step * 10]:
            error = error_of(x, y)
            for k, power in enumerate((1, x, x * x)):
                speed[k] = (0.9 if options["momentum"] else 0.0) * speed[k] - options["rate"] * error * power
                weights[k] += speed[k]
        time.sleep(0.005)
        bar = "━" * (20 * step // STEPS)
        sys.stdout.write(f"\r\x1b[1m{step:2}/{STEPS}\x1b[0m \x1b[32m{bar}\x1b[0m\x1b[37m{'━' * (20 - len(bar))}\x1b[0m "
                         f"\x1b[1m0s\x1b[0m 5ms/step - loss: {loss_of(train):.4f}")
        sys.stdout.flush()
    print(f" - val_loss: {loss_of(held):.4e}")
