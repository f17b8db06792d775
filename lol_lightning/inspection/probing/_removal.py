"""Which units of a document carry the vote: every unit by itself, or halving (group testing)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lol_lightning.inspection._votes import NOT_CALLED
from lol_lightning.inspection.probing._units import Span, remove_spans, spans_of

__all__ = ["Document", "Group", "critical_units", "every_unit", "suspects_first"]

Group = tuple[str, ...]
"""Units that are removed together."""

MAX_CHARS = 2**24
"""Characters of the texts that are made at a time."""


@dataclass(frozen=True)
class Document:
    """A text on which the LF votes.

    Args:
        row: index of the data point.
        text: the text as it is.
        units: the spans of each unit that is to be probed.
        vote: the LF's vote on it.
    """

    row: int
    text: str
    units: dict[str, tuple[Span, ...]]
    vote: int

    def without(self, group: Group) -> str:
        """Return the text with all occurrences of the units of a group taken out."""
        return remove_spans(self.text, spans_of(self.units, group))


def every_unit(document: Document) -> list[Group]:
    """Each unit in a group of its own: as many calls as units, right for any LF."""
    return [(unit,) for unit in document.units]


def suspects_first(document: Document, suspects: frozenset[str]) -> list[Group]:
    """Units that decided earlier documents each by themselves, all the others in one group.

    Example:
        >>> suspects_first(Document(0, "", dict.fromkeys(["a", "b", "c"], ()), vote=1), frozenset({"b"}))
        [('b',), ('a', 'c')]
    """
    rest = tuple(unit for unit in document.units if unit not in suspects)
    return [(unit,) for unit in document.units if unit in suspects] + ([rest] if rest else [])


def critical_units(
    call: Callable[[Sequence[tuple[int, str]]], list[int]],
    documents: Sequence[Document],
    groups: Sequence[Sequence[Group]],
) -> list[dict[str, int] | None]:
    """Find the vote after the removal of each unit, all documents level by level so that calls come in batches.

    A group whose removal leaves the vote clears all its units; one whose removal changes the vote is halved, down to
    single units. The answer is that of removing every unit by itself, with ``c log2(u)`` instead of ``u`` calls for
    ``c`` critical of ``u`` units, *if* the LF is monotone on the document: removing more never brings the vote back.

    Args:
        call: from pairs ``(row, text)`` to votes.
        documents: D texts on which the LF votes.
        groups: the groups to begin with, for each document; a partition of its units.

    Returns:
        For each document the vote after the removal of each unit; ``None`` where the calls ran out.

    Example:
        >>> text = "please subscribe now"
        >>> document = Document(0, text, {"please": ((0, 6),), "subscribe": ((7, 16),), "now": ((17, 20),)}, vote=1)
        >>> lf = lambda tests: [1 if "subscribe" in text else -1 for _, text in tests]
        >>> critical_units(lf, [document], [[("please", "subscribe", "now")]])
        [{'please': 1, 'subscribe': -1, 'now': 1}]
    """
    after: list[dict[str, int] | None] = [{} for _ in documents]
    pending = [(d, group) for d, first in enumerate(groups) for group in first]
    while pending:
        halves: list[tuple[int, Group]] = []
        for (d, group), vote in _called(call, documents, pending):
            answers = after[d]
            if answers is None or vote == NOT_CALLED:
                after[d] = None
            elif len(group) == 1 or vote == documents[d].vote:
                answers.update(dict.fromkeys(group, vote))
            else:
                middle = len(group) // 2
                halves += [(d, group[:middle]), (d, group[middle:])]
        pending = halves
    return after


def _called(
    call: Callable[[Sequence[tuple[int, str]]], list[int]],
    documents: Sequence[Document],
    pending: Sequence[tuple[int, Group]],
) -> Iterator[tuple[tuple[int, Group], int]]:
    """Call in batches of bounded size: every unit of a long document makes a text as long as the document."""
    first = 0
    while first < len(pending):
        last, num_chars = first, 0
        while last < len(pending) and num_chars < MAX_CHARS:
            num_chars += len(documents[pending[last][0]].text)
            last += 1
        batch = pending[first:last]
        yield from zip(batch, call([(documents[d].row, documents[d].without(g)) for d, g in batch]), strict=True)
        first = last
