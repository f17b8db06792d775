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
from lol_lightning.lfs._guard import Faults, each_own_row
from lol_lightning.lfs.lfs import as_lfs
from lol_lightning.lfs.limits import CALL_SECONDS, CallLimit, CallTimeoutError, check_call_seconds, in_main_thread
from lol_lightning.lfs.matrix import validate_votes
from lol_lightning.lfs.rows import as_rows
from lol_lightning.lfs.rules._corpus import TextBlock, text_blocks
from lol_lightning.lfs.rules.rule_types import Rule, RuleFunction, read_text
from lol_lightning.lfs.saying import say

__all__ = ["apply_counting_faults", "fast_apply", "validate_votes"]

Votes = npt.NDArray[np.int64]


@renamed_arguments(column="text_column")
def fast_apply(
    lfs: Iterable[Any],
    data: pd.DataFrame | Sequence[Any],
    text_column: str = "text",
    progress_bar: bool = False,
    fault_tolerant: bool = False,
    max_call_seconds: float | None = CALL_SECONDS,
) -> Votes:
    """Apply labeling functions; every vote is the one that Snorkel's applier gives.

    LFs that consist of rules (``keyword_lf``, ``regex_lf``, ``rules_lf``) and have no preprocessor are evaluated
    over the whole corpus at once. All others go through ``PandasLFApplier`` or ``LFApplier``, row by row in order, so
    that side effects, caches and random numbers are as they are there. Only rows are not: an LF that changes its row
    changes a copy, which neither the data nor the other LFs see; one line at the level "info" names such LFs.

    Args:
        lfs: labeling functions with distinct names, Snorkel's or plain functions; see ``as_lfs``.
        data: a DataFrame, or a sequence of data points as ``LFApplier`` takes them. Plain texts stand for rows that
            have one column.
        text_column: the name of that one column; else not used, as every LF knows what it reads.
        progress_bar: whether to show one.
        fault_tolerant: whether an LF that fails on a row abstains there, as in Snorkel's appliers. How often each LF
            failed, and how first, is said in one line. An LF whose calls take too long on 3 rows one after the other,
            or on 5 rows, is called no more and abstains on the rest.
        max_call_seconds: how long one call may take, ``None`` for no limit; a longer one is a failure. Outside of the
            main thread the default is not enforced; with another value the LFs then run in a child process.

    Returns:
        int64 (n, m), class ids or ``ABSTAIN``.

    Raises:
        LabelingFunctionError: if an LF raises, takes too long, or its vote is no integer from -1 on, unless
            ``fault_tolerant``. Snorkel too fails at ``None``; it cuts 1.5 to 1 and takes -2 for an abstention, which
            here are errors. LF, row and cure are named. Also if ``as_lfs`` refuses one of ``lfs``.
        ConfigurationError: if ``max_call_seconds`` is not positive.

    Example:
        >>> from lol_lightning.lfs.rules.rules import keyword_lf
        >>> lfs = [keyword_lf("asks", ["please"], label=1), keyword_lf("music", ["song"], label=0)]
        >>> fast_apply(lfs, ["Please listen to my song"])
        array([[1, 0]])
    """
    return apply_counting_faults(lfs, data, text_column, progress_bar, fault_tolerant, max_call_seconds)[0]


def apply_counting_faults(
    lfs: Iterable[Any],
    data: pd.DataFrame | Sequence[Any],
    text_column: str = "text",
    progress_bar: bool = False,
    fault_tolerant: bool = False,
    max_call_seconds: float | None = CALL_SECONDS,
) -> tuple[Votes, dict[str, str]]:
    """Return what ``fast_apply`` returns, and by the name of each LF that failed, how often and how first."""
    check_call_seconds(max_call_seconds)
    functions = as_lfs(lfs)
    data = as_rows(data, text_column)

    def run() -> tuple[Votes, Faults, str]:
        faults = Faults(fault_tolerant)
        with CallLimit(max_call_seconds) as limit:
            votes, writers = _apply(functions, data, progress_bar, limit, faults)
        return votes, faults, writers

    votes, faults, writers = in_main_thread(run, max_call_seconds)
    faults.warn_of_falsehoods()
    if lines := [line for line in (faults.describe(len(data)), writers) if line]:
        for line in lines:
            say(line)
    return votes, faults.notes(len(data))


