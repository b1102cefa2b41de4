"""A script that prints nothing and only calls wandb.log. Knows nothing of muster."""
import time

import wandb

run = wandb.init(project="roots", config={"lr": 0.1, "epochs": 9})
x = 8.0
for epoch in range(run.config.epochs):
    for _ in range(10):
        x -= run.config.lr * (x - 3) / 10
    time.sleep(0.05)
    wandb.log({"loss": (x - 3) ** 2, "x": x})
run.finish()
