"""The probe of one labeling function on a table: its columns are shifted and exchanged."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from snorkel.labeling import LabelingFunction

from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.inspection._budget import ENDED, Budget
from lol_lightning.inspection._votes import NOT_CALLED, OnError, vote_of
from lol_lightning.inspection.probing._columns import categories_of, numbers_of, with_column, written_like
from lol_lightning.inspection.probing._tally import VoteTally
from lol_lightning.lfs.isolated import isolated_copy
from lol_lightning.lfs.point_copies import private_copy
from lol_lightning.lfs.record import InspectedFeature, LFRecord
from lol_lightning.lfs.rows import as_applied

__all__ = ["TableOptions", "TableProbe", "stein_gradient"]


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


@dataclass(frozen=True)
class TableOptions:
    """How a table is probed; see ``probe_table``."""

    num_pairs: int
    sigma: float
    max_rows: int
    min_support: int
    significance: float
    on_error: OnError
    seed: int


class TableProbe:
    """Probes one labeling function.

    Args:
        lf: the labeling function.
        data: the table.
        options: how to probe.
        budget: of calls and seconds.
    """

    def __init__(self, lf: LabelingFunction, data: pd.DataFrame, options: TableOptions, budget: Budget) -> None:
        self.lf, self.data, self.options, self.budget = isolated_copy(lf), data, options, budget
        self.rng = np.random.default_rng(options.seed)
        self.remarks: Counter[str] = Counter()

    def run(
        self,
        numeric: list[Any],
        categorical: list[Any],
        left_out: Mapping[Any, str],
        votes: Int[np.ndarray, " row"] | None,
    ) -> LFRecord:
        order = self.rng.permutation(len(self.data))
        chosen = self.data.iloc[order]
        votes = self._votes(chosen) if votes is None else votes[order]
        voting = np.flatnonzero(votes >= 0)[: self.options.max_rows]
        wanted, voting = len(voting), voting[: self._affordable(numeric, categorical)]
        rows, votes = chosen.iloc[voting], votes[voting]
        features = [*self._smooth(rows, votes, numeric), *self._exchange(rows, votes, categorical)]
        notes = [f"{remark} ({count} calls)" for remark, count in self.remarks.items()]
        notes += [f"column {str(name)!r} not probed: it holds {what}" for name, what in left_out.items()]
        if len(voting) < wanted or not self.budget.allows():
            notes.append(f"{ENDED}: probed the columns on {len(voting)} rows with {self.budget.calls} calls")
        return LFRecord(self.lf.name, tuple(sorted(features, key=lambda f: -abs(f.value))), (), tuple(notes))

    def _affordable(self, numeric: list[Any], categorical: list[Any]) -> int:
        """Return the number of rows for which the calls suffice."""
        per_row = 2 * self.options.num_pairs * bool(numeric)
        per_row += sum(max(0, len(self._categories(name)) - 1) for name in categorical)
        left = self.budget.calls_left
        return len(self.data) if left is None or not per_row else left // per_row

    def _categories(self, name: Any) -> list[Any]:
        return categories_of(self.data[name]) or []

    def _votes(self, rows: pd.DataFrame) -> Int[np.ndarray, " row"]:
        return np.fromiter((self._vote(*one) for one in _rows(rows)), dtype=np.int64, count=len(rows))

    def _vote(self, index: Any, row: Any) -> int:
        if not self.budget.allows():
            return NOT_CALLED
        return vote_of(self.lf, private_copy(row), f"row {index!r}", self.remarks, self.options.on_error, self.budget)

    def _votes_of_pairs(self, plus: pd.DataFrame, minus: pd.DataFrame) -> Int[np.ndarray, "pair 2"]:
        """Call the LF on one row of each table in turn, so that a budget that ends leaves whole pairs."""
        both = zip(_rows(plus), _rows(minus), strict=True)
        votes = (self._vote(*one) for pair in both for one in pair)
        return np.fromiter(votes, dtype=np.int64, count=2 * len(plus)).reshape(-1, 2)

    def _smooth(
        self, rows: pd.DataFrame, votes: Int[np.ndarray, " row"], columns: list[Any]
    ) -> Iterator[InspectedFeature]:
        if not columns or not len(rows):
            return
        scale = np.nan_to_num([_deviation(numbers_of(self.data[name])) for name in columns])
        pairs, sigma = self.options.num_pairs, self.options.sigma
        noise = self.rng.standard_normal((len(rows), pairs, len(columns)))
        shift = (sigma * scale * noise).reshape(-1, len(columns))
        base = rows.iloc[np.repeat(np.arange(len(rows)), pairs)]
        shifted = (self._shifted(base, columns, sign * shift) for sign in (1, -1))
        plus, minus = self._votes_of_pairs(*shifted).T.reshape(2, -1, pairs)
        for label in np.unique(np.concatenate([plus, minus, votes[:, None]], axis=1)):
            if label < 0:
                continue
            value, error = stein_gradient(plus, minus, noise, int(label), sigma)
            for j, name in enumerate(columns):
                if abs(value[j]) > self.options.significance * error[j] and scale[j] > 0:
                    yield _finding(str(name), int(label), float(value[j]), float(error[j]), len(rows))

    def _shifted(self, base: pd.DataFrame, columns: list[Any], shift: Float[np.ndarray, "row column"]) -> pd.DataFrame:
        shifted = base
        for j, name in enumerate(columns):
            numbers = numbers_of(base[name])
            if numbers is not None:
                shifted = with_column(shifted, name, written_like(self.data[name], numbers + shift[:, j]))
        return shifted

    def _exchange(
        self, rows: pd.DataFrame, votes: Int[np.ndarray, " row"], columns: list[Any]
    ) -> Iterator[InspectedFeature]:
        for name in columns:
            categories, missing = self._categories(name), rows[name].isna().tolist()
            others = [
                [] if none else [c for c in categories if c != value]
                for value, none in zip(rows[name].tolist(), missing, strict=True)
            ]
            lengths = [len(other) for other in others]
            frame = rows.iloc[np.repeat(np.arange(len(rows)), lengths)]
            exchanged = self._votes(with_column(frame, name, [c for other in others for c in other]))
            tallies: defaultdict[object, VoteTally] = defaultdict(VoteTally)
            starts = np.cumsum([0, *lengths])
            for row, (value, vote) in enumerate(zip(rows[name].tolist(), votes.tolist(), strict=True)):
                called = exchanged[starts[row] : starts[row + 1]]
                for after in called[called != NOT_CALLED].tolist():
                    tallies[value].add(vote, {f"{name}={value}": after})
            for tally in tallies.values():
                yield from tally.features(self.options.min_support, "column", str(name))


def _rows(frame: pd.DataFrame) -> Iterator[tuple[Any, pd.Series]]:
    """Yield index and row; ``iterrows`` would turn ``None`` into NaN."""
    rows = as_applied(frame)
    return ((index, rows.iloc[place]) for place, index in enumerate(rows.index))


def _finding(column: str, label: int, value: float, error: float, support: int) -> InspectedFeature:
    value = min(1.0, max(-1.0, value))
    return InspectedFeature(column, label, "column", value, "probed", column=column, std_error=error, support=support)


def _deviation(numbers: Float[np.ndarray, " row"] | None) -> float:
    known = np.array([]) if numbers is None else numbers[np.isfinite(numbers)]
    return float(known.std()) if len(known) else 0.0