def _apply(
    lfs: Sequence[LabelingFunction],
    data: pd.DataFrame | Sequence[Any],
    progress_bar: bool,
    limit: CallLimit,
    faults: Faults,
) -> tuple[Votes, str]:
    votes = np.full((len(data), len(lfs)), ABSTAIN, dtype=np.int64)
    if votes.size == 0:
        return votes, ""
    by_column: dict[str, dict[int, tuple[Rule, ...]]] = {}
    others = []
    for i, lf in enumerate(lfs):
        if _has_only_rules(lf):
            by_column.setdefault(lf._f.column, {})[i] = lf._f.rules
        else:
            others.append(i)
    for name, rules in by_column.items():
        names = [lfs[i].name for i in rules]
        texts, unreadable = _texts(data, name, names, faults)
        with tqdm(total=len(texts), disable=not progress_bar) as progress:
            for first, block in text_blocks(texts):
                for i, ordered in rules.items():
                    found = _vote_in_time(ordered, block, first, lfs[i].name, limit, faults)
                    votes[first : first + len(block.texts), i] = found
                progress.update(len(block.texts))
        votes[np.ix_(unreadable, list(rules))] = ABSTAIN
    if not others:
        return votes, ""
    applier = PandasLFApplier if isinstance(data, pd.DataFrame) else LFApplier
    guarded, writers = each_own_row([lfs[i] for i in others], limit, faults)
    votes[:, others] = applier(guarded).apply(data, progress_bar=progress_bar)
    return votes, writers()


def _has_only_rules(lf: LabelingFunction) -> bool:
    plain = type(lf).__call__ is LabelingFunction.__call__ and not lf._pre and not lf._resources
    return plain and isinstance(lf._f, RuleFunction)


def _vote_in_time(
    rules: Sequence[Rule], block: TextBlock, first: int, name: str, limit: CallLimit, faults: Faults
) -> Votes:
    """Return the votes of rules on a block; where that takes too long, row by row, to name the row that does."""
    if faults.calls_no_more(name):
        return np.full(len(block.texts), faults.skip(name, len(block.texts)), dtype=np.int64)
    try:
        return limit(_vote, rules, block)
    except CallTimeoutError:
        votes = np.full(len(block.texts), ABSTAIN, dtype=np.int64)
    for row, text in enumerate(block.texts):
        if faults.calls_no_more(name):
            faults.skip(name)
            continue
        try:
            votes[row] = limit(_vote, rules, TextBlock([text]))[0]
        except CallTimeoutError:
            votes[row] = faults.add_timeout(name, first + row, limit.seconds)
    return votes


def _vote(rules: Sequence[Rule], block: TextBlock) -> Votes:
    votes = np.full(len(block.texts), ABSTAIN, dtype=np.int64)
    undecided = np.arange(len(votes))
    for rule in rules:
        votes[rule.hits(block, undecided)] = rule.label
        undecided = undecided[votes[undecided] == ABSTAIN]
    return votes


def _texts(
    data: pd.DataFrame | Sequence[Any], column: str, names: Sequence[str], faults: Faults
) -> tuple[list[str], list[int]]:
    """Return the texts of a column, and the rows whose value is no text: failures of the LFs of these names."""
    if isinstance(data, pd.DataFrame) and column in data.columns and data.columns.is_unique:
        texts = data[column].tolist()
        if all(issubclass(kind, str) for kind in set(map(type, texts))):
            return texts, []
    texts, unreadable = [], []
    for row, point in enumerate((data.iloc[i] for i in range(len(data))) if isinstance(data, pd.DataFrame) else data):
        try:
            texts.append(read_text(point, column))
        except LabelingFunctionError as error:
            for name in names:
                faults.add(name, row, "failed", f": {error}", error)
            texts.append("")
            unreadable.append(row)
    return texts, unreadable
