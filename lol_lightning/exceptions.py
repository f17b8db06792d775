"""Errors that the borders of the package raise: each names the offending value and the cure."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

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
    """Let a function take an argument by its old name, too, and warn of the new one; a decorator.

    Args:
        **new_names: the new name by the old one.

    Example:
        >>> @renamed_arguments(column="text_column")
        ... def read(text_column="text"):
        ...     return text_column
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     read(column="body")
        'body'
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @functools.wraps(function)
        def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            renamed: dict[str, Any] = dict(kwargs)
            for old in new_names.keys() & kwargs.keys():
                name, new = function.__qualname__.removesuffix(".__init__"), new_names[old]
                if new in kwargs:
                    raise ConfigurationError(f"{name}: {old}= is now called {new}=; give it once.")
                warnings.warn(f"{name}: {old}= is now called {new}=.", FutureWarning, stacklevel=2)
                renamed[new] = renamed.pop(old)
            return function(*args, **renamed)

        return call

    return decorate
