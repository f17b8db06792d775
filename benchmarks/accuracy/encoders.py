"""A bag of words, a frozen encoder, or both side by side: methods on few rows of six text sets, on equal terms.

    python benchmarks/accuracy/encoders.py
    python benchmarks/accuracy/encoders.py --sets '[youtube]' --features '[both]' --seeds 1 --trials 2

Every method trains the same network with as many trials, chosen on validation rows; the test rows are read once. LoL
asks by input gradients on words where there are words, and by insertion where there is the encoder alone. The encoder
is MiniLM (see ``benchmarks/minilm.py``), or any other by name or folder. Interrupted, it goes on where it stopped.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from jsonargparse import auto_cli

from benchmarks.accuracy.images import trial_storage
from benchmarks.accuracy.sweep import SETS
from benchmarks.minilm import minilm_folder
from benchmarks.output import RESULTS, console, wrench_root
from lol_lightning.data.wrench import WrenchDataModule
from lol_lightning.experiments.plan import Budget
from lol_lightning.experiments.report import print_results
from lol_lightning.experiments.run import run_benchmark
from lol_lightning.features import BagOfWords, FeatureSpace, TextEmbeddings
from lol_lightning.features.column_features import ColumnFeatures
from lol_lightning.features.encoder_features import MEANING_WEIGHT


def space_of(features: str, encoder: str, cache: str) -> FeatureSpace:
    """Return "bag", "encoder" or "both"."""
    if features == "bag":
        return BagOfWords()
    embeddings = TextEmbeddings(encoder, cache_dir=Path(cache) / "embeddings", progress_bar=False)
    if features == "encoder":
        return embeddings
    return ColumnFeatures({"words": BagOfWords(), "meaning": embeddings}, weights={"meaning": MEANING_WEIGHT})


def data_module(name: str, features: str, encoder: str, cache: str, rows: int, seed: int) -> WrenchDataModule:
    """Return a set with rows of its own for each seed."""
    space = space_of(features, encoder, cache)
    root = wrench_root() / name
    return WrenchDataModule(root, max_train_rows=rows or None, feature_space=space, seed=seed, progress_bar=False)


def main(
    sets: list[str] = SETS,
    features: list[str] = ["bag", "encoder", "both"],  # noqa: B006 - jsonargparse shows it
    methods: list[str] = ["mv", "snorkel", "lol-simple", "lol"],  # noqa: B006
    rows: int = 100,
    seeds: int = 5,
    trials: int = 6,
    max_steps: int = 1500,
    jobs: int = 2,
    encoder: str | None = None,
    cache: str = "runs/encoders",
    output: str = str(RESULTS / "encoders.csv"),
) -> None:
    """Compare methods under each kind of features.

    Args:
        sets: of the WRENCH sets.
        features: of "bag", "encoder" and "both".
        methods: of the benchmark.
        rows: number of unlabeled rows, 0 for all.
        seeds: repetitions, each with rows of its own.
        trials: for each method, set, seed and kind of features.
        max_steps: of a trial, which has at most 50 epochs.
        jobs: processes.
        encoder: name or folder; MiniLM by default.
        cache: directory of the embeddings and the trials.
        output: CSV of all kinds of features together; that of a kind stands beside it, with its JSON.
    """
    with tempfile.TemporaryDirectory() as unpacked:
        folder = str(minilm_folder(unpacked) if encoder is None else encoder)
        frames = []
        for kind in features:
            made: dict[str, Callable[[int], Any]] = {
                name: partial(data_module, name, kind, folder, cache, rows) for name in sets
            }
            frame = run_benchmark(
                made,  # type: ignore[arg-type]
                methods,
                budget=Budget(trials, max_steps=max_steps),
                seeds=seeds,
                jobs=jobs,
                output=Path(output).with_name(f"{Path(output).stem}_{kind}.csv"),
                storage=trial_storage(cache),
                console=console,
            )
            print_results(frame, console)
            frames.append(frame.assign(features=kind))
    pd.concat(frames).to_csv(output, index=False)


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
