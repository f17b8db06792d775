"""Data points with another text: the copies on which a labeling function is probed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lol_lightning.exceptions import DataError
from lol_lightning.inspection.probing._units import TextUnits
from lol_lightning.lfs.point_copies import private_copy
from lol_lightning.lfs.points import field_names, read_field
from lol_lightning.lfs.rows import as_applied
from lol_lightning.lfs.token_lists import tokens_of

__all__ = ["BETWEEN", "TextPoints", "TokenPoints", "holds_tokens", "points_of"]

BETWEEN = "\x1f"
"""Stands between the tokens of a list where it is probed as a text."""
_COLLECTIONS = (list, tuple, set, frozenset, dict, np.ndarray)


class TextPoints:
    """The texts of a corpus, and copies of its data points that hold another text.

    Args:
        data: a DataFrame, whose rows reach the LF as the Series that Snorkel gives it, or a sequence of data points of
            any kind (see ``lol_lightning.lfs.points``).
        column: column, attribute or key of the text; of no meaning for plain strings.

    Raises:
        DataError: if a data point has no such column, or a frame has two.

    Attributes:
        only_text: whether the data points are plain texts, so that an LF can read nothing else.
        only_column: whether the data are a frame with one column, so that a row holds its place in the index besides.
        units: how these texts are cut; ``None`` where they are cut as any text.

    Example:
        >>> from types import SimpleNamespace
        >>> points = TextPoints([SimpleNamespace(text="a b", likes=3)])
        >>> points.with_text(0, "b")
        namespace(text='b', likes=3)
        >>> points.texts
        ['a b']
    """

    units: TextUnits | None = None
    separator = " "
    """Stands between the words of a text."""

    def __init__(self, data: pd.DataFrame | Sequence[Any], column: Any = "text") -> None:
        self._name = column
        self.column = str(column)
        self._frame = as_applied(data) if isinstance(data, pd.DataFrame) else None
        self._last: tuple[int, pd.Series[Any]] | None = None
        self._points = [] if self._frame is not None else list(data)
        self.only_text = bool(self._points) and all(isinstance(point, str) for point in self._points)
        self.only_column = self._frame is not None and self._frame.shape[1] == 1
        if self._frame is not None:
            if list(self._frame.columns).count(column) != 1:
                many = "more than one" if column in self._frame.columns else "no"
                names = list(map(str, self._frame.columns))
                raise DataError(f"the data has {many} column {column!r}; it has {names}.")
            values = self._frame[column].tolist()
        else:
            values = [self._read(row) for row in range(len(self._points))]
        self.texts: list[str] = [self._text_of(value) for value in values]
        """One text for each data point; a missing one is empty."""

    def __len__(self) -> int:
        """Return the number of data points."""
        return len(self.texts)

    def with_text(self, row: int, text: str) -> Any:
        """Return a copy of data point ``row`` that holds ``text``; the caller's own stays as it is."""
        if self.only_text:
            return text
        point = self._points[row] if self._frame is None else self._series(row)
        return private_copy(point, {self._name: self.value_of(row, text)})

    def _text_of(self, value: Any) -> str:
        return value if isinstance(value, str) else ""

    def value_of(self, row: int, text: str) -> Any:
        """Return what the column of data point ``row`` holds where its text is ``text``."""
        return text

    def _series(self, row: int) -> pd.Series[Any]:
        if self._last is None or self._last[0] != row:
            # Writing into a row of Arrow strings costs ten times as much as into one of objects.
            self._last = row, self._frame.iloc[row].astype(object)  # type: ignore[union-attr]
        return self._last[1]

    def _read(self, row: int) -> Any:
        point = self._points[row]
        if isinstance(point, str):
            return point
        try:
            return read_field(point, self._name)
        except (LookupError, AttributeError) as error:
            names = list(map(str, field_names(point)))
            raise DataError(f"data point {row} ({point!r:.80}) has no {self._name!r}; it has {names}.") from error


class TokenPoints(TextPoints):
    """Data points with a column of tokens: lists, tuples, sets, arrays, or the keys of dicts.

    Example:
        >>> points = TokenPoints([{"tokens": ("Cheap", "pills")}], "tokens")
        >>> points.with_text(0, points.texts[0].replace("Cheap", ""))
        {'tokens': ('pills',)}
    """

    units = TextUnits(f"[^{BETWEEN}]+")
    separator = BETWEEN

    def _text_of(self, value: Any) -> str:
        return BETWEEN.join(_tokens(value) or ())

    def value_of(self, row: int, text: str) -> Any:
        """Return what the column of data point ``row`` holds where its text is ``text``."""
        point = self._points[row] if self._frame is None else self._series(row)
        value = read_field(point, self._name)
        if _tokens(value) is None:
            return value
        tokens = [token for token in text.split(BETWEEN) if token]
        if isinstance(value, dict):
            return {token: value[token] for token in tokens if token in value}
        return np.array(tokens, dtype=value.dtype) if isinstance(value, np.ndarray) else type(value)(tokens)


def points_of(data: pd.DataFrame | Sequence[Any], column: Any, values: Iterable[Any]) -> TextPoints:
    """Return the points of a column of texts or of tokens, whichever its values are."""
    return (TokenPoints if holds_tokens(values) else TextPoints)(data, column)


def holds_tokens(values: Iterable[Any]) -> bool:
    """Tell whether the values of a column are collections of texts; missing ones do not count.

    Example:
        >>> holds_tokens([["a", "b"], None, []]), holds_tokens(["a b"]), holds_tokens([[1, 2]])
        (True, False, False)
    """
    collections = [value for value in values if isinstance(value, _COLLECTIONS) or not _is_missing(value)]
    return any(map(len, filter(_tokens, collections))) and all(_tokens(value) is not None for value in collections)


def _tokens(value: Any) -> list[str] | None:
    """Return the tokens of a collection of texts that can be told apart again, ``None`` for any other value."""
    tokens = tokens_of(value)
    return None if tokens is None or any(BETWEEN in token for token in tokens) else tokens


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or value != value
