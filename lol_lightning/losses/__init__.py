"""The loss of Losses over Labels as a module: vote loss, penalties, and the weights of LFs and classes."""

from lol_lightning.losses.lol_loss import LoLLoss
from lol_lightning.losses.penalties import ExamplePenalty, GradientPenalty, InsertionPenalty, Penalty
from lol_lightning.losses.terms import LoLTerms
from lol_lightning.losses.weights import LabeledVotes

__all__ = [
    "ExamplePenalty",
    "GradientPenalty",
    "InsertionPenalty",
    "LabeledVotes",
    "LoLLoss",
    "LoLTerms",
    "Penalty",
]
