"""Errors that the borders of the package raise: each names the offending value and the cure."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from numbers import Integral, Real
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
    "check_number",
    "did_you_mean",
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


def check_number(
    name: str,
    value: Any,
    at_least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    whole: bool = False,
) -> None:
    """Raise ``ConfigurationError`` if an argument is no finite number within its bounds.

    Texts, booleans and ``None`` are no numbers, and 2.0 is no whole one.

    Args:
        name: of the argument.
        value: its value.
        at_least: the least number allowed.
        above: a number that it must be greater than.
        below: a number that it must be smaller than.
        whole: whether it must be an integer.

    Example:
        >>> check_number("lr", 0.01, above=0)
        >>> check_number("lr", "fast", above=0)
        Traceback (most recent call last):
        ...
        lol_lightning.exceptions.ConfigurationError: lr = 'fast' must be a finite number above 0.
        >>> check_number("every", 1.5, at_least=1, whole=True)
        Traceback (most recent call last):
        ...
        lol_lightning.exceptions.ConfigurationError: every = 1.5 must be at least 1, a whole number.
    """
    kind: Any = Integral if whole else Real
    right = not isinstance(value, bool) and isinstance(value, kind) and math.isfinite(value)
    if right and at_least is not None:
        right = value >= at_least
    if right and above is not None:
        right = value > above
    if right and below is not None:
        right = value < below
    if right:
        return
    if whole and at_least is not None:
        wanted = f"at least {at_least}, a whole number"
    elif at_least is not None:
        wanted = f"a finite number, not below {at_least}"
    else:
        wanted = f"a {'whole' if whole else 'finite'} number" + (f" above {above}" if above is not None else "")
    shown = value.item() if callable(getattr(value, "item", None)) and getattr(value, "ndim", 0) == 0 else value
    raise ConfigurationError(f"{name} = {shown!r:.80} must be {wanted}" + (f" and below {below}." if below else "."))


def did_you_mean(name: str, known: Iterable[str], prefix: str = "") -> str:
    """Return the end of a sentence on an unknown name: "; did you mean ...?", or a full stop.

    Example:
        >>> did_you_mean("trian", ["fit", "train"]), did_you_mean("x", ["fit"])
        ('; did you mean train?', '.')
    """
    known = list(known)
    close = get_close_matches(name, known, n=1)
    if not close:
        # The last part counts where the sections differ.
        ends = {one.rpartition(".")[2]: one for one in known}
        close = [ends[end] for end in get_close_matches(name.rpartition(".")[2], ends, n=1)]
    return f"; did you mean {prefix}{close[0]}?" if close else "."


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
