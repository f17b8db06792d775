"""Small data and budgets for tests of experiments: comments with LFs of known rules, as data modules and on disk."""

import json

import numpy as np

from lol_lightning.data.datamodule import LoLDataModule
from lol_lightning.data.options import LoaderOptions
from lol_lightning.data.synthetic import LABEL_NAMES, synthetic_comments
from lol_lightning.data.wrench import read_wrench_lfs
from lol_lightning.experiments.data import as_sets
from lol_lightning.experiments.methods import METHODS
from lol_lightning.experiments.plan import Budget, StudyPlan
from lol_lightning.lfs.apply import fast_apply

RULES = [
    {"name": "subscribe", "rules": [{"label": 1, "token": ["subscribe", "http", "please", "free", "channel"]}]},
    {"name": "click", "rules": [{"label": 1, "token": ["click", "plz", "giveaway", "earn", "check"]}]},
    {"name": "song", "rules": [{"label": 0, "token": ["song", "love", "voice", "beautiful", "music"]}]},
    {"name": "lyrics", "rules": [{"label": 0, "token": ["lyrics", "beat", "amazing", "melody", "chorus"]}]},
]
BUDGET = {"trials": 3, "epochs": 3, "checks": 3}
SIZES = {"train": 90, "valid": 60, "test": 80}


def frames(seed=0):
    return {name: synthetic_comments(size, seed=10 * seed + i) for i, (name, size) in enumerate(SIZES.items())}


def write_wrench(directory, seed=0, change_test=lambda labels: labels):
    """Write a WRENCH directory; ``change_test`` may spoil the test labels."""
    directory.mkdir(parents=True)
    (directory / "lfs.json").write_text(json.dumps(RULES))
    (directory / "label.json").write_text(json.dumps(dict(enumerate(LABEL_NAMES))))
    _, lfs = read_wrench_lfs(directory / "lfs.json")
    for name, frame in frames(seed).items():
        votes = fast_apply(lfs, frame, progress_bar=False)
        labels = change_test(frame["label"].to_numpy()) if name == "test" else frame["label"]
        rows = zip(frame["text"], labels, votes.tolist(), strict=True)
        content = {i: {"label": int(y), "weak_labels": v, "data": {"text": t}} for i, (t, y, v) in enumerate(rows)}
        (directory / f"{name}.json").write_text(json.dumps(content))
    return directory


class Comments:
    """From a seed to a data module; ``reads`` counts how often the test rows were read."""

    def __init__(self, lfs):
        self.lfs, self.reads = lfs, 0

    def __call__(self, seed):
        own, splits = self, frames(seed)

        class Counting(LoLDataModule):
            def test_dataloader(self):
                own.reads += 1
                return super().test_dataloader()

        train = splits["train"].drop(columns="label")
        return Counting(
            train, splits["valid"], splits["test"], lfs=self.lfs, progress_bar=False, loader=LoaderOptions(seed=seed)
        )


def comments(directory):
    """Data modules of the same comments, with LFs that have code."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "lfs.json").write_text(json.dumps(RULES))
    return Comments(read_wrench_lfs(directory / "lfs.json")[1])


def plan_of(directory, method="lol", seed=0, **options):
    (dataset,) = as_sets([directory])
    budget = Budget(**{**BUDGET, **options.pop("budget", {})})
    method = METHODS[method] if isinstance(method, str) else method
    return StudyPlan(dataset, method, seed, budget=budget, **options)


def without_seconds(frame):
    return frame.drop(columns="seconds")


def spoiled(labels):
    return np.random.default_rng(0).permutation(labels)
