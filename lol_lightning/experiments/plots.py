"""Pictures of results: curves over the number of labeled rows (Figure 2), or a bar for each method."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lol_lightning._files.disk import replacing
from lol_lightning.exceptions import ConfigurationError
from lol_lightning.experiments.tables import method_order, reading_of

__all__ = ["plot_results", "save_figure"]


def plot_results(
    frame: pd.DataFrame, path: str | Path, metric: str = "test_accuracy", title: str | None = None
) -> None:
    """Draw one picture: a panel for each set.

    Where studies saw several numbers of labeled rows a class, each method is a line of means over them with the
    standard deviation over seeds as error bars; else each method is a bar of the mean with a dot for each seed.

    Args:
        frame: tidy results of one number of unlabeled rows.
        path: the file to write.
        metric: which one.
        title: above all panels.

    Raises:
        ConfigurationError: if matplotlib is not installed, or the file's name tells no format of pictures.
        DataError: if the file cannot be written.
    """
    of = reading_of(metric)
    lines = frame[(frame["metric"] == metric) & np.isfinite(frame["value"])]
    lines = lines.assign(value=of.scale * lines["value"])
    sets, methods = list(dict.fromkeys(lines["dataset"])), method_order(lines)
    curves = lines["val_per_class"].nunique() > 1
    across = min(len(sets), 3)
    down = -(-len(sets) // across)
    height = 3.0 if curves else 1.0 + 0.35 * len(methods)
    figure = _figure()((4.2 * across if len(sets) > 1 else 6.5, height * down + 0.4))
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for panel, name in zip(panels, sets, strict=False):
        of_set = lines[lines["dataset"] == name]
        if curves:
            _curves(panel, of_set, methods)
        else:
            _bars(panel, of_set, methods, percent=of.scale == 100)
        panel.set_title(name)
    for panel in panels[len(sets) :]:
        panel.axis("off")
    label = f"{metric.partition('_')[0]} {of.title}{of.unit}"
    if curves:
        figure.supxlabel("labeled rows of each class")
        figure.supylabel(label)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
    else:
        figure.supxlabel(f"{label}, one dot for each seed")
    if title is not None:
        figure.suptitle(title)
    save_figure(figure, path, dpi=150)


def save_figure(figure: Any, path: str | Path, dpi: int) -> None:
    """Write a figure of matplotlib as a whole, in the format that the file's name tells.

    Raises:
        ConfigurationError: if it tells none that matplotlib writes.
        DataError: if the file cannot be written; one that was there is then as it was.
    """
    kind = Path(path).suffix.removeprefix(".").lower()
    if kind not in figure.canvas.get_supported_filetypes():
        raise ConfigurationError(
            f"{path}: the name of a picture ends in .png, .pdf, .svg or another kind of matplotlib."
        )
    with replacing(path) as file:
        figure.savefig(file, format=kind, dpi=dpi)


def _curves(panel: Any, of_set: pd.DataFrame, methods: list[str]) -> None:
    sizes = sorted(of_set["val_per_class"].unique(), key=lambda size: float("inf") if size == "all" else int(size))
    style: dict[str, Any] = {"marker": "o", "markersize": 3, "capsize": 2}
    for number, method in enumerate(methods):
        values = of_set[of_set["method"] == method]
        groups = [values.loc[values["val_per_class"] == size, "value"] for size in sizes]
        # Beside each other, so that no error bar hides another one.
        places = np.arange(len(sizes)) + 0.06 * (number - (len(methods) - 1) / 2)
        means = [group.mean() for group in groups]
        stds = [group.std() if len(group) > 1 else 0.0 for group in groups]
        panel.errorbar(places, means, stds, color=f"C{number}", label=method, **style)
    panel.set_xticks(range(len(sizes)), sizes)


def _bars(panel: Any, of_set: pd.DataFrame, methods: list[str], percent: bool) -> None:
    for position, method in enumerate(methods):
        values = of_set.loc[of_set["method"] == method, "value"].to_numpy()
        if len(values):
            panel.barh(position, values.mean(), color=f"C{position}", alpha=0.35)
            panel.plot(values, np.full(len(values), position), "o", color=f"C{position}", markersize=4)
    panel.set_yticks(range(len(methods)), methods)
    panel.invert_yaxis()
    lowest, highest = of_set["value"].min(), of_set["value"].max()
    if percent:
        panel.set_xlim(lowest - 10 if lowest < 0 else max(0.0, lowest - 10), min(100.0, highest + 3))


def _figure() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigurationError(
            "pictures need matplotlib, which is not installed: pip install 'lol-lightning[plots]'."
        ) from error
    return lambda size: Figure(figsize=size, layout="constrained")
