"""All measurements of speed and memory in one run of about ten minutes: ``make bench``.

Written: ``results/speed.csv`` (columns case, ours, other, ratio, unit), ``results/speed.png`` and, on what it was
measured, ``results/speed.json``. In the column ``ratio``, cases "A / B" and those with a goal "<=" give how many times
dearer ours is, all others how many times better.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from jsonargparse import auto_cli

from benchmarks.output import RESULTS, Row, console, show, wrench_root
from benchmarks.speed import apply_lfs, epoch, memory, pipeline, probing, scaling, step, topk
from benchmarks.speed.timing import COLUMNS, write_environment

SECTIONS: dict[str, Callable[[], list[Row]]] = {
    "Steps": step.run,
    "Epochs": epoch.run,
    "Memory": memory.run,
    "Scaling": scaling.run,
    "Pipelines": pipeline.run,
    "Labeling functions": apply_lfs.run,
    "Probing": lambda: probing.run(wrench_root()),
    "Gradients of labelers": topk.run,
}
NEED_WRENCH = ("Pipelines", "Labeling functions", "Probing")


def bench(only: list[str] | None = None, output: str = str(RESULTS)) -> None:
    """Measure everything.

    Args:
        only: titles of the sections to run.
        output: directory to write into.
    """
    folder, started = Path(output), time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for title, run in SECTIONS.items():
        if only is not None and title not in only:
            continue
        if title in NEED_WRENCH and not wrench_root().is_dir():
            console.print(f"{title}: left out, no WRENCH sets here (set WRENCH_ROOT)")
            continue
        found = run()
        show(title, found)
        rows += found
        pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(folder / "speed.csv", index=False)
    seconds = time.perf_counter() - started
    write_environment(folder / "speed.json", seconds)
    plot(pd.DataFrame(rows, columns=list(COLUMNS)), folder / "speed.png")
    console.print(f"{len(rows)} cases in {seconds:.0f} s: {folder.name}/speed.csv, speed.png, speed.json")


def plot(frame: pd.DataFrame, path: Path) -> None:
    """Draw every ratio as a bar; goals are part of the cases' names. Needs matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 1.5 + 0.22 * len(frame)), layout="constrained")
    axes = figure.subplots()
    dearer = frame["case"].str.contains(" / |goal <=")
    bars = axes.barh(range(len(frame)), frame["ratio"] - 1, left=1, color=["C1" if cost else "C0" for cost in dearer])
    axes.set_yticks(range(len(frame)), frame["case"], size=7)
    axes.bar_label(bars, [f"{ratio:.3g}" for ratio in frame["ratio"]], size=7, padding=2)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("ratio; blue: how many times better ours is, orange: how many times dearer")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    auto_cli(bench, as_positional=False)
