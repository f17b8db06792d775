"""The demo on images: strokes of eight hand-written digits are learnt, and tell the other two digits apart."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast

import pandas as pd
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from lol_lightning.benchmark.trials import quiet, trainer
from lol_lightning.exceptions import ConfigurationError
from lol_lightning.image_trials import METHODS, Trial, run_method, sample_trials
from lol_lightning.module import LoLClassifier
from lol_lightning.vision.datamodule import LoLImageDataModule
from lol_lightning.vision.digits import digits_data
from lol_lightning.vision.plots import plot_heat_maps

__all__ = ["image_demo"]

COMPARED = ("majority-vote", "snorkel", "lol-simple", "lol")
PICTURED = 4
"""Labelers in the picture."""


def image_demo(
    digits: tuple[int, int] = (4, 9), rows: int = 100, seeds: int = 3, trials: int = 6, output: str = "demo"
) -> None:
    """Compare majority vote, Snorkel, LoL-simple and LoL on digits, each with the same random trials.

    Labelers of strokes ("closed loop", "ink at the top") are trained on the eight other digits, anew for each seed.

    Args:
        digits: the two digits to tell apart; no labeler has seen them.
        rows: number of unlabeled training rows.
        seeds: number of repetitions, each with other labelers, rows, trials and networks.
        trials: random configurations a method and seed, of which the best on validation is tested.
        output: name of the files to write, without ending: a CSV of all results and a PNG of gradients.
    """
    if len(set(digits)) != 2 or seeds < 1:
        raise ConfigurationError(f"digits = {list(digits)} must be two distinct ones, and seeds = {seeds} positive.")
    console = Console()
    console.print(
        f"Hand-written {digits[0]} or {digits[1]}, {rows} unlabeled rows: {seeds} seeds, {trials} random trials a "
        "method and seed, chosen on 30 labeled validation rows"
    )
    lines, task = [], []
    for seed in track(range(seeds), "training", console=console, transient=True):
        data = digit_rows(digits, rows, seed)
        correct = (data.train_votes == data.train_classes.numpy()[:, None]).mean(0)
        task.append(dict(zip(data.lf_names, correct, strict=True)))
        lines += [
            {"method": method, "seed": seed, **run_method(data, method, seed, sample_trials(seed, trials))}
            for method in COMPARED
        ]
    print_labelers(console, pd.DataFrame(task))
    print_methods(console, pd.DataFrame(lines))
    pd.DataFrame(lines).to_csv(f"{output}.csv", index=False)
    draw(data, f"{output}.png")
    console.print(f"All results: {output}.csv, gradients before and after training: {output}.png")


def digit_rows(digits: tuple[int, int], rows: int, seed: int) -> LoLImageDataModule:
    """Train labelers on the other digits, and let them vote on these two."""
    names = [str(digit) for digit in digits]
    with quiet():
        data = LoLImageDataModule(
            digits_data(digits),
            names,
            labeler_epochs=20,
            max_train_rows=rows,
            val_per_class=15,
            batch_size=32,
            seed=seed,
        )
        data.setup()
    return data


def print_labelers(console: Console, accuracies: pd.DataFrame) -> None:
    """Print how often each labeler is right on digits that it has never seen."""
    table = Table(title="Labelers, on the two digits that they have not seen", title_justify="left")
    table.add_column("stroke")
    table.add_column("accuracy %", justify="right")
    for name, accuracy in accuracies.mean().sort_values(ascending=False).items():
        table.add_row(str(name), f"{100 * accuracy:.0f}")
    console.print(table)


def print_methods(console: Console, results: pd.DataFrame) -> None:
    """Print mean and deviation over seeds."""
    table = Table(title="Methods", title_justify="left")
    table.add_column("method")
    for column in ("test accuracy %", "validation %", "seconds"):
        table.add_column(column, justify="right")
    for method, group in results.groupby("method", sort=False):
        test = 100 * group["test_accuracy"]
        deviation = "" if len(group) < 2 else f" ± {test.std():.1f}"
        row = (
            f"{test.mean():.1f}{deviation}",
            f"{100 * group['val_accuracy'].mean():.1f}",
            f"{group['seconds'].sum():.0f}",
        )
        table.add_row(str(method), *row)
    console.print(table)


def draw(data: LoLImageDataModule, path: str) -> None:
    """Train once more, and draw where the labelers and the model look on one digit; needs matplotlib."""
    options: dict[str, Any] = asdict(Trial(lr=3e-3, weight_decay=1e-4, alpha=1.0, c=1.0, seed=0))
    data.weight_penalties(METHODS["lol"].penalty_weights)
    torch.manual_seed(0)
    before, model = (LoLClassifier(num_features=64, num_classes=2, **options) for _ in range(2))
    with quiet():
        trainer(max_epochs=20, limit_val_batches=0).fit(model, datamodule=data)
    batch = next(iter(data.train_dataloader()))
    features = cast(Tensor, batch.features)
    best = data.example_targets.penalty_weights
    shown = range(data.task.num_lfs) if best is None else best.argsort(descending=True).tolist()
    networks: dict[str, Any] = {"before": before.network, "after": model.network}
    pixels = (features.reshape(-1, 1, 8, 8) + 1) / 2
    lfs = shown[:PICTURED]
    figure = plot_heat_maps(pixels, networks, batch, data.lf_names, 2, lfs=lfs, class_names=data.label_names)
    figure.savefig(path, dpi=120)
