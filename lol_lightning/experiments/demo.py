"""The demo: four methods on few unlabeled rows, in a minute or two."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from lol_lightning._files.disk import make_directory_of, write_text
from lol_lightning.data.datamodule import LoLDataModule
from lol_lightning.data.options import LoaderOptions
from lol_lightning.data.synthetic import LABEL_NAMES, synthetic_comments, synthetic_lfs
from lol_lightning.exceptions import ConfigurationError, check_choice
from lol_lightning.experiments.console import output_console
from lol_lightning.experiments.data import Datasets
from lol_lightning.experiments.methods import as_methods
from lol_lightning.experiments.plan import METRICS, Budget
from lol_lightning.experiments.plots import plot_results
from lol_lightning.experiments.report import print_results
from lol_lightning.experiments.run import run_benchmark
from lol_lightning.features.encoder_features import space_of
from lol_lightning.models.metrics import SCORES, Score

__all__ = ["METHODS", "demo", "generated_rows"]

METHODS = ("mv", "snorkel", "lol-simple", "lol")


def demo(
    data: str | None = None,
    rows: int = 100,
    seeds: int = 5,
    trials: int = 6,
    jobs: int = 2,
    output: str | None = None,
    select_by: Score = "accuracy",
    encoder: str | None = None,
) -> None:
    """Compare majority vote, Snorkel, LoL-simple and LoL on few unlabeled rows, each with as many trials.

    Args:
        data: a WRENCH directory; by default a generated corpus of comments.
        rows: number of unlabeled training rows.
        seeds: number of repetitions, each with other rows, trials and networks.
        trials: hyperparameters tried for each method and seed, of which the best on validation is tested.
        jobs: processes.
        output: name of the files to write, without ending: a CSV of all results and a PNG. "demo" and the name of the
            set by default.
        select_by: the score of the validation rows by which trials are chosen, of the tables and of the picture.
        encoder: name or folder of a pretrained encoder of texts, whose embeddings stand beside the words.
    """
    if rows < 1:
        raise ConfigurationError(f"rows = {rows} must be at least 1.")
    check_choice("select_by", select_by, list(SCORES))
    output = output or ("demo" if data is None else f"demo-{Path(data).resolve().name}")
    make_directory_of(f"{output}.csv")
    console = output_console()
    name = Path(data).name if data else "generated comments"
    sets: Datasets = [data] if data else {name: partial(generated_rows, rows, encoder=encoder)}
    how = f"{seeds} seeds, {trials} trials a method and seed, chosen on validation {METRICS[select_by].title}"
    console.print(f"{name}: {how}", soft_wrap=True)
    size = rows if data else "all"
    options: dict[str, Any] = {"budget": Budget(trials), "seeds": seeds, "jobs": jobs, "select_by": select_by}
    options["encoder"] = encoder
    frame = run_benchmark(sets, METHODS, train_rows=size, console=console, **options).assign(train_rows=str(rows))
    print_results(frame, console, knows={method.name: method.knows for method in as_methods(list(METHODS))})
    write_text(f"{output}.csv", frame.to_csv(index=False))
    plot_results(frame, f"{output}.png", f"test_{select_by}", title=f"{rows} unlabeled rows")
    console.print(f"All results: {output}.csv, picture: {output}.png")


def generated_rows(rows: int, seed: int, encoder: str | None = None) -> LoLDataModule:
    """Generate unlabeled comments, and labeled ones below other videos for validation and test."""
    train = synthetic_comments(rows, seed=3 * seed).drop(columns="label")
    val, test = (synthetic_comments(size, seed=3 * seed + i, videos=(4, 5, 6, 7)) for i, size in ((1, 200), (2, 1000)))
    loader = LoaderOptions(seed=seed)
    space = space_of(encoder, None, "text", progress_bar=False)
    options: dict[str, Any] = {"classes": LABEL_NAMES, "loader": loader, "progress_bar": False}
    return LoLDataModule(train, val, test, lfs=synthetic_lfs(), feature_space=space, **options)
