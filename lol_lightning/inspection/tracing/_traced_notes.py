"""What a record of tracing says besides its literals: columns that are no text, and notes on what it could not see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.inspection.tracing._attribution import Evidence
from lol_lightning.inspection.tracing._clauses import MAX_UNSEEN
from lol_lightning.inspection.tracing._look_ups import field_of
from lol_lightning.inspection.tracing._queries import Query, Trace
from lol_lightning.inspection.tracing._reachable import Reachable
from lol_lightning.lfs.record import InspectedFeature

__all__ = ["column_features", "trace_notes"]


def column_features(runs: Sequence[tuple[Any, int, Trace]], columns: Sequence[str]) -> tuple[InspectedFeature, ...]:
    """Return a feature for each numeric column that the LF reads and each class that it votes.

    The value is +1 or -1: whether the column's mean is larger or smaller on the rows of the class than on the others.

    Args:
        runs: data point, vote and trace of each row.
        columns: what the LF reads.
    """
    features = []
    for column in columns:
        read = [(field_of(point, column), vote) for point, vote, trace in runs if column in trace.columns]
        rows = [(value, vote) for value, vote in read if not _is_missing(value)]
        if not rows or not all(isinstance(value, Real) for value, _ in rows):
            continue
        values, votes = np.array([float(value) for value, _ in rows]), np.array([vote for _, vote in rows])
        for label in sorted(set(votes.tolist()) - {ABSTAIN}):
            inside, outside = values[votes == label], values[votes != label]
            if len(inside) and len(outside) and inside.mean() != outside.mean():
                sign = 1.0 if inside.mean() > outside.mean() else -1.0
                features.append(InspectedFeature(column, label, "column", sign, "traced", column=column))
    return tuple(features)


def trace_notes(
    reachable: Reachable,
    evidence: Evidence,
    traces: Sequence[Trace],
    features: Sequence[InspectedFeature],
    problems: Counter[str],
    changed: Sequence[str],
) -> tuple[str, ...]:
    """Say in words what tracing met: first what defeated it, then what is odd.

    Args:
        reachable: what the LF's code can reach.
        evidence: what its votes rest on.
        traces: the traces of all rows.
        features: the findings.
        problems: counts of what went wrong with single rows.
        changed: names of reachable values that changed while the LF ran.
    """
    notes = [*_defeats(reachable, evidence, traces, features)]
    notes += [f"{problem} ({count} rows)" for problem, count in problems.items() if count]
    if writes := _names(trace.writes for trace in traces):
        notes.append(f"side effect: writes {writes} on the data point")
    if reachable.global_writes or changed:
        names = ", ".join(repr(name) for name in dict.fromkeys([*reachable.global_writes, *changed]))
        notes.append(f"side effect: changes {names}, also when it is traced")
    notes += dict.fromkeys(remark for trace in traces for remark in trace.remarks)
    notes += _without_literal(evidence, features)
    if not features:
        cutting = dict.fromkeys(pattern for trace in traces for pattern in trace.tokenizers)
        notes += [f"pattern {pattern!r} asks for no literal" for pattern in cutting]
    terms = {query.term for query in evidence.looked_up}
    if sizes := [len(words) for words in reachable.word_sets if len(words) > MAX_UNSEEN and words & terms]:
        notes.append(f"looks words up in a set of {max(sizes)}: those that no traced row holds are left out")
    if idle := [query.term for query in evidence.queries if query.kind != "pattern" and not evidence.speaks(query)]:
        more = ", ..." if len(idle) > 10 else ""
        notes.append(f"asks for {', '.join(map(repr, idle[:10]))}{more} without effect on the vote of any traced row")
    return tuple(notes)


def _defeats(
    reachable: Reachable, evidence: Evidence, traces: Sequence[Trace], features: Sequence[InspectedFeature]
) -> list[str]:
    extent = "defeated tracing in part" if features else "defeated tracing"
    notes = []
    if escapes := _names(trace.escapes for trace in traces):
        notes.append(f"{extent}: the text is handed to {escapes}, where nobody sees what is asked")
    total = sum(count for vote, count in evidence.rows.items() if vote != ABSTAIN)
    if evidence.unexplained:
        notes.append(f"{extent}: {evidence.unexplained} of {total} voted rows rest on nothing that tracing sees")
    if evidence.ambiguous:
        notes.append(
            f"{extent}: {evidence.ambiguous} of {total} voted rows have equals with another vote, so a part of the "
            "condition, such as a count, a position or C code, was not seen"
        )
    reads_text = any(any(trace.columns.values()) for trace in traces)
    if not features and not notes and reads_text:
        queries = (
            "asks nothing that tracing sees" if not evidence.queries else "no answer that tracing sees changes a vote"
        )
        notes.append(f"{extent}: reads {_names(trace.columns for trace in traces)}, but {queries}")
    if notes and any(trace.hashed for trace in traces):
        notes.append("looks texts up in sets, dicts or counters: only terms that a look-up hit show")
    used = {(query.term, query.flags) for query in evidence.queries}
    if notes and (unused := [p.pattern for p in reachable.patterns if (p.pattern, p.flags) not in used]):
        notes.append(f"compiled patterns within reach, not seen in use: {', '.join(map(repr, unused))}")
    return notes


def _without_literal(evidence: Evidence, features: Sequence[InspectedFeature]) -> list[str]:
    from lol_lightning.lfs.rules._patterns import regex_features

    patterns: list[Query] = [q for q in evidence.queries if q.kind == "pattern" and evidence.speaks(q)]
    return [f"pattern {q.term!r} asks for no literal" for q in patterns if not regex_features(q.term, q.flags, label=0)]


def _names(parts: Iterable[Iterable[str]]) -> str:
    return ", ".join(repr(name) for name in dict.fromkeys(name for part in parts for name in part))


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, Real) and bool(value != value))
