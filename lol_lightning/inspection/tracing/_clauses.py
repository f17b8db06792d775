"""From evidence to the inspected features of a record: alternatives are gathered into groups, groups into clauses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from lol_lightning.inspection.tracing._attribution import Conjunction, Evidence
from lol_lightning.inspection.tracing._queries import BETWEEN_COLUMNS, Query
from lol_lightning.lfs.record import InspectedFeature
from lol_lightning.lfs.rules._patterns import regex_features

__all__ = ["MAX_UNSEEN", "evidence_features", "merge_alternatives"]

MAX_UNSEEN = 1000
"""Largest set of words whose members count where no row holds them; whole dictionaries are no keywords."""

Clause = tuple[frozenset[Query], ...]


def evidence_features(evidence: Evidence, word_sets: Sequence[frozenset[str]] = ()) -> tuple[InspectedFeature, ...]:
    """Return the features that evidence speaks for, with those that take a vote away at negative value.

    Args:
        evidence: what the votes of an LF rest on.
        word_sets: sets of words within the LF's reach; where look-ups hit one of a set, the others belong to it too.
    """
    features: list[InspectedFeature] = []
    for label in sorted(evidence.conjunctions):
        for clause in merge_alternatives(evidence.conjunctions[label]):
            for clause_features in _clause_features(clause, label):
                features += _renumbered(clause_features, features)
    for label, query in evidence.against:
        for clause_features in _clause_features((frozenset({query}),), label):
            features += _renumbered([replace(f, value=-f.value) for f in clause_features], features)
    for (label, length), directions in evidence.lengths.items():
        if not sum(directions):  # Any length brings the vote, so the question is whether there is a text at all.
            continue
        by_length = InspectedFeature(length.unit, label, "length", sum(directions), column=length.column)
        features += _renumbered([by_length], features)
    features += _set_members(features, evidence, word_sets)
    return tuple(dict.fromkeys(replace(one, source="traced") for feature in features for one in _by_column(feature)))


def merge_alternatives(conjunctions: Iterable[Conjunction]) -> list[Clause]:
    """Gather conjunctions that differ in one query into clauses of alternatives.

    Example:
        >>> check, out, this = (Query("substring", word, "text") for word in ("check", "out", "this"))
        >>> [clause] = merge_alternatives([frozenset({check, out}), frozenset({check, this})])
        >>> [sorted(query.term for query in group) for group in clause]
        [['check'], ['out', 'this']]
    """
    distinct = list(dict.fromkeys(conjunctions))
    minimal = [one for one in distinct if not any(other < one for other in distinct)]
    clauses: list[Clause] = []
    for conjunction in minimal:
        groups = tuple(frozenset({query}) for query in sorted(conjunction))
        clauses = _absorb(clauses, groups)
    return clauses


def _absorb(clauses: list[Clause], new: Clause) -> list[Clause]:
    """Add a clause, merged with every other one that has the same groups but one."""
    for clause in clauses:
        rest = [group for group in new if group not in clause]
        own = [group for group in clause if group not in new]
        if len(clause) == len(new) and len(rest) <= 1:
            merged = tuple(group | rest[0] if rest and group == own[0] else group for group in clause)
            return _absorb([other for other in clauses if other is not clause], merged)
    return [*clauses, new]


def _clause_features(clause: Clause, label: int) -> Iterator[list[InspectedFeature]]:
    """Return the features of a clause; the alternatives of a pattern that stands alone are clauses of their own."""
    plain: list[InspectedFeature] = []
    next_group = 0
    for group in clause:
        patterns = [query for query in group if query.kind == "pattern"]
        words = [
            InspectedFeature(query.term, label, query.kind, group=next_group, column=query.column)
            for query in group
            if query.kind != "pattern"
        ]
        plain += sorted(words, key=lambda feature: feature.term)
        for query in sorted(patterns):
            parts = [replace(f, column=query.column) for f in regex_features(query.term, query.flags, label)]
            single_clause = len({feature.clause for feature in parts}) == 1
            if len(clause) == 1:
                yield parts
            elif single_clause and len(group) == 1:
                plain += [replace(f, clause=0, group=next_group + f.group) for f in parts]
            else:
                plain += [replace(f, clause=0, group=next_group) for f in parts]
        next_group = max((feature.group for feature in plain), default=-1) + 1
    if plain:
        yield plain


def _by_column(feature: InspectedFeature) -> Iterator[InspectedFeature]:
    """Yield one alternative for each column, where the LF looked into the joined text of several."""
    if feature.column is None or BETWEEN_COLUMNS not in feature.column:
        yield feature
        return
    for column in feature.column.split(BETWEEN_COLUMNS):
        yield replace(feature, column=column)


def _renumbered(new: list[InspectedFeature], before: Sequence[InspectedFeature]) -> list[InspectedFeature]:
    first = max((feature.clause for feature in before), default=-1) + 1
    return [replace(feature, clause=first + feature.clause) for feature in new]


def _set_members(
    features: Sequence[InspectedFeature], evidence: Evidence, word_sets: Sequence[frozenset[str]]
) -> Iterator[InspectedFeature]:
    """Yield the members of a set that no row held, where the members that rows did hold all speak for one class."""
    for words in word_sets:
        if len(words) > MAX_UNSEEN:
            continue
        members = [f for f in features if f.kind == "token" and f.term in words and _looked_up(f, evidence)]
        if members and len({(feature.label, feature.value) for feature in members}) == 1:
            present = {feature.term for feature in features}
            yield from (replace(members[0], term=word) for word in sorted(words - present) if word)


def _looked_up(feature: InspectedFeature, evidence: Evidence) -> bool:
    return any(query.term == feature.term and query.column == feature.column for query in evidence.looked_up)
