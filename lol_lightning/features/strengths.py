"""How strongly does an LF depend on each entry that its inspected features were mapped to?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from lol_lightning.features.vocabulary import FeatureMatch
from lol_lightning.functional.smoothing import any_of_gradient
from lol_lightning.lfs.record import InspectedFeature

__all__ = ["Finding", "Key", "strengths"]

Key = tuple[int, int, int]
"""LF, class, feature."""

_MEASURED = ("probed", "surrogate")
_PRIORITY = {"probed": 2, "declared": 1, "traced": 1, "surrogate": 0}


class Finding(NamedTuple):
    """An inspected feature of an LF and where the feature space holds it."""

    lf: int
    feature: InspectedFeature
    match: FeatureMatch

    @property
    def clause(self) -> tuple[object, ...]:
        """Identifies the rule that the feature belongs to."""
        return self.lf, self.feature.source, self.feature.label, self.feature.clause

    @property
    def group(self) -> tuple[object, ...]:
        """Identifies the alternatives among which the feature stands."""
        return *self.clause, self.feature.group, self.feature.value > 0


def strengths(findings: Sequence[Finding], observed: np.ndarray, smoothed: np.ndarray) -> dict[Key, float]:
    """Return the derivative of each smoothed LF with respect to each entry, as ``records_to_targets`` defines it.

    Args:
        findings: what the LFs inspect.
        observed: float64 (d,), share of the training rows in which each entry is present.
        smoothed: float64 (d,), the same without zeros and ones.

    Returns:
        ``{(lf, class, feature): value}``.
    """
    known = _known_values(findings, np.minimum(observed, smoothed))
    net = _net_of_rival_classes(findings, smoothed)
    return {key: value if source in _MEASURED else value * net.get(key, 1.0) for key, (source, value) in known.items()}


def _known_values(findings: Sequence[Finding], phi: np.ndarray) -> dict[Key, tuple[str, float]]:
    alternatives: dict[tuple[object, ...], set[int]] = defaultdict(set)
    for finding in findings:
        if len(finding.match.parts) == 1:
            alternatives[finding.group].update(finding.match.parts[0])
    known: dict[Key, tuple[str, float]] = {}
    for finding in findings:
        feature = finding.feature
        for part in finding.match.parts:
            values = dict.fromkeys(part, 1.0)
            if feature.source not in _MEASURED:
                rivals = sorted(alternatives[finding.group].union(part))
                values = dict(zip(rivals, any_of_gradient(torch.from_numpy(phi[rivals])).tolist(), strict=True))
            for entry in part:
                key = (finding.lf, feature.label, entry)
                candidate = (feature.source, feature.value * values[entry])
                if key not in known or _rank(candidate) > _rank(known[key]):
                    known[key] = candidate
    return known


def _rank(candidate: tuple[str, float]) -> tuple[int, float]:
    source, value = candidate
    return _PRIORITY[source], abs(value)


def _net_of_rival_classes(findings: Sequence[Finding], phi: np.ndarray) -> dict[Key, float]:
    """Return the factor in [0, 1] of entries that one LF asks for on behalf of several classes.

    The chance that the rest of a rule is there as well tells how often an entry leads to its class: ``good`` alone to
    one, ``not`` with ``good`` to the other.
    """
    asked = [f for f in findings if f.feature.source not in _MEASURED and f.feature.value > 0]
    group_misses: dict[tuple[object, ...], dict[int, float]] = defaultdict(lambda: defaultdict(lambda: 1.0))
    chances = [[1 - float(np.prod(1 - phi[list(part)])) for part in finding.match.parts] for finding in asked]
    for finding, parts in zip(asked, chances, strict=True):
        group_misses[finding.clause][finding.feature.group] *= 1 - float(np.prod(parts)) if parts else 1.0
    weights: dict[tuple[int, int], dict[int, float]] = defaultdict(dict)
    for finding, parts in zip(asked, chances, strict=True):
        misses = group_misses[finding.clause]
        rest = float(np.prod([1 - miss for group, miss in misses.items() if group != finding.feature.group]))
        for i, part in enumerate(finding.match.parts):
            weight = rest * float(np.prod(parts[:i] + parts[i + 1 :]))
            for entry in part:
                of_class = weights[finding.lf, entry]
                of_class[finding.feature.label] = max(weight, of_class.get(finding.feature.label, 0.0))
    net = {}
    for (lf, entry), of_class in weights.items():
        total = sum(of_class.values())
        if len(of_class) > 1:
            for label, weight in of_class.items():
                net[lf, label, entry] = max(2 * weight / total - 1, 0.0) if total > 0 else 0.0
    return net
