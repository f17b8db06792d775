"""Accuracy of LoL by where its gradients come from: declared, traced, probed, all of them, or none (LoL-simple).

    python benchmarks/record_sources.py --root ../shared/wrench
    python benchmarks/record_sources.py --sets '[youtube]' --seeds 1 --trials 2

100 unlabeled rows, equal random trials chosen on validation, the test set read once for each source and seed. LFs are
inspected on those rows alone, or on ``--inspected_rows`` unlabeled rows. LFs whose code is not known, which the paper
had to drop, get a surrogate of their votes: it counts as probed. Interrupted runs go on where they stopped.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from accuracy import Setting, resume
from jsonargparse import auto_cli
from rich.table import Table
from timing import console

from lol_lightning.benchmark.trials import quiet, run_trials
from lol_lightning.data.wrench import WrenchDataModule
from lol_lightning.inspection import inspect_lfs
from lol_lightning.lfs.record import LFRecord

SOURCES: dict[str, tuple[str, ...]] = {
    "none": (),
    "declared": ("declared",),
    "traced": ("traced",),
    "probed": ("probed", "surrogate"),
    "all": ("declared", "traced", "probed", "surrogate"),
}
BATCH_SIZE = 32


def record_sources(
    root: str = "../shared/wrench",
    sets: list[str] = ["youtube", "sms", "imdb", "yelp_7.6k"],  # noqa: B006
    rows: int = 100,
    seeds: int = 5,
    trials: int = 12,
    inspected_rows: int | None = None,
    jobs: int = 2,
    output: str = "benchmarks/results/record_sources.csv",
) -> None:
    """Compare sources of gradients on few unlabeled rows.

    Args:
        root: directory of the WRENCH sets.
        sets: names of directories in it.
        rows: number of unlabeled training rows.
        seeds: repetitions.
        trials: random configurations for each source, set and seed.
        inspected_rows: number of unlabeled rows that the LFs are inspected on, the training rows by default; give the
            results another ``output``.
        jobs: processes.
        output: CSV, one line for each set, source and seed.
    """
    groups = [
        [{"dataset": name, "rows": rows, "trials": trials, "seed": seed, "source": source} for source in SOURCES]
        for name in sets
        for seed in range(seeds)
    ]
    frame = resume(Path(output), groups, partial(run_group, root, inspected_rows), jobs)
    table = Table("dataset", "source", "test accuracy %", "validation %", "gradient targets", "LFs with gradients")
    for (name, source), lines in frame.groupby(["dataset", "source"], sort=False):
        spread = lines.test_accuracy.std() if len(lines) > 1 else 0.0
        table.add_row(
            name,
            source,
            f"{lines.test_accuracy.mean():.1f} ± {spread:.1f}",
            f"{lines.val_accuracy.mean():.1f}",
            f"{lines.targets.mean():.0f}",
            f"{lines.lfs_with_gradients.mean():.1f}",
        )
    console.print(table)


def run_group(root: str, inspected_rows: int | None, settings: list[Setting]) -> list[Setting]:
    """Inspect the LFs on the rows of one set and seed, then run the trials of each source."""
    first = settings[0]
    path, seed = Path(root) / first["dataset"], first["seed"]
    make = partial(WrenchDataModule, path, batch_size=BATCH_SIZE, seed=seed, progress_bar=False)
    records = inspected(make(max_train_rows=inspected_rows or first["rows"]))
    lines = []
    for setting in settings:
        sources = SOURCES[setting["source"]]
        data = make(max_train_rows=first["rows"], records=[record.from_sources(sources) for record in records])  # type: ignore[arg-type]
        result = run_trials(data, "lol" if sources else "lol-simple", seed, setting["trials"])
        lines.append(
            {
                **setting,
                "val_accuracy": 100 * result.val_accuracy,
                "test_accuracy": 100 * result.test_accuracy,
                "targets": len(data.gradient_targets),
                "lfs_with_gradients": data.num_lfs - len(data.gradient_targets.lfs_without_features),
            }
        )
    return lines


def inspected(data: WrenchDataModule) -> list[LFRecord]:
    """Records of all LFs from every source, in the order of the vote columns; those without code are named alone."""
    with quiet():
        data.setup("fit")
        known = {lf.name: lf for lf in data.lfs}
        lfs = [known.get(name, name) for name in data.lf_names]
        space = data.feature_space
        return inspect_lfs(lfs, data.train_rows, space, votes=np.asarray(data.train_votes), progress_bar=False).records


if __name__ == "__main__":
    auto_cli(record_sources, as_positional=False)
