"""Columns of a table as features: which are numbers, which are categories, and which are neither."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool

from lol_lightning.exceptions import DataError
from lol_lightning.lfs.saying import say

__all__ = ["categories_of", "choose_columns", "one_hot"]

_NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal")
_TIMES = ("datetime64", "datetime", "date", "timedelta64", "timedelta", "time", "period")
"""What ``pandas.api.types.infer_dtype`` calls them."""
_MANY_CATEGORIES = 20


def choose_columns(table: pd.DataFrame) -> tuple[list[Any], list[Any]]:
    """Tell the numeric columns of a table from those of categories; one line at the level "info" names all others.

    The values count, not the type of the column: a column of Python numbers, as rows from JSON or SQL have them, is
    numeric. Columns of times and of lists, dicts or the like are neither, and an empty column is nothing.

    Returns:
        The names of the numeric columns and those of the columns of categories, in their order.

    Example:
        >>> table = pd.DataFrame({"age": pd.Series([20, 40.5], dtype=object), "city": ["Oslo", "Rome"]})
        >>> choose_columns(table)
        (['age'], ['city'])
    """
    numeric, categorical, times, others = [], [], [], []
    for name in table.columns:
        values = table[name].dropna()
        kind = pd.api.types.infer_dtype(values, skipna=True)
        if kind in _TIMES or pd.api.types.is_datetime64_any_dtype(values) or pd.api.types.is_timedelta64_dtype(values):
            times.append(name)
        elif isinstance(table[name].dtype, pd.CategoricalDtype) or pd.api.types.is_bool_dtype(values):
            categorical.append(name)
        elif pd.api.types.is_numeric_dtype(values) or kind in _NUMBERS:
            numeric.append(name)
        elif not len(values) or _is_hashable(values):
            categorical.append(name)
        else:
            others.append(name)
    if times:
        say(f"Columns of times are no features: {times}. Turn them into numbers, such as days since a date.")
    if others:
        say(f"Columns of lists, dicts or the like are no features: {others}. Turn them into numbers or texts.")
    for name in categorical:
        size = table[name].nunique()
        if size > max(_MANY_CATEGORIES, len(table) / 2):
            say(
                f"Column {name!r} has {size} distinct values on {len(table)} rows, and each becomes a feature. If it "
                "holds numbers, name it in numeric=; if it holds texts or ids, leave it out: exclude=."
            )
    return numeric, categorical


def categories_of(column: pd.Series) -> list[Any]:
    """Return the distinct values of a column in the order of their texts, without missing ones.

    Raises:
        DataError: if they are lists, dicts or the like.

    Example:
        >>> categories_of(pd.Series(["Rome", None, "Oslo", "Rome"]))
        ['Oslo', 'Rome']
    """
    values = column.dropna()
    if not _is_hashable(values):
        first = next(value for value in values if not _has_hash(value))
        raise DataError(
            f"column {column.name!r} holds {first!r:.60}, which is no category; turn it into a text, or leave it out."
        )
    return sorted(values.unique(), key=str)


def one_hot(column: pd.Series, categories: Sequence[Any]) -> Bool[np.ndarray, "row category"]:
    """Tell of each row which category it has, bool (n, k); missing and other values have none.

    Example:
        >>> one_hot(pd.Series([True, None], dtype="boolean"), [False, True])
        array([[False,  True],
               [False, False]])
    """
    places = {category: place for place, category in enumerate(categories)}
    hot = np.zeros((len(column), len(places)), dtype=bool)
    present = column.notna().to_numpy()
    for row, value in zip(np.flatnonzero(present), column[present], strict=True):
        place = places.get(value) if _has_hash(value) else None
        if place is not None:
            hot[row, place] = True
    return hot


def _is_hashable(values: pd.Series) -> bool:
    if values.dtype != object and not isinstance(values.dtype, pd.ArrowDtype):
        return True
    return all(map(_has_hash, values))


def _has_hash(value: Any) -> bool:
    """Whether a value has a hash; a tuple only has one if all its items do."""
    try:
        hash(value)
    except TypeError:
        return False
    return True
