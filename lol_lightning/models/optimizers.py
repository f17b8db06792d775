"""The optimizer of ``LoLClassifier``, and the schedule of its learning rate where a network is fine-tuned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import torch
from torch import nn

from lol_lightning._lightning import OptimizerLRScheduler, Trainer, rank_zero_info
from lol_lightning.exceptions import ConfigurationError, check_choice, check_number
from lol_lightning.models.fine_tuning import FineTuning, parameter_groups
from lol_lightning.models.lazy_adam import LazyAdam
from lol_lightning.models.step_schedule import StepSchedule
from lol_lightning.networks.pretrained import usual_lr

if TYPE_CHECKING:
    from lol_lightning.models.classifier import LoLClassifier

__all__ = [
    "DEFAULT_LR",
    "OptimizerName",
    "check_settings",
    "count_steps",
    "groups_of",
    "optimizer_of",
    "take_usual_settings",
]

OptimizerName: TypeAlias = Literal["auto", "adam", "adamw", "lazy-adam"]

DEFAULT_LR = 1e-2
"""Learning rate of networks without pretrained weights."""


def check_settings(optimizer: str, lr: float | None, weight_decay: float) -> None:
    """Raise ``ConfigurationError`` if an argument of the optimizer lies outside its range."""
    check_choice("optimizer", optimizer, get_args(OptimizerName))
    check_number("weight_decay", weight_decay, at_least=0)
    if lr is not None:
        check_number("lr", lr, above=0)


def take_usual_settings(hparams: Any, network: nn.Module) -> None:
    """Write into a model's hyperparameters what is usual for its network, where the user leaves it open."""
    usual = usual_lr(network)
    if hparams["lr"] is None:
        hparams["lr"] = DEFAULT_LR if usual is None else usual
    if usual is not None and hparams.get("fine_tuning") is None:
        hparams["fine_tuning"] = FineTuning().plain()


def groups_of(model: LoLClassifier) -> list[dict[str, Any]]:
    """Return the parameters that are trained, in groups of one learning rate where the network is fine-tuned."""
    hparams, tuning = model.hparams, FineTuning.of(model.hparams.get("fine_tuning"))
    if tuning is not None:
        named = model.named_parameters()
        return parameter_groups(named, hparams["lr"], hparams["weight_decay"], tuning.layer_decay)
    return [{"params": [parameter for parameter in model.parameters() if parameter.requires_grad]}]


def optimizer_of(model: LoLClassifier) -> OptimizerLRScheduler:
    """Return Adam, or AdamW with a schedule for a network that is fine-tuned.

    Raises:
        ConfigurationError: if no parameter is trained, or weights are float16, in which Adam's denominators become 0.
    """
    hparams, tuning = model.hparams, FineTuning.of(model.hparams.get("fine_tuning"))
    if any(parameter.dtype == torch.float16 for parameter in model.parameters()):
        raise ConfigurationError(
            "float16 is too small for Adam: in precision='16-true' its second moments become 0, and weights NaN. "
            "Use precision='16-mixed', 'bf16-mixed' or 'bf16-true', network.float() where weights were loaded so, or "
            "override configure_optimizers."
        )
    groups = model._parameter_groups()
    if not any(group["params"] for group in groups):
        raise ConfigurationError(
            f"the network {type(model.network).__name__} has no parameter that is trained, so that no vote could "
            "change it: give it one, or set requires_grad on those that are frozen."
        )
    name, lr, decay = hparams["optimizer"], hparams["lr"], hparams["weight_decay"]
    if name == "adamw" or (name == "auto" and tuning is not None):
        optimizer: torch.optim.Optimizer = torch.optim.AdamW(groups, lr=lr, weight_decay=decay)
    else:
        optimizer = LazyAdam(groups, lr=lr, weight_decay=decay)
    if tuning is None:
        return optimizer
    rank_zero_info(f"The network is fine-tuned by {type(optimizer).__name__} with lr = {lr:.3g} and {tuning}.")
    schedule = StepSchedule(optimizer, tuning.lr_schedule, tuning.warmup_steps)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def count_steps(trainer: Trainer, tuning: FineTuning | None) -> None:
    """Tell the schedules of a fit that begins how many steps it has.

    Raises:
        ConfigurationError: if there is no end of the steps, and the learning rate depends on it.
    """
    if tuning is None:
        return
    for config in trainer.lr_scheduler_configs:
        if isinstance(config.scheduler, StepSchedule):
            num_steps = trainer.estimated_stepping_batches
            tuning.check_end(num_steps)
            config.scheduler.set_num_steps(num_steps)
