"""Probing on tables: Gaussian smoothing of numeric columns and exchange of categories."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from snorkel.labeling import LabelingFunction

from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.inspection._budget import ENDED, Budget
from lol_lightning.inspection._votes import NOT_CALLED, OnError, vote_of
from lol_lightning.inspection.probing._tally import VoteTally
from lol_lightning.lfs.frames import as_frame, kind_of
from lol_lightning.lfs.isolated import isolated_copy
from lol_lightning.lfs.lfs import as_lfs
from lol_lightning.lfs.record import InspectedFeature, LFRecord

__all__ = ["probe_table", "stein_gradient"]

MAX_CATEGORIES = 50
"""A text column with more distinct values is no category."""


def stein_gradient(
    plus: Int[np.ndarray, "row pair"],
    minus: Int[np.ndarray, "row pair"],
    noise: Float[np.ndarray, "row pair column"],
    label: int,
    sigma: float,
) -> tuple[Float[np.ndarray, " column"], Float[np.ndarray, " column"]]:
    r"""Gradient of the smoothed probability of one vote, by Stein's identity with antithetic pairs.

    .. math:: \frac{\partial}{\partial x} E_\epsilon[1\{lf(x + \sigma \epsilon) = k\}]
        = E_\epsilon\Big[\frac{\epsilon}{2 \sigma} (1\{lf(x + \sigma \epsilon) = k\}
        - 1\{lf(x - \sigma \epsilon) = k\})\Big]

    Args:
        plus: int64 (n, t), votes at ``x + sigma * noise``; pairs with one below ``ABSTAIN`` are left out.
        minus: int64 (n, t), votes at ``x - sigma * noise``.
        noise: float (n, t, d), standard normal.
        label: the class k.
        sigma: width of the smoothing, in standard deviations of a column.

    Returns:
        The mean over rows and pairs, float (d,), and its standard error, float (d,), rows taken as independent.

    Example:
        >>> noise = np.random.default_rng(0).standard_normal((2000, 4, 1))
        >>> votes = lambda x: np.where(x[..., 0] > 0, 1, -1)
        >>> value, error = stein_gradient(votes(0.5 * noise), votes(-0.5 * noise), noise, label=1, sigma=0.5)
        >>> bool(abs(value[0] - 1 / (0.5 * np.sqrt(2 * np.pi))) < 3 * error[0])
        True
    """
    valid = (plus >= ABSTAIN) & (minus >= ABSTAIN)
    change = ((plus == label).astype(float) - (minus == label)) * valid / (2 * sigma)
    per_row = (change[..., None] * noise).sum(1) / np.maximum(valid.sum(1), 1)[:, None]
    per_row = per_row[valid.any(1)]
    if len(per_row) < 2:
        return np.zeros(noise.shape[-1]), np.full(noise.shape[-1], np.inf)
    return per_row.mean(0), per_row.std(0, ddof=1) / np.sqrt(len(per_row))


def probe_table(
    lfs: Iterable[Any],
    data: pd.DataFrame,
    *,
    votes: Int[np.ndarray, "row lf"] | None = None,
    columns: Sequence[str] | None = None,
    numeric: Sequence[str] | None = None,
    categorical: Sequence[str] | None = None,
    num_pairs: int = 8,
    sigma: float = 0.5,
    max_rows: int = 500,
    min_support: int = 2,
    significance: float = 3.0,
    on_error: OnError = "note",
    max_calls: int | None = None,
    max_seconds: float | None = None,
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
        numeric: numeric columns; by default all of number type. Missing values stay missing.
        categorical: columns of categories; by default those of text, bool or category type with at most 50 values.
        num_pairs: antithetic pairs for each row.
        sigma: width of the smoothing in standard deviations of each column.
        max_rows: number of rows (drawn at random) on which the LF votes that are probed.
        min_support: number of exchanges of a category that must change the vote for it to be kept.
        significance: keep numeric columns whose value exceeds that many standard errors.
        on_error: ``"note"`` counts the vote of an LF that raises as unknown; ``"raise"`` raises.
        max_calls: budget of calls for each LF; fewer rows are probed where it does not suffice.
        max_seconds: budget of seconds for each LF.
        seed: of rows and noise.

    Returns:
        One record for each LF, ``source="probed"``, ``kind="column"``: term ``column`` for a numeric one and
        ``column=value`` for a category.

    Raises:
        DataError: if a named column is missing or a numeric one is not.
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
    chosen = data if columns is None else data[list(columns)]
    numeric = list(_numeric_columns(chosen) if numeric is None else numeric)
    categorical = list(_categorical_columns(chosen) if categorical is None else categorical)
    if wrong := [name for name in numeric if not pd.api.types.is_numeric_dtype(data[name])]:
        raise DataError(f"column {wrong[0]!r} is of type {data[wrong[0]].dtype}, not numeric; name it as categorical.")
    options = _Options(num_pairs, sigma, max_rows, min_support, significance, on_error, seed)
    functions = as_lfs(lfs)
    by_lf = [None] * len(functions) if votes is None else list(votes.T)
    return [
        _TableProbe(lf, data, options, Budget(max_calls, max_seconds)).run(numeric, categorical, own)
        for lf, own in zip(functions, by_lf, strict=True)
    ]


@dataclass(frozen=True)
class _Options:
    num_pairs: int
    sigma: float
    max_rows: int
    min_support: int
    significance: float
    on_error: OnError
    seed: int


class _TableProbe:
    def __init__(self, lf: LabelingFunction, data: pd.DataFrame, options: _Options, budget: Budget) -> None:
        self.lf, self.data, self.options, self.budget = isolated_copy(lf), data, options, budget
        self.rng = np.random.default_rng(options.seed)
        self.remarks: Counter[str] = Counter()

    def run(self, numeric: list[str], categorical: list[str], votes: Int[np.ndarray, " row"] | None = None) -> LFRecord:
        order = self.rng.permutation(len(self.data))
        chosen = self.data.iloc[order]
        votes = self._votes(chosen) if votes is None else votes[order]
        voting = np.flatnonzero(votes >= 0)[: self.options.max_rows]
        wanted, voting = len(voting), voting[: self._affordable(numeric, categorical)]
        rows, votes = chosen.iloc[voting], votes[voting]
        features = [*self._smooth(rows, votes, numeric), *self._exchange(rows, votes, categorical)]
        notes = [f"{remark} ({count} calls)" for remark, count in self.remarks.items()]
        if len(voting) < wanted or not self.budget.allows():
            notes.append(f"{ENDED}: probed the columns on {len(voting)} rows with {self.budget.calls} calls")
        return LFRecord(self.lf.name, tuple(sorted(features, key=lambda f: -abs(f.value))), (), tuple(notes))

    def _affordable(self, numeric: list[str], categorical: list[str]) -> int:
        """Return the number of rows for which the calls suffice."""
        per_row = 2 * self.options.num_pairs * bool(numeric)
        per_row += sum(max(0, self.data[name].nunique() - 1) for name in categorical)
        left = self.budget.calls_left
        return len(self.data) if left is None or not per_row else left // per_row

    def _votes(self, rows: pd.DataFrame) -> Int[np.ndarray, " row"]:
        return np.fromiter((self._vote(i, x) for i, x in rows.iterrows()), dtype=np.int64, count=len(rows))

    def _vote(self, index: Any, row: Any) -> int:
        if not self.budget.allows():
            return NOT_CALLED
        self.budget.spend()
        return vote_of(self.lf, row, f"row {index!r}", self.remarks, self.options.on_error)

    def _votes_of_pairs(self, plus: pd.DataFrame, minus: pd.DataFrame) -> Int[np.ndarray, "pair 2"]:
        """Call the LF on one row of each table in turn, so that a budget that ends leaves whole pairs."""
        both = zip(plus.iterrows(), minus.iterrows(), strict=True)
        votes = (self._vote(*one) for pair in both for one in pair)
        return np.fromiter(votes, dtype=np.int64, count=2 * len(plus)).reshape(-1, 2)

    def _smooth(
        self, rows: pd.DataFrame, votes: Int[np.ndarray, " row"], columns: list[str]
    ) -> Iterator[InspectedFeature]:
        scale = self.data[columns].std(ddof=0).to_numpy(float)
        if not columns or not len(rows):
            return
        pairs, sigma = self.options.num_pairs, self.options.sigma
        noise = self.rng.standard_normal((len(rows), pairs, len(columns)))
        shift = (sigma * scale * noise).reshape(-1, len(columns))
        base = rows.iloc[np.repeat(np.arange(len(rows)), pairs)]
        values = base[columns].to_numpy(float, na_value=np.nan)
        shifted = (base.assign(**dict(zip(columns, (values + sign * shift).T, strict=True))) for sign in (1, -1))
        plus, minus = self._votes_of_pairs(*shifted).T.reshape(2, -1, pairs)
        for label in np.unique(np.concatenate([plus, minus, votes[:, None]], axis=1)):
            if label < 0:
                continue
            value, error = stein_gradient(plus, minus, noise, int(label), sigma)
            for j, name in enumerate(columns):
                if abs(value[j]) > self.options.significance * error[j] and scale[j] > 0:
                    yield _finding(name, int(label), float(value[j]), float(error[j]), len(rows), name)

    def _exchange(
        self, rows: pd.DataFrame, votes: Int[np.ndarray, " row"], columns: list[str]
    ) -> Iterator[InspectedFeature]:
        for name in columns:
            categories = self.data[name].dropna().unique().tolist()
            others = [[c for c in categories if c != value] for value in rows[name].tolist()]
            lengths = [len(other) for other in others]
            frame = rows.iloc[np.repeat(np.arange(len(rows)), lengths)]
            exchanged = self._votes(frame.assign(**{name: [c for other in others for c in other]}))
            tallies: defaultdict[object, VoteTally] = defaultdict(VoteTally)
            starts = np.cumsum([0, *lengths])
            for row, (value, vote) in enumerate(zip(rows[name].tolist(), votes.tolist(), strict=True)):
                called = exchanged[starts[row] : starts[row + 1]]
                for after in called[called != NOT_CALLED].tolist():
                    tallies[value].add(vote, {f"{name}={value}": after})
            for tally in tallies.values():
                yield from tally.features(self.options.min_support, "column", name)


def _finding(term: str, label: int, value: float, error: float, support: int, column: str) -> InspectedFeature:
    value = min(1.0, max(-1.0, value))
    return InspectedFeature(term, label, "column", value, "probed", column=column, std_error=error, support=support)


def _numeric_columns(data: pd.DataFrame) -> list[str]:
    return [name for name in data.select_dtypes("number").columns if isinstance(name, str)]


def _categorical_columns(data: pd.DataFrame) -> list[str]:
    rest = data.select_dtypes(exclude=["number", "datetime", "timedelta"])
    return [name for name in rest.columns if isinstance(name, str) and rest[name].nunique() <= MAX_CATEGORIES]
