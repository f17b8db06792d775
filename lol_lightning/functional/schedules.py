"""How a learning rate rises and falls over the steps of a training."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, TypeAlias

__all__ = ["SCHEDULES", "LRSchedule", "lr_factor"]

LRSchedule: TypeAlias = Literal["linear", "cosine", "constant"]

SCHEDULES: dict[str, Callable[[float], float]] = {
    "linear": lambda progress: 1 - progress,
    "cosine": lambda progress: (1 + math.cos(math.pi * progress)) / 2,
    "constant": lambda progress: 1.0,
}
"""Factor in [0, 1] by the proportion in [0, 1) of the steps after the warm-up that are done."""


def lr_factor(step: int, num_steps: int | float, warmup_steps: int, schedule: LRSchedule) -> float:
    r"""Factor of the learning rate at a step.

    With W steps of warm-up and N steps in all, it is :math:`(s + 1) / (W + 1)` for :math:`s < W`, so that no step is
    lost, and from there on the schedule's value at :math:`(s - W) / (N - W)`.

    Args:
        step: s, from 0 on.
        num_steps: N; only "constant" may have infinitely many.
        warmup_steps: W.
        schedule: how it falls afterwards.

    Returns:
        In [0, 1].

    Example:
        >>> [round(lr_factor(step, 6, 2, "linear"), 2) for step in range(6)]
        [0.33, 0.67, 1.0, 0.75, 0.5, 0.25]
    """
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    progress = (step - warmup_steps) / max(num_steps - warmup_steps, 1)
    return SCHEDULES[schedule](min(progress, 1.0))
