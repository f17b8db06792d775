"""The demo: four methods on few unlabeled rows, in a minute or two."""

from __future__ import annotations

from functools import partial
from itertools import product
from pathlib import Path

from rich.console import Console

from lol_lightning.benchmark.report import in_order, plot_results, print_results, track
from lol_lightning.benchmark.trials import compare
from lol_lightning.data.datamodule import LoLDataModule
from lol_lightning.data.synthetic import LABEL_NAMES, synthetic_comments, synthetic_lfs
from lol_lightning.data.wrench import WrenchDataModule

__all__ = ["DEMO_METHODS", "demo", "generated_rows", "wrench_rows"]

DEMO_METHODS = ("mv", "snorkel", "lol-simple", "lol")

BATCH_SIZE = 32
"""Few rows: several steps an epoch."""


def demo(
    data: str | None = None, rows: int = 100, seeds: int = 5, trials: int = 6, jobs: int = 2, output: str = "demo"
) -> None:
    """Compare majority vote, Snorkel, LoL-simple and LoL on few unlabeled rows, each with the same random trials.

    Args:
        data: a WRENCH directory; a generated corpus of comments if not given.
        rows: number of unlabeled training rows.
        seeds: number of repetitions, each with other rows, trials and networks.
        trials: random configurations a method and seed, of which the best on validation is tested.
        jobs: processes.
        output: name of the files to write, without ending: a CSV of all results and a PNG.
    """
    console = Console()
    name = f"{Path(data).name if data else 'generated comments'}, {rows} unlabeled rows"
    console.print(f"{name}: {seeds} seeds, {trials} random trials a method and seed, chosen on validation")
    make = partial(wrench_rows, data, rows) if data else partial(generated_rows, rows)
    tasks = list(product(range(seeds), DEMO_METHODS))
    results = list(track(compare(make, tasks, trials, jobs), len(tasks), "training", console))
    print_results(results, console)
    in_order(results).to_csv(f"{output}.csv", index=False)
    plot_results(results, f"{output}.png", name)
    console.print(f"All results: {output}.csv, picture: {output}.png")


def generated_rows(rows: int, seed: int) -> LoLDataModule:
    """Generate unlabeled comments, and labeled ones below other videos for validation and test."""
    train = synthetic_comments(rows, seed=3 * seed).drop(columns="label")
    val, test = (synthetic_comments(size, seed=3 * seed + i, videos=(4, 5, 6, 7)) for i, size in ((1, 200), (2, 1000)))
    return LoLDataModule(
        train,
        val,
        test,
        lfs=synthetic_lfs(),
        label_names=LABEL_NAMES,
        batch_size=BATCH_SIZE,
        progress_bar=False,
        seed=seed,
    )


def wrench_rows(directory: str, rows: int, seed: int) -> LoLDataModule:
    """Draw unlabeled rows from a WRENCH directory."""
    return WrenchDataModule(directory, max_train_rows=rows, batch_size=BATCH_SIZE, seed=seed)
