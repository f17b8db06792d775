"""The record of what a labeling function inspects: declared, traced or probed, one form for all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeVar, get_args

from lol_lightning.exceptions import LabelingFunctionError
from lol_lightning.functional.short_repr import html_table

__all__ = ["TRUST", "InspectedFeature", "Kind", "LFRecord", "Source", "most_trusted"]

_T = TypeVar("_T")
_Key = TypeVar("_Key", bound=Hashable)

Kind = Literal["token", "prefix", "suffix", "substring", "entry", "column", "length"]
"""How a term is looked for.

``token``: a whole token; ``prefix``, ``suffix``: the beginning, the end of one; ``substring``: anywhere in the text;
``entry``: a name of the feature space itself, taken as it is; ``column``: a column of a table or an attribute of a
data point; ``length``: the length of a text, which no bag of words holds.
"""

Source = Literal["declared", "traced", "probed", "surrogate"]
"""Where a finding comes from."""

TRUST: tuple[Source, ...] = ("declared", "probed", "traced", "surrogate")
"""The sources from the most to the least trusted: the one order of precedence for summaries, targets and oppositions.

The user's declaration is authoritative for its term and class. A declared term without a value of its own has the value
1, times the derivative of "any of" its alternatives, also where probing measured another value; how often it brings the
vote on the training rows scales it, as it scales what was traced. To use probed values instead, leave the declared ones
out: ``sources=["probed"]``. Among the rest, probing measured the LF on real documents, tracing saw one question of its
code change its vote, and a surrogate only saw its votes.
"""

_KINDS_APART = ("column", "length")
"""Kinds whose terms are no words: the column ``age`` is another thing than the word ``age``."""

_WHOLE_WORDS = ("token", "entry")
"""Kinds that stand for one word. What is known of the word ``my`` says nothing of ``army``, in which a search for the
part ``my`` shows, too."""


@dataclass(frozen=True)
class InspectedFeature:
    """One feature that a labeling function inspects for one class.

    Features of one ``clause`` are what a single rule asks for; clauses of one class are alternatives. Within a clause,
    features of one ``group`` are alternatives (any of them will do) and every group must be present:
    ``check.*(out|this)`` is one clause with the groups ``{check}`` and ``{out, this}``.

    Args:
        term: the text that is looked for, or the name of a column or entry.
        label: the class voted for.
        kind: how the term is looked for.
        value: strength in [-1, 1], the derivative of the smoothed LF; negative where presence takes the vote away.
        source: where the finding comes from.
        clause: which rule of the LF it belongs to.
        group: which group of alternatives within the clause.
        column: the column or attribute whose text is read; ``None`` where nobody said. Any other name of a column (0,
            or a tuple) becomes the text that it reads as.
        std_error: standard error of a probed value.
        support: number of documents on which a probed value rests.

    Raises:
        LabelingFunctionError: if the kind or source is unknown, the term is empty or the value lies outside [-1, 1].
    """

    term: str
    label: int
    kind: Kind = "substring"
    value: float = 1.0
    source: Source = "declared"
    clause: int = 0
    group: int = 0
    column: str | None = None
    std_error: float | None = None
    support: int | None = None

    def __post_init__(self) -> None:
        if self.column is not None:
            object.__setattr__(self, "column", str(self.column))
        if not isinstance(self.term, str) or not self.term:
            raise LabelingFunctionError(f"an inspected feature needs a non-empty text as its term, got {self.term!r}.")
        if self.kind not in get_args(Kind):
            raise LabelingFunctionError(f"kind {self.kind!r} of feature {self.term!r} is not one of {get_args(Kind)}.")
        if self.source not in get_args(Source):
            raise LabelingFunctionError(f"source {self.source!r} of {self.term!r} is not one of {get_args(Source)}.")
        if not -1 <= self.value <= 1:
            raise LabelingFunctionError(f"value {self.value} of feature {self.term!r} lies outside [-1, 1].")


@dataclass(frozen=True)
class LFRecord:
    """What one labeling function inspects.

    Args:
        name: name of the labeling function.
        features: the findings, of every source.
        columns: columns, attributes or keys of a data point that the LF reads; empty where nobody said.
        notes: what a reader should know, such as "defeated tracing" or "not deterministic".

    Example:
        >>> record = LFRecord("spam", (InspectedFeature("subscribe", label=1),))
        >>> LFRecord.from_dict(record.to_dict()) == record
        True
    """

    name: str
    features: tuple[InspectedFeature, ...] = ()
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(map(str, self.columns)))

    def __repr__(self) -> str:
        terms = ", ".join(f"{feature.term:.20}: {feature.label}" for feature in self.features[:4])
        more = f", ... {len(self.features)} in all" * (len(self.features) > 4)
        notes = f", {len(self.notes)} notes" * bool(self.notes)
        return f"LFRecord({self.name!r:.60}, {f'[{terms}{more}]' if terms else 'nothing on record'}{notes})"

    def _repr_html_(self) -> str:
        """Return a table of the findings, for notebooks."""
        import pandas as pd

        return html_table(pd.DataFrame([vars(feature) for feature in self.features]), repr(self))

    def merge(self, other: LFRecord) -> LFRecord:
        """Return one record with the findings, columns and notes of both; equal ones are kept once."""
        return replace(
            self,
            features=_distinct(self.features + other.features),
            columns=_distinct(self.columns + other.columns),
            notes=_distinct(self.notes + other.notes),
        )

    def from_sources(self, sources: Iterable[Source]) -> LFRecord:
        """Return the record with only the findings of these sources."""
        keep = set(sources)
        return replace(self, features=tuple(f for f in self.features if f.source in keep))

    def in_force(self) -> tuple[InspectedFeature, ...]:
        """Return the findings that count, in their order.

        For each class, column and term, as a whole word or as a part of words, these are the findings of the most
        trusted source that has one (see ``TRUST``); a finding of which nobody said the column is of all columns. Where
        both meet in one feature, the more trusted one counts there. What
        ``LFInspection.summary`` shows and what gradient targets are made of is chosen here and nowhere else.

        Example:
            >>> declared = InspectedFeature("http", label=1, value=0.2)
            >>> traced = InspectedFeature("http", label=1, value=0.9, source="traced")
            >>> [(f.source, f.value) for f in LFRecord("links", (traced, declared)).in_force()]
            [('declared', 0.2)]
        """
        same: defaultdict[Hashable, list[InspectedFeature]] = defaultdict(list)
        for feature in self.features:
            same[_term_key(feature)].append(feature)
        return tuple(one for one in self.features if not any(_overrules(other, one) for other in same[_term_key(one)]))

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain types, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> LFRecord:
        """Build a record from what ``to_dict`` returned.

        Raises:
            LabelingFunctionError: if ``data`` does not have that form, or holds a feature that is ill-defined.
        """
        try:
            features = tuple(InspectedFeature(**feature) for feature in data["features"])
            return cls(data["name"], features, tuple(data["columns"]), tuple(data["notes"]))
        except (KeyError, TypeError) as error:
            raise LabelingFunctionError(
                f"not a record of a labeling function: {error}. Expected what LFRecord.to_dict() returns."
            ) from error


def most_trusted(candidates: Iterable[tuple[_Key, InspectedFeature, _T]]) -> dict[_Key, list[_T]]:
    """Choose for each key the candidates whose finding has the most trusted source.

    Args:
        candidates: triples of a key, a finding, and what stands for it in the result.

    Returns:
        For each key, in order of appearance, the third members of its most trusted candidates, in their order.

    Example:
        >>> probed = InspectedFeature("win", label=1, source="probed")
        >>> declared = InspectedFeature("win", label=1)
        >>> most_trusted([("win", probed, "a"), ("win", declared, "b"), ("win", declared, "c")])
        {'win': ['b', 'c']}
    """
    by_key: defaultdict[_Key, defaultdict[int, list[_T]]] = defaultdict(lambda: defaultdict(list))
    for key, feature, item in candidates:
        by_key[key][TRUST.index(feature.source)].append(item)
    return {key: ranked[min(ranked)] for key, ranked in by_key.items()}


def _term_key(feature: InspectedFeature) -> Hashable:
    kind = feature.kind if feature.kind in _KINDS_APART else "word" if feature.kind in _WHOLE_WORDS else "part"
    return feature.label, kind, feature.term.lower()


def _overrules(other: InspectedFeature, one: InspectedFeature) -> bool:
    """Tell whether a finding about the same term is of the same column and a more trusted source."""
    is_same_column = one.column == other.column or one.column is None or other.column is None
    return is_same_column and TRUST.index(other.source) < TRUST.index(one.source)


def _distinct(items: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(items))
