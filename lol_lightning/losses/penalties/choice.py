"""Which penalty reads what a data module's batches hold."""

from __future__ import annotations

from lol_lightning.data.base import BaseDataModule
from lol_lightning.losses.penalties.base import Penalty
from lol_lightning.losses.penalties.example_penalty import ExamplePenalty
from lol_lightning.losses.penalties.gradient_penalty import GradientPenalty
from lol_lightning.losses.penalties.insertion_penalty import InsertionPenalty

__all__ = ["penalty_for"]


def penalty_for(data: BaseDataModule) -> type[Penalty]:
    """Return the class of the penalty that reads the demands of a data module that is set up for ``fit``."""
    if data.has_insertions:
        return InsertionPenalty
    return ExamplePenalty if data.has_example_targets else GradientPenalty
