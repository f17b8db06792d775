"""Rows, columns and votes in the containers of other libraries, as pandas holds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Sized
from typing import Any

import numpy as np
import pandas as pd

from lol_lightning.exceptions import DataError

__all__ = ["as_frame", "as_values", "kind_of"]

_LAZY = {
    "fetchall": "fetchall()",
    "toPandas": "toPandas()",
    "compute": "compute()",
    "collect": "collect()",
    "execute": "execute()",
    "to_pandas_df": "to_pandas_df()",
    "df": "df()",
}
"""Methods of frames whose rows are elsewhere or not computed yet, in the order in which they are advised."""


def as_frame(data: Any) -> pd.DataFrame | None:
    """Return a table of any library as a DataFrame of pandas, ``None`` for what is no table.

    Columns are read one by one through the table's own interface; no library is imported for that. Tables whose rows
    lie in memory are read: polars, Arrow, Modin, data sets of Hugging Face.

    Raises:
        DataError: if the rows are not in memory (Dask, Spark, lazy frames), or a table cannot be read.

    Example:
        >>> as_frame(pd.DataFrame({"text": ["good"]})).columns.tolist()
        ['text']
        >>> as_frame(["good"]) is None
        True
    """
    if isinstance(data, pd.DataFrame):
        return data
    if isinstance(data, np.ndarray) and data.dtype.names is not None:
        return pd.DataFrame({name: data[name] for name in data.dtype.names})
    if isinstance(data, Mapping):
        _refuse_mapping(data)
    if _is_plain(data):
        return None
    _refuse_lazy(data)
    names = _column_names(data)
    if names is None:
        return None
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"the {kind_of(data)} has more than one column {twice!r}; rename them.")
    # Data sets of Hugging Face may be set to return tensors.
    table = data.with_format(None) if callable(getattr(data, "with_format", None)) else data
    try:
        columns = {name: _listed(table[name]) for name in names}
        frame = pd.DataFrame(columns, index=pd.RangeIndex(len(data)))
    except Exception as error:  # The library decides what is raised.
        raise DataError(
            f"the rows are a {kind_of(data)}, which cannot be read here ({type(error).__name__}: {error!s:.100}). "
            f"Give a pandas DataFrame{', such as data.to_pandas()' if hasattr(data, 'to_pandas') else ''}."
        ) from error
    return frame


def as_values(values: Any, what: str = "values") -> Any:
    """Return one column of any library (Series, Arrow array, column of a data set, array of texts) as a list.

    Args:
        values: one column; lists, tuples and other sequences are returned as they are.
        what: how an error names them.

    Raises:
        DataError: if the values are not in memory, a single text, or can be iterated only once.

    Example:
        >>> as_values(pd.Series(["good", "bad"], index=[7, 9])), as_values(np.array(["good"]))
        (['good', 'bad'], ['good'])
    """
    if isinstance(values, str | bytes):
        raise DataError(f"the {what} are a single text, {values!r:.60}; give a list: [text].")
    if isinstance(values, Mapping):
        _refuse_mapping(values)
    if isinstance(values, list | tuple):
        return values
    _refuse_lazy(values)
    if not isinstance(values, Sized) or not hasattr(values, "__getitem__"):
        if isinstance(values, Iterable):
            raise DataError(
                f"the {what} are a {kind_of(values)}, which cannot be read by position or more than once; give "
                f"list(...) of it."
            )
        raise DataError(f"the {what} must be a pandas DataFrame or a sequence of data points, got {kind_of(values)}.")
    if isinstance(values, Sequence) and not hasattr(values, "to_list"):
        return values
    return _listed(values) if _is_column(values) else values


def kind_of(data: Any) -> str:
    """Return the library and the class of an object, for messages.

    Example:
        >>> kind_of(pd.Series([1])), kind_of([1])
        ('pandas Series', 'list')
    """
    cls = type(data)
    library = cls.__module__.partition(".")[0]
    return cls.__qualname__ if library in ("builtins", "__main__", "numpy") else f"{library} {cls.__qualname__}"


def _is_plain(data: Any) -> bool:
    return isinstance(data, str | bytes | list | tuple | pd.Series | pd.Index | np.ndarray)


def _is_column(values: Any) -> bool:
    return isinstance(values, pd.Series | pd.Index | np.ndarray) or any(
        callable(getattr(values, name, None)) for name in ("to_pylist", "to_list")
    )


def _listed(values: Any) -> list[Any]:
    """Return the values of a column as plain objects."""
    for name in ("to_pylist", "to_list", "tolist"):
        if callable(method := getattr(values, name, None)):
            return list(method())
    return list(values)


def _column_names(data: Any) -> list[str] | None:
    """Return the column names of a table in memory, ``None`` for what is none."""
    for attribute in ("column_names", "columns"):
        names = getattr(data, attribute, None)
        if names is None or callable(names) or isinstance(names, str):
            continue
        try:
            listed = list(names)
        except TypeError:
            continue
        # Arrow has the columns themselves under this name.
        if all(isinstance(name, str) for name in listed):
            return listed
    if not _is_column(data) and (hasattr(data, "__arrow_c_stream__") or hasattr(data, "__dataframe__")):
        raise DataError(f"the rows are a {kind_of(data)}, which cannot be read here; give a pandas DataFrame.")
    return None


def _refuse_lazy(data: Any) -> None:
    if isinstance(data, Sequence | np.ndarray | pd.DataFrame | pd.Series | pd.Index):
        return
    cure = next((cure for name, cure in _LAZY.items() if callable(getattr(data, name, None))), None)
    if cure is not None:
        raise DataError(
            f"the rows are a {kind_of(data)}, which is not in memory; they are read several times and in random "
            f"order. Give data.{cure} in its place; in batches, if it is too large."
        )
    if not hasattr(data, "__len__") and hasattr(data, "column_names"):
        raise DataError(f"the rows are a {kind_of(data)}, which is a stream; give list(...) of the rows you want.")


def _refuse_mapping(data: Mapping[Any, Any]) -> None:
    if data and all(hasattr(value, "column_names") for value in data.values()):
        raise DataError(
            f"the rows are a {kind_of(data)} of the splits {list(map(str, data))}; give one of them, such as "
            f"data[{next(iter(data))!r}]."
        )
    raise DataError(
        f"the rows are a mapping ({kind_of(data)}) with the keys {list(map(str, data))[:8]}. If these are columns, "
        "give pandas.DataFrame(data); if it is one row, give [data]."
    )
