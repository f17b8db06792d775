"""What a loss asks of a trainer."""

from __future__ import annotations

from typing import Any

from lol_lightning._lightning import LightningModule, Trainer
from lol_lightning.exceptions import ConfigurationError

__all__ = ["refuse_sharding", "shards_parameters", "trainer_of"]


def trainer_of(module: LightningModule) -> Trainer | None:
    """Return the trainer of a LightningModule, ``None`` where it has none."""
    try:
        return module.trainer
    except RuntimeError:
        return None


def shards_parameters(strategy: Any) -> bool:
    """Tell whether a trainer's strategy gives each process a part of the parameters."""
    names = {cls.__name__ for cls in type(strategy).__mro__}
    return bool(names & {"FSDPStrategy", "ModelParallelStrategy", "DeepSpeedStrategy"})


def refuse_sharding(strategy: Any) -> None:
    """Raise ``ConfigurationError`` if a trainer's strategy shards parameters."""
    if shards_parameters(strategy):
        raise ConfigurationError(
            f"{type(strategy).__name__} shards parameters, which cannot be differentiated twice as this penalty needs; "
            "use strategy='ddp', or method='lol-simple'."
        )
