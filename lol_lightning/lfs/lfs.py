"""Labeling functions as people write them, made into one list of Snorkel's."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Set
from typing import Any

import pandas as pd
from snorkel.labeling import LabelingFunction, labeling_function

from lol_lightning.exceptions import LabelingFunctionError
from lol_lightning.lfs.adapter import GradientLabelingFunction, gradient_labeling_function
from lol_lightning.lfs.names import check_lf_names
from lol_lightning.lfs.saying import say

__all__ = ["as_lfs"]

_CURE = "write LabelingFunction('a_name', f) with LabelingFunction from snorkel.labeling"


def as_lfs(lfs: Any) -> list[LabelingFunction]:
    """Return labeling functions as a list of Snorkel's; data modules, appliers and inspection all read them here.

    Snorkel's labeling functions stay as they are. A plain function, bound method, ``functools.partial`` or object that
    can be called becomes a labeling function of its own name: that of the function, or of the object's class. One line
    at the level "info" names those.

    Args:
        lfs: a list, or any iterable, of labeling functions and callables; or a single one.

    Returns:
        The labeling functions, in their order.

    Raises:
        LabelingFunctionError: if one has no usable name (a lambda), cannot be called, is a class, a decorator or a
            text, or if two have the same name.

    Example:
        >>> from types import SimpleNamespace
        >>> def is_long(x):
        ...     return 1 if len(x.text) > 9 else -1
        >>> [lf] = as_lfs([is_long])
        >>> lf.name, lf(SimpleNamespace(text="a long text"))
        ('is_long', 1)
    """
    if callable(lfs) or isinstance(lfs, str):
        lfs = [lfs]
    if isinstance(lfs, Mapping):
        raise LabelingFunctionError(f"lfs are a {type(lfs).__name__}; give a list of labeling functions: lfs.values().")
    if isinstance(lfs, Set):
        raise LabelingFunctionError(
            f"lfs are a {type(lfs).__name__}, which has no order, and each LF is a column of the votes; give a list."
        )
    if isinstance(lfs, pd.DataFrame) or not isinstance(lfs, Iterable):
        raise LabelingFunctionError(f"lfs must be a list of labeling functions, got {type(lfs).__name__}.")
    functions = list(lfs)
    result = [_as_lf(f, f"lfs[{i}]") for i, f in enumerate(functions)]
    check_lf_names([lf.name for lf in result])
    if wrapped := [lf.name for lf, f in zip(result, functions, strict=True) if lf is not f]:
        say(f"Plain functions are used as labeling functions of their own names: {', '.join(wrapped)}.")
    return result


def _as_lf(f: Any, place: str) -> LabelingFunction:
    if isinstance(f, LabelingFunction):
        return f
    if isinstance(f, (labeling_function, gradient_labeling_function)):
        raise LabelingFunctionError(f"{place} is the decorator @{type(f).__name__}(...); put it above a function.")
    if isinstance(f, type):
        raise LabelingFunctionError(f"{place} is the class {f.__name__}; put an object of it into the list.")
    if not callable(f):
        raise LabelingFunctionError(f"{place} = {f!r:.80} is no labeling function and cannot be called; {_CURE}.")
    name = _name_of(f)
    if name is None:
        raise LabelingFunctionError(f"{place} is a lambda, which has no name; {_CURE}.")
    return GradientLabelingFunction(name, f)


def _name_of(f: Any) -> str | None:
    """Return the name of a function, of the function inside a ``partial``, or of an object's class."""
    while isinstance(f, functools.partial):
        f = f.func
    name = getattr(f, "__name__", None) or type(f).__name__
    return name if name.isidentifier() else None
