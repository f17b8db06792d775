"""Accuracy of the fast path beside the plain path, on all rows of six WRENCH sets.

    python benchmarks/accuracy/fast_path_accuracy.py
    python benchmarks/accuracy/fast_path_accuracy.py --sets '[youtube]' --seeds 1

Fast: ``SparseMLP`` with row-sparse gradients and lazy Adam. Plain: a user's own ``nn.Module`` on dense batches with
Adam, started from the same weights, with the same order of rows, dropout and smoothing samples. What is left to differ
is the rounding, and that lazy Adam leaves the rows alone that a step does not touch. Interrupted, it goes on where it
stopped.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pandas as pd
import torch
from jsonargparse import auto_cli
from torch import nn

from benchmarks.accuracy.sweep import SETS, Setting, resume, scores
from benchmarks.output import RESULTS, show, wrench_root
from benchmarks.speed.plain_loop import plain_mlp
from lol_lightning.data.datamodule import LoLDataModule
from lol_lightning.data.wrench import WrenchDataModule
from lol_lightning.models.classifier import LoLClassifier
from lol_lightning.networks.sparse_mlp import SparseMLP


def run(settings: list[Setting]) -> list[Setting]:
    """Train one set and seed on each path."""
    lines = []
    for setting in settings:
        data = WrenchDataModule(
            wrench_root() / setting["dataset"], seed=setting["seed"], max_train_rows=setting["rows"] or None
        )
        make = partial(MODELS[setting["path"]], data, setting["seed"])
        lines.append({**setting, **scores(data, make, setting["seed"], setting["epochs"])})
    return lines


def fast(data: LoLDataModule, seed: int) -> LoLClassifier:
    return LoLClassifier(None, data.num_features, data.num_classes, optimizer="lazy-adam", seed=seed)


def plain(data: LoLDataModule, seed: int) -> LoLClassifier:
    network = as_plain(fast(data, seed).network)
    return LoLClassifier(network, num_classes=data.num_classes, optimizer="adam", seed=seed)


MODELS = {"fast": fast, "plain": plain}


def as_plain(network: SparseMLP) -> nn.Sequential:
    """Return a dense network with the same weights, drawing nothing from the random generator."""
    state = torch.get_rng_state()
    dense = plain_mlp(network.weight.shape[0], network.tail[-1].out_features)
    torch.set_rng_state(state)
    dense[0].load_state_dict({"weight": network.weight.detach().T, "bias": network.bias.detach()})
    nn.Sequential(*dense[1:]).load_state_dict(network.tail.state_dict())
    return dense


def summary(frame: pd.DataFrame) -> list[Setting]:
    """For each set, mean test accuracies, and the mean difference of the paths with its standard error over seeds."""
    lines = []
    for name, of_set in frame.groupby("dataset", sort=False):
        table = of_set.pivot_table(index="seed", columns="path", values="test_accuracy")
        difference = table["fast"] - table["plain"]
        line = {"set": name, "seeds": len(table), "fast": table["fast"].mean(), "plain": table["plain"].mean()}
        lines.append({**line, "fast - plain": difference.mean(), "standard error": difference.sem()})
    return lines


def main(
    sets: list[str] = SETS,
    seeds: int = 5,
    epochs: int = 10,
    rows: int = 0,
    jobs: int = 2,
    output: str = str(RESULTS / "fast_path_accuracy.csv"),
) -> None:
    """Compare the paths.

    Args:
        sets: WRENCH sets.
        seeds: repetitions.
        epochs: of every fit.
        rows: unlabeled rows, 0 for all.
        jobs: processes.
        output: CSV.
    """
    groups = [
        [{"dataset": name, "rows": rows, "epochs": epochs, "seed": seed, "path": path}]
        for name in sets
        for seed in range(seeds)
        for path in MODELS
    ]
    show("Test accuracy %", summary(resume(Path(output), groups, run, jobs)))


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
