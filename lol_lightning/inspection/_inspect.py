"""What labeling functions inspect, from every source at once: declared, traced, probed, surrogate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from inspect import signature
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int
from snorkel.labeling import LabelingFunction

from lol_lightning.exceptions import VotesError, check_number, renamed_arguments
from lol_lightning.features.bag_of_words import BagOfWords
from lol_lightning.features.feature_space import FeatureSpace, check_feature_space
from lol_lightning.features.parts import in_own_words, interpretable_part
from lol_lightning.inspection._budget import Budget
from lol_lightning.inspection._stages import probe_stage, trace_stage
from lol_lightning.inspection._votes import OnError
from lol_lightning.inspection.lf_inspection import LFInspection
from lol_lightning.inspection.probing._probing import check_probe_settings
from lol_lightning.inspection.surrogate import surrogate_records
from lol_lightning.lfs.apply import apply_counting_faults
from lol_lightning.lfs.lfs import as_lfs
from lol_lightning.lfs.limits import CALL_SECONDS, in_main_thread
from lol_lightning.lfs.matrix import validate_votes
from lol_lightning.lfs.names import check_lf_names
from lol_lightning.lfs.record import LFRecord
from lol_lightning.lfs.rows import Rows, as_rows
from lol_lightning.lfs.saying import say

__all__ = ["inspect_lfs"]


@renamed_arguments(column="text_column")
def inspect_lfs(
    lfs: Any,
    data: Rows,
    feature_space: FeatureSpace | None = None,
    *,
    votes: Int[np.ndarray, "row lf"] | None = None,
    declared: bool = True,
    traced: bool = True,
    probed: bool = True,
    surrogate: bool = True,
    skip_declared: bool = False,
    text_column: str = "text",
    max_calls: int | None = None,
    max_seconds: float | None = None,
    fault_tolerant: bool = False,
    max_call_seconds: float | None = CALL_SECONDS,
    trace_rows: int = 500,
    progress_bar: bool = True,
    table_settings: Mapping[str, Any] | None = None,
    **probe_settings: Any,
) -> LFInspection:
    """Find out what labeling functions inspect.

    Args:
        lfs: labeling functions of any make, see ``as_lfs``. A name stands for an LF without code; its votes must be
            passed, and a surrogate explains them.
        data: a DataFrame, a sequence of data points or plain texts.
        feature_space: its entries are what probing removes, and what surrogates are made of; embeddings have none, and
            words take their place. One that is not fitted is fitted on ``data``, which one line at the level "info"
            says.
        votes: int64 (n, m), the votes on ``data``, if you have them; else the LFs are applied.
        declared: keep what the LFs themselves declare.
        traced: run the LFs on instrumented data points.
        probed: take units away from texts, and shift and exchange the columns of a table that an LF reads.
        surrogate: explain the votes of LFs without code, by the entries of ``feature_space``.
        skip_declared: neither trace nor probe the LFs that declare what they inspect.
        text_column: column or attribute of the text. Other columns that tracing sees an LF read are probed, too: texts
            and tokens (lists, tuples, sets, arrays, dicts) word by word, numbers and categories as a table.
        max_calls: budget of calls for tracing and probing of all LFs together; ``None`` sets no limit. Without
            ``votes`` every LF is called once on every row besides, as its votes are part of the result.
        max_seconds: budget of seconds for the same.
        fault_tolerant: whether an LF that fails on a row, or on a changed one, abstains there. How often each LF failed
            is said in one line, and in a note of its record.
        max_call_seconds: how long one call may take, see ``fast_apply``. An LF that takes longer on a changed row is
            not called again, as a note says.
        trace_rows: number of rows on which each LF is traced, balanced over its votes.
        progress_bar: show progress.
        table_settings: arguments of ``probe_table``.
        **probe_settings: arguments of ``probe_lfs``, such as ``precision`` or ``n_jobs``.

    Returns:
        Records and votes; see ``LFInspection``. Where several sources have the same term, the more trusted one counts:
        ``lol_lightning.lfs.record.TRUST``.

    Raises:
        VotesError: if votes are missing for an LF without code, or do not fit the LFs and rows.
        LabelingFunctionError: if an LF fails on a data point as it is, unless ``fault_tolerant``; if two have the same
            name, or one cannot be used.
        DataError: if two columns have the same name.
        ConfigurationError: if a budget or another setting is out of range.

    Notes:
        Tracing alone (``probed=False``) is cheap, a few runs for each row and term, and is what data modules do by
        default where LFs declare nothing. An LF that cannot be traced has a note that begins with "defeated tracing".
        Half of a budget goes to tracing where probing follows, all that is left then to probing.
        Each stage is divided equally among the LFs, and what one leaves of its part of tracing goes to the next ones,
        so the result is the same in every run with the same ``max_calls``, whatever ``n_jobs``. A record whose budget
        ended keeps what it has by then, and a note says so ("budget ended: ...").

    Example:
        >>> lf = LabelingFunction("spam", lambda x: 1 if "http" in x.text.lower() else -1)
        >>> inspection = inspect_lfs([lf], ["see http://a.b", "HTTP://c.d", "no link"], progress_bar=False)
        >>> [(f.term, f.label, f.source) for f in inspection.records[0].features]
        [('http', 1, 'traced'), ('http', 1, 'probed')]
    """
    # What is wrong is refused before any LF is called.
    check_feature_space(feature_space)
    Budget(max_calls, max_seconds, max_call_seconds)
    check_number("trace_rows", trace_rows, at_least=0, whole=True)
    check_probe_settings(probe_settings, "inspect_lfs", signature(inspect_lfs).parameters)
    data = as_rows(data, text_column)
    functions, names, with_code = _split(lfs)
    if feature_space is not None and not feature_space.is_fitted:
        _fit(feature_space, data)
    on_error: OnError = "abstain" if fault_tolerant else "note"
    limits = {"on_error": on_error, "max_call_seconds": max_call_seconds}

    def run() -> LFInspection:
        records = {name: LFRecord(name) for name in names}
        own_records = {lf.name: lf.record for lf in functions if hasattr(lf, "record")}
        if declared:
            _merge(records, own_records.values())
        known = votes
        if known is None:
            known, faults = _applied(
                functions, names, data, text_column, progress_bar, fault_tolerant, max_call_seconds
            )
            _merge(records, (LFRecord(name, notes=(note,)) for name, note in faults.items()))
        known = _checked_votes(known, names, len(data))
        searched = [
            (lf, known[:, i])
            for lf, i in zip(functions, with_code, strict=True)
            if not (skip_declared and lf.name in own_records and own_records[lf.name].features)
        ]
        budget = Budget(max_calls, max_seconds, max_call_seconds)
        if traced:
            stage = budget.part(2 if probed else 1)
            _merge(records, trace_stage(searched, data, trace_rows, stage, on_error, progress_bar))
            budget.spend(stage.calls)
        if probed:
            reads = [records[lf.name].columns for lf, _ in searched]
            for_texts = {"text_column": text_column, "progress_bar": progress_bar, **limits} | probe_settings
            for_tables = {**limits, **(table_settings or {})}
            _merge(records, probe_stage(searched, reads, data, feature_space, budget, for_texts, for_tables))
        without_code = [i for i in range(len(names)) if i not in with_code]
        if surrogate and without_code:
            space = interpretable_part(feature_space) or BagOfWords(text_column=text_column).fit(data)
            own = surrogate_records(known[:, without_code], data, space, [names[i] for i in without_code])
            _merge(records, (in_own_words(record, space) for record in own))
        return LFInspection(list(records.values()), known)

    return in_main_thread(run, max_call_seconds)


def _fit(feature_space: FeatureSpace, data: Rows) -> None:
    feature_space.fit(data)
    say(f"The feature space was not fitted; it is now, on these {len(data)} rows: {feature_space!r}.")


def _split(lfs: Any) -> tuple[list[LabelingFunction], list[str], list[int]]:
    """Return the LFs with code, the names of all, and the positions of those with code."""
    if isinstance(lfs, pd.DataFrame):
        as_lfs(lfs)
    items = [lfs] if callable(lfs) or isinstance(lfs, str) or not isinstance(lfs, Iterable) else list(lfs)
    with_code = [i for i, lf in enumerate(items) if not isinstance(lf, str)]
    functions = as_lfs([items[i] for i in with_code])
    names = list(items)
    for i, lf in zip(with_code, functions, strict=True):
        names[i] = lf.name
    check_lf_names(names)
    return functions, names, with_code


def _applied(
    functions: Sequence[LabelingFunction],
    names: Sequence[str],
    data: Rows,
    column: str,
    progress_bar: bool,
    fault_tolerant: bool,
    max_call_seconds: float | None,
) -> tuple[Int[np.ndarray, "row lf"], dict[str, str]]:
    """Return the votes of LFs that all have code, and notes on those that failed."""
    if len(functions) < len(names):
        missing = next(name for name in names if name not in {lf.name for lf in functions})
        raise VotesError(f"LF {missing!r} is a name without code; pass its votes as votes=.")
    return apply_counting_faults(functions, data, column, progress_bar, fault_tolerant, max_call_seconds)


def _checked_votes(votes: Any, names: Sequence[str], num_rows: int) -> Int[np.ndarray, "row lf"]:
    votes = validate_votes(votes, lf_names=names)
    if votes.shape != (num_rows, len(names)):
        raise VotesError(f"votes of shape {votes.shape} do not fit {num_rows} rows and {len(names)} LFs.")
    return votes


def _merge(records: dict[str, LFRecord], new: Iterable[LFRecord]) -> None:
    for record in new:
        records[record.name] = records[record.name].merge(record)
