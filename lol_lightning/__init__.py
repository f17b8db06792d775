"""Losses over Labels for Snorkel labeling functions, as a PyTorch Lightning plugin."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "ABSTAIN",
    "BagOfWords",
    "GradientLabelingFunction",
    "GradientTargets",
    "LoLClassifier",
    "LoLDataModule",
    "LoLLabelModel",
    "WrenchDataModule",
    "gradient_labeling_function",
    "inspect_lfs",
    "keyword_lf",
    "lol_loss",
    "regex_lf",
    "rules_lf",
]

if TYPE_CHECKING:
    from lol_lightning.data.datamodule import LoLDataModule
    from lol_lightning.data.feature_space import BagOfWords
    from lol_lightning.data.wrench import WrenchDataModule
    from lol_lightning.functional.losses import lol_loss
    from lol_lightning.functional.votes import ABSTAIN
    from lol_lightning.inspection import inspect_lfs
    from lol_lightning.label_model import LoLLabelModel
    from lol_lightning.lfs.adapter import GradientLabelingFunction, gradient_labeling_function
    from lol_lightning.lfs.rules import keyword_lf, regex_lf, rules_lf
    from lol_lightning.module import LoLClassifier
    from lol_lightning.targets import GradientTargets

_HOMES = {
    "ABSTAIN": "functional.votes",
    "BagOfWords": "data.feature_space",
    "GradientLabelingFunction": "lfs.adapter",
    "GradientTargets": "targets",
    "LoLClassifier": "module",
    "LoLDataModule": "data.datamodule",
    "LoLLabelModel": "label_model",
    "WrenchDataModule": "data.wrench",
    "gradient_labeling_function": "lfs.adapter",
    "inspect_lfs": "inspection",
    "keyword_lf": "lfs.rules",
    "lol_loss": "functional.losses",
    "regex_lf": "lfs.rules",
    "rules_lf": "lfs.rules",
}


def __getattr__(name: str) -> Any:
    # Importing a public name imports only what that name needs: torch and Snorkel take seconds.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
