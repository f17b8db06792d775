"""Copies of labeling functions that leave the caches of the user's preprocessors alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from snorkel.labeling import LabelingFunction
from snorkel.map import BaseMapper

__all__ = ["isolated_copy"]

_T = TypeVar("_T")


def isolated_copy(lf: LabelingFunction, adapt: Callable[[Any], Any] | None = None) -> LabelingFunction:
    """Return a copy of an LF that votes alike, whose preprocessors begin with empty caches.

    Inspection calls LFs on changed data points, which must not stay in the user's caches; and a cached row loses the
    attributes that a preprocessor set on it when it travels to another process.

    Args:
        lf: the labeling function.
        adapt: applied to its function and to those of its preprocessors; they stay as they are by default.

    Example:
        >>> from types import SimpleNamespace
        >>> lf = LabelingFunction("long", lambda x: 1 if len(x.text) > 5 else -1)
        >>> copied = isolated_copy(lf)
        >>> copied is lf, copied(SimpleNamespace(text="a long one"))
        (False, 1)
    """
    copied = _shallow(lf)
    copied._pre = [_isolated_mapper(mapper, adapt) for mapper in lf._pre]
    if adapt is not None:
        copied._f = adapt(lf._f)
    return copied


def _isolated_mapper(mapper: BaseMapper, adapt: Callable[[Any], Any] | None) -> BaseMapper:
    fresh = _shallow(mapper)
    fresh.reset_cache()
    fresh._pre = [_isolated_mapper(inner, adapt) for inner in mapper._pre]
    if adapt is not None and hasattr(mapper, "_f"):
        fresh._f = adapt(mapper._f)
    return fresh


def _shallow(value: _T) -> _T:
    """Copy an object without its ``__reduce_ex__``, which for a decorated LF returns the LF itself."""
    copied = object.__new__(type(value))
    copied.__dict__.update(value.__dict__)
    return copied
