"""Pairs of texts, with and without a term: which rows they come from, and where the term stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Int

from lol_lightning.exceptions import ConfigurationError, check_choice, check_number
from lol_lightning.inspection.probing._points import TextPoints
from lol_lightning.inspection.probing._units import remove_spans
from lol_lightning.inspection.terms import Term
from lol_lightning.lfs.words import NO_SPACES, WORD

__all__ = ["InsertionOptions", "Pair", "Place", "placed_pairs"]

Place = Literal["random", "alone", "removal"]
"""Where a term stands: at a random place of a row, as a text of its own, or where a row holds it, which loses it.

Where no row holds a term, it stands at a random place."""

_WORDS = re.compile(WORD)
_NO_SPACES = re.compile(NO_SPACES)


@dataclass(frozen=True)
class InsertionOptions:
    """How terms are inserted into rows.

    Args:
        max_insertions: how many pairs of rows, with and without a term, are made in all; the LFs share them, and each
            has at least one.
        terms_per_step: how many terms each training step draws, of the LFs in turn; ``None`` for all.
        rows_per_term: how many rows of each of them a step draws.
        places: where terms stand, in turn; see ``Place``. A row that holds its term already loses it instead.
        max_words: a longer row lends a window of so many words.
        max_calls: how often all LFs together may be called on such rows; ``None`` for no limit.
        max_seconds: how long that may take; ``None`` for no limit.
        seed: of rows, places and draws.

    Raises:
        ConfigurationError: if a place is unknown or a number is out of range.

    Example:
        >>> InsertionOptions(terms_per_step=8).places
        ('random', 'alone')
    """

    max_insertions: int = 1000
    terms_per_step: int | None = 12
    rows_per_term: int = 6
    places: Sequence[Place] = ("random", "alone")
    max_words: int = 64
    max_calls: int | None = 50_000
    max_seconds: float | None = 60.0
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"max_insertions": 1, "terms_per_step": 1, "rows_per_term": 1, "max_words": 1, "max_calls": 0}
        for name, at_least in least.items():
            if (value := getattr(self, name)) is not None:
                check_number(name, value, at_least=at_least, whole=True)
        if isinstance(self.places, str) or not len(self.places):
            raise ConfigurationError(f"places = {self.places!r}; give a list of {', '.join(get_args(Place))}.")
        for place in self.places:
            check_choice("places", place, get_args(Place))


class Pair(NamedTuple):
    """Two texts of one row that differ in a term."""

    term: int
    row: int
    column: str
    with_term: str
    without_term: str
    span: tuple[int, int]


def placed_pairs(
    terms: Sequence[Term],
    of_lf: Mapping[int, Sequence[int]],
    points: Mapping[str, TextPoints],
    votes: Int[np.ndarray, "row lf"],
    default: str,
    options: InsertionOptions,
) -> Iterator[Pair]:
    """Yield the pairs of each LF, as many of each of its terms.

    Args:
        terms: of all LFs.
        of_lf: numbers of the terms of each LF that has some.
        points: texts of the rows, by column.
        votes: int64 (n, m).
        default: column of terms that name none.
        options: how many, and where.
    """
    quota = max(1, options.max_insertions // max(len(of_lf), 1))
    for lf, numbers in of_lf.items():
        generator = np.random.default_rng([options.seed, lf])
        chosen = generator.permutation(np.asarray(numbers))
        rows_of: dict[tuple[int, bool], Int[np.ndarray, " row"]] = {}
        for i in range(min(quota, len(votes) * len(options.places) * len(chosen))):
            number = int(chosen[i % len(chosen)])
            term = terms[number]
            column = term.column or default
            place = options.places[(i // len(chosen)) % len(options.places)]
            key = (number, place == "removal")
            if key not in rows_of:
                rows_of[key] = _background(votes[:, lf], term, generator)
                if place == "removal":
                    rows_of[key] = _holders(points[column], term.text, generator, rows_of[key])
            background = rows_of[key]
            row = int(background[(i // len(chosen)) % len(background)])
            yield _placed(number, term.text, row, column, points[column], place, options.max_words, generator)


def _background(votes: Int[np.ndarray, " row"], term: Term, generator: np.random.Generator) -> Int[np.ndarray, " row"]:
    """Return rows in a random order: first those on which the term can change the vote."""
    order = generator.permutation(len(votes))
    has_vote = votes[order] == term.cls
    changeable = has_vote if term.value < 0 else ~has_vote
    return np.concatenate([order[changeable], order[~changeable]])[: max(int(changeable.sum()), 1)]


def _holders(
    points: TextPoints, term: str, generator: np.random.Generator, default: Int[np.ndarray, " row"]
) -> Int[np.ndarray, " row"]:
    """Return the rows that hold a term, in a random order, or by default others."""
    term = _of_column(term, points)
    rows = [row for row, text in enumerate(points.texts) if _spans_of(term, text)]
    return generator.permutation(np.asarray(rows, dtype=np.int64)) if rows else default


def _of_column(term: str, points: TextPoints) -> str:
    return points.separator.join(term.split())


def _spans_of(term: str, text: str) -> list[tuple[int, int]]:
    """Return where a text holds a term as whole words, not as a part of longer ones."""
    spans = [match.span() for match in re.finditer(re.escape(term), text, flags=re.IGNORECASE)]
    if not spans or _NO_SPACES.search(term):
        return spans
    inside = {place for match in _WORDS.finditer(text) for place in range(match.start() + 1, match.end())}
    return [span for span in spans if not inside.intersection(span)]


def _placed(
    number: int,
    term: str,
    row: int,
    column: str,
    points: TextPoints,
    place: Place,
    max_words: int,
    generator: np.random.Generator,
) -> Pair:
    separator = points.separator
    term = _of_column(term, points)
    if place == "alone":
        return Pair(number, row, column, term, "", (0, len(term)))
    text = _window(points.texts[row], max_words, generator)
    if spans := _spans_of(term, text):
        return Pair(number, row, column, text, remove_spans(text, spans), spans[0])
    starts = [match.start() for match in _WORDS.finditer(text)] + [len(text)]
    at = starts[int(generator.integers(len(starts)))]
    before, after = text[:at], text[at:]
    if not _NO_SPACES.search(term):
        before += separator if before and not before[-1].isspace() and before[-1] != separator else ""
        after = (separator if after and not after[0].isspace() else "") + after
    return Pair(number, row, column, before + term + after, text, (len(before), len(before) + len(term)))


def _window(text: str, max_words: int, generator: np.random.Generator) -> str:
    words = [match.span() for match in _WORDS.finditer(text)]
    if len(words) <= max_words:
        return text
    first = int(generator.integers(len(words) - max_words + 1))
    return text[words[first][0] : words[first + max_words - 1][1]]
