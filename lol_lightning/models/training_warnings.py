"""Warnings of fits that ended otherwise than they should."""

from __future__ import annotations

__all__ = ["ClassSharesWarning", "DeadPenaltyWarning", "NotFiniteWarning", "TrainingWarning"]


class TrainingWarning(UserWarning):
    """A fit ended otherwise than it should; the message names the cure."""


class NotFiniteWarning(TrainingWarning):
    """A term of the loss is infinite or NaN."""


class ClassSharesWarning(TrainingWarning):
    """The model predicts some class far more, or far less, often than it occurs."""


class DeadPenaltyWarning(TrainingWarning):
    """The gradient penalty does not reach the weights, or hardly does."""
