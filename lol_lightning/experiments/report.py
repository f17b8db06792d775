"""Results for readers: tables on the terminal and in Markdown, with pictures beside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from lol_lightning._files.disk import make_directory_of, write_text
from lol_lightning.experiments.plan import METRICS, Metric
from lol_lightning.experiments.plots import plot_results
from lol_lightning.experiments.tables import (
    POOLED,
    by_conditions,
    chosen_by,
    comparisons,
    is_best,
    metric_named,
    reading_of,
    scores,
)

__all__ = ["print_results", "write_report"]

REFERENCE = "lol"
WORDS = ("method", "against", "knows")
"""Columns of words, which stand at the left."""
Cells = list[list[str]]


def print_results(
    frame: pd.DataFrame, console: Console, metric: str | None = None, knows: Mapping[str, str] | None = None
) -> None:
    """Print the tables of tidy results: a metric with the best in bold, and LoL against each method.

    Args:
        frame: tidy results.
        console: where to print.
        metric: which one, such as "macro_f1" or "val_accuracy"; by default the one that trials were chosen by, on the
            test rows.
        knows: what each method trains on, by name; a column of the table.

    Raises:
        ConfigurationError: if the results have no such metric.
    """
    metric = metric_named(frame, metric)
    for conditions, of_conditions in by_conditions(frame):
        header, rows = score_cells(of_conditions, metric, bold="[bold]{}[/bold]", knows=knows)
        _print(console, f"{_title(metric)} ({conditions})", header, rows)
        header, rows = comparison_cells(of_conditions, metric)
        if rows:
            _print(console, f"{REFERENCE} minus the other method, in {reading_of(metric).points} (p)", header, rows)
    if warning := unequal_trials(frame):
        console.print(f"[yellow]{warning}[/yellow]")


def write_report(
    frame: pd.DataFrame,
    directory: str | Path,
    name: str,
    metric: str | None = None,
    knows: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write the tables as Markdown and the pictures as PNG.

    Args:
        frame: tidy results.
        directory: made if missing.
        name: of the files, without ending.
        metric: the one of the first table, the tests and the pictures, see ``print_results``; other metrics follow.
        knows: what each method trains on, by name; a column of the tables.

    Returns:
        The files.

    Raises:
        ConfigurationError: if the results have no such metric.
        DataError: if a file cannot be written.
    """
    metric, directory = metric_named(frame, metric), Path(directory)
    report = directory / f"{name}.md"
    make_directory_of(report)
    pictures = []
    sizes = list(dict.fromkeys(frame["train_rows"]))
    for size in sizes:
        path = directory / (f"{name}.png" if len(sizes) == 1 else f"{name}-{size}-rows.png")
        title = "all unlabeled rows" if size == "all" else f"{size} unlabeled rows"
        plot_results(frame[frame["train_rows"] == size], path, metric, title)
        pictures.append(path)
    write_text(report, _markdown(frame, name, pictures, metric, knows))
    return [report, *pictures]


def score_cells(
    frame: pd.DataFrame, metric: str, bold: str, knows: Mapping[str, str] | None = None
) -> tuple[list[str], Cells]:
    """Texts of a table: a method in each row, a set in each column.

    Several sets are followed by their mean; a single one leaves room for the validation score and the time.
    """
    table = scores(frame, metric)
    of, methods = table.metric, [str(name) for name in table.mean.index]
    sets = [str(name) for name in table.mean.columns]
    means, stds, best = table.mean.to_numpy(), table.std.to_numpy(), table.best.to_numpy()
    header, rows = ["method"], [[method] for method in methods]
    if knows:
        header.append("knows")
        for row in rows:
            row.append(knows.get(row[0], "-"))
    for i, row in enumerate(rows):
        row += [_score(means[i, j], stds[i, j], of, bold if best[i, j] else "{}") for j in range(len(sets))]
    if len(sets) > 1:
        # A method that lacks a set has no mean, and is not the best.
        overall = table.mean.mean(axis=1, skipna=False).to_frame()
        highlighted = is_best(overall, of).to_numpy()[:, 0]
        for row, mean, highlight in zip(rows, overall.to_numpy()[:, 0], highlighted, strict=True):
            row.append(_number(mean, of, bold if highlight else "{}"))
        return [*header, *sets, "mean"], rows
    validated = scores(frame, chosen_by(frame))
    value = validated.mean.reindex(methods, columns=sets).to_numpy()
    seconds = frame.drop_duplicates(["method", "seed"]).groupby("method")["seconds"].sum()
    for i, row in enumerate(rows):
        row += [_number(value[i, 0], validated.metric), f"{seconds[methods[i]]:.0f}"]
    return [*header, *sets, _title(chosen_by(frame), capital=False), "seconds"], rows


