"""StepSchedule: learning rates that follow a curve over the steps of a fit."""

from __future__ import annotations

import math

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lol_lightning.functional.schedules import LRSchedule, lr_factor
from lol_lightning.functional.short_repr import short_repr

__all__ = ["StepSchedule"]


class StepSchedule(LRScheduler):
    """Multiplies the learning rate of each group by ``lr_factor``, where the number of steps is told later.

    ``Trainer.estimated_stepping_batches`` may be asked in ``configure_optimizers``, too, but makes Lightning build its
    loaders there, before their state is restored: a fit that is resumed in mid-epoch would see the first batches of the
    epoch again. So the steps are counted in ``on_train_start``; until then the rates are those of the top.

    Args:
        optimizer: its learning rates are the highest.
        lr_schedule: how they fall.
        warmup_steps: over which they rise: their number, or as a float below 1 the fraction of all steps.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        >>> schedule = StepSchedule(optimizer, "linear", warmup_steps=0.5)
        >>> schedule.set_num_steps(4)
        >>> round(optimizer.param_groups[0]["lr"], 2)
        0.33
    """

    def __init__(self, optimizer: Optimizer, lr_schedule: LRSchedule, warmup_steps: int | float) -> None:
        self.lr_schedule: LRSchedule = lr_schedule
        self.warmup_steps = warmup_steps
        self.num_steps: int | float = math.inf
        super().__init__(optimizer)

    __repr__ = short_repr

    def get_lr(self) -> list[float | Tensor]:
        """Return the learning rate of each group at the step that comes next."""
        is_fraction = 0 < self.warmup_steps < 1
        warmup = round(self.num_steps * self.warmup_steps) if is_fraction and self.is_told else int(self.warmup_steps)
        factor = lr_factor(self.last_epoch, self.num_steps, warmup, self.lr_schedule)
        return [lr * factor for lr in self.base_lrs]

    @property
    def is_told(self) -> bool:
        """Whether the number of steps is finite."""
        return math.isfinite(self.num_steps)

    def set_num_steps(self, num_steps: int | float) -> None:
        """Tell the number of steps, and set the learning rates for the step that comes next."""
        self.num_steps = num_steps
        self._last_lr = self.get_lr()
        for group, lr in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            group["lr"] = lr
