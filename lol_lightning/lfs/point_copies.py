"""Copies of data points that share nothing which a labeling function could change, and whether one was changed."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from lol_lightning.lfs.points import CONTAINERS, SCALARS, attributes_of, like_tuple, with_fields

__all__ = ["private_copy", "quick_mark", "same_mark", "same_point"]

_MUTABLE = (list, tuple, dict, set, bytearray, np.ndarray)


def private_copy(point: Any, values: Mapping[Any, Any] | None = None) -> Any:
    """Return a copy that a labeling function may change without touching the data.

    Lists, sets, dicts and arrays inside are copied, too, however deep. Other objects inside (a parsed document, a
    model) are shared, as copying them may be slow or impossible.

    Args:
        point: the data point.
        values: other values for some of its fields, as in ``with_fields``.

    Raises:
        DataError: if ``values`` are given for a point that cannot be copied or changed.

    Example:
        >>> row = {"tokens": ["a", "b"]}
        >>> private_copy(row)["tokens"].pop(), row
        ('b', {'tokens': ['a', 'b']})
    """
    if isinstance(point, pd.Series) and point.dtype == object and point.index.is_unique:
        return _private_row(point, values or {})
    if values:
        return with_fields(private_copy(point), values)
    if isinstance(point, pd.Series):
        return point.copy(deep=True)
    if isinstance(point, (*SCALARS, *CONTAINERS, MappingProxyType)):
        return _copied(point)
    inside = {name: _copied(value) for name, value in attributes_of(point).items() if isinstance(value, CONTAINERS)}
    try:
        return with_fields(point, inside)
    except Exception:  # A point that cannot be copied reaches the LF as it is.
        return point


def same_point(before: Any, after: Any) -> bool:
    """Tell whether a data point that a labeling function had in its hands is still as it was.

    Example:
        >>> row = {"tokens": ["a", "b"]}
        >>> same_point(row, private_copy(row)), same_point(row, {"tokens": ["a"]})
        (True, False)
    """
    if before is after:
        return True
    if isinstance(before, pd.Series):
        if before.index is not after.index and not before.index.equals(after.index):
            return False
        if any(not name.startswith("_") for name in vars(after)):  # x.note = ..., which becomes no field.
            return False
        if before.dtype != object:
            return before.dtype == after.dtype and before.equals(after)
        return all(map(_same, before.to_numpy(), after.to_numpy()))
    if isinstance(before, (*SCALARS, *CONTAINERS, Mapping)):
        return _same(before, after)
    return _same(attributes_of(before), attributes_of(after))


def quick_mark(point: Any) -> tuple[Any, ...] | None:
    """Return what a row of plain values looks like, cheaply: a row of the same mark was not changed.

    Returns:
        ``None`` where only ``same_point`` can tell.
    """
    if not isinstance(point, pd.Series) or point.dtype != object:
        return None
    values = tuple(point.to_numpy())
    if any(isinstance(value, _MUTABLE) for value in values):
        return None
    return (id(point.index), len(vars(point)), *map(id, values))


def same_mark(point: Any, mark: tuple[Any, ...] | None) -> bool:
    """Tell whether a row still has a mark that ``quick_mark`` gave it.

    Example:
        >>> row = pd.Series({"text": "good", "likes": 3})
        >>> mark = quick_mark(row)
        >>> row["likes"] = 4
        >>> same_mark(row, mark)
        False
    """
    if mark is None or (id(point.index), len(vars(point))) != mark[:2]:
        return False
    return (*map(id, point.to_numpy()),) == mark[2:]


def _private_row(row: pd.Series, values: Mapping[Any, Any]) -> pd.Series:
    """Copy a row of a frame in one step, as probing does for each of its calls."""
    copied = row.to_numpy(copy=True)
    for place, value in enumerate(copied):
        if isinstance(value, _MUTABLE):
            copied[place] = _copied(value)
    for name, value in values.items():
        copied[row.index.get_loc(name)] = value
    return pd.Series(copied, index=row.index, name=row.name, dtype=object, copy=False)


def _copied(value: Any) -> Any:
    if not isinstance(value, (*CONTAINERS, MappingProxyType)):
        return value
    if isinstance(value, np.ndarray):
        return np.vectorize(_copied, otypes=[object])(value) if value.dtype == object and value.size else value.copy()
    if isinstance(value, tuple):
        parts = [_copied(part) for part in value]
        return value if all(map(_is, parts, value)) else like_tuple(value, parts)
    if isinstance(value, MappingProxyType):
        return MappingProxyType({key: _copied(part) for key, part in value.items()})
    if isinstance(value, frozenset):
        return value
    copied: Any = copy.copy(value)
    if isinstance(value, dict):
        copied.update((key, _copied(part)) for key, part in value.items() if isinstance(part, CONTAINERS))
    elif isinstance(value, list):
        copied[:] = [_copied(part) for part in value]
    return copied


def _same(before: Any, after: Any) -> bool:
    if before is after:
        return True
    if type(before) is not type(after):
        return False
    if isinstance(before, np.ndarray):
        if before.shape != after.shape or before.dtype != after.dtype:
            return False
        if before.dtype == object:
            return all(map(_same, before.ravel(), after.ravel()))
        return before.tobytes() == after.tobytes()
    if isinstance(before, Mapping):
        return list(before) == list(after) and all(map(_same, before.values(), after.values()))
    if isinstance(before, list | tuple):
        return len(before) == len(after) and all(map(_same, before, after))
    if isinstance(before, (*SCALARS, set, frozenset, bytearray)):
        return bool(before == after) or (before != before and after != after)
    return False


def _is(a: Any, b: Any) -> bool:
    return a is b
