"""One short line of an object, and of the values in it, for ``repr``."""

from __future__ import annotations

import dataclasses
import html
import inspect
import reprlib
from collections.abc import Collection, Mapping
from typing import Any

__all__ = ["MAX_LENGTH", "html_table", "short_repr", "short_value"]

MAX_LENGTH = 200
"""Characters of a line."""
_MAX_ITEMS, _MAX_TEXT = 4, 40


def short_repr(self: Any) -> str:
    """Return class, fields and their values in one line: ``__repr__ = short_repr`` in the body of a class.

    The fields are those of a dataclass or named tuple, else the arguments of the constructor that are attributes, and
    whatever ``fit`` has set (attributes that end in ``_``). Arrays and tensors show their type and shape.

    Example:
        >>> import numpy as np
        >>> @dataclasses.dataclass
        ... class Weights:
        ...     values: np.ndarray
        ...     names: list
        ...     __repr__ = short_repr
        >>> Weights(np.zeros((3, 1000)), list("abcdef"))
        Weights(values=float64 (3, 1000), names=['a', 'b', 'c', 'd', ... 6 in all])
    """
    cls = type(self)
    parts = ", ".join(f"{name}={short_value(getattr(self, name))}" for name in _names(self))
    line = f"{cls.__qualname__}({parts})"
    return line if len(line) <= MAX_LENGTH else line[: MAX_LENGTH - 5] + " ...)"


def short_value(value: Any) -> str:
    """Return a value in few characters and one line.

    Example:
        >>> short_value("a" * 1000), short_value({"b": 1})
        ("'aaaaaaaaaaaaaaaa...aaaaaaaaaaaaaaaaa'", "{'b': 1}")
    """
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and not isinstance(value, type) and not callable(shape):
        if dtype is not None and len(shape) == 0:
            return str(value.item())
        if len(shape) == 1 and 0 < shape[0] <= _MAX_ITEMS and hasattr(value, "tolist"):
            return short_value([f"{item:.4g}" if isinstance(item, float) else item for item in value.tolist()]).replace(
                "'", ""
            )
        kind = type(value).__name__ if dtype is None else str(dtype).removeprefix("torch.")
        return f"{kind} {tuple(shape)}"
    if isinstance(value, str | bytes):
        return _TEXT.repr(value)
    if isinstance(value, Mapping):
        items = [f"{key!r:.40}: {short_value(item)}" for key, item in list(value.items())[:_MAX_ITEMS]]
        return "{" + ", ".join(items + [f"... {len(value)} in all"] * (len(value) > _MAX_ITEMS)) + "}"
    if isinstance(value, Collection) and type(value) in (list, tuple, set, frozenset):
        items = [short_value(item) for item in list(value)[:_MAX_ITEMS]]
        inside = ", ".join(items + [f"... {len(value)} in all"] * (len(value) > _MAX_ITEMS))
        return f"({inside})" if isinstance(value, tuple) else f"[{inside}]"
    if isinstance(value, type) or inspect.isroutine(value):
        return str(getattr(value, "__qualname__", value))
    line = repr(value)
    # A module of PyTorch prints its layers, each on a line of its own.
    return line if "\n" not in line and len(line) <= MAX_LENGTH else type(value).__name__


def html_table(table: Any, caption: str) -> str:
    """Return a DataFrame as an HTML table with a caption, for ``_repr_html_``; long ones are cut."""
    return f"<p>{html.escape(caption)}</p>{table.to_html(max_rows=20, max_cols=20, border=0)}"


_TEXT = reprlib.Repr()
_TEXT.maxstring = _TEXT.maxother = _MAX_TEXT


def _names(self: Any) -> list[str]:
    cls = type(self)
    if dataclasses.is_dataclass(self):
        return [field.name for field in dataclasses.fields(self) if field.repr and field.init]
    if hasattr(cls, "_fields"):
        return list(cls._fields)
    stored = vars(self)
    arguments = [name for name in inspect.signature(cls).parameters if name in stored]
    fitted = [name for name in stored if name.endswith("_") and not name.startswith("_") and stored[name] is not None]
    return arguments + fitted
