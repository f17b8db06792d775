"""LightningModules, optimizers and the callback that writes predictions."""

from lol_lightning.models.classifier import LoLClassifier
from lol_lightning.models.fine_tuning import FineTuning
from lol_lightning.models.lazy_adam import LazyAdam
from lol_lightning.models.prediction_writer import PredictionWriter

__all__ = ["FineTuning", "LazyAdam", "LoLClassifier", "PredictionWriter"]
