"""Data points of every kind: which fields they have, and copies with other values in them.

A data point is a row of a DataFrame, a mapping, a named tuple, a row of Spark, an object with attributes (frozen or
with slots, too), a list or tuple read by position, or a plain text.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from itertools import chain
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from lol_lightning.exceptions import DataError

__all__ = [
    "CONTAINERS",
    "SCALARS",
    "attributes_of",
    "describe_point",
    "field_names",
    "like_tuple",
    "read_field",
    "with_fields",
]

_MISSING = object()
SCALARS = (str, bytes, int, float, complex, bool, type(None), np.generic)
CONTAINERS = (list, tuple, dict, set, frozenset, bytearray, np.ndarray)


def field_names(point: Any) -> list[Any]:
    """Return the names of a data point's columns, keys or attributes; none for a plain text or number.

    Example:
        >>> field_names({"text": "good", 0: 3}), field_names(pd.Series({"text": "good"}))
        (['text', 0], ['text'])
    """
    if isinstance(point, pd.Series):
        return list(point.index)
    if isinstance(point, Mapping):
        return list(point)
    names = _tuple_fields(point)
    return list(names) if names is not None else list(attributes_of(point))


def attributes_of(point: Any) -> dict[str, Any]:
    """Return the attributes of an object, those in slots included."""
    if isinstance(point, (*SCALARS, *CONTAINERS, type)):
        return {}
    slots = chain.from_iterable(_slots(cls) for cls in type(point).__mro__)
    stored = {name: value for name in slots if (value := _slot(point, name)) is not _MISSING}
    return {**stored, **getattr(point, "__dict__", {})}


def read_field(point: Any, name: Any) -> Any:
    """Return one field of a data point.

    Raises:
        AttributeError, LookupError: if it has none of this name.

    Example:
        >>> read_field({"text": "good"}, "text"), read_field(("good", 3), 0)
        ('good', 'good')
    """
    if isinstance(point, (Mapping, pd.Series)):
        return point[name]
    if isinstance(name, str):
        return getattr(point, name)
    if isinstance(point, list | tuple):
        return point[name]
    raise AttributeError(f"{type(point).__name__!r} object has no field {name!r}")


def with_fields(point: Any, values: Mapping[Any, Any]) -> Any:
    """Return a copy of a data point with other values in some of its fields; the point itself stays as it is.

    Raises:
        DataError: if a point of its type cannot be copied or changed.

    Example:
        >>> with_fields(MappingProxyType({"text": "good", "likes": 3}), {"text": "bad"})
        mappingproxy({'text': 'bad', 'likes': 3})
    """
    try:
        return _with_fields(point, values)
    except Exception as error:
        raise DataError(
            f"a data point of type {type(point).__name__} cannot be copied with another {next(iter(values))!r} "
            f"({type(error).__name__}: {error!s:.100}); pass a DataFrame, dicts or dataclasses."
        ) from error


def _with_fields(point: Any, values: Mapping[Any, Any]) -> Any:
    if isinstance(point, pd.Series):
        changed = point.copy()
        for name, value in values.items():
            changed[name] = value
        return changed
    if isinstance(point, MappingProxyType):
        return MappingProxyType({**point, **values})
    if isinstance(point, tuple):
        names = _tuple_fields(point) or range(len(point))
        return like_tuple(point, [values.get(name, old) for name, old in zip(names, point, strict=True)])
    changed = copy.copy(point)
    if isinstance(point, (Mapping, list)):
        for name, value in values.items():
            changed[name] = value
        return changed
    for name, value in values.items():
        # Frozen classes refuse setattr, also on their copies.
        object.__setattr__(changed, name, value)
    return changed


def describe_point(point: Any, max_chars: int = 200) -> str:
    """Show a data point in one line, shortened.

    Example:
        >>> describe_point(pd.Series({"text": "a good song", "likes": 3}))
        "{'text': 'a good song', 'likes': 3}"
    """
    shown = point
    if isinstance(point, pd.Series):
        shown = dict(zip(point.index, point.tolist(), strict=True))
    try:
        text = repr(shown).replace("\n", " ")
    except Exception:  # The repr is the user's code.
        text = f"an object of type {type(point).__name__}"
    return text if len(text) <= max_chars else f"{text[:max_chars]} ..."


def _tuple_fields(point: Any) -> list[str] | None:
    """Return the field names of a named tuple or of a row of Spark."""
    if not isinstance(point, tuple):
        return None
    names = getattr(point, "_fields", None) or getattr(point, "__fields__", None)
    return None if names is None else [str(name) for name in names]


def like_tuple(point: Any, values: list[Any]) -> Any:
    """Return a tuple of the same kind with other values."""
    changed = tuple.__new__(type(point), values)
    if getattr(point, "__dict__", None):  # Spark keeps the names of the fields there.
        changed.__dict__.update(point.__dict__)
    return changed


def _slots(cls: type) -> tuple[str, ...]:
    slots = vars(cls).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _slot(point: Any, name: str) -> Any:
    if name in ("__dict__", "__weakref__"):
        return _MISSING
    if name.startswith("__") and not name.endswith("__"):
        return _MISSING
    try:
        return object.__getattribute__(point, name)
    except AttributeError:
        return _MISSING
