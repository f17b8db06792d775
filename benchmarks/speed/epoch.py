"""A LoL epoch beside the plain dense loop on the same rows: ``python benchmarks/speed/epoch.py``."""

from __future__ import annotations

from functools import partial

from jsonargparse import auto_cli

from benchmarks.output import Row, show
from benchmarks.speed.bare_loop import BareLoop, fit_epoch, generated, loader
from benchmarks.speed.plain_loop import PlainLoop
from benchmarks.speed.timing import interleaved, milliseconds, speedup
from lol_lightning.data.dataset import LoLDataset

CASES = {(5_000, 10): 4.0, (5_000, 75): 8.0, (50_000, 10): 20.0}
"""Vocabulary and LFs, and how many times faster than the plain loop an epoch is to be."""


def run(rows: int = 2_000, rounds: int = 3, cases: dict[tuple[int, int], float] = CASES) -> list[Row]:
    """Compare epochs, with cutting the batches, in a bare loop and inside ``Trainer.fit``."""
    results = []
    for (num_features, num_lfs), goal in cases.items():
        dataset = generated(rows, num_features, num_lfs, num_classes=2, num_inspected=5 * num_lfs)
        works = {
            "bare loop": partial(train, BareLoop(dataset), dataset),
            "plain": PlainLoop(dataset).epoch,
            "Trainer.fit": partial(fit_epoch, dataset),
        }
        times = {name: milliseconds(seconds) for name, seconds in interleaved(works, rounds).items()}
        for ours in ("bare loop", "Trainer.fit"):
            case = f"epoch against the plain loop, n={rows:,}, V={num_features:,}, m={num_lfs}, {ours}"
            results.append(speedup(case, times[ours], times["plain"], "ms", goal))
    return results


def train(loop: BareLoop, dataset: LoLDataset) -> None:
    loop.train(loader(dataset))


def main(rows: int = 2_000, rounds: int = 3) -> None:
    """Compare epochs.

    Args:
        rows: training rows, n.
        rounds: how often each is timed.
    """
    show("Epochs", run(rows, rounds))


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
