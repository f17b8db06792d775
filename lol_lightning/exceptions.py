"""Errors that the borders of the package raise: each names the offending value and the cure."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

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
    "renamed_arguments",
]

_P = ParamSpec("_P")
_R = TypeVar("_R")


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


def renamed_arguments(**new_names: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Make a function say how an argument is called now where it gets the old name; a decorator.

    Args:
        **new_names: the new name by the old one.

    Example:
        >>> @renamed_arguments(column="text_column")
        ... def read(text_column="text"):
        ...     return text_column
        >>> read(column="body")
        Traceback (most recent call last):
        ...
        lol_lightning.exceptions.ConfigurationError: read: column= is now called text_column=.
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @functools.wraps(function)
        def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            if old := [name for name in new_names if name in kwargs]:
                name = function.__qualname__.removesuffix(".__init__")
                raise ConfigurationError(f"{name}: {old[0]}= is now called {new_names[old[0]]}=.")
            return function(*args, **kwargs)

        return call

    return decorate
