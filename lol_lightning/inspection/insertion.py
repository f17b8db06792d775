"""Rows with and without an inspected term, and what the LFs do on them: their derivative as a difference."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from snorkel.labeling import LabelingFunction

from lol_lightning.exceptions import ConfigurationError, DataError, check_choice
from lol_lightning.features.bag_of_words import BagOfWords
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.inspection._budget import Budget
from lol_lightning.inspection._votes import NOT_CALLED, UNKNOWN
from lol_lightning.inspection.probing._calls import CountedCalls
from lol_lightning.inspection.probing._points import TextPoints, TokenPoints, points_of
from lol_lightning.inspection.terms import Term, Vocabulary, terms_of
from lol_lightning.lfs.limits import CALL_SECONDS
from lol_lightning.lfs.point_copies import private_copy
from lol_lightning.lfs.record import LFRecord
from lol_lightning.lfs.rows import Rows, column_of
from lol_lightning.lfs.words import NO_SPACES, WORD

__all__ = ["InsertedRows", "InsertionOptions", "Place", "insert_terms"]

Place = Literal["random", "alone", "removal"]
"""Where a term stands: at a random place of a row, as a text of its own, or where a row holds it, which loses it."""

_TOKENS = "\x1f"
_WORDS = re.compile(WORD)
_NO_SPACES = re.compile(NO_SPACES)


@dataclass(frozen=True)
class InsertionOptions:
    """How terms are inserted into rows.

    Args:
        max_insertions: how many pairs of rows, with and without a term, are made in all; the LFs share them.
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
        for name, least in (
            ("max_insertions", 1),
            ("terms_per_step", 1),
            ("rows_per_term", 1),
            ("max_words", 1),
            ("max_calls", 0),
        ):
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise ConfigurationError(f"{name} = {value} must be at least {least}.")
        if isinstance(self.places, str) or not len(self.places):
            raise ConfigurationError(f"places = {self.places!r}; give a list of {', '.join(get_args(Place))}.")
        for place in self.places:
            check_choice("places", place, get_args(Place))


@dataclass(eq=False)
class InsertedRows:
    """P rows with a term and the same rows without it.

    Args:
        with_term: rows.
        without_term: the same rows without their term.
        lf: int64 (P,), the LF that inspects the term.
        cls: int64 (P,), the class that it speaks for.
        value: float64 (P,), what the term adds to the LF's vote for the class: 1 or -1 where the LF was called on both
            rows, else what the training rows tell of the term, in [-1, 1].
        term: int64 (P,), number of the term in ``terms``.
        terms: texts of the terms.
        lf_scale: float64 (m,), the part of the insertions tried that brings the LF's vote.
        spans: int64 (P, 2), begin and end of the term in the text of ``with_term`` that holds it.
    """

    with_term: Rows
    without_term: Rows
    lf: Int[np.ndarray, " pair"]
    cls: Int[np.ndarray, " pair"]
    value: Float[np.ndarray, " pair"]
    term: Int[np.ndarray, " pair"]
    terms: list[str]
    lf_scale: Float[np.ndarray, " lf"]
    spans: Int[np.ndarray, "pair 2"]

    __repr__ = short_repr

    def __len__(self) -> int:
        """Return P."""
        return len(self.lf)


class _Pair(NamedTuple):
    term: int
    row: int
    column: str
    with_term: str
    without_term: str
    span: tuple[int, int]


