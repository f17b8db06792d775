"""Application of labeling functions to a corpus, cell for cell as Snorkel's appliers do it, and many times faster."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from snorkel.labeling import LabelingFunction, LFApplier, PandasLFApplier
from tqdm import tqdm  # type: ignore[import-untyped]

from lol_lightning.exceptions import LabelingFunctionError, renamed_arguments
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.lfs.lfs import as_lfs
from lol_lightning.lfs.matrix import validate_votes
from lol_lightning.lfs.rows import as_rows
from lol_lightning.lfs.rules._corpus import TextBlock, text_blocks
from lol_lightning.lfs.rules.rule_types import Rule, RuleFunction, read_text

__all__ = ["fast_apply", "validate_votes"]

Votes = npt.NDArray[np.int64]


@renamed_arguments(column="text_column")
def fast_apply(
    lfs: Iterable[Any],
    data: pd.DataFrame | Sequence[Any],
    text_column: str = "text",
    progress_bar: bool = False,
) -> Votes:
    """Apply labeling functions; every vote is the one that Snorkel's applier gives.

    LFs that consist of rules (``keyword_lf``, ``regex_lf``, ``rules_lf``) and have no preprocessor are evaluated
    over the whole corpus at once. All others go through ``PandasLFApplier`` or ``LFApplier``, row by row in order, so
    that side effects, caches and random numbers are as they are there.

    Args:
        lfs: labeling functions with distinct names, Snorkel's or plain functions; see ``as_lfs``.
        data: a DataFrame, or a sequence of data points as ``LFApplier`` takes them. Plain texts stand for rows that
            have one column.
        text_column: the name of that one column; else not used, as every LF knows what it reads.
        progress_bar: whether to show one.

    Returns:
        int64 (n, m), class ids or ``ABSTAIN``.

    Raises:
        LabelingFunctionError: if an LF raises, or its vote is no integer from -1 on. Snorkel too fails at ``None``; it
            cuts 1.5 to 1 and takes -2 for an abstention, which here are errors. LF, row and cure are named. Also if
            ``as_lfs`` refuses one of ``lfs``.

    Example:
        >>> from lol_lightning.lfs.rules.rules import keyword_lf
        >>> lfs = [keyword_lf("asks", ["please"], label=1), keyword_lf("music", ["song"], label=0)]
        >>> fast_apply(lfs, ["Please listen to my song"])
        array([[1, 0]])
    """
    lfs = as_lfs(lfs)
    data = as_rows(data, text_column)
    votes = np.full((len(data), len(lfs)), ABSTAIN, dtype=np.int64)
    if votes.size == 0:
        return votes
    by_column: dict[str, dict[int, tuple[Rule, ...]]] = {}
    others = []
    for i, lf in enumerate(lfs):
        if _has_only_rules(lf):
            by_column.setdefault(lf._f.column, {})[i] = lf._f.rules
        else:
            others.append(i)
    for name, rules in by_column.items():
        texts = _texts(data, name, lfs[next(iter(rules))].name)
        with tqdm(total=len(texts), disable=not progress_bar) as progress:
            for first, block in text_blocks(texts):
                for i, ordered in rules.items():
                    votes[first : first + len(block.texts), i] = _vote(ordered, block)
                progress.update(len(block.texts))
    if others:
        applier = PandasLFApplier if isinstance(data, pd.DataFrame) else LFApplier
        columns = list(map(str, data.columns)) if isinstance(data, pd.DataFrame) else None
        guarded = [_Guarded(lfs[i], columns) for i in others]
        votes[:, others] = applier(guarded).apply(data, progress_bar=progress_bar)
    return votes


class _Guarded(LabelingFunction):  # type: ignore[misc]
    """A labeling function whose failures name it and the row."""

    def __init__(self, lf: LabelingFunction, columns: list[str] | None) -> None:
        super().__init__(lf.name, lf)
        self._row, self._columns = -1, columns

    def __call__(self, x: Any) -> int:
        self._row += 1
        try:
            vote = self._f(x)
        except Exception as error:
            raise LabelingFunctionError(
                f"labeling function {self.name!r} raised {type(error).__name__} at row {self._row}: {error}. "
                + self._cure(error)
            ) from error
        try:
            valid = int(vote) == vote and vote >= ABSTAIN
        except (TypeError, ValueError, OverflowError):
            valid = False
        if not valid:
            cure = f" A function that ends without a return returns None: let it end with return {ABSTAIN}."
            raise LabelingFunctionError(
                f"labeling function {self.name!r} voted {vote!r} at row {self._row}; "
                f"a vote is a class from 0 on, or {ABSTAIN} to abstain." + cure * (vote is None)
            )
        return int(vote)

    def _cure(self, error: Exception) -> str:
        if isinstance(error, (AttributeError, KeyError)) and self._columns is not None:
            return f"The rows have the columns {self._columns}; does it read one of these, and rightly?"
        if isinstance(error, TypeError) and "expected string or bytes-like object" in str(error):
            return "It searches in the row itself; let it search in a column of the row, such as x.text."
        return f"Let it return {ABSTAIN} on rows that it cannot judge."


def _has_only_rules(lf: LabelingFunction) -> bool:
    plain = type(lf).__call__ is LabelingFunction.__call__ and not lf._pre and not lf._resources
    return plain and isinstance(lf._f, RuleFunction)


def _vote(rules: Sequence[Rule], block: TextBlock) -> Votes:
    votes = np.full(len(block.texts), ABSTAIN, dtype=np.int64)
    undecided = np.arange(len(votes))
    for rule in rules:
        votes[rule.hits(block, undecided)] = rule.label
        undecided = undecided[votes[undecided] == ABSTAIN]
    return votes


def _texts(data: pd.DataFrame | Sequence[Any], column: str, name: str) -> list[str]:
    """Return the texts of a column; what is no text is an error that names this labeling function."""
    if isinstance(data, pd.DataFrame) and column in data.columns:
        texts = data[column].tolist()
        if all(issubclass(kind, str) for kind in set(map(type, texts))):
            return texts
    texts = []
    for point in (data.iloc[row] for row in range(len(data))) if isinstance(data, pd.DataFrame) else data:
        try:
            texts.append(read_text(point, column))
        except LabelingFunctionError as error:
            raise LabelingFunctionError(f"labeling function {name!r} failed at row {len(texts)}: {error}") from error
    return texts
