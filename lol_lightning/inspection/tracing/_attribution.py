"""From queries to features: each query's answer is turned over to see whether the vote rests on it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lol_lightning.exceptions import LoLError
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.inspection.tracing._queries import Length, Query, Trace

__all__ = ["Answers", "BudgetEndedError", "Conjunction", "Evidence", "Explorer", "Runner"]

Conjunction = frozenset[Query]
"""Queries that a vote rests on together: it leaves when any of them is answered with no."""

Answers = Mapping[Query | Length, int]
Runner = Callable[[Any, Answers], tuple[int, Trace] | None]
"""Runs an LF on a point under these answers; ``None`` where the LF fails under them."""


class BudgetEndedError(LoLError):
    """A runner's sign that its budget allows no more runs."""


_TESTS_PER_QUERY = 3
_TESTS_PER_LENGTH = 10
_MAX_CONJUNCTION = 4
_MAX_ALTERNATIVES = 100
_SHORT, _LONG = 1, 10_000


@dataclass
class Evidence:
    """What the votes of one LF rest on.

    Attributes:
        conjunctions: for each class, the sets of queries that bring its vote.
        against: pairs of class and query whose positive answer takes the vote away.
        lengths: for each pair of class and length, the directions in which the length brings the vote.
        rows: number of rows that voted, by class.
        unexplained: number of rows whose vote rests on no query.
        ambiguous: number of rows that voted otherwise than a row on which everything was answered alike.
        queries: every query, with the number of positive answers.
        looked_up: queries that came from look-ups in sets, dicts or counters.
    """

    conjunctions: dict[int, dict[Conjunction, None]] = field(default_factory=lambda: defaultdict(dict))
    against: dict[tuple[int, Query], None] = field(default_factory=dict)
    lengths: dict[tuple[int, Length], set[float]] = field(default_factory=lambda: defaultdict(set))
    rows: Counter[int] = field(default_factory=Counter)
    unexplained: int = 0
    ambiguous: int = 0
    queries: Counter[Query] = field(default_factory=Counter)
    looked_up: set[Query] = field(default_factory=set)

    def speaks(self, query: Query) -> bool:
        """Tell whether anything was learnt about a query."""
        positive = any(query in conjunction for each in self.conjunctions.values() for conjunction in each)
        return positive or any(query == other for _, other in self.against)


class _VotedPath(NamedTuple):
    vote: int
    pivotal: Conjunction
    redundant: Conjunction
    fixed: Conjunction


