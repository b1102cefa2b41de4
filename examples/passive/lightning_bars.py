"""Newton's way to a cube root, with overrides as Hydra takes them and the progress bars of Lightning. Knows nothing of muster."""
import sys
import time

config = {"optimizer.lr": 0.1, "model.start": 3.0, "trainer.max_epochs": 9}
for argument in sys.argv[1:]:  # Hydra: key=value, and dots lead into groups
    key, _, value = argument.partition("=")
    if key not in config:
        sys.exit(f"Could not override '{key}'. Key is not in struct")
    config[key] = type(config[key])(value)

x = config["model.start"]
BATCHES = 20
for epoch in range(config["trainer.max_epochs"]):
    for batch in range(BATCHES + 1):
        if batch > 0:
            x -= config["optimizer.lr"] * (x**3 - 5) / max(1.0, 3 * x * x)
            time.sleep(0.003)
        percent = 100 * batch // BATCHES
        after = f", val_loss={abs(x**3 - 5):.5g}" if batch == BATCHES else ""
        sys.stderr.write(f"\rEpoch {epoch}: {percent:3}%|{'#' * (percent // 10):10}| {batch}/{BATCHES} "
                         f"[00:00<00:00, 300.0it/s, v_num=0{after}]")
        sys.stderr.flush()
print("\n`Trainer.fit` stopped: `max_epochs` reached.")
