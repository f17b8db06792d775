"""What a LoL step costs beside a LoL-simple step, and where its time goes.

    python benchmarks/speed/step.py
    python benchmarks/speed/step.py --profile true --sizes '[50000]' --classes '[2]'
    python benchmarks/speed/step.py --device cuda --bf16 true

Sizes are vocabularies V. A step is ``LoLClassifier.training_step`` with backward and optimizer on a batch of 128 rows,
in a bare loop and inside ``Trainer.fit`` (there with cutting the batches out of the corpus). A block of 100 steps is
timed at once, so that the comparison of gradients which the module makes in every 100 steps is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import torch
from jsonargparse import auto_cli
from torch.profiler import ProfilerActivity, profile

from benchmarks.output import Row, console, show
from benchmarks.speed.bare_loop import BATCH_SIZE, BareLoop, fit_epoch, generated, loader
from benchmarks.speed.timing import cost, interleaved, milliseconds
from lol_lightning.data.batch import LoLBatch
from lol_lightning.data.dataset import LoLDataset
from lol_lightning.experiments.environment import cpu_model

SIZES, CLASSES = [5_000, 50_000, 200_000], [2, 10]
METHODS: dict[str, dict[str, Any]] = {
    "LoL-simple": {"method": "lol-simple"},
    "LoL": {"penalty": {"every": 1}},
    "LoL, penalty in every 4th step": {"penalty": {"every": 4}},
}
GOALS = {"LoL": 1.5, "LoL, penalty in every 4th step": 1.15}
GOAL_SIZE = 50_000

Times = dict[tuple[int, str], list[float]]


def run(
    sizes: list[int] = SIZES,
    classes: list[int] = CLASSES,
    num_inspected: int = 300,
    steps: int = 100,
    rounds: int = 5,
    **options: Any,
) -> list[Row]:
    """Compare steps at every size; ``options`` are ``device``, ``bf16`` and those of ``LoLClassifier``."""
    rows = []
    for num_classes in classes:
        data = {size: generated(steps * BATCH_SIZE, size, 10, num_classes, num_inspected) for size in sizes}
        rows += compared(f"F={num_inspected}, K={num_classes}, bare loop", bare(data, options), steps, rounds, options)
        inside = {
            (size, method): partial(fit_epoch, dataset, **METHODS[method], **options)
            for size, dataset in data.items()
            for method in METHODS
        }
        rows += compared(f"F={num_inspected}, K={num_classes}, Trainer.fit", inside, steps, rounds, {})
    return rows


def bare(data: dict[int, LoLDataset], options: dict[str, Any]) -> dict[Any, Callable[[], None]]:
    works: dict[Any, Callable[[], None]] = {}
    for size, dataset in data.items():
        batches = [batch.to(options.get("device", "cpu")) for batch in loader(dataset)]
        works |= {(size, m): partial(BareLoop(dataset, **METHODS[m], **options).train, batches) for m in METHODS}
    return works


def compared(setting: str, works: dict[Any, Any], steps: int, rounds: int, options: dict[str, Any]) -> list[Row]:
    times = {key: milliseconds(seconds, steps) for key, seconds in interleaved(works, rounds).items()}
    sizes = list(dict.fromkeys(size for size, _ in times))
    rows = [
        cost(
            f"step, {method} / LoL-simple, V={size:,}, {setting}",
            times[size, method],
            times[size, "LoL-simple"],
            "ms",
            goal if size == GOAL_SIZE else None,
        )
        for size in sizes
        for method, goal in GOALS.items()
    ]
    small, large = min(sizes), max(sizes)
    if large > small:
        case = f"step, LoL, V={large:,} / V={small:,}, {setting}"
        rows.append(cost(case, times[large, "LoL"], times[small, "LoL"], "ms", 1.5))
    return rows


def traffic(sizes: list[int], num_classes: int, num_inspected: int, steps: int, rounds: int, **options: Any) -> None:
    """Print speed beside the bytes that the first layer and its optimizer must read and write at least."""
    data = {size: generated(steps * BATCH_SIZE, size, 10, num_classes, num_inspected) for size in sizes}
    times = interleaved(bare(data, options), rounds)
    device = options.get("device", "cpu")
    name = torch.cuda.get_device_name() if device == "cuda" else cpu_model()
    lines = []
    for (size, method), seconds in times.items():
        step = median(seconds) / steps
        moved = step_bytes(BareLoop(data[size], **METHODS[method], **options), next(iter(loader(data[size]))))
        lines.append(
            {
                "V": f"{size:,}",
                "method": method,
                "ms a step": 1000 * step,
                "examples/s": BATCH_SIZE / step,
                "MB to move": moved / 1e6,
                "GB/s": moved / step / 1e9,
            }
        )
    show(f"{name}, F={num_inspected}, K={num_classes}, bf16={options.get('bf16', False)}", lines)


def step_bytes(loop: BareLoop, batch: LoLBatch) -> int:
    """Least traffic of a step in its first layer: words read once, and the rows of weight, gradient and two moments.

    A row is gathered for every word of the batch; Adam then reads four rows and writes three for every row of the
    gradient, which was written before.
    """
    loop.gradients(batch)
    weight = loop.model.network.weight
    width = weight.shape[1] * weight.element_size()
    changed = weight.grad._nnz() if weight.grad.is_sparse else len(weight)
    words = len(batch.features.indices)
    return words * (width + batch.features.indices.element_size()) + 8 * changed * width


def print_profile(sizes: list[int], classes: list[int], num_inspected: int, steps: int, **options: Any) -> None:
    """Print where the time of a bare loop goes, by operator."""
    device = options.get("device", "cpu")
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (device == "cuda")
    for num_classes in classes:
        for size in sizes:
            dataset = generated(steps * BATCH_SIZE, size, 10, num_classes, num_inspected)
            batches = list(loader(dataset))
            for method in METHODS:
                loop = BareLoop(dataset, **METHODS[method], **options)
                loop.train(batches)
                with profile(activities=activities) as profiler:
                    loop.train(batches)
                console.print(f"\n{method}, V={size:,}, F={num_inspected}, K={num_classes}, {steps} steps")
                table = profiler.key_averages().table(sort_by=f"self_{device}_time_total", row_limit=20)
                console.print(table, highlight=False, soft_wrap=True)


def main(
    sizes: list[int] = SIZES,
    classes: list[int] = CLASSES,
    num_inspected: int = 300,
    steps: int = 100,
    rounds: int = 5,
    optimizer: str = "auto",
    device: str = "cpu",
    bf16: bool = False,
    profile: bool = False,
) -> None:
    """Time steps.

    Args:
        sizes: vocabularies V.
        classes: numbers of classes K.
        num_inspected: F, features that the LFs inspect.
        steps: steps that are timed at once.
        rounds: how often each is timed.
        optimizer: of LoLClassifier.
        device: "cpu" or "cuda".
        bf16: whether to run in mixed precision.
        profile: print a profiler's tables instead.
    """
    options = {"optimizer": optimizer, "device": device, "bf16": bf16}
    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("step.py: --device cuda, but PyTorch finds no CUDA device here.")
    if profile:
        print_profile(sizes, classes, num_inspected, steps, **options)
        return
    for num_classes in classes:
        traffic(sizes, num_classes, num_inspected, steps, rounds, **options)
    show("Steps", run(sizes, classes, num_inspected, steps, rounds, **options))


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
