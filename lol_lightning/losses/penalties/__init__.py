"""Penalties: what LoLLoss may demand of a network beside the votes."""

from lol_lightning.losses.penalties.base import DEFAULT_ALPHA, DEFAULT_C, Measurement, Penalty, as_penalty
from lol_lightning.losses.penalties.example_penalty import ExamplePenalty
from lol_lightning.losses.penalties.gradient_penalty import GradientPenalty
from lol_lightning.losses.penalties.insertion_penalty import InsertionPenalty

__all__ = [
    "DEFAULT_ALPHA",
    "DEFAULT_C",
    "ExamplePenalty",
    "GradientPenalty",
    "InsertionPenalty",
    "Measurement",
    "Penalty",
    "as_penalty",
]
