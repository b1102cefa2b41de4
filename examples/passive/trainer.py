"""A line through points, with the configuration file and the printing of Hugging Face's Trainer. Knows nothing of muster."""
import json
import random
import sys
import time

with open(sys.argv[1]) as file:  # run_glue.py and its kin take all arguments from one JSON file
    config = {"learning_rate": 0.1, "num_train_epochs": 9, **json.load(file)}
draw = random.Random(42)
points = [(x, 3 * x - 1 + draw.gauss(0, 0.1)) for x in (draw.uniform(-1, 1) for _ in range(200))]
train, evaluation = points[:150], points[150:]
slope = offset = 0.0
started = time.time()


def loss_of(data):
    return sum((slope * x + offset - y) ** 2 for x, y in data) / len(data)


for epoch in range(1, config["num_train_epochs"] + 1):
    for step, (x, y) in enumerate(train, 1):
        error = slope * x + offset - y
        slope -= config["learning_rate"] * error * x
        offset -= config["learning_rate"] * error
        if step == 75:
            print({"loss": round(loss_of(train), 4), "learning_rate": config["learning_rate"], "epoch": epoch - 0.5})
    time.sleep(0.05)
    print({"eval_loss": loss_of(evaluation), "eval_runtime": round(time.time() - started, 4), "epoch": float(epoch)})
print({"train_runtime": round(time.time() - started, 4), "train_loss": loss_of(train), "epoch": float(epoch)})