def insert_terms(
    rows: Rows,
    records: Sequence[LFRecord],
    votes: Int[np.ndarray, "row lf"],
    text_columns: Sequence[str],
    lfs: Mapping[str, LabelingFunction] | None = None,
    options: InsertionOptions | None = None,
    fault_tolerant: bool = False,
    max_call_seconds: float | None = CALL_SECONDS,
) -> InsertedRows:
    r"""Insert what the LFs inspect into rows of the corpus, and see what each LF does about it.

    The derivative of the smoothed LF (Sec. 4.2) is the mean of :math:`\lambda_k(x \text{ with } j) - \lambda_k(x
    \text{ without } j)`. Where an LF has code it is called on both rows: pairs on which the term changes nothing, as
    another word brings the vote anyway or the LF looks at the first word only, make no demand, and the LF counts by
    the part of its pairs that do. LFs without code have the values that votes and words of the training rows tell.

    Args:
        rows: n training rows.
        records: what each of the m LFs inspects.
        votes: int64 (n, m), class ids or ``ABSTAIN``.
        text_columns: the columns that the model reads, at least one. A term that is looked for in another column is
            inserted there and into all of these.
        lfs: LFs with code, by name.
        options: how many, and where.
        fault_tolerant: whether an LF that fails on a row abstains there.
        max_call_seconds: how long one call of an LF may take.

    Returns:
        At most ``max_insertions`` pairs.

    Raises:
        DataError: if rows have none of the text columns.

    Example:
        >>> from lol_lightning.lfs.rules import keyword_lf
        >>> lf = keyword_lf("prize", ["prize"], label=1)
        >>> votes = np.array([[-1], [-1]])
        >>> made = insert_terms(["see you", "my song"], [lf.record], votes, ["text"], {"prize": lf})
        >>> all("prize" in text for text in made.with_term.text), made.value.min()
        (True, np.float64(1.0))
    """
    options = InsertionOptions() if options is None else options
    if not isinstance(rows, pd.DataFrame) and len(rows) and isinstance(rows[0], str):
        rows = pd.DataFrame({text_columns[0]: list(rows)}, dtype=object)
    points = _points(rows, {*text_columns, *(f.column for record in records for f in record.features if f.column)})
    if not any(column in points for column in text_columns):
        raise DataError(f"the rows have none of the columns {list(text_columns)} of texts, into which terms go.")
    default = next(column for column in text_columns if column in points)
    terms = _all_terms(points, records, votes, default, options.seed)
    of_lf: dict[int, list[int]] = defaultdict(list)
    for number, term in enumerate(terms):
        of_lf[term.lf].append(number)
    pairs = list(_pairs(terms, of_lf, points, votes, default, options))
    value, is_tried = _values(pairs, terms, points, records, lfs or {}, options, fault_tolerant, max_call_seconds)
    lf = np.array([terms[pair.term].lf for pair in pairs], dtype=np.int64)
    kept = np.flatnonzero(value != 0)
    tried = np.bincount(lf[is_tried], minlength=len(records))
    moved = np.bincount(lf[kept][is_tried[kept]], minlength=len(records))
    scale = np.where(tried > 0, moved / np.maximum(tried, 1), 1.0)
    chosen = [pairs[i] for i in kept]
    return InsertedRows(
        _changed(rows, chosen, points, text_columns, "with_term"),
        _changed(rows, chosen, points, text_columns, "without_term"),
        lf[kept],
        np.array([terms[pair.term].cls for pair in chosen], dtype=np.int64),
        value[kept],
        np.array([pair.term for pair in chosen], dtype=np.int64),
        [term.text for term in terms],
        scale,
        np.array([pair.span for pair in chosen], dtype=np.int64).reshape(-1, 2),
    )


def _points(rows: Rows, columns: set[str]) -> dict[str, TextPoints]:
    """Return the texts of the columns that hold some."""
    points = {}
    for column in sorted(columns):
        values = column_of(rows, column)
        if values is None:
            continue
        found = points_of(rows, column, values)
        if any(found.texts):
            points[column] = found
    return points


def _all_terms(
    points: Mapping[str, TextPoints],
    records: Sequence[LFRecord],
    votes: Int[np.ndarray, "row lf"],
    default: str,
    seed: int,
) -> list[Term]:
    vocabularies = {}
    for column, found in points.items():
        texts = [text.replace(_TOKENS, " ") for text in found.texts]
        bag = BagOfWords(text_column=column)
        features = bag.fit_transform(pd.DataFrame({column: texts}, dtype=object), ())
        vocabularies[column] = Vocabulary(bag, features, votes, records)
    return [term for lf, record in enumerate(records) for term in terms_of(lf, record, vocabularies, default, seed)]


