"""How strongly does an LF depend on each entry that its inspected features were mapped to?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lol_lightning.features.alternatives import Alternatives
from lol_lightning.features.mapped import MappedFeature
from lol_lightning.features.vote_rates import VoteRate
from lol_lightning.lfs.record import InspectedFeature, most_trusted

__all__ = ["Key", "Strength", "strengths"]

Key = tuple[int, int, int]
"""LF, class, feature."""


class Strength(NamedTuple):
    """The derivative of a smoothed LF with respect to one entry, and which finding it comes from."""

    value: float
    mapped: int
    """Index of the mapped feature."""


def strengths(
    mapped: Sequence[MappedFeature], observed: np.ndarray, smoothed: np.ndarray, rates: Mapping[int, VoteRate]
) -> dict[Key, Strength]:
    """Return the derivative of each smoothed LF with respect to each entry, as ``records_to_targets`` defines it.

    Args:
        mapped: what the LFs inspect.
        observed: float64 (d,), proportion of the training rows in which each entry is present.
        smoothed: float64 (d,), the same without zeros and ones.
        rates: how often each feature's entries bring the vote, where that was measured.

    Returns:
        ``{(lf, class, feature): strength}``.
    """
    net = _net_of_rival_classes(mapped, smoothed, rates)
    chosen: dict[Key, Strength] = {}
    candidates = most_trusted(_candidates(mapped, np.minimum(observed, smoothed), rates))
    for key, options in candidates.items():
        strongest = max(options, key=lambda option: abs(option.value))
        if not mapped[strongest.mapped].is_measured:
            strongest = strongest._replace(value=strongest.value * net.get(key, 1.0))
        chosen[key] = strongest
    return chosen


def _candidates(
    mapped: Sequence[MappedFeature], phi: np.ndarray, rates: Mapping[int, VoteRate]
) -> Iterator[tuple[Key, InspectedFeature, Strength]]:
    """Yield the strength that each finding in force gives each of its entries."""
    alternatives = Alternatives(mapped, phi, rates)
    for number, one in enumerate(mapped):
        if not one.in_force:
            continue
        measured = rates[number].rates if number in rates else {}
        for i, part in enumerate(one.match.parts):
            values = dict.fromkeys(part, 1.0)
            if not one.is_measured:
                values = alternatives.factors(number, i)
            for entry in part:
                value = one.feature.value * values[entry] * measured.get((i, entry), 1.0)
                yield (one.lf, one.feature.label, entry), one.feature, Strength(value, number)


def _net_of_rival_classes(
    mapped: Sequence[MappedFeature], phi: np.ndarray, vote_rates: Mapping[int, VoteRate]
) -> dict[Key, float]:
    """Return the factor in [0, 1] of entries that one LF asks for on behalf of several classes.

    The chance that the rest of a rule is there as well, times how often that brings the vote, tells how often an entry
    leads to its class: ``good`` alone to one, ``not`` with ``good`` to the other.
    """
    numbers = [number for number, one in enumerate(mapped) if not one.is_measured and one.is_positive]
    positive = [mapped[number] for number in numbers]
    group_misses: dict[tuple[object, ...], dict[int, float]] = defaultdict(lambda: defaultdict(lambda: 1.0))
    chances = [[1 - float(np.prod(1 - phi[list(part)])) for part in one.match.parts] for one in positive]
    for one, parts in zip(positive, chances, strict=True):
        group_misses[one.clause][one.feature.group] *= 1 - float(np.prod(parts)) if parts else 1.0
    rates: dict[tuple[int, int], dict[int, float]] = defaultdict(dict)
    for number, one, parts in zip(numbers, positive, chances, strict=True):
        if not one.in_force:
            continue
        measured = vote_rates[number].rates if number in vote_rates else {}
        misses = group_misses[one.clause]
        rest = float(np.prod([1 - miss for group, miss in misses.items() if group != one.feature.group]))
        for i, part in enumerate(one.match.parts):
            rate = rest * float(np.prod(parts[:i] + parts[i + 1 :]))
            for entry in part:
                of_class, own = rates[one.lf, entry], rate * measured.get((i, entry), 1.0)
                of_class[one.feature.label] = max(own, of_class.get(one.feature.label, 0.0))
    net = {}
    for (lf, entry), of_class in rates.items():
        total = sum(of_class.values())
        if len(of_class) > 1:
            for label, rate in of_class.items():
                net[lf, label, entry] = max(2 * rate / total - 1, 0.0) if total > 0 else 0.0
    return net
