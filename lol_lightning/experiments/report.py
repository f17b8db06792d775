"""Results for readers: tables on the terminal and in Markdown, with pictures beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from lol_lightning.experiments.plots import plot_results
from lol_lightning.experiments.tables import POOLED, by_conditions, comparisons, scores

__all__ = ["print_results", "write_report"]

REFERENCE = "lol"
METRICS = {"test_accuracy": "Test accuracy", "test_macro_f1": "Test macro F1"}
Cells = list[list[str]]


def print_results(frame: pd.DataFrame, console: Console) -> None:
    """Print the tables of tidy results: test accuracy with the best in bold, and LoL against each method."""
    for conditions, of_conditions in by_conditions(frame):
        header, rows = score_cells(of_conditions, "test_accuracy", bold="[bold]{}[/bold]")
        _print(console, f"Test accuracy % ({conditions})", header, rows)
        header, rows = comparison_cells(of_conditions)
        if rows:
            _print(console, f"{REFERENCE} minus the other method, in points (p)", header, rows)
    if warning := unequal_trials(frame):
        console.print(f"[yellow]{warning}[/yellow]")


def write_report(frame: pd.DataFrame, directory: str | Path, name: str) -> list[Path]:
    """Write the tables as Markdown and the pictures as PNG.

    Args:
        frame: tidy results.
        directory: made if missing.
        name: of the files, without ending.

    Returns:
        The files.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    pictures = []
    sizes = list(dict.fromkeys(frame["train_rows"]))
    for size in sizes:
        path = directory / (f"{name}.png" if len(sizes) == 1 else f"{name}-{size}-rows.png")
        title = "all unlabeled rows" if size == "all" else f"{size} unlabeled rows"
        plot_results(frame[frame["train_rows"] == size], path, title=title)
        pictures.append(path)
    report = directory / f"{name}.md"
    report.write_text(_markdown(frame, name, pictures), encoding="utf-8")
    return [report, *pictures]


def score_cells(frame: pd.DataFrame, metric: str, bold: str) -> tuple[list[str], Cells]:
    """Texts of a table: a method in each row, a set in each column.

    Several sets are followed by their mean; a single one leaves room for the validation accuracy and the time.
    """
    table = scores(frame, metric)
    sets, methods = [str(name) for name in table.mean.columns], [str(name) for name in table.mean.index]
    means, stds, best = table.mean.to_numpy(), table.std.to_numpy(), table.best.to_numpy()
    rows = [
        [method, *(_score(means[i, j], stds[i, j], bold if best[i, j] else "{}") for j in range(len(sets)))]
        for i, method in enumerate(methods)
    ]
    if len(sets) > 1:
        # A method that lacks a set has no mean, and is not the best.
        overall = means.mean(axis=1).round(1)
        highest = max(overall[~np.isnan(overall)], default=np.nan)
        for row, mean in zip(rows, overall, strict=True):
            row.append(_number(mean, bold if mean == highest else "{}"))
        return ["method", *sets, "mean"], rows
    validated = scores(frame, "val_accuracy").mean.reindex(methods, columns=sets).to_numpy()
    seconds = frame.drop_duplicates(["method", "seed"]).groupby("method")["seconds"].sum()
    for i, row in enumerate(rows):
        row += [_number(validated[i, 0]), f"{seconds[methods[i]]:.0f}"]
    return ["method", *sets, "validation", "seconds"], rows


def comparison_cells(frame: pd.DataFrame) -> tuple[list[str], Cells]:
    """Texts of a table: LoL minus each other method, with the p-value of a paired test."""
    tests = comparisons(frame, REFERENCE)
    shown = list(dict.fromkeys(sorted(tests["dataset"], key=lambda name: name == POOLED)))
    rows: dict[str, dict[str, str]] = {}
    for method, name, difference, p in zip(*(tests[column] for column in tests.columns[:4]), strict=True):
        rows.setdefault(str(method), {})[name] = _difference(float(difference), float(p))
    return ["against", *shown], [[method, *(cells.get(name, "-") for name in shown)] for method, cells in rows.items()]


def unequal_trials(frame: pd.DataFrame) -> str | None:
    """Return a warning where methods had different numbers of trials on a set."""
    for place, of_set in frame.groupby(["dataset", "train_rows", "val_per_class"], sort=False):
        if of_set["trials"].nunique() > 1:
            per_method = of_set.groupby("method")["trials"].unique().map(lambda trials: sorted(map(int, trials)))
            return f"The numbers of trials differ on {place[0]}, this is no fair comparison: {per_method.to_dict()}."
    return None


def _markdown(frame: pd.DataFrame, name: str, pictures: list[Path]) -> str:
    trials = ", ".join(map(str, sorted(frame["trials"].unique())))
    parts = [
        f"# {name}",
        f"Means ± standard deviations over {frame['seed'].nunique()} seeds, in percent; {trials} trials a method, set "
        "and seed, chosen on validation accuracy; the best in bold.",
    ]
    if warning := unequal_trials(frame):
        parts.append(f"**{warning}**")
    for conditions, of_conditions in by_conditions(frame):
        parts.append(f"## {str(conditions)[0].upper()}{str(conditions)[1:]}")
        for metric, title in METRICS.items():
            if (of_conditions["metric"] == metric).any():
                parts.append(f"{title}:")
                parts.append(_grid(*score_cells(of_conditions, metric, bold="**{}**")))
        header, rows = comparison_cells(of_conditions)
        if rows:
            parts.append(
                f"`{REFERENCE}` minus the other method in points of test accuracy. In parentheses p, two-sided: paired "
                f"t-test over the seeds of a set; over {POOLED}, Wilcoxon's signed-rank test over every set and seed."
            )
            parts.append(_grid(header, rows))
    parts += [f"![{path.stem}]({path.name})" for path in pictures]
    return "\n\n".join(parts) + "\n"


def _grid(header: list[str], rows: Cells) -> str:
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))


def _print(console: Console, title: str, header: list[str], rows: Cells) -> None:
    console.print(f"\n{title}")
    table = Table()
    for number, name in enumerate(header):
        table.add_column(name, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _score(mean: float, std: float, form: str) -> str:
    return "-" if np.isnan(mean) else form.format(f"{mean:.1f} ± {std:.1f}")


def _number(value: float, form: str = "{}") -> str:
    return "-" if np.isnan(value) else form.format(f"{value:.1f}")


def _difference(difference: float, p: float) -> str:
    shown = f"{difference:+.1f}"
    if np.isnan(p):
        return shown
    return f"{shown} (<0.001)" if p < 0.001 else f"{shown} ({p:.3f})"
