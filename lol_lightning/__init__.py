"""Losses over Labels for Snorkel labeling functions, as a PyTorch Lightning plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lol_lightning._lazy import lazy_names

__version__ = "0.1.0"

__all__ = [
    "ABSTAIN",
    "BagOfWords",
    "GradientLabelingFunction",
    "GradientPenalty",
    "LoLClassifier",
    "LoLDataModule",
    "LoLLabelModel",
    "LoLLoss",
    "WrenchDataModule",
    "gradient_labeling_function",
    "inspect_lfs",
    "keyword_lf",
    "regex_lf",
    "rules_lf",
]

if TYPE_CHECKING:
    from lol_lightning.data.datamodule import LoLDataModule
    from lol_lightning.data.wrench import WrenchDataModule
    from lol_lightning.features.bag_of_words import BagOfWords
    from lol_lightning.functional.votes import ABSTAIN
    from lol_lightning.inspection import inspect_lfs
    from lol_lightning.label_model.label_model import LoLLabelModel
    from lol_lightning.lfs.adapter import GradientLabelingFunction, gradient_labeling_function
    from lol_lightning.lfs.rules.rules import keyword_lf, regex_lf, rules_lf
    from lol_lightning.losses.lol_loss import LoLLoss
    from lol_lightning.losses.penalties.gradient_penalty import GradientPenalty
    from lol_lightning.models.classifier import LoLClassifier

_HOMES = {
    "ABSTAIN": "functional.votes",
    "BagOfWords": "features.bag_of_words",
    "GradientLabelingFunction": "lfs.adapter",
    "GradientPenalty": "losses.penalties.gradient_penalty",
    "LoLClassifier": "models.classifier",
    "LoLDataModule": "data.datamodule",
    "LoLLabelModel": "label_model.label_model",
    "LoLLoss": "losses.lol_loss",
    "WrenchDataModule": "data.wrench",
    "gradient_labeling_function": "lfs.adapter",
    "inspect_lfs": "inspection",
    "keyword_lf": "lfs.rules.rules",
    "regex_lf": "lfs.rules.rules",
    "rules_lf": "lfs.rules.rules",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
