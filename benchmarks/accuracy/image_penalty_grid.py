"""What the penalty should be by default for labelers of images: gain of LoL over LoL-simple by alpha, c and rows.

    python benchmarks/accuracy/image_penalty_grid.py
    python benchmarks/accuracy/image_penalty_grid.py --sets '[awa1]' --rows '[100]' --seeds 1

Pairs are of classes that no table tells apart, so that the rows which choose a default are none of those that it is
measured on. All else is by default. A fit is checked ten times on the validation rows, and the test rows of these pairs
are read by the weights of its best check. Interrupted, it goes on where it stopped.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jsonargparse import auto_cli

from benchmarks.accuracy.image_sets import RESNET_EPOCHS, STEM, Pair, awa1_pair, cifar10_pair, train_cifar10
from benchmarks.accuracy.sweep import Setting, in_processes, resume
from benchmarks.output import RESULTS, show, vision_root
from lol_lightning._lightning import isolate_rng
from lol_lightning.experiments.data import Prepared
from lol_lightning.experiments.methods import METHODS
from lol_lightning.experiments.plan import Budget
from lol_lightning.experiments.training import evaluate, evaluation_batches, fit, quiet
from lol_lightning.vision.datamodule import LoLImageDataModule

PAIRS: dict[str, list[Pair]] = {
    "awa1": [
        ("persian+cat", "leopard"),
        ("leopard", "chimpanzee"),
        ("chimpanzee", "giant+panda"),
        ("giant+panda", "pig"),
        ("pig", "persian+cat"),
    ],
    "cifar10": [("airplane", "dog"), ("automobile", "ship")],
}
GRID = [{"alpha": 0.0, "c": 1.0}] + [
    {"alpha": alpha, "c": c} for alpha, c in product((0.03, 0.1, 0.3, 1.0, 3.0), (0.2, 0.5, 1.0))
]


def run(root: str, cache: str, settings: list[Setting]) -> list[Setting]:
    """Train every setting of one pair, number of rows and seed."""
    first = settings[0]
    seed, budget = first["seed"], Budget()
    with quiet():
        data = _data(root, cache, first)
        data.setup()
    prepared = Prepared(data)
    val = data.dataset("val")
    method = METHODS["lol"].resolve(prepared, np.arange(len(val)))
    checked, tested = (evaluation_batches(rows, np.arange(len(rows))) for rows in (val, data.dataset("test")))
    num_rows, lines = len(prepared.train), []
    for setting in settings:
        with quiet(), isolate_rng():
            torch.manual_seed(seed)
            model = method.make_model(prepared, {name: setting[name] for name in ("alpha", "c")}, seed)
            result = fit(model, prepared.train, checked, budget.batch_size_of(num_rows), budget.check_steps(num_rows))
            test = evaluate(result.restore_best(), tested)
        lines.append(
            {
                **setting,
                "trained": num_rows,
                "val": round(100 * max(result.scores), 2),
                "test": round(100 * test, 2),
            }
        )
    return lines


def _data(root: str, cache: str, setting: Setting) -> LoLImageDataModule:
    pair = tuple(setting["pair"].split(" v. "))
    make = partial(awa1_pair, root) if setting["set"] == "awa1" else partial(cifar10_pair, root, cache)
    data = make(pair, setting["seed"])
    if setting["rows"]:
        data.draw_train_rows(setting["rows"], setting["seed"])
    return data


def gains(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean gain in points over no penalty, with its standard error over pairs and seeds, by rows, alpha and c."""
    keys = ["set", "pair", "seed", "rows"]
    base = frame[frame["alpha"] == 0].set_index(keys)["test"].rename("base")
    frame = frame[frame["alpha"] > 0].join(base, on=keys)
    frame["gain"] = frame["test"] - frame["base"]
    table = frame.groupby(["set", "alpha", "c", "rows"])["gain"].agg(["mean", "sem"])
    shown = table["mean"].map("{:+.1f}".format) + " ± " + table["sem"].map("{:.1f}".format)
    by_rows = shown.unstack("rows")
    # 0 stands for all rows.
    ordered = by_rows[sorted(by_rows.columns, key=lambda rows: rows or math.inf)]
    return ordered.rename(columns=lambda rows: f"{rows or 'all'} rows")


def main(
    root: str | None = None,
    sets: tuple[str, ...] = ("awa1", "cifar10"),
    rows: tuple[int, ...] = (25, 100, 400, 0),
    seeds: int = 4,
    jobs: int = 2,
    cache: str = "runs/images",
    output: str = str(RESULTS / "image_penalty_grid.csv"),
) -> None:
    """Compare penalties.

    Args:
        root: directory of the image sets.
        sets: "awa1" and "cifar10", or one of them.
        rows: numbers of unlabeled rows, 0 for all.
        seeds: repetitions.
        jobs: processes.
        cache: directory for the representations of CIFAR-10.
        output: CSV.
    """
    root = str(root or vision_root())
    if "cifar10" in sets:
        in_processes(partial(train_cifar10, root, cache, RESNET_EPOCHS, STEM), PAIRS["cifar10"], jobs)
    groups = [
        [{"set": name, "pair": " v. ".join(pair), "rows": number, "seed": seed, **point} for point in GRID]
        for number, seed, name in product(rows, range(seeds), sets)
        for pair in PAIRS[name]
    ]
    frame = resume(Path(output), groups, partial(run, root, cache), jobs)
    show("Gain over LoL-simple in points of test accuracy", gains(frame).reset_index().to_dict("records"))


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
