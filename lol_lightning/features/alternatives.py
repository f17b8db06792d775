"""The chance that nothing else brings the vote: the alternatives within a group, and the other clauses of the rule."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float

from lol_lightning.features.mapped import MappedFeature, clauses_of
from lol_lightning.features.vote_rates import VoteRate
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.functional.smoothing import any_of_gradient

__all__ = ["Alternatives"]

_Phi: TypeAlias = Float[np.ndarray, " feature"]
_Key: TypeAlias = tuple[object, ...]
_Unit: TypeAlias = tuple[object, ...] | int
"""A clause by its key, or a feature of several parts by its index."""


class Alternatives:
    r"""Tells for each entry how often the vote rests on it, given the rest of its clause.

    An LF's rule for a class is "any clause", a clause "all groups, and nothing that is forbidden", a group "any
    feature", a feature "all parts", a part "any entry". Entry j brings the vote where no other single entry that is
    enough is there, and no other unit: a phrase, or a clause of several groups.

    .. math:: \prod_{l \ne j} (1 - a_l \phi_l) \prod_u (1 - P(u \mid \mathrm{rest}, \mathrm{no}\ l, x_j = 0))

    Entries are independent, as in the paper, except that the rest of j's own clause is there. A clause of which a group
    has no entry in the feature space cannot be told and counts as no alternative.

    Args:
        mapped: what the LFs inspect.
        phi: float64 (d,), proportion of the rows that hold each entry.
        rates: how often each feature's entries bring the vote; 1 where there is none.
    """

    __repr__ = short_repr

    def __init__(self, mapped: Sequence[MappedFeature], phi: _Phi, rates: Mapping[int, VoteRate]) -> None:
        self._mapped, self._phi, self._rates = mapped, phi, rates
        self._clauses = clauses_of(mapped)
        self._clauses_of_reason: dict[_Key, list[_Key]] = defaultdict(list)
        self._holders: dict[int, set[_Unit]] = defaultdict(set)
        self._miss: dict[_Unit, float] = {}
        for clause, groups in self._clauses.items():
            members = [i for group in groups.values() for i in group]
            self._clauses_of_reason[mapped[members[0]].reason].append(clause)
            self._add(clause, members)
            for i in self._phrases(members):
                self._add(i, [i])

    def factors(self, number: int, place: int) -> dict[int, float]:
        """Return the chance that nothing else decides, for each entry of a part of a mapped feature.

        Args:
            number: index of the mapped feature.
            place: index of the part.
        """
        one = self._mapped[number]
        part, clause = one.match.parts[place], self._clauses[one.clause]
        group = clause[one.group]
        rest, phi = self._given_the_rest(one, place)
        others: list[_Key] = []
        if any(self._mapped[i].is_positive for members in clause.values() for i in members):
            others = [other for other in self._clauses_of_reason[one.reason] if other != one.clause]
        rate, units = self._entry_rates(group), [i for i in self._phrases(group) if i != number]
        if not one.is_positive:
            # A measured rate tells already how often the vote stays because of other clauses.
            return self._taken_away(part, rate, phi, [*units, *others] if number not in self._rates else units, rest)
        complex_units: list[_Unit] = list(units)
        for other in others:
            (first, *more) = self._clauses[other].values()
            if more:
                complex_units.append(other)
            elif self._mapped[first[0]].is_positive:
                complex_units += self._phrases(first)
                for entry, value in self._entry_rates(first).items():
                    rate[entry] = max(rate.get(entry, 0.0), value)
        rivals = sorted(rate.keys() | set(part))
        factors = _alone(rivals, rate, phi)
        phi[rivals] = 0.0
        fail = self._all_fail(complex_units, rest.union(rivals), phi)
        return {entry: factors[entry] * fail for entry in part}

    def _add(self, unit: _Unit, members: Iterable[int]) -> None:
        self._miss[unit] = self._miss_of(unit, self._phi)
        for i in members:
            for entry in self._mapped[i].match.entries:
                self._holders[entry].add(unit)

    def _taken_away(
        self, part: Sequence[int], rate: Mapping[int, float], phi: _Phi, units: Sequence[_Unit], rest: set[int]
    ) -> dict[int, float]:
        """Return the chance, for each entry that is forbidden, that no other is there and nothing votes beside it."""
        rivals = sorted(rate.keys() | set(part))
        factors = _alone(rivals, rate, phi)
        phi[rivals] = 0.0
        touched = rest.union(rivals)
        for entry in part:
            phi[entry] = 1.0
            factors[entry] *= self._all_fail(units, touched, phi)
            phi[entry] = 0.0
        return {entry: factors[entry] for entry in part}

    def _phrases(self, numbers: Iterable[int]) -> list[int]:
        """Features that need several entries at once."""
        return [i for i in numbers if len(self._mapped[i].match.parts) > 1]

    def _entry_rates(self, group: Iterable[int]) -> dict[int, float]:
        """The single entries among the alternatives of a group, each with its rate."""
        rates: dict[int, float] = {}
        for i in group:
            if len(self._mapped[i].match.parts) == 1:
                measured = self._rates[i].rates if i in self._rates else {}
                for entry in self._mapped[i].match.parts[0]:
                    rates[entry] = max(rates.get(entry, 0.0), measured.get((0, entry), 1.0))
        return rates

    def _given_the_rest(self, one: MappedFeature, place: int) -> tuple[set[int], _Phi]:
        """Return the entries of the rest of a part's clause, and the chances given that it lets the LF vote."""
        phi, rest = self._phi.copy(), set()
        for group, members in self._clauses[one.clause].items():
            if group == one.group:
                continue
            entries = sorted({entry for i in members for entry in self._mapped[i].match.entries})
            rest.update(entries)
            held = self._chance_of_group(members, self._phi)
            phi[entries] = _conditional(self._phi[entries], held) if self._mapped[members[0]].is_positive else 0.0
        for i, other in enumerate(map(list, one.match.parts)):
            if i != place:
                rest.update(other)
                phi[other] = _conditional(self._phi[other], 1 - float(np.prod(1 - self._phi[other])))
        return rest, phi

    def _all_fail(self, units: Sequence[_Unit], touched: set[int], phi: _Phi) -> float:
        """Return the chance that no unit is there; ``touched`` are the entries whose chance differs in ``phi``."""
        changed = {unit for entry in touched for unit in self._holders.get(entry, ())} if units else set()
        return math.prod(self._miss_of(unit, phi) if unit in changed else self._miss[unit] for unit in units)

    def _miss_of(self, unit: _Unit, phi: _Phi) -> float:
        """Return the chance that a clause, or a feature of several parts, is not there."""
        return 1 - (self._chance_of_phrase(unit, phi) if isinstance(unit, int) else self._chance_of_clause(unit, phi))

    def _chance_of_clause(self, clause: _Key, phi: _Phi) -> float:
        groups = self._clauses[clause].values()
        positive = [group for group in groups if self._mapped[group[0]].is_positive]
        if not positive:
            return 0.0
        # Each group measures how often the whole clause is enough; it counts once.
        chances = [self._chance_of_group(group, phi, with_rates=i == 0) for i, group in enumerate(positive)]
        chance = math.prod(chances)
        for group in groups:
            if not self._mapped[group[0]].is_positive:
                chance *= 1 - self._chance_of_group(group, phi)
        return chance

    def _chance_of_group(self, group: Sequence[int], phi: _Phi, with_rates: bool = False) -> float:
        rates = self._entry_rates(group)
        singles = list(rates)
        weights = np.array(list(rates.values())) if with_rates else 1.0
        miss = float(np.prod(1 - phi[singles] * weights))
        phrases = [self._chance_of_phrase(i, phi) for i in self._phrases(group)]
        return 1 - miss * float(np.prod([1 - phrase for phrase in phrases]))

    def _chance_of_phrase(self, number: int, phi: _Phi) -> float:
        return float(np.prod([1 - np.prod(1 - phi[list(part)]) for part in self._mapped[number].match.parts]))


def _alone(rivals: list[int], rate: Mapping[int, float], phi: _Phi) -> dict[int, float]:
    """Return for each entry the chance that none of the others brings the vote."""
    chance = phi[rivals] * [rate.get(entry, 1.0) for entry in rivals]
    return dict(zip(rivals, any_of_gradient(torch.from_numpy(chance)).tolist(), strict=True))


def _conditional(phi: _Phi, chance_of_any: float) -> _Phi:
    """Chances of entries given that one of them is there."""
    return np.minimum(phi / chance_of_any, 1.0) if chance_of_any > 0 else np.ones_like(phi)
