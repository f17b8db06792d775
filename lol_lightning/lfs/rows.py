"""Reading rows: DataFrames, sequences of data points and plain texts behind one small interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import pandas as pd

from lol_lightning.exceptions import DataError
from lol_lightning.lfs.frames import as_frame, as_values, kind_of
from lol_lightning.lfs.points import describe_point, field_names, read_field

__all__ = [
    "Rows",
    "as_applied",
    "as_rows",
    "check_columns",
    "column_of",
    "labels_of",
    "read_rows",
    "take_rows",
    "texts_of",
]
from lol_lightning.lfs.token_lists import text_of

_EXACT = 2**53
"""From here on, a float does not hold every integer."""
_UNNAMED = "Give texts, dicts or a table: pandas.DataFrame(rows, columns=[...])."

Rows: TypeAlias = pd.DataFrame | Sequence[Any]
"""A DataFrame, or a sequence of data points: objects with attributes, mappings or plain texts."""


def as_rows(data: Any, text_column: str) -> Rows:
    """Return rows of any container as a DataFrame or a sequence of data points; everything that takes rows calls this.

    Args:
        data: a DataFrame, or a table of polars, Arrow, Modin or Hugging Face; a sequence of data points; plain texts,
            as a list, a Series or an array, which become a frame with one column.
        text_column: name of that column.

    Raises:
        DataError: if the rows are not in memory (Dask, Spark, lazy frames), a single text, a mapping, an iterator or no
            rows at all; the cure is named.

    Example:
        >>> as_rows(["good", "bad"], "text").columns.tolist()
        ['text']
    """
    rows = read_rows(data)
    if isinstance(rows, pd.DataFrame):
        return rows
    if isinstance(next((point for point in rows if not _is_missing(point)), None), str):
        return pd.DataFrame({text_column: list(rows)}, dtype=object)
    return rows


def read_rows(data: Any) -> Rows:
    """Return rows of any container as a DataFrame or a sequence, with plain texts as they are; see ``as_rows``.

    Example:
        >>> read_rows(np.array(["good", "bad"]))
        ['good', 'bad']
    """
    if (frame := as_frame(data)) is not None:
        check_columns(frame)
        return frame
    if isinstance(data, np.ndarray) and data.ndim != 1:
        raise DataError(
            f"the rows are an array of the shape {data.shape}. Give texts as (n,), a table as a pandas DataFrame, and "
            "features that are ready to MatrixDataModule, or as X."
        )
    points: Sequence[Any] = as_values(data, "rows")
    first = next((point for point in points if not _is_missing(point)), None)
    if not isinstance(first, Mapping) and callable(getattr(first, "keys", None)) and not field_names(first):
        raise DataError(
            f"the rows are of the type {kind_of(first)}, whose fields have names but are no attributes; give dicts: "
            "[dict(row) for row in rows]."
        )
    if isinstance(first, bytes):
        raise DataError(f"the rows hold bytes, {first!r:.60}, not texts; decode them: [row.decode() for row in rows].")
    return points


def check_columns(data: pd.DataFrame) -> None:
    """Raise ``DataError`` if two columns of a frame have the same name, or one that reads the same (0 and "0")."""
    names = list(map(str, data.columns))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(
            f"the rows have more than one column {twice!r}. Rename them, or keep the first of each: "
            "data.loc[:, ~data.columns.duplicated()]."
        )


def as_applied(data: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose rows by ``iloc`` hold the very values that Snorkel's applier hands to LFs.

    From columns of several types, ``iloc`` alone makes a ``numpy.bool`` of what is ``True`` there, and an LF that asks
    ``x.flag is True`` votes otherwise.

    Example:
        >>> frame = pd.DataFrame({"text": ["a"], "flag": [True]})
        >>> frame.iloc[0].flag is True, as_applied(frame).iloc[0].flag is True
        (False, True)
    """
    return data.astype(object) if len(data) and data.iloc[0].dtype == object else data


