"""Data points with another text: the copies on which a labeling function is probed."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lol_lightning.exceptions import DataError

__all__ = ["TextPoints"]


class TextPoints:
    """The texts of a corpus, and copies of its data points that hold another text.

    Args:
        data: a DataFrame, whose rows reach the LF as the Series that Snorkel gives it, or a sequence of data points
            (objects with attributes, mappings, named tuples, or plain strings).
        column: column, attribute or key of the text; of no meaning for plain strings.

    Raises:
        DataError: if a data point has no such column.

    Example:
        >>> from types import SimpleNamespace
        >>> points = TextPoints([SimpleNamespace(text="a b", likes=3)])
        >>> points.with_text(0, "b")
        namespace(text='b', likes=3)
        >>> points.texts
        ['a b']
    """

    def __init__(self, data: pd.DataFrame | Sequence[Any], column: str = "text") -> None:
        self.column = column
        self._frame = data if isinstance(data, pd.DataFrame) else None
        self._last: tuple[int, pd.Series[Any]] | None = None
        self._points = [] if self._frame is not None else list(data)
        if self._frame is not None:
            if column not in self._frame.columns:
                raise DataError(f"the data has no column {column!r}; it has {list(self._frame.columns)}.")
            values = self._frame[column].tolist()
            self.only_text = self._frame.shape[1] == 1
        else:
            values = [self._read(row) for row in range(len(self._points))]
            self.only_text = all(isinstance(point, str) for point in self._points)
        self.texts: list[str] = [value if isinstance(value, str) else "" for value in values]
        """One text for each data point; a missing one is empty."""

    def __len__(self) -> int:
        """Return the number of data points."""
        return len(self.texts)

    def with_text(self, row: int, text: str) -> Any:
        """Return a copy of data point ``row`` that holds ``text``; the caller's own stays as it is."""
        if self._frame is not None:
            series = self._series(row).copy()
            series[self.column] = text
            return series
        point = self._points[row]
        if isinstance(point, str):
            return text
        if hasattr(point, "_replace"):
            return point._replace(**{self.column: text})
        changed = copy.copy(point)
        if isinstance(point, Mapping):
            changed[self.column] = text
        else:
            setattr(changed, self.column, text)
        return changed

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
            return point[self.column] if isinstance(point, Mapping) else getattr(point, self.column)
        except (KeyError, AttributeError) as error:
            raise DataError(f"data point {row} ({point!r:.80}) has no {self.column!r}.") from error
