"""What gradients of labelers cost: top-k targets against a loop over labelers, and steps that match them.

python benchmarks/speed/topk.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jsonargparse import auto_cli
from torch import Tensor, nn

from benchmarks.output import Row, show
from benchmarks.speed.timing import cost, interleaved, milliseconds, speedup
from lol_lightning.data.batch import LoLBatch
from lol_lightning.experiments.training import quiet, trainer
from lol_lightning.functional.example_targets import ExampleTargets
from lol_lightning.models.classifier import LoLClassifier
from lol_lightning.vision.backbones import ResNet18Classifier, Stem
from lol_lightning.vision.topk import linear_top_k_targets, top_k_targets

K = 20
PENALTIES = {"lol": {"class_path": "lol_lightning.losses.ExamplePenalty"}, "lol-simple": None}


def run(
    rows: int = 5_000,
    labelers: int = 40,
    features: int = 512,
    rounds: int = 3,
    side: int = 64,
    stem: Stem = "imagenet",
    batch_size: int = 16,
    steps: int = 3,
) -> list[Row]:
    """Compare targets with a loop, and steps that match gradients with plain ones."""
    torch.manual_seed(0)
    return [
        *targets_of_representations(rows, labelers, features, rounds),
        *steps_on_representations(labelers, features, rounds),
        *steps_on_pixels(labelers, side, stem, batch_size, steps, rounds),
    ]


def targets_of_representations(n: int, m: int, d: int, rounds: int) -> list[Row]:
    heads, x = nn.Linear(d, m), torch.randn(n, d)
    mlp = nn.Sequential(nn.Linear(d, 64), nn.Tanh(), nn.Linear(64, m))
    signs = torch.where(torch.rand(n, m) < 0.5, 1, -1)
    works: dict[str, Callable[[], None]] = {
        "linear, closed form": lambda: discard(linear_top_k_targets(heads.weight, heads.bias, x, signs, K)),
        "linear, one backward pass": lambda: discard(top_k_targets(heads, x, signs, K)),
        "linear, loop": lambda: discard(loop_over_labelers(heads, x, signs, K)),
        "MLP, one backward pass": lambda: discard(top_k_targets(mlp, x, signs, K)),
        "MLP, loop": lambda: discard(loop_over_labelers(mlp, x, signs, K)),
    }
    times = {name: milliseconds(seconds) for name, seconds in interleaved(works, rounds).items()}
    case = f"top-{K} targets, m={m}, n={n:,}, d={d}"
    rows = [
        speedup(f"{case}, {kind}, loop over labelers", times[kind], times[f"{kind.partition(',')[0]}, loop"], "ms")
        for kind in ("linear, closed form", "linear, one backward pass", "MLP, one backward pass")
    ]
    closed = linear_top_k_targets(heads.weight, heads.bias, x, signs, K).num_bytes / 1e6
    whole, dense = top_k_targets(heads, x, signs, K).num_bytes / 1e6, n * m * d * 4 / 1e6
    rows.append(speedup(f"{case}, bytes, all gradients", [whole], [dense], "MB"))
    rows.append(speedup(f"{case}, bytes of linear labelers, all gradients", [closed], [dense], "MB"))
    return rows


def loop_over_labelers(network: nn.Module, x: Tensor, signs: Tensor, k: int) -> ExampleTargets:
    """One backward pass for each labeler, as one would write it."""
    index, value = [], []
    for i in range(signs.shape[1]):
        leaf = x.clone().requires_grad_()
        probability = torch.sigmoid(network(leaf)[:, i])
        (gradient,) = torch.autograd.grad(probability.sum(), leaf)
        gradient = signs[:, i : i + 1] * gradient
        chosen = gradient.abs().topk(k, dim=-1).indices
        index.append(chosen)
        value.append(gradient.gather(1, chosen))
    return ExampleTargets(torch.stack(index, 1).short(), torch.stack(value, 1).half(), x.shape[1])


def steps_on_representations(m: int, d: int, rounds: int, batch_size: int = 64, steps: int = 100) -> list[Row]:
    batch = random_batch((d,), m, batch_size)
    models = {
        method: LoLClassifier(num_features=d, num_classes=2, method=method, penalty=PENALTIES[method])  # type: ignore[arg-type]
        for method in PENALTIES
    }
    times = step_times(models, batch, steps, rounds)
    case = f"step at the representation, LoL / LoL-simple, d={d}, m={m}, B={batch_size}"
    return [cost(case, times["lol"], times["lol-simple"], "ms")]


def steps_on_pixels(m: int, side: int, stem: Stem, batch_size: int, steps: int, rounds: int) -> list[Row]:
    batch = random_batch((3, side, side), m, batch_size)
    models = {
        method: LoLClassifier(ResNet18Classifier(2, stem=stem), num_classes=2, method=method, penalty=PENALTIES[method])  # type: ignore[arg-type]
        for method in PENALTIES
    }
    times = step_times(models, batch, steps, rounds)
    case = f"step at the pixels of a ResNet18, LoL / LoL-simple, {side} x {side}, m={m}, B={batch_size}"
    return [cost(case, times["lol"], times["lol-simple"], "ms")]


def random_batch(shape: tuple[int, ...], m: int, batch_size: int) -> LoLBatch:
    x = torch.randn(batch_size, *shape)
    d = x[0].numel()
    index = torch.randint(d, (batch_size, m, K), dtype=torch.int32)
    value = torch.randn(batch_size, m, K).half()
    votes = torch.randint(0, 2, (batch_size, m))
    return LoLBatch(x, votes, example_targets=ExampleTargets(index, value, d))


def step_times(models: dict[str, Any], batch: LoLBatch, steps: int, rounds: int) -> dict[str, list[float]]:
    works = {name: stepper(model, batch, steps) for name, model in models.items()}
    return {name: milliseconds(seconds, steps) for name, seconds in interleaved(works, rounds).items()}


def stepper(model: LoLClassifier, batch: LoLBatch, steps: int) -> Callable[[], None]:
    """Steps inside a ``Trainer``, in one epoch."""

    def work() -> None:
        with quiet():
            loader = torch.utils.data.DataLoader([batch] * steps, batch_size=None)  # type: ignore[arg-type]
            trainer(max_epochs=1).fit(model, loader)

    return work


def discard(_: object) -> None:
    """Throw a result away."""


def main(rows: int = 5_000, labelers: int = 40, features: int = 512, rounds: int = 3, side: int = 64) -> None:
    """Measure.

    Args:
        rows: n.
        labelers: m.
        features: d of a representation.
        rounds: how often each is timed.
        side: of the images, in pixels.
    """
    show("Gradients of labelers", run(rows, labelers, features, rounds, side))


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
