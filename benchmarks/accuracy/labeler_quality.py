"""When matching the gradients of labelers helps: the gain of LoL over LoL-simple against their quality.

    python benchmarks/accuracy/labeler_quality.py
    python benchmarks/accuracy/labeler_quality.py --seeds 2 --trials 4 --qualities '[-1, 0, 1]' --rows '[100]'

Labelers of awa1 are made worse and better on purpose. Quality 0 is what seen classes teach; towards -1 the weights are
blended with those of labelers that learnt shuffled attributes, towards 1 with those of labelers that saw the labels of
the pair's own classes, which nobody has. The curve is drawn over the accuracy that the labelers then have on the pair.
Interrupted, it goes on where it stopped.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from jsonargparse import auto_cli

from benchmarks.accuracy.image_sets import AWA1, Pair, blended_pair
from benchmarks.accuracy.images import VARIANTS, trial_storage
from benchmarks.output import RESULTS, console, vision_root
from lol_lightning.experiments.plan import Budget
from lol_lightning.experiments.run import run_benchmark
from lol_lightning.experiments.training import quiet

BASES = {"lol": "lol-simple", "lol-uniform": "lol-simple-uniform"}
METHODS = [*BASES, *BASES.values()]


def labeler_accuracy(root: str, pair: Pair, quality: float, seed: int) -> float:
    """Mean accuracy of the labelers on the pair's training rows."""
    with quiet():
        data = blended_pair(root, pair, quality, seed)
        data.setup("fit")
    return float((data.train_votes == data.train_classes.numpy()[:, None]).mean())


def gains(frame: pd.DataFrame, accuracies: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy of each method less that of its base, in points, with the labelers' accuracy in percent."""
    tested = frame[frame["metric"] == "test_accuracy"]
    keys = ["dataset", "seed", "train_rows"]
    table = tested.pivot_table(index=keys, columns="method", values="value").reset_index()
    parts = [
        table[keys].assign(method=method, gain=100 * (table[method] - table[base]))
        for method, base in BASES.items()
        if {method, base} <= set(table.columns)
    ]
    gained = pd.concat(parts).merge(accuracies, on=["dataset", "seed"])
    # "all" comes last.
    numbers = pd.to_numeric(gained["train_rows"], errors="coerce")
    return gained.assign(number=numbers).sort_values(["method", "number", "quality"]).drop(columns="number")


def plot(frame: pd.DataFrame, path: Path) -> None:
    """Draw gains against the labelers' accuracy, a panel for each method and a line for each number of rows."""
    from matplotlib.figure import Figure

    methods = list(dict.fromkeys(frame["method"]))
    figure = Figure(figsize=(4 * len(methods), 3.2), layout="constrained")
    for axes, method in zip(figure.subplots(1, len(methods), squeeze=False, sharey=True)[0], methods, strict=True):
        for rows, group in frame[frame["method"] == method].groupby("train_rows", sort=False):
            means = group.groupby("quality").agg(
                accuracy=("accuracy", "mean"), gain=("gain", "mean"), error=("gain", "sem")
            )
            axes.errorbar(means["accuracy"], means["gain"], means["error"], marker="o", capsize=2, label=f"{rows} rows")
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set_title(f"{method} - {BASES[method]}")
        axes.set_xlabel("accuracy of the labelers %")
        axes.legend(fontsize=7)
    figure.supylabel("gain in points")
    figure.savefig(path, dpi=120)


def main(
    root: str | None = None,
    pairs: list[Pair] = AWA1,
    qualities: tuple[float, ...] = (-1.0, -0.5, 0.0, 0.5, 1.0),
    rows: tuple[int | str, ...] = (25, 100, 400),
    seeds: int = 3,
    trials: int = 6,
    jobs: int = 2,
    cache: str = "runs/images",
    output: str = str(RESULTS / "labeler_quality.csv"),
) -> None:
    """Measure gains.

    Args:
        root: directory of the image sets.
        pairs: of awa1's unseen classes.
        qualities: from -1 (shuffled attributes) over 0 (seen classes) to 1 (labels of the pair itself).
        rows: numbers of unlabeled rows.
        seeds: repetitions.
        trials: for each method, pair, quality, number of rows and seed.
        jobs: processes.
        cache: directory for the trials.
        output: CSV of the gains; the tidy results stand beside it.
    """
    root = str(root or vision_root())
    sets = {f"{a} v. {b}, quality {q:g}": ((a, b), q) for a, b in pairs for q in qualities}
    makers: dict[str, Any] = {name: partial(blended_pair, root, pair, q) for name, (pair, q) in sets.items()}
    results = Path(output).with_name(f"{Path(output).stem}_results.csv")
    options: dict[str, Any] = {"variants": VARIANTS, "seeds": seeds, "train_rows": list(rows), "jobs": jobs}
    options |= {"output": results, "storage": trial_storage(cache), "console": console}
    frame = run_benchmark(makers, METHODS, budget=Budget(trials), **options)
    accuracies = [
        {"dataset": name, "seed": seed, "quality": q, "accuracy": 100 * labeler_accuracy(root, pair, q, seed)}
        for name, (pair, q) in sets.items()
        for seed in range(seeds)
    ]
    gained = gains(frame, pd.DataFrame(accuracies))
    gained.round(3).to_csv(output, index=False)
    plot(gained, Path(output).with_suffix(".png"))
    means = gained.groupby(["method", "train_rows", "quality"], sort=False)[["accuracy", "gain"]].mean().round(1)
    console.print(means.reset_index().to_string(index=False))


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
