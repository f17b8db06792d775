"""What the columns of a table hold: numbers, numbers stored as text, categories, or what cannot be probed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from lol_lightning.inspection.probing._points import holds_tokens

__all__ = ["ColumnKinds", "categories_of", "column_kinds", "numbers_of", "with_column", "written_like"]

MAX_CATEGORIES = 50
"""A column of texts with more distinct values holds no categories."""


@dataclass
class ColumnKinds:
    """Columns by how they are probed.

    Attributes:
        numeric: columns that are shifted.
        categorical: columns whose values are exchanged.
        left_out: why the others are not probed, by their names.
    """

    numeric: list[Any] = field(default_factory=list)
    categorical: list[Any] = field(default_factory=list)
    left_out: dict[Any, str] = field(default_factory=dict)


def column_kinds(data: pd.DataFrame) -> ColumnKinds:
    """Say how each column of a table can be probed.

    Example:
        >>> table = pd.DataFrame({"age": [3, 4], "color": ["red", None], "tags": [["a"], []], "meta": [{}, {1: 2}]})
        >>> column_kinds(table)
        ColumnKinds(numeric=['age'], categorical=['color'], left_out={'tags': 'tokens', 'meta': 'values of type dict'})
    """
    kinds = ColumnKinds()
    for name in data.columns:
        values = data[name]
        if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype):
            kinds.numeric.append(name)
            continue
        present = values.dropna()
        categories = categories_of(present)
        if categories is None:
            what = type(next(value for value in present if not _is_category(value))).__name__
            kinds.left_out[name] = "tokens" if holds_tokens(present) else f"values of type {what}"
        elif len(categories) <= MAX_CATEGORIES:
            kinds.categorical.append(name)
        elif numbers_of(present) is not None:
            kinds.numeric.append(name)
        else:
            kinds.left_out[name] = f"{len(categories)} distinct values"
    return kinds


def categories_of(values: pd.Series) -> list[Any] | None:
    """Return the distinct values of a column, missing ones left out; ``None`` where they are no categories."""
    present = values.dropna().tolist()
    return list(dict.fromkeys(present)) if all(map(_is_category, present)) else None


def numbers_of(values: pd.Series) -> Float[np.ndarray, " row"] | None:
    """Return the numbers that a column holds, as such or as texts, NaN where one is missing; ``None`` if any is none.

    Example:
        >>> numbers_of(pd.Series(["3", None, "4.5"])).tolist(), numbers_of(pd.Series(["3", "four"]))
        ([3.0, nan, 4.5], None)
    """
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values.to_numpy(float, na_value=np.nan)
    missing = values.isna().tolist()
    try:
        numbers = [np.nan if none else float(value) for value, none in zip(values.tolist(), missing, strict=True)]
    except (TypeError, ValueError):
        return None
    return np.array(numbers)


def written_like(values: pd.Series, numbers: Iterable[float]) -> Sequence[Any]:
    """Return numbers as the column holds them: as texts with as many decimals, or as they are.

    Example:
        >>> written_like(pd.Series(["3", "12"]), [3.4, float("nan")]), written_like(pd.Series(["3.25"]), [3.4])
        (['3', None], ['3.40'])
    """
    numbers = list(numbers)
    texts = [value for value in values.tolist() if isinstance(value, str)]
    if not texts:
        return numbers
    decimals = max(len(text.strip().partition(".")[2]) for text in texts)
    return [None if np.isnan(number) else f"{number:.{decimals}f}" for number in numbers]


def with_column(frame: pd.DataFrame, name: Any, values: Sequence[Any]) -> pd.DataFrame:
    """Return a copy of a frame with other values in one column, whatever its name is."""
    changed = frame.copy(deep=False)
    changed[name] = pd.Series(list(values), index=frame.index, dtype=None if len(values) else object)
    return changed


def _is_category(value: Any) -> bool:
    if isinstance(value, list | tuple | set | frozenset | dict | np.ndarray):
        return False
    try:
        hash(value)
    except TypeError:
        return False
    return not isinstance(value, pd.Timestamp | pd.Timedelta)
