"""How rarely may the penalty be computed, and on how few samples: accuracy of LoL on six WRENCH sets.

    python benchmarks/accuracy/schedule_accuracy.py
    python benchmarks/accuracy/schedule_accuracy.py --sets '[youtube]' --seeds 1 --rows '[100]'

Every ``every`` meets every ``num_samples``, all else by default, with few unlabeled rows (batches of 32, 50
epochs) and with all (batches of 128, 10 epochs). Defaults are to be chosen by validation accuracy; test accuracy is
shown beside it. Interrupted, it goes on where it stopped.
"""

from __future__ import annotations

from functools import partial
from itertools import product
from pathlib import Path

import pandas as pd
from jsonargparse import auto_cli

from benchmarks.accuracy.sweep import SETS, Setting, resume, scores
from benchmarks.output import RESULTS, show, wrench_root
from lol_lightning.data.wrench import WrenchDataModule
from lol_lightning.experiments.training import quiet
from lol_lightning.models.classifier import LoLClassifier

ROWS = [100, 0]
EVERY, NUM_SAMPLES = [1, 2, 4, 8], [2, 5, 10, 20]
OPTIONS = ["every", "num_samples"]


def run(settings: list[Setting]) -> list[Setting]:
    """Train every setting of one set, seed and number of rows."""
    first = settings[0]
    few = first["rows"] > 0
    data = WrenchDataModule(
        wrench_root() / first["dataset"],
        max_train_rows=first["rows"] or None,
        batch_size=32 if few else 128,
        seed=first["seed"],
    )
    with quiet():
        data.setup()
    lines = []
    for setting in settings:
        options = {name: setting[name] for name in OPTIONS}
        penalty = {**options, "seed": setting["seed"]}
        make = partial(LoLClassifier, None, data.num_features, data.num_classes, penalty=penalty)
        lines.append({**setting, **scores(data, make, setting["seed"], max_epochs=50 if few else 10)})
    return lines


def summary(frame: pd.DataFrame) -> list[Setting]:
    """Mean accuracies over sets and seeds, and how they differ from those of the dearest setting.

    The standard error is that of the difference in validation accuracy, over sets and seeds.
    """
    lines = []
    for rows, of_rows in frame.groupby("rows"):
        table = of_rows.pivot_table(
            index=["dataset", "seed"], columns=OPTIONS, values=["val_accuracy", "test_accuracy"]
        )
        val, test = table["val_accuracy"], table["test_accuracy"]
        dearest = (frame["every"].min(), frame["num_samples"].max())
        for every, samples in val.columns:
            chosen = every, samples
            difference = val[chosen] - val[dearest]
            lines.append(
                {
                    "rows": rows or "all",
                    "every": every,
                    "num_samples": samples,
                    "validation": val[chosen].mean(),
                    "test": test[chosen].mean(),
                    "validation - dearest": difference.mean(),
                    "standard error": difference.sem(),
                    "test - dearest": (test[chosen] - test[dearest]).mean(),
                }
            )
    return lines


def main(
    sets: list[str] = SETS,
    rows: list[int] = ROWS,
    seeds: int = 5,
    jobs: int = 2,
    output: str = str(RESULTS / "schedule_accuracy.csv"),
) -> None:
    """Compare schedules.

    Args:
        sets: WRENCH sets.
        rows: numbers of unlabeled rows, 0 for all.
        seeds: repetitions.
        jobs: processes.
        output: CSV.
    """
    groups = [
        [
            {"dataset": name, "rows": number, "seed": seed, "every": every, "num_samples": samples}
            for every, samples in product(EVERY, NUM_SAMPLES)
        ]
        for number, seed, name in product(rows, range(seeds), sets)
    ]
    show("Accuracy %", summary(resume(Path(output), groups, run, jobs)))


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