class Explorer:
    """Learns what an LF's votes rest on by running it again with single answers turned over.

    On a row where the LF votes k, a query that was answered with yes matters if the vote leaves k once the answer is
    no; where it abstains, a query that was answered with no matters if a yes makes it vote. This is the derivative of
    the LF with respect to its own questions, without a guess from frequencies. Queries through compiled patterns
    cannot be turned over; they are judged by comparing rows.

    Args:
        run: runs the LF on a data point under answers of our choice.
        max_runs: bound on the number of runs.

    Attributes:
        ended: whether the budget of the runner ended during the last row, which then teaches nothing more.
    """

    def __init__(self, run: Runner, max_runs: int) -> None:
        self.evidence = Evidence()
        self.runs = 0
        self.ended = False
        self._run_lf, self._max_runs = run, max_runs
        self._tested: Counter[tuple[Any, ...]] = Counter()
        self._paths: dict[tuple[Any, ...], bool] = {}
        self._votes_by_answers: dict[frozenset[Any], Counter[int]] = defaultdict(Counter)
        self._open: list[_VotedPath] = []
        self._fixed: dict[Query, dict[bool, Counter[int]]] = defaultdict(lambda: {True: Counter(), False: Counter()})

    def learn(self, point: Any, vote: int, trace: Trace) -> None:
        """Learn from one row: its vote and the trace of its run."""
        self.evidence.rows[vote] += 1
        self.evidence.looked_up |= trace.looked_up
        hits = frozenset(query for query, answer in trace.queries.items() if answer)
        for query, answer in trace.queries.items():
            self.evidence.queries[query] += answer
            if query in trace.fixed:
                self._fixed[query][answer][vote] += 1
        path = (vote, hits, frozenset(trace.queries), frozenset(trace.lengths))
        if path not in self._paths:
            pivotal = self._turn_hits(point, vote, trace, {})
            redundant = frozenset() if pivotal else self._turn_together(point, vote, trace)
            turned = self._turn_misses(point, vote, trace, {})
            if self.ended:
                return
            fixed = hits & trace.fixed
            self._paths[path] = bool(pivotal or redundant or fixed or turned)
            if vote != ABSTAIN:
                self._open.append(_VotedPath(vote, pivotal, redundant, fixed))
        by_length = self._turn_lengths(point, vote, trace)
        if self.ended:
            return
        if trace.columns and all(trace.columns.values()):
            if vote != ABSTAIN and not (self._paths[path] or by_length):
                self.evidence.unexplained += 1
            elif not trace.lengths:
                self._votes_by_answers[frozenset(trace.queries.items())][vote] += 1

    def conclude(self) -> Evidence:
        """Judge what could not be turned over and return the evidence."""
        conjunctions = self.evidence.conjunctions
        for path in self._open:
            needed = frozenset(q for q in path.fixed if self._is_needed(q, path.vote, alone=not path.pivotal))
            if needed:
                # Runs under overridden answers do not see fixed queries, and the rest was enough.
                conjunctions[path.vote].pop(path.pivotal, None)
            if path.pivotal | needed:
                conjunctions[path.vote][path.pivotal | needed] = None
        for path in self._open:
            alternatives = path.redundant or path.fixed
            decisive = {query for conjunction in conjunctions[path.vote] for query in conjunction}
            if not path.pivotal and not alternatives & decisive:
                conjunctions[path.vote].update({frozenset({query}): None for query in alternatives})
        self._judge_absent_patterns()
        for votes in self._votes_by_answers.values():
            if len(votes) > 1:
                self.evidence.ambiguous += votes.total() - votes[ABSTAIN]
        return self.evidence

    def _run(self, point: Any, answers: Answers) -> tuple[int, Trace] | None:
        if self.ended or self.runs >= self._max_runs:
            return None
        self.runs += 1
        try:
            return self._run_lf(point, answers)
        except BudgetEndedError:
            self.ended = True
            return None

    def _vote(self, point: Any, answers: Answers) -> int | None:
        result = self._run(point, answers)
        return None if result is None else result[0]

    def _turn_hits(self, point: Any, vote: int, trace: Trace, answers: Answers) -> Conjunction:
        """Return the queries whose positive answer the vote rests on; where none is cast, note what keeps it away."""
        pivotal = set()
        for query, answer in trace.queries.items():
            if not answer or query in trace.fixed:
                continue
            other = self._vote(point, {**answers, query: False})
            if other is None or other == vote:
                continue
            if vote == ABSTAIN:
                self.evidence.against[other, query] = None
            else:
                pivotal.add(query)
        return frozenset(pivotal)

    def _turn_together(self, point: Any, vote: int, trace: Trace) -> Conjunction:
        """Return the queries that stand in for each other: the vote leaves once all of them are answered with no."""
        refused: dict[Query | Length, int] = {}
        for _ in range(_MAX_ALTERNATIVES):
            hits = [query for query, answer in trace.queries.items() if answer and query not in trace.fixed]
            if vote == ABSTAIN or not hits:
                break
            refused.update(dict.fromkeys(hits, False))
            result = self._run(point, refused)
            if result is None:
                break
            other, trace = result
            if other != vote:
                return frozenset(query for query in refused if isinstance(query, Query))
        return frozenset()

    def _turn_misses(self, point: Any, vote: int, trace: Trace, answers: Answers) -> bool:
        """Answer each missed query with yes, and tell whether that ever changed the vote."""
        changed = False
        for query, answer in trace.queries.items():
            if answer or query in trace.fixed or query in answers or self._tested[vote, query] >= _TESTS_PER_QUERY:
                continue
            self._tested[vote, query] += 1
            turned = {**answers, query: True}
            result = self._run(point, turned)
            if result is None:
                continue
            other, after = result
            changed |= other != vote
            if other == vote:
                self._go_deeper(point, vote, trace, after, turned)
            elif other == ABSTAIN:
                self.evidence.against[vote, query] = None
            else:
                pivotal = self._turn_hits(point, other, after, turned) | {query}
                if not self.ended:
                    self.evidence.conjunctions[other][pivotal] = None
        return changed

    def _go_deeper(self, point: Any, vote: int, before: Trace, after: Trace, answers: Answers) -> None:
        """Follow the further questions that a yes has opened, as the second half of ``a in t and b in t``."""
        if vote == ABSTAIN and len(answers) < _MAX_CONJUNCTION and after.queries.keys() - before.queries.keys():
            self._turn_misses(point, vote, after, answers)

    def _turn_lengths(self, point: Any, vote: int, trace: Trace) -> bool:
        changed = False
        for length in trace.lengths:
            for value, direction in ((_SHORT, -1.0), (_LONG, 1.0)):
                # Going through tokens by position, a forced short length hides tokens: that is no rule on lengths.
                if (value == _SHORT and trace.indexed) or self._tested[vote, length, value] >= _TESTS_PER_LENGTH:
                    continue
                self._tested[vote, length, value] += 1
                other = self._vote(point, {length: value})
                if other is None or other == vote:
                    continue
                changed = True
                if vote != ABSTAIN:
                    self.evidence.lengths[vote, length].add(-direction)
                if other != ABSTAIN:
                    self.evidence.lengths[other, length].add(direction)
        return changed or any((vote, length) in self.evidence.lengths for length in trace.lengths)

    def _is_needed(self, query: Query, vote: int, alone: bool) -> bool:
        """Tell whether a fixed query holds on each row of this vote, and is more than always true."""
        held, missed = self._fixed[query][True], self._fixed[query][False]
        return held[vote] > 0 and missed[vote] == 0 and (alone or missed.total() > 0)

    def _judge_absent_patterns(self) -> None:
        voted = [label for label in self.evidence.rows if label != ABSTAIN]
        for query, answers in self._fixed.items():
            if self.evidence.speaks(query):
                continue
            if not answers[True] and len(voted) == 1:
                self.evidence.conjunctions[voted[0]][frozenset({query})] = None
            elif set(answers[True]) == {ABSTAIN}:
                by_absence = {path.vote for path in self._open if not path.pivotal and answers[False][path.vote]}
                self.evidence.against.update({(label, query): None for label in by_absence})
