"""Errors that the borders of the package raise: each names the offending value and the cure."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "ConfigurationError",
    "DataError",
    "FeatureSpaceError",
    "LabelingFunctionError",
    "LoLError",
    "NotFittedError",
    "TargetsError",
    "VotesError",
    "check_choice",
]


class LoLError(ValueError):
    """Base class of every error that lol-lightning raises on bad input."""


class VotesError(LoLError):
    """A vote matrix with a wrong shape, dtype or value."""


class FeatureSpaceError(LoLError):
    """A feature space that is empty, not fitted, or does not fit the data."""


class TargetsError(LoLError):
    """Gradient targets that do not fit the LFs, the classes or the feature space."""


class DataError(LoLError):
    """Rows, labels or files that are missing, broken or do not fit each other."""


class LabelingFunctionError(LoLError):
    """A labeling function that is ill-defined or raised on a data point."""


class ConfigurationError(LoLError):
    """An argument of a model, a data module or the command line that cannot work."""


class NotFittedError(LoLError, AttributeError):
    """Something was asked of an estimator before it was fitted."""


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Raise ``ConfigurationError`` if an argument is none of the values that it can have."""
    if value not in choices:
        raise ConfigurationError(f"{name} = {value!r}; use one of {', '.join(map(repr, choices))}.")
