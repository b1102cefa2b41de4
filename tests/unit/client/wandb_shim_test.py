#!/usr/bin/env python3
"""client/python/shims/wandb.py in a process of its own, without a cluster: what would be reported goes to stderr."""
import os
import subprocess
import sys

SOURCE = os.environ.get("MUSTER_TEST_SOURCE", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.."))
PYTHON_DIR = os.path.join(SOURCE, "client/python")


def reports_of(script, params="{}", code=0, metric="val_loss", time=""):
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{PYTHON_DIR}:{PYTHON_DIR}/shims", "PYTHONDONTWRITEBYTECODE": "1",
                   "MUSTER_PARAMS": params, "MUSTER_METRIC": metric, "MUSTER_METRIC_TIME": time}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done
    return done.stderr.splitlines()


def test_log_with_the_metric_is_a_report():
    said = reports_of("""
import wandb
run = wandb.init(project="p", config={"lr": 1, "own": 2}, settings=wandb.Settings(silent=True))
assert run.config.lr == 0.5 and wandb.config["own"] == 2 and wandb.config.lr == 0.5
wandb.config.update({"lr": 9, "more": 3}, allow_val_change=True)
assert wandb.config.lr == 0.5 and wandb.config.more == 3
wandb.watch(object()); wandb.define_metric("x"); wandb.log_artifact(wandb.Artifact("a", type="b"))
wandb.log({"loss": 9})
wandb.log({"loss": 8, "val_loss": 4, "picture": wandb.Image(None), "name": "text"})
wandb.log({"val_loss": float("nan")})
""", '{"lr": 0.5}')
    assert said == ["step=1 loss=8 val_loss=4", "step=2 val_loss=nan"], said


def test_log_of_one_step_is_gathered():
    said = reports_of("""
import wandb
with wandb.init() as run:
    for epoch in range(2):
        run.log({"loss": 1}, step=epoch)
        run.log({"val_loss": 4 - epoch, "at": {"x": 7}}, step=epoch)
""")
    assert said == ["step=0 loss=1 val_loss=4 at/x=7", "step=1 loss=1 val_loss=3 at/x=7"], said


def test_log_step_is_the_time():
    said = reports_of("""
import wandb
wandb.init()
wandb.log({"val_loss": 1, "epoch": 3}, step=500)
wandb.finish()
""", time="epoch")
    assert said == ["step=3 val_loss=1 epoch=3"], said


def test_summary_alone_is_a_report():
    said = reports_of("""
import argparse, wandb
run = wandb.init(config=argparse.Namespace(lr=2))
assert run.config.lr == 2
run.summary["val_loss"] = 0.25
""")
    assert said == ["step=1 val_loss=0.25"], said


def test_agent_calls_the_function_once():
    said = reports_of("""
import wandb
def train():
    with wandb.init():
        wandb.log({"val_loss": wandb.config.lr})
wandb.agent(wandb.sweep({}, project="p"), function=train, count=50)
""", '{"lr": 0.5}')
    assert said == ["step=1 val_loss=0.5"], said


def main():
    failed = 0
    for name, test in sorted(globals().items()):
        if name.startswith("test_"):
            try:
                test()
                print("ok " + name)
            except Exception as error:  # noqa: BLE001
                failed += 1
                print(f"FAIL {name}: {error!r}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
