"""How strongly does an LF depend on each entry that its inspected features were mapped to?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from lol_lightning.features.vocabulary import FeatureMatch
from lol_lightning.functional.smoothing import any_of_gradient
from lol_lightning.lfs.record import InspectedFeature, most_trusted

__all__ = ["Key", "MappedFeature", "Strength", "strengths"]

Key = tuple[int, int, int]
"""LF, class, feature."""

_MEASURED = ("probed", "surrogate")


class MappedFeature(NamedTuple):
    """An inspected feature of an LF and where the feature space holds it.

    ``in_force`` tells whether it counts, or only stands among the alternatives of others; see ``LFRecord.in_force``.
    """

    lf: int
    feature: InspectedFeature
    match: FeatureMatch
    in_force: bool = True

    @property
    def clause(self) -> tuple[object, ...]:
        """Identifies the rule that the feature belongs to."""
        return self.lf, self.feature.source, self.feature.label, self.feature.clause

    @property
    def group(self) -> tuple[object, ...]:
        """Identifies the alternatives among which the feature stands."""
        return *self.clause, self.feature.group, self.feature.value > 0


class Strength(NamedTuple):
    """The derivative of a smoothed LF with respect to one entry, and which finding it comes from."""

    value: float
    mapped: int
    """Index of the mapped feature."""


def strengths(mapped: Sequence[MappedFeature], observed: np.ndarray, smoothed: np.ndarray) -> dict[Key, Strength]:
    """Return the derivative of each smoothed LF with respect to each entry, as ``records_to_targets`` defines it.

    Args:
        mapped: what the LFs inspect.
        observed: float64 (d,), proportion of the training rows in which each entry is present.
        smoothed: float64 (d,), the same without zeros and ones.

    Returns:
        ``{(lf, class, feature): strength}``.
    """
    net = _net_of_rival_classes(mapped, smoothed)
    chosen: dict[Key, Strength] = {}
    candidates = most_trusted(_candidates(mapped, np.minimum(observed, smoothed)))
    for key, options in candidates.items():
        strongest = max(options, key=lambda option: abs(option.value))
        if mapped[strongest.mapped].feature.source not in _MEASURED:
            strongest = strongest._replace(value=strongest.value * net.get(key, 1.0))
        chosen[key] = strongest
    return chosen


def _candidates(mapped: Sequence[MappedFeature], phi: np.ndarray) -> Iterator[tuple[Key, InspectedFeature, Strength]]:
    """Yield the strength that each finding in force gives each of its entries."""
    alternatives: dict[tuple[object, ...], set[int]] = defaultdict(set)
    for one in mapped:
        if len(one.match.parts) == 1:
            alternatives[one.group].update(one.match.parts[0])
    for number, one in enumerate(mapped):
        if not one.in_force:
            continue
        feature = one.feature
        for part in one.match.parts:
            values = dict.fromkeys(part, 1.0)
            if feature.source not in _MEASURED:
                rivals = sorted(alternatives[one.group].union(part))
                values = dict(zip(rivals, any_of_gradient(torch.from_numpy(phi[rivals])).tolist(), strict=True))
            for entry in part:
                yield (one.lf, feature.label, entry), feature, Strength(feature.value * values[entry], number)


def _net_of_rival_classes(mapped: Sequence[MappedFeature], phi: np.ndarray) -> dict[Key, float]:
    """Return the factor in [0, 1] of entries that one LF asks for on behalf of several classes.

    The chance that the rest of a rule is there as well tells how often an entry leads to its class: ``good`` alone to
    one, ``not`` with ``good`` to the other.
    """
    positive = [one for one in mapped if one.feature.source not in _MEASURED and one.feature.value > 0]
    group_misses: dict[tuple[object, ...], dict[int, float]] = defaultdict(lambda: defaultdict(lambda: 1.0))
    chances = [[1 - float(np.prod(1 - phi[list(part)])) for part in one.match.parts] for one in positive]
    for one, parts in zip(positive, chances, strict=True):
        group_misses[one.clause][one.feature.group] *= 1 - float(np.prod(parts)) if parts else 1.0
    rates: dict[tuple[int, int], dict[int, float]] = defaultdict(dict)
    for one, parts in zip(positive, chances, strict=True):
        if not one.in_force:
            continue
        misses = group_misses[one.clause]
        rest = float(np.prod([1 - miss for group, miss in misses.items() if group != one.feature.group]))
        for i, part in enumerate(one.match.parts):
            rate = rest * float(np.prod(parts[:i] + parts[i + 1 :]))
            for entry in part:
                of_class = rates[one.lf, entry]
                of_class[one.feature.label] = max(rate, of_class.get(one.feature.label, 0.0))
    net = {}
    for (lf, entry), of_class in rates.items():
        total = sum(of_class.values())
        if len(of_class) > 1:
            for label, rate in of_class.items():
                net[lf, label, entry] = max(2 * rate / total - 1, 0.0) if total > 0 else 0.0
    return net
