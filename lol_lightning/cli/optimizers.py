"""An optimizer and a learning rate scheduler by class path, for any LightningModule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch.optim import Optimizer

from lol_lightning._lightning import LightningModule, lightning_module
from lol_lightning.exceptions import ConfigurationError

__all__ = ["Recipe", "use_optimizer"]

Recipe = Mapping[str, Any]
"""``{"class_path": ..., "init_args": {...}}``."""


@dataclass(frozen=True)
class _Recipes:
    """What the command line says; a scheduler alone takes the optimizer that the model makes by itself."""

    optimizer: Recipe | None
    lr_scheduler: Recipe | None
    own: Callable[[], Any]


def use_optimizer(model: LightningModule, optimizer: Recipe | None, lr_scheduler: Recipe | None) -> None:
    """Let ``configure_optimizers`` of a model follow class paths, once its network has a size.

    Args:
        model: its own ``configure_optimizers`` counts where there is no ``optimizer``.
        optimizer: of all parameters, ``None`` for the model's own.
        lr_scheduler: ``None`` for none.
    """
    if optimizer or lr_scheduler:
        recipes = _Recipes(optimizer, lr_scheduler, model.configure_optimizers)
        # A partial of a function, unlike a closure, travels to spawned processes and into copies of the model.
        model.configure_optimizers = partial(_configure, model, recipes)  # type: ignore[method-assign]


def _configure(model: LightningModule, recipes: _Recipes) -> Any:
    cli = lightning_module("cli")
    if recipes.optimizer:
        optimizer = cli.instantiate_class(model.parameters(), dict(recipes.optimizer))
    else:
        optimizer = _single(recipes.own())
    scheduler = cli.instantiate_class(optimizer, dict(recipes.lr_scheduler)) if recipes.lr_scheduler else None
    return cli.LightningCLI.configure_optimizers(model, optimizer, scheduler)


def _single(configured: Any) -> Optimizer:
    """Return the only optimizer of what ``configure_optimizers`` returned."""
    if isinstance(configured, Mapping) and not configured.get("lr_scheduler"):
        configured = configured.get("optimizer")
    if isinstance(configured, list | tuple) and len(configured) == 1:
        (configured,) = configured
    if not isinstance(configured, Optimizer):
        raise ConfigurationError(
            "--lr_scheduler alone needs a model whose configure_optimizers returns one optimizer without a scheduler; "
            "name the optimizer, too: --optimizer torch.optim.Adam."
        )
    return configured
