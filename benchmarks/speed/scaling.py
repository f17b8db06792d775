"""Time and memory against rows n, vocabulary V, LFs m, classes K and inspected features F.

    python benchmarks/speed/scaling.py

One size changes at a time, from 10,000 rows, V = 50,000, m = 10, K = 2, F = 1,000. Every point is a process of its own
that was forked after the imports, so that its peak memory above them is known. Against n the whole epoch is timed, with
cutting its batches; else a step. The slope of a curve is that of log time (or memory) against log size; it is also
given from the last size but one to the last, where fixed costs are least.

Written: ``results/scaling.csv`` and ``results/scaling.png``.
"""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import torch
from jsonargparse import auto_cli

from benchmarks.output import RESULTS, Row, show
from benchmarks.speed.bare_loop import BareLoop, generated, loader
from benchmarks.speed.timing import CLOCK, cost, peak_megabytes

BASE = {"n": 10_000, "V": 50_000, "m": 10, "K": 2, "F": 1_000}
AXES = {
    "n": [1_000, 10_000, 100_000, 1_000_000],
    "V": [2_000, 10_000, 100_000, 1_000_000],
    "m": [1, 10, 100, 1_000],
    "K": [2, 5, 20, 50, 200],
    "F": [10, 100, 1_000, 10_000],
}
METHODS = ("lol-simple", "lol")
PRELOAD = ["lol_lightning.experiments.training", "snorkel.labeling.model"]
COSTS = {"ms": "time", "MB": "memory above the imports"}


def run(axes: dict[str, list[int]] = AXES, base: dict[str, int] = BASE, folder: Path = RESULTS) -> list[Row]:
    """Measure all curves, write and plot them; return the last point of each beside the first."""
    frame = curves(axes, base)
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_csv(folder / "scaling.csv", index=False)
    plot(frame, folder / "scaling.png")
    show(f"Slopes; other sizes are {base}", slopes(frame))
    results = []
    for (axis, method), curve in frame.groupby(["axis", "method"], sort=False):
        first, last = curve.iloc[0], curve.iloc[-1]
        for unit, name in COSTS.items():
            case = f"{method}, {name}, {axis}={last['size']:,} / {axis}={first['size']:,}"
            results.append(cost(case, [last[unit]], [first[unit]], unit))
    return results


def curves(axes: dict[str, list[int]], base: dict[str, int]) -> pd.DataFrame:
    """Columns axis, size, method, ms (a step; an epoch against n) and MB."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    points = [(axis, size, method) for axis in axes for size in axes[axis] for method in METHODS]
    with context.Pool(1, maxtasksperchild=1) as pool:
        found = [pool.apply(measure, (axis, {**base, axis: size}, method)) for axis, size, method in points]
    frame = pd.DataFrame(points, columns=["axis", "size", "method"])
    return frame.assign(ms=[ms for ms, _ in found], MB=[megabytes for _, megabytes in found])


def measure(axis: str, size: dict[str, int], method: str, block: int = 20) -> tuple[float, float]:
    """Milliseconds of a step, or of an epoch if n changes, and MB above those of the imports."""
    torch.set_num_threads(1)
    imports = peak_megabytes()
    dataset = generated(size["n"], size["V"], size["m"], size["K"], size["F"])
    loop = BareLoop(dataset, method=method)
    if axis == "n":
        start = CLOCK()
        loop.train(loader(dataset))
        return 1000 * (CLOCK() - start), peak_megabytes() - imports
    batches, seconds = list(loader(dataset)), []
    for first in range(0, len(batches), block):
        start = CLOCK()
        loop.train(batches[first : first + block])
        seconds.append((CLOCK() - start) / len(batches[first : first + block]))
    return 1000 * median(seconds), peak_megabytes() - imports


def slopes(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Slopes of log cost against log size, over all sizes and over the last two."""
    lines = []
    for (axis, method), curve in frame.groupby(["axis", "method"], sort=False):
        line: dict[str, Any] = {"axis": axis, "method": method}
        for unit, name in COSTS.items():
            log_size, log_cost = np.log(curve["size"]), np.log(curve[unit].clip(lower=0.1))
            line[f"{name}, all"] = float(np.polyfit(log_size, log_cost, 1)[0])
            line[f"{name}, last"] = float(np.polyfit(log_size[-2:], log_cost[-2:], 1)[0])
        lines.append(line)
    return lines


def plot(frame: pd.DataFrame, path: Path) -> None:
    """Draw time above and memory below, one column for each axis; needs matplotlib."""
    from matplotlib.figure import Figure

    axes = list(frame["axis"].unique())
    figure = Figure(figsize=(3 * len(axes), 5), layout="constrained")
    grid = figure.subplots(len(COSTS), len(axes), squeeze=False)
    for column, axis in enumerate(axes):
        for row, (unit, name) in enumerate(COSTS.items()):
            panel = grid[row, column]
            for method, curve in frame[frame["axis"] == axis].groupby("method", sort=False):
                panel.loglog(curve["size"], curve[unit], "o-", label=method)
            panel.set_xlabel(axis)
            panel.set_title(f"{'epoch' if axis == 'n' else 'step'}, ms" if unit == "ms" else f"{name}, {unit}", size=9)
    grid[0, 0].legend()
    figure.savefig(path, dpi=120)


def main(max_rows: int = 1_000_000, max_features: int = 1_000_000) -> None:
    """Measure curves.

    Args:
        max_rows: leave out larger n.
        max_features: leave out larger V.
    """
    largest = {"n": max_rows, "V": max_features}
    run({axis: [size for size in sizes if size <= largest.get(axis, size)] for axis, sizes in AXES.items()})


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
