"""What labeling functions inspect, from every source at once: declared, traced, probed, surrogate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int
from joblib import effective_n_jobs
from snorkel.labeling import LabelingFunction
from tqdm import tqdm  # type: ignore[import-untyped]

from lol_lightning.exceptions import VotesError, renamed_arguments
from lol_lightning.features.bag_of_words import BagOfWords
from lol_lightning.features.feature_space import FeatureSpace
from lol_lightning.inspection._budget import ENDED, Budget
from lol_lightning.inspection.lf_inspection import LFInspection
from lol_lightning.inspection.probing import probe_lfs, probe_table
from lol_lightning.inspection.surrogate import surrogate_records
from lol_lightning.inspection.tracing import trace_lf
from lol_lightning.lfs.apply import fast_apply
from lol_lightning.lfs.lfs import as_lfs, check_lf_names
from lol_lightning.lfs.matrix import validate_votes
from lol_lightning.lfs.record import LFRecord
from lol_lightning.lfs.rows import Rows, as_rows, column_of

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
        feature_space: fitted; its entries are then what probing removes, and what surrogates are made of.
        votes: int64 (n, m), the votes on ``data``, if you have them; else the LFs are applied.
        declared: keep what the LFs themselves declare.
        traced: run the LFs on instrumented data points.
        probed: take units away from texts, and shift and exchange the columns of a table that an LF reads.
        surrogate: explain the votes of LFs without code, by the entries of ``feature_space``.
        skip_declared: neither trace nor probe the LFs that declare what they inspect.
        text_column: column or attribute of the text.
        max_calls: budget of calls for tracing and probing of all LFs together; ``None`` sets no limit. Without
            ``votes`` every LF is called once on every row besides, as its votes are part of the result.
        max_seconds: budget of seconds for the same; a call that is running is waited for.
        trace_rows: number of rows on which each LF is traced, balanced over its votes.
        progress_bar: show progress.
        table_settings: arguments of ``probe_table``.
        **probe_settings: arguments of ``probe_lfs``, such as ``precision`` or ``n_jobs``.

    Returns:
        Records and votes; see ``LFInspection``. Where several sources have the same term, the more trusted one counts:
        ``lol_lightning.lfs.record.TRUST``.

    Raises:
        VotesError: if votes are missing for an LF without code, or do not fit the LFs and rows.
        LabelingFunctionError: if an LF raises on a data point as it is, two have the same name, or one cannot be used.
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
    Budget(max_calls, max_seconds)  # refuses limits out of range before any LF is called
    data = as_rows(data, text_column)
    functions, names, with_code = _split(lfs)
    votes = _checked_votes(votes, functions, names, data, progress_bar)
    records = {name: LFRecord(name) for name in names}
    own_records = {lf.name: lf.record for lf in functions if hasattr(lf, "record")}
    if declared:
        _merge(records, own_records.values())
    searched = [
        (lf, votes[:, i])
        for lf, i in zip(functions, with_code, strict=True)
        if not (skip_declared and lf.name in own_records and own_records[lf.name].features)
    ]
    budget = Budget(max_calls, max_seconds)
    if traced:
        stage = budget.part(2 if probed else 1)
        _merge(records, _traced(searched, data, trace_rows, stage, progress_bar))
        budget.spend(stage.calls)
    if probed:
        reads = [records[lf.name].columns for lf, _ in searched]
        text_settings = {"text_column": text_column, "progress_bar": progress_bar} | probe_settings
        _merge(records, _probed(searched, reads, data, feature_space, budget, text_settings, table_settings or {}))
    without_code = [i for i in range(len(names)) if i not in with_code]
    if surrogate and without_code:
        space = BagOfWords(text_column=text_column).fit(data) if feature_space is None else feature_space
        _merge(records, surrogate_records(votes[:, without_code], data, space, [names[i] for i in without_code]))
    return LFInspection(list(records.values()), votes)


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


def _checked_votes(
    votes: Any, functions: Sequence[LabelingFunction], names: Sequence[str], data: Rows, progress_bar: bool
) -> Int[np.ndarray, "row lf"]:
    if votes is None:
        if len(functions) < len(names):
            missing = next(name for name in names if name not in {lf.name for lf in functions})
            raise VotesError(f"LF {missing!r} is a name without code; pass its votes as votes=.")
        votes = fast_apply(functions, data, progress_bar=progress_bar)
    votes = validate_votes(votes, lf_names=names)
    if votes.shape != (len(data), len(names)):
        raise VotesError(f"votes of shape {votes.shape} do not fit {len(data)} rows and {len(names)} LFs.")
    return votes


def _merge(records: dict[str, LFRecord], new: Iterable[LFRecord]) -> None:
    for record in new:
        records[record.name] = records[record.name].merge(record)


_Searched = Sequence[tuple[LabelingFunction, Int[np.ndarray, " row"]]]
"""LFs to trace and probe, with their votes."""


def _traced(searched: _Searched, data: Rows, max_rows: int, stage: Budget, progress_bar: bool) -> Iterator[LFRecord]:
    for i, (lf, votes) in enumerate(tqdm(searched, desc="Tracing LFs", disable=not progress_bar)):
        own = stage.part(len(searched) - i)
        try:
            record = trace_lf(lf, data, max_rows=max_rows, votes=votes, budget=own)
        except Exception as error:  # An LF that cannot be taken apart or copied still has its votes.
            record = LFRecord(lf.name, notes=(f"defeated tracing: {type(error).__name__}: {error!s:.200}",))
        stage.spend(own.calls)
        yield record


def _probed(
    searched: _Searched,
    reads: Sequence[Sequence[str]],
    data: Rows,
    feature_space: FeatureSpace | None,
    budget: Budget,
    text_settings: dict[str, Any],
    table_settings: Mapping[str, Any],
) -> Iterator[LFRecord]:
    """Probe the text of each LF that reads it or of which nobody knows what it reads, and the other columns."""
    text_column = text_settings["text_column"]
    text = [one for one, names in zip(searched, reads, strict=True) if not names or text_column in names]
    if column_of(data, text_column) is None:
        text = []
    table: list[tuple[LabelingFunction, Int[np.ndarray, " row"], list[str]]] = []
    if isinstance(data, pd.DataFrame):
        for (lf, votes), names in zip(searched, reads, strict=True):
            beside = _columns_beside(names, data, text_column)
            texts = [name for name in beside if _holds_text(data[name])]
            if texts:
                note = f"not probed: {', '.join(texts)} holds text; pass text_column= to probe it"
                yield LFRecord(lf.name, notes=(note,))
            if columns := [name for name in beside if name not in texts]:
                table.append((lf, votes, columns))
    num_parts = len(text) + len(table)
    if text:
        part = budget.part(num_parts, at_once=effective_n_jobs(text_settings.get("n_jobs", 1)))
        yield from _probed_text(text, data, feature_space, part, text_settings)
    if isinstance(data, pd.DataFrame):
        yield from _probed_columns(table, data, budget, num_parts, table_settings)


def _probed_columns(
    table: Sequence[tuple[LabelingFunction, Int[np.ndarray, " row"], list[str]]],
    data: pd.DataFrame,
    budget: Budget,
    num_parts: int,
    settings: Mapping[str, Any],
) -> Iterator[LFRecord]:
    max_calls = budget.part(num_parts).max_calls
    for number, (lf, votes, columns) in enumerate(table):
        limits: dict[str, Any] = {"max_calls": max_calls, "max_seconds": budget.part(len(table) - number).max_seconds}
        chosen: dict[str, Any] = {"columns": columns, "votes": votes[:, None], **limits, **settings}
        yield from probe_table([lf], data, **chosen)


def _probed_text(
    searched: _Searched, data: Rows, feature_space: FeatureSpace | None, part: Budget, settings: Mapping[str, Any]
) -> Iterator[LFRecord]:
    lfs, votes = [lf for lf, _ in searched], np.stack([votes for _, votes in searched], axis=1)
    if not part.allows():
        yield from (LFRecord(lf.name, notes=(f"{ENDED}: its text was not probed",)) for lf in lfs)
        return
    limits: dict[str, Any] = {"max_calls": part.max_calls, "max_seconds": part.max_seconds}
    yield from probe_lfs(lfs, data, feature_space, votes=votes, **limits, **settings)


def _columns_beside(names: Sequence[str], data: pd.DataFrame, text_column: str) -> list[str]:
    """Return the columns beside the text that an LF reads; all columns of a table without a text."""
    if not names and text_column not in data.columns:
        return list(data.columns)
    return [name for name in names if name != text_column and name in data.columns]


def _holds_text(values: pd.Series) -> bool:
    """Tell sentences from categories: most texts have several words."""
    strings = values[[isinstance(value, str) for value in values]].astype(str)
    return len(strings) > 0 and bool(strings.str.strip().str.contains(r"\s").mean() > 0.5)
