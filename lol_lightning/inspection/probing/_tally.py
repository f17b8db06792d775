"""Mean change of a vote per class and unit, with its standard error and a confidence bound."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping

from lol_lightning.inspection._votes import UNKNOWN
from lol_lightning.lfs.record import InspectedFeature, Kind

__all__ = ["VoteTally", "half_width"]

Z = 1.96
"""Normal quantile of the 95% confidence bounds."""


def half_width(rate: float, support: int) -> float:
    r"""Half the width of Wilson's 95% interval of a rate.

    .. math:: \frac{z}{1 + z^2/n} \sqrt{\frac{p (1 - p)}{n} + \frac{z^2}{4 n^2}}

    Unlike the plain normal interval it is not empty where the rate is 0 or 1, the usual case for keywords.

    Example:
        >>> round(half_width(1.0, 35), 3)
        0.049
    """
    return Z / (1 + Z**2 / support) * math.sqrt(rate * (1 - rate) / support + Z**2 / (4 * support**2))


class VoteTally:
    r"""Conditional discrete derivatives of an LF, summed document by document.

    For class k and unit u it estimates, over the documents that hold u and on which the LF votes,

    .. math:: v_{k,u} = E[\, 1\{lf(x) = k\} - 1\{lf(x \setminus u) = k\} \,] \in [-1, 1]

    Example:
        >>> tally = VoteTally()
        >>> [tally.add(1, {"subscribe": -1, "now": 1}) for _ in range(3)]
        [['subscribe'], ['subscribe'], ['subscribe']]
        >>> [(f.term, f.label, f.value, f.support) for f in tally.features(min_support=2)]
        [('subscribe', 1, 1.0, 3)]
    """

    def __init__(self) -> None:
        self.support: Counter[str] = Counter()
        """Number of documents in which the unit was probed."""
        self.flips: defaultdict[str, Counter[tuple[int, int]]] = defaultdict(Counter)
        """How often the removal of a unit turned one vote into another."""

    def add(self, before: int, after: Mapping[str, int]) -> list[str]:
        """Take in one document: its vote and the vote after the removal of each unit; return the units that flip it."""
        self.support.update(after.keys())
        flipping = []
        for unit, vote in after.items():
            if vote == UNKNOWN:
                self.support[unit] -= 1
            elif vote != before:
                self.flips[unit][before, vote] += 1
                flipping.append(unit)
        return flipping

    def flip_rate(self, unit: str) -> float:
        """Proportion of the documents with the unit whose vote changes without it."""
        return self.flips[unit].total() / self.support[unit] if unit in self.flips else 0.0

    def suspects(self, min_rate: float) -> frozenset[str]:
        """Units whose removal changes the vote often enough to be tested by themselves."""
        return frozenset(unit for unit in self.flips if self.flip_rate(unit) >= min_rate)

    def certain(self, precision: float) -> frozenset[str]:
        """Units whose flip rate is certain to within ``precision`` at 95% confidence."""
        if precision <= 0:
            return frozenset()
        return frozenset(u for u, n in self.support.items() if n and half_width(self.flip_rate(u), n) <= precision)

    def features(self, min_support: int, kind: Kind = "token", column: str | None = None) -> list[InspectedFeature]:
        """Findings, the strongest first: units that change the vote for a class on ``min_support`` documents or more.

        The standard error counts two more documents that flip and two that do not (Agresti and Coull, 1998), so
        that a value that rests on two documents alone is not taken for certain.
        """
        features = [
            InspectedFeature(unit, label, kind, total / n, "probed", column=column, std_error=error, support=n)
            for unit, flips in self.flips.items()
            for label, (total, changed) in _by_class(flips).items()
            if total and changed >= min_support
            for n in [self.support[unit]]
            for error in [_std_error(total, changed, n)]
        ]
        return sorted(features, key=lambda f: (-abs(f.value), -(f.support or 0), f.term, f.label))


def _by_class(flips: Mapping[tuple[int, int], int]) -> dict[int, tuple[int, int]]:
    """Sum of the changes and number of changed documents for each class."""
    sums: defaultdict[int, int] = defaultdict(int)
    changed: defaultdict[int, int] = defaultdict(int)
    for (before, after), count in flips.items():
        for label, sign in ((before, 1), (after, -1)):
            if label >= 0:
                sums[label] += sign * count
                changed[label] += count
    return {label: (sums[label], changed[label]) for label in sums}


def _std_error(total: int, changed: int, support: int) -> float:
    n = support + 4
    mean = (abs(total) + 2) / n
    return math.sqrt(max((changed + 2) / n - mean**2, 0.0) / n)
