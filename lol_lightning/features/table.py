"""TableFeatures: numeric columns and categories of a DataFrame as a dense feature space."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from lol_lightning._files.plain import check_fields, check_list
from lol_lightning._files.state import check_tensor
from lol_lightning.exceptions import ConfigurationError, DataError, FeatureSpaceError
from lol_lightning.features.feature_space import FeatureSpace
from lol_lightning.features.table_columns import categories_of, choose_columns, one_hot
from lol_lightning.features.vocabulary import FOREIGN, MAPPED, OUT, FeatureMatch
from lol_lightning.lfs.frames import as_frame, kind_of
from lol_lightning.lfs.record import InspectedFeature
from lol_lightning.lfs.rows import Rows

__all__ = ["TableFeatures"]

TableT = TypeVar("TableT", bound="TableFeatures")

_SEARCHES: dict[str, Callable[[str, str], bool]] = {
    "token": operator.eq,
    "prefix": str.startswith,
    "suffix": str.endswith,
    "substring": operator.contains,
}
"""Whether a category is what an LF looks for."""

_FIELDS = {
    "class": str,
    "numeric": list | None,
    "categorical": list | None,
    "exclude": list,
    "columns": list,
    "categories": list,
    "feature_names": list,
    "mean": Tensor,
    "deviation": Tensor,
    "observed_frequency": Tensor,
    "num_rows": int,
}


class TableFeatures(FeatureSpace):
    """Numeric columns in standard deviations from their mean, and one 0/1 feature for each category.

    A numeric feature has the name of its column, a category ``column=value``; probing names them alike. Categories that
    the training rows do not hold become rows of zeros.

    Args:
        numeric: numeric columns; ``None`` for this and ``categorical`` takes all of number type.
        categorical: columns of categories; ``None`` for both takes all of text, bool or category type. Times, lists and
            the like are neither, which one line at the level "info" says.
        exclude: columns to leave out of that choice, such as the gold labels.

    Raises:
        FeatureSpaceError: if no column is left.
        DataError: if the rows are no DataFrame, lack a column or miss a number.

    Example:
        >>> table = pd.DataFrame({"age": [20.0, 40.0], "city": ["Oslo", "Rome"]})
        >>> space = TableFeatures().fit(table)
        >>> space.feature_names
        ['age', 'city=Oslo', 'city=Rome']
        >>> space.transform(table)
        array([[-1.,  1.,  0.],
               [ 1.,  0.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        numeric: Sequence[str] | None = None,
        categorical: Sequence[str] | None = None,
        exclude: Sequence[str] = ("label",),
    ) -> None:
        self.numeric, self.categorical, self.exclude = numeric, categorical, exclude

    @property
    def is_fitted(self) -> bool:
        """Whether ``fit`` was called."""
        return hasattr(self, "_frequency")

    @property
    def feature_names(self) -> list[str]:
        """Names of the numeric columns, then of the categories."""
        self._check_fitted()
        return self._names

    @property
    def observed_frequency(self) -> Float[Tensor, " feature"]:
        """float32 (d,): proportion of the training rows in a category, or above the mean of a numeric column."""
        self._check_fitted()
        return self._frequency

    @property
    def document_frequency(self) -> Float[Tensor, " feature"]:
        """float32 (d,): the same, smoothed as ``(rows + 1) / (all rows + 2)``."""
        return (self.observed_frequency * self._num_rows + 1) / (self._num_rows + 2)

    @property
    def feature_scale(self) -> Float[Tensor, " feature"]:
        """float32 (d,): 1 throughout, numeric columns being in standard deviations."""
        return torch.ones(self.num_features)

    def fit_transform(self, data: Rows, inspected: Iterable[InspectedFeature] = ()) -> np.ndarray:
        """Learn means, deviations and categories from training rows; return their features float32 (n, d)."""
        table = _as_table(data)
        numeric, categorical = self._choose(table)
        numbers = _numbers(table, numeric)
        with np.errstate(over="ignore", invalid="ignore"):  # The check says it with the column.
            self._mean, deviation = numbers.mean(0), numbers.std(0)
        if not np.isfinite(deviation).all():
            name = numeric[int(np.argmin(np.isfinite(deviation)))]
            raise DataError(f"column {name!r} holds numbers up to {abs(table[name]).max():.3g}, too large; scale it.")
        self._deviation = np.where(deviation > 0, deviation, 1.0)
        self._numeric = numeric
        self._categories = {name: categories_of(_column(table, name)) for name in categorical}
        self._names = [
            *map(str, numeric),
            *(f"{name}={value}" for name, values in self._categories.items() for value in values),
        ]
        if not self._names:
            raise FeatureSpaceError(f"no numeric column and no category among {list(table.columns)}; name some.")
        matrix = self._encode(table)
        self._num_rows = len(matrix)
        self._frequency = torch.from_numpy((matrix > 0).mean(0).astype(np.float32))
        return matrix

    def transform(self, data: Rows) -> np.ndarray:
        """Return the features of rows, float32 (n, d)."""
        self._check_fitted()
        return self._encode(_as_table(data))

    def map_feature(self, feature: InspectedFeature) -> FeatureMatch:
        """Find a column or category by its name, and the categories of a column in which a searched text shows."""
        if feature.kind in _SEARCHES and feature.column in self._categories:
            values = self._categories[feature.column]
            places = [self._names.index(f"{feature.column}={value}") for value in values if _shows(feature, str(value))]
            return FeatureMatch((tuple(places),) if places else (), MAPPED if places else OUT)
        if feature.kind not in ("column", "entry"):
            return FeatureMatch((), FOREIGN)
        if feature.term in self.feature_names:
            return FeatureMatch(((self.feature_names.index(feature.term),),), MAPPED)
        hint = f": name a category as {feature.term}=value" if feature.term in self._categories else ""
        return FeatureMatch((), OUT + hint)

    def state(self) -> dict[str, Any]:
        """Return columns, categories, means and deviations in plain types and tensors.

        Raises:
            NotFittedError: if the space is not fitted.
            ConfigurationError: if the class is not registered, or a category is no text, number or bool.
        """
        return {
            **super().state(),
            "numeric": None if self.numeric is None else list(self.numeric),
            "categorical": None if self.categorical is None else list(self.categorical),
            "exclude": list(self.exclude),
            "columns": self._numeric,
            # Pairs, because a dict in JSON would turn a column or category 1 into "1".
            "categories": [[column, _plain(column, values)] for column, values in self._categories.items()],
            "feature_names": self._names,
            "mean": torch.from_numpy(self._mean),
            "deviation": torch.from_numpy(self._deviation),
            "observed_frequency": self._frequency,
            "num_rows": self._num_rows,
        }

    @classmethod
    def from_state(cls: type[TableT], state: Mapping[str, Any]) -> TableT:
        """Build the space again; it transforms and maps exactly as the first one.

        Raises:
            DataError: if the state does not fit the class.
        """
        where = f"the state of a {cls.__name__}"
        fields = check_fields(state, _FIELDS, where)
        space = cls(fields["numeric"], fields["categorical"], fields["exclude"])
        space._numeric = check_list(fields["columns"], str | int, f"columns in {where}")
        categories: dict[str, list[Any]] = {}
        for pair in check_list(fields["categories"], list, f"categories in {where}"):
            column, values = pair
            categories[column] = check_list(values, str | int | float | bool, f"categories in {where}")
        space._categories = categories
        space._names = check_list(fields["feature_names"], str | int, f"feature_names in {where}")
        size = (len(space._numeric),)
        space._mean = check_tensor(fields["mean"], torch.double, size, f"mean in {where}").numpy()
        space._deviation = check_tensor(fields["deviation"], torch.double, size, f"deviation in {where}").numpy()
        total = len(space._numeric) + sum(map(len, categories.values()))
        if len(space._names) != total or fields["num_rows"] < 0:
            raise DataError(f"{where} has {len(space._names)} names for {total} features of {fields['num_rows']} rows.")
        space._frequency = check_tensor(fields["observed_frequency"], torch.float32, (total,), f"frequency in {where}")
        space._num_rows = fields["num_rows"]
        return space

    def _choose(self, table: pd.DataFrame) -> tuple[list[Any], list[Any]]:
        if self.numeric is not None or self.categorical is not None:
            return list(self.numeric or ()), list(self.categorical or ())
        return choose_columns(table.drop(columns=[name for name in self.exclude if name in table.columns]))

    def _encode(self, table: pd.DataFrame) -> np.ndarray:
        blocks = [(_numbers(table, self._numeric) - self._mean) / self._deviation]
        blocks += [one_hot(_column(table, name), values) for name, values in self._categories.items()]
        return np.concatenate(blocks, axis=1, dtype=np.float32)


def _shows(feature: InspectedFeature, value: str) -> bool:
    return _SEARCHES[feature.kind](value.lower(), feature.term.lower())


def _plain(column: str, values: list[Any]) -> list[Any]:
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    if bad := [value for value in plain if type(value) not in (str, int, float, bool)]:
        raise ConfigurationError(
            f"column {column!r} has the category {bad[0]!r} of type {type(bad[0]).__name__}, which cannot be saved. "
            f"Turn the column into text before fit: table[{column!r}] = table[{column!r}].astype(str)."
        )
    return plain


def _as_table(data: Rows) -> pd.DataFrame:
    frame = as_frame(data)
    if frame is None:
        first = f" of {kind_of(data[0])}" if isinstance(data, Sequence) and len(data) else ""
        raise DataError(f"TableFeatures reads DataFrames, got a {kind_of(data)}{first}; give pandas.DataFrame(rows).")
    return frame


def _column(table: pd.DataFrame, name: Any) -> pd.Series:
    if name not in table.columns:
        raise DataError(f"the rows have no column {name!r}, only {list(table.columns)}.")
    return table[name]


def _numbers(table: pd.DataFrame, names: list[str]) -> np.ndarray:
    numbers = np.empty((len(table), len(names)))
    for j, name in enumerate(names):
        if _column(table, name).dtype.kind == "c":
            raise DataError(f"column {name!r} holds complex numbers; give real ones, such as real and imaginary part.")
        try:
            numbers[:, j] = _column(table, name).to_numpy(dtype=float, na_value=np.nan)
        except (TypeError, ValueError) as error:
            raise DataError(f"column {name!r} is not numeric ({error}); name it as categorical.") from error
        if not np.isfinite(numbers[:, j]).all():
            row = int(np.flatnonzero(~np.isfinite(numbers[:, j]))[0])
            raise DataError(f"row {row} has {name!r} = {numbers[row, j]}; fill or drop rows that miss a number.")
    return numbers
