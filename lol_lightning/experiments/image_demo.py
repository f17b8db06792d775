"""The demo on images: labelers learn strokes on eight hand-written digits, and vote on the other two."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pandas as pd
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from lol_lightning._files.disk import make_directory_of, write_text
from lol_lightning.exceptions import ConfigurationError, check_choice
from lol_lightning.experiments.console import output_console
from lol_lightning.experiments.methods import as_methods
from lol_lightning.experiments.plan import METRICS, Budget
from lol_lightning.experiments.plots import save_figure
from lol_lightning.experiments.report import print_results
from lol_lightning.experiments.run import run_benchmark
from lol_lightning.experiments.training import quiet, trainer
from lol_lightning.losses.weights import LabeledVotes, lf_weights
from lol_lightning.models.classifier import LoLClassifier
from lol_lightning.models.metrics import SCORES, Score
from lol_lightning.vision.datamodule import LoLImageDataModule
from lol_lightning.vision.digits import digits_data
from lol_lightning.vision.labeler_training import LabelerTraining
from lol_lightning.vision.options import SplitOptions
from lol_lightning.vision.plots import plot_heat_maps

if TYPE_CHECKING:
    from lol_lightning.experiments.data import MakeDataModule

__all__ = ["image_demo"]

VARIANTS: dict[str, dict[str, Any]] = {
    "mv": {"method": "mv"},
    "snorkel": {"method": "snorkel"},
    "lol-simple": {"method": "lol-simple"},
    "lol": {"method": "lol"},
    "lol-simple-uniform": {"method": "lol-simple", "lf_weights": "uniform"},
    "lol-uniform": {"method": "lol", "lf_weights": "uniform"},
}
"""Methods of the demo; votes of "uniform" count alike, those of the others by how much a labeler exceeds guessing."""
VAL_PER_CLASS = 15
PICTURED = 4
"""Labelers in the picture."""


def image_demo(
    digits: tuple[int, int] = (4, 9),
    rows: int = 100,
    seeds: int = 3,
    trials: int = 6,
    jobs: int = 2,
    output: str = "demo-images",
    select_by: Score = "accuracy",
) -> None:
    """Compare majority vote, Snorkel, LoL-simple and LoL on digits, each with as many trials.

    The last two once more with all votes counting alike, instead of by how much their labeler exceeds guessing.

    Labelers of strokes ("closed loop", "ink at the top") are trained on the eight other digits, anew for each seed.

    Args:
        digits: the two digits to tell apart; no labeler is trained on them.
        rows: number of unlabeled training rows.
        seeds: number of repetitions, each with other labelers, rows, trials and networks.
        trials: hyperparameters tried for each method and seed, of which the best on validation is tested.
        jobs: processes.
        output: name of the files to write, without ending: a CSV of all results and a PNG of gradients.
        select_by: the score of the validation rows by which trials are chosen, and of the tables.
    """
    if len(set(digits)) != 2 or seeds < 1 or rows < 1:
        raise ConfigurationError(
            f"digits = {list(digits)} must be two distinct ones, seeds = {seeds} and rows = {rows} at least 1."
        )
    check_choice("select_by", select_by, list(SCORES))
    make_directory_of(f"{output}.csv")
    console = output_console()
    name = f"hand-written {digits[0]} or {digits[1]}"
    console.print(
        f"{name}: {seeds} seeds, {trials} trials a method and seed, chosen on {METRICS[select_by].title} of "
        f"{2 * VAL_PER_CLASS} labeled rows",
        soft_wrap=True,
    )
    make = cast("MakeDataModule", partial(digit_rows, digits, rows))
    options: dict[str, Any] = {"variants": VARIANTS, "budget": Budget(trials), "seeds": seeds, "jobs": jobs}
    options["select_by"] = select_by
    results = run_benchmark({name: make}, list(VARIANTS), **options, console=console).assign(train_rows=str(rows))
    data = digit_rows(digits, rows, seed=0)
    with quiet():
        data.setup()
    print_labelers(console, data)
    methods = as_methods(list(VARIANTS), VARIANTS)
    print_results(results, console, knows={method.name: method.knows for method in methods})
    console.print(what_it_shows(results, f"test_{select_by}"), soft_wrap=True)
    write_text(f"{output}.csv", results.to_csv(index=False))
    draw(data, f"{output}.png")
    console.print(f"All results: {output}.csv, gradients before and after training: {output}.png")


def what_it_shows(results: pd.DataFrame, metric: str) -> str:
    """Say what gradients and weights of votes change here, whichever way it is.

    Args:
        results: tidy results of the demo.
        metric: which one.

    Example:
        >>> values = {"lol": 0.9, "lol-simple": 0.91, "lol-uniform": 0.8, "lol-simple-uniform": 0.75}
        >>> lines = [{"method": name, "metric": "test_mcc", "value": value} for name, value in values.items()]
        >>> print(what_it_shows(pd.DataFrame(lines), "test_mcc"))
        Gradients change the mean by -1.0 points where votes are weighted by how good their labelers are, by +5.0 where
        all count alike; the weights alone by +16.0. docs/images.md tells when gradients help.
    """
    mean = 100 * results[results["metric"] == metric].groupby("method")["value"].mean()
    weighted, alike = mean["lol"] - mean["lol-simple"], mean["lol-uniform"] - mean["lol-simple-uniform"]
    weights = mean["lol-simple"] - mean["lol-simple-uniform"]
    return (
        f"Gradients change the mean by {weighted:+.1f} points where votes are weighted by how good their labelers are, "
        f"by {alike:+.1f} where all count alike; the weights alone by {weights:+.1f}. "
        "docs/images.md tells when gradients help."
    )


def digit_rows(digits: tuple[int, int], rows: int, seed: int) -> LoLImageDataModule:
    """Return two digits, and the strokes of all digits to train labelers on."""
    names = [str(digit) for digit in digits]
    split = SplitOptions(max_train_rows=rows, val_per_class=VAL_PER_CLASS)
    labelers = LabelerTraining(epochs=20)
    return LoLImageDataModule(digits_data(digits), names, labelers=labelers, split=split, seed=seed)


def print_labelers(console: Console, data: LoLImageDataModule) -> None:
    """Print how often each labeler is right on the rows to train on, whose classes no training reads."""
    right = (data.train_votes == data.train_classes.numpy()[:, None]).mean(0)
    table = Table(title="Labelers of seed 0, on the two digits that they were not trained on", title_justify="left")
    table.add_column("stroke")
    table.add_column("accuracy %", justify="right")
    for lf in right.argsort()[::-1]:
        table.add_row(data.lf_names[lf], f"{100 * right[lf]:.0f}")
    console.print(table)


def draw(data: LoLImageDataModule, path: str) -> None:
    """Train once more, and draw where the best labelers and the model look on one digit; needs matplotlib."""
    torch.manual_seed(0)
    before, model = (LoLClassifier(num_features=data.num_features, num_classes=2, lr=3e-3) for _ in range(2))
    with quiet():
        trainer(max_epochs=30, limit_val_batches=0).fit(model, datamodule=data)
    batch = next(iter(data.train_dataloader()))
    weights = lf_weights("above-chance", LabeledVotes.of(data))
    networks: dict[str, Any] = {"before": before.network, "after": model.network}
    pixels = (cast(Tensor, batch.features).reshape(-1, 1, 8, 8) + 1) / 2
    lfs = weights.argsort()[::-1][:PICTURED].tolist()
    figure = plot_heat_maps(pixels, networks, batch, data.lf_names, 2, lfs=lfs, class_names=data.label_names)
    save_figure(figure, path, dpi=120)
