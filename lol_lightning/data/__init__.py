"""Rows to batches: data modules that text, WRENCH directories and images share, and their settings."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
    "WrenchDataModule",
]

if TYPE_CHECKING:
    from lol_lightning.data.base import BaseDataModule
    from lol_lightning.data.batch import LoLBatch
    from lol_lightning.data.datamodule import LoLDataModule
    from lol_lightning.data.inspecting import InspectOptions
    from lol_lightning.data.matrix import MatrixDataModule
    from lol_lightning.data.options import Classes, ClassShares, LoaderOptions, ModelDefaults
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
    "WrenchDataModule": "wrench",
}


def __getattr__(name: str) -> Any:
    # A batch is read without the LFs and the inspection that a data module needs.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
