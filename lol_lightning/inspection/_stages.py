"""The stages of an inspection: tracing and probing of several labeling functions within one budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int
from joblib import effective_n_jobs
from snorkel.labeling import LabelingFunction
from tqdm import tqdm  # type: ignore[import-untyped]

from lol_lightning.features.feature_space import FeatureSpace
from lol_lightning.features.parts import part_of_column
from lol_lightning.inspection._budget import ENDED, Budget
from lol_lightning.inspection._votes import OnError
from lol_lightning.inspection.probing import probe_lfs, probe_table
from lol_lightning.inspection.probing._points import holds_tokens
from lol_lightning.inspection.tracing import trace_lf
from lol_lightning.lfs.points import field_names
from lol_lightning.lfs.record import LFRecord
from lol_lightning.lfs.rows import Rows, column_of

__all__ = ["Searched", "probe_stage", "trace_stage"]

Searched = Sequence[tuple[LabelingFunction, Int[np.ndarray, " row"]]]
"""LFs to trace and probe, with their votes."""

_Table = Sequence[tuple[LabelingFunction, Int[np.ndarray, " row"], list[Any]]]


def trace_stage(
    searched: Searched, data: Rows, max_rows: int, stage: Budget, on_error: OnError, progress_bar: bool
) -> Iterator[LFRecord]:
    """Trace each LF; what one leaves of its equal part of the budget goes to the next ones."""
    for i, (lf, votes) in enumerate(tqdm(searched, desc="Tracing LFs", disable=not progress_bar)):
        own = stage.part(len(searched) - i)
        try:
            record = trace_lf(lf, data, max_rows=max_rows, votes=votes, budget=own, on_error=on_error)
        except Exception as error:  # An LF that cannot be taken apart or copied still has its votes.
            record = LFRecord(lf.name, notes=(f"defeated tracing: {type(error).__name__}: {error!s:.200}",))
        stage.spend(own.calls)
        yield record


def probe_stage(
    searched: Searched,
    reads: Sequence[Sequence[str]],
    data: Rows,
    feature_space: FeatureSpace | None,
    budget: Budget,
    text_settings: dict[str, Any],
    table_settings: Mapping[str, Any],
) -> Iterator[LFRecord]:
    """Probe each column that an LF reads, as a text, as tokens, as numbers or as categories.

    An LF of which nobody knows what it reads is probed on the text column; without one, on all columns.

    Args:
        searched: the LFs.
        reads: names of the columns that each LF reads; none where nobody knows.
        data: the rows.
        feature_space: its entries are taken away from the texts of the column that it reads.
        budget: of all LFs together, divided equally among the pairs of an LF and a column of words, or its table.
        text_settings: arguments of ``probe_lfs``; ``text_column`` is that of the text.
        table_settings: arguments of ``probe_table``.
    """
    main = text_settings["text_column"]
    columns = _columns_of(data)
    has_main = column_of(data, main) is not None
    kinds = {name: "words" if name == str(main) else _kind(data, column) for name, column in columns.items()}
    columns[str(main)], kinds[str(main)] = main, "words" if has_main else "none"
    words: dict[str, list[tuple[LabelingFunction, Int[np.ndarray, " row"]]]] = {}
    table: list[tuple[LabelingFunction, Int[np.ndarray, " row"], list[Any]]] = []
    for (lf, votes), names in zip(searched, reads, strict=True):
        own = [name for name in names or ([str(main)] if has_main else columns) if name in columns]
        for name in own:
            if kinds[name] == "words":
                words.setdefault(name, []).append((lf, votes))
        if unread := [name for name in own if kinds[name] == "none"]:
            listed = ", ".join(map(repr, unread))
            yield LFRecord(lf.name, notes=(f"not probed: {listed}, neither texts nor words nor columns of a frame",))
        if in_table := [columns[name] for name in own if kinds[name] == "table"]:
            table.append((lf, votes, in_table))
    parts_left = num_parts = sum(map(len, words.values())) + len(table)
    for name, one_column in words.items():
        # Calls are divided once, so that they are the same in every run; what is left of the seconds goes on.
        at_once = effective_n_jobs(text_settings.get("n_jobs", 1))
        part = Budget(
            budget.part(num_parts).max_calls,
            budget.part(parts_left, at_once=at_once).max_seconds,
            budget.limit.seconds,
        )
        parts_left -= len(one_column)
        settings = {**text_settings, "text_column": columns[name]}
        own_space = part_of_column(feature_space, name, str(main))
        yield from _probed_words(one_column, data, own_space, part, settings)
    if isinstance(data, pd.DataFrame):
        yield from _probed_table(table, data, budget, num_parts, table_settings)


def _probed_words(
    searched: Searched, data: Rows, feature_space: FeatureSpace | None, part: Budget, settings: Mapping[str, Any]
) -> Iterator[LFRecord]:
    lfs, votes = [lf for lf, _ in searched], np.stack([votes for _, votes in searched], axis=1)
    if not part.allows():
        yield from (LFRecord(lf.name, notes=(f"{ENDED}: its text was not probed",)) for lf in lfs)
        return
    limits: dict[str, Any] = {"max_calls": part.max_calls, "max_seconds": part.max_seconds}
    yield from probe_lfs(lfs, data, feature_space, votes=votes, **limits, **settings)


def _probed_table(
    table: _Table, data: pd.DataFrame, budget: Budget, num_parts: int, settings: Mapping[str, Any]
) -> Iterator[LFRecord]:
    max_calls = budget.part(num_parts).max_calls
    for number, (lf, votes, columns) in enumerate(table):
        limits: dict[str, Any] = {"max_calls": max_calls, "max_seconds": budget.part(len(table) - number).max_seconds}
        chosen: dict[str, Any] = {"columns": columns, "votes": votes[:, None], **limits, **settings}
        yield from probe_table([lf], data, **chosen)


def _columns_of(data: Rows) -> dict[str, Any]:
    """Return the columns, keys or attributes of the rows by their names as records write them."""
    names = list(data.columns) if isinstance(data, pd.DataFrame) else field_names(data[0]) if len(data) else []
    return {str(name): name for name in names}


def _kind(data: Rows, column: Any) -> str:
    """Tell texts and tokens, which are probed word by word, from the columns of a table."""
    values = column_of(data, column)
    if values is not None and (holds_tokens(values) or _holds_text(values)):
        return "words"
    return "table" if isinstance(data, pd.DataFrame) else "none"


def _holds_text(values: Sequence[Any]) -> bool:
    """Tell sentences from categories: most texts have several words."""
    texts = [value for value in values if isinstance(value, str)]
    return len(texts) > 0 and sum(len(text.split(maxsplit=2)) > 1 for text in texts) > len(texts) / 2
