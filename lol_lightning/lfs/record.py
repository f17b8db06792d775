"""The record of what a labeling function inspects: declared, traced or probed, one form for all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

from lol_lightning.exceptions import LabelingFunctionError

__all__ = ["InspectedFeature", "Kind", "LFRecord", "Source"]

Kind = Literal["token", "prefix", "suffix", "substring", "entry", "column", "length"]
"""How a term is looked for.

``token``: a whole token; ``prefix``, ``suffix``: the beginning, the end of one; ``substring``: anywhere in the text;
``entry``: a name of the feature space itself, taken as it is; ``column``: a column of a table or an attribute of a
data point; ``length``: the length of a text, which no bag of words holds.
"""

Source = Literal["declared", "traced", "probed", "surrogate"]
"""Where a finding comes from."""


@dataclass(frozen=True)
class InspectedFeature:
    """One feature that a labeling function inspects for one class.

    Features of one ``clause`` are what a single rule asks for. Within a clause, features of one ``group`` are
    alternatives (any of them will do) and the groups must all be found: ``check.*(out|this)`` is one clause with the
    groups ``{check}`` and ``{out, this}``.

    Args:
        term: the text that is looked for, or the name of a column or entry.
        label: the class voted for.
        kind: how the term is looked for.
        value: strength in [-1, 1], the derivative of the smoothed LF; negative where presence takes the vote away.
        source: where the finding comes from.
        clause: which rule of the LF it belongs to.
        group: which group of alternatives within the clause.
        column: the column or attribute whose text is read, where that is known.
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
        columns: columns, attributes or keys of a data point that the LF reads, where that is known.
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

    def merge(self, other: LFRecord) -> LFRecord:
        """Return one record with the findings, columns and notes of both; equal ones are kept once."""
        return replace(
            self,
            features=_distinct(self.features + other.features),
            columns=_distinct(self.columns + other.columns),
            notes=_distinct(self.notes + other.notes),
        )

    def from_sources(self, sources: Iterable[Source]) -> LFRecord:
        """Return the record with only the findings of the given sources."""
        keep = set(sources)
        return replace(self, features=tuple(f for f in self.features if f.source in keep))

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain types, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> LFRecord:
        """Build a record from what ``to_dict`` gave."""
        try:
            features = tuple(InspectedFeature(**feature) for feature in data["features"])
            return cls(data["name"], features, tuple(data["columns"]), tuple(data["notes"]))
        except (KeyError, TypeError) as error:
            raise LabelingFunctionError(
                f"not a record of a labeling function: {error}. Expected what LFRecord.to_dict() returns."
            ) from error


def _distinct(items: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(items))
