"""Rows to batches: data modules that text, WRENCH directories and images share, and their settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lol_lightning._lazy import lazy_names

__all__ = [
    "BaseDataModule",
    "ClassShares",
    "Classes",
    "InspectOptions",
    "LoLBatch",
    "LoLDataModule",
    "LoaderOptions",
    "MatrixDataModule",
    "ModelDefaults",
    "TokenDataModule",
    "WrenchDataModule",
]

if TYPE_CHECKING:
    from lol_lightning.data.base import BaseDataModule
    from lol_lightning.data.batch import LoLBatch
    from lol_lightning.data.datamodule import LoLDataModule
    from lol_lightning.data.inspecting import InspectOptions
    from lol_lightning.data.matrix import MatrixDataModule
    from lol_lightning.data.options import Classes, ClassShares, LoaderOptions, ModelDefaults
    from lol_lightning.data.tokens import TokenDataModule
    from lol_lightning.data.wrench import WrenchDataModule

_HOMES = {
    "BaseDataModule": "base",
    "ClassShares": "options",
    "Classes": "options",
    "InspectOptions": "inspecting",
    "LoLBatch": "batch",
    "LoLDataModule": "datamodule",
    "LoaderOptions": "options",
    "MatrixDataModule": "matrix",
    "ModelDefaults": "options",
    "TokenDataModule": "tokens",
    "WrenchDataModule": "wrench",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
