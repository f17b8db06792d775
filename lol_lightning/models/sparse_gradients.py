"""Whether the first layer of the default network has row-sparse gradients, which make Adam lazy there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lol_lightning._lightning import Trainer, rank_zero_info

__all__ = ["LAZY_ROWS", "clips_by_value", "may_be_sent", "wants_sparse_gradients"]

LAZY_ROWS = 20_000
"""From this many features on, ``optimizer="auto"`` gives the default network row-sparse gradients and lazy Adam."""


def wants_sparse_gradients(hparams: Mapping[str, Any]) -> bool:
    """Tell whether the arguments of a model ask for row-sparse gradients.

    Example:
        >>> [wants_sparse_gradients({"optimizer": "auto", "num_features": size}) for size in (None, 100, 50_000)]
        [False, False, True]
    """
    optimizer, size = hparams["optimizer"], hparams["num_features"]
    is_lazy = optimizer == "auto" and hparams.get("fine_tuning") is None
    return optimizer == "lazy-adam" or (is_lazy and size is not None and size >= LAZY_ROWS)


def may_be_sent(trainer: Trainer, has_own_optimizer: bool) -> bool:
    """Tell whether the processes of a trainer can exchange row-sparse gradients, and its optimizer can use them.

    Args:
        trainer: in ``configure_model``, before there is an optimizer.
        has_own_optimizer: whether the model's ``configure_optimizers`` is overridden.
    """
    if clips_by_value(trainer):
        rank_zero_info("Gradients that are clipped by value are dense, so that the optimizer is not lazy.")
        return False
    # Several processes must agree before there is an optimizer, and NCCL cannot reduce sparse gradients.
    return trainer.world_size == 1 or (not has_own_optimizer and trainer.strategy.root_device.type == "cpu")


def clips_by_value(trainer: Trainer) -> bool:
    """Tell whether a trainer clips gradients by value, which PyTorch cannot do where they are row-sparse."""
    return (
        bool(trainer.gradient_clip_val) and str(trainer.gradient_clip_algorithm).rpartition(".")[2].lower() == "value"
    )
