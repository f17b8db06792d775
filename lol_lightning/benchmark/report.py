"""Results of a comparison, shown: a progress bar, a table and a picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from lol_lightning.benchmark.trials import METHODS, Result

__all__ = ["in_order", "plot_results", "print_results", "summary", "track"]


def track(results: Iterable[Result], total: int, description: str, console: Console) -> Iterator[Result]:
    """Pass results on behind a progress bar."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        yield from progress.track(results, total=total, description=description)


def summary(results: Iterable[Result]) -> pd.DataFrame:
    """Mean and standard deviation over seeds.

    Args:
        results: in any order.

    Returns:
        One row for each method, in the order of ``METHODS``; columns ``test_mean``, ``test_std``, ``val_mean``
        (percent), ``seeds`` and ``seconds`` (all seeds together).

    Example:
        >>> chosen = {"lr": 0.01, "weight_decay": 0.0, "alpha": 1.0, "c": 0.1}
        >>> one, two = (Result("lol", seed, 0.9, 0.8 + seed / 10, 0.8, 2.0, **chosen) for seed in (0, 1))
        >>> summary([one, two])["test_mean"].round(1).to_dict()
        {'lol': 85.0}
    """
    groups = in_order(results).groupby("method", sort=False)
    return pd.DataFrame(
        {
            "test_mean": 100 * groups["test_accuracy"].mean(),
            "test_std": 100 * groups["test_accuracy"].std(),
            "val_mean": 100 * groups["val_accuracy"].mean(),
            "seeds": groups.size(),
            "seconds": groups["seconds"].sum(),
        }
    )


def in_order(results: Iterable[Result]) -> pd.DataFrame:
    """Results as a DataFrame, by method in the order of ``METHODS`` and seed."""
    ordered = sorted(results, key=lambda result: (METHODS.index(result.method), result.seed))
    return pd.DataFrame([asdict(result) for result in ordered])


def print_results(results: Iterable[Result], console: Console, title: str | None = None) -> None:
    """Print the summary as a table."""
    table = Table(title=title, title_justify="left")
    table.add_column("method")
    for column in ("test accuracy %", "validation %", "seeds", "seconds"):
        table.add_column(column, justify="right")
    for method, row in summary(results).iterrows():
        tested = f"{row['test_mean']:.1f} ± {row['test_std']:.1f}"
        table.add_row(str(method), tested, f"{row['val_mean']:.1f}", f"{row['seeds']:.0f}", f"{row['seconds']:.0f}")
    console.print(table)


def plot_results(results: Iterable[Result], path: str | Path, title: str) -> None:
    """Draw each seed as a dot and each method's mean as a bar; needs matplotlib (``lol-lightning[plots]``)."""
    from matplotlib.figure import Figure

    frame = in_order(results)
    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    methods = list(frame["method"].unique())
    for position, method in enumerate(methods):
        accuracies = 100 * frame.loc[frame["method"] == method, "test_accuracy"].to_numpy()
        axes.barh(position, accuracies.mean(), color=f"C{position}", alpha=0.35)
        axes.plot(accuracies, np.full(len(accuracies), position), "o", color=f"C{position}", markersize=4)
    axes.set_yticks(range(len(methods)), methods)
    axes.invert_yaxis()
    axes.set_xlim(left=max(0.0, 100 * frame["test_accuracy"].min() - 10), right=100)
    axes.set_xlabel("test accuracy (%), one dot for each seed")
    axes.set_title(title)
    figure.savefig(path, dpi=150)
