"""Inspected features with their places in a feature space, and the rules that they form."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from lol_lightning.features.vocabulary import FeatureMatch
from lol_lightning.lfs.record import InspectedFeature

__all__ = ["MEASURED", "Clauses", "MappedFeature", "clauses_of"]

MEASURED = ("probed", "surrogate")
"""Sources whose values are measured on rows, and so are used as they are."""


class MappedFeature(NamedTuple):
    """An inspected feature of an LF and where the feature space holds it.

    ``in_force`` tells whether it counts, or only stands among the alternatives of others; see ``LFRecord.in_force``.
    """

    lf: int
    feature: InspectedFeature
    match: FeatureMatch
    in_force: bool = True

    @property
    def reason(self) -> tuple[object, ...]:
        """Identifies the LF's rule for the class, of which each clause is an alternative."""
        return self.lf, self.feature.source, self.feature.label

    @property
    def clause(self) -> tuple[object, ...]:
        """Identifies the clause that the feature belongs to."""
        return *self.reason, self.feature.clause

    @property
    def group(self) -> tuple[object, ...]:
        """Identifies the alternatives among which the feature stands, or the words that are forbidden together."""
        return *self.clause, self.feature.group, self.feature.value > 0

    @property
    def is_positive(self) -> bool:
        """Whether the feature brings the vote; else it takes it away."""
        return self.feature.value > 0

    @property
    def of_class(self) -> tuple[int, int]:
        """The LF and the class for which it speaks."""
        return self.lf, self.feature.label

    @property
    def is_declared(self) -> bool:
        """Whether the user says so."""
        return self.feature.source == "declared"

    @property
    def is_measured(self) -> bool:
        """Whether the value was measured."""
        return self.feature.source in MEASURED


Clauses: TypeAlias = dict[tuple[object, ...], dict[tuple[object, ...], list[int]]]
"""Indices of mapped features by clause and group."""


def clauses_of(mapped: Sequence[MappedFeature]) -> Clauses:
    """Gather the features of rules, which are not measured, by clause and group."""
    clauses: Clauses = defaultdict(lambda: defaultdict(list))
    for number, one in enumerate(mapped):
        if not one.is_measured:
            clauses[one.clause][one.group].append(number)
    return clauses
