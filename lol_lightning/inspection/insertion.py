"""Rows with and without an inspected term, and what the LFs do on them: their derivative as a difference."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from snorkel.labeling import LabelingFunction

from lol_lightning.exceptions import DataError
from lol_lightning.features.bag_of_words import BagOfWords
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.inspection._budget import Budget
from lol_lightning.inspection._votes import NOT_CALLED, UNKNOWN
from lol_lightning.inspection.placing import InsertionOptions, Pair, Place, placed_pairs
from lol_lightning.inspection.probing._calls import CountedCalls
from lol_lightning.inspection.probing._points import BETWEEN, TextPoints, points_of
from lol_lightning.inspection.terms import Term, Vocabulary, terms_of
from lol_lightning.lfs.limits import CALL_SECONDS
from lol_lightning.lfs.point_copies import private_copy
from lol_lightning.lfs.record import LFRecord
from lol_lightning.lfs.rows import Rows, column_of
from lol_lightning.lfs.saying import say

__all__ = ["InsertedRows", "InsertionOptions", "Place", "insert_terms"]


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
        The pairs on which the term counts, at most ``max_insertions`` or one for each LF.

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
    pairs = list(placed_pairs(terms, of_lf, points, votes, default, options))
    value, is_tried = _values(pairs, terms, points, records, lfs or {}, options, fault_tolerant, max_call_seconds)
    lf = np.array([terms[pair.term].lf for pair in pairs], dtype=np.int64)
    kept = np.flatnonzero(value != 0)
    tried = np.bincount(lf[is_tried], minlength=len(records))
    moved = np.bincount(lf[kept][is_tried[kept]], minlength=len(records))
    scale = np.where(tried > 0, moved / np.maximum(tried, 1), 1.0)
    chosen = [pairs[i] for i in kept]
    return InsertedRows(
        _changed(rows, chosen, [pair.with_term for pair in chosen], points, text_columns),
        _changed(rows, chosen, [pair.without_term for pair in chosen], points, text_columns),
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
        of_column = points_of(rows, column, values)
        if any(of_column.texts):
            points[column] = of_column
    return points


def _all_terms(
    points: Mapping[str, TextPoints],
    records: Sequence[LFRecord],
    votes: Int[np.ndarray, "row lf"],
    default: str,
    seed: int,
) -> list[Term]:
    vocabularies = {}
    for column, of_column in points.items():
        texts = [text.replace(BETWEEN, " ") for text in of_column.texts]
        bag = BagOfWords(text_column=column)
        features = bag.fit_transform(pd.DataFrame({column: texts}, dtype=object), ())
        vocabularies[column] = Vocabulary(bag, features, votes, records)
    return [term for lf, record in enumerate(records) for term in terms_of(lf, record, vocabularies, default, seed)]


def _values(
    pairs: Sequence[Pair],
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
            added = np.where(failed, 0, (after == cls).astype(int) - (before == cls).astype(int))
            # A word that is to bring the vote and takes it away says nothing clear, and the other way round.
            added = np.where(np.sign(added) == np.sign(value[members]), added, 0)
            value[members] = np.where(called, added, value[members])
            # A call that fails says nothing about how often the term brings the vote.
            is_tried[members] = called & ~failed
            for note in calls.notes:
                say(f"{records[lf].name} on rows with and without its terms: {note}.")
            if not called.all():
                say(
                    f"{records[lf].name} was not called on {int((~called).sum())} of {len(called)} pairs of rows "
                    "(max_calls, max_seconds); their values are those of its record."
                )
    return value, is_tried


def _changed(
    rows: Rows,
    pairs: Sequence[Pair],
    texts: Sequence[str],
    points: Mapping[str, TextPoints],
    text_columns: Sequence[str],
) -> Rows:
    """Return a copy of the row of each pair that holds a text in place of its own."""
    changes = [_values_of(pair, text, points, text_columns) for pair, text in zip(pairs, texts, strict=True)]
    if not isinstance(rows, pd.DataFrame):
        return [private_copy(rows[pair.row], change) for pair, change in zip(pairs, changes, strict=True)]
    frame = rows.iloc[[pair.row for pair in pairs]].astype(object).reset_index(drop=True)
    for column in sorted({column for change in changes for column in change}):
        values = frame[column].tolist()
        frame[column] = pd.Series(
            [change.get(column, v) for change, v in zip(changes, values, strict=True)], dtype=object
        )
    return frame


def _values_of(pair: Pair, text: str, points: Mapping[str, TextPoints], text_columns: Sequence[str]) -> dict[str, Any]:
    """Return what the columns hold that a text is put into, by name."""
    values = {pair.column: points[pair.column].value_of(pair.row, text)}
    if pair.column not in text_columns:
        # The model reads another column, such as the title and the body as one text.
        for column in text_columns:
            if column in points:
                of_words = points[column].separator == BETWEEN
                same = re.sub(r"\s", BETWEEN, text) if of_words else text.replace(BETWEEN, " ")
                values[column] = points[column].value_of(pair.row, same)
    return values
