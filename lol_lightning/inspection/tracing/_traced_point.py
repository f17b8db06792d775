"""Instrumented data points: copies of a row or object that record which attributes, columns or keys are read."""

from __future__ import annotations

import copy
from functools import lru_cache
from types import MappingProxyType, SimpleNamespace
from typing import Any, SupportsIndex

import pandas as pd

from lol_lightning.inspection.tracing._queries import HOOK_FILES, active_trace
from lol_lightning.inspection.tracing._traced_text import TracedStr, instrument_value, is_traced
from lol_lightning.lfs.points import attributes_of

__all__ = ["instrument_point"]

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
        point: a data point of any kind, see ``lol_lightning.lfs.points``.
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
    if isinstance(point, MappingProxyType):
        return MappingProxyType(TracedDict({name: wrap(name, value) for name, value in point.items()}))
    if isinstance(point, tuple):
        names = getattr(point, "_fields", None) or getattr(point, "__fields__", None) or range(len(point))
        values = [wrap(name, value) for name, value in zip(names, point, strict=True)]
        if type(point) is tuple:
            return tuple(values)
        traced: Any = tuple.__new__(_recording_class(type(point)), values)
        if beside := getattr(point, "__dict__", None):
            vars(traced).update(beside)
        return traced
    if type(point) is list:
        return [wrap(place, value) for place, value in enumerate(point)]
    if attributes_of(point):
        return _traced_object(point, wrap)
    return point


def _traced_row(row: pd.Series, wrap: Any) -> pd.Series:
    if pd.api.types.is_numeric_dtype(row.dtype):
        return TracedSeries(row.copy())
    values = [wrap(name, value) for name, value in zip(row.index, row.astype(object), strict=True)]
    return TracedSeries(values, index=row.index, name=row.name, dtype=object)


def _traced_object(point: Any, wrap: Any) -> Any:
    traced = copy.copy(point)
    for name, value in attributes_of(point).items():
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
        fields = tuple(self) if issubclass(cls, tuple) else attributes_of(self)
        return _restore, (cls, fields, dict(getattr(self, "__dict__", {})) if issubclass(cls, tuple) else {})

    hooks: dict[str, Any] = {"__getattribute__": __getattribute__, "__reduce_ex__": __reduce_ex__, "__slots__": ()}
    if not issubclass(cls, tuple):
        hooks["__setattr__"] = __setattr__
    return type(cls.__name__, (cls,), {**hooks, "__module__": cls.__module__, "__qualname__": cls.__qualname__})


def _restore(cls: Any, fields: Any, beside: dict[str, Any]) -> Any:
    traced_class = _recording_class(cls)
    if issubclass(cls, tuple):
        restored: Any = tuple.__new__(traced_class, fields)
        if beside:
            vars(restored).update(beside)
        return restored
    traced: Any = object.__new__(traced_class)
    for name, value in fields.items():
        object.__setattr__(traced, name, value)
    return traced


def _note_read(name: Any, value: Any) -> None:
    trace = active_trace()
    if trace is None or str(name).startswith("__"):
        return
    trace.columns[str(name)] = is_traced(value)
    if isinstance(value, TracedStr):
        trace.last_text = value


def _note_write(name: Any) -> None:
    trace = active_trace()
    if trace is not None and trace.asking_library() is None:
        trace.writes[str(name)] = None
