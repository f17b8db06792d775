"""How often does an entry bring the vote of which it is a reason? Measured on rows with their votes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float, Int

from lol_lightning.features.feature_space import Matrix
from lol_lightning.features.mapped import MappedFeature, clauses_of
from lol_lightning.functional.votes import ABSTAIN

__all__ = ["LEAST_RATE", "VoteRate", "vote_rates"]

LEAST_RATE = 0.05
"""Entries that bring the vote less often than this make no demand."""

_PRIOR_ROWS = 2.0

_Rows = Bool[np.ndarray, " row"]


class VoteRate(NamedTuple):
    """How often an inspected feature brings the vote."""

    rates: dict[tuple[int, int], float]
    """By part of the feature and entry, in [0, 1]; 0 below ``LEAST_RATE``."""
    mean: float
    """Mean of the rates over the rows that hold the entries."""
    rows: int
    """Number of rows that hold the feature and the rest of its rule."""
    votes: int
    """Number of these on which the LF votes for the class."""


def vote_rates(
    mapped: Sequence[MappedFeature], features: Matrix, votes: Int[np.ndarray, "row lf"]
) -> dict[int, VoteRate]:
    r"""Measure how often each entry brings the vote that the LF's rule lets it bring.

    Of the rows that hold the rest of the rule (the other groups of its clause, the other words of its phrase) and on
    which no other class is voted for, let :math:`p_1` be the proportion of those with the entry on which the LF votes
    for the class, :math:`p_0` that of those without the entry. The rate is the proportion of rows without a vote on
    which the entry adds one:

    .. math:: a = \frac{p_1 - p_0}{1 - p_0}

    It is 1 where the LF votes on each row with the entry, however often it votes without it, as alternatives do. The
    derivative of the smoothed LF, :math:`p_1 - p_0`, is this rate times the chance that nothing else brings the vote.
    Rows with a vote for another class, which a rule that comes first gives, are left out, unless they are more frequent
    with the entry: those beyond a standard deviation count as rows without a vote. For an entry that takes the vote
    away the rate is :math:`(p_0 - p_1) / p_0`, over all rows with the rest of the rule.

    A rate that rests on few rows is drawn towards that of the whole feature by two rows, this towards that of the whole
    LF by two, and this towards 1 by two. (Of the ways that were tried, this one tells best from 100 rows of six sets
    what the rates on all their rows are.) An entry that is on no such row has the rate of its feature. A feature that
    is on none has no rate: the LF could not be observed.

    Args:
        mapped: what the m LFs inspect.
        features: float (n, d), the rows in the feature space; an entry is present where it is not 0. Entries with
            negative values, such as standardised columns, are not present or absent and have no rate.
        votes: int64 (n, m), the votes on the same rows.

    Returns:
        By index of the mapped feature; those without a row or entry, and measured ones, are left out.

    Example:
        >>> from lol_lightning.features.vocabulary import FeatureMatch
        >>> from lol_lightning.lfs.record import InspectedFeature
        >>> starts = MappedFeature(0, InspectedFeature("check", 1, "prefix"), FeatureMatch(((0,),), "mapped"))
        >>> rows, votes = np.ones((8, 1)), np.array([[1], [-1], [-1], [1], [-1], [-1], [-1], [-1]])
        >>> vote_rates([starts], rows, votes)
        {0: VoteRate(rates={(0, 0): 0.256}, mean=0.256, rows=8, votes=2)}
    """
    rows = _PresentRows(features, votes, [i for one in mapped for i in one.match.entries if not one.is_measured])
    clauses = clauses_of(mapped)
    observed: dict[int, _Observed] = {}
    of_lf: dict[tuple[object, ...], list[_Observed]] = defaultdict(list)
    for number, one in enumerate(mapped):
        if one.is_measured or not one.match.parts or not rows.can_tell(one):
            continue
        rest = _rest_of_clause(number, mapped, clauses[one.clause], rows)
        if rest is not None and (counts := _observe(one, rest, rows)).held.any():
            observed[number] = counts
            of_lf[one.lf, one.feature.source].append(counts)
    rates = {}
    for number, counts in observed.items():
        one = mapped[number]
        siblings = of_lf[one.lf, one.feature.source]
        misses, chances = (
            np.concatenate(each) for each in zip(*((s.misses, s.chances) for s in siblings), strict=True)
        )
        whole_lf = _drawn(misses.sum(), chances.sum(), 1.0)
        whole_feature = _drawn(counts.misses.sum(), counts.chances.sum(), whole_lf)
        rate = _drawn(counts.misses, counts.chances, whole_feature)
        rate[rate < LEAST_RATE] = 0.0
        by_entry = dict(zip(counts.keys, rate.tolist(), strict=True))
        rates[number] = VoteRate(by_entry, float(np.average(rate, weights=counts.held)), counts.rows, counts.votes)
    return rates


def _drawn(misses: Any, chances: Any, prior: float) -> Any:
    """Return one minus the proportion of misses, drawn towards a prior by so many rows."""
    return np.maximum(1 - (misses + _PRIOR_ROWS * (1 - prior)) / (chances + _PRIOR_ROWS), 0.0)


class _PresentRows:
    """Which rows hold an entry, and which have a vote."""

    def __init__(self, features: Matrix, votes: Int[np.ndarray, "row lf"], entries: Sequence[int]) -> None:
        needed = np.unique(np.array(entries, dtype=np.int64))
        columns: Any = features[:, needed]
        matrix = sp.csc_array(columns, dtype=np.float64)
        matrix.eliminate_zeros()
        self._signed = {int(needed[i]) for i in np.flatnonzero(_minimum(matrix) < 0)}
        self._many_valued = {int(needed[i]) for i in np.flatnonzero(_spread(matrix) > 0)}
        matrix.data[:] = 1.0
        self._present, self._votes = matrix, votes
        self._column = {int(entry): i for i, entry in enumerate(needed)}
        self._holding: dict[tuple[int, ...], _Rows] = {}

    def all_rows(self) -> _Rows:
        """Every row."""
        return np.ones(len(self._votes), dtype=bool)

    def can_tell(self, one: MappedFeature) -> bool:
        """Whether the entries of a feature are present or absent."""
        entries = set(one.match.entries)
        return not entries & self._signed and not (one.feature.kind == "column" and entries & self._many_valued)

    def votes_of(self, one: MappedFeature) -> Int[np.ndarray, " row"]:
        """Votes of a feature's LF."""
        return self._votes[:, one.lf]

    def holding(self, entries: tuple[int, ...]) -> _Rows:
        """Rows that hold any of the entries."""
        if entries not in self._holding:
            self._holding[entries] = self.columns(entries).sum(1) > 0
        return self._holding[entries]

    def holding_all(self, parts: Sequence[tuple[int, ...]]) -> _Rows:
        """Rows that hold an entry of each part."""
        return np.logical_and.reduce([self.all_rows(), *map(self.holding, parts)])

    def columns(self, entries: tuple[int, ...]) -> Any:
        """Return 0/1 (n, number of entries), sparse."""
        return self._present[:, [self._column[entry] for entry in entries]]


