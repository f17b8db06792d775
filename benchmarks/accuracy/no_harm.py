"""Do gradients, or labels that tell class shares, ever cost a classifier? Plain LFs, traced, all rows, defaults.

    python benchmarks/accuracy/no_harm.py
    python benchmarks/accuracy/no_harm.py --sets '[youtube]' --shares '[0]' --seeds 1

Every LF is an undeclared function, so that what it inspects is traced. ``shares`` thins the second class of all rows to
that share; 0 leaves the set as it is. ``labels`` is the number of validation rows, drawn with the seed; 0 for none.
Nothing is chosen on validation rows: the last step of a fit is tested.
"""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jsonargparse import auto_cli

from benchmarks.accuracy.sweep import Setting, fit_and_measure, resume
from benchmarks.output import RESULTS, show, wrench_root
from benchmarks.wrench_lfs import plain_lf
from lol_lightning.data.datamodule import LoLDataModule
from lol_lightning.models.classifier import LoLClassifier

SETS = ["youtube", "sms", "yelp_7.6k", "imdb"]
RARE = 1
"""The class that is thinned."""


def read(name: str, split: str) -> pd.DataFrame:
    """Read texts and labels of a split."""
    rows = json.loads((wrench_root() / name / f"{split}.json").read_text()).values()
    return pd.DataFrame({"text": [row["data"]["text"] for row in rows], "label": [row["label"] for row in rows]})


def thinned(frame: pd.DataFrame, share: float, rng: np.random.Generator) -> pd.DataFrame:
    """Drop rows of the rare class until it has the share; labels are read for this alone."""
    if not share:
        return frame
    rare = np.flatnonzero(frame.label == RARE)
    keep = min(len(rare), max(1, round(share / (1 - share) * (len(frame) - len(rare)))))
    dropped = rng.permutation(rare)[keep:]
    return frame.drop(frame.index[dropped]).reset_index(drop=True)


def run(settings: list[Setting]) -> list[Setting]:
    """Train both methods, with and without gradients, on one set, share, number of labels and seed."""
    first = settings[0]
    rng = np.random.default_rng(first["seed"])
    train, val, test = (
        thinned(read(first["dataset"], split), first["share"], rng) for split in ("train", "valid", "test")
    )
    val = val.iloc[rng.permutation(len(val))[: first["labels"]]].reset_index(drop=True)
    entries = json.loads((wrench_root() / first["dataset"] / "lfs.json").read_text())
    lfs = [plain_lf(entry["name"], entry["rules"]) for entry in entries if entry["rules"] is not None]
    data = LoLDataModule(
        train.drop(columns="label"),
        val=val if first["labels"] else None,
        test=test,
        lfs=lfs,
        classes=int(train.label.max()) + 1,
        progress_bar=False,
    )
    return [{**setting, **_scores(data, setting)} for setting in settings]


def _scores(data: LoLDataModule, setting: Setting) -> dict[str, Any]:
    def make_model() -> LoLClassifier:
        return LoLClassifier(method=setting["method"], seed=setting["seed"])

    steps = {"max_steps": setting["steps"], "max_epochs": -1}
    measured = fit_and_measure(data, make_model, setting["seed"], splits=["test"], **steps)
    return {
        "accuracy": 100 * measured["test_accuracy"],
        "mcc": 100 * measured["test_mcc"],
        "nll": measured["test_loss"],
        "warnings": measured["warnings"],
    }


def main(
    sets: list[str] = SETS,
    shares: tuple[float, ...] = (0, 0.01, 0.03, 0.1),
    labels: tuple[int, ...] = (0, 20, 100, 10_000),
    steps: tuple[int, ...] = (800,),
    seeds: int = 3,
    jobs: int = 2,
    output: str = str(RESULTS / "no_harm.csv"),
) -> None:
    """Compare LoL and LoL-simple.

    Args:
        sets: WRENCH sets.
        shares: shares of the second class, 0 for its own.
        labels: numbers of labeled validation rows, 0 for none.
        steps: numbers of steps of 128 rows.
        seeds: repetitions.
        jobs: processes.
        output: CSV.
    """
    groups = [
        [
            {"dataset": name, "share": share, "labels": count, "seed": seed, "steps": number, "method": method}
            for number, method in product(steps, ("lol-simple", "lol"))
        ]
        for share, count, seed, name in product(shares, labels, range(seeds), sets)
    ]
    frame = resume(Path(output), groups, run, jobs)
    for score in ("accuracy", "mcc", "nll"):
        table = frame.pivot_table(index=["share", "labels", "steps", "method"], columns="dataset", values=score)
        show(f"Test {score}", table.assign(mean=table.mean(axis=1)).reset_index().to_dict("records"))
    show("Warnings", [{"fits": len(frame), "with a warning": int((frame.warnings > 0).sum())}])


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
