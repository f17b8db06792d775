"""The one importer of Lightning: ``lightning.pytorch`` or ``pytorch_lightning``, whichever the user's program speaks.

Both packages hold the same classes twice, and a Trainer of one refuses a module of the other. This package takes
``lightning.pytorch`` where that is loaded and ``pytorch_lightning`` is not, and ``pytorch_lightning`` otherwise. The
environment variable ``LOL_LIGHTNING_BACKEND`` (``lightning`` or ``pytorch_lightning``) decides before that.
"""

from __future__ import annotations

import os
import sys
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lol_lightning.exceptions import ConfigurationError

__all__ = [
    "BACKEND",
    "BasePredictionWriter",
    "CombinedLoader",
    "LightningDataModule",
    "LightningModule",
    "MisconfigurationException",
    "ModelCheckpoint",
    "OptimizerLRScheduler",
    "TorchCheckpointIO",
    "Trainer",
    "isolate_rng",
    "lightning_module",
    "pl",
    "rank_zero_info",
    "rank_zero_only",
    "rank_zero_warn",
]

VARIABLE = "LOL_LIGHTNING_BACKEND"
_PACKAGES = {"lightning": "lightning.pytorch", "pytorch_lightning": "pytorch_lightning"}


def _backend() -> str:
    choice = os.environ.get(VARIABLE)
    if choice is not None:
        if choice not in _PACKAGES:
            raise ConfigurationError(f"{VARIABLE} = {choice!r}; use one of {', '.join(_PACKAGES)}.")
        return _PACKAGES[choice]
    loaded = {name for name, package in _PACKAGES.items() if package in sys.modules}
    if loaded == {"lightning"}:
        return "lightning.pytorch"
    if len(loaded) == 2:
        warnings.warn(
            "lightning.pytorch and pytorch_lightning are both loaded; lol_lightning takes pytorch_lightning. "
            f"Set {VARIABLE}=lightning to take the other one.",
            stacklevel=2,
        )
    return "pytorch_lightning"


BACKEND = _backend()
"""Name of the package that the classes come from."""


def lightning_module(name: str) -> Any:
    """Import a submodule of the chosen package, such as ``cli`` or ``callbacks``."""
    return import_module(f"{BACKEND}.{name}")


if TYPE_CHECKING:
    import pytorch_lightning as pl
    from lightning_fabric.utilities.exceptions import MisconfigurationException
    from pytorch_lightning import LightningDataModule, LightningModule, Trainer
    from pytorch_lightning.callbacks import BasePredictionWriter, ModelCheckpoint
    from pytorch_lightning.plugins.io import TorchCheckpointIO
    from pytorch_lightning.utilities import CombinedLoader, rank_zero_info, rank_zero_only, rank_zero_warn
    from pytorch_lightning.utilities.seed import isolate_rng
    from pytorch_lightning.utilities.types import OptimizerLRScheduler
else:
    pl = import_module(BACKEND)
    LightningDataModule, LightningModule, Trainer = pl.LightningDataModule, pl.LightningModule, pl.Trainer
    _callbacks = lightning_module("callbacks")
    BasePredictionWriter, ModelCheckpoint = _callbacks.BasePredictionWriter, _callbacks.ModelCheckpoint
    TorchCheckpointIO = lightning_module("plugins.io").TorchCheckpointIO
    MisconfigurationException = lightning_module("utilities.exceptions").MisconfigurationException
    _utilities = lightning_module("utilities")
    rank_zero_info, rank_zero_only = _utilities.rank_zero_info, _utilities.rank_zero_only
    CombinedLoader, rank_zero_warn = _utilities.CombinedLoader, _utilities.rank_zero_warn
    isolate_rng = lightning_module("utilities.seed").isolate_rng
    OptimizerLRScheduler = lightning_module("utilities.types").OptimizerLRScheduler