def column_of(data: Rows, column: Any) -> list[Any] | None:
    """Return the values of one column, attribute or key, or ``None`` where the rows do not have it."""
    if isinstance(data, pd.DataFrame):
        return data[column].tolist() if column in data.columns else None
    try:
        return [read_field(point, column) for point in data]
    except (AttributeError, LookupError):
        return None


def texts_of(data: Rows, column: str) -> list[str]:
    """Return the texts of the rows; the words of a column of lists, tuples, sets or arrays are joined by blanks.

    Raises:
        DataError: if the column is missing or a row holds something that is neither a text nor a collection of words.

    Example:
        >>> texts_of(pd.DataFrame({"text": ["good", ["very", "bad"]]}), "text")
        ['good', 'very bad']
    """
    values = column_of(as_rows(data, column), column)
    if values is None:
        raise DataError(
            f"the rows have no {column!r}{_only_columns(data)}. "
            + (_UNNAMED if _has_no_names(data) else "Name the column that holds the text: text_column=.")
        )
    texts = [value if isinstance(value, str) else text_of(value) for value in values]
    bad = next((row for row, text in enumerate(texts) if text is None), None)
    if bad is not None:
        raise DataError(
            f"row {bad} holds {values[bad]!r:.80} in {column!r}, not a text. Drop such rows or fill them, "
            f'for example with data[{column!r}] = data[{column!r}].fillna("").'
        )
    return cast("list[str]", texts)


def labels_of(data: Rows, column: str, names: Sequence[str] | None = None) -> np.ndarray | None:
    """Return gold classes as int64 (n,), or ``None`` where the rows hold none at all.

    Args:
        data: rows.
        column: column, attribute or key of the labels.
        names: names of the K classes, which rows may hold in place of 0 .. K - 1.

    Raises:
        DataError: if a label is missing, negative, neither an integer nor one of ``names``.

    Example:
        >>> labels_of(pd.DataFrame({"label": ["spam", "ham"]}), "label", names=["ham", "spam"])
        array([1, 0])
    """
    values = column_of(data, column)
    if values is None or all(map(_is_missing, values)):
        return None
    classes = {name: i for i, name in enumerate(names or ())}
    numbers = np.array([_number(value, classes) for value in values])
    bad = np.flatnonzero(~((numbers >= 0) & (numbers < _EXACT) & (numbers == np.floor(numbers))))
    if len(bad):
        among = f" or among {list(names)}" if names is not None else ""
        raise DataError(
            f"row {bad[0]} has {column!r} = {values[bad[0]]!r}; gold labels must be the integers 0 .. K - 1{among}. "
            "Give every row of the split a label, or leave the column out where labels are unknown. Labels that are "
            "names need classes=[name of class 0, name of class 1, ...]."
        )
    return numbers.astype(np.int64)


def take_rows(data: Rows, index: np.ndarray) -> Rows:
    """Return the rows at the given positions."""
    return data.iloc[index] if isinstance(data, pd.DataFrame) else [data[i] for i in index]


def _only_columns(data: Rows) -> str:
    """Say what the rows have instead of a column."""
    if isinstance(data, pd.DataFrame):
        return f", only {list(data.columns)}"
    first = next(iter(data), None)
    if names := field_names(first):
        return f", only {names}"
    return f"; row 0 is a {kind_of(first)}, {describe_point(first, 60)}"


def _has_no_names(data: Rows) -> bool:
    """Whether rows are lists, numbers or the like, which have no named fields."""
    return not isinstance(data, pd.DataFrame) and not field_names(next(iter(data), None))


def _number(value: Any, classes: Mapping[str, int]) -> float:
    """Return the class that a label stands for, NaN where it stands for none; a text must be the name of one."""
    if isinstance(value, str):
        return classes.get(value, np.nan)
    try:
        return float(value)
    except (TypeError, ValueError):
        return np.nan


def _is_missing(point: Any) -> bool:
    return (
        point is None
        or point is pd.NA
        or point is pd.NaT
        or (isinstance(point, float | np.floating) and np.isnan(point))
    )