def _minimum(matrix: Any) -> Float[np.ndarray, " entry"]:
    least = np.zeros(matrix.shape[1])
    np.minimum.at(least, np.repeat(np.arange(matrix.shape[1]), np.diff(matrix.indptr)), matrix.data)
    return least


def _spread(matrix: Any) -> Float[np.ndarray, " entry"]:
    """Largest minus smallest of the values that are not 0."""
    column = np.repeat(np.arange(matrix.shape[1]), np.diff(matrix.indptr))
    low, high = np.full(matrix.shape[1], np.inf), np.full(matrix.shape[1], -np.inf)
    np.minimum.at(low, column, matrix.data)
    np.maximum.at(high, column, matrix.data)
    return np.where(high > low, high - low, 0.0)


def _rest_of_clause(
    number: int, mapped: Sequence[MappedFeature], groups: dict[tuple[object, ...], list[int]], rows: _PresentRows
) -> _Rows | None:
    """Rows on which all other groups of a feature's clause let the LF vote; ``None`` where that cannot be told."""
    rest = rows.all_rows()
    for group, members in groups.items():
        if group == mapped[number].group:
            continue
        held = [rows.holding_all(mapped[i].match.parts) for i in members if mapped[i].match.parts]
        positive = mapped[members[0]].is_positive
        if not held:
            if positive:
                return None
            continue
        any_held = np.logical_or.reduce(held)
        rest &= any_held if positive else ~any_held
    return rest


class _Observed(NamedTuple):
    """What rows tell of the entries of a feature, all float (entries of all parts,)."""

    keys: list[tuple[int, int]]
    held: Float[np.ndarray, " entry"]
    misses: Float[np.ndarray, " entry"]
    chances: Float[np.ndarray, " entry"]
    rows: int
    votes: int


def _observe(one: MappedFeature, rest: _Rows, rows: _PresentRows) -> _Observed:
    votes, parts = rows.votes_of(one), one.match.parts
    voted, abstained = votes == one.feature.label, votes == ABSTAIN
    keys, by_part = [], []
    for i, part in enumerate(parts):
        within = rest & rows.holding_all(parts[:i] + parts[i + 1 :])
        columns = rows.columns(part)
        counts = [_Counts.of(within & cell, columns) for cell in (voted, abstained, ~(voted | abstained))]
        held = sum(count.held for count in counts)
        keys += [(i, entry) for entry in part]
        by_part.append((held, *(_brought if one.is_positive else _taken_away)(*counts)))
    both = rest & rows.holding_all(parts)
    held, misses, chances = map(np.concatenate, zip(*by_part, strict=True))
    return _Observed(keys, held, misses, chances, int(both.sum()), int((both & voted).sum()))


class _Counts(NamedTuple):
    """Number of rows of a kind."""

    held: Float[np.ndarray, " entry"]
    """Those with each entry."""
    missed: Float[np.ndarray, " entry"]
    """Those without it."""

    @classmethod
    def of(cls, chosen: _Rows, columns: Any) -> _Counts:
        held = chosen.astype(np.float64) @ columns
        return cls(held, chosen.sum() - held)


_MissesAndChances: TypeAlias = tuple[Float[np.ndarray, " entry"], Float[np.ndarray, " entry"]]


def _brought(voted: _Counts, abstained: _Counts, other: _Counts) -> _MissesAndChances:
    """Return on how many rows each entry did not bring the vote, and on how many it could have.

    Rows on which the LF votes for another class tell nothing, as a rule that comes first decides them, unless they are
    more frequent with the entry than without it by more than a standard deviation.
    """
    rate = voted.missed / (voted.missed + abstained.missed + 1)
    held = voted.held + abstained.held + other.held
    other_rate = other.missed / (voted.missed + abstained.missed + other.missed + 1)
    expected = held * other_rate + np.sqrt(held * other_rate * (1 - other_rate))
    excess = np.maximum(other.held - expected, 0.0)
    misses = abstained.held + excess
    return misses, np.maximum((voted.held + misses) * (1 - rate), misses)


def _taken_away(voted: _Counts, abstained: _Counts, other: _Counts) -> _MissesAndChances:
    """Return on how many rows each entry did not take the vote away, and on how many it could have."""
    rate = voted.missed / (voted.missed + abstained.missed + other.missed + 1)
    held = voted.held + abstained.held + other.held
    return voted.held, np.maximum(held * rate, voted.held)
