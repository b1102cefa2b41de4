"""What a script means by `import wandb` while muster tunes it: its configuration is the trial's, what it logs of the sweep's metric
is reported, and nothing leaves the machine. On PYTHONPATH only where the sweep file says `report: {from: [wandb]}`.

A log call that has the metric is one report, at the step called metric.time if it is in it, else at the call's own `step`, else
counted: 1, 2, 3. Told to stop, the log call ends the script by SystemExit. Whatever else wandb offers is taken and dropped.
"""
import atexit
import math
import os
import sys

import muster

__version__ = "0.17.0"
METRIC = os.environ.get("MUSTER_METRIC", "")
TIME = os.environ.get("MUSTER_METRIC_TIME", "")

run = None


class _Nothing:
    """Images, tables, artifacts, the public API: every call and attribute of it is nothing again."""

    def __init__(self, *arguments, **options):
        pass

    def __call__(self, *arguments, **options):
        # wandb.watch(model) and the like give nothing; a decorator gives its function back.
        return arguments[0] if len(arguments) == 1 and callable(arguments[0]) and not options else self

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *why):
        return False

    def __iter__(self):
        return iter(())

    def __bool__(self):
        return False


class Settings(_Nothing):
    pass


class Config(dict):
    """Parameters by name, config.lr or config["lr"]. Those of the trial win over the script's own, as in a sweep of W&B."""

    def __init__(self, own, params):
        super().__init__(own)
        dict.update(self, params)
        self.__dict__["_params"] = dict(params)

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"there is no config '{name}'; there are: {', '.join(sorted(self)) or 'none'}") from None

    def __setattr__(self, name, value):
        self[name] = value

    def __setitem__(self, name, value):
        if name not in self._params:
            super().__setitem__(name, value)

    def update(self, more=(), allow_val_change=None, **named):
        for name, value in dict(more, **named).items():
            self[name] = value

    def setdefaults(self, more):
        for name, value in dict(more).items():
            self.setdefault(name, value)
        return dict(self)

    def as_dict(self):
        return dict(self)


def _own_config(config):
    if config is None:
        return {}
    return dict(config) if hasattr(config, "keys") else dict(vars(config))  # an argparse.Namespace


def _flat(values, prefix=""):
    """Numbers by name; nested names joined by /, as W&B shows them."""
    found = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found.update(_flat(value, f"{prefix}{name}/"))
            continue
        try:
            if not isinstance(value, (str, bytes, bool)):
                found[f"{prefix}{name}"] = float(value)
        except (TypeError, ValueError, OverflowError):
            pass  # an image, a table, a histogram
    return found


class Run(_Nothing):
    def __init__(self, trial, config, name):
        self.trial = trial
        self.config = Config(config, trial.params)
        self.summary = {}
        self.id = trial.id or "alone"
        self.name = name or f"trial {self.id}"
        self.project = self.entity = self.group = "muster"
        self.url = self.sweep_id = ""
        self.dir = os.getcwd()
        self.step = 0  # of the next log call, as W&B counts them
        self.disabled = False
        self._row = {}  # of the step that is not committed yet
        self._row_step = None
        self._count = trial.step
        self._has_told = False  # the metric, in a log call
        self._is_open = True

    def log(self, data, step=None, commit=None, sync=None):
        """As wandb.log(): values of one step are gathered until the next one, `commit` or the end."""
        if self._row and step is not None and step != self._row_step:
            self._flush()
        self._row.update(_flat(data))
        self.summary.update(data)
        self._row_step = step
        if commit or (commit is None and step is None):
            self._flush()

    def _flush(self):
        row, step = self._row, self._row_step
        self._row, self._row_step = {}, None
        self.step = int(step) + 1 if step is not None else self.step + 1
        if row and (not METRIC or METRIC in row):
            self._has_told = True
            self._report(row, step)

    def _report(self, row, step):
        self._count += 1
        time = row.get(TIME) if TIME else None
        if time is not None and math.isfinite(time):
            step = time
        step = int(step) if step is not None else self._count
        acts = 0
        try:
            acts = self.trial.report(step=step, **row)
        except muster.Refused as why:
            print(f"wandb (muster): not reported: {why}", file=sys.stderr)
        if acts & (muster.STOP | muster.PAUSE):
            self.finish()
            print("wandb (muster): the trial is told to stop", file=sys.stderr)
            raise SystemExit(muster.EX_TEMPFAIL if acts & muster.PAUSE else 0)

    def finish(self, exit_code=None, quiet=None):
        """The last step counts; so does a metric that only the summary has. Nothing is said of how the process ends: its exit code
        does that."""
        global run
        if not self._is_open:
            return
        self._is_open = False
        run = None if run is self else run
        if self._row:
            self._flush()
        left = _flat(self.summary)
        if not self._has_told and METRIC in left:
            self._report({METRIC: left[METRIC]}, None)

    def __bool__(self):
        return True

    def __enter__(self):
        return self

    def __exit__(self, kind, why, trace):
        self.finish()
        return False


def init(config=None, name=None, **ignored):
    """The run of this process; a second one goes on with the first one's trial."""
    global run, _trial
    if run is not None:
        run.config.update(_own_config(config))
        return run
    if _trial is None:
        _trial = muster.Trial(can=())
    run = Run(_trial, _own_config(config), name)
    atexit.register(run.finish)
    return run


_trial = None


def log(data, step=None, commit=None, sync=None):
    if run is None:
        raise RuntimeError("call wandb.init() before wandb.log()")
    run.log(data, step=step, commit=commit)


def finish(exit_code=None, quiet=None):
    if run is not None:
        run.finish()


def agent(sweep_id=None, function=None, count=None, **ignored):
    """One trial is one call: muster is the one that makes more of them."""
    if function is not None:
        function()


def sweep(sweep=None, **ignored):
    return "muster"


def login(*arguments, **options):
    return True


def define_metric(*arguments, **options):
    return _Nothing()


def __getattr__(name):
    if name == "config":
        return run.config if run is not None else Config({}, {})
    if name == "summary":
        return run.summary if run is not None else {}
    if name.startswith("__"):
        raise AttributeError(name)
    return _Nothing if name[:1].isupper() else _Nothing()
