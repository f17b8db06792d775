"""Milliseconds of a fine-tuning step with demands on inserted words and without.

    python benchmarks/speed/fine_tuning.py

Forward, backward and AdamW on batches of 16 training comments; both in one run, in turns.
"""

from __future__ import annotations

import itertools
import tempfile
import time

import numpy as np
import torch
from jsonargparse import auto_cli

from benchmarks.accuracy.fine_tuning import data_module
from benchmarks.minilm import minilm_folder
from benchmarks.output import show
from lol_lightning.losses import InsertionPenalty, LoLLoss
from lol_lightning.networks.pretrained import load_by_name


def main(name: str = "youtube", rows: int = 100, steps: int = 12, encoder: str | None = None) -> None:
    """Measure both kinds of steps.

    Args:
        name: of the WRENCH set.
        rows: number of its training rows.
        steps: of each kind, after two that do not count.
        encoder: name or folder; MiniLM by default.
    """
    with tempfile.TemporaryDirectory() as unpacked:
        folder = str(minilm_folder(unpacked) if encoder is None else encoder)
        data = data_module(name, folder, rows, seed=0)
        data.setup("fit")
        network = load_by_name(folder, data.num_classes).train()
    losses = {"votes alone": LoLLoss(False), "with demands": LoLLoss(InsertionPenalty())}
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-5)
    batches = itertools.chain.from_iterable(data.train_dataloader() for _ in itertools.count())
    seconds: dict[str, list[float]] = {kind: [] for kind in losses}
    for step in range(steps + 2):
        batch = next(batches)
        for kind, lol in losses.items():
            begin = time.perf_counter()
            optimizer.zero_grad()
            lol(network, batch, step).loss.backward()
            optimizer.step()
            if step >= 2:
                seconds[kind].append(time.perf_counter() - begin)
    medians = {kind: float(np.median(values)) for kind, values in seconds.items()}
    plain = medians["votes alone"]
    show(
        f"One step of 16 rows, {name}, {torch.get_num_threads()} threads",
        [{"loss": kind, "ms": 1000 * value, "ratio": value / plain} for kind, value in medians.items()],
    )


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