def comparison_cells(frame: pd.DataFrame, metric: str = "test_accuracy") -> tuple[list[str], Cells]:
    """Texts of a table: LoL minus each other method, with the p-value of a paired test."""
    tests = comparisons(frame, REFERENCE, metric)
    shown = list(dict.fromkeys(sorted(tests["dataset"], key=lambda name: name == POOLED)))
    rows: dict[str, dict[str, str]] = {}
    for method, name, difference, p in zip(*(tests[column] for column in tests.columns[:4]), strict=True):
        rows.setdefault(str(method), {})[name] = _difference(float(difference), float(p), reading_of(metric))
    return ["against", *shown], [[method, *(cells.get(name, "-") for name in shown)] for method, cells in rows.items()]


def unequal_trials(frame: pd.DataFrame) -> str | None:
    """Return a warning where methods had different numbers of trials on a set."""
    for place, of_set in frame.groupby(["dataset", "train_rows", "val_per_class"], sort=False):
        if of_set["trials"].nunique() > 1:
            per_method = of_set.groupby("method")["trials"].unique().map(lambda trials: sorted(map(int, trials)))
            return f"The numbers of trials differ on {place[0]}, this is no fair comparison: {per_method.to_dict()}."
    return None


def _markdown(
    frame: pd.DataFrame, name: str, pictures: list[Path], metric: str, knows: Mapping[str, str] | None
) -> str:
    trials = ", ".join(map(str, sorted(frame["trials"].unique())))
    others = [f"test_{other}" for other in METRICS if (frame["metric"] == f"test_{other}").any()]
    parts = [
        f"# {name}",
        f"Means ± standard deviations over {frame['seed'].nunique()} seeds; {trials} trials a method, set and seed, "
        f"chosen on {_title(chosen_by(frame), unit=False, capital=False)}; the best in bold.",
    ]
    if warning := unequal_trials(frame):
        parts.append(f"**{warning}**")
    for conditions, of_conditions in by_conditions(frame):
        parts.append(f"## {str(conditions)[0].upper()}{str(conditions)[1:]}")
        for shown in [metric, *(other for other in others if other != metric)]:
            if (of_conditions["metric"] == shown).any():
                parts.append(f"{_title(shown)}{_BEST[reading_of(shown).best]}:")
                parts.append(_grid(*score_cells(of_conditions, shown, "**{}**", knows)))
            header, rows = comparison_cells(of_conditions, metric)
            if shown == metric and rows:
                parts.append(
                    f"`{REFERENCE}` minus the other method in {reading_of(metric).points} of "
                    f"{_title(metric, unit=False, capital=False)}. In parentheses p, two-sided: paired t-test over the "
                    f"seeds of a set; over {POOLED}, Wilcoxon's signed-rank test over every set and seed."
                )
                parts.append(_grid(header, rows))
    parts += [f"![{path.stem}]({path.name})" for path in pictures]
    return "\n\n".join(parts) + "\n"


_BEST = {"highest": "", "lowest": ", the lowest is best", None: ", none is best"}


def _title(metric: str, unit: bool = True, capital: bool = True) -> str:
    """Name a metric of results: "Test accuracy %", "validation macro F1"."""
    of = reading_of(metric)
    rows = {"test": "test ", "val": "validation "}.get(metric.partition("_")[0], "")
    return f"{rows.capitalize() if capital else rows}{of.title}{of.unit if unit else ''}"


def _grid(header: list[str], rows: Cells) -> str:
    rule = ["---" if name in WORDS else "---:" for name in header]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))


def _print(console: Console, title: str, header: list[str], rows: Cells) -> None:
    console.print(f"\n{title}")
    table = Table()
    for name in header:
        # On a narrow terminal cells have several lines, and nothing is cut off.
        table.add_column(name, justify="left" if name in WORDS else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _score(mean: float, std: float, of: Metric, form: str) -> str:
    return "-" if np.isnan(mean) else form.format(f"{mean:.{of.digits}f} ± {std:.{of.digits}f}")


def _number(value: float, of: Metric, form: str = "{}") -> str:
    return "-" if np.isnan(value) else form.format(f"{value:.{of.digits}f}")


def _difference(difference: float, p: float, of: Metric) -> str:
    if np.isnan(difference):
        return "-"
    shown = f"{difference:+.{of.digits}f}"
    if np.isnan(p):
        return shown
    return f"{shown} (<0.001)" if p < 0.001 else f"{shown} ({p:.3f})"