def _pairs(
    terms: Sequence[Term],
    of_lf: Mapping[int, Sequence[int]],
    points: Mapping[str, TextPoints],
    votes: Int[np.ndarray, "row lf"],
    default: str,
    options: InsertionOptions,
) -> Iterator[_Pair]:
    quota = max(1, options.max_insertions // max(len(of_lf), 1))
    for lf, numbers in of_lf.items():
        generator = np.random.default_rng([options.seed, lf])
        chosen = generator.permutation(np.asarray(numbers))
        rows_of = {}
        for i in range(min(quota, len(votes) * len(options.places) * len(chosen))):
            number = int(chosen[i % len(chosen)])
            term = terms[number]
            if number not in rows_of:
                rows_of[number] = _background(votes[:, lf], term, generator)
            background = rows_of[number]
            place = options.places[(i // len(chosen)) % len(options.places)]
            row = int(background[(i // len(chosen)) % len(background)])
            column = term.column or default
            yield _placed(number, term.text, row, column, points[column], place, options.max_words, generator)


def _background(votes: Int[np.ndarray, " row"], term: Term, generator: np.random.Generator) -> Int[np.ndarray, " row"]:
    """Return rows in a random order: first those on which the term can change the vote."""
    order = generator.permutation(len(votes))
    has_vote = votes[order] == term.cls
    changeable = has_vote if term.value < 0 else ~has_vote
    return np.concatenate([order[changeable], order[~changeable]])[: max(int(changeable.sum()), 1)]


def _placed(
    number: int,
    term: str,
    row: int,
    column: str,
    points: TextPoints,
    place: Place,
    max_words: int,
    generator: np.random.Generator,
) -> _Pair:
    separator = _TOKENS if isinstance(points, TokenPoints) else " "
    term = separator.join(term.split())
    if place == "alone":
        return _Pair(number, row, column, term, "", (0, len(term)))
    text = _window(points.texts[row], max_words, generator)
    spans = [match.span() for match in re.finditer(re.escape(term), text, flags=re.IGNORECASE)]
    if spans:
        without = text
        for start, end in reversed(spans):
            without = without[:start] + without[end:]
        return _Pair(number, row, column, text, without, spans[0])
    starts = [match.start() for match in _WORDS.finditer(text)] + [len(text)]
    at = starts[int(generator.integers(len(starts)))]
    before, after = text[:at], text[at:]
    if not _NO_SPACES.search(term):
        before += separator if before and not before[-1].isspace() and before[-1] != separator else ""
        after = (separator if after and not after[0].isspace() else "") + after
    return _Pair(number, row, column, before + term + after, text, (len(before), len(before) + len(term)))


def _window(text: str, max_words: int, generator: np.random.Generator) -> str:
    words = [match.span() for match in _WORDS.finditer(text)]
    if len(words) <= max_words:
        return text
    first = int(generator.integers(len(words) - max_words + 1))
    return text[words[first][0] : words[first + max_words - 1][1]]


def _values(
    pairs: Sequence[_Pair],
    terms: Sequence[Term],
    points: Mapping[str, TextPoints],
    records: Sequence[LFRecord],
    lfs: Mapping[str, LabelingFunction],
    options: InsertionOptions,
    fault_tolerant: bool,
    max_call_seconds: float | None,
) -> tuple[Float[np.ndarray, " pair"], Bool[np.ndarray, " pair"]]:
    """Return what the term of each pair adds to its LF's vote, and whether the LF itself told."""
    value = np.array([terms[pair.term].value for pair in pairs], dtype=np.float64)
    is_tried = np.zeros(len(pairs), dtype=bool)
    budget = Budget(options.max_calls, options.max_seconds, max_call_seconds)
    by_lf: dict[tuple[int, str], list[int]] = defaultdict(list)
    for i, pair in enumerate(pairs):
        by_lf[terms[pair.term].lf, pair.column].append(i)
    with budget.limit:
        for (lf, column), members in by_lf.items():
            if (code := lfs.get(records[lf].name)) is None:
                continue
            calls = CountedCalls(code, points[column], budget, "abstain" if fault_tolerant else "note")
            cls = np.array([terms[pairs[i].term].cls for i in members])
            after = np.array(calls([(pairs[i].row, pairs[i].with_term) for i in members]))
            before = np.array(calls([(pairs[i].row, pairs[i].without_term) for i in members]))
            called = ~np.isin(after, (NOT_CALLED,)) & ~np.isin(before, (NOT_CALLED,))
            failed = np.isin(after, (UNKNOWN,)) | np.isin(before, (UNKNOWN,))
            told = np.where(failed, 0, (after == cls).astype(int) - (before == cls).astype(int))
            # A word that is to bring the vote and takes it away says nothing clear, and the other way round.
            told = np.where(np.sign(told) == np.sign(value[members]), told, 0)
            value[members] = np.where(called, told, value[members])
            is_tried[members] = called
    return value, is_tried


def _changed(
    rows: Rows, pairs: Sequence[_Pair], points: Mapping[str, TextPoints], text_columns: Sequence[str], which: str
) -> Rows:
    """Return a copy of the row of each pair that holds its texts."""
    changes = [_texts(pair, points, text_columns, which) for pair in pairs]
    if not isinstance(rows, pd.DataFrame):
        found = [private_copy(rows[pair.row], change) for pair, change in zip(pairs, changes, strict=True)]
        return found
    frame = rows.iloc[[pair.row for pair in pairs]].astype(object).reset_index(drop=True)
    for column in sorted({column for change in changes for column in change}):
        values = frame[column].tolist()
        frame[column] = pd.Series(
            [change.get(column, v) for change, v in zip(changes, values, strict=True)], dtype=object
        )
    return frame


def _texts(pair: _Pair, points: Mapping[str, TextPoints], text_columns: Sequence[str], which: str) -> dict[str, Any]:
    text = pair.with_term if which == "with_term" else pair.without_term
    texts = {pair.column: points[pair.column]._value_of(pair.row, text)}
    if pair.column not in text_columns:
        # The model reads another column, such as the title and the body as one text.
        for column in text_columns:
            if column in points:
                texts[column] = points[column]._value_of(pair.row, text)
    return texts
