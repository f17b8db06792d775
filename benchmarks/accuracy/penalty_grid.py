"""What the penalty should be by default: validation accuracy of LoL by unit, reduction, factors, alpha and c.

    python benchmarks/accuracy/penalty_grid.py
    python benchmarks/accuracy/penalty_grid.py --sets '[youtube]' --rows '[100]' --seeds 1

All else is by default; there is no data module to balance the votes by. A fit is checked ten times on the validation
rows and its best check counts, as in ``lol-lightning benchmark``; test rows are never read. Interrupted, it goes on
where it stopped.
"""

from __future__ import annotations

from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from jsonargparse import auto_cli

from benchmarks.accuracy.sweep import SETS, Setting, checked_fit, resume
from benchmarks.output import RESULTS, show, wrench_root
from lol_lightning.data.wrench import WrenchDataModule
from lol_lightning.experiments.plan import Budget
from lol_lightning.experiments.training import evaluation_batches, quiet
from lol_lightning.models.classifier import LoLClassifier

GRIDS = {
    ("probability", "mean", "equal"): {"alpha": (0.3, 1.0, 3.0, 10.0), "c": (0.1, 0.2, 0.3, 0.4)},
    ("probability", "sum", "equal"): {"alpha": (0.1, 1.0, 10.0), "c": (0.05, 0.1, 0.3)},
    ("probability", "sum", "votes"): {"alpha": (0.1, 1.0, 10.0), "c": (0.05, 0.1, 0.3)},
    ("log-odds", "mean", "equal"): {"alpha": (0.01, 0.1, 1.0), "c": (1.0, 3.0, 9.0)},
    ("log-odds", "sum", "equal"): {"alpha": (0.003, 0.03, 0.3), "c": (1.0, 3.0, 9.0)},
    ("log-odds", "sum", "votes"): {"alpha": (0.003, 0.03, 0.3), "c": (1.0, 3.0, 9.0)},
}
NO_PENALTY = {"unit": "none", "reduction": "none", "factors": "none", "alpha": 0.0, "c": 1.0}
OPTIONS = list(NO_PENALTY)


def run(settings: list[Setting]) -> list[Setting]:
    """Train every setting of one set, seed and number of rows."""
    first = settings[0]
    budget = Budget(epochs=50, max_steps=600)
    with quiet():
        data = WrenchDataModule(
            wrench_root() / first["dataset"], max_train_rows=first["rows"] or None, seed=first["seed"]
        )
        data.setup("fit")
    train, val = data.dataset("train"), data.dataset("val")
    validation = evaluation_batches(val, np.arange(len(val)))
    lines = []
    for setting in settings:
        options = {name: setting[name] for name in OPTIONS if setting[name] != "none"}
        penalty = {**options, "seed": setting["seed"]}
        make_model = partial(LoLClassifier, None, data.num_features, data.num_classes, penalty=penalty)
        at, batch_size = budget.check_steps(len(train)), budget.batch_size_of(len(train))
        lines.append({**setting, **checked_fit(make_model, train, validation, batch_size, at, setting["seed"])})
    return lines


def main(
    sets: list[str] = SETS,
    rows: tuple[int, ...] = (100, 0),
    seeds: int = 3,
    jobs: int = 2,
    output: str = str(RESULTS / "penalty_grid.csv"),
) -> None:
    """Compare penalties.

    Args:
        sets: WRENCH sets.
        rows: numbers of unlabeled rows, 0 for all.
        seeds: repetitions.
        jobs: processes.
        output: CSV.
    """
    grid = [NO_PENALTY]
    for (unit, reduction, factors), ranges in GRIDS.items():
        kind = {"unit": unit, "reduction": reduction, "factors": factors}
        grid += [{**kind, "alpha": alpha, "c": c} for alpha, c in product(*ranges.values())]
    groups = [
        [{"dataset": name, "rows": number, "seed": seed, **point} for point in grid]
        for number, seed, name in product(rows, range(seeds), sets)
    ]
    frame = resume(Path(output), groups, run, jobs)
    for number, of_rows in frame.groupby("rows"):
        table = of_rows.pivot_table(index=OPTIONS, columns="dataset", values="best", sort=False)
        last = of_rows.pivot_table(index=OPTIONS, values="last", sort=False)["last"]
        table = table.assign(mean=table.mean(axis=1), **{"mean, last step": last}).reset_index()
        show(f"Validation accuracy %, {number or 'all'} rows", table.to_dict("records"))


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
