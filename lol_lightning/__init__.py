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
    from lol_lightning.data.wrench import WrenchDataModule
    from lol_lightning.features.bag_of_words import BagOfWords
    from lol_lightning.functional.gradient_targets import GradientTargets
    from lol_lightning.functional.losses import lol_loss
    from lol_lightning.functional.votes import ABSTAIN
    from lol_lightning.inspection.inspect_lfs import inspect_lfs
    from lol_lightning.label_model.label_model import LoLLabelModel
    from lol_lightning.lfs.adapter import GradientLabelingFunction, gradient_labeling_function
    from lol_lightning.lfs.rules.rules import keyword_lf, regex_lf, rules_lf
    from lol_lightning.models.classifier import LoLClassifier

_HOMES = {
    "ABSTAIN": "functional.votes",
    "BagOfWords": "features.bag_of_words",
    "GradientLabelingFunction": "lfs.adapter",
    "GradientTargets": "functional.gradient_targets",
    "LoLClassifier": "models.classifier",
    "LoLDataModule": "data.datamodule",
    "LoLLabelModel": "label_model.label_model",
    "WrenchDataModule": "data.wrench",
    "gradient_labeling_function": "lfs.adapter",
    "inspect_lfs": "inspection.inspect_lfs",
    "keyword_lf": "lfs.rules.rules",
    "lol_loss": "functional.losses",
    "regex_lf": "lfs.rules.rules",
    "rules_lf": "lfs.rules.rules",
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
