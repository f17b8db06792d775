"""Tracing: what a plain labeling function inspects, from running it on instrumented data points."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from snorkel.labeling import LabelingFunction

from lol_lightning.exceptions import DataError, renamed_arguments
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.inspection._budget import ENDED, Budget
from lol_lightning.inspection._votes import UNKNOWN, OnError, as_vote
from lol_lightning.inspection.tracing._attribution import Answers, BudgetEndedError, Explorer
from lol_lightning.inspection.tracing._choose_rows import choose_rows
from lol_lightning.inspection.tracing._clauses import evidence_features
from lol_lightning.inspection.tracing._look_ups import look_ups
from lol_lightning.inspection.tracing._places import SavedState, substituted
from lol_lightning.inspection.tracing._queries import Trace, recording
from lol_lightning.inspection.tracing._reachable import code_home, reach
from lol_lightning.inspection.tracing._traced_calls import watch_calls
from lol_lightning.inspection.tracing._traced_notes import column_features, trace_notes
from lol_lightning.inspection.tracing._traced_patterns import TracedPattern
from lol_lightning.inspection.tracing._traced_point import instrument_point
from lol_lightning.inspection.tracing._traced_source import hook_source
from lol_lightning.inspection.tracing._traced_text import TracedStr
from lol_lightning.lfs.isolated import isolated_copy
from lol_lightning.lfs.lfs import as_lfs
from lol_lightning.lfs.limits import CallTimeoutError
from lol_lightning.lfs.matrix import validate_votes
from lol_lightning.lfs.point_copies import private_copy
from lol_lightning.lfs.points import field_names
from lol_lightning.lfs.record import LFRecord
from lol_lightning.lfs.rows import as_applied, read_rows

__all__ = ["Tracer", "run_traced", "trace_lf", "trace_lfs"]


@renamed_arguments(column="text_column")
def trace_lfs(
    lfs: Iterable[Any],
    data: pd.DataFrame | Sequence[Any],
    text_column: str | None = None,
    max_rows: int = 500,
    votes: np.ndarray | None = None,
    max_runs: int = 20_000,
) -> list[LFRecord]:
    """Trace several labeling functions; see ``trace_lf``.

    Args:
        lfs: the m labeling functions, of any make; see ``as_lfs``.
        data: the N data points.
        text_column: the only text to instrument; all texts by default.
        max_rows: number of rows that each LF is traced on.
        votes: int (N, m), the votes of the LFs, if you have them, to choose rows by.
        max_runs: bound on the runs of each LF with single answers turned over.

    Raises:
        DataError: if the votes do not fit the data and the LFs.
    """
    functions, data = as_lfs(lfs), read_rows(data)
    if votes is not None and np.shape(votes) != (len(data), len(functions)):
        raise DataError(
            f"votes have shape {np.shape(votes)}, but there are {len(data)} data points and {len(functions)} LFs; "
            "pass the matrix that the applier returned for this data."
        )
    by_lf = [None] * len(functions) if votes is None else list(validate_votes(votes).T)
    return [trace_lf(lf, data, text_column, max_rows, own, max_runs) for lf, own in zip(functions, by_lf, strict=True)]


@renamed_arguments(column="text_column")
def trace_lf(
    lf: LabelingFunction,
    data: pd.DataFrame | Sequence[Any],
    text_column: str | None = None,
    max_rows: int = 500,
    votes: np.ndarray | None = None,
    max_runs: int = 20_000,
    budget: Budget | None = None,
    on_error: OnError = "note",
) -> LFRecord:
    """Find out what a labeling function inspects by running it on instrumented copies of data points.

    The text of a copy records the queries of it: ``in``, ``==``, ``startswith``, tokens, patterns, lengths. Each answer
    is then turned over in a run of its own: the term is a feature of class k if the vote for k rests on the answer,
    with a negative value if a positive answer takes the vote away.

    Args:
        lf: any labeling function of Snorkel, with or without preprocessors and resources.
        data: a DataFrame or a sequence of data points.
        text_column: the only text to instrument; all texts by default.
        max_rows: number of rows to run on, see ``choose_rows``.
        votes: int (N,), the LF's votes, if you have them; the rows are then balanced over the votes.
        max_runs: bound on the runs with single answers turned over.
        budget: calls and seconds that all runs together may take, and one; no limit on all by default.
        on_error: ``"abstain"`` reads an error of the LF as an abstention; else such a run teaches nothing.

    Returns:
        The record, with features of source "traced". Its notes say what tracing could not see, and start with
        "defeated tracing" where the votes rest on it.

    Raises:
        DataError: if the votes do not fit the data.

    Notes:
        The LF runs twice or more on a row. Its effects, if it has any, happen as often.

    Example:
        >>> from types import SimpleNamespace
        >>> lf = LabelingFunction("asks", lambda x: 1 if "please" in x.text.lower() else -1)
        >>> record = trace_lf(lf, [SimpleNamespace(text="Please call"), SimpleNamespace(text="a song")])
        >>> [(feature.term, feature.label, feature.kind) for feature in record.features]
        [('please', 1, 'substring')]
    """
    data = read_rows(data)
    if votes is not None and len(votes) != len(data):
        raise DataError(f"{len(votes)} votes of LF {lf.name!r} do not fit {len(data)} data points.")
    tracer = Tracer(lf, text_column, budget, on_error)
    with tracer.budget.limit:
        return _traced(tracer, data, max_rows, votes, max_runs)


def _traced(
    tracer: Tracer, data: pd.DataFrame | Sequence[Any], max_rows: int, votes: np.ndarray | None, max_runs: int
) -> LFRecord:
    explorer = Explorer(tracer.try_run, max_runs)
    before = tracer.reachable.snapshot()
    problems: Counter[str] = Counter()
    runs: list[tuple[Any, int, Trace]] = []
    rows = list(choose_rows(len(data), max_rows, votes))
    points = as_applied(data.iloc[rows]) if isinstance(data, pd.DataFrame) else [data[row] for row in rows]
    rows_left = len(rows)
    for place, row in enumerate(rows):
        if explorer.ended or not tracer.budget.allows(2 if votes is None else 1):
            break
        rows_left -= 1
        point = points.iloc[place] if isinstance(points, pd.DataFrame) else points[place]
        own_vote = None if votes is None else int(votes[row])
        if (traced := tracer.checked_run(point, own_vote, problems)) is not None:
            explorer.learn(point, *traced)
            runs.append((point, *traced))
    evidence = explorer.conclude()
    features = evidence_features(evidence, tracer.reachable.word_sets)
    columns = tuple(
        dict.fromkeys(
            name for point, _, trace in runs for name in trace.columns if name in map(str, field_names(point))
        )
    )
    looked_up = look_ups(tracer.reachable.tables, runs, columns)
    by_row = {look_up.column for look_up in looked_up if look_up.is_by_row}
    features += column_features(runs, [column for column in columns if column not in by_row])
    if problems["not deterministic"]:
        features = ()
    changed = [name for name, value in tracer.reachable.snapshot().items() if value != before[name]]
    changed += [name for name in tracer.state.changed if name not in changed]
    notes = trace_notes(tracer.reachable, evidence, [trace for *_, trace in runs], features, problems, changed)
    notes = (*(look_up.note(bool(features)) for look_up in looked_up), *notes)
    if rows_left or explorer.ended:
        notes = (
            f"{ENDED}: traced {len(rows) - rows_left} of {len(rows)} rows with {tracer.budget.calls} calls",
            *notes,
        )
    return LFRecord(tracer.lf.name, features, columns, notes)


@renamed_arguments(column="text_column")
def run_traced(
    lf: LabelingFunction, point: Any, text_column: str | None = None, answers: Answers | None = None
) -> tuple[Any, Trace]:
    """Run a labeling function once on an instrumented copy of a data point.

    Args:
        lf: the labeling function.
        point: the data point; it is not changed.
        text_column: the only text to instrument; all texts by default.
        answers: answers to queries that replace the true ones.

    Returns:
        What the LF returned, and the trace of its queries.

    Example:
        >>> from types import SimpleNamespace
        >>> lf = LabelingFunction("asks", lambda x: 1 if "please" in x.text.lower() else -1)
        >>> vote, trace = run_traced(lf, SimpleNamespace(text="a song"))
        >>> vote, trace.queries
        (-1, {Query(kind='substring', term='please', column='text', flags=0): False})
    """
    return Tracer(lf, text_column).run(point, answers)


class Tracer:
    """Runs one labeling function on instrumented points; the LF's own preprocessor caches are left alone.

    Args:
        lf: the labeling function.
        column: the only text to instrument; all texts by default.
        budget: the calls that may be made, which are counted there; no limit by default.
        on_error: ``"abstain"`` reads an error of the LF as an abstention.
    """

    def __init__(
        self,
        lf: LabelingFunction,
        column: str | None = None,
        budget: Budget | None = None,
        on_error: OnError = "note",
    ) -> None:
        self.lf, self.column, self.on_error = lf, column, on_error
        self.budget = Budget() if budget is None else budget
        self.reachable = reach(lf)
        self.state = SavedState(self.reachable.containers)
        self._substitutes = [
            (place, TracedPattern(value) if isinstance(value, re.Pattern) else value.__wrapped__)
            for place, value in self.reachable.places
        ]
        self._home = code_home(lf._f)
        self._isolated = isolated_copy(lf, hook_source)

    def run(self, point: Any, answers: Answers | None = None) -> tuple[Any, Trace]:
        """Return what the LF returns on an instrumented copy of the point, and the trace.

        Under overridden answers only the queries that can be overridden are recorded, which takes half the time.
        """
        trace = Trace(answers or {}, self._home)
        instrumented = instrument_point(point, self.column)
        if isinstance(instrumented, TracedStr):
            trace.columns[instrumented.origin.column] = True
        with substituted(self._substitutes), recording(trace), watch_calls(trace, compiled=not answers):
            try:
                vote = self.budget.call(self._isolated, instrumented)
            except CallTimeoutError:
                raise
            except Exception:
                if self.on_error != "abstain":
                    raise
                vote = ABSTAIN
            finally:
                self.state.restore(overridden=bool(answers))
        return vote, trace

    def try_run(self, point: Any, answers: Answers) -> tuple[int, Trace] | None:
        """Return the vote and trace under overridden answers; ``None`` if the LF raises on what cannot be.

        Raises:
            BudgetEndedError: if the budget allows no run.
        """
        if not self.budget.allows():
            raise BudgetEndedError
        try:
            vote, trace = self.run(point, answers)
        except Exception:
            return None
        return None if as_vote(vote) == UNKNOWN else (as_vote(vote), trace)

    def checked_run(self, point: Any, own_vote: int | None, problems: Counter[str]) -> tuple[int, Trace] | None:
        """Return the vote and trace of a point, unless they cannot be trusted; what is wrong is counted.

        Args:
            point: the data point.
            own_vote: the LF's vote; ``None`` calls the LF for it.
            problems: counts of what went wrong, added to.
        """
        try:
            plain = self._plain_vote(point) if own_vote is None else own_vote
        except CallTimeoutError as error:
            problems[f"not called any more: {error}"] += 1
            return None
        except Exception as error:
            problems[f"raised {type(error).__name__} on its own"] += 1
            return None
        try:
            traced, trace = self.run(point)
        except CallTimeoutError as error:
            problems[f"not called any more under tracing: {error}"] += 1
            return None
        except Exception as error:
            problems[f"raised {type(error).__name__} under tracing, the untraced vote counts"] += 1
            return None
        if plain is None or traced is None:
            problems["returned None, counted as abstaining"] += 1
        vote = as_vote(plain)
        if vote == UNKNOWN:
            problems[f"returned {plain!r:.40}, which is no class"] += 1
            return None
        if vote != as_vote(traced):
            problems[self._disagreement(point, vote)] += 1
            return None
        return vote, trace

    def _plain_vote(self, point: Any) -> Any:
        return self.budget.call(self.lf, private_copy(point))

    def _disagreement(self, point: Any, vote: int) -> str:
        try:
            again = [as_vote(self._plain_vote(point)) for _ in range(5) if self.budget.allows()]
        except Exception:
            return "not deterministic"
        same = all(other == vote for other in again)
        return "voted otherwise under tracing, the untraced vote counts" if same else "not deterministic"
