"""Instrumented data points: copies of a row or object that record which attributes, columns or keys are read."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, SupportsIndex

import pandas as pd

from lol_lightning.inspection.tracing._queries import HOOK_FILES, active_trace
from lol_lightning.inspection.tracing._traced_text import TracedStr, TracedTokens, instrument_value

__all__ = ["field_names", "instrument_point", "plain_copy"]

HOOK_FILES.add(__file__)


class TracedNamespace(SimpleNamespace):
    """A ``SimpleNamespace`` that records reading and writing."""

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        _note_read(name, value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        _note_write(name)
        super().__setattr__(name, value)


class TracedSeries(pd.Series):
    """A row of a DataFrame that records which columns are read and written."""

    @property
    def _constructor(self) -> type[pd.Series]:
        return pd.Series

    def __getitem__(self, key: Any) -> Any:
        value = super().__getitem__(key)
        _note_read(key, value)
        return value

    def __setitem__(self, key: Any, value: Any) -> None:
        _note_write(key)
        super().__setitem__(key, value)


class TracedDict(dict[Any, Any]):
    """A dict that records which keys are read and written."""

    def __getitem__(self, key: Any) -> Any:
        value = super().__getitem__(key)
        _note_read(key, value)
        return value

    def get(self, key: Any, default: Any = None) -> Any:
        return self[key] if key in self else default

    def __setitem__(self, key: Any, value: Any) -> None:
        _note_write(key)
        super().__setitem__(key, value)


def instrument_point(point: Any, column: str | None = None) -> Any:
    """Return an instrumented copy of a data point, on which a labeling function votes as on the point itself.

    Args:
        point: a text, a ``SimpleNamespace``, a row of a DataFrame, a dict, a named tuple, or an object with attributes,
            such as a dataclass.
        column: the only text to instrument; all texts by default.

    Returns:
        The copy; a point of another type is returned as it is.

    Example:
        >>> instrument_point(SimpleNamespace(text="a text", stars=3)).stars
        3
    """

    def wrap(name: Any, value: Any) -> Any:
        return instrument_value(value, str(name)) if column is None or name == column else value

    if type(point) is str:
        return instrument_value(point, column or "text")
    if isinstance(point, pd.Series):
        return _traced_row(point, wrap)
    if type(point) is SimpleNamespace:
        return TracedNamespace(**{name: wrap(name, value) for name, value in vars(point).items()})
    if type(point) is dict:
        return TracedDict({name: wrap(name, value) for name, value in point.items()})
    if isinstance(point, tuple) and hasattr(point, "_fields"):
        values = (wrap(name, value) for name, value in zip(point._fields, point, strict=True))
        return tuple.__new__(_recording_class(type(point)), values)
    if hasattr(point, "__dict__") and not isinstance(point, type):
        return _traced_object(point, wrap)
    return point


def field_names(point: Any) -> tuple[str, ...]:
    """Return the names of the attributes, columns or keys of a data point."""
    if isinstance(point, pd.Series):
        return tuple(map(str, point.index))
    if isinstance(point, Mapping):
        return tuple(map(str, point))
    return tuple(getattr(point, "_fields", getattr(point, "__dict__", ())))


def plain_copy(point: Any) -> Any:
    """Return a copy that an LF may write to without touching the caller's data."""
    return point.copy() if isinstance(point, pd.Series) else copy.copy(point)


def _traced_row(row: pd.Series, wrap: Any) -> pd.Series:
    if pd.api.types.is_numeric_dtype(row.dtype):
        return TracedSeries(row.copy())
    values = [wrap(name, value) for name, value in zip(row.index, row.astype(object), strict=True)]
    return TracedSeries(values, index=row.index, name=row.name, dtype=object)


def _traced_object(point: Any, wrap: Any) -> Any:
    traced = copy.copy(point)
    for name, value in vars(point).items():
        object.__setattr__(traced, name, wrap(name, value))
    cls: Any = type(point)
    object.__setattr__(traced, "__class__", _recording_class(cls))
    return traced


@lru_cache(maxsize=256)
def _recording_class(cls: Any) -> Any:
    """Derive a class that records reading; it pickles as instances of ``cls`` with instrumented fields."""

    def __getattribute__(self: Any, name: str) -> Any:
        value = cls.__getattribute__(self, name)
        if not name.startswith("_") and not callable(value):
            _note_read(name, value)
        return value

    def __setattr__(self: Any, name: str, value: Any) -> None:
        _note_write(name)
        cls.__setattr__(self, name, value)

    def __reduce_ex__(self: Any, protocol: SupportsIndex) -> tuple[Any, ...]:
        fields = tuple(self) if issubclass(cls, tuple) else dict(object.__getattribute__(self, "__dict__"))
        return _restore, (cls, fields)

    hooks: dict[str, Any] = {"__getattribute__": __getattribute__, "__reduce_ex__": __reduce_ex__, "__slots__": ()}
    if not issubclass(cls, tuple):
        hooks["__setattr__"] = __setattr__
    return type(cls.__name__, (cls,), {**hooks, "__module__": cls.__module__, "__qualname__": cls.__qualname__})


def _restore(cls: Any, fields: Any) -> Any:
    traced_class = _recording_class(cls)
    if issubclass(cls, tuple):
        return tuple.__new__(traced_class, fields)
    traced: Any = object.__new__(traced_class)
    for name, value in fields.items():
        object.__setattr__(traced, name, value)
    return traced


def _note_read(name: Any, value: Any) -> None:
    trace = active_trace()
    if trace is None or not isinstance(name, str) or name.startswith("__"):
        return
    trace.columns[name] = isinstance(value, (TracedStr, TracedTokens))
    if isinstance(value, TracedStr):
        trace.last_text = value


def _note_write(name: Any) -> None:
    trace = active_trace()
    if trace is not None and trace.asking_library() is None:
        trace.writes[str(name)] = None
