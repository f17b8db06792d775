"""How findings about labeling functions fit together: sources of one LF, demands of two."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

import pandas as pd

from lol_lightning.lfs.record import TRUST, InspectedFeature, LFRecord, most_trusted
from lol_lightning.lfs.words import WORD

__all__ = ["agreement", "opposed_pairs", "ranked_findings", "shows_in"]

OPPOSED_COLUMNS = ["feature", "lf", "label", "value", "other_lf", "other_label", "other_value"]


def shows_in(expected: InspectedFeature, unit: InspectedFeature) -> bool:
    """Tell whether a probed unit is one in which an expected feature shows, for the same class with the same sign.

    Example:
        >>> link, stem = InspectedFeature("link", label=1), InspectedFeature("http", label=1)
        >>> https = InspectedFeature("https", label=1, kind="token", source="probed")
        >>> shows_in(link, https), shows_in(stem, https)
        (False, True)
    """
    if expected.label != unit.label or (expected.value > 0) != (unit.value > 0):
        return False
    term, probed = expected.term.lower(), unit.term.lower()
    if expected.kind == "column":
        return term in (probed, (unit.column or "").lower())
    words = re.findall(WORD, term)
    if expected.kind == "length" or not words:
        return term == probed
    first, last = words[0], words[-1]
    inner = probed in words[1:-1]
    if expected.kind == "prefix":
        return probed in words[:-1] or probed.startswith(last)
    if expected.kind == "suffix":
        return probed in words[1:] or probed.endswith(first)
    if expected.kind == "substring":
        return inner or (probed.endswith(first) or probed.startswith(last) if len(words) > 1 else first in probed)
    return probed in words or probed == term


def agreement(record: LFRecord) -> float | None:
    """Fraction of the probed changes of the vote that the declared features explain, or the traced ones if none are.

    Each probed unit counts by the number of votes that it decides. 1: the LF looks where its record says; 0, as
    for a list that says ``link`` where the LF looks for ``http``: the list is wrong. ``None`` where either is missing.

    Example:
        >>> declared = InspectedFeature("link", label=1)
        >>> probed = InspectedFeature("http", label=1, kind="token", source="probed", support=100)
        >>> agreement(LFRecord("keyword_link", (declared, probed)))
        0.0
    """
    expected = record.from_sources(["declared"]).features or record.from_sources(["traced"]).features
    probed = record.from_sources(["probed"]).features
    total = sum(map(_num_decided, probed))
    if not expected or not total:
        return None
    return sum(_num_decided(unit) for unit in probed if any(shows_in(one, unit) for one in expected)) / total


def ranked_findings(record: LFRecord) -> list[InspectedFeature]:
    """Return the findings in force, each term with each of its values once; those that decide most votes first.

    Example:
        >>> traced = InspectedFeature("my", label=1, source="traced")
        >>> probed = InspectedFeature("my", label=1, value=0.98, source="probed", support=306)
        >>> [f.value for f in ranked_findings(LFRecord("keyword_my", (traced, probed)))]
        [0.98]
    """
    first: dict[tuple[str, int, float], InspectedFeature] = {}
    for feature in sorted(record.in_force(), key=lambda f: (TRUST.index(f.source), -_num_decided(f))):
        first.setdefault((feature.term.lower(), feature.label, feature.value), feature)
    return list(first.values())


def opposed_pairs(records: Sequence[LFRecord], min_value: float = 0.1) -> pd.DataFrame:
    """Pairs of LFs that demand opposite things of one feature.

    Either both take it as speaking for (or both against) different classes, or one takes it as speaking for and the
    other as speaking against the same class.

    Args:
        records: one for each LF.
        min_value: findings of smaller magnitude demand nothing.

    Returns:
        DataFrame with the columns ``feature``, ``lf``, ``label``, ``value``, ``other_lf``, ``other_label`` and
        ``other_value``, the strongest oppositions first.

    Example:
        >>> spam, ham = InspectedFeature("song", label=1), InspectedFeature("song", label=0)
        >>> opposed_pairs([LFRecord("a", (spam,)), LFRecord("b", (ham,))])
          feature lf  label  value other_lf  other_label  other_value
        0    song  a      1    1.0        b            0          1.0
    """
    strong = [[f for f in _one_for_each_term(record) if abs(f.value) >= min_value] for record in records]
    rows = [
        (f.term, records[a].name, f.label, f.value, records[b].name, other.label, other.value)
        for a, b in combinations(range(len(records)), 2)
        for f, other in _common(strong[a], strong[b])
        if (f.label == other.label) != ((f.value > 0) == (other.value > 0))
    ]
    rows.sort(key=lambda row: -min(abs(row[3]), abs(row[6])))
    return pd.DataFrame(rows, columns=OPPOSED_COLUMNS)


def _one_for_each_term(record: LFRecord) -> list[InspectedFeature]:
    """Of a word and the same term as a part of words, the more trusted finding alone."""
    ranked = ranked_findings(record)
    chosen = most_trusted(((f.label, f.term.lower()), f, f) for f in ranked)
    return [f for f in ranked if f in chosen[f.label, f.term.lower()]]


def _common(
    ours: Iterable[InspectedFeature], theirs: Sequence[InspectedFeature]
) -> Iterator[tuple[InspectedFeature, InspectedFeature]]:
    by_term: dict[str, list[InspectedFeature]] = {}
    for other in theirs:
        by_term.setdefault(other.term.lower(), []).append(other)
    for feature in ours:
        for other in by_term.get(feature.term.lower(), []):
            yield feature, other


def _num_decided(feature: InspectedFeature) -> float:
    return abs(feature.value) * (feature.support or 1)
