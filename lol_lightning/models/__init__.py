"""LightningModules and optimizers."""

from lol_lightning.models.classifier import LoLClassifier
from lol_lightning.models.lazy_adam import LazyAdam

__all__ = ["LazyAdam", "LoLClassifier"]
