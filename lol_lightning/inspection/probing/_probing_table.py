"""Probing on tables: Gaussian smoothing of numeric columns and exchange of categories."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.inspection._budget import Budget
from lol_lightning.inspection._votes import OnError
from lol_lightning.inspection.probing._columns import categories_of, column_kinds, numbers_of
from lol_lightning.inspection.probing._table_probe import TableOptions, TableProbe
from lol_lightning.lfs.frames import as_frame, kind_of
from lol_lightning.lfs.lfs import as_lfs
from lol_lightning.lfs.limits import CALL_SECONDS
from lol_lightning.lfs.record import LFRecord
from lol_lightning.lfs.rows import check_columns

__all__ = ["probe_table"]


def probe_table(
    lfs: Iterable[Any],
    data: pd.DataFrame,
    *,
    votes: Int[np.ndarray, "row lf"] | None = None,
    columns: Sequence[Any] | None = None,
    numeric: Sequence[Any] | None = None,
    categorical: Sequence[Any] | None = None,
    num_pairs: int = 8,
    sigma: float = 0.5,
    max_rows: int = 500,
    min_support: int = 2,
    significance: float = 3.0,
    on_error: OnError = "note",
    max_calls: int | None = None,
    max_seconds: float | None = None,
    max_call_seconds: float | None = CALL_SECONDS,
    seed: int = 0,
) -> list[LFRecord]:
    """Find out which columns of a table labeling functions look at.

    On the rows on which an LF votes, all numeric columns are shifted together by antithetic Gaussian noise, and the
    gradient of the smoothed vote is read off by Stein's identity; one unit is one standard deviation of the column. A
    step that every row meets would have the value ``1 / (sigma sqrt(2 pi))``, 0.8 at the default width. Each category
    is exchanged for every other of its column; the mean change of the vote is its discrete derivative.

    An LF that wants a column *between* two values has a mean gradient near 0, and does not show.

    Args:
        lfs: labeling functions of any make, see ``as_lfs``.
        data: the table. It is never changed: an LF gets a copy of a row.
        votes: int64 (n, m), the votes on ``data``, if you have them.
        columns: the columns from which numeric and categorical ones are taken by default; all of them if ``None``.
        numeric: numeric columns; by default all of number type, and numbers stored as texts if there are more than 50.
            Missing values stay missing.
        categorical: columns of categories; by default all others with at most 50 distinct values that are no
            collections and no times. A note of the record names the columns that are left out, and why.
        num_pairs: antithetic pairs for each row.
        sigma: width of the smoothing in standard deviations of each column.
        max_rows: number of rows (drawn at random) on which the LF votes that are probed.
        min_support: number of exchanges of a category that must change the vote for it to be kept.
        significance: keep numeric columns whose value exceeds that many standard errors.
        on_error: ``"note"`` counts the vote of an LF that raises as unknown, ``"abstain"`` as an abstention;
            ``"raise"`` raises.
        max_calls: budget of calls for each LF; fewer rows are probed where it does not suffice.
        max_seconds: budget of seconds for each LF.
        max_call_seconds: how long one call may take; an LF that takes longer is not called any more.
        seed: of rows and noise.

    Returns:
        One record for each LF, ``source="probed"``, ``kind="column"``: term ``column`` for a numeric one and
        ``column=value`` for a category.

    Raises:
        DataError: if a named column is missing or a numeric one is not, or a categorical one holds lists.
        ConfigurationError: if ``sigma`` or a count is not positive.

    Example:
        >>> from snorkel.labeling import labeling_function
        >>> @labeling_function()
        ... def adult(x):
        ...     return 1 if x.age >= 18 else 0
        >>> table = pd.DataFrame({"age": np.linspace(8, 28, 60), "height": np.linspace(2, 1, 60)})
        >>> [record] = probe_table([adult], table)
        >>> sorted((f.term, f.label, f.value > 0) for f in record.features)
        [('age', 0, False), ('age', 1, True)]
    """
    if sigma <= 0 or min(num_pairs, max_rows, min_support) < 1:
        raise ConfigurationError(
            f"sigma = {sigma}, num_pairs = {num_pairs}, max_rows = {max_rows} and min_support = {min_support} "
            "must all be positive."
        )
    table = as_frame(data)
    if table is None:
        raise DataError(f"probe_table reads DataFrames, got {kind_of(data)}; pass pandas.DataFrame(rows).")
    data = table
    if missing := [n for n in [*(columns or ()), *(numeric or ()), *(categorical or ())] if n not in data.columns]:
        raise DataError(f"the table has no column {missing[0]!r}; it has {list(data.columns)}.")
    check_columns(data)
    kinds = column_kinds(data if columns is None else data[list(columns)])
    left_out = kinds.left_out if numeric is None and categorical is None else {}
    numeric = kinds.numeric if numeric is None else list(numeric)
    categorical = kinds.categorical if categorical is None else list(categorical)
    if wrong := [name for name in numeric if numbers_of(data[name]) is None]:
        raise DataError(f"column {wrong[0]!r} is of type {data[wrong[0]].dtype}, not numeric; name it as categorical.")
    if wrong := [name for name in categorical if categories_of(data[name]) is None]:
        raise DataError(f"column {wrong[0]!r} holds no categories, such as {data[wrong[0]].dropna().iloc[0]!r:.80}.")
    options = TableOptions(num_pairs, sigma, max_rows, min_support, significance, on_error, seed)
    functions = as_lfs(lfs)
    by_lf = [None] * len(functions) if votes is None else list(votes.T)
    records = []
    for lf, own in zip(functions, by_lf, strict=True):
        budget = Budget(max_calls, max_seconds, max_call_seconds)
        with budget.limit:
            records.append(TableProbe(lf, data, options, budget).run(numeric, categorical, left_out, own))
    return records
